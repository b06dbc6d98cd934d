/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "xen/store.h"

/*
 * What domains say in xenstore of what they are doing. A guest can write
 * anything there: it is bounded, parsed, made plain, and only shown.
 */

enum { STATE_BYTES_MAX = 512 };

static struct json *find_domain(const struct json *summary, const char *name)
{
	const struct json *domains = json_get(summary, "domains");

	for (size_t i = 0; i < json_count(domains); i++) {
		const struct json *one = json_at(domains, i);

		if (text_equal_nocase(json_get_string(one, "domain", ""),
				      name))
			return (struct json *)one; /* ours, and not const */
	}
	return NULL;
}

static void copy_text(struct json *to, const struct json *from,
		      const char *key)
{
	CLEANUP(freep) char *text = strdup(json_get_string(from, key, ""));

	if (text == NULL || text[0] == '\0')
		return;
	text_plain(text);
	json_set_string(to, key, text);
}

static void copy_number(struct json *to, const struct json *from,
			const char *key)
{
	int64_t number = json_get_int(from, key, 0);

	if (number > 0)
		json_set_int(to, key, number);
}

static struct json *dom0_of(const struct json *summary)
{
	char hostname[256] = "";
	struct json *domain;

	gethostname(hostname, sizeof(hostname) - 1);
	domain = find_domain(summary, hostname);
	if (domain != NULL)
		return domain;
	hostname[strcspn(hostname, ".")] = '\0';
	return find_domain(summary, hostname);
}

/* By the run's record, and never by what a guest says that it is. */
static struct json *whose(const char *domid, const struct json *summary)
{
	const struct json *domains = json_get(summary, "domains");

	if (strcmp(domid, "0") == 0)
		return dom0_of(summary);
	for (size_t i = 0; i < json_count(domains); i++) {
		const struct json *one = json_at(domains, i);

		if (json_get_int(one, "domid", -1) ==
		    strtoll(domid, NULL, 10))
			return (struct json *)one; /* ours, and not const */
	}
	return NULL;
}

static void look_at(struct store *store, const char *domid, const char *id,
		    const struct json *summary)
{
	CLEANUP(freep) char *path =
		text_format("/local/domain/%s/" STORE_STATE, domid);
	CLEANUP(freep) char *text = NULL;
	CLEANUP(json_freep) struct json *state = NULL;
	struct err missing = ERR_NONE;
	struct json *domain;
	struct json *now;

	if (path == NULL ||
	    store_read(store, path, STATE_BYTES_MAX, &text, &missing) < 0 ||
	    json_parse(text, strlen(text), &state, &missing) < 0 ||
	    strcmp(json_get_string(state, "run", ""), id) != 0)
		return;
	domain = whose(domid, summary);
	if (domain == NULL)
		return;
	now = json_object_new();
	copy_text(now, state, "state");
	copy_text(now, state, "test");
	copy_text(now, state, "step");
	copy_number(now, state, "iteration");
	copy_number(now, state, "index");
	copy_number(now, state, "count");
	json_set(domain, "now", now);
}

void cli_now(struct loop *loop, const char *id, struct json *summary)
{
	CLEANUP(store_closep) struct store *store = NULL;
	CLEANUP(freep) char **domids = NULL;
	struct err ignored = ERR_NONE;

	if (store_open(loop, &store, &ignored) < 0 ||
	    store_list(store, "/local/domain", &domids, &ignored) < 0)
		return;
	for (size_t i = 0; domids[i] != NULL; i++)
		look_at(store, domids[i], id, summary);
}
