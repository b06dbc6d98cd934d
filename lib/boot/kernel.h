/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_BOOT_KERNEL_H
#define XENTEST_BOOT_KERNEL_H

#include "base/err.h"

/* The kernel that becomes dom0's: the one that runs now has proven itself. */
struct kernel {
	char release[128];
	char image[192];  /* "/boot/vmlinuz-6.1.0-56-amd64" */
	char initrd[192]; /* likewise; "" when it has none */
	char root[512];	  /* "root=UUID=… ro": how this system found its root */
};

/**
 * kernel_find() - find the running kernel's files
 * @root_fd: the root directory; stays the caller's
 *
 * Return: 0; -ENOENT when /boot has no image of that release; -ENOTSUP when
 * its /boot/config-RELEASE says that it cannot be dom0; -ENODATA when the
 * command line names no root; or another negative errno.
 * Source: /etc/grub.d/20_linux_xen for the names; proc(5), /proc/cmdline.
 */
int kernel_find(int root_fd, struct kernel *ret, struct err *e);

#endif
