/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/record.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/file.h"

struct record {
	int fd;
	char boot_id[37];
	uint64_t length; /* lines */
	uint64_t size;	 /* bytes */
	bool torn;	 /* … and then some, of a line that did not fit */
	bool failed;
};

/*
 * Visits the whole lines of @bytes that are numbered 1, 2, 3, … and answers
 * how many bytes they take.
 */
static size_t visit_lines(const char *bytes, size_t size, uint64_t *length,
			  void (*visit)(void *arg, const struct json *event),
			  void *arg)
{
	size_t at = 0;

	*length = 0;
	while (at < size) {
		CLEANUP(json_freep) struct json *event = NULL;
		const char *line = bytes + at;
		const char *end = memchr(line, '\n', size - at);
		struct err ignored = ERR_NONE;

		if (end == NULL || end - line > RECORD_LINE_MAX ||
		    json_parse(line, (size_t)(end - line), &event, &ignored) <
			    0 ||
		    json_get_int(event, "n", 0) != (int64_t)*length + 1)
			break;
		++*length;
		at = (size_t)(end - bytes) + 1;
		if (visit != NULL)
			visit(arg, event);
	}
	return at;
}

static int take_up(struct record *record,
		   void (*visit)(void *arg, const struct json *event),
		   void *arg, struct err *e)
{
	struct stat st;
	void *bytes;
	size_t whole;

	if (fstat(record->fd, &st) < 0)
		return err_errno(e, "stat");
	if (!S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "not a regular file");
	if (st.st_size > RECORD_BYTES_MAX)
		return err_set(e, -EFBIG, "larger than %d bytes",
			       RECORD_BYTES_MAX);
	if (st.st_size == 0)
		return 0;
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE,
		     record->fd, 0);
	if (bytes == MAP_FAILED)
		return err_errno(e, "map");
	whole = visit_lines(bytes, (size_t)st.st_size, &record->length, visit,
			    arg);
	munmap(bytes, (size_t)st.st_size);
	record->size = whole;
	if (whole < (size_t)st.st_size &&
	    ftruncate(record->fd, (off_t)whole) < 0)
		return err_errno(e, "cut off a torn end");
	/*
	 * Its end may be in memory alone, if only its writer was cut off. What
	 * is done next is done because of it: then it must be there to stay.
	 */
	return fdatasync(record->fd) < 0 ? err_errno(e, "sync") : 0;
}

static int open_record(struct record *record, int dir_fd, struct err *e)
{
	record->fd = openat(dir_fd, RECORD_NAME,
			    O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW |
				    O_NONBLOCK | O_CLOEXEC,
			    0644);
	if (record->fd < 0)
		return err_errno(e, "open");
	if (flock(record->fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			return err_set(e, -EBUSY,
				       "another process is writing it");
		return err_errno(e, "lock");
	}
	/* Its name has to survive a power cut too. */
	return fsync(dir_fd) < 0 ? err_errno(e, "sync its directory") : 0;
}

int record_open(int dir_fd, const char *boot_id, struct record **ret,
		void (*visit)(void *arg, const struct json *event), void *arg,
		struct err *e)
{
	CLEANUP(record_closep) struct record *record = NULL;
	int r;

	record = calloc(1, sizeof(*record));
	if (record == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	snprintf(record->boot_id, sizeof(record->boot_id), "%s", boot_id);
	r = open_record(record, dir_fd, e);
	if (r == 0)
		r = take_up(record, visit, arg, e);
	if (r < 0)
		return err_wrap(e, r, "%s", RECORD_NAME);
	*ret = TAKE_PTR(record);
	return 0;
}

struct json *record_event(const char *event)
{
	struct json *object = json_object_new();

	/* The order that a reader's eye wants; record_add() fills them. */
	json_set_int(object, "n", 0);
	json_set_string(object, "time", "");
	json_set_string(object, "boot", "");
	json_set_string(object, "event", event);
	return object;
}

static void stamp(const struct record *record, struct json *event)
{
	char time[40];
	char seconds[24];
	struct timespec now;
	struct tm utc;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(time, sizeof(time), "%s.%03ldZ", seconds,
		 now.tv_nsec / 1000000);
	json_set_int(event, "n", (int64_t)record->length + 1);
	json_set_string(event, "time", time);
	json_set_string(event, "boot", record->boot_id);
}

/* All of it, or nothing that the next one would follow. */
static int add_line(struct record *record, const char *line, size_t length,
		    struct err *e)
{
	int r;

	if (record->torn && ftruncate(record->fd, (off_t)record->size) < 0)
		return err_errno(e, "cut off a torn end");
	r = file_write_all(record->fd, line, length, e);
	record->torn = r < 0 &&
		       ftruncate(record->fd, (off_t)record->size) < 0;
	return r;
}

static int add(struct record *record, struct json *event, struct err *e)
{
	CLEANUP(json_freep) struct json *owned = event;
	CLEANUP(freep) char *line = NULL;
	size_t length;
	int r;

	if (owned == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	stamp(record, owned);
	line = json_print(owned, JSON_ONE_LINE);
	if (line == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	length = strlen(line);
	if (length > RECORD_LINE_MAX)
		return err_set(e, -E2BIG, "an event of %zu bytes", length);
	line[length] = '\n'; /* in place of the NUL: one write() */
	r = add_line(record, line, length + 1, e);
	if (r < 0)
		return err_wrap(e, r, "%s", RECORD_NAME);
	record->length++;
	record->size += length + 1;
	return 0;
}

int record_add(struct record *record, struct json *event, struct err *e)
{
	int r = add(record, event, e);

	record->failed |= r < 0;
	return r;
}

int record_sync(struct record *record, struct err *e)
{
	if (fdatasync(record->fd) < 0) {
		record->failed = true;
		return err_errno(e, "sync %s", RECORD_NAME);
	}
	return 0;
}

bool record_has_failed(const struct record *record)
{
	return record->failed;
}

uint64_t record_length(const struct record *record)
{
	return record->length;
}

uint64_t record_size(const struct record *record)
{
	return record->size;
}

void record_close(struct record *record)
{
	if (record == NULL)
		return;
	fd_close(&record->fd);
	free(record);
}

void record_closep(struct record **record)
{
	record_close(*record);
}

int record_read(int dir_fd, const char *name,
		void (*visit)(void *arg, const struct json *event), void *arg,
		struct err *e)
{
	CLEANUP(freep) char *bytes = NULL;
	uint64_t length;
	size_t size;
	int r;

	r = file_read(dir_fd, name, RECORD_BYTES_MAX, &bytes, &size, e);
	if (r < 0)
		return r;
	visit_lines(bytes, size, &length, visit, arg);
	return 0;
}

uint64_t record_time_usec(const struct json *event)
{
	const char *text = json_get_string(event, "time", "");
	struct tm utc = { 0 };
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &utc);
	unsigned int milliseconds = 0;
	time_t seconds;

	if (rest == NULL)
		return 0;
	sscanf(rest, ".%3uZ", &milliseconds);
	seconds = timegm(&utc);
	return seconds < 0 ? 0 :
			     (uint64_t)seconds * 1000000 + milliseconds * 1000;
}
