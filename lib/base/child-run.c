/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/child.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* A child that is waited for: what most callers want. */

struct waiting {
	bool done;
	struct child_result *result;
};

static void on_done(void *arg, const struct child_result *result)
{
	struct waiting *waiting = arg;

	*waiting->result = *result;
	waiting->done = true;
}

int child_run(struct loop *loop, const struct child_spec *spec,
	      struct child **current, struct child_result *ret, struct err *e)
{
	struct waiting waiting = { .result = ret };
	struct child *child;
	int r;

	r = child_start(loop, spec, on_done, &waiting, &child, e);
	if (r < 0)
		return r;
	if (current != NULL)
		*current = child;
	r = loop_run(loop, &waiting.done, e);
	if (current != NULL)
		*current = NULL;
	return r;
}

/* Short of memory, the kernel ends anybody: no reason to lose anything. */
static int run_function(struct loop *loop, const struct child_spec *spec,
			struct child_result *result, struct err *e)
{
	int r = child_run(loop, spec, NULL, result, e);

	if (r == 0 && result->term_signal != 0 && !result->timed_out)
		r = child_run(loop, spec, NULL, result, e);
	return r;
}

int child_call(struct loop *loop, const char *name,
	       int (*function)(void *arg, struct err *e), void *arg,
	       uint64_t limit_usec, struct err *e)
{
	struct child_spec spec = CHILD_SPEC_NONE;
	struct child_result result = { 0 };
	int r;

	spec.name = name;
	spec.function = function;
	spec.arg = arg;
	spec.limit_usec = limit_usec;
	r = run_function(loop, &spec, &result, e);
	if (r < 0)
		return r;
	if (result.timed_out)
		return err_set(e, -ETIMEDOUT, "it does not answer");
	return result.number < 0 ?
		       err_set(e, result.number, "%s", result.message) :
		       result.number;
}

const char *child_describe(const struct child_result *result,
			   char buffer[static 96])
{
	char time[32];

	if (result->timed_out)
		snprintf(buffer, 96, "timed out after %s",
			 text_duration(time, result->wall_usec));
	else if (result->stopped)
		snprintf(buffer, 96, "stopped by us");
	else if (result->term_signal != 0)
		snprintf(buffer, 96, "signal %d (%s)", result->term_signal,
			 strsignal(result->term_signal));
	else
		snprintf(buffer, 96, "exit status %d", result->exit_status);
	return buffer;
}
