/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stamp FILE SHA1 - give a hypervisor image a build id of its own
 *
 * FILE is an ELF image for a 32-bit boot loader, as Xen's mkelf32 makes it. The
 * description of its NT_GNU_BUILD_ID note, found through PT_NOTE, is replaced
 * by the 40 hex digits that SHA1 begins with. The note lies inside the loaded
 * segment, so that is also what the hypervisor reports once it runs.
 */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_BYTES 20
#define ALIGN4(n) (((n) + 3UL) & ~3UL)

static void fail(const char *what, const char *file)
{
    fprintf(stderr, "stamp: %s: %s\n", file, what);
    exit(EXIT_FAILURE);
}

static void read_at(FILE *f, long at, void *to, size_t n, const char *file)
{
    if (fseek(f, at, SEEK_SET) != 0 || fread(to, 1, n, f) != n)
        fail("cut short", file);
}

/* Where the 20 bytes lie in the file; -1: not in this segment. */
static long find_build_id(FILE *f, const Elf32_Phdr *segment, const char *file)
{
    unsigned long at = segment->p_offset;
    unsigned long end = at + segment->p_filesz;

    while (at + sizeof(Elf32_Nhdr) <= end) {
        unsigned long desc;
        Elf32_Nhdr note;

        read_at(f, (long)at, &note, sizeof(note), file);
        desc = at + sizeof(note) + ALIGN4(note.n_namesz);
        if (note.n_type == NT_GNU_BUILD_ID && note.n_descsz == ID_BYTES)
            return (long)desc;
        at = desc + ALIGN4(note.n_descsz);
    }
    return -1;
}

static void parse_id(const char *hex, unsigned char id[ID_BYTES])
{
    for (int i = 0; i < ID_BYTES; i++)
        if (sscanf(hex + 2 * i, "%2hhx", &id[i]) != 1)
            fail("not a SHA-1", hex);
}

int main(int argc, char *argv[])
{
    unsigned char id[ID_BYTES];
    Elf32_Ehdr header;
    FILE *f;

    if (argc != 3 || strlen(argv[2]) < 2UL * ID_BYTES)
        fail("usage: stamp FILE SHA1", "arguments");
    parse_id(argv[2], id);
    f = fopen(argv[1], "r+b");
    if (f == NULL)
        fail("cannot be opened", argv[1]);
    read_at(f, 0, &header, sizeof(header), argv[1]);
    if (memcmp(header.e_ident, ELFMAG "\1", SELFMAG + 1) != 0)
        fail("not a 32-bit ELF file", argv[1]);

    for (int i = 0; i < header.e_phnum; i++) {
        Elf32_Phdr segment;
        long at;

        read_at(f, (long)(header.e_phoff + i * sizeof(segment)), &segment, sizeof(segment),
                argv[1]);
        at = segment.p_type == PT_NOTE ? find_build_id(f, &segment, argv[1]) : -1;
        if (at < 0)
            continue;
        if (fseek(f, at, SEEK_SET) != 0 || fwrite(id, 1, ID_BYTES, f) != ID_BYTES ||
            fclose(f) != 0)
            fail("cannot be written", argv[1]);
        printf("build id %.40s\n", argv[2]);
        return EXIT_SUCCESS;
    }
    fail("no build id note", argv[1]);
}
