/* SPDX-License-Identifier: BSD-2-Clause */
#include "xenstartdomsd.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"

/*
 * A guest's way to run: clear away what is half made, create it paused, attach
 * its console, tell it about the run, unpause it.
 */

#define SECOND_USEC UINT64_C(1000000)

enum { NAME_MAX_BYTES = 256 };

static uint64_t usec_of(uint64_t seconds)
{
	return seconds >= UINT64_MAX / SECOND_USEC ? UINT64_MAX :
						     seconds * SECOND_USEC;
}

bool guest_is_final(const struct guest *guest)
{
	return guest->state >= GUEST_DONE;
}

bool guest_is_dom0(const struct guest *guest)
{
	const struct host *host = guest->host;

	return control_find_domain(host->run->control, host->hostname) ==
	       guest->control;
}

bool guest_is_starting(const struct guest *guest)
{
	return guest->state < GUEST_AWAITED;
}

/* ---- finding it -------------------------------------------------------- */

static bool has_name(struct guest *guest, const char *domid, const char *name)
{
	CLEANUP(freep) char *path = text_format("/local/domain/%s/name", domid);
	CLEANUP(freep) char *found = NULL;
	struct err ignored = ERR_NONE;

	return path != NULL &&
	       store_read(guest->host->store, path, NAME_MAX_BYTES, &found,
			  &ignored) == 0 &&
	       strcmp(found, name) == 0;
}

static bool is_alive(struct guest *guest, unsigned int domid)
{
	struct domains_info info;
	struct err ignored = ERR_NONE;

	return domains_info(guest->host->xen, domid, &info, &ignored) == 0 &&
	       (info.state == DOMAINS_RUNNING ||
		info.state == DOMAINS_BLOCKED || info.state == DOMAINS_PAUSED);
}

static bool is_of_another(const struct guest *guest, unsigned int domid)
{
	const struct host *host = guest->host;

	for (size_t i = 0; i < host->guest_count; i++)
		if (&host->guests[i] != guest && host->guests[i].has_domid &&
		    host->guests[i].domid == domid)
			return true;
	return false;
}

static bool is_it(struct guest *guest, const char *domid_text, bool alive)
{
	unsigned int domid = (unsigned int)strtoul(domid_text, NULL, 10);

	/* dom0 is known otherwise, and no guest may take its place. */
	return domid != 0 && !is_of_another(guest, domid) &&
	       has_name(guest, domid_text, guest->xen_name) &&
	       is_alive(guest, domid) == alive;
}

/*
 * Where one of that name is, alive or what is left of a dead one. No guest can
 * change its name; of two the one that we know to have made counts.
 */
static int find(struct guest *guest, bool alive, unsigned int *ret_domid,
		struct err *e)
{
	CLEANUP(freep) char **domids = NULL;
	char known[24];
	int r;

	snprintf(known, sizeof(known), "%" PRId64, guest->known_domid);
	if (guest->known_domid > 0 && is_it(guest, known, alive)) {
		*ret_domid = (unsigned int)guest->known_domid;
		return 0;
	}

	r = store_list(guest->host->store, "/local/domain", &domids, e);
	if (r < 0)
		return r;
	for (size_t i = 0; domids[i] != NULL; i++) {
		if (is_it(guest, domids[i], alive)) {
			*ret_domid =
				(unsigned int)strtoul(domids[i], NULL, 10);
			return 0;
		}
	}
	return err_set(e, -ENOENT, "there is no domain named \"%s\"",
		       guest->xen_name);
}

int guest_find(struct guest *guest, unsigned int *ret_domid, struct err *e)
{
	return find(guest, true, ret_domid, e);
}

static void has_come(struct guest *guest, unsigned int domid)
{
	guest->domid = domid;
	guest->has_domid = true;
	guest->known_domid = domid;
}

static void note_started(struct guest *guest, const char *message)
{
	struct err e = ERR_NONE;

	if (run_note_started(guest->host->run, guest->control->name, message,
			     guest->domid, &e) < 0)
		host_lose_record(guest->host, &guest->about, &e);
}

/* ---- its time to start ------------------------------------------------- */

static int on_start_timeout(void *arg)
{
	struct guest *guest = arg;
	char time[32];

	text_duration(time, usec_of(guest->control->start_timeout_s));
	/* xl create has that limit too, and more to say about it: first. */
	if (guest->state == GUEST_CREATING || guest->state == GUEST_CLEARING) {
		loop_timer_again(guest->timer, SECOND_USEC);
		return 0;
	}
	if (guest->state == GUEST_AWAITED)
		guest_give_up(guest, "it did not appear within %s", time);
	else if (guest->waiting)
		guest_give_up(guest,
			      "it reported that it waits, and began no test within %s",
			      time);
	else
		guest_give_up(guest, "it did not report within %s", time);
	return 0;
}

static int arm_start_timeout(struct guest *guest, struct err *e)
{
	uint64_t limit_usec = usec_of(guest->control->start_timeout_s);

	loop_source_free(TAKE_PTR(guest->timer));
	return loop_timer(guest->host->loop, limit_usec, on_start_timeout,
			  guest, &guest->timer, e);
}

/* ---- telling it -------------------------------------------------------- */

static int tell(struct guest *guest, const char *key, const char *value,
		struct err *e)
{
	CLEANUP(freep) char *path =
		text_format("/local/domain/%u/%s", guest->domid, key);

	if (path == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	return store_write(guest->host->store, path, value, e);
}

/* It may have lost its record when it went down. */
static int tell_death(struct guest *guest, struct err *e)
{
	CLEANUP(json_freep) struct json *object = json_object_new();
	CLEANUP(freep) char *text = NULL;

	if (guest->death.entry < 0)
		return 0;
	death_to_json(&guest->death, object);
	text = json_print(object, JSON_ONE_LINE);
	return text == NULL ? err_set(e, -ENOMEM, "out of memory") :
			      tell(guest, STORE_DIED, text, e);
}

int guest_announce(struct guest *guest, struct err *e)
{
	const struct run *run = guest->host->run;
	int r;

	r = tell(guest, STORE_RUN, run->id, e);
	if (r == 0)
		r = tell(guest, STORE_SHARED,
			 run->control->preferences.shared_dir, e);
	if (r == 0)
		r = tell_death(guest, e);
	if (r == 0)
		r = tell(guest, STORE_DIGEST, run->digest, e); /* is watched */
	return r < 0 ? err_wrap(e, r, "announce the run") : 0;
}

/* ---- the last step: unpause -------------------------------------------- */

void guest_is_up(struct guest *guest)
{
	struct err e = ERR_NONE;

	guest->state = GUEST_BOOTING;
	if (guest_watch_progress(guest, &e) < 0)
		guest_give_up(guest, "%s", e.text);
	host_check(guest->host);
}

/* While xl ran we were told to stop, or the guest was given up. */
static bool has_ended_meanwhile(struct guest *guest)
{
	if (!guest->host->stopping && !guest_is_final(guest))
		return false;
	if (!guest->host->stopping)
		guest_stop(guest);
	host_check(guest->host);
	return true;
}

static void on_unpaused(void *arg, int r, const struct err *failed)
{
	struct guest *guest = arg;
	struct domains_info info = { 0 };
	struct err e = *failed;

	guest->call = NULL;
	if (has_ended_meanwhile(guest))
		return;
	if (r == 0)
		r = domains_info(guest->host->xen, guest->domid, &info, &e);
	if (r == 0 && info.state == DOMAINS_PAUSED)
		r = err_set(&e, -EPROTO,
			    "xl unpause said that all is well, but it is still paused");
	if (r < 0) {
		guest_give_up(guest, "%s", e.text);
		return;
	}
	guest->half_made = false;
	journal_say(&guest->about, JOURNAL_DOMAIN_STARTED, LOG_INFO,
		    "Started as domain %u", guest->domid);
	guest_is_up(guest);
	guest_on_released(guest); /* if it is gone again already */
}

void guest_unpause(struct guest *guest)
{
	struct err e = ERR_NONE;
	int r;

	guest->state = GUEST_UNPAUSING;
	r = guest_announce(guest, &e);
	/* Before it can do anything: what it does is not to be cleared away. */
	if (r == 0)
		note_started(guest, NULL);
	if (guest->host->stopping)
		return;
	if (r == 0)
		r = toolstack_unpause(guest->host->loop, guest->domid,
				      on_unpaused, guest, &guest->call, &e);
	if (r < 0)
		guest_give_up(guest, "%s", e.text);
}

/* ---- create ------------------------------------------------------------ */

static void on_created(void *arg, int r, const struct err *failed)
{
	struct guest *guest = arg;
	struct err missing = ERR_NONE;
	struct err e = *failed;
	unsigned int domid;
	int found;

	guest->call = NULL;
	/* Also when it failed: something may be left of it. */
	found = guest_find(guest, &domid, &missing);
	if (found == 0)
		has_come(guest, domid);
	if (has_ended_meanwhile(guest))
		return;
	if (r == 0 && found < 0)
		r = err_set(&e, found, "xl create said that all is well, but %s",
			    missing.text);
	if (r == 0) {
		guest->state = GUEST_ATTACHING;
		r = guest_attach(guest, &e);
	}
	if (r < 0)
		guest_give_up(guest, "%s", e.text);
	host_check(guest->host);
}

static void note_starting(struct guest *guest)
{
	char message[96];

	if (guest->deaths == 0) {
		guest_note(guest, "starting", NULL, NULL);
		return;
	}
	snprintf(message, sizeof(message),
		 "again, for the rest of its tests: %u of %u times",
		 guest->deaths, guest->control->restarts);
	guest_note(guest, "starting", message, NULL);
	journal_say(&guest->about, JOURNAL_PLAIN, LOG_NOTICE, "Starts %s",
		    message);
}

static void create(struct guest *guest)
{
	const struct control_domain *control = guest->control;
	struct err e = ERR_NONE;
	int r;

	guest->state = GUEST_CREATING;
	guest->ours = true;
	guest->half_made = true;
	note_starting(guest);
	if (guest->host->stopping)
		return;
	r = arm_start_timeout(guest, &e);
	if (r == 0)
		r = toolstack_create_paused(guest->host->loop, control->config,
					    usec_of(control->start_timeout_s),
					    on_created, guest, &guest->call,
					    &e);
	if (r < 0)
		guest_give_up(guest, "%s", e.text);
}

static bool is_in(const struct guest *guest, enum domains_state state)
{
	struct domains_info info = { 0 };
	struct err ignored = ERR_NONE;

	return domains_info(guest->host->xen, guest->domid, &info, &ignored) ==
		       0 &&
	       info.state == state;
}

static void on_cleared(void *arg, int r, const struct err *failed)
{
	struct guest *guest = arg;
	/* The xl that watches over it may have been faster. */
	bool cleared = r == 0 || is_in(guest, DOMAINS_GONE);

	guest->call = NULL;
	guest->has_domid = false;
	if (has_ended_meanwhile(guest))
		return;
	if (cleared)
		create(guest);
	else
		guest_give_up(guest, "%s", failed->text);
}

static void clear_away(struct guest *guest)
{
	struct err e = ERR_NONE;

	guest->state = GUEST_CLEARING;
	if (toolstack_destroy(guest->host->loop, guest->domid, on_cleared,
			      guest, &guest->call, &e) < 0)
		guest_give_up(guest, "%s", e.text);
}

/* ---- where it begins --------------------------------------------------- */

/* It is there already: not created by us, or before we were restarted. */
static void take_up(struct guest *guest)
{
	struct err e = ERR_NONE;
	int r;

	r = arm_start_timeout(guest, &e);
	if (r == 0)
		r = guest_announce(guest, &e);
	/* Whoever started it may have a look at its console. */
	if (r == 0 && guest->ours)
		r = guest_attach(guest, &e);
	if (r < 0)
		guest_give_up(guest, "%s", e.text);
	else
		guest_is_up(guest);
}

/* Recorded as started, and that is all that was done. */
static void let_go(struct guest *guest)
{
	struct err e = ERR_NONE;
	int r;

	guest->state = GUEST_ATTACHING;
	r = arm_start_timeout(guest, &e);
	if (r == 0)
		r = guest_attach(guest, &e);
	if (r < 0)
		guest_give_up(guest, "%s", e.text);
}

static void begin_known(struct guest *guest)
{
	if (guest->ours && guest->half_made) {
		clear_away(guest);
		return;
	}
	if (guest->ours && is_in(guest, DOMAINS_PAUSED)) {
		let_go(guest);
		return;
	}
	if (!guest->ours)
		note_started(guest,
			     "it was running already and was left alone");
	journal_say(&guest->about, JOURNAL_DOMAIN_STARTED, LOG_NOTICE,
		    guest->ours ? "Runs as domain %u, as before" :
				  "Runs as domain %u already: left alone",
		    guest->domid);
	take_up(guest);
}

static void await(struct guest *guest)
{
	struct err e = ERR_NONE;

	guest->state = GUEST_AWAITED;
	if (arm_start_timeout(guest, &e) < 0)
		guest_give_up(guest, "%s", e.text);
	journal_say(&guest->about, JOURNAL_PLAIN, LOG_INFO,
		    "Has no config: waiting for somebody to start it");
}

void guest_reawait(struct guest *guest)
{
	struct err e = ERR_NONE;

	guest->state = GUEST_AWAITED;
	guest->has_domid = false;
	if (arm_start_timeout(guest, &e) < 0)
		guest_give_up(guest, "%s", e.text);
	/* It may be there again already. */
	guest_on_introduced(guest);
}

static void begin_dom0(struct guest *guest)
{
	has_come(guest, 0);
	take_up(guest);
}

void guest_begin(struct guest *guest)
{
	struct err ignored = ERR_NONE;
	unsigned int domid;

	if (guest_is_dom0(guest)) {
		begin_dom0(guest);
	} else if (guest_find(guest, &domid, &ignored) == 0) {
		has_come(guest, domid);
		begin_known(guest);
	} else if (guest->deaths > 0 &&
		   find(guest, false, &domid, &ignored) == 0) {
		has_come(guest, domid); /* dead, but not gone */
		clear_away(guest);
	} else if (guest->away) {
		guest_reawait(guest);
	} else if (guest->ours && !guest->half_made && guest->known_domid > 0) {
		guest_went_unseen(guest);
	} else if (guest->control->config != NULL) {
		create(guest);
	} else {
		await(guest);
	}
}

void guest_on_introduced(struct guest *guest)
{
	struct err ignored = ERR_NONE;
	unsigned int domid;

	if (guest->state != GUEST_AWAITED ||
	    guest_find(guest, &domid, &ignored) < 0)
		return;
	has_come(guest, domid);
	note_started(guest, NULL);
	journal_say(&guest->about, JOURNAL_DOMAIN_STARTED, LOG_INFO,
		    "Appeared as domain %u", domid);
	take_up(guest);
}
