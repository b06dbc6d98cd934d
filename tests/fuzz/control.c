/* SPDX-License-Identifier: BSD-2-Clause */
/* The control file in either syntax: its messages, its model, its dump. */
#include "fuzz.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"

static int line_count(const uint8_t *data, size_t size)
{
	int count = 1;

	for (size_t i = 0; i < size; i++)
		count += data[i] == '\n';
	return count;
}

static void check_report(const struct control_report *report, int lines)
{
	size_t errors = 0;

	for (size_t i = 0; i < report->count; i++) {
		const struct control_message *message = &report->messages[i];

		must(fuzz_is_plain(message->text, ""));
		must(message->line >= 1 && message->line <= lines);
		must(i == 0 || message[-1].line <= message->line);
		errors += message->error ? 1 : 0;
	}
	must(errors == report->error_count);
}

/* ---- the model --------------------------------------------------------- */

static bool has_dot_dot(const char *path)
{
	CLEANUP(freep) char *copy = strdup(path);
	char *rest = copy;
	char *part;

	while ((part = strsep(&rest, "/")) != NULL)
		if (strcmp(part, "..") == 0)
			return true;
	return false;
}

static bool is_file_name(const char *name)
{
	return name[0] != '\0' && strchr(name, '/') == NULL &&
	       strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static void check_environment(const char *const *environment)
{
	for (; environment != NULL && *environment != NULL; environment++)
		must(strchr(*environment, '=') > *environment);
}

static void check_source(const struct control_source *source)
{
	if (source->sha256 != NULL)
		must(strlen(source->sha256) == 64 &&
		     strspn(source->sha256, "0123456789abcdef") == 64);
	/* They become arguments of git and rsync. */
	must(source->url == NULL || source->url[0] != '-');
	must(source->ref == NULL || source->kind == CONTROL_KIND_GIT ||
	     source->url == NULL);
}

static const struct control_test *test_named(const struct control *control,
					     const char *name)
{
	for (size_t i = 0; i < control->test_count; i++)
		if (strcmp(control->tests[i].name, name) == 0)
			return &control->tests[i];
	return NULL;
}

static void check_test(const struct control *control,
		       const struct control_test *test)
{
	must(is_file_name(test->name) && strlen(test->name) <= 100);
	must(test_named(control, test->name) == test);
	must(test->run_command != NULL);
	must(test->timeout_s > 0 && test->build_timeout_s > 0);
	must(test->repeat >= 1);
	if (test->test_dir != NULL)
		must(test->test_dir[0] != '/' && !has_dot_dot(test->test_dir));
	if (test->log_dir != NULL && test->log_dir[0] != '/')
		must(!has_dot_dot(test->log_dir));
	check_source(&test->source);
	check_environment(test->environment);
	for (const char *const *name = test->requires;
	     name != NULL && *name != NULL; name++)
		must(test_named(control, *name) != NULL);
}

static bool listed_before(const struct control_domain *domain, size_t entry,
			  const char *name)
{
	for (size_t i = 0; i < entry; i++)
		if (strcmp(domain->entries[i].test->name, name) == 0)
			return true;
	return false;
}

static void check_domain(const struct control *control,
			 const struct control_domain *domain)
{
	must(is_file_name(domain->name) &&
	     strlen(domain->name) <= CONTROL_NAME_MAX);
	must(control_find_domain(control, domain->name) == domain);
	must(domain->tempdir[0] == '/');
	must(domain->start_timeout_s > 0);
	check_environment(domain->environment);
	for (size_t i = 0; i < domain->entry_count; i++) {
		const struct control_entry *entry = &domain->entries[i];

		must(test_named(control, entry->test->name) == entry->test);
		must(i == 0 || entry[-1].number <= entry->number);
		for (const char *const *name = entry->test->requires;
		     name != NULL && *name != NULL; name++)
			must(listed_before(domain, i, *name));
	}
}

static void check_model(const struct control *control)
{
	const struct control_preferences *preferences = &control->preferences;

	must(preferences->shared_dir != NULL &&
	     preferences->shared_dir[0] == '/');
	must(preferences->workdir != NULL && preferences->workdir[0] == '/');
	check_environment(preferences->environment);
	for (size_t i = 0; i < control->location_count; i++)
		check_source(&control->locations[i].source);
	for (size_t i = 0; i < control->test_count; i++)
		check_test(control, &control->tests[i]);
	for (size_t i = 0; i < control->domain_count; i++)
		check_domain(control, &control->domains[i]);
}

/* ---- both ways in ------------------------------------------------------ */

static bool load(const uint8_t *data, size_t size)
{
	CLEANUP(control_report_done) struct control_report report = { 0 };
	CLEANUP(control_freep) struct control *control = NULL;
	CLEANUP(freep) char *text = NULL;
	struct err e = ERR_NONE;
	int r = control_load((const char *)data, size, "file", &report,
			     &control, &e);

	must(r == 0 || r == -EINVAL);
	must((r == 0) == (report.error_count == 0));
	must((r == 0) == (control != NULL));
	check_report(&report, line_count(data, size));
	text = control_report_text(&report);
	must(fuzz_is_plain(text, "\n"));
	if (r == 0)
		check_model(control);
	return r == 0;
}

static void dump(const uint8_t *data, size_t size, bool loads)
{
	CLEANUP(control_report_done) struct control_report report = { 0 };
	CLEANUP(json_freep) struct json *json = NULL;
	CLEANUP(freep) char *text = NULL;
	struct err e = ERR_NONE;
	int r = control_dump((const char *)data, size, "file", &report, &text,
			     &e);

	must(r == 0 || r == -EINVAL);
	must((r == 0) == (report.error_count == 0));
	check_report(&report, line_count(data, size));
	if (r == 0)
		must(json_parse(text, strlen(text), &json, &e) == 0 &&
		     json_is_object(json_get(json, "sections")));
	/* What loads breaks no syntax. */
	must(r == 0 || !loads ||
	     strstr(report.messages[0].text, "too large") != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool loads = load(data, size);

	dump(data, size, loads);
	return 0;
}
