/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The least that running tests can cost: for each one a shell, a log file and
 * a line of record that survives a power cut. xenruntestsd is measured against
 * it: tests/bench/run.
 *
 * usage: bare-loop DIR COUNT COMMAND
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char *what)
{
	fprintf(stderr, "bare-loop: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static int open_in(const char *dir, const char *name, int flags)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);
	if (fd < 0)
		fail(path);
	return fd;
}

static int run_shell(const char *command, int log_fd)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)command, NULL };
	posix_spawn_file_actions_t actions;
	int status;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null",
					 O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, log_fd, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, log_fd, STDERR_FILENO);
	errno = posix_spawn(&pid, "/bin/sh", &actions, NULL, argv, environ);
	if (errno != 0)
		fail("start sh");
	posix_spawn_file_actions_destroy(&actions);
	if (waitpid(pid, &status, 0) != pid)
		fail("wait");
	return status;
}

int main(int argc, char *argv[])
{
	int record_fd;

	if (argc != 4) {
		fputs("usage: bare-loop DIR COUNT COMMAND\n", stderr);
		return 2;
	}
	record_fd = open_in(argv[1], "record.jsonl", O_APPEND);
	for (int i = 1; i <= atoi(argv[2]); i++) {
		char name[32];
		int status;
		int log_fd;

		snprintf(name, sizeof(name), "%d.log", i);
		log_fd = open_in(argv[1], name, O_TRUNC);
		status = run_shell(argv[3], log_fd);
		close(log_fd);
		if (dprintf(record_fd, "{\"n\":%d,\"status\":%d}\n", i,
			    status) < 0 ||
		    fdatasync(record_fd) < 0)
			fail("record");
	}
	return 0;
}
