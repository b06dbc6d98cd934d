/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_CONTROL_SYNTAX_H
#define XENTEST_CONTROL_SYNTAX_H

#include <stdbool.h>
#include <stddef.h>

#include "control/report.h"
#include "control/tree.h"

/* White space, wherever the format speaks of it. */
static inline bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

/**
 * syntax_read() - read a control file in either syntax into a tree
 * @bytes:  as they stand in the file
 * @tree:   initialised and empty
 * @report: gets every message about the syntax
 *
 * Return: 0; 1 when reading stopped and the tree is no use; -ENOMEM.
 * Source: xentest.conf(5), "SYNTAX".
 */
int syntax_read(const char *bytes, size_t length, struct tree *tree,
		struct control_report *report);

/**
 * ini_read() - read the INI syntax
 * @text: NUL-terminated, without other NUL bytes or a byte order mark
 *
 * Return: as syntax_read().
 */
int ini_read(const char *text, struct tree *tree,
	     struct control_report *report);

/* The same for the native syntax, through libconfuse; lines end in LF. */
int native_read(const char *text, struct tree *tree,
		struct control_report *report);

#endif
