/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/tree.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "source/unpack.h"

enum { OPEN_DIR = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

/*
 * The directory of the last entry stays open with all its parents: the next
 * entry is most likely made in the same one.
 */
struct tree {
	int fds[UNPACK_DEPTH_MAX + 1]; /* fds[0] is borrowed */
	size_t ends[UNPACK_DEPTH_MAX + 1]; /* of each one's path in @at */
	size_t depth;
	char at[UNPACK_PATH_MAX + 1];
};

/* A path without "." and empty parts, split before its last part. */
struct spot {
	char path[UNPACK_PATH_MAX + 1];
	size_t dir_length; /* of the directory in @path */
	const char *name;  /* in @path; empty: the tree's own directory */
	size_t depth;	   /* parts of the directory */
};

int tree_new(struct tree **ret, int into_fd, struct err *e)
{
	struct tree *tree = calloc(1, sizeof(*tree));

	if (tree == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	tree->fds[0] = into_fd;
	*ret = tree;
	return 0;
}

static void leave_dir(struct tree *tree)
{
	close(tree->fds[tree->depth]);
	tree->depth--;
}

static void leave_all(struct tree *tree)
{
	while (tree->depth > 0)
		leave_dir(tree);
}

void tree_free(struct tree *tree)
{
	if (tree == NULL)
		return;
	leave_all(tree);
	free(tree);
}

void tree_freep(struct tree **tree)
{
	tree_free(*tree);
}

/* One part of a path, its end in @ret_end; NULL after the last one. */
static const char *next_part(const char *path, const char **ret_end)
{
	const char *part = path;

	for (;;) {
		size_t length;

		part += strspn(part, "/");
		length = strcspn(part, "/");
		if (length == 0)
			return NULL;
		*ret_end = part + length;
		if (length != 1 || part[0] != '.')
			return part;
		part += length;
	}
}

static bool is_up(const char *part, const char *end)
{
	return end - part == 2 && part[0] == '.' && part[1] == '.';
}

static int spot_parse(const char *path, struct spot *ret, struct err *e)
{
	size_t length = 0, parts = 0;
	const char *part, *end;

	if (path[0] == '/')
		return err_set(e, -EPERM, "has an absolute path");
	if (strlen(path) > UNPACK_PATH_MAX)
		return err_set(e, -EPERM, "has a path of over %d bytes",
			       UNPACK_PATH_MAX);
	*ret = (struct spot){ .name = ret->path };
	while ((part = next_part(path, &end)) != NULL) {
		if (is_up(part, end))
			return err_set(e, -EPERM, "has \"..\" in its path");
		if (++parts > UNPACK_DEPTH_MAX)
			return err_set(e, -EPERM, "lies over %d levels deep",
				       UNPACK_DEPTH_MAX);
		ret->dir_length = length;
		if (length > 0)
			ret->path[length++] = '/';
		ret->name = ret->path + length;
		memcpy(ret->path + length, part, (size_t)(end - part));
		length += (size_t)(end - part);
		path = end;
	}
	ret->path[length] = '\0';
	ret->depth = parts > 0 ? parts - 1 : 0;
	return 0;
}

static int not_through(struct err *e, const char *name)
{
	if (errno != ENOTDIR && errno != ELOOP)
		return err_errno(e, "open its directory %s", name);
	return err_set(e, -EPERM,
		       "goes through %s, which is no directory but a link or a file",
		       name);
}

static int open_or_make(int dir_fd, const char *name, int *ret_fd,
			struct err *e)
{
	int fd = openat(dir_fd, name, OPEN_DIR);

	if (fd < 0 && errno == ENOENT) {
		if (mkdirat(dir_fd, name, 0755) < 0)
			return err_errno(e, "make its directory %s", name);
		fd = openat(dir_fd, name, OPEN_DIR);
	}
	if (fd < 0)
		return not_through(e, name);
	*ret_fd = fd;
	return 0;
}

/* Is the directory that is open now, at @level, on the way to @spot? */
static bool on_the_way(const struct tree *tree, size_t level,
		       const struct spot *spot)
{
	size_t length = tree->ends[level];

	if (level == 0)
		return true;
	return length <= spot->dir_length &&
	       memcmp(tree->at, spot->path, length) == 0 &&
	       (length == spot->dir_length || spot->path[length] == '/');
}

/* Opens the directory of @spot, keeping what is open on the way there. */
static int go_to(struct tree *tree, const struct spot *spot, struct err *e)
{
	char name[UNPACK_PATH_MAX + 1];

	while (!on_the_way(tree, tree->depth, spot))
		leave_dir(tree);
	while (tree->ends[tree->depth] < spot->dir_length) {
		size_t start = tree->ends[tree->depth];
		const char *part = spot->path + start + (start > 0);
		size_t length = strcspn(part, "/");
		int r;

		memcpy(name, part, length);
		name[length] = '\0';
		r = open_or_make(tree->fds[tree->depth], name,
				 &tree->fds[tree->depth + 1], e);
		if (r < 0)
			return r;
		tree->depth++;
		tree->ends[tree->depth] = (size_t)(part - spot->path) + length;
		memcpy(tree->at, spot->path, tree->ends[tree->depth]);
	}
	return 0;
}

/* Return: the descriptor of the directory, or a negative errno. */
static int arrive(struct tree *tree, const char *path, struct spot *spot,
		  struct err *e)
{
	int r;

	r = spot_parse(path, spot, e);
	if (r == 0)
		r = go_to(tree, spot, e);
	return r < 0 ? r : tree->fds[tree->depth];
}

static int arrive_at_name(struct tree *tree, const char *path,
			  struct spot *spot, struct err *e)
{
	int fd = arrive(tree, path, spot, e);

	if (fd >= 0 && spot->name[0] == '\0')
		return err_set(e, -EPERM, "would replace the directory");
	return fd;
}

int tree_dir(struct tree *tree, const char *path, mode_t mode, struct err *e)
{
	struct spot spot;
	struct stat st;
	int fd;

	fd = arrive(tree, path, &spot, e);
	if (fd < 0 || spot.name[0] == '\0')
		return fd < 0 ? fd : 0;
	mode = (mode & 0755) | 0700;
	if (mkdirat(fd, spot.name, mode) == 0)
		return 0;
	if (errno != EEXIST)
		return err_errno(e, "make directory");
	if (fstatat(fd, spot.name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(e, "stat");
	if (!S_ISDIR(st.st_mode))
		return err_set(e, -EPERM,
			       "is a directory and before that a link or a file");
	/* Nobody else is here to put a link in its place now. */
	if ((st.st_mode & 07777) != mode && fchmodat(fd, spot.name, mode, 0) < 0)
		return err_errno(e, "set the mode");
	return 0;
}

/* What is made again replaces the first one, as tar does it. */
static int make_way(int fd, const char *name, struct err *e)
{
	if (unlinkat(fd, name, 0) < 0) {
		if (errno == EISDIR || errno == EPERM)
			return err_set(e, -EPERM,
				       "is a directory before and a file now");
		return err_errno(e, "replace");
	}
	return 0;
}

int tree_file(struct tree *tree, const char *path, mode_t mode, int *ret_fd,
	      struct err *e)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	struct spot spot;
	int dir_fd, fd, r;

	dir_fd = arrive_at_name(tree, path, &spot, e);
	if (dir_fd < 0)
		return dir_fd;
	mode = (mode & 0755) | 0600;
	fd = openat(dir_fd, spot.name, flags, mode);
	if (fd < 0 && errno == EEXIST) {
		r = make_way(dir_fd, spot.name, e);
		if (r < 0)
			return r;
		fd = openat(dir_fd, spot.name, flags, mode);
	}
	if (fd < 0)
		return err_errno(e, "create");
	*ret_fd = fd;
	return 0;
}

/* ".." must stand first: a part before it may be a link to anywhere deep. */
static int check_target(const char *target, size_t depth, struct err *e)
{
	size_t ups = 0;
	bool down = false;
	const char *part, *end;

	if (target[0] == '/')
		return err_set(e, -EPERM, "is a link to an absolute path");
	while ((part = next_part(target, &end)) != NULL) {
		if (!is_up(part, end))
			down = true;
		else if (down || ++ups > depth)
			return err_set(e, -EPERM,
				       "is a link that may lead out of the archive");
		target = end;
	}
	return 0;
}

int tree_symlink(struct tree *tree, const char *path, const char *target,
		 struct err *e)
{
	struct spot spot;
	int fd, r;

	fd = arrive_at_name(tree, path, &spot, e);
	if (fd < 0)
		return fd;
	r = check_target(target, spot.depth, e);
	if (r < 0)
		return r;
	if (symlinkat(target, fd, spot.name) == 0)
		return 0;
	if (errno != EEXIST)
		return err_errno(e, "make a symbolic link");
	r = make_way(fd, spot.name, e);
	if (r == 0 && symlinkat(target, fd, spot.name) < 0)
		r = err_errno(e, "make a symbolic link");
	return r;
}

static int link_from(struct tree *tree, const struct spot *from, int fd,
		     const char *name, struct err *e)
{
	CLEANUP(leave_all) struct tree other = { .fds = { tree->fds[0] } };
	struct stat st;
	int from_fd;
	int r;

	r = go_to(&other, from, e);
	if (r < 0)
		return r;
	from_fd = other.fds[other.depth];
	if (fstatat(from_fd, from->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(e, "link to %s", from->path);
	/* A symbolic link would lead elsewhere from its second place. */
	if (!S_ISREG(st.st_mode))
		return err_set(e, -EPERM, "is a hard link to no file");
	if (linkat(from_fd, from->name, fd, name, 0) < 0)
		return errno == EEXIST ?
			       -EEXIST :
			       err_errno(e, "link to %s", from->path);
	return 0;
}

int tree_hardlink(struct tree *tree, const char *path, const char *target,
		  struct err *e)
{
	struct spot spot, from;
	int fd, r;

	r = spot_parse(target, &from, e);
	if (r == 0 && from.name[0] == '\0')
		r = err_set(e, -EPERM, "is a link to a directory");
	if (r < 0)
		return err_wrap(e, r, "its target");
	fd = arrive_at_name(tree, path, &spot, e);
	if (fd < 0)
		return fd;
	if (strcmp(spot.path, from.path) == 0)
		return err_set(e, -EPERM, "is a link to itself");
	r = link_from(tree, &from, fd, spot.name, e);
	if (r != -EEXIST)
		return r;
	r = make_way(fd, spot.name, e);
	return r < 0 ? r : link_from(tree, &from, fd, spot.name, e);
}
