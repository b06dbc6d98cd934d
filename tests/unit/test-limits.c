/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Of lib/base/child.c: programs that do not want to end, with a control group
 * where this machine lets us make one, and without.
 */
#include "children.h"
#include "groups.h"

#include "base/descendants.h"

enum { LATE_USEC = 15000000 };

/* Processes that run hostile.c, zombies excepted. */
static unsigned int hostile_left(void)
{
	CLEANUP(dir_closep) DIR *dir = opendir("/proc");
	const struct dirent *entry;
	unsigned int count = 0;

	while ((entry = readdir(dir)) != NULL) {
		CLEANUP(freep) char *line = NULL;
		struct err e = ERR_NONE;
		char path[300];

		snprintf(path, sizeof(path), "/proc/%s/cmdline", entry->d_name);
		if (entry->d_name[0] < '0' || entry->d_name[0] > '9' ||
		    file_read(AT_FDCWD, path, 4096, &line, NULL, &e) < 0)
			continue;
		count += strcmp(line, getenv("HOSTILE")) == 0;
	}
	return count;
}

static void assert_nobody_is_left(void)
{
	assert_int_equal(hostile_left(), 0);
	assert_int_equal(descendants_count_children(getpid(), NULL), 0);
}

/* The command ends, what it started does not. */
static void leave_behind(struct fixture *f, const char *arguments)
{
	CLEANUP(freep) char *command = NULL;

	assert_true(asprintf(&command, "setsid \"$HOSTILE\" %s &"
			     "while ! test -e begun; do sleep 0.05; done",
			     arguments) > 0);
	f->spec.whole_tree = true;
	run_shell(f, command);
	assert_int_equal(f->result.exit_status, 0);
	assert_int_equal(f->result.left, 0);
	assert_in_range(f->result.stragglers, 1, 100000);
	assert_nobody_is_left();
}

static void many_orphans_in_sessions_of_their_own_are_gone(void **state)
{
	leave_behind(*state, "scatter 200");
}

static void those_that_fork_and_end_without_end_are_gone(void **state)
{
	leave_behind(*state, "hop 20");
}

static void a_long_line_of_descent_is_gone(void **state)
{
	leave_behind(*state, "chain 300");
}

static void one_that_stops_its_whole_group_is_gone(void **state)
{
	leave_behind(*state, "stop");
}

static void children_of_threads_are_gone(void **state)
{
	leave_behind(*state, "threads 20");
}

/* The table is full for this user: it forks again whenever one has ended. */
static void one_that_fills_the_process_table_is_gone(void **state)
{
	struct fixture *f = *state;

	if (getuid() != 0)
		skip();
	assert_int_equal(fchmod(f->scratch->fd, 0755), 0);
	run_shell(f, "cp \"$HOSTILE\" hostile && chmod 755 hostile");
	f->spec.user = "nobody";
	f->spec.whole_tree = true;
	f->spec.limit_usec = 1000000;
	run_shell(f, "ulimit -u 300 2>/dev/null || ulimit -p 300;"
		     "exec ./hostile bomb");
	assert_true(f->result.timed_out);
	assert_int_equal(f->result.left, 0);
	assert_in_range(f->result.wall_usec, 1000000, 1000000 + LATE_USEC);
	assert_int_equal(descendants_count_children(getpid(), NULL), 0);
}

static void all_that_ignore_being_asked_end_at_their_limit(void **state)
{
	struct fixture *f = *state;

	f->spec.whole_tree = true;
	f->spec.limit_usec = 1000000;
	run_shell(f, "trap '' TERM; for what in 'scatter 20' 'hop 4' 'chain 20'"
		     " stop 'threads 5'; do setsid \"$HOSTILE\" $what & done;"
		     "exec \"$HOSTILE\" stop");
	assert_true(f->result.timed_out);
	assert_int_equal(f->result.term_signal, SIGKILL);
	assert_int_equal(f->result.left, 0);
	assert_in_range(f->result.wall_usec, 1000000, 1000000 + LATE_USEC);
	assert_nobody_is_left();
}

/* A test of control groups may do so; root can. */
static void one_that_leaves_its_control_group_is_gone(void **state)
{
	struct fixture *f = *state;

	f->spec.whole_tree = true;
	run_shell(f, "(setsid sh -c 'for g in /sys/fs/cgroup"
		     " /sys/fs/cgroup/unified; do"
		     " echo $$ > $g/cgroup.procs; done 2>/dev/null;"
		     " trap \"\" TERM; echo $$ > pid; sleep 60; sleep 60' &);"
		     "while ! test -s pid; do :; done");
	assert_false(is_alive(f->scratch, "pid"));
	assert_int_equal(f->result.left, 0);
}

/* ---- one that an earlier step left ------------------------------------- */

static pid_t start_waiting(int *ret_gate)
{
	int gate[2];
	pid_t pid;

	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		char byte;

		close(gate[1]);
		_exit(read(gate[0], &byte, 1) == 0 ? 0 : 1);
	}
	close(gate[0]);
	*ret_gate = gate[1];
	return pid;
}

/* Left by the step before, still held by the kernel: not this step's. */
static void what_an_earlier_step_left_does_not_hold_up_the_next(void **state)
{
	struct fixture *f = *state;
	int gate;
	pid_t pid = start_waiting(&gate);

	f->spec.whole_tree = true;
	run_shell(f, "true");
	assert_int_equal(f->result.exit_status, 0);
	assert_int_equal(f->result.left, 0);
	assert_in_range(f->result.wall_usec, 0, 3000000);
	close(gate);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* ---- limits ------------------------------------------------------------ */

static void without_a_controller_a_limit_is_said_not_to_be_kept(void **state)
{
	struct fixture *f = *state;

	f->spec.whole_tree = true;
	f->spec.memory_limit_bytes = 64 << 20;
	f->spec.tasks_limit = 20;
	run_shell(f, "exec \"$HOSTILE\" eat 1");
	assert_int_equal(f->result.exit_status, 0);
	if (has_controller("memory"))
		assert_false(f->result.memory_unlimited);
	else
		assert_true(f->result.memory_unlimited);
	if (has_controller("pids"))
		assert_false(f->result.tasks_unlimited);
	else
		assert_true(f->result.tasks_unlimited);
}

static void no_limit_is_nothing_to_speak_of(void **state)
{
	struct fixture *f = *state;

	f->spec.whole_tree = true;
	f->spec.memory_limit_bytes = UINT64_MAX;
	run_shell(f, "true");
	assert_false(f->result.memory_unlimited);
	assert_false(f->result.tasks_unlimited);
}

static void too_much_memory_is_the_end_of_it(void **state)
{
	struct fixture *f = *state;

	if (!has_controller("memory"))
		skip();
	f->spec.whole_tree = true;
	f->spec.memory_limit_bytes = 64 << 20;
	run_shell(f, "exec \"$HOSTILE\" eat 200");
	assert_int_equal(f->result.term_signal, SIGKILL);
	assert_int_equal(f->result.oom_kills, 1);
}

static void too_many_tasks_cannot_be_started(void **state)
{
	struct fixture *f = *state;

	if (!has_controller("pids"))
		skip();
	f->spec.whole_tree = true;
	f->spec.tasks_limit = 20;
	run_shell(f, "timeout -s KILL 1 \"$HOSTILE\" bomb; exit 3");
	assert_int_equal(f->result.exit_status, 3);
	assert_in_range(f->result.tasks_refused, 1, UINT64_MAX);
	assert_nobody_is_left();
}

/* ---- a child beside it ------------------------------------------------- */

enum { TIMES = 30 };

struct beside {
	struct fixture *f;
	struct child_result result;
	int number;
	int times;
	bool done;
};

static int start_it(void *arg);

static int answer(void *arg, struct err *e)
{
	return err_set(e, *(int *)arg, "said beside");
}

static void on_beside(void *arg, const struct child_result *result)
{
	struct beside *beside = arg;

	beside->result = *result;
	beside->done = ++beside->times == TIMES;
	if (!beside->done)
		assert_int_equal(start_it(beside), 0);
}

static int start_it(void *arg)
{
	struct beside *beside = arg;
	struct child_spec spec = CHILD_SPEC_NONE;

	spec.name = "beside";
	spec.function = answer;
	spec.arg = &beside->number;
	return child_start(beside->f->loop, &spec, on_beside, beside, NULL,
			   &beside->f->e);
}

/* Again and again, while orphans end all the time. */
static void a_child_beside_a_whole_tree_has_an_end_of_its_own(void **state)
{
	struct fixture *f = *state;
	struct beside beside = {.f = f, .number = -ESTALE};
	struct loop_source *timer;

	assert_int_equal(
		loop_timer(f->loop, 1000, start_it, &beside, &timer, &f->e), 0);
	f->spec.whole_tree = true;
	run_shell(f, "i=0; while [ $i -lt 200 ]; do i=$((i + 1)); (true &);"
		     " done");
	assert_int_equal(f->result.exit_status, 0);
	assert_int_equal(loop_run(f->loop, &beside.done, &f->e), 0);
	assert_int_equal(beside.result.number, -ESTALE);
	assert_string_equal(beside.result.message, "said beside");
	loop_source_free(timer);
}

static int end_it(void *arg)
{
	child_time_out(*(struct child **)arg);
	return 0;
}

static void one_may_be_told_that_its_time_is_up(void **state)
{
	struct fixture *f = *state;
	struct child *child = NULL;
	struct loop_source *timer;

	assert_int_equal(
		loop_timer(f->loop, 300000, end_it, &child, &timer, &f->e), 0);
	f->argv[0] = "sleep";
	f->argv[1] = "60";
	f->spec.argv = f->argv;
	f->spec.whole_tree = true;
	assert_int_equal(
		child_run(f->loop, &f->spec, &child, &f->result, &f->e), 0);
	assert_true(f->result.timed_out);
	assert_false(f->result.stopped);
	assert_in_range(f->result.wall_usec, 300000, 5000000);
	loop_source_free(timer);
}

/* ---- the control group itself ------------------------------------------ */

static void it_runs_in_a_group_of_its_own(void **state)
{
	struct fixture *f = *state;

	open_log(f);
	f->spec.whole_tree = true;
	run_shell(f, "grep -q '^0::/.*/step$' /proc/self/cgroup");
	assert_int_equal(f->result.exit_status, 0);
}

/* Groups in its group are a test's right, and no trouble for the next one. */
static void groups_that_it_made_in_its_own_are_gone(void **state)
{
	struct fixture *f = *state;

	f->spec.whole_tree = true;
	run_shell(f, "for g in /sys/fs/cgroup /sys/fs/cgroup/unified; do"
		     " own=$g$(sed -n s/^0:://p /proc/self/cgroup);"
		     " test -e $own/cgroup.procs || continue;"
		     " mkdir $own/a $own/a/b || exit 1;"
		     " setsid sh -c \"echo \\$\\$ > $own/a/b/cgroup.procs;"
		     " echo \\$\\$ > pid; exec sleep 60\" &"
		     " while ! test -s pid; do :; done; exit 0; done; exit 2");
	assert_int_equal(f->result.exit_status, 0);
	assert_false(is_alive(f->scratch, "pid"));
	run_shell(f, "grep -q '^0::/.*/step$' /proc/self/cgroup");
	assert_int_equal(f->result.exit_status, 0);
}

static const struct CMUnitTest tests[] = {
	CHILD_TEST(many_orphans_in_sessions_of_their_own_are_gone),
	CHILD_TEST(those_that_fork_and_end_without_end_are_gone),
	CHILD_TEST(a_long_line_of_descent_is_gone),
	CHILD_TEST(one_that_stops_its_whole_group_is_gone),
	CHILD_TEST(children_of_threads_are_gone),
	CHILD_TEST(one_that_fills_the_process_table_is_gone),
	CHILD_TEST(all_that_ignore_being_asked_end_at_their_limit),
	CHILD_TEST(one_that_leaves_its_control_group_is_gone),
	CHILD_TEST(what_an_earlier_step_left_does_not_hold_up_the_next),
	CHILD_TEST(without_a_controller_a_limit_is_said_not_to_be_kept),
	CHILD_TEST(no_limit_is_nothing_to_speak_of),
	CHILD_TEST(too_much_memory_is_the_end_of_it),
	CHILD_TEST(too_many_tasks_cannot_be_started),
	CHILD_TEST(a_child_beside_a_whole_tree_has_an_end_of_its_own),
	CHILD_TEST(one_may_be_told_that_its_time_is_up),
};

static const struct CMUnitTest group_tests[] = {
	CHILD_TEST(it_runs_in_a_group_of_its_own),
	CHILD_TEST(groups_that_it_made_in_its_own_are_gone),
};

int main(void)
{
	struct groups groups;
	int failed = cmocka_run_group_tests_name("without a control group",
						 tests, NULL, NULL);

	if (!groups_enter(&groups)) {
		print_message("no control group can be made here\n");
		return failed;
	}
	failed += cmocka_run_group_tests_name("with a control group", tests,
					      NULL, NULL);
	failed += cmocka_run_group_tests(group_tests, NULL, NULL);
	groups_leave(&groups);
	return failed;
}
