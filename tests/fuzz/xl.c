/* SPDX-License-Identifier: BSD-2-Clause */
/* A config for xl, and the output of xl that an error quotes. */
#include "fuzz.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "xen/toolstack.h"
#include "xen/words.h"

/* The name that was read is read again out of the plainest config. */
static void read_again(const char *name, int fd, const char *path)
{
	char quote = strchr(name, '"') == NULL ? '"' : '\'';
	CLEANUP(freep) char *config =
		text_format("name=%c%s%c\n", quote, name, quote);
	CLEANUP(freep) char *again = NULL;

	must(strpbrk(name, "\n;") == NULL);
	fuzz_fill(fd, config, strlen(config));
	again = toolstack_config_name(path);
	must(again != NULL && strcmp(again, name) == 0);
}

static void check_words(int fd)
{
	char words[WORDS_MAX];

	words_read(fd, words);
	must(strlen(words) < WORDS_MAX);
	must(fuzz_is_plain(words, ""));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	CLEANUP(freep) char *path = text_format("%s/config", fuzz_dir_path());
	CLEANUP(freep) char *name = NULL;

	if (fd < 0)
		fd = fuzz_file("config");
	fuzz_fill(fd, data, size);
	check_words(fd);
	name = toolstack_config_name(path);
	if (name != NULL)
		read_again(name, fd, path);
	return 0;
}
