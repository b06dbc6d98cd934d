/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_SOURCE_CACHE_H
#define XENTEST_SOURCE_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "source/digest.h"

/*
 * One URL's place in the download cache. KEY is the URL's SHA-256:
 *
 *   KEY            the file           KEY.json       what is known about it
 *   KEY.part       a partial download KEY.part.json  the same about that
 *   KEY.lock       one process at a time
 *
 * Nothing is synced: a file is only used when it has the size and the digest
 * that its notes say, so what a power cut tears is fetched again.
 */

enum { CACHE_VALIDATOR_MAX = 256 };

/* Validators as the server gave them, fit for a header line; or empty. */
struct cache_notes {
	char etag[CACHE_VALIDATOR_MAX];
	char last_modified[CACHE_VALIDATOR_MAX];
	char sha256[DIGEST_HEX]; /* empty for a partial download */
	uint64_t bytes;
};

struct cache {
	int dir_fd; /* borrowed; -1: nothing is kept */
	int lock_fd;
	char key[DIGEST_HEX];
};

#define CACHE_NONE ((struct cache){ .dir_fd = -1, .lock_fd = -1 })

/**
 * cache_open() - take a URL's place, waiting for whoever has it
 * @cache:  CACHE_NONE; cache_close() it
 * @dir_fd: the cache directory; -1: every other call finds nothing
 *
 * Return: 0 or a negative errno.
 */
int cache_open(struct cache *cache, int dir_fd, const char *url,
	       struct err *e);
void cache_close(struct cache *cache);

/**
 * cache_find() - the whole file, if it is there and sound
 * @ret_fd: open for reading; the caller's
 *
 * What is not sound is removed.
 *
 * Return: 1 found, 0 not there.
 */
int cache_find(const struct cache *cache, struct cache_notes *ret,
	       int *ret_fd);

/**
 * cache_open_part() - the partial download, or an empty file for one
 * @work_fd: where an unnamed file is made instead when nothing is kept
 * @ret:     what is known of it; its bytes are the file's size
 * @ret_fd:  open for reading and writing; the caller's
 *
 * Return: 0 or a negative errno.
 */
int cache_open_part(const struct cache *cache, int work_fd,
		    struct cache_notes *ret, int *ret_fd, struct err *e);

/* Note which file the partial download is a part of. 0 or negative errno. */
int cache_note_part(const struct cache *cache, const struct cache_notes *notes,
		    struct err *e);

/* The partial download is whole: it becomes the file. 0 or negative errno. */
int cache_commit(const struct cache *cache, const struct cache_notes *notes,
		 struct err *e);

/* Forget the partial download. */
void cache_drop_part(const struct cache *cache);

/**
 * cache_valid_validator() - may @text stand in a request's header?
 *
 * Printable ASCII without control characters, shorter than
 * CACHE_VALIDATOR_MAX (RFC 9110, section 8.8).
 */
bool cache_valid_validator(const char *text);

#endif
