/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_SOURCE_TREE_H
#define XENTEST_SOURCE_TREE_H

#include <sys/types.h>

#include "base/err.h"

/*
 * Makes the entries of an archive below one directory. Each part of a path is
 * opened relative to the part before and no symbolic link is followed, so
 * whatever the paths say, nothing is made elsewhere. Errors are reasons
 * without the entry's name. -EPERM: the archive is hostile.
 */
struct tree;

/**
 * tree_new() - begin a tree
 * @into_fd: its directory; borrowed until tree_free()
 *
 * Return: 0 or -ENOMEM.
 */
int tree_new(struct tree **ret, int into_fd, struct err *e);
void tree_free(struct tree *tree);
void tree_freep(struct tree **tree);

/* Directories on the way are made as needed, with mode 0755. */

/**
 * tree_dir() - make a directory; one that is there only gets the mode
 * @path: as in the archive; "." is the tree's own directory
 * @mode: set-id, sticky and others' write bits are left out; the owner's
 *        access is added
 *
 * Return: 0, -EPERM or another negative errno.
 */
int tree_dir(struct tree *tree, const char *path, mode_t mode, struct err *e);

/**
 * tree_file() - make an empty file, in place of one that is there
 * @mode:   as for tree_dir()
 * @ret_fd: open for writing; the caller's
 *
 * Return: 0, -EPERM or another negative errno.
 */
int tree_file(struct tree *tree, const char *path, mode_t mode, int *ret_fd,
	      struct err *e);

/**
 * tree_symlink() - make a symbolic link that stays in the tree
 * @target: relative, with ".." at its beginning only, and no more of them
 *          than @path is deep: "a/.." is not "." where a is a link
 *
 * Return: 0, -EPERM or another negative errno.
 */
int tree_symlink(struct tree *tree, const char *path, const char *target,
		 struct err *e);

/**
 * tree_hardlink() - make a second name for a file of the tree
 * @target: a path as in the archive
 *
 * Return: 0, -EPERM or another negative errno.
 */
int tree_hardlink(struct tree *tree, const char *path, const char *target,
		  struct err *e);

#endif
