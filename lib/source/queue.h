/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_SOURCE_QUEUE_H
#define XENTEST_SOURCE_QUEUE_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * A bounded queue of blocks between two threads: one fills, one drains, each
 * works in place on the block that it holds. A full queue stops the one, an
 * empty queue the other; so memory does not grow with what flows through.
 */
struct queue;

enum { QUEUE_BLOCK = 64 * 1024 };

int queue_new(struct queue **ret, struct err *e); /* 0 or -ENOMEM */
void queue_free(struct queue *queue);
void queue_freep(struct queue **queue);

/**
 * queue_space() - the block to fill next; waits for one
 *
 * Return: QUEUE_BLOCK bytes, held until queue_put(); NULL when the other side
 * has gone away.
 */
unsigned char *queue_space(struct queue *queue);

/* Hand over the first @length bytes of the block that is held. */
void queue_put(struct queue *queue, size_t length);

/**
 * queue_end() - nothing more will come
 * @number: 0, or the negative errno of a failure
 * @e:      its sentence; copied
 */
void queue_end(struct queue *queue, int number, const struct err *e);

/**
 * queue_get() - the next block; waits for it and gives back the one before
 * @ret: its bytes, held until the next call
 *
 * Return: the length, 0 at the end; a negative errno when the filling side
 * failed.
 */
ssize_t queue_get(struct queue *queue, const unsigned char **ret,
		  struct err *e);

/* The draining side goes away: queue_space() answers NULL from now on. */
void queue_leave(struct queue *queue);

#endif
