/* SPDX-License-Identifier: BSD-2-Clause */
#include "test-control.h"

/* The INI grammar, where control-ini-cases.json leaves off. */

static void assert_reading_says(const char *file, const char *wanted)
{
	CLEANUP(freep) char *messages = NULL;
	CLEANUP(json_freep) struct json *json = dump_of(file, &messages);

	assert_string_equal(messages, wanted);
	assert_true((json == NULL) == (strstr(wanted, ": error: ") != NULL));
}

static void a_section_name_is_taken_as_it_stands(void **state)
{
	(void)state;
	assert_dumps("[ a [b ]  # comment\nk=v\n", " a [b ", "k", "v");
	assert_dumps("[a];\nk=v\n", "a", "k", "v");
}

static void a_header_that_is_none_is_an_error(void **state)
{
	(void)state;
	assert_reading_says("[a]\n[b\n", "f:2: error: bad section header\n");
	assert_reading_says("[a]\n[]\nk=v\n",
			    "f:2: error: bad section header\n");
	assert_reading_says("[a] b\n", "f:1: error: bad section header\n");
}

static void keys_below_a_bad_header_still_belong_to_it(void **state)
{
	(void)state;
	/* Were they the section above's, a second "k" would be a warning. */
	assert_reading_says("[a]\nk=1\n[b\nk=2\n[] \nk=3\n",
			    "f:3: error: bad section header\n"
			    "f:5: error: bad section header\n");
}

static void the_first_delimiter_splits(void **state)
{
	(void)state;
	assert_dumps("[a]\nk : v = w\n", "a", "k", "v = w");
	assert_dumps("[a]\nk\t=\v v\f\r\n", "a", "k", "v");
	assert_dumps("[a]\nsome key = v\n", "a", "some key", "v");
}

static void an_empty_key_is_an_error(void **state)
{
	(void)state;
	assert_reading_says(
		"[a]\n= v\n: w\n",
		"f:2: error: not \"key = value\": no key before \"=\"\n"
		"f:3: error: not \"key = value\": no key before \":\"\n");
}

static void every_bad_line_is_reported(void **state)
{
	(void)state;
	assert_reading_says(
		"[a]\n  stray\nbad\n[b\nworse\n",
		"f:2: error: indented line with no key above it\n"
		"f:3: error: not \"key = value\" (a continued line must be indented)\n"
		"f:4: error: bad section header\n"
		"f:5: error: not \"key = value\" (a continued line must be indented)\n");
}

static void a_line_before_any_section_stops_the_reading(void **state)
{
	(void)state;
	assert_reading_says(" [a]\nbad\n", "f:1: error: no section yet\n");
	assert_says(" [a]\nbad\n", "f:1: error: no section yet\n");
	assert_says("key = value\nbad\n", "f:1: error: no section yet\n");
}

static void continued_lines_are_stripped_and_joined(void **state)
{
	(void)state;
	assert_dumps("[a]\nk = 1\n\t 2 \n\n# no\n ; no\n\v3=4\n", "a", "k",
		     "1\n2\n3=4");
	assert_dumps("[a]\nk =\n  1\n", "a", "k", "\n1");
}

static void a_blank_line_ends_no_value(void **state)
{
	(void)state;
	assert_dumps("[a]\nk=1\n   \n\n 2\n", "a", "k", "1\n2");
}

static void a_new_header_ends_the_value_above(void **state)
{
	(void)state;
	assert_reading_says("[a]\nk=1\n[b]\n 2\n",
			    "f:4: error: indented line with no key above it\n");
}

static void rem_is_a_comment_only_as_a_word_of_its_own(void **state)
{
	(void)state;
	assert_dumps("[a]\nk=1\nReM\nrem k=2\nREM\tk=3\n", "a", "k", "1");
	assert_dumps("[a]\nrem=1\n", "a", "rem", "1");
	assert_dumps("[a]\nk=1\n rem 2\n", "a", "k", "1\nrem 2");
}

static void a_semicolon_comments_only_on_the_first_line(void **state)
{
	(void)state;
	assert_dumps("[a]\nk=1 ; no\n 2 ; yes\n", "a", "k", "1\n2 ; yes");
	assert_dumps("[a]\nk= ; v\n", "a", "k", "; v");
	assert_dumps("[a]\nk=a;b ; c\n", "a", "k", "a;b ; c");
	assert_dumps("[a]\nk=a\t;b\n", "a", "k", "a");
}

static void a_semicolon_in_any_command_is_the_shells(void **state)
{
	(void)state;
	assert_dumps("[a]\nRun_Command=a ; b\n", "a", "run_command", "a ; b");
	assert_dumps("[a]\n_command=a ; b\n", "a", "_command", "a ; b");
	assert_dumps("[a]\ncommand=a ; b\n", "a", "command", "a");
}

static void two_quotes_are_an_empty_value_and_nothing_else_is(void **state)
{
	(void)state;
	assert_dumps("[a]\nk=\"\" ; c\n", "a", "k", "");
	assert_dumps("[a]\nk=\"\"x\n", "a", "k", "\"\"x");
}

static void a_repeated_key_warns_where_it_wins(void **state)
{
	(void)state;
	assert_reading_says(
		"[a]\nK=1\nk=2\n [b]\n",
		"f:3: warning: [a] k: repeated key, this one is used\n");
	assert_dumps("[a]\nK=1\nk=2\n", "a", "k", "2");
}

static void a_repeated_section_is_merged(void **state)
{
	(void)state;
	assert_reading_says(
		"[a]\nk=1\n[DEFAULT]\n[a]\n[DEFAULT]\n",
		"f:4: warning: [a] section repeated, merged\n"
		"f:5: warning: [DEFAULT] section repeated, merged\n");
}

static void defaults_serve_every_section_below_and_above(void **state)
{
	static const char file[] =
		"[a]\nk=own\n[DEFAULT]\nk=1\nd=2\n[b]\n[default]\n";

	(void)state;
	assert_dumps(file, "a", "k", "own");
	assert_dumps(file, "a", "d", "2");
	assert_dumps(file, "b", "k", "1");
	assert_dumps(file, "default", "k", "1");
	assert_dumps(file, "DEFAULT", "k", "(missing)");
}

static void foreign_bytes_are_kept_and_dumped_as_unicode(void **state)
{
	(void)state;
	assert_dumps("[\xC3\x84]\nk=\xC3\xA4\xFF\n", "\xC3\x84", "k",
		     "\xC3\xA4\xEF\xBF\xBD");
	/* Only ASCII letters fold. */
	assert_dumps("[a]\n\xC3\x84=1\n", "a", "\xC3\x84", "1");
}

static void a_byte_order_mark_is_skipped(void **state)
{
	(void)state;
	assert_dumps("\xEF\xBB\xBF[a]\nk=1\n", "a", "k", "1");
}

static void the_first_real_line_decides_the_syntax(void **state)
{
	(void)state;
	assert_dumps("\n  \n# c\n ; c\nrem c\n[a]\nk=1\n", "a", "k", "1");
	assert_dumps("# [a]\ntest b { user = c }\n", "b", "user", "c");
	assert_dumps("/*\n[a]\n*/ test b { user = c }", "b", "user", "c");
	assert_dumps("// [a]\ntest b { user = c }", "b", "user", "c");
}

static void a_file_without_anything_is_an_empty_object(void **state)
{
	CLEANUP(freep) char *messages = NULL;
	CLEANUP(json_freep) struct json *json = dump_of("", &messages);

	(void)state;
	assert_true(json_is_object(json_get(json, "sections")));
	assert_string_equal(messages, "");
}

static void the_last_line_needs_no_line_end(void **state)
{
	(void)state;
	assert_dumps("[a]\nk=1", "a", "k", "1");
	assert_dumps("[a]\nk=1\n 2", "a", "k", "1\n2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_section_name_is_taken_as_it_stands),
		cmocka_unit_test(a_header_that_is_none_is_an_error),
		cmocka_unit_test(keys_below_a_bad_header_still_belong_to_it),
		cmocka_unit_test(the_first_delimiter_splits),
		cmocka_unit_test(an_empty_key_is_an_error),
		cmocka_unit_test(every_bad_line_is_reported),
		cmocka_unit_test(a_line_before_any_section_stops_the_reading),
		cmocka_unit_test(continued_lines_are_stripped_and_joined),
		cmocka_unit_test(a_blank_line_ends_no_value),
		cmocka_unit_test(a_new_header_ends_the_value_above),
		cmocka_unit_test(rem_is_a_comment_only_as_a_word_of_its_own),
		cmocka_unit_test(a_semicolon_comments_only_on_the_first_line),
		cmocka_unit_test(a_semicolon_in_any_command_is_the_shells),
		cmocka_unit_test(
			two_quotes_are_an_empty_value_and_nothing_else_is),
		cmocka_unit_test(a_repeated_key_warns_where_it_wins),
		cmocka_unit_test(a_repeated_section_is_merged),
		cmocka_unit_test(defaults_serve_every_section_below_and_above),
		cmocka_unit_test(foreign_bytes_are_kept_and_dumped_as_unicode),
		cmocka_unit_test(a_byte_order_mark_is_skipped),
		cmocka_unit_test(the_first_real_line_decides_the_syntax),
		cmocka_unit_test(a_file_without_anything_is_an_empty_object),
		cmocka_unit_test(the_last_line_needs_no_line_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
