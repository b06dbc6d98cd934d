/* SPDX-License-Identifier: BSD-2-Clause */
#include "xenstartdomsd.h"

#include <string.h>

#include "base/json.h"

/* What the run's record tells of the boots so far. */

/* A boot that wrote something begins a new page. */
static void turn_page(struct history *history, const struct json *event)
{
	const char *boot = json_get_string(event, "boot", "");

	if (strcmp(boot, history->wrote) == 0)
		return;
	snprintf(history->wrote, sizeof(history->wrote), "%s", boot);
	history->asked = CAUSE_UNKNOWN;
	history->clean = false;
}

static void take_boot(struct history *history, const struct json *event)
{
	enum cause cause =
		cause_from_text(json_get_string(event, "cause", ""));

	if (json_count(json_get(event, "charged")) > 0)
		history->fruitless = 0;
	else if (!cause_is_asked(cause))
		history->fruitless++;
}

static bool is_progress(const struct json *event)
{
	const char *state = json_get_string(event, "state", "");

	return strcmp(state, "running") == 0 || strcmp(state, "done") == 0;
}

static void take_event(void *arg, const struct json *event)
{
	const char *name = json_get_string(event, "event", "");
	struct history *history = arg;

	turn_page(history, event);
	if (strcmp(name, "run") == 0)
		history->started_usec = record_time_usec(event);
	else if (strcmp(name, "reboot") == 0)
		history->asked =
			cause_from_text(json_get_string(event, "cause", ""));
	else if (strcmp(name, "shutdown") == 0)
		history->clean = true;
	else if (strcmp(name, "boot") == 0)
		take_boot(history, event);
	else if (strcmp(name, "domain") == 0 && is_progress(event))
		history->fruitless = 0;
}

int history_read(const struct host *host, struct history *ret, struct err *e)
{
	*ret = (struct history){ .asked = CAUSE_UNKNOWN };
	return record_read(host->run->fd, RECORD_NAME, take_event, ret, e);
}
