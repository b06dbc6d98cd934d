/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/output.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"

#define SECOND_USEC UINT64_C(1000000)
/* What a processor writes into the page cache at most; measured: 2 to 3. */
#define BYTES_PER_SECOND_MAX (UINT64_C(4) << 30)
#define LOOK_MIN_USEC UINT64_C(10000)
/* What file systems free is a whole block. */
#define BLOCK UINT64_C(4096)

enum { LINE_BYTES = 64 };

struct output {
	int fd;
	int inotify_fd; /* -1: not needed so far */
	struct loop *loop;
	struct loop_source *timer;
	struct loop_source *written_source;
	uint64_t limit;
	uint64_t head;	 /* bytes at the beginning that are kept */
	uint64_t hole;	 /* where the hole behind them ends */
	uint64_t lost;	 /* bytes cut off, where there are no holes */
	uint64_t before; /* its size at first */
	uint64_t written_at_usec;
	struct stat seen;
};

static uint64_t size_of(const struct output *output)
{
	return (uint64_t)output->seen.st_size;
}

/* Bytes that it takes on disk, or is going to. */
static uint64_t used(const struct output *output)
{
	uint64_t blocks = (uint64_t)output->seen.st_blocks * 512;
	uint64_t hole = output->hole > output->head ?
				output->hole - output->head :
				0;
	uint64_t size = size_of(output);
	uint64_t kept = size > hole ? size - hole : 0;

	/* Blocks tell of one that writes into the hole; not all count them. */
	return blocks > kept ? blocks : kept;
}

/* Sees whether somebody has written. */
static bool look(struct output *output)
{
	struct stat now;
	bool same;

	if (fstat(output->fd, &now) < 0)
		return false;
	same = now.st_size == output->seen.st_size &&
	       now.st_blocks == output->seen.st_blocks &&
	       now.st_mtim.tv_sec == output->seen.st_mtim.tv_sec &&
	       now.st_mtim.tv_nsec == output->seen.st_mtim.tv_nsec;
	output->seen = now;
	if (same)
		return false;
	if (size_of(output) < output->hole) /* cut short by a writer */
		output->hole = output->head;
	output->written_at_usec = loop_now_usec();
	return true;
}

/*
 * Makes the middle a hole. Where the file system has none (NFS before 4.2,
 * vfat), what follows the head goes, and the tail begins anew.
 */
static void cut(struct output *output)
{
	uint64_t tail = output->limit - output->head;
	uint64_t end;

	if (size_of(output) <= output->limit)
		return;
	end = (size_of(output) - tail) / BLOCK * BLOCK;
	if (end <= output->head)
		return;
	if (fallocate(output->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      (off_t)output->head, (off_t)(end - output->head)) == 0)
		output->hole = end;
	else if (ftruncate(output->fd, (off_t)output->head) == 0)
		output->lost += size_of(output) - output->head;
	/* That was we, and nobody who has written. */
	fstat(output->fd, &output->seen);
}

static bool is_bounded(const struct output *output)
{
	return output->limit != UINT64_MAX;
}

static void trim(struct output *output)
{
	if (is_bounded(output) &&
	    used(output) > output->limit + OUTPUT_SLACK_BYTES / 8)
		cut(output);
}

/* Until the next look: much of the slack must be left then. */
static uint64_t look_after_usec(const struct output *output)
{
	uint64_t most = is_bounded(output) ?
				output->limit + OUTPUT_SLACK_BYTES / 4 :
				UINT64_MAX;
	uint64_t room;
	uint64_t usec;

	if (used(output) >= most)
		return LOOK_MIN_USEC;
	room = most - used(output);
	if (room >= BYTES_PER_SECOND_MAX)
		return SECOND_USEC;
	usec = room * SECOND_USEC / BYTES_PER_SECOND_MAX;
	return usec < LOOK_MIN_USEC ? LOOK_MIN_USEC : usec;
}

/* ---- being told -------------------------------------------------------- */

static int on_written(void *arg, uint32_t events)
{
	struct output *output = arg;
	char buffer[4096] __attribute__((aligned(8)));

	(void)events;
	while (read(output->inotify_fd, buffer, sizeof(buffer)) > 0)
		;
	look(output);
	trim(output);
	loop_timer_again(output->timer, look_after_usec(output));
	return 0;
}

/* Asks to be told of the next write, of that one alone. */
static bool ask(struct output *output)
{
	struct err ignored = ERR_NONE;
	char path[64];

	if (output->inotify_fd < 0) {
		output->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
		if (output->inotify_fd < 0)
			return false;
		if (loop_io(output->loop, output->inotify_fd, EPOLLIN,
			    on_written, output, &output->written_source,
			    &ignored) < 0) {
			fd_close(&output->inotify_fd);
			output->inotify_fd = -1;
			return false;
		}
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", output->fd);
	return inotify_add_watch(output->inotify_fd, path,
				 IN_MODIFY | IN_ONESHOT) >= 0;
}

static int on_look(void *arg)
{
	struct output *output = arg;

	/* Quiet for a while: wait for a write. One before that is seen. */
	if (!look(output) && ask(output) && !look(output))
		return 0;
	trim(output);
	loop_timer_again(output->timer, look_after_usec(output));
	return 0;
}

int output_watch(struct loop *loop, int fd, uint64_t limit,
		 struct output **ret, struct err *e)
{
	CLEANUP(output_freep) struct output *output = calloc(1, sizeof(*output));
	int r;

	if (output == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	*output = (struct output){
		.fd = fd,
		.inotify_fd = -1,
		.loop = loop,
		.limit = limit,
		.head = limit / 2 / BLOCK * BLOCK,
		.written_at_usec = loop_now_usec(),
	};
	if (fstat(fd, &output->seen) < 0)
		return err_errno(e, "look at a log");
	output->before = size_of(output);
	r = loop_timer(loop, look_after_usec(output), on_look, output,
		       &output->timer, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(output);
	return 0;
}

uint64_t output_silent_usec(struct output *output)
{
	look(output);
	return loop_now_usec() - output->written_at_usec;
}

/* ---- the end ----------------------------------------------------------- */

/*
 * Moves what begins at @from down to @to. FALLOC_FL_COLLAPSE_RANGE would do so
 * on some file systems, but writes all of it to the disk first.
 */
static int move_down(int fd, uint64_t from, uint64_t to, struct err *e)
{
	const size_t size = 1 << 18;
	CLEANUP(freep) char *buffer = malloc(size);
	ssize_t n;

	if (buffer == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	while ((n = pread(fd, buffer, size, (off_t)from)) > 0) {
		if (pwrite(fd, buffer, (size_t)n, (off_t)to) != n)
			return err_errno(e, "move the end of a log");
		from += (uint64_t)n;
		to += (uint64_t)n;
	}
	if (n < 0)
		return err_errno(e, "read the end of a log");
	if (ftruncate(fd, (off_t)to) < 0)
		return err_errno(e, "shorten a log");
	return 0;
}

/* Over the tail's first bytes, which then are among those left out. */
static int write_line(const struct output *output, uint64_t left_out,
		      struct err *e)
{
	char text[LINE_BYTES];
	char line[LINE_BYTES + 1];

	snprintf(text, sizeof(text),
		 "\n[xentest: %" PRIu64 " bytes are left out here]",
		 left_out + LINE_BYTES);
	snprintf(line, sizeof(line), "%-*s\n", LINE_BYTES - 1, text);
	if (pwrite(output->fd, line, LINE_BYTES, (off_t)output->head) !=
	    LINE_BYTES)
		return err_errno(e, "write into a log");
	return 0;
}

int output_finish(struct output *output, uint64_t *ret_bytes, bool *ret_cut,
		  struct err *e)
{
	uint64_t end = output->head;
	uint64_t size;
	int r;

	look(output);
	size = size_of(output);
	*ret_bytes = size + output->lost > output->before ?
			     size + output->lost - output->before :
			     0;
	*ret_cut = is_bounded(output) &&
		   (size > output->limit || output->lost > 0);
	if (!*ret_cut)
		return 0;
	if (size > output->limit) {
		uint64_t tail = output->limit - output->head;

		end = size - tail;
		r = move_down(output->fd, end, output->head, e);
		if (r < 0)
			return r;
	}
	return write_line(output, end - output->head + output->lost, e);
}

void output_free(struct output *output)
{
	if (output == NULL)
		return;
	loop_source_free(output->timer);
	loop_source_free(output->written_source);
	fd_close(&output->inotify_fd);
	free(output);
}

void output_freep(struct output **output)
{
	output_free(*output);
}
