/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_CONTROL_LOAD_H
#define XENTEST_CONTROL_LOAD_H

#include <stddef.h>

#include "base/err.h"

/**
 * load_bytes() - read a control file that a person named
 * @path: links in it are followed; anything but a regular file is refused
 *        without opening it
 * @ret:  at most CONTROL_BYTES_MAX + 1 bytes; the caller's
 *
 * Return: 0 or a negative errno.
 */
int load_bytes(const char *path, char **ret, size_t *ret_length, struct err *e);

#endif
