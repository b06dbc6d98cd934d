/* SPDX-License-Identifier: BSD-2-Clause */
#include "scratch.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>

/* ---- reading ----------------------------------------------------------- */

static void a_file_is_read_whole_with_a_nul_behind(void **state)
{
	struct scratch *s = *state;
	CLEANUP(freep) char *got = NULL;
	struct err e = ERR_NONE;
	size_t length;

	put(s, "a", "12345");
	assert_int_equal(file_read(s->fd, "a", 5, &got, &length, &e), 0);
	assert_int_equal(length, 5);
	assert_memory_equal(got, "12345", 6);
}

static void an_empty_file_is_no_failure(void **state)
{
	struct scratch *s = *state;

	put(s, "a", "");
	assert_content(s, "a", "");
}

static void a_file_beyond_the_limit_is_refused_not_cut(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;
	char *got = NULL;

	put(s, "a", "12345");
	assert_int_equal(file_read(s->fd, "a", 4, &got, NULL, &e), -EFBIG);
	assert_string_equal(e.text, "a is larger than 4 bytes");
	assert_null(got);
}

static void a_file_without_a_size_is_read_and_bounded(void **state)
{
	CLEANUP(freep) char *got = NULL;
	struct err e = ERR_NONE;

	(void)state;
	assert_int_equal(
		file_read(AT_FDCWD, "/proc/self/stat", 4096, &got, NULL, &e),
		0);
	assert_true(strlen(got) > 10);
	assert_int_equal(
		file_read(AT_FDCWD, "/proc/self/stat", 10, &got, NULL, &e),
		-EFBIG);
	assert_string_equal(
		e.text,
		"/proc/self/stat grew beyond 10 bytes while it was read");
}

static void what_is_no_regular_file_is_refused_without_blocking(void **state)
{
	struct scratch *s = *state;
	static const struct {
		const char *name;
		int number;
	} cases[] = {
		{"missing", -ENOENT}, {"link", -ELOOP},	 {"dir", -EISDIR},
		{"fifo", -EINVAL},    {"zero", -EINVAL},
	};

	put(s, "target", "secret");
	assert_int_equal(symlinkat("target", s->fd, "link"), 0);
	assert_int_equal(mkdirat(s->fd, "dir", 0755), 0);
	assert_int_equal(mkfifoat(s->fd, "fifo", 0644), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err e = ERR_NONE;
		char *got = NULL;

		if (strcmp(cases[i].name, "zero") == 0 &&
		    mknodat(s->fd, "zero", S_IFCHR | 0644, makedev(1, 5)) < 0)
			continue; /* not root */
		alarm(5);
		assert_int_equal(
			file_read(s->fd, cases[i].name, 100, &got, NULL, &e),
			cases[i].number);
		alarm(0);
		assert_non_null(strstr(e.text, cases[i].name));
		assert_null(got);
	}
}

/* A writer waits in open() until somebody opens the other end. */
static pid_t wait_at_fifo(const struct scratch *s)
{
	pid_t pid = fork();

	if (pid == 0) {
		openat(s->fd, "fifo", O_WRONLY);
		_exit(0);
	}
	usleep(200000);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	return pid;
}

static void what_is_no_regular_file_is_not_even_opened(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;
	char *got = NULL;
	pid_t pid;

	assert_int_equal(mkfifoat(s->fd, "fifo", 0644), 0);
	pid = wait_at_fifo(s);
	assert_int_equal(file_read(s->fd, "fifo", 100, &got, NULL, &e),
			 -EINVAL);
	assert_int_equal(file_copy(s->fd, "fifo", s->fd, "b", 9, &e), -EINVAL);
	assert_int_equal(file_tail(s->fd, "fifo", 1, &got, &e), -EINVAL);
	usleep(200000);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0); /* it still waits */
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* ---- writing atomically ------------------------------------------------ */

static void a_file_is_replaced_in_one_go(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;
	struct stat st;

	put(s, "a", "the old text");
	assert_int_equal(file_write_atomic(s->fd, "a", "new", 3, 0600, &e), 0);
	assert_content(s, "a", "new");
	assert_int_equal(entries(s, "."), 1);
	assert_int_equal(fstatat(s->fd, "a", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void what_a_power_cut_left_behind_does_no_harm(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;

	put(s, ".a.new", "half of it, and longer than what comes now");
	assert_int_equal(file_write_atomic(s->fd, "a", "new", 3, 0644, &e), 0);
	assert_content(s, "a", "new");
	assert_false(exists(s, ".a.new"));
}

static void a_link_in_the_way_is_replaced_and_not_followed(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;

	put(s, "secret", "untouched");
	assert_int_equal(symlinkat("secret", s->fd, "a"), 0);
	assert_int_equal(symlinkat("secret", s->fd, ".a.new"), 0);
	assert_int_equal(file_write_atomic(s->fd, "a", "new", 3, 0644, &e), 0);
	assert_content(s, "a", "new");
	assert_content(s, "secret", "untouched");
}

static int write_beyond_the_limit(const struct scratch *s)
{
	const struct rlimit limit = {.rlim_cur = 4, .rlim_max = 4};
	struct err e = ERR_NONE;

	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
		return NOT_HERE;
	if (file_write_atomic(s->fd, "a", "too much", 8, 0644, &e) != -EFBIG)
		return 1;
	return strcmp(e.text, "write a: write: File too large") != 0;
}

static void a_failed_write_keeps_the_old_file_and_nothing_else(void **state)
{
	struct scratch *s = *state;

	put(s, "a", "old");
	assert_int_equal(in_a_child(write_beyond_the_limit, s), 0);
	assert_content(s, "a", "old");
	assert_int_equal(entries(s, "."), 1);
}

/* A small disk of our own over the directory. */
static int enter_tiny_fs(const struct scratch *s, const char *options)
{
	if (!mount_alone("none", s->path, "tmpfs", 0, options))
		return -1;
	return open(s->path, O_RDONLY | O_DIRECTORY);
}

static int write_on_a_full_disk(const struct scratch *s)
{
	static const char page[4096 * 3];
	struct scratch tiny = *s;
	struct err e = ERR_NONE;

	tiny.fd = enter_tiny_fs(s, "size=8k");
	if (tiny.fd < 0)
		return NOT_HERE;
	put(&tiny, "a", "old");
	if (file_write_atomic(tiny.fd, "a", page, sizeof(page), 0644, &e) !=
	    -ENOSPC)
		return 1;
	assert_content(&tiny, "a", "old");
	return entries(&tiny, ".") != 1;
}

static void a_full_disk_keeps_the_old_file(void **state)
{
	assert_int_equal(in_a_child(write_on_a_full_disk, *state), 0);
}

static int write_on_a_read_only_disk(const struct scratch *s)
{
	struct scratch tiny = *s;
	struct err e = ERR_NONE;

	tiny.fd = enter_tiny_fs(s, "size=64k");
	if (tiny.fd < 0)
		return NOT_HERE;
	put(&tiny, "a", "old");
	if (mount("none", s->path, NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0)
		return NOT_HERE;
	if (file_write_atomic(tiny.fd, "a", "new", 3, 0644, &e) != -EROFS ||
	    file_remove(tiny.fd, "a", &e) != -EROFS ||
	    file_remove_tree(tiny.fd, "a", &e) != -EROFS)
		return 1;
	assert_content(&tiny, "a", "old");
	return 0;
}

static void a_read_only_disk_keeps_the_old_file(void **state)
{
	assert_int_equal(in_a_child(write_on_a_read_only_disk, *state), 0);
}

static int write_without_permission(const struct scratch *s)
{
	struct err e = ERR_NONE;

	if (getuid() == 0 && setuid(65534) < 0)
		return NOT_HERE;
	if (file_write_atomic(s->fd, "a", "new", 3, 0644, &e) != -EACCES)
		return 1;
	return strcmp(e.text, "write a: create .a.new: Permission denied") != 0;
}

static void without_permission_the_old_file_stays(void **state)
{
	struct scratch *s = *state;

	put(s, "a", "old");
	assert_int_equal(fchmod(s->fd, 0555), 0);
	assert_int_equal(in_a_child(write_without_permission, s), 0);
	assert_int_equal(fchmod(s->fd, 0755), 0);
	assert_content(s, "a", "old");
}

static void only_a_plain_name_can_be_written(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;
	char name[300];

	assert_int_equal(file_write_atomic(s->fd, "a/b", "", 0, 0644, &e),
			 -EINVAL);
	assert_string_equal(e.text, "\"a/b\" is no file name");
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(file_write_atomic(s->fd, name, "", 0, 0644, &e),
			 -EINVAL);
	assert_int_equal(entries(s, "."), 0);
}

/* ---- copying ----------------------------------------------------------- */

static void a_copy_has_every_byte(void **state)
{
	struct scratch *s = *state;
	CLEANUP(freep) char *bytes = malloc(1 << 20);
	CLEANUP(freep) char *got = NULL;
	struct err e = ERR_NONE;
	size_t length;

	for (size_t i = 0; i < 1 << 20; i++)
		bytes[i] = (char)(i * 7919 >> 8);
	assert_int_equal(
		file_write_atomic(s->fd, "a", bytes, 1 << 20, 0644, &e), 0);
	assert_int_equal(file_copy(s->fd, "a", s->fd, "b", 1 << 20, &e), 0);
	assert_int_equal(file_read(s->fd, "b", 1 << 20, &got, &length, &e), 0);
	assert_int_equal(length, 1 << 20);
	assert_memory_equal(got, bytes, 1 << 20);
}

static int truncate_at(const struct scratch *s, const char *name, off_t size)
{
	CLEANUP(fd_close) int fd = openat(s->fd, name, O_WRONLY | O_CLOEXEC);

	return ftruncate(fd, size);
}

static void a_copy_beyond_the_limit_is_not_made(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;

	put(s, "a", "12345");
	put(s, "b", "old");
	assert_int_equal(file_copy(s->fd, "a", s->fd, "b", 4, &e), -EFBIG);
	assert_string_equal(e.text, "a is larger than 4 bytes");
	assert_content(s, "b", "old");
	assert_int_equal(entries(s, "."), 2);
}

static volatile sig_atomic_t too_much_written;

static void on_too_much(int number)
{
	(void)number;
	too_much_written = 1;
}

static void of_a_huge_file_nothing_is_copied(void **state)
{
	struct scratch *s = *state;
	const struct sigaction action = {.sa_handler = on_too_much};
	struct sigaction before;
	struct rlimit unlimited;
	struct rlimit limit;
	struct err e = ERR_NONE;

	put(s, "a", "");
	assert_int_equal(truncate_at(s, "a", 10LL << 30), 0);
	getrlimit(RLIMIT_FSIZE, &unlimited);
	limit = (struct rlimit){.rlim_cur = 4096,
				.rlim_max = unlimited.rlim_max};
	sigaction(SIGXFSZ, &action, &before);
	setrlimit(RLIMIT_FSIZE, &limit);
	assert_int_equal(file_copy(s->fd, "a", s->fd, "b", 4096, &e), -EFBIG);
	setrlimit(RLIMIT_FSIZE, &unlimited);
	sigaction(SIGXFSZ, &before, NULL);
	assert_false(too_much_written);
	assert_int_equal(entries(s, "."), 1);
}

static void of_a_file_that_grows_no_more_is_copied_than_allowed(void **state)
{
	CLEANUP(fd_close) int proc = open("/proc/self", O_RDONLY | O_DIRECTORY);
	struct scratch *s = *state;
	struct err e = ERR_NONE;

	/* Says that it has no bytes, and has some. */
	assert_int_equal(file_copy(proc, "stat", s->fd, "b", 10, &e), -EFBIG);
	assert_string_equal(e.text, "copy stat: larger than 10 bytes");
	assert_int_equal(entries(s, "."), 0);
}

static void a_file_without_a_size_is_copied_too(void **state)
{
	struct scratch *s = *state;
	CLEANUP(fd_close) int proc = open("/proc/self", O_RDONLY | O_DIRECTORY);
	struct err e = ERR_NONE;
	struct stat st;

	assert_int_equal(file_copy(proc, "stat", s->fd, "b", 4096, &e), 0);
	assert_int_equal(fstatat(s->fd, "b", &st, 0), 0);
	assert_true(st.st_size > 10);
}

static void only_a_regular_file_is_copied(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;

	put(s, "secret", "");
	assert_int_equal(symlinkat("secret", s->fd, "link"), 0);
	assert_int_equal(mkfifoat(s->fd, "fifo", 0644), 0);
	assert_int_equal(file_copy(s->fd, "link", s->fd, "b", 9, &e), -ELOOP);
	assert_int_equal(file_copy(s->fd, "fifo", s->fd, "b", 9, &e), -EINVAL);
	assert_false(exists(s, "b"));
}

/* ---- the last lines ---------------------------------------------------- */

static void assert_tail(const struct scratch *s, const char *text,
			unsigned int lines, const char *expected)
{
	CLEANUP(freep) char *got = NULL;
	struct err e = ERR_NONE;

	put(s, "log", text);
	assert_int_equal(file_tail(s->fd, "log", lines, &got, &e), 0);
	assert_string_equal(got, expected);
}

static void the_last_lines_are_quoted(void **state)
{
	struct scratch *s = *state;

	assert_tail(s, "", 2, "");
	assert_tail(s, "\n\n", 2, "");
	assert_tail(s, "one", 2, "one");
	assert_tail(s, "one\ntwo\nthree\n", 2, "two\nthree");
	assert_tail(s, "one\ntwo\nthree\n\n\n", 9, "one\ntwo\nthree");
	assert_tail(s, "a\n\x1B[2J\xFFz\tb\n", 1, "?[2J\xEF\xBF\xBDz?b");
}

static void of_a_huge_log_only_the_end_is_read(void **state)
{
	struct scratch *s = *state;
	CLEANUP(freep) char *got = NULL;
	struct err e = ERR_NONE;
	int fd;

	put(s, "log", "the beginning\n");
	fd = openat(s->fd, "log", O_WRONLY);
	assert_int_equal(pwrite(fd, "\nthe end\n", 9, 1LL << 32), 9);
	close(fd);
	assert_int_equal(file_tail(s->fd, "log", 1, &got, &e), 0);
	assert_string_equal(got, "the end");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRATCH_TEST(a_file_is_read_whole_with_a_nul_behind),
		SCRATCH_TEST(an_empty_file_is_no_failure),
		SCRATCH_TEST(a_file_beyond_the_limit_is_refused_not_cut),
		SCRATCH_TEST(a_file_without_a_size_is_read_and_bounded),
		SCRATCH_TEST(
			what_is_no_regular_file_is_refused_without_blocking),
		SCRATCH_TEST(what_is_no_regular_file_is_not_even_opened),
		SCRATCH_TEST(a_file_is_replaced_in_one_go),
		SCRATCH_TEST(what_a_power_cut_left_behind_does_no_harm),
		SCRATCH_TEST(a_link_in_the_way_is_replaced_and_not_followed),
		SCRATCH_TEST(
			a_failed_write_keeps_the_old_file_and_nothing_else),
		SCRATCH_TEST(a_full_disk_keeps_the_old_file),
		SCRATCH_TEST(a_read_only_disk_keeps_the_old_file),
		SCRATCH_TEST(without_permission_the_old_file_stays),
		SCRATCH_TEST(only_a_plain_name_can_be_written),
		SCRATCH_TEST(a_copy_has_every_byte),
		SCRATCH_TEST(a_copy_beyond_the_limit_is_not_made),
		SCRATCH_TEST(of_a_huge_file_nothing_is_copied),
		SCRATCH_TEST(
			of_a_file_that_grows_no_more_is_copied_than_allowed),
		SCRATCH_TEST(a_file_without_a_size_is_copied_too),
		SCRATCH_TEST(only_a_regular_file_is_copied),
		SCRATCH_TEST(the_last_lines_are_quoted),
		SCRATCH_TEST(of_a_huge_log_only_the_end_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
