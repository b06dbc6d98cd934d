/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_BASE_CHILD_EXEC_H
#define XENTEST_BASE_CHILD_EXEC_H

#include "base/cgroup.h"
#include "base/child.h"

/* The half of child.c that runs in the new process. */

/* What a function in a child answers, through a pipe. */
struct child_answer {
	int number;
	char message[sizeof(((struct err *)0)->text)];
};

/**
 * child_exec() - become what @spec says
 * @group:     to enter, or NULL
 * @answer_fd: the pipe for a function's struct child_answer, or -1
 *
 * For a program without @spec->user this may be a vfork(): it changes no
 * memory that the parent looks at.
 */
_Noreturn void child_exec(const struct child_spec *spec,
			  const struct cgroup *group, int answer_fd);

#endif
