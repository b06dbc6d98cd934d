/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/child.h"

#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/text.h"

static const char *last_line(char *output)
{
	size_t length = strlen(output);
	char *line;

	while (length > 0 && output[length - 1] == '\n')
		output[--length] = '\0';
	line = strrchr(output, '\n');
	line = line == NULL ? output : line + 1;
	text_plain(line);
	return line;
}

static int check_capture(const char *const *argv, char *output,
			 const struct child_result *result, struct err *e)
{
	const char *line = output == NULL ? "" : last_line(output);
	char how[96];

	if (result->exit_status == 0 && !result->timed_out)
		return 0;
	return err_set(e, -EPROTO, "%s: %s%s%s", argv[0],
		       child_describe(result, how), line[0] == '\0' ? "" : ": ",
		       line);
}

static int read_output(int fd, size_t max, char **ret, struct err *e)
{
	CLEANUP(freep) char *output = malloc(max + 1);
	ssize_t length;

	if (output == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	length = pread(fd, output, max, 0);
	if (length < 0)
		return err_errno(e, "read what it printed");
	for (ssize_t i = 0; i < length; i++)
		if (output[i] == '\0')
			output[i] = '?';
	output[length] = '\0';
	*ret = TAKE_PTR(output);
	return 0;
}

int child_capture(struct loop *loop, const char *const *argv,
		  uint64_t limit_usec, size_t max, char **ret_output,
		  struct child_result *result, struct err *e)
{
	CLEANUP(fd_close) int fd = memfd_create("output", MFD_CLOEXEC);
	CLEANUP(freep) char *output = NULL;
	struct child_spec spec = CHILD_SPEC_NONE;
	struct child_result own;
	int r;

	if (fd < 0)
		return err_errno(e, "make room for the output of %s", argv[0]);
	spec.name = argv[0];
	spec.argv = argv;
	spec.output_fd = fd;
	spec.limit_usec = limit_usec;
	r = child_run(loop, &spec, NULL, &own, e);
	if (r < 0)
		return r;
	r = read_output(fd, max, &output, e);
	if (r < 0)
		return r;
	if (result == NULL) {
		r = check_capture(argv, output, &own, e);
		if (r < 0)
			return r;
	} else {
		*result = own;
	}
	if (ret_output != NULL)
		*ret_output = TAKE_PTR(output);
	return 0;
}
