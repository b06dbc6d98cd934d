/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "xen/console.h"

/* A pseudo terminal, as xenconsoled offers one. */
struct fixture {
	struct loop *loop;
	int master_fd;
	int log_fd; /* ours; the console has a duplicate */
	char tty[64];
	bool done;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err e = ERR_NONE;

	assert_int_equal(loop_new(&f->loop, &e), 0);
	f->master_fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(f->master_fd >= 0);
	assert_int_equal(grantpt(f->master_fd), 0);
	assert_int_equal(unlockpt(f->master_fd), 0);
	assert_int_equal(ptsname_r(f->master_fd, f->tty, sizeof(f->tty)), 0);
	f->log_fd = memfd_create("log", MFD_CLOEXEC);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	loop_free(f->loop);
	fd_close(&f->master_fd);
	close(f->log_fd);
	free(f);
	return 0;
}

static int stop(void *arg)
{
	bool *done = arg;

	*done = true;
	return 0;
}

static void run_for(struct fixture *f, uint64_t usec)
{
	CLEANUP(loop_source_freep) struct loop_source *timer = NULL;
	struct err e = ERR_NONE;

	f->done = false;
	assert_int_equal(
		loop_timer(f->loop, usec, stop, &f->done, &timer, &e), 0);
	assert_int_equal(loop_run(f->loop, &f->done, &e), 0);
}

static struct console *open_console(struct fixture *f, uint64_t max)
{
	struct console *console = NULL;
	struct err e = ERR_NONE;

	assert_int_equal(console_open(f->loop, f->tty, dup(f->log_fd), max,
				      &console, &e),
			 0);
	return console;
}

static void print(struct fixture *f, const char *text)
{
	assert_int_equal(write(f->master_fd, text, strlen(text)),
			 (ssize_t)strlen(text));
}

static void assert_log(struct fixture *f, const char *text)
{
	char got[512] = "";

	assert_true(pread(f->log_fd, got, sizeof(got) - 1, 0) >= 0);
	assert_string_equal(got, text);
}

static void every_byte_is_kept(void **state)
{
	struct fixture *f = *state;
	struct console *console = open_console(f, 1000);

	print(f, "one\r\n\x03\x04two\x1b[0m");
	run_for(f, 50000);
	assert_log(f, "one\r\n\x03\x04two\x1b[0m");
	console_close(console);
}

static void nothing_is_sent_back_to_the_guest(void **state)
{
	struct fixture *f = *state;
	struct console *console = open_console(f, 1000);
	char echo[16];

	print(f, "login: ");
	run_for(f, 50000);
	fcntl(f->master_fd, F_SETFL, O_NONBLOCK);
	assert_int_equal(read(f->master_fd, echo, sizeof(echo)), -1);
	assert_int_equal(errno, EAGAIN);
	console_close(console);
}

static void a_full_log_keeps_the_head_and_says_so(void **state)
{
	struct fixture *f = *state;
	struct console *console = open_console(f, 4);

	print(f, "abcdef");
	run_for(f, 50000);
	print(f, "ghi");
	run_for(f, 50000);
	assert_log(f,
		   "abcd\n[xentest: the console log is full, the rest is left out]\n");
	console_close(console);
}

static void what_the_log_has_already_counts(void **state)
{
	struct fixture *f = *state;
	struct console *console;

	assert_int_equal(write(f->log_fd, "12345", 5), 5);
	console = open_console(f, 5);
	print(f, "x");
	run_for(f, 50000);
	console_close(console);
	assert_log(f, "12345");
}

static void closing_takes_what_is_left(void **state)
{
	struct fixture *f = *state;
	struct console *console = open_console(f, 1000);

	print(f, "last words");
	console_close(console); /* the loop did not run */
	assert_log(f, "last words");
}

static void the_end_of_the_domain_is_no_failure(void **state)
{
	struct fixture *f = *state;
	struct console *console = open_console(f, 1000);
	clock_t before;

	print(f, "panic");
	run_for(f, 50000);
	fd_close(&f->master_fd);
	f->master_fd = -1;
	before = clock();
	run_for(f, 300000);
	assert_log(f, "panic");
	/* No spinning on a descriptor that stays readable. */
	assert_true(clock() - before < CLOCKS_PER_SEC / 100);
	console_close(console);
}

static void only_a_terminal_is_opened(void **state)
{
	static const struct {
		const char *tty;
		int r;
		const char *text;
	} cases[] = {
		{ "/etc/passwd", -EINVAL, "\"/etc/passwd\" is no terminal" },
		{ "", -EINVAL, "\"\" is no terminal" },
		{ "/dev/../etc/passwd", -EINVAL,
		  "\"/dev/../etc/passwd\" is no terminal" },
		{ "/dev/null", -EINVAL, "/dev/null is no terminal" },
		{ "/dev/pts/99999", -ENOENT,
		  "open /dev/pts/99999: No such file or directory" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct console *console = NULL;
		struct err e = ERR_NONE;

		assert_int_equal(console_open(f->loop, cases[i].tty,
					      dup(f->log_fd), 10, &console,
					      &e),
				 cases[i].r);
		assert_string_equal(e.text, cases[i].text);
		assert_null(console);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_byte_is_kept),
		TEST(nothing_is_sent_back_to_the_guest),
		TEST(a_full_log_keeps_the_head_and_says_so),
		TEST(what_the_log_has_already_counts),
		TEST(closing_takes_what_is_left),
		TEST(the_end_of_the_domain_is_no_failure),
		TEST(only_a_terminal_is_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
