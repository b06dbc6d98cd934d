/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_CONTROL_EXPAND_H
#define XENTEST_CONTROL_EXPAND_H

#include "control/tree.h"

enum {
	EXPAND_DEPTH_MAX = 10,
	EXPAND_BYTES_MAX = 1024 * 1024,		 /* of one value */
	EXPAND_TOTAL_MAX = 256 * 1024 * 1024,	 /* of all, failed ones too */
	EXPAND_REFERENCES_MAX = 4 * 1024 * 1024, /* followed for one file */
};

enum expand_result {
	EXPAND_OK,
	EXPAND_UNKNOWN, /* no variable of that name */
	EXPAND_BAD,	/* "%(" that begins no reference */
	EXPAND_TOO_DEEP,
	EXPAND_TOO_LONG,
	EXPAND_NO_MEMORY,
};

/* One for all values of a file; zeroed with the tree set. */
struct expander {
	struct tree *tree;
	unsigned long references; /* followed so far */
	size_t bytes;		  /* written so far */
	/* Of the last failure: the unknown name or the bad text, cut short. */
	char culprit[104];
	/* The value under construction; release it with expander_done(). */
	char *buffer;
	size_t length;
	size_t capacity;
};

void expander_done(struct expander *expander);

/**
 * expand() - replace %(name)s and %% in a key's value
 * @section: that uses the key, which may be its own or of [DEFAULT]
 * @ret:     the tree's; written only for EXPAND_OK
 *
 * Marks the section's own keys that were named.
 *
 * Source: xentest.conf(5), "VARIABLES".
 */
enum expand_result expand(struct expander *expander,
			  const struct section *section, const struct key *key,
			  const char **ret);

#endif
