/* SPDX-License-Identifier: BSD-2-Clause */
/* A record that a guest wrote: read, folded, summarised, taken up again. */
#include "fuzz.h"

#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "run/fold.h"
#include "run/record.h"
#include "run/run.h"
#include "run/summary.h"

#define DOMAIN_RECORD "vm/" RECORD_NAME

struct seen {
	struct fold *fold;
	int64_t events;
};

static void on_event(void *arg, const struct json *event)
{
	struct seen *seen = arg;

	must(json_get_int(event, "n", 0) == ++seen->events);
	record_time_usec(event);
	fold_event(seen->fold, event);
}

/* The run's record and the domain's are one file: the same bytes for both. */
static int record_file(void)
{
	static int fd = -1;

	if (fd < 0) {
		int control_fd = fuzz_file(RUN_CONTROL);

		fuzz_fill(control_fd, fuzz_control_text,
			  strlen(fuzz_control_text));
		close(control_fd);
		close(fuzz_file("vm/placeholder"));
		fd = fuzz_file(RECORD_NAME);
		must(linkat(fuzz_dir(), RECORD_NAME, fuzz_dir(), DOMAIN_RECORD,
			    0) == 0);
	}
	return fd;
}

static void check_entry(const struct fold_entry *entry)
{
	char outcome[320];

	must(fuzz_is_plain(fold_describe(entry, outcome), ""));
	must(fuzz_is_plain(entry->step, ""));
	must(fuzz_is_plain(entry->message, ""));
	must(!fold_is_good(entry) || entry->iterations > 0);
	must(!fold_is_good(entry) || entry->state == FOLD_EXITED);
	must(entry->exit_status >= -1 && entry->exit_status <= 255);
	must(entry->wall_usec <= INT64_MAX);
}

static int64_t fold(struct seen *seen)
{
	struct err e = ERR_NONE;
	int64_t good = 0;

	must(fold_new(&fuzz_control()->domains[0], &seen->fold, &e) == 0);
	must(record_read(fuzz_dir(), RECORD_NAME, on_event, seen, &e) == 0);
	must(seen->fold->events == (uint64_t)seen->events);
	for (size_t i = 0; i < seen->fold->count; i++) {
		check_entry(&seen->fold->entries[i]);
		good += fold_is_good(&seen->fold->entries[i]);
	}
	fold_free(seen->fold);
	return good;
}

/* ---- the summary ------------------------------------------------------- */

static size_t newlines(const char *text)
{
	size_t count = 0;

	for (; *text != '\0'; text++)
		count += *text == '\n';
	return count;
}

/* No text of a record's makes a line of its own. */
static void check_text(const struct json *summary)
{
	CLEANUP(freep) char *text = summary_text(summary);
	size_t stages = json_count(json_get(summary, "stages"));
	const struct json *domain = json_at(json_get(summary, "domains"), 0);
	size_t lines = 1 + 3 + (json_get(domain, "trouble") != NULL);

	must(fuzz_is_plain(text, "\n"));
	must(newlines(text) == 2 + json_count(json_get(summary, "boots")) +
				       stages + (stages > 0) + lines);
}

static void summarise(int64_t good)
{
	CLEANUP(json_freep) struct json *summary = NULL;
	const struct json *domain;
	struct err e = ERR_NONE;

	must(summary_make(fuzz_dir(), &summary, &e) == 0);
	domain = json_at(json_get(summary, "domains"), 0);
	/* One that is not the domain's own counts for nothing, and says so. */
	if (json_get(domain, "trouble") != NULL)
		good = json_get_int(domain, "good", -1);
	must(json_get_int(domain, "good", -1) == good && good >= 0);
	must(json_count(json_get(domain, "tests")) == 3);
	for (size_t i = 0; i < 3; i++) {
		const struct json *test = json_at(json_get(domain, "tests"), i);

		must(json_get_int(test, "wall_usec", -1) >= 0);
		good -= json_get_bool(test, "good", false);
	}
	must(good == 0);
	check_text(summary);
}

/* ---- taken up ---------------------------------------------------------- */

static void take_up(int64_t events)
{
	CLEANUP(record_closep) struct record *record = NULL;
	struct seen seen = { .events = 0 };
	struct err e = ERR_NONE;

	must(record_open(fuzz_dir(), "boot", &record, NULL, NULL, &e) == 0);
	must(record_length(record) == (uint64_t)events);
	must(record_add(record, record_event("done"), &e) == 0);
	must(fold_new(&fuzz_control()->domains[0], &seen.fold, &e) == 0);
	must(record_read(fuzz_dir(), RECORD_NAME, on_event, &seen, &e) == 0);
	must(seen.events == events + 1 && seen.fold->done);
	fold_free(seen.fold);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen seen = { .events = 0 };

	fuzz_fill(record_file(), data, size);
	summarise(fold(&seen));
	take_up(seen.events);
	return 0;
}
