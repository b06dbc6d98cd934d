/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_RUN_ASKING_H
#define XENTEST_RUN_ASKING_H

#include "base/err.h"
#include "base/loop.h"

/*
 * How a test asks for a reboot: it connects to an abstract unix socket, whose
 * name it has from its environment. The connection is the whole question, so
 * nothing that a client sends is ever read, none can keep the daemon waiting,
 * and none leaves anything behind. The answer is one line.
 */
#define ASKING_VARIABLE "XENTEST_SOCKET"

struct asking;

/**
 * asking_open() - listen, from now on
 * @user: who may ask besides root, a user's name; NULL: nobody
 * @may:  called for each question of theirs: NULL to accept it, else one line
 *        that says why not
 * @ret:  the caller's, for asking_close()
 *
 * The socket is of this network namespace, and so must be who asks.
 *
 * Return: 0 or a negative errno.
 * Source: unix(7), "abstract", "Autobind feature", SO_PEERCRED.
 */
int asking_open(struct loop *loop, const char *user,
		const char *(*may)(void *arg), void *arg, struct asking **ret,
		struct err *e);

/* For ASKING_VARIABLE: "@0012f"; as long as it is open. */
const char *asking_name(const struct asking *asking);

void asking_close(struct asking *asking); /* NULL is fine */
void asking_closep(struct asking **asking);

/**
 * asking_ask() - the other side: ask, and wait for the answer
 * @name: what stands in ASKING_VARIABLE
 *
 * Return: 0 when it was accepted; -EPERM with the reason when it was refused;
 * another negative errno when nobody could be asked.
 */
int asking_ask(const char *name, struct err *e);

#endif
