/* SPDX-License-Identifier: BSD-2-Clause */
/* What a guest writes to its console: the head is kept, and a note. */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "xen/console.h"

enum { TTY_BYTES = 2048 }; /* a terminal holds 4 KiB that nobody reads */

struct terminal {
	struct loop *loop;
	int master_fd;
	int slave_fd; /* keeps it alive between two consoles */
	int log_fd;
	char path[64];
};

static struct terminal terminal = { .master_fd = -1 };

static void close_terminal(void)
{
	loop_free(terminal.loop);
}

static void open_terminal(void)
{
	struct termios raw;
	struct err e = ERR_NONE;

	must(loop_new(&terminal.loop, &e) == 0);
	terminal.master_fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	must(terminal.master_fd >= 0 && grantpt(terminal.master_fd) == 0 &&
	     unlockpt(terminal.master_fd) == 0 &&
	     ptsname_r(terminal.master_fd, terminal.path,
		       sizeof(terminal.path)) == 0);
	terminal.slave_fd = open(terminal.path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	must(terminal.slave_fd >= 0 &&
	     tcgetattr(terminal.slave_fd, &raw) == 0);
	cfmakeraw(&raw);
	must(tcsetattr(terminal.slave_fd, TCSANOW, &raw) == 0);
	terminal.log_fd = fuzz_file("console.log");
	atexit(close_terminal);
}

static void check_log(const uint8_t *data, size_t size, size_t room)
{
	size_t head = size < room ? size : room;
	char bytes[2 * TTY_BYTES];
	ssize_t length = pread(terminal.log_fd, bytes, sizeof(bytes), 0);

	must(length >= (ssize_t)head);
	must(memcmp(bytes, data, head) == 0);
	if (size < room)
		must((size_t)length == size);
	else if (room > 0)
		must(memmem(bytes + head, (size_t)length - head,
			    "[xentest: ", 10) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct console *console = NULL;
	struct err e = ERR_NONE;
	size_t room;
	int fd;

	if (size < 2 || size > TTY_BYTES)
		return 0;
	if (terminal.master_fd < 0)
		open_terminal();
	room = (size_t)data[0] * 16;
	data++;
	size--;
	must(write(terminal.master_fd, data, size) == (ssize_t)size);
	fuzz_fill(terminal.log_fd, "", 0);
	fd = fcntl(terminal.log_fd, F_DUPFD_CLOEXEC, 0);
	must(lseek(fd, 0, SEEK_SET) == 0);
	must(console_open(terminal.loop, terminal.path, fd, room, &console,
			  &e) == 0);
	console_close(console);
	check_log(data, size, room);
	return 0;
}
