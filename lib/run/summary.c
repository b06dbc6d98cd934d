/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/summary.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "control/control.h"
#include "run/fold.h"
#include "run/record.h"
#include "run/run.h"

/* ---- folding ----------------------------------------------------------- */

struct making {
	struct json *summary;
	struct json *stages;  /* by name, while folding */
	struct json *domains; /* by name */
	uint64_t first_usec;
	uint64_t last_usec;
};

static void set_plain(struct json *to, const char *key, const char *value)
{
	CLEANUP(freep) char *text = strdup(value);

	if (text == NULL || text[0] == '\0')
		return;
	text_plain(text);
	json_set_string(to, key, text);
}

static void copy_text(struct json *to, const struct json *event,
		      const char *key)
{
	set_plain(to, key, json_get_string(event, key, ""));
}

static struct json *named(struct json *all, const char *kind, const char *name)
{
	struct json *one = (struct json *)json_get(all, name);

	if (one != NULL)
		return one;
	one = json_object_new();
	json_set_string(one, kind, name);
	json_set(all, name, one);
	return one;
}

static void take_stage(struct making *making, const struct json *event,
		       uint64_t usec)
{
	const char *name = json_get_string(event, "stage", "?");
	const char *state = json_get_string(event, "state", "?");
	struct json *stage = named(making->stages, "stage", name);
	int64_t started = json_get_int(stage, "started_usec", 0);

	json_set_string(stage, "message", NULL);
	copy_text(stage, event, "state");
	copy_text(stage, event, "message");
	if (strcmp(state, "started") == 0)
		json_set_int(stage, "started_usec", (int64_t)usec);
	else if (started > 0)
		json_set_int(stage, "wall_usec", (int64_t)usec - started);
}

/* Its tests are folded later: kept until then. */
static void take_death(struct json *domain, const struct json *event)
{
	struct json *kept = json_object_new();
	struct death death;

	if (json_get(domain, "deaths") == NULL)
		json_set(domain, "deaths", json_array_new());
	death_from_json(&death, event);
	death_to_json(&death, kept);
	json_append((struct json *)json_get(domain, "deaths"), kept);
}

static void take_domain(struct making *making, const struct json *event)
{
	const char *name = json_get_string(event, "domain", "?");
	struct json *domain = named(making->domains, "domain", name);

	json_set_string(domain, "message", NULL);
	copy_text(domain, event, "state");
	copy_text(domain, event, "message");
	/* Of another life, and perhaps of another boot. */
	if (strcmp(json_get_string(event, "state", ""), "starting") == 0)
		json_set_int(domain, "domid", -1);
	if (json_get(event, "domid") != NULL)
		json_set_int(domain, "domid", json_get_int(event, "domid", -1));
	copy_text(domain, event, "reason");
	copy_text(domain, event, "test");
	if (strcmp(json_get_string(event, "state", ""), "died") == 0)
		take_death(domain, event);
}

static void take_trouble(struct making *making, const struct json *event)
{
	const char *name = json_get_string(event, "domain", "?");
	CLEANUP(freep) char *message =
		strdup(json_get_string(event, "message", "?"));

	if (message == NULL)
		return;
	text_plain(message);
	json_set_string(named(making->domains, "domain", name), "trouble",
			message);
}

static void take_boot(struct making *making, const struct json *event)
{
	static const char *const keys[] = {
		"system",   "cause",	    "message", "xen", "changeset",
		"build_id", "command_line", "kernel",
	};
	struct json *boot = json_object_new();

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		copy_text(boot, event, keys[i]);
	json_set_bool(boot, "proven", json_get_bool(event, "proven", false));
	json_append((struct json *)json_get(making->summary, "boots"), boot);
}

static void take_event(void *arg, const struct json *event)
{
	struct making *making = arg;
	const char *name = json_get_string(event, "event", "");
	uint64_t usec = record_time_usec(event);

	if (making->first_usec == 0) {
		making->first_usec = usec;
		set_plain(making->summary, "started",
			  json_get_string(event, "time", ""));
	}
	making->last_usec = usec;
	if (strcmp(name, "run") == 0)
		copy_text(making->summary, event, "run");
	else if (strcmp(name, "stage") == 0)
		take_stage(making, event, usec);
	else if (strcmp(name, "domain") == 0)
		take_domain(making, event);
	else if (strcmp(name, "trouble") == 0)
		take_trouble(making, event);
	else if (strcmp(name, "boot") == 0)
		take_boot(making, event);
	if (strcmp(name, "end") == 0) {
		copy_text(making->summary, event, "result");
		copy_text(making->summary, event, "message");
		set_plain(making->summary, "ended",
			  json_get_string(event, "time", ""));
	}
}

static struct json *test_json(const struct fold_entry *entry)
{
	static const char *const states[] = {
		[FOLD_PENDING] = "pending",
		[FOLD_RUNNING] = "running",
		[FOLD_REBOOTING] = "rebooting",
		[FOLD_EXITED] = "exited",
		[FOLD_SIGNALED] = "signaled",
		[FOLD_TIMED_OUT] = "timed out",
		[FOLD_STEP_FAILED] = "step failed",
		[FOLD_SKIPPED] = "skipped",
		[FOLD_INTERRUPTED] = "interrupted",
		[FOLD_CRASHED] = "crashed",
	};
	struct json *test = json_object_new();
	char outcome[320];

	json_set_string(test, "test", entry->test);
	json_set_string(test, "state", states[entry->state]);
	json_set_string(test, "outcome", fold_describe(entry, outcome));
	json_set_bool(test, "good", fold_is_good(entry));
	if (entry->state == FOLD_EXITED)
		json_set_int(test, "exit_status", entry->exit_status);
	if (entry->state == FOLD_SIGNALED)
		json_set_int(test, "signal", entry->term_signal);
	if (entry->step[0] != '\0')
		json_set_string(test, "step", entry->step);
	json_set_int(test, "iterations", entry->iterations);
	if (entry->reboots > 0)
		json_set_int(test, "reboots", entry->reboots);
	json_set_int(test, "wall_usec", (int64_t)entry->wall_usec);
	return test;
}

static void fold_deaths(struct fold *fold, const struct json *deaths)
{
	for (size_t i = 0; i < json_count(deaths); i++) {
		struct death death;

		death_from_json(&death, json_at(deaths, i));
		fold_death(fold, &death);
	}
}

struct reading {
	struct fold *fold;
	const char *run;
	const char *domain;
	bool begun;
	bool ours;
};

/* A record begins with whose it is, and counts only if it is that one's. */
static void take_domain_event(void *arg, const struct json *event)
{
	struct reading *reading = arg;

	if (!reading->begun)
		reading->ours =
			strcmp(json_get_string(event, "event", ""),
			       "domain") == 0 &&
			strcmp(json_get_string(event, "run", ""),
			       reading->run) == 0 &&
			strcmp(json_get_string(event, "domain", ""),
			       reading->domain) == 0;
	reading->begun = true;
	if (reading->ours)
		fold_event(reading->fold, event);
}

/* What does not fit together, in words; NULL: nothing. */
static const char *trouble_with(const struct reading *reading,
				const struct json *said)
{
	const char *state = json_get_string(said, "state", "");
	const char *trouble = json_get_string(said, "trouble", NULL);

	if (reading->begun && !reading->ours)
		return "its record is that of another run or domain, and does not count";
	if (trouble == NULL && strcmp(state, "done") == 0 &&
	    !reading->fold->done && json_get(said, "message") == NULL)
		return "it said that it was done, which its record does not show";
	return trouble;
}

static int add_tests(struct json *to, const struct json *said,
		     struct reading *reading, int run_fd, struct err *e)
{
	struct fold *fold = reading->fold;
	CLEANUP(freep) char *path =
		text_format("%s/" RECORD_NAME, reading->domain);
	struct json *tests = json_array_new();
	struct err missing = ERR_NONE;
	int64_t good = 0;

	if (path == NULL) {
		json_free(tests);
		return err_set(e, -ENOMEM, "out of memory");
	}
	record_read(run_fd, path, take_domain_event, reading, &missing);
	fold_deaths(fold, json_get(said, "deaths"));
	for (size_t i = 0; i < fold->count; i++) {
		json_append(tests, test_json(&fold->entries[i]));
		good += fold_is_good(&fold->entries[i]) ? 1 : 0;
	}
	json_set_string(to, "trouble", trouble_with(reading, said));
	json_set_int(to, "good", good);
	json_set_bool(to, "done", fold->done);
	json_set(to, "tests", tests);
	return 0;
}

static void append_copy(void *arg, const char *key, const struct json *value)
{
	static const char *const texts[] = { "stage", "state", "message" };
	struct json *copy = json_object_new();

	(void)key;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		copy_text(copy, value, texts[i]);
	json_set_int(copy, "wall_usec", json_get_int(value, "wall_usec", 0));
	json_append(arg, copy);
}

static void copy_said(struct json *to, const struct json *said)
{
	int64_t domid = json_get_int(said, "domid", -1);

	json_set_string(to, "state",
			json_get_string(said, "state", "not started"));
	copy_text(to, said, "message");
	copy_text(to, said, "reason");
	copy_text(to, said, "test");
	if (domid > 0)
		json_set_int(to, "domid", domid);
	json_set_int(to, "deaths",
		     (int64_t)json_count(json_get(said, "deaths")));
}

static int add_domain(struct making *making, struct json *domains,
		      const struct control_domain *domain, int run_fd,
		      struct err *e)
{
	const struct json *said = json_get(making->domains, domain->name);
	CLEANUP(fold_freep) struct fold *fold = NULL;
	struct reading reading = {
		.run = json_get_string(making->summary, "run", ""),
		.domain = domain->name,
	};
	struct json *one;
	int r;

	r = fold_new(domain, &fold, e);
	if (r < 0)
		return r;
	reading.fold = fold;
	one = json_object_new();
	json_append(domains, one);
	json_set_string(one, "domain", domain->name);
	copy_said(one, said);
	return add_tests(one, said, &reading, run_fd, e);
}

static int add_domains(struct making *making, const struct control *control,
		       int run_fd, struct err *e)
{
	struct json *domains = json_array_new();
	int r = 0;

	json_set(making->summary, "domains", domains);
	for (size_t i = 0; r == 0 && i < control->domain_count; i++)
		r = add_domain(making, domains, &control->domains[i], run_fd,
			       e);
	return r;
}

static int load_control_of(int run_fd, struct control **ret, struct err *e)
{
	struct control_report report = { 0 };
	CLEANUP(freep) char *bytes = NULL;
	size_t length;
	int r;

	r = file_read(run_fd, RUN_CONTROL, CONTROL_BYTES_MAX, &bytes, &length,
		      e);
	if (r < 0)
		return r;
	r = control_load(bytes, length, RUN_CONTROL, &report, ret, e);
	control_report_done(&report);
	return r;
}

static int make(struct making *making, int run_fd, struct err *e)
{
	CLEANUP(control_freep) struct control *control = NULL;
	struct json *stages = json_array_new();
	int r;

	json_set(making->summary, "boots", json_array_new());
	json_set(making->summary, "stages", stages);
	r = load_control_of(run_fd, &control, e);
	if (r < 0)
		return r;
	json_set_string(making->summary, "shared_dir",
			control->preferences.shared_dir);
	r = record_read(run_fd, RECORD_NAME, take_event, making, e);
	if (r < 0)
		return r;
	json_object_each(making->stages, append_copy, stages);
	json_set_int(making->summary, "wall_usec",
		     (int64_t)(making->last_usec - making->first_usec));
	return add_domains(making, control, run_fd, e);
}

int summary_make(int run_fd, struct json **ret, struct err *e)
{
	CLEANUP(json_freep) struct json *summary = json_object_new();
	CLEANUP(json_freep) struct json *stages = json_object_new();
	CLEANUP(json_freep) struct json *domains = json_object_new();
	struct making making = {
		.summary = summary, .stages = stages, .domains = domains
	};
	int r;

	r = make(&making, run_fd, e);
	if (r < 0)
		return err_wrap(e, r, "summarise");
	*ret = TAKE_PTR(summary);
	return 0;
}

/* ---- for people -------------------------------------------------------- */

static const char *duration_of(const struct json *value, char buffer[static 32])
{
	int64_t usec = json_get_int(value, "wall_usec", 0);

	return text_duration(buffer, usec > 0 ? (uint64_t)usec : 0);
}

static void write_head(FILE *out, const struct json *summary)
{
	const char *message = json_get_string(summary, "message", NULL);
	char took[32];

	fprintf(out, "Run %s %s%s%s\n", json_get_string(summary, "run", "?"),
		json_get_string(summary, "result", "is going on"),
		message == NULL ? "" : ": ", message == NULL ? "" : message);
	fprintf(out, "  began %s, took %s\n",
		json_get_string(summary, "started", "?"),
		duration_of(summary, took));
}

static void write_boots(FILE *out, const struct json *summary)
{
	const struct json *boots = json_get(summary, "boots");

	for (size_t i = 0; i < json_count(boots); i++) {
		const struct json *boot = json_at(boots, i);

		fprintf(out, "  booted %s%s%s: %s\n",
			json_get_string(boot, "system", "?"),
			json_get(boot, "xen") == NULL ? "" : " ",
			json_get_string(boot, "xen", ""),
			json_get_string(boot, "message", "?"));
	}
}

static void write_stages(FILE *out, const struct json *summary)
{
	const struct json *stages = json_get(summary, "stages");
	char took[32];

	if (json_count(stages) > 0)
		fprintf(out, "Stages\n");
	for (size_t i = 0; i < json_count(stages); i++) {
		const struct json *stage = json_at(stages, i);
		const char *message = json_get_string(stage, "message", "");

		fprintf(out, "  %-10s %-8s %8s%s%s\n",
			json_get_string(stage, "stage", "?"),
			json_get_string(stage, "state", "?"),
			duration_of(stage, took), message[0] ? "  " : "",
			message);
	}
}

static void write_domain(FILE *out, const struct json *domain)
{
	const struct json *tests = json_get(domain, "tests");
	const char *message = json_get_string(domain, "message", "");
	int64_t deaths = json_get_int(domain, "deaths", 0);
	char took[32];

	fprintf(out, "Domain %s %s: %" PRId64 " of %zu tests good%s%s",
		json_get_string(domain, "domain", "?"),
		json_get_string(domain, "state", "?"),
		json_get_int(domain, "good", 0), json_count(tests),
		message[0] == '\0' ? "" : "; ", message);
	if (deaths > 0)
		fprintf(out, "; died %" PRId64 " time%s", deaths,
			deaths == 1 ? "" : "s");
	fputc('\n', out);
	if (json_get(domain, "trouble") != NULL)
		fprintf(out, "  ! %s\n",
			json_get_string(domain, "trouble", ""));
	for (size_t i = 0; i < json_count(tests); i++) {
		const struct json *test = json_at(tests, i);

		fprintf(out, "  %s %-20s %8s  %s\n",
			json_get_bool(test, "good", false) ? "+" : "-",
			json_get_string(test, "test", "?"),
			duration_of(test, took),
			json_get_string(test, "outcome", "?"));
	}
}

char *summary_text(const struct json *summary)
{
	const struct json *domains = json_get(summary, "domains");
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	write_head(out, summary);
	write_boots(out, summary);
	write_stages(out, summary);
	for (size_t i = 0; i < json_count(domains); i++)
		write_domain(out, json_at(domains, i));
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
