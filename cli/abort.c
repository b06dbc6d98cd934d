/* SPDX-License-Identifier: BSD-2-Clause */
#include <fcntl.h>
#include <string.h>

#include "cli.h"

#include "base/child.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "boot/boot.h"
#include "boot/marker.h"
#include "run/run.h"
#include "run/share.h"

enum { SHARE_LIMIT_S = 30 };

/* The path unit too: it would take up again what is being put away. */
static const char *const stop_all[] = {
	"stop",			 "xenbuildd.path",
	"xenbuildd.service",	 "xenstartdomsd.service",
	"xenruntestsd.service",	 "xentest-boot-guard.service",
	NULL,
};
static const char *const start_path[] = { "start", "xenbuildd.path", NULL };
/* For a request that waits; skipped where there is none. */
static const char *const start_build[] = { "start", "--no-block",
					   "xenbuildd.service", NULL };

/* A warning, as everything else is put away nonetheless. */
static void warn(struct err *e)
{
	cli_fail(e);
	*e = ERR_NONE;
}

/* The function of a child: no domain finds a control file any more. */
static int unpublish(void *arg, struct err *e)
{
	const struct control *control = arg;
	const char *shared_dir = control->preferences.shared_dir;
	CLEANUP(fd_close) int share_fd = -1;
	int first = 0;
	int r;

	r = file_open_dir(AT_FDCWD, shared_dir, &share_fd, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < control->domain_count; i++) {
		CLEANUP(fd_close) int own_fd =
			openat(share_fd, control->domains[i].name,
			       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		r = own_fd < 0 ? 0 : file_remove(own_fd, SHARE_CONTROL, e);
		if (first == 0)
			first = r;
	}
	return first;
}

static void clear_share(struct loop *loop, struct control *control)
{
	struct child_spec spec = CHILD_SPEC_NONE;
	struct child_result result;
	struct err e = ERR_NONE;
	int r;

	spec.name = "take the control files back";
	spec.function = unpublish;
	spec.arg = control;
	spec.limit_usec = SHARE_LIMIT_S * UINT64_C(1000000);
	r = child_run(loop, &spec, NULL, &result, &e);
	if (r == 0 && result.timed_out)
		r = err_set(&e, -ETIMEDOUT, "%s does not answer",
			    control->preferences.shared_dir);
	else if (r == 0 && result.number < 0)
		r = err_set(&e, result.number, "%s", result.message);
	if (r < 0) {
		err_wrap(&e, r, "take the domains' control files back");
		warn(&e);
	}
}

static void disarm(const struct cli *cli, struct loop *loop,
		   const struct run *run)
{
	struct boot_plan plan;
	struct err e = ERR_NONE;
	int r;

	r = boot_plan_make(loop, cli->root_fd, run->id,
			   &run->control->preferences, &plan, &e);
	if (r == 0)
		r = boot_disarm(&plan, &e);
	if (r < 0 && r != -ENOTSUP) {
		err_wrap(&e, r, "take the boot entry back");
		warn(&e);
	}
}

/*
 * The marker last, as xenstartdomsd does: cut before that, the next boot finds
 * a marker without a run and removes it.
 */
static int put_away(const struct cli *cli, struct loop *loop, struct err *e)
{
	CLEANUP(run_freep) struct run *run = NULL;
	int r;

	r = run_load(cli->root_fd, &run, NULL, NULL, e);
	if (r < 0)
		return r;
	disarm(cli, loop, run);
	clear_share(loop, run->control);
	r = run_end(run, "aborted", "ended by \"xentest abort\"", e);
	if (r == 0)
		r = marker_remove(cli->root_fd, e);
	if (r == 0)
		printf("Run %s has ended. Its guests, if it started any, still run: see \"xl list\".\n"
		       "This boot may still be that of the Xen under test: reboot for the usual one.\n",
		       run->id);
	return r;
}

/* A marker without a run: nothing that could be ended, but it stops others. */
static int remove_stray_marker(const struct cli *cli)
{
	struct err e = ERR_NONE;

	if (!marker_exists(cli->root_fd)) {
		fputs("xentest: no run is going on\n", stderr);
		return CLI_REFUSED;
	}
	if (marker_remove(cli->root_fd, &e) < 0)
		return cli_fail(&e);
	puts("No run was going on; " MARKER_PATH " has been removed.");
	return CLI_GOOD;
}

static int abort_run(const struct cli *cli, struct loop *loop)
{
	struct err e = ERR_NONE;
	int r;

	r = cli_systemctl(loop, stop_all, &e);
	if (r == 0)
		r = put_away(cli, loop, &e);
	if (r < 0)
		cli_fail(&e);
	if (cli_systemctl(loop, start_path, &e) < 0 ||
	    (r == 0 && cli_systemctl(loop, start_build, &e) < 0))
		warn(&e);
	return r < 0 ? CLI_BAD : CLI_GOOD;
}

int cli_abort(const struct cli *cli, const char *argument)
{
	CLEANUP(loop_freep) struct loop *loop = NULL;
	char id[RUN_ID_MAX];
	struct err e = ERR_NONE;
	int r;

	(void)argument;
	r = run_current(cli->root_fd, id, &e);
	if (r == -ENOENT)
		return remove_stray_marker(cli);
	if (r == 0)
		r = loop_new(&loop, &e);
	return r < 0 ? cli_fail(&e) : abort_run(cli, loop);
}
