/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_BASE_CHILD_H
#define XENTEST_BASE_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"

/*
 * One child process with all its descendants, a time limit and its output in
 * a file. Either a program or a function of ours runs in it; the latter keeps
 * what parses foreign bytes (downloads, archives) out of the daemon.
 */
struct child;

enum {
	/* Time between TERM and KILL, in seconds: xentest.conf(5), timeout. */
	CHILD_GRACE_S = 10,
	/* From there until those that do not even end then are given up. */
	CHILD_KILL_S = 4,
};

struct child_spec {
	const char *name; /* for messages: "xl create demo-pv1" */
	/* A program: looked up in PATH, NULL at the end. */
	const char *const *argv;
	/*
	 * Or a function: its 0 or negative errno is the child's result, what
	 * it leaves in @e the result's message, on success too. Runs with the
	 * loop's signals restored.
	 */
	int (*function)(void *arg, struct err *e);
	void *arg;

	const char *const *environment; /* whole, NULL at the end; NULL: ours */
	int dir_fd;	     /* working directory; -1: ours */
	int output_fd;	     /* stdout and stderr; -1: /dev/null */
	const char *user;    /* switch to; NULL: stay */
	/*
	 * 0 or UINT64_MAX: none. Then all get TERM, and KILL CHILD_GRACE_S
	 * later; one that does not even end then is given up CHILD_KILL_S
	 * later: the kernel holds it.
	 */
	uint64_t limit_usec;
	/*
	 * One that does not even end then is waited for all the same, however
	 * long the kernel holds it, instead of given up: who starts the next
	 * one at the end of this one never has two of them.
	 */
	bool kept;
	/*
	 * All processes that it leaves behind are its own, whatever they did
	 * to get away: they are gone before it counts as ended. One such
	 * at a time; children that are none may run beside it. Orphans are
	 * adopted (PR_SET_CHILD_SUBREAPER), so that all are descendants of
	 * this process; and all are in a control group of their own where the
	 * unit delegates one (cgroups(7)), whose processes end at one blow.
	 * Otherwise: its process group.
	 */
	bool whole_tree;
	/*
	 * Of a whole tree, for all its processes together; 0 or UINT64_MAX:
	 * none. They need the control group: see struct child_result.
	 */
	uint64_t memory_limit_bytes;
	uint64_t tasks_limit; /* processes and threads */
};

#define CHILD_SPEC_NONE \
	((struct child_spec){ .dir_fd = -1, .output_fd = -1 })

struct child_result {
	int exit_status;    /* 0 to 255, or -1 */
	int term_signal;    /* that ended it, or 0 */
	bool timed_out;	    /* its limit passed: we ended it */
	bool stopped;	    /* child_stop() ended it */
	int number;	    /* of a function: its answer */
	char message[1024]; /* of a function: its error */
	uint64_t wall_usec;
	uint64_t cpu_usec;	 /* user and system, with its descendants */
	uint64_t memory_max_kib; /* cgroup memory.peak, else largest RSS */
	unsigned int stragglers; /* processes left behind that were killed */
	unsigned int left;	 /* … and that the kernel still holds */
	/* Asked for, and not kept: no control group, or no such controller. */
	bool memory_unlimited;
	bool tasks_unlimited;
	uint64_t oom_kills;	/* processes that the OOM killer ended */
	uint64_t tasks_refused; /* times that tasks_limit stopped a fork */
};

typedef void (*child_done_fn)(void *arg, const struct child_result *result);

/**
 * child_start() - start a child and be told of its end
 * @spec: needed until this returns, but for @spec->name
 * @done: called once from the loop; the child is freed after it returned
 * @ret:  for child_stop(); borrowed. May be NULL
 *
 * A program that cannot be started ends with exit status 127 and says why in
 * its output, as a shell does.
 *
 * Return: 0 or a negative errno when no process could be made; then @done is
 * never called.
 */
int child_start(struct loop *loop, const struct child_spec *spec,
		child_done_fn done, void *arg, struct child **ret,
		struct err *e);

/* End it now: TERM, then KILL after CHILD_GRACE_S. Its @done follows. */
void child_stop(struct child *child);

/* With KILL at once. Return: whether it was not ending already. */
bool child_kill(struct child *child);

/* As child_stop(), and its result says that it timed out. */
void child_time_out(struct child *child);

/* Forget one that still runs: it gets KILL, and its @done is never called. */
void child_abandon(struct child *child);

/**
 * child_run() - child_start() and wait for the end in the loop
 * @current: while it runs, *current is the child, for child_stop() from a
 *           callback; NULL again afterwards. May be NULL
 */
int child_run(struct loop *loop, const struct child_spec *spec,
	      struct child **current, struct child_result *ret, struct err *e);

/**
 * child_call() - run a function of ours in a child and wait for it in the loop
 * @function:   may block as long as it likes, and be killed
 * @limit_usec: it may take
 *
 * One that a signal of somebody else's ended is tried once more.
 *
 * Return: its answer, with its error in @e; -ETIMEDOUT when it took too long;
 * another negative errno when no process could be made.
 */
int child_call(struct loop *loop, const char *name,
	       int (*function)(void *arg, struct err *e), void *arg,
	       uint64_t limit_usec, struct err *e);

/**
 * child_capture() - run a short program and take its output
 * @argv:       NULL at the end
 * @limit_usec: it may take
 * @max:        bytes of stdout and stderr together that are kept; more is cut
 * @ret_output: NUL-terminated; the caller's. May be NULL
 * @result:     how it ended; may be NULL, then any end but exit 0 is -EPROTO
 *              and the error quotes its last line
 *
 * Return: 0 or a negative errno.
 */
int child_capture(struct loop *loop, const char *const *argv,
		  uint64_t limit_usec, size_t max, char **ret_output,
		  struct child_result *result, struct err *e);

/**
 * child_describe() - "exit status 3", "signal 11 (Segmentation fault)", "timed
 * out after 5s"
 * @buffer: at least 96 bytes
 *
 * Return: @buffer.
 */
const char *child_describe(const struct child_result *result,
			   char buffer[static 96]);

#endif
