/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_XEN_RUNNING_H
#define XENTEST_XEN_RUNNING_H

#include "base/err.h"

/*
 * What runs here, as the kernel tells everybody: no toolstack, no xenstore.
 */

enum running_role {
	RUNNING_NONE, /* no Xen below this kernel */
	RUNNING_DOM0,
	RUNNING_GUEST,
};

/* Texts are valid UTF-8 and plain; empty when Xen does not tell a guest. */
struct running {
	enum running_role role;
	char xen[64];		/* "4.17.7" */
	char changeset[128];
	char compiled[256];	/* by whom, when, with what */
	char build_id[129];	/* lower-case hex */
	char kernel[128];	/* release */
};

/**
 * running_read() - look at sysfs and procfs
 * @root_fd: the root directory, "/" but for tests; stays the caller's
 *
 * That it is dom0 is what /proc/xen/capabilities says; where xenfs is not
 * mounted, /sys/hypervisor/start_flags/initdomain, and where that is missing too
 * a /sys/hypervisor/uuid of zeros alone.
 *
 * @ret->build_id is empty when the kernel cut it short: an older one, 6.1 too,
 * ends it at its first zero byte, which one build in thirteen has. dom0 asks
 * domains_version() instead.
 *
 * Return: 0, also without Xen; a negative errno when even the kernel's
 * release cannot be read.
 * Source: Linux, Documentation/ABI/testing/sysfs-hypervisor-xen.
 */
int running_read(int root_fd, struct running *ret, struct err *e);

/* "no Xen", "dom0" or "guest". */
const char *running_role_text(enum running_role role);

#endif
