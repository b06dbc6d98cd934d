/* SPDX-License-Identifier: BSD-2-Clause */
#include "xenbuildd.h"

#include <inttypes.h>
#include <string.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "boot/boot.h"
#include "boot/build_id.h"
#include "boot/cause.h"
#include "boot/marker.h"
#include "boot/reboot.h"

/* Power cuts and the like, for which no test is to blame. */
enum { SPARE_BOOTS = 3 };

/* What the tests of this machine may ask for. */
static uint64_t count_asked(const struct control *control)
{
	const struct control_domain *dom0;
	char hostname[256] = "";

	gethostname(hostname, sizeof(hostname) - 1);
	dom0 = control_find_domain(control, hostname);
	return dom0 == NULL ? 0 : control_reboots(dom0);
}

/*
 * As many boots as the control file can justify, so that a night does not
 * become an endless loop: one for each test, which is over when it takes the
 * machine down, those that tests may ask for, and a few more.
 */
static unsigned int count_boots(const struct control *control)
{
	uint64_t boots = SPARE_BOOTS + count_asked(control);

	for (size_t i = 0; i < control->domain_count; i++)
		boots += control->domains[i].entry_count;
	return boots < MARKER_BOOTS_MAX ? (unsigned int)boots :
					  MARKER_BOOTS_MAX;
}

static int make_plan(struct build *build, struct boot_plan *plan,
		     struct err *e)
{
	return boot_plan_make(build->loop, build->root_fd, build->run->id,
			      &build->run->control->preferences, plan, e);
}

int stage_check(struct build *build, struct err *e)
{
	struct boot_plan plan;
	int r;

	r = make_plan(build, &plan, e);
	return r < 0 ? r : boot_check(&plan, e);
}

/* The Xen that was installed, or with xen-tree = none the one that is there. */
static int name_hypervisor(struct build *build, struct err *e)
{
	CLEANUP(freep) char *newest = NULL;
	CLEANUP(fd_close) int boot_fd = -1;
	struct err none = ERR_NONE;
	int r;

	if (build->xen[0] != '\0')
		return 0;
	if (build->run->control->preferences.boot_entry != NULL)
		return 0; /* that entry knows which */
	r = boot_newest_xen(build->root_fd, &newest, e);
	if (r == 0)
		r = file_open_dir(build->root_fd, "boot", &boot_fd, e);
	if (r < 0)
		return r;
	snprintf(build->xen, sizeof(build->xen), "%s",
		 strrchr(newest, '/') + 1);
	/* One without a build id can be booted, but not be told apart. */
	if (build_id_read(boot_fd, build->xen, build->build_id, &none) < 0)
		build->build_id[0] = '\0';
	return 0;
}

static int note_armed(struct build *build, const char *hypervisor,
		      struct err *e)
{
	struct json *event = record_event("armed");
	int r;

	json_set_string(event, "hypervisor", hypervisor);
	if (build->build_id[0] != '\0')
		json_set_string(event, "build_id", build->build_id);
	r = record_add(build->run->record, event, e);
	return r < 0 ? r : record_sync(build->run->record, e);
}

static int save_marker(const struct build *build, struct err *e)
{
	const struct control_preferences *preferences =
		&build->run->control->preferences;
	struct marker marker = {
		.stage = MARKER_BOOT,
		.boots_left = count_boots(build->run->control),
		.boot_timeout_s = preferences->boot_timeout_s,
		.stay = preferences->on_failure == CONTROL_STAY,
	};
	int r;

	r = run_boot_id(marker.boot_id, e);
	if (r < 0)
		return r;
	snprintf(marker.run, sizeof(marker.run), "%s", build->run->id);
	snprintf(marker.build_id, sizeof(marker.build_id), "%s",
		 build->build_id);
	return marker_save(build->root_fd, &marker, e);
}

/*
 * The marker first, then "boot once": cut in between, the next boot is Linux
 * with a marker, which ends the run as a failed boot. The other way round it
 * would be a Xen that nobody asked for.
 */
int stage_boot(struct build *build, struct err *e)
{
	CLEANUP(fd_close) int log_fd = -1;
	struct boot_plan plan;
	char path[sizeof(build->xen) + 8];
	int r;

	r = make_plan(build, &plan, e);
	if (r == 0)
		r = name_hypervisor(build, e);
	if (r == 0)
		r = build_open_log(build, "boot", &log_fd, e);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "/boot/%s", build->xen);
	plan.hypervisor = build->xen[0] == '\0' ? NULL : path;
	plan.log_fd = log_fd;
	ring_mark(build->run->id, count_boots(build->run->control), plan.mark);
	build->armed = true;
	r = note_armed(build, plan.hypervisor, e);
	if (r == 0)
		r = save_marker(build, e);
	return r < 0 ? r : boot_arm(&plan, e);
}

void undo_boot(struct build *build)
{
	struct err e = ERR_NONE;
	struct boot_plan plan;

	if (!build->armed)
		return;
	/* The entry first: the marker tells the next boot what to expect. */
	if (make_plan(build, &plan, &e) == 0 && boot_disarm(&plan, &e) == 0 &&
	    marker_remove(build->root_fd, &e) == 0)
		return;
	journal_say(&build->about, JOURNAL_FAILURE, LOG_ERR,
		    "What the next boot is could not be taken back: %s",
		    e.text);
}

int stage_reboot(struct build *build, struct err *e)
{
	const char *method =
		boot_method_text(build->run->control->preferences.boot_method);
	int r = run_note_reboot(build->run, cause_text(CAUSE_XENBUILDD), e);

	if (r < 0)
		return r;
	if (build->no_reboot || strcmp(method, "none") == 0) {
		journal_say(&build->about, JOURNAL_REBOOTING, LOG_NOTICE,
			    "Everything is arranged: reboot %s",
			    build->no_reboot ? "when it suits you" :
					       "into the Xen to be tested");
		return 0;
	}
	journal_say(&build->about, JOURNAL_REBOOTING, LOG_NOTICE,
		    "Rebooting, once, into %s",
		    build->xen[0] == '\0' ? "the boot entry" : build->xen);
	return reboot_now(e);
}
