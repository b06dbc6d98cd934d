/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_TESTS_TEST_BOOT_ROOT_H
#define XENTEST_TESTS_TEST_BOOT_ROOT_H

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/loop.h"
#include "base/text.h"
#include "boot/boot.h"

/* A scratch root directory, with the loop that programs are run in. */
struct root {
	char path[32];
	int fd;
	struct loop *loop;
	struct boot_plan plan;
};

/* Writes ROOT/PATH, making its directories. */
static inline void root_put(const struct root *root, const char *path,
			    const char *text, mode_t mode)
{
	const char *slash = strrchr(path, '/');
	CLEANUP(freep) char *directory =
		strndup(path, (size_t)(slash - path));
	CLEANUP(fd_close) int fd = -1;
	struct err e = ERR_NONE;

	assert_int_equal(file_make_dirs(root->fd, directory, 0755, &fd, &e),
			 0);
	assert_int_equal(file_write_atomic(fd, slash + 1, text, strlen(text),
					   mode, &e),
			 0);
}

/* The caller's; NULL without such a file. */
static inline char *root_get(const struct root *root, const char *path)
{
	struct err e = ERR_NONE;
	char *text = NULL;

	return file_read(root->fd, path, 1024 * 1024, &text, NULL, &e) < 0 ?
		       NULL :
		       text;
}

static inline void root_has(const struct root *root, const char *path,
			    const char *part)
{
	CLEANUP(freep) char *text = root_get(root, path);

	assert_non_null(text);
	if (strstr(text, part) == NULL)
		fail_msg("%s lacks \"%s\":\n%s", path, part, text);
}

static inline struct root *root_new(void)
{
	struct root *root = calloc(1, sizeof(*root));
	struct err e = ERR_NONE;

	strcpy(root->path, "/tmp/test-boot-XXXXXX");
	assert_non_null(mkdtemp(root->path));
	root->fd = open(root->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(root->fd >= 0);
	assert_int_equal(loop_new(&root->loop, &e), 0);
	root->plan = (struct boot_plan){ .loop = root->loop,
					 .root_fd = root->fd,
					 .run = "a-run",
					 .log_fd = -1 };
	return root;
}

static inline void root_free(struct root *root)
{
	struct err e = ERR_NONE;

	loop_free(root->loop);
	close(root->fd);
	assert_int_equal(file_remove_tree(AT_FDCWD, root->path, &e), 0);
	free(root);
}

static inline void root_put_kernel(const struct root *root)
{
	root_put(root, "proc/sys/kernel/osrelease", "6.1.0-9-amd64\n", 0644);
	root_put(root, "proc/cmdline",
		 "BOOT_IMAGE=/vmlinuz root=UUID=aa-bb ro rootflags=x quiet\n",
		 0644);
	root_put(root, "boot/vmlinuz-6.1.0-9-amd64", "kernel", 0644);
	root_put(root, "boot/initrd.img-6.1.0-9-amd64", "initrd", 0644);
}

#endif
