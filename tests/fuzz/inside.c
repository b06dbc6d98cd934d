/* SPDX-License-Identifier: BSD-2-Clause */
#include "inside.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "fuzz.h"

#define INTO "into"
#define BESIDE "beside"

static const char beside[] = "stays as it is\n";

/* Removed and made again only when something was left in it. */
static bool is_empty(int fd)
{
	CLEANUP(dir_closep) DIR *dir =
		fdopendir(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	const struct dirent *entry;

	while ((entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			return false;
	return true;
}

int inside_begin(void)
{
	static int into_fd = -1;
	struct err e = ERR_NONE;

	if (into_fd < 0) {
		int fd = fuzz_file(BESIDE);

		fuzz_fill(fd, beside, strlen(beside));
		close(fd);
	} else if (is_empty(into_fd)) {
		return into_fd;
	} else {
		fd_close(&into_fd);
		must(file_remove_tree(fuzz_dir(), INTO, &e) == 0);
	}
	must(file_make_dirs(fuzz_dir(), INTO, 0755, &into_fd, &e) == 0);
	return into_fd;
}

/* The kernel says where a link leads, however it gets there. */
static void check_link(int into_fd, const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH,
	};
	long fd = syscall(SYS_openat2, into_fd, path, &how, sizeof(how));

	must(fd >= 0 || errno != EXDEV);
	if (fd >= 0)
		close((int)fd);
}

static void check_tree(int into_fd, const char *path)
{
	int fd = openat(into_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	CLEANUP(dir_closep) DIR *dir = fdopendir(fd);
	const struct dirent *entry;
	char below[8192];
	struct stat st;

	must(dir != NULL);
	while ((entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		must(snprintf(below, sizeof(below), "%s/%s", path,
			      entry->d_name) < (int)sizeof(below));
		must(fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0);
		must(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) ||
		     S_ISLNK(st.st_mode));
		if (S_ISLNK(st.st_mode))
			check_link(into_fd, below);
		else
			must((st.st_mode & (06000 | 01000 | 022)) == 0);
		if (S_ISDIR(st.st_mode))
			check_tree(into_fd, below);
	}
}

static void check_beside(void)
{
	CLEANUP(freep) char *bytes = NULL;
	struct err e = ERR_NONE;
	struct stat st;

	must(file_read(fuzz_dir(), BESIDE, sizeof(beside), &bytes, NULL, &e) ==
	     0);
	must(strcmp(bytes, beside) == 0);
	must(fstatat(fuzz_dir(), BESIDE, &st, AT_SYMLINK_NOFOLLOW) == 0);
	must(st.st_nlink == 1);
}

/* How many names are in the directory around both. */
static size_t count_names(void)
{
	CLEANUP(dir_closep) DIR *dir = fdopendir(
		openat(fuzz_dir(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	size_t count = 0;

	while (readdir(dir) != NULL)
		count++;
	return count - 2;
}

void inside_check(void)
{
	struct err e = ERR_NONE;
	int into_fd = -1;

	must(file_open_dir(fuzz_dir(), INTO, &into_fd, &e) == 0);
	if (!is_empty(into_fd))
		check_tree(into_fd, ".");
	close(into_fd);
	check_beside();
	must(count_names() == 2);
}
