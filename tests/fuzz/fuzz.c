/* SPDX-License-Identifier: BSD-2-Clause */
#include "fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"

void fuzz_broken(const char *condition, const char *file, int line)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
	abort();
}

/* ---- files in memory --------------------------------------------------- */

static char dir_path[256];
static int dir_fd = -1;

static void remove_dir(void)
{
	struct err e = ERR_NONE;

	close(dir_fd);
	file_remove_tree(AT_FDCWD, dir_path, &e);
}

int fuzz_dir(void)
{
	const char *where = getenv("TMPDIR");
	struct err e = ERR_NONE;

	if (dir_fd >= 0)
		return dir_fd;
	if (where == NULL)
		where = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	must(snprintf(dir_path, sizeof(dir_path), "%s/xentest-fuzz-XXXXXX",
		      where) < (int)sizeof(dir_path));
	must(mkdtemp(dir_path) != NULL);
	must(file_open_dir(AT_FDCWD, dir_path, &dir_fd, &e) == 0);
	atexit(remove_dir);
	return dir_fd;
}

const char *fuzz_dir_path(void)
{
	fuzz_dir();
	return dir_path;
}

int fuzz_file(const char *path)
{
	CLEANUP(freep) char *dir = strdup(path);
	char *slash = strrchr(dir, '/');
	struct err e = ERR_NONE;
	int fd;

	if (slash != NULL) {
		*slash = '\0';
		must(file_make_dirs(fuzz_dir(), dir, 0755, NULL, &e) == 0);
	}
	fd = openat(fuzz_dir(), path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	must(fd >= 0);
	return fd;
}

void fuzz_fill(int fd, const void *bytes, size_t length)
{
	must(length == 0 ||
	     pwrite(fd, bytes, length, 0) == (ssize_t)length);
	must(ftruncate(fd, (off_t)length) == 0);
}

/* ---- text -------------------------------------------------------------- */

char *fuzz_text(const void *bytes, size_t length)
{
	char *text;

	length = length == 0 ? 0 : strnlen(bytes, length);
	text = malloc(length + 1);
	must(text != NULL);
	if (length > 0)
		memcpy(text, bytes, length);
	text[length] = '\0';
	return text;
}

char *fuzz_line(const uint8_t **bytes, size_t *length)
{
	const uint8_t *line = *bytes;
	const uint8_t *end =
		*length == 0 ? NULL : memchr(line, '\n', *length);
	size_t line_length = end == NULL ? *length : (size_t)(end - line);
	size_t used = end == NULL ? *length : line_length + 1;

	*bytes += used;
	*length -= used;
	return fuzz_text(line, line_length);
}

/*
 * One character's length, or 0. Told from its value, unlike in lib/base/text.c:
 * two ways that must agree.
 */
static size_t character(const unsigned char *s, uint32_t *value)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t length = s[0] < 0x80	      ? 1 :
			(s[0] & 0xE0) == 0xC0 ? 2 :
			(s[0] & 0xF0) == 0xE0 ? 3 :
			(s[0] & 0xF8) == 0xF0 ? 4 :
						0;

	if (length == 0)
		return 0;
	*value = length == 1 ? s[0] : s[0] & (0x7FU >> length);
	for (size_t i = 1; i < length; i++) {
		if ((s[i] & 0xC0) != 0x80)
			return 0;
		*value = *value << 6 | (s[i] & 0x3FU);
	}
	if (*value < least[length] || *value > 0x10FFFF ||
	    (*value >= 0xD800 && *value <= 0xDFFF))
		return 0;
	return length;
}

static bool is_control(uint32_t value)
{
	return value < 0x20 || (value >= 0x7F && value <= 0x9F);
}

bool fuzz_is_utf8(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	uint32_t value;

	while (*s != '\0') {
		size_t length = character(s, &value);

		if (length == 0)
			return false;
		s += length;
	}
	return true;
}

bool fuzz_is_plain(const char *text, const char *allowed)
{
	const unsigned char *s = (const unsigned char *)text;
	uint32_t value;

	while (*s != '\0') {
		size_t length = character(s, &value);

		if (length == 0 ||
		    (is_control(value) && strchr(allowed, *s) == NULL))
			return false;
		s += length;
	}
	return true;
}

bool fuzz_has_controls(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	uint32_t value;

	while (*s != '\0') {
		size_t length = character(s, &value);

		if (length > 0 && is_control(value))
			return true;
		s += length == 0 ? 1 : length;
	}
	return false;
}

/* ---- a control file ---------------------------------------------------- */

const char fuzz_control_text[] = "[Preferences]\n"
				 "xen-tree = none\n"
				 "shared_dir = /share\n"
				 "[XENVM0]\n"
				 "name = vm\n"
				 "tempdir = /tmp\n"
				 "test1 = a\n"
				 "test2 = b\n"
				 "test3 = a\n"
				 "[a]\n"
				 "run_command = true\n"
				 "[b]\n"
				 "run_command = false\n"
				 "expect = 1 3-5\n";

static struct control *control;

static void free_control(void)
{
	control_free(control);
}

const struct control *fuzz_control(void)
{
	CLEANUP(control_report_done) struct control_report report = { 0 };
	struct err e = ERR_NONE;

	if (control != NULL)
		return control;
	must(control_load(fuzz_control_text, strlen(fuzz_control_text), "vm",
			  &report, &control, &e) == 0);
	atexit(free_control);
	return control;
}
