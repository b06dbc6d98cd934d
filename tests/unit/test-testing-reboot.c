/* SPDX-License-Identifier: BSD-2-Clause */
/* Of lib/run/testing.c: tests that ask for a reboot, and go on after it. */
#include "lists.h"

#define NEXT_BOOT "11111111-89ab-cdef-0123-456789abcdef"
#define ASK "\"$ASKER\" reboot"

/* What the list answers until a test asks. */
static void run_until_it_asks(struct fixture *f, const char *tests)
{
	load(f, tests);
	begin_daemon(f);
	assert_int_equal(testing_run(&f->testing, &f->e), 1);
	assert_true(f->testing.rebooting);
}

static int go_on(struct fixture *f, const char *boot_id)
{
	end_daemon(f);
	f->boot_id = boot_id;
	begin_daemon(f);
	return testing_run(&f->testing, &f->e);
}

static void a_test_that_asks_goes_on_after_the_reboot(void **state)
{
	struct fixture *f = *state;

	run_until_it_asks(
		f, "test1 = up\ntest2 = next\n"
		   "[up]\nreboots = 1\nlog_dir = logs\n"
		   "build_command = echo built >> order\n"
		   "run_command = echo \"run $XENTEST_REBOOT\" | tee -a order "
		   "logs/x; test -n \"$XENTEST_REBOOT\" || " ASK
		   "; echo after $XENTEST_REBOOT >> order\n"
		   "cleanup_command = echo cleaned >> order\n"
		   "[next]\nrun_command = echo next >> order\n");
	assert_ended(f, 0, "not ended, it reboots; rebooted 1 time");
	assert_ended(f, 1, "not run");
	assert_string_equal(f->testing.step, "run");
	assert_recorded(f);
	assert_content(f->scratch, "temp/order", "built\nrun \n");

	assert_int_equal(go_on(f, NEXT_BOOT), 0);
	assert_ended(f, 0, "exit status 0; rebooted 1 time");
	assert_ended(f, 1, "exit status 0");
	assert_recorded(f);
	assert_true(fold_is_good(&f->testing.fold->entries[0]));
	assert_content(f->scratch, "temp/order",
		       "built\nrun \nrun 1\nafter 1\ncleaned\nnext\n");
	assert_string_equal(f->steps,
			    "up:run up:collect up:cleanup up next:run next ");
	assert_content(f->scratch, "local/up/run.log", "run \n");
	assert_content(f->scratch, "local/up/run.1.log", "run 1\n");
	assert_content(f->scratch, "local/up/logs/x", "run \nrun 1\n");
	assert_false(exists(f->scratch, "local/up.2"));
}

static void each_iteration_has_its_reboots(void **state)
{
	struct fixture *f = *state;

	run_until_it_asks(
		f, "test1 = up\n[up]\nreboots = 2\nrepeat = 2\n"
		   "run_command = echo $XENTEST_ITERATION $XENTEST_REBOOT >> "
		   "order; test \"$XENTEST_REBOOT\" = 2 || " ASK "\n");
	assert_int_equal(go_on(f, "b1"), 1);
	assert_int_equal(go_on(f, "b2"), 1); /* the second iteration asks */
	assert_int_equal(go_on(f, "b3"), 1);
	assert_int_equal(go_on(f, "b4"), 0);
	assert_ended(f, 0,
		     "exit status 0; rebooted 4 times; 2 of 2 times good");
	assert_content(f->scratch, "temp/order",
		       "1\n1 1\n1 2\n2\n2 1\n2 2\n");
	assert_true(exists(f->scratch, "local/up/run.2.log"));
	assert_true(exists(f->scratch, "local/up.2/run.2.log"));
}

static void one_that_asks_too_often_is_refused(void **state)
{
	struct fixture *f = *state;

	run_until_it_asks(f, "test1 = up\n[up]\nreboots = 1\n"
			     "run_command = " ASK "; echo status $?\n");
	assert_true(f->testing.fold->entries[0].wall_usec > 0);
	assert_int_equal(go_on(f, NEXT_BOOT), 0);
	assert_ended(f, 0, "exit status 0; rebooted 1 time");
	assert_content(f->scratch, "local/up/run.1.log",
		       "xentest: no reboot: it has rebooted 1 of 1 times\n"
		       "status 1\n");
}

static void without_reboots_nobody_may_ask(void **state)
{
	struct fixture *f = *state;

	run(f, "test1 = up\n[up]\nrun_command = " ASK "\n");
	assert_ended(f, 0, "exit status 1");
	assert_true(log_has(f, "local/up/run.log",
			    "no reboot: its section of the control file has no \"reboots\""));
}

static void where_none_is_possible_it_says_why(void **state)
{
	struct fixture *f = *state;

	load(f, "test1 = up\n[up]\nreboots = 1\nrun_command = " ASK "\n");
	begin_daemon(f);
	f->testing.no_reboots = "not here";
	assert_int_equal(testing_run(&f->testing, &f->e), 0);
	assert_ended(f, 0, "exit status 1");
	assert_content(f->scratch, "local/up/run.log",
		       "xentest: no reboot: not here\n");
}

static void only_run_command_may_ask(void **state)
{
	struct fixture *f = *state;

	run(f, "test1 = up\n[up]\nreboots = 1\nbuild_command = ! " ASK
	       "\nrun_command = true\n");
	assert_ended(f, 0, "exit status 0");
	assert_true(log_has(f, "local/up/build.log",
			    "this is no run_command of a test"));
}

static void in_the_same_boot_it_is_still_to_reboot(void **state)
{
	struct fixture *f = *state;

	run_until_it_asks(f, "test1 = up\n[up]\nreboots = 1\n"
			     "run_command = echo ran >> order; " ASK "\n");
	assert_int_equal(go_on(f, BOOT), 1);
	assert_true(f->testing.rebooting);
	assert_string_equal(f->testing.step, "run");
	assert_int_equal(f->testing.iteration, 1);
	assert_content(f->scratch, "temp/order", "ran\n");
}

static int go_on_after(struct fixture *f, const struct death *death)
{
	end_daemon(f);
	f->boot_id = NEXT_BOOT;
	begin_daemon(f);
	f->testing.death = death;
	return testing_run(&f->testing, &f->e);
}

static void a_crash_in_place_of_the_reboot_is_one(void **state)
{
	static const struct death death = {
		.iteration = 1, .step = "run", .reason = "host: power loss"};
	struct fixture *f = *state;

	run_until_it_asks(f, "test1 = up\ntest2 = next\n[up]\nreboots = 1\n"
			     "run_command = echo ran >> order; " ASK "\n"
			     "[next]\nrun_command = true\n");
	assert_int_equal(go_on_after(f, &death), 0);
	assert_ended(f, 0, "crashed: host: power loss during run; rebooted 1 time");
	assert_ended(f, 1, "exit status 0");
	assert_content(f->scratch, "temp/order", "ran\n");
}

static void a_crash_of_another_test_is_not_its_own(void **state)
{
	static const struct death death = {
		.iteration = 1, .step = "run", .reason = "crash"};
	struct fixture *f = *state;

	run_until_it_asks(f, "test1 = first\ntest2 = up\n"
			     "[first]\nrun_command = true\n[up]\nreboots = 1\n"
			     "run_command = test -n \"$XENTEST_REBOOT\" || " ASK
			     "\n");
	assert_int_equal(go_on_after(f, &death), 0);
	assert_ended(f, 1, "exit status 0; rebooted 1 time");
}

static void one_cut_off_after_it_went_on_is_not_run_again(void **state)
{
	struct fixture *f = *state;
	struct json *event;

	run_until_it_asks(f, "test1 = up\n[up]\nreboots = 2\n"
			     "run_command = echo ran >> order; " ASK "\n");
	end_daemon(f);
	begin_daemon(f);
	event = record_event("test");
	json_set_int(event, "entry", 0);
	json_set_string(event, "state", "resumed");
	assert_int_equal(record_add(f->testing.record, event, &f->e), 0);
	assert_int_equal(go_on(f, NEXT_BOOT), 0);
	assert_begins(f, 0, "interrupted: ");
	assert_content(f->scratch, "temp/order", "ran\n");
}

static void a_tree_that_went_with_the_reboot_is_told(void **state)
{
	struct fixture *f = *state;

	make_dirs(f->scratch, "temp/tree");
	run_until_it_asks(f, "test1 = up\ntest2 = next\n[up]\nreboots = 1\n"
			     "test_dir = tree\nrun_command = " ASK "\n"
			     "[next]\nrun_command = true\n");
	assert_int_equal(unlinkat(f->testing.temp_fd, "tree", AT_REMOVEDIR), 0);
	assert_int_equal(go_on(f, NEXT_BOOT), 0);
	assert_begins(f, 0, "resume failed: go on after the reboot: open directory "
			    "tree: No such file");
	assert_ended(f, 1, "exit status 0");
}

static void nothing_of_the_test_runs_until_the_reboot(void **state)
{
	struct fixture *f = *state;

	run_until_it_asks(f, "test1 = up\n[up]\nreboots = 1\n"
			     "run_command = trap 'echo trap >> order' TERM EXIT; "
			     "(" ASK "; echo one >> order) & "
			     ASK "; echo two >> order; exit 0\n");
	assert_ended(f, 0, "not ended, it reboots; rebooted 1 time");
	assert_false(exists(f->scratch, "temp/order"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIST_TEST(a_test_that_asks_goes_on_after_the_reboot),
		LIST_TEST(each_iteration_has_its_reboots),
		LIST_TEST(one_that_asks_too_often_is_refused),
		LIST_TEST(without_reboots_nobody_may_ask),
		LIST_TEST(where_none_is_possible_it_says_why),
		LIST_TEST(only_run_command_may_ask),
		LIST_TEST(in_the_same_boot_it_is_still_to_reboot),
		LIST_TEST(a_crash_in_place_of_the_reboot_is_one),
		LIST_TEST(a_crash_of_another_test_is_not_its_own),
		LIST_TEST(one_cut_off_after_it_went_on_is_not_run_again),
		LIST_TEST(a_tree_that_went_with_the_reboot_is_told),
		LIST_TEST(nothing_of_the_test_runs_until_the_reboot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
