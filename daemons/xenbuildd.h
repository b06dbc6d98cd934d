/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_DAEMONS_XENBUILDD_H
#define XENTEST_DAEMONS_XENBUILDD_H

#include <stdbool.h>

#include "base/child.h"
#include "base/err.h"
#include "base/journal.h"
#include "base/loop.h"
#include "run/run.h"

/* What xenbuildd does for one run. */
struct build {
	struct loop *loop;
	int root_fd;
	char *destdir; /* of --root, absolute; NULL: the real root */
	bool no_reboot;
	struct run *run;
	struct journal about;
	int work_fd;	     /* WORKDIR/work/RUN/: the tree is in there */
	char tree_name[256]; /* its directory there */
	char tag[16];	     /* "-xt1a2b3c4d": XEN_VENDORVERSION */
	char xen[256];	     /* what was installed: a name in /boot */
	char build_id[129];  /* of that, hex; empty: the Xen that is there */
	char outcome[512];   /* of the stage, for its record; "" for none */
	bool armed; /* what the next boot is has been touched */
	struct child *current;
	bool stopping;
};

/**
 * request_take() - make a run of the request, or take up the one going on
 * @build: loop, root_fd set; run and about are filled in
 * @file:  copied to /etc/xen/xentest.conf first; NULL: what is there
 *
 * A request that does not pass the checks is moved to xentest.conf.rejected,
 * its messages to xentest.conf.rejected.log.
 *
 * Return: 1 when there is a run to do; 0 when there is nothing to do (no
 * request, or a run that has left this stage), which was said; -EINVAL for a
 * request that was rejected; another negative errno.
 */
int request_take(struct build *build, const char *file, struct err *e);

/*
 * The stages. Each answers 0; -ECANCELED when it was told to stop; another
 * negative errno, which ends the run.
 */
int stage_check(struct build *build, struct err *e); /* could it boot once? */
int stage_fetch(struct build *build, struct err *e);
int stage_build(struct build *build, struct err *e);
int stage_install(struct build *build, struct err *e);
int stage_boot(struct build *build, struct err *e);   /* entry, marker, once */
int stage_reboot(struct build *build, struct err *e);

/* Take back what stage_boot() did, as far as it came. */
void undo_boot(struct build *build);

/* Opens WORKDIR/work/RUN/ and sets tag; before the first stage. */
int build_prepare(struct build *build, struct err *e);

/* Opens RUN/STAGE.log for appending. */
int build_open_log(const struct build *build, const char *stage, int *ret_fd,
		   struct err *e);

/*
 * Were we told to stop? Looks at what has happened but was not handled yet:
 * when the machine goes down, a child may end by the same signal before we get
 * to ours.
 */
bool build_is_stopping(const struct build *build);

/* The last lines of STAGE.log, into the journal. */
void build_say_tail(const struct build *build, const char *stage);

#endif
