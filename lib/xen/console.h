/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_XEN_CONSOLE_H
#define XENTEST_XEN_CONSOLE_H

#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"

/*
 * A guest's console, kept in a file from the first byte: open it while the
 * domain is paused.
 */
struct console;

/* Of a log; a guest that prints without end must not fill the disk. */
#define CONSOLE_BYTES_MAX (UINT64_C(64) * 1024 * 1024)

/**
 * console_open() - copy what comes from a terminal to a file, in the loop
 * @tty:       its path below /dev, as xenconsoled or qemu put it in xenstore:
 *             console/tty, or serial/0/tty for HVM
 * @log_fd:    appended to; taken over, also on failure
 * @bytes_max: what @log_fd may hold. The head is kept: a last line says that
 *             the rest was left out, and the guest is still read so that it
 *             does not wait for us
 * @ret:       release with console_close()
 *
 * Nothing is ever sent to the guest: the terminal is raw and does not echo.
 * Only one process should read a terminal: `xl console` beside us takes lines
 * away.
 *
 * Return: 0; -EINVAL for a path outside /dev or no terminal; -ENOENT, -EIO.
 */
int console_open(struct loop *loop, const char *tty, int log_fd,
		 uint64_t bytes_max, struct console **ret, struct err *e);

/* Takes what is left in the terminal, without waiting. NULL is fine. */
void console_close(struct console *console);
void console_closep(struct console **console);

#endif
