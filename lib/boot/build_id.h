/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_BOOT_BUILD_ID_H
#define XENTEST_BOOT_BUILD_ID_H

#include <stddef.h>

#include "base/err.h"

/* 64 bytes as hex and a NUL; the linker's own are 16 or 20 bytes. */
enum { BUILD_ID_MAX = 129 };

/**
 * build_id_find() - the GNU build id inside an ELF image
 * @image: any bytes
 * @hex:   lower case; written on success only
 *
 * Looks at the notes of every PT_NOTE segment, 32-bit and 64-bit,
 * little-endian. Every offset and length is checked: the bytes may come from
 * anywhere.
 *
 * Return: 0; -ENODATA when it has none; -ENOEXEC when it is not such an ELF.
 * Source: elf(5); NT_GNU_BUILD_ID is 3, of owner "GNU". Xen's image is made by
 * xen/arch/x86/boot/mkelf32.c, which gives it one PT_NOTE.
 */
int build_id_find(const void *image, size_t length, char hex[static BUILD_ID_MAX],
		  struct err *e);

/**
 * build_id_read() - the GNU build id of a hypervisor's file
 * @dir_fd: where it is
 * @name:   a regular file: an ELF, plain or in gzip, 64 MiB at most either way
 *
 * Return: 0; -ENODATA, -ENOEXEC; -EBADMSG for broken gzip, -EFBIG; or another
 * negative errno of file_read().
 */
int build_id_read(int dir_fd, const char *name, char hex[static BUILD_ID_MAX],
		  struct err *e);

#endif
