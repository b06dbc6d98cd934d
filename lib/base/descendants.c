/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/descendants.h"

#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/cleanup.h"

static bool is_among(const pid_t *beside, pid_t pid)
{
	for (; beside != NULL && *beside != 0; beside++)
		if (*beside == pid)
			return true;
	return false;
}

static unsigned int each_child(pid_t pid, const pid_t *beside,
			       descendant_fn visit, void *arg,
			       unsigned int depth)
{
	CLEANUP(file_closep) FILE *file = NULL;
	unsigned int count = 0;
	char path[64];
	int child;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	while (fscanf(file, "%d", &child) == 1) {
		if (is_among(beside, child))
			continue;
		if (visit != NULL)
			visit(arg, child, depth);
		count++;
	}
	return count;
}

unsigned int descendants_count_children(pid_t pid, const pid_t *beside)
{
	return each_child(pid, beside, NULL, NULL, 0);
}

struct walk {
	descendant_fn visit;
	void *arg;
};

static void visit_with_children(void *arg, pid_t pid, unsigned int depth)
{
	const struct walk *walk = arg;

	walk->visit(walk->arg, pid, depth);
	each_child(pid, NULL, visit_with_children, arg, depth + 1);
}

void descendants_each(pid_t pid, const pid_t *beside, descendant_fn visit,
		      void *arg)
{
	struct walk walk = { visit, arg };

	each_child(pid, beside, visit_with_children, &walk, 0);
}

/*
 * Thousands of them may want the processor too. SCHED_RR goes before them, for
 * as long as we look; not where this is forbidden. Answers whether it does.
 */
static bool go_first(void)
{
	const struct sched_param param = { .sched_priority = 1 };

	return sched_getscheduler(0) == SCHED_OTHER &&
	       sched_setscheduler(0, SCHED_RR, &param) == 0;
}

static void step_back(bool was_first)
{
	const struct sched_param param = { .sched_priority = 0 };

	if (was_first)
		sched_setscheduler(0, SCHED_OTHER, &param);
}

static void terminate(void *arg, pid_t pid, unsigned int depth)
{
	(void)arg;
	(void)depth;
	kill(pid, SIGTERM);
	kill(pid, SIGCONT);
}

void descendants_terminate(pid_t pid, const pid_t *beside)
{
	bool first = go_first();

	descendants_each(pid, beside, terminate, NULL);
	step_back(first);
}

/* Those that were stopped, to be killed. */
struct stopped {
	pid_t *pids;
	size_t count;
	size_t room;
};

static void stop(void *arg, pid_t pid, unsigned int depth)
{
	struct stopped *stopped = arg;

	(void)depth;
	kill(pid, SIGSTOP);
	if (stopped->count == stopped->room) {
		size_t room = 2 * stopped->room + 256;
		pid_t *pids = reallocarray(stopped->pids, room, sizeof(*pids));

		if (pids == NULL)
			return; /* it is found again */
		stopped->pids = pids;
		stopped->room = room;
	}
	stopped->pids[stopped->count++] = pid;
}

void descendants_kill(pid_t pid, const pid_t *beside)
{
	struct stopped stopped = { .pids = NULL };
	bool first = go_first();

	/* All stop before one ends: in a full table its place is taken. */
	descendants_each(pid, beside, stop, &stopped);
	for (size_t i = 0; i < stopped.count; i++)
		kill(stopped.pids[i], SIGKILL);
	step_back(first);
	free(stopped.pids);
}
