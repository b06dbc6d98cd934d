/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/grub_custom.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "boot/grub_menu.h"

/* Where a marker line begins; NULL without one. */
static const char *find_line(const char *text, const char *line)
{
	size_t length = strlen(line);

	for (;;) {
		if (strncmp(text, line, length) == 0 &&
		    (text[length] == '\n' || text[length] == '\0'))
			return text;
		text = strchr(text, '\n');
		if (text == NULL)
			return NULL;
		text++;
	}
}

static const char *behind_line(const char *line)
{
	const char *end = strchr(line, '\n');

	return end == NULL ? line + strlen(line) : end + 1;
}

/* Cuts the text around our part. */
static int find_ours(const char *text, size_t *before, const char **after,
		     struct err *e)
{
	const char *begin = find_line(text, GRUB_CUSTOM_BEGIN);
	const char *end = find_line(text, GRUB_CUSTOM_END);

	*before = strlen(text);
	*after = "";
	if (begin == NULL && end == NULL)
		return 0;
	if (begin == NULL || end == NULL || end < begin ||
	    find_line(behind_line(begin), GRUB_CUSTOM_BEGIN) != NULL ||
	    find_line(behind_line(end), GRUB_CUSTOM_END) != NULL)
		return err_set(e, -EBADMSG,
			       "/boot/grub/" GRUB_CUSTOM_NAME
			       ": the lines \"" GRUB_CUSTOM_BEGIN
			       "\" and \"" GRUB_CUSTOM_END
			       "\" do not match; remove what is between them");
	*before = (size_t)(begin - text);
	*after = behind_line(end);
	return 0;
}

int grub_custom_merge(const char *text, const char *entry, char **ret,
		      struct err *e)
{
	const char *after;
	size_t before;
	bool newline;
	int r;

	r = find_ours(text, &before, &after, e);
	if (r < 0)
		return r;
	newline = before > 0 && text[before - 1] != '\n';
	if (entry == NULL || entry[0] == '\0')
		*ret = text_format("%.*s%s", (int)before, text, after);
	else
		*ret = text_format("%.*s%s" GRUB_CUSTOM_BEGIN
				   "\n%s" GRUB_CUSTOM_END "\n%s",
				   (int)before, text, newline ? "\n" : "",
				   entry, after);
	return *ret == NULL ? err_set(e, -ENOMEM, "out of memory") : 0;
}

int grub_custom_read(int grub_fd, char **ret, struct err *e)
{
	struct err missing = ERR_NONE;
	size_t length;
	int r;

	r = file_read(grub_fd, GRUB_CUSTOM_NAME, GRUB_CFG_BYTES_MAX, ret,
		      &length, &missing);
	if (r == -ENOENT) {
		*ret = strdup("");
		return *ret == NULL ? err_set(e, -ENOMEM, "out of memory") : 0;
	}
	if (r < 0)
		return err_set(e, r, "/boot/grub: %s", missing.text);
	if (strlen(*ret) == length)
		return 0;
	free(TAKE_PTR(*ret));
	return err_set(e, -EBADMSG,
		       "/boot/grub/" GRUB_CUSTOM_NAME " is not text");
}

int grub_custom_write(int grub_fd, const char *text, struct err *e)
{
	struct stat st;
	mode_t mode = 0644;
	int r;

	if (fstatat(grub_fd, GRUB_CUSTOM_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0)
		mode = st.st_mode & 0777;
	if (text[0] == '\0')
		r = file_remove(grub_fd, GRUB_CUSTOM_NAME, e);
	else
		r = file_write_atomic(grub_fd, GRUB_CUSTOM_NAME, text,
				      strlen(text), mode, e);
	return r < 0 ? err_wrap(e, r, "change /boot/grub/" GRUB_CUSTOM_NAME) :
		       0;
}
