/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xs write PATH TEXT       one write to xenstore; prints what came of it
 * xs flood PATH SECONDS TEXT TEXT   both in turn, without pause; prints how often
 *
 * A guest that respects no library: it speaks xs_wire.h to /dev/xen/xenbus.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { XS_WRITE = 11, XS_ERROR = 16 };

struct header {
	uint32_t type;
	uint32_t request;
	uint32_t transaction;
	uint32_t length;
};

/* Prints the word that xenstored answers: OK, EACCES, … */
static int put(int fd, const char *path, const char *text, char answer[64])
{
	char bytes[4096];
	struct header header = { .type = XS_WRITE };
	size_t names = strlen(path) + 1;

	header.length = (uint32_t)(names + strlen(text));
	memcpy(bytes, &header, sizeof(header));
	memcpy(bytes + sizeof(header), path, names);
	memcpy(bytes + sizeof(header) + names, text, strlen(text));
	if (write(fd, bytes, sizeof(header) + header.length) < 0 ||
	    read(fd, &header, sizeof(header)) != sizeof(header) ||
	    header.length >= 64 ||
	    read(fd, answer, header.length) != (ssize_t)header.length)
		return -1;
	answer[header.length] = '\0';
	return 0;
}

int main(int argc, char *argv[])
{
	int fd = open("/dev/xen/xenbus", O_RDWR);
	char answer[64] = "no answer";
	unsigned long count = 0;
	time_t end;

	if (fd < 0 || argc < 4)
		return 1;
	if (strcmp(argv[1], "write") == 0) {
		put(fd, argv[2], argv[3], answer);
		printf("evil: write %s: %s\n", argv[2], answer);
		return 0;
	}
	end = time(NULL) + atoi(argv[3]);
	while (time(NULL) < end && put(fd, argv[2], argv[4 + count % 2],
				       answer) == 0)
		count++;
	printf("evil: %lu writes, the last one: %s\n", count, answer);
	return 0;
}
