/* SPDX-License-Identifier: BSD-2-Clause */
#include "xenstartdomsd.h"

#include <string.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/file.h"

/*
 * A guest that died: recorded with what it was about, and started again for
 * the rest of its tests, as often as the control file allows.
 */

enum { CONSOLE_LINES = 5 };

static void say_console(const struct guest *guest)
{
	CLEANUP(fd_close) int dir_fd = -1;
	CLEANUP(freep) char *tail = NULL;
	struct err ignored = ERR_NONE;
	char *rest;
	const char *line;

	if (run_domain_dir(guest->host->run, guest->control->name, &dir_fd,
			   &ignored) < 0 ||
	    file_tail(dir_fd, "console.log", CONSOLE_LINES, &tail, &ignored) <
		    0)
		return;
	rest = tail;
	while ((line = strsep(&rest, "\n")) != NULL)
		if (line[0] != '\0')
			journal_say(&guest->about, JOURNAL_PLAIN, LOG_NOTICE,
				    "  %s", line);
}

static void reason_of(const struct domains_info *info, char buffer[static 48])
{
	char number[48];

	snprintf(buffer, 48, "%s",
		 info->reason == DOMAINS_NO_REASON ?
			 "destroyed" :
			 domains_reason_text(info->reason, number));
}

/* Also while it reboots as that test asked. */
static bool has_open_test(const struct guest *guest)
{
	return guest->state == GUEST_TESTING || guest->rebooting;
}

/* Which line of its list was open, as far as it can be believed. */
static void take_open_test(const struct guest *guest, struct death *death)
{
	const struct control_domain *control = guest->control;

	if (!has_open_test(guest) || guest->index < 1 ||
	    (uint64_t)guest->index > control->entry_count ||
	    guest->iteration < 1 ||
	    strcmp(control->entries[guest->index - 1].test->name,
		   guest->test) != 0)
		return;
	death->entry = guest->index - 1;
	death->iteration = guest->iteration;
	snprintf(death->step, sizeof(death->step), "%s", guest->step);
}

static void note(struct guest *guest, const struct death *death,
		 const char *message)
{
	const char *test = has_open_test(guest) ? guest->test : NULL;
	struct err e = ERR_NONE;

	if (run_note_death(guest->host->run, guest->control->name, message,
			   test, death, &e) < 0)
		host_lose_record(guest->host, &guest->about, &e);
	journal_say(&guest->about, JOURNAL_DOMAIN_DIED, LOG_WARNING, "Died: %s",
		    message);
}

static enum control_on_crash wanted(const struct guest *guest,
				    const char *reason)
{
	char watchdog[48];

	return strcmp(reason, domains_reason_text(DOMAINS_WATCHDOG,
						  watchdog)) == 0 ?
		       guest->control->on_watchdog :
		       guest->control->on_crash;
}

bool guest_may_restart(const struct guest *guest, const char *reason)
{
	return guest->control->config != NULL &&
	       wanted(guest, reason) == CONTROL_RESTART &&
	       guest->deaths <= guest->control->restarts;
}

/* Waits for its turn, as at first. What is left of it is cleared away then. */
static void restart(struct guest *guest)
{
	guest_unwatch(guest);
	guest->state = GUEST_PENDING;
	guest->has_domid = false; /* but still known, to clear it away */
	guest->ours = guest->half_made = guest->away = false;
	guest->waiting = false;
	guest->rebooting = false;
	host_check(guest->host);
}

static void go_on(struct guest *guest, const char *reason, const char *message)
{
	if (guest_may_restart(guest, reason))
		restart(guest);
	else if (guest->control->config != NULL &&
		 wanted(guest, reason) == CONTROL_RESTART)
		guest_give_up(guest, "%s; it was started again %u times before",
			      message, guest->control->restarts);
	else
		guest_finish(guest, GUEST_DIED);
}

void guest_has_died(struct guest *guest, const struct domains_info *info)
{
	struct death death = { .entry = -1 };
	char message[512];

	reason_of(info, death.reason);
	take_open_test(guest, &death);
	if (has_open_test(guest))
		snprintf(message, sizeof(message), "%s during %s (%s)",
			 death.reason, guest->test, guest->step);
	else if (guest->state == GUEST_PENDING)
		snprintf(message, sizeof(message),
			 "%s while nobody watched over it", death.reason);
	else
		snprintf(message, sizeof(message), "%s before its first test",
			 death.reason);
	guest->deaths++;
	if (death.entry >= 0)
		guest->death = death;
	note(guest, &death, message);
	console_close(TAKE_PTR(guest->console)); /* with its last words */
	say_console(guest);
	go_on(guest, death.reason, message);
}
