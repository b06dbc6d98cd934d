/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_BASE_CLEANUP_H
#define XENTEST_BASE_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * Run @function on the variable's address when its scope ends; that may be
 * all that the variable is for.
 */
#define CLEANUP(function) __attribute__((cleanup(function), unused))

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* Move ownership out of a CLEANUP variable. */
#define TAKE_PTR(pointer)                      \
	({                                     \
		__auto_type taken_ = (pointer); \
		(pointer) = NULL;              \
		taken_;                        \
	})
#define TAKE_FD(fd)                \
	({                         \
		int taken_ = (fd); \
		(fd) = -1;         \
		taken_;            \
	})

static inline void freep(void *pointer)
{
	free(*(void **)pointer);
}

/* Closes and keeps errno, so that it may run on the way out of a failure. */
static inline void fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

static inline void file_closep(FILE **file)
{
	if (*file != NULL)
		fclose(*file);
}

static inline void dir_closep(DIR **dir)
{
	if (*dir != NULL)
		closedir(*dir);
}

#endif
