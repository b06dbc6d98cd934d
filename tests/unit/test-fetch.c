/* SPDX-License-Identifier: BSD-2-Clause */
#include "fetching.h"

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

static void a_busy_server_is_asked_again_as_often_as_allowed(void **state)
{
	struct got got = get_wanted(*state, "busy/file", NULL, 1);

	assert_failed(&got, -EIO, ": 503 Service Unavailable; try again later");
	assert_asked("busy\nbusy\n");
	got = get_wanted(*state, "busy/file", NULL, 2);
	assert_whole(&got);
	assert_asked("busy\nbusy\nbusy\n");
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
	got = get(*state, "to-ftp/x");
	assert_failed(&got, -EPERM, "ftp");
	got = get(*state, "loop/x");
	assert_failed(&got, -EPERM, "redirects");
}

static void a_redirect_s_validators_are_not_the_file_s(void **state)
{
	struct got got = get(*state, "redirect-bare/file");

	assert_whole(&got);
	got = get(*state, "redirect-bare/file");
	assert_whole(&got);
	assert_asked("redirect-bare\nbare\nredirect-bare\nbare\n");
}

static void an_error_s_page_is_no_part_of_the_file(void **state)
{
	struct got got = get_wanted(*state, "busy/file", sha256, 2);

	assert_whole(&got);
	assert_asked("busy\nbusy\nbusy\n"); /* without a range */
}

static void a_certificate_that_nobody_vouches_for_is_refused(void **state)
{
	CLEANUP(freep) char *url = text_format(
		"https://127.0.0.1:%d/plain/file", web.tls_port);
	struct got got = fetch_url(*state, url, NULL, 0);

	assert_failed(&got, -EPERM, "; check the server's certificate");
	assert_asked("");
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
	CLEANUP(freep) char *flipped = strdup(content);
	char key[DIGEST_HEX];
	char name[128];
	struct err e = ERR_NONE;
	struct got got;

	flipped[7] ^= 1;
	assert_int_equal(digest_bytes(url, strlen(url), key, &e), 0);
	for (int i = 0; i < 4; i++) {
		got = get(s, "plain/file");
		assert_whole(&got);
		assert_asked("plain\n"); /* without a condition */
		snprintf(name, sizeof(name), "cache/%s%s", key,
			 i % 2 == 0 ? "" : ".json");
		put(s, name, i == 0 ? flipped : i < 3 ? "torn" : "");
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		FETCH_TEST(a_file_is_fetched_once_and_then_only_asked_about),
		FETCH_TEST(a_changed_file_is_fetched_again),
		FETCH_TEST(the_wanted_digest_in_the_cache_needs_no_server),
		FETCH_TEST(another_digest_is_told_and_not_kept),
		FETCH_TEST(without_a_cache_nothing_is_left),
		FETCH_TEST(a_busy_server_is_asked_again_as_often_as_allowed),
		FETCH_TEST(what_is_not_there_is_not_asked_for_again),
		FETCH_TEST(every_status_is_told),
		FETCH_TEST(redirects_go_to_the_web_alone_and_not_for_ever),
		FETCH_TEST(a_redirect_s_validators_are_not_the_file_s),
		FETCH_TEST(an_error_s_page_is_no_part_of_the_file),
		FETCH_TEST(a_certificate_that_nobody_vouches_for_is_refused),
		FETCH_TEST(a_password_is_used_and_never_shown),
		FETCH_TEST(no_server_is_one_sentence),
		FETCH_TEST(a_download_has_a_largest_size),
		FETCH_TEST(a_torn_or_tampered_cache_is_fetched_again),
		FETCH_TEST(a_link_in_the_cache_is_not_written_through),
		FETCH_TEST(strange_validators_are_not_repeated),
		FETCH_TEST(two_at_once_fetch_it_once),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
