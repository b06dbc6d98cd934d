/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_RUN_FOLD_H
#define XENTEST_RUN_FOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "control/control.h"
#include "run/death.h"

/*
 * Folding a domain's record: what became of every test that it was given.
 *
 * Events of a domain's record; "entry" counts the lines of the domain's list
 * from 0, "iteration" from 1:
 *   domain     run, domain, hostname, system: "dom0" | "guest" | "bare"
 *   plan       tests: names in order
 *   test       entry, iteration, test, dir, state: "started" | "ended" |
 *              "interrupted" | "crashed" | "skipped" | "rebooting" |
 *              "resumed" (both with reboot: the number of it, from 1, in this
 *              iteration), and when ended:
 *              outcome, message, exit_status or signal, expected (yes/no,
 *              when one was said)
 *              when started: step, the first one
 *   begin      entry, iteration, step: a later step begins
 *   step       entry, iteration, step, and exit_status or signal or
 *              timed_out, message, wall_usec, cpu_usec, memory_max_kib, log,
 *              and what step_note() adds
 *   trouble    message
 *   done       (every test of the list has ended in some way)
 */

enum fold_state {
	FOLD_PENDING,
	FOLD_RUNNING,	  /* started, no end yet */
	FOLD_REBOOTING,	  /* … and goes on after the reboot that it asked for */
	FOLD_EXITED,	  /* run_command ended by itself: exit_status */
	FOLD_SIGNALED,	  /* … by a signal */
	FOLD_TIMED_OUT,	  /* run_command was ended by us */
	FOLD_STEP_FAILED, /* a step before it failed: fetch, build, … */
	FOLD_SKIPPED,	  /* a test that it requires did not do well */
	FOLD_INTERRUPTED, /* the machine or the daemon went away under it */
	FOLD_CRASHED,	  /* it took its guest down: message */
};

struct fold_entry {
	const char *test; /* borrowed from the control file */
	enum fold_state state;
	unsigned int iterations; /* begun */
	unsigned int good;	 /* of them ended as they should */
	int exit_status;	 /* of the last iteration */
	int term_signal;
	bool expected_known;
	bool expected;
	unsigned int reboot;  /* asked for, in the last iteration; … */
	unsigned int reboots; /* … in all of them */
	char asked_in[37];    /* the boot it last asked in; "": this process */
	char step[16]; /* the one that failed, or that is running */
	char message[256];
	uint64_t wall_usec; /* of all steps so far */
};

struct fold {
	struct fold_entry *entries; /* as the domain's list */
	size_t count;
	uint64_t events; /* how many were folded */
	bool done;
};

/**
 * fold_new() - every test pending
 * @domain: its list; outlives the fold
 */
int fold_new(const struct control_domain *domain, struct fold **ret,
	     struct err *e);
/* Take one event in; as a visitor of record_open() and record_read(). */
void fold_event(void *fold, const struct json *event);
/* What dom0 knows and the record may not: the test that was open crashed. */
void fold_death(struct fold *fold, const struct death *death);
void fold_free(struct fold *fold);
void fold_freep(struct fold **fold);

/* Has it begun, and not ended? */
bool fold_is_open(const struct fold_entry *entry);

/*
 * Did the test end as it should, in every iteration: with an exit status that
 * was expected, with 0 if none was said?
 */
bool fold_is_good(const struct fold_entry *entry);

/**
 * fold_describe() - what became of a test, in words
 * @buffer: "exit status 0", "timed out", "build failed: exit status 2", …
 *
 * Return: @buffer.
 */
const char *fold_describe(const struct fold_entry *entry,
			  char buffer[static 320]);

#endif
