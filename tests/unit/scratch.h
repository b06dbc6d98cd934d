/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_TESTS_SCRATCH_H
#define XENTEST_TESTS_SCRATCH_H

/* A fresh directory for each test, and what one looks for in it. */
#include "unit.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"

struct scratch {
	char path[64];
	int fd;
};

static inline int scratch_setup(void **state)
{
	struct scratch *s = calloc(1, sizeof(*s));
	struct err e = ERR_NONE;

	strcpy(s->path, "/tmp/xentest-unit-XXXXXX");
	if (mkdtemp(s->path) == NULL)
		return -1;
	*state = s;
	return file_open_dir(AT_FDCWD, s->path, &s->fd, &e);
}

static inline int scratch_teardown(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;
	int r = file_remove_tree(AT_FDCWD, s->path, &e);

	fd_close(&s->fd);
	free(s);
	return r;
}

#define SCRATCH_TEST(name)                                                     \
	cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

static inline void put(const struct scratch *s, const char *name,
		       const char *text)
{
	int fd = openat(s->fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static inline void make_dirs(const struct scratch *s, const char *path)
{
	struct err e = ERR_NONE;

	assert_int_equal(file_make_dirs(s->fd, path, 0755, NULL, &e), 0);
}

static inline int open_dir(const struct scratch *s, const char *path)
{
	struct err e = ERR_NONE;
	int fd = -1;

	assert_int_equal(file_open_dir(s->fd, path, &fd, &e), 0);
	return fd;
}

static inline void assert_content(const struct scratch *s, const char *name,
				  const char *text)
{
	CLEANUP(freep) char *got = NULL;
	struct err e = ERR_NONE;

	assert_int_equal(file_read(s->fd, name, 1 << 20, &got, NULL, &e), 0);
	assert_string_equal(got, text);
}

static inline bool exists(const struct scratch *s, const char *name)
{
	return faccessat(s->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* How many names there are in a directory. */
static inline size_t entries(const struct scratch *s, const char *path)
{
	CLEANUP(dir_closep) DIR *dir = fdopendir(open_dir(s, path));
	size_t count = 0;

	while (readdir(dir) != NULL)
		count++;
	return count - 2;
}

/*
 * Runs @body where it may break something for good (limits, mounts, the user)
 * and answers its exit status; NOT_HERE says that this machine does not let us.
 */
enum { NOT_HERE = 77 };

static inline int in_a_child(int (*body)(const struct scratch *s),
			     const struct scratch *s)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(body(s));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == NOT_HERE)
		skip();
	return WEXITSTATUS(status);
}

/* In a child: mounts are our own from now on. Needs root. */
static inline bool mount_alone(const char *source, const char *target,
			       const char *type, unsigned long flags,
			       const char *options)
{
	return unshare(CLONE_NEWNS) == 0 &&
	       mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount(source, target, type, flags, options) == 0;
}

#endif
