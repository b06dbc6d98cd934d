/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_SOURCE_STREAM_H
#define XENTEST_SOURCE_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "source/queue.h"

/* What a decompressor writes to: a queue, and how much may still pass. */
struct stream {
	struct queue *queue;
	uint64_t bytes_left;
};

/**
 * stream_put() - queue_put(), counted
 *
 * Return: 0, -EFBIG when more came than may.
 */
int stream_put(struct stream *stream, size_t length, struct err *e);

#endif
