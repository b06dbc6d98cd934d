/* SPDX-License-Identifier: BSD-2-Clause */
#include "xenstartdomsd.h"

#include <inttypes.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/json.h"

/*
 * dom0's watchdog: Xen resets the machine when nobody feeds it. It is fed while
 * this daemon comes round and the run's record can be put onto its disk: a dom0
 * in which that hangs gets no further, however alive it looks. What hangs in a
 * domain is the part of its tests' time limits.
 */

#define SECOND_USEC UINT64_C(1000000)

/* So often within its time. */
enum { FEEDINGS = 10 };

static int feed(void *arg)
{
	struct host *host = arg;
	uint32_t limit_s = (uint32_t)host->watchdog_s;
	struct err e = ERR_NONE;

	if (record_sync(host->run->record, &e) < 0) {
		host_lose_record(host, &host->about, &e);
		return 0;
	}
	if (domains_feed_watchdog(host->xen, host->watchdog_id, limit_s, &e) <
	    0) {
		journal_say(&host->about, JOURNAL_PLAIN, LOG_WARNING,
			    "dom0 has no watchdog any more: %s", e.text);
		return 0;
	}
	loop_timer_again(host->watchdog_timer,
			 host->watchdog_s * SECOND_USEC / FEEDINGS);
	return 0;
}

/* The one that we armed in this boot, before we were restarted, or a new one. */
static int arm(struct host *host, struct err *e)
{
	uint32_t limit_s = (uint32_t)host->watchdog_s;
	struct err over = ERR_NONE;
	struct json *event;
	int r;

	if (host->watchdog_id != 0 &&
	    domains_feed_watchdog(host->xen, host->watchdog_id, limit_s,
				  &over) == 0)
		return 0;
	r = domains_arm_watchdog(host->xen, limit_s, &host->watchdog_id, e);
	if (r < 0)
		return r;
	event = record_event("watchdog");
	json_set_int(event, "id", host->watchdog_id);
	r = record_add(host->run->record, event, e);
	if (r == 0)
		r = record_sync(host->run->record, e);
	/* The next of us would not know of it. */
	if (r < 0)
		domains_feed_watchdog(host->xen, host->watchdog_id, 0, &over);
	return r;
}

int watchdog_begin(struct host *host, struct err *e)
{
	struct err trouble = ERR_NONE;

	if (host->watchdog_s == 0 || !host->run->control->preferences.watchdog)
		return 0;
	if (arm(host, &trouble) < 0) {
		if (record_has_failed(host->run->record))
			return err_set(e, -EIO, "%s", trouble.text);
		journal_say(&host->about, JOURNAL_PLAIN, LOG_WARNING,
			    "dom0 has no watchdog: %s", trouble.text);
		return 0;
	}
	return loop_timer(host->loop, host->watchdog_s * SECOND_USEC / FEEDINGS,
			  feed, host, &host->watchdog_timer, e);
}

void watchdog_end(struct host *host)
{
	struct err ignored = ERR_NONE;

	loop_source_free(TAKE_PTR(host->watchdog_timer));
	if (host->watchdog_id != 0 && host->xen != NULL)
		domains_feed_watchdog(host->xen, host->watchdog_id, 0,
				      &ignored);
}
