/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "source/gunzip.h"
#include "source/magic.h"
#include "source/stream.h"
#include "source/tree.h"

/*
 * One thread decompresses, the other takes the tar stream apart and writes the
 * files; between them is a bounded queue.
 */

enum { TAR_BLOCK = 512 };

/* Small archives may hold a large empty disk; that is no bomb yet. */
#define RATIO_FROM (UINT64_C(256) << 20)

struct inflow {
	int fd;
	uint64_t size;
	enum magic magic;
	struct stream to;
	pthread_t thread;
};

struct unpack {
	struct queue *queue;
	struct tree *tree;
	struct archive *tar;
	uint64_t entries_left;
	uint64_t bytes_left;
	struct unpack_result result;

	/* Of the tar stream. */
	const unsigned char *block;
	size_t block_length;
	uint64_t block_start;
	size_t zeros; /* that it ended with so far, up to TAR_BLOCK */
	int number;   /* failure of the other side, or 0 */
	struct err failure;
};

static void archive_freep(struct archive **archive)
{
	if (*archive != NULL)
		archive_read_free(*archive);
}

/* libarchive's failure in our terms; its texts begin in either case. */
static int archive_failure(struct archive *archive, struct err *e)
{
	const char *text = archive_error_string(archive);
	int number = archive_errno(archive);

	if (number == ENOMEM)
		return err_set(e, -ENOMEM, "out of memory");
	/* EILSEQ: ARCHIVE_ERRNO_FILE_FORMAT, which is in no public header. */
	if (number == EILSEQ && archive_file_count(archive) == 0)
		return err_set(e, -EBADMSG,
			       "what is in it is no tar archive");
	err_set(e, -EBADMSG, "cut short or broken (%s)",
		text != NULL ? text : "no more is known");
	text_plain(e->text);
	return -EBADMSG;
}

/* ---- the side that decompresses */

static int pass_on(struct inflow *in, struct archive *filter, struct err *e)
{
	for (;;) {
		void *space = queue_space(in->to.queue);
		la_ssize_t n;
		int r;

		if (space == NULL)
			return err_set(e, -EPIPE, "given up");
		n = archive_read_data(filter, space, QUEUE_BLOCK);
		if (n < 0)
			return archive_failure(filter, e);
		if (n == 0)
			return 0;
		r = stream_put(&in->to, (size_t)n, e);
		if (r < 0)
			return r;
	}
}

/* libarchive ends at the end of a bzip2 stream, whatever follows. */
static int expect_zeros(int fd, off_t at, struct err *e)
{
	char buffer[4096];
	ssize_t n;

	while ((n = pread(fd, buffer, sizeof(buffer), at)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			if (buffer[i] != 0)
				return err_set(e, -EBADMSG,
					       "something follows after the end of the compressed data");
		at += n;
	}
	return n < 0 ? err_errno(e, "read") : 0;
}

static int decompress(struct inflow *in, struct err *e)
{
	CLEANUP(archive_freep) struct archive *filter = archive_read_new();
	struct archive_entry *entry;
	int r;

	if (filter == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	if (in->magic == MAGIC_BZIP2)
		archive_read_support_filter_bzip2(filter);
	else if (in->magic == MAGIC_XZ)
		archive_read_support_filter_xz(filter);
	else if (in->magic == MAGIC_ZSTD)
		archive_read_support_filter_zstd(filter);
	archive_read_support_format_raw(filter);
	if (lseek(in->fd, 0, SEEK_SET) < 0)
		return err_errno(e, "read");
	if (archive_read_open_fd(filter, in->fd, QUEUE_BLOCK) != ARCHIVE_OK ||
	    archive_read_next_header(filter, &entry) != ARCHIVE_OK)
		return archive_failure(filter, e);
	r = pass_on(in, filter, e);
	if (r < 0)
		return r;
	return expect_zeros(in->fd, archive_filter_bytes(filter, -1), e);
}

static void *inflow_main(void *arg)
{
	struct err e = ERR_NONE;
	struct inflow *in = arg;
	int r;

	if (in->magic == MAGIC_GZIP)
		r = gunzip(in->fd, &in->to, &e);
	else
		r = decompress(in, &e);
	queue_end(in->to.queue, r, &e);
	return NULL;
}

/* ---- the side that writes */

static void count_zeros(struct unpack *u)
{
	size_t zeros = 0;

	while (zeros < TAR_BLOCK && zeros < u->block_length &&
	       u->block[u->block_length - 1 - zeros] == 0)
		zeros++;
	u->zeros = zeros == u->block_length ? u->zeros + zeros : zeros;
}

/* Return: the next block's length, 0 at the end, or a negative errno. */
static ssize_t next_block(struct unpack *u)
{
	ssize_t n;

	u->block_start += u->block_length;
	u->block_length = 0;
	n = queue_get(u->queue, &u->block, &u->failure);
	if (n < 0)
		u->number = (int)n;
	if (n <= 0)
		return n;
	u->block_length = (size_t)n;
	count_zeros(u);
	return n;
}

static la_ssize_t on_read(struct archive *archive, void *arg,
			  const void **buffer)
{
	struct unpack *u = arg;
	ssize_t n = next_block(u);

	if (n < 0) {
		archive_set_error(archive, EIO, "%s", u->failure.text);
		return ARCHIVE_FATAL;
	}
	*buffer = u->block;
	return n;
}

/* What libarchive says, or, if that is the cause, what the other side said. */
static int tar_failure(struct unpack *u, struct err *e)
{
	if (u->number == 0)
		return archive_failure(u->tar, e);
	*e = u->failure;
	return u->number;
}

static int write_failure(struct err *e, int r)
{
	if (r != -ENOSPC && r != -EDQUOT)
		return r;
	return err_set(e, r, "%s; free some space", strerror(-r));
}

static int write_at(int fd, const char *bytes, size_t length, int64_t at,
		    struct err *e)
{
	if (lseek(fd, at, SEEK_SET) < 0)
		return err_errno(e, "seek");
	return file_write_all(fd, bytes, length, e);
}

/* A sparse file's data comes in pieces with holes between. */
static int write_content(struct unpack *u, int fd, int64_t size,
			 struct err *e)
{
	int64_t at = 0;

	for (;;) {
		const void *bytes;
		int64_t offset;
		size_t length;
		int r;

		r = archive_read_data_block(u->tar, &bytes, &length, &offset);
		if (r == ARCHIVE_EOF)
			break;
		if (r != ARCHIVE_OK)
			return tar_failure(u, e);
		if (offset < 0 || offset > size ||
		    length > (uint64_t)(size - offset))
			return err_set(e, -EBADMSG, "is larger than it says");
		r = offset == at ? file_write_all(fd, bytes, length, e) :
				   write_at(fd, bytes, length, offset, e);
		if (r < 0)
			return write_failure(e, r);
		at = offset + (int64_t)length;
	}
	if (at < size && ftruncate(fd, size) < 0)
		return write_failure(e, err_errno(e, "make it as long as it is"));
	return 0;
}

/* make(1) compares modification times. */
static int set_time(int fd, struct archive_entry *entry, struct err *e)
{
	const struct timespec times[2] = {
		{ .tv_nsec = UTIME_OMIT },
		{ .tv_sec = archive_entry_mtime(entry),
		  .tv_nsec = archive_entry_mtime_nsec(entry) },
	};

	if (!archive_entry_mtime_is_set(entry))
		return 0;
	/* A time that the file system cannot keep is no reason to stop. */
	if (futimens(fd, times) < 0 && errno != EINVAL && errno != EOVERFLOW)
		return err_errno(e, "set its time");
	return 0;
}

static int make_file(struct unpack *u, const char *path,
		     struct archive_entry *entry, struct err *e)
{
	int64_t size = archive_entry_size(entry);
	int fd = -1;
	int r;

	if (size < 0 || (uint64_t)size > u->bytes_left)
		return err_set(e, -EFBIG,
			       "is too large: %" PRId64 " bytes, and %" PRIu64 " may still come",
			       size, u->bytes_left);
	u->bytes_left -= (uint64_t)size;
	u->result.bytes += (uint64_t)size;
	r = tree_file(u->tree, path, archive_entry_perm(entry), &fd, e);
	if (r < 0)
		return write_failure(e, r);
	r = size > 0 ? write_content(u, fd, size, e) : 0;
	if (r == 0)
		r = set_time(fd, entry, e);
	/* NFS says "no space" at close(). */
	if (close(fd) < 0 && r == 0)
		r = write_failure(e, err_errno(e, "close"));
	return r;
}

static int make_entry(struct unpack *u, const char *path,
		      struct archive_entry *entry, struct err *e)
{
	const char *hardlink = archive_entry_hardlink(entry);
	const char *symlink = archive_entry_symlink(entry);

	if (hardlink != NULL)
		return tree_hardlink(u->tree, path, hardlink, e);
	switch (archive_entry_filetype(entry)) {
	case AE_IFREG:
		return make_file(u, path, entry, e);
	case AE_IFDIR:
		return write_failure(
			e, tree_dir(u->tree, path, archive_entry_perm(entry), e));
	case AE_IFLNK:
		if (symlink == NULL)
			return err_set(e, -EBADMSG, "is a link to nothing");
		return tree_symlink(u->tree, path, symlink, e);
	default:
		return err_set(e, -EPERM,
			       "is a device, FIFO or socket, which is refused");
	}
}

/* Reasons gain the entry's name, which anybody may have chosen. */
static int add_entry(struct unpack *u, struct archive_entry *entry,
		     struct err *e)
{
	const char *path = archive_entry_pathname(entry);
	CLEANUP(freep) char *plain = NULL;
	int r;

	if (path == NULL)
		return err_set(e, -EBADMSG, "an entry has no readable name");
	if (u->entries_left-- == 0)
		return err_set(e, -EFBIG, "has more entries than it may");
	u->result.entries++;
	r = make_entry(u, path, entry, e);
	if (r == 0 || u->number < 0)
		return r;
	plain = text_valid_utf8(path, strlen(path));
	if (plain == NULL)
		return r;
	text_plain(plain);
	text_plain(e->text);
	return err_wrap(e, r, "entry %.200s", plain);
}

static int add_entries(struct unpack *u, struct err *e)
{
	for (;;) {
		struct archive_entry *entry;
		int r = archive_read_next_header(u->tar, &entry);

		if (r == ARCHIVE_EOF)
			return u->number < 0 ? tar_failure(u, e) : 0;
		/* Of a name that this locale cannot say it only warns. */
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
			return tar_failure(u, e);
		r = add_entry(u, entry, e);
		if (r < 0)
			return r;
	}
}

static bool all_zero(const unsigned char *bytes, size_t length)
{
	return length == 0 ||
	       (bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0);
}

/*
 * The compressed data's last checksum stands behind the tar's end. A tar ends
 * with blocks of zeros, which are missing when it was cut between two entries.
 */
static int drain(struct unpack *u, struct err *e)
{
	uint64_t used = (uint64_t)archive_filter_bytes(u->tar, -1);
	size_t skip = used > u->block_start ? (size_t)(used - u->block_start) :
					      0;
	ssize_t n;

	do {
		if (skip < u->block_length &&
		    !all_zero(u->block + skip, u->block_length - skip))
			return err_set(e, -EBADMSG,
				       "something follows after the end of the tar data");
		skip = 0;
		n = next_block(u);
	} while (n > 0);
	if (n < 0)
		return tar_failure(u, e);
	if (u->zeros < TAR_BLOCK)
		return err_set(e, -EBADMSG,
			       "cut short: the end of the tar data is missing");
	if (u->result.entries == 0)
		return err_set(e, -EBADMSG, "the tar archive holds nothing");
	return 0;
}

static int unpack_stream(struct unpack *u, struct err *e)
{
	int r;

	u->tar = archive_read_new();
	if (u->tar == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	archive_read_support_format_tar(u->tar);
	if (archive_read_open(u->tar, u, NULL, on_read, NULL) != ARCHIVE_OK)
		return tar_failure(u, e);
	r = add_entries(u, e);
	return r < 0 ? r : drain(u, e);
}

static uint64_t or_default(uint64_t value, uint64_t otherwise)
{
	return value != 0 ? value : otherwise;
}

static uint64_t stream_max(const struct unpack_limits *limits, uint64_t size)
{
	uint64_t ratio = or_default(limits->ratio_max, UNPACK_RATIO_MAX);
	uint64_t max = or_default(limits->bytes_max, UNPACK_BYTES_MAX);
	uint64_t by_ratio = size > UINT64_MAX / ratio ? UINT64_MAX :
							size * ratio;

	if (by_ratio < RATIO_FROM)
		by_ratio = RATIO_FROM;
	return by_ratio < max ? by_ratio : max;
}

static int run(struct unpack *u, struct inflow *in, struct err *e)
{
	mode_t old = umask(0);
	int r;

	r = pthread_create(&in->thread, NULL, inflow_main, in);
	if (r != 0) {
		umask(old);
		return err_set(e, -r, "start a thread: %s", strerror(r));
	}
	r = unpack_stream(u, e);
	queue_leave(u->queue);
	pthread_join(in->thread, NULL);
	umask(old);
	return r;
}

static void unpack_release(struct unpack *u)
{
	archive_freep(&u->tar);
	tree_free(u->tree);
	queue_free(u->queue);
}

int unpack(int archive_fd, int into_fd, const struct unpack_limits *limits,
	   struct unpack_result *ret, struct err *e)
{
	CLEANUP(unpack_release) struct unpack u = {
		.entries_left = or_default(limits->entries_max,
					   UNPACK_ENTRIES_MAX),
	};
	struct inflow in = { .fd = archive_fd };
	int r;

	r = magic_find(archive_fd, &in.magic, &in.size, e);
	if (r == 0)
		r = queue_new(&u.queue, e);
	if (r == 0)
		r = tree_new(&u.tree, into_fd, e);
	if (r < 0)
		return r;
	u.bytes_left = stream_max(limits, in.size);
	in.to = (struct stream){ .queue = u.queue,
				 .bytes_left = u.bytes_left };
	r = run(&u, &in, e);
	if (r < 0)
		return r;
	*ret = u.result;
	return 0;
}
