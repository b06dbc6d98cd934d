/* SPDX-License-Identifier: BSD-2-Clause */
/* In place of lib/xen/domains.c: the hypervisor of a fake Xen, fakexen.py. */
#include "xen/domains.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"

struct domains {
	int dir_fd;
};

int domains_open(struct domains **ret, struct err *e)
{
	CLEANUP(domains_closep) struct domains *domains =
		calloc(1, sizeof(*domains));
	const char *dir = getenv("XENTEST_FAKE_XEN");

	if (domains == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	domains->dir_fd = -1;
	if (dir == NULL)
		return err_set(e, -ENOENT, "open the hypervisor: none faked");
	domains->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (domains->dir_fd < 0)
		return err_errno(e, "open the hypervisor");
	*ret = TAKE_PTR(domains);
	return 0;
}

void domains_close(struct domains *domains)
{
	if (domains == NULL)
		return;
	fd_close(&domains->dir_fd);
	free(domains);
}

void domains_closep(struct domains **domains)
{
	domains_close(*domains);
}

static enum domains_state state_of(const char *word)
{
	static const char *const words[] = {
		[DOMAINS_RUNNING] = "running",	 [DOMAINS_BLOCKED] = "blocked",
		[DOMAINS_PAUSED] = "paused",	 [DOMAINS_SHUTDOWN] = "shutdown",
		[DOMAINS_DYING] = "dying",
	};

	for (size_t i = 1; i < ARRAY_SIZE(words); i++)
		if (strcmp(words[i], word) == 0)
			return (enum domains_state)i;
	return DOMAINS_PAUSED; /* being made: still empty */
}

int domains_info(struct domains *domains, unsigned int domid,
		 struct domains_info *ret, struct err *e)
{
	CLEANUP(freep) char *text = NULL;
	char path[32];
	char word[16] = "";
	int r;

	*ret = (struct domains_info){ .reason = DOMAINS_NO_REASON };
	snprintf(path, sizeof(path), "domains/%u", domid);
	r = file_read(domains->dir_fd, path, 64, &text, NULL, e);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	sscanf(text, "%15s %u", word, &ret->reason);
	ret->state = state_of(word);
	return 0;
}

static void find(const char *text, const char *key, char *buffer, size_t size)
{
	for (const char *at = text; at != NULL; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (strncmp(at, key, strlen(key)) == 0 &&
		    at[strlen(key)] == '=') {
			at += strlen(key) + 1;
			snprintf(buffer, size, "%.*s", (int)strcspn(at, "\n"),
				 at);
			return;
		}
	}
}

int domains_version(struct domains *domains, struct domains_version *ret,
		    struct err *e)
{
	CLEANUP(freep) char *text = NULL;
	int r;

	r = file_read(domains->dir_fd, "version", 4096, &text, NULL, e);
	if (r < 0)
		return r;
	memset(ret, 0, sizeof(*ret));
	find(text, "xen", ret->xen, sizeof(ret->xen));
	find(text, "changeset", ret->changeset, sizeof(ret->changeset));
	find(text, "build_id", ret->build_id, sizeof(ret->build_id));
	find(text, "command_line", ret->command_line,
	     sizeof(ret->command_line));
	return 0;
}

/* The last word on it is in a file of its own; "taken" when nobody gets one. */
static int put_watchdog(struct domains *domains, uint32_t id, uint32_t limit_s,
			struct err *e)
{
	char line[32];
	int length = snprintf(line, sizeof(line), "%u %u\n", id, limit_s);

	return file_write_atomic(domains->dir_fd, "watchdog", line,
				 (size_t)length, 0644, e);
}

int domains_arm_watchdog(struct domains *domains, uint32_t limit_s,
			 uint32_t *ret_id, struct err *e)
{
	if (faccessat(domains->dir_fd, "watchdog", F_OK, 0) == 0)
		return err_set(e, -ENOSPC, "arm a watchdog: all are taken");
	*ret_id = 1;
	return put_watchdog(domains, 1, limit_s, e);
}

int domains_feed_watchdog(struct domains *domains, uint32_t id,
			  uint32_t limit_s, struct err *e)
{
	if (faccessat(domains->dir_fd, "watchdog", F_OK, 0) < 0)
		return err_errno(e, "feed the watchdog");
	return put_watchdog(domains, id, limit_s, e);
}
