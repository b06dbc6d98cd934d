/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_RUN_SUMMARY_H
#define XENTEST_RUN_SUMMARY_H

#include "base/err.h"
#include "base/json.h"

/**
 * summary_make() - everything about a run, folded from its records
 * @run_fd: its directory, finished or not
 * @ret:    one object: run, result, message, started, ended, xen: {…},
 *          stages: [{stage, state, message, seconds}], domains: [{domain,
 *          state, message, deaths, domid, trouble, tests: [{test, state, outcome, good, step,
 *          seconds}]}]; the caller frees it
 *
 * Return: 0 or a negative errno.
 */
int summary_make(int run_fd, struct json **ret, struct err *e);

/* The same for people. Return: the caller's to free; NULL without memory. */
char *summary_text(const struct json *summary);

#endif
