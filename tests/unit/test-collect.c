/* SPDX-License-Identifier: BSD-2-Clause */
#include "scratch.h"

#include "run/collect.h"

/* In the scratch directory: "temp", the domain's tempdir, and "result". */
static int collect(const struct scratch *s, const char *log_dir,
		   const char *patterns, struct err *e)
{
	CLEANUP(fd_close) int temp_fd = open_dir(s, "temp");
	CLEANUP(fd_close) int result_fd = -1;
	struct collect_job job = {.log_dir = log_dir, .patterns = patterns};

	make_dirs(s, "result");
	result_fd = open_dir(s, "result");
	job.temp_fd = temp_fd;
	job.result_fd = result_fd;
	return collect_logs(&job, e);
}

static int prepare(const struct scratch *s, const char *log_dir,
		   const char *user, struct err *e)
{
	CLEANUP(fd_close) int temp_fd = open_dir(s, "temp");

	return collect_prepare(temp_fd, log_dir, user, e);
}

/* ---- before a test ----------------------------------------------------- */

static void the_log_directory_is_made_and_empty(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;

	make_dirs(s, "temp");
	assert_int_equal(prepare(s, "logs/ltp", NULL, &e), 0);
	assert_true(exists(s, "temp/logs/ltp"));
	make_dirs(s, "temp/logs/ltp/old/older");
	put(s, "temp/logs/ltp/old/older/file", "");
	put(s, "temp/logs/ltp/file", "");
	put(s, "temp/logs/neighbour", "stays");
	assert_int_equal(prepare(s, "logs/ltp", NULL, &e), 0);
	assert_int_equal(entries(s, "temp/logs/ltp"), 0);
	assert_content(s, "temp/logs/neighbour", "stays");
}

static void links_in_it_go_and_what_they_name_stays(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;

	make_dirs(s, "temp/logs");
	make_dirs(s, "home");
	put(s, "home/file", "stays");
	assert_int_equal(symlinkat("../../home", s->fd, "temp/logs/link"), 0);
	assert_int_equal(prepare(s, "logs", NULL, &e), 0);
	assert_int_equal(entries(s, "temp/logs"), 0);
	assert_content(s, "home/file", "stays");
}

static void a_link_in_its_place_is_not_emptied(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;

	make_dirs(s, "temp");
	make_dirs(s, "home");
	put(s, "home/file", "stays");
	assert_int_equal(symlinkat("../home", s->fd, "temp/logs"), 0);
	assert_true(prepare(s, "logs", NULL, &e) < 0);
	assert_memory_equal(e.text, "prepare the log directory logs: ", 32);
	assert_content(s, "home/file", "stays");
}

static void a_file_in_its_place_is_told(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;

	make_dirs(s, "temp");
	put(s, "temp/logs", "");
	assert_int_equal(prepare(s, "logs", NULL, &e), -ENOTDIR);
}

static void an_absolute_one_is_made_and_emptied_too(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;
	char path[128];

	make_dirs(s, "temp");
	snprintf(path, sizeof(path), "%s/elsewhere/logs", s->path);
	assert_int_equal(prepare(s, path, NULL, &e), 0);
	put(s, "elsewhere/logs/file", "");
	assert_int_equal(prepare(s, path, NULL, &e), 0);
	assert_int_equal(entries(s, "elsewhere/logs"), 0);
}

static int prepare_near_root(const struct scratch *s)
{
	struct err e = ERR_NONE;

	/* Our own "/mnt", with something precious in it. */
	if (!mount_alone(s->path, "/mnt", NULL, MS_BIND, NULL))
		return NOT_HERE;
	return prepare(s, "/mnt", NULL, &e) != 0 ||
	       prepare(s, "//mnt//", NULL, &e) != 0 ||
	       prepare(s, "/", NULL, &e) != 0;
}

/* log_dir = /var, where /var/log/x was meant. */
static void one_right_below_the_root_is_never_emptied(void **state)
{
	struct scratch *s = *state;

	make_dirs(s, "temp");
	put(s, "file", "stays");
	assert_int_equal(in_a_child(prepare_near_root, s), 0);
	assert_content(s, "file", "stays");
}

static void it_belongs_to_the_user_who_runs_the_test(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;
	struct stat st;

	if (getuid() != 0)
		skip();
	make_dirs(s, "temp");
	assert_int_equal(prepare(s, "logs", "nobody", &e), 0);
	assert_int_equal(fstatat(s->fd, "temp/logs", &st, 0), 0);
	assert_int_equal(st.st_uid, 65534);
	assert_int_equal(prepare(s, "logs", "no-such-user", &e), -ENOENT);
	assert_string_equal(e.text, "prepare the log directory logs: "
				    "no user \"no-such-user\"");
}

/* ---- after a test ------------------------------------------------------ */

static void all_that_was_left_is_copied_with_its_directories(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;

	make_dirs(s, "temp/logs/a/b");
	make_dirs(s, "temp/logs/empty");
	put(s, "temp/logs/top", "1");
	put(s, "temp/logs/a/b/deep", "2");
	put(s, "temp/logs/.hidden", "3");
	assert_int_equal(collect(s, "logs", NULL, &e), 0);
	assert_content(s, "result/logs/top", "1");
	assert_content(s, "result/logs/a/b/deep", "2");
	assert_content(s, "result/logs/.hidden", "3");
	assert_false(exists(s, "result/logs/empty"));
	assert_content(s, "temp/logs/top", "1");
}

static void only_what_the_patterns_name_is_copied(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;

	make_dirs(s, "temp/logs/a");
	make_dirs(s, "temp/logs/b");
	put(s, "temp/logs/x.log", "");
	put(s, "temp/logs/a/y.log", "");
	put(s, "temp/logs/a/core", "");
	put(s, "temp/logs/b/core", "");
	put(s, "temp/logs/huge", "");
	assert_int_equal(collect(s, "logs", " *.log\n\ta/core ", &e), 0);
	assert_true(exists(s, "result/logs/x.log"));
	assert_true(exists(s, "result/logs/a/y.log"));
	assert_true(exists(s, "result/logs/a/core"));
	assert_false(exists(s, "result/logs/b"));
	assert_false(exists(s, "result/logs/huge"));
}

static void what_is_no_file_is_left_out_without_blocking(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;

	make_dirs(s, "temp/logs");
	put(s, "secret", "secret");
	put(s, "temp/logs/file", "1");
	assert_int_equal(symlinkat("../../secret", s->fd, "temp/logs/link"), 0);
	assert_int_equal(symlinkat("/", s->fd, "temp/logs/dirlink"), 0);
	assert_int_equal(mkfifoat(s->fd, "temp/logs/fifo", 0644), 0);
	alarm(10);
	assert_int_equal(collect(s, "logs", NULL, &e), 0);
	alarm(0);
	assert_int_equal(entries(s, "result/logs"), 1);
	assert_content(s, "result/logs/file", "1");
}

/* Else a test run as nobody would have root copy /etc/shadow for it. */
static void a_directory_that_became_a_link_is_not_collected(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;

	make_dirs(s, "temp");
	make_dirs(s, "secrets");
	put(s, "secrets/shadow", "secret");
	assert_int_equal(symlinkat("../secrets", s->fd, "temp/logs"), 0);
	assert_true(collect(s, "logs", NULL, &e) < 0);
	assert_int_equal(entries(s, "result"), 0);
}

static void a_directory_that_is_gone_leaves_nothing_to_collect(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;

	make_dirs(s, "temp");
	assert_int_equal(collect(s, "logs", NULL, &e), 0);
	assert_int_equal(entries(s, "result"), 0);
}

static void a_directory_without_end_is_cut_off(void **state)
{
	struct scratch *s = *state;
	CLEANUP(freep) char *path = calloc(1, 4096);
	struct err e = ERR_NONE;

	strcpy(path, "temp/logs");
	for (int i = 0; i < 300; i++)
		strcat(path, "/d");
	make_dirs(s, path);
	put(s, "temp/logs/file", "1");
	assert_int_equal(collect(s, "logs", NULL, &e), 0);
	assert_content(s, "result/logs/file", "1");
}

static int collect_as_nobody(const struct scratch *s)
{
	struct err e = ERR_NONE;

	if (getuid() == 0 && setuid(65534) < 0)
		return NOT_HERE;
	if (collect(s, "logs", NULL, &e) != -EACCES)
		return 1;
	return strcmp(e.text, "open locked: Permission denied") != 0 &&
	       strcmp(e.text, "open file: Permission denied") != 0;
}

static void one_that_cannot_be_read_does_not_cost_the_others(void **state)
{
	struct scratch *s = *state;

	make_dirs(s, "temp/logs/locked");
	make_dirs(s, "result");
	put(s, "temp/logs/a", "1");
	put(s, "temp/logs/file", "2");
	put(s, "temp/logs/z", "3");
	assert_int_equal(fchmod(s->fd, 0755), 0);
	assert_int_equal(fchmodat(s->fd, "temp/logs/file", 0, 0), 0);
	assert_int_equal(fchmodat(s->fd, "temp/logs/locked", 0, 0), 0);
	assert_int_equal(fchmodat(s->fd, "result", 0777, 0), 0);
	assert_int_equal(in_a_child(collect_as_nobody, s), 0);
	assert_content(s, "result/logs/a", "1");
	assert_content(s, "result/logs/z", "3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRATCH_TEST(the_log_directory_is_made_and_empty),
		SCRATCH_TEST(links_in_it_go_and_what_they_name_stays),
		SCRATCH_TEST(a_link_in_its_place_is_not_emptied),
		SCRATCH_TEST(a_file_in_its_place_is_told),
		SCRATCH_TEST(an_absolute_one_is_made_and_emptied_too),
		SCRATCH_TEST(one_right_below_the_root_is_never_emptied),
		SCRATCH_TEST(it_belongs_to_the_user_who_runs_the_test),
		SCRATCH_TEST(all_that_was_left_is_copied_with_its_directories),
		SCRATCH_TEST(only_what_the_patterns_name_is_copied),
		SCRATCH_TEST(what_is_no_file_is_left_out_without_blocking),
		SCRATCH_TEST(a_directory_that_became_a_link_is_not_collected),
		SCRATCH_TEST(
			a_directory_that_is_gone_leaves_nothing_to_collect),
		SCRATCH_TEST(a_directory_without_end_is_cut_off),
		SCRATCH_TEST(one_that_cannot_be_read_does_not_cost_the_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
