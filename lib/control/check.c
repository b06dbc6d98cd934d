/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/check.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "control/syntax.h"
#include "control/value.h"

static void found_say(struct checker *checker, const struct found *found,
		      bool error, const char *format, va_list args)
	__attribute__((format(printf, 4, 0)));

static void found_say(struct checker *checker, const struct found *found,
		      bool error, const char *format, va_list args)
{
	char text[512];

	vsnprintf(text, sizeof(text), format, args);
	(error ? report_error
	       : report_warning)(checker->report, found->key->line,
				 "[" REPORT_NAME "] " REPORT_NAME ": %s",
				 found->section->node.name, found->name, text);
}

void found_error(struct checker *checker, const struct found *found,
		 const char *format, ...)
{
	va_list args;

	va_start(args, format);
	found_say(checker, found, true, format, args);
	va_end(args);
}

void found_warning(struct checker *checker, const struct found *found,
		   const char *format, ...)
{
	va_list args;

	va_start(args, format);
	found_say(checker, found, false, format, args);
	va_end(args);
}

/* Return: the key's value as its section sees it; NULL: that was said. */
static const char *check_expand(struct checker *checker,
				const struct section *section, struct key *key)
{
	const struct found found = {
		.section = section,
		.name = key->node.name,
		.key = key,
	};
	const char *culprit = checker->expander.culprit;
	const char *text = NULL;

	switch (expand(&checker->expander, section, key, &text)) {
	case EXPAND_OK:
		return text;
	case EXPAND_UNKNOWN:
		found_error(checker, &found, "no variable \"%s\"", culprit);
		break;
	case EXPAND_BAD:
		found_error(
			checker, &found,
			"bad reference \"%s\", write \"%%%%(\" for a plain one",
			culprit);
		break;
	case EXPAND_TOO_DEEP:
		found_error(checker, &found, "nested more than %d deep",
			    EXPAND_DEPTH_MAX);
		break;
	case EXPAND_TOO_LONG:
		found_error(checker, &found, "expands to more than 1 MiB");
		break;
	case EXPAND_NO_MEMORY:
		checker->no_memory = true;
		break;
	}
	return NULL;
}

/* Every key that stands in a section must expand, used or not. */
static void check_expand_all(struct checker *checker)
{
	struct section *section = checker->tree->sections;

	for (; section != NULL; section = section->next) {
		for (struct key *key = section->keys;
		     key != NULL && !checker->no_memory; key = key->next) {
			if (key->failed)
				continue;
			key->expanded = check_expand(checker, section, key);
			key->failed = key->expanded == NULL;
		}
	}
}

static bool is_blank(const char *text)
{
	while (is_space(*text) || *text == '\n')
		text++;
	return *text == '\0';
}

/* Without white space around it and with each line end taken out. */
static const char *join_lines(struct checker *checker,
			      const struct found *found)
{
	size_t length = strlen(found->text);
	const char *at = found->text;
	char *joined;
	char *end;

	if (strchr(at, '\n') == NULL && !is_space(at[0]) &&
	    !is_space(at[length - 1]))
		return at;
	joined = arena_alloc(&checker->tree->arena, length + 1);
	if (joined == NULL) {
		checker->no_memory = true;
		return at;
	}
	for (end = joined; *at != '\0';) {
		size_t line = strcspn(at, "\n");
		const char *next = at[line] == '\n' ? at + line + 1 : at + line;

		while (line > 0 && is_space(at[line - 1]))
			line--;
		for (; line > 0 && is_space(*at); line--)
			at++;
		end = mempcpy(end, at, line);
		at = next;
	}
	*end = '\0';
	if (strchr(found->text, '\n') != NULL)
		found_warning(checker, found, "lines joined");
	return joined;
}

bool check_key(struct checker *checker, struct section *section,
	       struct key *key, bool joined, struct found *found)
{
	const char *text = key->expanded;

	if (key->node.owner == section)
		key->known = true;
	else
		text = check_expand(checker, section, key);
	if (key->failed || text == NULL || is_blank(text))
		return false;
	*found = (struct found){
		.section = section,
		.name = key->node.name,
		.key = key,
		.text = text,
	};
	if (joined)
		found->text = join_lines(checker, found);
	return true;
}

static struct key *key_for(const struct checker *checker,
			   const struct section *section, const char *name)
{
	struct key *key = tree_key(checker->tree, section, name);

	if (key == NULL && checker->tree->defaults->keys != NULL)
		key = tree_key(checker->tree, checker->tree->defaults, name);
	return key;
}

bool check_find(struct checker *checker, struct section *section,
		const char *name, bool joined, struct found *found)
{
	struct key *key = key_for(checker, section, name);

	return key != NULL && check_key(checker, section, key, joined, found);
}

void check_missing(struct checker *checker, struct section *section,
		   const char *name, const char *why)
{
	const struct key *key = key_for(checker, section, name);
	int line = section->missing_line;

	if (key != NULL && key->node.owner == section) {
		if (key->failed || !is_blank(key->expanded))
			return;
		line = key->line;
	} else if (key != NULL && !is_blank(key->value)) {
		return;
	}
	report_error(checker->report, line, "[" REPORT_NAME "] %s is missing%s",
		     section->node.name, name, why);
}

void check_rules(struct checker *checker, struct section *section,
		 const struct rule *rules, size_t count, void *object)
{
	struct found found;

	for (size_t i = 0; i < count && !checker->no_memory; i++)
		if (check_find(checker, section, rules[i].name, !rules[i].whole,
			       &found))
			rules[i].read(checker, &found,
				      (char *)object + rules[i].offset);
}

const struct control_test *check_test_named(const struct checker *checker,
					    const char *name)
{
	const struct section *section = tree_section(checker->tree, name);

	if (section == NULL || section->kind != SECTION_TEST)
		return NULL;
	return section->object;
}

/* [preferences], or [xenvm1]: surely meant otherwise. INI only. */
static void check_section_name(struct checker *checker,
			       const struct section *section)
{
	const char *name = section->node.name;

	if (section->kind == SECTION_TEST &&
	    (text_equal_nocase(name, "Preferences") ||
	     text_equal_nocase(name, "Locations") ||
	     text_equal_nocase(name, "DEFAULT") ||
	     strncasecmp(name, "XENVM", strlen("XENVM")) == 0))
		report_warning(checker->report, section->line,
			       "section \"" REPORT_NAME "\" is taken as a test",
			       name);
}

/* A key that nothing uses is most likely a slip of the pen. */
static void check_unused(struct checker *checker, const struct section *section)
{
	for (const struct key *key = section->keys; key != NULL;
	     key = key->next)
		if (!key->known && !key->named && !key->failed)
			report_warning(checker->report, key->line,
				       "[" REPORT_NAME "] key \"" REPORT_NAME
				       "\" is not known and not used",
				       section->node.name, key->node.name);
}

static void check_names(struct checker *checker)
{
	const struct section *section = checker->tree->sections;

	for (; section != NULL; section = section->next) {
		check_section_name(checker, section);
		if (!section->broken && section->kind != SECTION_LOCATIONS)
			check_unused(checker, section);
	}
}

int check_tree(struct tree *tree, struct control_report *report,
	       struct control *control)
{
	struct checker checker = {
		.tree = tree,
		.report = report,
		.control = control,
		.expander.tree = tree,
	};

	check_expand_all(&checker);
	if (!checker.no_memory)
		check_locations(&checker);
	if (!checker.no_memory)
		check_preferences(&checker);
	if (!checker.no_memory)
		check_tests(&checker);
	if (!checker.no_memory)
		check_domains(&checker);
	check_names(&checker);
	expander_done(&checker.expander);
	return checker.no_memory ? -ENOMEM : 0;
}
