/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_RUN_OBTAIN_H
#define XENTEST_RUN_OBTAIN_H

#include "base/err.h"
#include "control/control.h"

/* A test's source, to be brought to tempdir/test_dir. */
struct obtain_job {
	const struct control_source *source;
	const char *test_dir; /* relative to @temp_fd */
	int temp_fd;
	int cache_fd; /* -1: none */
	unsigned int retries;
};

/**
 * obtain() - fetch, verify and unpack, and see that test_dir is there then
 * @job: a struct obtain_job
 *
 * The function of a child; progress goes to its output. On success @e is what
 * to note of it: "done, commit …" or "done, sha256 …".
 *
 * Return: 0 or a negative errno.
 */
int obtain(void *job, struct err *e);

#endif
