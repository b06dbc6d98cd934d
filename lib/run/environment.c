/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/environment.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

/* sd_notify(3), sd_watchdog_enabled(3), systemd.exec(5). */
static const char *const for_the_daemon[] = {
	"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",  "INVOCATION_ID",
	"LISTEN_FDS",	 "LISTEN_PID",	  "JOURNAL_STREAM", "LISTEN_FDNAMES",
	"SYSTEMD_EXEC_PID",
};

static size_t find(const struct environment *environment, const char *name,
		   size_t length)
{
	size_t i;

	for (i = 0; i < environment->count; i++)
		if (strncmp(environment->entries[i], name, length) == 0 &&
		    environment->entries[i][length] == '=')
			break;
	return i;
}

static bool make_room(struct environment *environment)
{
	size_t room = environment->room == 0 ? 64 : 2 * environment->room;
	char **entries;

	if (environment->count + 1 < environment->room)
		return true;
	entries = reallocarray(environment->entries, room, sizeof(*entries));
	if (entries == NULL)
		return false;
	environment->entries = entries;
	environment->room = room;
	return true;
}

static void put(struct environment *environment, char *entry)
{
	size_t at;

	if (entry == NULL || !make_room(environment)) {
		free(entry);
		environment->failed = -ENOMEM;
		return;
	}
	at = find(environment, entry, strcspn(entry, "="));
	if (at < environment->count) {
		free(environment->entries[at]);
		environment->entries[at] = entry;
		return;
	}
	environment->entries[environment->count++] = entry;
	environment->entries[environment->count] = NULL;
}

static void take_away(struct environment *environment, const char *name)
{
	size_t at = find(environment, name, strlen(name));

	if (at == environment->count)
		return;
	free(environment->entries[at]);
	environment->entries[at] = environment->entries[--environment->count];
	environment->entries[environment->count] = NULL;
}

void environment_set(struct environment *environment, const char *name,
		     const char *value)
{
	if (value == NULL)
		take_away(environment, name);
	else
		put(environment, text_format("%s=%s", name, value));
}

void environment_add(struct environment *environment,
		     const char *const *entries)
{
	for (; entries != NULL && *entries != NULL; entries++)
		put(environment, strdup(*entries));
}

void environment_init(struct environment *environment)
{
	*environment = (struct environment){ 0 };
	environment_add(environment, (const char *const *)environ);
	for (size_t i = 0; i < ARRAY_SIZE(for_the_daemon); i++)
		take_away(environment, for_the_daemon[i]);
	environment_set(environment, "PATH",
			"/usr/local/sbin:/usr/local/bin:"
			"/usr/sbin:/usr/bin:/sbin:/bin");
	environment_set(environment, "LC_ALL", "C");
	/* The other LC_ variables lose against LC_ALL, LANGUAGE does not. */
	take_away(environment, "LANGUAGE");
}

void environment_set_jobs(struct environment *environment, unsigned int jobs)
{
	CLEANUP(freep) char *flags = NULL;
	long online = sysconf(_SC_NPROCESSORS_ONLN);

	if (jobs == 0)
		jobs = online > 0 ? (unsigned int)online : 1;
	flags = text_format("-j%u", jobs);
	if (flags == NULL)
		environment->failed = -ENOMEM;
	else
		environment_set(environment, "MAKEFLAGS", flags);
}

void environment_done(struct environment *environment)
{
	for (size_t i = 0; i < environment->count; i++)
		free(environment->entries[i]);
	free(environment->entries);
	*environment = (struct environment){ 0 };
}
