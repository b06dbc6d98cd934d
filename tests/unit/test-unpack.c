/* SPDX-License-Identifier: BSD-2-Clause */
#include "helper.h"

#include <sys/resource.h>

#include "source/unpack.h"

/* The archives that make-archives.py made, for all tests. */
static struct scratch *archives;

static int make_archives(void **state)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (scratch_setup((void **)&archives) != 0)
		return -1;
	helper_wait(helper_start("make-archives.py", archives->path, null_fd,
				 null_fd));
	close(null_fd);
	return 0;
}

static int remove_archives(void **state)
{
	return scratch_teardown((void **)&archives);
}

static int unpack_with(const struct scratch *s, const char *name,
		       const struct unpack_limits *limits, struct err *e)
{
	CLEANUP(fd_close) int fd =
		openat(archives->fd, name, O_RDONLY | O_CLOEXEC);
	CLEANUP(fd_close) int into_fd = -1;
	struct unpack_result result;

	assert_true(fd >= 0);
	make_dirs(s, "box/into");
	into_fd = open_dir(s, "box/into");
	return unpack(fd, into_fd, limits, &result, e);
}

static int try(const struct scratch *s, const char *name, struct err *e)
{
	const struct unpack_limits limits = { .entries_max = 100 };

	return unpack_with(s, name, &limits, e);
}

static void must(const struct scratch *s, const char *name)
{
	struct err e = ERR_NONE;
	int r = try(s, name, &e);

	if (r != 0)
		fail_msg("%s: %s", name, e.text);
}

static void assert_mode(const struct scratch *s, const char *name, mode_t mode)
{
	struct stat st;

	assert_int_equal(fstatat(s->fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mode, mode);
}

static void assert_link(const struct scratch *s, const char *name,
			const char *target)
{
	char got[256] = "";

	assert_true(readlinkat(s->fd, name, got, sizeof(got) - 1) > 0);
	assert_string_equal(got, target);
}

static void forget(const struct scratch *s)
{
	struct err e = ERR_NONE;

	assert_int_equal(file_remove_tree(s->fd, "box", &e), 0);
}

static void assert_sample(const struct scratch *s)
{
	struct stat a, b;

	assert_content(s, "box/into/tree/hello.c", "int main(void);\n");
	assert_content(s, "box/into/tree/empty", "");
	assert_link(s, "box/into/tree/link", "deep/er/noise");
	assert_link(s, "box/into/tree/deep/up", "../hello.c");
	assert_int_equal(fstatat(s->fd, "box/into/tree/deep/er/noise", &a, 0),
			 0);
	assert_int_equal(a.st_size, 300000);
	assert_int_equal(a.st_mtime, 1000000000);
	assert_int_equal(fstatat(s->fd, "box/into/tree/hello.c", &a, 0), 0);
	assert_int_equal(fstatat(s->fd, "box/into/tree/hard", &b, 0), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_true(exists(s, "box/into/tree/closed"));
}

static void every_format_is_told_by_its_content(void **state)
{
	static const char *const names[] = {
		"good.tar",  "good.gzip", "good.bzip2",
		"good.xz",   "good.zstd", "two-members.gzip",
	};
	struct scratch *s = *state;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		must(s, names[i]);
		assert_sample(s);
		forget(s);
	}
}

static void long_names_work_the_gnu_and_the_ustar_way(void **state)
{
	struct scratch *s = *state;

	must(s, "gnu.tar");
	must(s, "ustar.tar");
	assert_content(s, "box/into/tree/a", "x");
	assert_true(exists(s, "box/into/tree/long/long/long"));
}

static void names_keep_their_bytes_in_any_locale(void **state)
{
	struct scratch *s = *state;

	must(s, "names.tar");
	must(s, "latin1.tar");
	assert_content(s,
		       "box/into/tree/gr\xC3\xBC\xC3\x9F \xF0\x9F\x90\xA7",
		       "x\n");
	assert_content(s, "box/into/tree/gr\xFC\xDF", "x\n");
}

static void set_id_bits_and_others_write_bits_are_left_out(void **state)
{
	struct scratch *s = *state;

	must(s, "good.tar");
	assert_mode(s, "box/into/tree/run", S_IFREG | 0755);
	assert_mode(s, "box/into/tree/hello.c", S_IFREG | 0644);
	must(s, "dir-mode.tar");
	assert_mode(s, "box/into/tree/a", S_IFDIR | 0755);
}

static void files_belong_to_who_unpacks_them(void **state)
{
	struct scratch *s = *state;
	struct stat st;

	must(s, "good.tar");
	assert_int_equal(fstatat(s->fd, "box/into/tree/hello.c", &st, 0), 0);
	assert_int_equal(st.st_uid, geteuid());
}

static void what_comes_twice_is_there_as_it_came_last(void **state)
{
	struct scratch *s = *state;

	must(s, "twice.tar");
	assert_content(s, "box/into/tree/a", "second\n");
	assert_content(s, "box/into/tree/b", "first\n");
	must(s, "link-replaced.tar");
	assert_content(s, "box/into/tree/a", "new\n");
	assert_content(s, "box/into/tree/b", "kept\n");
}

static void dots_and_slashes_in_paths_mean_nothing(void **state)
{
	struct scratch *s = *state;

	must(s, "dots.tar");
	assert_content(s, "box/into/tree/a", "x\n");
	assert_int_equal(entries(s, "box/into"), 1);
}

static void sparse_files_keep_their_holes(void **state)
{
	static const char *const names[] = { "sparse-gnu.tar",
					     "sparse-pax0.1.tar",
					     "sparse-pax1.0.tar" };
	struct scratch *s = *state;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char middle[7] = "";
		struct stat st;
		int fd;

		must(s, names[i]);
		fd = openat(s->fd, "box/into/holes", O_RDONLY);
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(st.st_size, 3 << 20);
		assert_true(st.st_blocks < 1024);
		assert_int_equal(pread(fd, middle, 6, 1 << 20), 6);
		assert_string_equal(middle, "middle");
		close(fd);
		forget(s);
	}
}

struct refused {
	const char *name;
	int number;
	const char *text; /* a part of the sentence */
};

static void assert_refused(const struct scratch *s, const struct refused *all,
			   size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct err e = ERR_NONE;
		int r = try(s, all[i].name, &e);

		if (r != all[i].number || strstr(e.text, all[i].text) == NULL)
			fail_msg("%s: %d %s", all[i].name, r, e.text);
		/* Nothing beside the directory, nor where "/tmp" leads. */
		assert_int_equal(entries(s, "box"), 1);
		assert_int_equal(entries(s, "."), 1);
		assert_int_not_equal(access("/tmp/xentest-escaped", F_OK), 0);
		forget(s);
	}
}

static void nothing_escapes_by_its_path(void **state)
{
	static const char through[] = "which is no directory but a link or a file";
	static const struct refused all[] = {
		{ "absolute.tar", -EPERM, "has an absolute path" },
		{ "dotdot.tar", -EPERM, "has \"..\" in its path" },
		{ "dotdot-inside.tar", -EPERM, "has \"..\" in its path" },
		{ "dotdot-dir.tar", -EPERM, "has \"..\" in its path" },
		{ "through-link.tar", -EPERM, through },
		{ "through-link-dir.tar", -EPERM, through },
		{ "through-file.tar", -EPERM, through },
		{ "link-then-dir.tar", -EPERM,
		  "is a directory and before that a link" },
		{ "dir-then-file.tar", -EPERM,
		  "is a directory before and a file now" },
		{ "replaces-root.tar", -EBADMSG, "broken" },
		{ "deep.tar", -EPERM, "lies over 128 levels deep" },
		{ "long.tar", -EPERM, "has a path of over 4095 bytes" },
		{ "long-name.tar", -ENAMETOOLONG, "File name too long" },
	};

	assert_refused(*state, all, ARRAY_SIZE(all));
}

static void no_symbolic_link_leads_out(void **state)
{
	static const char may[] = "is a link that may lead out of the archive";
	static const struct refused all[] = {
		{ "link-absolute.tar", -EPERM, "is a link to an absolute path" },
		{ "link-up.tar", -EPERM, may },
		{ "link-up-top.tar", -EPERM, may },
		/* "l1/.." is not where it seems to be. */
		{ "link-zigzag.tar", -EPERM, may },
	};

	assert_refused(*state, all, ARRAY_SIZE(all));
}

static void hard_links_reach_files_of_the_archive_alone(void **state)
{
	static const struct refused all[] = {
		{ "hard-absolute.tar", -EPERM, "target: has an absolute path" },
		{ "hard-up.tar", -EPERM, "target: has \"..\" in its path" },
		{ "hard-through-link.tar", -EPERM, "goes through l" },
		/* Moved up, what it says would lead out. */
		{ "hard-to-symlink.tar", -EPERM, "is a hard link to no file" },
		{ "hard-to-itself.tar", -EPERM, "is a link to itself" },
		{ "hard-to-dir.tar", -EPERM, "is a hard link to no file" },
		{ "hard-to-nothing.tar", -ENOENT, "link to tree/gone" },
	};

	assert_refused(*state, all, ARRAY_SIZE(all));
}

static void devices_fifos_and_sockets_are_refused(void **state)
{
	static const char text[] = "is a device, FIFO or socket";
	static const struct refused all[] = {
		{ "char.tar", -EPERM, text },
		{ "block.tar", -EPERM, text },
		{ "fifo.tar", -EPERM, text },
	};

	assert_refused(*state, all, ARRAY_SIZE(all));
}

static void bombs_are_stopped(void **state)
{
	static const struct refused all[] = {
		{ "bomb.gzip", -EFBIG, "is too large: 314572800 bytes" },
		{ "bomb-after-end.gzip", -EFBIG, "unpacks to more than" },
		{ "sparse-bomb.tar", -EFBIG, "is too large" },
		{ "many.tar", -EFBIG, "has more entries" },
	};

	assert_refused(*state, all, ARRAY_SIZE(all));
}

static void the_caller_bounds_the_bytes(void **state)
{
	const struct unpack_limits limits = { .bytes_max = 100000 };
	struct scratch *s = *state;
	struct err e = ERR_NONE;

	assert_int_equal(unpack_with(s, "good.gzip", &limits, &e), -EFBIG);
	assert_non_null(strstr(e.text, "is too large"));
}

static void damage_is_found_to_the_last_byte(void **state)
{
	static const char follows[] = "something follows after the end";
	static const struct refused all[] = {
		{ "short.gzip", -EBADMSG, "the gzip data is cut short" },
		{ "short.bzip2", -EBADMSG, "cut short or broken" },
		{ "short.xz", -EBADMSG, "cut short or broken" },
		{ "short.zstd", -EBADMSG, "cut short or broken" },
		{ "half.gzip", -EBADMSG, "the gzip data is cut short" },
		{ "half.bzip2", -EBADMSG, "cut short or broken" },
		{ "half.xz", -EBADMSG, "cut short or broken" },
		{ "half.zstd", -EBADMSG, "cut short or broken" },
		{ "half.tar", -EBADMSG, "cut short or broken" },
		{ "between.tar", -EBADMSG, "the end of the tar data is missing" },
		{ "flipped.gzip", -EBADMSG, "(incorrect data check)" },
		{ "flipped.bzip2", -EBADMSG, "cut short or broken" },
		{ "flipped.xz", -EBADMSG, "cut short or broken" },
		{ "flipped.zstd", -EBADMSG, "cut short or broken" },
		{ "flipped.tar", -EBADMSG, "cut short or broken" },
		{ "after.gzip", -EBADMSG, follows },
		{ "after.bzip2", -EBADMSG, follows },
		{ "after.xz", -EBADMSG, "cut short or broken" },
		{ "after.zstd", -EBADMSG, "cut short or broken" },
		{ "after.tar", -EBADMSG, follows },
	};

	assert_refused(*state, all, ARRAY_SIZE(all));
}

static void what_is_no_tar_archive_is_called_by_its_name(void **state)
{
	static const char inside[] = "what is in it is no tar archive";
	static const struct refused all[] = {
		{ "empty", -EBADMSG, "the file is empty" },
		{ "text", -EBADMSG, "this is something else, not a tar" },
		{ "page.html", -EBADMSG, "this is a web page, not a tar" },
		{ "zip", -EBADMSG, "this is a zip archive, not a tar" },
		{ "cpio", -EBADMSG, "this is a cpio archive, not a tar" },
		{ "no-tar.gzip", -EBADMSG, inside },
		{ "no-tar.bzip2", -EBADMSG, inside },
		{ "no-tar.xz", -EBADMSG, inside },
		{ "no-tar.zstd", -EBADMSG, inside },
		{ "void.gzip", -EBADMSG, inside },
		{ "nothing.gzip", -EBADMSG, "the tar archive holds nothing" },
	};

	assert_refused(*state, all, ARRAY_SIZE(all));
}

static void an_entry_s_name_cannot_control_a_terminal(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;

	assert_int_equal(try(s, "escape-sequence.tar", &e), -EPERM);
	assert_string_equal(e.text,
			    "entry ../?[31mred?line: has \"..\" in its path");
}

static int unpack_on_a_small_disk(const struct scratch *s)
{
	struct scratch small = *s;
	struct err e = ERR_NONE;

	if (!mount_alone("tmpfs", s->path, "tmpfs", 0, "size=64k"))
		return NOT_HERE;
	/* The old descriptor leads below the mount. */
	if (file_open_dir(AT_FDCWD, s->path, &small.fd, &e) < 0 ||
	    try(&small, "good.gzip", &e) != -ENOSPC)
		return 1;
	return strstr(e.text, "No space left on device; free some space") == NULL;
}

static void a_full_disk_is_called_by_its_name(void **state)
{
	assert_int_equal(in_a_child(unpack_on_a_small_disk, *state), 0);
}

static int unpack_with_little_memory(const struct scratch *s)
{
	const struct unpack_limits limits = { .ratio_max = 100000 };
	struct err e = ERR_NONE;
	struct rusage usage;
	long before_kib;

	getrusage(RUSAGE_SELF, &usage);
	before_kib = usage.ru_maxrss;
	if (unpack_with(s, "bomb.gzip", &limits, &e) != 0)
		return 1;
	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss - before_kib > 32 * 1024;
}

static void memory_does_not_grow_with_the_archive(void **state)
{
	assert_int_equal(in_a_child(unpack_with_little_memory, *state), 0);
}

static void the_umask_is_what_it_was(void **state)
{
	mode_t old = umask(027);

	must(*state, "good.gzip");
	assert_int_equal(umask(old), 027);
	assert_mode(*state, "box/into/tree/hello.c", S_IFREG | 0644);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRATCH_TEST(every_format_is_told_by_its_content),
		SCRATCH_TEST(long_names_work_the_gnu_and_the_ustar_way),
		SCRATCH_TEST(names_keep_their_bytes_in_any_locale),
		SCRATCH_TEST(set_id_bits_and_others_write_bits_are_left_out),
		SCRATCH_TEST(files_belong_to_who_unpacks_them),
		SCRATCH_TEST(what_comes_twice_is_there_as_it_came_last),
		SCRATCH_TEST(dots_and_slashes_in_paths_mean_nothing),
		SCRATCH_TEST(sparse_files_keep_their_holes),
		SCRATCH_TEST(nothing_escapes_by_its_path),
		SCRATCH_TEST(no_symbolic_link_leads_out),
		SCRATCH_TEST(hard_links_reach_files_of_the_archive_alone),
		SCRATCH_TEST(devices_fifos_and_sockets_are_refused),
		SCRATCH_TEST(bombs_are_stopped),
		SCRATCH_TEST(the_caller_bounds_the_bytes),
		SCRATCH_TEST(damage_is_found_to_the_last_byte),
		SCRATCH_TEST(what_is_no_tar_archive_is_called_by_its_name),
		SCRATCH_TEST(an_entry_s_name_cannot_control_a_terminal),
		SCRATCH_TEST(a_full_disk_is_called_by_its_name),
		SCRATCH_TEST(memory_does_not_grow_with_the_archive),
		SCRATCH_TEST(the_umask_is_what_it_was),
	};

	return cmocka_run_group_tests(tests, make_archives, remove_archives);
}
