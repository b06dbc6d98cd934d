/* SPDX-License-Identifier: BSD-2-Clause */
#include "fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"

/*
 * replay DIR: gives a target every file of its corpus, without libFuzzer and
 * with any compiler. What was found once is never found again.
 */
enum { INPUT_BYTES_MAX = 16 * 1024 * 1024 };

static void replay(int dir_fd, const char *name)
{
	CLEANUP(freep) char *bytes = NULL;
	CLEANUP(freep) uint8_t *exact = NULL;
	struct err e = ERR_NONE;
	size_t length;

	must(file_read(dir_fd, name, INPUT_BYTES_MAX, &bytes, &length, &e) ==
	     0);
	/* Without the NUL behind it, so that one byte too far is seen. */
	exact = malloc(length);
	must(exact != NULL || length == 0);
	if (length > 0)
		memcpy(exact, bytes, length);
	fprintf(stderr, "%s: %zu bytes\n", name, length);
	LLVMFuzzerTestOneInput(exact, length);
}

int main(int argc, char *argv[])
{
	CLEANUP(dir_closep) DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	const struct dirent *entry;
	unsigned int count = 0;

	if (dir == NULL) {
		fprintf(stderr, "usage: %s DIR: %m\n", argv[0]);
		return 2;
	}
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.') {
			replay(dirfd(dir), entry->d_name);
			count++;
		}
	printf("%u inputs\n", count);
	return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
