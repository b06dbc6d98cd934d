/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_XEN_DOMAINS_H
#define XENTEST_XEN_DOMAINS_H

#include <stdint.h>

#include "base/err.h"

/*
 * What the hypervisor says about itself and its domains: dom0 only.
 * libxenctrl stands behind it, in domains.c alone, by calls that it has had
 * from Xen 4.14 to today.
 */
struct domains;

enum domains_state {
	DOMAINS_GONE, /* no such domain */
	DOMAINS_RUNNING, /* on a CPU, or ready for one */
	DOMAINS_BLOCKED, /* waits for an event */
	DOMAINS_PAUSED, /* by us */
	DOMAINS_SHUTDOWN, /* ended by itself, see the reason */
	DOMAINS_DYING, /* being taken apart; the reason may still be known */
};

/* Source: xen/include/public/sched.h, SHUTDOWN_*. */
enum domains_reason {
	DOMAINS_POWEROFF = 0,
	DOMAINS_REBOOT = 1,
	DOMAINS_SUSPEND = 2,
	DOMAINS_CRASH = 3,
	DOMAINS_WATCHDOG = 4,
	DOMAINS_SOFT_RESET = 5,
	DOMAINS_NO_REASON = 255, /* it has not shut down */
};

struct domains_info {
	enum domains_state state;
	unsigned int reason; /* enum domains_reason, or one that is newer */
};

/* Plain text; empty for what Xen does not tell. */
struct domains_version {
	char xen[64]; /* "4.17.7" */
	char changeset[64];
	char build_id[129]; /* lower-case hex */
	char command_line[1024];
};

/**
 * domains_open() - open the hypervisor's control interface
 *
 * Return: 0; -ENOENT when the kernel has no /dev/xen/privcmd (no Xen, or
 * before xen.service loaded the module xen-privcmd), -EPERM, -EACCES.
 */
int domains_open(struct domains **ret, struct err *e);
void domains_close(struct domains *domains); /* NULL is fine */
void domains_closep(struct domains **domains);

/**
 * domains_info() - how a domain is
 * @domid: 0 to 0x7fef
 *
 * A domain that is gone is an answer, not a failure.
 *
 * Return: 0 or a negative errno; -EACCES when libxenctrl belongs to another
 * Xen than the one that runs.
 */
int domains_info(struct domains *domains, unsigned int domid,
		 struct domains_info *ret, struct err *e);

/**
 * domains_version() - which hypervisor this is
 *
 * Works with any Xen, whatever version the libraries are of.
 *
 * Return: 0 or a negative errno.
 * Source: xen/include/public/version.h.
 */
int domains_version(struct domains *domains, struct domains_version *ret,
		    struct err *e);

/**
 * domains_arm_watchdog() - have Xen end this domain if nobody feeds its watchdog
 * @limit_s: seconds; in dom0 the end of the domain is a reset of the machine
 * @ret_id:  1 or 2, for domains_feed_watchdog(); outlives this process
 *
 * Return: 0 or a negative errno; -ENOSPC or -EEXIST when all of this domain's
 * watchdogs are somebody's.
 * Source: xen/include/public/sched.h, SCHEDOP_watchdog.
 */
int domains_arm_watchdog(struct domains *domains, uint32_t limit_s,
			 uint32_t *ret_id, struct err *e);

/**
 * domains_feed_watchdog() - another @limit_s seconds; 0: put it away
 *
 * Return: 0 or a negative errno; -EINVAL when there is none of that id.
 */
int domains_feed_watchdog(struct domains *domains, uint32_t id,
			  uint32_t limit_s, struct err *e);

/**
 * domains_describe() - "running", "paused", "shut down: crash", "gone", …
 * @buffer: at least 48 bytes
 *
 * Return: @buffer.
 */
const char *domains_describe(const struct domains_info *info,
			     char buffer[static 48]);
/* "poweroff", "reboot", "crash", …; "reason 7" written to @buffer. */
const char *domains_reason_text(unsigned int reason, char buffer[static 48]);

#endif
