/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_BOOT_GRUB_MENU_H
#define XENTEST_BOOT_GRUB_MENU_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/*
 * What a grub.cfg says about its menu, read without running it: entries in
 * order, whether each starts Xen, which one is the default. Enough for what
 * update-grub writes and people add to it; conditions are not evaluated, the
 * entries of both branches count.
 */

enum {
	GRUB_CFG_BYTES_MAX = 4 * 1024 * 1024,
	GRUB_ENTRIES_MAX = 4096,
};

struct grub_entry {
	char *title;
	char *id;    /* NULL: none given */
	int parent;  /* index of the submenu that it is in; -1: top level */
	bool submenu;
	bool xen; /* it loads a hypervisor */
};

struct grub_menu {
	struct grub_entry *entries;
	size_t count;
	char *default_entry; /* as set; NULL: not set; "${saved_entry}" */
	bool next_entry; /* it honours next_entry: boots an entry once */
	bool custom;	 /* it reads custom.cfg */
};

#define GRUB_MENU_NONE ((struct grub_menu){ .entries = NULL })

/**
 * grub_menu_add() - read a file's text into the menu
 * @text: grub.cfg; then perhaps custom.cfg, whose entries follow
 *
 * Return: 0; -EBADMSG for a quote or block that is not closed, -E2BIG for more
 * than GRUB_ENTRIES_MAX entries, -ENOMEM.
 */
int grub_menu_add(struct grub_menu *menu, const char *text, struct err *e);

/**
 * grub_menu_find() - the entry that GRUB would take for a name
 * @name: as in "default" and next_entry: a number from 0, a title or an id;
 *        through submenus with '>' between, ">>" for a '>' in a title
 *
 * A submenu alone stands for the first entry in it.
 *
 * Return: the entry; NULL when there is none (GRUB takes entry 0 then).
 * Source: grub-core/normal/menu.c, get_entry_number().
 */
const struct grub_entry *grub_menu_find(const struct grub_menu *menu,
					const char *name);

void grub_menu_done(struct grub_menu *menu);

#endif
