/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_SOURCE_RUN_H
#define XENTEST_SOURCE_RUN_H

#include <stdbool.h>

#include "base/err.h"

enum { RUN_OUTPUT_MAX = 4096 };

struct run_spec {
	const char *const *argv; /* looked up in PATH; NULL at the end */
	/* "NAME=value" over our environment, NULL at the end; or NULL. */
	const char *const *environment;
	int dir_fd; /* working directory; -1: ours */
	bool quiet; /* its output is an answer and does not go to stdout */
};

/**
 * run_program() - run a program and wait for its end
 * @spec:   stdin is /dev/null
 * @output: the last RUN_OUTPUT_MAX - 1 bytes of its stdout and stderr
 *          together, made plain but for newlines; filled in either way
 * @e:      "git: fatal: no such repository": the line that says why, else the
 *          last one
 *
 * Blocks until it ends, without a limit. For use in a child process, where
 * there is no event loop.
 *
 * Return: its exit status; -ENOENT when there is no such program; another
 * negative errno when it could not run or a signal ended it.
 */
int run_program(const struct run_spec *spec,
		char output[static RUN_OUTPUT_MAX], struct err *e);

/* The last line in @output that is not empty, its end cut off there. */
char *run_last_line(char *output);

#endif
