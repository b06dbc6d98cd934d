/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/retry.h"

#include <time.h>

#include "source/say.h"

enum { PAUSE_MAX_MS = 60 * 1000 };

void retry_pause(unsigned int number, unsigned int retries,
		 unsigned int pause_ms, const char *plain, const char *reason)
{
	unsigned int ms = pause_ms;
	struct timespec left;

	for (unsigned int i = 1; i < number && ms < PAUSE_MAX_MS; i++)
		ms *= 2;
	if (ms > PAUSE_MAX_MS)
		ms = PAUSE_MAX_MS;
	say("%s: %s; retry %u of %u in %.1fs", plain, reason, number, retries,
	    ms / 1000.0);
	left = (struct timespec){ .tv_sec = (time_t)(ms / 1000),
				  .tv_nsec = (long)(ms % 1000) * 1000000 };
	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

int retry(unsigned int retries, unsigned int pause_ms, const char *plain,
	  int (*what)(void *arg, struct err *e), void *arg, struct err *e)
{
	for (unsigned int number = 1;; number++) {
		int r = what(arg, e);

		if (r == 0 || r == -ENOENT || r == -EINVAL || number > retries)
			return r;
		retry_pause(number, retries, pause_ms, plain, e->text);
	}
}
