/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/cache.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"

enum { NOTES_MAX = 4096, NAME_BYTES = DIGEST_HEX + 16 };

static const char *name(const struct cache *cache, const char *suffix,
			char buffer[static NAME_BYTES])
{
	snprintf(buffer, NAME_BYTES, "%s%s", cache->key, suffix);
	return buffer;
}

int cache_open(struct cache *cache, int dir_fd, const char *url, struct err *e)
{
	char file[NAME_BYTES];
	int r;

	if (dir_fd < 0)
		return 0;
	r = digest_bytes(url, strlen(url), cache->key, e);
	if (r < 0)
		return r;
	cache->lock_fd = openat(dir_fd, name(cache, ".lock", file),
				O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
				0600);
	if (cache->lock_fd < 0)
		return err_errno(e, "open %s in the download cache", file);
	while (flock(cache->lock_fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_errno(e, "lock %s", file);
	cache->dir_fd = dir_fd;
	return 0;
}

void cache_close(struct cache *cache)
{
	fd_close(&cache->lock_fd);
	*cache = CACHE_NONE;
}

bool cache_valid_validator(const char *text)
{
	size_t length = strlen(text);

	for (size_t i = 0; i < length; i++)
		if (text[i] < ' ' || text[i] > '~')
			return false;
	return length < CACHE_VALIDATOR_MAX;
}

static void take_validator(const struct json *object, const char *key,
			   char buffer[static CACHE_VALIDATOR_MAX])
{
	const char *text = json_get_string(object, key, "");

	if (cache_valid_validator(text))
		strcpy(buffer, text);
}

/* Notes that cannot be read are no notes. */
static bool read_notes(const struct cache *cache, const char *suffix,
		       struct cache_notes *notes)
{
	CLEANUP(json_freep) struct json *object = NULL;
	CLEANUP(freep) char *text = NULL;
	struct err ignored = ERR_NONE;
	char file[NAME_BYTES];
	const char *sha256;
	int64_t bytes;
	size_t length;

	*notes = (struct cache_notes){ .bytes = 0 };
	if (file_read(cache->dir_fd, name(cache, suffix, file), NOTES_MAX,
		      &text, &length, &ignored) < 0 ||
	    json_parse(text, length, &object, &ignored) < 0 ||
	    !json_is_object(object))
		return false;
	take_validator(object, "etag", notes->etag);
	take_validator(object, "last_modified", notes->last_modified);
	sha256 = json_get_string(object, "sha256", "");
	if (strlen(sha256) < DIGEST_HEX)
		strcpy(notes->sha256, sha256);
	bytes = json_get_int(object, "bytes", 0);
	notes->bytes = bytes < 0 ? 0 : (uint64_t)bytes;
	return true;
}

static int write_file(const struct cache *cache, const char *fresh,
		      const char *text, struct err *e)
{
	CLEANUP(fd_close) int fd =
		openat(cache->dir_fd, fresh,
		       O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
		       0600);

	if (fd < 0)
		return err_errno(e, "create %s in the download cache", fresh);
	return file_write_all(fd, text, strlen(text), e);
}

/* Atomic, but not synced: see the header. */
static int write_notes(const struct cache *cache, const char *suffix,
		       const struct cache_notes *notes, struct err *e)
{
	CLEANUP(json_freep) struct json *object = json_object_new();
	CLEANUP(freep) char *text = NULL;
	char fresh[NAME_BYTES], file[NAME_BYTES];
	int r;

	json_set_string(object, "etag", notes->etag);
	json_set_string(object, "last_modified", notes->last_modified);
	json_set_string(object, "sha256", notes->sha256);
	json_set_int(object, "bytes", (int64_t)notes->bytes);
	text = object == NULL ? NULL : json_print(object, JSON_ONE_LINE);
	if (text == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	name(cache, ".new", fresh);
	name(cache, suffix, file);
	r = write_file(cache, fresh, text, e);
	if (r == 0 && renameat(cache->dir_fd, fresh, cache->dir_fd, file) < 0)
		r = err_errno(e, "rename %s in the download cache", fresh);
	if (r < 0)
		unlinkat(cache->dir_fd, fresh, 0);
	return r;
}

static void drop(const struct cache *cache, const char *suffix)
{
	char file[NAME_BYTES];

	if (cache->dir_fd >= 0)
		unlinkat(cache->dir_fd, name(cache, suffix, file), 0);
}

void cache_drop_part(const struct cache *cache)
{
	drop(cache, ".part.json");
	drop(cache, ".part");
}

static int open_regular(const struct cache *cache, const char *suffix,
			int flags, uint64_t *bytes)
{
	char file[NAME_BYTES];
	CLEANUP(fd_close) int fd = openat(
		cache->dir_fd, name(cache, suffix, file),
		flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -1;
	*bytes = (uint64_t)st.st_size;
	return TAKE_FD(fd);
}

int cache_find(const struct cache *cache, struct cache_notes *ret, int *ret_fd)
{
	CLEANUP(fd_close) int fd = -1;
	struct err ignored = ERR_NONE;
	char sha256[DIGEST_HEX];
	struct cache_notes notes;
	uint64_t bytes;

	if (cache->dir_fd < 0)
		return 0;
	fd = open_regular(cache, "", O_RDONLY, &bytes);
	if (fd < 0)
		return 0;
	if (!read_notes(cache, ".json", &notes) || notes.bytes != bytes ||
	    digest_fd(fd, sha256, &ignored) < 0 ||
	    strcmp(sha256, notes.sha256) != 0) {
		drop(cache, ".json");
		drop(cache, "");
		return 0;
	}
	*ret = notes;
	*ret_fd = TAKE_FD(fd);
	return 1;
}

static int open_unnamed(int work_fd, int *ret_fd, struct err *e)
{
	static const char temporary[] = ".xentest-download";
	int fd = openat(work_fd, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

	/* NFS has no O_TMPFILE. */
	if (fd < 0) {
		unlinkat(work_fd, temporary, 0);
		fd = openat(work_fd, temporary,
			    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0)
			return err_errno(e, "make a file for the download");
		unlinkat(work_fd, temporary, 0);
	}
	*ret_fd = fd;
	return 0;
}

int cache_open_part(const struct cache *cache, int work_fd,
		    struct cache_notes *ret, int *ret_fd, struct err *e)
{
	struct cache_notes notes = { .bytes = 0 };
	uint64_t bytes = 0;
	int fd;

	if (cache->dir_fd < 0) {
		*ret = notes;
		return open_unnamed(work_fd, ret_fd, e);
	}
	if (!read_notes(cache, ".part.json", &notes))
		cache_drop_part(cache);
	fd = open_regular(cache, ".part", O_RDWR | O_CREAT, &bytes);
	if (fd < 0)
		return err_errno(e, "open %s.part in the download cache",
				 cache->key);
	notes.bytes = bytes;
	*ret = notes;
	*ret_fd = fd;
	return 0;
}

int cache_note_part(const struct cache *cache, const struct cache_notes *notes,
		    struct err *e)
{
	if (cache->dir_fd < 0)
		return 0;
	return write_notes(cache, ".part.json", notes, e);
}

int cache_commit(const struct cache *cache, const struct cache_notes *notes,
		 struct err *e)
{
	char part[NAME_BYTES], file[NAME_BYTES];

	if (cache->dir_fd < 0)
		return 0;
	name(cache, ".part", part);
	name(cache, "", file);
	if (renameat(cache->dir_fd, part, cache->dir_fd, file) < 0)
		return err_errno(e, "rename %s in the download cache", part);
	drop(cache, ".part.json");
	return write_notes(cache, ".json", notes, e);
}
