/* SPDX-License-Identifier: BSD-2-Clause */
/* GRUB's files, the same text as each: menu, custom.cfg, grubenv, options. */
#include "fuzz.h"

#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "boot/grub_custom.h"
#include "boot/grub_env.h"
#include "boot/grub_menu.h"
#include "boot/grub_settings.h"

/* ---- the menu ---------------------------------------------------------- */

static void check_entry(const struct grub_menu *menu, size_t index)
{
	const struct grub_entry *entry = &menu->entries[index];

	must(entry->title != NULL);
	must(entry->parent >= -1 && entry->parent < (int)index);
}

static void check_menu(const char *text)
{
	CLEANUP(grub_menu_done) struct grub_menu menu = GRUB_MENU_NONE;
	const struct grub_entry *found;
	struct err e = ERR_NONE;
	int r = grub_menu_add(&menu, text, &e);

	must(r == 0 || r == -EBADMSG || r == -E2BIG);
	must(menu.count <= GRUB_ENTRIES_MAX);
	for (size_t i = 0; i < menu.count; i++)
		check_entry(&menu, i);
	/* As a name, whatever it is; and the first, which is always there. */
	grub_menu_find(&menu, text);
	if (menu.default_entry != NULL)
		grub_menu_find(&menu, menu.default_entry);
	found = grub_menu_find(&menu, "0");
	must((menu.count == 0) <= (found == NULL));
	must(found == NULL || !found->submenu);
}

/* ---- custom.cfg -------------------------------------------------------- */

static char *merge(const char *text, const char *entry)
{
	struct err e = ERR_NONE;
	char *merged = NULL;
	int r = grub_custom_merge(text, entry, &merged, &e);

	must(r == 0 || r == -EBADMSG);
	must((r == 0) == (merged != NULL));
	return merged;
}

/* Ours comes and goes, and all else stays as it is. */
static void check_custom(const char *text)
{
	static const char entry[] = "menuentry ours {\n\tboot\n}\n";
	CLEANUP(freep) char *with = merge(text, entry);
	CLEANUP(freep) char *twice = NULL;
	CLEANUP(freep) char *without = NULL;
	CLEANUP(freep) char *never = NULL;

	if (with == NULL)
		return;
	twice = merge(with, entry);
	must(twice != NULL && strcmp(twice, with) == 0);
	without = merge(with, NULL);
	never = merge(text, NULL);
	must(without != NULL && never != NULL);
	must(strncmp(without, never, strlen(never)) == 0);
	must(strcmp(without + strlen(never), "") == 0 ||
	     strcmp(without + strlen(never), "\n") == 0);
}

/* ---- grubenv and options ----------------------------------------------- */

static void check_env(const uint8_t *data, size_t size)
{
	CLEANUP(freep) char *value = NULL;
	struct err e = ERR_NONE;
	static int fd = -1;
	int r;

	if (fd < 0)
		fd = fuzz_file(GRUB_ENV_NAME);
	fuzz_fill(fd, data, size);
	r = grub_env_get(fuzz_dir(), "next_entry", &value, &e);
	must(r == 0 || r == -EBADMSG || r == -EFBIG);
	must((r == 0) == (value != NULL));
	must(value == NULL || strlen(value) < size);
}

/* Done twice it is as done once; nothing is lost. */
static void check_settings(const char *text)
{
	CLEANUP(grub_settings_done) struct grub_settings settings = {
		.xen = strdup(text),
		.dom0 = strdup(text),
	};
	CLEANUP(freep) char *xen = NULL;
	CLEANUP(freep) char *dom0 = NULL;
	struct err e = ERR_NONE;

	must(grub_settings_ours(&settings, false, &e) == 0);
	must(strncmp(settings.xen, text, strlen(text)) == 0);
	must(strstr(settings.xen, "watchdog") != NULL);
	must(strstr(settings.dom0, "panic") != NULL);
	xen = strdup(settings.xen);
	dom0 = strdup(settings.dom0);
	must(grub_settings_ours(&settings, false, &e) == 0);
	must(strcmp(settings.dom0, dom0) == 0);
	must(strncmp(settings.xen, xen, strlen(xen)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(freep) char *text = fuzz_text(data, size);

	check_menu(text);
	check_custom(text);
	check_env(data, size);
	check_settings(text);
	return 0;
}
