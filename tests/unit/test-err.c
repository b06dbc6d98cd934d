/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

static void a_sentence_carries_the_number_that_is_returned(void **state)
{
	struct err e = ERR_NONE;

	(void)state;
	assert_int_equal(err_set(&e, -EBADMSG, "line %d is odd", 3), -EBADMSG);
	assert_string_equal(e.text, "line 3 is odd");
}

static void a_failed_call_says_why(void **state)
{
	struct err e = ERR_NONE;

	(void)state;
	errno = ENOENT;
	assert_int_equal(err_errno(&e, "open %s", "x.log"), -ENOENT);
	assert_string_equal(e.text, "open x.log: No such file or directory");
}

static void the_widest_step_comes_first(void **state)
{
	struct err e = ERR_NONE;

	(void)state;
	err_set(&e, -ENOENT, "start make: No such file or directory");
	assert_int_equal(err_wrap(&e, -ENOENT, "compile %s", "xen"), -ENOENT);
	assert_string_equal(
		e.text, "compile xen: start make: No such file or directory");
}

static void the_reason_survives_a_name_that_is_too_long(void **state)
{
	char name[2000];
	struct err e = ERR_NONE;

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	errno = EACCES;
	err_errno(&e, "open %s", name);
	assert_non_null(strstr(e.text, "n: Permission denied"));

	err_wrap(&e, -EACCES, "%s", name);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
	assert_non_null(strstr(e.text, "n: open nnn"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_sentence_carries_the_number_that_is_returned),
		cmocka_unit_test(a_failed_call_says_why),
		cmocka_unit_test(the_widest_step_comes_first),
		cmocka_unit_test(the_reason_survives_a_name_that_is_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
