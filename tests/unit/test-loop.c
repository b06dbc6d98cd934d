/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include "base/loop.h"

struct fixture {
	struct loop *loop;
	struct err e;
	struct loop_source *source;
	bool done;
	int calls;
	int signal_number;
	int answer; /* of the callback */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	return loop_new(&f->loop, &f->e);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	loop_source_free(f->source);
	loop_free(f->loop);
	free(f);
	return 0;
}

static int on_timer(void *arg)
{
	struct fixture *f = arg;

	f->calls++;
	f->done = true;
	return f->answer;
}

static int on_pipe(void *arg, uint32_t events)
{
	struct fixture *f = arg;

	assert_true(events & EPOLLIN);
	return on_timer(f);
}

static int on_signal(void *arg, int signal_number)
{
	struct fixture *f = arg;

	f->signal_number = signal_number;
	return on_timer(f);
}

static void a_timer_calls_back_once_when_its_time_has_come(void **state)
{
	struct fixture *f = *state;
	uint64_t before = loop_now_usec();

	assert_int_equal(
		loop_timer(f->loop, 20000, on_timer, f, &f->source, &f->e), 0);
	assert_int_equal(loop_run(f->loop, &f->done, &f->e), 0);
	assert_int_equal(f->calls, 1);
	assert_in_range(loop_now_usec() - before, 20000, 2000000);
}

static void a_timer_that_never_comes_can_be_armed_later(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		loop_timer(f->loop, UINT64_MAX, on_timer, f, &f->source, &f->e),
		0);
	loop_timer_again(f->source, 0);
	assert_int_equal(loop_run(f->loop, &f->done, &f->e), 0);

	f->done = false;
	loop_timer_again(f->source, 1000); /* one that has fired */
	assert_int_equal(loop_run(f->loop, &f->done, &f->e), 0);
	assert_int_equal(f->calls, 2);
}

static void a_disarmed_timer_keeps_quiet(void **state)
{
	struct fixture *f = *state;
	struct fixture other = {0};
	CLEANUP(loop_source_freep) struct loop_source *timer = NULL;

	assert_int_equal(
		loop_timer(f->loop, 1000, on_timer, &other, &timer, &f->e), 0);
	loop_timer_again(timer, UINT64_MAX);
	assert_int_equal(
		loop_timer(f->loop, 20000, on_timer, f, &f->source, &f->e), 0);
	assert_int_equal(loop_run(f->loop, &f->done, &f->e), 0);
	assert_int_equal(other.calls, 0);
}

static void a_time_beyond_the_end_of_time_is_no_early_one(void **state)
{
	struct fixture *f = *state;
	struct fixture other = {0};
	CLEANUP(loop_source_freep) struct loop_source *timer = NULL;

	assert_int_equal(loop_timer(f->loop, UINT64_MAX - 1, on_timer, &other,
				    &timer, &f->e),
			 0);
	assert_int_equal(
		loop_timer(f->loop, 1000, on_timer, f, &f->source, &f->e), 0);
	assert_int_equal(loop_run(f->loop, &f->done, &f->e), 0);
	assert_int_equal(other.calls, 0);
}

static void a_descriptor_that_is_ready_calls_back(void **state)
{
	struct fixture *f = *state;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(loop_io(f->loop, ends[0], EPOLLIN, on_pipe, f,
				 &f->source, &f->e),
			 0);
	assert_int_equal(loop_run(f->loop, &f->done, &f->e), 0);
	assert_int_equal(f->calls, 1);
	close(ends[0]);
	close(ends[1]);
}

static void a_descriptor_that_cannot_be_watched_is_a_failure(void **state)
{
	struct fixture *f = *state;
	int fd = open("/dev/null", O_RDONLY);

	close(fd);
	assert_int_equal(
		loop_io(f->loop, fd, EPOLLIN, on_pipe, f, &f->source, &f->e),
		-EBADF);
	assert_string_equal(f->e.text,
			    "watch a descriptor: Bad file descriptor");
	assert_null(f->source);
}

static void a_signal_calls_back_and_kills_nobody(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		loop_signal(f->loop, SIGTERM, on_signal, f, &f->source, &f->e),
		0);
	kill(getpid(), SIGTERM);
	assert_int_equal(loop_run(f->loop, &f->done, &f->e), 0);
	assert_int_equal(f->signal_number, SIGTERM);
}

static int on_own_end(void *arg)
{
	struct fixture *f = arg;

	loop_source_free(TAKE_PTR(f->source));
	return on_timer(f);
}

static void a_signal_source_may_go_while_a_child_has_its_descriptors(void **state)
{
	struct fixture *f = *state;
	struct loop_source *again = NULL;
	pid_t child;

	assert_int_equal(
		loop_signal(f->loop, SIGUSR1, on_signal, f, &f->source, &f->e),
		0);
	child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	loop_source_free(TAKE_PTR(f->source));
	kill(getpid(), SIGUSR1); /* what the child's copy is ready for */
	assert_int_equal(loop_timer(f->loop, 20000, on_own_end, f, &f->source,
				    &f->e),
			 0);
	assert_int_equal(loop_run(f->loop, &f->done, &f->e), 0);
	assert_int_equal(f->signal_number, 0);

	f->done = false;
	assert_int_equal(
		loop_signal(f->loop, SIGUSR1, on_signal, f, &again, &f->e), 0);
	assert_int_equal(loop_run(f->loop, &f->done, &f->e), 0);
	assert_int_equal(f->signal_number, SIGUSR1);
	loop_source_free(again);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static void a_callback_that_fails_ends_the_loop_with_its_number(void **state)
{
	struct fixture *f = *state;
	bool never = false;

	f->answer = -EPROTO;
	assert_int_equal(loop_timer(f->loop, 0, on_timer, f, &f->source, &f->e),
			 0);
	assert_int_equal(loop_run(f->loop, &never, &f->e), -EPROTO);
	assert_string_equal(f->e.text, "an event could not be handled");
}

static void a_callback_may_free_its_own_source(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		loop_timer(f->loop, 0, on_own_end, f, &f->source, &f->e), 0);
	assert_int_equal(loop_run(f->loop, &f->done, &f->e), 0);
	assert_null(f->source);
}

static void nothing_is_waited_for_when_all_is_done(void **state)
{
	struct fixture *f = *state;

	f->done = true;
	assert_int_equal(loop_run(f->loop, &f->done, &f->e), 0);
}

static void steps_can_run_one_after_the_other(void **state)
{
	struct fixture *f = *state;

	for (int i = 1; i <= 3; i++) {
		CLEANUP(loop_source_freep) struct loop_source *timer = NULL;

		f->done = false;
		assert_int_equal(
			loop_timer(f->loop, 100, on_timer, f, &timer, &f->e),
			0);
		assert_int_equal(loop_run(f->loop, &f->done, &f->e), 0);
		assert_int_equal(f->calls, i);
	}
}

int main(void)
{
#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		LOOP_TEST(a_timer_calls_back_once_when_its_time_has_come),
		LOOP_TEST(a_timer_that_never_comes_can_be_armed_later),
		LOOP_TEST(a_disarmed_timer_keeps_quiet),
		LOOP_TEST(a_time_beyond_the_end_of_time_is_no_early_one),
		LOOP_TEST(a_descriptor_that_is_ready_calls_back),
		LOOP_TEST(a_descriptor_that_cannot_be_watched_is_a_failure),
		LOOP_TEST(a_signal_calls_back_and_kills_nobody),
		LOOP_TEST(a_signal_source_may_go_while_a_child_has_its_descriptors),
		LOOP_TEST(a_callback_that_fails_ends_the_loop_with_its_number),
		LOOP_TEST(a_callback_may_free_its_own_source),
		LOOP_TEST(nothing_is_waited_for_when_all_is_done),
		LOOP_TEST(steps_can_run_one_after_the_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
