/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli.h"

/* What xentest(1) can do in a guest, where no run is built or looked at. */

const char cli_usage[] =
	"Usage: xentest check FILE\n"
	"       xentest reboot\n"
	"\n"
	"The part of xentest that a guest needs.\n"
	"\n"
	"  check FILE    is FILE a good control file? Changes nothing\n"
	"  reboot        in a test: reboot, and go on in the same test\n"
	"\n"
	"  --help, --version\n"
	"\n"
	"Exit status: 0 done; 1 FILE has errors, or no reboot; 2 wrong command\n"
	"line, or FILE cannot be read. See xentest(1).\n";

const struct command cli_commands[] = {
	{ "check", cli_check, 1, 1 },
	{ "reboot", cli_reboot, 0, 0 },
	{ 0 },
};
