/* SPDX-License-Identifier: BSD-2-Clause */

/* xentest(1): the suite's command for people. */
#include <fcntl.h>
#include <getopt.h>
#include <string.h>

#include "cli.h"

#include "base/child.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"

/* ---- what all subcommands need ----------------------------------------- */

int cli_fail(struct err *e)
{
	text_plain(e->text);
	fprintf(stderr, "xentest: %s\n", e->text);
	return CLI_BAD;
}

int cli_systemctl(struct loop *loop, const char *const *arguments,
		  struct err *e)
{
	enum { LIMIT_S = 180, WORDS_MAX = 16 };
	const char *argv[WORDS_MAX] = { "systemctl" };
	int r;

	for (int i = 0; i < WORDS_MAX - 2 && arguments[i] != NULL; i++)
		argv[i + 1] = arguments[i];
	r = child_capture(loop, argv, LIMIT_S * UINT64_C(1000000), 4096, NULL,
			  NULL, e);
	return r < 0 ? err_wrap(e, r, "systemctl %s", arguments[0]) : 0;
}

/* ---- the command line -------------------------------------------------- */

enum { OPT_JSON = 1, OPT_NO_REBOOT, OPT_ROOT, OPT_HELP, OPT_VERSION };

static const struct option long_options[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	{ "no-reboot", no_argument, NULL, OPT_NO_REBOOT },
	{ "root", required_argument, NULL, OPT_ROOT },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ 0 },
};

/* Return: -1: go on; else the exit status. */
static int take_option(struct cli *cli, int option)
{
	switch (option) {
	case OPT_JSON:
		cli->json = true;
		return -1;
	case OPT_NO_REBOOT:
		cli->no_reboot = true;
		return -1;
	case OPT_ROOT:
		cli->root = optarg;
		return -1;
	case OPT_HELP:
		fputs(cli_usage, stdout);
		return CLI_GOOD;
	case OPT_VERSION:
		puts("xentest " XENTEST_VERSION);
		return CLI_GOOD;
	default:
		fputs("See xentest --help\n", stderr);
		return CLI_USAGE;
	}
}

static const struct command *find_command(const char *name)
{
	for (const struct command *command = cli_commands;
	     command->name != NULL; command++)
		if (strcmp(command->name, name) == 0)
			return command;
	return NULL;
}

/* An option that a subcommand would ignore is a misunderstanding. */
static bool options_fit(const struct cli *cli, const struct command *command)
{
	return (!cli->json || strcmp(command->name, "status") == 0) &&
	       (!cli->no_reboot || strcmp(command->name, "start") == 0);
}

static int run(struct cli *cli, int argc, char *argv[])
{
	const struct command *command = NULL;
	struct err e = ERR_NONE;
	int status;

	if (argc > 0)
		command = find_command(argv[0]);
	if (command == NULL || argc - 1 < command->arguments_min ||
	    argc - 1 > command->arguments_max || !options_fit(cli, command)) {
		fputs(cli_usage, stderr);
		return CLI_USAGE;
	}
	if (file_open_dir(AT_FDCWD, cli->root, &cli->root_fd, &e) < 0)
		return cli_fail(&e);
	status = command->run(cli, argc > 1 ? argv[1] : NULL);
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return status;
	perror("xentest: write the answer");
	return CLI_BAD;
}

int main(int argc, char *argv[])
{
	struct cli cli = { .root = "/", .root_fd = -1 };
	int status;
	int option;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) !=
	       -1) {
		status = take_option(&cli, option);
		if (status >= 0)
			return status;
	}
	status = run(&cli, argc - optind, argv + optind);
	fd_close(&cli.root_fd);
	return status;
}
