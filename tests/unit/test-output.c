/* SPDX-License-Identifier: BSD-2-Clause */
#include "children.h"

#include "base/output.h"

#define MIB (UINT64_C(1) << 20)

/* What a log of more than its limit takes at most, while it is written. */
struct observed {
	struct fixture *f;
	int fd;
	uint64_t most;
	struct loop_source *timer;
};

static int observe(void *arg)
{
	struct observed *observed = arg;
	struct stat st;

	assert_int_equal(fstat(observed->fd, &st), 0);
	if ((uint64_t)st.st_blocks * 512 > observed->most)
		observed->most = (uint64_t)st.st_blocks * 512;
	loop_timer_again(observed->timer, 5000);
	return 0;
}

struct finished {
	uint64_t bytes;
	bool cut;
	uint64_t most;
	uint64_t size;
};

/* Runs @command with "log" as its output, watched. */
static struct finished watched(struct fixture *f, const char *command,
			       uint64_t limit)
{
	struct observed observed = {.f = f};
	struct output *output;
	struct finished ended;
	struct stat st;

	open_log(f);
	observed.fd = openat(f->scratch->fd, "log", O_RDWR | O_CLOEXEC);
	assert_int_equal(
		output_watch(f->loop, observed.fd, limit, &output, &f->e), 0);
	assert_int_equal(loop_timer(f->loop, 5000, observe, &observed,
				    &observed.timer, &f->e),
			 0);
	f->spec.whole_tree = true;
	run_shell(f, command);
	assert_int_equal(
		output_finish(output, &ended.bytes, &ended.cut, &f->e), 0);
	output_free(output);
	loop_source_free(observed.timer);
	assert_int_equal(fstat(observed.fd, &st), 0);
	ended.size = (uint64_t)st.st_size;
	ended.most = observed.most;
	close(observed.fd);
	fd_close(&f->spec.output_fd);
	f->spec.output_fd = -1;
	return ended;
}

static char *read_log(const struct fixture *f)
{
	struct err e = ERR_NONE;
	char *text = NULL;

	assert_int_equal(file_read(f->scratch->fd, "log", 64 * MIB, &text, NULL,
				   &e),
			 0);
	return text;
}

static void what_is_within_the_limit_stays_as_it_is(void **state)
{
	struct fixture *f = *state;
	struct finished ended = watched(f, "echo one; echo two >&2", MIB);

	assert_content(f->scratch, "log", "one\ntwo\n");
	assert_int_equal(ended.bytes, 8);
	assert_false(ended.cut);
}

static void exactly_the_limit_is_not_too_much(void **state)
{
	struct finished ended =
		watched(*state, "head -c 1048576 /dev/zero", MIB);

	assert_int_equal(ended.bytes, MIB);
	assert_false(ended.cut);
	assert_int_equal(ended.size, MIB);
}

static void of_more_the_head_and_the_tail_are_kept(void **state)
{
	struct fixture *f = *state;
	struct finished ended = watched(f, "seq 1000000 1400000", MIB);
	CLEANUP(freep) char *text = read_log(f);
	char line[96];

	assert_int_equal(ended.bytes, 400001 * 8);
	assert_true(ended.cut);
	assert_int_equal(ended.size, MIB);
	/* As many as were written and are not there any more. */
	snprintf(line, sizeof(line), "\n[xentest: %llu bytes are left out here]",
		 (unsigned long long)(ended.bytes - ended.size + 64));
	assert_ptr_equal(strstr(text, line), text + MIB / 2);
	assert_memory_equal(text, "1000000\n1000001\n", 16);
	assert_memory_equal(text + MIB / 2 - 8, "1065535\n", 8);
	assert_memory_equal(text + MIB / 2 + 63, "\n1334473\n1334474\n", 17);
	assert_string_equal(text + MIB - 16, "1399999\n1400000\n");
}

static void a_flood_never_takes_more_than_limit_and_slack(void **state)
{
	struct fixture *f = *state;
	struct finished ended =
		watched(f, "exec \"$HOSTILE\" flood 2048", 4 * MIB);

	assert_int_equal(ended.bytes, 2048 * MIB);
	assert_true(ended.cut);
	assert_int_equal(ended.size, 4 * MIB);
	assert_in_range(ended.most, 4 * MIB, 4 * MIB + OUTPUT_SLACK_BYTES);
}

/* Once it was quiet nobody looks, until it is written to again. */
static void a_flood_after_a_silence_is_bounded_too(void **state)
{
	struct fixture *f = *state;
	struct finished ended = watched(
		f, "sleep 0.5; \"$HOSTILE\" flood 512; sleep 0.5;"
		   "\"$HOSTILE\" flood 512", MIB);

	assert_int_equal(ended.bytes, 1024 * MIB);
	assert_in_range(ended.most, MIB, MIB + OUTPUT_SLACK_BYTES);
	assert_int_equal(ended.size, MIB);
}

/* Writes at other places than the end fill the hole again. */
static void one_that_opens_its_log_again_gains_nothing(void **state)
{
	struct fixture *f = *state;
	struct finished ended =
		watched(f, "exec \"$HOSTILE\" reopen 512", 4 * MIB);

	assert_int_equal(f->result.exit_status, 0);
	assert_true(ended.cut);
	assert_in_range(ended.most, 4 * MIB, 4 * MIB + OUTPUT_SLACK_BYTES);
	assert_int_equal(ended.size, 4 * MIB);
}

static void one_that_empties_its_log_may_begin_anew(void **state)
{
	struct fixture *f = *state;
	struct finished ended = watched(
		f, "\"$HOSTILE\" flood 200; sleep 0.1; : > /proc/self/fd/1;"
		   "\"$HOSTILE\" flood 200", 4 * MIB);

	assert_int_equal(ended.bytes, 200 * MIB);
	assert_in_range(ended.most, 4 * MIB, 4 * MIB + OUTPUT_SLACK_BYTES);
	assert_int_equal(ended.size, 4 * MIB);
}

static void a_limit_that_is_lifted_keeps_everything(void **state)
{
	struct finished ended = watched(
		*state, "exec \"$HOSTILE\" flood 128", UINT64_MAX);

	assert_int_equal(ended.bytes, 128 * MIB);
	assert_false(ended.cut);
	assert_int_equal(ended.size, 128 * MIB);
}

/* A second attempt appends to the log of the first. */
static void what_stood_there_before_is_not_counted(void **state)
{
	struct fixture *f = *state;
	struct finished ended;

	watched(f, "echo first", MIB);
	ended = watched(f, "echo second", MIB);
	assert_content(f->scratch, "log", "first\nsecond\n");
	assert_int_equal(ended.bytes, 7);
}

/* ---- a file system without holes --------------------------------------- */

static int flood_a_ramfs(const struct scratch *s)
{
	struct fixture f = {.scratch = (struct scratch *)s};
	struct finished ended;

	if (!mount_alone("none", s->path, "ramfs", 0, NULL))
		return NOT_HERE;
	close(s->fd);
	if (open(s->path, O_RDONLY | O_DIRECTORY) != s->fd)
		return 1;
	f.spec = CHILD_SPEC_NONE;
	f.spec.name = "step";
	if (loop_new(&f.loop, &f.e) < 0)
		return 2;
	ended = watched(&f, "exec \"$HOSTILE\" flood 300", MIB);
	loop_free(f.loop);
	/* What is written while it is cut short is seen by nobody. */
	if (!ended.cut || ended.bytes < 100 * MIB || ended.bytes > 300 * MIB)
		return 3;
	return ended.size <= MIB ? 0 : 4;
}

static void without_holes_the_log_is_bounded_too(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(in_a_child(flood_a_ramfs, f->scratch), 0);
}

/* ---- silence ----------------------------------------------------------- */

struct silence {
	struct output *output;
	uint64_t usec;
};

static int measure(void *arg)
{
	struct silence *silence = arg;

	silence->usec = output_silent_usec(silence->output);
	return 0;
}

/* @command runs for 2 s; how long was it silent after 1.5? */
static uint64_t silence_of(struct fixture *f, const char *command)
{
	struct silence silence = {0};
	struct loop_source *timer;
	int fd;

	open_log(f);
	fd = openat(f->scratch->fd, "log", O_RDWR | O_CLOEXEC);
	assert_int_equal(
		output_watch(f->loop, fd, MIB, &silence.output, &f->e), 0);
	assert_int_equal(
		loop_timer(f->loop, 1500000, measure, &silence, &timer, &f->e),
		0);
	run_shell(f, command);
	loop_source_free(timer);
	output_free(silence.output);
	close(fd);
	return silence.usec;
}

static void a_silence_is_measured(void **state)
{
	assert_in_range(silence_of(*state, "sleep 2"), 1500000, 1600000);
}

static void a_word_ends_a_silence(void **state)
{
	assert_in_range(silence_of(*state, "sleep 1; echo; sleep 1"), 100000,
			600000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CHILD_TEST(what_is_within_the_limit_stays_as_it_is),
		CHILD_TEST(exactly_the_limit_is_not_too_much),
		CHILD_TEST(of_more_the_head_and_the_tail_are_kept),
		CHILD_TEST(a_flood_never_takes_more_than_limit_and_slack),
		CHILD_TEST(a_flood_after_a_silence_is_bounded_too),
		CHILD_TEST(one_that_opens_its_log_again_gains_nothing),
		CHILD_TEST(one_that_empties_its_log_may_begin_anew),
		CHILD_TEST(a_limit_that_is_lifted_keeps_everything),
		CHILD_TEST(what_stood_there_before_is_not_counted),
		CHILD_TEST(without_holes_the_log_is_bounded_too),
		CHILD_TEST(a_silence_is_measured),
		CHILD_TEST(a_word_ends_a_silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
