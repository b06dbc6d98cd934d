#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""xenstartdomsd where Xen did not come up, or went down; its boot guard.

Usage: PROGRAM [TEST…], the program being xenstartdomsd with the sources of
fake-xen/ in place of those that they replace.
"""
from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE / "fake-xen"))
from machine import GOOD, OTHER_BOOT, RUN, THIS_BOOT, Case, main, wait_until  # noqa: E402


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


class Causes(Case):
    """Why the machine went down in the middle of the tests, and whose fault that is."""

    def setUp(self) -> None:
        super().setUp()
        self.machine.mark(stage="test", boots_left=5)

    def cause(self, *events: dict, said: str = "") -> dict:
        """Of the boot that comes now; the run goes on after it."""
        m = self.machine
        m.make_run(*events)
        self.assertIn(said, m.go())
        self.assertEqual(m.events("end"), [])
        self.assertEqual(m.reboots(), 1)
        boot = m.events("boot")[-1]
        self.assertEqual(boot["system"], "linux")
        return boot

    def test_xens_last_words_tell_its_panic_from_its_watchdog(self) -> None:
        for words, cause in {
            "(XEN) Panic on CPU 0:\n(XEN) FATAL TRAP: vector = 2 (nmi)\n": "Xen panic",
            "(XEN) Watchdog timer detects that CPU0 is stuck!\n(XEN) Panic on CPU 0:\n": "Xen watchdog",
            "(XEN) Hardware Dom0 crashed: rebooting machine in 5 seconds.\n": "dom0 panic",
            "(XEN) Hardware Dom0 shutdown: watchdog rebooting machine\n": "dom0 watchdog",
            "(XEN) Hardware Dom0 shutdown: rebooting machine\n": "operator",
            "(XEN) *** Serial input to DOM0\n": "unknown",
        }.items():
            with self.subTest(cause):
                self.doCleanups()
                self.setUp()
                self.machine.memory(words, boots_left=5)
                self.assertEqual(self.cause(said=cause)["cause"], cause)
                self.assertIn(words, (self.machine.run_dir / "xen-ring-5.log").read_text())
                self.assertTrue((self.machine.root / "var/lib/xentest/memory-survives").exists())

    def test_the_ring_of_another_boot_is_no_evidence(self) -> None:
        self.machine.memory("(XEN) Panic on CPU 0:\n", boots_left=6)
        self.assertEqual(self.cause()["cause"], "unknown")
        self.assertFalse((self.machine.run_dir / "xen-ring-5.log").exists())

    def test_memory_that_would_have_survived_tells_a_power_cut(self) -> None:
        self.machine.no_memory_of_xen()
        self.assertEqual(self.cause()["cause"], "power loss")

    def test_without_knowing_the_machine_nothing_is_claimed(self) -> None:
        self.machine.memory("", boots_left=99)
        self.assertEqual(self.cause()["cause"], "unknown")

    def test_memory_that_cannot_be_looked_at_tells_nothing(self) -> None:
        self.machine.put("var/lib/xentest/memory-survives", "")
        self.assertEqual(self.cause()["cause"], "unknown")

    def test_an_orderly_end_that_nobody_of_us_asked_for_is_the_operators(self) -> None:
        self.machine.no_memory_of_xen()
        self.assertEqual(self.cause({"event": "shutdown"})["cause"], "operator")

    def test_a_panic_on_the_way_down_is_a_panic(self) -> None:
        self.machine.memory("(XEN) Panic on CPU 1:\n", boots_left=5)
        self.assertEqual(self.cause({"event": "shutdown"})["cause"], "Xen panic")

    def test_a_dump_of_dom0s_kernel_is_its_panic(self) -> None:
        m = self.machine
        m.put("sys/fs/pstore/dmesg-erst-1", "Panic#1 Part1\n<0>Kernel panic - not syncing: sysrq\n")
        self.assertEqual(self.cause(said="1 kernel dumps")["cause"], "dom0 panic")
        self.assertTrue((m.run_dir / "pstore-dmesg-erst-1").exists())
        self.assertFalse((m.root / "sys/fs/pstore/dmesg-erst-1").exists(), "it is no evidence any more")

    def test_an_older_dump_is_no_evidence(self) -> None:
        m = self.machine
        m.put("sys/fs/pstore/dmesg-erst-1", "Panic#1 Part1\n")
        os.utime(m.root / "sys/fs/pstore/dmesg-erst-1", (1000000000, 1000000000))
        self.assertEqual(self.cause()["cause"], "unknown")
        self.assertTrue((m.root / "sys/fs/pstore/dmesg-erst-1").exists())

    def test_a_dump_of_an_oops_that_was_survived_is_no_panic(self) -> None:
        self.machine.put("sys/fs/pstore/dmesg-erst-1", "Oops#1 Part1\n<4>BUG: unable to handle page fault\n")
        self.assertEqual(self.cause()["cause"], "unknown")

    def test_it_is_charged_to_the_step_that_was_open(self) -> None:
        m = self.machine
        m.guest("dom0box", None)
        m.guest("guest1", GOOD)
        m.memory("(XEN) Panic on CPU 0:\n", boots_left=5)
        record = [
            {"event": "test", "entry": 0, "iteration": 1, "test": "LTP", "state": "started", "step": "fetch"},
            {"event": "begin", "entry": 0, "iteration": 1, "step": "run"},
        ]
        text = "".join(json.dumps({"n": n, "boot": OTHER_BOOT} | e) + "\n" for n, e in enumerate(record, 1))
        m.put(f"var/lib/xentest/runs/{RUN}/dom0box/record.jsonl", text)
        (m.share / "guest1" / RUN).mkdir(parents=True)
        (m.share / "guest1" / RUN / "record.jsonl").write_text(text.splitlines()[0].replace('"fetch"', '"build"') + "\n")
        self.assertEqual(self.cause()["charged"], [
            {"domain": "dom0box", "test": "LTP", "entry": 0, "iteration": 1, "step": "run"},
            {"domain": "guest1", "test": "LTP", "entry": 0, "iteration": 1, "step": "build"},
        ])

    def test_a_guest_whose_start_crashed_the_machine_is_not_started_again(self) -> None:
        m = self.machine
        m.guest("guest1", GOOD)
        m.guest("guest2", GOOD)
        m.memory("(XEN) Panic on CPU 0:\n", boots_left=5)
        self.cause({"event": "domain", "domain": "guest1", "state": "starting"})
        self.assertEqual(m.last("guest1")["state"], "given up")
        self.assertIn("Xen panic while it was started", m.last("guest1")["message"])
        self.assertEqual([e for e in m.events("domain") if e["domain"] == "guest2"], [])

    def test_a_power_cut_while_it_started_is_no_fault_of_the_guest(self) -> None:
        m = self.machine
        m.guest("guest1", GOOD)
        m.no_memory_of_xen()
        self.cause({"event": "domain", "domain": "guest1", "state": "starting"})
        self.assertEqual(m.last("guest1")["state"], "starting")

    def test_a_machine_that_only_goes_down_ends_the_run(self) -> None:
        m = self.machine
        m.guest("guest1", GOOD)
        down = {"event": "boot", "system": "linux", "cause": "unknown"}
        m.make_run(down, {"event": "boot", "system": "xen", "cause": "asked by xenstartdomsd"}, down)
        m.go()
        self.assert_ended("failed")
        self.assertEqual(m.last("guest1")["state"], "given up")

    def test_a_test_that_was_open_in_between_is_progress(self) -> None:
        down = {"event": "boot", "system": "linux", "cause": "unknown"}
        charged = [{"domain": "guest1", "test": "LTP", "entry": 0, "iteration": 1, "step": "run"}]
        self.cause(down, down | {"charged": charged}, down)

    def test_a_power_cut_before_the_proof_is_worth_another_try(self) -> None:
        m = self.machine
        m.mark(stage="boot", boots_left=5)
        m.no_memory_of_xen()
        seen = {"event": "stage", "stage": "guard", "state": "started", "boot": "7" * 36}
        self.assertEqual(self.cause({"event": "reboot", "cause": "asked by xenbuildd"}, seen)["cause"], "power loss")

    def test_a_panic_before_the_proof_is_not(self) -> None:
        m = self.machine
        m.mark(stage="boot", boots_left=5)
        m.memory("(XEN) Panic on CPU 0:\n", boots_left=5)
        m.make_run({"event": "reboot", "cause": "asked by xenbuildd"})
        m.go()
        self.assert_ended("boot failed")
        self.assertEqual(m.events("boot")[0]["cause"], "Xen panic")


class InXenAgain(Case):
    """The boots that come into dom0, and why."""

    def setUp(self) -> None:
        super().setUp()
        self.machine.be_dom0()

    def cause(self, *events: dict) -> dict:
        m = self.machine
        m.make_run(*events)
        m.go()
        self.assert_ended("finished")
        return m.events("boot")[-1]

    def test_who_asked_is_who_is_named(self) -> None:
        for cause in "asked by xenbuildd", "asked by xenstartdomsd":
            with self.subTest(cause):
                self.doCleanups()
                self.setUp()
                self.machine.mark(stage="boot")
                self.assertEqual(self.cause({"event": "reboot", "cause": cause})["cause"], cause)

    def test_a_reboot_by_hand_is_xenbuildds(self) -> None:
        self.machine.mark(stage="boot")
        self.assertEqual(self.cause()["cause"], "asked by xenbuildd")

    def test_a_crash_that_comes_back_into_xen_costs_a_boot(self) -> None:
        m = self.machine
        m.mark(stage="test", boots_left=1)
        m.put("sys/fs/pstore/dmesg-erst-1", "Panic#1 Part1\n")
        boot = self.cause()
        self.assertEqual((boot["system"], boot["cause"], boot["proven"]), ("xen", "dom0 panic", True))

    def test_without_boots_left_it_ends_there_too(self) -> None:
        m = self.machine
        m.mark(stage="test", boots_left=0)
        m.make_run()
        self.assertIn("went down too often", m.go(status=1))
        self.assert_ended("failed")

    def test_a_daemon_that_is_restarted_tells_of_its_boot_once(self) -> None:
        m = self.machine
        m.mark(stage="test", boots_left=1, boot_id=THIS_BOOT)
        self.assertEqual(self.cause({"event": "boot", "boot": THIS_BOOT, "system": "xen", "cause": "unknown"})["cause"],
                         "unknown")
        self.assertEqual(len(m.events("boot")), 1)


class OnTheWayDown(Case):
    def stopped(self) -> list[dict]:
        m = self.machine
        m.be_dom0()
        m.mark()
        m.guest("guest1", ["forever"])
        m.make_run()
        daemon = m.start()
        wait_until(lambda: [e for e in m.events("domain") if e["state"] == "started"], "the guest")
        daemon.terminate()
        daemon.communicate(timeout=30)
        self.assertEqual(daemon.returncode, 0)
        return m.events("shutdown")

    def test_an_orderly_shutdown_is_noted(self) -> None:
        (self.machine.xen.directory / "stopping").touch()
        self.assertEqual(len(self.stopped()), 1)

    def test_a_stop_of_the_daemon_alone_is_none(self) -> None:
        self.assertEqual(self.stopped(), [])


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
        new.write_text((m.root / "etc/xen_start_tests").read_text().replace("stage = boot", "stage = test").replace(OTHER_BOOT, THIS_BOOT))
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
        self.machine.mark(stage="test", boot_id=THIS_BOOT, boot_timeout="0")
        self.machine.go("--boot-guard")
        self.assertEqual(self.machine.reboots(), 0)

    def test_a_boot_in_the_middle_of_the_tests_is_guarded_too(self) -> None:
        self.machine.mark(stage="test", boot_timeout="0")
        self.machine.go("--boot-guard")
        self.assertEqual(self.machine.reboots(), 1)


class CommandLine(Case):
    def test_wrong_options_are_refused(self) -> None:
        self.assertIn("Usage:", self.machine.go("surplus", status=2))
        self.assertIn("are no seconds", self.machine.go("--grace", "long", status=2))

    def test_it_checks_a_control_file(self) -> None:
        self.machine.put("bad.conf", "[Preferences]\nshared_dir = relative\n")
        self.assertIn("error:", self.machine.go("--check", str(self.machine.root / "bad.conf"), status=1))


if __name__ == "__main__":
    main()
