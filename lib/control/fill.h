/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_CONTROL_FILL_H
#define XENTEST_CONTROL_FILL_H

#include "control/report.h"
#include "control/scan.h"
#include "control/tree.h"

/* How native blocks become the sections that INI would have for them. */
struct fill {
	struct tree *tree;
	struct control_report *report;
	bool no_memory;
};

/*
 * Where a block's options go. A location's go to two places: what INI would
 * call them, and a hidden section, in which their %(name)s are looked up.
 */
struct place {
	struct section *section;
	struct section *hidden; /* NULL but for a location */
	const char *location;	/* its name, likewise */
};

/**
 * fill_open() - find or make the section of a block
 * @title: decoded; of an untitled block anything
 * @place: filled in when the answer is true
 *
 * Return: false when there can be no such block, or no second one; that was
 * said.
 */
bool fill_open(struct fill *fill, const struct scan_block *block,
	       const char *title, struct place *place);

/* Set a key, with a warning when it is set already. NULL without memory. */
struct key *fill_set(struct fill *fill, struct section *section,
		     const char *name, const char *value, int line);

/* Set an option of a location in both of its places. */
void fill_set_location(struct fill *fill, const struct place *place,
		       const char *option, const char *value, int line);

/* After the options: a location without url is known as an empty one. */
void fill_close_location(struct fill *fill, const struct scan_block *block,
			 const struct place *place);

#endif
