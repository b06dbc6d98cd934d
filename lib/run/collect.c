/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/collect.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"

enum { DEPTH_MAX = 64 };

/* "/var": one part and no more. */
static bool is_near_root(const char *path)
{
	size_t parts = 0;

	for (const char *at = path; *at != '\0';) {
		at += strspn(at, "/");
		parts += *at != '\0';
		at += strcspn(at, "/");
	}
	return path[0] == '/' && parts < 2;
}

static int empty(int fd, struct err *e)
{
	CLEANUP(dir_closep) DIR *dir = NULL;
	const struct dirent *entry;
	int copy;
	int r;

	r = file_open_dir(fd, ".", &copy, e);
	if (r < 0)
		return r;
	dir = fdopendir(copy);
	if (dir == NULL) {
		close(copy);
		return err_errno(e, "list a directory");
	}
	while ((entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		r = file_remove_tree(fd, entry->d_name, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int give_to(int fd, const char *user, struct err *e)
{
	const struct passwd *pw = getpwnam(user);

	if (pw == NULL)
		return err_set(e, -ENOENT, "no user \"%s\"", user);
	if (fchown(fd, pw->pw_uid, pw->pw_gid) < 0)
		return err_errno(e, "give it to %s", user);
	return 0;
}

static int open_log_dir(int temp_fd, const char *log_dir, int *ret_fd,
			struct err *e)
{
	CLEANUP(fd_close) int root_fd = -1;
	int r;

	if (log_dir[0] != '/')
		return file_make_dirs(temp_fd, log_dir, 0755, ret_fd, e);
	if (file_open_dir(AT_FDCWD, log_dir, ret_fd, e) == 0)
		return 0;
	r = file_open_dir(AT_FDCWD, "/", &root_fd, e);
	return r < 0 ? r : file_make_dirs(root_fd, log_dir, 0755, ret_fd, e);
}

int collect_prepare(int temp_fd, const char *log_dir, const char *user,
		    struct err *e)
{
	CLEANUP(fd_close) int fd = -1;
	int r;

	r = open_log_dir(temp_fd, log_dir, &fd, e);
	if (r == 0 && !is_near_root(log_dir))
		r = empty(fd, e);
	if (r == 0 && user != NULL)
		r = give_to(fd, user, e);
	return r < 0 ? err_wrap(e, r, "prepare the log directory %s", log_dir) :
		       0;
}

static bool is_wanted(const char *patterns, const char *path)
{
	CLEANUP(freep) char *copy = NULL;
	const char *name = strrchr(path, '/');
	const char *pattern;
	char *rest;

	if (patterns == NULL)
		return true;
	name = name == NULL ? path : name + 1;
	copy = strdup(patterns);
	rest = copy;
	while ((pattern = strsep(&rest, " \t\r\n\v\f")) != NULL)
		if (pattern[0] != '\0' && (fnmatch(pattern, name, 0) == 0 ||
					   fnmatch(pattern, path, 0) == 0))
			return true;
	return false;
}

/* Directories are made when the first wanted file in them comes up. */
static int copy_wanted(const struct collect_job *job, int from_fd,
		       const char *name, const char *path, struct err *e)
{
	CLEANUP(freep) char *to = text_format("logs/%s", path);
	CLEANUP(fd_close) int to_fd = -1;
	char *slash;
	int r;

	if (!is_wanted(job->patterns, path))
		return 0;
	slash = to == NULL ? NULL : strrchr(to, '/');
	if (slash == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	*slash = '\0';
	r = file_make_dirs(job->result_fd, to, 0755, &to_fd, e);
	if (r < 0)
		return r;
	return file_copy(from_fd, name, to_fd, name, UINT64_MAX, e);
}

static int copy_dir(const struct collect_job *job, int fd, const char *path,
		    int depth, struct err *e);

static int copy_entry(const struct collect_job *job, int dir_fd,
		      const char *name, const char *prefix, int depth,
		      struct err *e)
{
	CLEANUP(freep) char *path = text_format(
		"%s%s%s", prefix, prefix[0] == '\0' ? "" : "/", name);
	struct stat st;
	int fd;

	if (path == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(e, "stat %s", path);
	if (S_ISREG(st.st_mode))
		return copy_wanted(job, dir_fd, name, path, e);
	if (!S_ISDIR(st.st_mode)) {
		printf("%s: neither file nor directory, left out\n", path);
		return 0;
	}
	if (depth >= DEPTH_MAX) {
		printf("%s: lies too deep, left out\n", path);
		return 0;
	}
	fd = openat(dir_fd, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, "open %s", path);
	return copy_dir(job, fd, path, depth + 1, e);
}

static int copy_dir(const struct collect_job *job, int fd, const char *path,
		    int depth, struct err *e)
{
	CLEANUP(dir_closep) DIR *dir = fdopendir(fd);
	const struct dirent *entry;
	int first = 0;

	if (dir == NULL) {
		close(fd);
		return err_errno(e, "list %s", path);
	}
	while ((entry = readdir(dir)) != NULL) {
		struct err one = ERR_NONE;
		int r;

		if (strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		r = copy_entry(job, dirfd(dir), entry->d_name, path, depth,
			       &one);
		if (r < 0) {
			printf("%s\n", one.text);
			if (first == 0) {
				first = r;
				*e = one;
			}
		}
	}
	return first;
}

int collect_logs(void *arg, struct err *e)
{
	const struct collect_job *job = arg;
	int fd = -1;
	int r;

	/* As it was prepared: a test may have put a link in its place. */
	r = open_log_dir(job->temp_fd, job->log_dir, &fd, e);
	return r < 0 ? r : copy_dir(job, fd, "", 0, e);
}
