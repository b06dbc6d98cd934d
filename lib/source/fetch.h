/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_SOURCE_FETCH_H
#define XENTEST_SOURCE_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "source/digest.h"

struct fetch_job {
	const char *url;    /* http, https or ftp */
	const char *sha256; /* that it must have; NULL: any */
	/*
	 * Keeps downloads and the parts of broken ones; -1: nothing is kept,
	 * and the download lies unnamed in work_fd.
	 */
	int cache_fd;
	int work_fd;
	unsigned int retries;  /* after failures that may pass */
	unsigned int pause_ms; /* before the first retry, then doubled */
	unsigned int stall_s;  /* without a byte; 0: a minute */
	uint64_t bytes_max;
};

struct fetch_result {
	int fd; /* the download, open for reading; the caller's */
	uint64_t bytes;
	char sha256[DIGEST_HEX];
};

/**
 * fetch() - download a file, or find it in the cache
 * @job: what and where
 * @ret: the download, of the digest that was wanted
 * @e:   "URL: reason; what to do", without the URL's password
 *
 * A cached file is used without asking when it has the wanted digest, else
 * when the server says that it has not changed (RFC 9110, section 13). A
 * partial download is resumed when the server proves that the file is still
 * the same (If-Range), or when a digest will tell. Server certificates are
 * verified; redirects go to http and https only, and from https to http only
 * when a digest will tell. Waits while another process fetches the same URL
 * into the same cache.
 *
 * Return: 0; -ENOENT (404 and the like), -EBADMSG (another digest; the file is
 * dropped), -EFBIG, -ENOSPC, -EACCES (401, 403, login), -EPERM (TLS,
 * redirect), -ETIMEDOUT, -ECONNREFUSED, -EHOSTUNREACH, -EIO.
 */
int fetch(const struct fetch_job *job, struct fetch_result *ret,
	  struct err *e);

#endif
