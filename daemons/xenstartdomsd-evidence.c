/* SPDX-License-Identifier: BSD-2-Clause */
#include "xenstartdomsd.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <syslog.h>

#include "base/child.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"

/* What a boot that ended badly left behind: pstore(5), the journal. */

#define PSTORE "sys/fs/pstore"

enum {
	PSTORE_FILES_MAX = 16,
	PSTORE_BYTES_MAX = 1024 * 1024,
	JOURNAL_BYTES_MAX = 64 * 1024,
	JOURNAL_LIMIT_S = 60,
	SAID_LINES = 10,
};

/* The kernel's last words, where the firmware keeps them over a reset. */
static unsigned int keep_pstore(struct host *host)
{
	CLEANUP(dir_closep) DIR *dir = NULL;
	struct err ignored = ERR_NONE;
	const struct dirent *entry;
	unsigned int count = 0;
	int fd;

	if (file_open_dir(host->root_fd, PSTORE, &fd, &ignored) < 0)
		return 0;
	dir = fdopendir(fd);
	if (dir == NULL) {
		close(fd);
		return 0;
	}
	while ((entry = readdir(dir)) != NULL && count < PSTORE_FILES_MAX) {
		CLEANUP(freep) char *name = NULL;

		if (strncmp(entry->d_name, "dmesg-", 6) != 0)
			continue;
		name = text_format("pstore-%s", entry->d_name);
		if (name != NULL &&
		    file_copy(dirfd(dir), entry->d_name, host->run->fd, name,
			      PSTORE_BYTES_MAX, &ignored) == 0)
			count++;
	}
	return count;
}

static char *ask_journal(struct host *host, const char *format,
			 const char *lines)
{
	const char *const argv[] = { "journalctl", "-b",   "-1", "-n", lines,
				     "-o",	   format, "-q", "--no-pager",
				     NULL };
	struct child_result result = { 0 };
	struct err ignored = ERR_NONE;
	char *output = NULL;

	if (child_capture(host->loop, argv, JOURNAL_LIMIT_S * UINT64_C(1000000),
			  JOURNAL_BYTES_MAX, &output, &result, &ignored) < 0)
		return NULL;
	if (result.exit_status != 0 || output[0] == '\0') {
		free(output);
		return NULL;
	}
	return output;
}

/* Boot ids with and without their '-'. */
static bool same_id(const char *with, const char *without)
{
	for (; *with != '\0'; with++) {
		if (*with == '-')
			continue;
		if (*with != *without++)
			return false;
	}
	return *without == '\0';
}

/* Or was the boot before this one the one that arranged it? */
static bool has_journal(struct host *host)
{
	CLEANUP(freep) char *line = ask_journal(host, "json", "1");
	CLEANUP(json_freep) struct json *entry = NULL;
	struct err ignored = ERR_NONE;

	if (line == NULL ||
	    json_parse(line, strlen(line), &entry, &ignored) < 0)
		return false;
	return !same_id(host->marker.boot_id,
			json_get_string(entry, "_BOOT_ID", ""));
}

static void say_lines(struct host *host, const char *name)
{
	CLEANUP(freep) char *tail = NULL;
	struct err ignored = ERR_NONE;
	char *rest;
	const char *line;

	if (file_tail(host->run->fd, name, SAID_LINES, &tail, &ignored) < 0)
		return;
	rest = tail;
	while ((line = strsep(&rest, "\n")) != NULL)
		if (line[0] != '\0')
			journal_say(&host->about, JOURNAL_PLAIN, LOG_NOTICE,
				    "  %s", line);
}

static bool keep_journal(struct host *host)
{
	CLEANUP(freep) char *lines = NULL;
	struct err ignored = ERR_NONE;

	/* In stage test the marker was written in the boot that ended. */
	if (host->marker.stage == MARKER_BOOT && !has_journal(host))
		return false;
	lines = ask_journal(host, "short-precise", "30");
	if (lines == NULL ||
	    file_write_atomic(host->run->fd, "last-boot.log", lines,
			      strlen(lines), 0644, &ignored) < 0)
		return false;
	say_lines(host, "last-boot.log");
	return true;
}

bool evidence_keep(struct host *host, char *found, size_t size)
{
	unsigned int dumps = keep_pstore(host);
	bool journal = keep_journal(host);

	if (dumps > 0)
		snprintf(found, size, "%u kernel dumps in pstore-*%s", dumps,
			 journal ? ", its last lines in last-boot.log" : "");
	else if (journal)
		snprintf(found, size, "%s", "its last lines are in last-boot.log");
	else
		snprintf(found, size, "%s", "it left no message");
	return dumps > 0;
}
