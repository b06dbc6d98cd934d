/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/text.h"

enum {
	TAIL_BYTES = 16 * 1024,
	COPY_BYTES = 128 * 1024,
	COPY_RANGE_BYTES = 1 << 30,
	DEPTH_MAX = 256, /* of a tree that is removed: one fd a level */
};

int file_open_dir(int dir_fd, const char *path, int *ret_fd, struct err *e)
{
	int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_errno(e, "open directory %s", path);
	*ret_fd = fd;
	return 0;
}

struct making {
	mode_t mode;
	bool sync;
};

static int make_dir(const struct making *making, int dir_fd, const char *name,
		    int *ret_fd, struct err *e)
{
	CLEANUP(fd_close) int fd = -1;

	if (mkdirat(dir_fd, name, making->mode) == 0) {
		if (making->sync && fsync(dir_fd) < 0)
			return err_errno(e, "sync the directory of %s", name);
	} else if (errno != EEXIST) {
		return err_errno(e, "make directory %s", name);
	}
	fd = openat(dir_fd, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, "open directory %s", name);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int make_dirs(const struct making *making, int dir_fd, const char *path,
		     int *ret_fd, struct err *e)
{
	CLEANUP(freep) char *copy = strdup(path);
	CLEANUP(fd_close) int fd = -1;
	char *rest = copy;
	char *part;

	if (copy == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	while ((part = strsep(&rest, "/")) != NULL) {
		int next = -1;
		int r;

		if (part[0] == '\0')
			continue;
		if (strcmp(part, "..") == 0)
			return err_set(e, -EINVAL, "%s has a \"..\"", path);
		r = make_dir(making, fd < 0 ? dir_fd : fd, part, &next, e);
		if (r < 0)
			return r;
		fd_close(&fd);
		fd = next;
	}
	if (fd < 0)
		return err_set(e, -EINVAL, "\"%s\" names no directory", path);
	if (ret_fd != NULL)
		*ret_fd = TAKE_FD(fd);
	return 0;
}

int file_make_dirs(int dir_fd, const char *path, mode_t mode, int *ret_fd,
		   struct err *e)
{
	const struct making making = { .mode = mode };

	return make_dirs(&making, dir_fd, path, ret_fd, e);
}

int file_make_dirs_synced(int dir_fd, const char *path, mode_t mode,
			  int *ret_fd, struct err *e)
{
	const struct making making = { .mode = mode, .sync = true };

	return make_dirs(&making, dir_fd, path, ret_fd, e);
}

static int must_be_regular(const struct stat *st, const char *name,
			   struct err *e)
{
	if (S_ISREG(st->st_mode))
		return 0;
	if (S_ISLNK(st->st_mode))
		return err_set(e, -ELOOP, "%s is a symbolic link", name);
	if (S_ISDIR(st->st_mode))
		return err_set(e, -EISDIR, "%s is a directory", name);
	return err_set(e, -EINVAL, "%s is not a regular file", name);
}

/*
 * A FIFO or a device is not even opened, as that has effects: a watchdog
 * begins to count, a tape winds back. So first comes a descriptor that only
 * names the file, and then the file that this one names.
 */
static int open_regular(int dir_fd, const char *name, int flags, int *ret_fd,
			struct stat *st, struct err *e)
{
	CLEANUP(fd_close) int named_fd = openat(
		dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	char path[32];
	int fd;
	int r;

	if (named_fd < 0)
		return err_errno(e, "open %s", name);
	if (fstat(named_fd, st) < 0)
		return err_errno(e, "stat %s", name);
	r = must_be_regular(st, name, e);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", named_fd);
	fd = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, "open %s", name);
	*ret_fd = fd;
	return 0;
}

int file_open_regular(int dir_fd, const char *name, int flags, int *ret_fd,
		      struct err *e)
{
	struct stat st;

	return open_regular(dir_fd, name, flags, ret_fd, &st, e);
}

int file_read(int dir_fd, const char *name, size_t max, char **ret,
	      size_t *ret_len, struct err *e)
{
	CLEANUP(freep) char *bytes = NULL;
	CLEANUP(fd_close) int fd = -1;
	size_t length = 0;
	struct stat st;
	ssize_t n;
	int r;

	r = open_regular(dir_fd, name, O_RDONLY, &fd, &st, e);
	if (r < 0)
		return r;
	if ((uint64_t)st.st_size > max)
		return err_set(e, -EFBIG, "%s is larger than %zu bytes", name,
			       max);
	/* It may grow while it is read: one byte more tells. */
	bytes = malloc(max < (size_t)st.st_size + 4096 ?
			       max + 2 :
			       (size_t)st.st_size + 4098);
	if (bytes == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	max = max < (size_t)st.st_size + 4096 ? max : (size_t)st.st_size + 4096;
	do {
		n = read(fd, bytes + length, max + 1 - length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, "read %s", name);
		length += (size_t)n;
		if (length > max)
			return err_set(e, -EFBIG,
				       "%s grew beyond %zu bytes while it was read",
				       name, max);
	} while (n != 0);
	bytes[length] = '\0';
	*ret = TAKE_PTR(bytes);
	if (ret_len != NULL)
		*ret_len = length;
	return 0;
}

int file_write_all(int fd, const void *bytes, size_t length, struct err *e)
{
	const char *at = bytes;

	while (length > 0) {
		ssize_t n = write(fd, at, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, "write");
		at += n;
		length -= (size_t)n;
	}
	return 0;
}

/* A name of our own beside @name: "." + name + ".new". */
static int new_name(const char *name, char buffer[static 256], struct err *e)
{
	int length = snprintf(buffer, 256, ".%s.new", name);

	if (length < 0 || length >= 256 || strchr(name, '/') != NULL)
		return err_set(e, -EINVAL, "\"%s\" is no file name", name);
	return 0;
}

static int create_new(int dir_fd, const char *fresh, mode_t mode, int *ret_fd,
		      struct err *e)
{
	int fd;

	/* A leftover of a power cut, or somebody's trap: never opened. */
	if (unlinkat(dir_fd, fresh, 0) < 0 && errno != ENOENT)
		return err_errno(e, "remove %s", fresh);
	fd = openat(dir_fd, fresh,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return err_errno(e, "create %s", fresh);
	*ret_fd = fd;
	return 0;
}

static int write_new(int dir_fd, const char *fresh, const void *bytes,
		     size_t length, mode_t mode, struct err *e)
{
	CLEANUP(fd_close) int fd = -1;
	int r;

	r = create_new(dir_fd, fresh, mode, &fd, e);
	if (r < 0)
		return r;
	r = file_write_all(fd, bytes, length, e);
	if (r < 0)
		return r;
	return fsync(fd) < 0 ? err_errno(e, "sync %s", fresh) : 0;
}

int file_write_atomic(int dir_fd, const char *name, const void *bytes,
		      size_t length, mode_t mode, struct err *e)
{
	char fresh[256];
	int r;

	r = new_name(name, fresh, e);
	if (r < 0)
		return r;
	r = write_new(dir_fd, fresh, bytes, length, mode, e);
	if (r == 0 && renameat(dir_fd, fresh, dir_fd, name) < 0)
		r = err_errno(e, "rename %s to %s", fresh, name);
	if (r < 0) {
		unlinkat(dir_fd, fresh, 0);
		return err_wrap(e, r, "write %s", name);
	}
	if (fsync(dir_fd) < 0)
		return err_errno(e, "sync the directory of %s", name);
	return 0;
}

int file_remove(int dir_fd, const char *name, struct err *e)
{
	if (unlinkat(dir_fd, name, 0) < 0) {
		if (errno == ENOENT)
			return 0;
		return err_errno(e, "remove %s", name);
	}
	if (fsync(dir_fd) < 0)
		return err_errno(e, "sync the directory of %s", name);
	return 0;
}

struct removal {
	int top_fd;	     /* the directory that is removed */
	unsigned int lifted; /* moved up there, out of the deep */
};

static int remove_at(struct removal *removal, int dir_fd, const char *name,
		     int depth, struct err *e);

static int remove_content(struct removal *removal, int fd, int depth,
			  struct err *e)
{
	CLEANUP(dir_closep) DIR *dir = fdopendir(fd);
	const struct dirent *entry;
	int first = 0;

	if (dir == NULL) {
		close(fd);
		return err_errno(e, "list a directory");
	}
	if (depth == 0)
		removal->top_fd = fd;
	while ((entry = readdir(dir)) != NULL) {
		struct err later = ERR_NONE;
		int r;

		if (strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		r = remove_at(removal, fd, entry->d_name, depth + 1,
			      first < 0 ? &later : e);
		if (first == 0)
			first = r;
	}
	return first;
}

/* A directory beyond DEPTH_MAX becomes one right below the top. */
static int lift(struct removal *removal, int dir_fd, const char *name,
		struct err *e)
{
	char fresh[32];

	do
		snprintf(fresh, sizeof(fresh), ".deep-%u", removal->lifted++);
	while (faccessat(removal->top_fd, fresh, F_OK, AT_SYMLINK_NOFOLLOW) ==
	       0);
	if (renameat(dir_fd, name, removal->top_fd, fresh) < 0)
		return err_errno(e, "%s lies too deep: move it", name);
	return 0;
}

static int remove_dir(struct removal *removal, int dir_fd, const char *name,
		      int depth, struct err *e)
{
	int fd;
	int r;

	if (depth >= DEPTH_MAX)
		return lift(removal, dir_fd, name, e);
	fd = openat(dir_fd, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, "open directory %s", name);
	r = remove_content(removal, fd, depth, e);
	if (r < 0)
		return r;
	if (unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_errno(e, "remove directory %s", name);
	return 0;
}

static int remove_at(struct removal *removal, int dir_fd, const char *name,
		     int depth, struct err *e)
{
	struct statx stx;
	int why;

	/* Most entries are files: one call each. */
	if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	why = errno;
	if (statx(dir_fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
		  STATX_TYPE, &stx) < 0)
		return errno == ENOENT ? 0 : err_errno(e, "stat %s", name);
	if (!S_ISDIR(stx.stx_mode)) {
		errno = why;
		return err_errno(e, "remove %s", name);
	}
	/* Its device number would not tell a bind mount, of /home perhaps. */
	if (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT)
		return err_set(e, -EBUSY, "%s is a mount point, left alone",
			       name);
	return remove_dir(removal, dir_fd, name, depth, e);
}

int file_remove_tree(int dir_fd, const char *name, struct err *e)
{
	struct removal removal = { .top_fd = -1 };
	unsigned int before;
	int r;

	do {
		before = removal.lifted;
		r = remove_at(&removal, dir_fd, name, 0, e);
	} while (removal.lifted != before);
	return r;
}

/* copy_file_range() where both sides can, else through a buffer. */
static int copy_bytes(int in, int out, uint64_t max, struct err *e)
{
	CLEANUP(freep) char *buffer = NULL;
	uint64_t total = 0;
	ssize_t n;

	/* It may grow while it is copied: one byte more tells. */
	do {
		uint64_t want = max - total < COPY_RANGE_BYTES ?
					max - total + 1 :
					COPY_RANGE_BYTES;

		n = copy_file_range(in, NULL, out, NULL, (size_t)want, 0);
		total += n > 0 ? (uint64_t)n : 0;
	} while (n > 0 && total <= max);
	if (total > max)
		return err_set(e, -EFBIG, "larger than %" PRIu64 " bytes", max);
	if (n == 0 && total > 0)
		return 0;
	buffer = malloc(COPY_BYTES);
	if (buffer == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	while ((n = read(in, buffer, COPY_BYTES)) != 0) {
		int r;

		if (n < 0)
			return err_errno(e, "read");
		total += (uint64_t)n;
		if (total > max)
			return err_set(e, -EFBIG,
				       "larger than %" PRIu64 " bytes", max);
		r = file_write_all(out, buffer, (size_t)n, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int copy_new(int in, int to_fd, const char *fresh, uint64_t max,
		    bool sync, struct err *e)
{
	int out = -1;
	int r;

	r = create_new(to_fd, fresh, 0644, &out, e);
	if (r < 0)
		return r;
	r = copy_bytes(in, out, max, e);
	if (r == 0 && sync && fsync(out) < 0)
		r = err_errno(e, "sync %s", fresh);
	/* NFS says "no space" at close(). */
	if (close(out) < 0 && r == 0)
		r = err_errno(e, "close %s", fresh);
	return r;
}

static int copy(int from_fd, const char *from, int to_fd, const char *to,
		uint64_t max, bool sync, struct err *e)
{
	CLEANUP(fd_close) int in = -1;
	struct stat st;
	char fresh[256];
	int r;

	r = open_regular(from_fd, from, O_RDONLY, &in, &st, e);
	if (r == 0 && (uint64_t)st.st_size > max)
		r = err_set(e, -EFBIG, "%s is larger than %" PRIu64 " bytes",
			    from, max);
	if (r < 0)
		return r;
	r = new_name(to, fresh, e);
	if (r < 0)
		return r;
	r = copy_new(in, to_fd, fresh, max, sync, e);
	if (r == 0 && renameat(to_fd, fresh, to_fd, to) < 0)
		r = err_errno(e, "rename %s to %s", fresh, to);
	if (r < 0) {
		unlinkat(to_fd, fresh, 0);
		return err_wrap(e, r, "copy %s", from);
	}
	return 0;
}

int file_copy(int from_fd, const char *from, int to_fd, const char *to,
	      uint64_t max, struct err *e)
{
	return copy(from_fd, from, to_fd, to, max, false, e);
}

int file_copy_synced(int from_fd, const char *from, int to_fd, const char *to,
		     uint64_t max, struct err *e)
{
	int r = copy(from_fd, from, to_fd, to, max, true, e);

	if (r == 0 && fsync(to_fd) < 0)
		r = err_errno(e, "sync the directory of %s", to);
	return r;
}

int file_tail(int dir_fd, const char *name, unsigned int lines, char **ret,
	      struct err *e)
{
	CLEANUP(freep) char *valid = NULL;
	CLEANUP(fd_close) int fd = -1;
	char bytes[TAIL_BYTES + 1];
	struct stat st;
	off_t start;
	ssize_t length;
	char *at;
	int r;

	r = open_regular(dir_fd, name, O_RDONLY, &fd, &st, e);
	if (r < 0)
		return r;
	start = st.st_size > TAIL_BYTES ? st.st_size - TAIL_BYTES : 0;
	length = pread(fd, bytes, TAIL_BYTES, start);
	if (length < 0)
		return err_errno(e, "read %s", name);
	while (length > 0 && bytes[length - 1] == '\n')
		length--;
	for (ssize_t i = 0; i < length; i++)
		if (bytes[i] == '\0')
			bytes[i] = '?';
	bytes[length] = '\0';
	for (at = bytes + length; at > bytes; at--)
		if (at[-1] == '\n' && --lines == 0)
			break;
	valid = text_valid_utf8(at, strlen(at));
	if (valid == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	for (char *line = valid, *end; line != NULL; line = end) {
		end = strchr(line, '\n');
		if (end != NULL)
			*end = '\0';
		text_plain(line);
		if (end != NULL)
			*end++ = '\n';
	}
	*ret = TAKE_PTR(valid);
	return 0;
}
