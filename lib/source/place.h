/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_SOURCE_PLACE_H
#define XENTEST_SOURCE_PLACE_H

#include "base/err.h"

/*
 * A hidden directory beside the final place, for a tree that is not whole yet.
 * It is locked while in use, so that leftovers of killed processes can be told
 * from the work of others.
 */
struct place {
	int work_fd; /* borrowed */
	int fd;	     /* of the hidden directory; -1: none */
	char name[64];
};

#define PLACE_NONE ((struct place){ .work_fd = -1, .fd = -1 })

/**
 * place_open() - make the hidden directory, after removing leftovers
 * @place:   PLACE_NONE; place_close() it
 * @work_fd: borrowed until then
 *
 * Return: 0 or a negative errno.
 */
int place_open(struct place *place, int work_fd, struct err *e);

/**
 * place_commit() - move everything in the hidden directory into place
 * @ret_top: the one directory that was moved, or empty when there were
 *           several entries
 *
 * What stands there under the same name is moved to the trash directory first.
 *
 * Return: 0 or a negative errno; -EEXIST for names that are ours.
 */
int place_commit(struct place *place, char ret_top[static 256], struct err *e);

/* Remove the hidden directory with what is still in it. */
void place_close(struct place *place);

/**
 * place_clean() - remove trash and leftovers
 *
 * Return: 0 or a negative errno.
 */
int place_clean(int work_fd, struct err *e);

#endif
