/* SPDX-License-Identifier: BSD-2-Clause */
/* Of lib/base/file.c: directories made and trees removed. */
#include "scratch.h"

#include <sys/resource.h>

/* ---- making directories ------------------------------------------------ */

static void missing_parts_of_a_path_are_made(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;
	int fd = -1;

	assert_int_equal(file_make_dirs(s->fd, "a//b/c/", 0755, &fd, &e), 0);
	close(fd);
	assert_true(exists(s, "a/b/c"));
	assert_int_equal(file_make_dirs(s->fd, "a/b/c", 0755, NULL, &e), 0);
}

static void no_link_leads_out_of_a_made_path(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;
	int fd = -1;
	int r;

	assert_int_equal(mkdirat(s->fd, "other", 0755), 0);
	assert_int_equal(symlinkat("other", s->fd, "link"), 0);
	r = file_make_dirs(s->fd, "link/x", 0755, &fd, &e);
	assert_true(r == -ELOOP || r == -ENOTDIR);
	assert_false(exists(s, "other/x"));
	assert_int_equal(fd, -1);
	r = file_make_dirs(s->fd, "a/../../x", 0755, &fd, &e);
	assert_int_equal(r, -EINVAL);
	assert_string_equal(e.text, "a/../../x has a \"..\"");
}

static void a_path_without_a_part_names_no_directory(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;
	int fd = -1;

	assert_int_equal(file_make_dirs(s->fd, "", 0755, &fd, &e), -EINVAL);
	assert_int_equal(file_make_dirs(s->fd, "//", 0755, &fd, &e), -EINVAL);
	assert_string_equal(e.text, "\"//\" names no directory");
}

static void a_file_in_the_way_is_named(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;

	put(s, "a", "");
	assert_int_equal(file_make_dirs(s->fd, "a/b", 0755, NULL, &e),
			 -ENOTDIR);
	assert_string_equal(e.text, "open directory a: Not a directory");
}

/* ---- removing ---------------------------------------------------------- */

static void removing_what_is_not_there_is_no_failure(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;

	assert_int_equal(file_remove(s->fd, "a", &e), 0);
	assert_int_equal(file_remove_tree(s->fd, "a", &e), 0);
	put(s, "a", "");
	assert_int_equal(file_remove(s->fd, "a", &e), 0);
	assert_false(exists(s, "a"));
}

static void a_directory_is_not_removed_as_a_file(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;

	assert_int_equal(mkdirat(s->fd, "a", 0755), 0);
	assert_int_equal(file_remove(s->fd, "a", &e), -EISDIR);
	assert_string_equal(e.text, "remove a: Is a directory");
}

static void a_tree_goes_and_what_its_links_name_stays(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;

	put(s, "outside", "stays");
	assert_int_equal(mkdirat(s->fd, "beside", 0755), 0);
	put(s, "beside/file", "stays");
	assert_int_equal(file_make_dirs(s->fd, "t/a/b", 0755, NULL, &e), 0);
	put(s, "t/file", "");
	put(s, "t/a/b/file", "");
	assert_int_equal(symlinkat("../outside", s->fd, "t/link"), 0);
	assert_int_equal(symlinkat("../../beside", s->fd, "t/a/dirlink"), 0);
	assert_int_equal(mkfifoat(s->fd, "t/a/fifo", 0644), 0);
	assert_int_equal(file_remove_tree(s->fd, "t", &e), 0);
	assert_false(exists(s, "t"));
	assert_content(s, "outside", "stays");
	assert_content(s, "beside/file", "stays");
}

static void a_link_in_place_of_a_tree_goes_alone(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;

	assert_int_equal(mkdirat(s->fd, "beside", 0755), 0);
	put(s, "beside/file", "stays");
	assert_int_equal(symlinkat("beside", s->fd, "t"), 0);
	assert_int_equal(file_remove_tree(s->fd, "t", &e), 0);
	assert_content(s, "beside/file", "stays");
}

static void make_deep(const struct scratch *s, int depth)
{
	int fd = dup(s->fd);

	for (int i = 0; i < depth; i++) {
		int next;

		assert_int_equal(mkdirat(fd, "d", 0755), 0);
		next = openat(fd, "d", O_RDONLY | O_DIRECTORY);
		assert_true(next >= 0);
		close(fd);
		fd = next;
	}
	close(fd);
}

static int remove_with_few_descriptors(const struct scratch *s)
{
	struct rlimit limit = {.rlim_cur = 400, .rlim_max = 400};
	struct err e = ERR_NONE;

	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return NOT_HERE;
	return file_remove_tree(s->fd, "d", &e) != 0;
}

/* A path as long as PATH_MAX, and more levels than descriptors. */
static void a_tree_of_any_depth_goes(void **state)
{
	struct scratch *s = *state;

	make_deep(s, 2100);
	put(s, "d/d/d/file", "");
	assert_int_equal(in_a_child(remove_with_few_descriptors, s), 0);
	assert_int_equal(entries(s, "."), 0);
}

static int remove_without_permission(const struct scratch *s)
{
	struct err e = ERR_NONE;

	if (getuid() == 0 && setuid(65534) < 0)
		return NOT_HERE;
	if (file_remove_tree(s->fd, "t", &e) != -EACCES)
		return 1;
	return strcmp(e.text, "remove file: Permission denied") != 0;
}

static void removing_goes_on_after_what_cannot_be_removed(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;

	assert_int_equal(fchmod(s->fd, 0777), 0);
	assert_int_equal(file_make_dirs(s->fd, "t/locked", 0755, NULL, &e), 0);
	assert_int_equal(file_make_dirs(s->fd, "t/open", 0755, NULL, &e), 0);
	put(s, "t/locked/file", "stays");
	put(s, "t/open/file", "");
	put(s, "t/a", "");
	put(s, "t/z", "");
	assert_int_equal(fchmodat(s->fd, "t", 0777, 0), 0);
	assert_int_equal(fchmodat(s->fd, "t/open", 0777, 0), 0);
	assert_int_equal(fchmodat(s->fd, "t/locked", 0555, 0), 0);
	assert_int_equal(in_a_child(remove_without_permission, s), 0);
	assert_content(s, "t/locked/file", "stays");
	assert_false(exists(s, "t/open"));
	assert_false(exists(s, "t/a"));
	assert_false(exists(s, "t/z"));
}

/* A bind mount looks like one file system, and may be all of /home. */
static int remove_around_a_mount(const struct scratch *s)
{
	struct err e = ERR_NONE;
	char from[128];
	char to[128];
	int fd;

	snprintf(from, sizeof(from), "%s/precious", s->path);
	snprintf(to, sizeof(to), "%s/t/mount", s->path);
	if (!mount_alone(from, to, NULL, MS_BIND, NULL))
		return NOT_HERE;
	/* A descriptor from before would show the directory without it. */
	fd = open(s->path, O_RDONLY | O_DIRECTORY);
	if (file_remove_tree(fd, "t", &e) != -EBUSY ||
	    strcmp(e.text, "mount is a mount point, left alone") != 0)
		return 1;
	/* Named itself, too. */
	return file_remove_tree(fd, "t/mount", &e) != -EBUSY;
}

static void a_mount_point_and_what_it_shows_are_left_alone(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;

	assert_int_equal(mkdirat(s->fd, "precious", 0755), 0);
	put(s, "precious/file", "stays");
	assert_int_equal(file_make_dirs(s->fd, "t/mount", 0755, NULL, &e), 0);
	put(s, "t/file", "");
	assert_int_equal(in_a_child(remove_around_a_mount, s), 0);
	assert_content(s, "precious/file", "stays");
	assert_false(exists(s, "t/file"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRATCH_TEST(missing_parts_of_a_path_are_made),
		SCRATCH_TEST(no_link_leads_out_of_a_made_path),
		SCRATCH_TEST(a_path_without_a_part_names_no_directory),
		SCRATCH_TEST(a_file_in_the_way_is_named),
		SCRATCH_TEST(removing_what_is_not_there_is_no_failure),
		SCRATCH_TEST(a_directory_is_not_removed_as_a_file),
		SCRATCH_TEST(a_tree_goes_and_what_its_links_name_stays),
		SCRATCH_TEST(a_link_in_place_of_a_tree_goes_alone),
		SCRATCH_TEST(a_tree_of_any_depth_goes),
		SCRATCH_TEST(removing_goes_on_after_what_cannot_be_removed),
		SCRATCH_TEST(a_mount_point_and_what_it_shows_are_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
