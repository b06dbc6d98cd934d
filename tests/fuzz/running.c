/* SPDX-License-Identifier: BSD-2-Clause */
/* What Xen says of itself in sysfs: a line of the input for each file. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "xen/running.h"

#define HYPERVISOR "sys/hypervisor/"

static const char *const files[] = {
	HYPERVISOR "type",
	"proc/xen/capabilities",
	HYPERVISOR "version/major",
	HYPERVISOR "version/minor",
	HYPERVISOR "version/extra",
	HYPERVISOR "properties/changeset",
	HYPERVISOR "compilation/compiled_by",
	HYPERVISOR "compilation/compile_date",
	HYPERVISOR "compilation/compiler",
	HYPERVISOR "properties/buildid",
	"proc/sys/kernel/osrelease",
};

static void put_file(size_t index, const uint8_t *bytes, size_t length)
{
	static int fds[ARRAY_SIZE(files)];

	if (fds[index] == 0)
		fds[index] = fuzz_file(files[index]);
	fuzz_fill(fds[index], bytes, length);
}

static void put_lines(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		const uint8_t *end =
			size == 0 ? NULL : memchr(data, '\n', size);
		size_t length = end == NULL ? size : (size_t)(end - data) + 1;

		put_file(i, data, length);
		data += length;
		size -= length;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct running running;
	struct err e = ERR_NONE;
	size_t id;
	int r;

	put_lines(data, size);
	r = running_read(fuzz_dir(), &running, &e);
	must(r == 0 || r == -ENOENT);
	if (r < 0)
		return 0;
	must(running.role >= RUNNING_NONE && running.role <= RUNNING_GUEST);
	must(fuzz_is_plain(running.xen, ""));
	must(fuzz_is_plain(running.changeset, ""));
	must(fuzz_is_plain(running.compiled, ""));
	must(fuzz_is_plain(running.kernel, ""));
	id = strlen(running.build_id);
	must(id == 0 || id == 40);
	must(strspn(running.build_id, "0123456789abcdef") == id);
	return 0;
}
