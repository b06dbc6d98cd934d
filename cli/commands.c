/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli.h"

/* What xentest(1) can do on the machine that is dom0. */

const char cli_usage[] =
	"Usage: xentest check FILE\n"
	"       xentest start FILE [--no-reboot]\n"
	"       xentest status [--json]\n"
	"       xentest summary [RUN]\n"
	"       xentest abort\n"
	"       xentest reboot\n"
	"\n"
	"Test the Xen hypervisor on this machine, unattended.\n"
	"\n"
	"  check FILE    is FILE a good control file? Changes nothing\n"
	"  start FILE    request a run: build Xen, reboot into it, start the\n"
	"                guests, run the tests, come to rest\n"
	"  status        what is going on, or how the last run ended\n"
	"  summary       the summary of the newest run, or of RUN\n"
	"  abort         end the run that is going on\n"
	"  reboot        in a test: reboot, and go on in the same test\n"
	"\n"
	"  --no-reboot   build and arrange everything, but do not reboot\n"
	"  --json        for programs\n"
	"  --root DIR    look for /etc and /var below DIR\n"
	"  --help, --version\n"
	"\n"
	"Exit status: 0 done; 1 it failed, or FILE has errors, or no reboot; 2\n"
	"wrong command line, or FILE cannot be read; 3 refused: a run is going on\n"
	"(start), or there is none (abort, summary). See xentest(1).\n";

const struct command cli_commands[] = {
	{ "check", cli_check, 1, 1 },
	{ "start", cli_start, 1, 1 },
	{ "status", cli_status, 0, 0 },
	{ "summary", cli_summary, 0, 1 },
	{ "abort", cli_abort, 0, 0 },
	{ "reboot", cli_reboot, 0, 0 },
	{ 0 },
};
