/* SPDX-License-Identifier: BSD-2-Clause */
#include "scratch.h"

#include <signal.h>
#include <sys/resource.h>

#include "run/record.h"

#define BOOT "01234567-89ab-cdef-0123-456789abcdef"

/* The names of the events that are there, each with a blank behind. */
struct seen {
	char events[256];
	uint64_t last;
};

static void see(void *arg, const struct json *event)
{
	struct seen *seen = arg;

	strcat(seen->events, json_get_string(event, "event", "?"));
	strcat(seen->events, " ");
	seen->last = (uint64_t)json_get_int(event, "n", 0);
}

static struct record *opened(const struct scratch *s, struct seen *seen)
{
	struct record *record = NULL;
	struct err e = ERR_NONE;

	assert_int_equal(record_open(s->fd, BOOT, &record,
				     seen == NULL ? NULL : see, seen, &e),
			 0);
	return record;
}

static void add(struct record *record, const char *name)
{
	struct err e = ERR_NONE;

	assert_int_equal(record_add(record, record_event(name), &e), 0);
}

static void fill(const struct scratch *s)
{
	CLEANUP(record_closep) struct record *record = opened(s, NULL);

	add(record, "one");
	add(record, "two");
	add(record, "three");
}

static void assert_events(const struct scratch *s, const char *events)
{
	struct seen seen = {"", 0};
	struct err e = ERR_NONE;

	assert_int_equal(record_read(s->fd, RECORD_NAME, see, &seen, &e), 0);
	assert_string_equal(seen.events, events);
}

static off_t size_of(const struct scratch *s)
{
	struct stat st;

	assert_int_equal(fstatat(s->fd, RECORD_NAME, &st, 0), 0);
	return st.st_size;
}

static void append(const struct scratch *s, const void *bytes, size_t length)
{
	int fd = openat(s->fd, RECORD_NAME, O_WRONLY | O_APPEND);

	assert_int_equal(write(fd, bytes, length), length);
	close(fd);
}

static void a_line_has_number_time_and_boot_first(void **state)
{
	struct scratch *s = *state;
	CLEANUP(record_closep) struct record *record = opened(s, NULL);
	CLEANUP(freep) char *text = NULL;
	struct json *event = record_event("run");
	struct err e = ERR_NONE;

	json_set_string(event, "run", "a\nb");
	assert_int_equal(record_add(record, event, &e), 0);
	assert_int_equal(record_sync(record, &e), 0);
	assert_int_equal(file_read(s->fd, RECORD_NAME, 4096, &text, NULL, &e),
			 0);
	assert_memory_equal(text, "{\"n\":1,\"time\":\"20", 17);
	assert_non_null(strstr(text, "Z\",\"boot\":\"" BOOT "\","
				     "\"event\":\"run\",\"run\":\"a\\nb\"}\n"));
	assert_int_equal(record_length(record), 1);
	assert_int_equal(record_size(record), strlen(text));
}

static void numbers_go_on_where_the_last_writer_ended(void **state)
{
	struct scratch *s = *state;
	struct seen seen = {"", 0};
	struct record *record;

	fill(s);
	record = opened(s, &seen);
	assert_string_equal(seen.events, "one two three ");
	assert_int_equal(record_length(record), 3);
	add(record, "four");
	record_close(record);
	assert_events(s, "one two three four ");
}

static void the_time_of_an_event_can_be_read_back(void **state)
{
	CLEANUP(json_freep) struct json *event = record_event("x");

	(void)state;
	json_set_string(event, "time", "2026-11-23T20:00:00.123Z");
	assert_int_equal(record_time_usec(event), UINT64_C(1795464000123000));
	json_set_string(event, "time", "yesterday");
	assert_int_equal(record_time_usec(event), 0);
	json_set_string(event, "time", "1969-01-01T00:00:00.000Z");
	assert_int_equal(record_time_usec(event), 0);
	json_set_string(event, "time", NULL);
	assert_int_equal(record_time_usec(event), 0);
}

/* ---- torn ends --------------------------------------------------------- */

static void whatever_a_power_cut_leaves_the_whole_lines_count(void **state)
{
	struct scratch *s = *state;
	CLEANUP(freep) char *text = NULL;
	struct err e = ERR_NONE;
	size_t length;

	fill(s);
	assert_int_equal(
		file_read(s->fd, RECORD_NAME, 4096, &text, &length, &e), 0);
	for (size_t cut = 0; cut <= length; cut++) {
		struct seen seen = {"", 0};
		CLEANUP(record_closep) struct record *record = NULL;
		size_t lines = 0;
		size_t whole = 0;

		for (size_t i = 0; i < cut; i++)
			if (text[i] == '\n') {
				lines++;
				whole = i + 1;
			}
		assert_int_equal(file_write_atomic(s->fd, RECORD_NAME, text,
						   cut, 0644, &e),
				 0);
		record = opened(s, &seen);
		assert_int_equal(record_length(record), lines);
		assert_int_equal(seen.last, lines);
		assert_int_equal(size_of(s), whole);
		add(record, "more");
		assert_int_equal(record_length(record), lines + 1);
	}
}

static void garbage_at_the_end_is_cut_off(void **state)
{
	struct scratch *s = *state;
	static const struct {
		const char *bytes;
		size_t length;
	} cases[] = {
		{"\0\0\0\0", 4},
		{"\0\0\0\n", 4},
		{"\n", 1},
		{"4\n", 2},
		{"{}\n", 3},
		{"{\"n\":5}\n", 8},
		{"{\"n\":\"4\"}\n", 10},
		{"{\"n\":3}\n", 8},
		{"{\"n\":4}x\n", 9},
		{"\xFF\xFE\n", 3},
		{"{\"n\":4", 6},
		{"{\"n\":-1}\n", 9},
	};

	fill(s);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(record_closep) struct record *record = NULL;
		off_t before = size_of(s);

		append(s, cases[i].bytes, cases[i].length);
		/* What follows garbage is garbage. */
		append(s, "{\"n\":4}\n", 8);
		assert_events(s, "one two three ");
		record = opened(s, NULL);
		assert_int_equal(record_length(record), 3);
		assert_int_equal(size_of(s), before);
	}
}

static void a_line_beyond_all_bounds_is_no_line(void **state)
{
	struct scratch *s = *state;
	CLEANUP(record_closep) struct record *record = NULL;
	CLEANUP(freep) char *line = malloc(RECORD_LINE_MAX + 3);
	off_t before;

	fill(s);
	before = size_of(s);
	memset(line, ' ', RECORD_LINE_MAX + 2);
	memcpy(line, "{\"n\":4}", 7);
	line[RECORD_LINE_MAX + 1] = '\n';
	append(s, line, RECORD_LINE_MAX + 2);
	assert_events(s, "one two three ");
	record = opened(s, NULL);
	assert_int_equal(size_of(s), before);
}

/* ---- refusals ---------------------------------------------------------- */

static void a_record_has_one_writer(void **state)
{
	struct scratch *s = *state;
	struct record *record = opened(s, NULL);
	struct record *other = NULL;
	struct err e = ERR_NONE;

	assert_int_equal(record_open(s->fd, BOOT, &other, NULL, NULL, &e),
			 -EBUSY);
	assert_string_equal(e.text,
			    "record.jsonl: another process is writing it");
	assert_null(other);
	record_close(record);
	record_close(opened(s, NULL));
}

static void a_link_or_fifo_is_no_record(void **state)
{
	struct scratch *s = *state;
	struct record *record = NULL;
	struct err e = ERR_NONE;

	put(s, "secret", "untouched");
	assert_int_equal(symlinkat("secret", s->fd, RECORD_NAME), 0);
	assert_int_equal(record_open(s->fd, BOOT, &record, NULL, NULL, &e),
			 -ELOOP);
	assert_int_equal(record_read(s->fd, RECORD_NAME, see, NULL, &e),
			 -ELOOP);
	assert_int_equal(unlinkat(s->fd, RECORD_NAME, 0), 0);
	assert_int_equal(mkfifoat(s->fd, RECORD_NAME, 0644), 0);
	alarm(5);
	assert_int_equal(record_open(s->fd, BOOT, &record, NULL, NULL, &e),
			 -EINVAL);
	alarm(0);
	assert_content(s, "secret", "untouched");
}

static void a_record_beyond_all_bounds_is_refused(void **state)
{
	struct scratch *s = *state;
	struct record *record = NULL;
	struct err e = ERR_NONE;
	int fd;

	put(s, RECORD_NAME, "");
	fd = openat(s->fd, RECORD_NAME, O_WRONLY);
	assert_int_equal(ftruncate(fd, (off_t)RECORD_BYTES_MAX + 1), 0);
	close(fd);
	assert_int_equal(record_open(s->fd, BOOT, &record, NULL, NULL, &e),
			 -EFBIG);
	assert_int_equal(record_read(s->fd, RECORD_NAME, see, NULL, &e),
			 -EFBIG);
}

static void an_event_beyond_all_bounds_is_not_added(void **state)
{
	struct scratch *s = *state;
	CLEANUP(record_closep) struct record *record = opened(s, NULL);
	CLEANUP(freep) char *text = malloc(RECORD_LINE_MAX + 1);
	struct json *event = record_event("big");
	struct err e = ERR_NONE;

	memset(text, 'x', RECORD_LINE_MAX);
	text[RECORD_LINE_MAX] = '\0';
	json_set_string(event, "message", text);
	assert_int_equal(record_add(record, event, &e), -E2BIG);
	add(record, "small");
	assert_events(s, "small ");
	assert_int_equal(record_add(record, NULL, &e), -ENOMEM);
}

static void a_missing_record_is_told_apart(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;

	assert_int_equal(record_read(s->fd, RECORD_NAME, see, NULL, &e),
			 -ENOENT);
	record_close(NULL);
}

static int add_beyond_the_limit(const struct scratch *s)
{
	CLEANUP(record_closep) struct record *record = opened(s, NULL);
	struct rlimit limit;
	struct err e = ERR_NONE;
	uint64_t size = record_size(record);

	signal(SIGXFSZ, SIG_IGN);
	limit.rlim_cur = limit.rlim_max = size + 10;
	if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
		return NOT_HERE;
	if (record_add(record, record_event("four"), &e) != -EFBIG ||
	    strcmp(e.text, "record.jsonl: write: File too large") != 0)
		return 1;
	return (uint64_t)size_of(s) != size || record_size(record) != size;
}

static void an_event_that_does_not_fit_leaves_no_trace(void **state)
{
	struct scratch *s = *state;

	fill(s);
	assert_int_equal(in_a_child(add_beyond_the_limit, s), 0);
	assert_events(s, "one two three ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRATCH_TEST(a_line_has_number_time_and_boot_first),
		SCRATCH_TEST(numbers_go_on_where_the_last_writer_ended),
		SCRATCH_TEST(the_time_of_an_event_can_be_read_back),
		SCRATCH_TEST(whatever_a_power_cut_leaves_the_whole_lines_count),
		SCRATCH_TEST(garbage_at_the_end_is_cut_off),
		SCRATCH_TEST(a_line_beyond_all_bounds_is_no_line),
		SCRATCH_TEST(a_record_has_one_writer),
		SCRATCH_TEST(a_link_or_fifo_is_no_record),
		SCRATCH_TEST(a_record_beyond_all_bounds_is_refused),
		SCRATCH_TEST(an_event_beyond_all_bounds_is_not_added),
		SCRATCH_TEST(a_missing_record_is_told_apart),
		SCRATCH_TEST(an_event_that_does_not_fit_leaves_no_trace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
