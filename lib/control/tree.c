/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

enum { BUCKETS_FIRST = 256 };

/* FNV-1a, 32 bits: http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint32_t name_hash(const char *name)
{
	uint32_t hash = 2166136261U;

	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619U;
	return hash;
}

/* The same name in many sections lands in as many buckets. */
static uint32_t node_hash(const void *owner, uint32_t name_hash)
{
	uint32_t mixed = name_hash ^ (uint32_t)((uintptr_t)owner >> 4);

	mixed *= 2654435769U; /* Knuth, TAOCP 6.4: 2^32 over the golden ratio */
	return mixed ^ mixed >> 15;
}

static uint64_t mask_bit(uint32_t name_hash)
{
	return UINT64_C(1) << (name_hash & 63);
}

static struct node *tree_find(const struct tree *tree, const void *owner,
			      const char *name, uint32_t name_hash)
{
	uint32_t hash = node_hash(owner, name_hash);
	struct node *node = tree->buckets[hash % tree->bucket_count];

	for (; node != NULL; node = node->chain)
		if (node->hash == hash && node->owner == owner &&
		    strcmp(node->name, name) == 0)
			return node;
	return NULL;
}

static void tree_link(struct node **buckets, size_t count, struct node *node)
{
	struct node **bucket = &buckets[node->hash % count];

	node->chain = *bucket;
	*bucket = node;
}

static bool tree_grow(struct tree *tree)
{
	size_t count = tree->bucket_count * 2;
	struct node **buckets = calloc(count, sizeof(*buckets));

	if (buckets == NULL)
		return false;
	for (size_t i = 0; i < tree->bucket_count; i++) {
		struct node *node = tree->buckets[i];

		while (node != NULL) {
			struct node *chain = node->chain;

			tree_link(buckets, count, node);
			node = chain;
		}
	}
	free(tree->buckets);
	tree->buckets = buckets;
	tree->bucket_count = count;
	return true;
}

static bool tree_index(struct tree *tree, struct node *node, const void *owner,
		       const char *name)
{
	if (tree->node_count >= tree->bucket_count && !tree_grow(tree))
		return false;
	node->owner = owner;
	node->name = name;
	node->hash = node_hash(owner, name_hash(name));
	tree_link(tree->buckets, tree->bucket_count, node);
	tree->node_count++;
	return true;
}

int tree_init(struct tree *tree)
{
	*tree = (struct tree){.bucket_count = BUCKETS_FIRST};
	tree->sections_end = &tree->sections;
	tree->buckets = calloc(BUCKETS_FIRST, sizeof(tree->buckets[0]));
	if (tree->buckets == NULL)
		return -ENOMEM;
	tree->defaults = tree_add_section(tree, SECTION_DEFAULT, "DEFAULT",
					  strlen("DEFAULT"), 0);
	return tree->defaults == NULL ? -ENOMEM : 0;
}

void tree_done(struct tree *tree)
{
	free(tree->buckets);
	tree->buckets = NULL;
	arena_done(&tree->arena);
}

enum section_kind tree_kind(const char *name)
{
	if (strcmp(name, "DEFAULT") == 0)
		return SECTION_DEFAULT;
	if (strcmp(name, "Preferences") == 0)
		return SECTION_PREFERENCES;
	if (strcmp(name, "Locations") == 0)
		return SECTION_LOCATIONS;
	if (strncmp(name, "XENVM", strlen("XENVM")) == 0)
		return SECTION_DOMAIN;
	return SECTION_TEST;
}

struct section *tree_section(const struct tree *tree, const char *name)
{
	return (struct section *)tree_find(tree, NULL, name, name_hash(name));
}

struct section *tree_add_section(struct tree *tree, enum section_kind kind,
				 const char *name, size_t length, int line)
{
	struct section *section = arena_alloc(&tree->arena, sizeof(*section));
	const char *copy = arena_text(&tree->arena, name, length);

	if (section == NULL || copy == NULL)
		return NULL;
	section->kind = kind;
	section->line = line;
	section->missing_line = line;
	section->keys_end = &section->keys;
	tree->counts[kind]++;
	if (kind == SECTION_DEFAULT || kind == SECTION_HIDDEN) {
		section->node.name = copy;
		return section;
	}
	if (!tree_index(tree, &section->node, NULL, copy))
		return NULL;
	*tree->sections_end = section;
	tree->sections_end = &section->next;
	return section;
}

struct key *tree_key(const struct tree *tree, const struct section *section,
		     const char *name)
{
	uint32_t hash = name_hash(name);

	/* Most questions are about optional keys that are not there. */
	if ((section->key_mask & mask_bit(hash)) == 0)
		return NULL;
	return (struct key *)tree_find(tree, section, name, hash);
}

static struct key *tree_add_key(struct tree *tree, struct section *section,
				const char *name)
{
	struct key *key = arena_alloc(&tree->arena, sizeof(*key));
	const char *copy = arena_text(&tree->arena, name, strlen(name));

	if (key == NULL || copy == NULL ||
	    !tree_index(tree, &key->node, section, copy))
		return NULL;
	section->key_mask |= mask_bit(name_hash(name));
	*section->keys_end = key;
	section->keys_end = &key->next;
	return key;
}

struct key *tree_set(struct tree *tree, struct section *section,
		     const char *name, const char *value, size_t length,
		     int line, bool *repeated)
{
	struct key *key = tree_key(tree, section, name);
	const char *copy = arena_text(&tree->arena, value, length);

	*repeated = key != NULL;
	if (key == NULL)
		key = tree_add_key(tree, section, name);
	if (key == NULL || copy == NULL)
		return NULL;
	key->value = copy;
	key->line = line;
	return key;
}
