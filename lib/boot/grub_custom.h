/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_BOOT_GRUB_CUSTOM_H
#define XENTEST_BOOT_GRUB_CUSTOM_H

#include "base/err.h"

/*
 * /boot/grub/custom.cfg, which grub.cfg reads at its end: our entry stands
 * there between two marker lines, and all else in it is left as it is.
 */

#define GRUB_CUSTOM_NAME "custom.cfg"
#define GRUB_CUSTOM_BEGIN "### BEGIN xentest ###"
#define GRUB_CUSTOM_END "### END xentest ###"

/**
 * grub_custom_merge() - the file with another entry of ours
 * @text:  as it is; "" for none
 * @entry: whole lines; NULL or "" takes ours away
 * @ret:   the caller's
 *
 * Return: 0; -EBADMSG when there is one marker line without the other, or
 * twice: that needs a person.
 */
int grub_custom_merge(const char *text, const char *entry, char **ret,
		      struct err *e);

/**
 * grub_custom_read() - the file, "" for none
 * @ret: the caller's
 */
int grub_custom_read(int grub_fd, char **ret, struct err *e);

/**
 * grub_custom_write() - replace the file, atomically and durably
 * @text: "" removes the file
 *
 * It keeps its permissions.
 */
int grub_custom_write(int grub_fd, const char *text, struct err *e);

#endif
