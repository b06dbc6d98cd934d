/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/boot.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/child.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "boot/build_id.h"
#include "boot/grub.h"
#include "boot/kernel.h"

enum {
	COMMAND_LIMIT_S = 10 * 60,
	COMMAND_BYTES_MAX = 256 * 1024,
	COMMAND_WORDS_MAX = 16,
};

/* ---- boot_method = command --------------------------------------------- */

/* The words of "env NAME=VALUE … /bin/sh -c COMMAND". */
struct command {
	char *words[COMMAND_WORDS_MAX];
	size_t count;
	bool failed;
};

static void command_done(struct command *command)
{
	for (size_t i = 0; i < command->count; i++)
		free(command->words[i]);
}

static void add_word(struct command *command, const char *name,
		     const char *value)
{
	char *word;

	if (value == NULL || value[0] == '\0')
		return;
	word = name == NULL ? strdup(value) :
			      text_format("%s=%s", name, value);
	if (word == NULL)
		command->failed = true;
	else
		command->words[command->count++] = word;
}

static void add_kernel(struct command *command, int root_fd)
{
	struct err ignored = ERR_NONE;
	struct kernel kernel;

	if (kernel_find(root_fd, &kernel, &ignored) < 0)
		return; /* the command may know better */
	add_word(command, "XENTEST_KERNEL", kernel.image);
	add_word(command, "XENTEST_INITRD", kernel.initrd);
	add_word(command, "XENTEST_CMDLINE", kernel.root);
}

static int run_command(const struct boot_plan *plan, struct err *e)
{
	CLEANUP(command_done) struct command command = { .count = 0 };
	CLEANUP(freep) char *output = NULL;
	struct child_result result;
	struct err ignored = ERR_NONE;
	char how[96];
	int r;

	add_word(&command, NULL, "env");
	add_word(&command, NULL, "--unset=NOTIFY_SOCKET");
	add_word(&command, "LC_ALL", "C");
	add_word(&command, "XENTEST_RUN", plan->run);
	add_word(&command, "XENTEST_MARK", plan->mark);
	add_word(&command, "XENTEST_XEN", plan->hypervisor);
	add_kernel(&command, plan->root_fd);
	add_word(&command, NULL, "/bin/sh");
	add_word(&command, NULL, "-c");
	add_word(&command, NULL, plan->command);
	if (command.failed)
		return err_set(e, -ENOMEM, "out of memory");
	r = child_capture(plan->loop, (const char *const *)command.words,
			  COMMAND_LIMIT_S * UINT64_C(1000000),
			  COMMAND_BYTES_MAX, &output, &result, e);
	if (r < 0)
		return err_wrap(e, r, "boot_command");
	if (plan->log_fd >= 0)
		file_write_all(plan->log_fd, output, strlen(output), &ignored);
	if (result.exit_status != 0)
		return err_set(e, -EPROTO, "boot_command: %s",
			       child_describe(&result, how));
	return 0;
}

/* ---- methods ----------------------------------------------------------- */

static const struct method {
	const char *name;
	int (*check)(const struct boot_plan *plan, struct err *e);
	int (*arm)(const struct boot_plan *plan, struct err *e);
	int (*disarm)(const struct boot_plan *plan, struct err *e);
} methods[] = {
	[CONTROL_BOOT_AUTO] = { .name = "auto" },
	[CONTROL_BOOT_GRUB] = { "grub", grub_check, grub_arm, grub_disarm },
	[CONTROL_BOOT_COMMAND] = { .name = "command", .arm = run_command },
	[CONTROL_BOOT_NONE] = { .name = "none" },
};

const char *boot_method_text(enum control_boot method)
{
	return (size_t)method < ARRAY_SIZE(methods) ? methods[method].name :
						      "?";
}

static int choose_method(struct boot_plan *plan, struct err *e)
{
	if (plan->method == CONTROL_BOOT_AUTO &&
	    faccessat(plan->root_fd, GRUB_DIR "/" GRUB_CFG_NAME, F_OK, 0) == 0)
		plan->method = CONTROL_BOOT_GRUB;
	if (plan->method == CONTROL_BOOT_AUTO)
		return err_set(e, -ENOTSUP,
			       "there is no /" GRUB_DIR "/" GRUB_CFG_NAME
			       ": say how to boot Xen once, with boot_method = command and boot_command");
	if (plan->method == CONTROL_BOOT_COMMAND && plan->command == NULL)
		return err_set(e, -EINVAL,
			       "boot_method = command needs a boot_command");
	return 0;
}

int boot_plan_make(struct loop *loop, int root_fd, const char *run,
		   const struct control_preferences *preferences,
		   struct boot_plan *ret, struct err *e)
{
	struct boot_plan plan = {
		.loop = loop,
		.root_fd = root_fd,
		.run = run,
		.method = preferences->boot_method,
		.entry = preferences->boot_entry,
		.command = preferences->boot_command,
		.stay = preferences->on_failure == CONTROL_STAY,
		.watchdog = preferences->watchdog,
		.log_fd = -1,
	};
	int r = choose_method(&plan, e);

	if (r == 0)
		*ret = plan;
	return r;
}

int boot_check(const struct boot_plan *plan, struct err *e)
{
	const struct method *method = &methods[plan->method];

	return method->check == NULL ? 0 : method->check(plan, e);
}

int boot_arm(const struct boot_plan *plan, struct err *e)
{
	const struct method *method = &methods[plan->method];

	return method->arm == NULL ? 0 : method->arm(plan, e);
}

int boot_disarm(const struct boot_plan *plan, struct err *e)
{
	const struct method *method = &methods[plan->method];

	return method->disarm == NULL ? 0 : method->disarm(plan, e);
}

/* ---- the Xen that is there --------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text);

	return length >= strlen(end) &&
	       strcmp(text + length - strlen(end), end) == 0;
}

bool boot_is_xen_name(const char *name)
{
	return strncmp(name, "xen", 3) == 0 &&
	       strncmp(name, "xen-syms", 8) != 0 &&
	       strncmp(name, "xenpolicy-", 10) != 0 &&
	       !ends_with(name, ".config") && !ends_with(name, ".efi") &&
	       !ends_with(name, ".map") && !ends_with(name, "~") &&
	       strstr(name, ".dpkg-") == NULL;
}

/* "xen-4.17.5-xt1a2b3c4d.gz": made by a run of ours. */
static bool is_tagged(const char *name)
{
	const char *tag = strstr(name, "-xt");

	return tag != NULL && strspn(tag + 3, "0123456789abcdef") == 8;
}

static bool is_better(const char *name, const char *than)
{
	if (than == NULL)
		return true;
	if (is_tagged(name) != is_tagged(than))
		return is_tagged(than);
	return strverscmp(name, than) > 0;
}

static bool is_hypervisor(int boot_fd, const char *name)
{
	struct err ignored = ERR_NONE;
	char build_id[BUILD_ID_MAX];
	int r;

	/* Opens regular files alone, no links: the same image once. */
	r = build_id_read(boot_fd, name, build_id, &ignored);
	return r == 0 || r == -ENODATA;
}

static int find_newest(int boot_fd, DIR *dir, char **ret, struct err *e)
{
	CLEANUP(freep) char *best = NULL;
	const struct dirent *entry;

	while ((entry = readdir(dir)) != NULL) {
		if (!boot_is_xen_name(entry->d_name) ||
		    !is_better(entry->d_name, best) ||
		    !is_hypervisor(boot_fd, entry->d_name))
			continue;
		free(best);
		best = strdup(entry->d_name);
		if (best == NULL)
			return err_set(e, -ENOMEM, "out of memory");
	}
	if (best == NULL)
		return err_set(e, -ENOENT, "there is no Xen in /boot");
	*ret = text_format("/boot/%s", best);
	return *ret == NULL ? err_set(e, -ENOMEM, "out of memory") : 0;
}

int boot_newest_xen(int root_fd, char **ret, struct err *e)
{
	CLEANUP(dir_closep) DIR *dir = NULL;
	CLEANUP(fd_close) int boot_fd = -1;
	int r;

	r = file_open_dir(root_fd, "boot", &boot_fd, e);
	if (r < 0)
		return r;
	dir = fdopendir(dup(boot_fd));
	if (dir == NULL)
		return err_errno(e, "read /boot");
	return find_newest(boot_fd, dir, ret, e);
}
