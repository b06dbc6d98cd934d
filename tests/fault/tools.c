/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The programs that the daemons run, as far as they use them; which of them
 * this is, its name tells. C, as one run needs dozens of them:
 *   xl          asks world.py behind the socket FAKE_XL
 *   grub-*      GRUB's, on the grubenv that they are given; synced as the real
 *               grub-editenv does
 *   journalctl  of a machine that keeps no journal
 * and for the recipes of the control file:
 *   put FROM TO copies a file, not synced, as cp does
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

static int fail(const char *what)
{
	perror(what);
	return 1;
}

/* ---- xl ---------------------------------------------------------------- */

/* Sends the words, each with a NUL; gets the exit status and what to print. */
static int xl(int argc, char *argv[])
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char answer[4096];
	size_t length = 0;
	ssize_t n;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s",
		 getenv("FAKE_XL"));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return fail("xl");
	for (int i = 1; i < argc; i++)
		if (write(fd, argv[i], strlen(argv[i]) + 1) < 0)
			return fail("xl");
	shutdown(fd, SHUT_WR);
	while ((n = read(fd, answer + length, sizeof(answer) - length)) > 0)
		length += (size_t)n;
	if (length == 0 || write(STDOUT_FILENO, answer + 1, length - 1) < 0)
		return fail("xl");
	return answer[0];
}

/* ---- GRUB -------------------------------------------------------------- */

static int write_environment(const char *path, const char *next)
{
	char block[1024];
	int used = snprintf(block, sizeof(block),
			    "# GRUB Environment Block\nsaved_entry=0\n%s%s%s",
			    next == NULL ? "" : "next_entry=",
			    next == NULL ? "" : next, next == NULL ? "" : "\n");
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	memset(block + used, '#', sizeof(block) - (size_t)used);
	if (fd < 0 || write(fd, block, sizeof(block)) != sizeof(block) ||
	    fsync(fd) < 0 || close(fd) < 0)
		return fail(path);
	return 0;
}

static int grub_reboot(int argc, char *argv[])
{
	char path[4096];

	if (argc != 3)
		return 2;
	snprintf(path, sizeof(path), "%s/grub/grubenv",
		 argv[1] + strlen("--boot-directory="));
	return write_environment(path, argv[2]);
}

static int grub_editenv(int argc, char *argv[])
{
	if (argc != 4 || strcmp(argv[2], "unset") != 0)
		return 2;
	return write_environment(argv[1], NULL);
}

static int grub_probe(int argc, char *argv[])
{
	static const char *const answers[][2] = {
		{ "--target=fs_uuid", "1234-abcd" },
		{ "--target=fs", "ext2" },
		{ "--target=partmap", "gpt" },
		{ "--target=abstraction", "" },
	};

	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(answers); i++)
		if (strcmp(argv[1], answers[i][0]) == 0)
			return puts(answers[i][1]) < 0;
	return 2;
}

static int grub_mkrelpath(int argc, char *argv[])
{
	(void)argc;
	(void)argv;
	return puts("/boot") < 0;
}

static int grub_script_check(int argc, char *argv[])
{
	char buffer[4096];

	(void)argc;
	(void)argv;
	while (read(STDIN_FILENO, buffer, sizeof(buffer)) > 0)
		;
	return 0;
}

/* ---- others ------------------------------------------------------------ */

static int journalctl(int argc, char *argv[])
{
	(void)argc;
	(void)argv;
	return 1;
}

static int put(int argc, char *argv[])
{
	int in = argc == 3 ? open(argv[1], O_RDONLY) : -1;
	int out = in < 0 ? -1 :
			   open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0644);
	char buffer[65536];
	ssize_t n;

	if (out < 0)
		return fail("put");
	while ((n = read(in, buffer, sizeof(buffer))) > 0)
		if (write(out, buffer, (size_t)n) != n)
			return fail("put");
	return n < 0 ? fail("put") : 0;
}

static const struct {
	const char *name;
	int (*run)(int argc, char *argv[]);
} tools[] = {
	{ "xl", xl },
	{ "grub-reboot", grub_reboot },
	{ "grub-editenv", grub_editenv },
	{ "grub-probe", grub_probe },
	{ "grub-mkrelpath", grub_mkrelpath },
	{ "grub-script-check", grub_script_check },
	{ "journalctl", journalctl },
	{ "put", put },
};

int main(int argc, char *argv[])
{
	const char *slash = strrchr(argv[0], '/');
	const char *name = slash == NULL ? argv[0] : slash + 1;

	for (size_t i = 0; i < ARRAY_SIZE(tools); i++)
		if (strcmp(name, tools[i].name) == 0)
			return tools[i].run(argc, argv);
	fprintf(stderr, "%s: no such tool\n", name);
	return 127;
}
