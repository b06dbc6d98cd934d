/* SPDX-License-Identifier: BSD-2-Clause */
#include "xenstartdomsd.h"

#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "base/json.h"
#include "boot/boot.h"
#include "boot/reboot.h"

/* Into Xen once more, back to the old system, or nowhere at all. */

/* ---- once more --------------------------------------------------------- */

struct armed {
	char *hypervisor;
};

static void take_armed(void *arg, const struct json *event)
{
	struct armed *armed = arg;
	const char *path = json_get_string(event, "hypervisor", NULL);

	if (strcmp(json_get_string(event, "event", ""), "armed") != 0)
		return;
	free(armed->hypervisor);
	armed->hypervisor = path == NULL ? NULL : strdup(path);
}

static int arm(struct host *host, struct err *e)
{
	struct armed armed = { .hypervisor = NULL };
	struct boot_plan plan;
	int r;

	r = boot_plan_make(host->loop, host->root_fd, host->run->id,
			   &host->run->control->preferences, &plan, e);
	if (r == 0)
		r = record_read(host->run->fd, RECORD_NAME, take_armed, &armed,
				e);
	if (r == 0) {
		/* As xenbuildd had it; a boot entry of the user's needs none. */
		plan.hypervisor = armed.hypervisor;
		ring_mark(host->run->id, host->marker.boots_left, plan.mark);
		r = boot_arm(&plan, e);
	}
	free(armed.hypervisor);
	return r;
}

static bool by_hand(const struct host *host)
{
	return host->run->control->preferences.boot_method == CONTROL_BOOT_NONE;
}

int host_boot_again(struct host *host, enum cause cause, struct err *e)
{
	int r;

	/* Counted first: a boot that nobody counted could go on for ever. */
	host->marker.boots_left--;
	memcpy(host->marker.boot_id, host->boot_id,
	       sizeof(host->marker.boot_id));
	r = marker_save(host->root_fd, &host->marker, e);
	if (r == 0)
		r = arm(host, e);
	if (r == 0)
		r = run_note_reboot(host->run, cause_text(cause), e);
	if (r == 0 && by_hand(host))
		journal_say(&host->about, JOURNAL_REBOOTING, LOG_NOTICE,
			    "Reboot into Xen, and the run goes on");
	else if (r == 0)
		r = host_reboot(host, "into Xen again, to go on", e);
	return r < 0 ? err_wrap(e, r, "boot into Xen again") : 0;
}

static const struct guest *find_rebooting(const struct host *host)
{
	for (size_t i = 0; i < host->guest_count; i++)
		if (host->guests[i].state == GUEST_REBOOTING)
			return &host->guests[i];
	return NULL;
}

/*
 * Only an orderly end of this boot is the reboot that was asked for: without
 * the last event the next boot has another cause, which ends the test.
 */
int host_come_back(struct host *host, struct err *e)
{
	int r;

	if (find_rebooting(host) == NULL)
		return 0;
	if (host->marker.boots_left == 0)
		return err_set(e, -ELOOP,
			       "a test asked for a reboot, and no more boots are left");
	host_gather(host);
	r = host_boot_again(host, CAUSE_TEST, e);
	if (r == 0)
		r = run_note_shutdown(host->run, e);
	return r < 0 ? r : 1;
}

int host_reboot(struct host *host, const char *why, struct err *e)
{
	journal_say(&host->about, JOURNAL_REBOOTING, LOG_NOTICE,
		    "Rebooting %s", why);
	return reboot_now(e);
}

/* ---- the end ----------------------------------------------------------- */

static int disarm(struct host *host, struct err *e)
{
	struct boot_plan plan;
	int r;

	r = boot_plan_make(host->loop, host->root_fd, host->run->id,
			   &host->run->control->preferences, &plan, e);
	return r < 0 ? r : boot_disarm(&plan, e);
}

int host_end(struct host *host, const char *result, const char *message,
	     struct err *e)
{
	struct err trouble = ERR_NONE;
	int r;

	if (disarm(host, &trouble) < 0)
		journal_say(&host->about, JOURNAL_PLAIN, LOG_WARNING,
			    "The boot entry stays: %s", trouble.text);
	/*
	 * The marker goes last: without it nobody would finish what a power
	 * cut leaves half done here.
	 */
	r = run_end(host->run, result, message, e);
	if (r < 0)
		return r;
	return marker_remove(host->root_fd, e);
}
