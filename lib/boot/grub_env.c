/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/grub_env.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"

enum { BLOCK_BYTES_MAX = 64 * 1024 }; /* 1024 as Debian makes it */

static const char signature[] = "# GRUB Environment Block\n";

/* The value in place: up to a newline that has no backslash before it. */
static void unescape(char *value)
{
	char *to = value;

	while (*value != '\0' && *value != '\n') {
		if (value[0] == '\\' && value[1] != '\0')
			value++;
		*to++ = *value++;
	}
	*to = '\0';
}

static char *next_line(char *line)
{
	while (*line != '\0' && *line != '\n')
		line += line[0] == '\\' && line[1] != '\0' ? 2 : 1;
	return *line == '\n' ? line + 1 : NULL;
}

int grub_env_get(int grub_fd, const char *name, char **ret, struct err *e)
{
	CLEANUP(freep) char *block = NULL;
	size_t name_length = strlen(name);
	const char *value = "";
	size_t length;
	int r;

	r = file_read(grub_fd, GRUB_ENV_NAME, BLOCK_BYTES_MAX, &block, &length,
		      e);
	if (r < 0)
		return r;
	if (strncmp(block, signature, strlen(signature)) != 0)
		return err_set(e, -EBADMSG,
			       "/boot/grub/" GRUB_ENV_NAME
			       " is damaged; make a new one: grub-editenv create");
	for (char *line = block; line != NULL; line = next_line(line)) {
		if (strncmp(line, name, name_length) != 0 ||
		    line[name_length] != '=')
			continue;
		unescape(line + name_length + 1);
		value = line + name_length + 1;
		break;
	}
	*ret = strdup(value);
	return *ret == NULL ? err_set(e, -ENOMEM, "out of memory") : 0;
}
