/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_BASE_LOOP_H
#define XENTEST_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/*
 * The one event loop of a daemon: descriptors, timers and signals call back,
 * nothing sleeps and nothing polls. sd-event(3) stands behind it, in loop.c
 * alone. A callback answers 0, or a negative errno that ends loop_run().
 */
struct loop;
struct loop_source;

typedef int (*loop_io_fn)(void *arg, uint32_t epoll_events);
typedef int (*loop_timer_fn)(void *arg);
typedef int (*loop_signal_fn)(void *arg, int signal_number);

/**
 * loop_new() - make the loop
 *
 * Pets systemd's watchdog (sd_notify(3), WATCHDOG=1) when the unit asks for
 * one.
 */
int loop_new(struct loop **ret, struct err *e);
void loop_free(struct loop *loop); /* after all its sources */
void loop_freep(struct loop **loop);

/* Where child.c keeps the list of the children that run in this loop. */
struct child;
struct child **loop_children(struct loop *loop);

/**
 * loop_io() - call back while @fd has one of @epoll_events (EPOLLIN, …)
 * @fd:  stays the caller's and outlives the source
 * @ret: the caller's, for loop_source_free()
 */
int loop_io(struct loop *loop, int fd, uint32_t epoll_events, loop_io_fn fn,
	    void *arg, struct loop_source **ret, struct err *e);

/**
 * loop_timer() - call back once
 * @after_usec: microseconds from now, CLOCK_BOOTTIME; UINT64_MAX: never,
 *              until loop_timer_again() says otherwise
 */
int loop_timer(struct loop *loop, uint64_t after_usec, loop_timer_fn fn,
	       void *arg, struct loop_source **ret, struct err *e);
/* Arm a timer anew, fired or not; UINT64_MAX disarms it. */
void loop_timer_again(struct loop_source *timer, uint64_t after_usec);

/**
 * loop_signal() - call back for a signal, which is blocked from now on
 */
int loop_signal(struct loop *loop, int signal_number, loop_signal_fn fn,
		void *arg, struct loop_source **ret, struct err *e);

void loop_source_free(struct loop_source *source); /* NULL is fine */
void loop_source_freep(struct loop_source **source);

/**
 * loop_run() - wait for and handle events until @done
 * @done: looked at before each wait; callbacks set it
 *
 * Not from within a callback. A job written in steps calls it once for each,
 * with another @done.
 *
 * Return: 0, or the first negative errno of a callback.
 */
int loop_run(struct loop *loop, const bool *done, struct err *e);

/* Microseconds of CLOCK_BOOTTIME: for measuring spans, never for dates. */
uint64_t loop_now_usec(void);

#endif
