/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/fill.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

struct key *fill_set(struct fill *fill, struct section *section,
		     const char *name, const char *value, int line)
{
	bool repeated;
	struct key *key = tree_set(fill->tree, section, name, value,
				   strlen(value), line, &repeated);

	fill->no_memory |= key == NULL;
	if (key != NULL && repeated)
		report_warning(fill->report, line,
			       "[" REPORT_NAME "] " REPORT_NAME
			       ": repeated key, this one is used",
			       section->node.name, name);
	return key;
}

void fill_set_location(struct fill *fill, const struct place *place,
		       const char *option, const char *value, int line)
{
	CLEANUP(freep) char *name = NULL;
	struct key *key;

	if (strcmp(option, "url") == 0)
		name = strdup(place->location);
	else
		name = text_format("%s.%s", place->location, option);
	if (name == NULL) {
		fill->no_memory = true;
		return;
	}
	key = fill_set(fill, place->section, name, value, line);
	if (key != NULL)
		key->scope = place->hidden;
	fill_set(fill, place->hidden, option, value, line);
}

static struct section *add_section(struct fill *fill,
				   const struct scan_block *block,
				   enum section_kind kind, const char *name)
{
	struct section *section = tree_add_section(fill->tree, kind, name,
						   strlen(name), block->line);

	fill->no_memory |= section == NULL;
	return section;
}

/* default and preferences. */
static struct section *open_untitled(struct fill *fill,
				     const struct scan_block *block)
{
	struct section *section =
		block->kind == SECTION_DEFAULT
			? fill->tree->defaults
			: tree_section(fill->tree, "Preferences");

	if (section == NULL)
		return add_section(fill, block, block->kind, "Preferences");
	if (section->line > 0)
		report_warning(fill->report, block->line,
			       "[%s] section repeated, merged", block->title);
	else
		section->line = block->line;
	return section;
}

/* A test or vm. Return: NULL when its title cannot be, which was said. */
static struct section *open_titled(struct fill *fill,
				   const struct scan_block *block,
				   const char *title)
{
	const char *word = block->kind == SECTION_TEST ? "test" : "vm";
	enum section_kind kind = tree_kind(title);

	if (*title == '\0')
		report_error(fill->report, block->line, "%s without a title",
			     word);
	else if (kind != SECTION_TEST && kind != block->kind)
		report_error(fill->report, block->line,
			     "[" REPORT_NAME "] is no title for a %s", title,
			     word);
	else if (tree_section(fill->tree, title) != NULL)
		report_error(fill->report, block->line,
			     "[" REPORT_NAME "] stands above already", title);
	else
		return add_section(fill, block, block->kind, title);
	return NULL;
}

/* All locations are keys of one section. */
static bool open_location(struct fill *fill, const struct scan_block *block,
			  const char *title, struct place *place)
{
	char *name = arena_text(&fill->tree->arena, title, strlen(title));

	if (*title == '\0') {
		report_error(fill->report, block->line,
			     "location without a title");
		return false;
	}
	place->section = tree_section(fill->tree, "Locations");
	if (place->section == NULL)
		place->section = add_section(fill, block, SECTION_LOCATIONS,
					     "Locations");
	place->hidden = add_section(fill, block, SECTION_HIDDEN, title);
	if (name == NULL || fill->no_memory) {
		fill->no_memory = true;
		return false;
	}
	for (char *c = name; *c != '\0'; c++)
		*c = text_lower(*c);
	place->location = name;
	if (tree_key(fill->tree, place->section, name) == NULL)
		return true;
	report_error(fill->report, block->line,
		     "location \"" REPORT_NAME "\" stands above already",
		     title);
	return false;
}

/* A location without url is known all the same, as an empty one. */
void fill_close_location(struct fill *fill, const struct scan_block *block,
			 const struct place *place)
{
	struct key *key = tree_key(fill->tree, place->section, place->location);

	if (key == NULL)
		key = fill_set(fill, place->section, place->location, "",
			       block->last_line);
	if (key != NULL && block->broken)
		key->failed = true;
}

bool fill_open(struct fill *fill, const struct scan_block *block,
	       const char *title, struct place *place)
{
	*place = (struct place){.section = NULL};
	if (block->kind == SECTION_LOCATIONS)
		return open_location(fill, block, title, place);
	if (block->kind == SECTION_TEST || block->kind == SECTION_DOMAIN)
		place->section = open_titled(fill, block, title);
	else
		place->section = open_untitled(fill, block);
	if (place->section == NULL)
		return false;
	place->section->missing_line = block->last_line;
	place->section->broken |= block->broken;
	return true;
}
