/* SPDX-License-Identifier: BSD-2-Clause */
#include "test-control.h"

/* The native syntax: what the pass finds, and what libconfuse does. */

/* Exactly these messages on reading. */
static void assert_reading_says(const char *file, const char *wanted)
{
	CLEANUP(freep) char *messages = NULL;
	CLEANUP(json_freep) struct json *json = dump_of(file, &messages);

	assert_string_equal(messages, wanted);
	assert_true((json == NULL) == (strstr(wanted, ": error: ") != NULL));
}

static void assert_same_dump(const char *native, const char *ini)
{
	CLEANUP(freep) char *said = NULL;
	CLEANUP(freep) char *said_too = NULL;
	CLEANUP(json_freep) struct json *a = dump_of(native, &said);
	CLEANUP(json_freep) struct json *b = dump_of(ini, &said_too);

	assert_string_equal(said, "");
	assert_string_equal(said_too, "");
	assert_true(same_json(a, b));
}

static void the_same_content_dumps_the_same_object(void **state)
{
	(void)state;
	assert_same_dump(
		"default { mirror = \"https://h\" tempdir = /tmp }\n"
		"preferences { xen-tree = Xen jobs = 4\n"
		"  environment = {\"A=1\", 'B=2 3'} }\n"
		"location Xen { url = \"%(mirror)s/x.tgz\" ref = staging }\n"
		"test LTP { run_command = './a \"b\" $c' requires = {x, 'y z'} }\n"
		"vm XENVM0 { name = h tests = {LTP, LTP} stop = yes\n"
		"  test2.expect = \"1-3\" }\n",
		"[DEFAULT]\nmirror: https://h\ntempdir = /tmp\n"
		"[Preferences]\nxen-tree=Xen\njobs=4\nenvironment=A=1\n  B=2 3\n"
		"[Locations]\nXen=%(mirror)s/x.tgz\nXen.ref=staging\n"
		"[LTP]\nrun_command=./a \"b\" $c\nrequires=x\n  y z\n"
		"[XENVM0]\nname=h\ntest1=LTP\ntest2=LTP\nstop=yes\n"
		"test2.expect=1-3\n");
}

static void strings_follow_libconfuse(void **state)
{
	(void)state;
	setenv("XENTEST_UNIT", "from outside", 1);
	assert_dumps("test a { user = \"x\\ty\\x41\\101\\\"\" }", "a", "user",
		     "x\tyAA\"");
	assert_dumps("test a { user = 'it\\'s ${XENTEST_UNIT} \\n' }", "a",
		     "user", "it's ${XENTEST_UNIT} \\n");
	assert_dumps("test a { user = \"<${XENTEST_UNIT}>\" }", "a", "user",
		     "<from outside>");
	assert_dumps("test a { user = ${XENTEST_UNIT} }", "a", "user",
		     "from outside");
	assert_dumps("test a { user = \"${XENTEST_NO:-else}\" }", "a", "user",
		     "else");
	assert_dumps("test a { user = \"\\${X}\" }", "a", "user", "${X}");
	assert_dumps("test a { user = 'one\ntwo' }", "a", "user", "one\ntwo");
}

static void bare_words_may_hold_what_urls_and_paths_do(void **state)
{
	(void)state;
	assert_dumps("location a { url = http://h:80/x.tgz?y&z }", "Locations",
		     "a", "http://h:80/x.tgz?y&z");
	assert_dumps("test a.b-c { test_dir = fio-3.33 }", "a.b-c", "test_dir",
		     "fio-3.33");
}

static void comments_of_all_kinds_are_blank(void **state)
{
	static const char file[] =
		"# { \" '\n// { \" '\n/* { \"\n ' */ test a { "
		"# x\n//y\n/**/ user /* = */ = b\n}#";

	(void)state;
	assert_dumps(file, "a", "user", "b");
}

static void a_comment_sign_inside_a_string_or_word_is_none(void **state)
{
	(void)state;
	assert_dumps("test a { user = \"a # b // c /* d\" }", "a", "user",
		     "a # b // c /* d");
	assert_dumps("test a { user = b//c }", "a", "user", "b//c");
}

static void lines_are_right_behind_comments_and_long_strings(void **state)
{
	(void)state;
	assert_says(NATIVE "/*\n*/ # x\n// y\ntest t {\n\trun_command = 'a\n"
			   "b'\n\n\ttimeout = 4x\n}\n",
		    "f:10: error: [t] timeout: not a time: \"4x\"\n");
	assert_says(NATIVE
		    "test t { run_command = \"a\\\nb\"\ntimeout\n=\n4x }\n",
		    "f:5: error: [t] timeout: not a time: \"4x\"\n");
}

static void a_missing_key_is_reported_where_its_block_ends(void **state)
{
	(void)state;
	assert_says(NATIVE "test t {\n\n}\n",
		    "f:5: error: [t] run_command is missing\n");
	assert_says(NATIVE "test t { run_command = x }\nlocation l {\n}\n",
		    "f:5: error: [Locations] l: no URL\n");
}

static void an_absent_test_is_reported_at_its_own_line(void **state)
{
	(void)state;
	assert_says(
		"\npreferences { xen-tree = none shared_dir = /s }\n"
		"test t { run_command = x }\n"
		"vm XENVM0 { name = h tempdir = /t tests = {t,\n  fio,\n t}\n}\n",
		"f:5: error: [XENVM0] test2: no section [fio]\n");
}

static void what_is_left_open_is_an_error_where_it_begins(void **state)
{
	(void)state;
	assert_reading_says("test t {\n user = \"x\n\n}\n",
			    "f:2: error: string not closed\n");
	assert_reading_says("test t {\n user = 'x\\'\n",
			    "f:2: error: string not closed\n");
	assert_reading_says("test t { }\n\n/* x\n",
			    "f:3: error: comment not closed\n");
	assert_reading_says("test t {\n/*/ x\n",
			    "f:2: error: comment not closed\n");
	assert_reading_says("\ntest t {\n user = x\n\n",
			    "f:2: error: \"}\" missing\n");
	assert_reading_says("test t { }\n}\n",
			    "f:2: error: \"}\" without \"{\"\n");
}

static void a_block_inside_a_block_hints_at_the_missing_brace(void **state)
{
	(void)state;
	assert_reading_says(
		"test t {\n user = x\n\ntest u {\n user = x\n}\n",
		"f:1: error: \"}\" missing\n"
		"f:4: error: [t] unexpected \"{\", perhaps a \"}\" is missing above\n");
}

static void nesting_ends_at_eight(void **state)
{
	(void)state;
	assert_mentions("vm x { tests = {{{{{{{ }}}}}}} }", "f:1: error: [x]");
	assert_reading_says(
		"vm x { tests =\n{{{{{{{{ a }}}}}}}} }",
		"f:2: error: [x] unexpected \"{\", perhaps a \"}\" is missing above\n"
		"f:2: error: nested more than 8 deep\n");
}

static void a_nul_byte_is_an_error_however_it_is_written(void **state)
{
	static const char raw[] = "test t { user = \"a\0b\" }\n";
	CLEANUP(freep) char *got = messages_of(raw, sizeof(raw) - 1, NULL);

	(void)state;
	assert_non_null(strstr(got, "f:1: error: NUL byte\n"));
	assert_reading_says("test t {\n user = \"a\\0b\" }\n",
			    "f:2: error: NUL byte\n");
	assert_reading_says("test t {\n user = \"a\\x00\" }\n",
			    "f:2: error: NUL byte\n");
	assert_dumps("test t { user = 'a\\0b' }", "t", "user", "a\\0b");
}

static void what_libconfuse_would_drop_silently_is_an_error(void **state)
{
	(void)state;
	assert_reading_says(
		"test t { user = a* }",
		"f:1: error: stray \"*\" (put the value in quotes)\n");
	assert_reading_says(
		"test t { user = c++ }",
		"f:1: error: stray \"+\" (put the value in quotes)\n"
		"f:1: error: stray \"+\" (put the value in quotes)\n");
	assert_reading_says(
		"test t { user = \"${x\" }",
		"f:1: error: \"${\" begins no whole \"${NAME}\"; write \"\\${\" in double quotes for a plain one\n");
}

static void every_word_that_is_no_key_is_reported(void **state)
{
	(void)state;
	assert_reading_says(
		"test t {\n oops\n user = x\n \"log_dir\" = y\n}",
		"f:2: error: [t] not \"key = value\": \"oops\"\n"
		"f:4: error: [t] not \"key = value\": \"\"log_dir\"\"\n");
}

static void what_libconfuse_refuses_is_said_with_its_words(void **state)
{
	(void)state;
	assert_reading_says("test t {\n user }\ntest u { user = a, }\n",
			    "f:2: error: [t] not \"key = value\": \"user\"\n"
			    "f:3: error: [u] unexpected token ','\n");
	assert_reading_says(
		"test t { user += a }",
		"f:1: error: [t] attempt to append to non-list option 'user'\n");
	assert_reading_says("test t { user = 'a\nb'\nlog_dir = \"\\999\" }",
			    "f:3: error: [t] bad escape sequence '\\999'\n");
	assert_reading_says("test t {\n\n user = \"\\999\" }",
			    "f:3: error: [t] bad escape sequence '\\999'\n");
}

static void a_bad_block_keeps_no_other_from_being_checked(void **state)
{
	(void)state;
	assert_says(NATIVE "test t { run_command x }\n"
			   "test u { timeout = 4x }\n"
			   "test v { = }\n",
		    "f:3: error: [t] not \"key = value\": \"run_command\"\n"
		    "f:4: error: [u] timeout: not a time: \"4x\"\n"
		    "f:4: error: [u] run_command is missing\n"
		    "f:5: error: [v] unexpected token '='\n");
}

static void an_unknown_key_is_an_error_and_each_is_reported(void **state)
{
	(void)state;
	assert_reading_says(
		"test t {\n run_comand = x\n test1 = y }\n"
		"vm XENVM0 { test1 = a test1.expect = 0 } preferences { Url = x }",
		"f:2: error: [t] key \"run_comand\" is not known\n"
		"f:3: error: [t] key \"test1\" is not known\n"
		"f:4: error: [XENVM0] key \"test1\" is not known\n"
		"f:4: error: [preferences] key \"url\" is not known\n");
	assert_reading_says("test t { foo = {a, b} }",
			    "f:1: error: [t] key \"foo\" is not known\n"
			    "f:1: error: [t] unexpected \"{\": not a list\n");
}

static void our_own_words_in_the_new_text_cannot_be_typed(void **state)
{
	(void)state;
	assert_reading_says("test t { -title = x -names = y }",
			    "f:1: error: [t] key \"-title\" is not known\n"
			    "f:1: error: [t] key \"-names\" is not known\n");
	assert_dumps("default { -title = x } test t { }", "t", "-title", "x");
	assert_dumps("default { a|b = x } test t { }", "t", "a|b", "x");
}

static void include_is_not_offered(void **state)
{
	(void)state;
	assert_reading_says("include(\"/etc/passwd\")\n",
			    "f:1: error: no section yet\n");
	assert_reading_says(
		"test t { include(\"/etc/passwd\") }\n",
		"f:1: error: [t] not \"key = value\": \"include\"\n");
	assert_reading_says("test t { }\ninclude(\"/etc/passwd\")\n",
			    "f:2: error: not a block: \"include\"\n");
}

static void titles_are_there_and_unique(void **state)
{
	(void)state;
	assert_reading_says("test { user = x }\nvm x y { }\nlocation '' { }\n"
			    "test \"\" { }",
			    "f:1: error: test without a title\n"
			    "f:2: error: vm without \"{\"\n"
			    "f:3: error: location without a title\n"
			    "f:4: error: test without a title\n");
	assert_reading_says(
		"test t { }\ntest t { }\nvm t { }\n"
		"location L { }\nlocation l { }\n",
		"f:2: error: [t] stands above already\n"
		"f:3: error: [t] stands above already\n"
		"f:5: error: location \"l\" stands above already\n");
}

static void a_title_must_not_stand_for_something_else(void **state)
{
	(void)state;
	assert_reading_says("test XENVM0 { }\nvm Preferences { }\n",
			    "f:1: error: [XENVM0] is no title for a test\n"
			    "f:2: error: [Preferences] is no title for a vm\n");
	assert_dumps("vm dom0 { name = h }", "dom0", "name", "h");
}

static void a_quoted_title_is_decoded(void **state)
{
	(void)state;
	assert_dumps("test \"a\\x20b\" { user = x }", "a b", "user", "x");
	assert_dumps("test 'a { b' { user = x }", "a { b", "user", "x");
}

static void a_repeated_key_or_block_warns(void **state)
{
	(void)state;
	assert_reading_says(
		"test t { user = a\n USER = b }\ndefault { a = 1 a = 2 }\n"
		"default { a = 3 }\npreferences { }\npreferences { }\n",
		"f:2: warning: [t] user: repeated key, this one is used\n"
		"f:3: warning: [DEFAULT] a: repeated key, this one is used\n"
		"f:4: warning: [default] section repeated, merged\n"
		"f:4: warning: [DEFAULT] a: repeated key, this one is used\n"
		"f:6: warning: [preferences] section repeated, merged\n");
	assert_dumps("test t { user = a user = b }", "t", "user", "b");
}

static void lists_can_be_appended_to(void **state)
{
	(void)state;
	assert_dumps("test t { requires = {a} requires += {b, c} }", "t",
		     "requires", "a\nb\nc");
	assert_dumps("test t { requires = a }", "t", "requires", "a");
	assert_dumps("vm v { tests = {a} tests += b }", "v", "test2", "b");
	assert_dumps("vm v { tests = {} }", "v", "test1", "(missing)");
}

static void default_serves_every_block(void **state)
{
	(void)state;
	assert_dumps(
		"default { TempDir = '/t' } vm v { name = \"%(tempdir)s\" }",
		"v", "name", "/t");
	assert_dumps("default { tempdir = '/t' } vm v { }", "v", "tempdir",
		     "/t");
}

static void an_unknown_block_is_named_and_passed_over(void **state)
{
	(void)state;
	assert_reading_says("prefs { a = { b } }\ntest t { }\nfoo bar { }\n",
			    "f:1: error: not a block: \"prefs\"\n"
			    "f:3: error: not a block: \"foo\"\n");
}

static void many_blocks_go_through_in_batches(void **state)
{
	CLEANUP(freep) char *text = NULL;
	size_t length;
	FILE *to = open_memstream(&text, &length);

	(void)state;
	for (int i = 0; i < 1000; i++)
		fprintf(to, "test t%d {\nuser = \"%su%d\"\n}\n", i,
			i == 500 ? "\\999" : "", i);
	fclose(to);
	assert_reading_says(
		text, "f:1502: error: [t500] bad escape sequence '\\999'\n");
	memcpy(strstr(text, "\\999"), "    ", 4);
	assert_dumps(text, "t999", "user", "u999");
	assert_dumps(text, "t500", "user", "    u500");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_content_dumps_the_same_object),
		cmocka_unit_test(strings_follow_libconfuse),
		cmocka_unit_test(bare_words_may_hold_what_urls_and_paths_do),
		cmocka_unit_test(comments_of_all_kinds_are_blank),
		cmocka_unit_test(
			a_comment_sign_inside_a_string_or_word_is_none),
		cmocka_unit_test(
			lines_are_right_behind_comments_and_long_strings),
		cmocka_unit_test(
			a_missing_key_is_reported_where_its_block_ends),
		cmocka_unit_test(an_absent_test_is_reported_at_its_own_line),
		cmocka_unit_test(what_is_left_open_is_an_error_where_it_begins),
		cmocka_unit_test(
			a_block_inside_a_block_hints_at_the_missing_brace),
		cmocka_unit_test(nesting_ends_at_eight),
		cmocka_unit_test(a_nul_byte_is_an_error_however_it_is_written),
		cmocka_unit_test(
			what_libconfuse_would_drop_silently_is_an_error),
		cmocka_unit_test(every_word_that_is_no_key_is_reported),
		cmocka_unit_test(
			what_libconfuse_refuses_is_said_with_its_words),
		cmocka_unit_test(a_bad_block_keeps_no_other_from_being_checked),
		cmocka_unit_test(
			an_unknown_key_is_an_error_and_each_is_reported),
		cmocka_unit_test(our_own_words_in_the_new_text_cannot_be_typed),
		cmocka_unit_test(include_is_not_offered),
		cmocka_unit_test(titles_are_there_and_unique),
		cmocka_unit_test(a_title_must_not_stand_for_something_else),
		cmocka_unit_test(a_quoted_title_is_decoded),
		cmocka_unit_test(a_repeated_key_or_block_warns),
		cmocka_unit_test(lists_can_be_appended_to),
		cmocka_unit_test(default_serves_every_block),
		cmocka_unit_test(an_unknown_block_is_named_and_passed_over),
		cmocka_unit_test(many_blocks_go_through_in_batches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
