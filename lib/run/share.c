/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/share.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "run/record.h"

/* ---- the directory of a domain ----------------------------------------- */

static bool names_host(const char *name, const char *hostname, bool whole)
{
	size_t length = whole ? strlen(hostname) : strcspn(hostname, ".");

	if (strlen(name) != length)
		return false;
	for (size_t i = 0; i < length; i++)
		if (text_lower(name[i]) != text_lower(hostname[i]))
			return false;
	return true;
}

/* Fills in @name with the directory that fits best: whole name before part. */
static int look_for(int fd, const char *hostname, char name[static 256],
		    struct err *e)
{
	CLEANUP(dir_closep) DIR *dir = fdopendir(fd);
	const struct dirent *entry;

	if (dir == NULL) {
		close(fd);
		return err_errno(e, "list it");
	}
	name[0] = '\0';
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		if (names_host(entry->d_name, hostname, true)) {
			snprintf(name, 256, "%s", entry->d_name);
			break;
		}
		if (names_host(entry->d_name, hostname, false))
			snprintf(name, 256, "%s", entry->d_name);
	}
	return name[0] == '\0' ?
		       err_set(e, -ENOENT, "no directory for \"%s\"",
			       hostname) :
		       0;
}

static int open_own(int dir_fd, const char *name, int *ret_fd, struct err *e)
{
	int fd = openat(dir_fd, name,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return err_errno(e, "open %s", name);
	*ret_fd = fd;
	return 0;
}

int share_find(const char *shared_dir, const char *hostname, int *ret_fd,
	       struct err *e)
{
	CLEANUP(fd_close) int dir_fd = -1;
	char name[256];
	int list_fd;
	int r;

	r = file_open_dir(AT_FDCWD, shared_dir, &dir_fd, e);
	if (r < 0)
		return r;
	r = file_open_dir(dir_fd, ".", &list_fd, e);
	if (r == 0)
		r = look_for(list_fd, hostname, name, e);
	if (r == 0)
		r = open_own(dir_fd, name, ret_fd, e);
	return r < 0 ? err_wrap(e, r, "%s", shared_dir) : 0;
}

int share_publish(const char *shared_dir, const char *name, const void *bytes,
		  size_t length, struct err *e)
{
	CLEANUP(fd_close) int dir_fd = -1;
	CLEANUP(fd_close) int own_fd = -1;
	int r;

	r = file_open_dir(AT_FDCWD, shared_dir, &dir_fd, e);
	if (r == 0)
		r = file_make_dirs_synced(dir_fd, name, 0755, &own_fd, e);
	if (r == 0)
		r = file_write_atomic(own_fd, SHARE_CONTROL, bytes, length,
				      0644, e);
	return r < 0 ? err_wrap(e, r, "publish the control file in %s/%s",
				shared_dir, name) :
		       0;
}

/* ---- delivering -------------------------------------------------------- */

static bool is_record(const char *name)
{
	return strcmp(name, RECORD_NAME) == 0;
}

static int move_file(int from_fd, int to_fd, const char *name, struct err *e)
{
	int r;

	if (renameat(from_fd, name, to_fd, name) == 0)
		return 0;
	if (errno != EXDEV)
		return err_errno(e, "move %s", name);
	r = file_copy(from_fd, name, to_fd, name, UINT64_MAX, e);
	if (r < 0)
		return r;
	return unlinkat(from_fd, name, 0) < 0 ? err_errno(e, "remove %s", name) :
						0;
}

static int move_content(int from_fd, int to_fd, bool top, struct err *e);

static int move_entry(int from_fd, int to_fd, const char *name, struct err *e)
{
	CLEANUP(fd_close) int from = -1;
	CLEANUP(fd_close) int to = -1;
	struct stat st;
	int r;

	if (fstatat(from_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(e, "stat %s", name);
	if (S_ISREG(st.st_mode))
		return move_file(from_fd, to_fd, name, e);
	if (!S_ISDIR(st.st_mode))
		return 0;
	/* A whole directory at once, where it is the same file system. */
	if (renameat(from_fd, name, to_fd, name) == 0)
		return 0;
	r = open_own(from_fd, name, &from, e);
	if (r == 0)
		r = file_make_dirs(to_fd, name, 0755, &to, e);
	if (r == 0)
		r = move_content(from, to, false, e);
	if (r == 0 && unlinkat(from_fd, name, AT_REMOVEDIR) < 0)
		r = err_errno(e, "remove %s", name);
	return r < 0 ? err_wrap(e, r, "%s", name) : 0;
}

/* Takes one failing file as no reason to keep the others back. */
static int move_content(int from_fd, int to_fd, bool top, struct err *e)
{
	CLEANUP(dir_closep) DIR *dir = NULL;
	const struct dirent *entry;
	int first = 0;
	int fd;
	int r;

	r = file_open_dir(from_fd, ".", &fd, e);
	if (r < 0)
		return r;
	dir = fdopendir(fd);
	if (dir == NULL) {
		close(fd);
		return err_errno(e, "list a directory");
	}
	while ((entry = readdir(dir)) != NULL) {
		struct err later = ERR_NONE;

		if (strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0 ||
		    (top && is_record(entry->d_name)))
			continue;
		r = move_entry(from_fd, to_fd, entry->d_name,
			       first < 0 ? &later : e);
		if (first == 0)
			first = r;
	}
	return first;
}

static int append_from(int in, int out, off_t at, off_t end, struct err *e)
{
	char buffer[16384];

	while (at < end) {
		size_t want = sizeof(buffer);
		ssize_t n;
		int r;

		if (end - at < (off_t)want)
			want = (size_t)(end - at);
		n = pread(in, buffer, want, at);
		if (n <= 0)
			return err_errno(e, "read %s", RECORD_NAME);
		r = file_write_all(out, buffer, (size_t)n, e);
		if (r < 0)
			return r;
		at += n;
	}
	return 0;
}

static int open_pair(int local_fd, int to_fd, int *in, int *out, struct err *e)
{
	*in = openat(local_fd, RECORD_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (*in < 0)
		return err_errno(e, "open %s", RECORD_NAME);
	*out = openat(to_fd, RECORD_NAME,
		      O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK |
			      O_CLOEXEC,
		      0644);
	return *out < 0 ? err_errno(e, "open the shared %s", RECORD_NAME) : 0;
}

/*
 * Does the copy still go on where it ended? Lines that were delivered may have
 * been lost here in a power cut, and be others now. Numbers and times differ
 * then, so that its end tells.
 */
static bool is_beginning(int in, int out, off_t here, off_t there)
{
	char wanted[512];
	char got[sizeof(wanted)];
	size_t length = sizeof(wanted);

	if (there > here)
		return false;
	if (there < (off_t)length)
		length = (size_t)there;
	return pread(in, wanted, length, there - (off_t)length) ==
		       (ssize_t)length &&
	       pread(out, got, length, there - (off_t)length) ==
		       (ssize_t)length &&
	       memcmp(wanted, got, length) == 0;
}

/* Appending what is missing keeps this linear over a run of many tests. */
static int deliver_record(int local_fd, int to_fd, struct err *e)
{
	CLEANUP(fd_close) int in = -1;
	CLEANUP(fd_close) int out = -1;
	struct stat here;
	struct stat there;
	int r;

	r = open_pair(local_fd, to_fd, &in, &out, e);
	if (r < 0)
		return r;
	if (fstat(in, &here) < 0 || fstat(out, &there) < 0)
		return err_errno(e, "stat %s", RECORD_NAME);
	if (!S_ISREG(there.st_mode))
		return err_set(e, -EINVAL, "the shared %s is no file",
			       RECORD_NAME);
	if (!is_beginning(in, out, here.st_size, there.st_size)) {
		if (ftruncate(out, 0) < 0)
			return err_errno(e, "cut the shared %s", RECORD_NAME);
		there.st_size = 0;
	}
	r = append_from(in, out, there.st_size, here.st_size, e);
	if (r < 0)
		return r;
	/* NFS syncs at close() in any case; for dom0 it is a disk like others. */
	if (fsync(out) < 0 || fsync(to_fd) < 0)
		return err_errno(e, "sync the shared %s", RECORD_NAME);
	if (close(TAKE_FD(out)) < 0)
		return err_errno(e, "write the shared %s", RECORD_NAME);
	return 0;
}

int share_deliver(void *arg, struct err *e)
{
	const struct share_delivery *delivery = arg;
	CLEANUP(fd_close) int dir_fd = -1;
	CLEANUP(fd_close) int own_fd = -1;
	CLEANUP(fd_close) int run_fd = -1;
	struct err later = ERR_NONE;
	int moved = 0;
	int r;

	r = file_open_dir(AT_FDCWD, delivery->shared_dir, &dir_fd, e);
	if (r == 0)
		r = file_make_dirs_synced(dir_fd, delivery->name, 0755,
					  &own_fd, e);
	if (r == 0)
		r = file_make_dirs_synced(own_fd, delivery->run, 0755, &run_fd,
					  e);
	if (r < 0)
		return err_wrap(e, r, "%s", delivery->shared_dir);
	if (!delivery->record_only)
		moved = move_content(delivery->local_fd, run_fd, true, e);
	r = deliver_record(delivery->local_fd, run_fd, moved < 0 ? &later : e);
	r = moved < 0 ? moved : r;
	return r < 0 ? err_wrap(e, r, "%s/%s/%s", delivery->shared_dir,
				delivery->name, delivery->run) :
		       0;
}
