/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_SOURCE_GIT_H
#define XENTEST_SOURCE_GIT_H

#include "base/err.h"

enum { GIT_COMMIT = 64 + 1 }; /* SHA-1 or SHA-256 in hex, and a NUL */

struct git_job {
	const char *url; /* anything git takes but options; "git+" and "#REF"
			  * are taken off */
	const char *ref; /* branch, tag or commit; NULL: the default branch */
	/* A mirror is kept here and only what is new is fetched; -1: none. */
	int cache_fd;
	int into_fd;	  /* directory that gets the checkout */
	const char *name; /* how the checkout is called there */
	unsigned int retries;
	unsigned int pause_ms;
};

/**
 * git_get() - clone and check out
 * @ret_commit: what was checked out
 * @e:          "URL: reason; what to do", without the URL's password
 *
 * Never asks for a password, uses git, http, https, ssh and file alone, runs
 * no hooks, leaves submodules alone. A commit that the mirror has is taken from
 * there without asking the server.
 *
 * Return: 0; -ENOENT no such ref; -EIO git failed; -EINVAL the URL or ref looks
 * like an option.
 */
int git_get(const struct git_job *job, char ret_commit[static GIT_COMMIT],
	    struct err *e);

#endif
