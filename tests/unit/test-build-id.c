/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/file.h"
#include "boot/build_id.h"

/* As Xen's mkelf32 makes it: PT_LOAD, then PT_NOTE with one note. */
struct image {
	Elf32_Ehdr header;
	Elf32_Phdr segments[2];
	Elf32_Nhdr note;
	char owner[4];
	unsigned char id[20];
};

static struct image make_image(void)
{
	struct image image = {
		.header = {
			.e_ident = ELFMAG "\x01\x01\x01",
			.e_phoff = offsetof(struct image, segments),
			.e_phentsize = sizeof(Elf32_Phdr),
			.e_phnum = 2,
		},
		.segments = {
			{ .p_type = PT_LOAD, .p_filesz = sizeof(image) },
			{ .p_type = PT_NOTE,
			  .p_offset = offsetof(struct image, note),
			  .p_filesz = sizeof(image) -
				      offsetof(struct image, note) },
		},
		.note = { 4, 20, NT_GNU_BUILD_ID },
		.owner = "GNU",
	};

	for (unsigned char i = 0; i < 20; i++)
		image.id[i] = (unsigned char)(0xF0 + i);
	return image;
}

static const char id_text[] = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff00010203";

static void the_id_in_a_32_bit_image_is_found(void **state)
{
	struct image image = make_image();
	struct err e = ERR_NONE;
	char hex[BUILD_ID_MAX];

	(void)state;
	assert_int_equal(build_id_find(&image, sizeof(image), hex, &e), 0);
	assert_string_equal(hex, id_text);
}

static void the_id_in_a_64_bit_image_is_found(void **state)
{
	struct {
		Elf64_Ehdr header;
		Elf64_Phdr segment;
		/* Another owner's note of the same type comes first. */
		Elf64_Nhdr other;
		char other_owner[4];
		char other_text[4];
		Elf64_Nhdr note;
		char owner[4];
		unsigned char id[2];
	} image = {
		.header = {
			.e_ident = ELFMAG "\x02\x01\x01",
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 1,
		},
		.other = { 4, 1, NT_GNU_BUILD_ID },
		.other_owner = "Xen",
		.note = { 4, 2, NT_GNU_BUILD_ID },
		.owner = "GNU",
		.id = { 0xAB, 0xCD },
	};
	size_t length = (size_t)((char *)(image.id + 2) - (char *)&image);
	struct err e = ERR_NONE;
	char hex[BUILD_ID_MAX];

	(void)state;
	image.header.e_phoff = sizeof(image.header);
	image.segment.p_type = PT_NOTE;
	image.segment.p_offset =
		sizeof(image.header) + sizeof(image.segment);
	image.segment.p_filesz = length - image.segment.p_offset;
	assert_int_equal(build_id_find(&image, length, hex, &e), 0);
	assert_string_equal(hex, "abcd");
}

static void an_image_without_an_id_says_so(void **state)
{
	struct image image = make_image();
	struct err e = ERR_NONE;
	char hex[BUILD_ID_MAX];

	(void)state;
	image.note.n_type = 1;
	assert_int_equal(build_id_find(&image, sizeof(image), hex, &e),
			 -ENODATA);
	assert_string_equal(e.text, "it has no GNU build id");
}

static void what_is_no_elf_says_so(void **state)
{
	static const char text[] = "#!/bin/sh\necho I am not a hypervisor\n";
	struct err e = ERR_NONE;
	char hex[BUILD_ID_MAX];

	(void)state;
	assert_int_equal(build_id_find(text, sizeof(text), hex, &e), -ENOEXEC);
	assert_int_equal(build_id_find("", 0, hex, &e), -ENOEXEC);
}

/* Every read is within bounds: the sanitizer sees a step outside. */
static void a_cut_off_image_is_read_no_further(void **state)
{
	struct image image = make_image();

	(void)state;
	for (size_t length = 0; length < sizeof(image); length++) {
		CLEANUP(freep) void *copy = malloc(length + 1);
		struct err e = ERR_NONE;
		char hex[BUILD_ID_MAX];

		memcpy(copy, &image, length);
		copy = realloc(copy, length == 0 ? 1 : length);
		assert_true(build_id_find(copy, length, hex, &e) < 0);
	}
}

static void no_single_byte_leads_astray(void **state)
{
	static const unsigned char values[] = { 0, 1, 0x7F, 0x80, 0xFF };

	(void)state;
	for (size_t i = 0; i < sizeof(struct image) * 5; i++) {
		CLEANUP(freep) struct image *image = malloc(sizeof(*image));
		struct err e = ERR_NONE;
		char hex[BUILD_ID_MAX];
		int r;

		*image = make_image();
		((unsigned char *)image)[i / 5] = values[i % 5];
		r = build_id_find(image, sizeof(*image), hex, &e);
		assert_true(r == 0 || r == -ENODATA || r == -ENOEXEC);
	}
}

static void an_id_longer_than_there_is_room_for_is_no_id(void **state)
{
	struct {
		struct image image;
		unsigned char more[100];
	} big = { .image = make_image() };
	struct err e = ERR_NONE;
	char hex[BUILD_ID_MAX];

	(void)state;
	big.image.note.n_descsz = 65;
	big.image.segments[1].p_filesz += 100;
	assert_int_equal(build_id_find(&big, sizeof(big), hex, &e), -ENODATA);
	big.image.note.n_descsz = 64;
	assert_int_equal(build_id_find(&big, sizeof(big), hex, &e), 0);
	assert_int_equal(strlen(hex), 128);
}

/* ---- files ------------------------------------------------------------- */

static char directory[] = "/tmp/test-build-id-XXXXXX";
static int dir_fd;

static int set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(directory));
	dir_fd = open(directory, O_RDONLY | O_DIRECTORY);
	return dir_fd < 0;
}

static int tear_down(void **state)
{
	struct err e = ERR_NONE;

	(void)state;
	close(dir_fd);
	return file_remove_tree(AT_FDCWD, directory, &e);
}

static void put(const char *name, const void *bytes, size_t length)
{
	struct err e = ERR_NONE;

	assert_int_equal(file_write_atomic(dir_fd, name, bytes, length, 0644,
					   &e),
			 0);
}

static size_t squeeze(const void *bytes, size_t length, unsigned char *to,
		      size_t room)
{
	z_stream stream = { .avail_in = (uInt)length, .avail_out = (uInt)room };

	stream.next_in = (Bytef *)(uintptr_t)bytes;
	stream.next_out = to;
	assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 16 + 15, 8, 0),
			 Z_OK);
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	deflateEnd(&stream);
	return stream.total_out;
}

static void a_file_is_read_plain_and_in_gzip(void **state)
{
	struct image image = make_image();
	unsigned char packed[1024];
	size_t length = squeeze(&image, sizeof(image), packed, sizeof(packed));
	struct err e = ERR_NONE;
	char hex[BUILD_ID_MAX];

	(void)state;
	put("xen", &image, sizeof(image));
	put("xen.gz", packed, length);
	assert_int_equal(build_id_read(dir_fd, "xen", hex, &e), 0);
	assert_string_equal(hex, id_text);
	assert_int_equal(build_id_read(dir_fd, "xen.gz", hex, &e), 0);
	assert_string_equal(hex, id_text);
}

static void broken_gzip_is_told_apart(void **state)
{
	struct image image = make_image();
	unsigned char packed[1024];
	size_t length = squeeze(&image, sizeof(image), packed, sizeof(packed));
	struct err e = ERR_NONE;
	char hex[BUILD_ID_MAX];

	(void)state;
	put("cut.gz", packed, length - 9);
	assert_int_equal(build_id_read(dir_fd, "cut.gz", hex, &e), -EBADMSG);
	assert_string_equal(e.text,
			    "cut.gz: the gzip data is cut short or broken");
	packed[length / 2] ^= 0x55;
	put("bad.gz", packed, length);
	assert_int_equal(build_id_read(dir_fd, "bad.gz", hex, &e), -EBADMSG);
}

static void gzip_that_unpacks_without_end_is_refused(void **state)
{
	size_t length = 65 * 1024 * 1024;
	CLEANUP(freep) void *zeros = calloc(1, length);
	CLEANUP(freep) unsigned char *packed = malloc(1024 * 1024);
	struct err e = ERR_NONE;
	char hex[BUILD_ID_MAX];

	(void)state;
	length = squeeze(zeros, length, packed, 1024 * 1024);
	put("bomb.gz", packed, length);
	assert_int_equal(build_id_read(dir_fd, "bomb.gz", hex, &e), -EFBIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_id_in_a_32_bit_image_is_found),
		cmocka_unit_test(the_id_in_a_64_bit_image_is_found),
		cmocka_unit_test(an_image_without_an_id_says_so),
		cmocka_unit_test(what_is_no_elf_says_so),
		cmocka_unit_test(a_cut_off_image_is_read_no_further),
		cmocka_unit_test(no_single_byte_leads_astray),
		cmocka_unit_test(an_id_longer_than_there_is_room_for_is_no_id),
		cmocka_unit_test(a_file_is_read_plain_and_in_gzip),
		cmocka_unit_test(broken_gzip_is_told_apart),
		cmocka_unit_test(gzip_that_unpacks_without_end_is_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
