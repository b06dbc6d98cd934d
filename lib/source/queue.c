/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/queue.h"

#include <pthread.h>
#include <stdbool.h>

#include "base/cleanup.h"

enum { BLOCKS = 8 };

struct queue {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	unsigned char *blocks[BLOCKS];
	size_t lengths[BLOCKS];
	/* Counts of blocks since the beginning: given <= taken <= put. */
	size_t put;
	size_t taken; /* those that the draining side has got */
	size_t given; /* those that it has given back */
	bool ended;
	bool left;
	int number;
	struct err failure;
};

void queue_free(struct queue *queue)
{
	if (queue == NULL)
		return;
	for (size_t i = 0; i < BLOCKS; i++)
		free(queue->blocks[i]);
	pthread_cond_destroy(&queue->changed);
	pthread_mutex_destroy(&queue->mutex);
	free(queue);
}

void queue_freep(struct queue **queue)
{
	queue_free(*queue);
}

int queue_new(struct queue **ret, struct err *e)
{
	CLEANUP(queue_freep) struct queue *queue = NULL;
	struct queue *fresh = calloc(1, sizeof(*fresh));

	if (fresh == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	pthread_mutex_init(&fresh->mutex, NULL);
	pthread_cond_init(&fresh->changed, NULL);
	queue = fresh;
	for (size_t i = 0; i < BLOCKS; i++) {
		queue->blocks[i] = malloc(QUEUE_BLOCK);
		if (queue->blocks[i] == NULL)
			return err_set(e, -ENOMEM, "out of memory");
	}
	*ret = TAKE_PTR(queue);
	return 0;
}

unsigned char *queue_space(struct queue *queue)
{
	unsigned char *block = NULL;

	pthread_mutex_lock(&queue->mutex);
	while (!queue->left && queue->put - queue->given == BLOCKS)
		pthread_cond_wait(&queue->changed, &queue->mutex);
	if (!queue->left)
		block = queue->blocks[queue->put % BLOCKS];
	pthread_mutex_unlock(&queue->mutex);
	return block;
}

void queue_put(struct queue *queue, size_t length)
{
	pthread_mutex_lock(&queue->mutex);
	queue->lengths[queue->put % BLOCKS] = length;
	queue->put++;
	pthread_cond_signal(&queue->changed);
	pthread_mutex_unlock(&queue->mutex);
}

void queue_end(struct queue *queue, int number, const struct err *e)
{
	pthread_mutex_lock(&queue->mutex);
	queue->ended = true;
	queue->number = number;
	queue->failure = *e;
	pthread_cond_signal(&queue->changed);
	pthread_mutex_unlock(&queue->mutex);
}

ssize_t queue_get(struct queue *queue, const unsigned char **ret,
		  struct err *e)
{
	ssize_t length = 0;

	pthread_mutex_lock(&queue->mutex);
	if (queue->given < queue->taken) {
		queue->given = queue->taken;
		pthread_cond_signal(&queue->changed);
	}
	while (queue->taken == queue->put && !queue->ended)
		pthread_cond_wait(&queue->changed, &queue->mutex);
	if (queue->taken < queue->put) {
		*ret = queue->blocks[queue->taken % BLOCKS];
		length = (ssize_t)queue->lengths[queue->taken % BLOCKS];
		queue->taken++;
	} else if (queue->number < 0) {
		*e = queue->failure;
		length = queue->number;
	}
	pthread_mutex_unlock(&queue->mutex);
	return length;
}

void queue_leave(struct queue *queue)
{
	pthread_mutex_lock(&queue->mutex);
	queue->left = true;
	pthread_cond_signal(&queue->changed);
	pthread_mutex_unlock(&queue->mutex);
}
