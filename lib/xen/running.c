/* SPDX-License-Identifier: BSD-2-Clause */
#include "xen/running.h"

#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"

enum {
	PAGE = 4096, /* as large as a file in sysfs gets */
	ID_BYTES = 20, /* of a build id as ld makes it by default: SHA-1 */
};

static bool read_raw(int root_fd, const char *path, char **ret, size_t *length)
{
	struct err ignored = ERR_NONE;

	return file_read(root_fd, path, PAGE, ret, length, &ignored) == 0;
}

/* One line, plain; false when there is none or Xen keeps it to itself. */
static bool read_line(int root_fd, const char *path, char *buffer, size_t size)
{
	CLEANUP(freep) char *bytes = NULL;
	CLEANUP(freep) char *text = NULL;
	size_t length;

	buffer[0] = '\0';
	if (!read_raw(root_fd, path, &bytes, &length))
		return false;
	bytes[strcspn(bytes, "\n")] = '\0';
	if (strcmp(bytes, "<denied>") == 0)
		return false;
	text = text_valid_utf8(bytes, strlen(bytes));
	if (text == NULL)
		return false;
	text_plain(text);
	text_copy(buffer, size, text);
	return true;
}

static bool is_dom0(int root_fd)
{
	CLEANUP(freep) char *capabilities = NULL;
	char line[64];

	if (read_raw(root_fd, "proc/xen/capabilities", &capabilities, NULL))
		return strstr(capabilities, "control_d") != NULL;
	if (read_line(root_fd, "sys/hypervisor/start_flags/initdomain", line,
		      sizeof(line)))
		return strcmp(line, "1") == 0;
	return read_line(root_fd, "sys/hypervisor/uuid", line, sizeof(line)) &&
	       line[0] != '\0' && strspn(line, "0-") == strlen(line);
}

static enum running_role read_role(int root_fd)
{
	char type[16];

	if (!read_line(root_fd, "sys/hypervisor/type", type, sizeof(type)) ||
	    strcmp(type, "xen") != 0)
		return RUNNING_NONE;
	return is_dom0(root_fd) ? RUNNING_DOM0 : RUNNING_GUEST;
}

static void read_version(int root_fd, char *buffer, size_t size)
{
	char major[16];
	char minor[16];
	char extra[32];

	if (!read_line(root_fd, "sys/hypervisor/version/major", major,
		       sizeof(major)) ||
	    !read_line(root_fd, "sys/hypervisor/version/minor", minor,
		       sizeof(minor)))
		return;
	read_line(root_fd, "sys/hypervisor/version/extra", extra,
		  sizeof(extra));
	snprintf(buffer, size, "%s.%s%s", major, minor, extra);
}

static void read_compiled(int root_fd, char *buffer, size_t size)
{
	char by[64];
	char date[64];
	char compiler[96];

	if (read_line(root_fd, "sys/hypervisor/compilation/compiled_by", by,
		      sizeof(by)) &&
	    read_line(root_fd, "sys/hypervisor/compilation/compile_date", date,
		      sizeof(date)) &&
	    read_line(root_fd, "sys/hypervisor/compilation/compiler", compiler,
		      sizeof(compiler)))
		snprintf(buffer, size, "%s, %s, %s", by, date, compiler);
}

/* Bytes, not text; see the header for what older kernels do to them. */
static void read_build_id(int root_fd, char *buffer, size_t size)
{
	CLEANUP(freep) char *bytes = NULL;
	size_t length;

	if (!read_raw(root_fd, "sys/hypervisor/properties/buildid", &bytes,
		      &length) ||
	    length != ID_BYTES || size < 2 * ID_BYTES + 1)
		return;
	for (size_t i = 0; i < length; i++)
		snprintf(buffer + 2 * i, 3, "%02x", (unsigned char)bytes[i]);
}

int running_read(int root_fd, struct running *ret, struct err *e)
{
	struct running running = { .role = read_role(root_fd) };

	if (!read_line(root_fd, "proc/sys/kernel/osrelease", running.kernel,
		       sizeof(running.kernel)))
		return err_set(e, -ENOENT,
			       "cannot read /proc/sys/kernel/osrelease: is /proc mounted?");
	if (running.role != RUNNING_NONE) {
		read_version(root_fd, running.xen, sizeof(running.xen));
		read_line(root_fd, "sys/hypervisor/properties/changeset",
			  running.changeset, sizeof(running.changeset));
		read_compiled(root_fd, running.compiled,
			      sizeof(running.compiled));
		read_build_id(root_fd, running.build_id,
			      sizeof(running.build_id));
	}
	*ret = running;
	return 0;
}

const char *running_role_text(enum running_role role)
{
	static const char *const texts[] = {
		[RUNNING_NONE] = "no Xen",
		[RUNNING_DOM0] = "dom0",
		[RUNNING_GUEST] = "guest",
	};

	return texts[role];
}
