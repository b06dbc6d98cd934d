/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_SOURCE_UNPACK_H
#define XENTEST_SOURCE_UNPACK_H

#include <stdint.h>

#include "base/err.h"

/* Bounds; a member that is 0 means the default of the same name below. */
struct unpack_limits {
	uint64_t bytes_max;   /* of the tar stream, headers and padding too */
	uint64_t entries_max;
	uint64_t ratio_max;   /* tar stream to archive, beyond 256 MiB */
};

#define UNPACK_BYTES_MAX (UINT64_C(64) << 30)
#define UNPACK_ENTRIES_MAX UINT64_C(4000000)
#define UNPACK_RATIO_MAX UINT64_C(200) /* source code: 4 to 10 */

enum {
	UNPACK_PATH_MAX = 4095, /* bytes of a path in an archive */
	UNPACK_DEPTH_MAX = 128, /* directories deep; one fd a level */
};

struct unpack_result {
	uint64_t entries;
	uint64_t bytes; /* of file content */
};

/**
 * unpack() - unpack a tar archive that anybody may have made
 * @archive_fd: a regular file, read from its beginning; the caller's
 * @into_fd:    an empty directory that nobody else writes to; the caller's
 * @limits:     bounds
 * @ret:        what it held
 * @e:          what is wrong with it, without its name
 *
 * Takes tar (ustar, pax, GNU), plain or in gzip, bzip2, xz or zstd, as its
 * content says. Nothing is made outside @into_fd, and no link leads out of it:
 * an absolute path or link, "..", a way through a symbolic link, a device, FIFO
 * or socket ends it with -EPERM. Files belong to the caller; modes lose set-id,
 * sticky and the write bits of group and others; the modification times of
 * files are kept. Checksums of all compressions are verified, up to the last
 * byte of the file. Memory is bounded whatever the archive's size.
 *
 * After a failure @into_fd holds a part of the tree; remove it. Runs a thread
 * and sets the umask to 0 until it returns.
 *
 * Return: 0; -EBADMSG (no tar, cut short, broken), -EPERM (hostile), -EFBIG (a
 * bound), -ENOSPC or another negative errno.
 */
int unpack(int archive_fd, int into_fd, const struct unpack_limits *limits,
	   struct unpack_result *ret, struct err *e);

#endif
