/* SPDX-License-Identifier: BSD-2-Clause */
/* Of lib/run/testing.c: many tests, many times, and once more after a crash. */
#include "lists.h"

#include <signal.h>

static void results_of_a_test_that_comes_again_are_numbered(void **state)
{
	struct fixture *f = *state;

	run(f, "test1 = LTP\ntest2 = fio\ntest3 = LTP\ntest9 = LTP\n"
	       "[LTP]\nrepeat = 2\nrun_command = echo $XENTEST_ITERATION\n"
	       "[fio]\nrun_command = true\n");
	assert_content(f->scratch, "local/LTP/run.log", "1\n");
	assert_content(f->scratch, "local/LTP.2/run.log", "2\n");
	assert_content(f->scratch, "local/LTP.3/run.log", "1\n");
	assert_content(f->scratch, "local/LTP.6/run.log", "2\n");
	assert_true(exists(f->scratch, "local/fio/run.log"));
	assert_int_equal(entries(f->scratch, "local"), 8);
	assert_recorded(f);
}

static void a_repeated_test_is_built_once_and_cleaned_up_once(void **state)
{
	struct fixture *f = *state;

	run(f, "test1 = LTP\n[LTP]\nrepeat = 3\nlog_dir = logs\n"
	       "build_command = true\n"
	       "run_command = ls -A logs; touch logs/$XENTEST_ITERATION\n"
	       "cleanup_command = true\n");
	assert_string_equal(f->steps, "LTP:build LTP:run LTP:collect LTP "
				      "LTP:run LTP:collect LTP "
				      "LTP:run LTP:collect LTP:cleanup LTP ");
	/* Emptied each time, and collected each time. */
	assert_content(f->scratch, "local/LTP.3/run.log", "");
	assert_true(exists(f->scratch, "local/LTP.3/logs/3"));
	assert_int_equal(entries(f->scratch, "local/LTP.3/logs"), 1);
	assert_ended(f, 0, "exit status 0; 3 of 3 times good");
}

static void a_bad_iteration_does_not_end_the_others(void **state)
{
	struct fixture *f = *state;

	run(f, "test1 = LTP\n[LTP]\nrepeat = 3\n"
	       "run_command = test $XENTEST_ITERATION != 2\n");
	assert_ended(f, 0, "exit status 0; 2 of 3 times good");
	assert_false(fold_is_good(&f->testing.fold->entries[0]));
}

static void a_failed_build_is_not_repeated(void **state)
{
	struct fixture *f = *state;

	run(f, "test1 = LTP\n[LTP]\nrepeat = 3\nduration = 1h\n"
	       "build_command = echo built >> built; false\n"
	       "run_command = true\n");
	assert_ended(f, 0, "build failed: exit status 1");
	assert_content(f->scratch, "temp/built", "built\n");
}

static void a_test_with_a_duration_goes_on_until_it_is_over(void **state)
{
	struct fixture *f = *state;
	uint64_t before = loop_now_usec();

	run(f, "test1 = LTP\n[LTP]\nduration = 1\nrun_command = sleep 0.3\n");
	assert_in_range(loop_now_usec() - before, 1000000, 10000000);
	assert_in_range(f->testing.fold->entries[0].iterations, 2, 4);
}

static void a_test_that_requires_a_bad_one_is_skipped(void **state)
{
	struct fixture *f = *state;

	run(f, "test1 = good\ntest2 = bad\ntest3 = after-good\n"
	       "test4 = after-bad\ntest5 = after-skipped\n"
	       "[good]\nrun_command = exit 3\nexpect = 3\n"
	       "[bad]\nrun_command = exit 3\n"
	       "[after-good]\nrequires = good\nrun_command = true\n"
	       "[after-bad]\nrequires = good bad\nrun_command = touch ran\n"
	       "[after-skipped]\nrequires = after-bad\n"
	       "run_command = touch ran\n");
	assert_ended(f, 2, "exit status 0");
	assert_ended(f, 3, "skipped: it requires bad (exit status 3)");
	assert_int_equal(f->testing.fold->entries[4].state, FOLD_SKIPPED);
	assert_false(exists(f->scratch, "temp/ran"));
	assert_recorded(f);
}

/* ---- once more after a crash ------------------------------------------- */

static const char crashing[] =
	"test1 = before\ntest2 = during\ntest3 = after\n"
	"[before]\nrun_command = echo before >> order\n"
	"[during]\nrun_command = echo during >> order; sleep 60\n"
	"[after]\nrun_command = echo after >> order\n";

static void wait_for(const struct scratch *s, const char *path)
{
	for (int i = 0; i < 1000 && !exists(s, path); i++)
		usleep(10000);
	assert_true(exists(s, path));
}

/* Runs the list in a process of its own, to be killed. */
static pid_t start_daemon(struct fixture *f)
{
	pid_t pid = fork();

	if (pid == 0) {
		loop_free(f->loop);
		loop_new(&f->loop, &f->e);
		begin_daemon(f);
		testing_run(&f->testing, &f->e);
		_exit(0);
	}
	return pid;
}

static void a_killed_daemon_loses_no_test_and_runs_none_twice(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t pid;

	load(f, crashing);
	pid = start_daemon(f);
	wait_for(f->scratch, "local/during/run.log");
	usleep(200000);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));

	begin_daemon(f);
	assert_int_equal(testing_run(&f->testing, &f->e), 0);
	assert_ended(f, 0, "exit status 0");
	assert_ended(f, 1,
		     "interrupted: the machine or the daemon went down "
		     "under it");
	assert_ended(f, 2, "exit status 0");
	assert_content(f->scratch, "temp/order", "before\nduring\nafter\n");
	assert_recorded(f);

	/* And a third time there is nothing left to do. */
	end_daemon(f);
	begin_daemon(f);
	assert_int_equal(testing_run(&f->testing, &f->e), 0);
	assert_string_equal(f->steps, "");
	assert_content(f->scratch, "temp/order", "before\nduring\nafter\n");
}

/* Cuts the record behind its line @lines, as a power cut may. */
static void cut_record(struct fixture *f, size_t lines)
{
	CLEANUP(freep) char *text = NULL;
	CLEANUP(fd_close) int fd = open_dir(f->scratch, "local");
	char *end;

	assert_int_equal(
		file_read(fd, RECORD_NAME, 1 << 20, &text, NULL, &f->e), 0);
	end = text;
	while (lines-- > 0)
		end = strchr(end, '\n') + 1;
	assert_int_equal(file_write_atomic(fd, RECORD_NAME, text,
					   (size_t)(end - text), 0644, &f->e),
			 0);
}

static void wherever_the_record_was_cut_no_test_runs_twice(void **state)
{
	struct fixture *f = *state;
	/* started, run, ended: three lines each; synced before each start. */
	const size_t lines = 6;

	run(f, "test1 = one\ntest2 = two\n"
	       "[one]\nrun_command = echo one >> order\n"
	       "[two]\nrun_command = echo two >> order\n");
	assert_int_equal(record_length(f->testing.record), lines);
	for (size_t cut = lines + 1; cut-- > 0;) {
		end_daemon(f);
		cut_record(f, cut);
		assert_int_equal(unlinkat(f->scratch->fd, "temp/order", 0), 0);
		put(f->scratch, "temp/order", "");
		begin_daemon(f);
		assert_int_equal(testing_run(&f->testing, &f->e), 0);
		assert_content(f->scratch, "temp/order",
			       cut > 3	 ? ""
			       : cut > 0 ? "two\n"
					 : "one\ntwo\n");
		assert_true(f->testing.fold->entries[0].state >= FOLD_EXITED);
		assert_true(f->testing.fold->entries[1].state >= FOLD_EXITED);
		assert_recorded(f);
	}
}

static void a_cut_between_iterations_costs_none(void **state)
{
	struct fixture *f = *state;

	run(f, "test1 = LTP\n[LTP]\nrepeat = 3\n"
	       "build_command = echo built >> built\n"
	       "run_command = echo $XENTEST_ITERATION >> order\n");
	end_daemon(f);
	cut_record(f, 4); /* started, build, run, ended */
	begin_daemon(f);
	assert_int_equal(testing_run(&f->testing, &f->e), 0);
	assert_content(f->scratch, "temp/order", "1\n2\n3\n2\n3\n");
	assert_content(f->scratch, "temp/built", "built\n");
	assert_ended(f, 0, "exit status 0; 3 of 3 times good");
	assert_recorded(f);
}

/* ---- after a death of the guest ---------------------------------------- */

#define THREE_TIMES \
	"test1 = one\ntest2 = two\ntest3 = three\n" \
	"[one]\nrun_command = echo one >> order\n" \
	"[two]\nrun_command = echo two >> order\nrepeat = 2\n" \
	"[three]\nrun_command = echo three >> order\n"

static void run_after_death(struct fixture *f, int64_t entry, int64_t iteration)
{
	const struct death death = {.entry = entry,
				    .iteration = iteration,
				    .step = "run",
				    .reason = "crash"};

	begin_daemon(f);
	f->testing.death = &death;
	assert_int_equal(testing_run(&f->testing, &f->e), 0);
	f->testing.death = NULL;
	assert_recorded(f);
}

static void what_dom0_saw_begun_is_not_run_again_without_a_record(void **state)
{
	struct fixture *f = *state;

	load(f, THREE_TIMES);
	run_after_death(f, 1, 1);
	assert_ended(f, 0,
		     "interrupted: it had run, and its record went down with "
		     "the guest");
	assert_ended(f, 1, "crashed: guest crash during run");
	assert_ended(f, 2, "exit status 0");
	assert_content(f->scratch, "temp/order", "three\n");
}

static void a_test_that_the_record_shows_as_begun_crashed(void **state)
{
	struct fixture *f = *state;

	run(f, THREE_TIMES);
	end_daemon(f);
	cut_record(f, 4); /* one: started, run, ended; two: started */
	run_after_death(f, 1, 1);
	assert_ended(f, 0, "exit status 0");
	assert_ended(f, 1, "crashed: guest crash during run");
	assert_content(f->scratch, "temp/order",
		       "one\ntwo\ntwo\nthree\nthree\n");
}

static void an_iteration_that_only_dom0_saw_crashed(void **state)
{
	struct fixture *f = *state;

	run(f, THREE_TIMES);
	end_daemon(f);
	cut_record(f, 6); /* two: started, run, ended */
	run_after_death(f, 1, 2);
	assert_ended(f, 1, "crashed: guest crash during run");
	assert_content(f->scratch, "temp/order",
		       "one\ntwo\ntwo\nthree\nthree\n");
}

static void a_death_after_a_test_had_ended_costs_it_nothing(void **state)
{
	struct fixture *f = *state;

	run(f, THREE_TIMES);
	end_daemon(f);
	cut_record(f, 3);
	run_after_death(f, 0, 1);
	assert_ended(f, 0, "exit status 0");
	assert_ended(f, 1, "exit status 0; 2 of 2 times good");
}

/* ---- being stopped ----------------------------------------------------- */

static int on_stop(void *arg)
{
	testing_stop(arg);
	return 0;
}

static void a_stop_ends_the_step_and_the_list(void **state)
{
	struct fixture *f = *state;
	CLEANUP(loop_source_freep) struct loop_source *timer = NULL;

	load(f, crashing);
	begin_daemon(f);
	assert_int_equal(loop_timer(f->loop, 500000, on_stop, &f->testing,
				    &timer, &f->e),
			 0);
	assert_int_equal(testing_run(&f->testing, &f->e), -ECANCELED);
	assert_ended(f, 1, "not ended");
	assert_ended(f, 2, "not run");
	assert_content(f->scratch, "temp/order", "before\nduring\n");

	end_daemon(f);
	begin_daemon(f);
	assert_int_equal(testing_run(&f->testing, &f->e), 0);
	assert_int_equal(f->testing.fold->entries[1].state, FOLD_INTERRUPTED);
	assert_content(f->scratch, "temp/order", "before\nduring\nafter\n");
}

static int run_on_a_full_disk(const struct scratch *s)
{
	struct fixture f = {.scratch = (struct scratch *)(uintptr_t)s};
	CLEANUP(freep) char *local = NULL;
	CLEANUP(fd_close) int fd = -1;
	struct stat st;

	assert_true(asprintf(&local, "%s/local", s->path) > 0);
	if (!mount_alone("none", local, "tmpfs", 0, "size=16k"))
		return NOT_HERE;
	fd = open(s->path, O_RDONLY | O_DIRECTORY);
	f.scratch->fd = fd;
	assert_int_equal(loop_new(&f.loop, &f.e), 0);
	load(&f, "test1 = yes\ntest2 = many\n[yes]\nrun_command = yes\n"
		 "[many]\nrepeat = 1000\nrun_command = true\n");
	begin_daemon(&f);
	if (testing_run(&f.testing, &f.e) != -ENOSPC ||
	    strstr(f.e.text, "No space left on device") == NULL)
		return 1;
	/* What there was room for is whole. */
	assert_int_equal(fstatat(f.scratch->fd, "local/record.jsonl", &st, 0),
			 0);
	assert_int_equal(st.st_size, record_size(f.testing.record));
	return !log_has(&f, "local/yes/run.log", "y\ny\n");
}

static void a_record_that_cannot_be_written_ends_the_list(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(in_a_child(run_on_a_full_disk, f->scratch), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIST_TEST(results_of_a_test_that_comes_again_are_numbered),
		LIST_TEST(a_repeated_test_is_built_once_and_cleaned_up_once),
		LIST_TEST(a_bad_iteration_does_not_end_the_others),
		LIST_TEST(a_failed_build_is_not_repeated),
		LIST_TEST(a_test_with_a_duration_goes_on_until_it_is_over),
		LIST_TEST(a_test_that_requires_a_bad_one_is_skipped),
		LIST_TEST(a_killed_daemon_loses_no_test_and_runs_none_twice),
		LIST_TEST(wherever_the_record_was_cut_no_test_runs_twice),
		LIST_TEST(a_cut_between_iterations_costs_none),
		LIST_TEST(what_dom0_saw_begun_is_not_run_again_without_a_record),
		LIST_TEST(a_test_that_the_record_shows_as_begun_crashed),
		LIST_TEST(an_iteration_that_only_dom0_saw_crashed),
		LIST_TEST(a_death_after_a_test_had_ended_costs_it_nothing),
		LIST_TEST(a_stop_ends_the_step_and_the_list),
		LIST_TEST(a_record_that_cannot_be_written_ends_the_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
