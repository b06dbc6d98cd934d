/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_CONTROL_CHECK_H
#define XENTEST_CONTROL_CHECK_H

#include "control/control.h"
#include "control/expand.h"
#include "control/report.h"
#include "control/tree.h"

/* From a tree to the model: what the checks share. */
struct checker {
	struct tree *tree;
	struct control_report *report;
	struct control *control;
	struct expander expander;
	bool no_memory;
};

/* A key's value, found and expanded, on its way into the model. */
struct found {
	const struct section *section;
	const char *name;
	const struct key *key;
	const char *text; /* not empty */
};

/**
 * check_tree() - apply every rule of the format and build the model
 * @control: zeroed; filled in as far as possible
 *
 * Return: 0, also when there were errors, which the report then counts; or
 * -ENOMEM.
 * Source: xentest.conf(5).
 */
int check_tree(struct tree *tree, struct control_report *report,
	       struct control *control);

/* "[SECTION] KEY: …" at the key's line. */
void found_error(struct checker *checker, const struct found *found,
		 const char *format, ...) __attribute__((format(printf, 3, 4)));
void found_warning(struct checker *checker, const struct found *found,
		   const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * check_find() - the value of a key: the section's own, else of [DEFAULT]
 * @joined: make one line of several, and warn
 * @found:  filled in when the answer is true
 *
 * Return: false when it is missing, empty or cannot be expanded; the latter
 * was said.
 */
bool check_find(struct checker *checker, struct section *section,
		const char *name, bool joined, struct found *found);
/* The same for a key at hand, which @section has or inherits. */
bool check_key(struct checker *checker, struct section *section,
	       struct key *key, bool joined, struct found *found);

/* Say that a key is missing, unless it stands there and is only wrong. */
void check_missing(struct checker *checker, struct section *section,
		   const char *name, const char *why);

/* One key of a section, and what becomes of it. */
struct rule {
	const char *name;
	/* Writes into the model, or says why not. */
	void (*read)(struct checker *checker, const struct found *found,
		     void *to);
	size_t offset; /* of @to in the section's struct */
	bool whole;    /* a command or list keeps its lines */
};

void check_rules(struct checker *checker, struct section *section,
		 const struct rule *rules, size_t count, void *object);

/* The parts of check_tree(), in the order in which they need each other. */
void check_locations(struct checker *checker);	 /* locations.c */
void check_preferences(struct checker *checker); /* locations.c */
void check_tests(struct checker *checker);	 /* tests.c */
void check_domains(struct checker *checker);	 /* domains.c */

/* The test of that section; NULL when there is none. */
const struct control_test *check_test_named(const struct checker *checker,
					    const char *name);

#endif
