/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_TESTS_WEB_H
#define XENTEST_TESTS_WEB_H

/* fetch-server.py, serving a directory of its own. */
#include "helper.h"

struct web {
	struct scratch *files; /* what it serves */
	int stdin_fd;	       /* ends it when closed */
	pid_t pid;
	int port, tls_port, ftp_port;
};

static inline int web_start(struct web *web)
{
	int to[2], from[2];
	FILE *answer;

	if (scratch_setup((void **)&web->files) != 0 ||
	    pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0)
		return -1;
	web->pid = helper_start("fetch-server.py", web->files->path, to[0],
				from[1]);
	close(to[0]);
	close(from[1]);
	web->stdin_fd = to[1];
	answer = fdopen(from[0], "re");
	if (answer == NULL || fscanf(answer, "%d %d %d%*c", &web->port,
				     &web->tls_port, &web->ftp_port) != 3)
		return -1;
	return fclose(answer);
}

static inline int web_stop(struct web *web)
{
	close(web->stdin_fd);
	helper_wait(web->pid);
	return scratch_teardown((void **)&web->files);
}

/* "http://127.0.0.1:PORT/HOW/FILE", the caller's to free. */
static inline char *web_url(const struct web *web, const char *path)
{
	char *url = text_format("http://127.0.0.1:%d/%s", web->port, path);

	assert_non_null(url);
	return url;
}

#endif
