/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_SOURCE_WIRE_H
#define XENTEST_SOURCE_WIRE_H

#include <stddef.h>
#include <sys/types.h>

#include "source/source.h"

/*
 * What source_get() and xentest-source tell each other: one JSON object each
 * way. The job comes on stdin, not as an argument: its URL may have a
 * password. Text that names something travels with %XX for what is not ASCII,
 * so that every byte arrives.
 */
struct wire_job {
	struct source_job job; /* points into this struct */
	struct control_source source;
	int answer_fd; /* the answer goes there */
	pid_t parent;  /* whom the answer is for */
	char *text[4]; /* owned */
};

#define WIRE_JOB_NONE ((struct wire_job){ .answer_fd = -1 })

/* Return: the job as JSON, the caller's to free; NULL without memory. */
char *wire_print_job(const struct source_job *job, int answer_fd);

/**
 * wire_read_job() - what wire_print_job() made
 * @fd:  read to its end
 * @ret: WIRE_JOB_NONE, and not moved afterwards; wire_job_close() it
 *
 * Return: 0, -EBADMSG, -EFBIG or another negative errno.
 */
int wire_read_job(int fd, struct wire_job *ret, struct err *e);
void wire_job_close(struct wire_job *job);

/* Return: the answer as JSON, the caller's to free; NULL without memory. */
char *wire_print_answer(int number, const struct source_result *result,
			const struct err *e);

/**
 * wire_read_answer() - what wire_print_answer() made
 * @fd:         read to its end
 * @ret_number: what source_get_here() returned
 * @ret:        and its result
 * @e:          and its sentence
 *
 * Return: 0, -ENODATA when nothing came, -EBADMSG or another negative errno.
 */
int wire_read_answer(int fd, int *ret_number, struct source_result *ret,
		     struct err *e);

#endif
