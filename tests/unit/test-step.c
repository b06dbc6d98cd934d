/* SPDX-License-Identifier: BSD-2-Clause */
/* Of lib/run/step.c and stall.c: the limits of a test, up to its record. */
#include "lists.h"

static bool recorded(const struct fixture *f, const char *words)
{
	return log_has(f, "local/record.jsonl", words);
}

static off_t size_of(const struct fixture *f, const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(f->scratch->fd, path, &st, 0), 0);
	return st.st_size;
}

/* ---- output ------------------------------------------------------------ */

static void a_flood_is_cut_and_the_next_test_goes_on(void **state)
{
	struct fixture *f = *state;

	run(f, "test1 = flood\ntest2 = next\n"
	       "[flood]\noutput_limit = 64k\nbuild_command = seq 20000\n"
	       "run_command = seq 1000000\n"
	       "[next]\nrun_command = echo next\n");
	assert_ended(f, 0, "exit status 0");
	assert_int_equal(size_of(f, "local/flood/run.log"), 64 << 10);
	assert_int_equal(size_of(f, "local/flood/build.log"), 64 << 10);
	assert_true(log_has(f, "local/flood/run.log", "\n1000000\n"));
	assert_true(recorded(f, "\"output_bytes\":6888896,\"output_cut\":true"));
	assert_content(f->scratch, "local/next/run.log", "next\n");
	assert_true(recorded(f, "\"output_bytes\":5}"));
}

static void what_had_no_effect_is_said_in_log_and_record(void **state)
{
	struct fixture *f = *state;

	run(f, "test1 = t\n[t]\nmemory_limit = 64m\ntasks_limit = 100\n"
	       "run_command = echo out\n");
	assert_content(f->scratch, "local/t/run.log",
		       "out\n[xentest: memory_limit, tasks_limit had no effect:"
		       " no control group for it]\n");
	assert_true(recorded(
		f, "\"memory_unlimited\":true,\"tasks_unlimited\":true"));
}

/* ---- silence ----------------------------------------------------------- */

static void a_silent_test_leaves_evidence_and_is_ended(void **state)
{
	struct fixture *f = *state;

	run(f, "test1 = silent\ntest2 = next\n"
	       "[silent]\nstall_timeout = 1\n"
	       "run_command = echo word; setsid sleep 61.5 & sleep 62.5\n"
	       "[next]\nrun_command = ! pgrep -fx 'sleep 6[12].5'\n");
	assert_ended(f, 0, "timed out: no output for 1.0s");
	assert_ended(f, 1, "exit status 0");
	assert_true(recorded(f, "\"outcome\":\"timed out\",\"timed_out\":true"));
	assert_true(recorded(f, "\"stalled\":true"));
	assert_true(log_has(f, "local/silent/stall.log", "cmdline: sleep 61.5"));
	assert_true(log_has(f, "local/silent/stall.log", "cmdline: sleep 62.5"));
	assert_true(log_has(f, "local/silent/stall.log", "State:\tS"));
	if (getuid() == 0)
		assert_true(log_has(f, "local/silent/stall.log", "nanosleep"));
	assert_recorded(f);
}

static void one_that_ignores_being_asked_is_ended_too(void **state)
{
	struct fixture *f = *state;

	run(f, "test1 = silent\n[silent]\nstall_timeout = 1\n"
	       "run_command = trap '' TERM; setsid sleep 63.5 & sleep 63.5\n");
	assert_ended(f, 0, "timed out: no output for 1.0s");
	assert_true(recorded(f, "\"signal\":9"));
}

static void one_that_speaks_now_and_then_goes_on(void **state)
{
	struct fixture *f = *state;

	run(f, "test1 = t\n[t]\nstall_timeout = 2\n"
	       "run_command = for i in 1 2 3 4 5 6; do sleep 0.5; echo; done\n");
	assert_ended(f, 0, "exit status 0");
	assert_false(exists(f->scratch, "local/t/stall.log"));
	assert_false(recorded(f, "stalled"));
}

/* A build may be silent: a compiler that has nothing to say is at work. */
static void only_the_run_step_may_not_be_silent(void **state)
{
	struct fixture *f = *state;

	run(f, "test1 = t\n[t]\nstall_timeout = 1\nbuild_command = sleep 1.5\n"
	       "run_command = true\n");
	assert_ended(f, 0, "exit status 0");
}

static void one_that_ends_under_the_evidence_disturbs_nothing(void **state)
{
	struct fixture *f = *state;

	run(f, "test1 = t\ntest2 = next\n[t]\nstall_timeout = 1\n"
	       "run_command = sleep 1.02\n[next]\nrun_command = echo next\n");
	assert_ended(f, 1, "exit status 0");
	assert_content(f->scratch, "local/next/run.log", "next\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIST_TEST(a_flood_is_cut_and_the_next_test_goes_on),
		LIST_TEST(what_had_no_effect_is_said_in_log_and_record),
		LIST_TEST(a_silent_test_leaves_evidence_and_is_ended),
		LIST_TEST(one_that_ignores_being_asked_is_ended_too),
		LIST_TEST(one_that_speaks_now_and_then_goes_on),
		LIST_TEST(only_the_run_step_may_not_be_silent),
		LIST_TEST(one_that_ends_under_the_evidence_disturbs_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
