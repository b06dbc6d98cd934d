/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/progress.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"

static const char *const steps[] = {
	"prepare", "fetch", "build", "install", "run", "collect", "cleanup",
};

static const char *known_step(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		if (strcmp(steps[i], name) == 0)
			return steps[i];
	return "?";
}

static const struct control_test *
known_test(const struct control_domain *domain, const char *name)
{
	for (size_t i = 0; i < domain->entry_count; i++)
		if (strcmp(domain->entries[i].test->name, name) == 0)
			return domain->entries[i].test;
	return NULL;
}

static enum progress_state known_state(const char *word)
{
	static const char *const words[] = {
		[PROGRESS_WAITING] = "waiting",
		[PROGRESS_TESTING] = "testing",
		[PROGRESS_REBOOTING] = "rebooting",
		[PROGRESS_DELIVERING] = "delivering",
		[PROGRESS_DONE] = "done",
		[PROGRESS_UNDELIVERED] = "undelivered",
	};

	for (size_t i = PROGRESS_WAITING; i < ARRAY_SIZE(words); i++)
		if (strcmp(words[i], word) == 0)
			return (enum progress_state)i;
	return PROGRESS_NOTHING;
}

int progress_read(const char *text, const char *run,
		  const struct control_domain *domain, struct progress *ret)
{
	CLEANUP(json_freep) struct json *said = NULL;
	struct err ignored = ERR_NONE;

	if (json_parse(text, strlen(text), &said, &ignored) < 0 ||
	    !json_is_object(said))
		return -EBADMSG;
	if (strcmp(json_get_string(said, "run", ""), run) != 0)
		return -ESTALE;
	*ret = (struct progress){
		.state = known_state(json_get_string(said, "state", "")),
		.test = known_test(domain, json_get_string(said, "test", "?")),
		.step = known_step(json_get_string(said, "step", "?")),
		.index = json_get_int(said, "index", 0),
		.iteration = json_get_int(said, "iteration", 0),
	};
	return 0;
}
