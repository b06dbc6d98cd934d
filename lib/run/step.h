/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_RUN_STEP_H
#define XENTEST_RUN_STEP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/child.h"
#include "base/err.h"
#include "base/json.h"
#include "base/loop.h"

/* How one step ran: its child, and what became of its output. */
struct step_result {
	struct child_result child;
	bool stalled;
	uint64_t output_bytes;
	bool output_cut;
};

struct step {
	struct loop *loop;
	struct child_spec *spec; /* output_fd and whole_tree are set here */
	int result_fd;		 /* where its log is */
	const char *log;	 /* "run.log"; what is there is added to */
	uint64_t output_limit_bytes; /* UINT64_MAX: none */
	uint64_t stall_usec;	     /* UINT64_MAX: none */
	struct child **current;	     /* as in child_run() */
};

/**
 * step_run() - run a child with its output in a log of bounded size
 *
 * What of its limits could not be kept stands in the log's last line.
 *
 * Return: 0; a negative errno when there is no process or no log.
 */
int step_run(const struct step *step, struct step_result *ret, struct err *e);

/* Set the members of a "step" event that tell of limits; xentest-record(5). */
void step_note(struct json *event, const struct step_result *result);

/**
 * step_describe() - what ended it, and which limits it met, in words
 * @ok:      for a program that ended with 0; NULL: say so in numbers
 * @message: "exit status 137; the OOM killer struck 1 time"
 */
void step_describe(const struct step_result *result, const char *ok,
		   uint64_t stall_usec, char message[static 256]);

#endif
