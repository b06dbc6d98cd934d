/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_TESTS_SOURCING_H
#define XENTEST_TESTS_SOURCING_H

/* source_get() from the scratch directory into its "work". */
#include "scratch.h"

#include "base/text.h"
#include "source/source.h"

/* Runs a shell script in the scratch directory; it must succeed. */
static inline void sh(const struct scratch *s, const char *script)
{
	CLEANUP(freep) char *command = text_format(
		"cd %s && exec </dev/null >/dev/null 2>&1 && set -e && "
		"export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@a GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@a && %s",
		s->path, script);

	assert_int_equal(system(command), 0);
}

static inline int setup(void **state)
{
	if (scratch_setup(state) != 0)
		return -1;
	make_dirs(*state, "cache");
	make_dirs(*state, "work");
	return 0;
}

struct got {
	int r;
	struct err e;
	struct source_result result;
};

/* @format has one %s: the scratch directory. */
static inline struct got get_from(const struct scratch *s, const char *format,
			   enum control_kind kind, const char *ref, bool cache)
{
	CLEANUP(freep) char *url = NULL;
	CLEANUP(fd_close) int cache_fd = open_dir(s, "cache");
	CLEANUP(fd_close) int work_fd = open_dir(s, "work");
	struct control_source source = { .kind = kind, .ref = ref };
	const struct source_job job = {
		.source = &source,
		.cache_fd = cache ? cache_fd : -1,
		.work_fd = work_fd,
		.name = "tree",
		.pause_ms = 1,
	};
	struct got got = { .e = ERR_NONE };
	const char *hole = strstr(format, "%s");

	url = hole == NULL ? strdup(format) :
			     text_format("%.*s%s%s", (int)(hole - format),
					 format, s->path, hole + 2);
	source.url = url;
	got.r = source_get(&job, &got.result, &got.e);
	return got;
}

static inline struct got get(const struct scratch *s, const char *format,
		      enum control_kind kind)
{
	return get_from(s, format, kind, NULL, true);
}

static inline void assert_got(const struct got *got)
{
	if (got->r != 0)
		fail_msg("%d %s", got->r, got->e.text);
}

static inline void assert_failed(const struct got *got, int number, const char *text)
{
	if (got->r != number || strstr(got->e.text, text) == NULL)
		fail_msg("%d %s", got->r, got->e.text);
}

#define SOURCE_TEST(name) \
	cmocka_unit_test_setup_teardown(name, setup, scratch_teardown)

#endif
