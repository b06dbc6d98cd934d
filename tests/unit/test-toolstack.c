/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>

#include "base/file.h"
#include "xen/toolstack.h"

/* An xl of our own stands first in PATH; its text is the test's. */
struct fixture {
	char dir[64];
	int dir_fd;
	struct loop *loop;

	bool done;
	int r;
	struct err e;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char path[128];
	struct err e = ERR_NONE;

	strcpy(f->dir, "/tmp/test-toolstack.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->dir_fd = open(f->dir, O_RDONLY | O_DIRECTORY);
	snprintf(path, sizeof(path), "%s:/usr/bin:/bin", f->dir);
	setenv("PATH", path, 1);
	assert_int_equal(loop_new(&f->loop, &e), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_NONE;

	loop_free(f->loop);
	close(f->dir_fd);
	file_remove_tree(AT_FDCWD, f->dir, &e);
	free(f);
	return 0;
}

static void put(struct fixture *f, const char *name, const char *text)
{
	struct err e = ERR_NONE;

	assert_int_equal(file_write_atomic(f->dir_fd, name, text, strlen(text),
					   0755, &e),
			 0);
}

static void on_done(void *arg, int r, const struct err *e)
{
	struct fixture *f = arg;

	f->r = r;
	f->e = *e;
	f->done = true;
}

static int wait_for(struct fixture *f)
{
	struct err e = ERR_NONE;

	assert_int_equal(loop_run(f->loop, &f->done, &e), 0);
	return f->r;
}

static int create(struct fixture *f, const char *config, uint64_t limit_usec)
{
	struct err e = ERR_NONE;

	assert_int_equal(toolstack_create_paused(f->loop, config, limit_usec,
						 on_done, f, NULL, &e),
			 0);
	return wait_for(f);
}

static void create_asks_for_a_paused_domain(void **state)
{
	struct fixture *f = *state;
	CLEANUP(freep) char *asked = NULL;
	struct err e = ERR_NONE;

	put(f, "xl", "#!/bin/sh\necho \"$@\" > ${0%/xl}/asked\n");
	assert_int_equal(create(f, "/etc/xen/vm=1.cfg", 0), 0);
	assert_int_equal(file_read(f->dir_fd, "asked", 100, &asked, NULL, &e),
			 0);
	assert_string_equal(asked, "create -p -f /etc/xen/vm=1.cfg\n");
}

static void a_failure_quotes_the_last_words(void **state)
{
	struct fixture *f = *state;

	put(f, "xl",
	    "#!/bin/sh\necho first\necho second >&2\necho third\n"
	    "printf 'f\\033ourth\\n'\nexit 3\n");
	assert_int_equal(create(f, "/x.cfg", 0), -EPROTO);
	assert_string_equal(
		f->e.text,
		"xl create /x.cfg: exit status 3: second; third; f?ourth");
}

static void a_silent_failure_is_still_one(void **state)
{
	struct fixture *f = *state;

	put(f, "xl", "#!/bin/sh\nexit 1\n");
	assert_int_equal(create(f, "/x.cfg", 0), -EPROTO);
	assert_string_equal(f->e.text, "xl create /x.cfg: exit status 1");
}

static void endless_words_are_cut(void **state)
{
	struct fixture *f = *state;

	put(f, "xl",
	    "#!/bin/sh\nhead -c 100000 /dev/zero | tr '\\0' a\nexit 1\n");
	assert_int_equal(create(f, "/x.cfg", 0), -EPROTO);
	assert_true(strlen(f->e.text) < 600);
}

static void a_missing_xl_is_told_apart(void **state)
{
	struct fixture *f = *state;

	setenv("PATH", f->dir, 1);
	assert_int_equal(create(f, "/x.cfg", 0), -ENOENT);
	assert_string_equal(
		f->e.text,
		"xl create /x.cfg: cannot start xl: No such file or directory; are Xen's tools installed?");
}

static void an_xl_that_hangs_is_ended(void **state)
{
	struct fixture *f = *state;

	put(f, "xl", "#!/bin/sh\necho waiting\nexec sleep 60\n");
	assert_int_equal(create(f, "/x.cfg", 200000), -ETIMEDOUT);
	assert_non_null(strstr(f->e.text, "timed out after 0."));
	assert_non_null(strstr(f->e.text, ": waiting"));
}

static void a_call_can_be_cancelled(void **state)
{
	struct fixture *f = *state;
	struct toolstack *call = NULL;
	struct err e = ERR_NONE;

	put(f, "xl", "#!/bin/sh\nexec sleep 60\n");
	assert_int_equal(
		toolstack_destroy(f->loop, 7, on_done, f, &call, &e), 0);
	toolstack_cancel(call);
	assert_int_equal(wait_for(f), -ECANCELED);
	assert_string_equal(f->e.text, "xl destroy 7: stopped by us");
}

static void an_xl_that_was_ended_is_gone(void **state)
{
	struct fixture *f = *state;

	put(f, "xl",
	    "#!/bin/sh\ntrap '' TERM\nsleep 1\necho alive > ${0%/xl}/mark\n");
	assert_int_equal(create(f, "/x.cfg", 200000), -ETIMEDOUT);
	usleep(1500000);
	assert_int_equal(faccessat(f->dir_fd, "mark", F_OK, 0), -1);
}

static void an_xl_that_crashes_is_told_apart(void **state)
{
	struct fixture *f = *state;

	put(f, "xl", "#!/bin/sh\nkill -SEGV $$\n");
	assert_int_equal(create(f, "/x.cfg", 0), -EPROTO);
	assert_string_equal(
		f->e.text,
		"xl create /x.cfg: signal 11 (Segmentation fault)");
}

static void what_xl_leaves_behind_lives_on(void **state)
{
	struct fixture *f = *state;

	/* As xl create: it may end before that process calls setsid(). */
	put(f, "xl",
	    "#!/bin/sh\nsh -c 'sleep 0.5; echo alive > ${0%/xl}/mark' "
	    "$0 >/dev/null 2>&1 &\n");
	assert_int_equal(create(f, "/x.cfg", 0), 0);
	usleep(800000);
	assert_int_equal(faccessat(f->dir_fd, "mark", F_OK, 0), 0);
}

static void xen_messages_go_to_the_file(void **state)
{
	struct fixture *f = *state;
	CLEANUP(fd_close) int fd = memfd_create("dmesg", MFD_CLOEXEC);
	struct err e = ERR_NONE;
	char got[32] = "";

	put(f, "xl", "#!/bin/sh\necho \"(XEN) $1\"\n");
	assert_int_equal(toolstack_dmesg(f->loop, fd, on_done, f, NULL, &e), 0);
	assert_int_equal(wait_for(f), 0);
	assert_true(pread(fd, got, sizeof(got) - 1, 0) > 0);
	assert_string_equal(got, "(XEN) dmesg\n");
}

static void a_domain_is_named_by_its_number(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_NONE;

	put(f, "xl", "#!/bin/sh\necho \"$@\"\nexit 1\n");
	assert_int_equal(
		toolstack_shutdown(f->loop, 12, on_done, f, NULL, &e), 0);
	assert_int_equal(wait_for(f), -EPROTO);
	assert_string_equal(f->e.text,
			    "xl shutdown 12: exit status 1: shutdown -F 12");
}

static void the_name_in_a_config_is_found(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *config;
		const char *name;
	} cases[] = {
		{ "# c\nname = \"vm1\"\nmemory=1\n", "vm1" },
		{ "name='a b' # why\n", "a b" },
		{ "kernel='k'; name = \"x\"\n", "x" },
		{ "name=\"first\"\n name = \"second\"\n", "second" },
		{ "namespace = \"x\"\n#name=\"y\"\n", NULL },
		{ "name = \"open\n", NULL },
		{ "", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(freep) char *name = NULL;
		char path[128];

		put(f, "vm.cfg", cases[i].config);
		snprintf(path, sizeof(path), "%s/vm.cfg", f->dir);
		name = toolstack_config_name(path);
		if (cases[i].name == NULL)
			assert_null(name);
		else
			assert_string_equal(name, cases[i].name);
	}
	assert_null(toolstack_config_name("/nonexistent"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(create_asks_for_a_paused_domain),
		TEST(a_failure_quotes_the_last_words),
		TEST(a_silent_failure_is_still_one),
		TEST(endless_words_are_cut),
		TEST(a_missing_xl_is_told_apart),
		TEST(an_xl_that_hangs_is_ended),
		TEST(a_call_can_be_cancelled),
		TEST(an_xl_that_was_ended_is_gone),
		TEST(an_xl_that_crashes_is_told_apart),
		TEST(what_xl_leaves_behind_lives_on),
		TEST(xen_messages_go_to_the_file),
		TEST(a_domain_is_named_by_its_number),
		TEST(the_name_in_a_config_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
