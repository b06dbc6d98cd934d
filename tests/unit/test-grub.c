/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include "boot/grub.h"
#include "boot/grub_env.h"

#include "test-boot-root.h"
#include "test-grub-cfg.h"

#define ENVIRONMENT "# GRUB Environment Block\n"

/* GRUB's programs, as far as we use them; tests/vm has the real ones. */
static const char fake_reboot[] =
	"#!/bin/sh\n"
	"file=${1#--boot-directory=}/grub/grubenv\n"
	"[ -w \"$file\" ] || { echo 'grub-editenv: error: cannot open'; exit 1; }\n"
	"printf '# GRUB Environment Block\\nsaved_entry=0\\nnext_entry=%s\\n####' \"$2\" >$file\n";

static const char fake_editenv[] =
	"#!/bin/sh\n"
	"[ \"$2 $3\" = 'unset next_entry' ] || exit 1\n"
	"grep -v ^next_entry= \"$1\" >\"$1\".new; mv \"$1\".new \"$1\"\n";

static const char fake_probe[] = "#!/bin/sh\n"
				 "echo 'warning: something else' >&2\n"
				 "case $1 in\n"
				 "--target=fs_uuid) echo 1234-abcd ;;\n"
				 "--target=fs) echo ext2 ;;\n"
				 "--target=partmap) echo gpt ;;\n"
				 "esac\n";

static const char fake_check[] = "#!/bin/sh\n"
				 "! grep -q SYNTAX-ERROR\n";

static void put_tool(const struct root *root, const char *name,
		     const char *script)
{
	char path[64];

	snprintf(path, sizeof(path), "bin/%s", name);
	root_put(root, path, script, 0755);
}

static int set_up(void **state)
{
	struct root *root = root_new();
	char path[128];

	put_tool(root, "grub-reboot", fake_reboot);
	put_tool(root, "grub-editenv", fake_editenv);
	put_tool(root, "grub-probe", fake_probe);
	put_tool(root, "grub-mkrelpath", "#!/bin/sh\necho /@/boot\n");
	put_tool(root, "grub-script-check", fake_check);
	snprintf(path, sizeof(path), "%s/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		 root->path);
	setenv("PATH", path, 1);
	root_put(root, "boot/grub/grub.cfg", debian_cfg, 0644);
	root_put(root, "boot/grub/grubenv", ENVIRONMENT "####", 0644);
	root_put_kernel(root);
	root->plan.method = CONTROL_BOOT_GRUB;
	root->plan.watchdog = true;
	root->plan.hypervisor = "/boot/xen-4.17.5-xt1a2b3c4d.gz";
	*state = root;
	return 0;
}

static int tear_down(void **state)
{
	root_free(*state);
	return 0;
}

static void next_entry_is(const struct root *root, const char *expected)
{
	CLEANUP(fd_close) int fd = openat(root->fd, "boot/grub", O_RDONLY);
	CLEANUP(freep) char *next = NULL;
	struct err e = ERR_NONE;

	assert_int_equal(grub_env_get(fd, "next_entry", &next, &e), 0);
	assert_string_equal(next, expected);
}

static void is_refused(const struct root *root, int number, const char *why)
{
	struct err e = ERR_NONE;

	assert_int_equal(grub_check(&root->plan, &e), number);
	if (strstr(e.text, why) == NULL)
		fail_msg("not \"%s\" but: %s", why, e.text);
	assert_int_equal(grub_arm(&root->plan, &e), number);
	next_entry_is(root, "");
}

static void a_check_changes_nothing(void **state)
{
	struct root *root = *state;
	struct err e = ERR_NONE;

	root->plan.hypervisor = NULL;
	if (grub_check(&root->plan, &e) < 0)
		fail_msg("%s", e.text);
	assert_null(root_get(root, "boot/grub/custom.cfg"));
	next_entry_is(root, "");
}

static void the_next_boot_and_only_that_is_ours(void **state)
{
	static const char expected[] =
		"### BEGIN xentest ###\n"
		"# Written by xenbuildd for one boot; it is replaced with the next run.\n"
		"if [ \"${default}\" = xentest ]; then\n"
		"\tset fallback=0\n"
		"fi\n"
		"menuentry 'Xentest: the Xen under test' --class xen --unrestricted --id xentest {\n"
		"\tinsmod gzio\n"
		"\tinsmod part_gpt\n"
		"\tinsmod ext2\n"
		"\tsearch --no-floppy --fs-uuid --set=root '1234-abcd'\n"
		"\tif [ \"$grub_platform\" = \"pc\" -o \"$grub_platform\" = \"\" ]; then\n"
		"\t\txen_rm_opts=\n"
		"\telse\n"
		"\t\txen_rm_opts=\"no-real-mode edd=off\"\n"
		"\tfi\n"
		"\techo 'Loading the Xen under test ...'\n"
		"\tmultiboot2 '/@/boot/xen-4.17.5-xt1a2b3c4d.gz' placeholder dom0_mem=640M loglvl=all watchdog ${xen_rm_opts}\n"
		"\tmodule2 '/@/boot/vmlinuz-6.1.0-9-amd64' placeholder 'root=UUID=aa-bb' 'ro' 'rootflags=x' console=hvc0  panic=10\n"
		"\tmodule2 --nounzip '/@/boot/initrd.img-6.1.0-9-amd64'\n"
		"}\n"
		"### END xentest ###\n";
	struct root *root = *state;
	CLEANUP(freep) char *custom = NULL;
	struct err e = ERR_NONE;

	root_put(root, "etc/default/grub", "GRUB_CMDLINE_LINUX=quiet\n", 0644);
	root_put(root, "etc/default/grub.d/xen.cfg",
		 "echo noise\ngrub_warn \"noise\"\n"
		 "GRUB_CMDLINE_XEN=\"dom0_mem=640M\"\n"
		 "GRUB_CMDLINE_XEN_DEFAULT='loglvl=all'\n"
		 "GRUB_CMDLINE_LINUX_XEN_REPLACE=console=hvc0\n",
		 0644);
	if (grub_arm(&root->plan, &e) < 0)
		fail_msg("%s", e.text);
	custom = root_get(root, "boot/grub/custom.cfg");
	assert_string_equal(custom, expected);
	next_entry_is(root, "xentest");
}

static void what_else_stands_in_custom_cfg_stays(void **state)
{
	static const char others[] = "menuentry mine --id mine {\n}\n# end";
	struct root *root = *state;
	CLEANUP(freep) char *custom = NULL;
	struct err e = ERR_NONE;
	struct stat st;

	root_put(root, "boot/grub/custom.cfg", others, 0600);
	assert_int_equal(grub_arm(&root->plan, &e), 0);
	assert_int_equal(grub_arm(&root->plan, &e), 0);
	root_has(root, "boot/grub/custom.cfg",
		 "# end\n### BEGIN xentest ###\n");
	assert_int_equal(grub_disarm(&root->plan, &e), 0);
	custom = root_get(root, "boot/grub/custom.cfg");
	assert_string_equal(custom,
			    "menuentry mine --id mine {\n}\n# end\n");
	assert_int_equal(fstatat(root->fd, "boot/grub/custom.cfg", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	next_entry_is(root, "");
}

static void what_cannot_be_loaded_falls_back_to_plain_linux(void **state)
{
	struct root *root = *state;
	struct err e = ERR_NONE;

	/* By number: GRUB 2.06 knows no names there. */
	root_put(root, "boot/grub/grub.cfg",
		 "set default=${next_entry}\nset default=Linux\n"
		 "source /custom.cfg\nmenuentry Xen {\nmultiboot2 /xen\n}\n"
		 "submenu More {\nmenuentry Old {\n}\n}\n"
		 "menuentry First {\n}\nmenuentry Linux {\n}\n",
		 0644);
	assert_int_equal(grub_arm(&root->plan, &e), 0);
	root_has(root, "boot/grub/custom.cfg", "\tset fallback=3\n");
	/* One in a submenu has no number there: the first plain one. */
	root_put(root, "boot/grub/grub.cfg",
		 "set default=${next_entry}\nset default=More>Old\n"
		 "source /custom.cfg\nmenuentry Xen {\nmultiboot2 /xen\n}\n"
		 "submenu More {\nmenuentry Old {\n}\n}\n"
		 "menuentry First {\n}\nmenuentry Linux {\n}\n",
		 0644);
	assert_int_equal(grub_arm(&root->plan, &e), 0);
	root_has(root, "boot/grub/custom.cfg", "\tset fallback=2\n");
}

static void disarming_leaves_no_trace(void **state)
{
	struct root *root = *state;
	struct err e = ERR_NONE;

	assert_int_equal(grub_arm(&root->plan, &e), 0);
	assert_int_equal(grub_disarm(&root->plan, &e), 0);
	assert_null(root_get(root, "boot/grub/custom.cfg"));
	next_entry_is(root, "");
	assert_int_equal(grub_disarm(&root->plan, &e), 0);
}

static void another_ones_next_entry_is_not_forgotten(void **state)
{
	struct root *root = *state;
	struct err e = ERR_NONE;

	root_put(root, "boot/grub/grubenv", ENVIRONMENT "next_entry=memtest\n",
		 0644);
	assert_int_equal(grub_disarm(&root->plan, &e), 0);
	next_entry_is(root, "memtest");
}

static void custom_cfg_with_half_of_ours_needs_a_person(void **state)
{
	struct root *root = *state;
	struct err e = ERR_NONE;

	root_put(root, "boot/grub/custom.cfg",
		 "### BEGIN xentest ###\n# precious\n", 0644);
	assert_int_equal(grub_arm(&root->plan, &e), -EBADMSG);
	assert_non_null(strstr(e.text, "do not match"));
	root_has(root, "boot/grub/custom.cfg", "precious");
	next_entry_is(root, "");
}

static void a_default_entry_that_is_xen_is_found_before_the_reboot(void **state)
{
	struct root *root = *state;

	root_put(root, "boot/grub/grubenv", ENVIRONMENT "saved_entry=2\n",
		 0644);
	is_refused(root, -EINVAL, "XEN_OVERRIDE_GRUB_DEFAULT=0");
	root_put(root, "boot/grub/grubenv",
		 ENVIRONMENT
		 "saved_entry=Advanced options for Debian GNU/Linux (with Xen hypervisor)>0\n",
		 0644);
	is_refused(root, -EINVAL,
		   "\"Debian GNU/Linux, with Xen 4.17-amd64 and Linux 6.1.0-56-amd64\" is Xen");
}

/* As Debian's xen.cfg leaves it when nobody says otherwise. */
static void a_title_of_xen_as_default_is_found_too(void **state)
{
	static const char set[] = "   set default=\"${next_entry}\"\n"
				  "set default='Debian, with Xen'\n"
				  "if true; then source /x/custom.cfg; fi\n"
				  "menuentry Debian {\n}\n"
				  "menuentry 'Debian, with Xen' {\n"
				  "  xen_hypervisor /xen\n}\n";
	struct root *root = *state;

	root_put(root, "boot/grub/grub.cfg", set, 0644);
	is_refused(root, -EINVAL, "default entry \"Debian, with Xen\" is Xen");
}

static void a_saved_entry_that_is_gone_means_the_first(void **state)
{
	struct root *root = *state;
	struct err e = ERR_NONE;

	root_put(root, "boot/grub/grubenv",
		 ENVIRONMENT "saved_entry=xen-of-old\n", 0644);
	assert_int_equal(grub_check(&root->plan, &e), 0);
}

static void a_grub_cfg_without_next_entry_cannot_boot_once(void **state)
{
	struct root *root = *state;

	root_put(root, "boot/grub/grub.cfg",
		 "source $prefix/custom.cfg\nmenuentry x {\n}\n", 0644);
	is_refused(root, -ENOTSUP, "it does not use next_entry");
}

static void a_grub_cfg_that_reads_no_custom_cfg_is_refused(void **state)
{
	struct root *root = *state;
	struct err e = ERR_NONE;

	root_put(root, "boot/grub/grub.cfg",
		 "set default=\"${next_entry}\"\nmenuentry x {\n}\n", 0644);
	is_refused(root, -ENOTSUP, "/etc/grub.d/41_custom");
	/* An entry of the user's own needs none. */
	root->plan.entry = "x";
	if (grub_check(&root->plan, &e) < 0)
		fail_msg("%s", e.text);
}

static void where_grub_cannot_write_once_would_be_for_ever(void **state)
{
	struct root *root = *state;

	put_tool(root, "grub-probe",
		 "#!/bin/sh\n"
		 "case $1 in --target=abstraction) echo lvm ;; *) echo x ;; esac\n");
	is_refused(root, -EROFS, "/boot is on lvm, where GRUB cannot write");
	put_tool(root, "grub-probe", "#!/bin/sh\necho btrfs\n");
	is_refused(root, -EROFS, "/boot is btrfs, where GRUB cannot write");
}

static void an_environment_block_that_stays_as_it_is_is_found(void **state)
{
	struct root *root = *state;
	struct err e = ERR_NONE;

	put_tool(root, "grub-reboot", "#!/bin/sh\nexit 0\n");
	assert_int_equal(grub_arm(&root->plan, &e), -EIO);
	assert_non_null(strstr(e.text, "did not change /boot/grub/grubenv"));
	assert_null(root_get(root, "boot/grub/custom.cfg"));
}

static void a_grub_reboot_that_fails_is_quoted(void **state)
{
	struct root *root = *state;
	struct err e = ERR_NONE;

	put_tool(root, "grub-reboot",
		 "#!/bin/sh\necho 'error: no space on device'; exit 1\n");
	assert_int_equal(grub_arm(&root->plan, &e), -EPROTO);
	assert_non_null(strstr(e.text, "no space on device"));
	assert_null(root_get(root, "boot/grub/custom.cfg"));
}

static void a_missing_tool_is_named(void **state)
{
	struct root *root = *state;

	assert_int_equal(unlinkat(root->fd, "bin/grub-mkrelpath", 0), 0);
	is_refused(root, -EPROTO, "grub-mkrelpath is missing");
}

static void a_given_entry_is_booted_as_it_stands(void **state)
{
	struct root *root = *state;
	struct err e = ERR_NONE;

	root->plan.entry = "Debian GNU/Linux, with Xen hypervisor";
	if (grub_arm(&root->plan, &e) < 0)
		fail_msg("%s", e.text);
	next_entry_is(root, root->plan.entry);
	assert_null(root_get(root, "boot/grub/custom.cfg"));
	assert_int_equal(grub_disarm(&root->plan, &e), 0);
	next_entry_is(root, "");
}

static void a_given_entry_that_is_missing_is_found(void **state)
{
	struct root *root = *state;
	struct err e = ERR_NONE;

	root->plan.entry = "Debian GNU/Hurd";
	assert_int_equal(grub_arm(&root->plan, &e), -ENOENT);
	assert_non_null(strstr(e.text, "has no entry \"Debian GNU/Hurd\""));
	next_entry_is(root, "");
}

static void options_that_grub_cannot_read_never_reach_its_menu(void **state)
{
	struct root *root = *state;
	struct err e = ERR_NONE;

	root_put(root, "etc/default/grub", "GRUB_CMDLINE_XEN=SYNTAX-ERROR\n",
		 0644);
	assert_int_equal(grub_arm(&root->plan, &e), -EPROTO);
	assert_non_null(strstr(e.text, "/etc/default/grub"));
	assert_null(root_get(root, "boot/grub/custom.cfg"));
	next_entry_is(root, "");
}

static void settings_that_end_the_shell_are_an_error(void **state)
{
	struct root *root = *state;
	struct err e = ERR_NONE;

	root_put(root, "etc/default/grub", "exit 0\n", 0644);
	assert_int_equal(grub_arm(&root->plan, &e), -EPROTO);
	assert_non_null(strstr(e.text, "ends the shell"));
}

static void what_the_user_said_about_panics_stays(void **state)
{
	struct root *root = *state;
	struct err e = ERR_NONE;

	root_put(root, "etc/default/grub",
		 "GRUB_CMDLINE_XEN='watchdog_timeout=60 noreboot'\n"
		 "GRUB_CMDLINE_LINUX='panic=3 oops=panic'\n",
		 0644);
	assert_int_equal(grub_arm(&root->plan, &e), 0);
	root_has(root, "boot/grub/custom.cfg",
		 "placeholder watchdog_timeout=60 noreboot  noreboot=no ${");
	root_has(root, "boot/grub/custom.cfg",
		 "'rootflags=x' panic=3 oops=panic \n");
}

static void the_boots_mark_gets_a_ring_with_room(void **state)
{
	struct root *root = *state;
	struct err e = ERR_NONE;

	strcpy(root->plan.mark, "xentest-r-3");
	root->plan.watchdog = true;
	assert_int_equal(grub_arm(&root->plan, &e), 0);
	root_has(root, "boot/grub/custom.cfg",
		 " xentest-r-3 conring_size=1M watchdog ${");
}

static void a_ring_of_the_users_size_stays(void **state)
{
	struct root *root = *state;
	struct err e = ERR_NONE;

	strcpy(root->plan.mark, "xentest-r-3");
	root_put(root, "etc/default/grub",
		 "GRUB_CMDLINE_XEN='conring_size=64k'\n", 0644);
	assert_int_equal(grub_arm(&root->plan, &e), 0);
	root_has(root, "boot/grub/custom.cfg",
		 "conring_size=64k  xentest-r-3 watchdog ${");
}

static void on_failure_stay_keeps_a_panic_on_the_screen(void **state)
{
	struct root *root = *state;
	struct err e = ERR_NONE;

	root->plan.stay = true;
	assert_int_equal(grub_arm(&root->plan, &e), 0);
	root_has(root, "boot/grub/custom.cfg", "placeholder   noreboot ${");
}

static void without_its_kernel_a_system_is_not_left(void **state)
{
	struct root *root = *state;

	assert_int_equal(unlinkat(root->fd, "boot/vmlinuz-6.1.0-9-amd64", 0),
			 0);
	is_refused(root, -ENOENT, "/boot/vmlinuz-6.1.0-9-amd64 is not there");
}

static void a_kernel_that_cannot_be_dom0_is_refused(void **state)
{
	struct root *root = *state;

	root_put(root, "boot/config-6.1.0-9-amd64",
		 "CONFIG_X86=y\n# CONFIG_XEN_DOM0 is not set\n", 0644);
	is_refused(root, -ENOTSUP, "has no CONFIG_XEN_DOM0=y");
}

static void without_an_initrd_none_is_loaded(void **state)
{
	struct root *root = *state;
	CLEANUP(freep) char *custom = NULL;
	struct err e = ERR_NONE;

	unlinkat(root->fd, "boot/initrd.img-6.1.0-9-amd64", 0);
	assert_int_equal(grub_arm(&root->plan, &e), 0);
	custom = root_get(root, "boot/grub/custom.cfg");
	assert_null(strstr(custom, "--nounzip"));
}

static void a_damaged_environment_block_is_told(void **state)
{
	struct root *root = *state;
	struct err e = ERR_NONE;

	root_put(root, "boot/grub/grubenv", "rubbish\n", 0644);
	assert_int_equal(grub_check(&root->plan, &e), -EBADMSG);
	assert_non_null(strstr(e.text, "grubenv is damaged"));
}

static void escaped_values_are_read_as_grub_reads_them(void **state)
{
	struct root *root = *state;
	CLEANUP(fd_close) int fd = openat(root->fd, "boot/grub", O_RDONLY);
	CLEANUP(freep) char *value = NULL;
	CLEANUP(freep) char *other = NULL;
	struct err e = ERR_NONE;

	root_put(root, "boot/grub/grubenv",
		 ENVIRONMENT "xa=1\\\na=no\na=b\\\\c\\\nz\nd=2\n####", 0644);
	assert_int_equal(grub_env_get(fd, "a", &value, &e), 0);
	assert_string_equal(value, "b\\c\nz");
	assert_int_equal(grub_env_get(fd, "d", &other, &e), 0);
	assert_string_equal(other, "2");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_check_changes_nothing),
		TEST(the_next_boot_and_only_that_is_ours),
		TEST(what_else_stands_in_custom_cfg_stays),
		TEST(what_cannot_be_loaded_falls_back_to_plain_linux),
		TEST(disarming_leaves_no_trace),
		TEST(another_ones_next_entry_is_not_forgotten),
		TEST(custom_cfg_with_half_of_ours_needs_a_person),
		TEST(a_default_entry_that_is_xen_is_found_before_the_reboot),
		TEST(a_title_of_xen_as_default_is_found_too),
		TEST(a_saved_entry_that_is_gone_means_the_first),
		TEST(a_grub_cfg_without_next_entry_cannot_boot_once),
		TEST(a_grub_cfg_that_reads_no_custom_cfg_is_refused),
		TEST(where_grub_cannot_write_once_would_be_for_ever),
		TEST(an_environment_block_that_stays_as_it_is_is_found),
		TEST(a_grub_reboot_that_fails_is_quoted),
		TEST(a_missing_tool_is_named),
		TEST(a_given_entry_is_booted_as_it_stands),
		TEST(a_given_entry_that_is_missing_is_found),
		TEST(options_that_grub_cannot_read_never_reach_its_menu),
		TEST(settings_that_end_the_shell_are_an_error),
		TEST(what_the_user_said_about_panics_stays),
		TEST(the_boots_mark_gets_a_ring_with_room),
		TEST(a_ring_of_the_users_size_stays),
		TEST(on_failure_stay_keeps_a_panic_on_the_screen),
		TEST(without_its_kernel_a_system_is_not_left),
		TEST(a_kernel_that_cannot_be_dom0_is_refused),
		TEST(without_an_initrd_none_is_loaded),
		TEST(a_damaged_environment_block_is_told),
		TEST(escaped_values_are_read_as_grub_reads_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
