/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/transfer.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "source/say.h"
#include "source/url.h"

enum {
	CONNECT_S = 30,
	STALL_BYTES = 100, /* a second: less for stall_s is a dead server */
	REDIRECTS_MAX = 10,
	PROGRESS_USEC = 10 * 1000 * 1000,
};

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
	struct transfer *t = arg;

	reply_add_header(&t->reply, line, size * count);
	return size * count;
}

/*
 * The reply's first byte of content, or its end: does it go on where the
 * partial download ends, or begin again?
 */
static int begin_body(struct transfer *t, struct err *e)
{
	bool ftp = t->reply.status == 0;

	t->body_begun = true;
	if (t->resumed_at > 0 && t->reply.status == 206 &&
	    t->reply.range_start != t->resumed_at)
		return err_set(e, -EIO,
			       "the server answered another range than was asked; try again");
	if (t->resumed_at > 0 && !ftp && t->reply.status != 206) {
		t->resumed_at = 0;
		t->part->bytes = 0;
	}
	if (ftruncate(t->fd, (off_t)t->part->bytes) < 0 ||
	    lseek(t->fd, (off_t)t->part->bytes, SEEK_SET) < 0)
		return err_errno(e, "prepare the download");
	strcpy(t->part->etag, t->reply.etag);
	strcpy(t->part->last_modified, t->reply.last_modified);
	/* Now, so that it can be resumed even after a power cut. */
	return cache_note_part(t->cache, t->part, e);
}

static int keep_failure(struct err *e, int r)
{
	if (r != -ENOSPC && r != -EDQUOT && r != -EFBIG)
		return err_wrap(e, r, "keep the download");
	return err_set(e, -ENOSPC,
		       "no space left for the download; free some, what has come is resumed next time");
}

static int add_body(struct transfer *t, const char *bytes, size_t length,
		    struct err *e)
{
	int r = 0;

	if (!t->body_begun)
		r = begin_body(t, e);
	if (r < 0)
		return r;
	if (t->part->bytes + length > t->bytes_max)
		return err_set(e, -EFBIG,
			       "larger than the %" PRIu64 " bytes that are allowed; check the location in the control file",
			       t->bytes_max);
	r = file_write_all(t->fd, bytes, length, e);
	if (r < 0)
		return keep_failure(e, r);
	t->part->bytes += length;
	return 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct transfer *t = arg;

	t->number = add_body(t, bytes, size * count, &t->failure);
	return t->number < 0 ? CURL_WRITEFUNC_ERROR : size * count;
}

static int on_progress(void *arg, curl_off_t total, curl_off_t now,
		       curl_off_t upload_total, curl_off_t upload_now)
{
	struct transfer *t = arg;
	char got[32], all[32];

	(void)now;
	(void)upload_total;
	(void)upload_now;
	if (say_now_usec() < t->progress_usec)
		return 0;
	t->progress_usec = say_now_usec() + PROGRESS_USEC;
	say_bytes(got, t->part->bytes);
	if (total > 0)
		say("%s of %s from %s", got,
		    say_bytes(all, (uint64_t)total + t->resumed_at), t->plain);
	else
		say("%s from %s", got, t->plain);
	return 0;
}

/* A transfer that nothing but the kernel or the server can end. */
static void set_options(struct transfer *t, char *error)
{
	bool strict = url_has_scheme(t->url, "https") && !t->digest_will_tell;
	CURL *curl = t->curl;

	curl_easy_setopt(curl, CURLOPT_URL, t->url);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "xentest/" XENTEST_VERSION);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https,ftp");
	curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR,
			 strict ? "https" : "http,https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
	curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, (long)STALL_BYTES);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME,
			 (long)t->stall_s);
	curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 256L * 1024);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, t);
}

static int add_header(struct curl_slist **headers, const char *key,
		      const char *value, struct err *e)
{
	char line[CACHE_VALIDATOR_MAX + 32];
	struct curl_slist *longer;

	snprintf(line, sizeof(line), "%s: %s", key, value);
	longer = curl_slist_append(*headers, line);
	if (longer == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	*headers = longer;
	return 0;
}

/* RFC 9110, section 13.1.5: a weak ETag cannot say that parts are equal. */
static const char *strong_validator(const struct cache_notes *notes)
{
	if (notes->etag[0] == '"')
		return notes->etag;
	return notes->last_modified;
}

/*
 * Without a validator only a digest can tell whether the part that is here
 * and the part that is to come belong together.
 */
static bool can_resume(const struct transfer *t)
{
	if (t->part->bytes == 0)
		return false;
	return t->digest_will_tell || strong_validator(t->part)[0] != '\0';
}

/* What the request says about what is here already. */
static int add_conditions(struct transfer *t, struct curl_slist **headers,
			  struct err *e)
{
	bool ftp = url_has_scheme(t->url, "ftp");
	char range[32];
	int r = 0;

	t->resumed_at = can_resume(t) ? t->part->bytes : 0;
	if (t->resumed_at == 0)
		t->part->bytes = 0;
	if (t->resumed_at > 0 && ftp) {
		curl_easy_setopt(t->curl, CURLOPT_RESUME_FROM_LARGE,
				 (curl_off_t)t->resumed_at);
	} else if (t->resumed_at > 0) {
		/* CURLOPT_RESUME_FROM would fail where a 200 is the answer. */
		snprintf(range, sizeof(range), "%" PRIu64 "-", t->resumed_at);
		curl_easy_setopt(t->curl, CURLOPT_RANGE, range);
		if (strong_validator(t->part)[0] != '\0')
			r = add_header(headers, "If-Range",
				       strong_validator(t->part), e);
	} else if (t->have != NULL) {
		if (t->have->etag[0] != '\0')
			r = add_header(headers, "If-None-Match",
				       t->have->etag, e);
		if (r == 0 && t->have->last_modified[0] != '\0')
			r = add_header(headers, "If-Modified-Since",
				       t->have->last_modified, e);
	}
	return r;
}

/* libcurl's failures in our terms; those that are missing are -EIO. */
static int curl_failure(struct transfer *t, CURLcode code, const char *reason,
			struct err *e)
{
	static const char reach[] =
		"check that the server runs and can be reached from here";
	static const char again[] = "start again to go on where it stopped";
	static const char tls[] =
		"check the server's certificate and this machine's clock";
	static const char location[] = "check the location in the control file";
	static const struct {
		CURLcode code;
		int number;
		bool transient;
		const char *advice;
	} known[] = {
		{ CURLE_URL_MALFORMAT, -EINVAL, false, location },
		{ CURLE_UNSUPPORTED_PROTOCOL, -EPERM, false, location },
		{ CURLE_TOO_MANY_REDIRECTS, -EPERM, false, location },
		{ CURLE_COULDNT_RESOLVE_HOST, -EHOSTUNREACH, true,
		  "check the host name and this machine's name server" },
		{ CURLE_COULDNT_RESOLVE_PROXY, -EHOSTUNREACH, true,
		  "check the proxy settings" },
		{ CURLE_COULDNT_CONNECT, -ECONNREFUSED, true, reach },
		{ CURLE_OPERATION_TIMEDOUT, -ETIMEDOUT, true, again },
		{ CURLE_PARTIAL_FILE, -EIO, true, again },
		{ CURLE_GOT_NOTHING, -EIO, true, again },
		{ CURLE_RECV_ERROR, -EIO, true, again },
		{ CURLE_SEND_ERROR, -EIO, true, again },
		{ CURLE_HTTP2, -EIO, true, again },
		{ CURLE_HTTP2_STREAM, -EIO, true, again },
		{ CURLE_PEER_FAILED_VERIFICATION, -EPERM, false, tls },
		{ CURLE_SSL_CONNECT_ERROR, -EPERM, false, tls },
		{ CURLE_SSL_CACERT_BADFILE, -EPERM, false, tls },
		{ CURLE_LOGIN_DENIED, -EACCES, false,
		  "check user and password in the location" },
		{ CURLE_REMOTE_ACCESS_DENIED, -EACCES, false, location },
		{ CURLE_REMOTE_FILE_NOT_FOUND, -ENOENT, false, location },
		{ CURLE_FILESIZE_EXCEEDED, -EFBIG, false, location },
		{ CURLE_OUT_OF_MEMORY, -ENOMEM, false, "free some memory" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (known[i].code != code)
			continue;
		t->transient = known[i].transient;
		return err_set(e, known[i].number, "%s; %s", reason,
			       known[i].advice);
	}
	return err_set(e, -EIO, "%s; %s", reason, location);
}

/* A reply without content has not come by on_body(). */
static int end_body(struct transfer *t, struct err *e)
{
	int r = t->body_begun ? 0 : begin_body(t, e);

	return r < 0 ? r : TRANSFER_WHOLE;
}

static int perform(struct transfer *t, struct curl_slist **headers,
		   struct err *e)
{
	char error[CURL_ERROR_SIZE] = "";
	CURLcode code;
	int r;

	set_options(t, error);
	r = add_conditions(t, headers, e);
	if (r < 0)
		return r;
	curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, *headers);
	code = curl_easy_perform(t->curl);
	if (t->number < 0) {
		*e = t->failure;
		return t->number;
	}
	if (t->resumed_at > 0 &&
	    (t->reply.status == 416 || code == CURLE_BAD_DOWNLOAD_RESUME))
		return TRANSFER_AGAIN;
	if (t->reply.status >= 400)
		return reply_failure(t->reply.status, &t->transient, e);
	if (code == CURLE_OK && t->reply.status == 304)
		return TRANSFER_NOT_MODIFIED;
	if (code == CURLE_OK)
		return end_body(t, e);
	text_plain(error);
	return curl_failure(t, code,
			    error[0] != '\0' ? error :
						curl_easy_strerror(code),
			    e);
}

int transfer_run(struct transfer *t, struct err *e)
{
	struct curl_slist *headers = NULL;
	int r;

	t->curl = curl_easy_init();
	if (t->curl == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	t->reply = REPLY_NONE;
	t->body_begun = false;
	t->transient = false;
	t->progress_usec = say_now_usec() + PROGRESS_USEC;
	r = perform(t, &headers, e);
	curl_easy_cleanup(t->curl);
	t->curl = NULL;
	curl_slist_free_all(headers);
	return r;
}
