/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_CONTROL_CONTROL_H
#define XENTEST_CONTROL_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

/*
 * The control file, read and checked: xentest.conf(5). Which of the two
 * syntaxes it was written in cannot be told any more. All strings are
 * expanded, belong to the struct control, and are NULL when the key is
 * missing or empty, unless a member says otherwise.
 */

enum {
	CONTROL_BYTES_MAX = 1024 * 1024,
	CONTROL_NAME_MAX = 64, /* of a domain's host name */
};

/* A limit that the file lifts with "none". */
#define CONTROL_NO_LIMIT UINT64_MAX

enum control_kind {
	CONTROL_KIND_TAR,
	CONTROL_KIND_GIT,
	CONTROL_KIND_RSYNC,
	CONTROL_KIND_DIR,
	CONTROL_KIND_AUTO, /* tar or directory: a file: URL or plain path */
};

enum control_boot {
	CONTROL_BOOT_AUTO,
	CONTROL_BOOT_GRUB,
	CONTROL_BOOT_COMMAND,
	CONTROL_BOOT_NONE,
};

enum control_on_failure {
	CONTROL_FALLBACK,
	CONTROL_STAY,
};

/* After a guest's crash: on_crash, on_watchdog. */
enum control_on_crash {
	CONTROL_RESTART,
	CONTROL_GIVE_UP,
};

/* Exit statuses meant to be right: expect = "0 3-5". */
struct control_expect {
	bool given;
	uint64_t bits[4]; /* bit N of the 256: status N */
};

/* Where something is fetched from: a tree, or a test's source. */
struct control_source {
	const char *url; /* NULL: nothing to fetch */
	enum control_kind kind;
	const char *ref;    /* git branch, tag or commit; NULL: the default */
	const char *sha256; /* 64 lower-case hex digits, or NULL */
};

struct control_location {
	const char *name;
	int line;
	struct control_source source;
};

struct control_test {
	const char *name; /* of its section */
	int line;
	struct control_source source;
	const char *test_dir;
	const char *build_command;
	const char *install_command;
	const char *run_command; /* never NULL */
	const char *cleanup_command;
	const char *log_dir;
	const char *log_files; /* patterns between white space, or NULL */
	const char *user;      /* NULL: root */
	const char *const *environment; /* "NAME=value", NULL at the end */
	const char *const *requires;	/* names of tests, NULL at the end */
	struct control_expect expect;
	uint64_t timeout_s;	  /* or CONTROL_NO_LIMIT */
	uint64_t build_timeout_s; /* likewise; also fetch, install, cleanup */
	uint64_t duration_s;	  /* 0: none */
	unsigned int repeat;	  /* 1.. */
	unsigned int retries;	  /* of fetch and build, 0.. */
	uint64_t stall_timeout_s; /* or CONTROL_NO_LIMIT */
	uint64_t output_limit_bytes; /* of each log; or CONTROL_NO_LIMIT */
	uint64_t memory_limit_bytes; /* of all its processes; likewise */
	uint64_t tasks_limit;	     /* processes and threads; likewise */
	unsigned int reboots; /* that it may ask for, in each iteration */
	unsigned int jobs;    /* 0: the CPUs online */
};

/* One line of a domain's list. */
struct control_entry {
	const struct control_test *test;
	unsigned int number; /* the N of testN; in native 1, 2, … */
	int line;
	/* Of the domain's testN.expect, else of the test. */
	struct control_expect expect;
};

struct control_domain {
	const char *section; /* "XENVM0" */
	const char *name;    /* the host name as written */
	int line;
	const char *tempdir;
	const char *config; /* for xl create; NULL: not started by us */
	const char *const *environment;
	uint64_t start_timeout_s;
	enum control_on_crash on_crash;
	enum control_on_crash on_watchdog;
	unsigned int restarts; /* after crashes, in the whole run */
	bool stop;
	const struct control_entry *entries; /* in running order */
	size_t entry_count;
};

struct control_preferences {
	const struct control_location *tree; /* NULL: xen-tree = none */
	bool tree_missing; /* no xen-tree at all: a build is not possible */
	const char *shared_dir;
	const char *workdir;	     /* never NULL; the default filled in */
	const char *build_command;   /* NULL: built in */
	const char *install_command; /* NULL: built in */
	const char *boot_entry;
	const char *boot_command;
	const char *const *environment;
	enum control_boot boot_method;
	enum control_on_failure on_failure;
	bool watchdog;
	unsigned int jobs;
	uint64_t build_timeout_s;
	uint64_t boot_timeout_s;
	uint64_t run_timeout_s;
};

struct control {
	struct control_preferences preferences;
	const struct control_location *locations;
	size_t location_count;
	const struct control_test *tests;
	size_t test_count;
	const struct control_domain *domains; /* in the order of the file */
	size_t domain_count;
};

/* What reading had to say, sorted by line. */
struct control_message {
	int line;
	bool error; /* else a warning */
	char *text;
};

struct control_report {
	const char *file; /* as given to the reader; borrowed */
	struct control_message *messages;
	size_t count;
	size_t error_count;
};

void control_report_done(struct control_report *report);
/* One "FILE:LINE: error: TEXT" a line. */
void control_report_print(const struct control_report *report, FILE *to);
/* The same as text, the caller's to free; NULL without memory. */
char *control_report_text(const struct control_report *report);

/**
 * control_load() - read, expand and check a control file held in memory
 * @bytes:  as they stand in the file
 * @length: up to CONTROL_BYTES_MAX; more is an error message
 * @name:   how messages call the file
 * @report: filled in either way, with all messages; release it with
 *          control_report_done()
 * @ret:    the model, when there was no error; release with control_free()
 *
 * Return: 0, -EINVAL when the report has errors, -ENOMEM.
 * Source: xentest.conf(5), all of it.
 */
int control_load(const char *bytes, size_t length, const char *name,
		 struct control_report *report, struct control **ret,
		 struct err *e);

/**
 * control_load_file() - control_load() of a file
 *
 * Return: as control_load(); another negative errno when it cannot be read.
 */
int control_load_file(const char *path, struct control_report *report,
		      struct control **ret, struct err *e);

void control_free(struct control *control);
void control_freep(struct control **control);

/**
 * control_find_domain() - the domain that this host is
 * @hostname: compared whole first, then up to its first dot, without case
 *
 * Return: the domain, or NULL.
 */
const struct control_domain *control_find_domain(const struct control *control,
						 const char *hostname);

/* How many reboots the tests of a domain may ask for, all together. */
uint64_t control_reboots(const struct control_domain *domain);

/* Does @status (an exit status, 0 to 255) count as expected? */
bool control_expects(const struct control_expect *expect, int status);

/**
 * control_check_main() - all that a program's --check FILE does
 *
 * Prints the messages on stderr.
 *
 * Return: the exit status: 0 without errors, 1 with, 2 when unreadable.
 */
int control_check_main(const char *path);

/**
 * control_dump() - read and expand without the checks of single keys
 * @report: as control_load(), with messages about the syntax only
 * @ret:    {"sections": {NAME: {KEY: VALUE}}}; the caller's to free
 *
 * A value that cannot be expanded is {"error": "unknown-variable"},
 * "bad-reference", "too-deep" or "too-long".
 *
 * Return: 0, or -EINVAL when the report has errors.
 */
int control_dump(const char *bytes, size_t length, const char *name,
		 struct control_report *report, char **ret, struct err *e);

/**
 * control_dump_main() - all that a program's --dump FILE does
 *
 * Prints one JSON object on stdout: {"sections": {NAME: {KEY: VALUE}}}.
 *
 * Return: the exit status: 0, 1 when a line breaks the syntax (no object is
 * printed then), 2 when unreadable.
 */
int control_dump_main(const char *path);

#endif
