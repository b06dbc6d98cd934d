/* SPDX-License-Identifier: BSD-2-Clause */
#include "xen/words.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

enum { LINES_MAX = 3 };

/* Where the last few lines of a text begin; its last newline is cut off. */
static char *last_lines(char *text)
{
	size_t length = strlen(text);
	unsigned int newlines = 0;

	while (length > 0 && text[length - 1] == '\n')
		text[--length] = '\0';
	while (length > 0) {
		if (text[length - 1] == '\n' && ++newlines == LINES_MAX)
			break;
		length--;
	}
	return text + length;
}

/* The lines joined by "; ", plain. */
static void join_lines(const char *lines, char words[static WORDS_MAX])
{
	char joined[4 * WORDS_MAX];
	size_t used = 0;

	for (; *lines != '\0' && used + 2 < sizeof(joined); lines++) {
		if (*lines == '\n')
			joined[used++] = ';';
		joined[used++] = *lines == '\n' ? ' ' : *lines;
	}
	joined[used] = '\0';
	text_plain(joined);
	text_copy(words, WORDS_MAX, joined);
}

void words_read(int fd, char words[static WORDS_MAX])
{
	char bytes[WORDS_MAX];
	CLEANUP(freep) char *text = NULL;
	off_t end = lseek(fd, 0, SEEK_END);
	off_t from = end > WORDS_MAX ? end - WORDS_MAX : 0;
	ssize_t length;

	words[0] = '\0';
	length = pread(fd, bytes, sizeof(bytes), from);
	for (ssize_t i = 0; i < length; i++)
		if (bytes[i] == '\0')
			bytes[i] = '?';
	text = length > 0 ? text_valid_utf8(bytes, (size_t)length) : NULL;
	if (text != NULL)
		join_lines(last_lines(text), words);
}
