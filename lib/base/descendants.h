/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_BASE_DESCENDANTS_H
#define XENTEST_BASE_DESCENDANTS_H

#include <sys/types.h>

/*
 * The processes below one, as the kernel tells them; proc(5),
 * /proc/PID/task/TID/children. The list of a process that runs is a snapshot,
 * and children of its other threads are missing until it is gone: whoever
 * must find all looks again.
 *
 * @beside, everywhere: children of @pid that are left out, with all below them;
 * 0 at the end, NULL for none.
 */

typedef void (*descendant_fn)(void *arg, pid_t pid, unsigned int depth);

/* How many children @pid has. */
unsigned int descendants_count_children(pid_t pid, const pid_t *beside);

/**
 * descendants_each() - call back for each process below @pid, not for itself
 * @visit: a process before its children; @depth is 0 for those of @pid
 */
void descendants_each(pid_t pid, const pid_t *beside, descendant_fn visit,
		      void *arg);

/* TERM and CONT to all below @pid: one that is stopped cannot end. */
void descendants_terminate(pid_t pid, const pid_t *beside);

/**
 * descendants_kill() - KILL all below @pid that are found
 *
 * Each is stopped before its children are looked for: a fork() that is under
 * way fails then. What escapes by forking and ending at the same time has
 * become a child of an adopting process, and is found next time.
 */
void descendants_kill(pid_t pid, const pid_t *beside);

#endif
