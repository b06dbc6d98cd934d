/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/syntax.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

/* Part of a line. */
struct span {
	const char *at;
	size_t length;
};

struct ini {
	struct tree *tree;
	struct control_report *report;
	struct section *section; /* NULL: none yet */
	int line;
	bool no_memory;

	/* The key that continuation lines belong to. */
	bool has_key;
	int key_line;
	char *name;
	char *value;
	size_t value_length;
	size_t value_capacity;
};

static struct span span_strip(struct span span)
{
	while (span.length > 0 && is_space(span.at[0])) {
		span.at++;
		span.length--;
	}
	while (span.length > 0 && is_space(span.at[span.length - 1]))
		span.length--;
	return span;
}

static void ini_append(struct ini *ini, const char *bytes, size_t length)
{
	if (ini->value_length + length > ini->value_capacity) {
		size_t capacity = (ini->value_length + length) * 2 + 256;
		char *grown = realloc(ini->value, capacity);

		if (grown == NULL) {
			ini->no_memory = true;
			return;
		}
		ini->value = grown;
		ini->value_capacity = capacity;
	}
	if (length > 0)
		memcpy(ini->value + ini->value_length, bytes, length);
	ini->value_length += length;
}

/* The value is whole: put it into the tree. */
static void ini_end_key(struct ini *ini)
{
	bool repeated;

	if (!ini->has_key || ini->no_memory)
		return;
	ini->has_key = false;
	ini_append(ini, "", 0); /* so that there is a buffer */
	if (tree_set(ini->tree, ini->section, ini->name,
		     ini->value_length > 0 ? ini->value : "", ini->value_length,
		     ini->key_line, &repeated) == NULL)
		ini->no_memory = true;
	else if (repeated)
		report_warning(ini->report, ini->key_line,
			       "[" REPORT_NAME "] " REPORT_NAME
			       ": repeated key, this one is used",
			       ini->section->node.name, ini->name);
}

static void ini_open_section(struct ini *ini, struct span name)
{
	CLEANUP(freep) char *copy = strndup(name.at, name.length);
	enum section_kind kind;
	struct section *section;

	if (copy == NULL) {
		ini->no_memory = true;
		return;
	}
	kind = tree_kind(copy);
	section = kind == SECTION_DEFAULT ? ini->tree->defaults
					  : tree_section(ini->tree, copy);
	/* The tree always has defaults; without a line they are not opened. */
	if (section != NULL && section->line > 0) {
		report_warning(ini->report, ini->line,
			       "[" REPORT_NAME "] section repeated, merged",
			       copy);
	} else if (section != NULL) {
		section->line = ini->line;
	} else {
		section = tree_add_section(ini->tree, kind, name.at,
					   name.length, ini->line);
	}
	if (section == NULL)
		ini->no_memory = true;
	else
		ini->section = section;
}

/* Keys below a header without a name go to a section that nobody sees. */
static void ini_open_nameless(struct ini *ini)
{
	ini->section =
		tree_add_section(ini->tree, SECTION_HIDDEN, "", 0, ini->line);
	ini->no_memory = ini->section == NULL;
}

static void ini_header(struct ini *ini, struct span line)
{
	struct span name = {line.at + 1, line.length - 1};
	const char *close = memchr(name.at, ']', name.length);
	bool bad = close == NULL;

	ini_end_key(ini);
	if (ini->no_memory)
		return;
	if (close != NULL) {
		struct span rest = span_strip((struct span){
			close + 1,
			name.length - (size_t)(close - name.at) - 1});

		bad = rest.length > 0 && rest.at[0] != '#' && rest.at[0] != ';';
		name.length = (size_t)(close - name.at);
	} else {
		name = span_strip(name);
	}
	if (bad || name.length == 0)
		report_error(ini->report, ini->line, "bad section header");
	if (name.length == 0)
		ini_open_nameless(ini);
	else
		ini_open_section(ini, name);
}

/* A comment behind a value: the first ';', when white space stands before. */
static struct span ini_cut_comment(struct span value)
{
	const char *mark = memchr(value.at, ';', value.length);

	if (mark != NULL && mark > value.at && is_space(mark[-1]))
		value.length = (size_t)(mark - value.at);
	return span_strip(value);
}

static bool is_command(const char *name)
{
	static const char end[] = "_command";
	size_t length = strlen(name);

	return length >= sizeof(end) - 1 &&
	       strcmp(name + length - (sizeof(end) - 1), end) == 0;
}

static void ini_begin_key(struct ini *ini, struct span name, struct span value)
{
	free(ini->name);
	ini->name = strndup(name.at, name.length);
	if (ini->name == NULL) {
		ini->no_memory = true;
		return;
	}
	for (char *c = ini->name; *c != '\0'; c++)
		*c = text_lower(*c);
	if (!is_command(ini->name))
		value = ini_cut_comment(value);
	if (value.length == 2 && memcmp(value.at, "\"\"", 2) == 0)
		value.length = 0;
	ini->has_key = true;
	ini->key_line = ini->line;
	ini->value_length = 0;
	ini_append(ini, value.at, value.length);
}

static void ini_key(struct ini *ini, struct span line)
{
	struct span name = line;
	struct span value;

	name.length = 0;
	while (name.length < line.length && name.at[name.length] != '=' &&
	       name.at[name.length] != ':')
		name.length++;
	if (name.length == line.length) {
		report_error(
			ini->report, ini->line,
			"not \"key = value\" (a continued line must be indented)");
		return;
	}
	value.at = line.at + name.length + 1;
	value.length = line.length - name.length - 1;
	name = span_strip(name);
	if (name.length == 0) {
		report_error(ini->report, ini->line,
			     "not \"key = value\": no key before \"%c\"",
			     value.at[-1]);
		return;
	}
	ini_end_key(ini);
	ini_begin_key(ini, name, span_strip(value));
}

static void ini_continue(struct ini *ini, struct span rest)
{
	if (!ini->has_key) {
		report_error(ini->report, ini->line,
			     "indented line with no key above it");
		return;
	}
	ini_append(ini, "\n", 1);
	ini_append(ini, rest.at, rest.length);
}

static bool is_rem(struct span line)
{
	return line.length >= 3 && text_lower(line.at[0]) == 'r' &&
	       text_lower(line.at[1]) == 'e' && text_lower(line.at[2]) == 'm' &&
	       (line.length == 3 || is_space(line.at[3]));
}

/* Return: false when nothing after this line can be understood. */
static bool ini_line(struct ini *ini, struct span line)
{
	struct span rest = span_strip(line);

	if (rest.length == 0 || rest.at[0] == '#' || rest.at[0] == ';' ||
	    is_rem(line))
		return true;
	if (line.at[0] == '[') {
		ini_header(ini, line);
	} else if (ini->section == NULL) {
		report_error(ini->report, ini->line, "no section yet");
		return false;
	} else if (is_space(line.at[0])) {
		ini_continue(ini, rest);
	} else {
		ini_key(ini, line);
	}
	return true;
}

static bool ini_lines(struct ini *ini, const char *text)
{
	while (*text != '\0' && !ini->no_memory) {
		const char *end = strchrnul(text, '\n');

		ini->line++;
		if (!ini_line(ini, (struct span){text, (size_t)(end - text)}))
			return false;
		text = *end == '\n' ? end + 1 : end;
	}
	ini_end_key(ini);
	return true;
}

int ini_read(const char *text, struct tree *tree, struct control_report *report)
{
	struct ini ini = {.tree = tree, .report = report};
	bool whole = ini_lines(&ini, text);

	free(ini.name);
	free(ini.value);
	if (ini.no_memory)
		return -ENOMEM;
	return whole ? 0 : 1;
}
