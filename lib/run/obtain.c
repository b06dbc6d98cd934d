/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/obtain.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "source/source.h"

/* A tree without names of its own is called as test_dir begins. */
static void first_part(const char *path, char name[static 256])
{
	size_t length;

	path += strspn(path, "./");
	length = strcspn(path, "/");
	snprintf(name, 256, "%.*s", (int)(length < 255 ? length : 255), path);
}

static int check_test_dir(const struct obtain_job *job, const char *top,
			  struct err *e)
{
	struct stat st;

	if (fstatat(job->temp_fd, job->test_dir, &st, 0) == 0 &&
	    S_ISDIR(st.st_mode))
		return 0;
	if (top[0] == '\0')
		return err_set(e, -ENOENT,
			       "%s made no directory \"%s\"; correct test_dir",
			       job->source->url, job->test_dir);
	return err_set(e, -ENOENT,
		       "%s made \"%s\", not \"%s\"; correct test_dir",
		       job->source->url, top, job->test_dir);
}

int obtain(void *arg, struct err *e)
{
	const struct obtain_job *job = arg;
	char name[256];
	struct source_job source = {
		.source = job->source,
		.cache_fd = job->cache_fd,
		.work_fd = job->temp_fd,
		.name = name,
		.retries = job->retries,
	};
	struct source_result result = { .top = "" };
	int r;

	first_part(job->test_dir, name);
	r = source_get(&source, &result, e);
	if (r == 0)
		r = check_test_dir(job, result.top, e);
	if (r < 0)
		return r;
	/* What exactly it was belongs into the record. */
	if (result.commit[0] != '\0')
		err_set(e, 0, "done, commit %s", result.commit);
	else if (result.sha256[0] != '\0')
		err_set(e, 0, "done, sha256 %s", result.sha256);
	else
		err_set(e, 0, "done");
	return 0;
}
