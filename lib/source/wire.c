/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/wire.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"

enum { BYTES_FIRST = 1 << 12, BYTES_MAX = 1 << 20 }; /* powers of 2 */

/* ---- text, whatever its bytes ------------------------------------------ */

static void set_bytes(struct json *object, const char *key, const char *bytes)
{
	CLEANUP(freep) char *text = NULL;
	size_t n = 0;

	if (bytes == NULL)
		return;
	text = malloc(strlen(bytes) * 3 + 1);
	if (text == NULL)
		return;
	for (; *bytes != '\0'; bytes++)
		if (*bytes == '%' || (unsigned char)*bytes >= 0x80)
			n += (size_t)sprintf(text + n, "%%%02X",
					     (unsigned char)*bytes);
		else
			text[n++] = *bytes;
	text[n] = '\0';
	json_set_string(object, key, text);
}

/* The byte that "%XX" stands for; -1: it is no escape. */
static int unescape(const char *text)
{
	unsigned int byte;

	if (text[0] != '%' || !isxdigit((unsigned char)text[1]) ||
	    !isxdigit((unsigned char)text[2]))
		return -1;
	return sscanf(text + 1, "%2x", &byte) == 1 ? (int)byte : -1;
}

/* NULL when it is not there. */
static char *get_bytes(const struct json *object, const char *key)
{
	const char *from = json_get_string(object, key, NULL);
	char *bytes = from == NULL ? NULL : strdup(from);
	char *to = bytes;

	if (bytes == NULL)
		return NULL;
	while (*from != '\0') {
		int byte = unescape(from);

		*to++ = byte < 0 ? *from : (char)byte;
		from += byte < 0 ? 1 : 3;
	}
	*to = '\0';
	return bytes;
}

static void copy_bytes(const struct json *object, const char *key, char *to,
		       size_t size)
{
	CLEANUP(freep) char *bytes = get_bytes(object, key);

	snprintf(to, size, "%s", bytes == NULL ? "" : bytes);
}

/* ---- reading ----------------------------------------------------------- */

/* More room for what is read: most of what comes here is short. */
static int grow(char **buffer, size_t *room, struct err *e)
{
	size_t next = *room == 0 ? BYTES_FIRST : *room * 2;
	char *more;

	if (*room == BYTES_MAX)
		return err_set(e, -EFBIG, "more than %d bytes", BYTES_MAX - 1);
	more = realloc(*buffer, next);
	if (more == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	*buffer = more;
	*room = next;
	return 0;
}

static int read_all(int fd, char **buffer, size_t *ret_length, struct err *e)
{
	size_t length = 0;
	size_t room = 0;
	ssize_t n = 1;

	while (n != 0) {
		int r = length == room ? grow(buffer, &room, e) : 0;

		if (r < 0)
			return r;
		n = read(fd, *buffer + length, room - length);
		if (n < 0 && errno != EINTR)
			return err_errno(e, "read");
		length += n > 0 ? (size_t)n : 0;
	}
	*ret_length = length;
	return 0;
}

static int read_object(int fd, struct json **ret, struct err *e)
{
	CLEANUP(freep) char *buffer = NULL;
	CLEANUP(json_freep) struct json *object = NULL;
	size_t length = 0;
	int r;

	r = read_all(fd, &buffer, &length, e);
	if (r < 0)
		return r;
	if (length == 0)
		return err_set(e, -ENODATA, "nothing");
	r = json_parse(buffer, length, &object, e);
	if (r < 0)
		return r;
	if (!json_is_object(object))
		return err_set(e, -EBADMSG, "not an object");
	*ret = TAKE_PTR(object);
	return 0;
}

/* ---- the job ----------------------------------------------------------- */

char *wire_print_job(const struct source_job *job, int answer_fd)
{
	CLEANUP(json_freep) struct json *object = json_object_new();

	set_bytes(object, "url", job->source->url);
	json_set_int(object, "kind", job->source->kind);
	set_bytes(object, "ref", job->source->ref);
	set_bytes(object, "sha256", job->source->sha256);
	set_bytes(object, "name", job->name);
	json_set_int(object, "retries", job->retries);
	json_set_int(object, "pause_ms", job->pause_ms);
	json_set_int(object, "bytes_max", (int64_t)job->bytes_max);
	json_set_int(object, "cache_fd", job->cache_fd);
	json_set_int(object, "work_fd", job->work_fd);
	json_set_int(object, "answer_fd", answer_fd);
	json_set_int(object, "parent", getpid());
	return object == NULL ? NULL : json_print(object, JSON_ONE_LINE);
}

static void take_job(struct wire_job *job, const struct json *object)
{
	job->source = (struct control_source){
		.url = job->text[0] = get_bytes(object, "url"),
		.kind = (enum control_kind)json_get_int(object, "kind", 0),
		.ref = job->text[1] = get_bytes(object, "ref"),
		.sha256 = job->text[2] = get_bytes(object, "sha256"),
	};
	job->job = (struct source_job){
		.source = &job->source,
		.cache_fd = (int)json_get_int(object, "cache_fd", -1),
		.work_fd = (int)json_get_int(object, "work_fd", -1),
		.name = job->text[3] = get_bytes(object, "name"),
		.retries = (unsigned int)json_get_int(object, "retries", 0),
		.pause_ms = (unsigned int)json_get_int(object, "pause_ms", 0),
		.bytes_max = (uint64_t)json_get_int(object, "bytes_max", 0),
	};
	job->answer_fd = (int)json_get_int(object, "answer_fd", -1);
	job->parent = (pid_t)json_get_int(object, "parent", -1);
}

int wire_read_job(int fd, struct wire_job *ret, struct err *e)
{
	CLEANUP(json_freep) struct json *object = NULL;
	int r;

	r = read_object(fd, &object, e);
	if (r < 0)
		return r;
	take_job(ret, object);
	if (ret->source.url == NULL || ret->job.name == NULL ||
	    ret->job.work_fd < 0 || ret->answer_fd < 0 ||
	    ret->source.kind > CONTROL_KIND_AUTO)
		return err_set(e, -EBADMSG, "no job");
	return 0;
}

void wire_job_close(struct wire_job *job)
{
	for (size_t i = 0; i < ARRAY_SIZE(job->text); i++)
		free(job->text[i]);
}

/* ---- the answer -------------------------------------------------------- */

char *wire_print_answer(int number, const struct source_result *result,
			const struct err *e)
{
	CLEANUP(json_freep) struct json *object = json_object_new();

	json_set_int(object, "number", number);
	json_set_string(object, "message", e->text);
	json_set_string(object, "commit", result->commit);
	json_set_string(object, "sha256", result->sha256);
	set_bytes(object, "top", result->top);
	json_set_int(object, "bytes", (int64_t)result->bytes);
	return object == NULL ? NULL : json_print(object, JSON_ONE_LINE);
}

int wire_read_answer(int fd, int *ret_number, struct source_result *ret,
		     struct err *e)
{
	CLEANUP(json_freep) struct json *object = NULL;
	int64_t number;
	int r;

	r = read_object(fd, &object, e);
	if (r < 0)
		return r;
	number = json_get_int(object, "number", 1);
	if (number > 0 || number < INT_MIN)
		return err_set(e, -EBADMSG, "no answer");
	*ret_number = (int)number;
	copy_bytes(object, "commit", ret->commit, sizeof(ret->commit));
	copy_bytes(object, "sha256", ret->sha256, sizeof(ret->sha256));
	copy_bytes(object, "top", ret->top, sizeof(ret->top));
	ret->bytes = (uint64_t)json_get_int(object, "bytes", 0);
	if (*ret_number < 0)
		err_set(e, 0, "%s", json_get_string(object, "message", ""));
	return 0;
}
