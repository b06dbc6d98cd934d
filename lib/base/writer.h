/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_BASE_WRITER_H
#define XENTEST_BASE_WRITER_H

#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"

/**
 * writer_wait() - wait until nobody has a file open for writing
 * @dir_fd:     where it lies
 * @name:       its name there; a symbolic link is not followed
 * @limit_usec: how long to wait at most
 *
 * For files that people drop with cp(1): what is there may be half of it. A
 * file that does not exist, or lies where the kernel cannot tell, is not
 * waited for.
 *
 * Return: 0; -ETIMEDOUT when it is still open after @limit_usec; or another
 * negative errno.
 * Source: fcntl(2), F_SETLEASE; inotify(7).
 */
int writer_wait(struct loop *loop, int dir_fd, const char *name,
		uint64_t limit_usec, struct err *e);

#endif
