/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_BOOT_BOOT_H
#define XENTEST_BOOT_BOOT_H

#include <stdbool.h>

#include "base/err.h"
#include "base/loop.h"
#include "boot/ring.h"
#include "control/control.h"

/*
 * "Boot this hypervisor once, and then the old system again": the method is
 * the control file's boot_method. What could go wrong is looked for before the
 * reboot, as nobody stands beside the machine after it.
 */

/* Strings are borrowed, and NULL when there are none. */
struct boot_plan {
	struct loop *loop;
	int root_fd;
	const char *run; /* its id */
	const char *hypervisor; /* "/boot/xen-4.17.5.gz"; NULL: not known yet */
	enum control_boot method;
	const char *entry;   /* boot_entry: boot this one, make none */
	const char *command; /* boot_command */
	bool stay;	     /* on_failure = stay */
	bool watchdog;
	char mark[RING_MARK_MAX]; /* of this boot: ring_mark(); or "" */
	int log_fd; /* for what boot_command prints; -1: nowhere */
};

/**
 * boot_plan_make() - what the control file asks for
 * @preferences: outlives the plan
 *
 * CONTROL_BOOT_AUTO becomes grub when there is a /boot/grub/grub.cfg.
 *
 * Return: 0; -ENOTSUP when auto finds no boot loader that it knows; -EINVAL
 * for boot_method = command without boot_command.
 */
int boot_plan_make(struct loop *loop, int root_fd, const char *run,
		   const struct control_preferences *preferences,
		   struct boot_plan *ret, struct err *e);

/**
 * boot_check() - could boot_arm() work, and would the machine come back?
 *
 * Changes nothing; @plan->hypervisor is not needed. Before everything that
 * takes long.
 *
 * Return: 0 or a negative errno, with a sentence that says what to do.
 */
int boot_check(const struct boot_plan *plan, struct err *e);

/**
 * boot_arm() - arrange that the next boot, and only that one, is Xen
 *
 * With grub: our own entry is written, named for the next boot, and all of it
 * read back. With command: it runs in sh with XENTEST_RUN, XENTEST_MARK (a word
 * for Xen's command line), XENTEST_XEN (path of the hypervisor), XENTEST_KERNEL, XENTEST_INITRD and XENTEST_CMDLINE
 * (root=…) where these are known, for ten minutes at most; exit status 0 means
 * arranged. With none: nothing.
 *
 * Return: 0 or a negative errno; then nothing is arranged, but for what the
 * command may have done.
 */
int boot_arm(const struct boot_plan *plan, struct err *e);

/**
 * boot_disarm() - take back what boot_arm() did
 *
 * With grub: our entry, and next_entry where it still names it. Fine when
 * there is nothing to take back.
 */
int boot_disarm(const struct boot_plan *plan, struct err *e);

/* "grub", "command", "none", "auto". */
const char *boot_method_text(enum control_boot method);

/**
 * boot_newest_xen() - the hypervisor that is there
 * @ret: "/boot/NAME", the caller's
 *
 * Of the regular files /boot/xen*: what update-grub passes over is passed over
 * (syms, config, efi, policies), and so are those that are not an ELF. Builds
 * of earlier runs (…-xt and 8 digits) count only when there is nothing else.
 * The highest version wins, as in update-grub's menu.
 *
 * Return: 0; -ENOENT when there is none; or another negative errno.
 */
int boot_newest_xen(int root_fd, char **ret, struct err *e);

/* Might /boot/NAME be a hypervisor, going by its name? */
bool boot_is_xen_name(const char *name);

#endif
