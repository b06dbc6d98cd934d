/* SPDX-License-Identifier: BSD-2-Clause */
#include "scratch.h"

#include <elf.h>
#include <sys/stat.h>

#include "boot/ring.h"

enum {
	MEMORY_BYTES = 3 * 1024 * 1024,
	MEMORY_AT = 0x4000, /* in the file */
};

#define MARK "xentest-20261123-200000-1a2b3c4d-3"
#define COMMAND_LINE "(XEN) Command line: " MARK " console=com1\n"

/* A kcore with one segment of memory, and one that is none. */
struct kcore {
	char *bytes; /* of the memory */
	Elf64_Ehdr header;
	Elf64_Phdr segments[2];
};

static struct kcore *kcore_new(void)
{
	struct kcore *kcore = calloc(1, sizeof(*kcore));

	kcore->bytes = malloc(MEMORY_BYTES);
	for (size_t i = 0; i < MEMORY_BYTES; i++)
		kcore->bytes[i] = (char)(i * 7 / 3);
	memcpy(kcore->header.e_ident, ELFMAG, SELFMAG);
	kcore->header.e_phoff = sizeof(kcore->header);
	kcore->header.e_phentsize = sizeof(Elf64_Phdr);
	kcore->header.e_phnum = 2;
	kcore->segments[0] = (Elf64_Phdr){
		.p_type = PT_LOAD,
		.p_offset = MEMORY_AT,
		.p_paddr = (Elf64_Addr)-1, /* kernel text, or vmalloc */
		.p_filesz = MEMORY_BYTES,
	};
	kcore->segments[1] = kcore->segments[0];
	kcore->segments[1].p_paddr = 0x100000;
	return kcore;
}

static void kcore_place(struct kcore *kcore, size_t at, const char *text)
{
	if (at > 0) /* the line before it */
		kcore->bytes[at - 1] = '\n';
	memcpy(kcore->bytes + at, text, strlen(text));
	kcore->bytes[at + strlen(text)] = '\0';
}

static void write_at(int fd, const void *bytes, size_t size, off_t at)
{
	assert_int_equal(pwrite(fd, bytes, size, at), (ssize_t)size);
}

/* Writes it into the scratch root, looks, and frees it. */
static int find(const struct scratch *s, struct kcore *kcore, char **ret)
{
	CLEANUP(fd_close) int fd = -1;
	struct err e = ERR_NONE;

	make_dirs(s, "proc");
	fd = openat(s->fd, "proc/kcore", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	write_at(fd, &kcore->header, sizeof(kcore->header), 0);
	write_at(fd, kcore->segments, sizeof(kcore->segments),
		 sizeof(kcore->header));
	write_at(fd, kcore->bytes, MEMORY_BYTES, MEMORY_AT);
	free(kcore->bytes);
	free(kcore);
	return ring_find(s->fd, MARK, ret, &e);
}

static void a_ring_is_found_wherever_it_lies(void **state)
{
	/* Across the end of a chunk, at the beginning, and close to the end. */
	static const size_t places[] = { 0, 4096, 1024 * 1024 - 30,
					 1024 * 1024 + 1000,
					 MEMORY_BYTES - 200 };
	static const char text[] = COMMAND_LINE "(XEN) System RAM: 2559MB\n";

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		struct kcore *kcore = kcore_new();
		CLEANUP(freep) char *ring = NULL;

		kcore_place(kcore, places[i], text);
		assert_int_equal(find(*state, kcore, &ring), 0);
		assert_string_equal(ring, text);
	}
}

static void what_an_older_ring_left_behind_it_is_no_part_of_it(void **state)
{
	struct kcore *kcore = kcore_new();
	CLEANUP(freep) char *ring = NULL;

	kcore_place(kcore, 5000,
		    COMMAND_LINE "(XEN) *** Serial input to DOM0\n"
				 "ld line, cut off\n(XEN) Panic on CPU 0:\n");
	assert_int_equal(find(*state, kcore, &ring), 0);
	assert_string_equal(ring,
			    COMMAND_LINE "(XEN) *** Serial input to DOM0\n");
}

static void the_longest_of_several_copies_counts(void **state)
{
	struct kcore *kcore = kcore_new();
	CLEANUP(freep) char *ring = NULL;

	kcore_place(kcore, 5000, COMMAND_LINE);
	kcore_place(kcore, 90000, COMMAND_LINE "(XEN) Panic on CPU 0:\n");
	kcore_place(kcore, 190000, COMMAND_LINE "(XEN) short\n");
	assert_int_equal(find(*state, kcore, &ring), 0);
	assert_non_null(strstr(ring, "Panic"));
}

static void the_mark_elsewhere_is_no_ring(void **state)
{
	struct kcore *kcore = kcore_new();
	CLEANUP(freep) char *ring = NULL;

	kcore_place(kcore, 5000, "\tmultiboot2 /boot/xen.gz " MARK " x\n");
	kcore_place(kcore, 9000,
		    "(XEN) Command line: xentest-other-1 x\n");
	assert_int_equal(find(*state, kcore, &ring), -ENOENT);
	assert_null(ring);
}

static void a_kcore_that_makes_no_sense_is_said_so(void **state)
{
	struct kcore *kcore = kcore_new();
	CLEANUP(freep) char *ring = NULL;

	kcore->header.e_ident[0] = 'X';
	assert_int_equal(find(*state, kcore, &ring), -EBADMSG);
	kcore = kcore_new();
	kcore->header.e_phoff = UINT64_C(1) << 60;
	assert_int_equal(find(*state, kcore, &ring), -EBADMSG);
	kcore = kcore_new();
	kcore->segments[1].p_offset = UINT64_MAX;
	assert_int_equal(find(*state, kcore, &ring), -ENOENT);
	assert_null(ring);
}

static void without_kcore_memory_cannot_be_looked_at(void **state)
{
	const struct scratch *s = *state;
	struct err e = ERR_NONE;
	char *ring = NULL;

	make_dirs(s, "proc");
	assert_int_equal(ring_find(s->fd, MARK, &ring, &e), -ENODEV);
	assert_non_null(strstr(e.text, "kcore"));
}

static void the_last_words_tell_the_end(void **state)
{
	static const struct {
		const char *text;
		enum ring_end end;
		const char *line;
	} cases[] = {
		{ "(XEN) nothing\n", RING_SILENT, "" },
		{ "(XEN) Hardware Dom0 shutdown: rebooting machine\n",
		  RING_REBOOT, "Hardware Dom0 shutdown: rebooting machine" },
		{ "(XEN) Hardware Dom0 halted: halting machine\n", RING_REBOOT,
		  "Hardware Dom0 halted: halting machine" },
		{ "(XEN) Hardware Dom0 crashed: rebooting machine in 5 seconds.\n",
		  RING_DOM0_CRASH,
		  "Hardware Dom0 crashed: rebooting machine in 5 seconds." },
		{ "(XEN) Hardware Dom0 shutdown: watchdog rebooting machine\n",
		  RING_DOM0_WATCHDOG,
		  "Hardware Dom0 shutdown: watchdog rebooting machine" },
		{ "(XEN) Panic on CPU 0:\r\n(XEN) FATAL TRAP: vector = 2\n",
		  RING_PANIC, "Panic on CPU 0:" },
		{ "(XEN) Watchdog timer detects that CPU0 is stuck!\n"
		  "(XEN) Panic on CPU 0:\n",
		  RING_WATCHDOG, "Watchdog timer detects that CPU0 is stuck!" },
	};
	char line[160];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(ring_end_of(cases[i].text, line),
				 cases[i].end);
		assert_string_equal(line, cases[i].line);
	}
}

static void a_boots_mark_is_one_short_word(void **state)
{
	char mark[RING_MARK_MAX];

	(void)state;
	ring_mark("20261123-200000-1a2b3c4d", 3, mark);
	assert_string_equal(mark, MARK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRATCH_TEST(a_ring_is_found_wherever_it_lies),
		SCRATCH_TEST(what_an_older_ring_left_behind_it_is_no_part_of_it),
		SCRATCH_TEST(the_longest_of_several_copies_counts),
		SCRATCH_TEST(the_mark_elsewhere_is_no_ring),
		SCRATCH_TEST(a_kcore_that_makes_no_sense_is_said_so),
		SCRATCH_TEST(without_kcore_memory_cannot_be_looked_at),
		cmocka_unit_test(the_last_words_tell_the_end),
		cmocka_unit_test(a_boots_mark_is_one_short_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
