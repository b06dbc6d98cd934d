/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/source.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "source/place.h"
#include "source/wire.h"

/* A file, not a pipe: a helper that reads nothing cannot hold us up. */
static int write_job(const struct source_job *job, int answer_fd, int *ret_fd,
		     struct err *e)
{
	CLEANUP(freep) char *text = wire_print_job(job, answer_fd);
	CLEANUP(fd_close) int fd = memfd_create("job", MFD_CLOEXEC);
	int r;

	if (text == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	if (fd < 0)
		return err_errno(e, "make a file in memory");
	r = file_write_all(fd, text, strlen(text), e);
	if (r < 0)
		return r;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_errno(e, "rewind a file in memory");
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* The descriptors keep their numbers, and lose FD_CLOEXEC in the child. */
static int spawn(const char *helper, const struct source_job *job, int job_fd,
		 int answer_fd, pid_t *ret)
{
	const char *const argv[] = { "xentest-source", NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK |
						      POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, job_fd, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, answer_fd, answer_fd);
	posix_spawn_file_actions_adddup2(&actions, job->work_fd, job->work_fd);
	if (job->cache_fd >= 0)
		posix_spawn_file_actions_adddup2(&actions, job->cache_fd,
						 job->cache_fd);
	r = posix_spawn(ret, helper, &actions, &attributes,
			(char *const *)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return -r;
}

static int start(const struct source_job *job, pid_t *ret_pid, int *ret_fd,
		 struct err *e)
{
	const char *helper = getenv("SOURCE_HELPER");
	CLEANUP(fd_close) int read_fd = -1;
	CLEANUP(fd_close) int write_fd = -1;
	CLEANUP(fd_close) int job_fd = -1;
	int ends[2];
	int r;

	if (helper == NULL)
		helper = SOURCE_HELPER;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(e, "make a pipe");
	read_fd = ends[0];
	write_fd = ends[1];
	r = write_job(job, write_fd, &job_fd, e);
	if (r < 0)
		return r;
	fflush(stdout); /* it goes on where we are */
	r = spawn(helper, job, job_fd, write_fd, ret_pid);
	if (r < 0)
		return err_set(e, -ENOPKG,
			       "cannot start %s, which fetches: %s; install all of xentest",
			       helper, strerror(-r));
	*ret_fd = TAKE_FD(read_fd);
	return 0;
}

static int say_how_it_ended(int status, struct err *e)
{
	if (WIFSIGNALED(status))
		return err_set(e, -EPROTO,
			       "xentest-source was ended by signal %d (%s)",
			       WTERMSIG(status), strsignal(WTERMSIG(status)));
	return err_set(e, -EPROTO,
		       "xentest-source ended without an answer, exit status %d",
		       WEXITSTATUS(status));
}

int source_get(const struct source_job *job, struct source_result *ret,
	       struct err *e)
{
	struct source_result result = { .top = "" };
	CLEANUP(fd_close) int answer_fd = -1;
	struct err answer = ERR_NONE;
	int r, status, number;
	pid_t pid;

	if (job->source->url == NULL) {
		*ret = result;
		return 0;
	}
	r = start(job, &pid, &answer_fd, e);
	if (r < 0)
		return r;
	r = wire_read_answer(answer_fd, &number, &result, &answer);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_errno(e, "wait for xentest-source");
	if (r == -ENODATA)
		return say_how_it_ended(status, e);
	if (r < 0)
		return err_set(e, r, "the answer of xentest-source: %s",
			       answer.text);
	if (number < 0)
		return err_set(e, number, "%s", answer.text);
	*ret = result;
	return 0;
}

int source_clean(int work_fd, struct err *e)
{
	return place_clean(work_fd, e);
}
