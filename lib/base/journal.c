/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/journal.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"

/* Also in units/xentest.catalog. */
static const char *const ids[] = {
	[JOURNAL_REQUEST_REJECTED] =
		"abbaec191c74442aaad33b4faab118ad",
	[JOURNAL_RUN_STARTED] =
		"00aa38ada00d440ea265747581165ee5",
	[JOURNAL_STAGE_STARTED] =
		"1b6e4488863c4b118030253447b9ea1a",
	[JOURNAL_STAGE_ENDED] =
		"679a48856feb4e9dadb45a2491d3ad57",
	[JOURNAL_STAGE_FAILED] =
		"900dfc0101e848b7a143da7dc918d860",
	[JOURNAL_REBOOTING] =
		"b82f307e2ce048718c33856dd25b3ee5",
	[JOURNAL_BOOT_PROVEN] =
		"9fa649393c3d439bb3cc1e6c6b4f7e7a",
	[JOURNAL_BOOT_FAILED] =
		"b2093737ac3b4655858c2497eae1469e",
	[JOURNAL_DOMAIN_STARTED] =
		"b8e0f579132d482291381b5d030a0675",
	[JOURNAL_DOMAIN_GIVEN_UP] =
		"0af40078451d439a81dc990d57be3caf",
	[JOURNAL_DOMAIN_DIED] =
		"164a0733413c4320a28dff136fc50f15",
	[JOURNAL_DOMAIN_DONE] =
		"9371a0dcf923493380c0b5009b9ed260",
	[JOURNAL_TEST_STARTED] =
		"a190e998f68c4dfb8238eb025082916f",
	[JOURNAL_STEP_ENDED] =
		"af12f05e7f8943f8902a0f8ebc3e13ce",
	[JOURNAL_TEST_ENDED] =
		"85b4dc0d112943dca9e3f3b597a46a5d",
	[JOURNAL_TEST_INTERRUPTED] =
		"72010c2e9c3648c5a1a724d82ab57603",
	[JOURNAL_SHARE_TROUBLE] =
		"d190873d530d418783b7947f572ed6ff",
	[JOURNAL_RUN_ENDED] =
		"7b99951b13ea404baa7c14ddfcaecae8",
	[JOURNAL_FAILURE] =
		"8642df9b8cb94a0eafbfc5c473620fab",
};

const char *journal_message_id(enum journal_message message)
{
	return (size_t)message < ARRAY_SIZE(ids) ? ids[message] : NULL;
}

/* systemd.exec(5), $JOURNAL_STREAM: "device:inode" of what stderr was. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device;
	unsigned long long inode;
	struct stat st;

	return stream != NULL &&
	       sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device &&
	       st.st_ino == inode;
}

/* "demo-pv1: hello: " in front: a reader of the journal sees no fields. */
__attribute__((format(printf, 2, 0))) static char *
whole_sentence(const struct journal *about, const char *format, va_list args)
{
	const char *domain = about->domain == NULL ? "" : about->domain;
	const char *test = about->test == NULL ? "" : about->test;
	CLEANUP(freep) char *sentence = NULL;

	if (vasprintf(&sentence, format, args) < 0) {
		sentence = NULL;
		return NULL;
	}
	return text_format("%s%s%s%s%s", domain, domain[0] == '\0' ? "" : ": ",
			   test, test[0] == '\0' ? "" : ": ", sentence);
}

enum { FIELDS_MAX = 8 };

struct fields {
	struct iovec iov[FIELDS_MAX];
	int count;
};

static void add_field(struct fields *fields, const char *name,
		      const char *value)
{
	char *text;

	if (value == NULL)
		return;
	text = text_format("%s=%s", name, value);
	if (text == NULL)
		return;
	fields->iov[fields->count].iov_base = text;
	fields->iov[fields->count].iov_len = strlen(text);
	fields->count++;
}

void journal_say(const struct journal *about, enum journal_message message,
		 int priority, const char *format, ...)
{
	const char level[2] = { (char)('0' + priority), '\0' };
	CLEANUP(freep) char *sentence = NULL;
	struct fields fields = { .count = 0 };
	va_list args;

	va_start(args, format);
	sentence = whole_sentence(about, format, args);
	va_end(args);
	if (sentence == NULL)
		return;
	add_field(&fields, "MESSAGE", sentence);
	add_field(&fields, "PRIORITY", level);
	add_field(&fields, "MESSAGE_ID", journal_message_id(message));
	add_field(&fields, "XENTEST_RUN", about->run);
	add_field(&fields, "XENTEST_DOMAIN", about->domain);
	add_field(&fields, "XENTEST_TEST", about->test);
	add_field(&fields, "XENTEST_STEP", about->step);
	sd_journal_sendv(fields.iov, fields.count);
	for (int i = 0; i < fields.count; i++)
		free(fields.iov[i].iov_base);
	if (!stderr_is_journal())
		fprintf(stderr, "%s\n", sentence);
}
