/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_DAEMONS_OPTIONS_H
#define XENTEST_DAEMONS_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>

/* The options that all three daemons have, and their --check and --dump. */
struct options {
	const char *program; /* "xenbuildd" */
	const char *usage;   /* for --help, and for a wrong command line */
	const char *check;
	const char *dump;
	const char *root; /* "/" unless given */
	int exit_status;  /* when there is nothing else to do; else -1 */
};

enum {
	OPTION_CHECK = 1,
	OPTION_DUMP,
	OPTION_ROOT,
	OPTION_HELP,
	OPTION_VERSION,
	OPTION_OWN, /* a daemon's own begin here */
};

/* Rows of a daemon's table for getopt_long(3). */
#define OPTIONS_COMMON                                    \
	{ "check", required_argument, NULL, OPTION_CHECK }, \
	{ "dump", required_argument, NULL, OPTION_DUMP },   \
	{ "root", required_argument, NULL, OPTION_ROOT },   \
	{ "help", no_argument, NULL, OPTION_HELP },         \
	{ "version", no_argument, NULL, OPTION_VERSION }

#define OPTIONS(name, text) \
	((struct options){ .program = (name), .usage = (text), .root = "/", \
			   .exit_status = -1 })

/**
 * options_next() - take options up to the next one of the daemon's own
 * @table: OPTIONS_COMMON, own rows from OPTION_OWN on, and a row of zeros
 *
 * Return: the own option, its value in optarg; -1 after the last one.
 */
int options_next(struct options *options, int argc, char *const argv[],
		 const struct option *table);

/**
 * options_finish() - after the last one: do what --check or --dump ask for
 * @is_well_formed: false: print the usage, exit status 2
 */
void options_finish(struct options *options, bool is_well_formed);

#endif
