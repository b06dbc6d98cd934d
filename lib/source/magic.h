/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_SOURCE_MAGIC_H
#define XENTEST_SOURCE_MAGIC_H

#include <stdint.h>

#include "base/err.h"

/* What a file's first bytes say that it is. */
enum magic {
	MAGIC_TAR, /* plain */
	MAGIC_GZIP,
	MAGIC_BZIP2,
	MAGIC_XZ,
	MAGIC_ZSTD,
};

/**
 * magic_find() - tell how an archive is packed
 * @fd:       a regular file, its offset left as it is
 * @ret_size: its bytes
 *
 * What is compressed is taken for a tar archive until it is decompressed.
 *
 * Return: 0; -EBADMSG with a sentence that says what it is instead.
 */
int magic_find(int fd, enum magic *ret, uint64_t *ret_size, struct err *e);

#endif
