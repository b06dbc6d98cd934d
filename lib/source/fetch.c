/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/fetch.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "source/cache.h"
#include "source/retry.h"
#include "source/say.h"
#include "source/transfer.h"
#include "source/url.h"

enum { STALL_S = 60 };

struct fetch {
	const struct fetch_job *job;
	char *plain; /* the URL for messages */
	struct cache cache;
	struct cache_notes whole; /* the file in the cache */
	int whole_fd;		  /* or -1 */
	struct cache_notes part;  /* the partial download */
	int part_fd;
	uint64_t resumed_at;
};

static void fetch_release(struct fetch *f)
{
	free(f->plain);
	fd_close(&f->part_fd);
	fd_close(&f->whole_fd);
	cache_close(&f->cache);
}

static int ask_once(struct fetch *f, bool *transient, struct err *e)
{
	struct transfer t = {
		.url = f->job->url,
		.plain = f->plain,
		.digest_will_tell = f->job->sha256 != NULL,
		.stall_s = f->job->stall_s > 0 ? f->job->stall_s : STALL_S,
		.bytes_max = f->job->bytes_max,
		.cache = &f->cache,
		.have = f->whole_fd >= 0 ? &f->whole : NULL,
		.part = &f->part,
		.fd = f->part_fd,
	};
	int r;

	r = transfer_run(&t, e);
	if (r == TRANSFER_AGAIN) {
		f->part = (struct cache_notes){ .bytes = 0 };
		r = transfer_run(&t, e);
	}
	f->resumed_at = t.resumed_at;
	*transient = t.transient;
	return r;
}

/* Return: an enum transfer_answer, or a negative errno. */
static int ask(struct fetch *f, struct err *e)
{
	for (unsigned int number = 1;; number++) {
		bool transient = false;
		int r = ask_once(f, &transient, e);

		if (r >= 0 || !transient || number > f->job->retries)
			return r;
		retry_pause(number, f->job->retries, f->job->pause_ms,
			    f->plain, e->text);
	}
}

static void take(int *fd, const struct cache_notes *notes,
		 struct fetch_result *ret)
{
	ret->fd = TAKE_FD(*fd);
	ret->bytes = notes->bytes;
	strcpy(ret->sha256, notes->sha256);
}

static int mismatch(struct fetch *f, struct err *e)
{
	cache_drop_part(&f->cache);
	return err_set(e, -EBADMSG,
		       "its SHA-256 is %s, not %s; correct sha256 or the location in the control file",
		       f->part.sha256, f->job->sha256);
}

/* The download is whole: is it the one? Then the cache keeps it. */
static int accept(struct fetch *f, uint64_t since_usec,
		  struct fetch_result *ret, struct err *e)
{
	char size[32], resumed[32], duration[32];
	int r;

	r = digest_fd(f->part_fd, f->part.sha256, e);
	if (r < 0)
		return r;
	say_bytes(size, f->part.bytes);
	text_duration(duration, say_now_usec() - since_usec);
	if (f->resumed_at > 0)
		say("fetched %s from %s in %s (resumed at %s)", size, f->plain,
		    duration, say_bytes(resumed, f->resumed_at));
	else
		say("fetched %s from %s in %s", size, f->plain, duration);
	if (f->job->sha256 != NULL &&
	    strcmp(f->part.sha256, f->job->sha256) != 0)
		return mismatch(f, e);
	r = cache_commit(&f->cache, &f->part, e);
	if (r < 0)
		return r;
	take(&f->part_fd, &f->part, ret);
	return 0;
}

static int download(struct fetch *f, struct fetch_result *ret, struct err *e)
{
	uint64_t since_usec = say_now_usec();
	char size[32];
	int r;

	fd_close(&f->part_fd);
	r = cache_open_part(&f->cache, f->job->work_fd, &f->part, &f->part_fd,
			    e);
	if (r < 0)
		return r;
	r = ask(f, e);
	if (r < 0)
		return r;
	if (r == TRANSFER_WHOLE)
		return accept(f, since_usec, ret, e);
	if (f->whole_fd < 0)
		return err_set(e, -EIO,
			       "\"not modified\", which was not asked");
	cache_drop_part(&f->cache);
	say("%s has not changed: %s from the cache", f->plain,
	    say_bytes(size, f->whole.bytes));
	take(&f->whole_fd, &f->whole, ret);
	return 0;
}

static int fetch_or_find(struct fetch *f, struct fetch_result *ret,
			 struct err *e)
{
	char size[32];
	int r;

	r = cache_open(&f->cache, f->job->cache_fd, f->job->url, e);
	if (r < 0)
		return r;
	if (cache_find(&f->cache, &f->whole, &f->whole_fd) > 0 &&
	    f->job->sha256 != NULL &&
	    strcmp(f->whole.sha256, f->job->sha256) == 0) {
		say("%s has the wanted SHA-256: %s from the cache", f->plain,
		    say_bytes(size, f->whole.bytes));
		take(&f->whole_fd, &f->whole, ret);
		return 0;
	}
	if (f->job->sha256 != NULL)
		fd_close(&f->whole_fd); /* another one: of no use */
	r = download(f, ret, e);
	/* The part may have been of another version: once more, whole. */
	if (r == -EBADMSG && f->resumed_at > 0) {
		say("%s: the resumed download has another SHA-256; fetching it whole",
		    f->plain);
		r = download(f, ret, e);
	}
	return r;
}

int fetch(const struct fetch_job *job, struct fetch_result *ret, struct err *e)
{
	CLEANUP(fetch_release) struct fetch f = {
		.job = job,
		.plain = url_plain(job->url),
		.cache = CACHE_NONE,
		.whole_fd = -1,
		.part_fd = -1,
	};
	int r;

	if (f.plain == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	r = fetch_or_find(&f, ret, e);
	if (r < 0)
		return err_wrap(e, r, "%s", f.plain);
	return 0;
}
