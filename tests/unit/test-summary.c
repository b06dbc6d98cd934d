/* SPDX-License-Identifier: BSD-2-Clause */
#include "scratch.h"

#include "run/run.h"
#include "run/summary.h"

#define CONTROL                                                                \
	"[Preferences]\nxen-tree = none\nshared_dir = /srv/shared\n"           \
	"[XENVM0]\nname = bob13\ntempdir = /tmp\ntest1 = LTP\ntest2 = fio\n"   \
	"[XENVM1]\nname = alice\ntempdir = /tmp\ntest1 = fio\n"                \
	"[LTP]\nrun_command = true\n[fio]\nrun_command = true\n"

#define TIME(seconds) "\"time\":\"2026-11-23T20:00:" seconds ".000Z\","

static const char record[] = "{\"n\":1," TIME(
	"00") "\"event\":\"run\",\"run\":\"run1\"}\n"
	      "{\"n\":2," TIME(
		      "01") "\"event\":\"stage\",\"stage\":\"fetch\","
			    "\"state\":\"started\"}\n"
			    "{\"n\":3," TIME(
				    "06") "\"event\":\"stage\",\"stage\":\"fetch\","
					  "\"state\":\"ok\",\"message\":\"12 MB\"}\n"
					  "{\"n\":4," TIME(
						  "07") "\"event\":\"boot\",\"system\":\"xen\","
							"\"xen\":\"4.17.7\",\"build_id\":\"ab\",\"proven\":true,"
							"\"message\":\"the Xen just built\"}\n"
							"{\"n\":5," TIME(
								"08") "\"event\":\"domain\",\"domain\":\"bob13\","
								      "\"state\":\"done\"}\n"
								      "{\"n\":6," TIME(
									      "09") "\"event\":\"domain\",\"domain\":\"alice\","
										    "\"state\":\"died\",\"reason\":\"crash\",\"test\":\"fio\","
										    "\"message\":\"a \\u001b[31mpanic\"}\n"
										    "{\"n\":7," TIME(
											    "20") "\"event\":\"end\",\"result\":\"finished\","
												  "\"message\":\"1 of 3 tests good\"}\n";

static const char domain_record[] =
	"{\"n\":1,\"event\":\"domain\",\"run\":\"run1\","
	"\"domain\":\"bob13\"}\n"
	"{\"n\":2,\"event\":\"test\",\"entry\":0,\"state\":\"started\"}\n"
	"{\"n\":3,\"event\":\"step\",\"entry\":0,\"step\":\"run\","
	"\"wall_usec\":1500000}\n"
	"{\"n\":4,\"event\":\"test\",\"entry\":0,\"state\":\"ended\","
	"\"outcome\":\"exited\",\"exit_status\":0,\"step\":\"run\"}\n"
	"{\"n\":5,\"event\":\"test\",\"entry\":1,\"state\":\"started\"}\n"
	"{\"n\":6,\"event\":\"test\",\"entry\":1,\"state\":\"ended\","
	"\"outcome\":\"signaled\",\"signal\":11,\"step\":\"run\"}\n"
	"{\"n\":7,\"event\":\"done\"}\n";

static struct json *made(const struct scratch *s)
{
	struct json *summary = NULL;
	struct err e = ERR_NONE;
	int r = summary_make(s->fd, &summary, &e);

	assert_string_equal(e.text, "");
	assert_int_equal(r, 0);
	return summary;
}

static struct json *made_of_all(const struct scratch *s)
{
	put(s, RUN_CONTROL, CONTROL);
	put(s, RECORD_NAME, record);
	make_dirs(s, "bob13");
	put(s, "bob13/" RECORD_NAME, domain_record);
	return made(s);
}

static void a_summary_has_stages_boots_domains_and_tests(void **state)
{
	CLEANUP(json_freep) struct json *summary = made_of_all(*state);
	const struct json *stage = json_at(json_get(summary, "stages"), 0);
	const struct json *boot = json_at(json_get(summary, "boots"), 0);
	const struct json *bob = json_at(json_get(summary, "domains"), 0);
	const struct json *fio = json_at(json_get(bob, "tests"), 1);

	assert_string_equal(json_get_string(summary, "run", ""), "run1");
	assert_string_equal(json_get_string(summary, "result", ""), "finished");
	assert_string_equal(json_get_string(summary, "started", ""),
			    "2026-11-23T20:00:00.000Z");
	assert_string_equal(json_get_string(summary, "ended", ""),
			    "2026-11-23T20:00:20.000Z");
	assert_int_equal(json_get_int(summary, "wall_usec", 0), 20000000);
	assert_string_equal(json_get_string(stage, "stage", ""), "fetch");
	assert_string_equal(json_get_string(stage, "state", ""), "ok");
	assert_int_equal(json_get_int(stage, "wall_usec", 0), 5000000);
	assert_true(json_get_bool(boot, "proven", false));
	assert_string_equal(json_get_string(bob, "state", ""), "done");
	assert_int_equal(json_get_int(bob, "good", 0), 1);
	assert_true(json_get_bool(bob, "done", false));
	assert_string_equal(json_get_string(fio, "outcome", ""),
			    "signal 11 (Segmentation fault)");
}

static void a_domain_without_a_record_has_all_its_tests_pending(void **state)
{
	CLEANUP(json_freep) struct json *summary = made_of_all(*state);
	const struct json *alice = json_at(json_get(summary, "domains"), 1);
	const struct json *fio = json_at(json_get(alice, "tests"), 0);

	assert_string_equal(json_get_string(alice, "state", ""), "died");
	assert_string_equal(json_get_string(alice, "reason", ""), "crash");
	assert_string_equal(json_get_string(alice, "message", ""),
			    "a ?[31mpanic");
	assert_string_equal(json_get_string(fio, "state", ""), "pending");
	assert_false(json_get_bool(fio, "good", true));
}

static void a_summary_reads_as_text(void **state)
{
	CLEANUP(json_freep) struct json *summary = made_of_all(*state);
	CLEANUP(freep) char *text = summary_text(summary);

	assert_string_equal(
		text, "Run run1 finished: 1 of 3 tests good\n"
		      "  began 2026-11-23T20:00:00.000Z, took 20s\n"
		      "  booted xen 4.17.7: the Xen just built\n"
		      "Stages\n"
		      "  fetch      ok           5.0s  12 MB\n"
		      "Domain bob13 done: 1 of 2 tests good\n"
		      "  + LTP                      1.5s  exit status 0\n"
		      "  - fio                      0.0s  "
		      "signal 11 (Segmentation fault)\n"
		      "Domain alice died: 0 of 1 tests good; a ?[31mpanic; "
		      "died 1 time\n"
		      "  - fio                      0.0s  not run\n");
}

static void a_test_that_dom0_saw_open_when_its_guest_died_crashed(void **state)
{
	struct scratch *s = *state;
	CLEANUP(json_freep) struct json *summary = NULL;
	const struct json *alice;
	const struct json *fio;

	put(s, RUN_CONTROL, CONTROL);
	put(s, RECORD_NAME,
	    "{\"n\":1," TIME("09") "\"event\":\"domain\","
	    "\"domain\":\"alice\",\"state\":\"died\","
	    "\"reason\":\"watchdog\",\"entry\":0,\"iteration\":1,"
	    "\"step\":\"run\"}\n");
	summary = made(s);
	alice = json_at(json_get(summary, "domains"), 1);
	fio = json_at(json_get(alice, "tests"), 0);
	assert_int_equal(json_get_int(alice, "deaths", 0), 1);
	assert_string_equal(json_get_string(fio, "state", ""), "crashed");
	assert_string_equal(json_get_string(fio, "outcome", ""),
			    "crashed: guest watchdog during run");
}

/* Of another guest, of another run, or of nobody. */
static void a_record_that_is_not_this_domain_s_does_not_count(void **state)
{
	static const char *const heads[] = {
		"\"domain\",\"run\":\"run1\",\"domain\":\"alice\"",
		"\"domain\",\"run\":\"run0\",\"domain\":\"bob13\"",
		"\"domain\"",
		"\"plan\",\"run\":\"run1\",\"domain\":\"bob13\"",
	};
	struct scratch *s = *state;

	put(s, RUN_CONTROL, CONTROL);
	put(s, RECORD_NAME, record);
	make_dirs(s, "bob13");
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		CLEANUP(json_freep) struct json *summary = NULL;
		const struct json *bob;
		char text[512];

		snprintf(text, sizeof(text),
			 "{\"n\":1,\"event\":%s}\n"
			 "{\"n\":2,\"event\":\"test\",\"entry\":0,"
			 "\"state\":\"started\"}\n"
			 "{\"n\":3,\"event\":\"test\",\"entry\":0,"
			 "\"state\":\"ended\",\"outcome\":\"exited\","
			 "\"exit_status\":0}\n{\"n\":4,\"event\":\"done\"}\n",
			 heads[i]);
		put(s, "bob13/" RECORD_NAME, text);
		summary = made(s);
		bob = json_at(json_get(summary, "domains"), 0);
		assert_int_equal(json_get_int(bob, "good", -1), 0);
		assert_string_equal(json_get_string(bob, "trouble", ""),
				    "its record is that of another run or "
				    "domain, and does not count");
	}
}

static void done_without_a_record_is_trouble(void **state)
{
	struct scratch *s = *state;
	CLEANUP(json_freep) struct json *summary = NULL;
	CLEANUP(freep) char *text = NULL;

	put(s, RUN_CONTROL, CONTROL);
	put(s, RECORD_NAME, record);
	summary = made(s);
	text = summary_text(summary);
	assert_non_null(strstr(text, "Domain bob13 done: 0 of 2 tests good\n"
				     "  ! it said that it was done, which its "
				     "record does not show\n"));
}

static void a_run_that_goes_on_has_a_summary_too(void **state)
{
	struct scratch *s = *state;
	CLEANUP(json_freep) struct json *summary = NULL;
	CLEANUP(freep) char *text = NULL;

	put(s, RUN_CONTROL, CONTROL);
	put(s, RECORD_NAME, "");
	summary = made(s);
	text = summary_text(summary);
	assert_memory_equal(text, "Run ? is going on\n", 18);
	assert_non_null(strstr(text, "Domain bob13 not started: 0 of 2"));
}

static void without_control_file_or_record_there_is_none(void **state)
{
	struct scratch *s = *state;
	struct json *summary = NULL;
	struct err e = ERR_NONE;

	assert_int_equal(summary_make(s->fd, &summary, &e), -ENOENT);
	put(s, RUN_CONTROL, CONTROL);
	assert_int_equal(summary_make(s->fd, &summary, &e), -ENOENT);
	assert_memory_equal(e.text, "summarise: ", 11);
	assert_null(summary);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRATCH_TEST(a_summary_has_stages_boots_domains_and_tests),
		SCRATCH_TEST(
			a_domain_without_a_record_has_all_its_tests_pending),
		SCRATCH_TEST(a_summary_reads_as_text),
		SCRATCH_TEST(a_record_that_is_not_this_domain_s_does_not_count),
		SCRATCH_TEST(done_without_a_record_is_trouble),
		SCRATCH_TEST(a_test_that_dom0_saw_open_when_its_guest_died_crashed),
		SCRATCH_TEST(a_run_that_goes_on_has_a_summary_too),
		SCRATCH_TEST(without_control_file_or_record_there_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
