/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_BOOT_MARKER_H
#define XENTEST_BOOT_MARKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/*
 * /etc/xen_start_tests, the thread that carries a run across reboots: while it
 * is there a run is between two boots or being tested. Root writes it, root
 * reads it; a few readable "key = value" lines. Units name it in
 * ConditionPathExists=.
 */

#define MARKER_DIR "etc"
#define MARKER_NAME "xen_start_tests"
#define MARKER_PATH "/" MARKER_DIR "/" MARKER_NAME

enum {
	MARKER_BYTES_MAX = 4096,
	/*
	 * Boots that one run may take: the first into Xen, those that tests
	 * ask for or cause, power cuts. Then it ends, whatever is left.
	 */
	MARKER_BOOTS_MAX = 100000,
};

enum marker_stage {
	MARKER_BOOT, /* xenbuildd arranged it: the new Xen must come up now */
	MARKER_TEST, /* xenstartdomsd has proven that boot */
};

struct marker {
	char run[64]; /* its id: lower-case letters, digits, '-' */
	enum marker_stage stage;
	char boot_id[37];   /* of the boot that wrote it */
	char build_id[129]; /* hex, of the Xen expected; empty: any will do */
	unsigned int boots_left; /* up to MARKER_BOOTS_MAX */
	uint64_t boot_timeout_s; /* until the boot must be proven */
	bool stay; /* on_failure = stay */
};

/**
 * marker_load() - read the marker
 * @root_fd: the root directory; stays the caller's
 * @ret:     written on success only
 *
 * Strict: an unknown, repeated or missing key, a value out of range and a last
 * line without its newline are errors, not guesses. The message tells to
 * remove the file to give the run up.
 *
 * Return: 0; -ENOENT when there is none; -EBADMSG when it makes no sense; or
 * another negative errno of file_read().
 */
int marker_load(int root_fd, struct marker *ret, struct err *e);

/**
 * marker_save() - write or replace the marker
 *
 * Once this returned 0 it survives a power cut; cut earlier, the old one
 * stands, or none.
 *
 * Return: 0; -EINVAL for a marker that marker_load() would refuse; or another
 * negative errno.
 */
int marker_save(int root_fd, const struct marker *marker, struct err *e);

/* Durably. Return: 0, also when there was none; or a negative errno. */
int marker_remove(int root_fd, struct err *e);

/* Is there one, readable or not? */
bool marker_exists(int root_fd);

/* "boot" or "test": as in the file. */
const char *marker_stage_text(enum marker_stage stage);

#endif
