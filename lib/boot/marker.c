/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/marker.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"

static const char *const stages[] = {
	[MARKER_BOOT] = "boot",
	[MARKER_TEST] = "test",
};

const char *marker_stage_text(enum marker_stage stage)
{
	return (size_t)stage < ARRAY_SIZE(stages) ? stages[stage] : "?";
}

/* ---- values ------------------------------------------------------------ */

static bool take_text(char *to, size_t size, const char *value,
		      const char *alphabet)
{
	size_t length = strlen(value);

	if (length >= size || strspn(value, alphabet) != length)
		return false;
	memcpy(to, value, length + 1);
	return true;
}

static bool take_number(uint64_t *to, const char *value, uint64_t max)
{
	uint64_t number = 0;

	if (value[0] == '\0' || strlen(value) > 20)
		return false;
	for (; *value != '\0'; value++) {
		unsigned int digit = (unsigned int)(*value - '0');

		if (digit > 9 || number > (UINT64_MAX - digit) / 10)
			return false;
		number = number * 10 + digit;
	}
	*to = number;
	return number <= max;
}

static bool take_run(struct marker *marker, const char *value)
{
	return value[0] != '\0' && value[0] != '-' &&
	       take_text(marker->run, sizeof(marker->run), value,
			 "0123456789abcdefghijklmnopqrstuvwxyz-");
}

static bool take_stage(struct marker *marker, const char *value)
{
	for (size_t i = 0; i < ARRAY_SIZE(stages); i++)
		if (strcmp(value, stages[i]) == 0) {
			marker->stage = (enum marker_stage)i;
			return true;
		}
	return false;
}

static bool take_boot_id(struct marker *marker, const char *value)
{
	return strlen(value) == sizeof(marker->boot_id) - 1 &&
	       take_text(marker->boot_id, sizeof(marker->boot_id), value,
			 "0123456789abcdef-");
}

static bool take_build_id(struct marker *marker, const char *value)
{
	return strlen(value) % 2 == 0 &&
	       take_text(marker->build_id, sizeof(marker->build_id), value,
			 "0123456789abcdef");
}

static bool take_boots_left(struct marker *marker, const char *value)
{
	uint64_t number;

	if (!take_number(&number, value, MARKER_BOOTS_MAX))
		return false;
	marker->boots_left = (unsigned int)number;
	return true;
}

static bool take_boot_timeout(struct marker *marker, const char *value)
{
	if (strcmp(value, "none") == 0) {
		marker->boot_timeout_s = UINT64_MAX;
		return true;
	}
	return take_number(&marker->boot_timeout_s, value, UINT64_MAX - 1);
}

static bool take_on_failure(struct marker *marker, const char *value)
{
	marker->stay = strcmp(value, "stay") == 0;
	return marker->stay || strcmp(value, "fallback") == 0;
}

/* ---- reading ----------------------------------------------------------- */

static const struct key {
	const char *name;
	bool (*take)(struct marker *marker, const char *value);
} keys[] = {
	{ "run", take_run },
	{ "stage", take_stage },
	{ "boot_id", take_boot_id },
	{ "build_id", take_build_id },
	{ "boots_left", take_boots_left },
	{ "boot_timeout", take_boot_timeout },
	{ "on_failure", take_on_failure },
};

static char *strip(char *text)
{
	size_t length;

	text += strspn(text, " \t");
	length = strlen(text);
	while (length > 0 && strchr(" \t", text[length - 1]) != NULL)
		length--;
	text[length] = '\0';
	return text;
}

static int take_line(struct marker *marker, char *line, unsigned int *seen,
		     struct err *e)
{
	char *value = strchr(line, '=');
	const char *name;

	if (value == NULL)
		return err_set(e, -EBADMSG, "not \"key = value\"");
	*value++ = '\0';
	name = strip(line);
	value = strip(value);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(name, keys[i].name) != 0)
			continue;
		if ((*seen & 1U << i) != 0)
			return err_set(e, -EBADMSG, "%s stands there twice",
				       keys[i].name);
		*seen |= 1U << i;
		return keys[i].take(marker, value) ?
			       0 :
			       err_set(e, -EBADMSG, "bad value for %s",
				       keys[i].name);
	}
	text_plain(line);
	return err_set(e, -EBADMSG, "unknown key \"%.40s\"", name);
}

static int parse(struct marker *marker, char *text, size_t length,
		 struct err *e)
{
	unsigned int seen = 0;
	char *rest = text;
	char *line;

	if (length == 0 || text[length - 1] != '\n' || strlen(text) != length)
		return err_set(e, -EBADMSG, "it is torn or not text");
	text[length - 1] = '\0';
	while ((line = strsep(&rest, "\n")) != NULL) {
		int r = line[0] == '#' || line[0] == '\0' ?
				0 :
				take_line(marker, line, &seen, e);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if ((seen & 1U << i) == 0)
			return err_set(e, -EBADMSG, "%s is missing",
				       keys[i].name);
	return 0;
}

int marker_load(int root_fd, struct marker *ret, struct err *e)
{
	struct marker marker = { .run = "" };
	CLEANUP(freep) char *text = NULL;
	size_t length;
	int r;

	r = file_read(root_fd, MARKER_DIR "/" MARKER_NAME, MARKER_BYTES_MAX,
		      &text, &length, e);
	if (r < 0)
		return r;
	r = parse(&marker, text, length, e);
	if (r < 0)
		return err_wrap(e, r,
				MARKER_PATH " makes no sense (remove it to give its run up)");
	*ret = marker;
	return 0;
}

/* ---- writing ----------------------------------------------------------- */

static char *format(const struct marker *marker)
{
	char timeout[24] = "none";

	if (marker->boot_timeout_s != UINT64_MAX)
		snprintf(timeout, sizeof(timeout), "%" PRIu64,
			 marker->boot_timeout_s);
	return text_format("# A run of Xentest is going on: xentest(7). Use \"xentest abort\" to end it.\n"
			   "run = %s\n"
			   "stage = %s\n"
			   "boot_id = %s\n"
			   "build_id = %s\n"
			   "boots_left = %u\n"
			   "boot_timeout = %s\n"
			   "on_failure = %s\n",
			   marker->run, marker_stage_text(marker->stage),
			   marker->boot_id, marker->build_id,
			   marker->boots_left, timeout,
			   marker->stay ? "stay" : "fallback");
}

int marker_save(int root_fd, const struct marker *marker, struct err *e)
{
	CLEANUP(freep) char *text = format(marker);
	CLEANUP(freep) char *copy = NULL;
	CLEANUP(fd_close) int dir_fd = -1;
	struct marker again = { .run = "" };
	int r;

	copy = text == NULL ? NULL : strdup(text);
	if (copy == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	/* What could not be read back must not be what a boot depends on. */
	r = parse(&again, copy, strlen(copy), e);
	if (r < 0)
		return err_wrap(e, -EINVAL, "write " MARKER_PATH);
	r = file_open_dir(root_fd, MARKER_DIR, &dir_fd, e);
	if (r == 0)
		r = file_write_atomic(dir_fd, MARKER_NAME, text, strlen(text),
				      0644, e);
	return r < 0 ? err_wrap(e, r, "write " MARKER_PATH) : 0;
}

int marker_remove(int root_fd, struct err *e)
{
	CLEANUP(fd_close) int dir_fd = -1;
	int r;

	r = file_open_dir(root_fd, MARKER_DIR, &dir_fd, e);
	if (r == 0)
		r = file_remove(dir_fd, MARKER_NAME, e);
	return r < 0 ? err_wrap(e, r, "remove " MARKER_PATH) : 0;
}

bool marker_exists(int root_fd)
{
	return faccessat(root_fd, MARKER_DIR "/" MARKER_NAME, F_OK,
			 AT_SYMLINK_NOFOLLOW) == 0;
}
