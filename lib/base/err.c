/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *e, int number, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(e->text, sizeof(e->text), format, args);
	va_end(args);
	return number;
}

int err_errno(struct err *e, const char *format, ...)
{
	char what[sizeof(e->text)];
	int saved = errno;
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	/* The reason matters more than the end of a long name. */
	snprintf(e->text, sizeof(e->text), "%.900s: %s", what, strerror(saved));
	return -saved;
}

int err_wrap(struct err *e, int number, const char *format, ...)
{
	char inner[sizeof(e->text)];
	va_list args;
	int length;

	memcpy(inner, e->text, sizeof(inner));
	va_start(args, format);
	length = vsnprintf(e->text, sizeof(e->text) / 2, format, args);
	va_end(args);
	if (length < 0 || (size_t)length >= sizeof(e->text) / 2)
		length = (int)(sizeof(e->text) / 2 - 1);
	snprintf(e->text + length, sizeof(e->text) - (size_t)length, ": %.*s",
		 (int)sizeof(e->text) - length - 3, inner);
	return number;
}
