/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_RUN_EVIDENCE_H
#define XENTEST_RUN_EVIDENCE_H

#include <stdint.h>

#include "base/err.h"

struct evidence_job {
	int log_fd; /* opened with O_APPEND */
	uint64_t silent_usec;
};

/**
 * evidence_take() - write down where processes and vCPUs stand
 * @job: a struct evidence_job
 *
 * The processes below our parent with their kernel stacks, which CPUs do what
 * and who waits for a disk (sysrq l and w) with the end of the kernel's log,
 * and in dom0 the end of Xen's and the vCPUs of the guests (xenctx, where it
 * is installed). In this order, for each may hang; everything is bounded,
 * 20 MiB in all. The function of a child "beside" the step: reading a process's
 * command line can wait for that process.
 *
 * Return: 0, whatever could be had.
 */
int evidence_take(void *job, struct err *e);

#endif
