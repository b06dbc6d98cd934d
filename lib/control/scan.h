/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_CONTROL_SCAN_H
#define XENTEST_CONTROL_SCAN_H

#include "control/report.h"
#include "control/tree.h"

/*
 * The pass over a native control file before libconfuse sees it. It finds
 * what libconfuse 3.3 lets pass (a brace or comment left open, a stray '*'),
 * notes the lines that libconfuse does not keep, and writes the text anew:
 * comments are blank, titles and free names are ordinary options, because
 * titled sections take libconfuse quadratic time.
 *
 *	test LTP {              test { -title = LTP
 *	default { mirror = x }  default { -names += mirror -names += x }
 *
 * Line ends stay where they were.
 */
#define SCAN_TITLE "-title"
#define SCAN_NAMES "-names"

enum { SCAN_DEPTH_MAX = 8 };

/* What a schema answers for a key's name, beside its index. */
enum {
	SCAN_FREE = -1,	   /* not an option, but free to stand here */
	SCAN_UNKNOWN = -2, /* an error */
};

typedef int (*scan_option_fn)(enum section_kind kind, const char *name);

struct scan_key {
	const char *name; /* lower case */
	int line;
	int option;  /* index or SCAN_FREE */
	bool append; /* "+=" */
};

struct scan_block {
	enum section_kind kind; /* SECTION_LOCATIONS: one location */
	const char *title;	/* as written, for messages; "" without one */
	int line;
	int last_line;
	bool broken;  /* that was said; libconfuse must not see it */
	size_t start; /* in the new text */
	size_t end;
	size_t first_key;
	size_t key_count;
};

struct scan {
	char *text;
	size_t length;
	size_t capacity;
	struct scan_block *blocks;
	size_t block_count;
	struct scan_key *keys;
	size_t key_count;
};

/**
 * scan_native() - the pass
 * @arena:  for names
 * @option: the schema
 * @scan:   zeroed; release it with scan_done() either way
 *
 * Return: 0; 1 when the text is no native control file; -ENOMEM.
 */
int scan_native(const char *text, struct arena *arena, scan_option_fn option,
		struct control_report *report, struct scan *scan);
void scan_done(struct scan *scan);

/* The block->key_count keys of a block; NULL when there are none. */
static inline const struct scan_key *scan_keys(const struct scan *scan,
					       const struct scan_block *block)
{
	return block->key_count == 0 ? NULL : &scan->keys[block->first_key];
}

#endif
