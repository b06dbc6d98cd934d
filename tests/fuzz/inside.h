/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_TESTS_FUZZ_INSIDE_H
#define XENTEST_TESTS_FUZZ_INSIDE_H

/*
 * A directory for an unpacked tree, with a file beside it: what is made stays
 * inside, nothing in it leads out, and what is beside it stays as it was.
 */

/* The directory, empty. */
int inside_begin(void);
/* Looks at all that is in it now, and at what is beside it. */
void inside_check(void);

#endif
