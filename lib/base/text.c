/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *text_format(const char *format, ...)
{
	va_list args;
	char *text;
	int length;

	va_start(args, format);
	length = vasprintf(&text, format, args);
	va_end(args);
	return length < 0 ? NULL : text;
}

/*
 * Length of the well-formed sequence at @s, or 0; *bad is then how many bytes
 * one replacement character stands for. Unicode 15, tables 3-7 and 3-8.
 */
static size_t utf8_sequence(const unsigned char *s, size_t left, size_t *bad)
{
	unsigned char low = 0x80;
	unsigned char high = 0xBF;
	size_t length;

	*bad = 1;
	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xC2 || s[0] > 0xF4)
		return 0;
	length = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
	if (s[0] == 0xE0)
		low = 0xA0;
	else if (s[0] == 0xED)
		high = 0x9F;
	else if (s[0] == 0xF0)
		low = 0x90;
	else if (s[0] == 0xF4)
		high = 0x8F;
	for (size_t i = 1; i < length; i++) {
		if (i >= left || s[i] < low || s[i] > high)
			return 0;
		*bad = i + 1;
		low = 0x80;
		high = 0xBF;
	}
	return length;
}

char *text_valid_utf8(const char *bytes, size_t length)
{
	static const char replacement[] = "\xEF\xBF\xBD";
	const unsigned char *in = (const unsigned char *)bytes;
	char *out = malloc(length * (sizeof(replacement) - 1) + 1);
	char *end = out;

	if (out == NULL)
		return NULL;
	for (size_t at = 0; at < length;) {
		size_t bad;
		size_t good = utf8_sequence(in + at, length - at, &bad);

		if (good > 0) {
			end = mempcpy(end, in + at, good);
			at += good;
		} else {
			end = mempcpy(end, replacement,
				      sizeof(replacement) - 1);
			at += bad;
		}
	}
	*end = '\0';
	return out;
}

/*
 * Marks that turn the direction of what follows, so that it reads as something
 * else, and separators of lines: U+200E, U+200F, U+2028 to U+202E and U+2066 to
 * U+2069. Unicode Standard Annex 9; Unicode Technical Report 36, 2.5.
 */
static bool is_turning(const unsigned char *s)
{
	if (s[0] != 0xE2)
		return false;
	if (s[1] == 0x80)
		return s[2] == 0x8E || s[2] == 0x8F ||
		       (s[2] >= 0xA8 && s[2] <= 0xAE);
	return s[1] == 0x81 && s[2] >= 0xA6 && s[2] <= 0xA9;
}

void text_plain(char *text)
{
	unsigned char *s = (unsigned char *)text;

	for (; *s != '\0'; s++) {
		/* C1 controls are 0xC2 0x80 .. 0xC2 0x9F in UTF-8. */
		if (s[0] == 0xC2 && s[1] >= 0x80 && s[1] <= 0x9F)
			memset(s, '?', 2);
		else if (is_turning(s))
			memset(s, '?', 3);
		else if (*s < 0x20 || *s == 0x7F)
			*s = '?';
	}
}

void text_copy(char *to, size_t size, const char *from)
{
	size_t length = strnlen(from, size);

	if (length == size) {
		length--;
		/* Back to where the character begins that was cut in two. */
		while (length > 0 && (from[length] & 0xC0) == 0x80)
			length--;
	}
	memcpy(to, from, length);
	to[length] = '\0';
}

char text_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool text_equal_nocase(const char *a, const char *b)
{
	for (; text_lower(*a) == text_lower(*b); a++, b++)
		if (*a == '\0')
			return true;
	return false;
}

const char *text_duration(char buffer[static 32], uint64_t usec)
{
	uint64_t seconds = usec / 1000000;

	if (seconds < 10)
		snprintf(buffer, 32, "%" PRIu64 ".%" PRIu64 "s", seconds,
			 usec / 100000 % 10);
	else if (seconds < 60)
		snprintf(buffer, 32, "%" PRIu64 "s", seconds);
	else if (seconds < 3600)
		snprintf(buffer, 32, "%" PRIu64 "m %02" PRIu64 "s",
			 seconds / 60, seconds % 60);
	else
		snprintf(buffer, 32, "%" PRIu64 "h %02" PRIu64 "m",
			 seconds / 3600, seconds / 60 % 60);
	return buffer;
}
