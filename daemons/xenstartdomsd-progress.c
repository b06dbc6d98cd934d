/* SPDX-License-Identifier: BSD-2-Clause */
#include "xenstartdomsd.h"

#include <inttypes.h>
#include <string.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "run/progress.h"

/*
 * What a domain says about its progress, and how long it may say nothing. A
 * guest can write anything there: progress_read() makes names of ours of it.
 */

#define SECOND_USEC UINT64_C(1000000)
#define LISTEN_USEC (GUEST_LISTEN_MS * UINT64_C(1000))

enum {
	STATE_BYTES_MAX = 512,
	COLLECT_LIMIT_S = 15 * 60, /* as xenruntestsd has it */
};

/* ---- how long a step may take ------------------------------------------ */

static uint64_t limit_of(const struct control_test *test, const char *step)
{
	if (strcmp(step, "run") == 0)
		return test->timeout_s;
	if (strcmp(step, "collect") == 0)
		return COLLECT_LIMIT_S;
	return test->build_timeout_s;
}

static uint64_t patience_usec(const struct guest *guest,
			      const struct control_test *test, const char *step)
{
	uint64_t limit_s = test == NULL ? 0 : limit_of(test, step);

	if (limit_s >= UINT64_MAX / SECOND_USEC - guest->host->grace_s)
		return UINT64_MAX;
	return (limit_s + guest->host->grace_s) * SECOND_USEC;
}

static int on_no_progress(void *arg)
{
	struct guest *guest = arg;

	guest_give_up(guest, "no news from %s (%s) long after its time limit",
		      guest->test, guest->step);
	return 0;
}

static void arm_patience(struct guest *guest, const struct control_test *test)
{
	struct err e = ERR_NONE;
	int r;

	loop_source_free(TAKE_PTR(guest->timer));
	r = loop_timer(guest->host->loop,
		       patience_usec(guest, test, guest->step), on_no_progress,
		       guest, &guest->timer, &e);
	if (r < 0)
		guest_give_up(guest, "%s", e.text);
}

/* ---- how long all of them may take ------------------------------------- */

static uint64_t sum(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t product(uint64_t a, uint64_t b)
{
	return b != 0 && a > UINT64_MAX / b ? UINT64_MAX : a * b;
}

/* Fetch, build with its tries, install and cleanup; run and collect. */
static uint64_t whole_of(const struct control_test *test, uint64_t grace_s)
{
	uint64_t once_s = product(test->build_timeout_s, 4 + test->retries);
	uint64_t collect_s = test->log_dir == NULL ? 0 : COLLECT_LIMIT_S;
	uint64_t again_s = sum(test->timeout_s, sum(collect_s, grace_s));

	/* The iteration that begins when duration is nearly over counts too. */
	return sum(sum(once_s, test->duration_s),
		   product(again_s, (uint64_t)test->repeat + 1));
}

static int on_whole_timeout(void *arg)
{
	guest_give_up(arg,
		      "its tests take longer than all their time limits together");
	return 0;
}

/*
 * News that are none, again and again, must not keep a run alive: with each of
 * them the time of one step begins anew, with none of them this.
 */
static int arm_whole(struct guest *guest, struct err *e)
{
	const struct control_domain *control = guest->control;
	uint64_t limit_s = guest->host->grace_s;

	for (size_t i = 0; i < control->entry_count; i++)
		limit_s = sum(limit_s, whole_of(control->entries[i].test,
						guest->host->grace_s));
	loop_source_free(TAKE_PTR(guest->whole_timer));
	return loop_timer(guest->host->loop, product(limit_s, SECOND_USEC),
			  on_whole_timeout, guest, &guest->whole_timer, e);
}

/* ---- what it says ------------------------------------------------------ */

static void say_test(struct guest *guest)
{
	struct journal about = guest->about;

	/* Once for each line of its list, however often it says so. */
	if (guest->index <= guest->index_said ||
	    guest->index > (int64_t)guest->control->entry_count)
		return;
	guest->index_said = guest->index;
	about.test = guest->test;
	journal_say(&about, JOURNAL_TEST_STARTED, LOG_INFO,
		    "Runs test %" PRId64 " of %zu", guest->index,
		    guest->control->entry_count);
}

static void begins_testing(struct guest *guest)
{
	struct err e = ERR_NONE;

	if (guest->state == GUEST_TESTING)
		return;
	guest->state = GUEST_TESTING;
	guest_note(guest, "running", NULL, NULL);
	if (arm_whole(guest, &e) < 0)
		guest_give_up(guest, "%s", e.text);
}

static void is_testing(struct guest *guest, const struct progress *said)
{
	const char *name = said->test == NULL ? "?" : said->test->name;

	if (guest->state == GUEST_TESTING && guest->test == name &&
	    guest->step == said->step && guest->index == said->index &&
	    guest->iteration == said->iteration)
		return; /* said again, nothing new; or that it reboots */
	guest->test = name;
	guest->step = said->step;
	guest->index = said->index;
	guest->iteration = said->iteration;
	guest->rebooting = false;
	begins_testing(guest);
	say_test(guest);
	arm_patience(guest, said->test);
}

/* As good as a new step, once; it has the grace for it. */
static void is_delivering(struct guest *guest)
{
	if (strcmp(guest->step, "delivery") == 0)
		return;
	guest->test = "its results";
	guest->step = "delivery";
	begins_testing(guest);
	arm_patience(guest, NULL);
}

/* dom0 does not reboot under the others. */
static void waits_to_reboot(struct guest *guest)
{
	struct journal about = guest->about;

	guest->state = GUEST_REBOOTING;
	guest_unwatch(guest);
	about.test = guest->test;
	journal_say(&about, JOURNAL_PLAIN, LOG_NOTICE,
		    "Asks for a reboot, which comes when all other domains are done");
}

/* A guest does so by itself: it is awaited again once it is down. */
static void is_rebooting(struct guest *guest, const struct progress *said)
{
	if (guest->rebooting)
		return;
	is_testing(guest, said);
	if (guest_is_final(guest))
		return;
	guest->rebooting = guest->granted = true;
	if (guest_is_dom0(guest))
		waits_to_reboot(guest);
	else
		arm_patience(guest, NULL);
}

static void take_progress(struct guest *guest, const struct progress *said)
{
	if (said->state == PROGRESS_TESTING)
		is_testing(guest, said);
	else if (said->state == PROGRESS_REBOOTING)
		is_rebooting(guest, said);
	else if (said->state == PROGRESS_WAITING)
		guest->waiting = true;
	else if (said->state == PROGRESS_DELIVERING)
		is_delivering(guest);
	else if (said->state == PROGRESS_DONE ||
		 said->state == PROGRESS_UNDELIVERED)
		guest_is_done(guest, said->state == PROGRESS_UNDELIVERED);
}

/* ---- listening to it --------------------------------------------------- */

void guest_look(struct guest *guest)
{
	CLEANUP(freep) char *where = NULL;
	CLEANUP(freep) char *text = NULL;
	struct progress said;
	struct err ignored = ERR_NONE;

	if (guest_is_final(guest) || guest_is_starting(guest) ||
	    guest->host->stopping)
		return;
	where = text_format("/local/domain/%u/" STORE_STATE, guest->domid);
	/* What is not there yet, too long or makes no sense says nothing. */
	if (where != NULL &&
	    store_read(guest->host->store, where, STATE_BYTES_MAX, &text,
		       &ignored) == 0 &&
	    progress_read(text, guest->host->run->id, guest->control, &said) ==
		    0)
		take_progress(guest, &said);
	host_check(guest->host);
}

/*
 * Each look costs a round trip to xenstored and a word to systemd. One is paid
 * for by GUEST_LISTEN_MS; what was not used is saved, up to a burst.
 */
static bool is_too_often(struct guest *guest)
{
	uint64_t now = loop_now_usec();
	uint64_t burst = GUEST_LISTEN_BURST * LISTEN_USEC;

	if (guest->listened_usec + burst < now)
		guest->listened_usec = now - burst;
	if (guest->listened_usec > now)
		return true;
	guest->listened_usec += LISTEN_USEC;
	return false;
}

static int on_later(void *arg)
{
	struct guest *guest = arg;

	loop_source_free(TAKE_PTR(guest->later));
	guest_look(guest);
	return 0;
}

static int on_progress(void *arg, const char *path)
{
	struct guest *guest = arg;
	struct err e = ERR_NONE;

	(void)path;
	if (guest->later != NULL)
		return 0;
	if (!is_too_often(guest))
		guest_look(guest);
	else if (loop_timer(guest->host->loop, LISTEN_USEC, on_later, guest,
			    &guest->later, &e) < 0)
		guest_give_up(guest, "%s", e.text);
	return 0;
}

void guest_unwatch(struct guest *guest)
{
	loop_source_free(TAKE_PTR(guest->timer));
	loop_source_free(TAKE_PTR(guest->whole_timer));
	loop_source_free(TAKE_PTR(guest->terminal_timer));
	loop_source_free(TAKE_PTR(guest->later));
	store_unwatch(TAKE_PTR(guest->terminal));
	store_unwatch(TAKE_PTR(guest->progress));
}

int guest_watch_progress(struct guest *guest, struct err *e)
{
	CLEANUP(freep) char *path = text_format(
		"/local/domain/%u/" STORE_PROGRESS, guest->domid);

	if (path == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	store_unwatch(TAKE_PTR(guest->progress));
	return store_watch(guest->host->store, path, on_progress, guest,
			   &guest->progress, e);
}
