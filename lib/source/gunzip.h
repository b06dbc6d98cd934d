/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_SOURCE_GUNZIP_H
#define XENTEST_SOURCE_GUNZIP_H

#include <stddef.h>

#include "base/err.h"
#include "source/stream.h"

/**
 * gunzip() - decompress a gzip file (RFC 1952) into a stream
 * @fd: a regular file; read from its beginning
 * @to: where its content goes
 *
 * With zlib and not libarchive, which (3.6.2) neither checks a gzip file's CRC
 * nor minds what follows it.
 *
 * Return: 0, -EBADMSG (cut short, broken, something after its end), or what
 * stream_put() answers.
 */
int gunzip(int fd, struct stream *to, struct err *e);

/**
 * gunzip_bytes() - decompress gzip data that is in memory
 * @bytes:   one member, such as a /boot/xen.gz; what follows it is left alone
 * @max:     bytes it may become
 * @ret:     its content; the caller frees it
 * @ret_length: how many bytes
 *
 * Return: 0, -EBADMSG (cut short or broken), -EFBIG, -ENOMEM.
 */
int gunzip_bytes(const char *bytes, size_t length, size_t max, char **ret,
		 size_t *ret_length, struct err *e);

#endif
