/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_RUN_ITERATION_H
#define XENTEST_RUN_ITERATION_H

#include "run/testing.h"

/*
 * One iteration of one test: its steps in order, each a child with a log of
 * its own and a line in the record. For testing.c.
 */

/**
 * iteration_run() - run the entry that @testing stands at, or go on with it
 * @until_usec: loop_now_usec() until which the test starts again
 * @last:       set when this iteration is the last one
 *
 * A step that fails is in the record and no error of this function.
 *
 * Return: 0; 1 when it asked for a reboot; -ECANCELED after testing_stop(); another negative errno when the
 * record or a log cannot be written.
 */
int iteration_run(struct testing *testing, uint64_t until_usec, bool *last,
		  struct err *e);

/* Begin an event about the entry and iteration that @testing stands at. */
struct json *iteration_event(const struct testing *testing, const char *name);

/* Fold and record an event, which is taken over. */
int iteration_note(struct testing *testing, struct json *event, struct err *e);

#endif
