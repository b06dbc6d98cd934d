/* SPDX-License-Identifier: BSD-2-Clause */
#include <fcntl.h>
#include <string.h>

#include "cli.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "run/run.h"
#include "run/summary.h"

enum { SUMMARY_BYTES_MAX = 16 * 1024 * 1024 };

#define RUNS PATH_STATE_DIR "/runs"

/* So short, too, that it fits into RUN_ID_MAX. */
static bool is_id(const char *name)
{
	size_t length = strspn(name, "0123456789abcdefghijklmnopqrstuvwxyz-");

	return length > 0 && length < RUN_ID_MAX && name[length] == '\0';
}

/* An id begins with the date and the time: the last one is the newest. */
static int find_newest(DIR *dir, char id[static RUN_ID_MAX], struct err *e)
{
	const struct dirent *entry;

	id[0] = '\0';
	while ((entry = readdir(dir)) != NULL)
		if (is_id(entry->d_name) && strcmp(entry->d_name, id) > 0)
			memcpy(id, entry->d_name, strlen(entry->d_name) + 1);
	return id[0] == '\0' ? err_set(e, -ENOENT, "there is no run yet") : 0;
}

static int newest(int runs_fd, char id[static RUN_ID_MAX], struct err *e)
{
	CLEANUP(dir_closep) DIR *dir = NULL;
	int fd;
	int r;

	r = file_open_dir(runs_fd, ".", &fd, e);
	if (r < 0)
		return r;
	dir = fdopendir(fd);
	if (dir == NULL) {
		r = err_errno(e, "list the runs");
		fd_close(&fd);
		return r;
	}
	return find_newest(dir, id, e);
}

static int open_run(int runs_fd, const char *id, char **ret_id, int *ret_fd,
		    struct err *e)
{
	CLEANUP(freep) char *copy = strdup(id);
	int r;

	if (copy == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	r = file_open_dir(runs_fd, id, ret_fd, e);
	if (r < 0)
		return r;
	if (ret_id != NULL)
		*ret_id = TAKE_PTR(copy);
	return 0;
}

int cli_open_run(const struct cli *cli, const char *id, char **ret_id,
		 int *ret_fd, struct err *e)
{
	CLEANUP(fd_close) int runs_fd = -1;
	char found[RUN_ID_MAX];
	int r;

	if (id != NULL && !is_id(id))
		return err_set(e, -EINVAL, "\"%s\" is no run", id);
	r = file_open_dir(cli->root_fd, RUNS, &runs_fd, e);
	if (r == -ENOENT)
		return err_set(e, r, "there is no run yet");
	if (r == 0 && id == NULL)
		r = newest(runs_fd, found, e);
	if (r < 0)
		return r;
	return open_run(runs_fd, id == NULL ? found : id, ret_id, ret_fd, e);
}

/* Every line plain, whoever wrote what is quoted in it. */
static void print_lines(char *text)
{
	char *line;

	while ((line = strsep(&text, "\n")) != NULL) {
		text_plain(line);
		if (line[0] != '\0' || text != NULL)
			puts(line);
	}
}

/* Of a run that has not ended: as it stands. */
static int make_text(int run_fd, char **ret, struct err *e)
{
	CLEANUP(json_freep) struct json *summary = NULL;
	int r;

	r = summary_make(run_fd, &summary, e);
	if (r < 0)
		return r;
	*ret = summary_text(summary);
	return *ret == NULL ? err_set(e, -ENOMEM, "out of memory") : 0;
}

int cli_summary(const struct cli *cli, const char *argument)
{
	CLEANUP(fd_close) int run_fd = -1;
	CLEANUP(freep) char *text = NULL;
	struct err e = ERR_NONE;
	int r;

	r = cli_open_run(cli, argument, NULL, &run_fd, &e);
	if (r < 0) {
		cli_fail(&e);
		return r == -ENOENT || r == -EINVAL ? CLI_REFUSED : CLI_BAD;
	}
	r = file_read(run_fd, RUN_SUMMARY, SUMMARY_BYTES_MAX, &text, NULL, &e);
	if (r == -ENOENT)
		r = make_text(run_fd, &text, &e);
	if (r < 0)
		return cli_fail(&e);
	print_lines(text);
	return CLI_GOOD;
}
