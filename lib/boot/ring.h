/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_BOOT_RING_H
#define XENTEST_BOOT_RING_H

#include "base/err.h"

/*
 * The console ring of a Xen that has ended: where the firmware does not clear
 * memory over a reset, plain Linux finds it there, and its last words tell why
 * the machine went down. A power cut leaves none.
 */

enum {
	/* As conring_size in our boot entry: xen-command-line(7). */
	RING_BYTES_MAX = 1024 * 1024,
	RING_MARK_MAX = 64,
};

/* Why Xen took the machine down, as its last words tell. */
enum ring_end {
	RING_SILENT,	    /* none of the following */
	RING_REBOOT,	    /* dom0 asked for a reboot, or a power off */
	RING_DOM0_CRASH,
	RING_DOM0_WATCHDOG, /* dom0 did not feed it */
	RING_PANIC,
	RING_WATCHDOG,	    /* Xen's own: a processor was stuck */
};

/**
 * ring_mark() - the word that tells one boot's ring from all others
 * @run:    the run's id
 * @number: of the boot within the run
 * @mark:   filled in: "xentest-20261123-200000-1a2b3c4d-3"
 *
 * It stands on Xen's command line, in the place of the file's name, which Xen
 * prints but does not look at.
 */
void ring_mark(const char *run, unsigned int number,
	       char mark[static RING_MARK_MAX]);

/**
 * ring_find() - look for a ring in this machine's memory
 * @root_fd: below it lies proc/kcore: proc(5); root only
 * @mark:    a word of its line "(XEN) Command line: …"
 * @ret:     its lines from that one on, up to the first that is not Xen's;
 *           the caller's. Of several the longest
 *
 * Reads all of the memory, some seconds a gigabyte: for a child with a time
 * limit, on plain Linux, early in the boot. What the memory was used for since
 * is missing, so that the end of a ring may be.
 *
 * Return: 0; -ENOENT when there is none; another negative errno when the
 * memory cannot be read: -ENODEV without kcore, -EPERM where the kernel is
 * locked down.
 */
int ring_find(int root_fd, const char *mark, char **ret, struct err *e);

/**
 * ring_end_of() - the last words of a ring
 * @text:     as from ring_find(), or `xl dmesg`
 * @line:     filled in with the line that tells, plain; "" for RING_SILENT
 *
 * Source: Xen, common/shutdown.c, hwdom_shutdown(); arch/x86/nmi.c,
 * nmi_watchdog_tick(); drivers/char/console.c, panic(); the same from 4.14 to 4.22.
 */
enum ring_end ring_end_of(const char *text, char line[static 160]);

#endif
