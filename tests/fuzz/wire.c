/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What xentest-source answers: it takes hostile archives apart, so its answer
 * is not trusted either. And the job that it is given.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "source/wire.h"

static int input(const uint8_t *data, size_t size)
{
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("wire", MFD_CLOEXEC);
	fuzz_fill(fd, data, size);
	must(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

static void check_answer(int fd)
{
	struct source_result result = { .bytes = 0 };
	struct source_result same = { .bytes = 0 };
	struct err e = ERR_NONE;
	CLEANUP(freep) char *text = NULL;
	int number = 1;
	int r = wire_read_answer(fd, &number, &result, &e);

	must(r == 0 || r == -EBADMSG || r == -ENODATA);
	if (r < 0)
		return;
	must(number <= 0);
	text = wire_print_answer(number, &result, &e);
	must(text != NULL);
	must(wire_read_answer(input((uint8_t *)text, strlen(text)), &number,
			      &same, &e) == 0);
	must(strcmp(result.top, same.top) == 0);
	must(result.bytes == same.bytes);
}

static void check_job(int fd)
{
	struct wire_job job = WIRE_JOB_NONE;
	struct wire_job same = WIRE_JOB_NONE;
	struct err e = ERR_NONE;
	CLEANUP(freep) char *text = NULL;
	int r = wire_read_job(fd, &job, &e);

	must(r == 0 || r == -EBADMSG || r == -ENODATA);
	if (r == 0) {
		text = wire_print_job(&job.job, job.answer_fd);
		must(text != NULL);
		must(wire_read_job(input((uint8_t *)text, strlen(text)), &same,
				   &e) == 0);
		must(strcmp(job.source.url, same.source.url) == 0);
		must(strcmp(job.job.name, same.job.name) == 0);
	}
	wire_job_close(&job);
	wire_job_close(&same);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_answer(input(data, size));
	check_job(input(data, size));
	return 0;
}
