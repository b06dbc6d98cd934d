/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_CLI_CLI_H
#define XENTEST_CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/loop.h"

/* xentest(1), "EXIT STATUS". */
enum {
	CLI_GOOD = 0,
	CLI_BAD = 1,	 /* it failed, or the control file has errors */
	CLI_USAGE = 2,	 /* wrong command line, or unreadable control file */
	CLI_REFUSED = 3, /* a run is going on, or none is */
};

struct cli {
	const char *root;
	int root_fd;
	bool json;
	bool no_reboot;
};

/* Each subcommand answers the exit status. @argument may be NULL. */
int cli_check(const struct cli *cli, const char *argument);
int cli_start(const struct cli *cli, const char *argument);
int cli_status(const struct cli *cli, const char *argument);
int cli_abort(const struct cli *cli, const char *argument);
int cli_summary(const struct cli *cli, const char *argument);
int cli_reboot(const struct cli *cli, const char *argument);

/* All of them that are built in here; the last one has no name. */
extern const struct command {
	const char *name;
	int (*run)(const struct cli *cli, const char *argument);
	int arguments_min;
	int arguments_max;
} cli_commands[];
extern const char cli_usage[];

/* "xentest: SENTENCE" on stderr. Return: CLI_BAD. */
int cli_fail(struct err *e);

/**
 * cli_systemctl() - run systemctl and wait for it
 * @arguments: NULL at the end
 *
 * Return: 0; or a negative errno with systemctl's own words.
 */
int cli_systemctl(struct loop *loop, const char *const *arguments,
		  struct err *e);

/**
 * cli_open_run() - open the directory of a run, to read
 * @id: NULL: the newest one
 * @ret_id: the caller's; may be NULL
 *
 * Return: 0; -ENOENT when there is none; -EINVAL when @id names no run.
 */
int cli_open_run(const struct cli *cli, const char *id, char **ret_id,
		 int *ret_fd, struct err *e);

/**
 * cli_snapshot() - a run's summary with what its domains left on the share
 * @run_fd: the run's directory
 *
 * The records of guests come to dom0 when the run ends; until then they lie on
 * the share, which is asked for a few seconds only. What it does not have is
 * "pending".
 *
 * Return: 0 or a negative errno.
 */
int cli_snapshot(struct loop *loop, int run_fd, const char *id,
		 struct json **ret, struct err *e);

/**
 * cli_now() - what each domain says in xenstore that it does now
 * @summary: each of its domains that is heard of gets a member "now", with
 *           test, step, iteration, index, count: {…}
 *
 * Does nothing where there is no xenstore.
 */
void cli_now(struct loop *loop, const char *id, struct json *summary);

/* Print a status for people: see cli_status(). */
void cli_status_text(const struct json *status);

#endif
