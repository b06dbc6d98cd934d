/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_BOOT_GRUB_ENTRY_H
#define XENTEST_BOOT_GRUB_ENTRY_H

#include "base/err.h"
#include "base/loop.h"
#include "boot/grub_settings.h"
#include "boot/kernel.h"

/* How GRUB gets at /boot: grub-probe(8). Lists have a space between words. */
struct grub_place {
	char fs_uuid[128];
	char fs[64];	      /* "ext2" */
	char partmap[64];     /* "gpt" */
	char abstraction[128]; /* "lvm"; "" for a plain partition */
	/* Of /boot as GRUB sees it: "/boot", "/@/boot"; "" or "/": the top. */
	char directory[512];
};

/**
 * grub_place_find() - ask grub-probe about /boot
 * @root: path of the root directory, "" for "/"
 *
 * Return: 0; -ENOTSUP when the file system has no UUID; -EPROTO when
 * grub-probe or grub-mkrelpath fails or is missing.
 */
int grub_place_find(struct loop *loop, const char *root,
		    struct grub_place *ret, struct err *e);

/**
 * grub_place_check() - will GRUB be able to clear next_entry?
 *
 * Where it cannot write its environment block, "once" would be for ever.
 *
 * Return: 0, or -EROFS with the reason.
 * Source: grub-reboot(8) for lvm and diskfilter; /etc/grub.d/00_header of
 * Debian and Ubuntu for the file systems.
 */
int grub_place_check(const struct grub_place *place, struct err *e);

/**
 * grub_entry_make() - the text of our menu entry
 * @hypervisor: "/boot/NAME"
 * @settings:   options as words of a GRUB script
 * @fallback:   number of the entry that GRUB takes when it cannot even load
 *              this one, instead of waiting at its menu; -1: none
 * @ret:        whole lines; the caller's
 *
 * Anybody at the console may choose it, also when the menu has a password: it
 * is to boot with nobody there.
 *
 * Return: 0, -EINVAL for a hypervisor outside /boot, -ENOMEM.
 * Source: the GRUB manual, "fallback" (2.06 takes numbers alone, measured);
 * /etc/grub.d/20_linux_xen for the rest.
 */
int grub_entry_make(const char *hypervisor, const struct kernel *kernel,
		    const struct grub_place *place,
		    const struct grub_settings *settings, int fallback,
		    char **ret, struct err *e);

#endif
