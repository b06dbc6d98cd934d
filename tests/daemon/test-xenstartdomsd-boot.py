#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""xenstartdomsd where Xen did not come up, or went down; its boot guard.

Usage: PROGRAM [TEST…], the program being xenstartdomsd with the sources of
fake-xen/ in place of those that they replace.
"""
from __future__ import annotations

import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE / "fake-xen"))
from machine import GOOD, OTHER_BOOT, RUN, THIS_BOOT, Case, main  # noqa: E402


class OnBareLinux(Case):
    def test_without_a_marker_there_is_nothing_to_do(self) -> None:
        (self.machine.root / "etc/xen_start_tests").unlink()
        self.assertIn("No run is going on: nothing to do", self.machine.go())

    def test_a_marker_without_a_run_is_put_away(self) -> None:
        self.machine.mark()
        self.machine.go()
        self.assertIsNone(self.machine.marker())

    def test_before_the_reboot_it_waits_for_the_next_boot(self) -> None:
        self.machine.mark(boot_id=THIS_BOOT)
        self.machine.make_run()
        self.assertIn("still to come", self.machine.go())
        self.assertIsNotNone(self.machine.marker())

    def test_a_xen_that_did_not_come_up_ends_the_run(self) -> None:
        m = self.machine
        m.mark()
        m.guest("guest1", GOOD)
        m.put("sys/fs/pstore/dmesg-efi-1", "Panic#1\n(XEN) Panic on CPU 0\n")
        m.make_run()
        said = m.go()
        self.assert_ended("boot failed")
        self.assertIn("the new Xen did not come up", said)
        self.assertIn("(XEN) Panic on CPU 0", (m.run_dir / "pstore-dmesg-efi-1").read_text())
        self.assertEqual(m.events("boot")[0]["system"], "linux")
        self.assertEqual(m.reboots(), 0)

    def test_the_journal_of_the_boot_that_failed_is_kept(self) -> None:
        m = self.machine
        m.mark()
        m.make_run()
        tools = m.root / "bin"
        tools.mkdir()
        (tools / "journalctl").write_text(
            "#!/bin/sh\ncase \"$*\" in *json*) echo '{\"_BOOT_ID\": \"" + "9" * 32 + "\"}' ;;"
            " *) echo 'dom0 kernel: BUG: unable to handle page fault' ;; esac\n")
        (tools / "journalctl").chmod(0o755)
        m.path = f"{tools}:{m.path}"
        said = m.go()
        self.assertIn("BUG: unable", (m.run_dir / "last-boot.log").read_text())
        self.assertIn("  dom0 kernel: BUG: unable to handle page fault", said)

    def test_the_journal_of_the_boot_before_is_no_evidence(self) -> None:
        m = self.machine
        m.mark()
        m.make_run()
        tools = m.root / "bin"
        tools.mkdir()
        (tools / "journalctl").write_text(
            "#!/bin/sh\necho '{\"_BOOT_ID\": \"" + OTHER_BOOT.replace("-", "") + "\"}'\n")
        (tools / "journalctl").chmod(0o755)
        m.path = f"{tools}:{m.path}"
        self.assertIn("it left no message", m.go())
        self.assertFalse((m.run_dir / "last-boot.log").exists())

    def test_after_a_power_cut_during_the_tests_it_boots_xen_again(self) -> None:
        m = self.machine
        m.mark(stage="test", boots_left=2)
        m.guest("guest1", GOOD)
        m.make_run()
        m.go()
        self.assertEqual(m.events("end"), [])
        self.assertEqual(m.boots.read_text(), "armed\n")
        self.assertEqual(m.reboots(), 1)
        self.assertEqual((m.marker()["stage"], m.marker()["boots_left"], m.marker()["boot_id"]), ("test", "1", THIS_BOOT))
        self.assertEqual((m.events("boot")[0]["system"], m.events("boot")[0]["cause"]), ("linux", "unknown"))

    def test_without_boots_left_it_ends_with_what_there_is(self) -> None:
        m = self.machine
        m.mark(stage="test", boots_left=0)
        m.guest("guest1", GOOD)
        m.guest("guest2", GOOD)
        m.make_run({"event": "domain", "domain": "guest2", "state": "done"})
        (m.share / "guest1" / RUN).mkdir(parents=True)
        (m.share / "guest1" / RUN / "record.jsonl").write_text('{"n": 1, "event": "domain"}\n')
        m.go()
        self.assert_ended("failed")
        self.assertEqual(m.last("guest1")["state"], "given up")
        self.assertEqual(m.last("guest2")["state"], "done")
        self.assertTrue((m.run_dir / "guest1/record.jsonl").exists())
        self.assertEqual(m.reboots(), 0)

    def test_a_boot_that_cannot_be_arranged_ends_the_run(self) -> None:
        m = self.machine
        m.preferences[1] = "boot_command = exit 7"
        m.mark(stage="test", boots_left=2)
        m.make_run()
        said = m.go(status=1)
        self.assert_ended("failed")
        self.assertIn("boot into Xen again", said)
        self.assertEqual(m.reboots(), 0)

    def test_a_guest_with_a_marker_does_nothing(self) -> None:
        m = self.machine
        m.mark()
        m.make_run()
        m.put("sys/hypervisor/type", "xen\n")
        m.put("proc/xen/capabilities", "")
        self.assertIn("This is a guest, not dom0: nothing to do", m.go())
        self.assertIsNotNone(m.marker())


class BootGuard(Case):
    def setUp(self) -> None:
        super().setUp()
        self.machine.be_dom0()
        self.machine.make_run()

    def test_it_reboots_when_nothing_was_proven_in_time(self) -> None:
        self.machine.mark(boot_timeout="1")
        self.assertIn("not proven within 1.0s", self.machine.go("--boot-guard"))
        self.assertEqual(self.machine.reboots(), 1)

    def test_it_ends_as_soon_as_the_boot_is_proven(self) -> None:
        m = self.machine
        m.mark(boot_timeout="30")
        daemon = m.start("--boot-guard")
        time.sleep(0.5)
        self.assertIsNone(daemon.poll())
        new = m.root / "etc/new"
        new.write_text((m.root / "etc/xen_start_tests").read_text().replace("stage = boot", "stage = test"))
        new.rename(m.root / "etc/xen_start_tests")
        daemon.communicate(timeout=10)
        self.assertEqual((daemon.returncode, m.reboots()), (0, 0))

    def test_it_ends_when_the_marker_goes(self) -> None:
        m = self.machine
        m.mark(boot_timeout="30")
        daemon = m.start("--boot-guard")
        time.sleep(0.5)
        (m.root / "etc/xen_start_tests").unlink()
        daemon.communicate(timeout=10)
        self.assertEqual((daemon.returncode, m.reboots()), (0, 0))

    def test_on_failure_stay_is_obeyed(self) -> None:
        self.machine.mark(boot_timeout="1", on_failure="stay")
        self.assertIn("leaves it for a look", self.machine.go("--boot-guard"))
        self.assertEqual(self.machine.reboots(), 0)

    def test_a_boot_into_linux_needs_no_guard(self) -> None:
        (self.machine.root / "sys/hypervisor/type").unlink()
        self.machine.mark(boot_timeout="0")
        self.machine.go("--boot-guard")
        self.assertEqual(self.machine.reboots(), 0)

    def test_the_boot_that_arranged_it_needs_no_guard(self) -> None:
        self.machine.mark(boot_id=THIS_BOOT, boot_timeout="0")
        self.machine.go("--boot-guard")
        self.assertEqual(self.machine.reboots(), 0)

    def test_a_boot_that_was_proven_needs_no_guard(self) -> None:
        self.machine.mark(stage="test", boot_timeout="0")
        self.machine.go("--boot-guard")
        self.assertEqual(self.machine.reboots(), 0)


class CommandLine(Case):
    def test_wrong_options_are_refused(self) -> None:
        self.assertIn("Usage:", self.machine.go("surplus", status=2))
        self.assertIn("are no seconds", self.machine.go("--grace", "long", status=2))

    def test_it_checks_a_control_file(self) -> None:
        self.machine.put("bad.conf", "[Preferences]\nshared_dir = relative\n")
        self.assertIn("error:", self.machine.go("--check", str(self.machine.root / "bad.conf"), status=1))


if __name__ == "__main__":
    main()
