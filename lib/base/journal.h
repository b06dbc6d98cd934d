/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_BASE_JOURNAL_H
#define XENTEST_BASE_JOURNAL_H

/*
 * The story of a run, told to systemd's journal in sentences, with fields that
 * select it: XENTEST_RUN, XENTEST_DOMAIN, XENTEST_TEST, XENTEST_STEP and a
 * MESSAGE_ID that units/xentest.catalog explains. When stderr is not the
 * journal, the same sentences go there too, for people and for tests.
 */

enum journal_message {
	JOURNAL_PLAIN, /* no MESSAGE_ID */
	JOURNAL_REQUEST_REJECTED,
	JOURNAL_RUN_STARTED,
	JOURNAL_STAGE_STARTED,
	JOURNAL_STAGE_ENDED,
	JOURNAL_STAGE_FAILED,
	JOURNAL_REBOOTING,
	JOURNAL_BOOT_PROVEN,
	JOURNAL_BOOT_FAILED,
	JOURNAL_DOMAIN_STARTED,
	JOURNAL_DOMAIN_GIVEN_UP,
	JOURNAL_DOMAIN_DIED,
	JOURNAL_DOMAIN_DONE,
	JOURNAL_TEST_STARTED,
	JOURNAL_STEP_ENDED,
	JOURNAL_TEST_ENDED,
	JOURNAL_TEST_INTERRUPTED,
	JOURNAL_SHARE_TROUBLE,
	JOURNAL_RUN_ENDED,
	JOURNAL_FAILURE, /* a daemon gives up */
};

/* What a sentence is about; NULL members are left out. */
struct journal {
	const char *run;
	const char *domain;
	const char *test;
	const char *step;
};

/* LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO as in syslog(3). */
void journal_say(const struct journal *about, enum journal_message message,
		 int priority, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* The message's id, 32 hex digits; NULL for JOURNAL_PLAIN. */
const char *journal_message_id(enum journal_message message);

#endif
