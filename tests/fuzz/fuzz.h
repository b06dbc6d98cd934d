/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_TESTS_FUZZ_H
#define XENTEST_TESTS_FUZZ_H

/*
 * What fuzz targets share. A target is one function that libFuzzer calls with
 * bytes of its own making, some ten thousand times a second; see
 * https://llvm.org/docs/LibFuzzer.html. It proves what the code promises, and
 * not only that nothing crashes.
 *
 * Nothing can be handed from one call to the next, so what is made once
 * (directories, files in memory) is in static variables here.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What does not hold is a finding: its line is printed, and it aborts. */
#define must(condition)                                             \
	((condition) ? (void)0 :                                    \
		       fuzz_broken(#condition, __FILE__, __LINE__))
_Noreturn void fuzz_broken(const char *condition, const char *file, int line);

/* A directory, in memory but for $TMPDIR; empty at first, removed at the end. */
int fuzz_dir(void);
const char *fuzz_dir_path(void);

/* Opens, and makes, a file there. Directories on the way are made too. */
int fuzz_file(const char *path);
/* Its content from now on. */
void fuzz_fill(int fd, const void *bytes, size_t length);

/* The bytes up to the first NUL as text of exactly that size; to be freed. */
char *fuzz_text(const void *bytes, size_t length);
/* Cuts the first line off: the same for it; *bytes and *length: what is left. */
char *fuzz_line(const uint8_t **bytes, size_t *length);

bool fuzz_is_utf8(const char *text);
/* Valid UTF-8 without control characters, but for those in @allowed. */
bool fuzz_is_plain(const char *text, const char *allowed);
/* Has the control characters removed; bytes that are no UTF-8 may be there. */
bool fuzz_has_controls(const char *text);

/* Domain "vm" with the tests a, b and a again, in this control file. */
extern const char fuzz_control_text[];
const struct control *fuzz_control(void);

#endif
