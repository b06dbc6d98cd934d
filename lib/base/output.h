/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_BASE_OUTPUT_H
#define XENTEST_BASE_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"

/*
 * A log that children write into themselves, kept within a limit while they
 * go on writing. Nothing stands between them and the file, so it costs them
 * nothing. Of what is too much, the middle becomes a hole in the file again
 * and again; in the end a line takes its place.
 *
 * While it is written to, its size is looked at, the sooner the less room is
 * left; while it is not, nobody wakes up.
 */
struct output;

enum {
	/*
	 * What a log may take on disk beyond its limit until it is looked at
	 * again. One that grows by 4 GiB in a second is looked at when a
	 * quarter of this is used up: so much for a busy machine.
	 */
	OUTPUT_SLACK_BYTES = 256 << 20,
	/* Room for a head and a tail: value.c accepts no less. */
	OUTPUT_LIMIT_MIN_BYTES = 64 << 10,
};

/**
 * output_watch() - begin
 * @fd:    the log, opened for reading and writing; whoever writes does so with
 *         O_APPEND. Stays the caller's and outlives the watch. What stands in
 *         it already counts as its head
 * @limit: bytes it may have in the end, OUTPUT_LIMIT_MIN_BYTES or more;
 *         UINT64_MAX: all of it is kept
 *
 * Return: 0 or a negative errno.
 */
int output_watch(struct loop *loop, int fd, uint64_t limit,
		 struct output **ret, struct err *e);

/* For how long, in microseconds, nothing has been written: a second exact. */
uint64_t output_silent_usec(struct output *output);

/**
 * output_finish() - the last look, when nobody writes any more
 * @ret_bytes: how many were written since output_watch(), kept or not; where
 *             the file system has no holes, those at least that were seen
 * @ret_cut:   whether some of the file's are not kept. Then it has the first
 *             half of the limit, a line "[xentest: N bytes are left out
 *             here]" and the last half
 *
 * Blocks on the disk only: the tail is moved, half of the limit at most.
 *
 * Return: 0 or a negative errno.
 */
int output_finish(struct output *output, uint64_t *ret_bytes, bool *ret_cut,
		  struct err *e);

void output_free(struct output *output); /* NULL is fine */
void output_freep(struct output **output);

#endif
