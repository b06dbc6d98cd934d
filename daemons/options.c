/* SPDX-License-Identifier: BSD-2-Clause */
#include "options.h"

#include <stdio.h>

#include "control/control.h"

static void take(struct options *options, int option)
{
	switch (option) {
	case OPTION_CHECK:
		options->check = optarg;
		break;
	case OPTION_DUMP:
		options->dump = optarg;
		break;
	case OPTION_ROOT:
		options->root = optarg;
		break;
	case OPTION_HELP:
		fputs(options->usage, stdout);
		options->exit_status = 0;
		break;
	case OPTION_VERSION:
		printf("%s " XENTEST_VERSION "\n", options->program);
		options->exit_status = 0;
		break;
	default:
		options->exit_status = 2; /* getopt has said why */
	}
}

int options_next(struct options *options, int argc, char *const argv[],
		 const struct option *table)
{
	int option;

	while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
		if (option >= OPTION_OWN && option != '?')
			return option;
		take(options, option);
	}
	return -1;
}

void options_finish(struct options *options, bool is_well_formed)
{
	if (options->exit_status >= 0)
		return;
	if (!is_well_formed) {
		fputs(options->usage, stderr);
		options->exit_status = 2;
	} else if (options->check != NULL) {
		options->exit_status = control_check_main(options->check);
	} else if (options->dump != NULL) {
		options->exit_status = control_dump_main(options->dump);
	}
}
