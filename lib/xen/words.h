/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_XEN_WORDS_H
#define XENTEST_XEN_WORDS_H

enum { WORDS_MAX = 512 }; /* bytes of xl's output that an error quotes */

/**
 * words_read() - the last words of a program that failed
 * @fd:    a file of its output, any bytes; its offset moves
 * @words: its last lines joined by "; ": valid UTF-8 and plain; empty when
 *         there are none
 */
void words_read(int fd, char words[static WORDS_MAX]);

#endif
