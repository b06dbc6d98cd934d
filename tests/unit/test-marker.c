/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "boot/marker.h"

static const char good[] = "run = 20261123-200000-1a2b3c4d\n"
			   "stage = test\n"
			   "boot_id = 0f6b0a44-6b4e-4a5c-9d7e-0123456789ab\n"
			   "build_id = 151b373fd64b\n"
			   "boots_left = 3\n"
			   "boot_timeout = 1200\n"
			   "on_failure = stay\n";

struct fixture {
	char path[32];
	int root_fd;
	int etc_fd;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->path, "/tmp/test-marker-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	f->root_fd = open(f->path, O_RDONLY | O_DIRECTORY);
	assert_int_equal(mkdirat(f->root_fd, "etc", 0755), 0);
	f->etc_fd = openat(f->root_fd, "etc", O_RDONLY | O_DIRECTORY);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_NONE;

	assert_int_equal(file_remove_tree(AT_FDCWD, f->path, &e), 0);
	close(f->root_fd);
	close(f->etc_fd);
	free(f);
	return 0;
}

static void put(const struct fixture *f, const char *text, size_t length)
{
	struct err e = ERR_NONE;

	assert_int_equal(file_write_atomic(f->etc_fd, MARKER_NAME, text,
					   length, 0644, &e),
			 0);
}

static const struct marker example = {
	.run = "20261123-200000-1a2b3c4d",
	.stage = MARKER_BOOT,
	.boot_id = "0f6b0a44-6b4e-4a5c-9d7e-0123456789ab",
	.build_id = "151b373fd64b321593bf987fd923cd10dabadac4",
	.boots_left = MARKER_BOOTS_MAX,
	.boot_timeout_s = 1200,
};

static void what_was_saved_is_loaded_again(void **state)
{
	struct fixture *f = *state;
	struct marker marker = example;
	struct err e = ERR_NONE;
	struct marker got;

	marker.stage = MARKER_TEST;
	marker.build_id[0] = '\0';
	marker.boot_timeout_s = UINT64_MAX;
	marker.stay = true;
	assert_int_equal(marker_save(f->root_fd, &marker, &e), 0);
	assert_int_equal(marker_load(f->root_fd, &got, &e), 0);
	assert_string_equal(got.run, marker.run);
	assert_int_equal(got.stage, MARKER_TEST);
	assert_string_equal(got.boot_id, marker.boot_id);
	assert_string_equal(got.build_id, "");
	assert_int_equal(got.boots_left, MARKER_BOOTS_MAX);
	assert_true(got.boot_timeout_s == UINT64_MAX);
	assert_true(got.stay);
}

static void a_marker_written_by_hand_is_understood(void **state)
{
	static const char text[] =
		"# comment\n\n  run=a-1 \nstage\t= boot\n"
		"boot_id = 0f6b0a44-6b4e-4a5c-9d7e-0123456789ab\n"
		"build_id =\nboots_left = 0\nboot_timeout = 5\n"
		"on_failure = fallback\n";
	struct err e = ERR_NONE;
	struct marker got;

	put(*state, text, strlen(text));
	assert_int_equal(marker_load(((struct fixture *)*state)->root_fd, &got,
				     &e),
			 0);
	assert_string_equal(got.run, "a-1");
	assert_int_equal(got.stage, MARKER_BOOT);
	assert_int_equal(got.boots_left, 0);
	assert_true(got.boot_timeout_s == 5);
	assert_false(got.stay);
}

static void without_a_marker_there_is_none(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_NONE;
	struct marker got;

	assert_int_equal(marker_load(f->root_fd, &got, &e), -ENOENT);
	assert_false(marker_exists(f->root_fd));
	assert_int_equal(marker_remove(f->root_fd, &e), 0);
}

static void a_removed_marker_is_gone(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_NONE;

	assert_int_equal(marker_save(f->root_fd, &example, &e), 0);
	assert_true(marker_exists(f->root_fd));
	assert_int_equal(marker_remove(f->root_fd, &e), 0);
	assert_false(marker_exists(f->root_fd));
}

/* What a power cut may leave of a file that was not written atomically. */
static void every_torn_marker_is_refused(void **state)
{
	struct fixture *f = *state;
	struct marker got;

	for (size_t length = 0; length + 1 < sizeof(good); length++) {
		struct err e = ERR_NONE;

		put(f, good, length);
		assert_int_equal(marker_load(f->root_fd, &got, &e), -EBADMSG);
		assert_non_null(strstr(e.text,
				       "/etc/xen_start_tests makes no sense"));
	}
}

static void garbage_is_refused_with_its_reason(void **state)
{
	static const struct {
		const char *line; /* added to a good marker */
		const char *why;
	} cases[] = {
		{ "colour = red\n", "unknown key \"colour\"" },
		{ "run = b-2\n", "run stands there twice" },
		{ "boots\n", "not \"key = value\"" },
		{ "\x1b[2J = 1\n", "unknown key \"?[2J\"" },
	};
	struct fixture *f = *state;
	struct marker got;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err e = ERR_NONE;
		char text[sizeof(good) + 64];

		snprintf(text, sizeof(text), "%s%s", good, cases[i].line);
		put(f, text, strlen(text));
		assert_int_equal(marker_load(f->root_fd, &got, &e), -EBADMSG);
		assert_non_null(strstr(e.text, cases[i].why));
	}
}

static void values_out_of_range_are_refused(void **state)
{
	static const struct {
		const char *from;
		const char *to;
		const char *key;
	} cases[] = {
		{ "= test", "= tset", "stage" },
		{ "20261123", "../../etc", "run" },
		{ "0f6b0a44", "0f6b0a4", "boot_id" },
		{ "151b373fd64b", "151b373fd64", "build_id" },
		{ "151b373fd64b", "151B373FD64B", "build_id" },
		{ "left = 3", "left = -1", "boots_left" },
		{ "left = 3", "left = 100001", "boots_left" },
		{ "left = 3", "left = ", "boots_left" },
		{ "1200", "18446744073709551616", "boot_timeout" },
		{ "= stay", "= maybe", "on_failure" },
	};
	struct fixture *f = *state;
	struct marker got;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *at = strstr(good, cases[i].from);
		struct err e = ERR_NONE;
		char text[sizeof(good) + 64];
		char why[64];

		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good), good,
			 cases[i].to, at + strlen(cases[i].from));
		put(f, text, strlen(text));
		assert_int_equal(marker_load(f->root_fd, &got, &e), -EBADMSG);
		snprintf(why, sizeof(why), "bad value for %s", cases[i].key);
		assert_non_null(strstr(e.text, why));
	}
}

static void bytes_that_are_no_text_are_refused(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_NONE;
	char text[sizeof(good)];
	struct marker got;

	memcpy(text, good, sizeof(good));
	text[40] = '\0';
	put(f, text, sizeof(good) - 1);
	assert_int_equal(marker_load(f->root_fd, &got, &e), -EBADMSG);
	assert_non_null(strstr(e.text, "torn or not text"));
}

static void a_marker_larger_than_any_of_ours_is_refused(void **state)
{
	struct fixture *f = *state;
	char text[MARKER_BYTES_MAX + 1];
	struct err e = ERR_NONE;
	struct marker got;

	memset(text, '\n', sizeof(text));
	put(f, text, sizeof(text));
	assert_int_equal(marker_load(f->root_fd, &got, &e), -EFBIG);
}

static void what_could_not_be_loaded_is_not_saved(void **state)
{
	struct fixture *f = *state;
	struct marker marker = example;
	struct err e = ERR_NONE;

	strcpy(marker.run, "A run");
	assert_int_equal(marker_save(f->root_fd, &marker, &e), -EINVAL);
	assert_non_null(strstr(e.text, "bad value for run"));
	assert_false(marker_exists(f->root_fd));
}

static void a_failed_save_keeps_the_old_marker(void **state)
{
	struct fixture *f = *state;
	struct marker marker = example;
	struct err e = ERR_NONE;
	struct marker got;

	assert_int_equal(marker_save(f->root_fd, &marker, &e), 0);
	marker.boots_left = MARKER_BOOTS_MAX + 1;
	assert_int_equal(marker_save(f->root_fd, &marker, &e), -EINVAL);
	assert_int_equal(marker_load(f->root_fd, &got, &e), 0);
	assert_int_equal(got.boots_left, MARKER_BOOTS_MAX);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(what_was_saved_is_loaded_again),
		TEST(a_marker_written_by_hand_is_understood),
		TEST(without_a_marker_there_is_none),
		TEST(a_removed_marker_is_gone),
		TEST(every_torn_marker_is_refused),
		TEST(garbage_is_refused_with_its_reason),
		TEST(values_out_of_range_are_refused),
		TEST(bytes_that_are_no_text_are_refused),
		TEST(a_marker_larger_than_any_of_ours_is_refused),
		TEST(what_could_not_be_loaded_is_not_saved),
		TEST(a_failed_save_keeps_the_old_marker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
