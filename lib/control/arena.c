/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A chunk is as large as all before it, within these. */
enum { CHUNK_BYTES_MIN = 4 * 1024, CHUNK_BYTES_MAX = 64 * 1024 };

struct arena_chunk {
	struct arena_chunk *next;
	alignas(max_align_t) char bytes[];
};

static size_t chunk_bytes(const struct arena *arena)
{
	if (arena->total < CHUNK_BYTES_MIN)
		return CHUNK_BYTES_MIN;
	return arena->total < CHUNK_BYTES_MAX ? arena->total : CHUNK_BYTES_MAX;
}

static bool arena_grow(struct arena *arena, size_t size)
{
	size_t bytes = chunk_bytes(arena);
	struct arena_chunk *chunk;

	if (size > bytes)
		bytes = size;
	if (bytes > ARENA_BYTES_MAX - arena->total) {
		arena->full = true;
		return false;
	}
	chunk = calloc(1, sizeof(*chunk) + bytes);
	if (chunk == NULL)
		return false;
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	arena->at = chunk->bytes;
	arena->left = bytes;
	arena->total += bytes;
	return true;
}

static void *arena_take(struct arena *arena, size_t size, size_t align)
{
	size_t pad = -(uintptr_t)arena->at % align;
	char *taken;

	if (size > ARENA_BYTES_MAX) {
		arena->full = true;
		return NULL;
	}
	if (pad + size > arena->left) {
		if (!arena_grow(arena, size))
			return NULL;
		pad = 0;
	}
	taken = arena->at + pad;
	arena->at += pad + size;
	arena->left -= pad + size;
	return taken;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	return arena_take(arena, size, alignof(max_align_t));
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes))
		return NULL;
	return arena_alloc(arena, bytes);
}

char *arena_text(struct arena *arena, const char *text, size_t length)
{
	char *copy = arena_take(arena, length + 1, 1);

	if (copy != NULL && length > 0)
		memcpy(copy, text, length);
	return copy;
}

void arena_done(struct arena *arena)
{
	while (arena->chunks != NULL) {
		struct arena_chunk *next = arena->chunks->next;

		free(arena->chunks);
		arena->chunks = next;
	}
	*arena = (struct arena){.chunks = NULL};
}
