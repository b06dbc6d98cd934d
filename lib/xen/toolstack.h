/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_XEN_TOOLSTACK_H
#define XENTEST_XEN_TOOLSTACK_H

#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"

/*
 * xl, run and not rewritten. Each call starts it and returns; its end comes
 * back through the loop.
 */
struct toolstack;

/* Limits that fit a busy and emulated machine: five times the 26 s measured. */
enum {
	TOOLSTACK_CREATE_S = 5 * 60,
	TOOLSTACK_SHORT_S = 60,
};

/**
 * toolstack_done_fn - how an xl command ended
 * @r: 0: it said that all is well; -ENOENT: there is no xl; -ETIMEDOUT: it was
 *     ended at its limit; -ECANCELED: by toolstack_cancel(); -EPROTO: it
 *     failed
 * @e: why, with xl's last words
 */
typedef void (*toolstack_done_fn)(void *arg, int r, const struct err *e);

/**
 * toolstack_create_paused() - xl create -p -f CONFIG
 * @config:     an absolute path
 * @limit_usec: the time it may take; what it made so far is then left for
 *              toolstack_destroy()
 * @done:       called once; not when starting fails
 * @ret:        for toolstack_cancel(), until @done was called; may be NULL
 *
 * xl leaves a process behind that watches the domain (on_crash and so on). It
 * lives in the caller's control group: a unit needs KillMode=process.
 *
 * Return: 0, or a negative errno when no process could be made.
 */
int toolstack_create_paused(struct loop *loop, const char *config,
			    uint64_t limit_usec, toolstack_done_fn done,
			    void *arg, struct toolstack **ret, struct err *e);

/**
 * toolstack_config_name() - how Xen will call the domain of a config
 *
 * xl.cfg(5): `name = "NAME"`, the last one. It need not be the host name.
 *
 * Return: the name, the caller's to free; NULL when none could be read.
 */
char *toolstack_config_name(const char *config);

/**
 * toolstack_unpause() - xl unpause DOMID
 *
 * xl exits 0 even when that fails: read the state back, domains_info().
 */
int toolstack_unpause(struct loop *loop, unsigned int domid,
		      toolstack_done_fn done, void *arg, struct toolstack **ret,
		      struct err *e);

/**
 * toolstack_shutdown() - xl shutdown -F DOMID: ask the guest to go
 *
 * Success is that it was asked, no more.
 */
int toolstack_shutdown(struct loop *loop, unsigned int domid,
		       toolstack_done_fn done, void *arg,
		       struct toolstack **ret, struct err *e);

/* xl destroy DOMID: gone when @done says success. */
int toolstack_destroy(struct loop *loop, unsigned int domid,
		      toolstack_done_fn done, void *arg, struct toolstack **ret,
		      struct err *e);

/**
 * toolstack_dmesg() - Xen's own messages, xl dmesg, into a file
 * @output_fd: open for writing; stays the caller's until @done
 */
int toolstack_dmesg(struct loop *loop, int output_fd, toolstack_done_fn done,
		    void *arg, struct toolstack **ret, struct err *e);

/* End it now: TERM, then KILL. Its @done follows. NULL is fine. */
void toolstack_cancel(struct toolstack *call);

#endif
