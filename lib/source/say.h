/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_SOURCE_SAY_H
#define XENTEST_SOURCE_SAY_H

#include <stdint.h>

/* One line on stdout, which goes to the step's log, at once. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/**
 * say_bytes() - a size as people write it
 * @buffer: at least 32 bytes
 *
 * Return: @buffer: "812 bytes", "4.0 kB", "12.3 MB", "1.2 GB" (powers of 1000)
 */
const char *say_bytes(char buffer[static 32], uint64_t bytes);

/* CLOCK_MONOTONIC in microseconds. */
uint64_t say_now_usec(void);

#endif
