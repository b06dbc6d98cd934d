/* SPDX-License-Identifier: BSD-2-Clause */
#include "test-control.h"

/* Every case of control-ini-cases.json, through the dump and the checks. */

static const char *name_of(const struct json *one)
{
	return json_get_string(one, "name", "?");
}

/* The lines of all errors, or of all warnings, in "1,4," form. */
static char *lines_said(const char *messages, const char *kind)
{
	char *lines = strdup("");
	const char *at = messages;

	while ((at = strstr(at, "f:")) != NULL) {
		char *end;
		long line = strtol(at + 2, &end, 10);

		if (strncmp(end, ": ", 2) == 0 &&
		    strncmp(end + 2, kind, strlen(kind)) == 0) {
			char *more = text_format("%s%ld,", lines, line);

			free(lines);
			lines = more;
		}
		at = strchrnul(at, '\n');
	}
	return lines;
}

static char *lines_expected(const struct json *list)
{
	char *lines = strdup("");

	for (size_t i = 0; i < json_count(list); i++) {
		char *more = text_format(
			"%s%ld,", lines,
			(long)json_get_int(json_at(list, i), "line", 0));

		free(lines);
		lines = more;
	}
	return lines;
}

static void compare_lines(const struct json *one, const char *messages,
			  const char *member, const char *kind)
{
	CLEANUP(freep) char *want = lines_expected(json_get(one, member));
	CLEANUP(freep) char *got = lines_said(messages, kind);

	if (strcmp(want, got) != 0)
		fail_msg("%s: %s in lines %s, not %s:\n%s", name_of(one),
			 member, got, want, messages);
}

/* A case says which values fail as {"error": …}, with our own words. */
static void dump_case(const struct json *one)
{
	CLEANUP(freep) char *messages = NULL;
	CLEANUP(json_freep)
	struct json *got =
		dump_of(json_get_string(one, "input", ""), &messages);
	const struct json *want = json_get(one, "sections");

	compare_lines(one, messages, "errors", "error");
	compare_lines(one, messages, "warnings", "warning");
	if ((got != NULL) != (want != NULL))
		fail_msg("%s: dumped or not?", name_of(one));
	if (want != NULL && !same_json(want, json_get(got, "sections")))
		fail_msg("%s: dumps something else", name_of(one));
}

static const struct json *all_cases(struct json **owner)
{
	CLEANUP(freep) char *path = beside(__FILE__, "control-ini-cases.json");
	CLEANUP(freep) char *text = read_whole(path);
	struct err e = ERR_NONE;

	assert_int_equal(json_parse(text, strlen(text), owner, &e), 0);
	return json_get(*owner, "cases");
}

static void every_case_dumps_what_it_says(void **state)
{
	CLEANUP(json_freep) struct json *owner = NULL;
	const struct json *cases = all_cases(&owner);

	(void)state;
	assert_true(json_count(cases) >= 27);
	for (size_t i = 0; i < json_count(cases); i++)
		dump_case(json_at(cases, i));
}

/* The checks report at least what reading does, at the same lines. */
static void every_bad_line_of_a_case_fails_the_check(void **state)
{
	CLEANUP(json_freep) struct json *owner = NULL;
	const struct json *cases = all_cases(&owner);

	(void)state;
	for (size_t i = 0; i < json_count(cases); i++) {
		const struct json *one = json_at(cases, i);
		const struct json *errors = json_get(one, "errors");
		const char *input = json_get_string(one, "input", "");

		for (size_t k = 0; k < json_count(errors); k++) {
			long line = (long)json_get_int(json_at(errors, k),
						       "line", 0);
			CLEANUP(freep)
			char *message = text_format("f:%ld: error: ", line);

			assert_mentions(input, message);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_case_dumps_what_it_says),
		cmocka_unit_test(every_bad_line_of_a_case_fails_the_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
