/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_RUN_PROGRESS_H
#define XENTEST_RUN_PROGRESS_H

#include <stdint.h>

#include "control/control.h"

/*
 * What a domain says in xenstore about how far it is: STORE_STATE, one JSON
 * object. A guest can write anything there: it is parsed, and then only
 * compared with names that are ours.
 */

enum progress_state {
	PROGRESS_NOTHING, /* a word that we do not know */
	PROGRESS_WAITING, /* for the share, or for a run */
	PROGRESS_TESTING,
	PROGRESS_REBOOTING,   /* as a test asked, which goes on then */
	PROGRESS_DELIVERING,  /* all tests are over, their results on the way */
	PROGRESS_DONE,
	PROGRESS_UNDELIVERED, /* done, but they did not reach the share */
};

struct progress {
	enum progress_state state;
	const struct control_test *test; /* in the domain's list; or NULL */
	const char *step;  /* a literal of ours; "?" for any other word */
	int64_t index;	   /* in the list, from 1; as said, so anything */
	int64_t iteration; /* likewise */
};

/**
 * progress_read() - understand what a domain said
 * @text:   any bytes
 * @run:    id of the run that is going on
 * @domain: whose tests these are
 * @ret:    written on success only
 *
 * Return: 0; -EBADMSG for what is no JSON object; -ESTALE for another run: a
 * guest may stay up between two.
 */
int progress_read(const char *text, const char *run,
		  const struct control_domain *domain, struct progress *ret);

#endif
