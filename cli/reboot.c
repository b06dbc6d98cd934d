/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <unistd.h>

#include "cli.h"

#include "run/asking.h"

/* In a test: what stands behind it must not be run before the reboot. */
int cli_reboot(const struct cli *cli, const char *argument)
{
	const char *name = getenv(ASKING_VARIABLE);
	struct err e = ERR_NONE;
	int r;

	(void)cli;
	(void)argument;
	r = name == NULL ? err_set(&e, -ENOENT,
				   "this is no run_command of a test") :
			   asking_ask(name, &e);
	if (r < 0) {
		err_wrap(&e, r, "no reboot");
		return cli_fail(&e);
	}
	for (;;)
		pause(); /* all of the test is killed, and so are we */
}
