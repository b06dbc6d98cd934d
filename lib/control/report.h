/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_CONTROL_REPORT_H
#define XENTEST_CONTROL_REPORT_H

#include "control/control.h"

/* How much of a foreign name a message quotes: use it as "%.*s" or "%.100s". */
#define REPORT_NAME "%.100s"

/**
 * report_error() - add an error message
 * @line:   of the file, from 1
 * @format: the text; of foreign strings it quotes at most REPORT_NAME, so that
 *          a hostile file cannot make its messages large
 *
 * The text is made valid UTF-8 without control characters. Without memory the
 * message is lost but counted.
 */
void report_error(struct control_report *report, int line, const char *format,
		  ...) __attribute__((format(printf, 3, 4)));
/* The same for a warning. */
void report_warning(struct control_report *report, int line, const char *format,
		    ...) __attribute__((format(printf, 3, 4)));

/* Sort by line; messages of one line stay in the order they were added. */
void report_sort(struct control_report *report);

#endif
