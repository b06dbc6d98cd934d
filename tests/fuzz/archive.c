/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Archives. Behind a first byte 't' stands a tar whose headers get the right
 * checksums, which no fuzzer guesses; behind any other byte the file itself.
 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "inside.h"
#include "source/unpack.h"

enum { BLOCK = 512 };

static const struct unpack_limits limits = {
	.bytes_max = 1024 * 1024,
	.entries_max = 64,
};

/* POSIX, pax: ustar Interchange Format. */
static void set_checksum(uint8_t header[static BLOCK])
{
	unsigned int sum = 0;
	char digits[8];

	memset(header + 148, ' ', 8);
	for (size_t i = 0; i < BLOCK; i++)
		sum += header[i];
	snprintf(digits, sizeof(digits), "%06o", sum);
	memcpy(header + 148, digits, 7);
}

static size_t content_blocks(const uint8_t header[static BLOCK])
{
	char size[13] = "";

	memcpy(size, header + 124, 12);
	return (strtoul(size, NULL, 8) + BLOCK - 1) / BLOCK;
}

static bool is_zero(const uint8_t block[static BLOCK])
{
	return block[0] == 0 && memcmp(block, block + 1, BLOCK - 1) == 0;
}

static void repair(uint8_t *tar, size_t size)
{
	size_t at = 0;

	while (at + BLOCK <= size) {
		size_t blocks = content_blocks(tar + at);

		if (is_zero(tar + at))
			return;
		set_checksum(tar + at);
		if (blocks > size / BLOCK)
			return;
		at += (1 + blocks) * BLOCK;
	}
}

static void put(int fd, const uint8_t *data, size_t size)
{
	bool is_tar = size > 0 && data[0] == 't';
	CLEANUP(freep) uint8_t *copy = malloc(size + 1);

	size = size > 0 ? size - 1 : 0;
	if (size > 0)
		memcpy(copy, data + 1, size);
	if (is_tar)
		repair(copy, size);
	fuzz_fill(fd, copy, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	struct unpack_result result = { .entries = 0 };
	struct err e = ERR_NONE;
	int r;

	if (fd < 0)
		fd = memfd_create("archive", MFD_CLOEXEC);
	put(fd, data, size);
	r = unpack(fd, inside_begin(), &limits, &result, &e);
	must(r <= 0);
	must((r == 0) == (e.text[0] == '\0'));
	must(!fuzz_has_controls(e.text));
	must(result.entries <= limits.entries_max);
	must(result.bytes <= limits.bytes_max);
	inside_check();
	return 0;
}
