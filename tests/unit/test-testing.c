/* SPDX-License-Identifier: BSD-2-Clause */
/* Of lib/run/testing.c: the steps of one test. */
#include "lists.h"

/* A tarball "tree.tar.gz" with tree/hello in it. */
static void make_tarball(const struct fixture *f)
{
	CLEANUP(freep) char *command = NULL;

	make_dirs(f->scratch, "tree");
	put(f->scratch, "tree/hello", "hello\n");
	assert_true(asprintf(&command, "tar -C %s -czf %s/tree.tar.gz tree",
			     f->scratch->path, f->scratch->path) > 0);
	assert_int_equal(system(command), 0);
}

static void a_test_goes_from_its_source_to_its_logs(void **state)
{
	struct fixture *f = *state;

	make_tarball(f);
	run(f, "test1 = LTP\n[LTP]\n"
	       "source_url = file://%(scratch)s/tree.tar.gz\n"
	       "test_dir = tree\nlog_dir = logs\n"
	       "build_command = cat hello\n"
	       "install_command = echo installed\n"
	       "run_command = echo ran; echo log > ../logs/x\n"
	       "cleanup_command = echo cleaned\n");
	assert_ended(f, 0, "exit status 0");
	assert_true(fold_is_good(&f->testing.fold->entries[0]));
	assert_recorded(f);
	assert_string_equal(f->steps, "LTP:fetch LTP:build LTP:install LTP:run "
				      "LTP:collect LTP:cleanup LTP ");
	assert_content(f->scratch, "local/LTP/build.log", "hello\n");
	assert_content(f->scratch, "local/LTP/install.log", "installed\n");
	assert_content(f->scratch, "local/LTP/run.log", "ran\n");
	assert_content(f->scratch, "local/LTP/cleanup.log", "cleaned\n");
	assert_content(f->scratch, "local/LTP/logs/x", "log\n");
}

static void a_test_without_source_runs_in_tempdir(void **state)
{
	struct fixture *f = *state;

	run(f, "test1 = LTP\n[LTP]\nrun_command = pwd; echo > here\n");
	assert_ended(f, 0, "exit status 0");
	assert_true(exists(f->scratch, "temp/here"));
	assert_string_equal(f->steps, "LTP:run LTP ");
}

static void each_end_of_a_command_is_recorded(void **state)
{
	struct fixture *f = *state;

	run(f, "test1 = three\ntest2 = killed\ntest3 = slow\ntest4 = right\n"
	       "test5 = wrong\n"
	       "[three]\nrun_command = exit 3\n"
	       "[killed]\nrun_command = kill -SEGV $$\n"
	       "[slow]\nrun_command = sleep 60\ntimeout = 1\n"
	       "[right]\nrun_command = exit 4\nexpect = 0 3-5\n"
	       "[wrong]\nrun_command = true\nexpect = 3\n");
	assert_ended(f, 0, "exit status 3");
	assert_ended(f, 1, "signal 11 (Segmentation fault)");
	assert_begins(f, 2, "timed out after ");
	assert_ended(f, 3, "exit status 4 (as expected)");
	assert_ended(f, 4, "exit status 0 (not as expected)");
	assert_true(fold_is_good(&f->testing.fold->entries[3]));
	for (size_t i = 0; i < 5; i++)
		assert_true(i == 3 ||
			    !fold_is_good(&f->testing.fold->entries[i]));
	assert_recorded(f);
}

static void a_domain_may_expect_something_else(void **state)
{
	struct fixture *f = *state;

	run(f, "test1 = dom0only\ntest1.expect = 1\ntest2 = dom0only\n"
	       "[dom0only]\nrun_command = exit 1\nexpect = 0\n");
	assert_ended(f, 0, "exit status 1 (as expected)");
	assert_ended(f, 1, "exit status 1 (not as expected)");
}

/* ---- steps that fail --------------------------------------------------- */

static void a_source_that_is_not_there_ends_that_test_alone(void **state)
{
	struct fixture *f = *state;

	run(f, "test1 = LTP\ntest2 = next\n[LTP]\n"
	       "source_url = file://%(scratch)s/missing.tar.gz\n"
	       "test_dir = tree\nrun_command = touch ran\n"
	       "cleanup_command = touch cleaned\n"
	       "[next]\nrun_command = true\n");
	assert_int_equal(f->testing.fold->entries[0].state, FOLD_STEP_FAILED);
	assert_string_equal(f->testing.fold->entries[0].step, "fetch");
	assert_non_null(
		strstr(f->testing.fold->entries[0].message, "missing.tar.gz"));
	assert_ended(f, 1, "exit status 0");
	assert_string_equal(f->steps, "LTP:fetch LTP next:run next ");
	assert_recorded(f);
}

static void a_wrong_test_dir_is_told_with_the_right_one(void **state)
{
	struct fixture *f = *state;

	make_tarball(f);
	run(f, "test1 = LTP\n[LTP]\n"
	       "source_url = file://%(scratch)s/tree.tar.gz\n"
	       "test_dir = three\nrun_command = true\n");
	assert_string_equal(f->testing.fold->entries[0].step, "fetch");
	assert_non_null(strstr(f->testing.fold->entries[0].message,
			       "made \"tree\", not \"three\""));
}

static void a_failed_build_ends_that_test_and_keeps_its_logs(void **state)
{
	struct fixture *f = *state;

	run(f, "test1 = LTP\ntest2 = next\n[LTP]\nlog_dir = logs\n"
	       "build_command = echo why > logs/config.log; echo no; exit 2\n"
	       "run_command = touch ran\ncleanup_command = touch cleaned\n"
	       "[next]\nrun_command = true\n");
	assert_ended(f, 0, "build failed: exit status 2");
	assert_ended(f, 1, "exit status 0");
	assert_false(exists(f->scratch, "temp/ran"));
	assert_true(exists(f->scratch, "temp/cleaned"));
	assert_content(f->scratch, "local/LTP/build.log", "no\n");
	assert_content(f->scratch, "local/LTP/logs/config.log", "why\n");
	assert_recorded(f);
}

static void a_failed_install_ends_that_test(void **state)
{
	struct fixture *f = *state;

	run(f, "test1 = LTP\n[LTP]\ninstall_command = kill -9 $$\n"
	       "run_command = touch ran\n");
	assert_ended(f, 0, "install failed: signal 9 (Killed)");
	assert_false(exists(f->scratch, "temp/ran"));
}

static void a_build_that_takes_too_long_is_ended(void **state)
{
	struct fixture *f = *state;

	run(f, "test1 = LTP\n[LTP]\nbuild_command = sleep 60\n"
	       "build_timeout = 1\nrun_command = touch ran\n");
	assert_begins(f, 0, "build failed: timed out after ");
	assert_false(exists(f->scratch, "temp/ran"));
}

static void a_build_is_tried_again_as_often_as_asked_for(void **state)
{
	struct fixture *f = *state;

	run(f, "test1 = flaky\ntest2 = broken\n[flaky]\nretries = 2\n"
	       "build_command = echo try >> tries; test $(wc -l < tries) = 3\n"
	       "run_command = true\n"
	       "[broken]\nretries = 1\nbuild_command = echo try; false\n"
	       "run_command = true\n");
	assert_ended(f, 0, "exit status 0");
	assert_content(f->scratch, "temp/tries", "try\ntry\ntry\n");
	assert_ended(f, 1, "build failed: exit status 1");
	assert_content(f->scratch, "local/broken/build.log", "try\ntry\n");
	assert_recorded(f);
}

static void a_log_directory_that_cannot_be_made_ends_that_test(void **state)
{
	struct fixture *f = *state;

	put(f->scratch, "temp/logs", "a file in the way");
	run(f, "test1 = LTP\n[LTP]\nlog_dir = logs/ltp\n"
	       "build_command = touch built\nrun_command = touch ran\n");
	assert_int_equal(f->testing.fold->entries[0].state, FOLD_STEP_FAILED);
	assert_string_equal(f->testing.fold->entries[0].step, "prepare");
	assert_false(exists(f->scratch, "temp/built"));
	assert_false(exists(f->scratch, "temp/ran"));
}

/* ---- what a command sees ----------------------------------------------- */

static void a_command_is_told_what_it_runs_for(void **state)
{
	struct fixture *f = *state;
	CLEANUP(freep) char *expected = NULL;

	run(f,
	    "environment = ALL=domain\n SOME=domain\ntest1 = LTP\n"
	    "[LTP]\nlog_dir = logs\nenvironment = SOME=test\n"
	    "run_command = env | grep -E '^(XENTEST_|SOME|ALL|LC_ALL)' | sort |"
	    " sed 's/@.*/@/'\n");
	assert_true(asprintf(&expected,
			     "ALL=domain\nLC_ALL=C\nSOME=test\n"
			     "XENTEST_DOMAIN=bob13\n"
			     "XENTEST_HOSTNAME=bob13.example.org\n"
			     "XENTEST_ITERATION=1\n"
			     "XENTEST_LOGDIR=%s/temp/logs\n"
			     "XENTEST_SHARED=/srv/shared\n"
			     "XENTEST_SOCKET=@\n"
			     "XENTEST_TEMPDIR=%s/temp\nXENTEST_TEST=LTP\n",
			     f->scratch->path, f->scratch->path) > 0);
	assert_content(f->scratch, "local/LTP/run.log", expected);
}

static void only_a_build_is_told_how_many_jobs(void **state)
{
	struct fixture *f = *state;

	run(f, "test1 = LTP\n[LTP]\njobs = 3\n"
	       "build_command = echo \"[$MAKEFLAGS]\"\n"
	       "install_command = echo \"[$MAKEFLAGS]\"\n"
	       "run_command = echo \"[$MAKEFLAGS]\"\n");
	assert_content(f->scratch, "local/LTP/build.log", "[-j3]\n");
	assert_content(f->scratch, "local/LTP/install.log", "[-j3]\n");
	assert_content(f->scratch, "local/LTP/run.log", "[]\n");
}

static void a_test_runs_as_the_user_it_names(void **state)
{
	struct fixture *f = *state;

	if (getuid() != 0)
		skip();
	assert_int_equal(fchmod(f->scratch->fd, 0755), 0);
	run(f, "test1 = LTP\ntest2 = nobodyknows\n"
	       "[LTP]\nuser = nobody\nlog_dir = logs\n"
	       "build_command = id -un\n"
	       "run_command = id -un; touch logs/mine; ! touch yours\n"
	       "[nobodyknows]\nuser = no-such-user\nrun_command = touch ran\n");
	assert_ended(f, 0, "exit status 0");
	assert_content(f->scratch, "local/LTP/build.log", "root\n");
	assert_true(log_has(f, "local/LTP/run.log", "nobody\n"));
	assert_true(exists(f->scratch, "local/LTP/logs/mine"));
	assert_false(fold_is_good(&f->testing.fold->entries[1]));
	assert_false(exists(f->scratch, "temp/ran"));
}

static void a_command_of_several_lines_is_one(void **state)
{
	struct fixture *f = *state;

	run(f, "test1 = LTP\n[LTP]\nrun_command = echo one \\\n"
	       "  two\n  echo three\n");
	assert_content(f->scratch, "local/LTP/run.log", "one two\nthree\n");
}

static void what_a_test_leaves_running_is_gone(void **state)
{
	struct fixture *f = *state;

	run(f, "test1 = LTP\ntest2 = next\n"
	       "[LTP]\nrun_command = setsid sleep 61.25 & echo left\n"
	       "[next]\nrun_command = ! pgrep -fx 'sleep 61.25'\n");
	assert_ended(f, 1, "exit status 0");
	assert_true(log_has(f, "local/record.jsonl", "\"stragglers\":1"));
}

static void the_log_directory_may_lie_in_the_tree_that_comes(void **state)
{
	struct fixture *f = *state;

	make_tarball(f);
	run(f, "test1 = LTP\n[LTP]\n"
	       "source_url = file://%(scratch)s/tree.tar.gz\n"
	       "test_dir = tree\nlog_dir = tree/logs\n"
	       "run_command = echo log > logs/x\n");
	assert_ended(f, 0, "exit status 0");
	assert_content(f->scratch, "local/LTP/logs/x", "log\n");
}

static void only_the_log_files_that_are_wanted_are_kept(void **state)
{
	struct fixture *f = *state;

	run(f, "test1 = LTP\n[LTP]\nlog_dir = logs\nlog_files = *.log\n"
	       "run_command = touch logs/a.log logs/core\n");
	assert_true(exists(f->scratch, "local/LTP/logs/a.log"));
	assert_false(exists(f->scratch, "local/LTP/logs/core"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIST_TEST(a_test_goes_from_its_source_to_its_logs),
		LIST_TEST(a_test_without_source_runs_in_tempdir),
		LIST_TEST(each_end_of_a_command_is_recorded),
		LIST_TEST(a_domain_may_expect_something_else),
		LIST_TEST(a_source_that_is_not_there_ends_that_test_alone),
		LIST_TEST(a_wrong_test_dir_is_told_with_the_right_one),
		LIST_TEST(a_failed_build_ends_that_test_and_keeps_its_logs),
		LIST_TEST(a_failed_install_ends_that_test),
		LIST_TEST(a_build_that_takes_too_long_is_ended),
		LIST_TEST(a_build_is_tried_again_as_often_as_asked_for),
		LIST_TEST(a_log_directory_that_cannot_be_made_ends_that_test),
		LIST_TEST(a_command_is_told_what_it_runs_for),
		LIST_TEST(only_a_build_is_told_how_many_jobs),
		LIST_TEST(a_test_runs_as_the_user_it_names),
		LIST_TEST(a_command_of_several_lines_is_one),
		LIST_TEST(what_a_test_leaves_running_is_gone),
		LIST_TEST(the_log_directory_may_lie_in_the_tree_that_comes),
		LIST_TEST(only_the_log_files_that_are_wanted_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
