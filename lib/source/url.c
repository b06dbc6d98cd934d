/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/url.h"

#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/text.h"

char *url_plain(const char *url)
{
	char *text = text_valid_utf8(url, strlen(url));
	char *authority, *end, *at;

	if (text == NULL)
		return NULL;
	text_plain(text);
	authority = strstr(text, "://");
	if (authority == NULL)
		return text;
	authority += 3;
	end = authority + strcspn(authority, "/?#");
	/* The last one: a password may have an '@' that is not escaped. */
	at = memrchr(authority, '@', (size_t)(end - authority));
	if (at != NULL)
		memmove(authority, at + 1, strlen(at + 1) + 1);
	return text;
}

bool url_has_scheme(const char *url, const char *scheme)
{
	size_t length = strlen(scheme);

	return strncasecmp(url, scheme, length) == 0 &&
	       strncmp(url + length, "://", 3) == 0;
}

static int hex_digit(char c)
{
	c = text_lower(c);
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place: the text never grows. A NUL is no part of a path. */
static bool decode(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; from++) {
		int high, low;

		if (*from != '%') {
			*to++ = *from;
			continue;
		}
		high = hex_digit(from[1]);
		low = high < 0 ? -1 : hex_digit(from[2]);
		if (low < 0 || (high == 0 && low == 0))
			return false;
		*to++ = (char)(high << 4 | low);
		from += 2;
	}
	*to = '\0';
	return true;
}

int url_local_path(const char *url, char **ret, struct err *e)
{
	CLEANUP(freep) char *path = NULL;
	bool is_url = strncasecmp(url, "file:", 5) == 0;
	const char *rest = is_url ? url + 5 : url;

	*ret = NULL;
	if (is_url && strncmp(rest, "//localhost/", 12) == 0)
		rest += 11;
	else if (is_url && strncmp(rest, "//", 2) == 0)
		rest += 2;
	if (rest[0] != '/') {
		if (is_url)
			return err_set(
				e, -EINVAL,
				"%s: names another host; write file:///PATH",
				url);
		return 0;
	}
	path = strdup(rest);
	if (path == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	if (is_url && !decode(path))
		return err_set(e, -EINVAL, "%s: a %%-escape is broken", url);
	*ret = TAKE_PTR(path);
	return 0;
}
