/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/kernel.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"

enum {
	PROC_BYTES_MAX = 16 * 1024,
	CONFIG_BYTES_MAX = 4 * 1024 * 1024,
};

static bool exists(int root_fd, const char *path)
{
	return faccessat(root_fd, path + 1, R_OK, 0) == 0;
}

static int read_release(int root_fd, struct kernel *kernel, struct err *e)
{
	CLEANUP(freep) char *text = NULL;
	int r;

	r = file_read(root_fd, "proc/sys/kernel/osrelease", 127, &text, NULL,
		      e);
	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	if (text[0] == '\0' || strchr(text, '/') != NULL)
		return err_set(e, -EBADMSG, "the kernel names no release");
	snprintf(kernel->release, sizeof(kernel->release), "%s", text);
	return 0;
}

static int find_image(int root_fd, struct kernel *kernel, struct err *e)
{
	snprintf(kernel->image, sizeof(kernel->image), "/boot/vmlinuz-%s",
		 kernel->release);
	if (!exists(root_fd, kernel->image))
		return err_set(e, -ENOENT,
			       "the running kernel's image %s is not there (was it upgraded? reboot first)",
			       kernel->image);
	return 0;
}

static void find_initrd(int root_fd, struct kernel *kernel)
{
	static const char *const forms[][2] = {
		{ "initrd.img-", "" },	{ "initrd-", ".img" },
		{ "initrd-", ".gz" },	{ "initrd-", "" },
		{ "initramfs-", ".img" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		snprintf(kernel->initrd, sizeof(kernel->initrd), "/boot/%s%s%s",
			 forms[i][0], kernel->release, forms[i][1]);
		if (exists(root_fd, kernel->initrd))
			return;
	}
	kernel->initrd[0] = '\0';
}

/* A kernel without its config beside it gets the benefit of the doubt. */
static int check_config(int root_fd, const struct kernel *kernel,
			struct err *e)
{
	CLEANUP(freep) char *config = NULL;
	struct err ignored = ERR_NONE;
	char path[192];

	snprintf(path, sizeof(path), "boot/config-%s", kernel->release);
	if (file_read(root_fd, path, CONFIG_BYTES_MAX, &config, NULL,
		      &ignored) < 0 ||
	    strstr(config, "CONFIG_") == NULL ||
	    strstr(config, "\nCONFIG_XEN_DOM0=y\n") != NULL)
		return 0;
	return err_set(e, -ENOTSUP,
		       "the running kernel %s cannot be dom0: /%s has no CONFIG_XEN_DOM0=y",
		       kernel->release, path);
}

/* Only what tells where the root is; all else is update-grub's business. */
static bool tells_root(const char *word)
{
	static const char *const names[] = { "root=", "rootflags=",
					     "rootfstype=", "ro", "rw" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		size_t length = strlen(names[i]);

		if (names[i][length - 1] == '=' ?
			    strncmp(word, names[i], length) == 0 :
			    strcmp(word, names[i]) == 0)
			return true;
	}
	return false;
}

static int read_root(int root_fd, struct kernel *kernel, struct err *e)
{
	CLEANUP(freep) char *line = NULL;
	size_t length = 0;
	char *rest;
	char *word;
	int r;

	r = file_read(root_fd, "proc/cmdline", PROC_BYTES_MAX, &line, NULL, e);
	if (r < 0)
		return r;
	rest = line;
	while ((word = strsep(&rest, " \t\n")) != NULL) {
		size_t room = sizeof(kernel->root) - length;
		int n;

		if (!tells_root(word))
			continue;
		n = snprintf(kernel->root + length, room, "%s%s",
			     length == 0 ? "" : " ", word);
		if ((size_t)n >= room)
			return err_set(e, -E2BIG,
				       "/proc/cmdline says too much about the root");
		length += (size_t)n;
	}
	if (strstr(kernel->root, "root=") == NULL)
		return err_set(e, -ENODATA,
			       "/proc/cmdline has no root=: where dom0's root is cannot be told");
	return 0;
}

int kernel_find(int root_fd, struct kernel *ret, struct err *e)
{
	struct kernel kernel = { .release = "" };
	int r;

	r = read_release(root_fd, &kernel, e);
	if (r == 0)
		r = find_image(root_fd, &kernel, e);
	if (r == 0)
		r = check_config(root_fd, &kernel, e);
	if (r == 0)
		r = read_root(root_fd, &kernel, e);
	if (r < 0)
		return err_wrap(e, r, "find a kernel for dom0");
	find_initrd(root_fd, &kernel);
	*ret = kernel;
	return 0;
}
