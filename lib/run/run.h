/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_RUN_RUN_H
#define XENTEST_RUN_RUN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "control/control.h"
#include "run/death.h"
#include "run/record.h"

/*
 * A run, as dom0 keeps it: a directory /var/lib/xentest/runs/RUN/ with
 *   control.conf     the request, byte for byte
 *   record.jsonl     the run's own record: stages, boots, domains
 *   *.log            of the stages; xl-dmesg.log
 *   DOMAIN/          a domain's record.jsonl, console.log; for dom0 the place
 *                    where its xenruntestsd works
 *   summary.txt      once it has ended
 * and, while it is going on, its id in /var/lib/xentest/current.
 *
 * Events of the run's record (xentest-record(5)); "message" is a sentence:
 *   run     run, digest, file, version
 *   plan    domain, tests: names in order; one event a domain
 *   stage   stage, state: "started" | "ok" | "failed" | "skipped", message
 *   reboot  cause: who asks, in this boot, for the next one
 *   shutdown (systemd takes this boot down, whoever asked)
 *   armed   hypervisor, build_id: what the next boot is to be
 *   boot    system: "xen" | "linux", cause: why it came, in words of
 *           boot/cause.h, charged: the tests that were open, each with domain,
 *           test, entry, iteration, step; message, and for Xen: xen,
 *           changeset, build_id, command_line, kernel, proven
 *   domain  domain, state: "starting" | "started" | "running" | "done" |
 *           "died" | "given up", message, reason, test; "started" also has
 *           domid, "died" entry, iteration and step of the test that was
 *           open: run/death.h
 *   trouble domain, message
 *   end     result: "finished" | "failed" | "boot failed" | "aborted",
 *           message
 */

/* All below a root directory, "/" but for tests. */
#define PATH_REQUEST_DIR "etc/xen"
#define PATH_REQUEST "xentest.conf"
#define PATH_STATE_DIR "var/lib/xentest"
#define RUN_CURRENT "current"
#define RUN_CONTROL "control.conf"
#define RUN_SUMMARY "summary.txt"

enum { RUN_ID_MAX = 40 };

struct run {
	char id[RUN_ID_MAX];	/* "20261123-200000-1a2b3c4d" */
	char digest[65];	/* SHA-256 of control.conf, hex */
	int root_fd;		/* borrowed */
	int fd;			/* its directory */
	struct record *record;	/* its own */
	struct control *control;
	char *control_bytes;
	size_t control_length;
};

/**
 * run_create() - make a new run of a control file that passed the checks
 * @root_fd: stays the caller's and outlives the run
 * @bytes:   the control file
 * @file:    how the user called it
 * @ret:     release with run_free()
 *
 * Writes the directory, the record's "run" and "plan" events, the id into
 * "current", and at last gives the directory its name, each durably: a power
 * cut leaves no run, or one that run_load() makes whole.
 *
 * Return: 0, -EBUSY when a run is going on, or a negative errno.
 */
int run_create(int root_fd, const char *bytes, size_t length, const char *file,
	       struct run **ret, struct err *e);

/**
 * run_load() - take up the run that is going on
 * @visit: called for each event in its record; may be NULL
 *
 * Where "current" is damaged, that is the newest run whose record has no end.
 *
 * Return: 0, -ENOENT when none is going on, -EBADMSG when "current" is damaged
 * and there is no such run, -EBUSY when another process holds its record, or a
 * negative errno.
 */
int run_load(int root_fd, struct run **ret,
	     void (*visit)(void *arg, const struct json *event), void *arg,
	     struct err *e);

/* A run id that nobody had before: UTC and a random part. */
int run_new_id(char id[static RUN_ID_MAX], struct err *e);

/*
 * Letters, digits and '-' only, fewer than RUN_ID_MAX: it becomes a file name
 * and part of one.
 */
bool run_is_id(const char *id);

/* The id of the run that is going on, without opening it; -ENOENT if none. */
int run_current(int root_fd, char id[static RUN_ID_MAX], struct err *e);

/**
 * run_note_stage() - add a "stage" event and sync it
 * @message: may be NULL
 */
int run_note_stage(struct run *run, const char *stage, const char *state,
		   const char *message, struct err *e);
/* Likewise a "domain" event; @reason and @test may be NULL. */
int run_note_domain(struct run *run, const char *domain, const char *state,
		    const char *message, const char *reason, const char *test,
		    struct err *e);
/* Likewise a "trouble" event: something about what it left is not as it was. */
int run_note_trouble(struct run *run, const char *domain, const char *message,
		     struct err *e);
/* Likewise its event "started"; @domid is Xen's, in this boot. */
int run_note_started(struct run *run, const char *domain, const char *message,
		     unsigned int domid, struct err *e);
/* Likewise its event "died"; @test is the one that was open, or NULL. */
int run_note_death(struct run *run, const char *domain, const char *message,
		   const char *test, const struct death *death, struct err *e);

/* Likewise a "reboot" event: who asks for one now, in words of cause.h. */
int run_note_reboot(struct run *run, const char *cause, struct err *e);
/* Likewise a "shutdown" event: systemd is taking this boot down. */
int run_note_shutdown(struct run *run, struct err *e);

/* Opens RUN/NAME/ of a domain, making it. */
int run_domain_dir(const struct run *run, const char *domain, int *ret_fd,
		   struct err *e);

/**
 * run_end() - say that it has ended, whatever way, and put the request away
 * @result:  as in the "end" event
 * @message: one sentence
 *
 * Adds "end", writes RUN/summary.txt, and SHARED_DIR/summary.txt where that
 * can be written, says the summary in the journal, removes the request
 * /etc/xen/xentest.conf when it is still this run's, and "current" last: a
 * power cut in between leads here again.
 */
int run_end(struct run *run, const char *result, const char *message,
	    struct err *e);

void run_free(struct run *run);
void run_freep(struct run **run);

/* This kernel's boot id, 36 characters and a NUL. */
int run_boot_id(char boot_id[static 37], struct err *e);

#endif
