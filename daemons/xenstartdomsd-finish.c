/* SPDX-License-Identifier: BSD-2-Clause */
#include "xenstartdomsd.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/notify.h"
#include "base/text.h"
#include "run/share.h"

/* The end of a run: what was left behind is gathered, what began it put away. */

#define SECOND_USEC UINT64_C(1000000)
#define CONSOLE_LOG "console.log"
#define DMESG_LOG "xl-dmesg.log"

enum { COLLECT_LIMIT_S = 5 * 60 };

/* ---- between the share and the run's directory ------------------------- */

/* The share's part of a domain: what stands there may be a guest's trap. */
static int open_share(const struct guest *guest, int *ret_fd, struct err *e)
{
	const struct run *run = guest->host->run;
	CLEANUP(freep) char *path =
		text_format("%s/%s", guest->control->name, run->id);
	CLEANUP(fd_close) int share_fd = -1;
	int r;

	if (path == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	r = file_open_dir(AT_FDCWD, run->control->preferences.shared_dir,
			  &share_fd, e);
	return r < 0 ? r : file_make_dirs(share_fd, path, 0755, ret_fd, e);
}

static int if_there(int r)
{
	return r == -ENOENT ? 0 : r;
}

/* In a child: the share may hang. dom0's own record is written here. */
static int collect(void *arg, struct err *e)
{
	const struct guest *guest = arg;
	CLEANUP(fd_close) int share_fd = -1;
	CLEANUP(fd_close) int local_fd = -1;
	struct err later = ERR_NONE;
	int shared;
	int r;

	r = run_domain_dir(guest->host->run, guest->control->name, &local_fd,
			   e);
	if (r == 0)
		r = open_share(guest, &share_fd, e);
	if (r < 0)
		return r;
	/* The run ends by what it says, and may not lose it afterwards. */
	if (!guest_is_dom0(guest))
		r = if_there(file_copy_synced(share_fd, RECORD_NAME, local_fd,
					      RECORD_NAME, RECORD_BYTES_MAX,
					      e));
	/* One thing that it has spoilt does not cost the other. */
	shared = if_there(file_copy(local_fd, CONSOLE_LOG, share_fd,
				    CONSOLE_LOG, 2 * CONSOLE_BYTES_MAX,
				    r < 0 ? &later : e));
	return r < 0 ? r : shared;
}

static int share_dmesg(void *arg, struct err *e)
{
	const struct host *host = arg;
	CLEANUP(fd_close) int share_fd = -1;
	int r;

	r = file_open_dir(AT_FDCWD, host->run->control->preferences.shared_dir,
			  &share_fd, e);
	return r < 0 ? r :
		       if_there(file_copy(host->run->fd, DMESG_LOG, share_fd,
					  DMESG_LOG, CONSOLE_BYTES_MAX, e));
}

static void note_trouble(struct host *host, const struct journal *about,
			 const char *why)
{
	struct err e = ERR_NONE;
	char message[1100];

	snprintf(message, sizeof(message),
		 "Not everything could be collected: %s", why);
	journal_say(about, JOURNAL_SHARE_TROUBLE, LOG_WARNING, "%s", message);
	if (about->domain != NULL &&
	    run_note_trouble(host->run, about->domain, message, &e) < 0)
		host_lose_record(host, about, &e);
}

static void in_child(struct host *host, const struct journal *about,
		     int (*function)(void *arg, struct err *e), void *arg)
{
	struct err e = ERR_NONE;
	int r;

	if (host->share_hangs)
		return;
	r = share_call(host->loop, "collect", function, arg,
		       COLLECT_LIMIT_S * SECOND_USEC, &e);
	host->share_hangs = r == -ETIMEDOUT;
	if (host->share_hangs)
		err_set(&e, r,
			"the share does not answer, and is not asked again");
	if (r < 0)
		note_trouble(host, about, e.text);
}

void host_collect(struct host *host)
{
	for (size_t i = 0; i < host->guest_count; i++)
		in_child(host, &host->guests[i].about, collect,
			 &host->guests[i]);
}

/* ---- Xen's messages ---------------------------------------------------- */

struct waiting {
	bool done;
	int r;
	struct err e;
};

static void on_dmesg(void *arg, int r, const struct err *e)
{
	struct waiting *waiting = arg;

	waiting->r = r;
	waiting->e = *e;
	waiting->done = true;
}

static int keep_dmesg(struct host *host, struct err *e)
{
	CLEANUP(fd_close) int fd = openat(
		host->run->fd, DMESG_LOG,
		O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	struct waiting waiting = { .done = false };
	int r;

	if (fd < 0)
		return err_errno(e, "open " DMESG_LOG);
	r = toolstack_dmesg(host->loop, fd, on_dmesg, &waiting, NULL, e);
	if (r == 0)
		r = loop_run(host->loop, &waiting.done, e);
	if (r == 0 && waiting.r < 0)
		r = err_set(e, waiting.r, "%s", waiting.e.text);
	return r;
}

/* ---- the end ----------------------------------------------------------- */

static void close_consoles(struct host *host)
{
	for (size_t i = 0; i < host->guest_count; i++)
		console_close(TAKE_PTR(host->guests[i].console));
}

static size_t count_done(const struct host *host)
{
	size_t count = 0;

	for (size_t i = 0; i < host->guest_count; i++)
		count += host->guests[i].state == GUEST_DONE ? 1 : 0;
	return count;
}

void host_gather(struct host *host)
{
	struct err trouble = ERR_NONE;

	notify_status("Collecting what the tests left");
	if (keep_dmesg(host, &trouble) < 0)
		journal_say(&host->about, JOURNAL_PLAIN, LOG_WARNING,
			    "Xen's messages are not kept: %s", trouble.text);
	close_consoles(host);
	host_collect(host);
	in_child(host, &host->about, share_dmesg, host);
}

int host_finish(struct host *host, struct err *e)
{
	char message[96];

	host_gather(host);
	snprintf(message, sizeof(message), "%zu of %zu domains done",
		 count_done(host), host->guest_count);
	host_note_stage(host, "tests", "ok", message);
	if (record_has_failed(host->run->record))
		return err_set(e, -EIO, "the end cannot be recorded");
	return host_end(host, "finished", message, e);
}
