/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <stdlib.h>

#include "run/environment.h"

static const char *value_of(const struct environment *environment,
			    const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < environment->count; i++)
		if (strncmp(environment->entries[i], name, length) == 0 &&
		    environment->entries[i][length] == '=')
			return environment->entries[i] + length + 1;
	return NULL;
}

static int setup(void **state)
{
	struct environment *environment = malloc(sizeof(*environment));

	environment_init(environment);
	*state = environment;
	return environment->failed;
}

static int teardown(void **state)
{
	environment_done(*state);
	free(*state);
	return 0;
}

static void it_begins_with_ours_made_the_same_everywhere(void **state)
{
	struct environment environment;

	(void)state;
	setenv("OURS", "kept", 1);
	setenv("LC_ALL", "de_DE.UTF-8", 1);
	setenv("LANGUAGE", "de", 1);
	setenv("PATH", "/home/me/bin", 1);
	environment_init(&environment);
	assert_string_equal(value_of(&environment, "OURS"), "kept");
	assert_string_equal(value_of(&environment, "LC_ALL"), "C");
	assert_null(value_of(&environment, "LANGUAGE"));
	assert_string_equal(value_of(&environment, "PATH"),
			    "/usr/local/sbin:/usr/local/bin:"
			    "/usr/sbin:/usr/bin:/sbin:/bin");
	assert_null(environment.entries[environment.count]);
	environment_done(&environment);
	environment_done(&environment);
}

/* A test that told systemd READY=1 would end the daemon's start for it. */
static void what_systemd_told_the_daemon_is_the_daemons(void **state)
{
	static const char *const names[] = {
		"NOTIFY_SOCKET", "WATCHDOG_USEC",  "WATCHDOG_PID", "LISTEN_FDS",
		"LISTEN_PID",	 "JOURNAL_STREAM", "INVOCATION_ID"};
	struct environment environment;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		setenv(names[i], "x", 1);
	environment_init(&environment);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_null(value_of(&environment, names[i]));
		unsetenv(names[i]);
	}
	environment_done(&environment);
}

static void a_later_value_replaces_an_earlier_one(void **state)
{
	struct environment *environment = *state;
	size_t before = environment->count;

	environment_set(environment, "XENTEST_A", "1");
	environment_set(environment, "XENTEST_AB", "2");
	environment_set(environment, "XENTEST_A", "3=4");
	assert_int_equal(environment->count, before + 2);
	assert_string_equal(value_of(environment, "XENTEST_A"), "3=4");
	assert_string_equal(value_of(environment, "XENTEST_AB"), "2");
}

static void no_value_takes_the_name_away(void **state)
{
	struct environment *environment = *state;
	size_t before = environment->count;

	environment_set(environment, "XENTEST_A", "1");
	environment_set(environment, "XENTEST_A", NULL);
	environment_set(environment, "XENTEST_NONE", NULL);
	assert_int_equal(environment->count, before);
	assert_null(environment->entries[environment->count]);
}

static void lists_are_added_the_last_one_wins(void **state)
{
	struct environment *environment = *state;
	static const char *const domain[] = {"A=domain", "B=domain", NULL};
	static const char *const test[] = {"A=test", "EMPTY=", NULL};

	environment_add(environment, domain);
	environment_add(environment, test);
	environment_add(environment, NULL);
	assert_string_equal(value_of(environment, "A"), "test");
	assert_string_equal(value_of(environment, "B"), "domain");
	assert_string_equal(value_of(environment, "EMPTY"), "");
}

static void make_runs_as_many_jobs_as_asked_for(void **state)
{
	struct environment *environment = *state;
	char expected[32];

	environment_set_jobs(environment, 7);
	assert_string_equal(value_of(environment, "MAKEFLAGS"), "-j7");
	environment_set_jobs(environment, 0);
	snprintf(expected, sizeof(expected), "-j%ld",
		 sysconf(_SC_NPROCESSORS_ONLN));
	assert_string_equal(value_of(environment, "MAKEFLAGS"), expected);
}

static void there_is_room_for_any_number(void **state)
{
	struct environment *environment = *state;
	char name[32];

	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "XENTEST_%d", i);
		environment_set(environment, name, name);
	}
	assert_string_equal(value_of(environment, "XENTEST_999"),
			    "XENTEST_999");
	assert_null(environment->entries[environment->count]);
	assert_int_equal(environment->failed, 0);
}

int main(void)
{
#define ENVIRONMENT_TEST(name)                                                 \
	cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_begins_with_ours_made_the_same_everywhere),
		cmocka_unit_test(what_systemd_told_the_daemon_is_the_daemons),
		ENVIRONMENT_TEST(a_later_value_replaces_an_earlier_one),
		ENVIRONMENT_TEST(no_value_takes_the_name_away),
		ENVIRONMENT_TEST(lists_are_added_the_last_one_wins),
		ENVIRONMENT_TEST(make_runs_as_many_jobs_as_asked_for),
		ENVIRONMENT_TEST(there_is_room_for_any_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
