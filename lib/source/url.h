/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_SOURCE_URL_H
#define XENTEST_SOURCE_URL_H

#include <stdbool.h>

#include "base/err.h"

/**
 * url_plain() - a URL as messages show it
 * @url: anything
 *
 * Leaves out user and password, and control characters.
 *
 * Return: the text, the caller's to free; NULL without memory.
 */
char *url_plain(const char *url);

/**
 * url_has_scheme() - does @url begin with @scheme and "://"?
 * @scheme: lower case; compared without case (RFC 3986, section 3.1)
 */
bool url_has_scheme(const char *url, const char *scheme);

/**
 * url_local_path() - the path that a file: URL or an absolute path names
 * @url: "file:///a%20b", "file://localhost/a", "/a"
 * @ret: the path, decoded; the caller's to free. NULL when @url is neither
 *
 * Return: 0, -EINVAL for a file: URL of another host or with a bad escape,
 * -ENOMEM.
 */
int url_local_path(const char *url, char **ret, struct err *e);

#endif
