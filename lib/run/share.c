/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/share.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "run/record.h"

enum { COMPARE_BYTES = 64 * 1024 };

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

int share_take(void *arg, struct err *e)
{
	const struct share_copy *copy = arg;
	CLEANUP(fd_close) int own_fd = -1;
	CLEANUP(freep) char *bytes = NULL;
	size_t length;
	int r;

	r = share_find(copy->shared_dir, copy->hostname, &own_fd, e);
	if (r == 0)
		r = file_read(own_fd, SHARE_CONTROL, copy->bytes_max, &bytes,
			      &length, e);
	if (r == -ENOENT && own_fd >= 0)
		r = -ENODATA;
	return r < 0 ? r : file_write_all(copy->to_fd, bytes, length, e);
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

/* ---- a run's directory there ------------------------------------------- */

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int open_list(int dir_fd, DIR **ret, struct err *e)
{
	int fd;
	int r;

	r = file_open_dir(dir_fd, ".", &fd, e);
	if (r < 0)
		return r;
	*ret = fdopendir(fd);
	if (*ret == NULL) {
		r = err_errno(e, "list a directory");
		close(fd);
	}
	return r;
}

/* Opens SHARED_DIR/NAME/ and RUN/ in it, from the top: no handle goes stale. */
static int open_run(const struct share_delivery *delivery, bool make,
		    int *ret_own, int *ret_run, struct err *e)
{
	CLEANUP(fd_close) int dir_fd = -1;
	int r;

	r = file_open_dir(AT_FDCWD, delivery->shared_dir, &dir_fd, e);
	if (r < 0)
		return r;
	if (make) {
		r = file_make_dirs_synced(dir_fd, delivery->name, 0755, ret_own,
					  e);
		return r < 0 ? r :
			       file_make_dirs_synced(*ret_own, delivery->run,
						     0755, ret_run, e);
	}
	r = open_own(dir_fd, delivery->name, ret_own, e);
	return r < 0 ? r : open_own(*ret_own, delivery->run, ret_run, e);
}

int share_fetch_record(void *arg, struct err *e)
{
	const struct share_delivery *delivery = arg;
	CLEANUP(fd_close) int own_fd = -1;
	CLEANUP(fd_close) int run_fd = -1;
	int r;

	r = open_run(delivery, false, &own_fd, &run_fd, e);
	if (r == 0)
		r = file_copy_synced(run_fd, RECORD_NAME, delivery->local_fd,
				     RECORD_NAME, RECORD_BYTES_MAX, e);
	return r == -ENOENT ? 0 : r;
}

/* ---- which results there are ------------------------------------------- */

int share_list(int local_fd, char ***ret, struct err *e)
{
	CLEANUP(share_list_freep) char **names = NULL;
	CLEANUP(dir_closep) DIR *dir = NULL;
	const struct dirent *entry;
	size_t count = 0;
	int r;

	r = open_list(local_fd, &dir, e);
	if (r < 0)
		return r;
	names = calloc(1, sizeof(*names));
	while (names != NULL && (entry = readdir(dir)) != NULL) {
		char **more;

		if (is_dots(entry->d_name) ||
		    strcmp(entry->d_name, RECORD_NAME) == 0)
			continue;
		more = reallocarray(names, count + 2, sizeof(*names));
		if (more == NULL)
			break;
		names = more;
		names[count] = strdup(entry->d_name);
		names[++count] = NULL;
	}
	if (names == NULL || (count > 0 && names[count - 1] == NULL))
		return err_set(e, -ENOMEM, "out of memory");
	*ret = TAKE_PTR(names);
	return 0;
}

void share_list_freep(char ***names)
{
	for (size_t i = 0; *names != NULL && (*names)[i] != NULL; i++)
		free((*names)[i]);
	free(*names);
	*names = NULL;
}

/* ---- moving results ---------------------------------------------------- */

/* Only what the server said it has on disk may go away here. */
static int sync_there(int dir_fd, const char *name, struct err *e)
{
	CLEANUP(fd_close) int fd =
		openat(dir_fd, name,
		       O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return err_errno(e, "open the shared %s", name);
	return fsync(fd) < 0 ? err_errno(e, "sync the shared %s", name) : 0;
}

static int move_file(int from_fd, int to_fd, const char *name, struct err *e)
{
	int r;

	if (renameat(from_fd, name, to_fd, name) == 0)
		return 0;
	if (errno != EXDEV)
		return err_errno(e, "move %s", name);
	r = file_copy(from_fd, name, to_fd, name, UINT64_MAX, e);
	if (r == 0)
		r = sync_there(to_fd, name, e);
	if (r < 0)
		return r;
	return unlinkat(from_fd, name, 0) < 0 ? err_errno(e, "remove %s", name) :
						0;
}

static int move_content(int from_fd, int to_fd, struct err *e);

static int move_dir(int from_fd, int to_fd, const char *name, struct err *e)
{
	CLEANUP(fd_close) int from = -1;
	CLEANUP(fd_close) int to = -1;
	int r;

	/* A whole directory at once, where it is the same file system. */
	if (renameat(from_fd, name, to_fd, name) == 0)
		return 0;
	r = open_own(from_fd, name, &from, e);
	if (r == 0)
		r = file_make_dirs(to_fd, name, 0755, &to, e);
	if (r == 0)
		r = move_content(from, to, e);
	if (r == 0 && unlinkat(from_fd, name, AT_REMOVEDIR) < 0)
		r = err_errno(e, "remove %s", name);
	return r < 0 ? err_wrap(e, r, "%s", name) : 0;
}

static int move_entry(int from_fd, int to_fd, const char *name, struct err *e)
{
	struct stat st;

	if (fstatat(from_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT)
			return 0; /* it went before */
		return err_errno(e, "stat %s", name);
	}
	if (S_ISREG(st.st_mode))
		return move_file(from_fd, to_fd, name, e);
	return S_ISDIR(st.st_mode) ? move_dir(from_fd, to_fd, name, e) : 0;
}

/* A full share may have room for another file; one that is away has not. */
static bool is_away(int r)
{
	return r == -EIO || r == -ETIMEDOUT || r == -ESTALE || r == -EROFS ||
	       r == -ENOTCONN || r == -ECONNREFUSED || r == -EHOSTUNREACH ||
	       r == -EHOSTDOWN || r == -ENETUNREACH || r == -ECONNABORTED;
}

static int move_content(int from_fd, int to_fd, struct err *e)
{
	CLEANUP(dir_closep) DIR *dir = NULL;
	const struct dirent *entry;
	int first = 0;
	int r;

	r = open_list(from_fd, &dir, e);
	if (r < 0)
		return r;
	while (!is_away(first) && (entry = readdir(dir)) != NULL) {
		struct err later = ERR_NONE;

		if (is_dots(entry->d_name))
			continue;
		r = move_entry(from_fd, to_fd, entry->d_name,
			       first < 0 ? &later : e);
		if (first == 0)
			first = r;
	}
	return first;
}

/* Takes one failing file as no reason to keep the others back. */
static int move_results(const struct share_delivery *delivery, int run_fd,
			struct err *e)
{
	int first = 0;

	for (char **name = delivery->names;
	     name != NULL && *name != NULL && !is_away(first); name++) {
		struct err later = ERR_NONE;
		int r = move_entry(delivery->local_fd, run_fd, *name,
				   first < 0 ? &later : e);

		if (first == 0)
			first = r;
	}
	return first;
}

/* ---- the record -------------------------------------------------------- */

static bool is_same(int in, int out, off_t at, off_t end)
{
	char wanted[COMPARE_BYTES];
	char got[COMPARE_BYTES];

	while (at < end) {
		size_t length = end - at < COMPARE_BYTES ? (size_t)(end - at) :
							   COMPARE_BYTES;

		if (pread(in, wanted, length, at) != (ssize_t)length ||
		    pread(out, got, length, at) != (ssize_t)length ||
		    memcmp(wanted, got, length) != 0)
			return false;
		at += (off_t)length;
	}
	return true;
}

/*
 * Is the copy a beginning of ours, torn or not? Lines that were delivered may
 * have been lost here in a power cut, and be others now; somebody may have
 * written there; the server may have gone back to an older state. Its end
 * tells most of it, for a record that has grown long; the last delivery looks
 * at all.
 */
static bool is_beginning(int in, int out, off_t here, off_t *there, bool whole)
{
	struct stat st;

	if (fstat(out, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > here)
		return false;
	*there = st.st_size;
	return is_same(in, out,
		       whole || *there < COMPARE_BYTES ? 0 :
							 *there - COMPARE_BYTES,
		       *there);
}

/* At its place, not at the end: somebody may have appended meanwhile. */
static int append_from(int in, int out, off_t at, off_t end, struct err *e)
{
	char buffer[COMPARE_BYTES];

	if (lseek(out, at, SEEK_SET) < 0)
		return err_errno(e, "seek in the shared %s", RECORD_NAME);
	while (at < end) {
		size_t want = end - at < COMPARE_BYTES ? (size_t)(end - at) :
							 COMPARE_BYTES;
		ssize_t n = pread(in, buffer, want, at);
		int r;

		if (n < 0)
			return err_errno(e, "read %s", RECORD_NAME);
		if (n == 0)
			return err_set(e, -EIO, "%s got shorter", RECORD_NAME);
		r = file_write_all(out, buffer, (size_t)n, e);
		if (r < 0)
			return err_wrap(e, r, "the shared %s", RECORD_NAME);
		at += n;
	}
	return 0;
}

/* NFS says "no space" as late as at fsync() or close(). */
static int finish_copy(int *out, struct err *e)
{
	if (fsync(*out) < 0)
		return err_errno(e, "sync the shared %s", RECORD_NAME);
	if (close(TAKE_FD(*out)) < 0)
		return err_errno(e, "write the shared %s", RECORD_NAME);
	return 0;
}

static int replace_record(int in, off_t size, int run_fd, struct err *e)
{
	void *bytes;
	int r;

	if (size == 0)
		return file_write_atomic(run_fd, RECORD_NAME, "", 0, 0644, e);
	bytes = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, in, 0);
	if (bytes == MAP_FAILED)
		return err_errno(e, "map %s", RECORD_NAME);
	r = file_write_atomic(run_fd, RECORD_NAME, bytes, (size_t)size, 0644,
			      e);
	munmap(bytes, (size_t)size);
	return r;
}

/* Appending what is missing keeps this linear over a run of many tests. */
static int deliver_record(const struct share_delivery *delivery, int run_fd,
			  struct err *e)
{
	CLEANUP(fd_close) int in = openat(delivery->local_fd, RECORD_NAME,
					  O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	CLEANUP(fd_close) int out = -1;
	struct err missing = ERR_NONE;
	struct stat st;
	off_t here;
	off_t there;
	int r;

	if (in < 0)
		return err_errno(e, "open %s", RECORD_NAME);
	if (fstat(in, &st) < 0)
		return err_errno(e, "stat %s", RECORD_NAME);
	here = (uint64_t)st.st_size < delivery->record_bytes ?
		       st.st_size :
		       (off_t)delivery->record_bytes;
	if (file_open_regular(run_fd, RECORD_NAME, O_RDWR, &out, &missing) ==
		    0 &&
	    is_beginning(in, out, here, &there, delivery->last)) {
		if (there == here)
			return 0;
		r = append_from(in, out, there, here, e);
		return r < 0 ? r : finish_copy(&out, e);
	}
	/* None there, or not ours (any more): replaced as a whole. */
	return replace_record(in, here, run_fd, e);
}

int share_deliver(void *arg, struct err *e)
{
	const struct share_delivery *delivery = arg;
	CLEANUP(fd_close) int own_fd = -1;
	CLEANUP(fd_close) int run_fd = -1;
	struct err later = ERR_NONE;
	int recorded;
	int r;

	r = open_run(delivery, true, &own_fd, &run_fd, e);
	if (r < 0)
		return err_wrap(e, r, "%s", delivery->shared_dir);
	/* First: it is small, and says what the results are. */
	recorded = deliver_record(delivery, run_fd, e);
	r = is_away(recorded) ?
		    recorded :
		    move_results(delivery, run_fd, recorded < 0 ? &later : e);
	r = recorded < 0 ? recorded : r;
	if (r == 0 && delivery->last)
		r = file_remove(own_fd, SHARE_CONTROL, e);
	return r < 0 ? err_wrap(e, r, "%s/%s/%s", delivery->shared_dir,
				delivery->name, delivery->run) :
		       0;
}
