/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"
#include "control/expand.h"
#include "control/load.h"
#include "control/report.h"
#include "control/syntax.h"

/* A file may ask for the keys of [DEFAULT] in very many sections. */
enum {
	DUMP_VALUES_MAX = 2 * 1024 * 1024,
	DUMP_BYTES_MAX = 256 * 1024 * 1024,
};

struct dump {
	struct tree tree;
	struct expander expander;
	unsigned long values;
	size_t bytes;
	bool failed;
};

static const char *const failure_words[] = {
	[EXPAND_UNKNOWN] = "unknown-variable", [EXPAND_BAD] = "bad-reference",
	[EXPAND_TOO_DEEP] = "too-deep",	       [EXPAND_TOO_LONG] = "too-long",
	[EXPAND_NO_MEMORY] = "too-long",
};

static void dump_value(struct dump *dump, const struct section *section,
		       const struct key *key, struct json *to)
{
	CLEANUP(freep)
	char *name = text_valid_utf8(key->node.name, strlen(key->node.name));
	enum expand_result result;
	const char *text = NULL;

	if (++dump->values > DUMP_VALUES_MAX || name == NULL) {
		dump->failed = true;
		return;
	}
	result = expand(&dump->expander, section, key, &text);
	if (result == EXPAND_OK) {
		dump->bytes += strlen(text);
		dump->failed |= dump->bytes > DUMP_BYTES_MAX;
		json_set_string(to, name, text);
	} else {
		struct json *failure = json_object_new();

		json_set_string(failure, "error", failure_words[result]);
		json_set(to, name, failure);
	}
}

static void dump_section(struct dump *dump, const struct section *section,
			 struct json *sections)
{
	CLEANUP(freep)
	char *name =
		text_valid_utf8(section->node.name, strlen(section->node.name));
	struct json *to = json_object_new();
	const struct key *key;

	for (key = section->keys; key != NULL && !dump->failed; key = key->next)
		dump_value(dump, section, key, to);
	for (key = dump->tree.defaults->keys; key != NULL && !dump->failed;
	     key = key->next)
		if (tree_key(&dump->tree, section, key->node.name) == NULL)
			dump_value(dump, section, key, to);
	dump->failed |= name == NULL || to == NULL;
	if (name != NULL)
		json_set(sections, name, to);
	else
		json_free(to);
}

static char *dump_print(struct dump *dump)
{
	CLEANUP(json_freep) struct json *top = json_object_new();
	struct json *sections = json_object_new();

	for (const struct section *section = dump->tree.sections;
	     section != NULL && !dump->failed; section = section->next)
		dump_section(dump, section, sections);
	json_set(top, "sections", sections);
	return dump->failed ? NULL : json_print(top, JSON_INDENTED);
}

int control_dump(const char *bytes, size_t length, const char *name,
		 struct control_report *report, char **ret, struct err *e)
{
	CLEANUP(freep) char *text = NULL;
	struct dump dump = {.values = 0};
	int r = tree_init(&dump.tree);

	*report = (struct control_report){.file = name};
	dump.expander.tree = &dump.tree;
	if (r == 0)
		r = syntax_read(bytes, length, &dump.tree, report);
	if (r == 0 && report->error_count == 0)
		text = dump_print(&dump);
	if (text == NULL && report->error_count == 0)
		report_error(report, 1, "too large to be printed");
	expander_done(&dump.expander);
	tree_done(&dump.tree);
	report_sort(report);
	if (text == NULL)
		return err_set(e, -EINVAL, "%s cannot be dumped", name);
	*ret = TAKE_PTR(text);
	return 0;
}

int control_dump_main(const char *path)
{
	CLEANUP(control_report_done)
	struct control_report report = {
		.file = path,
	};
	CLEANUP(freep) char *bytes = NULL;
	CLEANUP(freep) char *text = NULL;
	struct err e = ERR_NONE;
	size_t length;
	int r = load_bytes(path, &bytes, &length, &e);

	if (r < 0) {
		text_plain(e.text);
		fprintf(stderr, "%s\n", e.text);
		return 2;
	}
	r = control_dump(bytes, length, path, &report, &text, &e);
	control_report_print(&report, stderr);
	if (r < 0)
		return 1;
	if (puts(text) >= 0 && fflush(stdout) == 0)
		return 0;
	fprintf(stderr, "%s: cannot print it: %m\n", path);
	return 2;
}
