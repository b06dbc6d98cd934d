/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/grub_settings.h"

#include <string.h>

#include "base/child.h"
#include "base/cleanup.h"
#include "base/text.h"

enum {
	SETTINGS_LIMIT_S = 60,
	SETTINGS_BYTES_MAX = 64 * 1024,
};

/*
 * What these files print is theirs, and they may use update-grub's helpers
 * (Debian's xen.cfg does). The last two lines of the output are ours.
 */
static const char script[] =
	"gettext() { printf %s \"$1\"; }\n"
	"gettext_printf() { printf \"$@\"; }\n"
	"grub_warn() { :; }\n"
	"read_settings() {\n"
	"	if [ -f \"$root/etc/default/grub\" ]; then\n"
	"		. \"$root/etc/default/grub\"\n"
	"	fi\n"
	"	for file in \"$root\"/etc/default/grub.d/*.cfg; do\n"
	"		if [ -e \"$file\" ]; then . \"$file\"; fi\n"
	"	done\n"
	"}\n"
	"line() { printf %s \"$*\" | tr '\\n\\t' '  '; echo; }\n"
	"root=$1\n"
	"read_settings >/dev/null 2>&1\n"
	"line \"$GRUB_CMDLINE_XEN $GRUB_CMDLINE_XEN_DEFAULT\"\n"
	"line \"${GRUB_CMDLINE_LINUX_XEN_REPLACE:-$GRUB_CMDLINE_LINUX}\" \\\n"
	"	\"${GRUB_CMDLINE_LINUX_XEN_REPLACE_DEFAULT:-$GRUB_CMDLINE_LINUX_DEFAULT}\"\n";

static char *take_line(char **rest)
{
	char *line = strsep(rest, "\n");

	return line == NULL ? NULL : strdup(line);
}

int grub_settings_read(struct loop *loop, const char *root,
		       struct grub_settings *ret, struct err *e)
{
	const char *argv[] = { "/bin/sh", "-c", script, "sh", root, NULL };
	CLEANUP(freep) char *output = NULL;
	struct grub_settings settings;
	char *rest;
	int r;

	r = child_capture(loop, argv, SETTINGS_LIMIT_S * UINT64_C(1000000),
			  SETTINGS_BYTES_MAX, &output, NULL, e);
	if (r < 0)
		return err_wrap(e, r, "read /etc/default/grub");
	rest = output;
	settings.xen = take_line(&rest);
	settings.dom0 = take_line(&rest);
	if (settings.xen == NULL || settings.dom0 == NULL) {
		grub_settings_done(&settings);
		return err_set(e, -EPROTO,
			       "/etc/default/grub or a file in /etc/default/grub.d ends the shell that reads it");
	}
	*ret = settings;
	return 0;
}

void grub_settings_done(struct grub_settings *settings)
{
	free(settings->xen);
	free(settings->dom0);
	*settings = (struct grub_settings){ .xen = NULL };
}

/* Does a word begin with @name, followed by '=' or its end? */
static bool has_option(const char *options, const char *name)
{
	size_t length = strlen(name);
	const char *at = options;

	while ((at = strstr(at, name)) != NULL) {
		if ((at == options || at[-1] == ' ') &&
		    (at[length] == '\0' || at[length] == ' ' ||
		     at[length] == '='))
			return true;
		at += length;
	}
	return false;
}

static int add_option(char **options, const char *option, struct err *e)
{
	char *longer = text_format("%s %s", *options, option);

	if (longer == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	free(*options);
	*options = longer;
	return 0;
}

static bool has_watchdog(const char *options)
{
	return has_option(options, "watchdog") ||
	       has_option(options, "no-watchdog") ||
	       has_option(options, "watchdog_timeout");
}

static int add_for_ring(char **options, const char *mark, struct err *e)
{
	int r;

	if (mark[0] == '\0')
		return 0;
	r = add_option(options, mark, e);
	if (r == 0 && !has_option(*options, "conring_size"))
		r = add_option(options, "conring_size=1M", e);
	return r;
}

int grub_settings_ours(struct grub_settings *settings,
		       const struct boot_plan *plan, struct err *e)
{
	int r = add_for_ring(&settings->xen, plan->mark, e);

	if (r == 0 && plan->stay)
		return add_option(&settings->xen, "noreboot", e);
	/* Of two, Xen takes the last. */
	if (r == 0 && has_option(settings->xen, "noreboot"))
		r = add_option(&settings->xen, "noreboot=no", e);
	if (r == 0 && plan->watchdog && !has_watchdog(settings->xen))
		r = add_option(&settings->xen, "watchdog", e);
	if (r == 0 && !has_option(settings->dom0, "panic"))
		r = add_option(&settings->dom0, "panic=10", e);
	return r;
}
