/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include "base/json.h"

static struct json *parsed(const char *text)
{
	struct json *value = NULL;
	struct err e = ERR_NONE;

	assert_int_equal(json_parse(text, strlen(text), &value, &e), 0);
	return value;
}

static void members_keep_the_order_in_which_they_were_set(void **state)
{
	CLEANUP(json_freep) struct json *object = json_object_new();
	CLEANUP(freep) char *text = NULL;

	(void)state;
	json_set_int(object, "n", 0);
	json_set_string(object, "event", "test");
	json_set_bool(object, "good", true);
	json_set_int(object, "n", INT64_MAX);
	text = json_print(object, JSON_ONE_LINE);
	assert_string_equal(
		text,
		"{\"n\":9223372036854775807,\"event\":\"test\",\"good\":true}");
}

static void bytes_that_are_not_utf8_are_replaced_not_lost(void **state)
{
	CLEANUP(json_freep) struct json *object = json_object_new();

	(void)state;
	json_set_string(object, "message", "a\xFFz");
	assert_string_equal(json_get_string(object, "message", NULL),
			    "a\xEF\xBF\xBDz");
}

static void a_null_text_removes_the_member(void **state)
{
	CLEANUP(json_freep) struct json *object = json_object_new();

	(void)state;
	json_set_string(object, "message", "old");
	json_set_string(object, "message", NULL);
	assert_null(json_get(object, "message"));
}

static void a_member_of_another_type_is_as_good_as_none(void **state)
{
	CLEANUP(json_freep)
	struct json *object =
		parsed("{\"s\":\"7\",\"i\":7,\"b\":true,\"r\":1.5,\"z\":null}");

	(void)state;
	assert_int_equal(json_get_int(object, "s", -1), -1);
	assert_int_equal(json_get_int(object, "r", -1), -1);
	assert_int_equal(json_get_int(object, "i", -1), 7);
	assert_string_equal(json_get_string(object, "i", "none"), "none");
	assert_string_equal(json_get_string(object, "z", "none"), "none");
	assert_false(json_get_bool(object, "i", false));
	assert_true(json_get_bool(object, "b", false));
	assert_true(json_get_bool(object, "missing", true));
}

static void what_is_no_object_has_no_members(void **state)
{
	CLEANUP(json_freep) struct json *array = parsed("[1, \"two\"]");

	(void)state;
	assert_false(json_is_object(array));
	assert_null(json_get(array, "n"));
	assert_null(json_get(NULL, "n"));
	assert_int_equal(json_count(array), 2);
	assert_int_equal(json_count(NULL), 0);
	assert_null(json_text(json_at(array, 0)));
	assert_string_equal(json_text(json_at(array, 1)), "two");
	assert_null(json_at(array, 2));
}

static void setting_members_of_nothing_does_nothing(void **state)
{
	(void)state;
	json_set_string(NULL, "a", "b");
	json_set_int(NULL, "a", 1);
	json_set(NULL, "a", json_array_new());
	json_append(NULL, json_object_new());
}

static void only_one_whole_value_is_json(void **state)
{
	static const struct {
		const char *text;
		size_t length;
	} bad[] = {
		{"", 0},
		{"{", 1},
		{"{} {}", 5},
		{"{\"a\":1,\"a\":2}", 13},
		{"\"a\\u0000b\"", 10},
		{"{}\0", 3},
		{"nul", 3},
		{"\"\xFF\"", 3},
		{"123456789012345678901234567890", 30},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct json *value = NULL;
		struct err e = ERR_NONE;

		assert_int_equal(
			json_parse(bad[i].text, bad[i].length, &value, &e),
			-EBADMSG);
		assert_null(value);
		assert_memory_equal(e.text, "not JSON: ", 10);
	}
}

static void nesting_without_end_is_refused(void **state)
{
	static char text[1 << 20];
	struct json *value = NULL;
	struct err e = ERR_NONE;

	(void)state;
	memset(text, '[', sizeof(text));
	assert_int_equal(json_parse(text, sizeof(text), &value, &e), -EBADMSG);
}

static void count_members(void *arg, const char *key, const struct json *value)
{
	char *seen = arg;

	strcat(seen, key);
	assert_non_null(value);
}

static void every_member_is_visited_in_order(void **state)
{
	CLEANUP(json_freep)
	struct json *object = parsed("{\"z\":1,\"a\":2,\"m\":null}");
	char seen[8] = "";

	(void)state;
	json_object_each(object, count_members, seen);
	assert_string_equal(seen, "zam");
	json_object_each(NULL, count_members, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_keep_the_order_in_which_they_were_set),
		cmocka_unit_test(bytes_that_are_not_utf8_are_replaced_not_lost),
		cmocka_unit_test(a_null_text_removes_the_member),
		cmocka_unit_test(a_member_of_another_type_is_as_good_as_none),
		cmocka_unit_test(what_is_no_object_has_no_members),
		cmocka_unit_test(setting_members_of_nothing_does_nothing),
		cmocka_unit_test(only_one_whole_value_is_json),
		cmocka_unit_test(nesting_without_end_is_refused),
		cmocka_unit_test(every_member_is_visited_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
