/* SPDX-License-Identifier: BSD-2-Clause */
#include "children.h"

#include <sys/resource.h>

/* ---- how a program ends ------------------------------------------------ */

static void the_exit_status_is_told(void **state)
{
	struct fixture *f = *state;

	run_shell(f, "exit 7");
	assert_int_equal(f->result.exit_status, 7);
	assert_int_equal(f->result.term_signal, 0);
	assert_false(f->result.timed_out);
	assert_described(f, "exit status 7");
}

static void a_signal_is_no_exit_status(void **state)
{
	struct fixture *f = *state;

	run_shell(f, "kill -SEGV $$");
	assert_int_equal(f->result.exit_status, -1);
	assert_int_equal(f->result.term_signal, SIGSEGV);
	assert_described(f, "signal 11 (Segmentation fault)");
}

static void a_missing_program_says_so_in_its_output(void **state)
{
	struct fixture *f = *state;
	static const char *const argv[] = {"/no/such/program", NULL};

	open_log(f);
	f->spec.argv = argv;
	run(f);
	assert_int_equal(f->result.exit_status, 127);
	assert_content(f->scratch, "log",
		       "/no/such/program: start: No such file or directory\n");
}

static void a_program_is_looked_up_in_the_path(void **state)
{
	struct fixture *f = *state;
	static const char *const argv[] = {"true", NULL};
	static const char *const environment[] = {"PATH=/nowhere", NULL};

	f->spec.argv = argv;
	f->spec.environment = environment;
	run(f);
	assert_int_equal(f->result.exit_status, 0);
}

static void time_and_memory_are_measured(void **state)
{
	struct fixture *f = *state;

	run_shell(f, "sleep 0.05; i=0; while [ $i -lt 20000 ]; do "
		     "i=$((i + 1)); done");
	assert_in_range(f->result.wall_usec, 50000, 30000000);
	assert_in_range(f->result.cpu_usec, 1000, f->result.wall_usec);
	assert_in_range(f->result.memory_max_kib, 100, 1 << 20);
}

/* ---- what it sees ------------------------------------------------------ */

static void output_goes_to_the_file_and_input_is_empty(void **state)
{
	struct fixture *f = *state;

	open_log(f);
	run_shell(f, "cat; echo out; echo err >&2; readlink /proc/$$/fd/0");
	assert_content(f->scratch, "log", "out\nerr\n/dev/null\n");
}

static void it_works_where_it_is_told_to(void **state)
{
	struct fixture *f = *state;

	run_shell(f, "echo here > there");
	assert_content(f->scratch, "there", "here\n");
}

static void it_sees_the_environment_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	static const char *const argv[] = {"/usr/bin/env", NULL};
	static const char *const environment[] = {"A=1", "B=two", NULL};

	open_log(f);
	f->spec.argv = argv;
	f->spec.environment = environment;
	run(f);
	assert_content(f->scratch, "log", "A=1\nB=two\n");
}

static void it_inherits_no_descriptor_signal_or_group(void **state)
{
	struct fixture *f = *state;
	sigset_t set;
	sigset_t old;

	open_log(f);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &old);
	signal(SIGUSR1, SIG_IGN);
	assert_int_equal(dup2(STDIN_FILENO, 77), 77); /* not close-on-exec */
	run_shell(f, "set -- /proc/$$/fd/*; echo ${1##*/} ${2##*/} ${3##*/};"
		     "test -e /proc/$$/fd/77 && echo more;"
		     "grep -E '^Sig(Blk|Ign)' /proc/self/status;"
		     "test $$ = $(ps -o pgid= -p $$) && echo leads");
	close(77);
	signal(SIGUSR1, SIG_DFL);
	sigprocmask(SIG_SETMASK, &old, NULL);
	assert_content(f->scratch, "log",
		       "0 1 2\nSigBlk:\t0000000000000000\n"
		       "SigIgn:\t0000000000000000\nleads\n");
}

static void it_runs_as_the_user_it_should(void **state)
{
	struct fixture *f = *state;

	if (getuid() != 0)
		skip();
	open_log(f);
	f->spec.user = "nobody";
	run_shell(f, "id -un; id -G");
	assert_content(f->scratch, "log", "nobody\n65534\n");
}

static void an_unknown_user_ends_it_before_it_began(void **state)
{
	struct fixture *f = *state;

	open_log(f);
	f->spec.user = "no-such-user";
	run_shell(f, "touch ran");
	assert_int_equal(f->result.exit_status, 127);
	assert_false(exists(f->scratch, "ran"));
	assert_content(f->scratch, "log",
		       "step: look up the user: No such file or directory\n");
}

/* ---- functions --------------------------------------------------------- */

static int answer(void *arg, struct err *e)
{
	printf("%s", "printed");
	return arg == NULL ? 0 : err_set(e, -EXDEV, "%s", (char *)arg);
}

static void a_function_answers_from_its_own_process(void **state)
{
	struct fixture *f = *state;

	open_log(f);
	f->spec.function = answer;
	run(f);
	assert_int_equal(f->result.exit_status, 0);
	assert_int_equal(f->result.number, 0);
	assert_content(f->scratch, "log", "printed");
}

static void a_function_that_fails_hands_its_sentence_over(void **state)
{
	struct fixture *f = *state;
	char sentence[] = "it went wrong";

	f->spec.function = answer;
	f->spec.arg = sentence;
	run(f);
	assert_int_equal(f->result.exit_status, 1);
	assert_int_equal(f->result.number, -EXDEV);
	assert_string_equal(f->result.message, "it went wrong");
}

static int crash(void *arg, struct err *e)
{
	(void)arg;
	(void)e;
	return raise(SIGKILL);
}

static void a_function_that_crashes_takes_nothing_along(void **state)
{
	struct fixture *f = *state;

	f->spec.function = crash;
	run(f);
	assert_int_equal(f->result.term_signal, SIGKILL);
	assert_int_equal(f->result.number, -EPROTO);
	assert_string_equal(f->result.message, "it ended without an answer");
}

/* One that got away holds the pipe on which the answer would come. */
static int crash_with_heir(void *arg, struct err *e)
{
	(void)arg;
	(void)e;
	if (fork() == 0) {
		setsid();
		sleep(3);
		_exit(0);
	}
	usleep(50000);
	return raise(SIGKILL);
}

static void an_answer_that_never_comes_is_not_waited_for(void **state)
{
	struct fixture *f = *state;

	f->spec.function = crash_with_heir;
	run(f);
	assert_int_equal(f->result.number, -EPROTO);
	assert_in_range(f->result.wall_usec, 0, 2000000);
}

static int linger(void *arg, struct err *e)
{
	(void)e;
	put(arg, "started", "");
	sleep(3);
	put(arg, "outlived", "");
	return 0;
}

static int die_under_a_function(const struct scratch *s)
{
	CLEANUP(loop_freep) struct loop *loop = NULL;
	struct child_spec spec = CHILD_SPEC_NONE;
	struct err e = ERR_NONE;

	spec.function = linger;
	spec.arg = (void *)(uintptr_t)s;
	if (loop_new(&loop, &e) < 0 ||
	    child_start(loop, &spec, NULL, NULL, NULL, &e) < 0)
		return 1;
	while (!exists(s, "started"))
		usleep(1000);
	return 0;
}

/* It would hold the lock of a record that the next one has to open. */
static void a_function_does_not_outlive_its_daemon(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(in_a_child(die_under_a_function, f->scratch), 0);
	sleep(4);
	assert_false(exists(f->scratch, "outlived"));
}

/* ---- limits ------------------------------------------------------------ */

static void one_that_takes_too_long_is_ended(void **state)
{
	struct fixture *f = *state;

	f->spec.limit_usec = 100000;
	run_shell(f, "sleep 60");
	assert_true(f->result.timed_out);
	assert_int_equal(f->result.term_signal, SIGTERM);
	assert_in_range(f->result.wall_usec, 100000, 5000000);
	f->result.wall_usec = 100000; /* on a busy machine it is more */
	assert_described(f, "timed out after 0.1s");
}

static void one_that_uses_its_grace_still_timed_out(void **state)
{
	struct fixture *f = *state;

	open_log(f);
	f->spec.limit_usec = 200000;
	run_shell(f, "trap 'echo saved; exit 0' TERM; sleep 60 & wait");
	assert_true(f->result.timed_out);
	assert_int_equal(f->result.exit_status, 0);
	assert_content(f->scratch, "log", "saved\n");
}

static void one_that_is_stopped_can_be_ended(void **state)
{
	struct fixture *f = *state;

	f->spec.limit_usec = 200000;
	run_shell(f, "kill -STOP $$");
	assert_true(f->result.timed_out);
	assert_int_equal(f->result.term_signal, SIGTERM);
	assert_in_range(f->result.wall_usec, 200000, 5000000);
}

/* The one test that waits for the real CHILD_GRACE_S. */
static void one_that_ignores_being_asked_is_killed(void **state)
{
	struct fixture *f = *state;

	f->spec.limit_usec = 200000;
	f->spec.whole_tree = true;
	run_shell(f, "trap '' TERM; (setsid sleep 60 & echo $! > pid); "
		     "while :; do sleep 1; done");
	assert_true(f->result.timed_out);
	assert_int_equal(f->result.term_signal, SIGKILL);
	assert_in_range(f->result.wall_usec, CHILD_GRACE_S * UINT64_C(1000000),
			(CHILD_GRACE_S + 5) * UINT64_C(1000000));
	assert_false(is_alive(f->scratch, "pid"));
}

struct stopping {
	struct child *child;
};

static int on_stop_now(void *arg)
{
	struct stopping *stopping = arg;

	assert_non_null(stopping->child);
	child_stop(stopping->child);
	child_stop(stopping->child); /* once is enough */
	return 0;
}

static void it_can_be_stopped_from_a_callback(void **state)
{
	struct fixture *f = *state;
	static const char *const argv[] = {"sleep", "60", NULL};
	CLEANUP(loop_source_freep) struct loop_source *timer = NULL;
	struct stopping stopping = {0};

	f->spec.argv = argv;
	assert_int_equal(loop_timer(f->loop, 50000, on_stop_now, &stopping,
				    &timer, &f->e),
			 0);
	assert_int_equal(child_run(f->loop, &f->spec, &stopping.child,
				   &f->result, &f->e),
			 0);
	assert_true(f->result.stopped);
	assert_false(f->result.timed_out);
	assert_null(stopping.child);
	assert_described(f, "stopped by us");
	child_stop(NULL);
}

static void a_child_that_cannot_be_made_is_a_failure(void **state)
{
	struct fixture *f = *state;
	struct rlimit none = {0, 0};
	struct rlimit old;

	if (getuid() == 0)
		skip(); /* RLIMIT_NPROC does not bind root */
	getrlimit(RLIMIT_NPROC, &old);
	none.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_NPROC, &none);
	f->spec.function = answer;
	assert_int_equal(child_run(f->loop, &f->spec, NULL, &f->result, &f->e),
			 -EAGAIN);
	setrlimit(RLIMIT_NPROC, &old);
	assert_non_null(strstr(f->e.text, "start step"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CHILD_TEST(the_exit_status_is_told),
		CHILD_TEST(a_signal_is_no_exit_status),
		CHILD_TEST(a_missing_program_says_so_in_its_output),
		CHILD_TEST(a_program_is_looked_up_in_the_path),
		CHILD_TEST(time_and_memory_are_measured),
		CHILD_TEST(output_goes_to_the_file_and_input_is_empty),
		CHILD_TEST(it_works_where_it_is_told_to),
		CHILD_TEST(it_sees_the_environment_and_nothing_else),
		CHILD_TEST(it_inherits_no_descriptor_signal_or_group),
		CHILD_TEST(it_runs_as_the_user_it_should),
		CHILD_TEST(an_unknown_user_ends_it_before_it_began),
		CHILD_TEST(a_function_answers_from_its_own_process),
		CHILD_TEST(a_function_that_fails_hands_its_sentence_over),
		CHILD_TEST(a_function_that_crashes_takes_nothing_along),
		CHILD_TEST(an_answer_that_never_comes_is_not_waited_for),
		CHILD_TEST(a_function_does_not_outlive_its_daemon),
		CHILD_TEST(one_that_takes_too_long_is_ended),
		CHILD_TEST(one_that_uses_its_grace_still_timed_out),
		CHILD_TEST(one_that_is_stopped_can_be_ended),
		CHILD_TEST(one_that_ignores_being_asked_is_killed),
		CHILD_TEST(it_can_be_stopped_from_a_callback),
		CHILD_TEST(a_child_that_cannot_be_made_is_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
