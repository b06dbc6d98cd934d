/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/reboot.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <systemd/sd-bus.h>

#include "base/cleanup.h"

static void unref_bus(sd_bus **bus)
{
	sd_bus_flush_close_unref(*bus);
}

static int describe(int r, const sd_bus_error *error, const char *who,
		    struct err *e)
{
	if (r >= 0)
		return 0;
	errno = -r;
	if (error->message == NULL)
		return err_errno(e, "%s", who);
	return err_set(e, r, "%s: %s", who, error->message);
}

static int ask_logind(sd_bus *bus, struct err *e)
{
	CLEANUP(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	int r;

	r = sd_bus_call_method(bus, "org.freedesktop.login1",
			       "/org/freedesktop/login1",
			       "org.freedesktop.login1.Manager", "Reboot",
			       &error, NULL, "b", 0 /* nobody to ask */);
	return describe(r, &error, "logind", e);
}

/*
 * systemd's own Manager.Reboot() reboots without stopping a single unit;
 * reboot.target is what "systemctl reboot" starts.
 */
static int ask_systemd(sd_bus *bus, struct err *e)
{
	CLEANUP(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	int r;

	r = sd_bus_call_method(bus, "org.freedesktop.systemd1",
			       "/org/freedesktop/systemd1",
			       "org.freedesktop.systemd1.Manager", "StartUnit",
			       &error, NULL, "ss", "reboot.target",
			       "replace-irreversibly");
	return describe(r, &error, "systemd", e);
}

/* Which starts reboot.target in the same way. */
static int signal_systemd(struct err *e)
{
	/* As sd_booted(3) finds out. */
	if (access("/run/systemd/system", F_OK) < 0)
		return err_set(e, -ENOTSUP, "systemd is not running either");
	return kill(1, SIGRTMIN + 5) < 0 ? err_errno(e, "signal systemd") : 0;
}

bool reboot_is_under_way(void)
{
	CLEANUP(unref_bus) sd_bus *bus = NULL;
	CLEANUP(freep) char *state = NULL;
	int r = sd_bus_open_system(&bus);

	if (r >= 0)
		r = sd_bus_get_property_string(
			bus, "org.freedesktop.systemd1",
			"/org/freedesktop/systemd1",
			"org.freedesktop.systemd1.Manager", "SystemState", NULL,
			&state);
	return r >= 0 && strcmp(state, "stopping") == 0;
}

int reboot_now(struct err *e)
{
	CLEANUP(unref_bus) sd_bus *bus = NULL;
	struct err logind = ERR_NONE;
	int r;

	r = sd_bus_open_system(&bus);
	if (r < 0) {
		int missing = r;

		r = signal_systemd(e);
		return r < 0 ? err_wrap(e, r, "reboot: no system bus (%s)",
					strerror(-missing)) :
			       0;
	}
	r = ask_logind(bus, &logind);
	if (r < 0)
		r = ask_systemd(bus, e);
	return r < 0 ? err_wrap(e, r, "reboot: %s", logind.text) : 0;
}
