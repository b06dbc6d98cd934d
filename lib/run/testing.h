/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_RUN_TESTING_H
#define XENTEST_RUN_TESTING_H

#include <stdbool.h>

#include "base/child.h"
#include "base/err.h"
#include "base/journal.h"
#include "base/loop.h"
#include "control/control.h"
#include "run/fold.h"
#include "run/record.h"

/*
 * Running a domain's list of tests, one after the other: per test fetch,
 * build, install, run, collect, cleanup. Each step is a child with a time
 * limit and a log of its own in LOCAL/TEST/STEP.log, and one line in the
 * record. A step that fails ends its test, never the list.
 */
struct testing {
	struct loop *loop;
	const struct control *control;
	const struct control_domain *domain;
	struct record *record;
	struct fold *fold;	/* of that record */
	struct journal about;	/* run and domain; test and step are set here */
	const char *hostname;
	const char *shared_dir; /* for XENTEST_SHARED */
	/* dom0's word on how this guest went down before; NULL: it did not. */
	const struct death *death;
	const char *boot_id;	/* of this boot, to tell it from those before */
	/* Why no test may ask for a reboot; NULL: as the control file says. */
	const char *no_reboots;
	int local_fd;		/* results; named after the test, then .2, .3 */
	int temp_fd;		/* the domain's tempdir */
	int cache_fd;		/* downloads; -1: none are kept */

	/*
	 * Told before each step, and with step NULL once an iteration was
	 * noted as begun (its entry is running) and once it has ended.
	 */
	void (*progress)(void *arg, const struct testing *testing);
	void *arg;

	/* Where it stands, for progress. */
	size_t entry;
	unsigned int iteration;
	const char *step;

	struct child *current; /* for testing_stop() */
	bool stopping;
	bool rebooting; /* a test asked for it, and has been ended */
};

/**
 * testing_run() - run what the record does not show as ended
 *
 * A test that the record shows as begun is noted as interrupted and not run
 * again; likewise what dom0 saw begun before the guest went down, though the
 * record, which may have gone down too, does not show it. The record is synced
 * before each test's first step, which also makes the end of the test before it
 * durable, and at the end of the list.
 *
 * One that asked for a reboot is gone on with once that was made, unless dom0
 * saw the machine or the guest go down in another way.
 *
 * Return: 0 when every test has ended in some way; 1 when the one that
 * @testing stands at waits for the reboot that it asked for, which is in the
 * record and synced; -ECANCELED after testing_stop(); another negative errno
 * when the record cannot be written.
 */
int testing_run(struct testing *testing, struct err *e);

/* From a callback: end the step that is running, and the list. */
void testing_stop(struct testing *testing);

#endif
