/* SPDX-License-Identifier: BSD-2-Clause */
/* What tests/bench/control.py measures: the CPU seconds of
 * control_load_file(), one line for each time. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "control/control.h"

static double cpu_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int load_once(const char *path, double *ret_s)
{
	CLEANUP(control_freep) struct control *control = NULL;
	struct control_report report;
	struct err e = ERR_NONE;
	double begin = cpu_s();
	int r = control_load_file(path, &report, &control, &e);

	*ret_s = cpu_s() - begin;
	if (r < 0) {
		control_report_print(&report, stderr);
		fprintf(stderr, "%s\n", e.text);
	}
	control_report_done(&report);
	return r;
}

int main(int argc, char *argv[])
{
	double seconds;

	if (argc != 3) {
		fprintf(stderr, "usage: %s FILE TIMES\n", argv[0]);
		return 2;
	}
	for (int times = atoi(argv[2]); times > 0; times--) {
		if (load_once(argv[1], &seconds) < 0)
			return EXIT_FAILURE;
		printf("%.9f\n", seconds);
	}
	return EXIT_SUCCESS;
}
