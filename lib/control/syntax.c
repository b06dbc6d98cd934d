/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/syntax.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

/*
 * A copy without byte order mark and CR before LF, NUL-terminated. A NUL byte
 * is reported, once a line, and becomes '?' so that reading can go on.
 */
static char *clean_copy(const char *bytes, size_t length,
			struct control_report *report)
{
	static const char mark[] = "\xEF\xBB\xBF";
	char *text = malloc(length + 1);
	char *end = text;
	int reported = 0;
	int line = 1;

	if (text == NULL)
		return NULL;
	if (length >= 3 && memcmp(bytes, mark, 3) == 0) {
		bytes += 3;
		length -= 3;
	}
	for (size_t i = 0; i < length; i++) {
		char c = bytes[i];

		if (c == '\r' && i + 1 < length && bytes[i + 1] == '\n')
			continue;
		if (c == '\0') {
			if (reported != line)
				report_error(report, line, "NUL byte");
			reported = line;
			c = '?';
		} else if (c == '\n') {
			line++;
		}
		*end++ = c;
	}
	*end = '\0';
	return text;
}

static bool is_rem(const char *line)
{
	return text_lower(line[0]) == 'r' && text_lower(line[1]) == 'e' &&
	       text_lower(line[2]) == 'm' &&
	       (is_space(line[3]) || line[3] == '\n' || line[3] == '\0');
}

/*
 * The first character that is neither blank nor in a comment. Comments that
 * only the native syntax has need no look: no "[" can follow them.
 */
static char first_character(const char *text)
{
	while (*text != '\0') {
		const char *word = text;

		while (is_space(*word))
			word++;
		if (*word != '\n' && *word != '\0' && *word != '#' &&
		    *word != ';' && !is_rem(text))
			return *word;
		text = strchrnul(word, '\n');
		if (*text == '\n')
			text++;
	}
	return '\0';
}

int syntax_read(const char *bytes, size_t length, struct tree *tree,
		struct control_report *report)
{
	CLEANUP(freep) char *text = NULL;

	if (length > CONTROL_BYTES_MAX) {
		report_error(report, 1, "larger than 1 MiB");
		return 1;
	}
	text = clean_copy(bytes, length, report);
	if (text == NULL)
		return -ENOMEM;
	if (first_character(text) == '[')
		return ini_read(text, tree, report);
	return native_read(text, tree, report);
}
