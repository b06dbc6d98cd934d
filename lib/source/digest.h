/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_SOURCE_DIGEST_H
#define XENTEST_SOURCE_DIGEST_H

#include <stddef.h>

#include "base/err.h"

/* SHA-256 (FIPS 180-4). OpenSSL stands behind it, in digest.c alone. */
enum { DIGEST_HEX = 64 + 1 }; /* lower-case hex digits and a NUL */

struct digest;

/**
 * digest_new() - begin a digest
 * @ret: released with digest_free(), or by digest_end()
 *
 * Return: 0 or -ENOMEM.
 */
int digest_new(struct digest **ret, struct err *e);
int digest_add(struct digest *digest, const void *bytes, size_t length,
	       struct err *e);

/**
 * digest_end() - the digest of all that was added
 * @digest: must not be added to any more; digest_free() it
 * @hex:    filled in on success
 *
 * Return: 0 or a negative errno.
 */
int digest_end(struct digest *digest, char hex[static DIGEST_HEX],
	       struct err *e);
void digest_free(struct digest *digest);
void digest_freep(struct digest **digest);

/**
 * digest_bytes() - the digest of bytes in memory
 *
 * Return: 0 or -ENOMEM.
 */
int digest_bytes(const void *bytes, size_t length, char hex[static DIGEST_HEX],
		 struct err *e);

/**
 * digest_fd() - the digest of a whole file
 * @fd: a regular file, read from its beginning whatever its offset, which
 *      stays as it is; the caller's
 *
 * Return: 0 or a negative errno.
 */
int digest_fd(int fd, char hex[static DIGEST_HEX], struct err *e);

#endif
