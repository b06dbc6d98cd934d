/* SPDX-License-Identifier: BSD-2-Clause */
#include "test-control.h"

/* %(name)s: what it finds, what it refuses, and what it may cost. */

static void a_variable_is_looked_up_near_before_far(void **state)
{
	static const char file[] = "[DEFAULT]\nv=far\nw=only\n"
				   "[a]\nv=near\nk=%(V)s %(w)s %(__name__)s\n";

	(void)state;
	assert_dumps(file, "a", "k", "near only a");
}

static void the_section_name_gives_way_to_a_key_of_that_name(void **state)
{
	(void)state;
	assert_dumps("[a]\nk=%(__NAME__)s\n__name__=b\n", "a", "k", "b");
}

static void two_percent_signs_are_one_and_are_not_read_again(void **state)
{
	(void)state;
	assert_dumps("[a]\nv=1\nk=%%(v)s\nl=%(k)s %%%% %d %\n", "a", "l",
		     "%(v)s %% %d %");
}

static void a_replacement_is_itself_expanded(void **state)
{
	(void)state;
	assert_dumps("[a]\nk=<%(l)s>\nl=(%(m)s)\nm=x\n", "a", "k", "<(x)>");
}

/* A chain of @links references, from k0 to a plain value. */
static char *chain(int links)
{
	char *text = strdup("[a]\n");

	for (int i = 0; i <= links; i++) {
		char *more = i < links ? text_format("%sk%d=%%(k%d)s\n", text,
						     i, i + 1)
				       : text_format("%sk%d=end\n", text, i);

		free(text);
		text = more;
	}
	return text;
}

static void ten_levels_are_enough_and_eleven_too_many(void **state)
{
	CLEANUP(freep) char *ten = chain(10);
	CLEANUP(freep) char *eleven = chain(11);

	(void)state;
	assert_dumps(ten, "a", "k0", "end");
	assert_dumps(eleven, "a", "k0", "!too-deep");
	assert_dumps(eleven, "a", "k1", "end");
	assert_mentions(eleven,
			"f:2: error: [a] k0: nested more than 10 deep\n");
}

static void an_unknown_name_is_an_error_that_names_it(void **state)
{
	(void)state;
	assert_says(IN_TEST "log_dir=%(nope)s\n",
		    "f:10: error: [t] log_dir: no variable \"nope\"\n");
	assert_dumps("[a]\nk=%(nope)s\n", "a", "k", "!unknown-variable");
}

static void what_begins_like_a_reference_must_be_one(void **state)
{
	static const char *const bad[][2] = {
		{"%(x", "%(x"},	   {"a %(x) b", "%(x)"},     {"%()s", "%()"},
		{"%(x)d", "%(x)"}, {"%(two words", "%(two"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CLEANUP(freep)
		char *file = text_format(IN_TEST "log_dir=%s\n", bad[i][0]);
		CLEANUP(freep)
		char *says = text_format(
			"f:10: error: [t] log_dir: bad reference \"%s\", write \"%%%%(\" for a plain one\n",
			bad[i][1]);

		assert_says(file, says);
		assert_dumps(file, "t", "log_dir", "!bad-reference");
	}
}

static void
an_error_is_reported_at_the_key_that_cannot_be_expanded(void **state)
{
	(void)state;
	assert_says(IN_TEST "a=%(b)s\nb=%(nope)s\nlog_dir=%(a)s\n",
		    "f:10: error: [t] a: no variable \"nope\"\n"
		    "f:11: error: [t] b: no variable \"nope\"\n"
		    "f:12: error: [t] log_dir: no variable \"nope\"\n");
}

static void
an_inherited_key_may_lack_what_it_names_until_it_is_used(void **state)
{
	(void)state;
	assert_says(IN_TEST "[DEFAULT]\nspare=%(nope)s\n", "");
	assert_says(IN_TEST "[DEFAULT]\nlog_dir=%(base)s/l\n",
		    "f:11: error: [t] log_dir: no variable \"base\"\n");
	assert_says(IN_TEST "base=x\n[DEFAULT]\nlog_dir=%(base)s/l\n", "");
}

static void a_native_location_looks_into_its_own_block_first(void **state)
{
	static const char file[] =
		"default { ref = far }\n"
		"location A { url = 'git://h/%(ref)s/%(__name__)s' ref = near }\n"
		"location b { url = 'git://h/%(ref)s' }\n";

	(void)state;
	assert_dumps(file, "Locations", "a", "git://h/near/A");
	assert_dumps(file, "Locations", "a.ref", "near");
	assert_dumps(file, "Locations", "b", "git://h/far");
}

/* v0 names v1 ten times, which names v2 ten times, and so on. */
static char *bomb(const char *last, int width)
{
	char *text = NULL;
	size_t length;
	FILE *to = open_memstream(&text, &length);

	fputs("[a]\n", to);
	for (int i = 0; i < 10; i++) {
		fprintf(to, "v%d=", i);
		for (int k = 0; k < width; k++)
			fprintf(to, "%%(v%d)s", i + 1);
		fputc('\n', to);
	}
	fprintf(to, "v10=%s\n", last);
	fclose(to);
	return text;
}

static void a_value_that_explodes_is_an_error_at_once(void **state)
{
	CLEANUP(freep) char *file = bomb("0123456789", 10);

	(void)state;
	assert_dumps(file, "a", "v0", "!too-long");
	assert_mentions(file,
			"f:2: error: [a] v0: expands to more than 1 MiB\n");
}

static void one_value_may_fill_a_mebibyte_and_no_more(void **state)
{
	CLEANUP(freep)
	char *file =
		text_format("[a]\nb=%0524288d\nk=%%(b)s%%(b)s\nl=%%(k)s.\n", 0);
	CLEANUP(freep) char *got = dumped(file, "a", "k");

	(void)state;
	assert_int_equal(strlen(got), 1024 * 1024);
	assert_dumps(file, "a", "l", "!too-long");
}

static void a_bomb_of_nothing_is_an_error_too(void **state)
{
	CLEANUP(freep) char *file = bomb("", 400);

	(void)state;
	assert_dumps(file, "a", "v0", "!too-long");
}

static void a_file_of_bombs_is_bounded_as_a_whole(void **state)
{
	CLEANUP(freep) char *text = NULL;
	size_t length;
	FILE *to = open_memstream(&text, &length);

	(void)state;
	fprintf(to, IN_TEST "b=%0500000d\n", 0);
	for (int i = 0; i < 2000; i++)
		fprintf(to, "k%d=%%(b)s\n", i);
	fclose(to);
	assert_mentions(text,
			"f:1: error: expands to more than 128 MiB in all\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_variable_is_looked_up_near_before_far),
		cmocka_unit_test(
			the_section_name_gives_way_to_a_key_of_that_name),
		cmocka_unit_test(
			two_percent_signs_are_one_and_are_not_read_again),
		cmocka_unit_test(a_replacement_is_itself_expanded),
		cmocka_unit_test(ten_levels_are_enough_and_eleven_too_many),
		cmocka_unit_test(an_unknown_name_is_an_error_that_names_it),
		cmocka_unit_test(what_begins_like_a_reference_must_be_one),
		cmocka_unit_test(
			an_error_is_reported_at_the_key_that_cannot_be_expanded),
		cmocka_unit_test(
			an_inherited_key_may_lack_what_it_names_until_it_is_used),
		cmocka_unit_test(
			a_native_location_looks_into_its_own_block_first),
		cmocka_unit_test(a_value_that_explodes_is_an_error_at_once),
		cmocka_unit_test(one_value_may_fill_a_mebibyte_and_no_more),
		cmocka_unit_test(a_bomb_of_nothing_is_an_error_too),
		cmocka_unit_test(a_file_of_bombs_is_bounded_as_a_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
