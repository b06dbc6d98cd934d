/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/grub_entry.h"

#include <stdio.h>
#include <string.h>

#include "base/child.h"
#include "base/cleanup.h"
#include "boot/grub.h"

enum {
	PROBE_LIMIT_S = 60,
	PROBE_BYTES_MAX = 64 * 1024,
};

/* What the tools say on stderr stands between our lines, never in them. */
static const char probe_script[] =
	"set -eu\n"
	"for target in fs_uuid fs partmap abstraction; do\n"
	"	words=$(grub-probe --target=$target \"$1\")\n"
	"	echo \"$target=\" $words\n"
	"done\n"
	"directory=$(grub-mkrelpath \"$1\")\n"
	"echo \"directory= $directory\"\n";

struct answer {
	const char *name;
	char *to;
	size_t size;
};

static int take_answer(const struct answer *answer, const char *value,
		       struct err *e)
{
	int n = snprintf(answer->to, answer->size, "%s", value);

	if ((size_t)n < answer->size)
		return 0;
	return err_set(e, -E2BIG, "grub-probe: %s is too long", answer->name);
}

static int take_line(const struct answer *answers, size_t count, char *line,
		     struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(answers[i].name);

		if (strncmp(line, answers[i].name, length) == 0 &&
		    line[length] == '=' && line[length + 1] == ' ')
			return take_answer(&answers[i], line + length + 2, e);
	}
	return 0;
}

static int take_answers(struct grub_place *place, char *output, struct err *e)
{
	const struct answer answers[] = {
		{ "fs_uuid", place->fs_uuid, sizeof(place->fs_uuid) },
		{ "fs", place->fs, sizeof(place->fs) },
		{ "partmap", place->partmap, sizeof(place->partmap) },
		{ "abstraction", place->abstraction,
		  sizeof(place->abstraction) },
		{ "directory", place->directory, sizeof(place->directory) },
	};
	char *line;

	while ((line = strsep(&output, "\n")) != NULL) {
		int r = take_line(answers, ARRAY_SIZE(answers), line, e);

		if (r < 0)
			return r;
	}
	return 0;
}

int grub_place_find(struct loop *loop, const char *root,
		    struct grub_place *ret, struct err *e)
{
	CLEANUP(freep) char *output = NULL;
	struct grub_place place = { .fs = "" };
	char boot[4096];
	const char *argv[] = { "/bin/sh", "-c", probe_script, "sh", boot,
			       NULL };
	int r;

	snprintf(boot, sizeof(boot), "%s/boot", root);
	r = child_capture(loop, argv, PROBE_LIMIT_S * UINT64_C(1000000),
			  PROBE_BYTES_MAX, &output, NULL, e);
	if (r == 0)
		r = take_answers(&place, output, e);
	if (r < 0)
		return err_wrap(e, r, "find out where GRUB sees /boot");
	if (place.fs_uuid[0] == '\0')
		return err_set(e, -ENOTSUP,
			       "GRUB could not find /boot: its file system has no UUID");
	*ret = place;
	return 0;
}

static bool has_word(const char *list, const char *word)
{
	size_t length = strlen(word);
	const char *at = list;

	while ((at = strstr(at, word)) != NULL) {
		if ((at == list || at[-1] == ' ') &&
		    (at[length] == ' ' || at[length] == '\0'))
			return true;
		at += length;
	}
	return false;
}

int grub_place_check(const struct grub_place *place, struct err *e)
{
	static const char *const devices[] = { "lvm", "diskfilter", "mdraid09",
					       "mdraid1x", "raid5rec",
					       "raid6rec", "dm_nv" };
	static const char *const systems[] = { "btrfs",	  "zfs",      "squash4",
					       "iso9660", "cpiofs",   "newc",
					       "tarfs",	  "romfs",    "odc" };

	for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
		if (has_word(place->abstraction, devices[i]))
			return err_set(e, -EROFS,
				       "/boot is on %s, where GRUB cannot write: it could not forget the entry to boot once, and every boot would be Xen; use a plain partition for /boot, or boot_method = command",
				       devices[i]);
	for (size_t i = 0; i < ARRAY_SIZE(systems); i++)
		if (has_word(place->fs, systems[i]))
			return err_set(e, -EROFS,
				       "/boot is %s, where GRUB cannot write: it could not forget the entry to boot once, and every boot would be Xen; use ext4 for /boot, or boot_method = command",
				       systems[i]);
	return 0;
}

/* ---- the text ---------------------------------------------------------- */

static void put_quoted(FILE *to, const char *text)
{
	fputc('\'', to);
	for (; *text != '\0'; text++) {
		if (*text == '\'')
			fputs("'\\''", to);
		else if (*text != '\n')
			fputc(*text, to);
	}
	fputc('\'', to);
}

/* "/boot/NAME" as GRUB sees it. */
static void put_path(FILE *to, const struct grub_place *place,
		     const char *path)
{
	char whole[1024];
	bool top = strcmp(place->directory, "/") == 0;

	snprintf(whole, sizeof(whole), "%s%s", top ? "" : place->directory,
		 strrchr(path, '/'));
	put_quoted(to, whole);
}

static void put_modules(FILE *to, const char *prefix, const char *list)
{
	while (*list != '\0') {
		size_t length = strcspn(list, " ");

		if (length > 0)
			fprintf(to, "\tinsmod %s%.*s\n", prefix, (int)length,
				list);
		list += length + (list[length] == ' ' ? 1 : 0);
	}
}

static void put_words(FILE *to, const char *words)
{
	while (*words != '\0') {
		size_t length = strcspn(words, " ");

		if (length > 0) {
			CLEANUP(freep) char *word = strndup(words, length);

			fputc(' ', to);
			put_quoted(to, word == NULL ? "" : word);
		}
		words += length + (words[length] == ' ' ? 1 : 0);
	}
}

/* Only in the boot that is ours: "default" is then what next_entry was. */
static void put_fallback(FILE *to, int fallback)
{
	if (fallback >= 0)
		fprintf(to,
			"if [ \"${default}\" = " GRUB_ENTRY " ]; then\n"
			"\tset fallback=%d\n"
			"fi\n",
			fallback);
}

static void put_entry(FILE *to, const char *hypervisor,
		      const struct kernel *kernel,
		      const struct grub_place *place,
		      const struct grub_settings *settings)
{
	fputs("menuentry 'Xentest: the Xen under test' --class xen --unrestricted --id " GRUB_ENTRY
	      " {\n"
	      "\tinsmod gzio\n",
	      to);
	put_modules(to, "part_", place->partmap);
	put_modules(to, "", place->abstraction);
	put_modules(to, "", place->fs);
	fputs("\tsearch --no-floppy --fs-uuid --set=root ", to);
	put_quoted(to, place->fs_uuid);
	fputs("\n"
	      "\tif [ \"$grub_platform\" = \"pc\" -o \"$grub_platform\" = \"\" ]; then\n"
	      "\t\txen_rm_opts=\n"
	      "\telse\n"
	      "\t\txen_rm_opts=\"no-real-mode edd=off\"\n"
	      "\tfi\n"
	      "\techo 'Loading the Xen under test ...'\n"
	      "\tmultiboot2 ",
	      to);
	put_path(to, place, hypervisor);
	fprintf(to, " placeholder %s ${xen_rm_opts}\n\tmodule2 ",
		settings->xen);
	put_path(to, place, kernel->image);
	fputs(" placeholder", to);
	put_words(to, kernel->root);
	fprintf(to, " %s\n", settings->dom0);
	if (kernel->initrd[0] != '\0') {
		fputs("\tmodule2 --nounzip ", to);
		put_path(to, place, kernel->initrd);
		fputc('\n', to);
	}
	fputs("}\n", to);
}

int grub_entry_make(const char *hypervisor, const struct kernel *kernel,
		    const struct grub_place *place,
		    const struct grub_settings *settings, int fallback,
		    char **ret, struct err *e)
{
	size_t length;
	char *text = NULL;
	FILE *to;

	if (strncmp(hypervisor, "/boot/", 6) != 0 ||
	    strchr(hypervisor + 6, '/') != NULL)
		return err_set(e, -EINVAL, "%s does not lie in /boot",
			       hypervisor);
	to = open_memstream(&text, &length);
	if (to == NULL)
		return err_errno(e, "make a menu entry");
	fputs("# Written by xenbuildd for one boot; it is replaced with the next run.\n",
	      to);
	put_fallback(to, fallback);
	put_entry(to, hypervisor, kernel, place, settings);
	if (fclose(to) != 0) {
		free(text);
		return err_set(e, -ENOMEM, "out of memory");
	}
	*ret = text;
	return 0;
}
