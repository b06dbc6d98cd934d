/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_RUN_RECORD_H
#define XENTEST_RUN_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"

/*
 * A record: one JSON object a line, only ever appended to, each with
 *   "n"     its number, 1, 2, 3, …
 *   "time"  UTC, "2026-11-23T20:00:00.123Z"
 *   "boot"  the boot id of the kernel that wrote it
 *   "event" what happened; the other members depend on it: xentest-record(5)
 * What it says is the only truth about a run; everything else is folded from
 * it. Text that has not been synced may be lost or torn by a power cut: what
 * is left up to the last whole line counts, the rest is cut off.
 */
struct record;

#define RECORD_NAME "record.jsonl"

enum {
	RECORD_LINE_MAX = 1024 * 1024,	     /* bytes; a plan is one line */
	RECORD_BYTES_MAX = 64 * 1024 * 1024, /* of one record, when read */
};

/**
 * record_open() - open or make a record for appending
 * @dir_fd:  where it lies; needed during the call only
 * @boot_id: of this boot, 36 characters
 * @visit:   called for every whole line that is there already, in order; may
 *           be NULL
 *
 * A torn end (no newline, no JSON, a wrong number) is cut off, with all after
 * it. Takes a lock, so that a record has one writer.
 *
 * Return: 0, -EBUSY when another process writes it, or a negative errno.
 */
int record_open(int dir_fd, const char *boot_id, struct record **ret,
		void (*visit)(void *arg, const struct json *event), void *arg,
		struct err *e);

/**
 * record_event() - begin an event
 * @event: its name
 *
 * Return: an object to add members to and to give to record_add(); NULL
 * without memory, which record_add() reports.
 */
struct json *record_event(const char *event);

/**
 * record_add() - append an event
 * @event: taken over, also on failure
 *
 * It is in the file but not yet safe from a power cut: see record_sync().
 * After a failed write the part that was written is cut off again, if need be
 * before the next one.
 */
int record_add(struct record *record, struct json *event, struct err *e);

/* All that was added survives a power cut once this returned 0. */
int record_sync(struct record *record, struct err *e);

/* Something could not be added or synced: what is said there has a gap. */
bool record_has_failed(const struct record *record);

/* Lines in it so far, and bytes. */
uint64_t record_length(const struct record *record);
uint64_t record_size(const struct record *record);

void record_close(struct record *record); /* syncs nothing; NULL is fine */
void record_closep(struct record **record);

/**
 * record_read() - visit the lines of a record that somebody else wrote
 *
 * Follows no link, reads at most RECORD_BYTES_MAX, lines of at most
 * RECORD_LINE_MAX; ends quietly at the first line that is not as it must be.
 *
 * Return: 0, -ENOENT, or another negative errno of file_read().
 */
int record_read(int dir_fd, const char *name,
		void (*visit)(void *arg, const struct json *event), void *arg,
		struct err *e);

/* An event's "time" in microseconds since 1970, UTC; 0 when it has none. */
uint64_t record_time_usec(const struct json *event);

#endif
