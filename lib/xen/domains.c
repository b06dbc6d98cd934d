/* SPDX-License-Identifier: BSD-2-Clause */
#include "xen/domains.h"

#include <stdlib.h>
#include <string.h>

#include <xenctrl.h>

#include "base/cleanup.h"
#include "base/text.h"

struct domains {
	xc_interface *handle;
};

int domains_open(struct domains **ret, struct err *e)
{
	CLEANUP(domains_closep) struct domains *domains =
		calloc(1, sizeof(*domains));

	if (domains == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	errno = 0;
	domains->handle = xc_interface_open(NULL, NULL, 0);
	if (domains->handle == NULL)
		return errno == 0 ? err_set(e, -EIO, "open the hypervisor") :
				    err_errno(e, "open the hypervisor");
	*ret = TAKE_PTR(domains);
	return 0;
}

void domains_close(struct domains *domains)
{
	if (domains == NULL)
		return;
	if (domains->handle != NULL)
		xc_interface_close(domains->handle);
	free(domains);
}

void domains_closep(struct domains **domains)
{
	domains_close(*domains);
}

static struct domains_info from_flags(uint32_t flags)
{
	struct domains_info info = { .reason = DOMAINS_NO_REASON };

	if ((flags & (XEN_DOMINF_shutdown | XEN_DOMINF_dying)) != 0)
		info.reason = (flags >> XEN_DOMINF_shutdownshift) &
			      XEN_DOMINF_shutdownmask;
	/* A domain that shut down is blocked or paused as well. */
	if ((flags & XEN_DOMINF_dying) != 0)
		info.state = DOMAINS_DYING;
	else if ((flags & XEN_DOMINF_shutdown) != 0)
		info.state = DOMAINS_SHUTDOWN;
	else if ((flags & XEN_DOMINF_paused) != 0)
		info.state = DOMAINS_PAUSED;
	else if ((flags & XEN_DOMINF_blocked) != 0)
		info.state = DOMAINS_BLOCKED;
	else
		info.state = DOMAINS_RUNNING;
	return info;
}

int domains_info(struct domains *domains, unsigned int domid,
		 struct domains_info *ret, struct err *e)
{
	xc_domaininfo_t info = { 0 };
	int count;

	count = xc_domain_getinfolist(domains->handle, domid, 1, &info);
	if (count < 0 && errno != ESRCH)
		return err_errno(e, "ask Xen about domain %u", domid);
	/* It answers with the next higher one when there is no such domain. */
	if (count < 1 || info.domain != domid)
		*ret = (struct domains_info){ .state = DOMAINS_GONE,
					      .reason = DOMAINS_NO_REASON };
	else
		*ret = from_flags(info.flags);
	return 0;
}

/* Buffers of Xen's own, then of ours: cut short and made plain. */
static void put_text(char *buffer, size_t size, const char *bytes, size_t max)
{
	CLEANUP(freep) char *text = text_valid_utf8(bytes, strnlen(bytes, max));

	if (text == NULL || strcmp(text, "<denied>") == 0)
		return;
	text_plain(text);
	snprintf(buffer, size, "%s", text);
}

static int put_version(xc_interface *handle, struct domains_version *version,
		       struct err *e)
{
	xen_extraversion_t extra = { 0 };
	char plain[sizeof(extra) * 3 + 1] = "";
	int number;

	number = xc_version(handle, XENVER_version, NULL);
	if (number < 0)
		return err_errno(e, "ask Xen for its version");
	if (xc_version(handle, XENVER_extraversion, extra) >= 0)
		put_text(plain, sizeof(plain), extra, sizeof(extra));
	snprintf(version->xen, sizeof(version->xen), "%d.%d%s", number >> 16,
		 number & 0xffff, plain);
	return 0;
}

static void put_build_id(xc_interface *handle, struct domains_version *version)
{
	union {
		xen_build_id_t id;
		unsigned char bytes[sizeof(xen_build_id_t) + 64];
	} answer = { .id = { .len = 64 } };
	const unsigned char *bytes = answer.bytes + sizeof(answer.id.len);
	int length = xc_version(handle, XENVER_build_id, &answer.id);

	for (int i = 0; i < length && i < 64; i++)
		snprintf(version->build_id + 2 * i, 3, "%02x", bytes[i]);
}

int domains_version(struct domains *domains, struct domains_version *ret,
		    struct err *e)
{
	struct domains_version version = { .xen = "" };
	xen_changeset_info_t changeset = { 0 };
	xen_commandline_t command_line = { 0 };
	int r;

	r = put_version(domains->handle, &version, e);
	if (r < 0)
		return r;
	if (xc_version(domains->handle, XENVER_changeset, changeset) >= 0)
		put_text(version.changeset, sizeof(version.changeset),
			 changeset, sizeof(changeset));
	if (xc_version(domains->handle, XENVER_commandline, command_line) >= 0)
		put_text(version.command_line, sizeof(version.command_line),
			 command_line, sizeof(command_line));
	put_build_id(domains->handle, &version);
	*ret = version;
	return 0;
}

int domains_arm_watchdog(struct domains *domains, uint32_t limit_s,
			 uint32_t *ret_id, struct err *e)
{
	int id = xc_watchdog(domains->handle, 0, limit_s);

	if (id < 0)
		return err_errno(e, "arm a watchdog");
	*ret_id = (uint32_t)id;
	return 0;
}

int domains_feed_watchdog(struct domains *domains, uint32_t id,
			  uint32_t limit_s, struct err *e)
{
	return xc_watchdog(domains->handle, id, limit_s) < 0 ?
		       err_errno(e, "feed the watchdog") :
		       0;
}
