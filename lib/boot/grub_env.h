/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_BOOT_GRUB_ENV_H
#define XENTEST_BOOT_GRUB_ENV_H

#include "base/err.h"

#define GRUB_ENV_NAME "grubenv"

/**
 * grub_env_get() - a variable in GRUB's environment block
 * @grub_fd: /boot/grub
 * @ret:     the caller's; "" when it is not set
 *
 * Return: 0; -ENOENT without a block; -EBADMSG when it is damaged (GRUB
 * ignores it then); or another negative errno of file_read().
 * Source: grub-editenv(1); grub-core/lib/envblk.c: a line to recognise it,
 * "name=value" lines with backslashes before newline and backslash, then '#'.
 */
int grub_env_get(int grub_fd, const char *name, char **ret, struct err *e);

#endif
