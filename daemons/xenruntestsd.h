/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_DAEMONS_XENRUNTESTSD_H
#define XENTEST_DAEMONS_XENRUNTESTSD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/loop.h"
#include "control/control.h"
#include "run/courier.h"
#include "run/run.h"
#include "run/testing.h"
#include "xen/store.h"

/* One job: the tests that a control file has for this host. */
struct job {
	struct loop *loop;
	int root_fd;
	struct store *store; /* NULL: no xenstore here */
	char hostname[256];
	char run[RUN_ID_MAX];
	char *shared_dir;
	struct death death; /* how we went down before, in dom0's words … */
	bool died;	    /* … if we did */
	char *control_bytes;
	size_t control_length;
	struct control *control;
	char boot_id[37];
	bool in_dom0;
	bool once;

	struct testing testing;
	struct courier *courier; /* NULL for --once: written there directly */
	bool woken; /* ends the wait: there is a job, or a stop */
	bool delivered; /* a life before did all but say so */
	bool paused; /* ends a pause */
	bool stopping;
};

/**
 * job_wait() - wait until there is something to do
 * @job: hostname, store and loop set; run, shared_dir and control_bytes
 *       are filled in
 *
 * By xenstore where there is one: dom0 announces run, digest and shared_dir.
 * The copy of the control file is taken only when its digest is that one.
 * While the share is not mounted yet: told by /proc/self/mountinfo, and by a
 * timer whose intervals grow.
 *
 * Return: 0; -ECANCELED when told to stop; another negative errno.
 */
int job_wait(struct job *job, struct err *e);

/**
 * job_run() - run the tests, deliver, and remove our copy
 *
 * Or as far as a test that asks for a reboot: in a guest systemd was asked for
 * it, in dom0 xenstartdomsd.
 *
 * Return: 0, also when this host has no section; -ECANCELED when told to
 * stop; another negative errno.
 */
int job_run(struct job *job, struct err *e);

void job_stop(struct job *job);
void job_done(struct job *job); /* releases what it holds */

#endif
