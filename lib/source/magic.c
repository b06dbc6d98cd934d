/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/magic.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/cleanup.h"

enum { HEADER = 512 };

struct signature {
	size_t offset;
	size_t length;
	const char *bytes;
	int magic;
	const char *name; /* of what we do not take; NULL: we do */
};

static const struct signature signatures[] = {
	{ 257, 5, "ustar", MAGIC_TAR, NULL },
	{ 0, 3, "\x1f\x8b\x08", MAGIC_GZIP, NULL },
	{ 0, 3, "BZh", MAGIC_BZIP2, NULL },
	{ 0, 6, "\xfd"
		"7zXZ\0",
	  MAGIC_XZ, NULL },
	{ 0, 4, "\x28\xb5\x2f\xfd", MAGIC_ZSTD, NULL },
	{ 0, 4, "PK\x03\x04", -1, "a zip archive" },
	{ 0, 6, "070701", -1, "a cpio archive" },
	{ 0, 6, "070707", -1, "a cpio archive" },
	{ 0, 6, "7z\xbc\xaf\x27\x1c", -1, "a 7-Zip archive" },
	{ 0, 4, "\x04\x22\x4d\x18", -1, "packed with lz4" },
	{ 0, 4, "LZIP", -1, "packed with lzip" },
	{ 0, 5, "\x5d\0\0\x80\0", -1, "packed with lzma" },
	{ 0, 8, "!<arch>\n", -1, "an ar archive" },
	{ 0, 4, "\x7f"
		"ELF",
	  -1, "a program" },
	{ 0, 1, "<", -1, "a web page" },
};

/* POSIX.1-2017, pax, "ustar Interchange Format": sum with the field blank. */
static bool has_tar_checksum(const unsigned char header[static HEADER])
{
	unsigned long sum = 0;
	char field[9] = "";

	memcpy(field, header + 148, 8);
	for (size_t i = 0; i < HEADER; i++)
		sum += i >= 148 && i < 156 ? ' ' : header[i];
	return strtoul(field, NULL, 8) == sum;
}

static int not_tar(const char *name, struct err *e)
{
	return err_set(e, -EBADMSG,
		       "this is %s, not a tar archive, plain or in gzip, bzip2, xz or zstd",
		       name);
}

static int find(const unsigned char *header, size_t length, enum magic *ret,
		struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(signatures); i++) {
		const struct signature *s = &signatures[i];

		if (s->offset + s->length > length ||
		    memcmp(header + s->offset, s->bytes, s->length) != 0)
			continue;
		if (s->name != NULL)
			return not_tar(s->name, e);
		*ret = (enum magic)s->magic;
		return 0;
	}
	if (length < HEADER || !has_tar_checksum(header))
		return not_tar("something else", e);
	*ret = MAGIC_TAR;
	return 0;
}

int magic_find(int fd, enum magic *ret, uint64_t *ret_size, struct err *e)
{
	unsigned char header[HEADER];
	struct stat st;
	ssize_t n;
	int r;

	if (fstat(fd, &st) < 0)
		return err_errno(e, "stat");
	n = pread(fd, header, sizeof(header), 0);
	if (n < 0)
		return err_errno(e, "read");
	if (n == 0)
		return err_set(e, -EBADMSG, "the file is empty");
	r = find(header, (size_t)n, ret, e);
	if (r < 0)
		return r;
	*ret_size = (uint64_t)st.st_size;
	return 0;
}
