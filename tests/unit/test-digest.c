/* SPDX-License-Identifier: BSD-2-Clause */
#include "scratch.h"

#include "source/digest.h"

/* FIPS 180-4, "abc" and the empty message. */
static const char of_abc[] =
	"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
static const char of_nothing[] =
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

static void bytes_have_the_digest_of_the_standard(void **state)
{
	struct err e = ERR_NONE;
	char hex[DIGEST_HEX];

	(void)state;
	assert_int_equal(digest_bytes("abc", 3, hex, &e), 0);
	assert_string_equal(hex, of_abc);
	assert_int_equal(digest_bytes("", 0, hex, &e), 0);
	assert_string_equal(hex, of_nothing);
}

static void pieces_make_the_same_digest_as_the_whole(void **state)
{
	CLEANUP(digest_freep) struct digest *digest = NULL;
	struct err e = ERR_NONE;
	char hex[DIGEST_HEX];

	(void)state;
	assert_int_equal(digest_new(&digest, &e), 0);
	assert_int_equal(digest_add(digest, "a", 1, &e), 0);
	assert_int_equal(digest_add(digest, "bc", 2, &e), 0);
	assert_int_equal(digest_end(digest, hex, &e), 0);
	assert_string_equal(hex, of_abc);
}

static void a_file_is_read_from_its_beginning_wherever_its_offset_is(
	void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;
	char hex[DIGEST_HEX];
	int fd;

	put(s, "file", "abc");
	fd = openat(s->fd, "file", O_RDONLY);
	assert_int_equal(lseek(fd, 2, SEEK_SET), 2);
	assert_int_equal(digest_fd(fd, hex, &e), 0);
	assert_string_equal(hex, of_abc);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 2);
	close(fd);
}

static void a_file_that_cannot_be_read_says_so(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_NONE;
	char hex[DIGEST_HEX];

	assert_int_equal(digest_fd(s->fd, hex, &e), -EISDIR);
	assert_string_equal(e.text, "read: Is a directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_have_the_digest_of_the_standard),
		cmocka_unit_test(pieces_make_the_same_digest_as_the_whole),
		SCRATCH_TEST(
			a_file_is_read_from_its_beginning_wherever_its_offset_is),
		SCRATCH_TEST(a_file_that_cannot_be_read_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
