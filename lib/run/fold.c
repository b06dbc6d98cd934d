/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/fold.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

/* What may stand in an event that somebody else wrote: bounded, and plain. */
static void take_text(char *buffer, size_t size, const struct json *event,
		      const char *key)
{
	text_copy(buffer, size, json_get_string(event, key, ""));
	text_plain(buffer);
}

int fold_new(const struct control_domain *domain, struct fold **ret,
	     struct err *e)
{
	CLEANUP(fold_freep) struct fold *fold = calloc(1, sizeof(*fold));

	if (fold == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	fold->count = domain->entry_count;
	fold->entries = calloc(fold->count + 1, sizeof(*fold->entries));
	if (fold->entries == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < fold->count; i++)
		fold->entries[i].test = domain->entries[i].test->name;
	*ret = TAKE_PTR(fold);
	return 0;
}

static struct fold_entry *entry_of(struct fold *fold, const struct json *event)
{
	int64_t number = json_get_int(event, "entry", -1);

	if (number < 0 || (uint64_t)number >= fold->count)
		return NULL;
	return &fold->entries[number];
}

static void take_step(struct fold_entry *entry, const struct json *event)
{
	int64_t usec = json_get_int(event, "wall_usec", 0);

	/* The cleanup comes after the end, and does not change it. */
	if (entry->state == FOLD_RUNNING)
		take_text(entry->step, sizeof(entry->step), event, "step");
	if (usec > 0)
		entry->wall_usec += (uint64_t)usec;
}

static enum fold_state state_of(const char *outcome)
{
	static const struct {
		const char *word;
		enum fold_state state;
	} words[] = {
		{ "exited", FOLD_EXITED },
		{ "signaled", FOLD_SIGNALED },
		{ "timed out", FOLD_TIMED_OUT },
		{ "step failed", FOLD_STEP_FAILED },
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(outcome, words[i].word) == 0)
			return words[i].state;
	return FOLD_INTERRUPTED; /* nobody's word is a pass */
}

static bool ended_well(const struct fold_entry *entry)
{
	if (entry->state != FOLD_EXITED)
		return false;
	return entry->expected_known ? entry->expected :
				       entry->exit_status == 0;
}

/* An exit status or a signal; 2^32 must not come out as 0. */
static int take_byte(const struct json *event, const char *key, int fallback)
{
	int64_t number = json_get_int(event, key, fallback);

	return number < 0 || number > 255 ? fallback : (int)number;
}

static void take_end(struct fold_entry *entry, const struct json *event)
{
	entry->state = state_of(json_get_string(event, "outcome", ""));
	entry->exit_status = take_byte(event, "exit_status", -1);
	entry->term_signal = take_byte(event, "signal", 0);
	entry->expected_known = json_get(event, "expected") != NULL;
	entry->expected = json_get_bool(event, "expected", false);
	take_text(entry->step, sizeof(entry->step), event, "step");
	take_text(entry->message, sizeof(entry->message), event, "message");
	if (ended_well(entry))
		entry->good++;
}

static void take_break(struct fold_entry *entry, enum fold_state state,
		       const struct json *event)
{
	entry->state = state;
	take_text(entry->step, sizeof(entry->step), event, "step");
	take_text(entry->message, sizeof(entry->message), event, "message");
}

static void take_reboot(struct fold_entry *entry, const struct json *event)
{
	if (entry->state != FOLD_RUNNING)
		return;
	entry->state = FOLD_REBOOTING;
	entry->reboot++;
	entry->reboots++;
	take_text(entry->asked_in, sizeof(entry->asked_in), event, "boot");
}

static void take_resumption(struct fold_entry *entry)
{
	if (entry->state == FOLD_REBOOTING)
		entry->state = FOLD_RUNNING;
}

static void take_test(struct fold_entry *entry, const struct json *event)
{
	const char *state = json_get_string(event, "state", "");

	if (strcmp(state, "started") == 0) {
		entry->state = FOLD_RUNNING;
		entry->iterations++;
		entry->reboot = 0;
		take_text(entry->step, sizeof(entry->step), event, "step");
	} else if (strcmp(state, "rebooting") == 0) {
		take_reboot(entry, event);
	} else if (strcmp(state, "resumed") == 0) {
		take_resumption(entry);
	} else if (strcmp(state, "ended") == 0) {
		take_end(entry, event);
	} else if (strcmp(state, "interrupted") == 0) {
		take_break(entry, FOLD_INTERRUPTED, event);
	} else if (strcmp(state, "crashed") == 0) {
		take_break(entry, FOLD_CRASHED, event);
	} else if (strcmp(state, "skipped") == 0) {
		entry->state = FOLD_SKIPPED;
		take_text(entry->message, sizeof(entry->message), event,
			  "message");
	}
}

void fold_event(void *arg, const struct json *event)
{
	struct fold *fold = arg;
	const char *name = json_get_string(event, "event", "");
	struct fold_entry *entry = entry_of(fold, event);

	fold->events++;
	if (strcmp(name, "done") == 0)
		fold->done = true;
	else if (entry != NULL && strcmp(name, "test") == 0)
		take_test(entry, event);
	else if (entry != NULL && strcmp(name, "step") == 0)
		take_step(entry, event);
	else if (entry != NULL && strcmp(name, "begin") == 0 &&
		 entry->state == FOLD_RUNNING)
		take_text(entry->step, sizeof(entry->step), event, "step");
}

void fold_death(struct fold *fold, const struct death *death)
{
	struct fold_entry *entry;

	if (death->entry < 0 || (uint64_t)death->entry >= fold->count)
		return;
	entry = &fold->entries[death->entry];
	/* Ended before it: the guest went down between two tests. */
	if (!fold_is_open(entry) &&
	    (int64_t)entry->iterations >= death->iteration)
		return;
	entry->state = FOLD_CRASHED;
	snprintf(entry->step, sizeof(entry->step), "%s", death->step);
	death_describe(death, entry->message);
}

void fold_free(struct fold *fold)
{
	if (fold == NULL)
		return;
	free(fold->entries);
	free(fold);
}

void fold_freep(struct fold **fold)
{
	fold_free(*fold);
}

bool fold_is_open(const struct fold_entry *entry)
{
	return entry->state == FOLD_RUNNING || entry->state == FOLD_REBOOTING;
}

bool fold_is_good(const struct fold_entry *entry)
{
	return ended_well(entry) && entry->good == entry->iterations;
}

static const char *signal_name(int number)
{
	return number > 0 && number < 65 ? strsignal(number) : "unknown";
}

/* sh(1) exits with 128 and a signal's number when its last command died of it. */
static void describe_exit(const struct fold_entry *entry,
			  char buffer[static 320])
{
	int by_signal = entry->exit_status - 128;
	const char *expected = !entry->expected_known ? "" :
			       entry->expected	      ? " (as expected)" :
							" (not as expected)";

	if (by_signal > 0 && by_signal < 65)
		snprintf(buffer, 320, "exit status %d%s, 128 + signal %d (%s)",
			 entry->exit_status, expected, by_signal,
			 signal_name(by_signal));
	else
		snprintf(buffer, 320, "exit status %d%s", entry->exit_status,
			 expected);
}

static void describe(const struct fold_entry *entry, char buffer[static 320])
{
	switch (entry->state) {
	case FOLD_PENDING:
		snprintf(buffer, 320, "not run");
		break;
	case FOLD_RUNNING:
		snprintf(buffer, 320, "not ended");
		break;
	case FOLD_REBOOTING:
		snprintf(buffer, 320, "not ended, it reboots");
		break;
	case FOLD_EXITED:
		describe_exit(entry, buffer);
		break;
	case FOLD_SIGNALED:
		snprintf(buffer, 320, "signal %d (%s)", entry->term_signal,
			 signal_name(entry->term_signal));
		break;
	case FOLD_TIMED_OUT:
		snprintf(buffer, 320, "%s",
			 entry->message[0] == '\0' ? "timed out" :
						     entry->message);
		break;
	case FOLD_STEP_FAILED:
		snprintf(buffer, 320, "%s failed: %s", entry->step,
			 entry->message);
		break;
	case FOLD_SKIPPED:
		snprintf(buffer, 320, "skipped: %s", entry->message);
		break;
	case FOLD_INTERRUPTED:
		snprintf(buffer, 320, "interrupted: %s", entry->message);
		break;
	case FOLD_CRASHED:
		snprintf(buffer, 320, "crashed: %s", entry->message);
		break;
	}
}

const char *fold_describe(const struct fold_entry *entry,
			  char buffer[static 320])
{
	size_t length;

	describe(entry, buffer);
	length = strlen(buffer);
	if (entry->reboots > 0)
		snprintf(buffer + length, 320 - length, "; rebooted %u time%s",
			 entry->reboots, entry->reboots == 1 ? "" : "s");
	length = strlen(buffer);
	if (entry->iterations > 1)
		snprintf(buffer + length, 320 - length, "; %u of %u times good",
			 entry->good, entry->iterations);
	return buffer;
}
