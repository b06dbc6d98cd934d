/* SPDX-License-Identifier: BSD-2-Clause */
#include "xen/console.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <termios.h>

#include "base/cleanup.h"
#include "base/file.h"

enum {
	CHUNK = 16 * 1024,
	DRAIN_CHUNKS = 64, /* at the end: a tty holds 4 KiB, xenconsoled more */
};

struct console {
	struct loop_source *source;
	int tty_fd;
	int log_fd;
	uint64_t room; /* bytes that the log still takes */
};

void console_closep(struct console **console)
{
	console_close(*console);
}

/* A log that cannot be written is worth no test: the rest is left out. */
static void keep(struct console *console, const char *bytes, size_t length)
{
	static const char full[] =
		"\n[xentest: the console log is full, the rest is left out]\n";
	struct err ignored = ERR_NONE;

	if (console->room == 0)
		return;
	if (length < console->room) {
		console->room -= length;
		if (file_write_all(console->log_fd, bytes, length, &ignored) <
		    0)
			console->room = 0;
		return;
	}
	file_write_all(console->log_fd, bytes, console->room, &ignored);
	file_write_all(console->log_fd, full, sizeof(full) - 1, &ignored);
	console->room = 0;
}

/* Return: more than 0 for bytes, 0 when there are none now, or -errno. */
static ssize_t copy_chunk(struct console *console)
{
	char bytes[CHUNK];
	ssize_t length = read(console->tty_fd, bytes, sizeof(bytes));

	if (length < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (length == 0)
		return -EIO;
	keep(console, bytes, (size_t)length);
	return length;
}

static int on_bytes(void *arg, uint32_t events)
{
	struct console *console = arg;

	(void)events;
	/* The other end went away with the domain: EIO, and no more events. */
	if (copy_chunk(console) < 0) {
		loop_source_free(console->source);
		console->source = NULL;
	}
	return 0;
}

static int open_tty(const char *tty, int *ret_fd, struct err *e)
{
	CLEANUP(fd_close) int fd = -1;
	struct termios settings;

	if (strncmp(tty, "/dev/", 5) != 0 || strstr(tty, "/../") != NULL)
		return err_set(e, -EINVAL, "\"%s\" is no terminal", tty);
	fd = open(tty, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, "open %s", tty);
	if (tcgetattr(fd, &settings) < 0)
		return err_set(e, -EINVAL, "%s is no terminal", tty);
	cfmakeraw(&settings);
	if (tcsetattr(fd, TCSANOW, &settings) < 0)
		return err_errno(e, "make %s raw", tty);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static uint64_t room_in(int log_fd, uint64_t bytes_max)
{
	struct stat st;

	if (fstat(log_fd, &st) < 0 || st.st_size < 0)
		return bytes_max;
	return (uint64_t)st.st_size < bytes_max ?
		       bytes_max - (uint64_t)st.st_size :
		       0;
}

int console_open(struct loop *loop, const char *tty, int log_fd,
		 uint64_t bytes_max, struct console **ret, struct err *e)
{
	CLEANUP(console_closep) struct console *console =
		calloc(1, sizeof(*console));
	int r;

	if (console == NULL) {
		fd_close(&log_fd);
		return err_set(e, -ENOMEM, "out of memory");
	}
	console->tty_fd = -1;
	console->log_fd = log_fd;
	console->room = room_in(log_fd, bytes_max);
	r = open_tty(tty, &console->tty_fd, e);
	if (r < 0)
		return r;
	r = loop_io(loop, console->tty_fd, EPOLLIN, on_bytes, console,
		    &console->source, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(console);
	return 0;
}

void console_close(struct console *console)
{
	if (console == NULL)
		return;
	for (int i = 0; console->source != NULL && i < DRAIN_CHUNKS; i++)
		if (copy_chunk(console) <= 0)
			break;
	loop_source_free(console->source);
	fd_close(&console->tty_fd);
	fd_close(&console->log_fd);
	free(console);
}
