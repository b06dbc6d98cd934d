/* SPDX-License-Identifier: BSD-2-Clause */
#include "test-control.h"

#include <sys/stat.h>

#include "scratch.h"

/* The model, the limits, files on disk, and the files that are installed. */

static void what_is_not_said_has_its_default(void **state)
{
	CLEANUP(control_freep)
	struct control *control = load(IN_LOCATIONS "a=/x\n");
	const struct control_preferences *preferences = &control->preferences;
	const struct control_test *test = &control->tests[0];
	const struct control_domain *domain = &control->domains[0];

	(void)state;
	assert_null(preferences->tree);
	assert_false(preferences->tree_missing);
	assert_string_equal(preferences->workdir, "/var/lib/xentest");
	assert_int_equal(preferences->build_timeout_s, 3 * 3600);
	assert_int_equal(preferences->boot_timeout_s, 20 * 60);
	assert_true(preferences->run_timeout_s == CONTROL_NO_LIMIT);
	assert_int_equal(preferences->boot_method, CONTROL_BOOT_AUTO);
	assert_int_equal(preferences->on_failure, CONTROL_FALLBACK);
	assert_null(preferences->build_command);
	assert_int_equal(preferences->jobs, 0);
	assert_int_equal(test->timeout_s, 12 * 3600);
	assert_int_equal(test->build_timeout_s, 3 * 3600);
	assert_int_equal(test->duration_s, 0);
	assert_int_equal(test->repeat, 1);
	assert_true(test->stall_timeout_s == CONTROL_NO_LIMIT);
	assert_true(test->output_limit_bytes == 1 << 30);
	assert_true(test->memory_limit_bytes == CONTROL_NO_LIMIT);
	assert_true(test->tasks_limit == CONTROL_NO_LIMIT);
	assert_true(preferences->watchdog);
	assert_int_equal(test->retries, 0);
	assert_null(test->source.url);
	assert_null(test->user);
	assert_null(test->environment);
	assert_null(test->requires);
	assert_true(control_expects(&test->expect, 0));
	assert_false(control_expects(&test->expect, 1));
	assert_int_equal(domain->start_timeout_s, 600);
	assert_false(domain->stop);
	assert_int_equal(domain->on_crash, CONTROL_RESTART);
	assert_int_equal(domain->on_watchdog, CONTROL_RESTART);
	assert_int_equal(domain->restarts, 3);
	assert_null(domain->config);
	assert_int_equal(control->locations[0].source.kind, CONTROL_KIND_AUTO);
}

static void what_is_said_is_in_the_model(void **state)
{
	static const char file[] =
		"[Preferences]\nxen-tree=X\nshared_dir=/s\nworkdir=/w\n"
		"build_command=b\ninstall_command=i\nboot_method=command\n"
		"boot_command=c\nboot_entry=e\non_failure=stay\njobs=2\n"
		"watchdog=no\n"
		"build_timeout=90\nboot_timeout=2m\nrun_timeout=1d\n"
		"environment=A=1\n  B=2\n"
		"[Locations]\nx=git+https://h/x.git#staging\n"
		"[t]\nsource_url=https://h/t\ntest_dir=d\nrun_command=r\n"
		"cleanup_command=c\nlog_dir=l\nlog_files=*.log\n"
		"timeout=none\nbuild_timeout=1h\nduration=4d\nrepeat=3\n"
		"stall_timeout=10m\noutput_limit=3M\nmemory_limit=2g\n"
		"tasks_limit=100\n"
		"retries=2\nuser=nobody\njobs=1\nexpect=1 64-66\n"
		"sha256=0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef\n"
		"[u]\nrun_command=r\nrequires=t\nreboots=2\nrepeat=3\n"
		"[XENVM0]\nname=h\ntempdir=/t\nconfig=/c.cfg\nstop=on\n"
		"on_crash=give-up\non_watchdog=Give-Up\nrestarts=0\n"
		"start_timeout=5s\ntest1=t\ntest2=u\ntest2.expect=3\n";
	CLEANUP(control_freep) struct control *control = load(file);
	const struct control_preferences *preferences = &control->preferences;
	const struct control_test *test = &control->tests[0];
	const struct control_domain *domain = &control->domains[0];

	(void)state;
	assert_ptr_equal(preferences->tree, &control->locations[0]);
	assert_string_equal(preferences->tree->name, "x");
	assert_string_equal(preferences->tree->source.url,
			    "git+https://h/x.git");
	assert_string_equal(preferences->tree->source.ref, "staging");
	assert_int_equal(preferences->tree->source.kind, CONTROL_KIND_GIT);
	assert_string_equal(preferences->workdir, "/w");
	assert_string_equal(preferences->build_command, "b");
	assert_string_equal(preferences->install_command, "i");
	assert_string_equal(preferences->boot_command, "c");
	assert_string_equal(preferences->boot_entry, "e");
	assert_int_equal(preferences->boot_method, CONTROL_BOOT_COMMAND);
	assert_int_equal(preferences->on_failure, CONTROL_STAY);
	assert_false(preferences->watchdog);
	assert_int_equal(preferences->jobs, 2);
	assert_int_equal(preferences->build_timeout_s, 90);
	assert_int_equal(preferences->boot_timeout_s, 120);
	assert_int_equal(preferences->run_timeout_s, 86400);
	assert_string_equal(preferences->environment[0], "A=1");
	assert_string_equal(preferences->environment[1], "B=2");
	assert_null(preferences->environment[2]);
	assert_int_equal(test->source.kind, CONTROL_KIND_TAR);
	assert_string_equal(
		test->source.sha256,
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
	assert_string_equal(test->cleanup_command, "c");
	assert_string_equal(test->log_files, "*.log");
	assert_true(test->timeout_s == CONTROL_NO_LIMIT);
	assert_int_equal(test->build_timeout_s, 3600);
	assert_int_equal(test->duration_s, 4 * 86400);
	assert_int_equal(test->repeat, 3);
	assert_true(test->stall_timeout_s == 600);
	assert_true(test->output_limit_bytes == 3 << 20);
	assert_true(test->memory_limit_bytes == UINT64_C(2) << 30);
	assert_true(test->tasks_limit == 100);
	assert_int_equal(test->retries, 2);
	assert_int_equal(test->jobs, 1);
	assert_string_equal(test->user, "nobody");
	assert_true(control_expects(&test->expect, 65));
	assert_false(control_expects(&test->expect, 67));
	assert_false(control_expects(&test->expect, 256));
	assert_int_equal(test->reboots, 0);
	assert_int_equal(control->tests[1].reboots, 2);
	assert_true(control_reboots(domain) == 6);
	assert_string_equal(control->tests[1].requires[0], "t");
	assert_null(control->tests[1].requires[1]);
	assert_string_equal(domain->config, "/c.cfg");
	assert_true(domain->stop);
	assert_int_equal(domain->start_timeout_s, 5);
	assert_int_equal(domain->on_crash, CONTROL_GIVE_UP);
	assert_int_equal(domain->on_watchdog, CONTROL_GIVE_UP);
	assert_int_equal(domain->restarts, 0);
	assert_true(control_expects(&domain->entries[1].expect, 3));
	assert_false(control_expects(&domain->entries[1].expect, 0));
}

static void a_domain_is_found_whole_then_by_its_first_part(void **state)
{
	CLEANUP(control_freep)
	struct control *control =
		load("[Preferences]\nxen-tree=none\nshared_dir=/s\n"
		     "[t]\nrun_command=x\n[DEFAULT]\ntempdir=/t\ntest1=t\n"
		     "[XENVM0]\nname=bob\n[XENVM1]\nname=bob.example.com\n");

	(void)state;
	assert_ptr_equal(control_find_domain(control, "BOB"),
			 &control->domains[0]);
	assert_ptr_equal(control_find_domain(control, "bob.Example.com"),
			 &control->domains[1]);
	assert_ptr_equal(control_find_domain(control, "bob.elsewhere"),
			 &control->domains[0]);
	assert_null(control_find_domain(control, "bo"));
	assert_null(control_find_domain(control, "alice.bob"));
	assert_null(control_find_domain(control, ""));
}

static char *filled(size_t length)
{
	char *text = malloc(length + 1);

	memset(text, '\n', length);
	memcpy(text, "[a]\nk=1\n#", 9);
	text[length] = '\0';
	return text;
}

static void one_mebibyte_is_read_and_no_byte_more(void **state)
{
	CLEANUP(freep) char *largest = filled(CONTROL_BYTES_MAX);
	CLEANUP(freep) char *too_large = filled(CONTROL_BYTES_MAX + 1);

	(void)state;
	assert_dumps(largest, "a", "k", "1");
	assert_says(too_large, "f:1: error: larger than 1 MiB\n");
}

static void a_nul_byte_is_reported_once_a_line(void **state)
{
	static const char file[] = "[a]\nk=\0\0\nl=1\nm=\0\n";
	CLEANUP(freep) char *got = messages_of(file, sizeof(file) - 1, NULL);

	(void)state;
	assert_non_null(strstr(got, "f:2: error: NUL byte\n"));
	assert_non_null(strstr(got, "f:4: error: NUL byte\n"));
	assert_null(strstr(strstr(got, "NUL byte") + 1, "f:2: error: NUL"));
}

/* A small generator, so that a failure can be repeated. */
static unsigned int next_random(unsigned int *seed)
{
	*seed = *seed * 1103515245U + 12345U;
	return *seed >> 16;
}

static void garbage_is_refused_and_nothing_breaks(void **state)
{
	static const char *const heads[] = {"", "[a]\n", "test a {",
					    "\xEF\xBB"};
	unsigned int seed = 1;

	(void)state;
	for (int round = 0; round < 400; round++) {
		char bytes[600];
		size_t head = strlen(heads[round % 4]);
		CLEANUP(freep) char *got = NULL;

		memcpy(bytes, heads[round % 4], head);
		for (size_t i = head; i < sizeof(bytes); i++)
			bytes[i] = (char)next_random(&seed);
		got = messages_of(bytes, sizeof(bytes), NULL);
		assert_non_null(strstr(got, ": error: "));
	}
}

/* Sound text with pieces of the grammar thrown in anywhere. */
static void mutilated_files_break_nothing(void **state)
{
	static const char *const pieces[] = {
		"\"",	  "'",	       "{",	    "}",  "=",	 "+=",
		"%(",	  "%(a)s",     "${",	    "/*", "*/",	 "//",
		"[",	  "]",	       "\n",	    "\\", "#",	 ";",
		",",	  "\n ",       "(",	    "*",  "\\0", "\xFF",
		"vm x {", "default {", "test1=t\n",
	};
	static const char *const files[] = {
		IN_TEST IN_LOCATIONS "a=%(b)s\nb=/x\n",
		NATIVE "test t { run_command = 'x' environment = {\"A=1\"} }\n"
		       "location a { url = \"%(ref)s\" ref = x }\n",
	};
	unsigned int seed = 2;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		const char *file = files[round % 2];
		char bytes[1024];
		size_t length = 0;

		for (; *file != '\0' && length < 900; file++) {
			unsigned int chance = next_random(&seed) % 64;

			if (chance == 0) {
				const char *piece = pieces[next_random(&seed) %
							   ARRAY_SIZE(pieces)];

				memcpy(bytes + length, piece, strlen(piece));
				length += strlen(piece);
			}
			if (chance != 1)
				bytes[length++] = *file;
		}
		free(messages_of(bytes, length, NULL));
		bytes[length] = '\0';
		CLEANUP(freep) char *said = NULL;
		CLEANUP(json_freep) struct json *json = dump_of(bytes, &said);
	}
}

static void the_same_bytes_give_the_same_messages(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		assert_mentions("test t {\n user = \"x",
				"f:2: error: string not closed\n");
	assert_dumps("test t { user = x }", "t", "user", "x");
}

static void a_link_to_a_file_is_followed(void **state)
{
	struct scratch *s = *state;
	CLEANUP(control_freep) struct control *control = NULL;
	CLEANUP(freep) char *path = text_format("%s/link", s->path);
	struct control_report report;
	struct err e = ERR_NONE;

	put(s, "file", IN_TEST);
	assert_int_equal(symlinkat("file", s->fd, "link"), 0);
	assert_int_equal(control_load_file(path, &report, &control, &e), 0);
	assert_string_equal(control->domains[0].name, "h");
	control_report_done(&report);
}

static void assert_unreadable(const char *path, int number, const char *text)
{
	struct control *control = NULL;
	struct control_report report;
	struct err e = ERR_NONE;

	assert_int_equal(control_load_file(path, &report, &control, &e),
			 number);
	assert_string_equal(e.text, text);
	assert_int_equal(report.count, 0);
	assert_null(control);
	assert_int_equal(control_check_main(path), 2);
	assert_int_equal(control_dump_main(path), 2);
}

static void what_is_no_regular_file_is_refused_without_waiting(void **state)
{
	struct scratch *s = *state;
	CLEANUP(freep) char *fifo = text_format("%s/fifo", s->path);
	CLEANUP(freep) char *none = text_format("%s/none", s->path);
	CLEANUP(freep)
	char *of_fifo = text_format("%s: Not a regular file", fifo);
	CLEANUP(freep)
	char *of_none = text_format("%s: No such file or directory", none);
	CLEANUP(freep)
	char *of_dir = text_format("%s: Is a directory", s->path);

	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_unreadable(fifo, -EINVAL, of_fifo);
	assert_unreadable(none, -ENOENT, of_none);
	assert_unreadable(s->path, -EISDIR, of_dir);
	assert_unreadable("/dev/zero", -EINVAL,
			  "/dev/zero: Not a regular file");
}

static void a_file_that_is_too_large_is_wrong_and_not_unreadable(void **state)
{
	struct scratch *s = *state;
	CLEANUP(freep) char *path = text_format("%s/file", s->path);
	CLEANUP(freep) char *too_large = filled(CONTROL_BYTES_MAX + 1);

	put(s, "file", too_large);
	assert_int_equal(control_check_main(path), 1);
	assert_int_equal(control_dump_main(path), 1);
	assert_int_equal(truncate(path, CONTROL_BYTES_MAX), 0);
	assert_int_equal(control_dump_main(path), 0);
}

static void the_exit_status_tells_sound_wrong_and_unreadable(void **state)
{
	struct scratch *s = *state;
	CLEANUP(freep) char *path = text_format("%s/file", s->path);

	put(s, "file", IN_TEST "log_dir=a/\n  b\n");
	assert_int_equal(control_check_main(path), 0);
	put(s, "file", IN_TEST "timeout=x\n");
	assert_int_equal(control_check_main(path), 1);
	assert_int_equal(control_dump_main(path), 0);
	put(s, "file", IN_TEST "timeout=x\noops\n");
	assert_int_equal(control_dump_main(path), 1);
}

static void a_report_names_the_file_in_plain_letters(void **state)
{
	struct control *control = NULL;
	struct control_report report;
	struct err e = ERR_NONE;
	CLEANUP(freep) char *text = NULL;

	(void)state;
	assert_int_equal(
		control_load("x", 1, "a\nb\x1B", &report, &control, &e),
		-EINVAL);
	assert_string_equal(e.text, "a\nb\x1B has 1 error");
	text = control_report_text(&report);
	assert_string_equal(text, "a?b?:1: error: no section yet\n");
	control_report_done(&report);
}

static char *installed(const char *name)
{
	CLEANUP(freep) char *below = text_format("../../conf/%s", name);
	CLEANUP(freep) char *path = beside(__FILE__, below);

	return read_whole(path);
}

static void every_installed_file_passes_the_check(void **state)
{
	static const char *const names[] = {
		"paper.conf",
		"example.conf",
		"example-native.conf",
		"minimal.conf",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		CLEANUP(freep) char *text = installed(names[i]);
		CLEANUP(control_freep) struct control *control = load(text);

		assert_true(control->domain_count > 0);
		if (i > 0)
			assert_says(text, "");
	}
}

static void both_examples_are_the_same_in_two_syntaxes(void **state)
{
	CLEANUP(freep) char *ini = installed("example.conf");
	CLEANUP(freep) char *native = installed("example-native.conf");
	CLEANUP(freep) char *said = NULL;
	CLEANUP(freep) char *said_too = NULL;
	CLEANUP(json_freep) struct json *a = dump_of(ini, &said);
	CLEANUP(json_freep) struct json *b = dump_of(native, &said_too);

	(void)state;
	assert_true(same_json(a, b));
}

static void the_papers_example_means_what_the_paper_says(void **state)
{
	CLEANUP(freep) char *text = installed("paper.conf");
	CLEANUP(control_freep) struct control *control = load(text);

	(void)state;
	assert_string_equal(control->preferences.tree->source.url,
			    "http://www.where/to/download/xen-unstable.tgz");
	assert_int_equal(control->location_count, 3);
	assert_string_equal(
		control->tests[0].source.url,
		"http://where.to.download/ltp/ltp-full-20050207.tgz");
	assert_string_equal(control->tests[0].run_command,
			    "./runltp -q > \\\n../logs/ltp/runltp.output");
	assert_int_equal(control->domain_count, 3);
	assert_null(control->domains[0].config);
	assert_string_equal(control->domains[2].config,
			    "/home/plars/xen/xen-sarge/bob13-vm2.config");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_said_has_its_default),
		cmocka_unit_test(what_is_said_is_in_the_model),
		cmocka_unit_test(
			a_domain_is_found_whole_then_by_its_first_part),
		cmocka_unit_test(one_mebibyte_is_read_and_no_byte_more),
		cmocka_unit_test(a_nul_byte_is_reported_once_a_line),
		cmocka_unit_test(garbage_is_refused_and_nothing_breaks),
		cmocka_unit_test(mutilated_files_break_nothing),
		cmocka_unit_test(the_same_bytes_give_the_same_messages),
		SCRATCH_TEST(a_link_to_a_file_is_followed),
		SCRATCH_TEST(
			what_is_no_regular_file_is_refused_without_waiting),
		SCRATCH_TEST(
			a_file_that_is_too_large_is_wrong_and_not_unreadable),
		SCRATCH_TEST(the_exit_status_tells_sound_wrong_and_unreadable),
		cmocka_unit_test(a_report_names_the_file_in_plain_letters),
		cmocka_unit_test(every_installed_file_passes_the_check),
		cmocka_unit_test(both_examples_are_the_same_in_two_syntaxes),
		cmocka_unit_test(the_papers_example_means_what_the_paper_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
