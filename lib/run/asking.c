/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/asking.h"

#include <pwd.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/text.h"

#define ACCEPTED "accepted"

enum {
	ANSWER_MAX = 256,
	WAITING_MAX = 8, /* connections; more wait in connect(2) */
};

struct asking {
	int fd;
	struct loop_source *source;
	uid_t uid; /* who may ask besides root */
	const char *(*may)(void *arg);
	void *arg;
	char name[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* ---- who is asked ------------------------------------------------------ */

static bool may_ask(const struct asking *asking, int fd)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
	       (peer.uid == 0 || peer.uid == asking->uid);
}

static void answer(const struct asking *asking, int fd)
{
	const char *reason = may_ask(asking, fd) ?
				     asking->may(asking->arg) :
				     "only root and the test's user may ask";

	if (reason == NULL)
		reason = ACCEPTED;
	/* Whoever is gone already has no use for it. */
	send(fd, reason, strlen(reason), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int on_question(void *arg, uint32_t events)
{
	struct asking *asking = arg;
	CLEANUP(fd_close) int fd = accept4(asking->fd, NULL, NULL, SOCK_CLOEXEC);

	(void)events;
	if (fd >= 0)
		answer(asking, fd);
	else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		/* No descriptors, say: it would call again without end. */
		loop_source_free(TAKE_PTR(asking->source));
	return 0;
}

static int listen_somewhere(struct asking *asking, struct err *e)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t length = sizeof(address);
	int fd = socket(AF_UNIX,
			SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_errno(e, "make a socket");
	asking->fd = fd;
	/* Without a name the kernel gives one, that nobody can have taken. */
	if (bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &length) < 0)
		return err_errno(e, "name a socket");
	if (listen(fd, WAITING_MAX) < 0)
		return err_errno(e, "listen on a socket");
	snprintf(asking->name, sizeof(asking->name), "@%.*s",
		 (int)(length - offsetof(struct sockaddr_un, sun_path) - 1),
		 address.sun_path + 1);
	return 0;
}

int asking_open(struct loop *loop, const char *user,
		const char *(*may)(void *arg), void *arg, struct asking **ret,
		struct err *e)
{
	CLEANUP(asking_closep) struct asking *asking =
		calloc(1, sizeof(*asking));
	const struct passwd *pw = user == NULL ? NULL : getpwnam(user);
	int r;

	if (asking == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	asking->fd = -1;
	asking->uid = pw == NULL ? 0 : pw->pw_uid;
	asking->may = may;
	asking->arg = arg;
	r = listen_somewhere(asking, e);
	if (r == 0)
		r = loop_io(loop, asking->fd, EPOLLIN, on_question, asking,
			    &asking->source, e);
	if (r == 0)
		*ret = TAKE_PTR(asking);
	return r;
}

const char *asking_name(const struct asking *asking)
{
	return asking->name;
}

void asking_close(struct asking *asking)
{
	if (asking == NULL)
		return;
	loop_source_free(asking->source);
	fd_close(&asking->fd);
	free(asking);
}

void asking_closep(struct asking **asking)
{
	asking_close(*asking);
}

/* ---- who asks ---------------------------------------------------------- */

static int connect_to(int fd, const char *name, struct err *e)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = strlen(name);

	if (name[0] != '@' || length > sizeof(address.sun_path))
		return err_set(e, -EINVAL, "\"%s\" is no such socket", name);
	memcpy(address.sun_path + 1, name + 1, length - 1);
	length += offsetof(struct sockaddr_un, sun_path);
	if (connect(fd, (struct sockaddr *)&address, (socklen_t)length) < 0)
		return err_errno(e, "reach xenruntestsd");
	return 0;
}

int asking_ask(const char *name, struct err *e)
{
	CLEANUP(fd_close) int fd =
		socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	char text[ANSWER_MAX];
	ssize_t length;
	int r;

	if (fd < 0)
		return err_errno(e, "make a socket");
	r = connect_to(fd, name, e);
	if (r < 0)
		return r;
	length = recv(fd, text, sizeof(text) - 1, 0);
	if (length < 0)
		return err_errno(e, "hear from xenruntestsd");
	text[length] = '\0';
	text_plain(text);
	if (length == 0)
		return err_set(e, -EPROTO, "xenruntestsd did not answer");
	return strcmp(text, ACCEPTED) == 0 ? 0 : err_set(e, -EPERM, "%s", text);
}
