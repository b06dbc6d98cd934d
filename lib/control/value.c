/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/value.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

/* Ten years: what is longer is a slip, and its microseconds must fit. */
#define TIME_MAX_S UINT64_C(315360000)
/* What off_t can count; and less is not enough for a shell. */
#define SIZE_MAX_BYTES (UINT64_C(1) << 62)
#define SIZE_MIN_BYTES (UINT64_C(64) << 10)

void value_text(struct checker *checker, const struct found *found, void *to)
{
	(void)checker;
	*(const char **)to = found->text;
}

void value_absolute(struct checker *checker, const struct found *found,
		    void *to)
{
	if (found->text[0] != '/')
		found_error(checker, found,
			    "not an absolute path: \"" REPORT_NAME "\"",
			    found->text);
	*(const char **)to = found->text;
}

static bool has_dot_dot(const char *path)
{
	while (*path != '\0') {
		size_t length = strcspn(path, "/");

		if (length == 2 && memcmp(path, "..", 2) == 0)
			return true;
		path += length;
		path += strspn(path, "/");
	}
	return false;
}

void value_inside(struct checker *checker, const struct found *found, void *to)
{
	if (found->text[0] == '/' || has_dot_dot(found->text))
		found_error(checker, found,
			    "leaves tempdir: \"" REPORT_NAME "\"", found->text);
	*(const char **)to = found->text;
}

void value_log_dir(struct checker *checker, const struct found *found, void *to)
{
	/* "/", ".", "./" and the like: nothing but dots and slashes. */
	if (strspn(found->text, "./") == strlen(found->text) &&
	    !has_dot_dot(found->text))
		found_error(checker, found,
			    "would be emptied before each run: \"" REPORT_NAME
			    "\"",
			    found->text);
	else if (found->text[0] != '/')
		value_inside(checker, found, to);
	*(const char **)to = found->text;
}

void value_config(struct checker *checker, const struct found *found, void *to)
{
	(void)checker;
	if (!text_equal_nocase(found->text, "none"))
		*(const char **)to = found->text;
}

void value_user(struct checker *checker, const struct found *found, void *to)
{
	if (strpbrk(found->text, " \t\r\v\f\n:/") != NULL)
		found_error(checker, found,
			    "not a user's name: \"" REPORT_NAME "\"",
			    found->text);
	*(const char **)to = found->text;
}

void value_host_name(struct checker *checker, const struct found *found,
		     void *to)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz"
				      "0123456789.-";
	size_t length = strlen(found->text);

	/* It becomes a directory too: no hidden one, no option. */
	if (length > CONTROL_NAME_MAX ||
	    strspn(found->text, letters) != length || found->text[0] == '.' ||
	    found->text[0] == '-')
		found_error(
			checker, found,
			"not a host name of at most %d letters, digits, \".\" and \"-\": \"" REPORT_NAME
			"\"",
			CONTROL_NAME_MAX, found->text);
	*(const char **)to = found->text;
}

void value_sha256(struct checker *checker, const struct found *found, void *to)
{
	size_t length = strlen(found->text);
	char *digest;

	if (length != 64 ||
	    strspn(found->text, "0123456789abcdefABCDEF") != length) {
		found_error(checker, found,
			    "not 64 hex digits: \"" REPORT_NAME "\"",
			    found->text);
		return;
	}
	digest = arena_text(&checker->tree->arena, found->text, length);
	if (digest == NULL) {
		checker->no_memory = true;
		return;
	}
	for (char *c = digest; *c != '\0'; c++)
		*c = text_lower(*c);
	*(const char **)to = digest;
}

/* Digits alone, of a value that stays far from overflow. */
static bool read_digits(const char *text, size_t length, uint64_t *ret)
{
	uint64_t number = 0;

	if (length == 0)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		if (number < UINT64_C(1000000000000))
			number = number * 10 + (uint64_t)(text[i] - '0');
	}
	*ret = number;
	return true;
}

static bool read_time(struct checker *checker, const struct found *found,
		      uint64_t *ret)
{
	static const struct {
		char letter;
		uint64_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	size_t length = strlen(found->text);
	uint64_t unit = 1;
	uint64_t number;

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (found->text[length - 1] == units[i].letter) {
			unit = units[i].seconds;
			length--;
			break;
		}
	}
	if (!read_digits(found->text, length, &number)) {
		found_error(checker, found, "not a time: \"" REPORT_NAME "\"",
			    found->text);
		return false;
	}
	if (number > TIME_MAX_S / unit) {
		found_error(checker, found,
			    "longer than 3650d: \"" REPORT_NAME "\"",
			    found->text);
		return false;
	}
	*ret = number * unit;
	return true;
}

void value_limit(struct checker *checker, const struct found *found, void *to)
{
	uint64_t *limit = to;

	if (text_equal_nocase(found->text, "none")) {
		*limit = CONTROL_NO_LIMIT;
		return;
	}
	if (read_time(checker, found, limit) && *limit == 0)
		found_error(checker, found,
			    "no time at all: \"" REPORT_NAME
			    "\" (\"none\" lifts the limit)",
			    found->text);
}

void value_duration(struct checker *checker, const struct found *found,
		    void *to)
{
	if (!text_equal_nocase(found->text, "none"))
		read_time(checker, found, to);
}

/* A whole number, then perhaps a binary unit. */
static bool read_size(const char *text, uint64_t *ret)
{
	static const char units[] = "kmgt";
	size_t length = strlen(text);
	const char *unit = strchr(units, text_lower(text[length - 1]));
	unsigned int shift = 0;

	if (unit != NULL) {
		shift = 10 * (unsigned int)(unit - units + 1);
		length--;
	}
	if (!read_digits(text, length, ret) || *ret > SIZE_MAX_BYTES >> shift)
		return false;
	*ret <<= shift;
	return true;
}

void value_size(struct checker *checker, const struct found *found, void *to)
{
	uint64_t *limit = to;

	if (text_equal_nocase(found->text, "none"))
		*limit = CONTROL_NO_LIMIT;
	else if (!read_size(found->text, limit))
		found_error(checker, found,
			    "not a size such as 512M: \"" REPORT_NAME "\"",
			    found->text);
	else if (*limit < SIZE_MIN_BYTES)
		found_error(checker, found,
			    "less than 64k: \"" REPORT_NAME
			    "\" (\"none\" lifts the limit)",
			    found->text);
}

static void read_number(struct checker *checker, const struct found *found,
			unsigned int min, unsigned int max, unsigned int *to)
{
	uint64_t number;

	if (!read_digits(found->text, strlen(found->text), &number))
		found_error(checker, found,
			    "not a whole number: \"" REPORT_NAME "\"",
			    found->text);
	else if (number < min || number > max)
		found_error(checker, found,
			    "not between %u and %u: \"" REPORT_NAME "\"", min,
			    max, found->text);
	else
		*to = (unsigned int)number;
}

void value_repeat(struct checker *checker, const struct found *found, void *to)
{
	read_number(checker, found, 1, 1000000, to);
}

void value_retries(struct checker *checker, const struct found *found, void *to)
{
	read_number(checker, found, 0, 1000, to);
}

void value_reboots(struct checker *checker, const struct found *found, void *to)
{
	read_number(checker, found, 0, 100, to);
}

void value_restarts(struct checker *checker, const struct found *found,
		    void *to)
{
	read_number(checker, found, 0, 100, to);
}

void value_tasks(struct checker *checker, const struct found *found, void *to)
{
	unsigned int number = 1;

	if (text_equal_nocase(found->text, "none")) {
		*(uint64_t *)to = CONTROL_NO_LIMIT;
		return;
	}
	read_number(checker, found, 1, 4194304, &number); /* PID_MAX_LIMIT */
	*(uint64_t *)to = number;
}

void value_jobs(struct checker *checker, const struct found *found, void *to)
{
	read_number(checker, found, 1, 65536, to);
}

void value_yes_no(struct checker *checker, const struct found *found, void *to)
{
	static const struct {
		const char *word;
		bool yes;
	} words[] = {
		{"yes", true}, {"no", false},  {"true", true}, {"false", false},
		{"on", true},  {"off", false}, {"1", true},    {"0", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (text_equal_nocase(found->text, words[i].word)) {
			*(bool *)to = words[i].yes;
			return;
		}
	}
	found_error(checker, found, "neither yes nor no: \"" REPORT_NAME "\"",
		    found->text);
}

void value_boot_method(struct checker *checker, const struct found *found,
		       void *to)
{
	static const struct {
		const char *word;
		int method; /* -1: not supported yet */
	} words[] = {
		{"auto", CONTROL_BOOT_AUTO},
		{"grub", CONTROL_BOOT_GRUB},
		{"efi", -1},
		{"systemd-boot", -1},
		{"command", CONTROL_BOOT_COMMAND},
		{"none", CONTROL_BOOT_NONE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (!text_equal_nocase(found->text, words[i].word))
			continue;
		if (words[i].method < 0)
			found_error(checker, found,
				    "\"%s\" is not supported yet",
				    words[i].word);
		else
			*(enum control_boot *)to =
				(enum control_boot)words[i].method;
		return;
	}
	found_error(
		checker, found,
		"not one of auto, grub, efi, systemd-boot, command, none: \"" REPORT_NAME
		"\"",
		found->text);
}

void value_on_failure(struct checker *checker, const struct found *found,
		      void *to)
{
	if (text_equal_nocase(found->text, "fallback"))
		*(enum control_on_failure *)to = CONTROL_FALLBACK;
	else if (text_equal_nocase(found->text, "stay"))
		*(enum control_on_failure *)to = CONTROL_STAY;
	else
		found_error(checker, found,
			    "neither fallback nor stay: \"" REPORT_NAME "\"",
			    found->text);
}

void value_on_crash(struct checker *checker, const struct found *found,
		    void *to)
{
	if (text_equal_nocase(found->text, "restart"))
		*(enum control_on_crash *)to = CONTROL_RESTART;
	else if (text_equal_nocase(found->text, "give-up"))
		*(enum control_on_crash *)to = CONTROL_GIVE_UP;
	else
		found_error(checker, found,
			    "neither restart nor give-up: \"" REPORT_NAME
			    "\"",
			    found->text);
}

/* "3" or "3-5", @length bytes of it. */
static bool read_statuses(const char *text, size_t length,
			  struct control_expect *expect)
{
	const char *dash = memchr(text, '-', length);
	size_t first_length = dash != NULL ? (size_t)(dash - text) : length;
	uint64_t first;
	uint64_t last;

	if (!read_digits(text, first_length, &first))
		return false;
	last = first;
	if (dash != NULL &&
	    !read_digits(dash + 1, length - first_length - 1, &last))
		return false;
	if (first > last || last > 255)
		return false;
	for (uint64_t status = first; status <= last; status++)
		expect->bits[status / 64] |= UINT64_C(1) << status % 64;
	return true;
}

void value_expect(struct checker *checker, const struct found *found, void *to)
{
	static const char between[] = " \t\r\v\f\n,";
	struct control_expect *expect = to;
	const char *word = found->text + strspn(found->text, between);

	*expect = (struct control_expect){.given = true};
	while (*word != '\0') {
		size_t length = strcspn(word, between);

		if (!read_statuses(word, length, expect)) {
			found_error(checker, found,
				    "not exit statuses from 0 to 255: \"%.*s\"",
				    length > 100 ? 100 : (int)length, word);
			return;
		}
		word += length;
		word += strspn(word, between);
	}
}

static bool is_environment(const char *line, size_t length)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz"
				      "_0123456789";
	size_t name = strspn(line, letters);

	return name > 0 && name < length && line[name] == '=' &&
	       (line[0] < '0' || line[0] > '9');
}

void value_environment(struct checker *checker, const struct found *found,
		       void *to)
{
	struct arena *arena = &checker->tree->arena;
	const char **lines;
	const char *line;
	size_t count = 1;

	for (const char *c = found->text; *c != '\0'; c++)
		count += *c == '\n';
	lines = arena_array(arena, count + 1, sizeof(*lines));
	if (lines == NULL) {
		checker->no_memory = true;
		return;
	}
	*(const char ***)to = lines;
	for (line = found->text; *line != '\0'; line++) {
		size_t length = strcspn(line, "\n");

		if (length > 0 && !is_environment(line, length))
			found_error(checker, found, "not NAME=value: \"%.*s\"",
				    length > 100 ? 100 : (int)length, line);
		if (length > 0 &&
		    (*lines++ = arena_text(arena, line, length)) == NULL)
			checker->no_memory = true;
		line += length;
		if (*line == '\0')
			break;
	}
}

void value_refused(struct checker *checker, const struct found *found, void *to)
{
	(void)to;
	found_error(checker, found, "not supported yet");
}
