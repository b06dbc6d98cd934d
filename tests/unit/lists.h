/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_TESTS_LISTS_H
#define XENTEST_TESTS_LISTS_H

/*
 * A domain's list of tests, from a control file to its record. In the scratch
 * directory: "temp" is the tempdir, "local" has the results.
 */
#include "scratch.h"

#include <stdarg.h>

#include "run/testing.h"

#define BOOT "01234567-89ab-cdef-0123-456789abcdef"

struct fixture {
	struct scratch *scratch;
	struct loop *loop;
	struct control *control;
	struct testing testing;
	const char *boot_id; /* of the boot that begin_daemon() is in */
	struct err e;
	char steps[1024]; /* what progress was told: "LTP:build LTP:run LTP " */
};

static inline void on_progress(void *arg, const struct testing *testing)
{
	struct fixture *f = arg;
	size_t length = strlen(f->steps);

	if (testing->step == NULL &&
	    testing->fold->entries[testing->entry].state == FOLD_RUNNING)
		return; /* begun */
	snprintf(f->steps + length, sizeof(f->steps) - length, "%s%s%s ",
		 testing->about.test, testing->step == NULL ? "" : ":",
		 testing->step == NULL ? "" : testing->step);
}

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	void *scratch;

	if (scratch_setup(&scratch) < 0)
		return -1;
	f->scratch = scratch;
	f->boot_id = BOOT;
	make_dirs(f->scratch, "temp");
	make_dirs(f->scratch, "local");
	*state = f;
	return loop_new(&f->loop, &f->e);
}

/* Lets go of the record, as a daemon does that ends. */
static inline void end_daemon(struct fixture *f)
{
	record_close(f->testing.record);
	fold_free(f->testing.fold);
	fd_close(&f->testing.local_fd);
	fd_close(&f->testing.temp_fd);
	f->testing.record = NULL;
	f->testing.fold = NULL;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;
	void *scratch = f->scratch;

	if (f->testing.record != NULL)
		end_daemon(f);
	control_free(f->control);
	loop_free(f->loop);
	free(f);
	return scratch_teardown(&scratch);
}

#define LIST_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* @tests: the domain's keys and the sections of the tests. */
static inline void load(struct fixture *f, const char *tests)
{
	struct control_report report = {.file = "control"};
	CLEANUP(freep) char *text = NULL;
	CLEANUP(freep) char *said = NULL;

	assert_true(asprintf(&text,
			     "[DEFAULT]\nscratch = %s\n[Preferences]\n"
			     "xen-tree = none\nshared_dir = /srv/shared\n"
			     "environment = ALL=preferences\n"
			     "[XENVM0]\nname = bob13\ntempdir = %s/temp\n%s",
			     f->scratch->path, f->scratch->path, tests) > 0);
	control_load(text, strlen(text), "control", &report, &f->control,
		     &f->e);
	said = control_report_text(&report);
	control_report_done(&report);
	if (f->control == NULL)
		fail_msg("%s", said);
}

static inline void begin_daemon(struct fixture *f)
{
	struct testing *testing = &f->testing;

	*testing = (struct testing){
		.loop = f->loop,
		.control = f->control,
		.domain = &f->control->domains[0],
		.about = {.run = "run1", .domain = "bob13"},
		.hostname = "bob13.example.org",
		.boot_id = f->boot_id,
		.shared_dir = "/srv/shared",
		.local_fd = open_dir(f->scratch, "local"),
		.temp_fd = open_dir(f->scratch, "temp"),
		.cache_fd = -1,
		.progress = on_progress,
		.arg = f,
	};
	f->steps[0] = '\0';
	assert_int_equal(fold_new(testing->domain, &testing->fold, &f->e), 0);
	assert_int_equal(record_open(testing->local_fd, f->boot_id, &testing->record,
				     fold_event, testing->fold, &f->e),
			 0);
}

static inline void run(struct fixture *f, const char *tests)
{
	load(f, tests);
	begin_daemon(f);
	assert_int_equal(testing_run(&f->testing, &f->e), 0);
}

static inline void assert_ended(const struct fixture *f, size_t entry,
				const char *words)
{
	char buffer[320];

	assert_string_equal(
		fold_describe(&f->testing.fold->entries[entry], buffer), words);
}

/* For what depends on how busy the machine is. */
static inline void assert_begins(const struct fixture *f, size_t entry,
				 const char *words)
{
	char buffer[320];

	fold_describe(&f->testing.fold->entries[entry], buffer);
	assert_memory_equal(buffer, words, strlen(words));
}

/* The record says the same as what was folded on the way. */
static inline void assert_recorded(const struct fixture *f)
{
	CLEANUP(fold_freep) struct fold *fold = NULL;
	struct err e = ERR_NONE;

	assert_int_equal(fold_new(f->testing.domain, &fold, &e), 0);
	assert_int_equal(record_read(f->scratch->fd, "local/record.jsonl",
				     fold_event, fold, &e),
			 0);
	for (size_t i = 0; i < fold->count; i++) {
		char expected[320];

		fold_describe(&fold->entries[i], expected);
		assert_ended(f, i, expected);
	}
}

static inline bool log_has(const struct fixture *f, const char *path,
			   const char *words)
{
	CLEANUP(freep) char *text = NULL;
	struct err e = ERR_NONE;

	if (file_read(f->scratch->fd, path, 1 << 20, &text, NULL, &e) < 0)
		fail_msg("%s", e.text);
	return strstr(text, words) != NULL;
}

#endif
