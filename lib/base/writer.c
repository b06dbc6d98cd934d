/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/writer.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/inotify.h>

#include "base/cleanup.h"
#include "base/text.h"

struct waiting {
	int fd;
	int inotify_fd;
	bool over;
	bool timed_out;
};

/* Such a lease is to be had only while nobody writes. */
static bool is_being_written(int fd)
{
	if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
		return errno == EAGAIN;
	fcntl(fd, F_SETLEASE, F_UNLCK);
	return false;
}

static int on_close(void *arg, uint32_t events)
{
	struct waiting *waiting = arg;
	char buffer[4096];

	(void)events;
	while (read(waiting->inotify_fd, buffer, sizeof(buffer)) > 0)
		;
	waiting->over = !is_being_written(waiting->fd);
	return 0;
}

static int on_limit(void *arg)
{
	struct waiting *waiting = arg;

	waiting->timed_out = true;
	waiting->over = true;
	return 0;
}

static int wait_for_close(struct loop *loop, struct waiting *waiting,
			  uint64_t limit_usec, struct err *e)
{
	CLEANUP(loop_source_freep) struct loop_source *closed = NULL;
	CLEANUP(loop_source_freep) struct loop_source *limit = NULL;
	int r;

	r = loop_io(loop, waiting->inotify_fd, EPOLLIN, on_close, waiting,
		    &closed, e);
	if (r == 0)
		r = loop_timer(loop, limit_usec, on_limit, waiting, &limit, e);
	/* Closed before the watch was there? */
	if (r == 0)
		r = on_close(waiting, 0);
	return r < 0 ? r : loop_run(loop, &waiting->over, e);
}

static int watch(int fd, int *ret_fd, struct err *e)
{
	CLEANUP(fd_close) int inotify_fd =
		inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (inotify_fd < 0 ||
	    inotify_add_watch(inotify_fd, path, IN_CLOSE_WRITE) < 0)
		return err_errno(e, "watch");
	*ret_fd = TAKE_FD(inotify_fd);
	return 0;
}

int writer_wait(struct loop *loop, int dir_fd, const char *name,
		uint64_t limit_usec, struct err *e)
{
	CLEANUP(fd_close) int fd = openat(
		dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	CLEANUP(fd_close) int inotify_fd = -1;
	struct waiting waiting = { .fd = fd };
	char limit[32];
	int r;

	if (fd < 0 || !is_being_written(fd))
		return 0; /* whoever reads it says what is wrong with it */
	r = watch(fd, &inotify_fd, e);
	if (r < 0)
		return err_wrap(e, r, "%s", name);
	waiting.inotify_fd = inotify_fd;
	r = wait_for_close(loop, &waiting, limit_usec, e);
	if (r == 0 && waiting.timed_out)
		return err_set(e, -ETIMEDOUT,
			       "%s is still being written after %s", name,
			       text_duration(limit, limit_usec));
	return r;
}
