/* SPDX-License-Identifier: BSD-2-Clause */
#include "xen/domains.h"

#include <stdio.h>

#include "base/cleanup.h"

/* Words only: apart from domains.c, which knows libxenctrl. */

const char *domains_reason_text(unsigned int reason, char buffer[static 48])
{
	static const char *const texts[] = {
		[DOMAINS_POWEROFF] = "poweroff", [DOMAINS_REBOOT] = "reboot",
		[DOMAINS_SUSPEND] = "suspend",	 [DOMAINS_CRASH] = "crash",
		[DOMAINS_WATCHDOG] = "watchdog",
		[DOMAINS_SOFT_RESET] = "soft reset",
	};

	if (reason < ARRAY_SIZE(texts))
		snprintf(buffer, 48, "%s", texts[reason]);
	else
		snprintf(buffer, 48, "reason %u", reason);
	return buffer;
}

const char *domains_describe(const struct domains_info *info,
			     char buffer[static 48])
{
	static const char *const texts[] = {
		[DOMAINS_GONE] = "gone",       [DOMAINS_RUNNING] = "running",
		[DOMAINS_BLOCKED] = "idle",    [DOMAINS_PAUSED] = "paused",
		[DOMAINS_SHUTDOWN] = "shut down", [DOMAINS_DYING] = "dying",
	};
	char reason[48];

	if (info->reason == DOMAINS_NO_REASON)
		snprintf(buffer, 48, "%s", texts[info->state]);
	else
		snprintf(buffer, 48, "%s: %.30s", texts[info->state],
			 domains_reason_text(info->reason, reason));
	return buffer;
}
