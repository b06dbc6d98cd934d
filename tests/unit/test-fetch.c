/* SPDX-License-Identifier: BSD-2-Clause */
#include "web.h"

#include <signal.h>
#include <sys/resource.h>

#include "source/digest.h"
#include "source/fetch.h"

enum { FILE_BYTES = 100000, BYTES_MAX = 1000000 };

static struct web web;
static char content[FILE_BYTES + 1]; /* of "file" on the server */
static char sha256[DIGEST_HEX];

static int start(void **state)
{
	struct err e = ERR_NONE;

	for (size_t i = 0; i < FILE_BYTES; i++)
		content[i] = (char)('a' + i * i / 7 % 26);
	if (web_start(&web) < 0)
		return -1;
	return digest_bytes(content, FILE_BYTES, sha256, &e);
}

static int stop(void **state)
{
	return web_stop(&web);
}

/* Each test begins with the same file, an empty cache and an empty log. */
static int setup(void **state)
{
	if (scratch_setup(state) != 0)
		return -1;
	put(web.files, "file", content);
	make_dirs(*state, "cache");
	make_dirs(*state, "work");
	return 0;
}

/* What came of one fetch(). */
struct got {
	int r;
	struct err e;
	uint64_t bytes;
	char sha256[DIGEST_HEX];
};

static struct got fetch_url(const struct scratch *s, const char *url,
			    const char *wanted, unsigned int retries)
{
	CLEANUP(fd_close) int cache_fd = open_dir(s, "cache");
	CLEANUP(fd_close) int work_fd = open_dir(s, "work");
	const struct fetch_job job = {
		.url = url,
		.sha256 = wanted,
		.cache_fd = cache_fd,
		.work_fd = work_fd,
		.retries = retries,
		.pause_ms = 1,
		.stall_s = 1,
		.bytes_max = BYTES_MAX,
	};
	struct fetch_result result = { .fd = -1 };
	struct got got = { .e = ERR_NONE };

	got.r = fetch(&job, &result, &got.e);
	got.bytes = result.bytes;
	strcpy(got.sha256, result.sha256);
	fd_close(&result.fd);
	return got;
}

static struct got get_wanted(const struct scratch *s, const char *path,
			     const char *wanted, unsigned int retries)
{
	CLEANUP(freep) char *url = web_url(&web, path);

	return fetch_url(s, url, wanted, retries);
}

static struct got get(const struct scratch *s, const char *path)
{
	return get_wanted(s, path, NULL, 0);
}

static void assert_whole(const struct got *got)
{
	if (got->r != 0)
		fail_msg("%s", got->e.text);
	assert_int_equal(got->bytes, FILE_BYTES);
	assert_string_equal(got->sha256, sha256);
}

static void assert_failed(const struct got *got, int number, const char *text)
{
	if (got->r != number || strstr(got->e.text, text) == NULL)
		fail_msg("%d %s", got->r, got->e.text);
}

/* What the server was asked since the last time, "plain\nplain Range=…\n". */
static char *asked(void)
{
	CLEANUP(freep) char *url = web_url(&web, "log");
	CLEANUP(freep) char *command =
		text_format("curl -s --noproxy '*' %s", url);
	FILE *from = popen(command, "re");
	char *text = calloc(1, 4096);

	assert_non_null(from);
	fread(text, 1, 4095, from);
	pclose(from);
	return text;
}

static void assert_asked(const char *text)
{
	CLEANUP(freep) char *got = asked();

	assert_string_equal(got, text);
}

static int teardown(void **state)
{
	CLEANUP(freep) char *rest = asked();

	return scratch_teardown(state);
}

static void a_file_is_fetched_once_and_then_only_asked_about(void **state)
{
	CLEANUP(freep) char *log = NULL;
	struct got got = get(*state, "plain/file");

	assert_whole(&got);
	assert_asked("plain\n");
	got = get(*state, "plain/file");
	assert_whole(&got);
	log = asked();
	assert_non_null(strstr(log, "plain If-None-Match=\""));
	assert_non_null(strstr(log, " If-Modified-Since="));
}

static void a_changed_file_is_fetched_again(void **state)
{
	struct got got = get(*state, "plain/file");

	assert_whole(&got);
	put(web.files, "file", "changed");
	got = get(*state, "plain/file");
	assert_int_equal(got.r, 0);
	assert_int_equal(got.bytes, 7);
}

static void the_wanted_digest_in_the_cache_needs_no_server(void **state)
{
	struct got got = get(*state, "plain/file");

	assert_whole(&got);
	assert_asked("plain\n");
	got = get_wanted(*state, "plain/file", sha256, 0);
	assert_whole(&got);
	assert_asked("");
}

static void another_digest_is_told_and_not_kept(void **state)
{
	static const char other[] =
		"0000000000000000000000000000000000000000000000000000000000000000";
	CLEANUP(freep) char *url = web_url(&web, "plain/file");
	struct scratch *s = *state;
	struct got got = get_wanted(s, "plain/file", other, 0);

	assert_int_equal(got.r, -EBADMSG);
	assert_memory_equal(got.e.text, url, strlen(url));
	assert_non_null(strstr(got.e.text, sha256));
	assert_non_null(strstr(got.e.text, other));
	assert_non_null(strstr(got.e.text, "correct sha256 or the location"));
	assert_int_equal(entries(s, "cache"), 1); /* the lock */
}

static void without_a_cache_nothing_is_left(void **state)
{
	CLEANUP(freep) char *url = web_url(&web, "cut/file");
	CLEANUP(fd_close) int work_fd = open_dir(*state, "work");
	const struct fetch_job job = {
		.url = url,
		.cache_fd = -1,
		.work_fd = work_fd,
		.retries = 1,
		.bytes_max = BYTES_MAX,
	};
	struct fetch_result result;
	struct err e = ERR_NONE;

	assert_int_equal(fetch(&job, &result, &e), 0);
	assert_int_equal(result.bytes, FILE_BYTES);
	assert_string_equal(result.sha256, sha256);
	close(result.fd);
	assert_int_equal(entries(*state, "work"), 0);
}

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

static void a_busy_server_is_asked_again_as_often_as_allowed(void **state)
{
	struct got got = get_wanted(*state, "busy/file", NULL, 1);

	assert_failed(&got, -EIO, ": 503 Service Unavailable; try again later");
	assert_asked("busy\nbusy\n");
	got = get_wanted(*state, "busy/file", NULL, 2);
	assert_whole(&got);
	assert_asked("busy\nbusy\nbusy\n");
}

static void a_server_that_says_nothing_more_is_left_and_resumed(void **state)
{
	struct got got = get(*state, "stall/file");

	assert_failed(&got, -ETIMEDOUT, "start again to go on");
	got = get(*state, "stall/file");
	assert_whole(&got);
}

static void what_is_not_there_is_not_asked_for_again(void **state)
{
	CLEANUP(freep) char *url = web_url(&web, "plain/gone");
	CLEANUP(freep) char *text = text_format(
		"%s: 404 Not Found; check the location in the control file",
		url);
	struct got got = fetch_url(*state, url, NULL, 3);

	assert_int_equal(got.r, -ENOENT);
	assert_string_equal(got.e.text, text);
	assert_asked("plain\n");
}

static void every_status_is_told(void **state)
{
	struct got got = get(*state, "status/403");

	assert_failed(&got, -EACCES, ": 403 Forbidden; check user");
	got = get(*state, "status/418");
	assert_failed(&got, -EIO, ": HTTP status 418; check the location");
	got = get(*state, "status/507");
	assert_failed(&got, -EIO, ": HTTP status 507; try again later");
	got = get(*state, "status/416");
	assert_failed(&got, -EIO, ": HTTP status 416; check the location");
}

static void redirects_go_to_the_web_alone_and_not_for_ever(void **state)
{
	struct got got = get(*state, "redirect/file");

	assert_whole(&got);
	got = get(*state, "to-file/x");
	assert_failed(&got, -EPERM, "file");
	got = get(*state, "loop/x");
	assert_failed(&got, -EPERM, "redirects");
}

static void a_password_is_used_and_never_shown(void **state)
{
	CLEANUP(freep) char *good = text_format(
		"http://user:pass@127.0.0.1:%d/secret/file", web.port);
	CLEANUP(freep) char *bad = text_format(
		"http://user:wrong@127.0.0.1:%d/secret/file", web.port);
	struct got got = fetch_url(*state, good, NULL, 0);

	assert_whole(&got);
	got = fetch_url(*state, bad, NULL, 0);
	assert_failed(&got, -EACCES, "check user and password");
	assert_null(strstr(got.e.text, "wrong"));
	assert_null(strstr(got.e.text, "user:"));
}

static void no_server_is_one_sentence(void **state)
{
	struct got got = fetch_url(*state, "http://127.0.0.1:1/x", NULL, 0);

	assert_failed(&got, -ECONNREFUSED,
		      "; check that the server runs and can be reached");
	got = fetch_url(*state, "http://no-such-host.invalid/x", NULL, 0);
	assert_failed(&got, -EHOSTUNREACH, "; check the host name");
	got = fetch_url(*state, "gopher://127.0.0.1/x", NULL, 0);
	assert_failed(&got, -EPERM, "check the location");
}

static void a_download_has_a_largest_size(void **state)
{
	char *large = malloc(BYTES_MAX + 2);
	struct got got;

	memset(large, 'x', BYTES_MAX + 1);
	large[BYTES_MAX + 1] = '\0';
	put(web.files, "large", large);
	free(large);
	got = get(*state, "plain/large");
	assert_failed(&got, -EFBIG, "larger than the 1000000 bytes");
}

static void a_torn_or_tampered_cache_is_fetched_again(void **state)
{
	struct scratch *s = *state;
	CLEANUP(freep) char *url = web_url(&web, "plain/file");
	char key[DIGEST_HEX];
	char name[128];
	struct err e = ERR_NONE;
	struct got got;

	assert_int_equal(digest_bytes(url, strlen(url), key, &e), 0);
	for (int i = 0; i < 4; i++) {
		got = get(s, "plain/file");
		assert_whole(&got);
		assert_asked("plain\n"); /* without a condition */
		snprintf(name, sizeof(name), "cache/%s%s", key,
			 i % 2 == 0 ? "" : ".json");
		put(s, name, i < 2 ? "torn" : "");
	}
	/* Header injection by way of the notes. */
	snprintf(name, sizeof(name), "cache/%s.json", key);
	got = get(s, "plain/file");
	{
		CLEANUP(freep) char *notes = text_format(
			"{\"etag\":\"\\\"a\\r\\nX: y\",\"last_modified\":7,\"sha256\":\"%s\",\"bytes\":%d}",
			sha256, FILE_BYTES);

		put(s, name, notes);
	}
	free(asked());
	got = get(s, "plain/file");
	assert_whole(&got);
	assert_asked("plain\n");
}

static void a_link_in_the_cache_is_not_written_through(void **state)
{
	struct scratch *s = *state;
	CLEANUP(freep) char *url = web_url(&web, "plain/file");
	char key[DIGEST_HEX];
	char name[128];
	struct err e = ERR_NONE;
	struct got got;

	put(s, "victim", "precious");
	assert_int_equal(digest_bytes(url, strlen(url), key, &e), 0);
	snprintf(name, sizeof(name), "cache/%s.part", key);
	assert_int_equal(symlinkat("../victim", s->fd, name), 0);
	got = get(s, "plain/file");
	assert_whole(&got); /* the link is dropped with a part of no notes */
	assert_content(s, "victim", "precious");
}

static void strange_validators_are_not_repeated(void **state)
{
	struct got got = get(*state, "headers/file");

	assert_whole(&got);
	free(asked());
	got = get(*state, "headers/file");
	assert_whole(&got);
	assert_asked("headers\n");
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

static int fetch_and_exit(const struct scratch *s)
{
	struct got got = get(s, "plain/file");

	return got.r;
}

static void two_at_once_fetch_it_once(void **state)
{
	CLEANUP(freep) char *log = NULL;
	pid_t pid = fork();
	struct got got;
	int status;

	if (pid == 0)
		_exit(fetch_and_exit(*state));
	got = get(*state, "plain/file");
	assert_whole(&got);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	log = asked();
	assert_non_null(strstr(log, "plain\nplain If-None-Match="));
}

#define FETCH_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FETCH_TEST(a_file_is_fetched_once_and_then_only_asked_about),
		FETCH_TEST(a_changed_file_is_fetched_again),
		FETCH_TEST(the_wanted_digest_in_the_cache_needs_no_server),
		FETCH_TEST(another_digest_is_told_and_not_kept),
		FETCH_TEST(without_a_cache_nothing_is_left),
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
		FETCH_TEST(a_busy_server_is_asked_again_as_often_as_allowed),
		FETCH_TEST(a_server_that_says_nothing_more_is_left_and_resumed),
		FETCH_TEST(what_is_not_there_is_not_asked_for_again),
		FETCH_TEST(every_status_is_told),
		FETCH_TEST(redirects_go_to_the_web_alone_and_not_for_ever),
		FETCH_TEST(a_password_is_used_and_never_shown),
		FETCH_TEST(no_server_is_one_sentence),
		FETCH_TEST(a_download_has_a_largest_size),
		FETCH_TEST(a_torn_or_tampered_cache_is_fetched_again),
		FETCH_TEST(a_link_in_the_cache_is_not_written_through),
		FETCH_TEST(strange_validators_are_not_repeated),
		FETCH_TEST(a_full_disk_keeps_the_part_for_the_next_time),
		FETCH_TEST(two_at_once_fetch_it_once),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
