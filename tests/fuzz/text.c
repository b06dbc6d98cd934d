/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes, made fit to be shown; and any bytes as JSON. */
#include "fuzz.h"

#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"

enum { LINES = 5 };

static void check_text(const uint8_t *data, size_t size)
{
	CLEANUP(freep) char *text = fuzz_text(data, size);
	CLEANUP(freep) char *valid = text_valid_utf8(text, strlen(text));
	CLEANUP(freep) char *again = text_valid_utf8(valid, strlen(valid));
	size_t length = strlen(valid);

	must(fuzz_is_utf8(valid));
	must(strcmp(valid, again) == 0);
	must(fuzz_is_utf8(text) == (strcmp(valid, text) == 0));
	text_plain(valid);
	must(fuzz_is_plain(valid, ""));
	must(strlen(valid) == length);
	must(text_equal_nocase(valid, valid));
	text_plain(text);
	must(!fuzz_has_controls(text));
}

/* However much an error has to say, it says it within its bounds. */
static void check_err(const uint8_t *data, size_t size)
{
	CLEANUP(freep) char *text = fuzz_text(data, size);
	struct err e = ERR_NONE;

	err_set(&e, -EIO, "%s", text);
	for (int i = 0; i < 3; i++)
		err_wrap(&e, -EIO, "%s", text);
	must(strlen(e.text) < sizeof(e.text));
}

static void check_tail(const uint8_t *data, size_t size)
{
	static int fd = -1;
	CLEANUP(freep) char *tail = NULL;
	struct err e = ERR_NONE;
	size_t newlines = 0;

	if (fd < 0)
		fd = fuzz_file("log");
	fuzz_fill(fd, data, size);
	must(file_tail(fuzz_dir(), "log", LINES, &tail, &e) == 0);
	must(fuzz_is_plain(tail, "\n"));
	for (const char *c = tail; *c != '\0'; c++)
		newlines += *c == '\n';
	must(newlines < LINES);
}

/* What was read is written, and read again the same. */
static void check_json(const uint8_t *data, size_t size)
{
	CLEANUP(json_freep) struct json *value = NULL;
	CLEANUP(json_freep) struct json *again = NULL;
	CLEANUP(freep) char *text = NULL;
	CLEANUP(freep) char *other = NULL;
	struct err e = ERR_NONE;
	int r = json_parse((const char *)data, size, &value, &e);

	must(r == 0 || r == -EBADMSG);
	if (r < 0)
		return;
	text = json_print(value, JSON_ONE_LINE);
	must(text != NULL && strchr(text, '\n') == NULL);
	must(json_parse(text, strlen(text), &again, &e) == 0);
	other = json_print(again, JSON_ONE_LINE);
	must(strcmp(text, other) == 0);
}

static void check_string(const uint8_t *data, size_t size)
{
	CLEANUP(freep) char *text = fuzz_text(data, size);
	CLEANUP(json_freep) struct json *object = json_object_new();
	const char *got;

	json_set_string(object, "key", text);
	got = json_get_string(object, "key", NULL);
	must(got != NULL && fuzz_is_utf8(got));
	must(!fuzz_is_utf8(text) || strcmp(got, text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_text(data, size);
	check_err(data, size);
	check_tail(data, size);
	check_json(data, size);
	check_string(data, size);
	return 0;
}
