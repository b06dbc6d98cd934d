/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_XEN_STORE_H
#define XENTEST_XEN_STORE_H

#include <stddef.h>

#include "base/err.h"
#include "base/loop.h"

/*
 * Xenstore, from dom0 and from guests. libxenstore stands behind it, in store.c
 * alone. Paths are absolute, or relative to /local/domain/N/ of this domain;
 * values are text. Every call is a round trip of some milliseconds.
 */
struct store;
struct store_watch;

enum {
	STORE_PATH_MAX = 1024, /* bytes, as in xs_wire.h */
	/* oxenstored takes no more, and a write near 4096 breaks the handle. */
	STORE_VALUE_MAX = 2048,
	STORE_OPEN_LIMIT_S = 10,
};

/* Where a test's progress and announcements are: xentest(7). */
#define STORE_PROGRESS "data/xentest"
#define STORE_STATE "data/xentest/state"
#define STORE_RUN "xentest/run"
#define STORE_DIGEST "xentest/digest"
#define STORE_SHARED "xentest/shared"
#define STORE_DIED "xentest/died" /* run/death.h; not there: it did not */

/**
 * store_open() - connect to xenstored
 * @loop: outlives the store; watches are delivered through it
 * @ret:  release with store_close()
 *
 * Without a xenstored every request would block for ever, in a guest too. So a
 * child process asks first, for STORE_OPEN_LIMIT_S at most, in the loop.
 *
 * Return: 0; -ENOENT without Xen's devices; -ETIMEDOUT when nobody answers;
 * -EACCES, or another negative errno.
 */
int store_open(struct loop *loop, struct store **ret, struct err *e);
void store_close(struct store *store); /* and all its watches; NULL is fine */
void store_closep(struct store **store);

/**
 * store_read() - a node's value, whoever wrote it
 * @max: bytes that it may have; a longer one is refused, not cut
 * @ret: NUL-terminated; the caller frees it
 *
 * Return: 0, -ENOENT, -EACCES, -EFBIG, -EBADMSG for a NUL byte inside.
 */
int store_read(struct store *store, const char *path, size_t max, char **ret,
	       struct err *e);

/**
 * store_write() - make or change a node
 * @text: at most STORE_VALUE_MAX bytes
 *
 * A new node has the permissions of the one above it.
 *
 * Return: 0, -E2BIG, -EACCES, or another negative errno.
 */
int store_write(struct store *store, const char *path, const char *text,
		struct err *e);

/* Remove a node and all below. Return: 0, also when there was none. */
int store_remove(struct store *store, const char *path, struct err *e);

/**
 * store_list() - the names right below a node
 * @ret: one allocation with all names, NULL at the end: one free() is enough
 *
 * Return: 0, -ENOENT, or another negative errno.
 */
int store_list(struct store *store, const char *path, char ***ret,
	       struct err *e);

/* This domain's id. */
int store_domid(struct store *store, unsigned int *ret, struct err *e);

/**
 * store_watch_fn - something at or below the watched path changed
 * @path: what changed last, as the watch was named (relative or absolute); it
 *        says nothing about how: read it
 *
 * Comes once right after store_watch() too. Changes that follow each other
 * closely come as one. May also be called more often than something changed, and for a node that is gone by now. A negative answer
 * ends loop_run().
 */
typedef int (*store_watch_fn)(void *arg, const char *path);

/**
 * store_watch() - be told of changes
 * @path: a path, or "@introduceDomain", "@releaseDomain" (dom0)
 * @ret:  for store_unwatch()
 */
int store_watch(struct store *store, const char *path, store_watch_fn fn,
		void *arg, struct store_watch **ret, struct err *e);
/* From within its own callback too. NULL is fine. */
void store_unwatch(struct store_watch *watch);

#endif
