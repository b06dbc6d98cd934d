/* SPDX-License-Identifier: BSD-2-Clause */
#include "xenstartdomsd.h"

#include <fcntl.h>
#include <string.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"

/* Which boot is this: the one that was asked for, or what came instead? */

#define STAGE "prove"

/* ---- the record -------------------------------------------------------- */

struct seeking {
	const char *boot_id;
	bool found;
};

static void seek_boot(void *arg, const struct json *event)
{
	struct seeking *seeking = arg;

	if (strcmp(json_get_string(event, "event", ""), "boot") == 0 &&
	    strcmp(json_get_string(event, "boot", ""), seeking->boot_id) == 0)
		seeking->found = true;
}

/* A daemon that is restarted does not tell of its boot again. */
static bool is_noted(const struct host *host)
{
	struct seeking seeking = { .boot_id = host->boot_id };
	struct err ignored = ERR_NONE;

	record_read(host->run->fd, RECORD_NAME, seek_boot, &seeking, &ignored);
	return seeking.found;
}

static int add(struct host *host, struct json *event, struct err *e)
{
	int r = record_add(host->run->record, event, e);

	return r < 0 ? r : record_sync(host->run->record, e);
}

/* Why this boot came, and what was open when the one before it ended. */
struct arrival {
	enum cause cause;
	struct json *charged; /* NULL: nothing */
};

static void arrival_done(struct arrival *arrival)
{
	json_free(arrival->charged);
}

static struct json *boot_event(const struct host *host, const char *system,
			       struct arrival *arrival, const char *message)
{
	struct json *event = record_event("boot");

	json_set_string(event, "system", system);
	json_set_string(event, "cause", cause_text(arrival->cause));
	json_set_string(event, "message", message);
	json_set_string(event, "kernel", host->running.kernel);
	if (json_count(arrival->charged) > 0)
		json_set(event, "charged", TAKE_PTR(arrival->charged));
	return event;
}

static int note_linux(struct host *host, struct arrival *arrival,
		      const char *message, struct err *e)
{
	return add(host, boot_event(host, "linux", arrival, message), e);
}

static int note_xen(struct host *host, const struct domains_version *version,
		    struct arrival *arrival, bool proven, const char *message,
		    struct err *e)
{
	struct json *event = boot_event(host, "xen", arrival, message);

	json_set_string(event, "xen", version->xen);
	json_set_string(event, "changeset", version->changeset);
	json_set_string(event, "build_id", version->build_id);
	json_set_string(event, "command_line", version->command_line);
	json_set_bool(event, "proven", proven);
	return add(host, event, e);
}

/* ---- in dom0 ----------------------------------------------------------- */

/* The wrong Xen, or none: the run ends, and the old system is better known. */
static int boot_failed(struct host *host, const char *message, struct err *e)
{
	int r;

	journal_say(&host->about, JOURNAL_BOOT_FAILED, LOG_ERR, "%s", message);
	r = run_note_stage(host->run, STAGE, "failed", message, e);
	if (r == 0)
		r = host_end(host, "boot failed", message, e);
	return r < 0 ? r : 1;
}

static int wrong_xen(struct host *host, const struct domains_version *version,
		     struct arrival *arrival, struct err *e)
{
	bool stay = host->marker.stay;
	char message[512];
	int r;

	snprintf(message, sizeof(message),
		 "another Xen is running: %s with build id %s, not %s",
		 version->xen,
		 version->build_id[0] == '\0' ? "unknown" : version->build_id,
		 host->marker.build_id);
	r = note_xen(host, version, arrival, false, message, e);
	if (r == 0)
		r = boot_failed(host, message, e);
	if (r < 0 || stay)
		return r;
	r = host_reboot(host, "into the old system", e);
	return r < 0 ? r : 1;
}

static int say_proven(struct host *host, const struct domains_version *version,
		      struct arrival *arrival, struct err *e)
{
	const char *message = host->marker.build_id[0] == '\0' ?
				      "no build id was expected" :
				      "the build id is the expected one";
	int r;

	r = note_xen(host, version, arrival, host->marker.build_id[0] != '\0',
		     message, e);
	if (r == 0)
		r = run_note_stage(host->run, STAGE, "ok", NULL, e);
	if (r == 0)
		journal_say(&host->about, JOURNAL_BOOT_PROVEN, LOG_NOTICE,
			    "Xen %s is running, build id %s: %s", version->xen,
			    version->build_id, message);
	return r;
}

/* The tests that were open, by what the record and the share tell. */
static int charge(struct host *host, struct arrival *arrival, struct err *e)
{
	int r = guests_new(host, e);

	if (r == 0)
		arrival->charged = charge_open_tests(host);
	return r;
}

/*
 * With Xen as the default entry a machine that goes down comes up in Xen
 * again; and after a test that asked for it. Nobody can look into the memory then: dom0 has its own alone.
 */
static int came_from_xen(struct host *host, const struct history *history,
			  struct arrival *arrival, struct err *e)
{
	struct evidence evidence;
	int r;

	evidence_keep(host, history, true, &evidence);
	evidence.signs.clean = history->clean;
	/* Cut off before it is not the reboot that the test asked for. */
	if (history->clean)
		evidence.signs.asked = history->asked;
	arrival->cause = cause_decide(&evidence.signs);
	if (cause_is_asked(arrival->cause))
		return 0;
	journal_say(&host->about, JOURNAL_PLAIN, LOG_WARNING,
		    "The machine went down during the tests: %s (%s), boots left: %u",
		    cause_text(arrival->cause), evidence.found,
		    host->marker.boots_left);
	r = charge(host, arrival, e);
	guests_free(host);
	if (r < 0 || host->marker.boots_left == 0)
		return r < 0 ? r :
			       err_set(e, -ELOOP,
				       "the machine went down too often: %s",
				       cause_text(arrival->cause));
	host->marker.boots_left--;
	return 0;
}

static int take_arrival(struct host *host, struct arrival *arrival,
			struct err *e)
{
	struct history history;
	int r = history_read(host, &history, e);

	if (r < 0)
		return r;
	arrival->cause = history.asked;
	if (history.asked == CAUSE_UNKNOWN &&
	    host->marker.stage == MARKER_BOOT)
		arrival->cause = CAUSE_XENBUILDD; /* by hand, as it had said */
	if (arrival->cause == CAUSE_UNKNOWN || arrival->cause == CAUSE_TEST)
		r = came_from_xen(host, &history, arrival, e);
	return r;
}

static int look_at_xen(struct host *host, struct err *e)
{
	CLEANUP(arrival_done) struct arrival arrival = { .charged = NULL };
	struct domains_version version;
	int r;

	r = domains_open(&host->xen, e);
	if (r == 0)
		r = domains_version(host->xen, &version, e);
	if (r == 0 && !is_noted(host))
		r = take_arrival(host, &arrival, e);
	if (r < 0)
		return r;
	if (host->marker.build_id[0] != '\0' &&
	    strcmp(host->marker.build_id, version.build_id) != 0)
		return wrong_xen(host, &version, &arrival, e);
	return is_noted(host) ? 0 : say_proven(host, &version, &arrival, e);
}

static int prove_dom0(struct host *host, struct err *e)
{
	int r = look_at_xen(host, e);

	if (r != 0)
		return r;
	host->marker.stage = MARKER_TEST;
	memcpy(host->marker.boot_id, host->boot_id,
	       sizeof(host->marker.boot_id));
	r = marker_save(host->root_fd, &host->marker, e);
	return r < 0 ? r : store_open(host->loop, &host->store, e);
}

/* ---- on bare Linux ----------------------------------------------------- */

/* How the boot before this one ended: the one that was asked for, or dom0's. */
static int look_back(struct host *host, struct history *history,
		     struct evidence *evidence, struct err *e)
{
	bool was_left;
	int r = history_read(host, history, e);

	if (r < 0)
		return r;
	/* The boot that asked for Xen: what came of it has written nothing. */
	was_left = strcmp(history->wrote, host->marker.boot_id) == 0 &&
		   (history->asked != CAUSE_UNKNOWN ||
		    host->marker.stage == MARKER_BOOT);
	evidence_keep(host, history, !was_left, evidence);
	if (!was_left) {
		evidence->signs.asked = history->asked;
		evidence->signs.clean = history->clean;
	}
	return 0;
}

/* Not the fault of this Xen, and worth another try. */
static bool may_try_again(const struct host *host, enum cause cause)
{
	return host->marker.boots_left > 0 &&
	       (cause == CAUSE_POWER_LOSS || cause == CAUSE_OPERATOR);
}

static int never_came_up(struct host *host, struct err *e)
{
	CLEANUP(arrival_done) struct arrival arrival = { .charged = NULL };
	struct evidence evidence;
	struct history history;
	char message[512];
	int r;

	r = look_back(host, &history, &evidence, e);
	if (r < 0)
		return r;
	arrival.cause = cause_decide(&evidence.signs);
	snprintf(message, sizeof(message),
		 "the new Xen did not come up, the old system runs again: %s (%s)",
		 cause_text(arrival.cause), evidence.found);
	r = note_linux(host, &arrival, message, e);
	if (r < 0)
		return r;
	if (!may_try_again(host, arrival.cause))
		return boot_failed(host, message, e);
	r = host_boot_again(host, CAUSE_XENSTARTDOMSD, e);
	return r < 0 ? r : 1;
}

static int no_more_boots(struct host *host, const char *message, struct err *e)
{
	int r;

	for (size_t i = 0; i < host->guest_count; i++)
		if (!guest_is_final(&host->guests[i]))
			guest_note(&host->guests[i], "given up", message, NULL);
	r = host_end(host, "failed", message, e);
	return r < 0 ? r : 1;
}

/* Starting it is what brought the machine down: never again. */
static void give_up_starting(struct host *host, enum cause cause)
{
	char message[96];

	snprintf(message, sizeof(message), "%s while it was started",
		 cause_text(cause));
	for (size_t i = 0; i < host->guest_count; i++)
		if (host->guests[i].state == GUEST_PENDING &&
		    host->guests[i].was_starting)
			guest_note(&host->guests[i], "given up", message, NULL);
}

static int went_down(struct host *host, struct err *e)
{
	CLEANUP(arrival_done) struct arrival arrival = { .charged = NULL };
	struct evidence evidence;
	struct history history;
	char message[512];
	bool fruitless;
	int r;

	r = look_back(host, &history, &evidence, e);
	if (r == 0)
		r = charge(host, &arrival, e);
	if (r < 0)
		return r;
	arrival.cause = cause_decide(&evidence.signs);
	fruitless = json_count(arrival.charged) == 0 &&
		    !cause_is_asked(arrival.cause);
	snprintf(message, sizeof(message),
		 "the machine went down during the tests: %s (%s)",
		 cause_text(arrival.cause), evidence.found);
	journal_say(&host->about, JOURNAL_PLAIN, LOG_WARNING,
		    "T%s, boots left: %u", message + 1,
		    host->marker.boots_left);
	r = note_linux(host, &arrival, message, e);
	if (r < 0)
		return r;
	if (host->marker.boots_left == 0 ||
	    (fruitless && history.fruitless + 1 >= HOST_FRUITLESS_MAX))
		return no_more_boots(host, message, e);
	if (cause_is_crash(arrival.cause))
		give_up_starting(host, arrival.cause);
	r = host_boot_again(host, CAUSE_XENSTARTDOMSD, e);
	return r < 0 ? r : 1;
}

static int prove_linux(struct host *host, struct err *e)
{
	if (strcmp(host->marker.boot_id, host->boot_id) == 0) {
		journal_say(&host->about, JOURNAL_PLAIN, LOG_INFO,
			    "The reboot into Xen is still to come: nothing to do");
		return 1;
	}
	return host->marker.stage == MARKER_BOOT ? never_came_up(host, e) :
						   went_down(host, e);
}

/* ---- either ------------------------------------------------------------ */

static int say_nothing_to_do(const struct host *host, const char *why)
{
	journal_say(&host->about, JOURNAL_PLAIN, LOG_INFO,
		    "%s: nothing to do", why);
	return 1;
}

/* A power cut came between the end of the run and that of its marker. */
static int put_marker_away(struct host *host, struct err *e)
{
	int r = marker_remove(host->root_fd, e);

	return r < 0 ? r : say_nothing_to_do(host, "The run has ended");
}

static void seek_end(void *arg, const struct json *event)
{
	bool *ended = arg;

	if (strcmp(json_get_string(event, "event", ""), "end") == 0)
		*ended = true;
}

/* A power cut came after its last event: the rest is tidied up, no more. */
static int end_again(struct host *host, struct err *e)
{
	int r = host_end(host, "failed", "it had ended", e);

	return r < 0 ? r : say_nothing_to_do(host, "The run has ended");
}

static int take_up_run(struct host *host, bool *ended, struct err *e)
{
	int r;

	r = run_load(host->root_fd, &host->run, seek_end, ended, e);
	if (r < 0)
		return r;
	host->about.run = host->run->id;
	if (strcmp(host->run->id, host->marker.run) == 0)
		return 0;
	run_freep(&host->run); /* not ours to end */
	host->about.run = NULL;
	return err_set(e, -EBADMSG,
		       MARKER_PATH " is of run %s, which is not the one that is going on",
		       host->marker.run);
}

/* What it said is lost: the run ends with that, not with each boot anew. */
static int give_up_marker(struct host *host, int reason, struct err *e)
{
	struct err failed = ERR_NONE;
	int r;

	r = running_read(host->root_fd, &host->running, &failed);
	if (r == 0)
		r = run_load(host->root_fd, &host->run, NULL, NULL, &failed);
	if (r == -ENOENT)
		return put_marker_away(host, e);
	if (r == 0)
		host->about.run = host->run->id;
	return reason;
}

int host_prove(struct host *host, struct err *e)
{
	bool ended = false;
	int r;

	r = marker_load(host->root_fd, &host->marker, e);
	if (r == -ENOENT)
		return say_nothing_to_do(host, "No run is going on");
	if (r == -EBADMSG)
		return give_up_marker(host, r, e);
	if (r == 0)
		r = running_read(host->root_fd, &host->running, e);
	if (r == 0)
		r = run_boot_id(host->boot_id, e);
	if (r < 0)
		return r;
	if (host->running.role == RUNNING_GUEST)
		return say_nothing_to_do(host, "This is a guest, not dom0");
	r = take_up_run(host, &ended, e);
	if (r == -ENOENT)
		return put_marker_away(host, e);
	if (r < 0)
		return r;
	if (ended)
		return end_again(host, e);
	return host->running.role == RUNNING_DOM0 ? prove_dom0(host, e) :
						    prove_linux(host, e);
}

void host_done(struct host *host)
{
	guests_free(host);
	store_unwatch(host->introduced);
	store_unwatch(host->released);
	loop_source_free(host->run_timer);
	store_close(host->store);
	domains_close(host->xen);
	run_free(host->run);
	loop_free(host->loop);
	fd_close(&host->root_fd);
}
