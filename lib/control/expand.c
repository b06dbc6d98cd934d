/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/expand.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

enum { NAME_BYTES_MAX = 1024 };

static enum expand_result expand_text(struct expander *expander,
				      const struct section *scope,
				      const char *text, unsigned int depth);

void expander_done(struct expander *expander)
{
	free(expander->buffer);
	expander->buffer = NULL;
}

static enum expand_result expand_append(struct expander *expander,
					const char *bytes, size_t length)
{
	size_t need = expander->length + length;

	if (length == 0)
		return EXPAND_OK;
	expander->bytes += length;
	if (need > EXPAND_BYTES_MAX || expander->bytes > EXPAND_TOTAL_MAX)
		return EXPAND_TOO_LONG;
	if (need > expander->capacity) {
		char *grown = realloc(expander->buffer, need * 2 + 256);

		if (grown == NULL)
			return EXPAND_NO_MEMORY;
		expander->buffer = grown;
		expander->capacity = need * 2 + 256;
	}
	memcpy(expander->buffer + expander->length, bytes, length);
	expander->length = need;
	return EXPAND_OK;
}

static enum expand_result expand_blame(struct expander *expander,
				       enum expand_result result,
				       const char *text, size_t length)
{
	size_t kept = length < sizeof(expander->culprit) - 1
			      ? length
			      : sizeof(expander->culprit) - 1;

	memcpy(expander->culprit, text, kept);
	expander->culprit[kept] = '\0';
	return result;
}

/* What a reader of the message needs to find "%(" that is no reference. */
static enum expand_result expand_bad(struct expander *expander,
				     const char *text)
{
	size_t length = strcspn(text, " \t\r\v\f\n)");

	if (text[length] == ')')
		length++;
	return expand_blame(expander, EXPAND_BAD, text, length);
}

static enum expand_result expand_name(struct expander *expander,
				      const struct section *scope,
				      const char *name, unsigned int depth)
{
	struct key *key = tree_key(expander->tree, scope, name);

	if (key != NULL)
		key->named = true;
	else
		key = tree_key(expander->tree, expander->tree->defaults, name);
	if (depth > EXPAND_DEPTH_MAX)
		return EXPAND_TOO_DEEP;
	if (++expander->references > EXPAND_REFERENCES_MAX)
		return EXPAND_TOO_LONG;
	if (key != NULL)
		return expand_text(expander, scope, key->value, depth + 1);
	if (strcmp(name, "__name__") == 0)
		return expand_append(expander, scope->node.name,
				     strlen(scope->node.name));
	return expand_blame(expander, EXPAND_UNKNOWN, name, strlen(name));
}

/* @text: "%(name)s…"; *ret_length: how much of it was the reference. */
static enum expand_result expand_reference(struct expander *expander,
					   const struct section *scope,
					   const char *text, unsigned int depth,
					   size_t *ret_length)
{
	char name[NAME_BYTES_MAX];
	size_t length = strcspn(text + 2, ")");

	if (length == 0 || text[2 + length] != ')' || text[3 + length] != 's')
		return expand_bad(expander, text);
	*ret_length = length + 4;
	if (length >= sizeof(name)) /* no file needs that */
		return expand_blame(expander, EXPAND_UNKNOWN, text + 2, length);
	for (size_t i = 0; i < length; i++)
		name[i] = text_lower(text[2 + i]);
	name[length] = '\0';
	return expand_name(expander, scope, name, depth);
}

/* @depth: of the references in @text, from 1. */
static enum expand_result expand_text(struct expander *expander,
				      const struct section *scope,
				      const char *text, unsigned int depth)
{
	enum expand_result result = EXPAND_OK;

	while (*text != '\0' && result == EXPAND_OK) {
		size_t length = strcspn(text, "%");

		if (length > 0) {
			result = expand_append(expander, text, length);
		} else if (text[1] == '(') {
			result = expand_reference(expander, scope, text, depth,
						  &length);
		} else {
			result = expand_append(expander, text, 1);
			length = text[1] == '%' ? 2 : 1;
		}
		text += length;
	}
	return result;
}

enum expand_result expand(struct expander *expander,
			  const struct section *section, const struct key *key,
			  const char **ret)
{
	const struct section *scope = key->scope != NULL ? key->scope : section;
	enum expand_result result;
	const char *copy;

	if (strchr(key->value, '%') == NULL) {
		*ret = key->value;
		return EXPAND_OK;
	}
	expander->length = 0;
	result = expand_text(expander, scope, key->value, 1);
	if (result != EXPAND_OK)
		return result;
	copy = arena_text(&expander->tree->arena, expander->buffer,
			  expander->length);
	if (copy == NULL)
		return EXPAND_NO_MEMORY;
	*ret = copy;
	return EXPAND_OK;
}
