/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/here.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "source/digest.h"
#include "source/fetch.h"
#include "source/git.h"
#include "source/place.h"
#include "source/retry.h"
#include "source/run.h"
#include "source/say.h"
#include "source/unpack.h"
#include "source/url.h"

struct get {
	const struct source_job *job;
	const char *url;
	char *plain;
	char *path; /* of what lies on this machine; else NULL */
	unsigned int pause_ms;
	uint64_t bytes_max;
	struct place place;
	struct source_result result;
};

static void get_release(struct get *get)
{
	place_close(&get->place);
	free(get->plain);
	free(get->path);
}

static int fetch_archive(struct get *get, int *ret_fd, struct err *e)
{
	const struct fetch_job job = {
		.url = get->url,
		.sha256 = get->job->source->sha256,
		.cache_fd = get->job->cache_fd,
		.work_fd = get->job->work_fd,
		.retries = get->job->retries,
		.pause_ms = get->pause_ms,
		.bytes_max = get->bytes_max,
	};
	struct fetch_result fetched;
	int r;

	r = fetch(&job, &fetched, e);
	if (r < 0)
		return r;
	strcpy(get->result.sha256, fetched.sha256);
	*ret_fd = fetched.fd;
	return 0;
}

static int check_digest(struct get *get, int fd, struct err *e)
{
	const char *wanted = get->job->source->sha256;
	int r;

	r = digest_fd(fd, get->result.sha256, e);
	if (r < 0)
		return r;
	if (wanted != NULL && strcmp(wanted, get->result.sha256) != 0)
		return err_set(e, -EBADMSG,
			       "its SHA-256 is %s, not %s; correct sha256 or the location in the control file",
			       get->result.sha256, wanted);
	return 0;
}

static int open_archive(struct get *get, int *ret_fd, struct err *e)
{
	CLEANUP(fd_close) int fd =
		open(get->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(e, -errno,
			       "%s: %s; check the location in the control file",
			       get->plain, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(e, -EINVAL,
			       "%s: not a file; check the location in the control file",
			       get->plain);
	r = check_digest(get, fd, e);
	if (r < 0)
		return err_wrap(e, r, "%s", get->plain);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int unpack_archive(struct get *get, int fd, struct err *e)
{
	const struct unpack_limits limits = { .bytes_max = get->bytes_max };
	uint64_t since_usec = say_now_usec();
	struct unpack_result unpacked;
	char size[32], duration[32];
	int r;

	r = unpack(fd, get->place.fd, &limits, &unpacked, e);
	if (r < 0)
		return err_wrap(e, r, "unpack %s", get->plain);
	say("unpacked %" PRIu64 " entries, %s, in %s", unpacked.entries,
	    say_bytes(size, unpacked.bytes),
	    text_duration(duration, say_now_usec() - since_usec));
	get->result.bytes = unpacked.bytes;
	return 0;
}

static int get_tar(struct get *get, struct err *e)
{
	CLEANUP(fd_close) int fd = -1;
	int r;

	r = get->path != NULL ? open_archive(get, &fd, e) :
				fetch_archive(get, &fd, e);
	if (r < 0)
		return r;
	return unpack_archive(get, fd, e);
}

static int get_git(struct get *get, struct err *e)
{
	const struct git_job job = {
		.url = get->job->source->url,
		.ref = get->job->source->ref,
		.cache_fd = get->job->cache_fd,
		.into_fd = get->place.fd,
		.name = get->job->name,
		.retries = get->job->retries,
		.pause_ms = get->pause_ms,
	};

	return git_get(&job, get->result.commit, e);
}

static int run_here(struct get *get, const char *const *argv, struct err *e)
{
	const struct run_spec spec = { .argv = argv,
				       .dir_fd = get->place.fd };
	char output[RUN_OUTPUT_MAX];
	int r;

	r = run_program(&spec, output, e);
	/* rsync(1), exit values: 23 is an error of one file, as "not found". */
	return r > 0 ? -EIO : r;
}

static int rsync_once(void *arg, struct err *e)
{
	struct get *get = arg;
	CLEANUP(freep) char *from = text_format(
		"%s/", get->path != NULL ? get->path : get->url);
	CLEANUP(freep) char *to = text_format("./%s/", get->job->name);
	const char *const argv[] = { "rsync",
				     "-rltp",
				     "--chmod=u+rwX,go-w,a-s",
				     "--safe-links",
				     "--delete",
				     "--timeout=60",
				     "--",
				     from,
				     to,
				     NULL };

	if (from == NULL || to == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	return run_here(get, argv, e);
}

static int get_rsync(struct get *get, struct err *e)
{
	int r;

	r = retry(get->job->retries, get->pause_ms, get->plain, rsync_once, get,
		  e);
	if (r < 0)
		return err_wrap(e, r, "%s", get->plain);
	say("copied %s with rsync", get->plain);
	return 0;
}

static int get_dir(struct get *get, struct err *e)
{
	CLEANUP(freep) char *from = NULL;
	const char *argv[] = { "cp", "-a", "--reflink=auto",
			       "--", NULL, get->job->name,
			       NULL };
	int r;

	if (get->path == NULL)
		return err_set(e, -EINVAL,
			       "%s: not a directory of this machine; check kind in the control file",
			       get->plain);
	from = text_format("%s/.", get->path);
	if (from == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	argv[4] = from;
	if (mkdirat(get->place.fd, get->job->name, 0755) < 0)
		return err_errno(e, "make directory %s", get->job->name);
	r = run_here(get, argv, e);
	if (r < 0)
		return err_wrap(e, r, "%s", get->plain);
	say("copied %s", get->plain);
	return 0;
}

/* A plain path tells by what lies there. */
static enum control_kind find_kind(const struct get *get)
{
	enum control_kind kind = get->job->source->kind;
	struct stat st;

	if (kind != CONTROL_KIND_AUTO)
		return kind;
	if (get->path != NULL && stat(get->path, &st) == 0 &&
	    S_ISDIR(st.st_mode))
		return CONTROL_KIND_DIR;
	return CONTROL_KIND_TAR;
}

static int get_kind(struct get *get, struct err *e)
{
	static int (*const getters[])(struct get *, struct err *) = {
		[CONTROL_KIND_TAR] = get_tar,
		[CONTROL_KIND_GIT] = get_git,
		[CONTROL_KIND_RSYNC] = get_rsync,
		[CONTROL_KIND_DIR] = get_dir,
	};
	enum control_kind kind = find_kind(get);
	int r;

	if (kind != CONTROL_KIND_TAR && get->job->source->sha256 != NULL)
		return err_set(e, -EINVAL,
			       "%s: sha256 is for archives, this is none; remove it from the control file",
			       get->plain);
	r = place_open(&get->place, get->job->work_fd, e);
	if (r == 0)
		r = getters[kind](get, e);
	if (r < 0)
		return r;
	r = place_commit(&get->place, get->result.top, e);
	return r < 0 ? err_wrap(e, r, "%s", get->plain) : 0;
}

int source_get_here(const struct source_job *job, struct source_result *ret,
		    struct err *e)
{
	CLEANUP(get_release) struct get get = {
		.job = job,
		.url = job->source->url,
		.pause_ms = job->pause_ms != 0 ? job->pause_ms :
						 SOURCE_PAUSE_MS,
		.bytes_max = job->bytes_max != 0 ? job->bytes_max :
						   SOURCE_BYTES_MAX,
		.place = PLACE_NONE,
	};
	int r;

	if (get.url == NULL) {
		*ret = get.result;
		return 0;
	}
	get.plain = url_plain(get.url);
	if (get.plain == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	r = url_local_path(get.url, &get.path, e);
	if (r == 0)
		r = get_kind(&get, e);
	if (r < 0)
		return r;
	*ret = get.result;
	return 0;
}
