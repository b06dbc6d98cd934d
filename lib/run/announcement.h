/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_RUN_ANNOUNCEMENT_H
#define XENTEST_RUN_ANNOUNCEMENT_H

#include "base/err.h"

/**
 * announcement_check() - does what dom0 announces in xenstore make sense?
 * @run:    value of STORE_RUN: a run's id, as it becomes a part of paths
 * @shared: of STORE_SHARED: an absolute path
 * @digest: of STORE_DIGEST: a SHA-256 as digest_bytes() writes it
 *
 * Return: 0 or -EBADMSG.
 */
int announcement_check(const char *run, const char *shared, const char *digest,
		       struct err *e);

#endif
