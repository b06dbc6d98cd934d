/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <stdlib.h>

#include "boot/grub_menu.h"

#include "test-grub-cfg.h"

static struct grub_menu read_menu(const char *text)
{
	struct grub_menu menu = GRUB_MENU_NONE;
	struct err e = ERR_NONE;

	if (grub_menu_add(&menu, text, &e) < 0)
		fail_msg("%s", e.text);
	return menu;
}

static void what_update_grub_writes_is_understood(void **state)
{
	struct grub_menu menu = read_menu(debian_cfg);

	(void)state;
	assert_int_equal(menu.count, 9);
	assert_true(menu.next_entry);
	assert_true(menu.custom);
	assert_string_equal(menu.default_entry, "${saved_entry}");
	assert_string_equal(menu.entries[0].title, "Debian GNU/Linux");
	assert_string_equal(menu.entries[0].id,
			    "gnulinux-simple-9a5f6d3e-2f0b-4c1d-8e57-77e11c0de001");
	assert_false(menu.entries[0].xen);
	assert_true(menu.entries[1].submenu);
	assert_int_equal(menu.entries[2].parent, 1);
	assert_true(menu.entries[4].xen);
	assert_int_equal(menu.entries[4].parent, -1);
	assert_int_equal(menu.entries[6].parent, 5);
	assert_int_equal(menu.entries[7].parent, 6);
	assert_true(menu.entries[7].xen);
	assert_false(menu.entries[6].xen);
	grub_menu_done(&menu);
}

static void an_entry_is_found_as_grub_finds_it(void **state)
{
	static const struct {
		const char *name;
		int index; /* -1: none */
	} cases[] = {
		{ "0", 0 },
		{ "2", 4 },
		{ "1>1", 3 },
		{ "1", 2 }, /* a submenu stands for its first entry */
		{ "3", 7 },
		{ "Debian GNU/Linux", 0 },
		{ "xen-gnulinux-simple-9a5f6d3e-2f0b-4c1d-8e57-77e11c0de001",
		  4 },
		{ "Advanced options for Debian GNU/Linux (with Xen hypervisor)>Xen hypervisor, version 4.17-amd64>Debian GNU/Linux, with Xen 4.17-amd64 and Linux 6.1.0-56-amd64",
		  7 },
		{ "3>0>1", 8 },
		{ "4", -1 },
		{ "0>0", -1 },
		{ "", -1 },
		{ "debian gnu/linux", -1 },
		{ "99999999999999999999", -1 },
	};
	struct grub_menu menu = read_menu(debian_cfg);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct grub_entry *entry =
			grub_menu_find(&menu, cases[i].name);

		assert_int_equal(entry == NULL ? -1 : entry - menu.entries,
				 cases[i].index);
	}
	grub_menu_done(&menu);
}

static void a_doubled_sign_is_part_of_a_title(void **state)
{
	struct grub_menu menu = read_menu("menuentry 'a > b' { true }\n");

	(void)state;
	/* "{ true }" on one line: the block is closed all the same. */
	assert_non_null(grub_menu_find(&menu, "a >> b"));
	assert_null(grub_menu_find(&menu, "a > b"));
	grub_menu_done(&menu);
}

static void quotes_and_variables_are_no_blocks(void **state)
{
	static const char text[] =
		"set default=\"0\"\n"
		"if [ \"${next_entry}\" ]; then set default=$next_entry; fi\n"
		"menuentry \"it\\\"s {\" --class x --users '' --id=one {\n"
		"\tset x=${y}\n"
		"\techo '}' \"}\" \\} # }\n"
		"\tif [ a ]; then multiboot2 /xen; fi\n"
		"}\n"
		"menuentry 'can'\\''t' --hotkey k --unrestricted --id \\\n"
		"\ttw\\\no {\n\tlinux /vmlinuz multiboot2\n}\n";
	struct grub_menu menu = read_menu(text);

	(void)state;
	assert_int_equal(menu.count, 2);
	assert_string_equal(menu.entries[0].title, "it\"s {");
	assert_string_equal(menu.entries[0].id, "one");
	assert_true(menu.entries[0].xen);
	assert_string_equal(menu.entries[1].title, "can't");
	assert_string_equal(menu.entries[1].id, "two");
	assert_false(menu.entries[1].xen);
	assert_string_equal(menu.default_entry, "0");
	grub_menu_done(&menu);
}

static void a_default_inside_an_entry_is_not_the_menus(void **state)
{
	struct grub_menu menu = read_menu(
		"set default=Linux\n"
		"menuentry Xen {\n\tdefault=Other\n\tchainloader /xen.efi\n}\n");

	(void)state;
	assert_string_equal(menu.default_entry, "Linux");
	assert_true(menu.entries[0].xen);
	assert_false(menu.next_entry);
	assert_false(menu.custom);
	grub_menu_done(&menu);
}

static void a_second_file_adds_to_the_menu(void **state)
{
	struct grub_menu menu = read_menu(debian_cfg);
	struct err e = ERR_NONE;

	(void)state;
	assert_int_equal(grub_menu_add(&menu,
				       "menuentry x --id xentest {\n}\n", &e),
			 0);
	assert_ptr_equal(grub_menu_find(&menu, "xentest"), &menu.entries[9]);
	assert_ptr_equal(grub_menu_find(&menu, "4"), &menu.entries[9]);
	grub_menu_done(&menu);
}

static void a_broken_file_is_refused_with_its_reason(void **state)
{
	static const struct {
		const char *text;
		const char *why;
	} cases[] = {
		{ "menuentry 'x {\n}\n", "a quote that is not closed" },
		{ "echo \"x\n", "a quote that is not closed" },
		{ "menuentry x {\n", "a \"{\" that is not closed" },
		{ "}\n", "a \"}\" that closes nothing" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct grub_menu menu = GRUB_MENU_NONE;
		struct err e = ERR_NONE;

		assert_int_equal(grub_menu_add(&menu, cases[i].text, &e),
				 -EBADMSG);
		assert_string_equal(e.text, cases[i].why);
		grub_menu_done(&menu);
	}
}

static void blocks_without_end_are_refused(void **state)
{
	struct grub_menu menu = GRUB_MENU_NONE;
	struct err e = ERR_NONE;
	char text[3 * 100 + 1] = "";

	(void)state;
	for (size_t i = 0; i < 100; i++)
		strcpy(text + 2 * i, "{ ");
	assert_int_equal(grub_menu_add(&menu, text, &e), -EBADMSG);
	grub_menu_done(&menu);
}

/* Cut anywhere: an answer or a sentence, never a step outside the text. */
static void a_torn_file_does_no_harm(void **state)
{
	(void)state;
	for (size_t length = 0; length < sizeof(debian_cfg) - 1; length++) {
		CLEANUP(freep) char *text = strndup(debian_cfg, length);
		struct grub_menu menu = GRUB_MENU_NONE;
		struct err e = ERR_NONE;
		int r = grub_menu_add(&menu, text, &e);

		assert_true(r == 0 || r == -EBADMSG);
		grub_menu_done(&menu);
	}
}

static void a_command_of_many_words_is_taken(void **state)
{
	static char text[8192] = "menuentry x --id many";
	struct grub_menu menu;

	(void)state;
	while (strlen(text) < 4000)
		strcat(text, " word");
	strcat(text, " {\n multiboot2 /xen\n}\n");
	menu = read_menu(text);
	assert_int_equal(menu.count, 1);
	assert_true(menu.entries[0].xen);
	assert_string_equal(menu.entries[0].id, "many");
	grub_menu_done(&menu);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_update_grub_writes_is_understood),
		cmocka_unit_test(an_entry_is_found_as_grub_finds_it),
		cmocka_unit_test(a_doubled_sign_is_part_of_a_title),
		cmocka_unit_test(quotes_and_variables_are_no_blocks),
		cmocka_unit_test(a_default_inside_an_entry_is_not_the_menus),
		cmocka_unit_test(a_second_file_adds_to_the_menu),
		cmocka_unit_test(a_broken_file_is_refused_with_its_reason),
		cmocka_unit_test(blocks_without_end_are_refused),
		cmocka_unit_test(a_torn_file_does_no_harm),
		cmocka_unit_test(a_command_of_many_words_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
