/* SPDX-License-Identifier: BSD-2-Clause */
#include "xenstartdomsd.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>

#include "base/child.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"

/* What a boot that ended left behind: pstore(5), Xen's ring, the journal. */

#define PSTORE "sys/fs/pstore"
#define MEMORY_SURVIVES "memory-survives"

enum {
	PSTORE_FILES_MAX = 16,
	PSTORE_BYTES_MAX = 1024 * 1024,
	JOURNAL_BYTES_MAX = 64 * 1024,
	JOURNAL_LIMIT_S = 60,
	RING_LIMIT_S = 5 * 60, /* some seconds a gigabyte */
	SAID_LINES = 10,
};

/* A dump of an older crash, that nobody removed, is no evidence. */
static bool is_of_run(int dir_fd, const char *name,
		      const struct history *history)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode) &&
	       (uint64_t)st.st_mtim.tv_sec >= history->started_usec / 1000000;
}

/* Source: Linux, fs/pstore/platform.c, the first line of a dump. */
static bool is_panic(const struct host *host, const char *name)
{
	CLEANUP(freep) char *text = NULL;
	struct err ignored = ERR_NONE;

	return file_read(host->run->fd, name, PSTORE_BYTES_MAX, &text, NULL,
			 &ignored) == 0 &&
	       (strncmp(text, "Panic#", 6) == 0 ||
		strstr(text, "Kernel panic - not syncing") != NULL);
}

/* Once it is here, it is no evidence for the next boot. */
static bool keep_dump(const struct host *host, int dir_fd, const char *name,
		      bool *panic)
{
	CLEANUP(freep) char *copy = text_format("pstore-%s", name);
	struct err ignored = ERR_NONE;

	if (copy == NULL ||
	    file_copy_synced(dir_fd, name, host->run->fd, copy,
			     PSTORE_BYTES_MAX, &ignored) < 0)
		return false;
	*panic = *panic || is_panic(host, copy);
	unlinkat(dir_fd, name, 0);
	return true;
}

/* The kernel's last words, where the firmware keeps them over a reset. */
static unsigned int keep_pstore(const struct host *host,
				const struct history *history, bool *panic)
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
	while ((entry = readdir(dir)) != NULL && count < PSTORE_FILES_MAX)
		if (strncmp(entry->d_name, "dmesg-", 6) == 0 &&
		    is_of_run(fd, entry->d_name, history) &&
		    keep_dump(host, fd, entry->d_name, panic))
			count++;
	return count;
}

/* ---- Xen's ring -------------------------------------------------------- */

static void name_ring(const struct host *host, char name[static 32])
{
	snprintf(name, 32, "xen-ring-%u.log", host->marker.boots_left);
}

/* In a child: it takes a while, and what is found is anybody's bytes. */
static int look_for_ring(void *arg, struct err *e)
{
	const struct host *host = arg;
	CLEANUP(freep) char *text = NULL;
	char mark[RING_MARK_MAX];
	char name[32];
	int r;

	ring_mark(host->run->id, host->marker.boots_left, mark);
	name_ring(host, name);
	r = ring_find(host->root_fd, mark, &text, e);
	return r < 0 ? r :
		       file_write_atomic(host->run->fd, name, text,
					 strlen(text), 0644, e);
}

/* A ring was found: on this machine one can survive. */
static bool memory_survives(const struct host *host, bool learnt)
{
	CLEANUP(fd_close) int fd = -1;
	struct err ignored = ERR_NONE;

	if (file_open_dir(host->root_fd, PATH_STATE_DIR, &fd, &ignored) < 0)
		return false;
	if (faccessat(fd, MEMORY_SURVIVES, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return true;
	if (learnt)
		file_write_atomic(fd, MEMORY_SURVIVES, "", 0, 0644, &ignored);
	return learnt;
}

static void read_ring(const struct host *host, struct cause_signs *signs,
		      char line[static 160])
{
	CLEANUP(freep) char *text = NULL;
	struct err ignored = ERR_NONE;
	char name[32];

	name_ring(host, name);
	if (file_read(host->run->fd, name, RING_BYTES_MAX, &text, NULL,
		      &ignored) < 0)
		return;
	signs->ring_found = true;
	signs->ring = ring_end_of(text, line);
}

static void keep_ring(struct host *host, bool xen_ran,
		      struct cause_signs *signs, char line[static 160])
{
	struct err ignored = ERR_NONE;
	int r = child_call(host->loop, "look for Xen's ring", look_for_ring,
			   host, RING_LIMIT_S * UINT64_C(1000000), &ignored);

	if (r == -ETIMEDOUT)
		return;
	if (r == 0)
		read_ring(host, signs, line);
	signs->memory_lost = memory_survives(host, signs->ring_found) &&
			     xen_ran && r == -ENOENT;
}

/* ---- the journal ------------------------------------------------------- */

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

void evidence_keep(struct host *host, const struct history *history,
		   bool xen_ran, struct evidence *ret)
{
	unsigned int dumps;
	char line[160];
	bool journal;

	*ret = (struct evidence){ .signs = { .ring = RING_SILENT } };
	dumps = keep_pstore(host, history, &ret->signs.dump);
	line[0] = '\0';
	/* dom0 sees no memory but its own. */
	if (host->running.role == RUNNING_NONE)
		keep_ring(host, xen_ran, &ret->signs, line);
	journal = keep_journal(host);
	if (line[0] != '\0')
		snprintf(ret->found, sizeof(ret->found), "Xen's last words: %s",
			 line);
	else if (dumps > 0)
		snprintf(ret->found, sizeof(ret->found),
			 "%u kernel dumps in pstore-*%s", dumps,
			 journal ? ", its last lines in last-boot.log" : "");
	else if (journal)
		snprintf(ret->found, sizeof(ret->found), "%s",
			 "its last lines are in last-boot.log");
	else
		snprintf(ret->found, sizeof(ret->found), "%s",
			 "it left no message");
}
