/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * In place of lib/boot/reboot.c: a line in XENTEST_FAKE_XEN/reboots; the machine
 * goes down while XENTEST_FAKE_XEN/stopping is there.
 */
#include "boot/reboot.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"

bool reboot_is_under_way(void)
{
	const char *dir = getenv("XENTEST_FAKE_XEN");
	char path[4096];

	snprintf(path, sizeof(path), "%s/stopping", dir == NULL ? "" : dir);
	return access(path, F_OK) == 0;
}

int reboot_now(struct err *e)
{
	CLEANUP(fd_close) int fd = -1;
	const char *dir = getenv("XENTEST_FAKE_XEN");
	char path[4096];

	if (dir == NULL)
		return err_set(e, -ENOENT, "reboot: none faked");
	snprintf(path, sizeof(path), "%s/reboots", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, "reboot\n", 7) != 7)
		return err_errno(e, "write %s", path);
	return 0;
}
