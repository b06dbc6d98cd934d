/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_CONTROL_TOKEN_H
#define XENTEST_CONTROL_TOKEN_H

#include <stddef.h>

/* The words of the native syntax, cut where libconfuse 3.3 cuts them. */
enum token_kind {
	TOKEN_END,
	TOKEN_WORD,
	TOKEN_STRING, /* with its quotes */
	TOKEN_OPEN,
	TOKEN_CLOSE,
	TOKEN_EQUAL,
	TOKEN_APPEND, /* "+=" */
	TOKEN_OTHER,  /* "(", ")", "," */
	TOKEN_STRAY,  /* a byte that libconfuse would drop silently */
	TOKEN_OPEN_STRING,
	TOKEN_OPEN_COMMENT,
	TOKEN_OPEN_VARIABLE, /* "${" without "}" on its line */
	TOKEN_NUL,	     /* a string with "\0" or "\x0" */
};

struct token {
	enum token_kind kind;
	const char *at;
	size_t length;
	int line;     /* where it begins */
	int newlines; /* inside it */
};

/**
 * token_next() - the first token of a text
 * @text: advanced behind it; behind the whole text for an open one
 * @line: of *@text, advanced likewise
 */
struct token token_next(const char **text, int *line);

#endif
