/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "control/token.h"

struct scanner {
	const char *at;
	int line;
	int written_line; /* of the end of the new text */
	struct arena *arena;
	scan_option_fn option;
	struct control_report *report;
	struct scan *scan;
	bool no_memory;
};

static const struct {
	const char *word;
	enum section_kind kind;
	bool titled;
} block_words[] = {
	{"default", SECTION_DEFAULT, false},
	{"preferences", SECTION_PREFERENCES, false},
	{"location", SECTION_LOCATIONS, true},
	{"test", SECTION_TEST, true},
	{"vm", SECTION_DOMAIN, true},
};

void scan_done(struct scan *scan)
{
	free(scan->text);
	free(scan->blocks);
	free(scan->keys);
	*scan = (struct scan){.text = NULL};
}

static void write_bytes(struct scanner *scanner, const char *bytes,
			size_t length)
{
	struct scan *scan = scanner->scan;

	if (length > scan->capacity - scan->length) {
		size_t capacity = (scan->length + length) * 2 + 4096;
		char *grown = realloc(scan->text, capacity);

		if (grown == NULL) {
			scanner->no_memory = true;
			return;
		}
		scan->text = grown;
		scan->capacity = capacity;
	}
	memcpy(scan->text + scan->length, bytes, length);
	scan->length += length;
}

static void write_text(struct scanner *scanner, const char *text)
{
	write_bytes(scanner, text, strlen(text));
}

/* Blanks up to the line of what comes next. */
static void write_blank(struct scanner *scanner, int line)
{
	write_bytes(scanner, " ", 1);
	for (; scanner->written_line < line; scanner->written_line++)
		write_bytes(scanner, "\n", 1);
}

static void write_token(struct scanner *scanner, const struct token *token)
{
	write_blank(scanner, token->line);
	write_bytes(scanner, token->at, token->length);
	scanner->written_line += token->newlines;
}

static struct token scan_token(struct scanner *scanner)
{
	return token_next(&scanner->at, &scanner->line);
}

static struct token scan_peek(const struct scanner *scanner)
{
	const char *at = scanner->at;
	int line = scanner->line;

	return token_next(&at, &line);
}

static struct scan_block *last_block(struct scanner *scanner)
{
	return &scanner->scan->blocks[scanner->scan->block_count - 1];
}

/* Grow by doubling when @count is a power of two. */
static bool make_room(struct scanner *scanner, void **array, size_t count,
		      size_t size)
{
	void *grown;

	if ((count & (count - 1)) != 0)
		return true;
	grown = reallocarray(*array, count == 0 ? 1 : count * 2, size);
	if (grown == NULL) {
		scanner->no_memory = true;
		return false;
	}
	*array = grown;
	return true;
}

static int token_width(const struct token *token)
{
	return token->length > 100 ? 100 : (int)token->length;
}

/* Tokens that are wrong wherever they stand. Return: true for one. */
static bool scan_bad_token(struct scanner *scanner, const struct token *token)
{
	struct control_report *report = scanner->report;

	switch (token->kind) {
	case TOKEN_OPEN_STRING:
		report_error(report, token->line, "string not closed");
		return true;
	case TOKEN_OPEN_COMMENT:
		report_error(report, token->line, "comment not closed");
		return true;
	case TOKEN_OPEN_VARIABLE:
		report_error(
			report, token->line,
			"\"${\" begins no whole \"${NAME}\"; write \"\\${\" in double quotes for a plain one");
		return true;
	case TOKEN_NUL:
		report_error(report, token->line, "NUL byte");
		return true;
	case TOKEN_STRAY:
		report_error(report, token->line,
			     "stray \"%.*s\" (put the value in quotes)",
			     token_width(token), token->at);
		return true;
	default:
		return false;
	}
}

static const char *lower_copy(struct scanner *scanner,
			      const struct token *token)
{
	char *copy = arena_text(scanner->arena, token->at, token->length);

	if (copy == NULL) {
		scanner->no_memory = true;
		return NULL;
	}
	for (char *c = copy; *c != '\0'; c++)
		*c = text_lower(*c);
	return copy;
}

static void scan_unknown_key(struct scanner *scanner, const char *name,
			     int line)
{
	struct scan_block *block = last_block(scanner);

	report_error(scanner->report, line,
		     "[" REPORT_NAME "] key \"" REPORT_NAME "\" is not known",
		     block->title, name);
}

/* A word at the beginning of "word = value". Return: is it a free name? */
static bool scan_key(struct scanner *scanner, const struct token *word)
{
	struct scan *scan = scanner->scan;
	struct scan_block *block = last_block(scanner);
	const char *name = lower_copy(scanner, word);
	struct token sign = scan_token(scanner);
	int option;

	if (name == NULL || !make_room(scanner, (void **)&scan->keys,
				       scan->key_count, sizeof(*scan->keys)))
		return false;
	option = scanner->option(block->kind, name);
	if (option == SCAN_UNKNOWN) {
		scan_unknown_key(scanner, name, word->line);
		option = SCAN_FREE;
	}
	scan->keys[scan->key_count++] = (struct scan_key){
		.name = name,
		.line = word->line,
		.option = option,
		.append = sign.kind == TOKEN_APPEND,
	};
	block->key_count++;
	write_blank(scanner, word->line);
	if (option == SCAN_FREE)
		write_text(scanner, SCAN_NAMES " += ");
	write_text(scanner, name);
	if (option == SCAN_FREE)
		write_text(scanner, " " SCAN_NAMES " += ");
	else
		write_token(scanner, &sign);
	return option == SCAN_FREE;
}

/* Return: index into block_words, or -1. */
static int block_word(const struct token *token)
{
	char word[16];

	if (token->kind != TOKEN_WORD || token->length >= sizeof(word))
		return -1;
	memcpy(word, token->at, token->length);
	word[token->length] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(block_words); i++)
		if (text_equal_nocase(word, block_words[i].word))
			return (int)i;
	return -1;
}

/* Behind the block's opening brace: up to and with its closing one. */
struct body {
	unsigned int depth;
	enum token_kind previous;
	bool free_name; /* the key before the last '=' */
	bool lost;	/* since a word that is no key; that was said */
	bool ended;
};

static void scan_brace(struct scanner *scanner, struct body *body,
		       const struct token *token)
{
	struct scan_block *block = last_block(scanner);

	if (token->kind == TOKEN_CLOSE) {
		body->ended = --body->depth == 0;
		block->last_line = token->line;
		return;
	}
	if (++body->depth > SCAN_DEPTH_MAX) {
		report_error(scanner->report, token->line,
			     "nested more than %d deep", SCAN_DEPTH_MAX);
		block->broken = true;
		body->ended = true;
		scanner->at += strlen(scanner->at);
	} else if (body->previous != TOKEN_EQUAL && !block->broken) {
		report_error(
			scanner->report, token->line,
			"[" REPORT_NAME
			"] unexpected \"{\", perhaps a \"}\" is missing above",
			block->title);
		block->broken = true;
	} else if (body->free_name && !block->broken) {
		report_error(scanner->report, token->line,
			     "[" REPORT_NAME "] unexpected \"{\": not a list",
			     block->title);
		block->broken = true;
	}
}

static bool scan_sign_follows(const struct scanner *scanner)
{
	struct token next = scan_peek(scanner);

	return next.kind == TOKEN_EQUAL || next.kind == TOKEN_APPEND;
}

/* Where a key should stand, something else does. */
static void scan_no_key(struct scanner *scanner, struct body *body,
			const struct token *token)
{
	struct scan_block *block = last_block(scanner);

	/* A block in a block: what its brace brings up says more. */
	if (!body->lost && block_word(token) < 0) {
		report_error(scanner->report, token->line,
			     "[" REPORT_NAME "] not \"key = value\": \"%.*s\"",
			     block->title, token_width(token), token->at);
		block->broken = true;
	}
	body->lost = true;
}

static void scan_word(struct scanner *scanner, struct body *body,
		      const struct token *token)
{
	if (body->depth != 1 || body->previous == TOKEN_EQUAL) {
		write_token(scanner, token);
	} else if (!scan_sign_follows(scanner) || token->kind == TOKEN_STRING) {
		write_token(scanner, token);
		scan_no_key(scanner, body, token);
	} else {
		body->free_name = scan_key(scanner, token);
		body->previous = TOKEN_EQUAL;
		body->lost = false;
	}
}

static void scan_body(struct scanner *scanner)
{
	struct body body = {.depth = 1, .previous = TOKEN_OPEN};
	struct scan_block *block = last_block(scanner);

	while (!body.ended && !scanner->no_memory) {
		struct token token = scan_token(scanner);

		if (token.kind == TOKEN_END) {
			report_error(scanner->report, block->line,
				     "\"}\" missing");
			block->broken = true;
			block->last_line = token.line;
			break;
		}
		if (scan_bad_token(scanner, &token)) {
			block->broken = true;
			if (token.kind == TOKEN_OPEN_STRING ||
			    token.kind == TOKEN_OPEN_COMMENT)
				break;
			body.previous = TOKEN_WORD;
		} else if (token.kind == TOKEN_WORD ||
			   token.kind == TOKEN_STRING) {
			enum token_kind before = body.previous;

			scan_word(scanner, &body, &token);
			if (body.previous == before)
				body.previous = TOKEN_WORD;
		} else {
			if (token.kind == TOKEN_OPEN ||
			    token.kind == TOKEN_CLOSE)
				scan_brace(scanner, &body, &token);
			write_token(scanner, &token);
			body.previous = token.kind;
		}
	}
}

static const char *raw_title(struct scanner *scanner, const struct token *token)
{
	size_t quotes = token->kind == TOKEN_STRING ? 1 : 0;
	const char *title = arena_text(scanner->arena, token->at + quotes,
				       token->length - 2 * quotes);

	scanner->no_memory |= title == NULL;
	return title;
}

/* Behind something that is no block: past its braces, if it has any. */
static void scan_skip(struct scanner *scanner)
{
	unsigned int depth = 0;

	for (;;) {
		struct token next = scan_peek(scanner);

		if (next.kind == TOKEN_END ||
		    (depth == 0 && block_word(&next) >= 0))
			return;
		scan_token(scanner);
		if (next.kind == TOKEN_OPEN_STRING ||
		    next.kind == TOKEN_OPEN_COMMENT)
			scan_bad_token(scanner, &next);
		if (next.kind == TOKEN_OPEN)
			depth++;
		if (next.kind == TOKEN_CLOSE && (depth == 0 || --depth == 0))
			return;
	}
}

/*
 * The head of a block up to its opening brace. Return: false when it is none,
 * which was said.
 */
static bool scan_head(struct scanner *scanner, struct scan_block *block,
		      bool titled)
{
	const char *word = block->title;
	struct token title = {.kind = TOKEN_END};
	struct token open;

	write_text(scanner, word);
	if (titled) {
		title = scan_peek(scanner);
		if (title.kind != TOKEN_WORD && title.kind != TOKEN_STRING) {
			report_error(scanner->report, block->line,
				     "%s without a title", word);
			return false;
		}
		scan_token(scanner);
		block->title = raw_title(scanner, &title);
	}
	open = scan_peek(scanner);
	if (open.kind != TOKEN_OPEN) {
		report_error(scanner->report, block->line, "%s without \"{\"",
			     word);
		return false;
	}
	scan_token(scanner);
	write_token(scanner, &open);
	if (titled) {
		write_text(scanner, " " SCAN_TITLE " = ");
		write_bytes(scanner, title.at, title.length);
		scanner->written_line += title.newlines;
	}
	return !scanner->no_memory;
}

static void scan_block(struct scanner *scanner, const struct token *word,
		       int index)
{
	struct scan *scan = scanner->scan;
	struct scan_block *block;

	if (!make_room(scanner, (void **)&scan->blocks, scan->block_count,
		       sizeof(*scan->blocks)))
		return;
	write_blank(scanner, word->line);
	block = &scan->blocks[scan->block_count];
	*block = (struct scan_block){
		.kind = block_words[index].kind,
		.title = block_words[index].word,
		.line = word->line,
		.last_line = word->line, /* one without an end has no other */
		.start = scan->length,
		.first_key = scan->key_count,
	};
	if (!scan_head(scanner, block, block_words[index].titled)) {
		scan->length = block->start;
		scan_skip(scanner);
		return;
	}
	scan->block_count++;
	scan_body(scanner);
	block->end = scan->length;
}

/* Could "@word …" be meant as a block? */
static bool looks_like_block(const struct scanner *scanner,
			     const struct token *word)
{
	struct scanner ahead = *scanner;
	struct token next = scan_token(&ahead);

	if (word->kind != TOKEN_WORD)
		return false;
	if (next.kind == TOKEN_WORD || next.kind == TOKEN_STRING)
		next = scan_token(&ahead);
	return next.kind == TOKEN_OPEN;
}

/* Return: false when this is no control file at all. */
static bool scan_stray(struct scanner *scanner, const struct token *token)
{
	if (scan_bad_token(scanner, token))
		return true;
	if (token->kind == TOKEN_CLOSE) {
		report_error(scanner->report, token->line,
			     "\"}\" without \"{\"");
		return true;
	}
	if (scanner->scan->block_count == 0 &&
	    !looks_like_block(scanner, token)) {
		report_error(scanner->report, token->line, "no section yet");
		return false;
	}
	report_error(scanner->report, token->line, "not a block: \"%.*s\"",
		     token_width(token), token->at);
	scan_skip(scanner);
	return true;
}

int scan_native(const char *text, struct arena *arena, scan_option_fn option,
		struct control_report *report, struct scan *scan)
{
	struct scanner scanner = {
		.at = text,
		.line = 1,
		.written_line = 1,
		.arena = arena,
		.option = option,
		.report = report,
		.scan = scan,
	};

	while (!scanner.no_memory) {
		struct token token = scan_token(&scanner);
		int index = block_word(&token);

		if (token.kind == TOKEN_END)
			return 0;
		if (index >= 0)
			scan_block(&scanner, &token, index);
		else if (!scan_stray(&scanner, &token))
			return 1;
	}
	return -ENOMEM;
}
