/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_RUN_COURIER_H
#define XENTEST_RUN_COURIER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/journal.h"
#include "base/loop.h"
#include "run/record.h"
#include "run/share.h"

/*
 * Brings a domain's record and results to the share while its tests run. One
 * child at a time delivers (share_deliver()); what fails is tried again after
 * pauses of 1, 2, 4 and so on up to COURIER_PAUSE_MAX_S seconds. A child that
 * the kernel holds, because the share hangs, is waited for and never joined
 * by a second one. Trouble is said once when it begins, and once when it is
 * over.
 */
struct courier;

enum {
	COURIER_PAUSE_MAX_S = 60,
	COURIER_LIMIT_S = 10 * 60, /* for one delivery */
};

/**
 * courier_new()
 * @loop:     outlives the courier
 * @delivery: from where to where; what it points to outlives the courier
 * @record:   of that domain; outlives the courier
 * @about:    for the journal; likewise
 * @ret:      release with courier_free()
 */
int courier_new(struct loop *loop, const struct share_delivery *delivery,
		struct record *record, const struct journal *about,
		struct courier **ret, struct err *e);

/* Ends a delivery that is under way; the next one makes up for it. */
void courier_free(struct courier *courier);

/**
 * courier_send() - bring over all that lies here now, in the background
 *
 * When no test is running: what is written later is not touched. Deliveries
 * that failed are tried again when their pause is over, not by this.
 */
void courier_send(struct courier *courier);

/**
 * courier_hurry() - wait until the record, as it is now, is in the share
 * @limit_usec: not longer than this
 *
 * Does not wait at all while the share makes trouble, and not again after it
 * had to give up, until a delivery succeeds.
 *
 * Return: whether it is there.
 */
bool courier_hurry(struct courier *courier, uint64_t limit_usec);

/**
 * courier_settle() - bring over all that lies here now, through all trouble
 * @limit_usec: not longer than this; UINT64_MAX: until courier_stop()
 *
 * Return: 0; -ECANCELED after courier_stop(); the last delivery's negative
 * errno, -ETIMEDOUT when the share does not answer. It may be called again.
 */
int courier_settle(struct courier *courier, uint64_t limit_usec,
		   struct err *e);

/* Likewise, and remove the control file's copy: nothing more is to come. */
int courier_finish(struct courier *courier, uint64_t limit_usec,
		   struct err *e);

/* From a callback: end the wait of any of these. */
void courier_stop(struct courier *courier);

#endif
