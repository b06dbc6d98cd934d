/* SPDX-License-Identifier: BSD-2-Clause */
#include "test-control.h"

/* The rules for every key, and what is said when one is broken. */

/* One more line, and what is said about it. */
struct line {
	const char *text;
	const char *says; /* NULL: nothing */
};

static void assert_lines(const char *file, const char *section,
			 const struct line *lines, size_t count)
{
	int line = 1;

	for (const char *c = file; *c != '\0'; c++)
		line += *c == '\n';
	for (size_t i = 0; i < count; i++) {
		CLEANUP(freep)
		char *whole = text_format("%s%s\n", file, lines[i].text);
		CLEANUP(freep)
		char *says =
			lines[i].says == NULL
				? strdup("")
				: text_format("f:%d: error: [%s] %s\n", line,
					      section, lines[i].says);

		assert_says(whole, says);
	}
}

static void the_sound_files_of_these_tests_are_sound(void **state)
{
	(void)state;
	assert_says(IN_TEST, "");
	assert_says(IN_DOMAIN, "");
	assert_says(IN_PREFERENCES "xen-tree=none\n", "");
	assert_says(IN_LOCATIONS, "");
	assert_says(NATIVE "test t { run_command = x }", "");
}

static void each_key_of_a_test_has_its_rule(void **state)
{
	static const struct line lines[] = {
		{"log_dir=../x", "log_dir: leaves tempdir: \"../x\""},
		{"log_dir=a/../../x", "log_dir: leaves tempdir: \"a/../../x\""},
		{"log_dir=/var/log/x", NULL},
		{"log_dir=a..b/c", NULL},
		{"log_dir=/",
		 "log_dir: would be emptied before each run: \"/\""},
		{"log_dir=./.",
		 "log_dir: would be emptied before each run: \"./.\""},
		{"test_dir=/abs", "test_dir: leaves tempdir: \"/abs\""},
		{"test_dir=a/..", "test_dir: leaves tempdir: \"a/..\""},
		{"timeout=4x", "timeout: not a time: \"4x\""},
		{"timeout=", NULL},
		{"timeout=s", "timeout: not a time: \"s\""},
		{"timeout=-1", "timeout: not a time: \"-1\""},
		{"timeout=1.5h", "timeout: not a time: \"1.5h\""},
		{"timeout=0",
		 "timeout: no time at all: \"0\" (\"none\" lifts the limit)"},
		{"timeout=99999999999999999999d",
		 "timeout: longer than 3650d: \"99999999999999999999d\""},
		{"timeout=3650d", NULL},
		{"timeout=none", NULL},
		{"build_timeout=x", "build_timeout: not a time: \"x\""},
		{"duration=x", "duration: not a time: \"x\""},
		{"duration=none", NULL},
		{"repeat=x", "repeat: not a whole number: \"x\""},
		{"repeat=1.5", "repeat: not a whole number: \"1.5\""},
		{"repeat=0", "repeat: not between 1 and 1000000: \"0\""},
		{"repeat=18446744073709551617",
		 "repeat: not between 1 and 1000000: \"18446744073709551617\""},
		{"retries=1001", "retries: not between 0 and 1000: \"1001\""},
		{"retries=0", NULL},
		{"stall_timeout=x", "stall_timeout: not a time: \"x\""},
		{"stall_timeout=none\noutput_limit=none\nmemory_limit=none\n"
		 "tasks_limit=none", NULL},
		{"output_limit=64K", NULL},
		{"output_limit=1.5g",
		 "output_limit: not a size such as 512M: \"1.5g\""},
		{"output_limit=g",
		 "output_limit: not a size such as 512M: \"g\""},
		{"output_limit=4194304t", NULL},
		{"output_limit=4194305t",
		 "output_limit: not a size such as 512M: \"4194305t\""},
		{"memory_limit=65535",
		 "memory_limit: less than 64k: \"65535\" (\"none\" lifts the limit)"},
		{"memory_limit=65536", NULL},
		{"tasks_limit=0",
		 "tasks_limit: not between 1 and 4194304: \"0\""},
		{"reboots=101", "reboots: not between 0 and 100: \"101\""},
		{"reboots=-1", "reboots: not a whole number: \"-1\""},
		{"reboots=1\nrepeat=2", NULL},
		{"reboots=1\nduration=1h",
		 "reboots: not together with duration"},
		{"reboots=0\nduration=1h", NULL},
		{"jobs=0", "jobs: not between 1 and 65536: \"0\""},
		{"expect=0 3-5, 7", NULL},
		{"expect=0-255", NULL},
		{"expect=256",
		 "expect: not exit statuses from 0 to 255: \"256\""},
		{"expect=0 5-3",
		 "expect: not exit statuses from 0 to 255: \"5-3\""},
		{"expect=3-",
		 "expect: not exit statuses from 0 to 255: \"3-\""},
		{"environment=A=1\n _b2=x = y\n C=", NULL},
		{"environment=A", "environment: not NAME=value: \"A\""},
		{"environment=A=1\n 2B=1",
		 "environment: not NAME=value: \"2B=1\""},
		{"user=nobody", NULL},
		{"user=a b", "user: not a user's name: \"a b\""},
		{"parallel=mix", "parallel: not supported yet"},
		{"requires=nope", "requires: no section [nope]"},
		{"requires=XENVM0", "requires: no section [XENVM0]"},
		{"cleanup_command=a ; b\nlog_files=*.log  x", NULL},
	};

	(void)state;
	assert_lines(IN_TEST, "t", lines, ARRAY_SIZE(lines));
}

static void each_key_of_a_domain_has_its_rule(void **state)
{
	static const struct line lines[] = {
		{"config=none\nstop=YES\nstart_timeout=none", NULL},
		{"start_timeout=x", "start_timeout: not a time: \"x\""},
		{"on_crash=panic",
		 "on_crash: neither restart nor give-up: \"panic\""},
		{"on_watchdog=",  NULL},
		{"on_watchdog=x",
		 "on_watchdog: neither restart nor give-up: \"x\""},
		{"restarts=many", "restarts: not a whole number: \"many\""},
		{"stop=maybe", "stop: neither yes nor no: \"maybe\""},
		{"environment==x", "environment: not NAME=value: \"=x\""},
		{"test2=fio", "test2: no section [fio]"},
		{"test2=Preferences", "test2: [Preferences] is not a test"},
		{"test2=XENVM0", "test2: [XENVM0] is not a test"},
		{"test2=T", "test2: no section [T]"},
		{"test2=", NULL},
		{"test7=t\ntest07=t\ntest0=t", NULL},
		{"test1.expect=1", NULL},
		{"test1.expect=x",
		 "test1.expect: not exit statuses from 0 to 255: \"x\""},
		{"test2.expect=1", "test2.expect: no test2"},
		{"test9999999999=t", "test9999999999: number too large"},
	};

	(void)state;
	assert_lines(IN_DOMAIN, "XENVM0", lines, ARRAY_SIZE(lines));
}

static void each_key_of_the_preferences_has_its_rule(void **state)
{
	static const struct line lines[] = {
		{"workdir=var", "workdir: not an absolute path: \"var\""},
		{"boot_method=lilo",
		 "boot_method: not one of auto, grub, efi, systemd-boot, command, none: \"lilo\""},
		{"boot_method=efi",
		 "boot_method: \"efi\" is not supported yet"},
		{"boot_method=systemd-boot",
		 "boot_method: \"systemd-boot\" is not supported yet"},
		{"boot_method=command",
		 "boot_method: boot_command is missing, which it needs"},
		{"boot_method=command\nboot_command=x", NULL},
		{"boot_method=grub\nboot_entry=xen once", NULL},
		{"on_failure=panic",
		 "on_failure: neither fallback nor stay: \"panic\""},
		{"on_failure=stay", NULL},
		{"watchdog=dog", "watchdog: neither yes nor no: \"dog\""},
		{"jobs=many", "jobs: not a whole number: \"many\""},
		{"build_timeout=x", "build_timeout: not a time: \"x\""},
		{"boot_timeout=x", "boot_timeout: not a time: \"x\""},
		{"run_timeout=x", "run_timeout: not a time: \"x\""},
		{"environment=x", "environment: not NAME=value: \"x\""},
		{"build_command=a\ninstall_command=b", NULL},
	};

	(void)state;
	assert_lines(IN_PREFERENCES "xen-tree=none\n", "Preferences", lines,
		     ARRAY_SIZE(lines));
}

static void each_url_has_a_scheme_that_can_be_fetched(void **state)
{
	static const struct line lines[] = {
		{"x=http://h/x", NULL},
		{"x=HTTPS://h", NULL},
		{"x=ftp://h/x", NULL},
		{"x=file:///x", NULL},
		{"x=/some/path.tar", NULL},
		{"x=rsync://h/m", NULL},
		{"x=git://h/x", NULL},
		{"x=git+https://h/x#v1", NULL},
		{"x=git+ssh://g@h/x", NULL},
		{"x=git+file:///x", NULL},
		{"x=htp://h/x", "x: unknown scheme \"htp\""},
		{"x=git+http://h/x", "x: unknown scheme \"git+http\""},
		{"x=h/x.tgz",
		 "x: neither a URL nor an absolute path: \"h/x.tgz\""},
		{"x=file://h/x", "x: not file:///PATH: \"file://h/x\""},
		{"x=git+file://h/x",
		 "x: not git+file:///PATH: \"git+file://h/x\""},
		{"x=http:///x", "x: no host in \"http:///x\""},
		{"x=http://", "x: no host in \"http://\""},
		{"x=http://h/a b", "x: white space in \"http://h/a b\""},
		{"x=", "x: no URL"},
	};

	(void)state;
	assert_lines(IN_LOCATIONS, "Locations", lines, ARRAY_SIZE(lines));
}

static void what_stands_beside_a_location_has_its_rule(void **state)
{
	static const char digest[] =
		"0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef";
	CLEANUP(freep)
	char *whole = text_format(IN_LOCATIONS "x=/x\nx.sha256=%s\n", digest);
	CLEANUP(freep)
	char *of_git =
		text_format(IN_LOCATIONS "x=git://h/x\nx.sha256=%s\n", digest);
	static const char *const files[][2] = {
		{"x=/x\nx.sha256=abc\n",
		 "f:12: error: [Locations] x.sha256: not 64 hex digits: \"abc\"\n"},
		{"x=/x\nx.kind=zip\n",
		 "f:12: error: [Locations] x.kind: not one of tar, git, rsync, dir: \"zip\"\n"},
		{"x=git://h/x\nx.kind=tar\n",
		 "f:12: error: [Locations] x.kind: tar does not come by git://\n"},
		{"x=https://h/x\nx.kind=git\nx.ref=main\n", ""},
		{"x=git://h/x#v1\nx.ref=v1\n", ""},
		{"x=git://h/x#v1\nx.ref=v2\n",
		 "f:12: warning: [Locations] x.ref: used instead of \"#v1\" in the URL\n"},
		{"x=/x.tar\nx.kind=tar\nx.ref=v2\n",
		 "f:13: warning: [Locations] x.ref: not used, the source is not git\n"},
		{"x=git://h/x\nx.ref=--upload-pack=y\n",
		 "f:12: error: [Locations] x.ref: not a branch, tag or commit: \"--upload-pack=y\"\n"},
		{"x=/x\ny.ref=v2\n",
		 "f:12: error: [Locations] y.ref: no location \"y\"\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		CLEANUP(freep)
		char *file = text_format(IN_LOCATIONS "%s", files[i][0]);

		assert_says(file, files[i][1]);
	}
	assert_says(whole, "");
	assert_says(
		of_git,
		"f:12: error: [Locations] x.sha256: only an archive can be checked, and this is git\n");
}

static void required_keys_are_missed_at_their_section(void **state)
{
	(void)state;
	assert_says(
		"[Preferences]\n[XENVM0]\n[t]\nsource_url=/x\n",
		"f:1: error: [Preferences] shared_dir is missing\n"
		"f:1: warning: [Preferences] xen-tree is missing, so nothing can be built\n"
		"f:2: error: [XENVM0] name is missing\n"
		"f:2: error: [XENVM0] tempdir is missing\n"
		"f:2: warning: [XENVM0] no tests\n"
		"f:3: error: [t] run_command is missing\n"
		"f:3: error: [t] test_dir is missing beside source_url\n");
	assert_says(IN_TEST "[u]\nrun_command=\n",
		    "f:11: error: [u] run_command is missing\n");
}

static void a_key_that_is_wrong_is_not_missing_too(void **state)
{
	(void)state;
	assert_says(IN_TEST "[u]\nrun_command=%(x)s\n",
		    "f:11: error: [u] run_command: no variable \"x\"\n");
}

static void a_file_without_preferences_or_domains_says_so(void **state)
{
	(void)state;
	assert_says(
		"[t]\nrun_command=x\n",
		"f:1: error: [Preferences] shared_dir is missing\n"
		"f:1: warning: [Preferences] xen-tree is missing, so nothing can be built\n"
		"f:1: warning: no domain, so no test will run\n");
}

static void xen_tree_names_a_location_without_case(void **state)
{
	(void)state;
	assert_says(IN_PREFERENCES "xen-tree=A\n[Locations]\na=/x\n", "");
	assert_says(IN_PREFERENCES "xen-tree=x\n",
		    "f:9: error: [Preferences] xen-tree: no location \"x\"\n");
	/* A tree must stand in [Locations] itself. */
	assert_says(IN_PREFERENCES "xen-tree=x\n[DEFAULT]\nx=/x\n",
		    "f:9: error: [Preferences] xen-tree: no location \"x\"\n");
}

static void a_host_name_is_one_and_belongs_to_one_domain(void **state)
{
	static const struct {
		const char *name;
		bool good;
	} names[] = {
		{"bob-13.example.Com", true},
		{"0123456789012345678901234567890123456789012345678901234567890123",
		 true},
		{"01234567890123456789012345678901234567890123456789012345678901234",
		 false},
		{"bob_13", false},
		{"..", false},
		{".x", false},
		{"-x", false},
		{"a/b", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		CLEANUP(freep)
		char *file =
			text_format(IN_TEST
				    "[XENVM1]\nname=%s\ntempdir=/t\ntest1=t\n",
				    names[i].name);
		CLEANUP(freep)
		char *says = text_format(
			"f:11: error: [XENVM1] name: not a host name of at most 64 letters, digits, \".\" and \"-\": \"%s\"\n",
			names[i].name);

		assert_says(file, names[i].good ? "" : says);
	}
	assert_says(
		IN_TEST "[XENVM1]\nname=H\ntempdir=/t\ntest1=t\n",
		"f:11: error: [XENVM1] name \"H\" is already that of [XENVM0]\n");
}

static void a_path_that_must_be_absolute_is(void **state)
{
	(void)state;
	assert_says(
		IN_TEST "[XENVM1]\nname=i\ntempdir=tmp\ntest1=t\n",
		"f:12: error: [XENVM1] tempdir: not an absolute path: \"tmp\"\n");
	assert_mentions(
		"[Preferences]\nshared_dir=x\n",
		"f:2: error: [Preferences] shared_dir: not an absolute path: \"x\"\n");
}

static void a_tests_name_must_do_for_a_directory(void **state)
{
	char name[102];

	(void)state;
	memset(name, 'n', 101);
	name[101] = '\0';
	assert_says(
		IN_TEST "[a/b]\nrun_command=x\n",
		"f:10: error: [a/b] cannot name a test's directory: \"/\" in it\n");
	assert_says(
		IN_TEST "[..]\nrun_command=x\n",
		"f:10: error: [..] cannot name a test's directory: a directory of its own\n");
	assert_says(
		IN_TEST "[a\tb]\nrun_command=x\n",
		"f:10: error: [a?b] cannot name a test's directory: a control character in it\n");
	for (int i = 0; i < 2; i++) {
		CLEANUP(freep)
		char *file =
			text_format(IN_TEST "[%s]\nrun_command=x\n", name + i);
		CLEANUP(freep)
		char *says = text_format(
			"f:10: error: [%s] cannot name a test's directory: longer than 100 bytes\n",
			name + 1);

		assert_says(file, i == 0 ? says : "");
	}
}

static void results_of_two_tests_never_share_a_directory(void **state)
{
	(void)state;
	assert_says(
		IN_TEST "[a]\nrun_command=x\n[a.2]\nrun_command=x\n",
		"f:12: error: [a.2] is what results of [a] are called when it runs again\n");
	assert_says(IN_TEST "[b.2]\nrun_command=x\n[b.x]\nrun_command=x\n",
		    "");
	assert_says(
		IN_TEST "[record.jsonl]\nrun_command=x\n",
		"f:10: error: [record.jsonl] cannot name a test's directory: a file of the domain's is called so\n");
}

static void logs_are_not_emptied_over_the_unpacked_source(void **state)
{
	(void)state;
	assert_says(
		IN_TEST "test_dir=a/b\nlog_dir=a/\n",
		"f:11: error: [t] log_dir: holds test_dir, and is emptied before each run: \"a/\"\n");
	assert_says(
		IN_TEST "test_dir=a/b\nlog_dir=a/b\n",
		"f:11: error: [t] log_dir: holds test_dir, and is emptied before each run: \"a/b\"\n");
	assert_says(IN_TEST "test_dir=ab\nlog_dir=a\n", "");
	assert_says(IN_TEST "test_dir=a\nlog_dir=a/logs\n", "");
}

static void names_that_are_nearly_special_get_a_warning(void **state)
{
	(void)state;
	assert_says(
		IN_TEST "[preferences]\nrun_command=x\n"
			"[LOCATIONS]\nrun_command=x\n"
			"[Default]\nrun_command=x\n[xenvm1]\nrun_command=x\n",
		"f:10: warning: section \"preferences\" is taken as a test\n"
		"f:12: warning: section \"LOCATIONS\" is taken as a test\n"
		"f:14: warning: section \"Default\" is taken as a test\n"
		"f:16: warning: section \"xenvm1\" is taken as a test\n");
}

static void a_key_that_nothing_uses_gets_a_warning(void **state)
{
	(void)state;
	assert_says(
		IN_TEST "run_comand=x\n",
		"f:10: warning: [t] key \"run_comand\" is not known and not used\n");
	assert_says(IN_TEST "base=x\nlog_dir=%(BASE)s/y\n", "");
	assert_says(IN_TEST "[DEFAULT]\nrun_comand=x\n", "");
	/* A test's key in a domain is as unknown as any. */
	assert_says(
		IN_DOMAIN "run_command=x\n",
		"f:10: warning: [XENVM0] key \"run_command\" is not known and not used\n");
}

static void lines_are_joined_but_for_commands(void **state)
{
	CLEANUP(control_freep)
	struct control *control =
		load(IN_TEST "source_url=http://h/\n  x.tgz\ntest_dir=d\n"
			     "build_command=a \\\n  b\n");

	(void)state;
	assert_string_equal(control->tests[0].source.url, "http://h/x.tgz");
	assert_string_equal(control->tests[0].build_command, "a \\\nb");
	assert_says(IN_TEST "log_dir=a/\n  b\n",
		    "f:10: warning: [t] log_dir: lines joined\n");
	assert_says(NATIVE "test t { run_command = 'a\nb' log_dir = 'c\n  d' }",
		    "f:4: warning: [t] log_dir: lines joined\n");
}

static void defaults_serve_each_section_that_knows_the_key(void **state)
{
	CLEANUP(control_freep)
	struct control *control =
		load("[DEFAULT]\nshared_dir=/s\ntempdir=/%(name)s\nlog_dir=l\n"
		     "test1=t\njobs=3\ntest1.expect=9\n"
		     "[Preferences]\n[t]\nrun_command=x\njobs=5\n"
		     "[XENVM0]\nname=h\n");

	(void)state;
	assert_string_equal(control->preferences.shared_dir, "/s");
	assert_int_equal(control->preferences.jobs, 3);
	assert_int_equal(control->tests[0].jobs, 5);
	assert_string_equal(control->tests[0].log_dir, "l");
	assert_string_equal(control->domains[0].tempdir, "/h");
	assert_int_equal(control->domains[0].entry_count, 1);
	assert_true(control_expects(&control->domains[0].entries[0].expect, 9));
	assert_false(control_expects(&control->tests[0].expect, 9));
}

static void a_test_must_come_after_those_it_requires(void **state)
{
	static const char tests[] =
		"[Preferences]\nxen-tree=none\nshared_dir=/s\n"
		"[a]\nrun_command=x\n"
		"[b c]\nrun_command=x\n"
		"[t]\nrun_command=x\nrequires=a\n  b c\n"
		"[XENVM0]\nname=h\ntempdir=/t\n";
	CLEANUP(freep)
	char *good = text_format("%stest1=b c\ntest2=a\ntest3=t\n", tests);
	CLEANUP(freep)
	char *late = text_format("%stest1=b c\ntest2=t\ntest3=a\n", tests);
	CLEANUP(freep)
	char *elsewhere = text_format(
		"%stest1=b c\ntest2=a\n[XENVM1]\nname=i\ntempdir=/t\ntest1=t\n",
		tests);

	(void)state;
	assert_says(good, "");
	assert_says(
		late,
		"f:16: error: [XENVM0] test2: [t] requires [a], which this domain does not run before it\n");
	assert_says(
		elsewhere,
		"f:20: error: [XENVM1] test1: [t] requires [a], which this domain does not run before it\n"
		"f:20: error: [XENVM1] test1: [t] requires [b c], which this domain does not run before it\n");
}

static void required_tests_are_listed_in_any_way(void **state)
{
	static const char says[] =
		"f:10: error: [t] requires: no section [a]\n"
		"f:10: error: [t] requires: no section [b]\n"
		"f:10: error: [t] requires: no section [c]\n";

	(void)state;
	assert_says(IN_TEST "requires=a,b c\n", says);
	assert_says(IN_TEST "requires=a\n  b ,\n  c\n", says);
}

static void tests_run_in_numeric_order_with_gaps_and_repeats(void **state)
{
	CLEANUP(control_freep)
	struct control *control =
		load(IN_DOMAIN "test10=u\ntest9=t\ntest3=u\n"
			       "[u]\nrun_command=y\nexpect=1\n");
	const struct control_domain *domain = &control->domains[0];
	static const unsigned int numbers[] = {1, 3, 9, 10};

	(void)state;
	assert_int_equal(domain->entry_count, ARRAY_SIZE(numbers));
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		assert_int_equal(domain->entries[i].number, numbers[i]);
		assert_string_equal(domain->entries[i].test->name,
				    i % 2 == 0 ? "t" : "u");
	}
	assert_int_equal(domain->entries[1].line, 12);
	assert_true(control_expects(&domain->entries[1].expect, 1));
	assert_false(control_expects(&domain->entries[1].expect, 0));
}

static void every_message_survives_hostile_bytes(void **state)
{
	(void)state;
	assert_says(
		IN_TEST "[\x1B[2J\xFF\xC2\x9B]\nrun_command=x\n",
		"f:10: error: [?[2J\xEF\xBF\xBD??] cannot name a test's directory: a control character in it\n");
	assert_says(
		IN_TEST "user=\x1Bx \xFF\xC2\x9B\n",
		"f:10: error: [t] user: not a user's name: \"?x \xEF\xBF\xBD??\"\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sound_files_of_these_tests_are_sound),
		cmocka_unit_test(each_key_of_a_test_has_its_rule),
		cmocka_unit_test(each_key_of_a_domain_has_its_rule),
		cmocka_unit_test(each_key_of_the_preferences_has_its_rule),
		cmocka_unit_test(each_url_has_a_scheme_that_can_be_fetched),
		cmocka_unit_test(what_stands_beside_a_location_has_its_rule),
		cmocka_unit_test(required_keys_are_missed_at_their_section),
		cmocka_unit_test(a_key_that_is_wrong_is_not_missing_too),
		cmocka_unit_test(a_file_without_preferences_or_domains_says_so),
		cmocka_unit_test(xen_tree_names_a_location_without_case),
		cmocka_unit_test(a_host_name_is_one_and_belongs_to_one_domain),
		cmocka_unit_test(a_path_that_must_be_absolute_is),
		cmocka_unit_test(a_tests_name_must_do_for_a_directory),
		cmocka_unit_test(results_of_two_tests_never_share_a_directory),
		cmocka_unit_test(logs_are_not_emptied_over_the_unpacked_source),
		cmocka_unit_test(names_that_are_nearly_special_get_a_warning),
		cmocka_unit_test(a_key_that_nothing_uses_gets_a_warning),
		cmocka_unit_test(lines_are_joined_but_for_commands),
		cmocka_unit_test(
			defaults_serve_each_section_that_knows_the_key),
		cmocka_unit_test(a_test_must_come_after_those_it_requires),
		cmocka_unit_test(required_tests_are_listed_in_any_way),
		cmocka_unit_test(
			tests_run_in_numeric_order_with_gaps_and_repeats),
		cmocka_unit_test(every_message_survives_hostile_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
