/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_TESTS_FAULT_SHIM_H
#define XENTEST_TESTS_FAULT_SHIM_H

#include <stdint.h>

/*
 * Between shim.c, in each process of a run, and world.py, which starts them.
 * disk.py has the same layouts for Python's struct.
 */

/* What a call does to a disk. "n/a" below: the field is 0 or empty. */
enum kind {
	KIND_CREATE = 1, /* dir, name, ino */
	KIND_MKDIR,	 /* dir, name, ino */
	KIND_SYMLINK,	 /* dir, name, ino; data: where to */
	KIND_LINK,	 /* dir, name, ino */
	KIND_UNLINK,	 /* dir, name */
	KIND_RMDIR,	 /* dir, name */
	KIND_RENAME,	 /* dir, name: from; dir2, name2: to */
	KIND_WRITE,	 /* ino, offset, data */
	KIND_RESIZE,	 /* ino; offset: the new size */
	KIND_FSYNC,	 /* ino: file or directory, data and all */
	KIND_SYNCFS,	 /* ino: somewhere on that file system; 0: of all */
	KIND_CLOSE,	 /* ino: of a file that may have been written */
	KIND_RUN,	 /* not a call: a test said that it runs; data */
	KIND_COUNT,
};

enum {
	ROLES = 8,	/* who: a daemon with its children is one */
	ROLE_NOBODY = 0, /* counts nothing */
	MUTATION_MAX = 256,
};

enum fault {
	FAULT_NONE,
	FAULT_KILL,    /* the process ends before its call */
	FAULT_TEAR,    /* … after half of its write */
	FAULT_ONCE,    /* the call fails */
	FAULT_FOREVER, /* it fails, and every other after it, of everybody */
};

/* A file that all map. */
struct shared {
	uint32_t lock; /* pid of who holds it; 0: nobody */
	uint32_t fault;
	uint32_t role;	 /* whose call is hit, … */
	uint32_t number; /* … which of them, from 1, … */
	uint32_t error;	 /* … with which errno */
	uint32_t fired;	 /* how often that was */
	uint32_t counts[ROLES];
	uint64_t device;  /* of the disk; calls elsewhere do not count */
	uint64_t run_ino; /* the file that tests write a line into */
	/*
	 * A bug on purpose, one of
	 *   skip KIND END          calls of that kind on a path that ends so
	 *                          succeed and do nothing
	 *   early KIND END PATH    PATH is removed before such a call
	 * "": none
	 */
	char mutation[MUTATION_MAX];
};

/* One call that succeeded; names and data follow. Little-endian, packed. */
struct __attribute__((packed)) trace {
	uint8_t kind;
	uint8_t role;
	uint16_t name_length;
	uint16_t name2_length;
	uint16_t reserved;
	uint32_t number;
	uint32_t data_length;
	uint64_t ino;
	uint64_t dir;
	uint64_t dir2;
	uint64_t offset;
};

#endif
