/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/gunzip.h"

#include <limits.h>
#include <stdbool.h>
#include <zlib.h>

#include "base/cleanup.h"

enum {
	INPUT = 64 * 1024,
	OUTPUT_FIRST = 64 * 1024,
	GZIP_ONLY = 16,
};

struct gunzip {
	int fd;
	off_t at; /* of the next read */
	struct stream *to;
	z_stream z;
	unsigned char input[INPUT];
};

static int fill(struct gunzip *g, struct err *e)
{
	ssize_t n;

	if (g->z.avail_in > 0)
		return 0;
	do {
		n = pread(g->fd, g->input, INPUT, g->at);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_errno(e, "read");
	g->at += n;
	g->z.next_in = g->input;
	g->z.avail_in = (unsigned int)n;
	return 0;
}

static int take_block(struct gunzip *g, struct err *e)
{
	g->z.next_out = queue_space(g->to->queue);
	g->z.avail_out = QUEUE_BLOCK;
	return g->z.next_out == NULL ? err_set(e, -EPIPE, "given up") : 0;
}

static int put_block(struct gunzip *g, struct err *e)
{
	int r = stream_put(g->to, QUEUE_BLOCK - g->z.avail_out, e);

	return r < 0 ? r : take_block(g, e);
}

/* Nothing but zeros may follow; tapes and dd leave those. */
static int expect_zeros(struct gunzip *g, struct err *e)
{
	int r;

	for (;;) {
		r = fill(g, e);
		if (r < 0 || g->z.avail_in == 0)
			return r;
		for (; g->z.avail_in > 0; g->z.avail_in--)
			if (*g->z.next_in++ != 0)
				return err_set(e, -EBADMSG,
					       "something follows after the end of the gzip data");
	}
}

/* Return: 1 another member follows (RFC 1952, 2.2), 0 none. */
static int next_member(struct gunzip *g, struct err *e)
{
	int r;

	r = fill(g, e);
	if (r < 0 || g->z.avail_in == 0)
		return r;
	if (*g->z.next_in != 0x1f)
		return expect_zeros(g, e);
	inflateReset(&g->z);
	return 1;
}

/* Return: 1 go on, 0 the end. */
static int step(struct gunzip *g, struct err *e)
{
	int r;

	r = fill(g, e);
	if (r < 0)
		return r;
	if (g->z.avail_in == 0)
		return err_set(e, -EBADMSG, "the gzip data is cut short");
	switch (inflate(&g->z, Z_NO_FLUSH)) {
	case Z_STREAM_END:
		return next_member(g, e);
	case Z_OK:
	case Z_BUF_ERROR:
		return 1;
	case Z_MEM_ERROR:
		return err_set(e, -ENOMEM, "out of memory");
	default:
		return err_set(e, -EBADMSG, "the gzip data is broken (%s)",
			       g->z.msg != NULL ? g->z.msg : "no more is known");
	}
}

static int run(struct gunzip *g, struct err *e)
{
	int r;

	r = take_block(g, e);
	while (r >= 0) {
		if (g->z.avail_out == 0)
			r = put_block(g, e);
		if (r >= 0)
			r = step(g, e);
		if (r == 0)
			return put_block(g, e);
	}
	return r;
}

int gunzip(int fd, struct stream *to, struct err *e)
{
	CLEANUP(freep) struct gunzip *g = calloc(1, sizeof(*g));
	int r;

	if (g == NULL ||
	    inflateInit2(&g->z, MAX_WBITS | GZIP_ONLY) != Z_OK)
		return err_set(e, -ENOMEM, "out of memory");
	g->fd = fd;
	g->to = to;
	r = run(g, e);
	inflateEnd(&g->z);
	return r;
}

static void end_stream(z_stream *stream)
{
	inflateEnd(stream);
}

/* Room for more, twice as much each time, and one byte more than @max. */
static int grow(char **content, size_t *room, size_t max, struct err *e)
{
	size_t next = *room == 0 ? OUTPUT_FIRST : *room * 2;
	char *more;

	if (*room > max)
		return err_set(e, -EFBIG, "unpacks to more than %zu bytes",
			       max);
	if (next > max)
		next = max + 1;
	more = realloc(*content, next);
	if (more == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	*content = more;
	*room = next;
	return 0;
}

int gunzip_bytes(const char *bytes, size_t length, size_t max, char **ret,
		 size_t *ret_length, struct err *e)
{
	CLEANUP(end_stream) z_stream z = { .avail_in = (uInt)length };
	CLEANUP(freep) char *content = NULL;
	size_t room = 0;
	int code;

	if (length > UINT_MAX || max > UINT_MAX - 1)
		return err_set(e, -EFBIG, "over 4 GiB in memory");
	z.next_in = (Bytef *)(uintptr_t)bytes;
	code = inflateInit2(&z, MAX_WBITS | GZIP_ONLY);
	while (code == Z_OK) {
		int r = z.total_out == room ? grow(&content, &room, max, e) : 0;

		if (r < 0)
			return r;
		z.next_out = (Bytef *)content + z.total_out;
		z.avail_out = (uInt)(room - z.total_out);
		code = inflate(&z, Z_NO_FLUSH);
	}
	if (code != Z_STREAM_END)
		return err_set(e, -EBADMSG,
			       "the gzip data is cut short or broken");
	if (z.total_out > max)
		return err_set(e, -EFBIG, "unpacks to more than %zu bytes",
			       max);
	*ret = TAKE_PTR(content);
	*ret_length = z.total_out;
	return 0;
}
