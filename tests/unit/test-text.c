/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include "base/text.h"

static void bytes_that_are_not_utf8_become_replacement_characters(void **state)
{
	static const struct {
		const char *in;
		const char *out;
	} cases[] = {
		{ "plain", "plain" },
		{ "gr\xC3\xBC\xC3\x9F", "gr\xC3\xBC\xC3\x9F" },
		{ "a\xFFz", "a\xEF\xBF\xBDz" },
		/* A surrogate, CESU style: three ill-formed parts. */
		{ "\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD" },
		/* A sequence that is cut off is one part. */
		{ "\xF0\x9F\x98", "\xEF\xBF\xBD" },
		{ "\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(freep) char *got =
			text_valid_utf8(cases[i].in, strlen(cases[i].in));

		assert_string_equal(got, cases[i].out);
	}
}

static void control_characters_do_not_reach_a_terminal(void **state)
{
	char text[] = "\x1B[31mred\nline\x7F\xC2\x9B"
		      "end";

	(void)state;
	text_plain(text);
	assert_string_equal(text, "?[31mred?line???end");
}

static void text_reads_in_the_order_in_which_it_is_written(void **state)
{
	char text[] = "a\xE2\x80\xAE" "b\xE2\x81\xA6" "c\xE2\x80\x8F"
		      "d\xE2\x80\xA8" "e\xE2\x80\x9C\xE2\x82\xAC\xE2\x80";

	(void)state;
	text_plain(text);
	assert_string_equal(text, "a???b???c???d???e\xE2\x80\x9C\xE2\x82\xAC"
				  "\xE2\x80");
}

static void only_ascii_letters_fold(void **state)
{
	(void)state;
	assert_true(text_equal_nocase("Bob13", "bOB13"));
	assert_false(text_equal_nocase("bob13", "bob1"));
	assert_false(text_equal_nocase("\xC4", "\xE4"));
}

static void durations_read_as_people_write_them(void **state)
{
	char buffer[32];

	(void)state;
	assert_string_equal(text_duration(buffer, 420000), "0.4s");
	assert_string_equal(text_duration(buffer, 59999999), "59s");
	assert_string_equal(text_duration(buffer, 185000000), "3m 05s");
	assert_string_equal(text_duration(buffer, UINT64_C(7800000000)),
			    "2h 10m");
}

static void what_is_copied_is_cut_where_a_character_ends(void **state)
{
	/* Of each size that room may have, from 1. */
	static const char *const expected[] = {
		"", "a", "a", "a\xC3\xBC", "a\xC3\xBC", "a\xC3\xBC",
		"a\xC3\xBC\xE2\x82\xAC", "a\xC3\xBC\xE2\x82\xAC",
	};
	char room[16];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		memset(room, 'x', sizeof(room));
		text_copy(room, i + 1, "a\xC3\xBC\xE2\x82\xAC");
		assert_string_equal(room, expected[i]);
		assert_int_equal(room[i + 1], 'x');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			what_is_copied_is_cut_where_a_character_ends),
		cmocka_unit_test(
			bytes_that_are_not_utf8_become_replacement_characters),
		cmocka_unit_test(control_characters_do_not_reach_a_terminal),
		cmocka_unit_test(text_reads_in_the_order_in_which_it_is_written),
		cmocka_unit_test(only_ascii_letters_fold),
		cmocka_unit_test(durations_read_as_people_write_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
