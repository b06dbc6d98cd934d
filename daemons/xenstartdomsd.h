/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_DAEMONS_XENSTARTDOMSD_H
#define XENTEST_DAEMONS_XENSTARTDOMSD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/journal.h"
#include "base/loop.h"
#include "boot/cause.h"
#include "boot/marker.h"
#include "control/control.h"
#include "run/run.h"
#include "xen/console.h"
#include "xen/domains.h"
#include "xen/running.h"
#include "xen/store.h"
#include "xen/toolstack.h"

enum {
	HOST_CREATING_MAX = 2, /* xl create at once: each reads a whole image */
	/* No news for so long beyond a step's limit: delivering takes 10 min. */
	HOST_GRACE_S = 15 * 60,
	/* More than WatchdogSec= of the unit: it is taken up by the next of us. */
	HOST_WATCHDOG_S = 15 * 60,
	GUEST_CONSOLE_S = 10, /* for xenconsoled to offer the terminal */
	GUEST_STOP_S = 60,    /* from xl shutdown to xl destroy */
	/* Boots in a row that nobody asked for, with no test under way. */
	HOST_FRUITLESS_MAX = 3,
	/*
	 * Besides those that its tests may ask for; each gives it
	 * start_timeout again.
	 */
	GUEST_REBOOTS_MAX = 16,
	/* A guest that writes without pause is listened to that often. */
	GUEST_LISTEN_MS = 100,
	GUEST_LISTEN_BURST = 50, /* before that, without any pause */
};

/* In this order, but for those that start nothing. */
enum guest_state {
	GUEST_PENDING,
	GUEST_CLEARING,	 /* xl destroy of one that was left half made */
	GUEST_CREATING,	 /* xl create */
	GUEST_ATTACHING, /* waits for its console's terminal */
	GUEST_UNPAUSING, /* xl unpause */
	GUEST_AWAITED,	 /* somebody else starts it */
	GUEST_BOOTING,	 /* runs, has not reported */
	GUEST_TESTING,
	GUEST_REBOOTING, /* dom0 is to reboot, once all others are done */
	GUEST_DONE, /* this one and all below: no more to come */
	GUEST_DIED,
	GUEST_GIVEN_UP,
};

struct host;

/* One domain of the control file; dom0 is one of them. */
struct guest {
	struct host *host;
	const struct control_domain *control;
	struct journal about;
	char *xen_name; /* as its config calls it */
	enum guest_state state;
	unsigned int domid; /* where has_domid */
	int64_t known_domid; /* in this boot, of our making; -1: none */
	bool has_domid;
	bool ours;	/* we started it, in this boot */
	bool half_made; /* … but did not get as far as letting it run */
	bool was_starting; /* when the boot before this one ended */
	bool ending;	/* no more to come, but it has to be stopped yet */
	struct toolstack *call;
	struct console *console;
	struct store_watch *progress;
	struct store_watch *terminal;
	struct loop_source *whole_timer; /* all its tests together */
	struct loop_source *later;	 /* it is listened to then */
	uint64_t listened_usec;		 /* paid up to then: is_too_often() */
	struct loop_source *timer;	    /* start_timeout, a step's limit */
	struct loop_source *terminal_timer; /* also GUEST_STOP_S */

	/* What it says it is doing: names of ours, never its own text. */
	const char *test;
	const char *step;
	int64_t index;
	int64_t iteration;
	int64_t index_said; /* in the journal; bounds what it can write there */
	bool waiting;
	bool undelivered; /* what its tests left is in it, and nowhere else */
	bool rebooting; /* as its open test asked, which goes on then */
	bool granted;	/* … and it is not down yet */
	bool away;	/* it rebooted, says the record, and was not back yet */
	unsigned int reboots; /* that nobody asked for */
	uint64_t asked;	      /* … and that its tests did */

	unsigned int deaths; /* in the whole run */
	struct death death;  /* the last one that had a test open */
};

/* dom0's part of a run. */
struct host {
	struct loop *loop;
	int root_fd;
	char hostname[256];
	char boot_id[37];
	uint64_t grace_s;
	struct journal about;
	struct marker marker;
	struct run *run;
	struct running running;
	struct store *store;
	struct domains *xen;
	struct guest *guests;
	size_t guest_count;
	struct store_watch *introduced;
	struct store_watch *released;
	struct loop_source *run_timer;
	bool ready;    /* systemd was told */
	bool over;     /* ends the loop */
	bool stopping; /* … because we were told to: the run goes on later */
	bool held;     /* host_check() does nothing for now */
	uint64_t watchdog_s; /* 0: none */
	uint32_t watchdog_id; /* in this boot; 0: none yet */
	struct loop_source *watchdog_timer;
	bool share_hangs; /* found out: nothing is collected then */
};

/*
 * The stages, in order. Each answers 0: go on; 1: the run has ended here, or
 * there is nothing to do; or a negative errno: the run fails.
 */

/**
 * host_prove() - is this the boot that the marker speaks of?
 *
 * On bare Linux the new Xen did not come up, or the machine went down during
 * the tests: notes that, and ends the run or boots into Xen again. In dom0:
 * compares the hypervisor's build id with the marker's, notes what runs, and
 * says in the marker that the tests have begun.
 */
int host_prove(struct host *host, struct err *e);

/* Takes up what the record says of each domain; gives each its control file. */
int host_publish(struct host *host, struct err *e);

/* Starts the guests and watches over all domains until none has more to come. */
int host_supervise(struct host *host, struct err *e);

/* Reboots into this Xen again, if one of dom0's tests asked for that. */
int host_come_back(struct host *host, struct err *e);

/* Collects what is left to collect and ends the run. */
int host_finish(struct host *host, struct err *e);

/**
 * host_end() - end the run and put away what would start it again
 * @result, @message: as in run_end()
 */
int host_end(struct host *host, const char *result, const char *message,
	     struct err *e);

/* What the domains left in the share goes to the run's directory. */
void host_collect(struct host *host);

/* Likewise, with what Xen said in this boot; consoles are closed. */
void host_gather(struct host *host);

/* Reboots by systemd, into the default entry; waits for the end of us. */
int host_reboot(struct host *host, const char *why, struct err *e);

/**
 * host_check() - after a guest's state changed: who is next, is it all over?
 *
 * Starts pending guests, tells systemd, sets host->over.
 */
void host_check(struct host *host);

/* Ask all that is under way to end; host->over once it has. */
void host_stop(struct host *host);

/*
 * What happened could not be recorded: says so, and ends us as host_stop() does.
 * All that goes on from here would be lost; systemd starts us again, and the run
 * goes on with what the record has.
 */
void host_lose_record(struct host *host, const struct journal *about,
		      const struct err *why);

/* Keep and say that a stage of the run began or ended. */
void host_note_stage(struct host *host, const char *stage, const char *state,
		     const char *message);

void host_done(struct host *host); /* releases what it holds */

/**
 * guests_new() - one struct guest for each domain of the control file
 *
 * With the states that the run's record has for them.
 */
int guests_new(struct host *host, struct err *e);
void guests_free(struct host *host);

/* No more to come from it, whatever way it ended. */
bool guest_is_final(const struct guest *guest);
/* It is this machine's own, which is never started nor stopped here. */
bool guest_is_dom0(const struct guest *guest);
/* It is on its way to run, or waits for its turn. */
bool guest_is_starting(const struct guest *guest);

/* Begin with a pending one: create it, or look after it where it is. */
void guest_begin(struct guest *guest);
/* A domain came: is it one that is awaited? */
void guest_on_introduced(struct guest *guest);
/* A domain went: is it this one? */
void guest_on_released(struct guest *guest);
/* One that the record knows to have run in this boot is there no more. */
void guest_went_unseen(struct guest *guest);
/* It does not go on: says so, in record and journal, and stops it if asked. */
void guest_give_up(struct guest *guest, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- between xenstartdomsd-guest.c, -console.c, -progress.c, -end.c, … ---- */

/*
 * Attach its console, as soon as there is one. A paused guest waits for that,
 * GUEST_CONSOLE_S at most, and is let go then: guest_unpause().
 */
int guest_attach(struct guest *guest, struct err *e);
void guest_unpause(struct guest *guest);

/* Tell the domain, and be told by it. Its domid is known. */
int guest_announce(struct guest *guest, struct err *e);
int guest_watch_progress(struct guest *guest, struct err *e);
/* What it says now, heard or not: its end may come before news of it. */
void guest_look(struct guest *guest);
/* No more news are waited for, nor their time limits counted. */
void guest_unwatch(struct guest *guest);
/* Runs by now: has start_timeout from its beginning to report. */
void guest_is_up(struct guest *guest);
/* It went down to come back: it has start_timeout for that. */
void guest_reawait(struct guest *guest);
/* Where a living domain of that name is; -ENOENT if none. */
int guest_find(struct guest *guest, unsigned int *ret_domid, struct err *e);

/* Stop one that is final, if that is asked for or it is only half made. */
void guest_stop(struct guest *guest);

/* @undelivered: it says so; then it is not stopped. */
void guest_is_done(struct guest *guest, bool undelivered);
/* No more to come: stops it if asked, and sees who is next. */
void guest_finish(struct guest *guest, enum guest_state state);

/* Record it, and start it again or let it be. */
void guest_has_died(struct guest *guest, const struct domains_info *info);
/* After guest->deaths deaths, the last one for @reason: is it started again? */
bool guest_may_restart(const struct guest *guest, const char *reason);

/* Keep a domain event. */
void guest_note(struct guest *guest, const char *state, const char *message,
		const char *reason);

/*
 * dom0's watchdog, of HOST_WATCHDOG_S: armed while we have domains to care for. A
 * Xen that has none for us is no failure. It outlives a crash of ours, and is
 * fed again by the next of us.
 */
int watchdog_begin(struct host *host, struct err *e);
void watchdog_end(struct host *host);

/* Boot Xen once more, to go on there; @cause: who of us asks for it. */
int host_boot_again(struct host *host, enum cause cause, struct err *e);

/* What the run's record tells of its boots. */
struct history {
	char wrote[37];	  /* the last boot that wrote anything there */
	enum cause asked; /* who asked, in that boot, for a reboot */
	bool clean;	  /* systemd was taking that boot down */
	unsigned int fruitless; /* in a row: nobody asked, no test was open */
	uint64_t started_usec;	/* when the run began, since 1970 */
};

int history_read(const struct host *host, struct history *ret, struct err *e);

/**
 * charge_open_tests() - the tests that were open when the machine went down
 *
 * Collects what guests left on the share. Each object has domain, test, entry,
 * iteration and step.
 *
 * Return: an array, the caller's; NULL only without memory.
 */
struct json *charge_open_tests(struct host *host);

/* What a boot that ended left behind, and what it says. */
struct evidence {
	struct cause_signs signs;
	char found[384]; /* in words */
};

/**
 * evidence_keep() - what a boot that ended left goes to the run
 * @xen_ran: it is known to have been Xen
 * @ret:     signs.asked and signs.clean are the caller's to set
 */
void evidence_keep(struct host *host, const struct history *history,
		   bool xen_ran, struct evidence *ret);

/**
 * guard_run() - --boot-guard: return to the old system if Xen does not come up
 * @stop: ends the wait; set here too
 *
 * Return: 0 when the boot was proven, is none of ours or @stop was set; a
 * negative errno when the machine could not be rebooted.
 */
int guard_run(int root_fd, struct loop *loop, bool *stop, struct err *e);

#endif
