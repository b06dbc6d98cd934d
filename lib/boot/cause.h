/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_BOOT_CAUSE_H
#define XENTEST_BOOT_CAUSE_H

#include <stdbool.h>

#include "boot/ring.h"

/* Why a boot of a run came: exactly one of these. xentest-record(5), "boot". */
enum cause {
	CAUSE_UNKNOWN,
	CAUSE_XENBUILDD,     /* it asked for the first boot into Xen */
	CAUSE_XENSTARTDOMSD, /* it asked, to go on or to go back */
	CAUSE_TEST,	     /* a test asked, with `xentest reboot` */
	CAUSE_XEN_PANIC,
	CAUSE_DOM0_PANIC,
	CAUSE_XEN_WATCHDOG,
	CAUSE_DOM0_WATCHDOG,
	CAUSE_OPERATOR, /* somebody else asked */
	CAUSE_POWER_LOSS,
};

/* What the boot that ended left behind. */
struct cause_signs {
	enum cause asked;   /* who of us asked for a reboot; CAUSE_UNKNOWN */
	bool clean;	    /* systemd took it down in an orderly way */
	bool dump;	    /* pstore(5) has a panic of its kernel */
	bool ring_found;
	enum ring_end ring; /* where one was found */
	/*
	 * Memory was looked at, nothing of that Xen is in it, and on this
	 * machine it has been seen to survive a reset.
	 */
	bool memory_lost;
};

/**
 * cause_decide() - the one cause that the signs speak for
 *
 * Evidence of how it ended outweighs what was planned: a panic on the way down
 * to a reboot that was asked for is a panic. Nothing at all is
 * CAUSE_UNKNOWN, never a guess.
 */
enum cause cause_decide(const struct cause_signs *signs);

/* "asked by xenbuildd", "Xen panic", "power loss", "unknown", … */
const char *cause_text(enum cause cause);
/* And back; CAUSE_UNKNOWN for any other word. */
enum cause cause_from_text(const char *text);

/* Did one of us, or a test, ask for it? */
bool cause_is_asked(enum cause cause);
/* Was it the fault of Xen or of dom0's kernel? */
bool cause_is_crash(enum cause cause);

#endif
