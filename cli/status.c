/* SPDX-License-Identifier: BSD-2-Clause */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cli.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/loop.h"
#include "boot/marker.h"
#include "run/record.h"
#include "run/run.h"

/*
 * Does some daemon hold the run's record? Its lock is looked up, not tried: a
 * try that succeeds would be in the daemon's way. Source: proc(5), /proc/locks.
 */
static bool is_attended(int run_fd)
{
	CLEANUP(file_closep) FILE *locks = fopen("/proc/locks", "re");
	struct stat st;
	char line[256];

	if (locks == NULL || fstatat(run_fd, RECORD_NAME, &st,
				     AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	while (fgets(line, sizeof(line), locks) != NULL) {
		uintmax_t inode;

		if (sscanf(line, "%*s FLOCK %*s %*s %*s %*[^:]:%*[^:]:%ju",
			   &inode) == 1 &&
		    inode == (uintmax_t)st.st_ino)
			return true;
	}
	return false;
}

static bool request_exists(const struct cli *cli)
{
	return faccessat(cli->root_fd, PATH_REQUEST_DIR "/" PATH_REQUEST, F_OK,
			 AT_SYMLINK_NOFOLLOW) == 0;
}

static int64_t since(const char *time_text)
{
	CLEANUP(json_freep) struct json *event = json_object_new();
	struct timespec now;
	int64_t then;

	json_set_string(event, "time", time_text);
	then = (int64_t)record_time_usec(event);
	clock_gettime(CLOCK_REALTIME, &now);
	return then == 0 ? 0 :
			   now.tv_sec * 1000000 + now.tv_nsec / 1000 - then;
}

static void add_outside(const struct cli *cli, int run_fd, struct json *status)
{
	int64_t elapsed = since(json_get_string(status, "started", ""));

	json_set_bool(status, "attended", is_attended(run_fd));
	json_set_bool(status, "marker", marker_exists(cli->root_fd));
	if (elapsed > 0)
		json_set_int(status, "elapsed_usec", elapsed);
}

/* @id: NULL: none is going on, the newest one is shown. */
static int look_at_run(const struct cli *cli, const char *id,
		       struct json **ret, struct err *e)
{
	CLEANUP(loop_freep) struct loop *loop = NULL;
	CLEANUP(fd_close) int run_fd = -1;
	CLEANUP(freep) char *found = NULL;
	CLEANUP(json_freep) struct json *status = NULL;
	int r;

	r = loop_new(&loop, e);
	if (r == 0)
		r = cli_open_run(cli, id, &found, &run_fd, e);
	if (r == 0)
		r = cli_snapshot(loop, run_fd, found, &status, e);
	if (r < 0)
		return r;
	json_set_bool(status, "going_on", id != NULL);
	if (id != NULL) {
		add_outside(cli, run_fd, status);
		cli_now(loop, found, status);
	}
	*ret = TAKE_PTR(status);
	return 0;
}

static int make_status(const struct cli *cli, struct json **ret, struct err *e)
{
	char id[RUN_ID_MAX];
	int r;

	r = run_current(cli->root_fd, id, e);
	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0)
		return look_at_run(cli, id, ret, e);
	r = look_at_run(cli, NULL, ret, e);
	if (r != -ENOENT)
		return r;
	*ret = json_object_new(); /* there never was one */
	json_set_bool(*ret, "going_on", false);
	return 0;
}

int cli_status(const struct cli *cli, const char *argument)
{
	CLEANUP(json_freep) struct json *status = NULL;
	CLEANUP(freep) char *text = NULL;
	struct err e = ERR_NONE;

	(void)argument;
	if (make_status(cli, &status, &e) < 0)
		return cli_fail(&e);
	json_set_bool(status, "request", request_exists(cli));
	if (!cli->json) {
		cli_status_text(status);
		return CLI_GOOD;
	}
	text = json_print(status, JSON_INDENTED);
	puts(text == NULL ? "{}" : text);
	return CLI_GOOD;
}
