/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_BOOT_GRUB_SETTINGS_H
#define XENTEST_BOOT_GRUB_SETTINGS_H

#include <stdbool.h>

#include "base/err.h"
#include "base/loop.h"
#include "boot/boot.h"

/* The options that update-grub would give to an entry with Xen. */
struct grub_settings {
	char *xen;  /* "dom0_mem=640M,max:640M loglvl=all " */
	char *dom0;  /* "console=hvc0 panic=10 " */
};

/**
 * grub_settings_read() - ask the system's own settings
 * @root: path of the root directory, "" for "/"
 * @ret:  release with grub_settings_done()
 *
 * /etc/default/grub and /etc/default/grub.d/NAME.cfg are shell scripts, so sh
 * reads them, in update-grub's order; GRUB_CMDLINE_XEN, …_XEN_DEFAULT,
 * …_LINUX, …_LINUX_DEFAULT, …_LINUX_XEN_REPLACE, …_LINUX_XEN_REPLACE_DEFAULT.
 * The texts are as they stand there: words of a GRUB script, with whatever
 * quoting its author gave them, on one line.
 *
 * Return: 0; -EPROTO when one of these files fails; or another negative errno.
 * Source: grub-mkconfig(8); /etc/grub.d/20_linux_xen.
 */
int grub_settings_read(struct loop *loop, const char *root,
		       struct grub_settings *ret, struct err *e);

void grub_settings_done(struct grub_settings *settings);

/**
 * grub_settings_ours() - what is added, so that the machine comes back alone
 * @plan: its stay, watchdog and mark are looked at
 *
 * Xen: the mark, and "conring_size=1M" for all that follows it to have room;
 * "watchdog", so that a hypervisor that hangs panics; "noreboot=no" after a
 * "noreboot" of the user's. Linux: "panic=10". None of these where the options
 * have one already. With stay: Xen "noreboot", so that a panic stays on the
 * screen, and no watchdog.
 *
 * Return: 0 or -ENOMEM.
 * Source: xen-command-line(7), "watchdog", "noreboot"; Linux,
 * kernel-parameters, "panic".
 */
int grub_settings_ours(struct grub_settings *settings,
		       const struct boot_plan *plan, struct err *e);

#endif
