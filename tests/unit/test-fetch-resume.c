/* SPDX-License-Identifier: BSD-2-Clause */
#include "fetching.h"

#include <signal.h>
#include <sys/resource.h>

static void a_cut_download_is_resumed_by_the_next_call(void **state)
{
	CLEANUP(freep) char *log = NULL;
	struct got got = get(*state, "cut/file");

	assert_failed(&got, -EIO, "start again to go on where it stopped");
	got = get(*state, "cut/file");
	assert_whole(&got);
	log = asked();
	assert_non_null(strstr(log, "cut Range=bytes=50000- If-Range=\""));
}

static void a_retry_resumes_too(void **state)
{
	CLEANUP(freep) char *log = NULL;
	struct got got = get_wanted(*state, "cut/file", NULL, 1);

	assert_whole(&got);
	log = asked();
	assert_non_null(strstr(log, "cut Range=bytes=50000- If-Range=\""));
}

static void a_part_of_a_file_that_changed_since_is_not_used(void **state)
{
	struct got got = get(*state, "cut/file");

	assert_int_equal(got.r, -EIO);
	put(web.files, "file", "changed");
	got = get(*state, "cut/file");
	assert_int_equal(got.r, 0);
	assert_int_equal(got.bytes, 7);
}

static void a_part_that_nothing_proves_is_not_used(void **state)
{
	struct got got = get_wanted(*state, "cut-plain/file", NULL, 1);

	assert_whole(&got);
	assert_asked("cut-plain\ncut-plain\n");
	got = get_wanted(*state, "cut-weak/file", NULL, 1);
	assert_whole(&got);
	assert_asked("cut-weak\ncut-weak\n");
}

static void a_digest_proves_the_part(void **state)
{
	struct got got = get_wanted(*state, "cut-plain/file", sha256, 1);

	assert_whole(&got);
	assert_asked("cut-plain\ncut-plain Range=bytes=50000-\n");
}

static void a_part_that_was_of_another_file_costs_one_more_download(
	void **state)
{
	struct got got;
	struct err e = ERR_NONE;
	char *other = strdup(content);
	char wanted[DIGEST_HEX];

	got = get(*state, "cut-plain/file");
	assert_int_equal(got.r, -EIO);
	memset(other, 'z', 10);
	put(web.files, "file", other);
	assert_int_equal(digest_bytes(other, FILE_BYTES, wanted, &e), 0);
	got = get_wanted(*state, "cut-plain/file", wanted, 0);
	assert_int_equal(got.r, 0);
	assert_string_equal(got.sha256, wanted);
	free(other);
}

static void a_server_without_ranges_begins_again(void **state)
{
	struct got got = get_wanted(*state, "cut-norange/file", NULL, 1);

	assert_whole(&got);
}

static void a_wrong_range_is_no_download(void **state)
{
	struct got got = get_wanted(*state, "cut-wrong/file", NULL, 1);

	assert_failed(&got, -EIO, "the server answered another range");
}

static void a_part_that_is_whole_already_is_no_trouble(void **state)
{
	struct got got = get(*state, "cut/file");
	struct scratch *s = *state;
	CLEANUP(dir_closep) DIR *dir = fdopendir(open_dir(s, "cache"));
	const struct dirent *entry;
	size_t found = 0;

	assert_int_equal(got.r, -EIO);
	while ((entry = readdir(dir)) != NULL) {
		CLEANUP(freep) char *name =
			text_format("cache/%s", entry->d_name);
		size_t length = strlen(name);

		if (strcmp(name + length - 5, ".part") != 0)
			continue;
		put(s, name, content);
		found++;
	}
	assert_int_equal(found, 1);
	got = get(s, "cut/file");
	assert_whole(&got);
}

static void a_server_that_says_nothing_more_is_left_and_resumed(void **state)
{
	struct got got = get(*state, "stall/file");

	assert_failed(&got, -ETIMEDOUT, "start again to go on");
	got = get(*state, "stall/file");
	assert_whole(&got);
}

static void ftp_is_resumed_when_a_digest_will_tell(void **state)
{
	CLEANUP(freep) char *url =
		text_format("ftp://127.0.0.1:%d/file", web.ftp_port);
	CLEANUP(freep) char *gone =
		text_format("ftp://127.0.0.1:%d/gone", web.ftp_port);
	CLEANUP(freep) char *log = NULL;
	struct got got = fetch_url(*state, url, sha256, 1);

	assert_whole(&got);
	log = asked();
	assert_non_null(strstr(log, "ftp REST 50000\n"));
	got = fetch_url(*state, url, NULL, 1);
	assert_whole(&got);
	free(log);
	log = asked();
	assert_null(strstr(log, "ftp REST"));
	got = fetch_url(*state, gone, NULL, 0);
	assert_failed(&got, -ENOENT, "; check the location");
}

static int fetch_with_little_space(const struct scratch *s)
{
	const struct rlimit small = { .rlim_cur = 60000, .rlim_max = 60000 };
	struct got got;

	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &small) < 0)
		return NOT_HERE;
	got = get(s, "plain/file");
	if (got.r != -ENOSPC)
		return 1;
	return strstr(got.e.text, ": no space left for the download; free some, what has come is resumed next time") == NULL;
}

static void a_full_disk_keeps_the_part_for_the_next_time(void **state)
{
	CLEANUP(freep) char *log = NULL;
	struct got got;

	assert_int_equal(in_a_child(fetch_with_little_space, *state), 0);
	free(asked());
	got = get(*state, "plain/file");
	assert_whole(&got);
	log = asked();
	assert_non_null(strstr(log, "Range=bytes="));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FETCH_TEST(a_cut_download_is_resumed_by_the_next_call),
		FETCH_TEST(a_retry_resumes_too),
		FETCH_TEST(a_part_of_a_file_that_changed_since_is_not_used),
		FETCH_TEST(a_part_that_nothing_proves_is_not_used),
		FETCH_TEST(a_digest_proves_the_part),
		FETCH_TEST(
			a_part_that_was_of_another_file_costs_one_more_download),
		FETCH_TEST(a_server_without_ranges_begins_again),
		FETCH_TEST(a_wrong_range_is_no_download),
		FETCH_TEST(a_part_that_is_whole_already_is_no_trouble),
		FETCH_TEST(a_server_that_says_nothing_more_is_left_and_resumed),
		FETCH_TEST(ftp_is_resumed_when_a_digest_will_tell),
		FETCH_TEST(a_full_disk_keeps_the_part_for_the_next_time),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
