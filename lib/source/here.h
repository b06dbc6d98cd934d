/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_SOURCE_HERE_H
#define XENTEST_SOURCE_HERE_H

#include "source/source.h"

/**
 * source_get_here() - source_get(), in this very process
 *
 * Whoever refers to it is linked with libcurl and libarchive and what those
 * need. Runs git, rsync and cp, starts a thread and changes the umask
 * meanwhile.
 *
 * Return: as source_get(), without -ENOPKG and -EPROTO.
 */
int source_get_here(const struct source_job *job, struct source_result *ret,
		    struct err *e);

#endif
