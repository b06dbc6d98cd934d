/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/syntax.h"

#include <confuse.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "control/fill.h"
#include "control/scan.h"

/*
 * The native syntax, read by libconfuse after scan_native(). Sections of one
 * kind are untitled to libconfuse and come out in the order of the file, so
 * its lists of sections and our blocks run side by side.
 */

struct native {
	struct fill fill;
	struct scan scan;
	const struct schema *schema; /* of the blocks at hand */
	int base_line;		     /* added to libconfuse's lines */
};

/*
 * libconfuse hands its error function nothing of ours. An option that no text
 * can name, in each section, carries it there.
 */
#define CONTEXT "{"

/* One element of a list, with the line it stands on. */
struct element {
	int line;
	char text[];
};

static int read_element(cfg_t *cfg, cfg_opt_t *opt, const char *value,
			void *result)
{
	size_t size = strlen(value) + 1;
	struct element *element = malloc(sizeof(*element) + size);

	(void)opt;
	if (element == NULL)
		return -1;
	element->line = cfg->line;
	memcpy(element->text, value, size);
	*(struct element **)result = element;
	return 0;
}

#define STRING(name) CFG_STR(name, NULL, CFGF_NODEFAULT)
#define LIST(name) CFG_STR_LIST(name, NULL, CFGF_NODEFAULT)
#define LINED_LIST(name)                                                       \
	CFG_PTR_LIST_CB(name, NULL, CFGF_NODEFAULT, read_element, free)
#define HIDDEN STRING(SCAN_TITLE), LIST(SCAN_NAMES)
enum { OPTION_TITLE, OPTION_NAMES, OPTION_FIRST };

static const cfg_opt_t default_options[] = {HIDDEN};

static const cfg_opt_t preferences_options[] = {
	HIDDEN,
	STRING("xen-tree"),
	STRING("shared_dir"),
	STRING("workdir"),
	STRING("build_command"),
	STRING("install_command"),
	STRING("boot_method"),
	STRING("boot_entry"),
	STRING("boot_command"),
	STRING("on_failure"),
	STRING("watchdog"),
	STRING("jobs"),
	STRING("build_timeout"),
	STRING("boot_timeout"),
	STRING("run_timeout"),
	LIST("environment"),
};

static const cfg_opt_t location_options[] = {
	HIDDEN, STRING("url"), STRING("ref"), STRING("sha256"), STRING("kind"),
};

static const cfg_opt_t test_options[] = {
	HIDDEN,
	STRING("source_url"),
	STRING("test_dir"),
	STRING("build_command"),
	STRING("install_command"),
	STRING("run_command"),
	STRING("cleanup_command"),
	STRING("log_dir"),
	STRING("log_files"),
	STRING("timeout"),
	STRING("build_timeout"),
	STRING("sha256"),
	STRING("ref"),
	STRING("stall_timeout"),
	STRING("output_limit"),
	STRING("memory_limit"),
	STRING("tasks_limit"),
	STRING("reboots"),
	STRING("repeat"),
	STRING("duration"),
	STRING("expect"),
	STRING("retries"),
	STRING("user"),
	STRING("jobs"),
	STRING("parallel"),
	LIST("environment"),
	LIST("requires"),
};

static const cfg_opt_t vm_options[] = {
	HIDDEN,
	STRING("name"),
	STRING("tempdir"),
	STRING("config"),
	STRING("start_timeout"),
	STRING("on_crash"),
	STRING("on_watchdog"),
	STRING("restarts"),
	STRING("stop"),
	LIST("environment"),
	LINED_LIST("tests"),
};

static const struct {
	const char *word;
	const cfg_opt_t *options;
	size_t count;
} schemas[] = {
	[SECTION_DEFAULT] = {"default", default_options,
			     ARRAY_SIZE(default_options)},
	[SECTION_PREFERENCES] = {"preferences", preferences_options,
				 ARRAY_SIZE(preferences_options)},
	[SECTION_LOCATIONS] = {"location", location_options,
			       ARRAY_SIZE(location_options)},
	[SECTION_DOMAIN] = {"vm", vm_options, ARRAY_SIZE(vm_options)},
	[SECTION_TEST] = {"test", test_options, ARRAY_SIZE(test_options)},
};

enum {
	KINDS = ARRAY_SIZE(schemas),
	OPTIONS_MAX = 32,
	/* Blocks in one go: libconfuse takes some 3 KiB for each. */
	BATCH = 128,
};

/* "test3.expect" */
static bool is_test_expect(const char *name)
{
	size_t digits;

	if (strncmp(name, "test", 4) != 0)
		return false;
	digits = strspn(name + 4, "0123456789");
	return digits > 0 && strcmp(name + 4 + digits, ".expect") == 0;
}

static int schema_option(enum section_kind kind, const char *name)
{
	for (size_t i = OPTION_FIRST; i < schemas[kind].count; i++)
		if (strcmp(schemas[kind].options[i].name, name) == 0)
			return (int)i;
	if (kind == SECTION_DEFAULT ||
	    (kind == SECTION_DOMAIN && is_test_expect(name)))
		return SCAN_FREE;
	return SCAN_UNKNOWN;
}

/* Not cfg_getopt(), which calls the error function when there is none. */
static cfg_opt_t *find_option(cfg_t *cfg, const char *name)
{
	for (cfg_opt_t *opt = cfg->opts; opt->name != NULL; opt++)
		if (strcmp(opt->name, name) == 0)
			return opt;
	return NULL;
}

static void say_error(cfg_t *cfg, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

static void say_error(cfg_t *cfg, const char *format, va_list args)
{
	const char *title = cfg_opt_getstr(find_option(cfg, SCAN_TITLE));
	cfg_opt_t *slot = find_option(cfg, CONTEXT);
	struct native *native;
	char text[256];

	if (slot == NULL) /* none of our sections; cannot be */
		return;
	native = *slot->simple_value.ptr;
	vsnprintf(text, sizeof(text), format, args);
	report_error(native->fill.report, native->base_line + cfg->line,
		     "[" REPORT_NAME "] %s",
		     title != NULL ? title : cfg_name(cfg), text);
}

_Static_assert(ARRAY_SIZE(test_options) + 2 <= OPTIONS_MAX, "test_options");

/*
 * The schema as libconfuse wants it, with the slot in every section. It holds
 * only the options that these blocks use, for libconfuse copies all of them
 * for every block.
 */
struct schema {
	cfg_opt_t options[KINDS][OPTIONS_MAX];
	cfg_opt_t root[KINDS + 2];
	/* Where an option of the table stands in a section; 0: nowhere. */
	unsigned int places[KINDS][OPTIONS_MAX];
	void *native;
};

/* Which options of the tables the blocks use: one bit each. */
static void used_options(const struct scan *scan, size_t first, size_t end,
			 uint32_t used[static KINDS])
{
	for (size_t i = first; i < end; i++) {
		const struct scan_block *block = &scan->blocks[i];
		const struct scan_key *keys = scan_keys(scan, block);

		for (size_t k = 0; k < block->key_count; k++)
			used[block->kind] |= UINT32_C(1)
					     << (keys[k].option == SCAN_FREE
							 ? OPTION_NAMES
							 : keys[k].option);
	}
}

/* One kind of section: its title, the used options, the slot. */
static void schema_section(struct schema *schema, size_t kind, uint32_t used,
			   const cfg_opt_t *slot)
{
	const cfg_opt_t end = CFG_END();
	cfg_opt_t *options = schema->options[kind];
	unsigned int count = 0;

	options[count++] = schemas[kind].options[OPTION_TITLE];
	for (size_t i = OPTION_NAMES; i < schemas[kind].count; i++) {
		if ((used >> i & 1) == 0)
			continue;
		schema->places[kind][i] = count;
		options[count++] = schemas[kind].options[i];
	}
	options[count++] = *slot;
	options[count] = end;
}

static void schema_init(struct schema *schema, struct native *native,
			size_t first, size_t end)
{
	const cfg_opt_t last = CFG_END();
	cfg_opt_t slot = CFG_STR(CONTEXT, NULL, CFGF_NODEFAULT);
	uint32_t used[KINDS] = {0};

	*schema = (struct schema){.native = native};
	slot.type = CFGT_PTR;
	slot.simple_value.ptr = &schema->native;
	used_options(&native->scan, first, end, used);
	for (size_t kind = 0; kind < KINDS; kind++) {
		cfg_opt_t section = CFG_SEC(schemas[kind].word,
					    schema->options[kind], CFGF_MULTI);

		schema_section(schema, kind, used[kind], &slot);
		schema->root[kind] = section;
	}
	schema->root[KINDS] = slot;
	schema->root[KINDS + 1] = last;
}

/* A list of texts as the INI syntax writes it: one a line. */
static char *join_list(cfg_opt_t *opt)
{
	size_t length = 1;
	char *text;
	char *end;

	for (unsigned int i = 0; i < cfg_opt_size(opt); i++)
		length += strlen(cfg_opt_getnstr(opt, i)) + 1;
	text = malloc(length);
	if (text == NULL)
		return NULL;
	end = text;
	*end = '\0';
	for (unsigned int i = 0; i < cfg_opt_size(opt); i++) {
		if (i > 0)
			*end++ = '\n';
		end = stpcpy(end, cfg_opt_getnstr(opt, i));
	}
	return text;
}

/* tests = {a, b}: as test1 and test2. */
static void set_tests(struct native *native, struct section *section,
		      cfg_opt_t *opt)
{
	for (unsigned int i = 0; i < cfg_opt_size(opt); i++) {
		const struct element *element = cfg_opt_getnptr(opt, i);
		char name[32];

		snprintf(name, sizeof(name), "test%u", i + 1);
		fill_set(&native->fill, section, name, element->text,
			 native->base_line + element->line);
	}
}

static void set_option(struct native *native, struct section *section,
		       const char *name, cfg_opt_t *opt, int line)
{
	if (opt->type == CFGT_PTR) {
		set_tests(native, section, opt);
	} else if ((opt->flags & CFGF_LIST) != 0) {
		CLEANUP(freep) char *text = join_list(opt);

		if (text == NULL)
			native->fill.no_memory = true;
		else
			fill_set(&native->fill, section, name, text, line);
	} else if (cfg_opt_size(opt) > 0) {
		fill_set(&native->fill, section, name, cfg_opt_getstr(opt),
			 line);
	}
}

static void fill_option(struct native *native, const struct place *place,
			const char *name, cfg_opt_t *opt, int line)
{
	if (place->hidden == NULL)
		set_option(native, place->section, name, opt, line);
	else if (cfg_opt_size(opt) > 0)
		fill_set_location(&native->fill, place, name,
				  cfg_opt_getstr(opt), line);
}

/* A block's option by its index in the table; NULL: it was never given. */
static cfg_opt_t *block_option(struct native *native,
			       const struct scan_block *block, cfg_t *cfg,
			       int option)
{
	unsigned int place = native->schema->places[block->kind][option];

	return place == 0 ? NULL : &cfg->opts[place];
}

/* The scan saw each key and its line, libconfuse knows the value that won. */
static void fill_options(struct native *native, const struct scan_block *block,
			 const struct place *place, cfg_t *cfg)
{
	const struct scan_key *keys = scan_keys(&native->scan, block);
	int lines[OPTIONS_MAX] = {0};

	for (size_t i = 0; i < block->key_count; i++)
		if (keys[i].option >= 0 &&
		    (!keys[i].append || lines[keys[i].option] == 0))
			lines[keys[i].option] = keys[i].line;
	for (size_t i = 0; i < block->key_count; i++) {
		int option = keys[i].option;

		if (option < 0)
			continue;
		if (lines[option] > 0)
			fill_option(native, place, keys[i].name,
				    block_option(native, block, cfg, option),
				    lines[option]);
		else if (!keys[i].append)
			report_warning(native->fill.report, keys[i].line,
				       "[" REPORT_NAME "] " REPORT_NAME
				       ": repeated key, this one is used",
				       place->section->node.name, keys[i].name);
		lines[option] = 0;
	}
}

/* Pairs of name and value, in the order in which the scan saw them. */
static void fill_names(struct native *native, const struct scan_block *block,
		       struct section *section, cfg_t *cfg)
{
	const struct scan_key *keys = scan_keys(&native->scan, block);
	cfg_opt_t *names = block_option(native, block, cfg, OPTION_NAMES);
	unsigned int at = 1;

	for (size_t i = 0; i < block->key_count; i++) {
		if (keys[i].option != SCAN_FREE || at >= cfg_opt_size(names))
			continue;
		fill_set(&native->fill, section, keys[i].name,
			 cfg_opt_getnstr(names, at), keys[i].line);
		at += 2;
	}
}

/* @cfg: NULL when the block is broken and nothing but its title is known. */
static void fill_block(struct native *native, const struct scan_block *block,
		       cfg_t *cfg)
{
	const char *title =
		cfg != NULL ? cfg_opt_getstr(&cfg->opts[OPTION_TITLE]) : NULL;
	struct place place;

	if (title == NULL)
		title = block->title;
	if (!fill_open(&native->fill, block, title, &place))
		return;
	if (cfg != NULL) {
		fill_options(native, block, &place, cfg);
		fill_names(native, block, place.section, cfg);
	}
	if (block->kind == SECTION_LOCATIONS)
		fill_close_location(&native->fill, block, &place);
}

/*
 * Take over the blocks that libconfuse got through, from @first on.
 * Return: how many.
 */
static size_t fill_blocks(struct native *native, cfg_t *root, size_t first,
			  bool failed)
{
	unsigned int at[KINDS] = {0};
	size_t total = 0;

	for (size_t kind = 0; kind < KINDS; kind++)
		total += cfg_opt_size(&root->opts[kind]);
	if (failed && total == 0)
		total = 1; /* not even begun; go on behind it */
	for (size_t i = 0; i < total; i++) {
		struct scan_block *block = &native->scan.blocks[first + i];
		cfg_t *cfg = cfg_opt_getnsec(&root->opts[block->kind],
					     at[block->kind]++);

		block->broken = failed && i == total - 1;
		fill_block(native, block, block->broken ? NULL : cfg);
	}
	return total;
}

/*
 * Let libconfuse parse @file and take over what it got through.
 * Return: how many blocks; 0 without memory.
 */
static size_t parse_file(struct native *native, cfg_t *root, FILE *file,
			 size_t first)
{
	size_t said = native->fill.report->error_count;
	bool failed;
	size_t parsed;

	cfg_set_error_function(root, say_error);
	failed = cfg_parse_fp(root, file) != CFG_SUCCESS;
	if (failed && native->fill.report->error_count == said) {
		/*
		 * Every failure is said but want of memory, and then libconfuse
		 * 3.3 leaves freed sections behind: @root is lost.
		 */
		native->fill.no_memory = true;
		return 0;
	}
	parsed = fill_blocks(native, root, first, failed);
	cfg_free(root);
	return parsed;
}

/* Blocks @first to @end - 1, or up to the first that libconfuse rejects. */
static size_t parse_blocks(struct native *native, size_t first, size_t end)
{
	const struct scan_block *blocks = native->scan.blocks;
	size_t start = blocks[first].start;
	CLEANUP(file_closep) FILE *file = NULL;
	struct schema schema;
	cfg_t *root;

	schema_init(&schema, native, first, end);
	native->schema = &schema;
	native->base_line = blocks[first].line - 1;
	file = fmemopen(native->scan.text + start, blocks[end - 1].end - start,
			"r");
	root = file == NULL ? NULL : cfg_init(schema.root, CFGF_NONE);
	if (root != NULL)
		return parse_file(native, root, file, first);
	native->fill.no_memory = true;
	return 0;
}

static int read_blocks(struct native *native)
{
	const struct scan_block *blocks = native->scan.blocks;
	size_t first = 0;

	while (first < native->scan.block_count && !native->fill.no_memory) {
		size_t end = first;

		if (blocks[first].broken) {
			fill_block(native, &blocks[first++], NULL);
			continue;
		}
		while (end < native->scan.block_count && !blocks[end].broken &&
		       end - first < BATCH)
			end++;
		first += parse_blocks(native, first, end);
	}
	return native->fill.no_memory ? -ENOMEM : 0;
}

int native_read(const char *text, struct tree *tree,
		struct control_report *report)
{
	struct native native = {
		.fill = {.tree = tree, .report = report},
	};
	int r = scan_native(text, &tree->arena, schema_option, report,
			    &native.scan);

	if (r == 0)
		r = read_blocks(&native);
	scan_done(&native.scan);
	return r;
}
