/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/report.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

static void report_add(struct control_report *report, int line, bool error,
		       char *text)
{
	/* Grown by doubling: the capacity is the next power of two. */
	if ((report->count & (report->count - 1)) == 0) {
		size_t capacity = report->count == 0 ? 1 : report->count * 2;
		void *grown = reallocarray(report->messages, capacity,
					   sizeof(report->messages[0]));

		if (grown == NULL) {
			free(text);
			return;
		}
		report->messages = grown;
	}
	report->messages[report->count++] = (struct control_message){
		.line = line,
		.error = error,
		.text = text,
	};
}

static char *report_format(const char *format, va_list args)
	__attribute__((format(printf, 1, 0)));

static char *report_format(const char *format, va_list args)
{
	char raw[1024];
	char *text;

	vsnprintf(raw, sizeof(raw), format, args);
	text = text_valid_utf8(raw, strlen(raw));
	if (text != NULL)
		text_plain(text);
	return text;
}

void report_error(struct control_report *report, int line, const char *format,
		  ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = report_format(format, args);
	va_end(args);
	report->error_count++;
	if (text != NULL)
		report_add(report, line, true, text);
}

void report_warning(struct control_report *report, int line, const char *format,
		    ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = report_format(format, args);
	va_end(args);
	if (text != NULL)
		report_add(report, line, false, text);
}

struct ranked {
	struct control_message message;
	size_t rank;
};

static int ranked_compare(const void *left, const void *right)
{
	const struct ranked *a = left;
	const struct ranked *b = right;

	if (a->message.line != b->message.line)
		return a->message.line < b->message.line ? -1 : 1;
	return a->rank < b->rank ? -1 : 1;
}

void report_sort(struct control_report *report)
{
	CLEANUP(freep) struct ranked *ranked = NULL;

	if (report->count < 2)
		return;
	ranked = calloc(report->count, sizeof(*ranked));
	if (ranked == NULL)
		return; /* unsorted is better than unsaid */
	for (size_t i = 0; i < report->count; i++)
		ranked[i] = (struct ranked){report->messages[i], i};
	qsort(ranked, report->count, sizeof(*ranked), ranked_compare);
	for (size_t i = 0; i < report->count; i++)
		report->messages[i] = ranked[i].message;
}

void control_report_print(const struct control_report *report, FILE *to)
{
	CLEANUP(freep)
	char *file = text_valid_utf8(report->file, strlen(report->file));

	if (file != NULL)
		text_plain(file);
	for (size_t i = 0; i < report->count; i++) {
		const struct control_message *message = &report->messages[i];

		fprintf(to, "%s:%d: %s: %s\n", file != NULL ? file : "?",
			message->line, message->error ? "error" : "warning",
			message->text);
	}
}

char *control_report_text(const struct control_report *report)
{
	char *text = NULL;
	size_t length;
	FILE *to = open_memstream(&text, &length);
	bool failed;

	if (to == NULL)
		return NULL;
	control_report_print(report, to);
	failed = ferror(to) != 0;
	if (fclose(to) != 0 || failed) {
		free(text);
		return NULL;
	}
	return text;
}

void control_report_done(struct control_report *report)
{
	for (size_t i = 0; i < report->count; i++)
		free(report->messages[i].text);
	free(report->messages);
	report->messages = NULL;
	report->count = 0;
	report->error_count = 0;
}
