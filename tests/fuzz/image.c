/* SPDX-License-Identifier: BSD-2-Clause */
/* A hypervisor's image: gzip in memory, and the build id in an ELF. */
#include "fuzz.h"

#include <string.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "boot/build_id.h"
#include "source/gunzip.h"

enum { CONTENT_MAX = 256 * 1024 };

static void find_id(const void *image, size_t length)
{
	char hex[BUILD_ID_MAX] = "";
	unsigned char raw[BUILD_ID_MAX / 2];
	struct err e = ERR_NONE;
	int r = build_id_find(image, length, hex, &e);

	must(r == 0 || r == -ENODATA || r == -ENOEXEC);
	must((r == 0) == (hex[0] != '\0'));
	if (r < 0)
		return;
	must(strlen(hex) % 2 == 0);
	must(strspn(hex, "0123456789abcdef") == strlen(hex));
	/* It does stand there. */
	for (size_t i = 0; i < strlen(hex) / 2; i++)
		must(sscanf(hex + 2 * i, "%2hhx", &raw[i]) == 1);
	must(memmem(image, length, raw, strlen(hex) / 2) != NULL);
}

/* What fits by a hair does, and what does not is refused. */
static void check_bound(const char *bytes, size_t length, size_t content)
{
	CLEANUP(freep) char *again = NULL;
	CLEANUP(freep) char *none = NULL;
	struct err e = ERR_NONE;
	size_t got;

	must(gunzip_bytes(bytes, length, content, &again, &got, &e) == 0);
	must(got == content);
	if (content > 0)
		must(gunzip_bytes(bytes, length, content - 1, &none, &got,
				  &e) == -EFBIG);
}

static void unpack(const char *bytes, size_t length)
{
	CLEANUP(freep) char *content = NULL;
	struct err e = ERR_NONE;
	size_t got = 0;
	int r = gunzip_bytes(bytes, length, CONTENT_MAX, &content, &got, &e);

	must(r == 0 || r == -EBADMSG || r == -EFBIG);
	if (r < 0)
		return;
	must(got <= CONTENT_MAX);
	check_bound(bytes, length, got);
	find_id(content, got);
}

static void put_number(unsigned char to[static 4], unsigned long number)
{
	for (int i = 0; i < 4; i++)
		to[i] = (unsigned char)(number >> 8 * i);
}

/* A gzip of one stored block, RFC 1951 and 1952: comes out as it went in. */
static void pack_and_unpack(const uint8_t *data, size_t size)
{
	static const unsigned char header[10] = { 0x1f, 0x8b, 8 };
	const unsigned char block[5] = {
		1,
		(unsigned char)size,
		(unsigned char)(size >> 8),
		(unsigned char)~size,
		(unsigned char)(~size >> 8),
	};
	size_t length = sizeof(header) + sizeof(block) + size + 8;
	CLEANUP(freep) unsigned char *packed = malloc(length);
	CLEANUP(freep) char *content = NULL;
	struct err e = ERR_NONE;
	unsigned char *end;
	size_t got;

	end = mempcpy(packed, header, sizeof(header));
	end = mempcpy(end, block, sizeof(block));
	end = mempcpy(end, data, size);
	put_number(end, crc32(0, data, (uInt)size));
	put_number(end + 4, size);
	must(gunzip_bytes((char *)packed, length, size, &content, &got, &e) ==
	     0);
	must(got == size && memcmp(content, data, size) == 0);
	end[0] ^= 1;
	must(gunzip_bytes((char *)packed, length, size, &content, &got, &e) ==
	     -EBADMSG);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	find_id(data, size);
	unpack((const char *)data, size);
	if (size > 0 && size <= UINT16_MAX)
		pack_and_unpack(data, size);
	return 0;
}
