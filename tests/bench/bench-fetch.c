/* SPDX-License-Identifier: BSD-2-Clause */
/* What tests/bench/fetch.py measures: one source_get() into a directory. */
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "source/source.h"

static int get(const char *url, const char *directory, const char *cache,
	       struct err *e)
{
	const struct control_source source = {
		.url = url,
		.kind = CONTROL_KIND_TAR,
	};
	struct source_job job = {
		.source = &source,
		.cache_fd = -1,
		.name = "tree",
	};
	CLEANUP(fd_close) int work_fd = -1;
	CLEANUP(fd_close) int cache_fd = -1;
	struct source_result result;
	int r;

	r = file_open_dir(AT_FDCWD, directory, &work_fd, e);
	if (r == 0 && cache != NULL)
		r = file_open_dir(AT_FDCWD, cache, &cache_fd, e);
	if (r < 0)
		return r;
	job.work_fd = work_fd;
	job.cache_fd = cache_fd;
	return source_get(&job, &result, e);
}

/* Not ru_maxrss: that begins with what the caller had before exec(). */
static void print_peak(void)
{
	CLEANUP(file_closep) FILE *status = fopen("/proc/self/status", "re");
	char line[256];

	while (status != NULL && fgets(line, sizeof(line), status) != NULL)
		if (strncmp(line, "VmHWM:", 6) == 0)
			fputs(line, stdout);
}

int main(int argc, char *argv[])
{
	struct err e = ERR_NONE;

	if (argc < 3) {
		fprintf(stderr, "usage: %s URL DIRECTORY [CACHE]\n", argv[0]);
		return 2;
	}
	if (get(argv[1], argv[2], argv[3], &e) == 0) {
		print_peak();
		return EXIT_SUCCESS;
	}
	fprintf(stderr, "%s\n", e.text);
	return EXIT_FAILURE;
}
