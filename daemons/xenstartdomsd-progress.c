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
	if (guest->state == GUEST_TESTING)
		return;
	guest->state = GUEST_TESTING;
	guest_note(guest, "running", NULL, NULL);
}

static void is_testing(struct guest *guest, const struct progress *said)
{
	const char *name = said->test == NULL ? "?" : said->test->name;

	if (guest->state == GUEST_TESTING && guest->test == name &&
	    guest->step == said->step && guest->index == said->index &&
	    guest->iteration == said->iteration)
		return; /* said again, nothing new */
	guest->test = name;
	guest->step = said->step;
	guest->index = said->index;
	guest->iteration = said->iteration;
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

static void take_progress(struct guest *guest, const struct progress *said)
{
	if (said->state == PROGRESS_TESTING)
		is_testing(guest, said);
	else if (said->state == PROGRESS_WAITING)
		guest->waiting = true;
	else if (said->state == PROGRESS_DELIVERING)
		is_delivering(guest);
	else if (said->state == PROGRESS_DONE ||
		 said->state == PROGRESS_UNDELIVERED)
		guest_is_done(guest, said->state == PROGRESS_UNDELIVERED);
}

static int on_progress(void *arg, const char *path)
{
	struct guest *guest = arg;
	CLEANUP(freep) char *where = NULL;
	CLEANUP(freep) char *text = NULL;
	struct progress said;
	struct err ignored = ERR_NONE;

	(void)path;
	if (guest_is_final(guest) || guest->host->stopping)
		return 0;
	where = text_format("/local/domain/%u/" STORE_STATE, guest->domid);
	/* What is not there yet, too long or makes no sense says nothing. */
	if (where != NULL &&
	    store_read(guest->host->store, where, STATE_BYTES_MAX, &text,
		       &ignored) == 0 &&
	    progress_read(text, guest->host->run->id, guest->control, &said) ==
		    0)
		take_progress(guest, &said);
	host_check(guest->host);
	return 0;
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
