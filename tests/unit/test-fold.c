/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include "run/fold.h"

static const struct control_test tests_[] = {
	{.name = "build"},
	{.name = "LTP"},
};
static const struct control_entry list[] = {
	{.test = &tests_[0]},
	{.test = &tests_[1]},
	{.test = &tests_[1]},
};
static const struct control_domain domain = {
	.name = "bob13", .entries = list, .entry_count = ARRAY_SIZE(list)};

static int setup(void **state)
{
	struct fold *fold = NULL;
	struct err e = ERR_NONE;
	int r = fold_new(&domain, &fold, &e);

	*state = fold;
	return r;
}

static int teardown(void **state)
{
	fold_free(*state);
	return 0;
}

static void take(struct fold *fold, const char *text)
{
	CLEANUP(json_freep) struct json *event = NULL;
	struct err e = ERR_NONE;

	assert_int_equal(json_parse(text, strlen(text), &event, &e), 0);
	fold_event(fold, event);
}

static void started(struct fold *fold)
{
	take(fold, "{\"event\":\"test\",\"entry\":1,\"state\":\"started\"}");
}

/* @rest: what the event of entry 1 says beside its state. */
static void ended(struct fold *fold, const char *rest)
{
	char text[1024];

	snprintf(text, sizeof(text),
		 "{\"event\":\"test\",\"entry\":1,\"state\":\"ended\",%s}",
		 rest);
	take(fold, text);
}

static void assert_described(const struct fold_entry *entry,
			     enum fold_state state, const char *words)
{
	char buffer[320];

	assert_int_equal(entry->state, state);
	assert_string_equal(fold_describe(entry, buffer), words);
}

static void every_test_is_pending_at_first(void **state)
{
	struct fold *fold = *state;

	assert_int_equal(fold->count, 3);
	assert_string_equal(fold->entries[0].test, "build");
	assert_string_equal(fold->entries[2].test, "LTP");
	assert_described(&fold->entries[1], FOLD_PENDING, "not run");
	assert_false(fold_is_good(&fold->entries[1]));
	assert_false(fold->done);
}

static void a_test_that_was_started_is_running_until_it_ends(void **state)
{
	struct fold *fold = *state;

	started(fold);
	take(fold, "{\"event\":\"step\",\"entry\":1,\"step\":\"build\","
		   "\"wall_usec\":1500}");
	assert_described(&fold->entries[1], FOLD_RUNNING, "not ended");
	assert_string_equal(fold->entries[1].step, "build");
	assert_int_equal(fold->entries[1].wall_usec, 1500);
	assert_int_equal(fold->entries[0].state, FOLD_PENDING);
	assert_int_equal(fold->entries[2].state, FOLD_PENDING);
}

static void each_end_is_described_and_only_the_right_one_is_good(void **state)
{
	static const struct {
		const char *event;
		enum fold_state state;
		const char *words;
		bool good;
	} cases[] = {
		{"\"outcome\":\"exited\",\"exit_status\":0", FOLD_EXITED,
		 "exit status 0", true},
		{"\"outcome\":\"exited\",\"exit_status\":3", FOLD_EXITED,
		 "exit status 3", false},
		{"\"outcome\":\"exited\",\"exit_status\":3,\"expected\":true",
		 FOLD_EXITED, "exit status 3 (as expected)", true},
		{"\"outcome\":\"exited\",\"exit_status\":0,\"expected\":false",
		 FOLD_EXITED, "exit status 0 (not as expected)", false},
		{"\"outcome\":\"signaled\",\"signal\":11", FOLD_SIGNALED,
		 "signal 11 (Segmentation fault)", false},
		{"\"outcome\":\"signaled\",\"signal\":9,\"expected\":true",
		 FOLD_SIGNALED, "signal 9 (Killed)", false},
		{"\"outcome\":\"timed out\","
		 "\"message\":\"timed out after 5s\",\"exit_status\":0",
		 FOLD_TIMED_OUT, "timed out after 5s", false},
		{"\"outcome\":\"timed out\"", FOLD_TIMED_OUT, "timed out",
		 false},
		{"\"outcome\":\"step failed\",\"step\":\"build\","
		 "\"message\":\"exit status 2\"",
		 FOLD_STEP_FAILED, "build failed: exit status 2", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(fold_freep) struct fold *fold = NULL;
		struct err e = ERR_NONE;

		assert_int_equal(fold_new(&domain, &fold, &e), 0);
		started(fold);
		ended(fold, cases[i].event);
		assert_described(&fold->entries[1], cases[i].state,
				 cases[i].words);
		assert_int_equal(fold_is_good(&fold->entries[1]),
				 cases[i].good);
	}
}

static void said(struct fold *fold, const char *state)
{
	char text[128];

	snprintf(text, sizeof(text),
		 "{\"event\":\"test\",\"entry\":1,\"boot\":\"b1\",\"state\":\"%s\"}",
		 state);
	take(fold, text);
}

static void a_test_that_reboots_is_open_and_goes_on(void **state)
{
	struct fold *fold = *state;
	struct fold_entry *entry = &fold->entries[1];

	started(fold);
	said(fold, "rebooting");
	assert_described(entry, FOLD_REBOOTING,
			 "not ended, it reboots; rebooted 1 time");
	assert_true(fold_is_open(entry));
	assert_string_equal(entry->asked_in, "b1");
	said(fold, "resumed");
	assert_described(entry, FOLD_RUNNING, "not ended; rebooted 1 time");
	said(fold, "rebooting");
	said(fold, "resumed");
	assert_int_equal(entry->reboot, 2);
	ended(fold, "\"outcome\":\"exited\",\"exit_status\":0");
	assert_described(entry, FOLD_EXITED, "exit status 0; rebooted 2 times");
	assert_false(fold_is_open(entry));
	assert_true(fold_is_good(entry));
	started(fold);
	assert_int_equal(entry->reboot, 0);
	assert_int_equal(entry->reboots, 2);
}

static void only_a_test_that_runs_can_reboot(void **state)
{
	struct fold *fold = *state;

	said(fold, "rebooting");
	said(fold, "resumed");
	assert_described(&fold->entries[1], FOLD_PENDING, "not run");
	started(fold);
	said(fold, "rebooting");
	said(fold, "rebooting");
	assert_int_equal(fold->entries[1].reboot, 1);
	said(fold, "interrupted");
	said(fold, "resumed");
	assert_int_equal(fold->entries[1].state, FOLD_INTERRUPTED);
}

static void a_death_ends_a_test_that_was_to_reboot(void **state)
{
	static const struct death death = {
		.entry = 1, .iteration = 1, .step = "run", .reason = "crash"};
	struct fold *fold = *state;

	started(fold);
	said(fold, "rebooting");
	fold_death(fold, &death);
	assert_int_equal(fold->entries[1].state, FOLD_CRASHED);
}

static void what_was_not_run_says_why(void **state)
{
	struct fold *fold = *state;

	take(fold, "{\"event\":\"test\",\"entry\":2,\"state\":\"skipped\","
		   "\"message\":\"it requires build\"}");
	assert_described(&fold->entries[2], FOLD_SKIPPED,
			 "skipped: it requires build");
	started(fold);
	take(fold, "{\"event\":\"test\",\"entry\":1,"
		   "\"state\":\"interrupted\",\"step\":\"run\","
		   "\"message\":\"power cut\"}");
	assert_described(&fold->entries[1], FOLD_INTERRUPTED,
			 "interrupted: power cut");
	assert_string_equal(fold->entries[1].step, "run");
	assert_false(fold_is_good(&fold->entries[1]));
}

static void take_death(struct fold *fold, int64_t entry, int64_t iteration)
{
	const struct death death = {.entry = entry,
				    .iteration = iteration,
				    .step = "run",
				    .reason = "crash"};

	fold_death(fold, &death);
}

static void a_test_that_took_its_guest_down_says_so(void **state)
{
	struct fold *fold = *state;

	started(fold);
	take(fold, "{\"event\":\"test\",\"entry\":1,"
		   "\"state\":\"crashed\",\"message\":\"guest crash\"}");
	assert_described(&fold->entries[1], FOLD_CRASHED,
			 "crashed: guest crash");
	assert_false(fold_is_good(&fold->entries[1]));
}

static void what_dom0_saw_open_crashed_whatever_the_record_shows(void **state)
{
	struct fold *fold = *state;

	started(fold);
	take_death(fold, 1, 1);
	take_death(fold, 2, 1);
	assert_described(&fold->entries[1], FOLD_CRASHED,
			 "crashed: guest crash during run");
	assert_described(&fold->entries[2], FOLD_CRASHED,
			 "crashed: guest crash during run");
}

static void an_iteration_that_crashed_follows_those_that_ended(void **state)
{
	struct fold *fold = *state;

	started(fold);
	ended(fold, "\"outcome\":\"exited\",\"exit_status\":0");
	take_death(fold, 1, 2);
	assert_int_equal(fold->entries[1].state, FOLD_CRASHED);
	assert_false(fold_is_good(&fold->entries[1]));
}

static void a_death_between_two_tests_is_charged_to_neither(void **state)
{
	struct fold *fold = *state;

	started(fold);
	ended(fold, "\"outcome\":\"exited\",\"exit_status\":0");
	take_death(fold, 1, 1);
	take_death(fold, -1, 0);
	take_death(fold, 3, 1);
	take_death(fold, INT64_MAX, 1);
	assert_described(&fold->entries[0], FOLD_PENDING, "not run");
	assert_described(&fold->entries[1], FOLD_EXITED, "exit status 0");
}

static void a_cleanup_after_the_end_changes_nothing_but_the_time(void **state)
{
	struct fold *fold = *state;

	started(fold);
	ended(fold, "\"outcome\":\"exited\",\"exit_status\":0,"
		    "\"step\":\"run\"");
	take(fold, "{\"event\":\"step\",\"entry\":1,\"step\":\"cleanup\","
		   "\"exit_status\":1,\"wall_usec\":7}");
	assert_described(&fold->entries[1], FOLD_EXITED, "exit status 0");
	assert_string_equal(fold->entries[1].step, "run");
	assert_int_equal(fold->entries[1].wall_usec, 7);
}

static void one_bad_iteration_spoils_a_test(void **state)
{
	struct fold *fold = *state;

	started(fold);
	ended(fold, "\"outcome\":\"exited\",\"exit_status\":0");
	started(fold);
	ended(fold, "\"outcome\":\"exited\",\"exit_status\":1");
	started(fold);
	ended(fold, "\"outcome\":\"exited\",\"exit_status\":0");
	assert_described(&fold->entries[1], FOLD_EXITED,
			 "exit status 0; 2 of 3 times good");
	assert_false(fold_is_good(&fold->entries[1]));
}

static void an_interrupted_iteration_spoils_a_test(void **state)
{
	struct fold *fold = *state;

	started(fold);
	ended(fold, "\"outcome\":\"exited\",\"exit_status\":0");
	started(fold);
	assert_false(fold_is_good(&fold->entries[1]));
	take(fold, "{\"event\":\"test\",\"entry\":1,"
		   "\"state\":\"interrupted\",\"message\":\"gone\"}");
	assert_described(&fold->entries[1], FOLD_INTERRUPTED,
			 "interrupted: gone; 1 of 2 times good");
	assert_false(fold_is_good(&fold->entries[1]));
}

static void done_is_done(void **state)
{
	struct fold *fold = *state;

	take(fold, "{\"event\":\"done\"}");
	assert_true(fold->done);
	assert_int_equal(fold->events, 1);
}

/* ---- events that a guest may have made up ------------------------------ */

static void nonsense_changes_nothing(void **state)
{
	struct fold *fold = *state;
	static const char *const events[] = {
		"{}",
		"[]",
		"7",
		"null",
		"{\"event\":7}",
		"{\"event\":\"test\"}",
		"{\"event\":\"test\",\"entry\":3,\"state\":\"started\"}",
		"{\"event\":\"test\",\"entry\":-1,\"state\":\"started\"}",
		"{\"event\":\"test\",\"entry\":9223372036854775807,"
		"\"state\":\"started\"}",
		"{\"event\":\"test\",\"entry\":\"1\",\"state\":\"started\"}",
		"{\"event\":\"test\",\"entry\":1.0,\"state\":\"started\"}",
		"{\"event\":\"test\",\"entry\":1,\"state\":7}",
		"{\"event\":\"test\",\"entry\":1,\"state\":\"exploded\"}",
		"{\"event\":\"step\",\"entry\":1,\"step\":[],"
		"\"wall_usec\":-5}",
		"{\"event\":\"step\",\"entry\":1,\"wall_usec\":\"x\"}",
		"{\"event\":\"trouble\",\"message\":{}}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		take(fold, events[i]);
	for (size_t i = 0; i < fold->count; i++) {
		assert_int_equal(fold->entries[i].state, FOLD_PENDING);
		assert_int_equal(fold->entries[i].wall_usec, 0);
	}
	assert_false(fold->done);
}

static void an_end_that_nobody_knows_is_no_pass(void **state)
{
	struct fold *fold = *state;

	started(fold);
	ended(fold, "\"outcome\":\"passed\",\"exit_status\":0,"
		    "\"expected\":true");
	assert_int_equal(fold->entries[1].state, FOLD_INTERRUPTED);
	assert_false(fold_is_good(&fold->entries[1]));
	ended(fold, "\"outcome\":\"exited\"");
	assert_false(fold_is_good(&fold->entries[1]));
	ended(fold, "\"outcome\":\"exited\",\"exit_status\":\"0\"");
	assert_false(fold_is_good(&fold->entries[1]));
}

static void an_end_without_a_beginning_is_no_pass(void **state)
{
	struct fold *fold = *state;

	ended(fold, "\"outcome\":\"exited\",\"exit_status\":0");
	assert_false(fold_is_good(&fold->entries[1]));
}

static void numbers_out_of_range_do_no_harm(void **state)
{
	struct fold *fold = *state;
	char buffer[320];

	started(fold);
	ended(fold, "\"outcome\":\"signaled\","
		    "\"signal\":255");
	assert_non_null(
		strstr(fold_describe(&fold->entries[1], buffer), "(unknown)"));
	ended(fold, "\"outcome\":\"exited\",\"exit_status\":4294967296");
	assert_false(fold_is_good(&fold->entries[1]));
	for (int i = 0; i < 3; i++)
		take(fold, "{\"event\":\"step\",\"entry\":1,"
			   "\"wall_usec\":9223372036854775807}");
}

static void text_is_plain_and_bounded(void **state)
{
	struct fold *fold = *state;
	char text[4096];
	char buffer[320];
	int at;

	at = snprintf(text, sizeof(text),
		      "\"outcome\":\"step failed\",\"step\":"
		      "\"\\u001b[2Jstep-with-a-long-name\","
		      "\"message\":\"\\u001b]0;x\\u0007\\n");
	memset(text + at, 'm', 2000);
	strcpy(text + at + 2000, "\"");
	started(fold);
	take(fold, "{\"event\":\"step\",\"entry\":1,\"step\":\"\\u009b\\n\"}");
	assert_string_equal(fold->entries[1].step, "???");
	{
		CLEANUP(freep) char *event = NULL;

		assert_true(asprintf(&event,
				     "{\"event\":\"test\",\"entry\":1,"
				     "\"state\":\"ended\",%s}",
				     text) > 0);
		take(fold, event);
	}
	assert_string_equal(fold->entries[1].step, "?[2Jstep-with-a");
	assert_memory_equal(fold->entries[1].message, "?]0;x??mmm", 10);
	assert_int_equal(strlen(fold->entries[1].message), 255);
	fold_describe(&fold->entries[1], buffer);
	assert_memory_equal(buffer, "?[2Jstep-with-a failed: ?]0;x??mm", 33);
}

int main(void)
{
#define FOLD_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		FOLD_TEST(every_test_is_pending_at_first),
		FOLD_TEST(a_test_that_was_started_is_running_until_it_ends),
		FOLD_TEST(each_end_is_described_and_only_the_right_one_is_good),
		FOLD_TEST(a_test_that_reboots_is_open_and_goes_on),
		FOLD_TEST(only_a_test_that_runs_can_reboot),
		FOLD_TEST(a_death_ends_a_test_that_was_to_reboot),
		FOLD_TEST(what_was_not_run_says_why),
		FOLD_TEST(a_test_that_took_its_guest_down_says_so),
		FOLD_TEST(what_dom0_saw_open_crashed_whatever_the_record_shows),
		FOLD_TEST(an_iteration_that_crashed_follows_those_that_ended),
		FOLD_TEST(a_death_between_two_tests_is_charged_to_neither),
		FOLD_TEST(a_cleanup_after_the_end_changes_nothing_but_the_time),
		FOLD_TEST(one_bad_iteration_spoils_a_test),
		FOLD_TEST(an_interrupted_iteration_spoils_a_test),
		FOLD_TEST(done_is_done),
		FOLD_TEST(nonsense_changes_nothing),
		FOLD_TEST(an_end_that_nobody_knows_is_no_pass),
		FOLD_TEST(an_end_without_a_beginning_is_no_pass),
		FOLD_TEST(numbers_out_of_range_do_no_harm),
		FOLD_TEST(text_is_plain_and_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
