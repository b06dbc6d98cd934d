/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "cli.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "control/control.h"

static const char *plural(size_t count)
{
	return count == 1 ? "" : "s";
}

/* "FILE is good: 4 domains, 11 tests to run, builds xen-demo". */
static void say_good(const char *file, const struct control *control,
		     const struct control_report *report)
{
	const struct control_location *tree = control->preferences.tree;
	CLEANUP(freep) char *name = strdup(file);
	size_t entries = 0;

	for (size_t i = 0; i < control->domain_count; i++)
		entries += control->domains[i].entry_count;
	if (name != NULL)
		text_plain(name);
	printf("%s is good: %zu domain%s, %zu test%s to run, ",
	       name == NULL ? "?" : name, control->domain_count,
	       plural(control->domain_count), entries, plural(entries));
	if (control->preferences.tree_missing)
		printf("no xen-tree, so for \"xenruntestsd --once\" only");
	else if (tree == NULL)
		printf("no Xen to build");
	else
		printf("builds %s", tree->name);
	if (report->count > 0)
		printf(", %zu warning%s", report->count, plural(report->count));
	putchar('\n');
}

int cli_check(const struct cli *cli, const char *argument)
{
	CLEANUP(control_report_done) struct control_report report = { 0 };
	CLEANUP(control_freep) struct control *control = NULL;
	struct err e = ERR_NONE;
	int r;

	(void)cli;
	r = control_load_file(argument, &report, &control, &e);
	control_report_print(&report, stderr);
	if (r == 0) {
		say_good(argument, control, &report);
		return CLI_GOOD;
	}
	cli_fail(&e);
	return report.error_count > 0 ? CLI_BAD : CLI_USAGE;
}
