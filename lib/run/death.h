/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_RUN_DEATH_H
#define XENTEST_RUN_DEATH_H

#include <stdint.h>

#include "base/err.h"
#include "base/json.h"

/*
 * How a guest went down in the middle of its tests, as dom0 saw it. It stands
 * in a "died" event of the run's record, and in xenstore, STORE_DIED, where
 * the guest finds it when it was started again: its own record may have gone
 * down with it.
 */
#define DEATH_OF_HOST "host: " /* before a reason that is the machine's */

struct death {
	int64_t entry;	   /* that was open, from 0 in its list; -1: none */
	int64_t iteration; /* of that, from 1 */
	char step[16];
	char reason[48]; /* "crash", "watchdog", …; "host: Xen panic", … */
};

/* Set its members in @object: entry, iteration, step, reason. */
void death_to_json(const struct death *death, struct json *object);

/* The other way round; what is missing or makes no sense means: none open. */
void death_from_json(struct death *death, const struct json *object);

/**
 * death_read() - understand what stands in STORE_DIED
 *
 * Return: 0, or -EBADMSG for what is no JSON object.
 */
int death_read(const char *text, struct death *ret, struct err *e);

/**
 * death_describe() - "guest crash during run", "host: Xen panic during run"
 *
 * Return: @buffer.
 */
const char *death_describe(const struct death *death, char buffer[static 96]);

#endif
