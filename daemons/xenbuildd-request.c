/* SPDX-License-Identifier: BSD-2-Clause */
#include "xenbuildd.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "base/writer.h"
#include "boot/marker.h"

/* The path unit calls us for the first byte of a slow copy. */
enum { WRITER_LIMIT_S = 60 };

#define REJECTED PATH_REQUEST ".rejected"
#define REJECTED_LOG PATH_REQUEST ".rejected.log"

static void say(const struct build *build, int priority, const char *sentence)
{
	journal_say(&build->about, JOURNAL_PLAIN, priority, "%s", sentence);
}

/* ---- a run that is going on already ------------------------------------ */

/* How far it came, as its record tells. */
struct progress {
	bool ended;
	bool left; /* it was ready for its boot: the marker had been written */
};

static void see_progress(void *arg, const struct json *event)
{
	const char *name = json_get_string(event, "event", "");
	struct progress *progress = arg;

	if (strcmp(name, "end") == 0)
		progress->ended = true;
	if (strcmp(name, "boot") == 0 ||
	    (strcmp(name, "stage") == 0 &&
	     strcmp(json_get_string(event, "stage", ""), "boot") == 0 &&
	     strcmp(json_get_string(event, "state", ""), "ok") == 0))
		progress->left = true;
}

static void about_run(struct build *build)
{
	build->about.run = build->run->id;
}

/* It is damaged, and no run is open that it could mean. */
static int forget_current(const struct build *build, struct err *e)
{
	CLEANUP(fd_close) int dir_fd = -1;
	int r;

	say(build, LOG_WARNING, e->text);
	r = file_open_dir(build->root_fd, PATH_STATE_DIR, &dir_fd, e);
	return r < 0 ? r : file_remove(dir_fd, RUN_CURRENT, e);
}

/* 1: it is to be gone on with; 0: it was over but for the tidying up. */
static int take_up(struct build *build, struct err *e)
{
	struct progress progress = { .ended = false };
	int r;

	r = run_load(build->root_fd, &build->run, see_progress, &progress, e);
	if (r == -EBADMSG)
		return forget_current(build, e);
	if (r < 0)
		return r;
	about_run(build);
	if (!progress.ended && !progress.left) {
		journal_say(&build->about, JOURNAL_RUN_STARTED, LOG_NOTICE,
			    "Run %s was cut off while it was being built: its "
			    "stages begin again",
			    build->run->id);
		return 1;
	}
	/* With an end in its record, that one stays: the rest is tidied up. */
	r = run_end(build->run, "aborted",
		    MARKER_PATH " was removed before the run had ended", e);
	run_freep(&build->run);
	build->run = NULL;
	build->about.run = NULL;
	return r;
}

/* ---- a new request ----------------------------------------------------- */

static int reject(struct build *build, int dir_fd,
		  const struct control_report *report, struct err *e)
{
	CLEANUP(freep) char *text = control_report_text(report);
	int r;

	if (text == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < report->count; i++)
		journal_say(&build->about, JOURNAL_REQUEST_REJECTED,
			    report->messages[i].error ? LOG_ERR : LOG_WARNING,
			    "%s:%d: %s: %s", report->file,
			    report->messages[i].line,
			    report->messages[i].error ? "error" : "warning",
			    report->messages[i].text);
	r = file_write_atomic(dir_fd, REJECTED_LOG, text, strlen(text), 0644,
			      e);
	if (r < 0)
		return r;
	if (renameat(dir_fd, PATH_REQUEST, dir_fd, REJECTED) < 0)
		return err_errno(e, "move the request away");
	if (fsync(dir_fd) < 0)
		return err_errno(e, "sync /" PATH_REQUEST_DIR);
	return err_set(e, -EINVAL,
		       "/" PATH_REQUEST_DIR "/" PATH_REQUEST
		       " has errors; it is now " REJECTED
		       ", with the messages in " REJECTED_LOG);
}

/* What the control file's reader has no message for: one of ours. */
static int reject_for(struct build *build, int dir_fd, char *reason,
		      struct err *e)
{
	struct control_message message = { .line = 1,
					   .error = true,
					   .text = reason };
	const struct control_report report = {
		.file = "/" PATH_REQUEST_DIR "/" PATH_REQUEST,
		.messages = &message,
		.count = 1,
		.error_count = 1,
	};

	return reject(build, dir_fd, &report, e);
}

static int check_request(struct build *build, int dir_fd, const char *bytes,
			 size_t length, struct err *e)
{
	char no_tree[] = "[Preferences] xen-tree is missing; name a location, "
			 "or say none to boot the Xen that is there";
	struct control_report report = { 0 };
	CLEANUP(control_freep) struct control *control = NULL;
	int r;

	r = control_load(bytes, length, "/" PATH_REQUEST_DIR "/" PATH_REQUEST,
			 &report, &control, e);
	if (r == -EINVAL)
		r = reject(build, dir_fd, &report, e);
	control_report_done(&report);
	/* xenruntestsd --once can do without; we cannot. */
	if (r == 0 && control->preferences.tree_missing)
		r = reject_for(build, dir_fd, no_tree, e);
	return r;
}

/* Too large or no file at all: nothing of it is read, it only goes away. */
static int reject_unread(struct build *build, int dir_fd, int reason,
			 struct err *e)
{
	struct err why = *e;
	bool for_good = reason == -EFBIG || reason == -EISDIR ||
			reason == -ELOOP || reason == -EINVAL;

	return for_good ? reject_for(build, dir_fd, why.text, e) : reason;
}

static int take_new(struct build *build, struct err *e)
{
	CLEANUP(fd_close) int dir_fd = -1;
	CLEANUP(freep) char *bytes = NULL;
	size_t length;
	int r;

	r = file_make_dirs(build->root_fd, PATH_REQUEST_DIR, 0755, &dir_fd, e);
	if (r < 0)
		return r;
	r = writer_wait(build->loop, dir_fd, PATH_REQUEST,
			WRITER_LIMIT_S * UINT64_C(1000000), e);
	if (r < 0)
		return r;
	r = file_read(dir_fd, PATH_REQUEST, CONTROL_BYTES_MAX, &bytes, &length,
		      e);
	if (r == -ENOENT) {
		say(build, LOG_INFO, "No request: nothing to do");
		return 0;
	}
	if (r < 0)
		return reject_unread(build, dir_fd, r, e);
	r = check_request(build, dir_fd, bytes, length, e);
	if (r < 0)
		return r;
	r = run_create(build->root_fd, bytes, length,
		       "/" PATH_REQUEST_DIR "/" PATH_REQUEST, &build->run, e);
	if (r < 0)
		return r;
	about_run(build);
	journal_say(&build->about, JOURNAL_RUN_STARTED, LOG_NOTICE,
		    "Run %s begins", build->run->id);
	return 1;
}

/* ---- `xenbuildd FILE` -------------------------------------------------- */

static int copy_request(struct build *build, const char *file, struct err *e)
{
	CLEANUP(fd_close) int dir_fd = -1;
	CLEANUP(freep) char *real = realpath(file, NULL);
	CLEANUP(freep) char *bytes = NULL;
	size_t length;
	int r;

	if (real == NULL)
		return err_errno(e, "open %s", file);
	r = file_read(AT_FDCWD, real, CONTROL_BYTES_MAX, &bytes, &length, e);
	if (r == 0)
		r = file_make_dirs(build->root_fd, PATH_REQUEST_DIR, 0755,
				   &dir_fd, e);
	if (r == 0)
		r = file_write_atomic(dir_fd, PATH_REQUEST, bytes, length, 0644,
				      e);
	return r;
}

/* ---- all of it --------------------------------------------------------- */

/* Held until the process ends: two of us would build the same run. */
static int lock(struct build *build, struct err *e)
{
	CLEANUP(fd_close) int dir_fd = -1;
	int fd;
	int r;

	r = file_make_dirs_synced(build->root_fd, PATH_STATE_DIR, 0755, &dir_fd,
				  e);
	if (r < 0)
		return r;
	fd = openat(dir_fd, "xenbuildd.lock",
		    O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(e, "open xenbuildd.lock");
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ?
			       err_set(e, -EBUSY,
				       "another xenbuildd is at work") :
			       err_errno(e, "lock xenbuildd.lock");
	return 0;
}

int request_take(struct build *build, const char *file, struct err *e)
{
	char id[RUN_ID_MAX];
	struct marker marker;
	struct err none = ERR_NONE;
	int current;
	int r;

	r = lock(build, e);
	if (r == -EBUSY && file == NULL) {
		say(build, LOG_INFO, e->text);
		return 0; /* the path unit saw what `xenbuildd FILE` copied */
	}
	if (r < 0)
		return r;
	current = run_current(build->root_fd, id, &none);
	if (file != NULL && current == 0)
		return err_set(e, -EBUSY,
			       "run %s is going on; wait for its end, or see "
			       "\"xentest abort\"",
			       id);
	r = marker_load(build->root_fd, &marker, e);
	if (r != -ENOENT && file != NULL)
		return err_set(e, -EBUSY,
			       "a run is going on (" MARKER_PATH " is there)");
	if (r == 0)
		say(build, LOG_NOTICE,
		    "A run is going on (" MARKER_PATH
		    " is there): the request waits for its end");
	if (r != -ENOENT)
		return r;
	if (file != NULL) {
		r = copy_request(build, file, e);
		if (r < 0)
			return r;
	}
	if (current == 0 || current == -EBADMSG) {
		r = take_up(build, e);
		if (r != 0)
			return r;
	}
	return take_new(build, e);
}
