#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""xenruntestsd with a test that asks for a reboot.

Usage: test-xenruntestsd-reboot.py PROGRAM XENTEST [TEST…], the program being
xenruntestsd with fake-xen/fake-reboot.c, XENTEST the command that asks.
"""
from __future__ import annotations

import importlib.util
import json
import shutil
import signal
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True

spec = importlib.util.spec_from_file_location("plain", HERE / "test-xenruntestsd.py")
plain = importlib.util.module_from_spec(spec)
spec.loader.exec_module(plain)
RUN, events, outcomes, wait_until = plain.RUN, plain.events, plain.outcomes, plain.wait_until

ASKER = ""
THIS_BOOT = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
OTHER_BOOT = "11111111-2222-3333-4444-555555555555"


class Reboot(plain.Domain):
    def setUp(self) -> None:
        super().setUp()
        self.local = self.root / "var/lib/xentest/runs" / RUN / "bob13"
        self.text = self.control(
            "test1 = first\ntest2 = up\ntest3 = last\n"
            "[first]\nrun_command = echo first >> order\n"
            "[up]\nreboots = 1\nbuild_command = echo built >> order\n"
            "run_command = echo run $XENTEST_REBOOT | tee -a order\n"
            f"  test -n \"$XENTEST_REBOOT\" || {ASKER} reboot\n"
            "  echo after $XENTEST_REBOOT >> order\n"
            "[last]\nrun_command = echo last >> order\n")

    def be_dom0(self) -> None:
        self.put_root("proc/xen/capabilities", "control_d\n")
        self.put_root("etc/xen_start_tests", "")

    def begin(self) -> None:
        self.publish(self.text)
        self.announce(self.text)

    def reboots(self) -> int:
        try:
            return len((self.xen.directory / "reboots").read_text().splitlines())
        except OSError:
            return 0

    def order(self) -> str:
        return (self.temp / "order").read_text()

    def in_another_boot(self) -> None:
        """What was written so far was so before."""
        for record in (self.local / "record.jsonl", self.record):
            if record.exists():
                record.write_text(record.read_text().replace(THIS_BOOT, OTHER_BOOT))

    def assert_went_on(self, limit_s: float = 20) -> None:
        self.assert_ends(self.daemon(), "Goes on after its reboot, number 1", "Done: 3 of 3 tests good", limit_s=limit_s)
        self.assertEqual(outcomes(self.record),
                         ["first exited 0", "up rebooting", "up resumed", "up exited 0", "last exited 0"])
        self.assertEqual(self.order(), "first\nbuilt\nrun\nrun 1\nafter 1\nlast\n")
        for log, text in {"build.log": "", "run.log": "run\n", "run.1.log": "run 1\n"}.items():
            self.assertEqual((self.own / RUN / "up" / log).read_text(), text, log)
        self.assertEqual(sorted(each.name for each in (self.own / RUN).iterdir()),
                         ["first", "last", "record.jsonl", "up"])
        self.assertFalse((self.own / "xentests.conf").exists())

    def assert_asked(self) -> None:
        self.assert_ends(self.daemon(), "up: Asked for a reboot, number 1 of 1 at most")
        self.assertEqual(outcomes(self.record), ["first exited 0", "up rebooting"], "it is in the share")
        self.assertEqual(self.state(), {"run": RUN, "state": "rebooting", "domain": "bob13", "test": "up", "step": "run",
                                        "iteration": 1, "index": 2, "count": 3})
        self.assertEqual(self.order(), "first\nbuilt\nrun\n")

    def test_a_guest_reboots_itself_and_goes_on(self) -> None:
        self.begin()
        self.assert_asked()
        self.assertEqual(self.reboots(), 1)
        self.in_another_boot()
        self.assert_went_on()
        self.assertEqual(self.reboots(), 1)

    def test_a_guest_without_a_disk_goes_on_by_what_the_share_has(self) -> None:
        self.begin()
        self.assert_asked()
        self.in_another_boot()
        shutil.rmtree(self.root / "var")
        self.assert_went_on()

    def test_in_dom0_somebody_else_reboots(self) -> None:
        self.be_dom0()
        self.begin()
        self.assert_asked()
        self.assertEqual(self.reboots(), 0)
        self.in_another_boot()
        self.assert_went_on()

    def test_a_daemon_that_is_restarted_before_the_reboot_asks_for_it_again(self) -> None:
        self.begin()
        self.assert_asked()
        self.assert_ends(self.daemon())
        self.assertEqual(self.reboots(), 2)
        self.assertEqual(self.order(), "first\nbuilt\nrun\n")
        self.in_another_boot()
        self.assert_went_on()

    def test_a_crash_in_place_of_the_reboot_is_told_and_nothing_is_run_twice(self) -> None:
        self.be_dom0()
        self.begin()
        self.assert_asked()
        self.in_another_boot()
        self.xen.store.write(f"/local/domain/{plain.DOMID}/xentest/died",
                             '{"reason":"host: power loss","entry":1,"iteration":1,"step":"run"}')
        self.assert_ends(self.daemon(), "Crashed: host: power loss during run; it is not run again")
        self.assertEqual(outcomes(self.record), ["first exited 0", "up rebooting", "up crashed", "last exited 0"])
        self.assertEqual(self.order(), "first\nbuilt\nrun\nlast\n")

    def test_a_kill_after_it_went_on_interrupts_it(self) -> None:
        self.text = self.text.replace("[last]", "  test -z \"$XENTEST_REBOOT\" || sleep 60\n[last]")
        self.begin()
        self.assert_asked()
        self.in_another_boot()
        process = self.daemon()
        wait_until("it goes on", lambda: "after 1" in self.order())
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.assert_ends(self.daemon(), "Interrupted: ")
        self.assertEqual(outcomes(self.record)[1:], ["up rebooting", "up resumed", "up interrupted", "last exited 0"])

    def test_a_share_that_is_away_does_not_hold_up_the_reboot(self) -> None:
        self.text = self.text.replace("test -n", f"mv {self.own} {self.dir}/away; touch {self.own}; test -n")
        self.be_dom0()
        self.begin()
        self.assert_ends(self.daemon(), "Results stay here for now", "Asked for a reboot")
        self.assertEqual(outcomes(self.local / "record.jsonl"), ["first exited 0", "up rebooting"])

    def test_a_guest_does_not_go_down_with_what_it_alone_has(self) -> None:
        away = self.dir / "away"
        self.text = self.text.replace("test -n", f"mv {self.own} {away}; touch {self.own}; test -n")
        self.begin()
        process = self.daemon()
        wait_until("it tries", lambda: "Results stay here for now" in self.said())
        self.assertEqual((self.reboots(), self.state()["state"]), (0, "delivering"))
        self.own.unlink()
        away.rename(self.own)
        self.assert_ends(process, "The share takes results again")
        self.assertEqual((self.reboots(), self.state()["state"]), (1, "rebooting"))
        self.assertEqual(outcomes(self.record), ["first exited 0", "up rebooting"])

    def test_once_refuses_and_the_command_says_so(self) -> None:
        file = self.put("control.conf", self.text)
        done = self.call("--once", "--control", file, "--shared", self.share, "--name", "bob13")
        self.assertEqual(done.returncode, 0, done.stderr)
        results = Path(done.stdout.strip())
        self.assertEqual((results / "up/run.log").read_text(),
                         "run\nxentest: no reboot: this is xenruntestsd --once\n")
        self.assertEqual(self.order(), "first\nbuilt\nrun\nafter\nlast\n")

    def test_outside_of_a_test_there_is_no_reboot(self) -> None:
        done = plain.subprocess.run([ASKER, "reboot"], text=True, capture_output=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr),
                         (1, "xentest: no reboot: this is no run_command of a test\n"))

    def test_the_record_counts_on(self) -> None:
        self.begin()
        self.assert_asked()
        self.in_another_boot()
        self.assert_went_on()
        lines = self.record.read_text().splitlines()
        self.assertEqual([json.loads(line)["n"] for line in lines], list(range(1, len(lines) + 1)))
        self.assertEqual([e["reboot"] for e in events(self.record, "test") if "reboot" in e], [1, 1])


if __name__ == "__main__":
    plain.PROGRAM = sys.argv.pop(1)
    ASKER = str(Path(sys.argv.pop(1)).resolve())
    unittest.main()
