/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "control/check.h"
#include "control/load.h"
#include "control/syntax.h"

/* What a struct control is the visible part of. */
struct loaded {
	struct control control; /* first */
	struct arena arena;
};

static void loaded_freep(struct loaded **loaded)
{
	if (*loaded != NULL) {
		arena_done(&(*loaded)->arena);
		free(*loaded);
	}
}

void control_free(struct control *control)
{
	struct loaded *loaded = (struct loaded *)control;

	loaded_freep(&loaded);
}

void control_freep(struct control **control)
{
	control_free(*control);
}

/* A file so large when expanded is its author's mistake, not ours. */
static int out_of_memory(const struct tree *tree, struct control_report *report,
			 struct err *e)
{
	if (!tree->arena.full)
		return err_set(e, -ENOMEM, "read %s: %s", report->file,
			       strerror(ENOMEM));
	report_error(report, 1, "expands to more than %d MiB in all",
		     ARENA_BYTES_MAX / 1024 / 1024);
	return 0;
}

static int load_tree(const char *bytes, size_t length, struct tree *tree,
		     struct control_report *report, struct control *control,
		     struct err *e)
{
	int r = tree_init(tree);

	if (r == 0)
		r = syntax_read(bytes, length, tree, report);
	if (r == 0)
		r = check_tree(tree, report, control);
	if (r < 0)
		r = out_of_memory(tree, report, e);
	report_sort(report);
	if (r < 0)
		return r;
	if (report->error_count > 0)
		return err_set(e, -EINVAL, "%s has %zu error%s", report->file,
			       report->error_count,
			       report->error_count == 1 ? "" : "s");
	return 0;
}

int control_load(const char *bytes, size_t length, const char *name,
		 struct control_report *report, struct control **ret,
		 struct err *e)
{
	CLEANUP(loaded_freep) struct loaded *loaded = NULL;
	struct tree tree = {.buckets = NULL};
	int r;

	*report = (struct control_report){.file = name};
	loaded = calloc(1, sizeof(*loaded));
	if (loaded == NULL)
		return err_errno(e, "read %s", name);
	r = load_tree(bytes, length, &tree, report, &loaded->control, e);
	loaded->arena = tree.arena;
	tree.arena = (struct arena){.chunks = NULL};
	tree_done(&tree);
	if (r < 0)
		return r;
	*ret = &TAKE_PTR(loaded)->control;
	return 0;
}

/* A FIFO or device would hang or do harm just by being opened. */
static int open_regular(const char *path, int *ret_fd, struct err *e)
{
	CLEANUP(fd_close) int fd = -1;
	struct stat st;

	if (stat(path, &st) < 0)
		return err_errno(e, "%s", path);
	if (S_ISREG(st.st_mode))
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	else
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
	if (fd < 0 && errno == EINVAL)
		return err_set(e, -EINVAL, "%s: Not a regular file", path);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(e, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "%s: Not a regular file", path);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int load_bytes(const char *path, char **ret, size_t *ret_length, struct err *e)
{
	CLEANUP(fd_close) int fd = -1;
	CLEANUP(freep) char *bytes = NULL;
	size_t length = 0;
	ssize_t got;
	int r;

	r = open_regular(path, &fd, e);
	if (r < 0)
		return r;
	/* One byte more than may be: control_load() says that it is too much.
	 */
	bytes = malloc(CONTROL_BYTES_MAX + 1);
	if (bytes == NULL)
		return err_errno(e, "%s", path);
	do {
		got = read(fd, bytes + length, CONTROL_BYTES_MAX + 1 - length);
		if (got < 0 && errno != EINTR)
			return err_errno(e, "%s", path);
		length += got > 0 ? (size_t)got : 0;
	} while (got != 0 && length <= CONTROL_BYTES_MAX);
	*ret = TAKE_PTR(bytes);
	*ret_length = length;
	return 0;
}

int control_load_file(const char *path, struct control_report *report,
		      struct control **ret, struct err *e)
{
	CLEANUP(freep) char *bytes = NULL;
	size_t length;
	int r;

	*report = (struct control_report){.file = path};
	r = load_bytes(path, &bytes, &length, e);
	if (r < 0)
		return r;
	return control_load(bytes, length, path, report, ret, e);
}

int control_check_main(const char *path)
{
	CLEANUP(control_freep) struct control *control = NULL;
	CLEANUP(control_report_done)
	struct control_report report = {
		.file = path,
	};
	struct err e = ERR_NONE;
	int r = control_load_file(path, &report, &control, &e);

	control_report_print(&report, stderr);
	if (r == 0)
		return 0;
	if (report.error_count > 0)
		return 1;
	text_plain(e.text);
	fprintf(stderr, "%s\n", e.text);
	return 2;
}

const struct control_domain *control_find_domain(const struct control *control,
						 const char *hostname)
{
	CLEANUP(freep)
	char *shortened = strndup(hostname, strcspn(hostname, "."));
	const char *const names[] = {hostname, shortened};

	for (size_t i = 0; i < ARRAY_SIZE(names) && names[i] != NULL; i++)
		for (size_t k = 0; k < control->domain_count; k++)
			if (text_equal_nocase(control->domains[k].name,
					      names[i]))
				return &control->domains[k];
	return NULL;
}

uint64_t control_reboots(const struct control_domain *domain)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < domain->entry_count; i++) {
		const struct control_test *test = domain->entries[i].test;

		sum += (uint64_t)test->reboots * test->repeat;
	}
	return sum;
}

bool control_expects(const struct control_expect *expect, int status)
{
	if (!expect->given)
		return status == 0;
	return status >= 0 && status <= 255 &&
	       (expect->bits[status / 64] >> status % 64 & 1) != 0;
}
