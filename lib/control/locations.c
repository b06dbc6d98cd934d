/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/check.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "control/value.h"

/* What is written beside a tree's name: "xen-unstable.sha256". */
static const char *const extras[] = {".sha256", ".ref", ".kind"};

/* Length of the tree's name in "TREE.ref"; 0: not of that form. */
static size_t extra_of(const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < ARRAY_SIZE(extras); i++) {
		size_t end = strlen(extras[i]);

		if (length > end && strcmp(name + length - end, extras[i]) == 0)
			return length - end;
	}
	return 0;
}

static void check_orphan(struct checker *checker, const struct section *section,
			 const struct key *key, size_t length)
{
	const struct found found = {
		.section = section,
		.name = key->node.name,
		.key = key,
	};
	char *tree = arena_text(&checker->tree->arena, key->node.name, length);

	if (tree == NULL)
		checker->no_memory = true;
	else if (tree_key(checker->tree, section, tree) == NULL)
		found_error(checker, &found, "no location \"" REPORT_NAME "\"",
			    tree);
}

static bool find_extra(struct checker *checker, struct section *section,
		       const char *tree, const char *extra, struct found *found)
{
	CLEANUP(freep) char *name = text_format("%s%s", tree, extra);

	if (name != NULL)
		return check_find(checker, section, name, true, found);
	checker->no_memory = true;
	return false;
}

static void read_location(struct checker *checker, struct section *section,
			  struct key *key, struct control_location *location)
{
	struct control_source *source = &location->source;
	const char *tree = key->node.name;
	struct found found;

	location->name = tree;
	location->line = key->line;
	if (key->failed)
		return;
	if (!check_key(checker, section, key, true, &found)) {
		report_error(checker->report, key->line,
			     "[" REPORT_NAME "] " REPORT_NAME ": no URL",
			     section->node.name, tree);
		return;
	}
	value_url(checker, &found, source);
	if (find_extra(checker, section, tree, ".kind", &found))
		value_kind(checker, &found, source);
	if (find_extra(checker, section, tree, ".ref", &found))
		value_ref(checker, &found, source);
	if (find_extra(checker, section, tree, ".sha256", &found))
		value_sha256_of(checker, &found, source);
}

void check_locations(struct checker *checker)
{
	struct section *section = tree_section(checker->tree, "Locations");
	struct control *control = checker->control;
	struct control_location *locations;
	size_t count = 0;

	if (section == NULL)
		return;
	for (struct key *key = section->keys; key != NULL; key = key->next)
		count += extra_of(key->node.name) == 0;
	locations =
		arena_array(&checker->tree->arena, count, sizeof(*locations));
	checker->no_memory |= locations == NULL;
	control->locations = locations;
	for (struct key *key = section->keys;
	     key != NULL && !checker->no_memory; key = key->next) {
		size_t length = extra_of(key->node.name);

		if (length > 0)
			check_orphan(checker, section, key, length);
		else
			read_location(checker, section, key,
				      locations + control->location_count++);
	}
}

static void read_tree(struct checker *checker, const struct found *found,
		      void *to)
{
	const struct control *control = checker->control;

	if (text_equal_nocase(found->text, "none"))
		return;
	for (size_t i = 0; i < control->location_count; i++) {
		const struct control_location *location =
			&control->locations[i];

		if (text_equal_nocase(location->name, found->text)) {
			*(const struct control_location **)to = location;
			return;
		}
	}
	found_error(checker, found, "no location \"" REPORT_NAME "\"",
		    found->text);
}

#define AT(member) offsetof(struct control_preferences, member)

static const struct rule preferences_rules[] = {
	{"xen-tree", read_tree, AT(tree), .whole = false},
	{"shared_dir", value_absolute, AT(shared_dir), .whole = false},
	{"workdir", value_absolute, AT(workdir), .whole = false},
	{"build_command", value_text, AT(build_command), .whole = true},
	{"install_command", value_text, AT(install_command), .whole = true},
	{"boot_method", value_boot_method, AT(boot_method), .whole = false},
	{"boot_entry", value_text, AT(boot_entry), .whole = false},
	{"boot_command", value_text, AT(boot_command), .whole = true},
	{"environment", value_environment, AT(environment), .whole = true},
	{"on_failure", value_on_failure, AT(on_failure), .whole = false},
	{"watchdog", value_yes_no, AT(watchdog), .whole = false},
	{"jobs", value_jobs, AT(jobs), .whole = false},
	{"build_timeout", value_limit, AT(build_timeout_s), .whole = false},
	{"boot_timeout", value_limit, AT(boot_timeout_s), .whole = false},
	{"run_timeout", value_limit, AT(run_timeout_s), .whole = false},
};

/* [Preferences], or what [DEFAULT] says where a file has none. */
static struct section *preferences_section(struct checker *checker)
{
	struct section *section = tree_section(checker->tree, "Preferences");

	if (section == NULL)
		section = tree_add_section(checker->tree, SECTION_HIDDEN,
					   "Preferences", strlen("Preferences"),
					   1);
	checker->no_memory |= section == NULL;
	return section;
}

static void check_boot_command(struct checker *checker, struct section *section)
{
	struct found method;

	if (checker->control->preferences.boot_method == CONTROL_BOOT_COMMAND &&
	    checker->control->preferences.boot_command == NULL &&
	    check_find(checker, section, "boot_method", true, &method))
		found_error(checker, &method,
			    "boot_command is missing, which it needs");
}

void check_preferences(struct checker *checker)
{
	struct control_preferences *preferences =
		&checker->control->preferences;
	struct section *section = preferences_section(checker);
	struct found found;

	*preferences = (struct control_preferences){
		.workdir = "/var/lib/xentest",
		.boot_method = CONTROL_BOOT_AUTO,
		.on_failure = CONTROL_FALLBACK,
		.watchdog = true,
		.build_timeout_s = 3 * 3600,
		.boot_timeout_s = 20 * 60,
		.run_timeout_s = CONTROL_NO_LIMIT,
	};
	if (section == NULL || section->broken)
		return;
	check_rules(checker, section, preferences_rules,
		    ARRAY_SIZE(preferences_rules), preferences);
	if (preferences->shared_dir == NULL)
		check_missing(checker, section, "shared_dir", "");
	check_boot_command(checker, section);
	preferences->tree_missing =
		!check_find(checker, section, "xen-tree", true, &found);
	if (preferences->tree_missing)
		report_warning(
			checker->report, section->missing_line,
			"[Preferences] xen-tree is missing, so nothing can be built");
}
