/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_RUN_SHARE_H
#define XENTEST_RUN_SHARE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

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

struct share_delivery {
	const char *shared_dir;
	const char *name; /* of the domain */
	const char *run;
	int local_fd; /* the domain's directory of this run */
	bool record_only; /* a test is writing its results */
};

/**
 * share_deliver() - bring over what the share does not have yet
 * @delivery: a struct share_delivery
 *
 * Result files are moved (renamed, or copied and then removed here); of the
 * record the lines that are missing there are appended. What could not be
 * brought over stays and goes with the next call. Usable as the function of a
 * child.
 *
 * Return: 0 or the first negative errno.
 */
int share_deliver(void *delivery, struct err *e);

#endif
