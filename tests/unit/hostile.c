/* SPDX-License-Identifier: BSD-2-Clause */
/* hostile CASE [NUMBER]: a test program that does not want to end. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void ignore_all(void)
{
	for (int number = 1; number < 32; number++)
		signal(number, SIG_IGN);
}

/* For who waits for it: it has done all that it is going to. */
static void say_begun(void)
{
	int fd = open("begun", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	if (fd >= 0)
		close(fd);
}

static void wait_for_ever(void)
{
	for (;;)
		pause();
}

/* @count processes, each an orphan in a session of its own. */
static void scatter(long count)
{
	for (long i = 0; i < count; i++) {
		if (fork() != 0)
			continue;
		setsid();
		if (fork() != 0)
			_exit(0);
		wait_for_ever();
	}
	say_begun();
	wait_for_ever();
}

/* @count lines of descent, each of which forks and ends without end. */
static void hop(long count)
{
	for (long i = 0; i < count; i++)
		if (fork() == 0)
			for (;;)
				if (fork() > 0)
					_exit(0);
	say_begun();
	wait_for_ever();
}

/* Each a child of the one before. */
static void chain(long count)
{
	while (count-- > 0 && fork() == 0)
		;
	if (count < 0)
		say_begun();
	wait_for_ever();
}

/* As many as there can be, and again as soon as there is room. */
static void bomb(void)
{
	for (;;)
		if (fork() < 0)
			usleep(1000);
}

static void stop(void)
{
	say_begun();
	for (;;)
		kill(0, SIGSTOP);
}

static void *fork_in_a_thread(void *arg)
{
	if (fork() == 0)
		wait_for_ever();
	return arg;
}

/* Children that only their thread's list has. */
static void threads(long count)
{
	pthread_t thread;

	for (long i = 0; i < count; i++)
		if (pthread_create(&thread, NULL, fork_in_a_thread, NULL) == 0)
			pthread_join(thread, NULL);
	say_begun();
	wait_for_ever();
}

/* @mib MiB to stdout, or without end: lines of 64 bytes. */
static void flood(long mib)
{
	static char block[1 << 20];

	for (long i = 0; mib < 0 || i < mib; i++) {
		for (size_t at = 0; i == 0 && at < sizeof(block); at += 64)
			snprintf(block + at, 64, "%62zx\n", at);
		for (size_t at = 63; i == 0 && at < sizeof(block); at += 64)
			block[at] = ' '; /* where the NUL was */
		for (size_t at = 0; at < sizeof(block);) {
			ssize_t n = write(STDOUT_FILENO, block + at,
					  sizeof(block) - at);

			if (n < 0)
				_exit(1);
			at += (size_t)n;
		}
	}
}

/* Writes its log anew, and below where it stands, through /proc. */
static void reopen(long mib)
{
	int fd = open("/proc/self/fd/1", O_WRONLY);
	static char block[1 << 20];

	memset(block, 'x', sizeof(block));
	flood(mib);
	for (long i = 0; i < mib; i++)
		if (pwrite(fd, block, sizeof(block), i * (1L << 20)) < 0)
			_exit(1);
}

/* Uses @mib MiB of memory. */
static void eat(long mib)
{
	for (long i = 0; i < mib; i++) {
		char *piece = malloc(1 << 20);

		if (piece == NULL)
			_exit(1);
		memset(piece, (int)i | 1, 1 << 20);
	}
}

int main(int argc, char *argv[])
{
	const char *what = argc > 1 ? argv[1] : "";
	long number = argc > 2 ? atol(argv[2]) : -1;

	if (strcmp(what, "flood") == 0)
		flood(number);
	else if (strcmp(what, "reopen") == 0)
		reopen(number);
	else if (strcmp(what, "eat") == 0)
		eat(number);
	else
		ignore_all();
	if (strcmp(what, "scatter") == 0)
		scatter(number);
	else if (strcmp(what, "hop") == 0)
		hop(number);
	else if (strcmp(what, "chain") == 0)
		chain(number);
	else if (strcmp(what, "bomb") == 0)
		bomb();
	else if (strcmp(what, "stop") == 0)
		stop();
	else if (strcmp(what, "threads") == 0)
		threads(number);
	return 0;
}
