/* SPDX-License-Identifier: BSD-2-Clause */
#include "xen/store.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <xenstore.h>

#include "base/child.h"
#include "base/cleanup.h"

#define SECOND_USEC UINT64_C(1000000)

enum { EVENTS_MAX = 1000 }; /* taken at once */

struct store_watch {
	struct store *store;
	struct store_watch *next;
	char *path;
	char token[24]; /* its number: a late event of a closed watch has none */
	store_watch_fn fn;
	void *arg;
	char **event; /* the last of those that it has not been told of yet */
};

struct store {
	struct loop *loop;
	struct xs_handle *handle;
	struct loop_source *source;
	struct store_watch *watches;
	uint64_t last_token;
};

/* ---- opening ----------------------------------------------------------- */

/* In a child process: does anybody answer? */
static int probe(void *arg, struct err *e)
{
	CLEANUP(freep) char *domid = NULL;
	struct xs_handle *handle = xs_open(0);

	(void)arg;
	if (handle == NULL)
		return err_errno(e, "open xenstore");
	domid = xs_read(handle, XBT_NULL, "domid", NULL);
	/* dom0 of some systems has no such node; an answer is an answer. */
	if (domid == NULL && errno != ENOENT)
		return err_errno(e, "read from xenstore");
	return 0;
}

static int check_alive(struct loop *loop, struct err *e)
{
	struct child_spec spec = CHILD_SPEC_NONE;
	struct child_result result;
	int r;

	spec.name = "a look at xenstore";
	spec.function = probe;
	spec.limit_usec = STORE_OPEN_LIMIT_S * SECOND_USEC;
	r = child_run(loop, &spec, NULL, &result, e);
	if (r < 0)
		return r;
	if (result.timed_out)
		return err_set(e, -ETIMEDOUT,
			       "xenstored does not answer; is it running?");
	if (result.number < 0)
		return err_set(e, result.number, "%s", result.message);
	return 0;
}

static bool has_device(void)
{
	/* xs_open() goes by that variable; tests do. */
	return getenv("XENSTORED_PATH") != NULL ||
	       access("/dev/xen/xenbus", F_OK) == 0 ||
	       access("/proc/xen/xenbus", F_OK) == 0 ||
	       access("/run/xenstored/socket", F_OK) == 0;
}

int store_open(struct loop *loop, struct store **ret, struct err *e)
{
	CLEANUP(store_closep) struct store *store = NULL;
	int r;

	if (!has_device())
		return err_set(e, -ENOENT,
			       "there is no /dev/xen/xenbus: no xenstore here");
	r = check_alive(loop, e);
	if (r < 0)
		return r;
	store = calloc(1, sizeof(*store));
	if (store == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	store->loop = loop;
	store->handle = xs_open(0);
	if (store->handle == NULL)
		return err_errno(e, "open xenstore");
	*ret = TAKE_PTR(store);
	return 0;
}

static void watch_free(struct store_watch *watch)
{
	free(watch->event);
	free(watch->path);
	free(watch);
}

void store_close(struct store *store)
{
	if (store == NULL)
		return;
	loop_source_free(store->source);
	while (store->watches != NULL) {
		struct store_watch *watch = store->watches;

		store->watches = watch->next;
		watch_free(watch);
	}
	if (store->handle != NULL)
		xs_close(store->handle);
	free(store);
}

void store_closep(struct store **store)
{
	store_close(*store);
}

/* ---- nodes ------------------------------------------------------------- */

int store_read(struct store *store, const char *path, size_t max, char **ret,
	       struct err *e)
{
	CLEANUP(freep) char *value = NULL;
	unsigned int length;

	value = xs_read(store->handle, XBT_NULL, path, &length);
	if (value == NULL)
		return err_errno(e, "read %s", path);
	if (length > max)
		return err_set(e, -EFBIG, "%s has %u bytes, %zu at most", path,
			       length, max);
	if (memchr(value, '\0', length) != NULL)
		return err_set(e, -EBADMSG, "%s has a NUL byte", path);
	*ret = TAKE_PTR(value); /* libxenstore ends it with a NUL */
	return 0;
}

int store_write(struct store *store, const char *path, const char *text,
		struct err *e)
{
	size_t length = strlen(text);

	if (length > STORE_VALUE_MAX)
		return err_set(e, -E2BIG, "%zu bytes are too many for %s",
			       length, path);
	if (!xs_write(store->handle, XBT_NULL, path, text,
		      (unsigned int)length))
		return err_errno(e, "write %s", path);
	return 0;
}

int store_remove(struct store *store, const char *path, struct err *e)
{
	if (!xs_rm(store->handle, XBT_NULL, path) && errno != ENOENT)
		return err_errno(e, "remove %s", path);
	return 0;
}

int store_list(struct store *store, const char *path, char ***ret,
	       struct err *e)
{
	CLEANUP(freep) char **names = NULL;
	unsigned int count = 0;
	size_t bytes = 0;
	char **list;
	char *to;

	names = xs_directory(store->handle, XBT_NULL, path, &count);
	if (names == NULL)
		return err_errno(e, "list %s", path);
	for (unsigned int i = 0; i < count; i++)
		bytes += strlen(names[i]) + 1;
	list = malloc((count + 1) * sizeof(*list) + bytes);
	if (list == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	to = (char *)(list + count + 1);
	for (unsigned int i = 0; i < count; i++) {
		list[i] = to;
		to = stpcpy(to, names[i]) + 1;
	}
	list[count] = NULL;
	*ret = list;
	return 0;
}

int store_domid(struct store *store, unsigned int *ret, struct err *e)
{
	CLEANUP(freep) char *text = NULL;
	char *end;
	int r;

	r = store_read(store, "domid", 16, &text, e);
	if (r == -ENOENT) {
		/* Guests always have the node: the toolstack writes it. */
		*ret = 0;
		return 0;
	}
	if (r < 0)
		return r;
	errno = 0;
	*ret = (unsigned int)strtoul(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0')
		return err_set(e, -EBADMSG, "domid is not a number");
	return 0;
}

/* ---- watches ----------------------------------------------------------- */

static struct store_watch *find_watch(struct store *store, const char *token)
{
	for (struct store_watch *watch = store->watches; watch != NULL;
	     watch = watch->next)
		if (strcmp(watch->token, token) == 0)
			return watch;
	return NULL;
}

/*
 * libxenstore keeps what came in memory: a guest that writes without pause
 * would fill it, if each event were acted on. So they are taken first, which
 * is quick, and each watch is told of its last one.
 */
static int take_events(struct store *store)
{
	for (int i = 0; i < EVENTS_MAX; i++) {
		CLEANUP(freep) char **event = xs_check_watch(store->handle);
		struct store_watch *watch;

		if (event == NULL)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		watch = find_watch(store, event[XS_WATCH_TOKEN]);
		if (watch == NULL)
			continue;
		free(watch->event);
		watch->event = TAKE_PTR(event);
	}
	return 0; /* the descriptor tells of the rest */
}

static struct store_watch *next_told(struct store *store)
{
	for (struct store_watch *watch = store->watches; watch != NULL;
	     watch = watch->next)
		if (watch->event != NULL)
			return watch;
	return NULL;
}

static int on_events(void *arg, uint32_t events)
{
	struct store *store = arg;
	struct store_watch *watch;
	int r;

	if ((events & (EPOLLHUP | EPOLLERR)) != 0)
		return -EPIPE;
	r = take_events(store);
	/* From the top each time: a callback may close any of them. */
	while (r >= 0 && (watch = next_told(store)) != NULL) {
		CLEANUP(freep) char **event = TAKE_PTR(watch->event);

		r = watch->fn(watch->arg, event[XS_WATCH_PATH]);
	}
	return r;
}

static int listen_to_store(struct store *store, struct err *e)
{
	int fd;

	if (store->source != NULL)
		return 0;
	fd = xs_fileno(store->handle);
	if (fd < 0)
		return err_errno(e, "listen to xenstore");
	return loop_io(store->loop, fd, EPOLLIN, on_events, store,
		       &store->source, e);
}

int store_watch(struct store *store, const char *path, store_watch_fn fn,
		void *arg, struct store_watch **ret, struct err *e)
{
	struct store_watch *watch;
	int r;

	r = listen_to_store(store, e);
	if (r < 0)
		return r;
	watch = calloc(1, sizeof(*watch));
	if (watch != NULL)
		watch->path = strdup(path);
	if (watch == NULL || watch->path == NULL) {
		free(watch);
		return err_set(e, -ENOMEM, "out of memory");
	}
	watch->store = store;
	watch->fn = fn;
	watch->arg = arg;
	snprintf(watch->token, sizeof(watch->token), "%" PRIu64,
		 ++store->last_token);
	if (!xs_watch(store->handle, path, watch->token)) {
		r = err_errno(e, "watch %s", path);
		watch_free(watch);
		return r;
	}
	watch->next = store->watches;
	store->watches = watch;
	*ret = watch;
	return 0;
}

void store_unwatch(struct store_watch *watch)
{
	struct store_watch **link;

	if (watch == NULL)
		return;
	for (link = &watch->store->watches; *link != watch;
	     link = &(*link)->next)
		;
	*link = watch->next;
	xs_unwatch(watch->store->handle, watch->path, watch->token);
	watch_free(watch);
}
