/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_BOOT_REBOOT_H
#define XENTEST_BOOT_REBOOT_H

#include <stdbool.h>

#include "base/err.h"

/**
 * reboot_now() - ask systemd to reboot the machine
 *
 * Through logind, so that inhibitors are heard; where there is no logind,
 * through systemd itself; where there is no bus, as in a small guest, by a
 * signal to systemd. Returns at once; services, this one too, get SIGTERM
 * soon after. Blocks on the answer for 25 s at most (sd-bus's default).
 *
 * Return: 0 when the reboot was accepted; a negative errno with what both of
 * them said.
 * Source: org.freedesktop.login1(5), Manager.Reboot();
 * org.freedesktop.systemd1(5), Manager.StartUnit() of reboot.target;
 * systemd(1), "SIGNALS", SIGRTMIN+5.
 */
int reboot_now(struct err *e);

/**
 * reboot_is_under_way() - is systemd taking the machine down?
 *
 * For who is told to stop: is it the daemon alone, or all of it? Blocks as
 * reboot_now() does.
 *
 * Return: false also when systemd does not say.
 * Source: org.freedesktop.systemd1(5), Manager.SystemState, "stopping".
 */
bool reboot_is_under_way(void);

#endif
