/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_TESTS_HELPER_H
#define XENTEST_TESTS_HELPER_H

/* Python beside the tests: what makes archives, what serves them. */
#include "scratch.h"

#include <libgen.h>
#include <spawn.h>

#include "base/text.h"

/* Compilers are called from the build folder, and so are the tests. */
static inline char *helper_path(const char *name)
{
	CLEANUP(freep) char *file = strdup(__FILE__);
	char *path = text_format("%s/%s", dirname(file), name);

	assert_non_null(path);
	return path;
}

/* Starts python3 NAME ARGUMENT; stdout to @output_fd, stdin from @input_fd. */
static inline pid_t helper_start(const char *name, const char *argument,
				 int input_fd, int output_fd)
{
	CLEANUP(freep) char *path = helper_path(name);
	char python[] = "python3";
	char *copy = strdup(argument);
	char *argv[] = { python, path, copy, NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, input_fd, 0);
	posix_spawn_file_actions_adddup2(&actions, output_fd, 1);
	assert_int_equal(posix_spawnp(&pid, argv[0], &actions, NULL, argv,
				      environ),
			 0);
	posix_spawn_file_actions_destroy(&actions);
	free(copy);
	return pid;
}

static inline void helper_wait(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#endif
