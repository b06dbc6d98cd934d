/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "run/run.h"

/* One screen about a run. All texts in it are plain. */

enum { TROUBLE_MAX = 12 }; /* tests that did not end well, listed */

enum colour { PLAIN, BOLD, GREEN, RED, YELLOW };

/* Source: ECMA-48, SGR; https://no-color.org. */
static const char *code(enum colour colour)
{
	static const char *const codes[] = {
		[PLAIN] = "\033[0m",   [BOLD] = "\033[1m",
		[GREEN] = "\033[32m",  [RED] = "\033[31m",
		[YELLOW] = "\033[33m",
	};
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	if (!isatty(STDOUT_FILENO) || term == NULL ||
	    strcmp(term, "dumb") == 0 ||
	    (no_color != NULL && no_color[0] != '\0'))
		return "";
	return codes[colour];
}

static enum colour colour_of(const char *state)
{
	static const char *const good[] = { "ok", "done", "finished",
					    "running" };
	static const char *const bad[] = { "failed", "died", "given up",
					   "boot failed" };

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (strcmp(state, good[i]) == 0)
			return GREEN;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (strcmp(state, bad[i]) == 0)
			return RED;
	return YELLOW;
}

static const char *text_of(const struct json *object, const char *key)
{
	return json_get_string(object, key, "");
}

static const char *duration_of(const struct json *object, const char *key,
			       char buffer[static 32])
{
	int64_t usec = json_get_int(object, key, 0);

	return text_duration(buffer, usec > 0 ? (uint64_t)usec : 0);
}

/* ---- the head ---------------------------------------------------------- */

static void print_head(const struct json *status)
{
	const char *result = text_of(status, "result");
	const char *message = text_of(status, "message");
	char took[32];

	if (json_get_bool(status, "going_on", false)) {
		printf("%sRun %s is going on%s, %s so far\n", code(BOLD),
		       text_of(status, "run"), code(PLAIN),
		       duration_of(status, "elapsed_usec", took));
		return;
	}
	puts("No run is going on.");
	if (json_get(status, "run") == NULL)
		return;
	printf("%sThe last one, %s,%s %s%s%s%s%s, after %s\n", code(BOLD),
	       text_of(status, "run"), code(PLAIN), code(colour_of(result)),
	       result[0] == '\0' ? "has no end" : result, code(PLAIN),
	       message[0] == '\0' ? "" : ": ", message,
	       duration_of(status, "wall_usec", took));
}

static void print_hints(const struct json *status)
{
	bool going_on = json_get_bool(status, "going_on", false);

	if (going_on && !json_get_bool(status, "attended", false))
		printf("  %sNo daemon works on it at the moment.%s %s\n",
		       code(YELLOW), code(PLAIN),
		       json_get_bool(status, "marker", false) ?
			       "It goes on with the next boot." :
			       "The next boot looks after it; \"xentest abort\" ends it.");
	if (!going_on && json_get_bool(status, "request", false))
		printf("  %sA request waits:%s /" PATH_REQUEST_DIR
		       "/" PATH_REQUEST
		       "; is xenbuildd.path enabled and started?\n",
		       code(YELLOW), code(PLAIN));
	if (json_get(status, "trouble") != NULL)
		printf("  %sTrouble:%s %s\n", code(YELLOW), code(PLAIN),
		       text_of(status, "trouble"));
}

/* ---- stages ------------------------------------------------------------ */

static void print_boot(const struct json *boot)
{
	const char *xen = text_of(boot, "xen");

	printf("  booted %s%s%s: %s\n", text_of(boot, "system"),
	       xen[0] == '\0' ? "" : " ", xen, text_of(boot, "message"));
}

static void print_stage(const struct json *stage)
{
	const char *state = text_of(stage, "state");
	const char *message = text_of(stage, "message");
	char took[32];

	printf("  %-10s %s%-8s%s %8s%s%s\n", text_of(stage, "stage"),
	       code(colour_of(state)), state, code(PLAIN),
	       strcmp(state, "started") == 0 ?
		       "" :
		       duration_of(stage, "wall_usec", took),
	       message[0] == '\0' ? "" : "  ", message);
}

static void print_stages(const struct json *status)
{
	const struct json *boots = json_get(status, "boots");
	const struct json *stages = json_get(status, "stages");

	for (size_t i = 0; i < json_count(stages); i++)
		print_stage(json_at(stages, i));
	for (size_t i = 0; i < json_count(boots); i++)
		print_boot(json_at(boots, i));
}

/* ---- domains ----------------------------------------------------------- */

static bool is_open(const char *state)
{
	return strcmp(state, "running") == 0 ||
	       strcmp(state, "rebooting") == 0;
}

static bool has_ended(const struct json *test)
{
	const char *state = text_of(test, "state");

	return strcmp(state, "pending") != 0 && !is_open(state);
}

/* "LTP: run", from xenstore; else what its record says is running. */
static void print_now(const struct json *domain)
{
	const struct json *tests = json_get(domain, "tests");
	const struct json *now = json_get(domain, "now");

	if (json_get(now, "test") != NULL) {
		bool reboots = strcmp(text_of(now, "state"), "rebooting") == 0;

		printf("%s: %s", text_of(now, "test"),
		       reboots ? "reboots" : text_of(now, "step"));
		if (json_get_int(now, "iteration", 1) > 1)
			printf(", time %" PRId64,
			       json_get_int(now, "iteration", 1));
		return;
	}
	for (size_t i = 0; i < json_count(tests); i++) {
		const struct json *test = json_at(tests, i);

		if (is_open(text_of(test, "state"))) {
			printf("%s%s", text_of(test, "test"),
			       strcmp(text_of(test, "state"), "running") == 0 ?
				       "" :
				       ": reboots");
			return;
		}
	}
	fputs(text_of(domain, "message"), stdout);
}

static void print_domain(const struct json *domain, int width)
{
	const struct json *tests = json_get(domain, "tests");
	const char *state = text_of(domain, "state");
	size_t ended = 0;

	for (size_t i = 0; i < json_count(tests); i++)
		ended += has_ended(json_at(tests, i)) ? 1 : 0;
	printf("  %-*s  %s%-11s%s  %4zu of %-4zu  %4" PRId64 "  ", width,
	       text_of(domain, "domain"), code(colour_of(state)), state,
	       code(PLAIN), ended, json_count(tests),
	       json_get_int(domain, "good", 0));
	print_now(domain);
	putchar('\n');
}

static void print_domains(const struct json *domains)
{
	int width = (int)strlen("Domain");

	for (size_t i = 0; i < json_count(domains); i++) {
		size_t length =
			strlen(text_of(json_at(domains, i), "domain"));

		if (length > (size_t)width && length <= 64)
			width = (int)length;
	}
	if (json_count(domains) > 0)
		printf("  %s%-*s  %-11s  %-12s  %s%s\n", code(BOLD), width,
		       "Domain", "State", "Tests ended", "Good  Now",
		       code(PLAIN));
	for (size_t i = 0; i < json_count(domains); i++)
		print_domain(json_at(domains, i), width);
}

/* Return: how many of the domain's tests did not end well; prints few. */
static size_t print_trouble(const struct json *domain, size_t printed)
{
	const struct json *tests = json_get(domain, "tests");
	size_t count = 0;

	for (size_t i = 0; i < json_count(tests); i++) {
		const struct json *test = json_at(tests, i);

		if (!has_ended(test) || json_get_bool(test, "good", false))
			continue;
		if (printed + count++ < TROUBLE_MAX)
			printf("  %s-%s %s %s: %s\n", code(RED), code(PLAIN),
			       text_of(domain, "domain"),
			       text_of(test, "test"),
			       text_of(test, "outcome"));
	}
	return count;
}

static void print_troubles(const struct json *domains)
{
	size_t count = 0;

	for (size_t i = 0; i < json_count(domains); i++)
		count += print_trouble(json_at(domains, i), count);
	if (count > TROUBLE_MAX)
		printf("  … and %zu more: \"xentest summary\"\n",
		       count - TROUBLE_MAX);
}

static void print_places(const struct json *status)
{
	printf("  Results: %s, /" PATH_STATE_DIR "/runs/%s\n",
	       text_of(status, "shared_dir"), text_of(status, "run"));
	printf("  Story:   journalctl XENTEST_RUN=%s\n",
	       text_of(status, "run"));
}

void cli_status_text(const struct json *status)
{
	const struct json *domains = json_get(status, "domains");

	print_head(status);
	print_hints(status);
	if (json_get(status, "run") == NULL)
		return;
	print_stages(status);
	print_domains(domains);
	print_troubles(domains);
	print_places(status);
}
