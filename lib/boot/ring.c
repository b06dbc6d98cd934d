/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/ring.h"

#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/text.h"

#define KCORE "proc/kcore"
#define COMMAND_LINE "(XEN) Command line:"

enum {
	CHUNK_BYTES = 1024 * 1024,
	SEGMENTS_MAX = 256,
	LINE_MAX_BYTES = 1024, /* Xen's own buffer has as much */
};

void ring_mark(const char *run, unsigned int number,
	       char mark[static RING_MARK_MAX])
{
	snprintf(mark, RING_MARK_MAX, "xentest-%s-%u", run, number);
}

/* ---- a line of it ------------------------------------------------------ */

static bool begins(const char *line, size_t length, const char *word)
{
	return length >= strlen(word) &&
	       memcmp(line, word, strlen(word)) == 0;
}

/* Length with the newline; 0: no line of Xen's, or of a domain on its console. */
static size_t line_length(const char *bytes, size_t size)
{
	size_t max = size < LINE_MAX_BYTES ? size : LINE_MAX_BYTES;

	if (!begins(bytes, max, "(XEN) ") && !begins(bytes, max, "(d"))
		return 0;
	for (size_t i = 0; i < max; i++) {
		if (bytes[i] == '\n')
			return i + 1;
		if ((bytes[i] < ' ' && bytes[i] != '\t' && bytes[i] != '\r') ||
		    bytes[i] == '\x7f')
			return 0;
	}
	return 0;
}

/* What was there before a ring is no part of it, and begins within a line. */
static size_t ring_length(const char *bytes, size_t size)
{
	size_t total = 0;
	size_t length;

	while (total < size &&
	       (length = line_length(bytes + total, size - total)) > 0)
		total += length;
	return total;
}

/* ---- looking for it ---------------------------------------------------- */

struct search {
	int fd; /* of kcore */
	const char *mark;
	char *chunk; /* CHUNK_BYTES, and as much as a line before the next */
	char *best;
	size_t best_length;
};

static size_t read_at(const struct search *search, char *to, size_t size,
		      uint64_t offset)
{
	size_t done = 0;
	ssize_t n;

	while (done < size &&
	       (n = pread(search->fd, to + done, size - done,
			  (off_t)(offset + done))) > 0)
		done += (size_t)n;
	return done;
}

static int take_candidate(struct search *search, uint64_t offset,
			  uint64_t size, struct err *e)
{
	size_t max = size < RING_BYTES_MAX ? (size_t)size : RING_BYTES_MAX;
	CLEANUP(freep) char *text = malloc(max + 1);
	size_t length;

	if (text == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	length = ring_length(text, read_at(search, text, max, offset));
	if (length <= search->best_length)
		return 0;
	text[length] = '\0';
	free(search->best);
	search->best = TAKE_PTR(text);
	search->best_length = length;
	return 0;
}

/* Where the command line begins whose mark is at @at; NULL: it is no ring's. */
static const char *command_line(const char *begin, const char *at)
{
	const char *line = at;

	while (line > begin && line[-1] != '\n' && at - line < LINE_MAX_BYTES)
		line--;
	return begins(line, (size_t)(at - line), COMMAND_LINE) ? line : NULL;
}

/* @size bytes of the memory are in search->chunk, and @left more follow. */
static int search_chunk(struct search *search, size_t size, uint64_t offset,
			uint64_t left, struct err *e)
{
	const char *end = search->chunk + size;
	const char *at = search->chunk;
	size_t length = strlen(search->mark);
	int r = 0;

	while (r == 0 && (at = memmem(at, (size_t)(end - at), search->mark,
				      length)) != NULL) {
		const char *line = command_line(search->chunk, at);

		if (line != NULL)
			r = take_candidate(
				search,
				offset + (uint64_t)(line - search->chunk),
				left + (uint64_t)(end - line), e);
		at += length;
	}
	return r;
}

static int search_segment(struct search *search, uint64_t offset,
			  uint64_t size, struct err *e)
{
	uint64_t at = 0;
	int r = 0;

	/* Chunks overlap by a line, so that none is cut in two. */
	while (r == 0 && at < size) {
		size_t want = CHUNK_BYTES + LINE_MAX_BYTES;
		size_t got;

		if (size - at < want)
			want = (size_t)(size - at);
		got = read_at(search, search->chunk, want, offset + at);
		r = search_chunk(search, got, offset + at, size - at - got, e);
		at += CHUNK_BYTES;
	}
	return r;
}

/* Source: Linux, fs/proc/kcore.c: p_paddr is -1 for what is no memory. */
static bool is_memory(const Elf64_Phdr *segment)
{
	return segment->p_type == PT_LOAD &&
	       segment->p_paddr != (Elf64_Addr)-1 &&
	       segment->p_filesz <= UINT64_C(1) << 46 &&
	       segment->p_offset <= UINT64_C(1) << 62;
}

static int search_memory(struct search *search, struct err *e)
{
	Elf64_Ehdr header;
	int r = 0;

	if (read_at(search, (char *)&header, sizeof(header), 0) !=
		    sizeof(header) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
	    header.e_phentsize != sizeof(Elf64_Phdr))
		return err_set(e, -EBADMSG, "/" KCORE " makes no sense");
	for (unsigned int i = 0; r == 0 && i < header.e_phnum && i < SEGMENTS_MAX;
	     i++) {
		Elf64_Phdr segment;

		if (read_at(search, (char *)&segment, sizeof(segment),
			    header.e_phoff + i * sizeof(segment)) !=
		    sizeof(segment))
			return err_set(e, -EBADMSG, "/" KCORE " is cut short");
		if (is_memory(&segment))
			r = search_segment(search, segment.p_offset,
					   segment.p_filesz, e);
	}
	return r;
}

int ring_find(int root_fd, const char *mark, char **ret, struct err *e)
{
	CLEANUP(fd_close) int fd = openat(root_fd, KCORE, O_RDONLY | O_CLOEXEC);
	CLEANUP(freep) char *chunk = malloc(CHUNK_BYTES + LINE_MAX_BYTES);
	struct search search = { .fd = fd, .mark = mark, .chunk = chunk };
	int r;

	if (fd < 0)
		return errno == ENOENT ?
			       err_set(e, -ENODEV, "there is no /" KCORE) :
			       err_errno(e, "open /" KCORE);
	if (chunk == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	r = search_memory(&search, e);
	if (r == 0 && search.best == NULL)
		r = err_set(e, -ENOENT, "no ring of Xen's is left in memory");
	if (r < 0) {
		free(search.best);
		return r;
	}
	*ret = search.best;
	return 0;
}

/* ---- its last words ---------------------------------------------------- */

static const struct {
	const char *words;
	enum ring_end end;
} last_words[] = {
	{ "Watchdog timer detects that CPU", RING_WATCHDOG },
	{ "Panic on CPU", RING_PANIC },
	{ "Hardware Dom0 crashed", RING_DOM0_CRASH },
	{ "Hardware Dom0 shutdown: watchdog", RING_DOM0_WATCHDOG },
	{ "Hardware Dom0 shutdown: rebooting", RING_REBOOT },
	{ "Hardware Dom0 halted", RING_REBOOT },
};

/* The table's order: a watchdog's message comes before that of its panic. */
enum ring_end ring_end_of(const char *text, char line[static 160])
{
	line[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(last_words); i++) {
		const char *at = strstr(text, last_words[i].words);

		if (at == NULL)
			continue;
		snprintf(line, 160, "%.*s", (int)strcspn(at, "\r\n"), at);
		text_plain(line);
		return last_words[i].end;
	}
	return RING_SILENT;
}
