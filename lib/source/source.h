/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_SOURCE_SOURCE_H
#define XENTEST_SOURCE_SOURCE_H

#include <stdint.h>

#include "base/err.h"
#include "control/control.h"

/* What is to be on the disk, and where. */
struct source_job {
	const struct control_source *source;
	/*
	 * Directory for downloads and git mirrors, kept between runs and
	 * shared by processes at the same time; -1: none.
	 */
	int cache_fd;
	/* Directory that the tree appears in; stays the caller's. */
	int work_fd;
	/*
	 * What a tree from git, rsync or a directory is called there, no '/'.
	 * A tarball's names are its own.
	 */
	const char *name;
	unsigned int retries;	/* after failures that may pass by themselves */
	unsigned int pause_ms;	/* before the first retry; 0: SOURCE_PAUSE_MS */
	uint64_t bytes_max;	/* of a download and of what is unpacked, each;
				 * 0: SOURCE_BYTES_MAX */
};

enum { SOURCE_PAUSE_MS = 1000 }; /* doubled each time, up to a minute */
#define SOURCE_BYTES_MAX (UINT64_C(64) << 30)
#define SOURCE_HELPER XENTEST_LIBEXECDIR "/xentest-source"

struct source_result {
	char commit[65]; /* git: what was checked out; else empty */
	char sha256[65]; /* of the archive; else empty */
	/*
	 * The one directory that appeared in work_fd; empty when an archive
	 * made several entries or none.
	 */
	char top[256];
	uint64_t bytes; /* unpacked; 0 when it was not unpacked by us */
};

/**
 * source_get() - fetch a source and put its tree into the work directory
 * @job: what and where
 * @ret: what came of it
 * @e:   one sentence with URL (never a password), reason and what to do
 *
 * The tree grows in a hidden directory of work_fd and is moved into place
 * when it is whole; after a failure nothing of it is left, but for a partial
 * download in the cache, which the next call resumes. What stood there under
 * the same name is moved to a trash directory, see source_clean(). Says on
 * stdout what it does, a line each. A source without URL is no work.
 *
 * The work is done by source_get_here() in a program of its own,
 * xentest-source, so that who calls this needs neither libcurl nor libarchive
 * in its memory: the one installed, or what the environment variable
 * SOURCE_HELPER names. It writes to our stdout and stderr, and dies with us.
 *
 * Blocks for as long as it takes: to be called in a child process, which is
 * also where a time limit comes from (killing it is safe at any time).
 *
 * Return: 0, or a negative errno: -ENOENT (not there: 404, no such file, no
 * such ref), -EBADMSG (digest mismatch, broken archive), -EPERM (an archive
 * that reaches out of its directory), -EFBIG (bounds), -ENOSPC, -ENOPKG (no
 * xentest-source), -EPROTO (it ended without an answer) and others.
 * Source: xentest.conf(5), "locations".
 */
int source_get(const struct source_job *job, struct source_result *ret,
	       struct err *e);

/**
 * source_clean() - remove trash and leftovers of killed calls
 * @work_fd: as in struct source_job; calls under way there are left alone
 *
 * Best once, at a run's end: unpacking right after a large removal is several
 * times slower on ext4.
 *
 * Return: 0 or a negative errno.
 */
int source_clean(int work_fd, struct err *e);

#endif
