/* SPDX-License-Identifier: BSD-2-Clause */
#include "xenruntestsd.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <syslog.h>

#include "base/child.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/notify.h"
#include "run/announcement.h"
#include "run/share.h"
#include "source/digest.h"

#define SECOND_USEC UINT64_C(1000000)

enum {
	INTERVAL_MAX_S = 60,
	COPY_LIMIT_S = 60, /* then it is ended: a mount may have changed */
};

struct waiting {
	struct job *job;
	struct loop_source *mounts;
	struct loop_source *timer;
	struct store_watch *watch;
	int mounts_fd;
	uint64_t interval_s;
	struct child *child; /* reads our copy; NULL: none */
	int copy_fd;	     /* … into this */
	bool again;	     /* meanwhile there was reason to look again */
	char shared_dir[STORE_VALUE_MAX + 1]; /* where it looks */
	char reason[1024]; /* why not yet; said when it changes */
};

static int try_now(struct waiting *waiting);

static int not_yet(struct waiting *waiting, const char *reason)
{
	const struct journal about = { .run = NULL };

	if (strcmp(waiting->reason, reason) != 0) {
		snprintf(waiting->reason, sizeof(waiting->reason), "%s",
			 reason);
		journal_say(&about, JOURNAL_PLAIN, LOG_INFO, "Waiting: %s",
			    reason);
		notify_status("Waiting: %s", reason);
	}
	return 0;
}

/* dom0's word: which run, where the share is, what its digest is. */
static int read_announcement(struct job *job, char **digest, struct err *e)
{
	CLEANUP(freep) char *run = NULL;
	CLEANUP(freep) char *shared = NULL;
	int r;

	r = store_read(job->store, STORE_RUN, RUN_ID_MAX - 1, &run, e);
	if (r == 0)
		r = store_read(job->store, STORE_SHARED, STORE_VALUE_MAX,
			       &shared, e);
	if (r == 0)
		r = store_read(job->store, STORE_DIGEST, 64, digest, e);
	if (r == 0)
		r = announcement_check(run, shared, *digest, e);
	if (r < 0)
		return r;
	snprintf(job->run, sizeof(job->run), "%s", run);
	/* /etc/default/xenruntestsd, where it is mounted elsewhere here. */
	free(job->shared_dir);
	job->shared_dir = getenv("SHARED_DIR") != NULL ?
				  strdup(getenv("SHARED_DIR")) :
				  TAKE_PTR(shared);
	return job->shared_dir == NULL ? err_set(e, -ENOMEM, "out of memory") :
					 0;
}

/* dom0's word, too: it lasts where our own record may not. */
static int read_death(struct job *job, struct err *e)
{
	CLEANUP(freep) char *text = NULL;
	int r;

	r = store_read(job->store, STORE_DIED, STORE_VALUE_MAX, &text, e);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = death_read(text, &job->death, e);
	job->died = r == 0;
	return r;
}

/* ---- our copy of the control file -------------------------------------- */

static int take_bytes(struct job *job, int fd, const char *digest,
		      struct err *e)
{
	CLEANUP(freep) char *bytes = NULL;
	char got[65];
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return err_errno(e, "stat what was read");
	bytes = malloc((size_t)st.st_size + 1);
	if (bytes == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	if (pread(fd, bytes, (size_t)st.st_size, 0) != st.st_size)
		return err_errno(e, "take what was read");
	r = digest_bytes(bytes, (size_t)st.st_size, got, e);
	if (r < 0)
		return r;
	if (strcmp(got, digest) != 0)
		return err_set(e, -EBADMSG,
			       "the control file in %s is not the one that dom0 announced (SHA-256 %s, announced %s)",
			       job->shared_dir, got, digest);
	job->control_bytes = TAKE_PTR(bytes);
	job->control_length = (size_t)st.st_size;
	return 0;
}

static int use_copy(struct waiting *waiting, struct err *e)
{
	struct job *job = waiting->job;
	CLEANUP(freep) char *digest = NULL;
	int r;

	/* It may be another run by now. */
	r = read_announcement(job, &digest, e);
	return r < 0 ? r : take_bytes(job, waiting->copy_fd, digest, e);
}

/*
 * The copy is removed last of all: if it is gone, and so we were before we
 * could say that all is delivered, then only that is left to do.
 */
static bool was_delivering(struct job *job)
{
	CLEANUP(freep) char *text = NULL;
	CLEANUP(json_freep) struct json *state = NULL;
	struct err ignored = ERR_NONE;

	return store_read(job->store, STORE_STATE, STORE_VALUE_MAX, &text,
			  &ignored) == 0 &&
	       json_parse(text, strlen(text), &state, &ignored) == 0 &&
	       strcmp(json_get_string(state, "run", ""), job->run) == 0 &&
	       strcmp(json_get_string(state, "state", ""), "delivering") == 0;
}

static void on_copy(void *arg, const struct child_result *result)
{
	struct waiting *waiting = arg;
	struct err e = ERR_NONE;
	int r = result->number;

	waiting->child = NULL;
	if (result->timed_out)
		r = err_set(&e, -ETIMEDOUT, "%s does not answer",
			    waiting->shared_dir);
	else if (r < 0)
		err_set(&e, r, "%s", result->message);
	else
		r = use_copy(waiting, &e);
	fd_close(&waiting->copy_fd);
	if (r == -ENODATA && was_delivering(waiting->job))
		waiting->job->delivered = true;
	if (r == 0 || waiting->job->delivered) {
		waiting->job->woken = true;
		return;
	}
	not_yet(waiting, e.text);
	if (waiting->again)
		try_now(waiting);
}

/* In a child: the share may be a network mount that hangs. */
static int start_copy(struct waiting *waiting, struct err *e)
{
	struct job *job = waiting->job;
	struct child_spec spec = CHILD_SPEC_NONE;
	struct share_copy copy = {
		.hostname = job->hostname,
		.bytes_max = CONTROL_BYTES_MAX,
	};

	snprintf(waiting->shared_dir, sizeof(waiting->shared_dir), "%s",
		 job->shared_dir);
	waiting->copy_fd = memfd_create("control", MFD_CLOEXEC);
	if (waiting->copy_fd < 0)
		return err_errno(e, "make room for the control file");
	copy.shared_dir = waiting->shared_dir;
	copy.to_fd = waiting->copy_fd;
	spec.name = "take the control file";
	spec.function = share_take;
	spec.arg = &copy;
	spec.limit_usec = COPY_LIMIT_S * SECOND_USEC;
	spec.kept = true;
	waiting->again = false;
	return child_start(job->loop, &spec, on_copy, waiting, &waiting->child,
			   e);
}

/* ---- what may change the answer ----------------------------------------- */

static int try_now(struct waiting *waiting)
{
	struct job *job = waiting->job;
	CLEANUP(freep) char *digest = NULL;
	struct err e = ERR_NONE;
	int r;

	if (job->woken)
		return 0;
	if (waiting->child != NULL) {
		waiting->again = true; /* one at a time, if it hangs */
		return 0;
	}
	r = read_announcement(job, &digest, &e);
	if (r == -ENOENT)
		return not_yet(waiting, "dom0 has announced no run yet");
	if (r == 0)
		r = read_death(job, &e);
	if (r < 0)
		return not_yet(waiting, e.text);
	/* From now on it is worth while to look for the share. */
	loop_timer_again(waiting->timer, waiting->interval_s * SECOND_USEC);
	if (start_copy(waiting, &e) < 0) {
		fd_close(&waiting->copy_fd);
		return not_yet(waiting, e.text);
	}
	return 0;
}

static int on_announcement(void *arg, const char *path)
{
	struct waiting *waiting = arg;

	(void)path;
	waiting->interval_s = 1;
	return try_now(waiting);
}

static int on_mounts(void *arg, uint32_t events)
{
	(void)events;
	return try_now(arg);
}

static int on_interval(void *arg)
{
	struct waiting *waiting = arg;

	waiting->interval_s *= 2;
	if (waiting->interval_s > INTERVAL_MAX_S)
		waiting->interval_s = INTERVAL_MAX_S;
	if (waiting->child == NULL)
		return try_now(waiting);
	loop_timer_again(waiting->timer, waiting->interval_s * SECOND_USEC);
	if (waiting->interval_s > 4) { /* it had four seconds at least */
		char reason[sizeof(waiting->reason)];

		snprintf(reason, sizeof(reason), "%.960s does not answer",
			 waiting->shared_dir);
		return not_yet(waiting, reason);
	}
	return 0;
}

static int watch_mounts(struct waiting *waiting, struct err *e)
{
	waiting->mounts_fd =
		open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (waiting->mounts_fd < 0)
		return err_errno(e, "watch mounts");
	return loop_io(waiting->job->loop, waiting->mounts_fd, EPOLLPRI,
		       on_mounts, waiting, &waiting->mounts, e);
}

static int watch(struct waiting *waiting, struct err *e)
{
	int r;

	r = watch_mounts(waiting, e);
	if (r == 0)
		r = loop_timer(waiting->job->loop, UINT64_MAX, on_interval,
			       waiting, &waiting->timer, e);
	/* Calls back at once, and so makes the first try. */
	if (r == 0)
		r = store_watch(waiting->job->store, STORE_DIGEST,
				on_announcement, waiting, &waiting->watch, e);
	return r;
}

int job_wait(struct job *job, struct err *e)
{
	struct waiting waiting = {
		.job = job, .mounts_fd = -1, .copy_fd = -1, .interval_s = 1
	};
	int r;

	r = watch(&waiting, e);
	if (r == 0)
		r = loop_run(job->loop, &job->woken, e);
	store_unwatch(waiting.watch);
	loop_source_free(waiting.timer);
	loop_source_free(waiting.mounts);
	if (waiting.child != NULL)
		child_abandon(waiting.child);
	fd_close(&waiting.copy_fd);
	fd_close(&waiting.mounts_fd);
	if (r == 0 && job->stopping)
		r = err_set(e, -ECANCELED, "stopped");
	return r;
}
