/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

/* Return: the value of "@key: value", white space cut off; or NULL. */
static const char *header_value(char *line, const char *key)
{
	size_t length = strlen(key);
	char *end = line + strlen(line);

	if (strncasecmp(line, key, length) != 0 || line[length] != ':')
		return NULL;
	line += length + 1;
	line += strspn(line, " \t");
	while (end > line && strchr(" \t\r\n", end[-1]) != NULL)
		*--end = '\0';
	return line;
}

static void take_validator(const char *value,
			   char buffer[static CACHE_VALIDATOR_MAX])
{
	if (cache_valid_validator(value))
		strcpy(buffer, value);
}

void reply_add_header(struct reply *reply, const char *line, size_t length)
{
	char copy[CACHE_VALIDATOR_MAX + 64];
	const char *value;

	if (length >= sizeof(copy))
		return; /* longer than anything that we use */
	memcpy(copy, line, length);
	copy[length] = '\0';
	if (strncmp(copy, "HTTP/", 5) == 0) {
		*reply = REPLY_NONE;
		value = strchr(copy, ' ');
		if (value != NULL)
			reply->status = strtol(value, NULL, 10);
	} else if ((value = header_value(copy, "ETag")) != NULL) {
		take_validator(value, reply->etag);
	} else if ((value = header_value(copy, "Last-Modified")) != NULL) {
		take_validator(value, reply->last_modified);
	} else if ((value = header_value(copy, "Content-Range")) != NULL) {
		if (sscanf(value, "bytes %" SCNu64 "-",
			   &reply->range_start) != 1)
			reply->range_start = UINT64_MAX;
	}
}

int reply_failure(long status, bool *transient, struct err *e)
{
	static const char location[] = "check the location in the control file";
	static const char access[] =
		"check user and password in the location";
	static const char later[] = "try again later";
	static const struct {
		long status;
		int number;
		bool transient;
		const char *name;
		const char *advice;
	} known[] = {
		{ 401, -EACCES, false, "Unauthorized", access },
		{ 403, -EACCES, false, "Forbidden", access },
		{ 404, -ENOENT, false, "Not Found", location },
		{ 407, -EACCES, false, "Proxy Authentication Required",
		  "check the proxy settings" },
		{ 408, -ETIMEDOUT, true, "Request Timeout", later },
		{ 410, -ENOENT, false, "Gone", location },
		{ 429, -EIO, true, "Too Many Requests", later },
		{ 500, -EIO, true, "Internal Server Error", later },
		{ 502, -EIO, true, "Bad Gateway", later },
		{ 503, -EIO, true, "Service Unavailable", later },
		{ 504, -ETIMEDOUT, true, "Gateway Timeout", later },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (known[i].status != status)
			continue;
		*transient = known[i].transient;
		return err_set(e, known[i].number, "%ld %s; %s", status,
			       known[i].name, known[i].advice);
	}
	*transient = status >= 500;
	return err_set(e, -EIO, "HTTP status %ld; %s", status,
		       *transient ? later : location);
}
