/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_TESTS_CONTROL_H
#define XENTEST_TESTS_CONTROL_H

/* What the tests of the control file share: files as strings, named "f". */
#include "unit.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/text.h"
#include "control/control.h"

/* Sound files of nine lines (locations: ten), to go on with in the section of
 * the name. */
#define IN_TEST                                                                \
	"[Preferences]\nxen-tree=none\nshared_dir=/s\n"                        \
	"[XENVM0]\nname=h\ntempdir=/tmp\ntest1=t\n"                            \
	"[t]\nrun_command=x\n"
#define IN_DOMAIN                                                              \
	"[Preferences]\nxen-tree=none\nshared_dir=/s\n"                        \
	"[t]\nrun_command=x\n"                                                 \
	"[XENVM0]\nname=h\ntempdir=/tmp\ntest1=t\n"
#define IN_PREFERENCES                                                         \
	"[t]\nrun_command=x\n"                                                 \
	"[XENVM0]\nname=h\ntempdir=/tmp\ntest1=t\n"                            \
	"[Preferences]\nshared_dir=/s\n"
#define IN_LOCATIONS                                                           \
	"[Preferences]\nxen-tree=none\nshared_dir=/s\n"                        \
	"[XENVM0]\nname=h\ntempdir=/tmp\ntest1=t\n"                            \
	"[t]\nrun_command=x\n[Locations]\n"
#define NATIVE                                                                 \
	"preferences { xen-tree = none shared_dir = /s }\n"                    \
	"vm XENVM0 { name = h tempdir = /tmp tests = {t} }\n"

/* Everything control_load() says about @bytes; the caller's. */
static inline char *messages_of(const char *bytes, size_t length,
				struct control **ret)
{
	struct control_report report;
	struct err e = ERR_NONE;
	struct control *control = NULL;
	int r = control_load(bytes, length, "f", &report, &control, &e);
	char *text = control_report_text(&report);

	assert_non_null(text);
	assert_int_equal(r, report.error_count > 0 ? -EINVAL : 0);
	assert_true((control != NULL) == (r == 0));
	for (size_t i = 1; i < report.count; i++)
		assert_true(report.messages[i - 1].line <=
			    report.messages[i].line);
	control_report_done(&report);
	if (ret != NULL)
		*ret = control;
	else
		control_free(control);
	return text;
}

/* Exactly these messages, one a line. */
static inline void assert_says(const char *file, const char *messages)
{
	CLEANUP(freep) char *got = messages_of(file, strlen(file), NULL);

	assert_string_equal(got, messages);
}

/* This message, whatever else there may be. */
static inline void assert_mentions(const char *file, const char *message)
{
	CLEANUP(freep) char *got = messages_of(file, strlen(file), NULL);

	if (strstr(got, message) == NULL)
		fail_msg("no \"%s\" in:\n%s", message, got);
}

/* Load a file that has no errors; the model is the caller's. */
static inline struct control *load(const char *file)
{
	struct control *control = NULL;
	CLEANUP(freep) char *got = messages_of(file, strlen(file), &control);

	if (control == NULL)
		fail_msg("%s", got);
	return control;
}

/* The dump, NULL when there is none; *messages: what was said. */
static inline struct json *dump_of(const char *file, char **messages)
{
	CLEANUP(freep) char *text = NULL;
	struct control_report report;
	struct err e = ERR_NONE;
	struct json *json = NULL;
	int r = control_dump(file, strlen(file), "f", &report, &text, &e);

	*messages = control_report_text(&report);
	assert_true((r == 0) == (report.error_count == 0));
	control_report_done(&report);
	if (r == 0)
		assert_int_equal(json_parse(text, strlen(text), &json, &e), 0);
	return json;
}

/* One value of a dump, the caller's to free; "!" and a kind for an error. */
static inline char *dumped(const char *file, const char *section,
			   const char *key)
{
	CLEANUP(freep) char *messages = NULL;
	CLEANUP(json_freep) struct json *json = dump_of(file, &messages);
	const struct json *found;

	if (json == NULL)
		fail_msg("%s", messages);
	found = json_get(json_get(json_get(json, "sections"), section), key);
	if (found == NULL)
		return strdup("(missing)");
	if (json_is_object(found))
		return text_format("!%s", json_get_string(found, "error", "?"));
	return strdup(json_text(found));
}

static inline void assert_dumps(const char *file, const char *section,
				const char *key, const char *value)
{
	CLEANUP(freep) char *got = dumped(file, section, key);

	assert_string_equal(got, value);
}

/* Both files dump the same object. */
static inline bool same_json(const struct json *a, const struct json *b);

struct same_json {
	const struct json *other;
	size_t count;
	bool same;
};

static inline void same_member(void *arg, const char *key,
			       const struct json *value)
{
	struct same_json *same = arg;

	same->count++;
	same->same &= same_json(value, json_get(same->other, key));
}

static inline void count_member(void *arg, const char *key,
				const struct json *value)
{
	(void)key;
	(void)value;
	++*(size_t *)arg;
}

static inline bool same_json(const struct json *a, const struct json *b)
{
	struct same_json same = {.other = b, .same = true};
	size_t count = 0;

	if (a == NULL || b == NULL || !json_is_object(a) || !json_is_object(b))
		return a != NULL && b != NULL && json_text(a) != NULL &&
		       json_text(b) != NULL &&
		       strcmp(json_text(a), json_text(b)) == 0;
	json_object_each(a, same_member, &same);
	json_object_each(b, count_member, &count);
	return same.same && same.count == count;
}

/* A file beside this source, for "../../conf/…" too; the caller's. */
static inline char *beside(const char *source, const char *name)
{
	const char *slash = strrchr(source, '/');

	return text_format("%.*s%s",
			   slash == NULL ? 0 : (int)(slash - source + 1),
			   source, name);
}

static inline char *read_whole(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = NULL;
	size_t size = 0;

	assert_non_null(file);
	assert_true(getdelim(&text, &size, '\0', file) > 0);
	fclose(file);
	return text;
}

#endif
