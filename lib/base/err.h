/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_BASE_ERR_H
#define XENTEST_BASE_ERR_H

#include <errno.h>

/**
 * struct err - one sentence about what went wrong, widest step first
 * @text: "compile xen-unstable: start make: No such file or directory"
 *
 * Functions that can fail take one as the last argument and return 0 or a
 * negative errno. Library code fills it in and never logs; each caller adds
 * what it was doing with err_wrap(). A text that does not fit is cut short.
 */
struct err {
	char text[1024];
};

#define ERR_NONE ((struct err){ .text = "" })

/**
 * err_set() - describe a failure that has no errno of its own
 * @e:      filled in
 * @number: the negative errno to answer
 * @format: the sentence
 *
 * Return: @number, so that a caller can return it on the same line.
 */
int err_set(struct err *e, int number, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * err_errno() - describe the failed libc call on the line above
 * @e:      filled in with @format, ": " and strerror(errno)
 * @format: what was tried
 *
 * Return: -errno.
 */
int err_errno(struct err *e, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * err_wrap() - add in front what the caller was doing
 * @e:      gets "@format: " before what it says
 * @number: the negative errno to pass on
 * @format: the wider step
 *
 * Return: @number.
 */
int err_wrap(struct err *e, int number, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
