/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_SOURCE_REPLY_H
#define XENTEST_SOURCE_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "source/cache.h"

/* What matters of an HTTP reply's header (RFC 9110). */
struct reply {
	long status;	      /* 0: none, as with ftp */
	uint64_t range_start; /* of Content-Range; UINT64_MAX: none */
	char etag[CACHE_VALIDATOR_MAX];
	char last_modified[CACHE_VALIDATOR_MAX];
};

#define REPLY_NONE ((struct reply){ .range_start = UINT64_MAX })

/**
 * reply_add_header() - take in one line of a reply's header
 * @line:   as it came, any bytes, not terminated
 *
 * A status line begins a new reply: the one after a redirect.
 */
void reply_add_header(struct reply *reply, const char *line, size_t length);

/**
 * reply_failure() - describe an HTTP status that is no success
 * @status: 400 to 599
 * @transient: may it pass by itself?
 *
 * Return: a negative errno, as fetch() has them.
 */
int reply_failure(long status, bool *transient, struct err *e);

#endif
