/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_CONTROL_TREE_H
#define XENTEST_CONTROL_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/arena.h"

/*
 * What both syntaxes are read into: sections, their keys with values as
 * written, and the line of each. An index makes every lookup O(1); nothing
 * here is checked or expanded yet.
 */

enum section_kind {
	SECTION_DEFAULT,
	SECTION_PREFERENCES,
	SECTION_LOCATIONS,
	SECTION_DOMAIN,
	SECTION_TEST,
	SECTION_HIDDEN, /* looked into, never listed: one native location */
};

/* An entry of the index: first member of a section and of a key. */
struct node {
	struct node *chain;
	const void *owner; /* a key's section; of a section NULL */
	const char *name;
	uint32_t hash;
};

struct key {
	struct node node; /* name: lower case */
	struct key *next; /* in the order of the file */
	const char *value;
	int line;
	/* Where its %(name)s are looked up; NULL: where the key is used. */
	const struct section *scope;
	/* For the checks: */
	bool known;	      /* some rule uses it */
	bool named;	      /* some %(name)s names it */
	bool failed;	      /* cannot be expanded; that was said */
	const char *expanded; /* NULL: not expanded yet */
};

struct section {
	struct node node;
	struct section *next;
	enum section_kind kind;
	int line;
	int missing_line; /* for messages about a key that is not there */
	bool broken;	  /* not read whole: its content is not checked */
	struct key *keys;
	struct key **keys_end;
	uint64_t key_mask; /* one bit by each key's name: is it worth a look? */
	void *object;	   /* the model's struct, once it is made */
};

struct tree {
	struct arena arena; /* owns sections, keys and texts */
	struct node **buckets;
	size_t bucket_count;
	size_t node_count;
	struct section *sections; /* in the order of the file, not DEFAULT */
	struct section **sections_end;
	struct section *defaults; /* [DEFAULT]; never NULL */
	size_t counts[SECTION_HIDDEN + 1];
};

/**
 * tree_init() - an empty tree
 *
 * Return: 0 or -ENOMEM.
 */
int tree_init(struct tree *tree);
/* Release the index and, unless it was moved away, the arena. */
void tree_done(struct tree *tree);

/* The kind that an INI section's name stands for. */
enum section_kind tree_kind(const char *name);

/* The section of that name, not DEFAULT; NULL when there is none. */
struct section *tree_section(const struct tree *tree, const char *name);

/**
 * tree_add_section() - add a section that is not there yet
 * @length: of @name
 *
 * Return: the section, the tree's; NULL without memory.
 */
struct section *tree_add_section(struct tree *tree, enum section_kind kind,
				 const char *name, size_t length, int line);

/* The section's own key, NULL when there is none. @name: lower case. */
struct key *tree_key(const struct tree *tree, const struct section *section,
		     const char *name);

/**
 * tree_set() - set a key of a section, replacing an older value
 * @name:     lower case
 * @value:    any length; see @length
 * @repeated: set when there was one before
 *
 * Return: the key, NULL without memory.
 */
struct key *tree_set(struct tree *tree, struct section *section,
		     const char *name, const char *value, size_t length,
		     int line, bool *repeated);

#endif
