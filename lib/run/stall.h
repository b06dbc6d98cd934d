/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_RUN_STALL_H
#define XENTEST_RUN_STALL_H

#include "base/child.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/output.h"

/*
 * A step that has written nothing for so long: first evidence is taken into
 * "stall.log", in a child with a time limit, then the step is ended.
 */
struct stall;

/* What taking evidence may take, in seconds. */
enum { STALL_EVIDENCE_S = 45 };

/**
 * stall_watch() - begin
 * @output:    of the step
 * @limit_usec: of silence
 * @result_fd: where stall.log is made
 * @step:      points to the child that child_run() runs, once it does
 *
 * All of them stay the caller's and outlive the watch.
 */
int stall_watch(struct loop *loop, struct output *output, uint64_t limit_usec,
		int result_fd, struct child **step, struct stall **ret,
		struct err *e);

/**
 * stall_finish() - the step has ended; so does what takes evidence of it
 *
 * Runs the loop until that has. Frees @stall.
 *
 * Return: whether the step was ended for its silence.
 */
bool stall_finish(struct stall *stall); /* NULL: false */

#endif
