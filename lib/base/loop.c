/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/loop.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

struct loop {
	sd_event *event;
	struct child *children;
};

struct loop_source {
	struct loop *loop;
	sd_event_source *source;
	int signal_fd; /* -1: no signal */
	union {
		loop_io_fn io;
		loop_timer_fn timer;
		loop_signal_fn signal;
	} fn;
	void *arg;
};

int loop_new(struct loop **ret, struct err *e)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	int r;

	if (loop == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	r = sd_event_new(&loop->event);
	if (r >= 0)
		r = sd_event_set_watchdog(loop->event, true);
	if (r < 0) {
		loop_free(loop);
		errno = -r;
		return err_errno(e, "make the event loop");
	}
	*ret = loop;
	return 0;
}

void loop_free(struct loop *loop)
{
	if (loop == NULL)
		return;
	sd_event_unref(loop->event);
	free(loop);
}

void loop_freep(struct loop **loop)
{
	loop_free(*loop);
}

struct child **loop_children(struct loop *loop)
{
	return &loop->children;
}

static struct loop_source *source_new(struct loop *loop, void *arg)
{
	struct loop_source *source = calloc(1, sizeof(*source));

	if (source != NULL) {
		source->loop = loop;
		source->signal_fd = -1;
		source->arg = arg;
	}
	return source;
}

/* sd-event switches a source off whose callback failed; the loop ends then. */
static int ended(struct loop_source *source, int r)
{
	if (r < 0)
		sd_event_exit(source->loop->event, r);
	return 0;
}

static int on_io(sd_event_source *event_source, int fd, uint32_t events,
		 void *arg)
{
	struct loop_source *source = arg;
	struct loop_source keep = *source; /* the callback may free it */

	(void)event_source;
	(void)fd;
	return ended(&keep, keep.fn.io(keep.arg, events));
}

static int on_timer(sd_event_source *event_source, uint64_t usec, void *arg)
{
	struct loop_source *source = arg;
	struct loop_source keep = *source;

	(void)event_source;
	(void)usec;
	return ended(&keep, keep.fn.timer(keep.arg));
}

static int on_signal(sd_event_source *event_source, int fd, uint32_t events,
		     void *arg)
{
	struct loop_source *source = arg;
	struct loop_source keep = *source;
	struct signalfd_siginfo info;

	(void)event_source;
	(void)events;
	if (read(fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return 0; /* whoever else asked for it has it */
	return ended(&keep, keep.fn.signal(keep.arg, (int)info.ssi_signo));
}

static int source_made(struct loop_source *source, int r, const char *what,
		       struct loop_source **ret, struct err *e)
{
	if (r < 0) {
		fd_close(&source->signal_fd);
		free(source);
		errno = -r;
		return err_errno(e, "watch a %s", what);
	}
	*ret = source;
	return 0;
}

int loop_io(struct loop *loop, int fd, uint32_t epoll_events, loop_io_fn fn,
	    void *arg, struct loop_source **ret, struct err *e)
{
	struct loop_source *source = source_new(loop, arg);
	int r;

	if (source == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	source->fn.io = fn;
	r = sd_event_add_io(loop->event, &source->source, fd, epoll_events,
			    on_io, source);
	return source_made(source, r, "descriptor", ret, e);
}

static uint64_t usec_later(uint64_t after_usec)
{
	uint64_t now = loop_now_usec();

	return after_usec > UINT64_MAX - now ? UINT64_MAX : now + after_usec;
}

int loop_timer(struct loop *loop, uint64_t after_usec, loop_timer_fn fn,
	       void *arg, struct loop_source **ret, struct err *e)
{
	struct loop_source *source = source_new(loop, arg);
	int r;

	if (source == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	source->fn.timer = fn;
	/* An accuracy of 0 would mean sd-event's quarter of a second. */
	r = sd_event_add_time(loop->event, &source->source, CLOCK_BOOTTIME,
			      usec_later(after_usec), 1000, on_timer, source);
	return source_made(source, r, "timer", ret, e);
}

void loop_timer_again(struct loop_source *timer, uint64_t after_usec)
{
	sd_event_source_set_time(timer->source, usec_later(after_usec));
	sd_event_source_set_enabled(timer->source, SD_EVENT_ONESHOT);
}

/*
 * Not sd_event_add_signal(3): it closes its descriptor without taking it out of
 * the epoll set. While a child holds a copy (child_call(), or any before its
 * exec), the set would go on to point to what is freed.
 */
int loop_signal(struct loop *loop, int signal_number, loop_signal_fn fn,
		void *arg, struct loop_source **ret, struct err *e)
{
	struct loop_source *source;
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, signal_number);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_errno(e, "block signal %d", signal_number);
	source = source_new(loop, arg);
	if (source == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	source->fn.signal = fn;
	source->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	r = source->signal_fd < 0 ?
		    -errno :
		    sd_event_add_io(loop->event, &source->source,
				    source->signal_fd, EPOLLIN, on_signal,
				    source);
	return source_made(source, r, "signal", ret, e);
}

void loop_source_free(struct loop_source *source)
{
	if (source == NULL)
		return;
	sd_event_source_disable_unref(source->source);
	fd_close(&source->signal_fd);
	free(source);
}

void loop_source_freep(struct loop_source **source)
{
	loop_source_free(*source);
}

int loop_run(struct loop *loop, const bool *done, struct err *e)
{
	while (!*done) {
		int code;
		int r = sd_event_run(loop->event, UINT64_MAX);

		if (r < 0 && r != -ESTALE) {
			errno = -r;
			return err_errno(e, "wait for an event");
		}
		if (sd_event_get_state(loop->event) == SD_EVENT_FINISHED &&
		    sd_event_get_exit_code(loop->event, &code) >= 0 && code < 0)
			return err_set(e, code, "an event could not be handled");
	}
	return 0;
}

uint64_t loop_now_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}
