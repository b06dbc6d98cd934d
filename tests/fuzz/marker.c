/* SPDX-License-Identifier: BSD-2-Clause */
/* The marker: what is read can be written, and is then the same. */
#include "fuzz.h"

#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "boot/marker.h"

static void check(const struct marker *marker)
{
	static const char run[] = "0123456789abcdefghijklmnopqrstuvwxyz-";
	static const char hex[] = "0123456789abcdef";

	must(marker->run[0] != '\0' &&
	     strspn(marker->run, run) == strlen(marker->run));
	must(strlen(marker->boot_id) == 36);
	must(strspn(marker->build_id, hex) == strlen(marker->build_id));
	must(marker->boots_left <= MARKER_BOOTS_MAX);
}

static bool equal(const struct marker *a, const struct marker *b)
{
	return strcmp(a->run, b->run) == 0 && a->stage == b->stage &&
	       strcmp(a->boot_id, b->boot_id) == 0 &&
	       strcmp(a->build_id, b->build_id) == 0 &&
	       a->boots_left == b->boots_left &&
	       a->boot_timeout_s == b->boot_timeout_s && a->stay == b->stay;
}

/* It may have been replaced by marker_save(), so it is opened each time. */
static void put(const uint8_t *data, size_t size)
{
	int fd = fuzz_file(MARKER_DIR "/" MARKER_NAME);

	fuzz_fill(fd, data, size);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct marker marker;
	struct marker again;
	struct err e = ERR_NONE;
	int r;

	put(data, size);
	r = marker_load(fuzz_dir(), &marker, &e);
	must(r == 0 || r == -EBADMSG || r == -EFBIG);
	must(!fuzz_has_controls(e.text));
	if (r < 0)
		return 0;
	check(&marker);
	must(marker_save(fuzz_dir(), &marker, &e) == 0);
	must(marker_load(fuzz_dir(), &again, &e) == 0);
	must(equal(&marker, &again));
	return 0;
}
