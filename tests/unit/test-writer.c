/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/writer.h"

struct fixture {
	struct loop *loop;
	char dir[32];
	int dir_fd;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err e = ERR_NONE;

	snprintf(f->dir, sizeof(f->dir), "/tmp/xentest-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->dir_fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(loop_new(&f->loop, &e), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	unlinkat(f->dir_fd, "file", 0);
	close(f->dir_fd);
	rmdir(f->dir);
	loop_free(f->loop);
	free(f);
	return 0;
}

static int open_for_writing(const struct fixture *f)
{
	return openat(f->dir_fd, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
}

static int close_it(void *arg)
{
	int *fd = arg;

	close(*fd);
	*fd = -1;
	return 0;
}

static void a_file_that_nobody_writes_is_not_waited_for(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_NONE;

	close(open_for_writing(f));
	assert_int_equal(writer_wait(f->loop, f->dir_fd, "file", 0, &e), 0);
}

static void no_file_is_not_waited_for(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_NONE;

	assert_int_equal(writer_wait(f->loop, f->dir_fd, "file", 0, &e), 0);
}

static void the_wait_ends_when_the_writer_closes(void **state)
{
	CLEANUP(loop_source_freep) struct loop_source *timer = NULL;
	struct fixture *f = *state;
	struct err e = ERR_NONE;
	int fd = open_for_writing(f);

	assert_int_equal(loop_timer(f->loop, 50000, close_it, &fd, &timer, &e),
			 0);
	assert_int_equal(
		writer_wait(f->loop, f->dir_fd, "file", 60000000, &e), 0);
	assert_int_equal(fd, -1);
}

static void a_writer_that_never_closes_is_not_waited_for_longer(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_NONE;
	int fd = open_for_writing(f);

	assert_int_equal(writer_wait(f->loop, f->dir_fd, "file", 1000, &e),
			 -ETIMEDOUT);
	assert_string_equal(e.text, "file is still being written after 0.0s");
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_that_nobody_writes_is_not_waited_for),
		TEST(no_file_is_not_waited_for),
		TEST(the_wait_ends_when_the_writer_closes),
		TEST(a_writer_that_never_closes_is_not_waited_for_longer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
