/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_BASE_CGROUP_H
#define XENTEST_BASE_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * A control group (version 2, cgroups(7)) around one child and whatever it
 * starts. It is to be had where systemd delegated a subtree to this unit
 * (Delegate=yes); everywhere else cgroup_new() says -ENODEV.
 */
struct cgroup;

/**
 * cgroup_prepare() - step aside, so that groups of children may be made
 *
 * Moves this process into "daemon" below the unit's group and hands the
 * memory, pids and cpu controllers down. Does nothing without a delegated
 * group. Once per process, before the first cgroup_new().
 */
void cgroup_prepare(void);

/**
 * cgroup_new() - make an empty group below the unit's
 * @name: of its directory; a leftover of that name is killed and removed, and
 *        when the kernel still holds a process in it, the name gets a number
 *
 * Return: 0; -ENODEV without a delegated group or on version 1 alone.
 */
int cgroup_new(const char *name, struct cgroup **ret, struct err *e);

/* In a fresh child, before exec: enter. Return: 0 or a negative errno. */
int cgroup_enter(const struct cgroup *group);

/*
 * Limits for all in it together: bytes of memory, nothing of it in swap; and
 * processes and threads. Return: 0, or a negative errno where the controller
 * is missing.
 */
int cgroup_limit_memory(const struct cgroup *group, uint64_t bytes);
int cgroup_limit_tasks(const struct cgroup *group, uint64_t tasks);

/* Send a signal to every process in it; KILL reaches all at once. */
void cgroup_signal(const struct cgroup *group, int signal_number);

/* Whether nobody is in it, nor in a group below it; zombies do not count. */
bool cgroup_is_empty(const struct cgroup *group);

/* 0 where the kernel does not tell: microseconds, and KiB. */
uint64_t cgroup_cpu_usec(const struct cgroup *group);
uint64_t cgroup_memory_max_kib(const struct cgroup *group);
/* How often the OOM killer struck, and how often a fork was refused. */
uint64_t cgroup_oom_kills(const struct cgroup *group);
uint64_t cgroup_tasks_refused(const struct cgroup *group);

/* Kills what is left, removes the group where it can. NULL is fine. */
void cgroup_free(struct cgroup *group);
void cgroup_freep(struct cgroup **group);

#endif
