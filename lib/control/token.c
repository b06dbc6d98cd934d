/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/token.h"

#include <stdbool.h>
#include <string.h>

#include "control/syntax.h"

/* Where a bare word ends: libconfuse 3.3, lexer.l, "an unquoted string". */
static const char word_ends[] = " #\"'\t\n\r={}()+,*\v\f";

static struct token token_make(enum token_kind kind, const char *at,
			       size_t length, int line)
{
	struct token token = {
		.kind = kind,
		.at = at,
		.length = length,
		.line = line,
	};

	for (size_t i = 0; i < length; i++)
		token.newlines += at[i] == '\n';
	return token;
}

/* Behind a comment that begins at @text; NULL when it is left open. */
static const char *skip_comment(const char *text)
{
	const char *end;

	if (text[0] != '/' || text[1] != '*')
		return strchrnul(text, '\n');
	end = strstr(text + 2, "*/");
	return end == NULL ? NULL : end + 2;
}

static bool is_comment(const char *text)
{
	return text[0] == '#' ||
	       (text[0] == '/' && (text[1] == '/' || text[1] == '*'));
}

/* Length of "${…}" at @text; 0 when it does not end on its line. */
static size_t variable_length(const char *text)
{
	size_t length = strcspn(text, "}\"\n");

	return text[length] == '}' ? length + 1 : 0;
}

static bool is_digit(char c, int base)
{
	if (base == 16 && ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')))
		return true;
	return c >= '0' && c <= '9';
}

/* Is "\…" at @text one of the ways to write a NUL byte? */
static bool escapes_nul(const char *text)
{
	bool hex = text[1] == 'x';
	size_t zeros = 0;
	size_t digits = 0;

	text += hex ? 2 : 1;
	while (digits < (hex ? 2 : 3) && is_digit(text[digits], hex ? 16 : 10))
		zeros += text[digits++] == '0';
	return digits > 0 && zeros == digits;
}

/* @text: the opening quote. */
static struct token token_string(const char *text, int line)
{
	enum token_kind kind = TOKEN_STRING;
	char quote = *text;
	const char *at = text + 1;

	while (*at != quote) {
		if (*at == '\0')
			return token_make(TOKEN_OPEN_STRING, text,
					  (size_t)(at - text), line);
		if (quote == '"' && at[0] == '$' && at[1] == '{' &&
		    kind != TOKEN_OPEN_VARIABLE) {
			size_t length = variable_length(at);

			if (length == 0)
				kind = TOKEN_OPEN_VARIABLE;
			at += length == 0 ? 2 : length;
			continue;
		}
		if (*at == '\\') {
			if (quote == '"' && escapes_nul(at))
				kind = TOKEN_NUL;
			at++;
			if (*at == '\0')
				continue;
		}
		at++;
	}
	return token_make(kind, text, (size_t)(at + 1 - text), line);
}

static struct token token_word(const char *text, int line)
{
	size_t length;

	if (text[0] == '$' && text[1] == '{') {
		length = variable_length(text);
		return token_make(length > 0 ? TOKEN_WORD : TOKEN_OPEN_VARIABLE,
				  text, length > 0 ? length : 2, line);
	}
	length = strcspn(text, word_ends);
	if (length == 0)
		return token_make(TOKEN_STRAY, text, 1, line);
	if (text[length - 1] == '$' && text[length] == '{')
		return token_make(TOKEN_OPEN_VARIABLE, text, length, line);
	return token_make(TOKEN_WORD, text, length, line);
}

static struct token token_here(const char *text, int line)
{
	switch (*text) {
	case '\0':
		return token_make(TOKEN_END, text, 0, line);
	case '"':
	case '\'':
		return token_string(text, line);
	case '{':
		return token_make(TOKEN_OPEN, text, 1, line);
	case '}':
		return token_make(TOKEN_CLOSE, text, 1, line);
	case '=':
		return token_make(TOKEN_EQUAL, text, 1, line);
	case '(':
	case ')':
	case ',':
		return token_make(TOKEN_OTHER, text, 1, line);
	case '+':
		if (text[1] == '=')
			return token_make(TOKEN_APPEND, text, 2, line);
		return token_make(TOKEN_STRAY, text, 1, line);
	default:
		return token_word(text, line);
	}
}

struct token token_next(const char **text, int *line)
{
	const char *at = *text;
	struct token token;

	while (is_space(*at) || *at == '\n' || is_comment(at)) {
		const char *end = is_comment(at) ? skip_comment(at) : at + 1;

		if (end == NULL) {
			token = token_make(TOKEN_OPEN_COMMENT, at, strlen(at),
					   *line);
			*text = at + token.length;
			return token;
		}
		for (; at < end; at++)
			*line += *at == '\n';
	}
	token = token_here(at, *line);
	*line += token.newlines;
	*text = at + token.length;
	return token;
}
