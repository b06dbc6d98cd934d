/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/check.h"

#include <string.h>

#include "base/cleanup.h"
#include "control/value.h"

enum { TEST_NAME_MAX = 100, REQUIRES_MAX = 100 };

/* Names between white space or commas; a line that is one name is kept whole.
 */
static void read_requires(struct checker *checker, const struct found *found,
			  void *to);

#define AT(member) offsetof(struct control_test, member)

static const struct rule test_rules[] = {
	{"source_url", value_url, AT(source), .whole = false},
	{"ref", value_ref, AT(source), .whole = false},
	{"sha256", value_sha256_of, AT(source), .whole = false},
	{"test_dir", value_inside, AT(test_dir), .whole = false},
	{"build_command", value_text, AT(build_command), .whole = true},
	{"install_command", value_text, AT(install_command), .whole = true},
	{"run_command", value_text, AT(run_command), .whole = true},
	{"cleanup_command", value_text, AT(cleanup_command), .whole = true},
	{"log_dir", value_log_dir, AT(log_dir), .whole = false},
	{"log_files", value_text, AT(log_files), .whole = true},
	{"user", value_user, AT(user), .whole = false},
	{"environment", value_environment, AT(environment), .whole = true},
	{"requires", read_requires, AT(requires), .whole = true},
	{"expect", value_expect, AT(expect), .whole = true},
	{"timeout", value_limit, AT(timeout_s), .whole = false},
	{"build_timeout", value_limit, AT(build_timeout_s), .whole = false},
	{"duration", value_duration, AT(duration_s), .whole = false},
	{"stall_timeout", value_limit, AT(stall_timeout_s), .whole = false},
	{"output_limit", value_size, AT(output_limit_bytes), .whole = false},
	{"memory_limit", value_size, AT(memory_limit_bytes), .whole = false},
	{"tasks_limit", value_tasks, AT(tasks_limit), .whole = false},
	{"reboots", value_reboots, AT(reboots), .whole = false},
	{"repeat", value_repeat, AT(repeat), .whole = false},
	{"retries", value_retries, AT(retries), .whole = false},
	{"jobs", value_jobs, AT(jobs), .whole = false},
	{"parallel", value_refused, 0, .whole = false},
};

static const char *add_required(struct checker *checker,
				const struct found *found, const char *name,
				size_t length)
{
	const char *copy = arena_text(&checker->tree->arena, name, length);

	if (copy == NULL)
		checker->no_memory = true;
	else if (check_test_named(checker, copy) == NULL)
		found_error(checker, found, "no section [" REPORT_NAME "]",
			    copy);
	return copy;
}

/* Length of the line at @line when it is a test's name, else 0. */
static size_t test_line(const struct checker *checker, const char *line)
{
	char name[TEST_NAME_MAX + 1];
	size_t length = 0;

	while (length <= TEST_NAME_MAX && line[length] != '\n' &&
	       line[length] != '\0')
		length++;
	if (length > TEST_NAME_MAX)
		return 0;
	memcpy(name, line, length);
	name[length] = '\0';
	return check_test_named(checker, name) != NULL ? length : 0;
}

static void read_requires(struct checker *checker, const struct found *found,
			  void *to)
{
	static const char between[] = " \t\r\v\f\n,";
	const char *at = found->text + strspn(found->text, between);
	const char **names = arena_array(&checker->tree->arena,
					 REQUIRES_MAX + 1, sizeof(*names));
	size_t count = 0;

	if (names == NULL) {
		checker->no_memory = true;
		return;
	}
	*(const char ***)to = names;
	while (*at != '\0') {
		/* A name with a space in it has a line to itself. */
		size_t length = test_line(checker, at);

		if (length == 0)
			length = strcspn(at, between);
		if (count == REQUIRES_MAX) {
			found_error(checker, found, "more than %d tests",
				    REQUIRES_MAX);
			return;
		}
		names[count++] = add_required(checker, found, at, length);
		at += length;
		at += strspn(at, between);
	}
}

/* A test's results lie in a directory of its name. */
static void check_test_name(struct checker *checker,
			    const struct section *section)
{
	static const char format[] = "[" REPORT_NAME "] %s: %s";
	static const char what[] = "cannot name a test's directory";
	const char *name = section->node.name;
	const char *why = NULL;

	if (strlen(name) > TEST_NAME_MAX)
		why = "longer than 100 bytes";
	else if (strchr(name, '/') != NULL)
		why = "\"/\" in it";
	else if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		why = "a directory of its own";
	else if (strcmp(name, "record.jsonl") == 0 ||
		 strcmp(name, "console.log") == 0)
		why = "a file of the domain's is called so";
	for (const char *c = name; *c != '\0' && why == NULL; c++)
		if ((unsigned char)*c < ' ' || *c == '\x7F')
			why = "a control character in it";
	if (why != NULL)
		report_error(checker->report, section->line, format, name, what,
			     why);
}

/* The second time that LTP runs its results lie in LTP.2. */
static void check_numbered_name(struct checker *checker,
				const struct section *section)
{
	const char *name = section->node.name;
	const char *dot = strrchr(name, '.');
	char other[TEST_NAME_MAX + 1];

	if (dot == NULL || dot == name || dot[1] == '\0' ||
	    dot[1 + strspn(dot + 1, "0123456789")] != '\0' ||
	    strlen(name) > TEST_NAME_MAX)
		return;
	snprintf(other, sizeof(other), "%.*s", (int)(dot - name), name);
	if (check_test_named(checker, other) != NULL)
		report_error(checker->report, section->line,
			     "[" REPORT_NAME
			     "] is what results of [" REPORT_NAME
			     "] are called when it runs again",
			     name, other);
}

/* log_dir is emptied before each run: not with the unpacked source in it. */
static void check_log_dir(struct checker *checker, struct section *section,
			  const struct control_test *test)
{
	size_t length = test->log_dir == NULL ? 0 : strlen(test->log_dir);
	struct found found;

	while (length > 1 && test->log_dir[length - 1] == '/')
		length--;
	if (length == 0 || test->test_dir == NULL ||
	    strncmp(test->test_dir, test->log_dir, length) != 0 ||
	    (test->test_dir[length] != '/' && test->test_dir[length] != '\0'))
		return;
	if (check_find(checker, section, "log_dir", true, &found))
		found_error(
			checker, &found,
			"holds test_dir, and is emptied before each run: \"" REPORT_NAME
			"\"",
			test->log_dir);
}

/* Its time would have to go on over the boots; how often it runs is enough. */
static void check_reboots(struct checker *checker, struct section *section,
			  const struct control_test *test)
{
	struct found found;

	if (test->reboots > 0 && test->duration_s > 0 &&
	    check_find(checker, section, "reboots", true, &found))
		found_error(checker, &found, "not together with duration");
}

static void check_test(struct checker *checker, struct section *section,
		       struct control_test *test)
{
	check_rules(checker, section, test_rules, ARRAY_SIZE(test_rules), test);
	if (test->run_command == NULL)
		check_missing(checker, section, "run_command", "");
	if (test->source.url != NULL && test->test_dir == NULL)
		check_missing(checker, section, "test_dir",
			      " beside source_url");
	check_log_dir(checker, section, test);
	check_reboots(checker, section, test);
	check_numbered_name(checker, section);
}

void check_tests(struct checker *checker)
{
	struct control *control = checker->control;
	struct control_test *tests = arena_array(
		&checker->tree->arena, checker->tree->counts[SECTION_TEST],
		sizeof(*tests));
	struct section *section;

	checker->no_memory |= tests == NULL;
	control->tests = tests;
	/* All names first: "requires" may name what comes later. */
	for (section = checker->tree->sections;
	     section != NULL && tests != NULL; section = section->next) {
		if (section->kind != SECTION_TEST)
			continue;
		section->object = &tests[control->test_count++];
		*(struct control_test *)section->object = (struct control_test){
			.name = section->node.name,
			.line = section->line,
			.timeout_s = 12 * 3600,
			.build_timeout_s = 3 * 3600,
			.stall_timeout_s = CONTROL_NO_LIMIT,
			.output_limit_bytes = UINT64_C(1) << 30,
			.memory_limit_bytes = CONTROL_NO_LIMIT,
			.tasks_limit = CONTROL_NO_LIMIT,
			.repeat = 1,
		};
		check_test_name(checker, section);
	}
	for (section = checker->tree->sections;
	     section != NULL && !checker->no_memory; section = section->next)
		if (section->kind == SECTION_TEST && !section->broken)
			check_test(checker, section, section->object);
}
