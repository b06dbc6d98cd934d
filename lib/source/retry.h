/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_SOURCE_RETRY_H
#define XENTEST_SOURCE_RETRY_H

#include "base/err.h"

/**
 * retry_pause() - wait before a retry and say why
 * @number:   of the retry, 1 to @retries
 * @pause_ms: before the first; doubled each time, up to a minute
 * @plain:    the URL for messages
 * @reason:   what went wrong
 */
void retry_pause(unsigned int number, unsigned int retries,
		 unsigned int pause_ms, const char *plain, const char *reason);

/**
 * retry() - do something until it succeeds or fails too often
 * @what: answers 0 or a negative errno; -ENOENT and -EINVAL do not pass by
 *        themselves
 *
 * Return: what @what answered last.
 */
int retry(unsigned int retries, unsigned int pause_ms, const char *plain,
	  int (*what)(void *arg, struct err *e), void *arg, struct err *e);

#endif
