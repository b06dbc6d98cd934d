/* SPDX-License-Identifier: BSD-2-Clause */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/loop.h"
#include "base/text.h"
#include "boot/marker.h"
#include "control/control.h"
#include "run/run.h"

struct request {
	char *bytes;
	size_t length;
};

static void request_done(struct request *request)
{
	free(request->bytes);
}

static int load(const char *file, struct request *request, struct err *e)
{
	CLEANUP(control_report_done) struct control_report report = { 0 };
	CLEANUP(control_freep) struct control *control = NULL;
	CLEANUP(freep) char *path = realpath(file, NULL); /* links are fine */
	int r;

	if (path == NULL)
		r = err_errno(e, "%s", file);
	else
		r = file_read(AT_FDCWD, path, CONTROL_BYTES_MAX,
			      &request->bytes, &request->length, e);
	if (r < 0) {
		cli_fail(e);
		return CLI_USAGE;
	}
	r = control_load(request->bytes, request->length, file, &report,
			 &control, e);
	control_report_print(&report, stderr);
	if (r == 0 && control->preferences.tree_missing)
		r = err_set(e, -EINVAL,
			    "%s: [Preferences] xen-tree is missing; name a location, or say none to boot the Xen that is there",
			    file);
	return r < 0 ? cli_fail(e) : CLI_GOOD;
}

/* Is there room for a request? Says why not. */
static int look_around(const struct cli *cli, const struct request *request)
{
	CLEANUP(freep) char *waiting = NULL;
	char id[RUN_ID_MAX];
	struct err e = ERR_NONE;
	size_t length;
	int r;

	r = run_current(cli->root_fd, id, &e);
	if (r == 0) {
		fprintf(stderr,
			"xentest: run %s is going on: wait for its end, or end it with \"xentest abort\"\n",
			id);
		return CLI_REFUSED;
	}
	if (r != -ENOENT)
		return cli_fail(&e);
	if (marker_exists(cli->root_fd)) {
		fprintf(stderr,
			"xentest: " MARKER_PATH
			" is there, so the machine is about to go on with a run; \"xentest abort\" removes it\n");
		return CLI_REFUSED;
	}
	r = file_read(cli->root_fd, PATH_REQUEST_DIR "/" PATH_REQUEST,
		      CONTROL_BYTES_MAX, &waiting, &length, &e);
	if (r == -ENOENT || (r == 0 && length == request->length &&
			     memcmp(waiting, request->bytes, length) == 0))
		return CLI_GOOD;
	fprintf(stderr, "xentest: another request waits: /" PATH_REQUEST_DIR
			"/" PATH_REQUEST "; remove it first\n");
	return CLI_REFUSED;
}

/* xenbuildd takes FILE over itself, and tells what it does as it goes. */
static int become_xenbuildd(const struct cli *cli, const char *file)
{
	struct err e = ERR_NONE;

	if (strcmp(cli->root, "/") == 0)
		execlp("xenbuildd", "xenbuildd", "--no-reboot", file,
		       (char *)NULL);
	else
		execlp("xenbuildd", "xenbuildd", "--root", cli->root,
		       "--no-reboot", file, (char *)NULL);
	err_errno(&e, "start xenbuildd");
	return cli_fail(&e);
}

static int drop(const struct cli *cli, const struct request *request,
		struct err *e)
{
	CLEANUP(fd_close) int fd = -1;
	int r;

	r = file_make_dirs(cli->root_fd, PATH_REQUEST_DIR, 0755, &fd, e);
	if (r == 0)
		r = file_write_atomic(fd, PATH_REQUEST, request->bytes,
				      request->length, 0644, e);
	return r < 0 ? err_wrap(e, r, "put the request into /" PATH_REQUEST_DIR
				      "/" PATH_REQUEST) :
		       0;
}

/* xenbuildd.path may have seen it already; a second start does no harm. */
static int wake_xenbuildd(struct err *e)
{
	static const char *const arguments[] = { "start", "--no-block",
						 "xenbuildd.service", NULL };
	CLEANUP(loop_freep) struct loop *loop = NULL;
	int r;

	r = loop_new(&loop, e);
	if (r == 0)
		r = cli_systemctl(loop, arguments, e);
	return r < 0 ? err_wrap(e, r,
				"the request is there and will be taken up at the next boot, but xenbuildd could not be started") :
		       0;
}

int cli_start(const struct cli *cli, const char *argument)
{
	CLEANUP(request_done) struct request request = { .bytes = NULL };
	struct err e = ERR_NONE;
	int status;
	int r;

	status = load(argument, &request, &e);
	if (status == CLI_GOOD)
		status = look_around(cli, &request);
	if (status != CLI_GOOD)
		return status;
	if (cli->no_reboot)
		return become_xenbuildd(cli, argument);
	r = drop(cli, &request, &e);
	if (r == 0)
		r = wake_xenbuildd(&e);
	if (r < 0)
		return cli_fail(&e);
	puts("Requested. The machine goes on by itself from here, through a reboot;\n"
	     "\"xentest status\" shows how far it is.");
	return CLI_GOOD;
}
