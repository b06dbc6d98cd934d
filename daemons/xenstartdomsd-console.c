/* SPDX-License-Identifier: BSD-2-Clause */
#include "xenstartdomsd.h"

#include <fcntl.h>
#include <string.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"

/* A guest's console: its terminal, once xenconsoled has one, to console.log. */

#define SECOND_USEC UINT64_C(1000000)

static int open_log(struct guest *guest, int *ret_fd, struct err *e)
{
	CLEANUP(fd_close) int dir_fd = -1;
	int r;

	r = run_domain_dir(guest->host->run, guest->control->name, &dir_fd, e);
	if (r < 0)
		return r;
	*ret_fd = openat(dir_fd, "console.log",
			 O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC,
			 0644);
	return *ret_fd < 0 ? err_errno(e, "open console.log") : 0;
}

/* Serial first: an HVM guest has both, and prints there while it boots. */
static int read_terminal(struct guest *guest, char **ret, struct err *e)
{
	static const char *const names[] = { "serial/0/tty", "console/tty" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		CLEANUP(freep) char *path = text_format(
			"/local/domain/%u/%s", guest->domid, names[i]);
		CLEANUP(freep) char *tty = NULL;

		if (path != NULL &&
		    store_read(guest->host->store, path, 256, &tty, e) == 0 &&
		    tty[0] != '\0') {
			*ret = TAKE_PTR(tty);
			return 0;
		}
	}
	return -ENOENT;
}

/* The log goes on where the guest's life before ended. */
static void mark_life(const struct guest *guest, int log_fd)
{
	struct err ignored = ERR_NONE;
	char line[96];
	int length;

	length = snprintf(line, sizeof(line),
			  "\n[xentest: it died; started again as domain %u]\n",
			  guest->domid);
	file_write_all(log_fd, line, (size_t)length, &ignored);
}

static int open_console(struct guest *guest, const char *tty, struct err *e)
{
	int log_fd = -1;
	int r;

	console_close(TAKE_PTR(guest->console)); /* of its life before */
	r = open_log(guest, &log_fd, e);
	if (r < 0)
		return r;
	if (guest->half_made && guest->deaths > 0)
		mark_life(guest, log_fd);
	return console_open(guest->host->loop, tty, log_fd, CONSOLE_BYTES_MAX,
			    &guest->console, e);
}

/* Here when attaching is over, with a console or without. */
static void attached(struct guest *guest, const char *trouble)
{
	store_unwatch(TAKE_PTR(guest->terminal));
	loop_source_free(TAKE_PTR(guest->terminal_timer));
	if (trouble != NULL)
		journal_say(&guest->about, JOURNAL_PLAIN, LOG_WARNING,
			    "Its console is not kept: %s", trouble);
	if (guest->state == GUEST_ATTACHING)
		guest_unpause(guest);
}

static int on_terminal(void *arg, const char *path)
{
	struct guest *guest = arg;
	CLEANUP(freep) char *tty = NULL;
	struct err e = ERR_NONE;

	(void)path;
	if (guest->host->stopping || read_terminal(guest, &tty, &e) < 0)
		return 0;
	attached(guest, open_console(guest, tty, &e) < 0 ? e.text : NULL);
	return 0;
}

static int on_no_terminal(void *arg)
{
	attached(arg, "xenconsoled offers no terminal; is it running?");
	return 0;
}

int guest_attach(struct guest *guest, struct err *e)
{
	CLEANUP(freep) char *path =
		text_format("/local/domain/%u/console", guest->domid);
	int r;

	if (path == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	store_unwatch(TAKE_PTR(guest->terminal));
	loop_source_free(TAKE_PTR(guest->terminal_timer));
	r = loop_timer(guest->host->loop, GUEST_CONSOLE_S * SECOND_USEC,
		       on_no_terminal, guest, &guest->terminal_timer, e);
	if (r == 0)
		r = store_watch(guest->host->store, path, on_terminal, guest,
				&guest->terminal, e);
	return r;
}
