/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/death.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

void death_to_json(const struct death *death, struct json *object)
{
	json_set_string(object, "reason", death->reason);
	if (death->entry < 0)
		return;
	json_set_int(object, "entry", death->entry);
	json_set_int(object, "iteration", death->iteration);
	json_set_string(object, "step", death->step);
}

static void take_text(char *buffer, size_t size, const struct json *object,
		      const char *key)
{
	snprintf(buffer, size, "%s", json_get_string(object, key, "?"));
	text_plain(buffer);
}

void death_from_json(struct death *death, const struct json *object)
{
	death->entry = json_get_int(object, "entry", -1);
	death->iteration = json_get_int(object, "iteration", 0);
	if (death->entry < 0 || death->iteration < 1) {
		death->entry = -1;
		death->iteration = 0;
	}
	take_text(death->step, sizeof(death->step), object, "step");
	take_text(death->reason, sizeof(death->reason), object, "reason");
}

int death_read(const char *text, struct death *ret, struct err *e)
{
	CLEANUP(json_freep) struct json *object = NULL;
	int r;

	r = json_parse(text, strlen(text), &object, e);
	if (r == 0 && !json_is_object(object))
		r = err_set(e, -EBADMSG, "no object");
	if (r < 0)
		return err_wrap(e, r, "what dom0 says about our last death");
	death_from_json(ret, object);
	return 0;
}

const char *death_describe(const struct death *death, char buffer[static 96])
{
	bool host = strncmp(death->reason, DEATH_OF_HOST,
			    strlen(DEATH_OF_HOST)) == 0;

	snprintf(buffer, 96, "%s%s during %s", host ? "" : "guest ",
		 death->reason, death->step);
	return buffer;
}
