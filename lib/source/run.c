/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/run.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/file.h"

static size_t count(const char *const *list)
{
	size_t n = 0;

	while (list != NULL && list[n] != NULL)
		n++;
	return n;
}

static bool is_set_in(const char *const *list, const char *variable)
{
	size_t length = strcspn(variable, "=") + 1;

	for (; list != NULL && *list != NULL; list++)
		if (strncmp(*list, variable, length) == 0)
			return true;
	return false;
}

/* Ours with @more over it; the strings stay where they are. */
static char **merge_environment(const char *const *more)
{
	const char *const *ours = (const char *const *)environ;
	char **merged = calloc(count(ours) + count(more) + 1, sizeof(*merged));
	size_t n = 0;

	if (merged == NULL)
		return NULL;
	for (; *ours != NULL; ours++)
		if (!is_set_in(more, *ours))
			merged[n++] = (char *)(uintptr_t)*ours;
	for (; more != NULL && *more != NULL; more++)
		merged[n++] = (char *)(uintptr_t)*more;
	return merged;
}

static int spawn(const struct run_spec *spec, char **environment, int output_fd,
		 pid_t *ret)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes,
				 POSIX_SPAWN_SETSIGMASK |
					 POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, output_fd, 1);
	posix_spawn_file_actions_adddup2(&actions, output_fd, 2);
	if (spec->dir_fd >= 0)
		posix_spawn_file_actions_addfchdir_np(&actions, spec->dir_fd);
	r = posix_spawnp(ret, spec->argv[0], &actions, &attributes,
			 (char *const *)(uintptr_t)spec->argv, environment);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return -r;
}

/* Keeps the end of what came. */
static void keep(char *output, size_t *length, const char *bytes, size_t n)
{
	const size_t max = RUN_OUTPUT_MAX - 1;

	if (n > max) {
		bytes += n - max;
		n = max;
	}
	if (*length + n > max) {
		size_t cut = *length + n - max;

		memmove(output, output + cut, *length - cut);
		*length -= cut;
	}
	memcpy(output + *length, bytes, n);
	*length += n;
}

static void make_plain(char *output, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (output[i] == '\r')
			output[i] = '\n';
		else if ((unsigned char)output[i] < ' ' && output[i] != '\n')
			output[i] = '?';
	output[length] = '\0';
}

static void read_output(int fd, bool quiet, char *output)
{
	struct err ignored = ERR_NONE;
	char buffer[4096];
	size_t length = 0;
	ssize_t n;

	for (;;) {
		n = read(fd, buffer, sizeof(buffer));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		/* A log that is full is no reason to stop. */
		if (!quiet)
			file_write_all(STDOUT_FILENO, buffer, (size_t)n,
				       &ignored);
		keep(output, &length, buffer, (size_t)n);
	}
	make_plain(output, length);
}

char *run_last_line(char *output)
{
	size_t length = strlen(output);
	char *newline;

	while (length > 0 && output[length - 1] == '\n')
		output[--length] = '\0';
	newline = strrchr(output, '\n');
	return newline != NULL ? newline + 1 : output;
}

/* The line that says why: advice may follow it. */
static const char *find_reason(char *output)
{
	static const char *const beginnings[] = { "fatal: ", "error: ",
						  "rsync: ", "cp: " };
	char *last = run_last_line(output);
	char *rest = output;
	const char *line;

	while ((line = strsep(&rest, "\n")) != NULL)
		for (size_t i = 0; i < ARRAY_SIZE(beginnings); i++)
			if (strncmp(line, beginnings[i],
				    strlen(beginnings[i])) == 0)
				return line;
	return last;
}

static int wait_for(pid_t pid, const char *name, const char *output,
		    struct err *e)
{
	char copy[RUN_OUTPUT_MAX];
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_errno(e, "wait for %s", name);
	if (WIFSIGNALED(status))
		return err_set(e, -EINTR, "%s was ended by signal %d (%s)",
			       name, WTERMSIG(status),
			       strsignal(WTERMSIG(status)));
	if (WEXITSTATUS(status) != 0) {
		memcpy(copy, output, sizeof(copy));
		err_set(e, 0, "%s: %.500s", name, find_reason(copy));
	}
	return WEXITSTATUS(status);
}

int run_program(const struct run_spec *spec,
		char output[static RUN_OUTPUT_MAX], struct err *e)
{
	CLEANUP(freep) char **environment =
		merge_environment(spec->environment);
	CLEANUP(fd_close) int read_fd = -1;
	int ends[2];
	pid_t pid;
	int r;

	memset(output, 0, RUN_OUTPUT_MAX);
	if (environment == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	fflush(stdout);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(e, "make a pipe");
	read_fd = ends[0];
	r = spawn(spec, environment, ends[1], &pid);
	close(ends[1]);
	if (r == -ENOENT)
		return err_set(e, r, "%s is not installed", spec->argv[0]);
	if (r < 0)
		return err_set(e, r, "start %s: %s", spec->argv[0],
			       strerror(-r));
	read_output(read_fd, spec->quiet, output);
	return wait_for(pid, spec->argv[0], output, e);
}
