/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_BASE_FILE_H
#define XENTEST_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * Everything here is relative to a directory descriptor and follows no
 * symbolic link in the parts that it is given as names: dom0 reads what
 * guests can write.
 */

/**
 * file_open_dir() - open a directory, following links (a path we trust)
 * @dir_fd: where a relative @path begins, or AT_FDCWD
 * @ret_fd: O_RDONLY | O_DIRECTORY | O_CLOEXEC; the caller's
 *
 * Return: 0 or a negative errno.
 */
int file_open_dir(int dir_fd, const char *path, int *ret_fd, struct err *e);

/**
 * file_make_dirs() - open a directory, making what is missing of it
 * @dir_fd: where @path begins
 * @path:   relative, no "..", '/' between the parts, none of them followed
 *          when it is a symbolic link
 * @mode:   of the directories that are made
 * @ret_fd: the last directory; the caller's. NULL when it is not wanted
 *
 * Return: 0; -ELOOP or -ENOTDIR for a link or file in the way.
 */
int file_make_dirs(int dir_fd, const char *path, mode_t mode, int *ret_fd,
		   struct err *e);

/**
 * file_make_dirs_synced() - likewise, and they survive a power cut
 *
 * Each that is made is synced in the directory that it is in. One that was there
 * already is not: make them with this in the first place.
 */
int file_make_dirs_synced(int dir_fd, const char *path, mode_t mode,
			  int *ret_fd, struct err *e);

/**
 * file_read() - read a whole regular file that somebody else may have made
 * @dir_fd:  where it is
 * @name:    its name there, or a path whose last part is not followed
 * @max:     bytes it may have; a larger one is refused, not cut
 * @ret:     its bytes with a NUL added; the caller frees them
 * @ret_len: how many bytes, without that NUL; may be NULL
 *
 * A FIFO, device, directory or symbolic link is refused without blocking.
 *
 * Return: 0, -ENOENT, -EFBIG, -ELOOP, -EISDIR, -EINVAL (not a regular file)
 * or another negative errno.
 */
int file_read(int dir_fd, const char *name, size_t max, char **ret,
	      size_t *ret_len, struct err *e);

/**
 * file_write_atomic() - replace a file so that a power cut leaves old or new
 * @dir_fd: opened for reading, so that it can be synced
 * @name:   no '/'
 * @mode:   of the new file
 *
 * Once it returned 0 the new content survives a power cut. On failure the old
 * file stands as it was and nothing else is left.
 *
 * Return: 0 or a negative errno.
 */
int file_write_atomic(int dir_fd, const char *name, const void *bytes,
		      size_t length, mode_t mode, struct err *e);

/**
 * file_remove() - remove a file durably
 *
 * Return: 0, also when there was none; or a negative errno.
 */
int file_remove(int dir_fd, const char *name, struct err *e);

/**
 * file_remove_tree() - remove a file or a directory with all that is in it
 *
 * Follows no link and leaves mount points alone. Goes on after a failure and
 * answers the first one.
 *
 * Return: 0, also when there was none; or a negative errno.
 */
int file_remove_tree(int dir_fd, const char *name, struct err *e);

/**
 * file_write_all() - write() until everything is written
 *
 * Return: 0 or a negative errno, -ENOSPC among them.
 */
int file_write_all(int fd, const void *bytes, size_t length, struct err *e);

/**
 * file_open_regular() - open a file, where somebody may have put a trap
 * @flags: O_RDONLY, O_RDWR, O_APPEND; nothing that makes a file
 *
 * Follows no link, and opens nothing but a regular file, so that no FIFO
 * blocks and no device acts. Needs /proc.
 *
 * Return: 0; -ELOOP for a link, -EISDIR, -EINVAL for anything else that is no
 * regular file; or another negative errno.
 */
int file_open_regular(int dir_fd, const char *name, int flags, int *ret_fd,
		      struct err *e);

/**
 * file_copy() - copy one regular file's bytes, atomically on the other side
 * @max: bytes the source may have
 *
 * The copy is not synced: a power cut may leave an empty file, or none.
 *
 * Return: 0 or a negative errno as in file_read().
 */
int file_copy(int from_fd, const char *from, int to_fd, const char *to,
	      uint64_t max, struct err *e);

/* Likewise; once it returns 0 the copy survives a power cut. */
int file_copy_synced(int from_fd, const char *from, int to_fd, const char *to,
		     uint64_t max, struct err *e);

/**
 * file_tail() - the last lines of a text file
 * @lines:   how many at most
 * @ret:     valid UTF-8, each line plain (no control characters), newline
 *           between; the caller frees it. Empty for an empty file
 *
 * Reads at most the last 16 KiB.
 *
 * Return: 0 or a negative errno.
 */
int file_tail(int dir_fd, const char *name, unsigned int lines, char **ret,
	      struct err *e);

#endif
