/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_BASE_JSON_H
#define XENTEST_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* A JSON value (RFC 8259). Jansson stands behind it, in json.c alone. */
struct json;

enum json_style {
	JSON_ONE_LINE, /* compact, for records */
	JSON_INDENTED, /* two spaces, for people */
};

struct json *json_object_new(void); /* NULL only without memory */
struct json *json_array_new(void);
struct json *json_string_new(const char *text);
void json_free(struct json *value);
void json_freep(struct json **value);

/**
 * json_set_string() - set a member of an object, replacing an older one
 * @object: stays the caller's; NULL is accepted and does nothing
 * @key:    UTF-8
 * @text:   any bytes; those that are not UTF-8 become U+FFFD. NULL removes
 *          the member
 *
 * None of the setters can fail but for want of memory; then the member is
 * missing. Members keep the order in which they were first set.
 */
void json_set_string(struct json *object, const char *key, const char *text);
void json_set_int(struct json *object, const char *key, int64_t number);
void json_set_bool(struct json *object, const char *key, bool flag);
/* json_set() and json_append() take @value over, also when they fail. */
void json_set(struct json *object, const char *key, struct json *value);
void json_append(struct json *array, struct json *value);

/* The getters answer the fallback for a missing member or another type. */
const char *json_get_string(const struct json *object, const char *key,
			    const char *fallback);
int64_t json_get_int(const struct json *object, const char *key,
		     int64_t fallback);
bool json_get_bool(const struct json *object, const char *key, bool fallback);
/* Borrowed from @object; NULL when missing. */
const struct json *json_get(const struct json *object, const char *key);
bool json_is_object(const struct json *value);
size_t json_count(const struct json *array);
const struct json *json_at(const struct json *array, size_t index);
/* NULL when @value is not a string. */
const char *json_text(const struct json *value);

/**
 * json_object_each() - visit every member in order
 * @object: anything else has no members
 * @visit:  called with the member's key and value, both borrowed
 */
void json_object_each(const struct json *object,
		      void (*visit)(void *arg, const char *key,
				    const struct json *value),
		      void *arg);

/**
 * json_parse() - read one JSON value out of @length bytes from anywhere
 * @ret: the value; the caller frees it
 *
 * Strings with a NUL inside, repeated keys and nesting beyond Jansson's limit
 * (2048) are refused.
 *
 * Return: 0, -EBADMSG for anything that is not one JSON value, -ENOMEM.
 */
int json_parse(const char *text, size_t length, struct json **ret,
	       struct err *e);

/* Return: the text, NUL-terminated, without a newline; NULL without memory. */
char *json_print(const struct json *value, enum json_style style);

#endif
