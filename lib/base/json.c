/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/json.h"

#include <jansson.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

/* struct json is never defined: a pointer to it is jansson's json_t. */
static json_t *real(const struct json *value)
{
	return (json_t *)value;
}

static struct json *wrapped(json_t *value)
{
	return (struct json *)value;
}

static json_t *real_string(const char *text)
{
	CLEANUP(freep) char *valid = NULL;
	json_t *string = json_string(text);

	if (string != NULL)
		return string;
	valid = text_valid_utf8(text, strlen(text));
	return valid == NULL ? NULL : json_string(valid);
}

struct json *json_object_new(void)
{
	return wrapped(json_object());
}

struct json *json_array_new(void)
{
	return wrapped(json_array());
}

struct json *json_string_new(const char *text)
{
	return wrapped(real_string(text));
}

void json_free(struct json *value)
{
	json_decref(real(value));
}

void json_freep(struct json **value)
{
	json_free(*value);
}

void json_set_string(struct json *object, const char *key, const char *text)
{
	if (text == NULL)
		json_object_del(real(object), key);
	else
		json_object_set_new(real(object), key, real_string(text));
}

void json_set_int(struct json *object, const char *key, int64_t number)
{
	json_object_set_new(real(object), key, json_integer(number));
}

void json_set_bool(struct json *object, const char *key, bool flag)
{
	json_object_set_new(real(object), key, json_boolean(flag));
}

void json_set(struct json *object, const char *key, struct json *value)
{
	json_object_set_new(real(object), key, real(value));
}

void json_append(struct json *array, struct json *value)
{
	json_array_append_new(real(array), real(value));
}

const struct json *json_get(const struct json *object, const char *key)
{
	return wrapped(json_object_get(real(object), key));
}

const char *json_get_string(const struct json *object, const char *key,
			    const char *fallback)
{
	const char *text = json_text(json_get(object, key));

	return text == NULL ? fallback : text;
}

int64_t json_get_int(const struct json *object, const char *key,
		     int64_t fallback)
{
	json_t *value = real(json_get(object, key));

	return json_is_integer(value) ? json_integer_value(value) : fallback;
}

bool json_get_bool(const struct json *object, const char *key, bool fallback)
{
	json_t *value = real(json_get(object, key));

	return json_is_boolean(value) ? json_boolean_value(value) : fallback;
}

/* Jansson has a macro of that name. */
#undef json_is_object
bool json_is_object(const struct json *value)
{
	return value != NULL && json_typeof(real(value)) == JSON_OBJECT;
}

size_t json_count(const struct json *array)
{
	return json_array_size(real(array));
}

const struct json *json_at(const struct json *array, size_t index)
{
	return wrapped(json_array_get(real(array), index));
}

const char *json_text(const struct json *value)
{
	return json_string_value(real(value));
}

void json_object_each(const struct json *object,
		      void (*visit)(void *arg, const char *key,
				    const struct json *value),
		      void *arg)
{
	const char *key;
	json_t *value;

	json_object_foreach(real(object), key, value)
		visit(arg, key, wrapped(value));
}

int json_parse(const char *text, size_t length, struct json **ret,
	       struct err *e)
{
	json_error_t error;
	json_t *value =
		json_loadb(text, length,
			   JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);

	if (value == NULL)
		return err_set(e, -EBADMSG, "not JSON: %s at byte %d",
			       error.text, error.position);
	*ret = wrapped(value);
	return 0;
}

char *json_print(const struct json *value, enum json_style style)
{
	size_t flags = style == JSON_ONE_LINE ? JSON_COMPACT : JSON_INDENT(2);

	return json_dumps(real(value), flags | JSON_ENCODE_ANY);
}
