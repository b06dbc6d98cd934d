/* SPDX-License-Identifier: BSD-2-Clause */
/* Of lib/base/child.c: what a child leaves behind, and taking its output. */
#include "children.h"

/* ---- everything that it left behind ------------------------------------ */

static void one_that_got_away_is_gone_when_the_step_ends(void **state)
{
	struct fixture *f = *state;

	f->spec.whole_tree = true;
	run_shell(f, "(setsid sh -c 'trap \"\" TERM HUP; echo $$ > pid;"
		     "sleep 60; sleep 60' &); while ! test -s pid; do :; done");
	assert_int_equal(f->result.exit_status, 0);
	assert_false(is_alive(f->scratch, "pid"));
	assert_in_range(f->result.stragglers, 1, 2);
	assert_in_range(f->result.wall_usec, 0, 5000000);
}

static void a_whole_family_that_got_away_is_gone(void **state)
{
	struct fixture *f = *state;

	f->spec.whole_tree = true;
	run_shell(f,
		  "(setsid sh -c 'for i in 1 2 3; do"
		  " setsid sh -c \"echo \\$\\$ > pid$i; sleep 60; :\" & done;"
		  " wait' &);"
		  "while ! test -s pid1 -a -s pid2 -a -s pid3; do :; done");
	assert_false(is_alive(f->scratch, "pid1"));
	assert_false(is_alive(f->scratch, "pid2"));
	assert_false(is_alive(f->scratch, "pid3"));
}

static void one_that_stopped_itself_is_gone_too(void **state)
{
	struct fixture *f = *state;

	f->spec.whole_tree = true;
	run_shell(f, "(setsid sh -c 'echo $$ > pid; kill -STOP $$' &);"
		     "while ! test -s pid; do :; done");
	assert_false(is_alive(f->scratch, "pid"));
}

static void one_that_forks_without_end_is_gone_too(void **state)
{
	struct fixture *f = *state;

	f->spec.whole_tree = true;
	run_shell(f, "(setsid sh -c 'hop() { echo $1 > hops;"
		     " test $1 -gt 2000 || (hop $(($1 + 1)) &) ; }; hop 1' &);"
		     "while ! test -s hops; do :; done; sleep 0.1");
	/* None is left to hop on. */
	assert_int_equal(unlinkat(f->scratch->fd, "hops", 0), 0);
	usleep(100000);
	assert_false(exists(f->scratch, "hops"));
}

static void orphans_that_ended_by_themselves_are_no_stragglers(void **state)
{
	struct fixture *f = *state;

	f->spec.whole_tree = true;
	run_shell(f, "for i in 1 2 3; do (setsid true &); done; sleep 0.2");
	assert_int_equal(f->result.stragglers, 0);
}

/* A day of tests that leave orphans must not use up all process ids. */
static void orphans_are_reaped_while_the_step_goes_on(void **state)
{
	struct fixture *f = *state;

	open_log(f);
	f->spec.whole_tree = true;
	run_shell(f, "for i in 1 2 3; do (setsid true &); done; sleep 0.3;"
		     "ps -o stat= --ppid $PPID | grep -c Z");
	assert_content(f->scratch, "log", "0\n");
}

static void all_of_a_tree_is_ended_when_its_time_is_up(void **state)
{
	struct fixture *f = *state;

	f->spec.whole_tree = true;
	f->spec.limit_usec = 500000;
	run_shell(f, "(setsid sh -c 'trap \"touch asked; exit\" TERM;"
		     "echo $$ > pid; sleep 60 & wait' &); sleep 60");
	assert_true(f->result.timed_out);
	assert_false(is_alive(f->scratch, "pid"));
	assert_true(exists(f->scratch, "asked"));
	assert_in_range(f->result.wall_usec, 500000, 5000000);
}

static int sleep_for_a_while(void *arg, struct err *e)
{
	(void)arg;
	(void)e;
	sleep(3);
	return 7;
}

static void on_background(void *arg, const struct child_result *result)
{
	struct child_result *kept = arg;

	*kept = *result;
}

/* It holds up no tree, is not ended with one, and its own end is told. */
static void one_in_the_background_is_no_part_of_it(void **state)
{
	struct fixture *f = *state;
	struct child_spec spec = CHILD_SPEC_NONE;
	struct child_result background = { .exit_status = 99 };

	spec.name = "background";
	spec.function = sleep_for_a_while;
	assert_int_equal(child_start(f->loop, &spec, on_background,
				     &background, NULL, &f->e),
			 0);
	f->spec.whole_tree = true;
	run_shell(f, "(setsid sleep 60 &)");
	assert_int_equal(f->result.stragglers, 1);
	assert_in_range(f->result.wall_usec, 0, 2500000);
	assert_int_equal(background.exit_status, 99);
	/* This one sees it end. */
	run_shell(f, "sleep 3.5");
	run_shell(f, "true");
	assert_int_equal(background.exit_status, 1);
	assert_int_equal(background.number, 7);
}

static void without_whole_tree_its_group_is_gone(void **state)
{
	struct fixture *f = *state;

	run_shell(f, "sh -c 'echo $$ > pid; sleep 60; :' &"
		     "while ! test -s pid; do :; done");
	for (int i = 0; i < 500 && is_alive(f->scratch, "pid"); i++)
		usleep(10000); /* init reaps it */
	assert_false(is_alive(f->scratch, "pid"));
}

/* A server that a command left on purpose: xl's own monitor, say. */
static void without_whole_tree_one_that_left_its_group_stays(void **state)
{
	struct fixture *f = *state;
	CLEANUP(freep) char *text = NULL;
	pid_t pid;

	run_shell(f, "setsid sh -c 'echo $$ > pid; sleep 60; :' &"
		     "while ! test -s pid; do :; done");
	assert_int_equal(
		file_read(f->scratch->fd, "pid", 32, &text, NULL, &f->e), 0);
	pid = atoi(text);
	assert_int_equal(kill(-pid, SIGKILL), 0);
}

/* ---- taking output ----------------------------------------------------- */

static void output_is_taken_up_to_a_limit(void **state)
{
	struct fixture *f = *state;
	static const char *const argv[] = {
		"sh", "-c", "echo 12345; echo 678 >&2; exit 3", NULL};
	CLEANUP(freep) char *whole = NULL;
	CLEANUP(freep) char *part = NULL;

	assert_int_equal(
		child_capture(f->loop, argv, 0, 100, &whole, &f->result, &f->e),
		0);
	assert_string_equal(whole, "12345\n678\n");
	assert_int_equal(f->result.exit_status, 3);
	assert_int_equal(
		child_capture(f->loop, argv, 0, 4, &part, &f->result, &f->e),
		0);
	assert_string_equal(part, "1234");
}

static void nul_bytes_do_not_hide_what_follows(void **state)
{
	struct fixture *f = *state;
	static const char *const argv[] = {"printf", "a\\0b", NULL};
	CLEANUP(freep) char *got = NULL;

	assert_int_equal(
		child_capture(f->loop, argv, 0, 100, &got, NULL, &f->e), 0);
	assert_string_equal(got, "a?b");
}

static void a_capture_that_fails_quotes_the_last_line(void **state)
{
	struct fixture *f = *state;
	static const char *const argv[] = {
		"sh", "-c", "echo first; printf 'last \033[1m\n\n'; exit 3",
		NULL};
	char *got = NULL;

	assert_int_equal(
		child_capture(f->loop, argv, 0, 100, &got, NULL, &f->e),
		-EPROTO);
	assert_string_equal(f->e.text, "sh: exit status 3: last ?[1m");
	assert_null(got);
}

static void a_capture_that_hangs_is_ended(void **state)
{
	struct fixture *f = *state;
	static const char *const argv[] = {"sleep", "60", NULL};

	assert_int_equal(
		child_capture(f->loop, argv, 100000, 100, NULL, NULL, &f->e),
		-EPROTO);
	assert_memory_equal(f->e.text, "sleep: timed out after ", 23);
}

static void a_capture_of_a_missing_program_says_so(void **state)
{
	struct fixture *f = *state;
	static const char *const argv[] = {"no-such-program", NULL};

	assert_int_equal(
		child_capture(f->loop, argv, 0, 100, NULL, NULL, &f->e),
		-EPROTO);
	assert_string_equal(
		f->e.text,
		"no-such-program: exit status 127: no-such-program: start: "
		"No such file or directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CHILD_TEST(one_that_got_away_is_gone_when_the_step_ends),
		CHILD_TEST(a_whole_family_that_got_away_is_gone),
		CHILD_TEST(one_that_stopped_itself_is_gone_too),
		CHILD_TEST(one_that_forks_without_end_is_gone_too),
		CHILD_TEST(orphans_that_ended_by_themselves_are_no_stragglers),
		CHILD_TEST(orphans_are_reaped_while_the_step_goes_on),
		CHILD_TEST(all_of_a_tree_is_ended_when_its_time_is_up),
		CHILD_TEST(one_in_the_background_is_no_part_of_it),
		CHILD_TEST(without_whole_tree_its_group_is_gone),
		CHILD_TEST(without_whole_tree_one_that_left_its_group_stays),
		CHILD_TEST(output_is_taken_up_to_a_limit),
		CHILD_TEST(nul_bytes_do_not_hide_what_follows),
		CHILD_TEST(a_capture_that_fails_quotes_the_last_line),
		CHILD_TEST(a_capture_that_hangs_is_ended),
		CHILD_TEST(a_capture_of_a_missing_program_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
