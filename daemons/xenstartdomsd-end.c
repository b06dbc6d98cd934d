/* SPDX-License-Identifier: BSD-2-Clause */
#include "xenstartdomsd.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/text.h"

/* The ways in which a domain ends: done, given up, gone; and stopping it. */

#define SECOND_USEC UINT64_C(1000000)

void guest_note(struct guest *guest, const char *state, const char *message,
		const char *reason)
{
	const char *test = guest->state == GUEST_TESTING ? guest->test : NULL;
	struct err e = ERR_NONE;

	if (run_note_domain(guest->host->run, guest->control->name, state,
			    message, reason, test, &e) < 0)
		host_lose_record(guest->host, &guest->about, &e);
}

/* ---- stopping it ------------------------------------------------------- */

static void has_stopped(struct guest *guest)
{
	guest->ending = false;
	loop_source_free(TAKE_PTR(guest->terminal_timer));
	host_check(guest->host);
}

static void on_destroyed(void *arg, int r, const struct err *e)
{
	struct guest *guest = arg;

	guest->call = NULL;
	/* Gone by itself meanwhile is as good. */
	(void)r;
	(void)e;
	has_stopped(guest);
}

static void destroy(struct guest *guest)
{
	struct err e = ERR_NONE;

	if (guest->call == NULL &&
	    toolstack_destroy(guest->host->loop, guest->domid, on_destroyed,
			      guest, &guest->call, &e) < 0)
		has_stopped(guest);
}

static int on_stop_timeout(void *arg)
{
	struct guest *guest = arg;

	journal_say(&guest->about, JOURNAL_PLAIN, LOG_NOTICE,
		    "Did not shut down within %d s: destroyed", GUEST_STOP_S);
	destroy(guest);
	return 0;
}

static bool is_gone(struct guest *guest)
{
	struct domains_info info = { 0 };
	struct err ignored = ERR_NONE;

	return domains_info(guest->host->xen, guest->domid, &info, &ignored) <
		       0 ||
	       info.state == DOMAINS_GONE;
}

static void on_shutdown_asked(void *arg, int r, const struct err *e)
{
	struct guest *guest = arg;

	guest->call = NULL;
	if (guest->host->stopping) {
		host_check(guest->host);
	} else if (is_gone(guest)) {
		has_stopped(guest);
	} else if (r < 0) {
		journal_say(&guest->about, JOURNAL_PLAIN, LOG_NOTICE,
			    "Destroyed, as it could not be asked to shut down: %s",
			    e->text);
		destroy(guest);
	}
}

static int shut_down(struct guest *guest, struct err *e)
{
	int r;

	r = loop_timer(guest->host->loop, GUEST_STOP_S * SECOND_USEC,
		       on_stop_timeout, guest, &guest->terminal_timer, e);
	if (r == 0)
		r = toolstack_shutdown(guest->host->loop, guest->domid,
				       on_shutdown_asked, guest, &guest->call,
				       e);
	return r;
}

/*
 * dom0 is never stopped, what is half made never kept, and results that are
 * nowhere else neither thrown away.
 */
void guest_stop(struct guest *guest)
{
	struct err e = ERR_NONE;
	bool asked = (guest->control->stop && !guest->undelivered) ||
		     guest->half_made;

	guest->ending = false;
	if (!asked || guest_is_dom0(guest))
		return;
	if (guest->call != NULL) {
		guest->ending = true; /* its end leads here again */
		toolstack_cancel(guest->call);
		return;
	}
	if (!guest->has_domid || is_gone(guest))
		return;
	guest->ending = true;
	if (guest->state != GUEST_DONE || shut_down(guest, &e) < 0)
		destroy(guest);
}

/* ---- no more to come --------------------------------------------------- */

void guest_finish(struct guest *guest, enum guest_state state)
{
	guest->state = state;
	guest_unwatch(guest);
	/* Else we are on our way out, and this may not even be recorded. */
	if (!guest->host->stopping)
		guest_stop(guest);
	host_check(guest->host);
}

void guest_is_done(struct guest *guest, bool undelivered)
{
	char message[256];

	snprintf(message, sizeof(message),
		 "its results did not reach the share and lie in its "
		 "/" PATH_STATE_DIR "/runs/%s/%s",
		 guest->host->run->id, guest->control->name);
	guest->undelivered = undelivered;
	guest_note(guest, "done", undelivered ? message : NULL, NULL);
	journal_say(&guest->about, JOURNAL_DOMAIN_DONE,
		    undelivered ? LOG_WARNING : LOG_INFO,
		    "Says that all its tests are done%s%s",
		    undelivered ? "; " : "", undelivered ? message : "");
	guest_finish(guest, GUEST_DONE);
}

void guest_give_up(struct guest *guest, const char *format, ...)
{
	char message[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	if (guest_is_final(guest))
		return;
	guest_note(guest, "given up", message, NULL);
	journal_say(&guest->about, JOURNAL_DOMAIN_GIVEN_UP, LOG_WARNING,
		    "Given up: %s", message);
	guest_finish(guest, GUEST_GIVEN_UP);
}

/* ---- went down ---------------------------------------------------------- */

/* A test may do so, or ask for it: the guest has start_timeout to come back. */
static void has_rebooted(struct guest *guest)
{
	char message[128] = "it rebooted";

	/* Who asked pays with the one thing that was granted. */
	if (guest->granted && guest->asked++ < control_reboots(guest->control)) {
		snprintf(message, sizeof(message),
			 "it reboots, as %.100s asked", guest->test);
	} else if (guest->reboots++ >= GUEST_REBOOTS_MAX) {
		guest_give_up(guest, "it rebooted more than %d times",
			      GUEST_REBOOTS_MAX);
		return;
	}
	guest->granted = false;
	guest_unwatch(guest);
	guest_note(guest, "starting", message, "reboot");
	journal_say(&guest->about, JOURNAL_PLAIN, LOG_NOTICE, "I%s",
		    message + 1);
	guest_reawait(guest);
}

static void take_leave(struct guest *guest, const struct domains_info *info)
{
	if (info->state == DOMAINS_SHUTDOWN && info->reason == DOMAINS_SUSPEND)
		return; /* it will be resumed */
	if (info->reason == DOMAINS_REBOOT || info->reason == DOMAINS_SOFT_RESET)
		has_rebooted(guest);
	else
		guest_has_died(guest, info);
}

void guest_went_unseen(struct guest *guest)
{
	struct domains_info info = { .reason = DOMAINS_NO_REASON };
	struct err e = ERR_NONE;

	guest->domid = (unsigned int)guest->known_domid;
	guest->has_domid = true;
	if (domains_info(guest->host->xen, guest->domid, &info, &e) < 0)
		guest_give_up(guest, "%s", e.text);
	else
		take_leave(guest, &info);
}

void guest_on_released(struct guest *guest)
{
	struct domains_info info;
	struct err e = ERR_NONE;

	if (!guest->has_domid || guest->domid == 0 ||
	    guest->state == GUEST_CLEARING || guest->state == GUEST_AWAITED ||
	    guest->state == GUEST_UNPAUSING) /* on_unpaused() looks again */
		return;
	if (domains_info(guest->host->xen, guest->domid, &info, &e) < 0) {
		journal_say(&guest->about, JOURNAL_PLAIN, LOG_ERR, "%s",
			    e.text);
		return;
	}
	if (guest->ending && info.state == DOMAINS_GONE && guest->call == NULL)
		has_stopped(guest);
	if (info.state != DOMAINS_GONE && info.state != DOMAINS_SHUTDOWN &&
	    info.state != DOMAINS_DYING)
		return;
	guest_look(guest); /* its last words */
	if (!guest_is_final(guest))
		take_leave(guest, &info);
}
