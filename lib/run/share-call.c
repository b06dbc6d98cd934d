/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/share.h"

#include <time.h>

#include "base/child.h"

/* What dom0 does with the share: in a child, and more than once if need be. */

struct attempts {
	int (*function)(void *arg, struct err *e);
	void *arg;
};

static int attempt(void *arg, struct err *e)
{
	const struct timespec pause = { .tv_sec = SHARE_PAUSE_S };
	const struct attempts *attempts = arg;
	int r = attempts->function(attempts->arg, e);

	for (int i = 1; r < 0 && i < SHARE_ATTEMPTS; i++) {
		nanosleep(&pause, NULL);
		r = attempts->function(attempts->arg, e);
	}
	return r;
}

int share_call(struct loop *loop, const char *name,
	       int (*function)(void *arg, struct err *e), void *arg,
	       uint64_t limit_usec, struct err *e)
{
	struct attempts attempts = { .function = function, .arg = arg };

	return child_call(loop, name, attempt, &attempts, limit_usec, e);
}
