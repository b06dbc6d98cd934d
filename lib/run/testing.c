/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/testing.h"

#include <string.h>
#include <syslog.h>

#include "run/iteration.h"

/* An end that is not an iteration's: state "interrupted" or "skipped". */
static int note_without_running(struct testing *testing, const char *state,
				const char *message, struct err *e)
{
	struct json *event = iteration_event(testing, "test");

	json_set_string(event, "test",
			testing->fold->entries[testing->entry].test);
	json_set_string(event, "state", state);
	json_set_string(event, "message", message);
	return iteration_note(testing, event, e);
}

/* The required test that did not do well, or NULL. */
static const struct fold_entry *unmet(const struct testing *testing)
{
	const struct control_test *test =
		testing->domain->entries[testing->entry].test;

	for (size_t i = 0; test->requires != NULL && test->requires[i] != NULL;
	     i++) {
		const struct fold_entry *found = NULL;

		for (size_t j = 0; j < testing->entry; j++)
			if (strcmp(testing->fold->entries[j].test,
				   test->requires[i]) == 0)
				found = &testing->fold->entries[j];
		if (found != NULL && !fold_is_good(found))
			return found;
	}
	return NULL;
}

static int skip(struct testing *testing, const struct fold_entry *required,
		struct err *e)
{
	char outcome[320];
	char message[400];

	snprintf(message, sizeof(message), "it requires %s (%s)",
		 required->test, fold_describe(required, outcome));
	journal_say(&testing->about, JOURNAL_TEST_ENDED, LOG_NOTICE,
		    "Skipped: %s", message);
	return note_without_running(testing, "skipped", message, e);
}

static bool has_ended(const struct fold_entry *entry,
		      const struct control_test *test)
{
	if (entry->state == FOLD_PENDING || entry->state == FOLD_REBOOTING)
		return false;
	/* Cut off exactly between two iterations: the rest is still to come. */
	return !(entry->state >= FOLD_EXITED &&
		 entry->state <= FOLD_TIMED_OUT &&
		 entry->iterations < test->repeat);
}

/*
 * Did it begin before the guest went down, though the record, which may have
 * gone down too, does not show it?
 */
static bool was_begun(const struct testing *testing,
		      const struct fold_entry *entry,
		      const struct control_test *test)
{
	const struct death *death = testing->death;
	int64_t number = (int64_t)testing->entry;

	if (death == NULL || number > death->entry)
		return false;
	return number == death->entry ?
		       (int64_t)entry->iterations < death->iteration :
		       !has_ended(entry, test);
}

/* Begun, and nobody knows how it ended: it is not run again. */
static bool is_broken(const struct testing *testing,
		      const struct fold_entry *entry,
		      const struct control_test *test)
{
	const struct death *death = testing->death;

	if (entry->state == FOLD_RUNNING || was_begun(testing, entry, test))
		return true;
	/* It went down before the reboot that was asked for, or in it. */
	return entry->state == FOLD_REBOOTING && death != NULL &&
	       (int64_t)testing->entry == death->entry &&
	       (int64_t)entry->iterations == death->iteration;
}

static const char *why_broken(const struct testing *testing,
			      const struct fold_entry *entry,
			      char buffer[static 96])
{
	const struct death *death = testing->death;

	if (death != NULL && (int64_t)testing->entry == death->entry)
		return death_describe(death, buffer);
	return entry->state == FOLD_RUNNING ?
		       "the machine or the daemon went down under it" :
		       "it had run, and its record went down with the guest";
}

static int note_broken(struct testing *testing, const struct fold_entry *entry,
		       struct err *e)
{
	const struct death *death = testing->death;
	bool crashed = death != NULL && (int64_t)testing->entry == death->entry;
	char buffer[96];
	const char *message = why_broken(testing, entry, buffer);

	journal_say(&testing->about, JOURNAL_TEST_INTERRUPTED, LOG_WARNING,
		    "%s: %s; it is not run again",
		    crashed ? "Crashed" : "Interrupted", message);
	return note_without_running(
		testing, crashed ? "crashed" : "interrupted", message, e);
}

/* Asked in this very boot: whoever was to reboot has yet to do so. */
static bool is_to_reboot(const struct testing *testing,
			 const struct fold_entry *entry)
{
	return entry->state == FOLD_REBOOTING &&
	       strcmp(entry->asked_in, testing->boot_id) == 0;
}

static int run_iterations(struct testing *testing,
			  const struct fold_entry *entry, uint64_t until_usec,
			  struct err *e)
{
	bool last = false;
	int r = 0;

	while (r == 0 && !last && !testing->stopping) {
		if (entry->state != FOLD_REBOOTING)
			testing->iteration++;
		r = iteration_run(testing, until_usec, &last, e);
	}
	return r;
}

static void say_started(const struct testing *testing,
			const struct fold_entry *entry)
{
	if (entry->state == FOLD_REBOOTING)
		journal_say(&testing->about, JOURNAL_TEST_STARTED, LOG_NOTICE,
			    "Goes on after its reboot, number %u",
			    entry->reboot);
	else
		journal_say(&testing->about, JOURNAL_TEST_STARTED, LOG_INFO,
			    "Started, number %zu of %zu", testing->entry + 1,
			    testing->domain->entry_count);
}

static int run_entry(struct testing *testing, struct err *e)
{
	const struct fold_entry *entry = &testing->fold->entries[testing->entry];
	const struct control_test *test =
		testing->domain->entries[testing->entry].test;

	testing->about.test = test->name;
	testing->iteration = entry->iterations;
	if (is_broken(testing, entry, test))
		return note_broken(testing, entry, e);
	if (has_ended(entry, test))
		return 0;
	if (is_to_reboot(testing, entry)) {
		testing->step = "run";
		testing->rebooting = true;
		return 1;
	}
	if (entry->state != FOLD_REBOOTING && unmet(testing) != NULL)
		return skip(testing, unmet(testing), e);
	say_started(testing, entry);
	return run_iterations(testing, entry,
			      loop_now_usec() + test->duration_s * 1000000, e);
}

int testing_run(struct testing *testing, struct err *e)
{
	for (size_t i = 0; i < testing->domain->entry_count; i++) {
		int r;

		if (testing->stopping)
			return err_set(e, -ECANCELED, "stopped");
		testing->entry = i;
		r = run_entry(testing, e);
		testing->about.test = NULL;
		testing->about.step = NULL;
		if (r < 0)
			return err_wrap(e, r, "%s",
					testing->domain->entries[i].test->name);
		if (r > 0)
			return r;
	}
	return record_sync(testing->record, e);
}

void testing_stop(struct testing *testing)
{
	testing->stopping = true;
	child_stop(testing->current);
}
