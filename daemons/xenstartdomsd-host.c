/* SPDX-License-Identifier: BSD-2-Clause */
#include "xenstartdomsd.h"

#include <inttypes.h>
#include <string.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/notify.h"
#include "base/text.h"
#include "run/share.h"

/* All domains together: taking them up, publishing, starting, watching. */

#define SECOND_USEC UINT64_C(1000000)

enum { PUBLISH_LIMIT_S = 2 * 60 };

/* ---- what the record says ---------------------------------------------- */

static struct guest *find_guest(struct host *host, const char *name)
{
	for (size_t i = 0; i < host->guest_count; i++)
		if (strcmp(host->guests[i].control->name, name) == 0)
			return &host->guests[i];
	return NULL;
}

static void take_death(struct guest *guest, const struct json *event)
{
	struct death death;

	death_from_json(&death, event);
	guest->deaths++;
	if (death.entry >= 0)
		guest->death = death;
	guest->ours = guest->half_made = guest->away = false;
	guest->state = guest_may_restart(guest, death.reason) ? GUEST_PENDING :
								GUEST_DIED;
}

/* What was open when the machine went down: the guest is told of it. */
static void take_charge(struct host *host, const struct json *event)
{
	const struct json *charged = json_get(event, "charged");

	for (size_t i = 0; i < json_count(charged); i++) {
		const struct json *one = json_at(charged, i);
		struct guest *guest =
			find_guest(host, json_get_string(one, "domain", ""));

		if (guest == NULL)
			continue;
		death_from_json(&guest->death, one);
		snprintf(guest->death.reason, sizeof(guest->death.reason),
			 DEATH_OF_HOST "%.40s",
			 json_get_string(event, "cause", "unknown"));
	}
}

static void take_starting(struct guest *guest, const struct json *event)
{
	guest->away = json_get(event, "reason") != NULL; /* "reboot" */
	if (!guest->away)
		guest->ours = guest->half_made = true;
}

static void take_started(struct guest *guest, const struct json *event)
{
	guest->half_made = guest->away = false;
	guest->known_domid = json_get_int(event, "domid", -1);
}

/* Ends count for the whole run, all else for the boot it happened in. */
static void take_event(void *arg, const struct json *event)
{
	struct host *host = arg;
	const char *state = json_get_string(event, "state", "");
	bool this_boot = strcmp(json_get_string(event, "boot", ""),
				host->boot_id) == 0;
	struct guest *guest;

	if (strcmp(json_get_string(event, "event", ""), "boot") == 0)
		take_charge(host, event);
	if (strcmp(json_get_string(event, "event", ""), "watchdog") == 0 &&
	    this_boot)
		host->watchdog_id = (uint32_t)json_get_int(event, "id", 0);
	if (strcmp(json_get_string(event, "event", ""), "domain") != 0)
		return;
	guest = find_guest(host, json_get_string(event, "domain", ""));
	if (guest == NULL)
		return;
	guest->was_starting = strcmp(state, "starting") == 0;
	if (strcmp(state, "done") == 0)
		guest->state = GUEST_DONE;
	else if (strcmp(state, "died") == 0)
		take_death(guest, event);
	else if (strcmp(state, "given up") == 0)
		guest->state = GUEST_GIVEN_UP;
	else if (strcmp(state, "starting") == 0 && this_boot)
		take_starting(guest, event);
	else if (strcmp(state, "started") == 0 && this_boot)
		take_started(guest, event);
}

int guests_new(struct host *host, struct err *e)
{
	const struct control *control = host->run->control;

	host->guests = calloc(control->domain_count + 1, sizeof(*host->guests));
	if (host->guests == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < control->domain_count; i++) {
		const struct control_domain *domain = &control->domains[i];
		struct guest *guest = &host->guests[host->guest_count++];

		guest->host = host;
		guest->control = domain;
		guest->about = (struct journal){ .run = host->run->id,
						 .domain = domain->name };
		guest->test = guest->step = "?";
		guest->death.entry = -1;
		guest->known_domid = -1;
		if (domain->config != NULL)
			guest->xen_name = toolstack_config_name(domain->config);
		if (guest->xen_name == NULL)
			guest->xen_name = strdup(domain->name);
		if (guest->xen_name == NULL)
			return err_set(e, -ENOMEM, "out of memory");
	}
	return record_read(host->run->fd, RECORD_NAME, take_event, host, e);
}

void guests_free(struct host *host)
{
	for (size_t i = 0; i < host->guest_count; i++) {
		struct guest *guest = &host->guests[i];

		console_close(guest->console);
		guest_unwatch(guest);
		free(guest->xen_name);
	}
	free(host->guests);
	host->guests = NULL;
	host->guest_count = 0;
}

/* ---- publishing -------------------------------------------------------- */

/* In a child: the share may be a network mount that hangs. */
static int publish(void *arg, struct err *e)
{
	const struct guest *guest = arg;
	const struct run *run = guest->host->run;

	return share_publish(run->control->preferences.shared_dir,
			     guest->control->name, run->control_bytes,
			     run->control_length, e);
}

static int publish_to(struct guest *guest, struct err *e)
{
	return share_call(guest->host->loop, "publish", publish, guest,
			  PUBLISH_LIMIT_S * SECOND_USEC, e);
}

/* Every share is different, and so is its trouble: one domain's, or all's. */
int host_publish(struct host *host, struct err *e)
{
	const char *dir = host->run->control->preferences.shared_dir;
	size_t wanted = 0;
	size_t failed = 0;
	int r;

	r = guests_new(host, e);
	if (r == 0)
		r = watchdog_begin(host, e);
	if (r < 0)
		return r;
	host->held = true;
	for (size_t i = 0; i < host->guest_count; i++) {
		struct guest *guest = &host->guests[i];
		struct err trouble = ERR_NONE;

		if (guest_is_final(guest))
			continue;
		wanted++;
		/* One that hangs is asked once, not once for each domain. */
		r = r == -ETIMEDOUT ? err_set(&trouble, r, "%s", e->text) :
				      publish_to(guest, &trouble);
		if (r == 0)
			continue;
		host->share_hangs |= r == -ETIMEDOUT;
		failed++;
		*e = trouble;
		guest_give_up(guest,
			      "its control file could not be put into %s: %s",
			      dir, trouble.text);
	}
	return failed > 0 && failed == wanted ?
		       err_wrap(e, r < 0 ? r : -EIO, "use %s", dir) :
		       0;
}

/* ---- who is next, is it over? ------------------------------------------ */

static size_t count_if(const struct host *host,
		       bool (*is)(const struct guest *guest))
{
	size_t count = 0;

	for (size_t i = 0; i < host->guest_count; i++)
		count += is(&host->guests[i]) ? 1 : 0;
	return count;
}

static bool is_being_started(const struct guest *guest)
{
	return guest->state > GUEST_PENDING && guest_is_starting(guest);
}

static bool is_busy(const struct guest *guest)
{
	return guest->call != NULL;
}

static bool has_more_to_come(const struct guest *guest)
{
	return (!guest_is_final(guest) && guest->state != GUEST_REBOOTING) ||
	       guest->ending;
}

static bool is_testing(const struct guest *guest)
{
	return guest->state == GUEST_TESTING;
}

static bool is_done(const struct guest *guest)
{
	return guest->state == GUEST_DONE;
}

static void begin_next(struct host *host)
{
	for (size_t i = 0; i < host->guest_count; i++) {
		if (count_if(host, is_being_started) >= HOST_CREATING_MAX)
			return;
		/* Again, if it had died unseen and may be started anew. */
		while (host->guests[i].state == GUEST_PENDING &&
		       !host->stopping)
			guest_begin(&host->guests[i]);
	}
}

static bool is_given_up(const struct guest *guest)
{
	return guest->state == GUEST_GIVEN_UP || guest->state == GUEST_DIED;
}

void host_note_stage(struct host *host, const char *stage, const char *state,
		     const char *message)
{
	struct journal about = host->about;
	struct err e = ERR_NONE;

	about.step = stage;
	journal_say(&about,
		    strcmp(state, "started") == 0 ? JOURNAL_STAGE_STARTED :
						    JOURNAL_STAGE_ENDED,
		    LOG_INFO, "%s: %s", stage, message);
	if (run_note_stage(host->run, stage, state, message, &e) < 0)
		host_lose_record(host, &about, &e);
}

static void has_started_all(struct host *host)
{
	size_t lost = count_if(host, is_given_up);
	char message[96];

	host->ready = true;
	notify_ready();
	snprintf(message, sizeof(message), "%zu of %zu domains run",
		 host->guest_count - lost, host->guest_count);
	host_note_stage(host, "guests", "ok", message);
	host_note_stage(host, "tests", "started",
			"watching over the domains until all are done");
}

static void tell_systemd(struct host *host)
{
	size_t starting = count_if(host, guest_is_starting);

	if (!host->ready && starting == 0)
		has_started_all(host);
	notify_status("%zu of %zu domains done, %zu testing, %zu starting",
		      count_if(host, is_done), host->guest_count,
		      count_if(host, is_testing), starting);
}

void host_check(struct host *host)
{
	if (host->held)
		return;
	if (!host->stopping) {
		host->held = true; /* beginning one leads here again */
		begin_next(host);
		host->held = false;
	}
	if (!host->stopping)
		tell_systemd(host);
	host->over = count_if(host, is_busy) == 0 &&
		     (host->stopping || count_if(host, has_more_to_come) == 0);
}

void host_stop(struct host *host)
{
	host->stopping = true;
	for (size_t i = 0; i < host->guest_count; i++)
		toolstack_cancel(host->guests[i].call);
	host_check(host);
}

void host_lose_record(struct host *host, const struct journal *about,
		      const struct err *why)
{
	journal_say(about, JOURNAL_PLAIN, LOG_ERR, "%s", why->text);
	if (!host->stopping)
		host_stop(host);
}

/* ---- watching ---------------------------------------------------------- */

static int on_introduced(void *arg, const char *path)
{
	struct host *host = arg;

	(void)path;
	for (size_t i = 0; !host->stopping && i < host->guest_count; i++)
		guest_on_introduced(&host->guests[i]);
	return 0;
}

static int on_released(void *arg, const char *path)
{
	struct host *host = arg;

	(void)path;
	for (size_t i = 0; !host->stopping && i < host->guest_count; i++)
		guest_on_released(&host->guests[i]);
	return 0;
}

static int on_run_timeout(void *arg)
{
	struct host *host = arg;
	char time[32];

	text_duration(time, host->run->control->preferences.run_timeout_s *
				    SECOND_USEC);
	host->held = true; /* else the next would begin */
	for (size_t i = 0; i < host->guest_count; i++)
		guest_give_up(&host->guests[i],
			      "the run_timeout of %s has passed", time);
	host->held = false;
	host_check(host);
	return 0;
}

static int watch(struct host *host, struct err *e)
{
	uint64_t limit_s = host->run->control->preferences.run_timeout_s;
	int r;

	r = store_watch(host->store, "@introduceDomain", on_introduced, host,
			&host->introduced, e);
	if (r == 0)
		r = store_watch(host->store, "@releaseDomain", on_released,
				host, &host->released, e);
	if (r == 0 && limit_s < UINT64_MAX / SECOND_USEC)
		r = loop_timer(host->loop, limit_s * SECOND_USEC,
			       on_run_timeout, host, &host->run_timer, e);
	return r;
}

int host_supervise(struct host *host, struct err *e)
{
	int r;

	r = watch(host, e);
	if (r < 0)
		return r;
	host_note_stage(host, "guests", "started",
			"starting what the control file names");
	host->held = false;
	host_check(host);
	r = loop_run(host->loop, &host->over, e);
	loop_source_free(TAKE_PTR(host->run_timer));
	store_unwatch(TAKE_PTR(host->introduced));
	store_unwatch(TAKE_PTR(host->released));
	if (r == 0 && record_has_failed(host->run->record))
		r = err_set(e, -EIO,
			    "what happens cannot be recorded: going on when started again");
	else if (r == 0 && host->stopping)
		r = err_set(e, -ECANCELED, "stopped");
	return r;
}
