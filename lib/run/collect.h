/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_RUN_COLLECT_H
#define XENTEST_RUN_COLLECT_H

#include "base/err.h"

struct collect_job {
	int temp_fd;	      /* the domain's tempdir */
	const char *log_dir;  /* relative to it, or absolute */
	const char *patterns; /* fnmatch(3), between white space; NULL: all */
	int result_fd;	      /* where "logs" is made */
};

/**
 * collect_prepare() - make the log directory, empty
 * @temp_fd: where a relative @log_dir begins
 * @user:    whose it becomes; NULL: ours
 *
 * An absolute directory directly below "/" is only made, never emptied: a slip
 * of the pen must not cost /var or /home.
 *
 * Return: 0 or a negative errno.
 */
int collect_prepare(int temp_fd, const char *log_dir, const char *user,
		    struct err *e);

/**
 * collect_logs() - copy what a test left in its log directory
 * @job: a struct collect_job
 *
 * Regular files and directories only, links are not followed; a pattern
 * matches a file's name or its path below the log directory. Usable as the
 * function of a child; prints a line for whatever was left out.
 *
 * Return: 0, also when the directory is gone; or the first negative errno.
 */
int collect_logs(void *job, struct err *e);

#endif
