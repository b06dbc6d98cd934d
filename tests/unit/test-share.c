/* SPDX-License-Identifier: BSD-2-Clause */
#include "scratch.h"

#include "run/share.h"

#define RUN "20261123-200000-1a2b3c4d"

/*
 * In the scratch directory: "local", a domain's results, and "share". What a
 * test does with them it can do once more with the share on another disk.
 */
static char *path_of(const struct scratch *s, const char *name)
{
	char *path = NULL;

	assert_true(asprintf(&path, "%s/%s", s->path, name) > 0);
	return path;
}

static int deliver_so(const struct scratch *s, bool last, struct err *e)
{
	CLEANUP(freep) char *shared_dir = path_of(s, "share");
	CLEANUP(fd_close) int local_fd = open_dir(s, "local");
	CLEANUP(share_list_freep) char **names = NULL;
	struct share_delivery delivery = { .shared_dir = shared_dir,
					   .name = "bob13",
					   .run = RUN,
					   .local_fd = local_fd,
					   .record_bytes = UINT64_MAX,
					   .last = last };

	assert_int_equal(share_list(local_fd, &names, e), 0);
	delivery.names = names;
	return share_deliver(&delivery, e);
}

static int deliver(const struct scratch *s, struct err *e)
{
	return deliver_so(s, false, e);
}

static void assert_delivered(const struct scratch *s)
{
	struct err e = ERR_NONE;
	int r = deliver(s, &e);

	assert_string_equal(e.text, "");
	assert_int_equal(r, 0);
}

static void make_both(const struct scratch *s)
{
	make_dirs(s, "local");
	make_dirs(s, "share");
}

static void make_results(const struct scratch *s)
{
	make_dirs(s, "local/LTP/logs/deep");
	put(s, "local/record.jsonl", "one\n");
	put(s, "local/LTP/run.log", "ran");
	put(s, "local/LTP/logs/deep/a", "a");
}

static void assert_results(const struct scratch *s)
{
	assert_content(s, "share/bob13/" RUN "/record.jsonl", "one\n");
	assert_content(s, "share/bob13/" RUN "/LTP/run.log", "ran");
	assert_content(s, "share/bob13/" RUN "/LTP/logs/deep/a", "a");
	assert_content(s, "local/record.jsonl", "one\n");
	assert_int_equal(entries(s, "local"), 1);
}

/* ---- the directory of a domain ----------------------------------------- */

static void assert_found(const struct scratch *s, const char *hostname,
			 const char *expected)
{
	CLEANUP(freep) char *shared_dir = path_of(s, "share");
	CLEANUP(fd_close) int fd = -1;
	struct err e = ERR_NONE;
	struct stat got;
	struct stat wanted;
	char path[64];

	snprintf(path, sizeof(path), "share/%s", expected);
	assert_int_equal(share_find(shared_dir, hostname, &fd, &e), 0);
	assert_int_equal(fstat(fd, &got), 0);
	assert_int_equal(fstatat(s->fd, path, &wanted, 0), 0);
	assert_int_equal(got.st_ino, wanted.st_ino);
}

static void a_host_finds_its_directory_by_its_name(void **state)
{
	struct scratch *s = *state;

	make_dirs(s, "share/bob13");
	make_dirs(s, "share/Alice.example.org");
	make_dirs(s, "share/alice");
	make_dirs(s, "share/.bob");
	assert_found(s, "bob13", "bob13");
	assert_found(s, "BOB13", "bob13");
	assert_found(s, "bob13.example.org", "bob13");
	assert_found(s, "alice.example.org", "Alice.example.org");
	assert_found(s, "alice.other.org", "alice");
}

static void a_host_without_a_directory_is_told(void **state)
{
	struct scratch *s = *state;
	CLEANUP(freep) char *shared_dir = path_of(s, "share");
	struct err e = ERR_NONE;
	int fd = -1;

	assert_int_equal(share_find(shared_dir, "bob13", &fd, &e), -ENOENT);
	make_dirs(s, "share/bob1");
	assert_int_equal(share_find(shared_dir, "bob13", &fd, &e), -ENOENT);
	assert_non_null(strstr(e.text, "/share: no directory for \"bob13\""));
	assert_int_equal(share_find(shared_dir, "", &fd, &e), -ENOENT);
}

static void a_link_is_nobodys_directory(void **state)
{
	struct scratch *s = *state;
	CLEANUP(freep) char *shared_dir = path_of(s, "share");
	struct err e = ERR_NONE;
	int fd = -1;

	make_dirs(s, "share");
	assert_int_equal(symlinkat("/etc", s->fd, "share/bob13"), 0);
	assert_true(share_find(shared_dir, "bob13", &fd, &e) < 0);
	assert_int_equal(fd, -1);
}

static void a_copy_of_the_control_file_is_published_whole(void **state)
{
	struct scratch *s = *state;
	CLEANUP(freep) char *shared_dir = path_of(s, "share");
	struct err e = ERR_NONE;

	make_dirs(s, "share");
	assert_int_equal(share_publish(shared_dir, "bob13", "old", 3, &e), 0);
	assert_int_equal(share_publish(shared_dir, "bob13", "new", 3, &e), 0);
	assert_content(s, "share/bob13/xentests.conf", "new");
	assert_int_equal(entries(s, "share/bob13"), 1);
}

static void nothing_is_published_through_a_link(void **state)
{
	struct scratch *s = *state;
	CLEANUP(freep) char *shared_dir = path_of(s, "share");
	struct err e = ERR_NONE;

	make_dirs(s, "share");
	make_dirs(s, "other");
	put(s, "secret", "untouched");
	assert_int_equal(symlinkat("../other", s->fd, "share/bob13"), 0);
	assert_true(share_publish(shared_dir, "bob13", "new", 3, &e) < 0);
	assert_int_equal(entries(s, "other"), 0);
	assert_non_null(strstr(e.text, "publish the control file in "));

	assert_int_equal(unlinkat(s->fd, "share/bob13", 0), 0);
	make_dirs(s, "share/bob13");
	assert_int_equal(
		symlinkat("../../secret", s->fd, "share/bob13/xentests.conf"),
		0);
	assert_int_equal(share_publish(shared_dir, "bob13", "new", 3, &e), 0);
	assert_content(s, "secret", "untouched");
}

/* ---- delivering -------------------------------------------------------- */

static void results_are_moved_and_the_record_is_copied(void **state)
{
	struct scratch *s = *state;

	make_both(s);
	make_results(s);
	assert_delivered(s);
	assert_results(s);
	assert_delivered(s);
	assert_results(s);
}

static int deliver_to_another_disk(const struct scratch *s)
{
	CLEANUP(freep) char *share = path_of(s, "share");
	CLEANUP(fd_close) int fd = -1;
	struct scratch other = *s;

	if (!mount_alone("none", share, "tmpfs", 0, "size=1m"))
		return NOT_HERE;
	fd = open(s->path, O_RDONLY | O_DIRECTORY);
	other.fd = fd;
	assert_delivered(&other);
	assert_results(&other);
	/* What comes later goes into the directory that is there. */
	make_dirs(&other, "local/LTP/logs");
	put(&other, "local/LTP/logs/b", "b");
	assert_delivered(&other);
	assert_content(&other, "share/bob13/" RUN "/LTP/logs/b", "b");
	assert_results(&other);
	return 0;
}

static void results_reach_another_disk(void **state)
{
	struct scratch *s = *state;

	make_both(s);
	make_results(s);
	assert_int_equal(in_a_child(deliver_to_another_disk, s), 0);
}

static void what_a_test_is_writing_stays(void **state)
{
	struct scratch *s = *state;
	CLEANUP(freep) char *shared_dir = path_of(s, "share");
	CLEANUP(share_list_freep) char **names = NULL;
	CLEANUP(fd_close) int local_fd = -1;
	struct share_delivery delivery = { .shared_dir = shared_dir,
					   .name = "bob13",
					   .run = RUN,
					   .record_bytes = 4 };
	struct err e = ERR_NONE;

	make_both(s);
	make_results(s);
	local_fd = open_dir(s, "local");
	assert_int_equal(share_list(local_fd, &names, &e), 0);
	/* Begun after the list was made, and not yet safe. */
	make_dirs(s, "local/fio");
	put(s, "local/fio/run.log", "half");
	put(s, "local/record.jsonl", "one\ntwo\n");
	delivery.local_fd = local_fd;
	delivery.names = names;
	assert_int_equal(share_deliver(&delivery, &e), 0);
	assert_content(s, "share/bob13/" RUN "/record.jsonl", "one\n");
	assert_content(s, "share/bob13/" RUN "/LTP/run.log", "ran");
	assert_false(exists(s, "share/bob13/" RUN "/fio"));
	assert_content(s, "local/fio/run.log", "half");
}

static void results_join_what_is_there_already(void **state)
{
	struct scratch *s = *state;

	make_both(s);
	make_results(s);
	make_dirs(s, "share/bob13/" RUN "/LTP/logs");
	put(s, "share/bob13/" RUN "/LTP/logs/older", "older");
	put(s, "share/bob13/" RUN "/LTP/run.log", "half of");
	assert_delivered(s);
	assert_results(s);
	assert_content(s, "share/bob13/" RUN "/LTP/logs/older", "older");
}

static void of_the_record_only_what_is_missing_is_added(void **state)
{
	struct scratch *s = *state;
	struct stat before;
	struct stat after;

	make_both(s);
	make_results(s);
	assert_delivered(s);
	assert_int_equal(
		fstatat(s->fd, "share/bob13/" RUN "/record.jsonl", &before, 0),
		0);
	put(s, "local/record.jsonl", "one\ntwo\n");
	assert_delivered(s);
	assert_content(s, "share/bob13/" RUN "/record.jsonl", "one\ntwo\n");
	assert_int_equal(
		fstatat(s->fd, "share/bob13/" RUN "/record.jsonl", &after, 0),
		0);
	assert_int_equal(before.st_ino, after.st_ino);
}

/* The last lines were delivered, but a power cut took them here. */
static void a_record_that_lost_its_end_goes_on_as_it_is_here(void **state)
{
	struct scratch *s = *state;

	make_both(s);
	put(s, "local/record.jsonl", "one\ntwo\nthree\n");
	assert_delivered(s);
	put(s, "local/record.jsonl", "one\nother\n");
	assert_delivered(s);
	assert_content(s, "share/bob13/" RUN "/record.jsonl", "one\nother\n");

	put(s, "local/record.jsonl", "one\nOTHER\nand more of it\n");
	assert_delivered(s);
	assert_content(s, "share/bob13/" RUN "/record.jsonl",
		       "one\nOTHER\nand more of it\n");
}

static void without_a_record_the_results_go_all_the_same(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;

	make_both(s);
	make_results(s);
	assert_int_equal(unlinkat(s->fd, "local/record.jsonl", 0), 0);
	assert_int_equal(deliver(s, &e), -ENOENT);
	assert_content(s, "share/bob13/" RUN "/LTP/run.log", "ran");
}

static int deliver_to_a_full_disk(const struct scratch *s)
{
	CLEANUP(freep) char *share = path_of(s, "share");
	CLEANUP(fd_close) int fd = -1;
	struct scratch other = *s;
	struct err e = ERR_NONE;

	if (!mount_alone("none", share, "tmpfs", 0, "size=64k"))
		return NOT_HERE;
	fd = open(s->path, O_RDONLY | O_DIRECTORY);
	other.fd = fd;
	assert_int_equal(deliver(&other, &e), -ENOSPC);
	assert_non_null(strstr(e.text, "copy big: "));
	/* The big file stays, whole; all others went. */
	assert_int_equal(entries(&other, "local/LTP"), 1);
	assert_content(&other, "share/bob13/" RUN "/LTP/run.log", "ran");
	assert_content(&other, "share/bob13/" RUN "/record.jsonl", "one\n");
	assert_false(exists(&other, "share/bob13/" RUN "/LTP/.big.new"));
	/* Room is made, and it goes too. */
	if (mount("none", share, NULL, MS_REMOUNT, "size=1m") < 0)
		return NOT_HERE;
	assert_delivered(&other);
	assert_results(&other);
	return 0;
}

static void what_a_full_share_does_not_take_goes_later(void **state)
{
	struct scratch *s = *state;
	CLEANUP(freep) char *big = calloc(1, 200001);

	make_both(s);
	make_results(s);
	memset(big, 'b', 200000);
	put(s, "local/LTP/big", big);
	assert_int_equal(in_a_child(deliver_to_a_full_disk, s), 0);
}

static int deliver_to_a_read_only_disk(const struct scratch *s)
{
	CLEANUP(freep) char *share = path_of(s, "share");
	CLEANUP(fd_close) int fd = -1;
	struct scratch other = *s;
	struct err e = ERR_NONE;

	if (!mount_alone("none", share, "tmpfs", MS_RDONLY, "size=1m"))
		return NOT_HERE;
	fd = open(s->path, O_RDONLY | O_DIRECTORY);
	other.fd = fd;
	assert_int_equal(deliver(&other, &e), -EROFS);
	assert_non_null(strstr(e.text, "Read-only file system"));
	assert_content(&other, "local/LTP/run.log", "ran");
	if (mount("none", share, NULL, MS_REMOUNT, "size=1m") < 0)
		return NOT_HERE;
	assert_delivered(&other);
	assert_results(&other);
	return 0;
}

static void what_a_read_only_share_refuses_goes_later(void **state)
{
	struct scratch *s = *state;

	make_both(s);
	make_results(s);
	assert_int_equal(in_a_child(deliver_to_a_read_only_disk, s), 0);
}

static void a_share_that_is_not_there_keeps_the_results_here(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;

	make_dirs(s, "local");
	make_results(s);
	assert_int_equal(deliver(s, &e), -ENOENT);
	assert_content(s, "local/LTP/run.log", "ran");
	make_dirs(s, "share");
	assert_delivered(s);
	assert_results(s);
}

static void links_in_the_share_lead_nowhere(void **state)
{
	static const struct {
		const char *trap;
		const char *above;
		bool delivered; /* replaced, not followed */
	} cases[] = {
		{"share/bob13", "share", false},
		{"share/bob13/" RUN, "share/bob13", false},
		{"share/bob13/" RUN "/LTP", "share/bob13/" RUN, false},
		{"share/bob13/" RUN "/record.jsonl", "share/bob13/" RUN, true},
		{"share/bob13/" RUN "/LTP/run.log", "share/bob13/" RUN "/LTP",
		 true},
	};
	struct scratch *s = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(freep) char *other = path_of(s, "other");
		struct err e = ERR_NONE;
		int r;

		make_both(s);
		make_results(s);
		make_dirs(s, "other");
		make_dirs(s, cases[i].above);
		assert_int_equal(symlinkat(other, s->fd, cases[i].trap), 0);
		r = deliver(s, &e);
		assert_true(cases[i].delivered ? r == 0 : r < 0);
		assert_int_equal(entries(s, "other"), 0);
		assert_int_equal(file_remove_tree(s->fd, "share", &e), 0);
		assert_int_equal(file_remove_tree(s->fd, "local", &e), 0);
	}
}

static void a_fifo_in_place_of_the_shared_record_is_replaced(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;

	make_both(s);
	make_results(s);
	make_dirs(s, "share/bob13/" RUN);
	assert_int_equal(
		mkfifoat(s->fd, "share/bob13/" RUN "/record.jsonl", 0644), 0);
	alarm(5);
	assert_int_equal(deliver(s, &e), 0);
	alarm(0);
	assert_results(s);
}

static void a_directory_in_place_of_the_shared_record_is_said(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;

	make_both(s);
	make_results(s);
	make_dirs(s, "share/bob13/" RUN "/record.jsonl");
	assert_true(deliver(s, &e) < 0);
	assert_non_null(strstr(e.text, "record.jsonl"));
	assert_content(s, "share/bob13/" RUN "/LTP/run.log", "ran");
	assert_content(s, "local/record.jsonl", "one\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRATCH_TEST(a_host_finds_its_directory_by_its_name),
		SCRATCH_TEST(a_host_without_a_directory_is_told),
		SCRATCH_TEST(a_link_is_nobodys_directory),
		SCRATCH_TEST(a_copy_of_the_control_file_is_published_whole),
		SCRATCH_TEST(nothing_is_published_through_a_link),
		SCRATCH_TEST(results_are_moved_and_the_record_is_copied),
		SCRATCH_TEST(results_reach_another_disk),
		SCRATCH_TEST(what_a_test_is_writing_stays),
		SCRATCH_TEST(results_join_what_is_there_already),
		SCRATCH_TEST(of_the_record_only_what_is_missing_is_added),
		SCRATCH_TEST(a_record_that_lost_its_end_goes_on_as_it_is_here),
		SCRATCH_TEST(without_a_record_the_results_go_all_the_same),
		SCRATCH_TEST(what_a_full_share_does_not_take_goes_later),
		SCRATCH_TEST(what_a_read_only_share_refuses_goes_later),
		SCRATCH_TEST(a_share_that_is_not_there_keeps_the_results_here),
		SCRATCH_TEST(links_in_the_share_lead_nowhere),
		SCRATCH_TEST(a_fifo_in_place_of_the_shared_record_is_replaced),
		SCRATCH_TEST(
			a_directory_in_place_of_the_shared_record_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
