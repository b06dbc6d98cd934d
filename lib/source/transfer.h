/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_SOURCE_TRANSFER_H
#define XENTEST_SOURCE_TRANSFER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "source/cache.h"
#include "source/reply.h"

enum transfer_answer {
	TRANSFER_WHOLE,
	TRANSFER_NOT_MODIFIED,
	TRANSFER_AGAIN, /* the partial download is of no use: without it */
};

/* One request and its answer. libcurl stands behind it, in transfer.c alone. */
struct transfer {
	const char *url;
	const char *plain;	/* the same for messages */
	bool digest_will_tell;	/* what comes is checked against a digest */
	unsigned int stall_s;	/* give up when nothing came for so long */
	uint64_t bytes_max;
	const struct cache *cache;
	const struct cache_notes *have; /* a whole file, or NULL */
	/* The partial download, both ways; its bytes are what @fd holds. */
	struct cache_notes *part;
	int fd;

	/* What came of it. */
	uint64_t resumed_at;
	bool transient; /* a failure that may pass by itself */

	/* Of transfer.c. */
	void *curl;
	struct reply reply;
	bool body_begun;
	int number; /* failure of ours that stopped it, or 0 */
	struct err failure;
	uint64_t progress_usec; /* when to say something next */
};

/**
 * transfer_run() - ask the server once
 * @t: the members up to @fd filled in, the others zero. The partial download
 *     is resumed where that is safe, and conditions are sent for @have
 * @e: reason and advice, without the URL: "404 Not Found; check …"
 *
 * Return: enum transfer_answer, or a negative errno as fetch() has them; see
 * @t->transient.
 */
int transfer_run(struct transfer *t, struct err *e);

#endif
