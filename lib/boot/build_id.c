/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/build_id.h"

#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "source/gunzip.h"

enum {
	IMAGE_BYTES_MAX = 64 * 1024 * 1024,
	ID_BYTES_MAX = (BUILD_ID_MAX - 1) / 2,
	/* Far more than any image has: looking at it stays quick. */
	HEADERS_MAX = 128,
	NOTES_BYTES_MAX = 64 * 1024,
};

/* ---- bytes from anywhere ----------------------------------------------- */

struct span {
	const unsigned char *bytes;
	size_t length;
};

/* A part of @whole; false when it does not lie within. */
static bool part(struct span whole, uint64_t offset, uint64_t length,
		 struct span *ret)
{
	if (offset > whole.length || length > whole.length - offset)
		return false;
	ret->bytes = whole.bytes + offset;
	ret->length = (size_t)length;
	return true;
}

/* Copied out, as nothing says that it is aligned. */
static bool copy(struct span whole, uint64_t offset, void *to, size_t length)
{
	struct span from;

	if (!part(whole, offset, length, &from))
		return false;
	memcpy(to, from.bytes, length);
	return true;
}

/* ---- notes ------------------------------------------------------------- */

static void to_hex(struct span id, char hex[static BUILD_ID_MAX])
{
	for (size_t i = 0; i < id.length; i++)
		snprintf(hex + 2 * i, 3, "%02x", id.bytes[i]);
}

static uint64_t align4(uint64_t size)
{
	return (size + 3) & ~UINT64_C(3);
}

static bool find_in_notes(struct span notes, char hex[static BUILD_ID_MAX])
{
	uint64_t offset = 0;
	Elf32_Nhdr note; /* the same in 64-bit files */

	if (notes.length > NOTES_BYTES_MAX)
		notes.length = NOTES_BYTES_MAX;
	while (copy(notes, offset, &note, sizeof(note))) {
		uint64_t name_at = offset + sizeof(note);
		uint64_t id_at = name_at + align4(note.n_namesz);
		char name[4] = "";
		struct span id;

		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
		    copy(notes, name_at, name, sizeof(name)) &&
		    memcmp(name, ELF_NOTE_GNU, sizeof(name)) == 0 &&
		    note.n_descsz > 0 && note.n_descsz <= ID_BYTES_MAX &&
		    part(notes, id_at, note.n_descsz, &id)) {
			to_hex(id, hex);
			return true;
		}
		offset = id_at + align4(note.n_descsz);
	}
	return false;
}

/* ---- program headers --------------------------------------------------- */

/* Where the table is, and of which form. */
struct table {
	uint64_t offset;
	uint16_t size;
	uint16_t count;
	bool wide; /* ELF64 */
};

static bool read_table(struct span image, struct table *table)
{
	Elf32_Ehdr narrow;
	Elf64_Ehdr wide;

	table->wide = image.bytes[EI_CLASS] == ELFCLASS64;
	if (table->wide) {
		if (!copy(image, 0, &wide, sizeof(wide)))
			return false;
		table->offset = wide.e_phoff;
		table->size = wide.e_phentsize;
		table->count = wide.e_phnum;
		return table->size >= sizeof(Elf64_Phdr);
	}
	if (!copy(image, 0, &narrow, sizeof(narrow)))
		return false;
	table->offset = narrow.e_phoff;
	table->size = narrow.e_phentsize;
	table->count = narrow.e_phnum;
	return table->size >= sizeof(Elf32_Phdr);
}

static bool read_notes(struct span image, const struct table *table,
		       unsigned int index, struct span *ret)
{
	uint64_t at;
	Elf32_Phdr narrow;
	Elf64_Phdr wide;

	if (__builtin_add_overflow(table->offset,
				   (uint64_t)index * table->size, &at))
		return false;
	if (table->wide)
		return copy(image, at, &wide, sizeof(wide)) &&
		       wide.p_type == PT_NOTE &&
		       part(image, wide.p_offset, wide.p_filesz, ret);
	return copy(image, at, &narrow, sizeof(narrow)) &&
	       narrow.p_type == PT_NOTE &&
	       part(image, narrow.p_offset, narrow.p_filesz, ret);
}

static bool is_elf(struct span image)
{
	return image.length >= EI_NIDENT &&
	       memcmp(image.bytes, ELFMAG, SELFMAG) == 0 &&
	       image.bytes[EI_DATA] == ELFDATA2LSB &&
	       (image.bytes[EI_CLASS] == ELFCLASS32 ||
		image.bytes[EI_CLASS] == ELFCLASS64);
}

int build_id_find(const void *image, size_t length,
		  char hex[static BUILD_ID_MAX], struct err *e)
{
	struct span whole = { image, length };
	struct table table;

	if (!is_elf(whole) || !read_table(whole, &table))
		return err_set(e, -ENOEXEC, "not an ELF image of this machine");
	for (unsigned int i = 0; i < table.count && i < HEADERS_MAX; i++) {
		struct span notes = { NULL, 0 };

		if (read_notes(whole, &table, i, &notes) &&
		    find_in_notes(notes, hex))
			return 0;
	}
	return err_set(e, -ENODATA, "it has no GNU build id");
}

/* ---- files ------------------------------------------------------------- */

static bool is_gzip(const char *bytes, size_t length)
{
	return length > 2 && memcmp(bytes, "\x1F\x8B", 2) == 0;
}

static int read_image(int dir_fd, const char *name, char **ret, size_t *length,
		      struct err *e)
{
	CLEANUP(freep) char *packed = NULL;
	int r;

	r = file_read(dir_fd, name, IMAGE_BYTES_MAX, &packed, length, e);
	if (r < 0)
		return r;
	if (is_gzip(packed, *length))
		return gunzip_bytes(packed, *length, IMAGE_BYTES_MAX, ret,
				    length, e);
	*ret = TAKE_PTR(packed);
	return 0;
}

int build_id_read(int dir_fd, const char *name, char hex[static BUILD_ID_MAX],
		  struct err *e)
{
	CLEANUP(freep) char *image = NULL;
	size_t length;
	int r;

	r = read_image(dir_fd, name, &image, &length, e);
	if (r == 0)
		r = build_id_find(image, length, hex, e);
	return r < 0 ? err_wrap(e, r, "%s", name) : 0;
}
