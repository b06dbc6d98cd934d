/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include "run/death.h"

static void what_is_written_is_read(void **state)
{
	const struct death death = {.entry = 3,
				    .iteration = 7,
				    .step = "build",
				    .reason = "watchdog"};
	CLEANUP(json_freep) struct json *object = json_object_new();
	CLEANUP(freep) char *text = NULL;
	struct err e = ERR_NONE;
	struct death got;
	char words[96];

	(void)state;
	death_to_json(&death, object);
	text = json_print(object, JSON_ONE_LINE);
	assert_int_equal(death_read(text, &got, &e), 0);
	assert_int_equal(got.entry, 3);
	assert_int_equal(got.iteration, 7);
	assert_string_equal(death_describe(&got, words),
			    "guest watchdog during build");
}

static void without_an_open_test_there_is_no_entry(void **state)
{
	static const char *const texts[] = {
		"{\"reason\":\"crash\"}",
		"{\"reason\":\"crash\",\"entry\":1}",
		"{\"reason\":\"crash\",\"entry\":-1,\"iteration\":1}",
		"{\"reason\":\"crash\",\"entry\":1,\"iteration\":0}",
		"{\"reason\":\"crash\",\"entry\":\"1\",\"iteration\":1}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct err e = ERR_NONE;
		struct death got;

		assert_int_equal(death_read(texts[i], &got, &e), 0);
		assert_int_equal(got.entry, -1);
		assert_string_equal(got.reason, "crash");
	}
}

static void what_is_no_object_is_no_death(void **state)
{
	struct err e = ERR_NONE;
	struct death got;

	(void)state;
	assert_int_equal(death_read("[]", &got, &e), -EBADMSG);
	assert_string_equal(e.text,
			    "what dom0 says about our last death: no object");
	assert_int_equal(death_read("", &got, &e), -EBADMSG);
}

static void its_texts_are_plain_and_bounded(void **state)
{
	struct err e = ERR_NONE;
	struct death got;

	(void)state;
	assert_int_equal(death_read("{\"reason\":\"\\u001b[2J\",\"entry\":0,"
				    "\"iteration\":1,\"step\":"
				    "\"0123456789abcdefghij\"}",
				    &got, &e),
			 0);
	assert_string_equal(got.reason, "?[2J");
	assert_string_equal(got.step, "0123456789abcde");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(without_an_open_test_there_is_no_entry),
		cmocka_unit_test(what_is_no_object_is_no_death),
		cmocka_unit_test(its_texts_are_plain_and_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
