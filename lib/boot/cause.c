/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/cause.h"

#include <string.h>

#include "base/cleanup.h"

static const char *const texts[] = {
	[CAUSE_UNKNOWN] = "unknown",
	[CAUSE_XENBUILDD] = "asked by xenbuildd",
	[CAUSE_XENSTARTDOMSD] = "asked by xenstartdomsd",
	[CAUSE_TEST] = "asked by a test",
	[CAUSE_XEN_PANIC] = "Xen panic",
	[CAUSE_DOM0_PANIC] = "dom0 panic",
	[CAUSE_XEN_WATCHDOG] = "Xen watchdog",
	[CAUSE_DOM0_WATCHDOG] = "dom0 watchdog",
	[CAUSE_OPERATOR] = "operator",
	[CAUSE_POWER_LOSS] = "power loss",
};

const char *cause_text(enum cause cause)
{
	return (size_t)cause < ARRAY_SIZE(texts) ? texts[cause] : "unknown";
}

enum cause cause_from_text(const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (strcmp(texts[i], text) == 0)
			return (enum cause)i;
	return CAUSE_UNKNOWN;
}

bool cause_is_asked(enum cause cause)
{
	return cause == CAUSE_XENBUILDD || cause == CAUSE_XENSTARTDOMSD ||
	       cause == CAUSE_TEST;
}

bool cause_is_crash(enum cause cause)
{
	return cause == CAUSE_XEN_PANIC || cause == CAUSE_DOM0_PANIC ||
	       cause == CAUSE_XEN_WATCHDOG || cause == CAUSE_DOM0_WATCHDOG;
}

static enum cause of_ring(enum ring_end end)
{
	switch (end) {
	case RING_WATCHDOG:
		return CAUSE_XEN_WATCHDOG;
	case RING_PANIC:
		return CAUSE_XEN_PANIC;
	case RING_DOM0_CRASH:
		return CAUSE_DOM0_PANIC;
	case RING_DOM0_WATCHDOG:
		return CAUSE_DOM0_WATCHDOG;
	case RING_REBOOT:
		return CAUSE_OPERATOR; /* dom0 asked; who, see below */
	case RING_SILENT:
		break;
	}
	return CAUSE_UNKNOWN;
}

enum cause cause_decide(const struct cause_signs *signs)
{
	enum cause told = signs->ring_found ? of_ring(signs->ring) :
					      CAUSE_UNKNOWN;

	if (cause_is_crash(told))
		return told;
	if (signs->dump)
		return CAUSE_DOM0_PANIC;
	/* Cut off on the way down is cut off, unless it had got that far. */
	if (signs->memory_lost && !signs->clean)
		return CAUSE_POWER_LOSS;
	if (signs->asked != CAUSE_UNKNOWN)
		return signs->asked;
	if (signs->clean)
		return CAUSE_OPERATOR;
	return told;
}
