/* SPDX-License-Identifier: BSD-2-Clause */
#include "xenstartdomsd.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/text.h"

/*
 * A guest's way to run: clear away what is half made, create it paused, attach
 * its console, tell it about the run, unpause it.
 */

#define SECOND_USEC UINT64_C(1000000)

enum { NAME_MAX_BYTES = 256 };

static uint64_t usec_of(uint64_t seconds)
{
	return seconds >= UINT64_MAX / SECOND_USEC ? UINT64_MAX :
						     seconds * SECOND_USEC;
}

bool guest_is_final(const struct guest *guest)
{
	return guest->state >= GUEST_DONE;
}

bool guest_is_dom0(const struct guest *guest)
{
	const struct host *host = guest->host;

	return control_find_domain(host->run->control, host->hostname) ==
	       guest->control;
}

bool guest_is_starting(const struct guest *guest)
{
	return guest->state < GUEST_AWAITED;
}

/* ---- finding it -------------------------------------------------------- */

static bool has_name(struct guest *guest, const char *domid, const char *name)
{
	CLEANUP(freep) char *path = text_format("/local/domain/%s/name", domid);
	CLEANUP(freep) char *found = NULL;
	struct err ignored = ERR_NONE;

	return path != NULL &&
	       store_read(guest->host->store, path, NAME_MAX_BYTES, &found,
			  &ignored) == 0 &&
	       strcmp(found, name) == 0;
}

static bool is_alive(struct guest *guest, unsigned int domid)
{
	struct domains_info info;
	struct err ignored = ERR_NONE;

	return domains_info(guest->host->xen, domid, &info, &ignored) == 0 &&
	       (info.state == DOMAINS_RUNNING ||
		info.state == DOMAINS_BLOCKED || info.state == DOMAINS_PAUSED);
}

int guest_find(struct guest *guest, unsigned int *ret_domid, struct err *e)
{
	CLEANUP(freep) char **domids = NULL;
	int r;

	r = store_list(guest->host->store, "/local/domain", &domids, e);
	if (r < 0)
		return r;
	for (size_t i = 0; domids[i] != NULL; i++) {
		unsigned int domid = (unsigned int)strtoul(domids[i], NULL, 10);

		/* dom0 is known otherwise, and no guest may take its place. */
		if (domid != 0 && has_name(guest, domids[i], guest->xen_name) &&
		    is_alive(guest, domid)) {
			*ret_domid = domid;
			return 0;
		}
	}
	return err_set(e, -ENOENT, "there is no domain named \"%s\"",
		       guest->xen_name);
}

static void has_come(struct guest *guest, unsigned int domid)
{
	guest->domid = domid;
	guest->has_domid = true;
}

/* ---- its time to start ------------------------------------------------- */

static int on_start_timeout(void *arg)
{
	struct guest *guest = arg;
	char time[32];

	text_duration(time, usec_of(guest->control->start_timeout_s));
	/* xl create has that limit too, and more to say about it. */
	if (guest->state == GUEST_CREATING || guest->state == GUEST_CLEARING)
		return 0;
	if (guest->state == GUEST_AWAITED)
		guest_give_up(guest, "it did not appear within %s", time);
	else if (guest->waiting)
		guest_give_up(guest,
			      "it reported that it waits, and began no test within %s",
			      time);
	else
		guest_give_up(guest, "it did not report within %s", time);
	return 0;
}

static int arm_start_timeout(struct guest *guest, struct err *e)
{
	uint64_t limit_usec = usec_of(guest->control->start_timeout_s);

	loop_source_free(TAKE_PTR(guest->timer));
	return loop_timer(guest->host->loop, limit_usec, on_start_timeout,
			  guest, &guest->timer, e);
}

/* ---- telling it -------------------------------------------------------- */

static int tell(struct guest *guest, const char *key, const char *value,
		struct err *e)
{
	CLEANUP(freep) char *path =
		text_format("/local/domain/%u/%s", guest->domid, key);

	if (path == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	return store_write(guest->host->store, path, value, e);
}

int guest_announce(struct guest *guest, struct err *e)
{
	const struct run *run = guest->host->run;
	int r;

	r = tell(guest, STORE_RUN, run->id, e);
	if (r == 0)
		r = tell(guest, STORE_SHARED,
			 run->control->preferences.shared_dir, e);
	if (r == 0)
		r = tell(guest, STORE_DIGEST, run->digest, e); /* is watched */
	return r < 0 ? err_wrap(e, r, "announce the run") : 0;
}

/* ---- the last step: unpause -------------------------------------------- */

void guest_is_up(struct guest *guest)
{
	struct err e = ERR_NONE;

	guest->state = GUEST_BOOTING;
	if (guest_watch_progress(guest, &e) < 0)
		guest_give_up(guest, "%s", e.text);
	host_check(guest->host);
}

/* While xl ran we were told to stop, or the guest was given up. */
static bool has_ended_meanwhile(struct guest *guest)
{
	if (!guest->host->stopping && !guest_is_final(guest))
		return false;
	if (!guest->host->stopping)
		guest_stop(guest);
	host_check(guest->host);
	return true;
}

static void on_unpaused(void *arg, int r, const struct err *failed)
{
	struct guest *guest = arg;
	struct domains_info info = { 0 };
	struct err e = *failed;

	guest->call = NULL;
	if (has_ended_meanwhile(guest))
		return;
	if (r == 0)
		r = domains_info(guest->host->xen, guest->domid, &info, &e);
	if (r == 0 && info.state == DOMAINS_PAUSED)
		r = err_set(&e, -EPROTO,
			    "xl unpause said that all is well, but it is still paused");
	if (r < 0) {
		guest_give_up(guest, "%s", e.text);
		return;
	}
	guest->half_made = false;
	guest_note(guest, "started", NULL, NULL);
	journal_say(&guest->about, JOURNAL_DOMAIN_STARTED, LOG_INFO,
		    "Started as domain %u", guest->domid);
	guest_is_up(guest);
}

static void unpause(struct guest *guest)
{
	struct err e = ERR_NONE;
	int r;

	guest->state = GUEST_UNPAUSING;
	r = guest_announce(guest, &e);
	if (r == 0)
		r = toolstack_unpause(guest->host->loop, guest->domid,
				      on_unpaused, guest, &guest->call, &e);
	if (r < 0)
		guest_give_up(guest, "%s", e.text);
}

/* ---- its console ------------------------------------------------------- */

static int open_log(struct guest *guest, int *ret_fd, struct err *e)
{
	CLEANUP(fd_close) int dir_fd = -1;
	int r;

	r = run_domain_dir(guest->host->run, guest->control->name, &dir_fd, e);
	if (r < 0)
		return r;
	*ret_fd = openat(dir_fd, "console.log",
			 O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC,
			 0644);
	return *ret_fd < 0 ? err_errno(e, "open console.log") : 0;
}

/* Serial first: an HVM guest has both, and prints there while it boots. */
static int read_terminal(struct guest *guest, char **ret, struct err *e)
{
	static const char *const names[] = { "serial/0/tty", "console/tty" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		CLEANUP(freep) char *path = text_format(
			"/local/domain/%u/%s", guest->domid, names[i]);
		CLEANUP(freep) char *tty = NULL;

		if (path != NULL &&
		    store_read(guest->host->store, path, 256, &tty, e) == 0 &&
		    tty[0] != '\0') {
			*ret = TAKE_PTR(tty);
			return 0;
		}
	}
	return -ENOENT;
}

static int open_console(struct guest *guest, const char *tty, struct err *e)
{
	int log_fd = -1;
	int r;

	console_close(TAKE_PTR(guest->console)); /* of its life before */
	r = open_log(guest, &log_fd, e);
	return r < 0 ? r :
		       console_open(guest->host->loop, tty, log_fd,
				    CONSOLE_BYTES_MAX, &guest->console, e);
}

/* Here when attaching is over, with a console or without. */
static void attached(struct guest *guest, const char *trouble)
{
	store_unwatch(TAKE_PTR(guest->terminal));
	loop_source_free(TAKE_PTR(guest->terminal_timer));
	if (trouble != NULL)
		journal_say(&guest->about, JOURNAL_PLAIN, LOG_WARNING,
			    "Its console is not kept: %s", trouble);
	if (guest->state == GUEST_ATTACHING)
		unpause(guest);
}

static int on_terminal(void *arg, const char *path)
{
	struct guest *guest = arg;
	CLEANUP(freep) char *tty = NULL;
	struct err e = ERR_NONE;

	(void)path;
	if (guest->host->stopping || read_terminal(guest, &tty, &e) < 0)
		return 0;
	attached(guest, open_console(guest, tty, &e) < 0 ? e.text : NULL);
	return 0;
}

static int on_no_terminal(void *arg)
{
	attached(arg, "xenconsoled offers no terminal; is it running?");
	return 0;
}

/* Goes on by itself; a guest that is not paused waits for nothing. */
static int attach(struct guest *guest, struct err *e)
{
	CLEANUP(freep) char *path =
		text_format("/local/domain/%u/console", guest->domid);
	int r;

	if (path == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	store_unwatch(TAKE_PTR(guest->terminal));
	loop_source_free(TAKE_PTR(guest->terminal_timer));
	r = loop_timer(guest->host->loop, GUEST_CONSOLE_S * SECOND_USEC,
		       on_no_terminal, guest, &guest->terminal_timer, e);
	if (r == 0)
		r = store_watch(guest->host->store, path, on_terminal, guest,
				&guest->terminal, e);
	return r;
}

/* ---- create ------------------------------------------------------------ */

static void on_created(void *arg, int r, const struct err *failed)
{
	struct guest *guest = arg;
	struct err missing = ERR_NONE;
	struct err e = *failed;
	unsigned int domid;
	int found;

	guest->call = NULL;
	/* Also when it failed: something may be left of it. */
	found = guest_find(guest, &domid, &missing);
	if (found == 0)
		has_come(guest, domid);
	if (has_ended_meanwhile(guest))
		return;
	if (r == 0 && found < 0)
		r = err_set(&e, found, "xl create said that all is well, but %s",
			    missing.text);
	if (r == 0) {
		guest->state = GUEST_ATTACHING;
		r = attach(guest, &e);
	}
	if (r < 0)
		guest_give_up(guest, "%s", e.text);
	host_check(guest->host);
}

static void create(struct guest *guest)
{
	const struct control_domain *control = guest->control;
	struct err e = ERR_NONE;
	int r;

	guest->state = GUEST_CREATING;
	guest->ours = true;
	guest->half_made = true;
	guest_note(guest, "starting", NULL, NULL);
	r = arm_start_timeout(guest, &e);
	if (r == 0)
		r = toolstack_create_paused(guest->host->loop, control->config,
					    usec_of(control->start_timeout_s),
					    on_created, guest, &guest->call,
					    &e);
	if (r < 0)
		guest_give_up(guest, "%s", e.text);
}

static void on_cleared(void *arg, int r, const struct err *failed)
{
	struct guest *guest = arg;

	guest->call = NULL;
	guest->has_domid = false;
	if (has_ended_meanwhile(guest))
		return;
	if (r < 0)
		guest_give_up(guest, "%s", failed->text);
	else
		create(guest);
}

/* ---- where it begins --------------------------------------------------- */

/* It is there already: not created by us, or before we were restarted. */
static void take_up(struct guest *guest)
{
	struct err e = ERR_NONE;
	int r;

	r = arm_start_timeout(guest, &e);
	if (r == 0)
		r = guest_announce(guest, &e);
	/* Whoever started it may have a look at its console. */
	if (r == 0 && guest->ours)
		r = attach(guest, &e);
	if (r < 0)
		guest_give_up(guest, "%s", e.text);
	else
		guest_is_up(guest);
}

static void begin_known(struct guest *guest)
{
	struct err e = ERR_NONE;

	if (guest->ours && guest->half_made) {
		guest->state = GUEST_CLEARING;
		if (toolstack_destroy(guest->host->loop, guest->domid,
				      on_cleared, guest, &guest->call, &e) < 0)
			guest_give_up(guest, "%s", e.text);
		return;
	}
	if (!guest->ours)
		guest_note(guest, "started",
			   "it was running already and was left alone", NULL);
	journal_say(&guest->about, JOURNAL_DOMAIN_STARTED, LOG_NOTICE,
		    guest->ours ? "Runs as domain %u, as before" :
				  "Runs as domain %u already: left alone",
		    guest->domid);
	take_up(guest);
}

static void await(struct guest *guest)
{
	struct err e = ERR_NONE;

	guest->state = GUEST_AWAITED;
	if (arm_start_timeout(guest, &e) < 0)
		guest_give_up(guest, "%s", e.text);
	journal_say(&guest->about, JOURNAL_PLAIN, LOG_INFO,
		    "Has no config: waiting for somebody to start it");
}

void guest_reawait(struct guest *guest)
{
	struct err e = ERR_NONE;

	guest->state = GUEST_AWAITED;
	guest->has_domid = false;
	if (arm_start_timeout(guest, &e) < 0)
		guest_give_up(guest, "%s", e.text);
	/* It may be there again already. */
	guest_on_introduced(guest);
}

static void begin_dom0(struct guest *guest)
{
	has_come(guest, 0);
	take_up(guest);
}

void guest_begin(struct guest *guest)
{
	struct err ignored = ERR_NONE;
	unsigned int domid;

	if (guest_is_dom0(guest)) {
		begin_dom0(guest);
	} else if (guest_find(guest, &domid, &ignored) == 0) {
		has_come(guest, domid);
		begin_known(guest);
	} else if (guest->control->config != NULL) {
		create(guest);
	} else {
		await(guest);
	}
}

void guest_on_introduced(struct guest *guest)
{
	struct err ignored = ERR_NONE;
	unsigned int domid;

	if (guest->state != GUEST_AWAITED ||
	    guest_find(guest, &domid, &ignored) < 0)
		return;
	has_come(guest, domid);
	guest_note(guest, "started", NULL, NULL);
	journal_say(&guest->about, JOURNAL_DOMAIN_STARTED, LOG_INFO,
		    "Appeared as domain %u", domid);
	take_up(guest);
}
