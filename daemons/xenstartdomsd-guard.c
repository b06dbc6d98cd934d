/* SPDX-License-Identifier: BSD-2-Clause */
#include "xenstartdomsd.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "boot/reboot.h"

/*
 * Beside the boot, from its first moment: counts boot_timeout. A dom0 that
 * hangs in some unit would otherwise stay for ever. A hypervisor or kernel that
 * hangs takes this with it; that is the watchdog's part.
 */

#define SECOND_USEC UINT64_C(1000000)

struct guard {
	int root_fd;
	struct loop *loop;
	struct marker marker;
	char boot_id[37];
	struct journal about;
	bool *over;
	int result;
	struct err e;
};

/* Is the boot still to be proven? Then the marker names another one. */
static bool is_pending(const struct guard *guard)
{
	struct marker now;
	struct err ignored = ERR_NONE;

	return marker_load(guard->root_fd, &now, &ignored) == 0 &&
	       strcmp(now.boot_id, guard->boot_id) != 0 &&
	       strcmp(now.run, guard->marker.run) == 0;
}

static int on_change(void *arg, uint32_t events)
{
	struct guard *guard = arg;

	(void)events; /* not read: edge-triggered, and the marker tells all */
	if (!is_pending(guard))
		*guard->over = true;
	return 0;
}

/* So early, or so broken, that systemd cannot be asked. Not below --root. */
static void reboot_hard(const struct guard *guard)
{
	struct stat ours;
	struct stat real;

	if (fstat(guard->root_fd, &ours) < 0 || stat("/", &real) < 0 ||
	    ours.st_dev != real.st_dev || ours.st_ino != real.st_ino)
		return;
	sync();
	reboot(RB_AUTOBOOT);
}

static int on_timeout(void *arg)
{
	struct guard *guard = arg;
	char time[32];

	*guard->over = true;
	if (!is_pending(guard))
		return 0;
	text_duration(time, guard->marker.boot_timeout_s * SECOND_USEC);
	if (guard->marker.stay) {
		journal_say(&guard->about, JOURNAL_BOOT_FAILED, LOG_ERR,
			    "Xen was not proven within %s; on_failure = stay leaves it for a look",
			    time);
		return 0;
	}
	journal_say(&guard->about, JOURNAL_REBOOTING, LOG_ERR,
		    "Xen was not proven within %s: rebooting into the old system",
		    time);
	guard->result = reboot_now(&guard->e);
	if (guard->result < 0)
		reboot_hard(guard);
	return 0;
}

/* It is replaced, not written: the directory tells. */
static int watch_marker(const struct guard *guard, int *ret_fd, struct err *e)
{
	CLEANUP(fd_close) int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	CLEANUP(freep) char *path = NULL;

	path = text_format("/proc/self/fd/%d/" MARKER_DIR, guard->root_fd);
	if (fd < 0 || path == NULL ||
	    inotify_add_watch(fd, path,
			      IN_MOVED_TO | IN_DELETE | IN_ONLYDIR) < 0)
		return err_errno(e, "watch /" MARKER_DIR);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int wait_for_proof(struct guard *guard, struct err *e)
{
	CLEANUP(loop_source_freep) struct loop_source *timer = NULL;
	CLEANUP(loop_source_freep) struct loop_source *source = NULL;
	CLEANUP(fd_close) int fd = -1;
	uint64_t limit_s = guard->marker.boot_timeout_s;
	int r;

	r = watch_marker(guard, &fd, e);
	if (r == 0)
		r = loop_io(guard->loop, fd, EPOLLIN | EPOLLET, on_change,
			    guard, &source, e);
	if (r == 0)
		r = loop_timer(guard->loop,
			       limit_s >= UINT64_MAX / SECOND_USEC ?
				       UINT64_MAX :
				       limit_s * SECOND_USEC,
			       on_timeout, guard, &timer, e);
	if (r < 0)
		return r;
	on_change(guard, 0); /* before we watched */
	r = loop_run(guard->loop, guard->over, e);
	if (r == 0 && guard->result < 0)
		r = err_set(e, guard->result, "%s", guard->e.text);
	return r;
}

/* Only a boot that the marker waits for, and only one into Xen. */
static bool is_wanted(struct guard *guard, struct err *e, int *r)
{
	struct running running;

	*r = running_read(guard->root_fd, &running, e);
	if (*r == 0)
		*r = run_boot_id(guard->boot_id, e);
	return *r == 0 && strcmp(guard->marker.boot_id, guard->boot_id) != 0 &&
	       running.role == RUNNING_DOM0;
}

int guard_run(int root_fd, struct loop *loop, bool *stop, struct err *e)
{
	struct guard guard = { .root_fd = root_fd, .loop = loop, .over = stop };
	int r;

	r = marker_load(root_fd, &guard.marker, e);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	guard.about.run = guard.marker.run;
	return is_wanted(&guard, e, &r) ? wait_for_proof(&guard, e) : r;
}
