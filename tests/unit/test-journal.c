/* SPDX-License-Identifier: BSD-2-Clause */
#include "scratch.h"

#include <syslog.h>

#include "base/journal.h"

/* Says one sentence with stderr in the file "err". */
static void say(const struct scratch *s, const struct journal *about,
		const char *sentence)
{
	int saved = dup(STDERR_FILENO);
	int fd = openat(s->fd, "err", O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(saved >= 0 && fd >= 0);
	dup2(fd, STDERR_FILENO);
	journal_say(about, JOURNAL_TEST_ENDED, LOG_INFO, "%s", sentence);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fd);
}

static void a_sentence_names_what_it_is_about(void **state)
{
	struct scratch *s = *state;
	const struct journal all = {"run1", "bob13", "LTP", "build"};
	const struct journal some = {.run = "run1", .test = "LTP"};
	const struct journal none = {0};

	unsetenv("JOURNAL_STREAM");
	say(s, &all, "it ended");
	assert_content(s, "err", "bob13: LTP: it ended\n");
	say(s, &some, "it ended");
	assert_content(s, "err", "LTP: it ended\n");
	say(s, &none, "it ended");
	assert_content(s, "err", "it ended\n");
}

/* systemd has it already: it would stand there twice. */
static void nothing_goes_to_stderr_that_is_the_journal(void **state)
{
	struct scratch *s = *state;
	const struct journal none = {0};
	char stream[64];
	struct stat st;

	put(s, "err", "");
	assert_int_equal(fstatat(s->fd, "err", &st, 0), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu",
		 (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	say(s, &none, "it ended");
	assert_content(s, "err", "");

	setenv("JOURNAL_STREAM", "1:1", 1);
	say(s, &none, "it ended");
	assert_content(s, "err", "it ended\n");
	unsetenv("JOURNAL_STREAM");
}

static void every_message_has_an_id_of_its_own(void **state)
{
	(void)state;
	assert_null(journal_message_id(JOURNAL_PLAIN));
	assert_null(journal_message_id(JOURNAL_FAILURE + 1));
	for (int i = JOURNAL_PLAIN + 1; i <= JOURNAL_FAILURE; i++) {
		const char *id = journal_message_id(i);

		assert_non_null(id);
		assert_int_equal(strspn(id, "0123456789abcdef"), 32);
		assert_int_equal(strlen(id), 32);
		for (int j = JOURNAL_PLAIN + 1; j < i; j++)
			assert_string_not_equal(id, journal_message_id(j));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRATCH_TEST(a_sentence_names_what_it_is_about),
		SCRATCH_TEST(nothing_goes_to_stderr_that_is_the_journal),
		SCRATCH_TEST(every_message_has_an_id_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
