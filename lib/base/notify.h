/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_BASE_NOTIFY_H
#define XENTEST_BASE_NOTIFY_H

/*
 * What a daemon tells systemd of itself: sd_notify(3). Nothing happens where
 * nobody listens.
 */

/* READY=1: what was promised to units that come after has been done. */
void notify_ready(void);

/* STATUS=: the line in "systemctl status", for people. */
void notify_status(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* STOPPING=1 */
void notify_stopping(void);

#endif
