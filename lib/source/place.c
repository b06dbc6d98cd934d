/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/place.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"

static const char prefix[] = ".xentest-unpack.";
static const char trash[] = ".xentest-trash";

enum { TRIES = 1000 };

static int open_dir(int dir_fd, const char *name)
{
	return openat(dir_fd, name,
		      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Nobody's: its lock is free. */
static void remove_leftover(int work_fd, const char *name)
{
	CLEANUP(fd_close) int fd = open_dir(work_fd, name);
	struct err ignored = ERR_NONE;

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		file_remove_tree(work_fd, name, &ignored);
}

static DIR *list(int dir_fd)
{
	int fd = open_dir(dir_fd, ".");
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir == NULL)
		fd_close(&fd);
	return dir;
}

static const char *next_name(DIR *dir)
{
	const struct dirent *entry;

	while ((entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			return entry->d_name;
	return NULL;
}

static void remove_leftovers(int work_fd)
{
	CLEANUP(dir_closep) DIR *dir = list(work_fd);
	const char *name;

	while (dir != NULL && (name = next_name(dir)) != NULL)
		if (strncmp(name, prefix, sizeof(prefix) - 1) == 0)
			remove_leftover(work_fd, name);
}

int place_open(struct place *place, int work_fd, struct err *e)
{
	CLEANUP(fd_close) int fd = -1;

	remove_leftovers(work_fd);
	snprintf(place->name, sizeof(place->name), "%s%d", prefix,
		 (int)getpid());
	if (mkdirat(work_fd, place->name, 0700) < 0)
		return err_errno(e, "make directory %s", place->name);
	fd = open_dir(work_fd, place->name);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return err_errno(e, "open directory %s", place->name);
	place->work_fd = work_fd;
	place->fd = TAKE_FD(fd);
	return 0;
}

void place_close(struct place *place)
{
	struct err ignored = ERR_NONE;

	if (place->fd < 0)
		return;
	file_remove_tree(place->work_fd, place->name, &ignored);
	fd_close(&place->fd);
	*place = PLACE_NONE;
}

/* Removing a large tree now would slow down what comes next. */
static int move_aside(int work_fd, const char *name, struct err *e)
{
	CLEANUP(fd_close) int trash_fd = -1;
	struct stat st;
	char other[32];
	int r;

	if (fstatat(work_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_errno(e, "stat %s", name);
	r = file_make_dirs(work_fd, trash, 0700, &trash_fd, e);
	if (r < 0)
		return r;
	for (int i = 0; i < TRIES; i++) {
		snprintf(other, sizeof(other), "%d.%d", (int)getpid(), i);
		if (renameat2(work_fd, name, trash_fd, other,
			      RENAME_NOREPLACE) == 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	return err_errno(e, "move the old %s aside", name);
}

static int move(struct place *place, const char *name, struct err *e)
{
	int r;

	if (strncmp(name, prefix, sizeof(prefix) - 1) == 0 ||
	    strcmp(name, trash) == 0)
		return err_set(e, -EEXIST, "%s is a name of our own", name);
	r = move_aside(place->work_fd, name, e);
	if (r < 0)
		return r;
	if (renameat(place->fd, name, place->work_fd, name) < 0)
		return err_errno(e, "move %s into place", name);
	return 0;
}

static bool is_dir(int dir_fd, const char *name)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISDIR(st.st_mode);
}

int place_commit(struct place *place, char ret_top[static 256], struct err *e)
{
	CLEANUP(dir_closep) DIR *dir = list(place->fd);
	char top[256] = "";
	const char *name;
	int count = 0;
	int r;

	if (dir == NULL)
		return err_errno(e, "list %s", place->name);
	while ((name = next_name(dir)) != NULL) {
		r = move(place, name, e);
		if (r < 0)
			return r;
		count++;
		snprintf(top, sizeof(top), "%s", name);
	}
	strcpy(ret_top, count == 1 && is_dir(place->work_fd, top) ? top : "");
	return 0;
}

int place_clean(int work_fd, struct err *e)
{
	remove_leftovers(work_fd);
	return file_remove_tree(work_fd, trash, e);
}
