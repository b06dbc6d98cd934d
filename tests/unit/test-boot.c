/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include "boot/boot.h"

#include "test-boot-root.h"

static int set_up(void **state)
{
	*state = root_new();
	return 0;
}

static int tear_down(void **state)
{
	root_free(*state);
	return 0;
}

static int make_plan(struct root *root,
		     const struct control_preferences *preferences,
		     struct err *e)
{
	return boot_plan_make(root->loop, root->fd, "a-run", preferences,
			      &root->plan, e);
}

/* ---- the method -------------------------------------------------------- */

static void auto_means_grub_where_grub_is(void **state)
{
	const struct control_preferences preferences = { .boot_entry = "x" };
	struct root *root = *state;
	struct err e = ERR_NONE;

	root_put(root, "boot/grub/grub.cfg", "", 0644);
	assert_int_equal(make_plan(root, &preferences, &e), 0);
	assert_int_equal(root->plan.method, CONTROL_BOOT_GRUB);
	assert_string_equal(boot_method_text(root->plan.method), "grub");
	assert_string_equal(root->plan.entry, "x");
}

static void auto_without_grub_says_what_to_do(void **state)
{
	const struct control_preferences preferences = { 0 };
	struct err e = ERR_NONE;

	assert_int_equal(make_plan(*state, &preferences, &e), -ENOTSUP);
	assert_non_null(strstr(e.text, "boot_method = command"));
}

static void a_method_without_its_command_is_refused(void **state)
{
	const struct control_preferences preferences = {
		.boot_method = CONTROL_BOOT_COMMAND
	};
	struct err e = ERR_NONE;

	assert_int_equal(make_plan(*state, &preferences, &e), -EINVAL);
	assert_non_null(strstr(e.text, "needs a boot_command"));
}

static void with_none_nothing_is_arranged(void **state)
{
	const struct control_preferences preferences = {
		.boot_method = CONTROL_BOOT_NONE,
		.on_failure = CONTROL_STAY,
	};
	struct root *root = *state;
	struct err e = ERR_NONE;

	assert_int_equal(make_plan(root, &preferences, &e), 0);
	assert_true(root->plan.stay);
	assert_int_equal(boot_check(&root->plan, &e), 0);
	assert_int_equal(boot_arm(&root->plan, &e), 0);
	assert_int_equal(boot_disarm(&root->plan, &e), 0);
}

static int arm_with(struct root *root, const char *command, struct err *e)
{
	root->plan.method = CONTROL_BOOT_COMMAND;
	root->plan.command = command;
	assert_int_equal(boot_check(&root->plan, e), 0);
	return boot_arm(&root->plan, e);
}

static void the_command_is_told_what_to_boot(void **state)
{
	struct root *root = *state;
	CLEANUP(freep) char *log = NULL;
	struct err e = ERR_NONE;

	root_put_kernel(root);
	root->plan.hypervisor = "/boot/xen-4.17.gz";
	root->plan.log_fd = openat(root->fd, "log", O_WRONLY | O_CREAT, 0644);
	setenv("NOTIFY_SOCKET", "/run/somewhere", 1);
	if (arm_with(root, "env | grep -E 'XENTEST|NOTIFY' | sort", &e) < 0)
		fail_msg("%s", e.text);
	close(root->plan.log_fd);
	log = root_get(root, "log");
	assert_string_equal(
		log,
		"XENTEST_CMDLINE=root=UUID=aa-bb ro rootflags=x\n"
		 "XENTEST_INITRD=/boot/initrd.img-6.1.0-9-amd64\n"
		 "XENTEST_KERNEL=/boot/vmlinuz-6.1.0-9-amd64\n"
		 "XENTEST_RUN=a-run\n"
		 "XENTEST_XEN=/boot/xen-4.17.gz\n");
	unsetenv("NOTIFY_SOCKET");
}

static void a_command_that_fails_arranges_nothing(void **state)
{
	struct err e = ERR_NONE;

	assert_int_equal(arm_with(*state, "exit 3", &e), -EPROTO);
	assert_string_equal(e.text, "boot_command: exit status 3");
	assert_int_equal(arm_with(*state, "kill -KILL $$", &e), -EPROTO);
	assert_non_null(strstr(e.text, "signal 9"));
}

/* ---- the Xen that is there --------------------------------------------- */

/* Plain ELF without notes: enough to be taken for a hypervisor. */
static void put_xen(const struct root *root, const char *name)
{
	char image[64] = "\x7f"
			 "ELF\x01\x01\x01";
	CLEANUP(fd_close) int fd = -1;
	struct err e = ERR_NONE;

	image[42] = 32; /* e_phentsize: a program header of ELF32 */
	assert_int_equal(file_make_dirs(root->fd, "boot", 0755, &fd, &e), 0);
	assert_int_equal(file_write_atomic(fd, name, image, sizeof(image),
					   0644, &e),
			 0);
}

static void newest_is(const struct root *root, const char *expected)
{
	CLEANUP(freep) char *newest = NULL;
	struct err e = ERR_NONE;

	if (boot_newest_xen(root->fd, &newest, &e) < 0)
		fail_msg("%s", e.text);
	assert_string_equal(newest, expected);
}

static void the_highest_version_is_the_xen_that_is_there(void **state)
{
	struct root *root = *state;

	put_xen(root, "xen-4.9.gz");
	put_xen(root, "xen-4.17-amd64.gz");
	put_xen(root, "xen-4.17-amd64.efi");
	put_xen(root, "xen-4.20.config");
	put_xen(root, "xen-syms-4.20");
	put_xen(root, "xenpolicy-4.20");
	put_xen(root, "xen-4.20.gz.dpkg-tmp");
	put_xen(root, "vmlinuz-6.1");
	root_put(root, "boot/xen-5.0.gz", "not a hypervisor", 0644);
	assert_int_equal(symlinkat("xen-4.9.gz", root->fd, "boot/xen-6.0.gz"),
			 0);
	newest_is(root, "/boot/xen-4.17-amd64.gz");
}

static void builds_of_earlier_runs_come_last(void **state)
{
	struct root *root = *state;

	put_xen(root, "xen-4.20.1-xt1a2b3c4d.gz");
	newest_is(root, "/boot/xen-4.20.1-xt1a2b3c4d.gz");
	put_xen(root, "xen-4.17-amd64.gz");
	newest_is(root, "/boot/xen-4.17-amd64.gz");
	put_xen(root, "xen-4.18-xtcafe.gz");
	newest_is(root, "/boot/xen-4.18-xtcafe.gz");
}

static void without_any_xen_that_is_said(void **state)
{
	struct root *root = *state;
	CLEANUP(freep) char *newest = NULL;
	struct err e = ERR_NONE;

	root_put(root, "boot/vmlinuz", "", 0644);
	assert_int_equal(boot_newest_xen(root->fd, &newest, &e), -ENOENT);
	assert_string_equal(e.text, "there is no Xen in /boot");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(auto_means_grub_where_grub_is),
		TEST(auto_without_grub_says_what_to_do),
		TEST(a_method_without_its_command_is_refused),
		TEST(with_none_nothing_is_arranged),
		TEST(the_command_is_told_what_to_boot),
		TEST(a_command_that_fails_arranges_nothing),
		TEST(the_highest_version_is_the_xen_that_is_there),
		TEST(builds_of_earlier_runs_come_last),
		TEST(without_any_xen_that_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
