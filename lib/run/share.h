/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_RUN_SHARE_H
#define XENTEST_RUN_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"

/*
 * The shared directory as a domain sees it: SHARED_DIR/NAME/ is its own, with
 *   xentests.conf   its copy of the control file, consumed
 *   RUN/            what a run left: record.jsonl, TEST/STEP.log, TEST/logs/
 * It may be a network mount, so everything that touches it may block, and
 * belongs into a child with a time limit.
 */

#define SHARE_CONTROL "xentests.conf"

/**
 * share_find() - the directory that is this host's
 * @shared_dir: absolute
 * @hostname:   compared with the directories' names without case, whole
 *              first, then up to its first dot
 * @ret_fd:     SHARED_DIR/NAME/; the caller's
 *
 * Return: 0, -ENOENT when there is none (yet), or a negative errno.
 */
int share_find(const char *shared_dir, const char *hostname, int *ret_fd,
	       struct err *e);

/**
 * share_publish() - give a domain its copy of the control file
 * @shared_dir: absolute
 * @name:       of the domain; its directory is made
 *
 * Return: 0 or a negative errno.
 */
int share_publish(const char *shared_dir, const char *name, const void *bytes,
		  size_t length, struct err *e);

struct share_copy {
	const char *shared_dir; /* absolute */
	const char *hostname;
	size_t bytes_max; /* of the control file */
	int to_fd;	  /* a file that takes its bytes */
};

/**
 * share_take() - read this host's copy of the control file
 * @copy: a struct share_copy
 *
 * Usable as the function of a child.
 *
 * Return: 0, -ENOENT when this host has no directory there (yet), -ENODATA when
 * that has no control file (any more), or a negative errno.
 */
int share_take(void *copy, struct err *e);

struct share_delivery {
	const char *shared_dir;
	const char *name; /* of the domain */
	const char *run;
	int local_fd; /* the domain's directory of this run */
	/*
	 * What of it is to be moved, from share_list(): never what a test is
	 * still writing. NULL: the record only.
	 */
	char **names;
	uint64_t record_bytes; /* of the record, that are safe here */
	/* Nothing follows: "done, do not run again". */
	bool last;
};

/**
 * share_list() - the results that lie in a domain's directory
 * @local_fd: a local disk, so that this does not block
 * @ret:      their names there, NULL at the end; release with
 *            share_list_freep()
 */
int share_list(int local_fd, char ***ret, struct err *e);
void share_list_freep(char ***names);

/**
 * share_deliver() - bring over what the share does not have yet
 * @delivery: a struct share_delivery
 *
 * Of the record the lines that are missing there are appended; a copy that is
 * no beginning of it is replaced. Results are moved: renamed, or copied,
 * synced and only then removed here. What could not be brought over stays and
 * goes with the next call, and what is there already is not brought again:
 * once or many times, whole or cut off in between, it comes to the same. The
 * last delivery removes the domain's copy of the control file once all the
 * rest is there. Usable as the function of a child.
 *
 * Return: 0 or the first negative errno.
 */
int share_deliver(void *delivery, struct err *e);

/**
 * share_fetch_record() - get back a record that is lost here
 * @delivery: a struct share_delivery; only where it is matters
 *
 * Usable as the function of a child.
 *
 * Return: 0, also when the share has none; another negative errno says that
 * nobody knows.
 */
int share_fetch_record(void *delivery, struct err *e);

/* A share that has a bad moment costs nobody anything. */
enum { SHARE_ATTEMPTS = 3, SHARE_PAUSE_S = 2 };

/**
 * share_call() - do something with the share in a child, and wait for it
 * @name:       for messages
 * @function:   tried SHARE_ATTEMPTS times, SHARE_PAUSE_S apart, until it does
 *              not fail; must be able to begin anew
 * @limit_usec: for all attempts together
 *
 * Return: as child_call(): what @function answered last; -ETIMEDOUT when it did
 * not answer.
 */
int share_call(struct loop *loop, const char *name,
	       int (*function)(void *arg, struct err *e), void *arg,
	       uint64_t limit_usec, struct err *e);

#endif
