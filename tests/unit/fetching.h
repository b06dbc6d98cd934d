/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_TESTS_FETCHING_H
#define XENTEST_TESTS_FETCHING_H

/* fetch() against fetch-server.py: a fresh cache for each test. */
#include "web.h"

#include "source/digest.h"
#include "source/fetch.h"

enum { FILE_BYTES = 100000, BYTES_MAX = 1000000 };

static struct web web;
static char content[FILE_BYTES + 1]; /* of "file" on the server */
static char sha256[DIGEST_HEX];

static inline int start(void **state)
{
	struct err e = ERR_NONE;

	for (size_t i = 0; i < FILE_BYTES; i++)
		content[i] = (char)('a' + i * i / 7 % 26);
	if (web_start(&web) < 0)
		return -1;
	return digest_bytes(content, FILE_BYTES, sha256, &e);
}

static inline int stop(void **state)
{
	return web_stop(&web);
}

/* Each test begins with the same file, an empty cache and an empty log. */
static inline int setup(void **state)
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

static inline struct got fetch_url(const struct scratch *s, const char *url,
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
		.stall_s = strstr(url, "/stall/") != NULL ? 1 : 30,
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

static inline struct got get_wanted(const struct scratch *s, const char *path,
			     const char *wanted, unsigned int retries)
{
	CLEANUP(freep) char *url = web_url(&web, path);

	return fetch_url(s, url, wanted, retries);
}

static inline struct got get(const struct scratch *s, const char *path)
{
	return get_wanted(s, path, NULL, 0);
}

static inline void assert_whole(const struct got *got)
{
	if (got->r != 0)
		fail_msg("%s", got->e.text);
	assert_int_equal(got->bytes, FILE_BYTES);
	assert_string_equal(got->sha256, sha256);
}

static inline void assert_failed(const struct got *got, int number, const char *text)
{
	if (got->r != number || strstr(got->e.text, text) == NULL)
		fail_msg("%d %s", got->r, got->e.text);
}

/* What the server was asked since the last time, "plain\nplain Range=…\n". */
static inline char *asked(void)
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

static inline void assert_asked(const char *text)
{
	CLEANUP(freep) char *got = asked();

	assert_string_equal(got, text);
}

static inline int teardown(void **state)
{
	free(asked());
	return scratch_teardown(state);
}

#define FETCH_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
