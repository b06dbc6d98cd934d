/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * LD_PRELOAD: sees every call that changes a disk, counts it, may let it fail
 * or end the process there, and writes down what it did.
 *
 * Environment: SHIM_SHARED, a file with struct shared; SHIM_TRACE, to which
 * struct trace is appended; SHIM_ROLE; SHIM_BOOT_ID, a file to be read in place
 * of the kernel's; SHIM_HOST, what this machine is called; SHIM_HURRY, how many
 * times faster its clocks run, so that nobody waits for time limits.
 *
 * Calls go to the kernel directly: whoever uses stdio to write files is not
 * seen, which world.py finds out by comparing the disk with the trace.
 */
/* Else open() here would be open64(), which is needed as well. */
#undef _FILE_OFFSET_BITS

#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define KERNEL_BOOT_ID "/proc/sys/kernel/random/boot_id"

static const char *const kind_names[KIND_COUNT] = {
	[KIND_CREATE] = "create", [KIND_MKDIR] = "mkdir",
	[KIND_SYMLINK] = "symlink", [KIND_LINK] = "link",
	[KIND_UNLINK] = "unlink", [KIND_RMDIR] = "rmdir",
	[KIND_RENAME] = "rename", [KIND_WRITE] = "write",
	[KIND_RESIZE] = "resize", [KIND_FSYNC] = "fsync",
	[KIND_SYNCFS] = "syncfs", [KIND_CLOSE] = "close",
};

/* A preloaded object has no main() that could hand these down. */
static struct shared *shared;
static int trace_fd = -1;
static uint32_t role;
static int64_t hurry = 1;
static bool counts; /* one of our programs, not one that they start */

struct call {
	enum kind kind;
	uint64_t ino;
	uint64_t dir;
	uint64_t dir2;
	uint64_t offset;
	char name[256];
	char name2[256];
	const char *data;
	size_t length;
	char path[512]; /* filled in when a mutation asks for it */
};

/* ---- coming in --------------------------------------------------------- */

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value == NULL ? "" : value;
}

static void open_trace(void)
{
	int fd = (int)syscall(SYS_openat, AT_FDCWD, variable("SHIM_TRACE"),
			      O_WRONLY | O_APPEND | O_CLOEXEC);

	/* Out of the way of dup2() and of close_range() in children. */
	trace_fd = fcntl(fd, F_DUPFD_CLOEXEC, 900);
	syscall(SYS_close, fd);
}

__attribute__((constructor)) static void come_in(void)
{
	int fd = (int)syscall(SYS_openat, AT_FDCWD, variable("SHIM_SHARED"),
			      O_RDWR | O_CLOEXEC);
	void *map;

	if (fd < 0)
		return;
	map = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED,
		   fd, 0);
	syscall(SYS_close, fd);
	if (map == MAP_FAILED)
		return;
	role = (uint32_t)strtoul(variable("SHIM_ROLE"), NULL, 10) % ROLES;
	hurry = strtol(variable("SHIM_HURRY"), NULL, 10);
	hurry = hurry < 1 ? 1 : hurry;
	counts = strncmp(program_invocation_short_name, "xen", 3) == 0;
	open_trace();
	shared = map;
}

/* ---- one at a time ----------------------------------------------------- */

/* Who was killed while it held the lock does not give it back. */
static void lock(void)
{
	uint32_t self = (uint32_t)syscall(SYS_gettid);
	uint32_t owner = 0;

	for (unsigned int tries = 0;; tries++) {
		owner = tries > 20000 ? shared->lock : 0;
		if (__atomic_compare_exchange_n(&shared->lock, &owner, self,
						false, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return;
		if (tries > 100)
			usleep(50);
		sched_yield();
	}
}

static void unlock(void)
{
	__atomic_store_n(&shared->lock, 0, __ATOMIC_RELEASE);
}

static void end_here(void)
{
	unlock();
	syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
}

static void keep(const struct call *call)
{
	struct trace trace = {
		.kind = (uint8_t)call->kind,
		.role = (uint8_t)role,
		.name_length = (uint16_t)strlen(call->name),
		.name2_length = (uint16_t)strlen(call->name2),
		.number = counts ? shared->counts[role] : 0,
		.data_length = (uint32_t)call->length,
		.ino = call->ino,
		.dir = call->dir,
		.dir2 = call->dir2,
		.offset = call->offset,
	};
	struct iovec parts[] = {
		{ &trace, sizeof(trace) },
		{ (void *)call->name, trace.name_length },
		{ (void *)call->name2, trace.name2_length },
		{ (void *)call->data, call->length },
	};

	syscall(SYS_writev, trace_fd, parts, 4);
}

/* ---- bugs on purpose --------------------------------------------------- */

static void find_path(struct call *call, int fd)
{
	char link[32];
	ssize_t length;

	if (shared->mutation[0] == '\0')
		return;
	if (fd < 0) {
		snprintf(call->path, sizeof(call->path), "%s",
			 call->name2[0] == '\0' ? call->name : call->name2);
		return;
	}
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, call->path, sizeof(call->path) - 1);
	call->path[length < 0 ? 0 : length] = '\0';
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text);

	return length >= strlen(end) &&
	       strcmp(text + length - strlen(end), end) == 0;
}

/* Answers whether the call is to be left out. */
static bool mutate(const struct call *call)
{
	char what[8];
	char kind[16];
	char end[64];
	char path[128] = "";

	if (!counts || call->kind == KIND_COUNT ||
	    sscanf(shared->mutation, "%7s %15s %63s %127s", what, kind, end,
		   path) < 3 ||
	    strcmp(kind, kind_names[call->kind]) != 0 ||
	    !ends_with(call->path, end))
		return false;
	if (strcmp(what, "skip") == 0)
		return true;
	unlock();
	unlink(path); /* by way of us: it is traced */
	lock();
	return false;
}

/* ---- failing ----------------------------------------------------------- */

static bool can_fail(enum kind kind)
{
	bool takes_room = kind != KIND_UNLINK && kind != KIND_RMDIR &&
			  kind != KIND_RESIZE;

	switch (shared->error) {
	case ENOSPC:
	case EDQUOT:
		return takes_room;
	case EROFS:
		return kind != KIND_CLOSE;
	default:
		return true;
	}
}

static bool is_hit(void)
{
	return counts && shared->fault != FAULT_NONE &&
	       shared->role == role && shared->counts[role] == shared->number;
}

/*
 * Counts the call. Answers 0 to go on, or the errno that it fails with; ends
 * the process where that is asked for, unless half a write comes before.
 */
static int judge(const struct call *call, bool *half)
{
	bool forever = shared->fault == FAULT_FOREVER && shared->fired > 0;

	*half = false;
	if (counts)
		shared->counts[role]++;
	if (!is_hit() && !forever)
		return 0;
	if (shared->fault <= FAULT_TEAR) {
		shared->fired++;
		*half = shared->fault == FAULT_TEAR &&
			call->kind == KIND_WRITE && call->length > 1;
		if (!*half)
			end_here();
		return 0;
	}
	if (!can_fail(call->kind))
		return 0;
	shared->fired++;
	return (int)shared->error;
}

static bool is_ours(const struct stat *st)
{
	return st->st_dev == shared->device;
}

/* The disk's own file or directory behind @fd? */
static bool is_on_disk(int fd, struct stat *st)
{
	return shared != NULL && fd >= 0 && fstat(fd, st) == 0 &&
	       (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode)) && is_ours(st);
}

/* Where the last part of a path lies; false when not on the disk. */
static bool locate(int dir_fd, const char *path, uint64_t *dir, char name[256])
{
	const char *slash = path == NULL ? NULL : strrchr(path, '/');
	char parent[4096] = ".";
	struct stat st;

	if (shared == NULL || path == NULL || path[0] == '\0')
		return false;
	if (slash != NULL)
		snprintf(parent, sizeof(parent), "%.*s",
			 (int)(slash == path ? 1 : slash - path), path);
	snprintf(name, 256, "%s", slash == NULL ? path : slash + 1);
	if (fstatat(dir_fd, parent, &st, 0) < 0 || !is_ours(&st))
		return false;
	*dir = st.st_ino;
	return true;
}

static uint64_t ino_of(int dir_fd, const char *path)
{
	struct stat st;

	return fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 :
								     st.st_ino;
}

/*
 * A call on names. Runs @number of the kernel with up to five arguments; what
 * is made by it is looked up afterwards.
 */
static int on_names(struct call *call, int made_in, const char *made,
		    long number, const long arguments[static 5])
{
	bool half;
	int error;
	int r;

	lock();
	find_path(call, -1);
	if (mutate(call)) {
		unlock();
		return 0;
	}
	error = judge(call, &half);
	if (error != 0) {
		unlock();
		errno = error;
		return -1;
	}
	r = (int)syscall(number, arguments[0], arguments[1], arguments[2],
			 arguments[3], arguments[4]);
	error = errno;
	if (r >= 0) {
		if (made != NULL)
			call->ino = ino_of(made_in, made);
		keep(call);
	}
	unlock();
	errno = error;
	return r;
}

/* ---- open -------------------------------------------------------------- */

static int open_for_change(struct call *call, int dir_fd, const char *path,
			   int flags, mode_t mode)
{
	struct stat st;
	bool was_there;
	bool half;
	int error;
	int fd;

	was_there = fstatat(dir_fd, path, &st, 0) == 0;
	if (was_there && st.st_ino == shared->run_ino)
		return (int)syscall(SYS_openat, dir_fd, path, flags, mode);
	lock();
	was_there = fstatat(dir_fd, path, &st, 0) == 0;
	call->kind = was_there ? KIND_RESIZE : KIND_CREATE;
	find_path(call, -1);
	error = judge(call, &half);
	if (error != 0) {
		unlock();
		errno = error;
		return -1;
	}
	fd = (int)syscall(SYS_openat, dir_fd, path, flags, mode);
	error = errno;
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    (!was_there || (flags & O_TRUNC) != 0)) {
		call->ino = st.st_ino;
		keep(call);
	}
	unlock();
	errno = error;
	return fd;
}

static int do_open(int dir_fd, const char *path, int flags, mode_t mode)
{
	const char *boot_id = getenv("SHIM_BOOT_ID");
	struct call call = { .offset = 0 };

	if (boot_id != NULL && path != NULL &&
	    strcmp(path, KERNEL_BOOT_ID) == 0)
		path = boot_id;
	if ((flags & (O_CREAT | O_TRUNC)) == 0 ||
	    !locate(dir_fd, path, &call.dir, call.name))
		return (int)syscall(SYS_openat, dir_fd, path, flags, mode);
	return open_for_change(&call, dir_fd, path, flags, mode);
}

#define MODE_OF(flags, mode)                                           \
	do {                                                           \
		va_list more;                                          \
		va_start(more, flags);                                 \
		if (((flags) & (O_CREAT | O_TMPFILE)) != 0)            \
			(mode) = va_arg(more, mode_t);                 \
		va_end(more);                                          \
	} while (0)

EXPORT int open(const char *path, int flags, ...)
{
	mode_t mode = 0;

	MODE_OF(flags, mode);
	return do_open(AT_FDCWD, path, flags, mode);
}

EXPORT int open64(const char *path, int flags, ...)
{
	mode_t mode = 0;

	MODE_OF(flags, mode);
	return do_open(AT_FDCWD, path, flags, mode);
}

EXPORT int openat(int dir_fd, const char *path, int flags, ...)
{
	mode_t mode = 0;

	MODE_OF(flags, mode);
	return do_open(dir_fd, path, flags, mode);
}

EXPORT int openat64(int dir_fd, const char *path, int flags, ...)
{
	mode_t mode = 0;

	MODE_OF(flags, mode);
	return do_open(dir_fd, path, flags, mode);
}

EXPORT int creat(const char *path, mode_t mode)
{
	return do_open(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

/* ---- names ------------------------------------------------------------- */

EXPORT int mkdirat(int dir_fd, const char *path, mode_t mode)
{
	const long arguments[5] = { dir_fd, (long)path, mode };
	struct call call = { .kind = KIND_MKDIR };

	/* One that is there is no change; most are. */
	if (ino_of(dir_fd, path) != 0 ||
	    !locate(dir_fd, path, &call.dir, call.name))
		return (int)syscall(SYS_mkdirat, dir_fd, path, mode);
	return on_names(&call, dir_fd, path, SYS_mkdirat, arguments);
}

EXPORT int mkdir(const char *path, mode_t mode)
{
	return mkdirat(AT_FDCWD, path, mode);
}

EXPORT int unlinkat(int dir_fd, const char *path, int flags)
{
	const long arguments[5] = { dir_fd, (long)path, flags };
	struct call call = {
		.kind = (flags & AT_REMOVEDIR) != 0 ? KIND_RMDIR : KIND_UNLINK
	};

	if (ino_of(dir_fd, path) == 0 ||
	    !locate(dir_fd, path, &call.dir, call.name))
		return (int)syscall(SYS_unlinkat, dir_fd, path, flags);
	return on_names(&call, -1, NULL, SYS_unlinkat, arguments);
}

EXPORT int unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

EXPORT int rmdir(const char *path)
{
	return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

EXPORT int renameat2(int from_fd, const char *from, int to_fd, const char *to,
		     unsigned int flags)
{
	const long arguments[5] = { from_fd, (long)from, to_fd, (long)to,
				    flags };
	struct call call = { .kind = KIND_RENAME };

	if (!locate(from_fd, from, &call.dir, call.name) ||
	    !locate(to_fd, to, &call.dir2, call.name2))
		return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to,
				    flags);
	return on_names(&call, -1, NULL, SYS_renameat2, arguments);
}

EXPORT int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	return renameat2(from_fd, from, to_fd, to, 0);
}

EXPORT int rename(const char *from, const char *to)
{
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

EXPORT int linkat(int from_fd, const char *from, int to_fd, const char *to,
		  int flags)
{
	const long arguments[5] = { from_fd, (long)from, to_fd, (long)to,
				    flags };
	struct call call = { .kind = KIND_LINK };

	if (!locate(to_fd, to, &call.dir, call.name))
		return (int)syscall(SYS_linkat, from_fd, from, to_fd, to,
				    flags);
	return on_names(&call, to_fd, to, SYS_linkat, arguments);
}

EXPORT int link(const char *from, const char *to)
{
	return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

EXPORT int symlinkat(const char *target, int dir_fd, const char *path)
{
	const long arguments[5] = { (long)target, dir_fd, (long)path };
	struct call call = { .kind = KIND_SYMLINK,
			     .data = target,
			     .length = strlen(target) };

	if (!locate(dir_fd, path, &call.dir, call.name))
		return (int)syscall(SYS_symlinkat, target, dir_fd, path);
	return on_names(&call, dir_fd, path, SYS_symlinkat, arguments);
}

EXPORT int symlink(const char *target, const char *path)
{
	return symlinkat(target, AT_FDCWD, path);
}

/* ---- bytes ------------------------------------------------------------- */

/* @at: where, or -1 for where the file stands (or ends, with O_APPEND). */
static uint64_t where(int fd, const struct stat *st, off_t at)
{
	if (at >= 0)
		return (uint64_t)at;
	if ((fcntl(fd, F_GETFL) & O_APPEND) != 0)
		return (uint64_t)st->st_size;
	return (uint64_t)lseek(fd, 0, SEEK_CUR);
}

/* A full disk takes what fits, and nothing with the next write. */
static bool takes_half(const struct call *call, int error)
{
	return (error == ENOSPC || error == EDQUOT) && call->length > 1 &&
	       shared->fault == FAULT_ONCE;
}

static ssize_t do_write(int fd, const void *bytes, size_t length, off_t at)
{
	struct call call = { .kind = KIND_WRITE, .data = bytes };
	bool half = false;
	struct stat st;
	int error = 0;
	ssize_t n;

	if (!is_on_disk(fd, &st))
		return at < 0 ? syscall(SYS_write, fd, bytes, length) :
				syscall(SYS_pwrite64, fd, bytes, length, at);
	lock();
	fstat(fd, &st);
	call.ino = st.st_ino;
	call.length = length;
	find_path(&call, fd);
	if (st.st_ino == shared->run_ino)
		call.kind = KIND_RUN;
	else
		error = mutate(&call) ? -1 : judge(&call, &half);
	if (error != 0 && !takes_half(&call, error)) {
		unlock();
		errno = error;
		return error < 0 ? (ssize_t)length : -1;
	}
	if (error != 0)
		shared->number++; /* the rest of it fails */
	if (half || error != 0)
		length /= 2;
	call.offset = where(fd, &st, at);
	n = at < 0 ? syscall(SYS_write, fd, bytes, length) :
		     syscall(SYS_pwrite64, fd, bytes, length, at);
	error = errno;
	call.length = n > 0 ? (size_t)n : 0;
	if (n > 0)
		keep(&call);
	if (half)
		end_here();
	unlock();
	errno = error;
	return n;
}

EXPORT ssize_t write(int fd, const void *bytes, size_t length)
{
	return do_write(fd, bytes, length, -1);
}

EXPORT ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at)
{
	return do_write(fd, bytes, length, at);
}

EXPORT ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t at)
{
	return do_write(fd, bytes, length, at);
}

EXPORT ssize_t writev(int fd, const struct iovec *parts, int count)
{
	struct stat st;
	ssize_t total = 0;

	if (!is_on_disk(fd, &st))
		return syscall(SYS_writev, fd, parts, count);
	for (int i = 0; i < count; i++) {
		ssize_t n = do_write(fd, parts[i].iov_base, parts[i].iov_len,
				     -1);

		if (n < 0)
			return total > 0 ? total : n;
		total += n;
		if ((size_t)n < parts[i].iov_len)
			break;
	}
	return total;
}

/* As of a file system that has no such thing: callers have another way. */
EXPORT ssize_t copy_file_range(int in, off64_t *in_at, int out,
			       off64_t *out_at, size_t length,
			       unsigned int flags)
{
	struct stat st;

	if (is_on_disk(out, &st)) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return syscall(SYS_copy_file_range, in, in_at, out, out_at, length,
		       flags);
}

static int on_file(int fd, enum kind kind, uint64_t offset, long number,
		   long argument)
{
	struct call call = { .kind = kind, .offset = offset };
	struct stat st;
	bool half;
	int error;
	int r;

	if (!is_on_disk(fd, &st))
		return (int)syscall(number, fd, argument);
	lock();
	call.ino = st.st_ino;
	find_path(&call, fd);
	if (mutate(&call)) {
		unlock();
		return 0;
	}
	error = judge(&call, &half);
	r = error != 0 && kind != KIND_CLOSE ?
		    -1 :
		    (int)syscall(number, fd, argument);
	if (error == 0)
		error = errno;
	else
		r = -1;
	if (r == 0)
		keep(&call);
	unlock();
	errno = error;
	return r;
}

EXPORT int ftruncate(int fd, off_t size)
{
	return on_file(fd, KIND_RESIZE, (uint64_t)size, SYS_ftruncate, size);
}

EXPORT int ftruncate64(int fd, off_t size)
{
	return on_file(fd, KIND_RESIZE, (uint64_t)size, SYS_ftruncate, size);
}

/* ---- syncing ----------------------------------------------------------- */

EXPORT int fsync(int fd)
{
	return on_file(fd, KIND_FSYNC, 0, SYS_fsync, 0);
}

EXPORT int fdatasync(int fd)
{
	return on_file(fd, KIND_FSYNC, 0, SYS_fdatasync, 0);
}

EXPORT int syncfs(int fd)
{
	return on_file(fd, KIND_SYNCFS, 0, SYS_syncfs, 0);
}

EXPORT void sync(void)
{
	struct call call = { .kind = KIND_SYNCFS };

	if (shared == NULL)
		return;
	lock();
	keep(&call);
	unlock();
}

/* NFS tells of a full disk here. */
EXPORT int close(int fd)
{
	struct stat st;

	if (!counts || !is_on_disk(fd, &st) || !S_ISREG(st.st_mode) ||
	    (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY)
		return (int)syscall(SYS_close, fd);
	return on_file(fd, KIND_CLOSE, 0, SYS_close, 0);
}

/* ---- which machine, and what time it is -------------------------------- */

EXPORT int gethostname(char *name, size_t size)
{
	const char *host = getenv("SHIM_HOST");

	snprintf(name, size, "%s", host == NULL ? "localhost" : host);
	return 0;
}

static bool hurries(clockid_t clock)
{
	return hurry > 1 &&
	       (clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME);
}

EXPORT int clock_gettime(clockid_t clock, struct timespec *now)
{
	int r = (int)syscall(SYS_clock_gettime, clock, now);

	if (r == 0 && hurries(clock)) {
		int64_t ns = now->tv_nsec * hurry;

		now->tv_sec = now->tv_sec * hurry + ns / 1000000000;
		now->tv_nsec = ns % 1000000000;
	}
	return r;
}

static struct timespec shorter(struct timespec time)
{
	int64_t rest = time.tv_sec % hurry;

	time.tv_sec /= hurry;
	time.tv_nsec = (rest * 1000000000 + time.tv_nsec) / hurry;
	return time;
}

EXPORT int nanosleep(const struct timespec *time, struct timespec *left)
{
	struct timespec sooner = shorter(*time);

	return (int)syscall(SYS_nanosleep, &sooner, left);
}

/* sd-event has timers of clocks that hurry, and no others here. */
EXPORT int timerfd_settime(int fd, int flags, const struct itimerspec *value,
			   struct itimerspec *old)
{
	struct itimerspec sooner = *value;

	if (value->it_value.tv_sec != 0 || value->it_value.tv_nsec != 0) {
		sooner.it_value = shorter(value->it_value);
		sooner.it_value.tv_nsec += sooner.it_value.tv_nsec == 0;
	}
	return (int)syscall(SYS_timerfd_settime, fd, flags, &sooner, old);
}
