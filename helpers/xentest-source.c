/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fetches and unpacks for a daemon, which is smaller without libcurl and
 * libarchive: reads a job on stdin, says on stdout what it does, and answers
 * where the job says. See source_get() in lib/source/source.h.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "source/here.h"
#include "source/wire.h"

static int answer(const struct wire_job *job, int number,
		  const struct source_result *result, struct err *e)
{
	CLEANUP(freep) char *text = wire_print_answer(number, result, e);

	if (text == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	return file_write_all(job->answer_fd, text, strlen(text), e);
}

/* They are for us, not for git and others that we start. */
static void keep_descriptors(const struct wire_job *job)
{
	fcntl(job->answer_fd, F_SETFD, FD_CLOEXEC);
	fcntl(job->job.work_fd, F_SETFD, FD_CLOEXEC);
	if (job->job.cache_fd >= 0)
		fcntl(job->job.cache_fd, F_SETFD, FD_CLOEXEC);
}

static int run(struct err *e)
{
	CLEANUP(wire_job_close) struct wire_job job = WIRE_JOB_NONE;
	struct source_result result = { .top = "" };
	int r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	r = wire_read_job(STDIN_FILENO, &job, e);
	if (r < 0)
		return err_wrap(e, r, "read the job on stdin");
	if (getppid() != job.parent)
		return err_set(e, -ESRCH, "whom it is for has ended");
	keep_descriptors(&job);
	r = source_get_here(&job.job, &result, e);
	return answer(&job, r, &result, e);
}

int main(int argc, char *argv[])
{
	struct err e = ERR_NONE;

	if (argc > 1) {
		fprintf(stderr, "%s takes no arguments: xentest's daemons start it\n",
			argv[0]);
		return 2;
	}
	if (run(&e) == 0)
		return EXIT_SUCCESS;
	fprintf(stderr, "xentest-source: %s\n", e.text);
	return EXIT_FAILURE;
}
