/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/step.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/output.h"
#include "base/text.h"
#include "run/stall.h"

static int open_log(const struct step *step, int flags, int *ret_fd,
		    struct err *e)
{
	int fd = openat(step->result_fd, step->log,
			flags | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd < 0)
		return err_errno(e, "open %s", step->log);
	*ret_fd = fd;
	return 0;
}

/* What the control file asks for, and this machine cannot do. */
static int say_what_was_not_kept(int fd, const struct child_result *result,
				 struct err *e)
{
	char line[160];

	if (!result->memory_unlimited && !result->tasks_unlimited)
		return 0;
	snprintf(line, sizeof(line),
		 "[xentest: %s%s%s had no effect: no control group for it]\n",
		 result->memory_unlimited ? "memory_limit" : "",
		 result->memory_unlimited && result->tasks_unlimited ? ", " :
								       "",
		 result->tasks_unlimited ? "tasks_limit" : "");
	return file_write_all(fd, line, strlen(line), e);
}

static int run_watched(const struct step *step, struct output *output,
		       struct step_result *result, struct err *e)
{
	struct stall *stall = NULL;
	int r = 0;

	if (step->stall_usec != UINT64_MAX)
		r = stall_watch(step->loop, output, step->stall_usec,
				step->result_fd, step->current, &stall, e);
	if (r < 0)
		return r;
	r = child_run(step->loop, step->spec, step->current, &result->child, e);
	result->stalled = stall_finish(stall);
	return r;
}

int step_run(const struct step *step, struct step_result *ret, struct err *e)
{
	CLEANUP(fd_close) int write_fd = -1;
	CLEANUP(fd_close) int watch_fd = -1;
	CLEANUP(output_freep) struct output *output = NULL;
	int r;

	*ret = (struct step_result){ .stalled = false };
	r = open_log(step, O_WRONLY | O_APPEND, &write_fd, e);
	if (r == 0)
		r = open_log(step, O_RDWR, &watch_fd, e);
	if (r == 0)
		r = output_watch(step->loop, watch_fd, step->output_limit_bytes,
				 &output, e);
	if (r < 0)
		return r;
	step->spec->output_fd = write_fd;
	step->spec->whole_tree = true;
	r = run_watched(step, output, ret, e);
	if (r == 0)
		r = output_finish(output, &ret->output_bytes, &ret->output_cut,
				  e);
	if (r < 0)
		return r;
	return say_what_was_not_kept(write_fd, &ret->child, e);
}

/* ---- what it says ------------------------------------------------------ */

void step_note(struct json *event, const struct step_result *result)
{
	const struct child_result *child = &result->child;

	if (result->stalled)
		json_set_bool(event, "stalled", true);
	if (result->output_bytes > 0)
		json_set_int(event, "output_bytes",
			     (int64_t)result->output_bytes);
	if (result->output_cut)
		json_set_bool(event, "output_cut", true);
	if (child->oom_kills > 0)
		json_set_int(event, "oom_kills", (int64_t)child->oom_kills);
	if (child->tasks_refused > 0)
		json_set_int(event, "tasks_refused",
			     (int64_t)child->tasks_refused);
	if (child->memory_unlimited)
		json_set_bool(event, "memory_unlimited", true);
	if (child->tasks_unlimited)
		json_set_bool(event, "tasks_unlimited", true);
	if (child->stragglers > 0)
		json_set_int(event, "stragglers", child->stragglers);
	if (child->left > 0)
		json_set_int(event, "left", child->left);
}

static void add_count(char message[static 256], const char *what,
		      uint64_t count)
{
	size_t length = strlen(message);

	if (count > 0)
		snprintf(message + length, 256 - length, "; %s: %" PRIu64, what,
			 count);
}

void step_describe(const struct step_result *result, const char *ok,
		   uint64_t stall_usec, char message[static 256])
{
	const struct child_result *child = &result->child;
	char text[96];

	if (result->stalled)
		snprintf(message, 256, "timed out: no output for %s",
			 text_duration(text, stall_usec));
	else if (child->message[0] != '\0' && !child->timed_out &&
		 !child->stopped)
		snprintf(message, 256, "%.255s", child->message);
	else if (ok != NULL && child->exit_status == 0 && !child->timed_out)
		snprintf(message, 256, "%s", ok);
	else
		snprintf(message, 256, "%s", child_describe(child, text));
	add_count(message, "ended by the OOM killer", child->oom_kills);
	add_count(message, "processes refused by tasks_limit",
		  child->tasks_refused);
	add_count(message, "processes that are not gone yet",
		  child->left);
	if (result->output_cut)
		add_count(message, "output cut, bytes written",
			  result->output_bytes);
}
