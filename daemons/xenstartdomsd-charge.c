/* SPDX-License-Identifier: BSD-2-Clause */
#include "xenstartdomsd.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "run/fold.h"

/* What was open in each domain when the machine went down. */

static void charge_entry(struct json *charged, const struct guest *guest,
			 size_t number, const struct fold_entry *entry)
{
	struct json *object = json_object_new();

	json_set_string(object, "domain", guest->control->name);
	json_set_string(object, "test", entry->test);
	json_set_int(object, "entry", (int64_t)number);
	json_set_int(object, "iteration", entry->iterations);
	json_set_string(object, "step", entry->step);
	json_append(charged, object);
}

/* A record that cannot be read charges nobody; it is said elsewhere. */
static void charge_guest(struct json *charged, const struct guest *guest)
{
	CLEANUP(fold_freep) struct fold *fold = NULL;
	CLEANUP(fd_close) int dir_fd = -1;
	struct err ignored = ERR_NONE;

	if (fold_new(guest->control, &fold, &ignored) < 0 ||
	    run_domain_dir(guest->host->run, guest->control->name, &dir_fd,
			   &ignored) < 0 ||
	    record_read(dir_fd, RECORD_NAME, fold_event, fold, &ignored) < 0)
		return;
	for (size_t i = 0; i < fold->count; i++)
		if (fold_is_open(&fold->entries[i]))
			charge_entry(charged, guest, i, &fold->entries[i]);
}

struct json *charge_open_tests(struct host *host)
{
	struct json *charged = json_array_new();

	/* dom0's record is here; those of guests are on the share. */
	host_collect(host);
	for (size_t i = 0; i < host->guest_count; i++)
		if (!guest_is_final(&host->guests[i]))
			charge_guest(charged, &host->guests[i]);
	return charged;
}
