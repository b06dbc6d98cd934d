/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/stall.h"

#include <fcntl.h>

#include "base/cleanup.h"
#include "run/evidence.h"

#define SECOND_USEC UINT64_C(1000000)

struct stall {
	struct loop *loop;
	struct output *output;
	uint64_t limit_usec;
	int result_fd;
	struct child **step;
	struct loop_source *timer;
	struct child *taker; /* of the evidence, while it runs */
	struct evidence_job job;
	bool taken; /* the evidence, as far as it could be */
	bool ended; /* the step, by us */
};

static void stall_free(struct stall *stall)
{
	loop_source_free(stall->timer);
	fd_close(&stall->job.log_fd);
	free(stall);
}

static void end_step(struct stall *stall)
{
	stall->taken = true;
	if (*stall->step == NULL)
		return;
	stall->ended = true;
	child_time_out(*stall->step);
}

static void on_taken(void *arg, const struct child_result *result)
{
	struct stall *stall = arg;

	(void)result; /* what it could not take is not in the log */
	stall->taker = NULL;
	end_step(stall);
}

static int take_evidence(struct stall *stall)
{
	struct child_spec spec = CHILD_SPEC_NONE;
	struct err ignored = ERR_NONE;

	stall->job.log_fd = openat(stall->result_fd, "stall.log",
				   O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW |
					   O_CLOEXEC,
				   0644);
	spec.name = "evidence";
	spec.function = evidence_take;
	spec.arg = &stall->job;
	spec.output_fd = stall->job.log_fd;
	spec.limit_usec = STALL_EVIDENCE_S * SECOND_USEC;
	/* A full disk or process table is no reason to let it go on. */
	if (stall->job.log_fd < 0 ||
	    child_start(stall->loop, &spec, on_taken, stall, &stall->taker,
			&ignored) < 0)
		end_step(stall);
	return 0;
}

static int on_timer(void *arg)
{
	struct stall *stall = arg;
	uint64_t silent = output_silent_usec(stall->output);

	if (silent >= stall->limit_usec)
		return take_evidence(stall);
	loop_timer_again(stall->timer, stall->limit_usec - silent);
	return 0;
}

int stall_watch(struct loop *loop, struct output *output, uint64_t limit_usec,
		int result_fd, struct child **step, struct stall **ret,
		struct err *e)
{
	struct stall *stall = calloc(1, sizeof(*stall));
	int r;

	if (stall == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	*stall = (struct stall){
		.loop = loop,
		.output = output,
		.limit_usec = limit_usec,
		.result_fd = result_fd,
		.step = step,
		.job = { .log_fd = -1, .silent_usec = limit_usec },
	};
	r = loop_timer(loop, limit_usec, on_timer, stall, &stall->timer, e);
	if (r < 0)
		stall_free(stall);
	else
		*ret = stall;
	return r;
}

bool stall_finish(struct stall *stall)
{
	struct err ignored = ERR_NONE;
	bool ended;

	if (stall == NULL)
		return false;
	ended = stall->ended;
	if (stall->taker != NULL) {
		child_stop(stall->taker);
		loop_run(stall->loop, &stall->taken, &ignored);
	}
	stall_free(stall);
	return ended;
}
