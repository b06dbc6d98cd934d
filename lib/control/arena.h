/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_CONTROL_ARENA_H
#define XENTEST_CONTROL_ARENA_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Memory that is released all at once: what a control file is read into. It
 * is bounded, because a file of 1 MiB can say "expand this" very often.
 */
enum { ARENA_BYTES_MAX = 128 * 1024 * 1024 };

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks;
	char *at;
	size_t left;
	size_t total;
	bool full; /* ARENA_BYTES_MAX was the reason for a NULL */
};

/**
 * arena_alloc() - zeroed memory, aligned for any type
 *
 * Return: the memory, the arena's; NULL without memory or when it is full.
 */
void *arena_alloc(struct arena *arena, size_t size);

/* @size times @count, which may be 0; as arena_alloc(). */
void *arena_array(struct arena *arena, size_t count, size_t size);

/**
 * arena_text() - a copy of @length bytes with a NUL added
 *
 * Return: as arena_alloc().
 */
char *arena_text(struct arena *arena, const char *text, size_t length);

/* Release everything; the arena is empty and usable afterwards. */
void arena_done(struct arena *arena);

#endif
