/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/grub_menu.h"

#include <string.h>

#include "base/cleanup.h"

enum {
	WORDS_MAX = 256, /* of one command; further ones are not looked at */
	DEPTH_MAX = 32,	 /* of blocks */
	NOT_AN_ENTRY = -2, /* a function's block */
};

/* ---- words ------------------------------------------------------------- */

enum token {
	TOKEN_WORD,
	TOKEN_NEXT, /* the end of a command */
	TOKEN_OPEN,
	TOKEN_CLOSE,
	TOKEN_END,
	TOKEN_BAD, /* a quote that is not closed */
};

struct scanner {
	const char *at;
	char *word; /* with room for the whole text */
	size_t length;
};

static void put(struct scanner *scanner, char c)
{
	scanner->word[scanner->length++] = c;
}

static bool take_single_quoted(struct scanner *scanner)
{
	for (scanner->at++; *scanner->at != '\0'; scanner->at++) {
		if (*scanner->at == '\'') {
			scanner->at++;
			return true;
		}
		put(scanner, *scanner->at);
	}
	return false;
}

static bool take_double_quoted(struct scanner *scanner)
{
	for (scanner->at++; *scanner->at != '\0'; scanner->at++) {
		if (*scanner->at == '"') {
			scanner->at++;
			return true;
		}
		if (*scanner->at == '\\' && scanner->at[1] != '\0' &&
		    strchr("\"\\$\n", scanner->at[1]) != NULL)
			scanner->at++;
		put(scanner, *scanner->at);
	}
	return false;
}

/* Variables stay as they stand. */
static enum token take_word(struct scanner *scanner)
{
	bool closed = true;

	while (closed && strchr(" \t\r\n;|&", *scanner->at) == NULL) {
		if (*scanner->at == '\'') {
			closed = take_single_quoted(scanner);
		} else if (*scanner->at == '"') {
			closed = take_double_quoted(scanner);
		} else if (strncmp(scanner->at, "\\\n", 2) == 0) {
			scanner->at += 2;
		} else {
			if (*scanner->at == '\\' && scanner->at[1] != '\0')
				scanner->at++;
			put(scanner, *scanner->at++);
		}
	}
	put(scanner, '\0');
	return closed ? TOKEN_WORD : TOKEN_BAD;
}

static bool is_alone(const char *at)
{
	return strchr(" \t\r\n;|&", at[1]) != NULL;
}

static enum token next_token(struct scanner *scanner)
{
	for (;;) {
		scanner->at += strspn(scanner->at, " \t\r");
		if (strncmp(scanner->at, "\\\n", 2) == 0)
			scanner->at += 2;
		else if (*scanner->at == '#')
			scanner->at += strcspn(scanner->at, "\n");
		else
			break;
	}
	if (*scanner->at == '\0')
		return TOKEN_END;
	if (strchr("\n;|&", *scanner->at) != NULL) {
		scanner->at++;
		return TOKEN_NEXT;
	}
	if ((*scanner->at == '{' || *scanner->at == '}') &&
	    is_alone(scanner->at))
		return *scanner->at++ == '{' ? TOKEN_OPEN : TOKEN_CLOSE;
	return take_word(scanner);
}

/* ---- commands ---------------------------------------------------------- */

struct parser {
	struct grub_menu *menu;
	const char *words[WORDS_MAX + 1];
	size_t count;
	int blocks[DEPTH_MAX]; /* the entry that each belongs to */
	size_t depth;
};

static bool is_one_of(const char *word, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcmp(word, *list) == 0)
			return true;
	return false;
}

/* The entry around what is being read, or -1. */
static int current_entry(const struct parser *parser)
{
	for (size_t i = parser->depth; i-- > 0;)
		if (parser->blocks[i] >= 0)
			return parser->blocks[i];
	return -1;
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text);

	return length >= strlen(end) &&
	       strcmp(text + length - strlen(end), end) == 0;
}

static int set_default(struct grub_menu *menu, const char *value,
		       struct err *e)
{
	char *copy;

	/* That one is the exception: for the next boot alone. */
	if (strstr(value, "next_entry") != NULL)
		return 0;
	copy = strdup(value);
	if (copy == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	free(menu->default_entry);
	menu->default_entry = copy;
	return 0;
}

static bool loads_xen(char const *const *words)
{
	static const char *const loaders[] = { "multiboot", "multiboot2",
					       "xen_hypervisor", NULL };

	if (is_one_of(words[0], loaders))
		return true;
	return strcmp(words[0], "chainloader") == 0 && words[1] != NULL &&
	       strstr(words[1], "xen") != NULL;
}

static int end_command(struct parser *parser, struct err *e)
{
	static const char *const keywords[] = { "if", "elif", "then", "else",
						"while", "until", "do", NULL };
	static const char *const readers[] = { "source", ".", "configfile",
					       NULL };
	struct grub_menu *menu = parser->menu;
	int entry = current_entry(parser);
	const char *const *words = parser->words;

	parser->words[parser->count] = NULL;
	parser->count = 0;
	for (size_t i = 0; words[i] != NULL; i++)
		if (strstr(words[i], "{next_entry}") != NULL ||
		    strstr(words[i], "$next_entry") != NULL)
			menu->next_entry = true;
	while (words[0] != NULL && is_one_of(words[0], keywords))
		words++;
	if (words[0] == NULL)
		return 0;
	if (is_one_of(words[0], readers) && words[1] != NULL &&
	    ends_with(words[1], "/custom.cfg"))
		menu->custom = true;
	if (entry >= 0 && loads_xen(words))
		menu->entries[entry].xen = true;
	if (entry < 0 && strcmp(words[0], "set") == 0 && words[1] != NULL)
		words++;
	if (entry < 0 && strncmp(words[0], "default=", 8) == 0)
		return set_default(menu, words[0] + 8, e);
	return 0;
}

/* ---- blocks ------------------------------------------------------------ */

/* Title and id among "--class debian $menuentry_id_option 'id' 'title'". */
static void read_arguments(const struct parser *parser, const char **title,
			   const char **id)
{
	static const char *const with_value[] = { "--class", "--users",
						  "--hotkey", "--source",
						  NULL };
	static const char *const ids[] = { "--id", "$menuentry_id_option",
					   "${menuentry_id_option}", NULL };

	*title = NULL;
	*id = NULL;
	for (size_t i = 1; i < parser->count; i++) {
		const char *word = parser->words[i];

		if (is_one_of(word, ids) && i + 1 < parser->count)
			*id = parser->words[++i];
		else if (strncmp(word, "--id=", 5) == 0)
			*id = word + 5;
		else if (is_one_of(word, with_value))
			i++;
		else if (strncmp(word, "--", 2) != 0 && *title == NULL)
			*title = word;
	}
}

static int add_entry(struct parser *parser, bool submenu, struct err *e)
{
	struct grub_menu *menu = parser->menu;
	struct grub_entry *entries;
	struct grub_entry *entry;
	const char *title;
	const char *id;

	if (menu->count == GRUB_ENTRIES_MAX)
		return err_set(e, -E2BIG, "more than %d menu entries",
			       GRUB_ENTRIES_MAX);
	read_arguments(parser, &title, &id);
	entries = realloc(menu->entries, (menu->count + 1) * sizeof(*entries));
	if (entries == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	menu->entries = entries;
	entry = &entries[menu->count];
	*entry = (struct grub_entry){
		.title = strdup(title == NULL ? "" : title),
		.id = id == NULL ? NULL : strdup(id),
		.parent = current_entry(parser),
		.submenu = submenu,
	};
	menu->count++;
	if (entry->title == NULL || (id != NULL && entry->id == NULL))
		return err_set(e, -ENOMEM, "out of memory");
	return 0;
}

static int open_block(struct parser *parser, struct err *e)
{
	const char *first = parser->count > 0 ? parser->words[0] : "";
	bool submenu = strcmp(first, "submenu") == 0;
	int owner = NOT_AN_ENTRY;
	int r;

	if (parser->depth == DEPTH_MAX)
		return err_set(e, -EBADMSG, "blocks nested more than %d deep",
			       DEPTH_MAX);
	if (submenu || strcmp(first, "menuentry") == 0) {
		r = add_entry(parser, submenu, e);
		if (r < 0)
			return r;
		owner = (int)parser->menu->count - 1;
	}
	parser->count = 0;
	parser->blocks[parser->depth++] = owner;
	return 0;
}

static int close_block(struct parser *parser, struct err *e)
{
	int r = end_command(parser, e);

	if (r < 0)
		return r;
	if (parser->depth == 0)
		return err_set(e, -EBADMSG, "a \"}\" that closes nothing");
	parser->depth--;
	return 0;
}

static int take(struct parser *parser, enum token token, const char *word,
		struct err *e)
{
	switch (token) {
	case TOKEN_WORD:
		if (parser->count < WORDS_MAX)
			parser->words[parser->count++] = word;
		return 0;
	case TOKEN_OPEN:
		return open_block(parser, e);
	case TOKEN_CLOSE:
		return close_block(parser, e);
	case TOKEN_BAD:
		return err_set(e, -EBADMSG, "a quote that is not closed");
	default:
		return end_command(parser, e);
	}
}

int grub_menu_add(struct grub_menu *menu, const char *text, struct err *e)
{
	/* Each word with its NUL: never more than twice the text. */
	CLEANUP(freep) char *room = malloc(2 * strlen(text) + 2);
	struct scanner scanner = { .at = text, .word = room };
	struct parser parser = { .menu = menu };
	enum token token;
	int r;

	if (room == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	do {
		const char *word = scanner.word + scanner.length;

		token = next_token(&scanner);
		r = take(&parser, token, word, e);
		if (r < 0)
			return r;
		if (parser.count == 0)
			scanner.length = 0;
	} while (token != TOKEN_END);
	if (parser.depth > 0)
		return err_set(e, -EBADMSG, "a \"{\" that is not closed");
	return 0;
}

void grub_menu_done(struct grub_menu *menu)
{
	for (size_t i = 0; i < menu->count; i++) {
		free(menu->entries[i].title);
		free(menu->entries[i].id);
	}
	free(menu->entries);
	free(menu->default_entry);
	*menu = GRUB_MENU_NONE;
}

/* ---- finding ----------------------------------------------------------- */

/*
 * Cuts the first part of a name off at a single '>'. Return: the rest, NULL
 * when that was the last part.
 */
static const char *split_name(const char *name, char *head)
{
	while (*name != '\0') {
		if (name[0] == '>' && name[1] != '>') {
			*head = '\0';
			return name + 1;
		}
		if (name[0] == '>')
			name++;
		*head++ = *name++;
	}
	*head = '\0';
	return NULL;
}

static const struct grub_entry *find_number(const struct grub_menu *menu,
					    int parent, const char *digits)
{
	unsigned long number = strtoul(digits, NULL, 10);

	for (size_t i = 0; i < menu->count; i++)
		if (menu->entries[i].parent == parent && number-- == 0)
			return &menu->entries[i];
	return NULL;
}

static const struct grub_entry *find_name(const struct grub_menu *menu,
					  int parent, const char *name)
{
	for (size_t i = 0; i < menu->count; i++) {
		const struct grub_entry *entry = &menu->entries[i];

		if (entry->parent == parent &&
		    (strcmp(entry->title, name) == 0 ||
		     (entry->id != NULL && strcmp(entry->id, name) == 0)))
			return entry;
	}
	return NULL;
}

static bool is_number(const char *text)
{
	return text[0] != '\0' && strlen(text) < 10 &&
	       text[strspn(text, "0123456789")] == '\0';
}

const struct grub_entry *grub_menu_find(const struct grub_menu *menu,
					const char *name)
{
	/* With room for "0", which even an empty name may lead to. */
	CLEANUP(freep) char *head = malloc(strlen(name) + 2);
	const struct grub_entry *entry = NULL;
	int parent = -1;

	while (head != NULL && name != NULL) {
		name = split_name(name, head);
		entry = is_number(head) ? find_number(menu, parent, head) :
					  find_name(menu, parent, head);
		if (entry == NULL)
			return NULL;
		parent = (int)(entry - menu->entries);
		if (entry->submenu && name == NULL)
			name = "0";
	}
	return entry;
}
