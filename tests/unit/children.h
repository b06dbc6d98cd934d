/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_TESTS_CHILDREN_H
#define XENTEST_TESTS_CHILDREN_H

/* A loop, a scratch directory, and what a child is to be. */
#include "scratch.h"

#include <signal.h>

#include "base/child.h"

struct fixture {
	struct scratch *scratch;
	struct loop *loop;
	struct child_spec spec;
	struct child_result result;
	const char *argv[4];
	struct err e;
};

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	void *scratch;

	if (scratch_setup(&scratch) < 0)
		return -1;
	f->scratch = scratch;
	f->spec = CHILD_SPEC_NONE;
	f->spec.name = "step";
	*state = f;
	return loop_new(&f->loop, &f->e);
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;
	void *scratch = f->scratch;

	fd_close(&f->spec.output_fd);
	loop_free(f->loop);
	free(f);
	return scratch_teardown(&scratch);
}

/* Output goes to the file "log" of the scratch directory. */
static inline void open_log(struct fixture *f)
{
	f->spec.output_fd =
		openat(f->scratch->fd, "log",
		       O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	assert_true(f->spec.output_fd >= 0);
}

static inline void run(struct fixture *f)
{
	assert_int_equal(child_run(f->loop, &f->spec, NULL, &f->result, &f->e),
			 0);
}

static inline void run_shell(struct fixture *f, const char *command)
{
	f->argv[0] = "/bin/sh";
	f->argv[1] = "-c";
	f->argv[2] = command;
	f->spec.argv = f->argv;
	f->spec.dir_fd = f->scratch->fd;
	run(f);
}

static inline void assert_described(const struct fixture *f, const char *words)
{
	char buffer[96];

	assert_string_equal(child_describe(&f->result, buffer), words);
}

/* A zombie is not. */
static inline bool is_alive(const struct scratch *s, const char *pid_file)
{
	CLEANUP(freep) char *text = NULL;
	CLEANUP(freep) char *stat = NULL;
	struct err e = ERR_NONE;
	char path[64];

	assert_int_equal(file_read(s->fd, pid_file, 32, &text, NULL, &e), 0);
	snprintf(path, sizeof(path), "/proc/%d/stat", atoi(text));
	if (file_read(AT_FDCWD, path, 4096, &stat, NULL, &e) < 0)
		return false;
	return strstr(stat, ") Z ") == NULL;
}

#define CHILD_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
