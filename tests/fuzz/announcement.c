/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What dom0 announces: three lines for the run's id, the share and the digest,
 * the rest as the control file. The whole also as the file that names a run.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "run/announcement.h"
#include "run/run.h"
#include "source/digest.h"

static void check_values(const char *run, const char *shared,
			 const char *digest)
{
	struct err e = ERR_NONE;
	int r = announcement_check(run, shared, digest, &e);

	must(r == 0 || r == -EBADMSG);
	must(!fuzz_has_controls(e.text));
	if (r < 0)
		return;
	must(strlen(run) < RUN_ID_MAX && strpbrk(run, "./ ") == NULL);
	must(shared[0] == '/');
	must(strlen(digest) == 64);
}

/* However it is computed, and what comes out can be announced. */
static void check_digest(const uint8_t *data, size_t size)
{
	CLEANUP(digest_freep) struct digest *parts = NULL;
	static int fd = -1;
	char whole[DIGEST_HEX];
	char other[DIGEST_HEX];
	struct err e = ERR_NONE;

	if (fd < 0)
		fd = fuzz_file("digested");
	must(digest_bytes(data, size, whole, &e) == 0);
	must(digest_new(&parts, &e) == 0);
	must(digest_add(parts, data, size / 3, &e) == 0);
	must(digest_add(parts, data + size / 3, size - size / 3, &e) == 0);
	must(digest_end(parts, other, &e) == 0);
	must(strcmp(whole, other) == 0);
	fuzz_fill(fd, data, size);
	must(digest_fd(fd, other, &e) == 0);
	must(strcmp(whole, other) == 0);
	must(announcement_check("run", "/", whole, &e) == 0);
}

static void check_current(const uint8_t *data, size_t size)
{
	static int fd = -1;
	char id[RUN_ID_MAX];
	struct err e = ERR_NONE;
	int r;

	if (fd < 0)
		fd = fuzz_file(PATH_STATE_DIR "/" RUN_CURRENT);
	fuzz_fill(fd, data, size);
	r = run_current(fuzz_dir(), id, &e);
	must(r == 0 || r == -EBADMSG || r == -EFBIG);
	if (r == 0)
		must(run_is_id(id) && memcmp(id, data, strlen(id)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(freep) char *run = NULL;
	CLEANUP(freep) char *shared = NULL;
	CLEANUP(freep) char *digest = NULL;

	check_current(data, size);
	run = fuzz_line(&data, &size);
	shared = fuzz_line(&data, &size);
	digest = fuzz_line(&data, &size);
	check_values(run, shared, digest);
	check_digest(data, size);
	return 0;
}
