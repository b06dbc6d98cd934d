/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/grub.h"

#include <fcntl.h>
#include <string.h>

#include "base/child.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "boot/grub_custom.h"
#include "boot/grub_entry.h"
#include "boot/grub_env.h"
#include "boot/grub_menu.h"

enum {
	TOOL_LIMIT_S = 60,
	TOOL_BYTES_MAX = 64 * 1024,
};

static void menu_done(struct grub_menu *menu)
{
	grub_menu_done(menu);
}

static void settings_done(struct grub_settings *settings)
{
	grub_settings_done(settings);
}

/* For programs, which take no descriptors: "" for "/". */
static int root_path(int root_fd, char *path, size_t size, struct err *e)
{
	char link[64];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", root_fd);
	length = readlink(link, path, size - 1);
	if (length < 0)
		return err_errno(e, "find the root directory's path");
	path[length] = '\0';
	if (strcmp(path, "/") == 0)
		path[0] = '\0';
	return 0;
}

static int run_tool(const struct boot_plan *plan, const char *const *argv,
		    struct err *e)
{
	return child_capture(plan->loop, argv,
			     TOOL_LIMIT_S * UINT64_C(1000000), TOOL_BYTES_MAX,
			     NULL, NULL, e);
}

/* ---- the menu ---------------------------------------------------------- */

static int read_menu(int grub_fd, struct grub_menu *menu, struct err *e)
{
	CLEANUP(freep) char *cfg = NULL;
	CLEANUP(freep) char *custom = NULL;
	int r;

	r = file_read(grub_fd, GRUB_CFG_NAME, GRUB_CFG_BYTES_MAX, &cfg, NULL,
		      e);
	if (r == 0)
		r = grub_menu_add(menu, cfg, e);
	if (r < 0)
		return err_wrap(e, r, "read /" GRUB_DIR "/" GRUB_CFG_NAME);
	r = grub_custom_read(grub_fd, &custom, e);
	if (r == 0)
		r = grub_menu_add(menu, custom, e);
	return r < 0 ? err_wrap(e, r, "read /" GRUB_DIR "/" GRUB_CUSTOM_NAME) :
		       0;
}

static int check_menu(const struct grub_menu *menu, bool need_custom,
		      struct err *e)
{
	if (!menu->next_entry)
		return err_set(e, -ENOTSUP,
			       "/" GRUB_DIR "/" GRUB_CFG_NAME
			       " cannot boot an entry once: it does not use next_entry (run update-grub)");
	if (need_custom && !menu->custom)
		return err_set(e, -ENOTSUP,
			       "/" GRUB_DIR "/" GRUB_CFG_NAME
			       " does not read " GRUB_CUSTOM_NAME
			       ": make /etc/grub.d/41_custom executable and run update-grub");
	return 0;
}

/* The entry for the boot after ours: where the machine comes back to. */
static int default_entry(int grub_fd, const struct grub_menu *menu,
			 const struct grub_entry **ret, struct err *e)
{
	const char *name = menu->default_entry;
	CLEANUP(freep) char *saved = NULL;
	int r;

	if (name != NULL && strstr(name, "saved_entry") != NULL) {
		r = grub_env_get(grub_fd, "saved_entry", &saved, e);
		if (r < 0 && r != -ENOENT)
			return r;
		name = saved;
	}
	*ret = name == NULL || name[0] == '\0' ? NULL :
						 grub_menu_find(menu, name);
	if (*ret == NULL)
		*ret = grub_menu_find(menu, "0");
	return 0;
}

/*
 * The number of the default entry, or where that is in a submenu, of the first
 * plain one; -1 without any.
 */
static int number_fallback(const struct grub_menu *menu,
			   const struct grub_entry *wanted)
{
	int number = -1;

	for (size_t i = 0; i < menu->count; i++) {
		const struct grub_entry *entry = &menu->entries[i];

		if (entry->parent != -1)
			continue;
		number++;
		if (wanted->parent == -1 ? entry == wanted :
					   !entry->submenu && !entry->xen)
			return number;
	}
	return -1;
}

static int check_default(int grub_fd, const struct grub_menu *menu,
			 int *fallback, struct err *e)
{
	const struct grub_entry *entry;
	int r;

	r = default_entry(grub_fd, menu, &entry, e);
	if (r < 0)
		return r;
	if (entry == NULL)
		return err_set(e, -ENOENT,
			       "/" GRUB_DIR "/" GRUB_CFG_NAME
			       " has no entry to come back to");
	if (!entry->xen) {
		*fallback = number_fallback(menu, entry);
		return 0;
	}
	return err_set(e, -EINVAL,
		       "GRUB's default entry \"%s\" is Xen: the machine would not come back to plain Linux; set XEN_OVERRIDE_GRUB_DEFAULT=0 in /etc/default/grub.d/xen.cfg (or another GRUB_DEFAULT) and run update-grub",
		       entry->title);
}

/* ---- check ------------------------------------------------------------- */

struct ground {
	int grub_fd;
	char root[4096];
	struct grub_place place;
	struct kernel kernel;
	int fallback; /* number of an entry, or -1 */
};

static void ground_done(struct ground *ground)
{
	fd_close(&ground->grub_fd);
}

static int check_files(const struct boot_plan *plan, struct ground *ground,
		       struct err *e)
{
	CLEANUP(menu_done) struct grub_menu menu = GRUB_MENU_NONE;
	int r;

	r = read_menu(ground->grub_fd, &menu, e);
	if (r == 0)
		r = check_menu(&menu, plan->entry == NULL, e);
	if (r == 0)
		r = check_default(ground->grub_fd, &menu, &ground->fallback, e);
	return r;
}

static int check_tools(const struct boot_plan *plan, struct err *e)
{
	static const char *const argv[] = {
		"/bin/sh", "-c",
		"for tool in grub-reboot grub-editenv grub-probe grub-mkrelpath grub-script-check; do\n"
		"	command -v $tool >/dev/null || { echo \"$tool is missing (package grub2-common)\"; exit 1; }\n"
		"done\n",
		NULL
	};

	return run_tool(plan, argv, e);
}

static int survey(const struct boot_plan *plan, struct ground *ground,
		  struct err *e)
{
	int r;

	*ground = (struct ground){ .grub_fd = -1, .fallback = -1 };
	r = root_path(plan->root_fd, ground->root, sizeof(ground->root), e);
	if (r == 0)
		r = file_open_dir(plan->root_fd, GRUB_DIR, &ground->grub_fd,
				  e);
	if (r == 0)
		r = check_files(plan, ground, e);
	if (r == 0)
		r = check_tools(plan, e);
	if (r == 0)
		r = grub_place_find(plan->loop, ground->root, &ground->place,
				    e);
	if (r == 0)
		r = grub_place_check(&ground->place, e);
	/* A given entry names its own kernel. */
	if (r == 0 && plan->entry == NULL)
		r = kernel_find(plan->root_fd, &ground->kernel, e);
	return r;
}

/* A file that comes and goes tells more than permission bits. */
static int check_writable(int grub_fd, struct err *e)
{
	CLEANUP(fd_close) int fd = openat(grub_fd, ".xentest-check",
					  O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_errno(e, "write in /" GRUB_DIR);
	unlinkat(grub_fd, ".xentest-check", 0);
	return 0;
}

int grub_check(const struct boot_plan *plan, struct err *e)
{
	CLEANUP(ground_done) struct ground ground;
	int r;

	r = survey(plan, &ground, e);
	return r < 0 ? r : check_writable(ground.grub_fd, e);
}

/* ---- arm --------------------------------------------------------------- */

static int check_script(const struct boot_plan *plan, const char *text,
			struct err *e)
{
	const char *argv[] = { "/bin/sh", "-c",
			       "printf %s \"$1\" | grub-script-check", "sh",
			       text, NULL };
	int r = run_tool(plan, argv, e);

	return r < 0 ? err_wrap(e, r,
				"GRUB would not understand the options of /etc/default/grub in our entry") :
		       0;
}

static int make_entry(const struct boot_plan *plan, const struct ground *ground,
		      char **ret, struct err *e)
{
	CLEANUP(settings_done) struct grub_settings settings = { .xen = NULL };
	CLEANUP(freep) char *entry = NULL;
	int r;

	r = grub_settings_read(plan->loop, ground->root, &settings, e);
	if (r == 0)
		r = grub_settings_ours(&settings, plan, e);
	if (r == 0)
		r = grub_entry_make(plan->hypervisor, &ground->kernel,
				    &ground->place, &settings,
				    ground->fallback, &entry, e);
	if (r == 0)
		r = check_script(plan, entry, e);
	if (r == 0)
		*ret = TAKE_PTR(entry);
	return r;
}

/* NULL takes our entry away. */
static int change_custom(int grub_fd, const char *entry, struct err *e)
{
	CLEANUP(freep) char *old = NULL;
	CLEANUP(freep) char *merged = NULL;
	int r;

	r = grub_custom_read(grub_fd, &old, e);
	if (r == 0)
		r = grub_custom_merge(old, entry, &merged, e);
	if (r < 0 || strcmp(old, merged) == 0)
		return r;
	return grub_custom_write(grub_fd, merged, e);
}

static int write_entry(const struct boot_plan *plan,
		       const struct ground *ground, struct err *e)
{
	CLEANUP(freep) char *entry = NULL;
	int r;

	if (plan->hypervisor == NULL)
		return err_set(e, -ENOENT, "no hypervisor to boot");
	r = make_entry(plan, ground, &entry, e);
	return r < 0 ? r : change_custom(ground->grub_fd, entry, e);
}

static int check_entry(int grub_fd, const char *name, struct err *e)
{
	CLEANUP(menu_done) struct grub_menu menu = GRUB_MENU_NONE;
	const struct grub_entry *entry;
	int r;

	r = read_menu(grub_fd, &menu, e);
	if (r < 0)
		return r;
	entry = grub_menu_find(&menu, name);
	if (entry == NULL)
		return err_set(e, -ENOENT,
			       "the menu of /" GRUB_DIR "/" GRUB_CFG_NAME
			       " has no entry \"%s\"",
			       name);
	return 0;
}

static int boot_once(const struct boot_plan *plan, const struct ground *ground,
		     const char *name, struct err *e)
{
	CLEANUP(freep) char *option =
		text_format("--boot-directory=%s/boot", ground->root);
	CLEANUP(freep) char *next = NULL;
	const char *argv[] = { "grub-reboot", option, name, NULL };
	int r;

	if (option == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	r = run_tool(plan, argv, e);
	if (r == 0)
		r = grub_env_get(ground->grub_fd, "next_entry", &next, e);
	if (r < 0)
		return err_wrap(e, r, "name the entry to boot once");
	if (strcmp(next, name) != 0)
		return err_set(e, -EIO,
			       "grub-reboot did not change /" GRUB_DIR "/" GRUB_ENV_NAME
			       ": next_entry is \"%s\"",
			       next);
	/* GRUB reads the disk, not the page cache and no journal. */
	if (syncfs(ground->grub_fd) < 0)
		return err_errno(e, "sync /" GRUB_DIR);
	return 0;
}

int grub_arm(const struct boot_plan *plan, struct err *e)
{
	const char *name = plan->entry == NULL ? GRUB_ENTRY : plan->entry;
	CLEANUP(ground_done) struct ground ground;
	struct err ignored = ERR_NONE;
	int r;

	/* Again: the build's own installation may have run update-grub. */
	r = survey(plan, &ground, e);
	if (r < 0)
		return r;
	if (plan->entry == NULL)
		r = write_entry(plan, &ground, e);
	if (r == 0)
		r = check_entry(ground.grub_fd, name, e);
	if (r == 0)
		r = boot_once(plan, &ground, name, e);
	if (r < 0)
		grub_disarm(plan, &ignored);
	return r;
}

/* ---- disarm ------------------------------------------------------------ */

static int forget_next(const struct boot_plan *plan, int grub_fd,
		       struct err *e)
{
	const char *name = plan->entry == NULL ? GRUB_ENTRY : plan->entry;
	CLEANUP(freep) char *next = NULL;
	CLEANUP(freep) char *path = NULL;
	char root[4096];
	int r;

	r = grub_env_get(grub_fd, "next_entry", &next, e);
	if (r == -ENOENT || (r == 0 && strcmp(next, name) != 0))
		return 0;
	if (r == 0)
		r = root_path(plan->root_fd, root, sizeof(root), e);
	if (r < 0)
		return r;
	path = text_format("%s/" GRUB_DIR "/" GRUB_ENV_NAME, root);
	if (path == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	return run_tool(plan,
			(const char *const[]){ "grub-editenv", path, "unset",
					       "next_entry", NULL },
			e);
}

int grub_disarm(const struct boot_plan *plan, struct err *e)
{
	CLEANUP(fd_close) int grub_fd = -1;
	int forgotten;
	int r;

	r = file_open_dir(plan->root_fd, GRUB_DIR, &grub_fd, e);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	forgotten = forget_next(plan, grub_fd, e);
	r = change_custom(grub_fd, NULL, e);
	return forgotten < 0 ? forgotten : r;
}
