/* SPDX-License-Identifier: BSD-2-Clause */
/* A URL in the first line; what a server answers in the others. */
#include "fuzz.h"

#include <curl/curl.h>
#include <string.h>

#include "base/cleanup.h"
#include "source/reply.h"
#include "source/url.h"

static bool has_part(CURLU *url, CURLUPart part)
{
	char *text = NULL;
	bool has = curl_url_get(url, part, &text, 0) == CURLUE_OK;

	curl_free(text);
	return has;
}

/* Can it be fetched at all; and would a user be named to the server? */
static bool can_be_fetched(const char *text, bool *with_user)
{
	CURLU *url = curl_url();
	bool can = curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK;

	*with_user = can && (has_part(url, CURLUPART_USER) ||
			     has_part(url, CURLUPART_PASSWORD));
	curl_url_cleanup(url);
	return can;
}

/* What a control file may have fetched with curl: value_url() asks for a host. */
static bool is_for_curl(const char *text)
{
	const char *host = strstr(text, "://");

	return (url_has_scheme(text, "http") || url_has_scheme(text, "https") ||
		url_has_scheme(text, "ftp")) &&
	       host[3] != '/';
}

static void check_url(const char *text)
{
	CLEANUP(freep) char *shown = url_plain(text);
	CLEANUP(freep) char *again = url_plain(shown);
	CLEANUP(freep) char *path = NULL;
	struct err e = ERR_NONE;
	bool with_user;
	int r;

	must(fuzz_is_plain(shown, ""));
	must(strcmp(shown, again) == 0);
	if (is_for_curl(text) && can_be_fetched(text, &with_user)) {
		can_be_fetched(shown, &with_user);
		must(!with_user);
	}
	r = url_local_path(text, &path, &e);
	must(r == 0 || r == -EINVAL);
	if (path != NULL)
		must(r == 0 && path[0] == '/' && strlen(path) <= strlen(text));
	if (text[0] == '/')
		must(path != NULL && strcmp(path, text) == 0);
}

static void check_reply(const uint8_t *data, size_t size)
{
	struct reply reply = REPLY_NONE;
	bool transient = false;
	struct err e = ERR_NONE;

	while (size > 0) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t length = end == NULL ? size : (size_t)(end - data) + 1;

		reply_add_header(&reply, (const char *)data, length);
		data += length;
		size -= length;
	}
	/* They go into the next request as they are. */
	must(strlen(reply.etag) < CACHE_VALIDATOR_MAX &&
	     fuzz_is_plain(reply.etag, ""));
	must(strlen(reply.last_modified) < CACHE_VALIDATOR_MAX &&
	     fuzz_is_plain(reply.last_modified, ""));
	must(reply_failure(reply.status, &transient, &e) < 0);
	must(e.text[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(freep) char *url = fuzz_line(&data, &size);

	check_url(url);
	check_reply(data, size);
	return 0;
}
