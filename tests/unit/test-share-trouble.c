/* SPDX-License-Identifier: BSD-2-Clause */
#include "scratch.h"

#include "run/share.h"

/*
 * A share that fails in the middle, that others write to, that forgets: the
 * delivery after that makes good, and nothing is there twice.
 */

#define RUN "20261123-200000-1a2b3c4d"
#define LOCAL_RECORD "local/record.jsonl"
#define SHARED "share/bob13/" RUN
#define SHARED_RECORD SHARED "/record.jsonl"

static int deliver_so(const struct scratch *s, bool last, struct err *e)
{
	CLEANUP(freep) char *shared_dir = NULL;
	CLEANUP(fd_close) int local_fd = open_dir(s, "local");
	CLEANUP(share_list_freep) char **names = NULL;
	struct share_delivery delivery = { .name = "bob13",
					   .run = RUN,
					   .local_fd = local_fd,
					   .record_bytes = UINT64_MAX,
					   .last = last };

	assert_true(asprintf(&shared_dir, "%s/share", s->path) > 0);
	delivery.shared_dir = shared_dir;
	assert_int_equal(share_list(local_fd, &names, e), 0);
	delivery.names = names;
	return share_deliver(&delivery, e);
}

static void assert_delivered(const struct scratch *s)
{
	struct err e = ERR_NONE;
	int r = deliver_so(s, false, &e);

	assert_string_equal(e.text, "");
	assert_int_equal(r, 0);
}

static void assert_last_is_delivered(const struct scratch *s)
{
	struct err e = ERR_NONE;

	assert_int_equal(deliver_so(s, true, &e), 0);
}

static void make_both(const struct scratch *s)
{
	make_dirs(s, "local");
	make_dirs(s, "share");
}

/* Lines of 15 bytes, so that any cut can be named. */
static char *lines(size_t count)
{
	char *text = calloc(count + 1, 15);
	char line[24];

	for (size_t i = 0; i < count; i++) {
		snprintf(line, sizeof(line), "{\"line\":%6zu}\n", i);
		memcpy(text + i * 15, line, 15);
	}
	return text;
}

/* ---- torn -------------------------------------------------------------- */

static void a_torn_end_is_completed_wherever_it_was_torn(void **state)
{
	struct scratch *s = *state;
	CLEANUP(freep) char *whole = lines(4);

	make_both(s);
	put(s, LOCAL_RECORD, whole);
	make_dirs(s, SHARED);
	for (size_t length = 0; length <= strlen(whole); length++) {
		CLEANUP(freep) char *torn = strndup(whole, length);

		put(s, SHARED_RECORD, torn);
		assert_delivered(s);
		assert_content(s, SHARED_RECORD, whole);
		assert_delivered(s);
		assert_content(s, SHARED_RECORD, whole);
	}
}

static void what_another_writer_appended_is_gone(void **state)
{
	struct scratch *s = *state;

	make_both(s);
	put(s, LOCAL_RECORD, "one\ntwo\n");
	make_dirs(s, SHARED);
	put(s, SHARED_RECORD, "one\ntwo\njunk\n");
	assert_delivered(s);
	assert_content(s, SHARED_RECORD, "one\ntwo\n");

	put(s, SHARED_RECORD, "one\njunk");
	assert_delivered(s);
	assert_content(s, SHARED_RECORD, "one\ntwo\n");
}

/* The size is that of a beginning, but a page never reached the server. */
static void a_hole_in_it_is_filled(void **state)
{
	struct scratch *s = *state;
	CLEANUP(freep) char *whole = lines(100);
	int fd;

	make_both(s);
	put(s, LOCAL_RECORD, whole);
	make_dirs(s, SHARED);
	put(s, SHARED_RECORD, whole);
	fd = openat(s->fd, SHARED_RECORD, O_WRONLY);
	assert_int_equal(pwrite(fd, "\0\0\0\0\0\0\0\0", 8, 300), 8);
	close(fd);
	assert_delivered(s);
	assert_content(s, SHARED_RECORD, whole);
}

/* Far from the end of a long record only the last delivery looks. */
static void a_change_far_from_the_end_is_found_at_the_end(void **state)
{
	struct scratch *s = *state;
	CLEANUP(freep) char *whole = lines(20000);
	int fd;

	make_both(s);
	put(s, LOCAL_RECORD, whole);
	assert_delivered(s);
	fd = openat(s->fd, SHARED_RECORD, O_WRONLY);
	assert_int_equal(pwrite(fd, "XXX", 3, 10), 3);
	close(fd);
	assert_last_is_delivered(s);
	assert_content(s, SHARED_RECORD, whole);
}

static void a_server_that_went_back_gets_the_rest_again(void **state)
{
	struct scratch *s = *state;

	make_both(s);
	put(s, LOCAL_RECORD, "one\n");
	assert_delivered(s);
	put(s, LOCAL_RECORD, "one\ntwo\nthree\n");
	assert_delivered(s);
	put(s, SHARED_RECORD, "one\n");
	assert_delivered(s);
	assert_content(s, SHARED_RECORD, "one\ntwo\nthree\n");
}

static void directories_that_somebody_removed_are_made_again(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;

	make_both(s);
	make_dirs(s, "local/LTP");
	put(s, LOCAL_RECORD, "one\n");
	assert_delivered(s);
	assert_int_equal(file_remove_tree(s->fd, "share/bob13", &e), 0);
	make_dirs(s, "local/fio");
	put(s, "local/fio/run.log", "ran");
	assert_delivered(s);
	assert_content(s, SHARED_RECORD, "one\n");
	assert_content(s, SHARED "/fio/run.log", "ran");
}

static void results_that_went_meanwhile_are_no_failure(void **state)
{
	struct scratch *s = *state;
	CLEANUP(freep) char *shared_dir = NULL;
	CLEANUP(fd_close) int local_fd = -1;
	char gone[] = "gone";
	char *names[] = { gone, NULL };
	struct share_delivery delivery = { .name = "bob13",
					   .run = RUN,
					   .names = names,
					   .record_bytes = UINT64_MAX };
	struct err e = ERR_NONE;

	make_both(s);
	put(s, LOCAL_RECORD, "one\n");
	local_fd = open_dir(s, "local");
	assert_true(asprintf(&shared_dir, "%s/share", s->path) > 0);
	delivery.shared_dir = shared_dir;
	delivery.local_fd = local_fd;
	assert_int_equal(share_deliver(&delivery, &e), 0);
}

/* ---- the control file -------------------------------------------------- */

static void only_the_last_delivery_removes_the_control_file(void **state)
{
	struct scratch *s = *state;

	make_both(s);
	make_dirs(s, "share/bob13");
	put(s, "share/bob13/xentests.conf", "text");
	put(s, LOCAL_RECORD, "one\n");
	assert_delivered(s);
	assert_true(exists(s, "share/bob13/xentests.conf"));
	assert_last_is_delivered(s);
	assert_false(exists(s, "share/bob13/xentests.conf"));
	assert_last_is_delivered(s);
}

static void it_stays_while_a_result_is_missing(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;

	make_both(s);
	make_dirs(s, SHARED);
	put(s, "share/bob13/xentests.conf", "text");
	put(s, SHARED "/LTP", "somebody's file in the way");
	put(s, LOCAL_RECORD, "one\n");
	make_dirs(s, "local/LTP");
	put(s, "local/LTP/run.log", "ran");
	assert_true(deliver_so(s, true, &e) < 0);
	assert_true(exists(s, "share/bob13/xentests.conf"));
	assert_content(s, "local/LTP/run.log", "ran");
	assert_content(s, SHARED_RECORD, "one\n");

	assert_int_equal(unlinkat(s->fd, SHARED "/LTP", 0), 0);
	assert_last_is_delivered(s);
	assert_content(s, SHARED "/LTP/run.log", "ran");
	assert_false(exists(s, "share/bob13/xentests.conf"));
}

/* ---- a full one -------------------------------------------------------- */

static int fill_up(const struct scratch *s)
{
	CLEANUP(freep) char *share = NULL;
	CLEANUP(freep) char *whole = lines(4000);
	CLEANUP(freep) char *short_one = strndup(whole, 1500);
	CLEANUP(fd_close) int fd = -1;
	struct scratch other = *s;
	struct err e = ERR_NONE;

	assert_true(asprintf(&share, "%s/share", s->path) > 0);
	if (!mount_alone("none", share, "tmpfs", 0, "size=32k"))
		return NOT_HERE;
	fd = open(s->path, O_RDONLY | O_DIRECTORY);
	other.fd = fd;
	put(&other, LOCAL_RECORD, short_one);
	assert_delivered(&other);
	put(&other, LOCAL_RECORD, whole);
	assert_int_equal(deliver_so(&other, true, &e), -ENOSPC);
	assert_int_equal(deliver_so(&other, true, &e), -ENOSPC);
	if (mount("none", share, NULL, MS_REMOUNT, "size=1m") < 0)
		return NOT_HERE;
	assert_last_is_delivered(&other);
	assert_content(&other, SHARED_RECORD, whole);
	assert_int_equal(entries(&other, SHARED), 1);
	return 0;
}

static void a_record_that_did_not_fit_is_completed_later(void **state)
{
	struct scratch *s = *state;

	make_both(s);
	assert_int_equal(in_a_child(fill_up, s), 0);
}

/* ---- taking back ------------------------------------------------------- */

static int fetch(const struct scratch *s, struct err *e)
{
	CLEANUP(freep) char *shared_dir = NULL;
	CLEANUP(fd_close) int local_fd = open_dir(s, "local");
	struct share_delivery delivery = { .name = "bob13",
					   .run = RUN,
					   .local_fd = local_fd };

	assert_true(asprintf(&shared_dir, "%s/share", s->path) > 0);
	delivery.shared_dir = shared_dir;
	return share_fetch_record(&delivery, e);
}

static void a_lost_record_is_taken_back(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;

	make_both(s);
	assert_int_equal(fetch(s, &e), 0);
	assert_false(exists(s, LOCAL_RECORD));
	make_dirs(s, SHARED);
	assert_int_equal(fetch(s, &e), 0);
	assert_false(exists(s, LOCAL_RECORD));
	put(s, SHARED_RECORD, "one\n");
	assert_int_equal(fetch(s, &e), 0);
	assert_content(s, LOCAL_RECORD, "one\n");
}

/* Else tests that had ended would run again. */
static void a_record_that_cannot_be_read_is_not_none(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;

	make_both(s);
	make_dirs(s, SHARED);
	assert_int_equal(mkfifoat(s->fd, SHARED_RECORD, 0644), 0);
	assert_int_equal(fetch(s, &e), -EINVAL);
	assert_false(exists(s, LOCAL_RECORD));
}

static void the_copy_of_the_control_file_is_read_into_a_file(void **state)
{
	struct scratch *s = *state;
	CLEANUP(freep) char *shared_dir = NULL;
	struct share_copy copy = { .hostname = "BOB13.example.org",
				   .bytes_max = 10 };
	struct err e = ERR_NONE;

	make_both(s);
	put(s, "taken", "");
	assert_true(asprintf(&shared_dir, "%s/share", s->path) > 0);
	copy.shared_dir = shared_dir;
	copy.to_fd = openat(s->fd, "taken", O_WRONLY);
	assert_int_equal(share_take(&copy, &e), -ENOENT);
	make_dirs(s, "share/bob13");
	assert_int_equal(share_take(&copy, &e), -ENODATA);
	put(s, "share/bob13/xentests.conf", "eleven byte");
	assert_int_equal(share_take(&copy, &e), -EFBIG);
	put(s, "share/bob13/xentests.conf", "ten bytes!");
	assert_int_equal(share_take(&copy, &e), 0);
	assert_content(s, "taken", "ten bytes!");
	close(copy.to_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRATCH_TEST(a_torn_end_is_completed_wherever_it_was_torn),
		SCRATCH_TEST(what_another_writer_appended_is_gone),
		SCRATCH_TEST(a_hole_in_it_is_filled),
		SCRATCH_TEST(a_change_far_from_the_end_is_found_at_the_end),
		SCRATCH_TEST(a_server_that_went_back_gets_the_rest_again),
		SCRATCH_TEST(directories_that_somebody_removed_are_made_again),
		SCRATCH_TEST(results_that_went_meanwhile_are_no_failure),
		SCRATCH_TEST(only_the_last_delivery_removes_the_control_file),
		SCRATCH_TEST(it_stays_while_a_result_is_missing),
		SCRATCH_TEST(a_record_that_did_not_fit_is_completed_later),
		SCRATCH_TEST(a_lost_record_is_taken_back),
		SCRATCH_TEST(a_record_that_cannot_be_read_is_not_none),
		SCRATCH_TEST(the_copy_of_the_control_file_is_read_into_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
