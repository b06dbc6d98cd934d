/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include "source/gunzip.h"

/* "hello\n", three times; its CRC begins 8 bytes before the end. */
static const char packed[] =
	"\x1f\x8b\x08\0\0\0\0\0\x02\x03\xcb\x48\xcd\xc9\xc9\xe7\xca\x40\x22\x01"
	"\x3a\x37\x66\x3d\x12\0\0";
enum { PACKED = sizeof(packed), CONTENT = 18 };

static void gzip_in_memory_is_decompressed(void **state)
{
	CLEANUP(freep) char *content = NULL;
	struct err e = ERR_NONE;
	size_t length;

	(void)state;
	assert_int_equal(gunzip_bytes(packed, PACKED, CONTENT, &content,
				      &length, &e),
			 0);
	assert_int_equal(length, CONTENT);
	assert_memory_equal(content, "hello\nhello\nhello\n", CONTENT);
}

static void damaged_gzip_in_memory_is_refused(void **state)
{
	char flipped[PACKED];
	struct err e = ERR_NONE;
	char *content;
	size_t length;

	(void)state;
	for (size_t i = 0; i < PACKED; i++)
		assert_int_equal(gunzip_bytes(packed, i, 100, &content, &length,
					      &e),
				 -EBADMSG);
	memcpy(flipped, packed, PACKED);
	flipped[PACKED - 8] ^= 1;
	assert_int_equal(gunzip_bytes(flipped, PACKED, 100, &content, &length,
				      &e),
			 -EBADMSG);
	assert_string_equal(e.text, "the gzip data is cut short or broken");
}

static void more_than_the_caller_allows_is_refused(void **state)
{
	struct err e = ERR_NONE;
	char *content;
	size_t length;

	(void)state;
	assert_int_equal(gunzip_bytes(packed, PACKED, CONTENT - 1, &content,
				      &length, &e),
			 -EFBIG);
	assert_string_equal(e.text, "unpacks to more than 17 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gzip_in_memory_is_decompressed),
		cmocka_unit_test(damaged_gzip_in_memory_is_refused),
		cmocka_unit_test(more_than_the_caller_allows_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
