/* SPDX-License-Identifier: BSD-2-Clause */
#include "scratch.h"

#include "run/run.h"

#define CONTROL                                                                \
	"[Preferences]\nxen-tree = none\nshared_dir = /nowhere\n"              \
	"[XENVM0]\nname = bob13\ntempdir = /tmp\ntest1 = LTP\n"                \
	"test2 = fio\ntest3 = LTP\n"                                           \
	"[XENVM1]\nname = alice\ntempdir = /tmp\ntest1 = fio\n"                \
	"[LTP]\nrun_command = true\n[fio]\nrun_command = true\n"

/* The scratch directory is the root. */
static struct run *created(const struct scratch *s)
{
	struct run *run = NULL;
	struct err e = ERR_NONE;
	int r = run_create(s->fd, CONTROL, strlen(CONTROL), "my.conf", &run,
			   &e);

	assert_string_equal(e.text, "");
	assert_int_equal(r, 0);
	return run;
}

static void see(void *arg, const struct json *event)
{
	char *seen = arg;

	strcat(seen, json_get_string(event, "event", "?"));
	strcat(seen, " ");
	strcat(seen, json_get_string(event, "state", ""));
	strcat(seen, json_get_string(event, "result", ""));
	strcat(seen, ";");
}

static char *content_of(const struct scratch *s, const char *run,
			const char *name)
{
	CLEANUP(freep) char *path = NULL;
	struct err e = ERR_NONE;
	char *text = NULL;

	assert_true(asprintf(&path, PATH_STATE_DIR "/runs/%s/%s", run, name) >
		    0);
	assert_int_equal(file_read(s->fd, path, 1 << 20, &text, NULL, &e), 0);
	return text;
}

static void a_run_knows_every_test_from_its_first_second(void **state)
{
	struct scratch *s = *state;
	CLEANUP(run_freep) struct run *run = created(s);
	CLEANUP(freep) char *control = content_of(s, run->id, RUN_CONTROL);
	CLEANUP(freep) char *record = content_of(s, run->id, RECORD_NAME);
	char current[RUN_ID_MAX];
	struct err e = ERR_NONE;

	assert_string_equal(control, CONTROL);
	assert_int_equal(strlen(run->digest), 64);
	assert_int_equal(run->control->domain_count, 2);
	assert_int_equal(run_current(s->fd, current, &e), 0);
	assert_string_equal(current, run->id);
	assert_non_null(strstr(record, "\"event\":\"run\",\"run\":\""));
	assert_non_null(strstr(record, "\"file\":\"my.conf\""));
	assert_non_null(strstr(record, "\"domain\":\"bob13\","
				       "\"tests\":[\"LTP\",\"fio\",\"LTP\"]"));
	assert_non_null(
		strstr(record, "\"domain\":\"alice\",\"tests\":[\"fio\"]"));
}

static void a_run_can_have_very_many_tests(void **state)
{
	struct scratch *s = *state;
	CLEANUP(run_freep) struct run *run = NULL;
	CLEANUP(freep) char *text = malloc(1 << 20);
	struct err e = ERR_NONE;
	int at;

	at = sprintf(text, "[Preferences]\nxen-tree = none\nshared_dir = /x\n"
			   "[a-test-with-a-name]\nrun_command = true\n"
			   "[XENVM0]\nname = bob13\ntempdir = /tmp\n");
	for (int i = 1; i <= 10000; i++)
		at += sprintf(text + at, "test%d = a-test-with-a-name\n", i);
	assert_int_equal(run_create(s->fd, text, (size_t)at, "x", &run, &e), 0);
	assert_int_equal(record_length(run->record), 2);
}

static void no_id_comes_twice(void **state)
{
	char first[RUN_ID_MAX];
	char second[RUN_ID_MAX];
	struct err e = ERR_NONE;

	(void)state;
	assert_int_equal(run_new_id(first, &e), 0);
	assert_int_equal(run_new_id(second, &e), 0);
	assert_string_not_equal(first, second);
	assert_int_equal(strlen(first), strlen("20261123-200000-1a2b3c4d"));
	assert_int_equal(strspn(first, "0123456789abcdef-"), strlen(first));
}

static void a_second_run_is_refused_while_one_goes_on(void **state)
{
	struct scratch *s = *state;
	CLEANUP(run_freep) struct run *run = created(s);
	struct run *other = NULL;
	struct err e = ERR_NONE;

	assert_int_equal(
		run_create(s->fd, CONTROL, strlen(CONTROL), "x", &other, &e),
		-EBUSY);
	assert_non_null(strstr(e.text, run->id));
	assert_null(other);
	assert_int_equal(entries(s, PATH_STATE_DIR "/runs"), 1);
}

static void a_control_file_with_errors_makes_no_run(void **state)
{
	struct scratch *s = *state;
	struct run *run = NULL;
	struct err e = ERR_NONE;

	assert_int_equal(run_create(s->fd, "nonsense", 8, "x", &run, &e),
			 -EINVAL);
	assert_false(exists(s, PATH_STATE_DIR "/current"));
}

static void a_run_is_taken_up_where_it_was(void **state)
{
	struct scratch *s = *state;
	struct run *run = created(s);
	char id[RUN_ID_MAX];
	char seen[256] = "";
	struct err e = ERR_NONE;

	strcpy(id, run->id);
	assert_int_equal(run_note_stage(run, "fetch", "started", NULL, &e), 0);
	assert_int_equal(run_note_domain(run, "bob13", "died", "a panic",
					 "crash", "LTP", &e),
			 0);
	run_free(run);
	run = NULL;
	assert_int_equal(run_load(s->fd, &run, see, seen, &e), 0);
	assert_string_equal(run->id, id);
	assert_string_equal(seen,
			    "run ;plan ;plan ;stage started;domain died;");
	assert_int_equal(run->control->domain_count, 2);
	run_free(run);
}

static void a_run_cut_off_while_it_was_made_leaves_nothing(void **state)
{
	struct scratch *s = *state;

	make_dirs(s, PATH_STATE_DIR "/runs/.new");
	put(s, PATH_STATE_DIR "/runs/.new/record.jsonl", "{\"n\":1}\n");
	put(s, PATH_STATE_DIR "/runs/.new/rest", "of the one before");
	{
		CLEANUP(run_freep) struct run *run = created(s);

		assert_int_equal(record_length(run->record), 3);
		assert_false(exists(s, PATH_STATE_DIR "/runs/.new"));
		assert_int_equal(entries(s, PATH_STATE_DIR "/runs"), 1);
	}
}

/* A power cut came between "current" and the directory's name. */
static void a_run_that_current_names_gets_its_name(void **state)
{
	struct scratch *s = *state;
	struct run *run = created(s);
	CLEANUP(freep) char *dir = NULL;
	struct err e = ERR_NONE;

	assert_true(asprintf(&dir, PATH_STATE_DIR "/runs/%s", run->id) > 0);
	assert_int_equal(renameat(s->fd, dir, s->fd,
				  PATH_STATE_DIR "/runs/.new"),
			 0);
	run_free(run);
	run = NULL;
	assert_int_equal(run_load(s->fd, &run, NULL, NULL, &e), 0);
	assert_true(exists(s, dir));
	assert_int_equal(entries(s, PATH_STATE_DIR "/runs"), 1);
	run_free(run);
}

static void a_current_cut_off_anywhere_leads_to_its_run(void **state)
{
	struct scratch *s = *state;
	struct run *run = created(s);
	char line[RUN_ID_MAX + 1];
	char id[RUN_ID_MAX];
	struct err e = ERR_NONE;

	strcpy(id, run->id);
	run_free(run);
	for (size_t length = 0; length < strlen(id); length++) {
		memcpy(line, id, length);
		line[length] = '\0';
		put(s, PATH_STATE_DIR "/current", line);
		run = NULL;
		assert_int_equal(run_load(s->fd, &run, NULL, NULL, &e), 0);
		assert_string_equal(run->id, id);
		run_free(run);
		snprintf(line, sizeof(line), "%s\n", id);
		assert_content(s, PATH_STATE_DIR "/current", line);
	}
}

static void a_damaged_current_names_no_run_that_has_ended(void **state)
{
	struct scratch *s = *state;
	struct run *run = created(s);
	struct err e = ERR_NONE;

	assert_int_equal(run_end(run, "finished", "all is well", &e), 0);
	run_free(run);
	run = NULL;
	put(s, PATH_STATE_DIR "/current", "2");
	assert_int_equal(run_load(s->fd, &run, NULL, NULL, &e), -EBADMSG);
}

static void only_one_process_takes_a_run_up(void **state)
{
	struct scratch *s = *state;
	CLEANUP(run_freep) struct run *run = created(s);
	struct run *other = NULL;
	struct err e = ERR_NONE;

	assert_non_null(run);
	assert_int_equal(run_load(s->fd, &other, NULL, NULL, &e), -EBUSY);
	assert_null(other);
}

static void that_no_run_goes_on_is_told_apart_from_a_broken_one(void **state)
{
	struct scratch *s = *state;
	struct run *run = NULL;
	struct err e = ERR_NONE;

	assert_int_equal(run_load(s->fd, &run, NULL, NULL, &e), -ENOENT);
	make_dirs(s, PATH_STATE_DIR);
	put(s, PATH_STATE_DIR "/current", "20261123-200000-1a2b3c4d\n");
	assert_int_equal(run_load(s->fd, &run, NULL, NULL, &e), -EBADMSG);
	put(s, PATH_STATE_DIR "/current", "../../../etc\n");
	assert_int_equal(run_load(s->fd, &run, NULL, NULL, &e), -EBADMSG);
	assert_non_null(strstr(e.text, "names no run; remove it"));
	put(s, PATH_STATE_DIR "/current", "");
	assert_int_equal(run_load(s->fd, &run, NULL, NULL, &e), -EBADMSG);
}

static void an_ended_run_is_put_away_with_its_request(void **state)
{
	struct scratch *s = *state;
	struct run *run;
	char id[RUN_ID_MAX];
	struct err e = ERR_NONE;

	make_dirs(s, "etc/xen");
	put(s, "etc/xen/xentest.conf", CONTROL);
	run = created(s);
	strcpy(id, run->id);
	assert_int_equal(run_end(run, "finished", "all is well", &e), 0);
	run_free(run);
	{
		CLEANUP(freep) char *summary = content_of(s, id, RUN_SUMMARY);
		CLEANUP(freep) char *record = content_of(s, id, RECORD_NAME);

		assert_non_null(strstr(summary, "finished: all is well"));
		assert_non_null(strstr(record, "\"result\":\"finished\""));
	}
	assert_false(exists(s, "etc/xen/xentest.conf"));
	assert_false(exists(s, PATH_STATE_DIR "/current"));
	/* And now another may begin. */
	run_free(created(s));
}

static void a_newer_request_stays(void **state)
{
	struct scratch *s = *state;
	CLEANUP(run_freep) struct run *run = created(s);
	char newer[] = CONTROL;
	struct err e = ERR_NONE;

	make_dirs(s, "etc/xen");
	memcpy(strstr(newer, "bob13"), "bob14", 5); /* as long as ours */
	put(s, "etc/xen/xentest.conf", newer);
	assert_int_equal(run_end(run, "failed", "so it goes", &e), 0);
	assert_content(s, "etc/xen/xentest.conf", newer);
}

/* A power cut within run_end() leads there again. */
static void an_end_is_recorded_once(void **state)
{
	struct scratch *s = *state;
	struct run *run = created(s);
	char seen[256] = "";
	struct err e = ERR_NONE;

	assert_int_equal(run_end(run, "failed", "first", &e), 0);
	assert_int_equal(run_end(run, "finished", "second", &e), 0);
	assert_int_equal(record_read(run->fd, RECORD_NAME, see, seen, &e), 0);
	assert_string_equal(seen, "run ;plan ;plan ;end failed;");
	run_free(run);
}

static void the_boot_id_is_this_boots(void **state)
{
	char boot_id[37];
	struct err e = ERR_NONE;

	(void)state;
	assert_int_equal(run_boot_id(boot_id, &e), 0);
	assert_int_equal(strlen(boot_id), 36);
	assert_int_equal(strspn(boot_id, "0123456789abcdef-"), 36);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRATCH_TEST(a_run_knows_every_test_from_its_first_second),
		SCRATCH_TEST(a_run_can_have_very_many_tests),
		SCRATCH_TEST(no_id_comes_twice),
		SCRATCH_TEST(a_second_run_is_refused_while_one_goes_on),
		SCRATCH_TEST(a_control_file_with_errors_makes_no_run),
		SCRATCH_TEST(a_run_is_taken_up_where_it_was),
		SCRATCH_TEST(a_run_cut_off_while_it_was_made_leaves_nothing),
		SCRATCH_TEST(a_run_that_current_names_gets_its_name),
		SCRATCH_TEST(a_current_cut_off_anywhere_leads_to_its_run),
		SCRATCH_TEST(a_damaged_current_names_no_run_that_has_ended),
		SCRATCH_TEST(only_one_process_takes_a_run_up),
		SCRATCH_TEST(
			that_no_run_goes_on_is_told_apart_from_a_broken_one),
		SCRATCH_TEST(an_ended_run_is_put_away_with_its_request),
		SCRATCH_TEST(a_newer_request_stays),
		SCRATCH_TEST(an_end_is_recorded_once),
		SCRATCH_TEST(the_boot_id_is_this_boots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
