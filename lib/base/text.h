/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_BASE_TEXT_H
#define XENTEST_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * text_format() - printf into fresh memory
 *
 * Return: the text, the caller's to free; NULL without memory.
 */
char *text_format(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/**
 * text_valid_utf8() - copy bytes, with U+FFFD for what is not UTF-8
 * @bytes:  any bytes, NUL excepted
 * @length: how many
 *
 * One U+FFFD stands for each maximal ill-formed part, as in the Unicode
 * standard, section 3.9, table 3-8.
 *
 * Return: the text, the caller's to free; NULL without memory.
 */
char *text_valid_utf8(const char *bytes, size_t length);

/**
 * text_plain() - make foreign text fit for a terminal and a log line
 * @text: changed in place: every control character (C0, DEL, C1 in UTF-8),
 *        newlines included, and every mark that turns the direction of text
 *        becomes '?', once a byte
 */
void text_plain(char *text);

/**
 * text_copy() - copy what fits
 * @to:   NUL-terminated; gets at most @size - 1 bytes
 * @size: at least 1
 * @from: valid UTF-8, of which the last character that does not fit whole is
 *        left out, with all after it
 */
void text_copy(char *to, size_t size, const char *from);

/* ASCII only, whatever the locale: control files are no natural language. */
char text_lower(char c);
bool text_equal_nocase(const char *a, const char *b);

/**
 * text_duration() - a time span as people write it
 * @buffer: at least 32 bytes
 * @usec:   microseconds
 *
 * Return: @buffer: "0.4s", "12s", "3m 05s", "2h 10m".
 */
const char *text_duration(char buffer[static 32], uint64_t usec);

#endif
