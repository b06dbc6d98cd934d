/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_RUN_ENVIRONMENT_H
#define XENTEST_RUN_ENVIRONMENT_H

#include <stddef.h>

/* An environment for a child, whole: xentest.conf(5), "What a command sees". */
struct environment {
	char **entries; /* "NAME=value", NULL at the end; for child_spec */
	size_t count;
	size_t room;
	int failed; /* -ENOMEM once memory was short */
};

/**
 * environment_init() - begin with this process's own
 *
 * Without what systemd meant for this daemon alone (NOTIFY_SOCKET and such),
 * PATH with the sbin directories, LC_ALL=C.
 */
void environment_init(struct environment *environment);

/* NAME=VALUE, replacing an older one; a NULL value takes the name away. */
void environment_set(struct environment *environment, const char *name,
		     const char *value);

/* Each "NAME=value" of a list that ends with NULL; the list may be NULL. */
void environment_add(struct environment *environment,
		     const char *const *entries);

/* MAKEFLAGS=-jN; @jobs 0: as many as CPUs are online. */
void environment_set_jobs(struct environment *environment, unsigned int jobs);

void environment_done(struct environment *environment);

#endif
