/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The names in an archive, without the archive: lines "d PATH", "f PATH",
 * "l PATH<tab>TARGET" (a symbolic link), "h PATH<tab>TARGET" (a hard link).
 */
#include "fuzz.h"

#include <string.h>

#include "base/cleanup.h"
#include "inside.h"
#include "source/tree.h"

enum { LINES_MAX = 32 };

static int add(struct tree *tree, char *line, struct err *e)
{
	bool known = line[0] != '\0' && strchr("dflh", line[0]) != NULL &&
		     line[1] == ' ';
	char *rest = known ? line + 2 : NULL;
	const char *path = strsep(&rest, "\t");
	const char *target = rest == NULL ? "" : rest;
	int fd = -1;
	int r;

	if (path == NULL)
		return 0;
	if (line[0] == 'd')
		return tree_dir(tree, path, 07777, e);
	if (line[0] == 'l')
		return tree_symlink(tree, path, target, e);
	if (line[0] == 'h')
		return tree_hardlink(tree, path, target, e);
	r = tree_file(tree, path, 07777, &fd, e);
	fd_close(&fd);
	return r;
}

/* All lines: an archive would end at the first failure, a tree need not. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(tree_freep) struct tree *tree = NULL;
	struct err e = ERR_NONE;

	must(tree_new(&tree, inside_begin(), &e) == 0);
	for (int i = 0; i < LINES_MAX && size > 0; i++) {
		CLEANUP(freep) char *line = fuzz_line(&data, &size);
		int r;

		e = ERR_NONE;
		r = add(tree, line, &e);
		must(r <= 0);
		must((r == 0) == (e.text[0] == '\0'));
	}
	inside_check();
	return 0;
}
