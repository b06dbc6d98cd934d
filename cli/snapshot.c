/* SPDX-License-Identifier: BSD-2-Clause */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#include "base/child.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "control/control.h"
#include "run/record.h"
#include "run/run.h"
#include "run/summary.h"

/*
 * A copy of the run's directory, with the records that guests have brought to
 * the share so far: from there on it is folded like any other run.
 */

#define SCRATCH "/tmp"

enum { COPY_LIMIT_S = 5 };

struct copying {
	const char *id;
	int run_fd;
	int to_fd;
};

/* What a guest may have put in the way of a name is not followed. */
static int open_below(int dir_fd, const char *name)
{
	return openat(dir_fd, name,
		      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static void copy_record(int from_fd, int to_fd, const char *domain)
{
	CLEANUP(fd_close) int own_fd = -1;
	struct err missing = ERR_NONE;

	if (file_make_dirs(to_fd, domain, 0700, &own_fd, &missing) == 0)
		file_copy(from_fd, RECORD_NAME, own_fd, RECORD_NAME,
			  RECORD_BYTES_MAX, &missing);
}

static void copy_shared(const struct copying *copying, int share_fd,
			const char *domain)
{
	CLEANUP(fd_close) int domain_fd = open_below(share_fd, domain);
	CLEANUP(fd_close) int run_fd = -1;

	if (domain_fd >= 0)
		run_fd = open_below(domain_fd, copying->id);
	if (run_fd >= 0)
		copy_record(run_fd, copying->to_fd, domain);
}

/* Those that lie here first: the share may not answer. */
static void copy_domains(const struct copying *copying,
			 const struct control *control)
{
	const char *shared_dir = control->preferences.shared_dir;
	CLEANUP(fd_close) int share_fd = -1;
	struct err missing = ERR_NONE;

	for (size_t i = 0; i < control->domain_count; i++) {
		const char *name = control->domains[i].name;
		CLEANUP(fd_close) int fd = open_below(copying->run_fd, name);

		if (fd >= 0)
			copy_record(fd, copying->to_fd, name);
	}
	if (file_open_dir(AT_FDCWD, shared_dir, &share_fd, &missing) < 0)
		return;
	for (size_t i = 0; i < control->domain_count; i++) {
		const char *name = control->domains[i].name;
		CLEANUP(freep) char *path =
			text_format("%s/" RECORD_NAME, name);

		if (path != NULL &&
		    faccessat(copying->to_fd, path, F_OK, 0) < 0)
			copy_shared(copying, share_fd, name);
	}
}

/* The function of a child. */
static int copy_run(void *arg, struct err *e)
{
	const struct copying *copying = arg;
	CLEANUP(control_report_done) struct control_report report = { 0 };
	CLEANUP(control_freep) struct control *control = NULL;
	CLEANUP(freep) char *bytes = NULL;
	size_t length;
	int r;

	r = file_copy(copying->run_fd, RUN_CONTROL, copying->to_fd, RUN_CONTROL,
		      CONTROL_BYTES_MAX, e);
	if (r == 0)
		r = file_copy(copying->run_fd, RECORD_NAME, copying->to_fd,
			      RECORD_NAME, RECORD_BYTES_MAX, e);
	if (r == 0)
		r = file_read(copying->to_fd, RUN_CONTROL, CONTROL_BYTES_MAX,
			      &bytes, &length, e);
	if (r == 0)
		r = control_load(bytes, length, RUN_CONTROL, &report, &control,
				 e);
	if (r < 0)
		return r;
	copy_domains(copying, control);
	return 0;
}

static int copy_and_fold(struct loop *loop, struct copying *copying,
			 struct json **ret, struct err *e)
{
	struct child_spec spec = CHILD_SPEC_NONE;
	struct child_result result;
	int r;

	spec.name = "a look at the run";
	spec.function = copy_run;
	spec.arg = copying;
	spec.limit_usec = COPY_LIMIT_S * UINT64_C(1000000);
	r = child_run(loop, &spec, NULL, &result, e);
	if (r < 0)
		return r;
	if (result.number < 0 && !result.timed_out)
		return err_set(e, result.number, "%s", result.message);
	r = summary_make(copying->to_fd, ret, e);
	if (r == 0 && result.timed_out)
		json_set_string(*ret, "trouble",
				"the shared directory does not answer");
	return r;
}

int cli_snapshot(struct loop *loop, int run_fd, const char *id,
		 struct json **ret, struct err *e)
{
	char path[] = SCRATCH "/xentest-XXXXXX";
	CLEANUP(fd_close) int scratch_fd = -1;
	CLEANUP(fd_close) int to_fd = -1;
	struct copying copying = { .id = id, .run_fd = run_fd };
	struct err ignored = ERR_NONE;
	int r;

	if (mkdtemp(path) == NULL)
		return err_errno(e, "make a directory in " SCRATCH);
	r = file_open_dir(AT_FDCWD, SCRATCH, &scratch_fd, e);
	if (r == 0)
		r = file_open_dir(AT_FDCWD, path, &to_fd, e);
	copying.to_fd = to_fd;
	if (r == 0)
		r = copy_and_fold(loop, &copying, ret, e);
	if (scratch_fd >= 0)
		file_remove_tree(scratch_fd, path + strlen(SCRATCH "/"),
				 &ignored);
	return r;
}
