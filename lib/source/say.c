/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/say.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "base/cleanup.h"

void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

const char *say_bytes(char buffer[static 32], uint64_t bytes)
{
	static const char *const units[] = { "kB", "MB", "GB", "TB" };
	double size = (double)bytes / 1000;
	size_t unit = 0;

	if (bytes < 1000) {
		snprintf(buffer, 32, "%" PRIu64 " bytes", bytes);
		return buffer;
	}
	while (size >= 999.95 && unit + 1 < ARRAY_SIZE(units)) {
		size /= 1000;
		unit++;
	}
	snprintf(buffer, 32, "%.1f %s", size, units[unit]);
	return buffer;
}

uint64_t say_now_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}
