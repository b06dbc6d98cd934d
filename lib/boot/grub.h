/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_BOOT_GRUB_H
#define XENTEST_BOOT_GRUB_H

#include "base/err.h"
#include "boot/boot.h"

/* Our entry's id: what grub-reboot is given. */
#define GRUB_ENTRY "xentest"

#define GRUB_DIR "boot/grub"
#define GRUB_CFG_NAME "grub.cfg"

/* boot_check(), boot_arm() and boot_disarm() for GRUB 2; see there. */
int grub_check(const struct boot_plan *plan, struct err *e);
int grub_arm(const struct boot_plan *plan, struct err *e);
int grub_disarm(const struct boot_plan *plan, struct err *e);

#endif
