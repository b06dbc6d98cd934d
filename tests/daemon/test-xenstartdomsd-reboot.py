#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""xenstartdomsd and tests that ask for a reboot, of dom0 or of their guest.

Usage: PROGRAM [TEST…], as test-xenstartdomsd.py.
"""
from __future__ import annotations

import json
import signal
import socket
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE / "fake-xen"))
from machine import GOOD, OTHER_BOOT, RUN, THIS_BOOT, Case, main, wait_until  # noqa: E402

DOM0 = socket.gethostname()
ASKED = {"event": "reboot", "cause": "asked by a test"}
DOWN = {"event": "shutdown"}
# What dom0's xenruntestsd has of the test that asked.
OPEN = [
    {"event": "test", "entry": 1, "iteration": 1, "test": "fio", "state": "started", "step": "run"},
    {"event": "test", "entry": 1, "iteration": 1, "test": "fio", "state": "rebooting", "step": "run", "reboot": 1},
]
CHARGED = [{"domain": DOM0, "test": "fio", "entry": 1, "iteration": 1, "step": "run"}]


class Dom0(Case):
    def setUp(self) -> None:
        super().setUp()
        m = self.machine
        m.be_dom0()
        m.mark(stage="test", boots_left=3)
        m.guest(DOM0, None)

    def say(self, state: str, **more: object) -> None:
        self.machine.xen.store.write("/local/domain/0/data/xentest/state", json.dumps({"run": RUN, "state": state} | more))

    def ask(self) -> None:
        self.say("rebooting", test="fio", step="run", iteration=1, index=2, count=2)

    def start(self):
        m = self.machine
        daemon = m.start()
        wait_until(lambda: m.xen.store.read("/local/domain/0/xentest/digest") == m.digest, "the announcement")
        return daemon

    def end(self, daemon) -> str:
        said, _ = daemon.communicate(timeout=60)
        self.assertEqual(daemon.returncode, 0, said)
        return said

    def assert_goes_down(self, boots_left: str = "2") -> None:
        m = self.machine
        self.assertEqual(m.events("end"), [])
        self.assertEqual([e["cause"] for e in m.events("reboot")], ["asked by a test"])
        self.assertEqual([e["event"] for e in map(json.loads, (m.run_dir / "record.jsonl").read_text().splitlines())][-2:],
                         ["reboot", "shutdown"])
        self.assertEqual((m.boots.read_text(), m.reboots()), ("armed\n", 1))
        self.assertEqual((m.marker()["stage"], m.marker()["boots_left"]), ("test", boots_left))
        self.assertTrue((m.root / "etc/xen/xentest.conf").exists())

    def here(self) -> dict:
        """This boot is known: the daemon was restarted, or says so itself."""
        return {"event": "boot", "boot": THIS_BOOT, "system": "xen", "cause": "asked by xenbuildd"}

    def test_it_reboots_when_all_others_are_done(self) -> None:
        m = self.machine
        m.guest("guest1", ["sleep 0.5", *GOOD])
        m.make_run(self.here())
        daemon = self.start()
        self.ask()
        said = self.end(daemon)
        self.assert_goes_down()
        self.assertIn("fio: Asks for a reboot, which comes when all other domains are done", said)
        self.assertEqual(m.last("guest1")["state"], "done")
        self.assertEqual(m.last(DOM0)["state"], "running")

    def test_a_daemon_that_is_killed_while_it_waits_goes_on_waiting(self) -> None:
        m = self.machine
        m.guest("guest1", ["state testing LTP run 1", "sleep 2", *GOOD])
        m.make_run(self.here())
        daemon = self.start()
        self.ask()
        wait_until(lambda: m.last("guest1")["state"] == "running", "the guest")
        daemon.send_signal(signal.SIGKILL)
        daemon.communicate()
        self.assertEqual(m.events("reboot"), [])
        self.end(m.start())
        self.assert_goes_down()
        self.assertEqual(m.last("guest1")["state"], "done")

    def test_a_run_timeout_ends_it_too(self) -> None:
        m = self.machine
        m.preferences.append("run_timeout = 2")
        m.guest("guest1", ["state testing LTP run 1", "forever"])
        m.make_run(self.here())
        daemon = self.start()
        self.ask()
        self.end(daemon)
        self.assert_ended("finished")
        self.assertEqual(m.last(DOM0)["state"], "given up")
        self.assertEqual(m.reboots(), 0)

    def test_what_guests_left_is_here_before_the_machine_goes_down(self) -> None:
        m = self.machine
        m.guest("guest1", GOOD)
        m.make_run(self.here())
        daemon = self.start()
        self.ask()
        self.end(daemon)
        self.assert_goes_down()
        self.assertIn('"done"', (m.run_dir / "guest1/record.jsonl").read_text())
        self.assertIn("(XEN)", (m.run_dir / "xl-dmesg.log").read_text())

    def test_without_boots_left_the_run_says_so(self) -> None:
        m = self.machine
        m.mark(stage="test", boots_left=0)
        m.make_run(self.here())
        daemon = self.start()
        self.ask()
        said, _ = daemon.communicate(timeout=60)
        self.assertEqual(daemon.returncode, 1)
        self.assertIn("a test asked for a reboot, and no more boots are left", said)
        self.assert_ended("failed")

    # ---- and after it ----

    def come_back(self, *events: dict) -> dict:
        """Into Xen, with a test open that asked; the test is over after it."""
        m = self.machine
        m.put(f"var/lib/xentest/runs/{RUN}/{DOM0}/record.jsonl", "".join(
            json.dumps({"n": n, "boot": OTHER_BOOT} | e) + "\n" for n, e in enumerate(OPEN, 1)))
        m.make_run(*events)
        daemon = self.start()
        self.died = m.xen.store.read("/local/domain/0/xentest/died")
        self.say("done")
        self.end(daemon)
        self.assert_ended("finished")
        (boot,) = m.events("boot")
        self.assertEqual(boot["system"], "xen")
        return boot

    def test_that_boot_is_charged_to_nobody(self) -> None:
        boot = self.come_back(ASKED, DOWN)
        self.assertEqual(boot["cause"], "asked by a test")
        self.assertNotIn("charged", boot)
        self.assertIsNone(self.died)

    def test_a_power_cut_before_it_is_charged_to_the_test(self) -> None:
        for events in [[], [ASKED]]:
            with self.subTest(events=events):
                self.doCleanups()
                self.setUp()
                boot = self.come_back(*events)
                self.assertEqual((boot["cause"], boot["charged"]), ("unknown", CHARGED))
                self.assertEqual(json.loads(self.died),
                                 {"reason": "host: unknown", "entry": 1, "iteration": 1, "step": "run"})

    def test_a_panic_on_the_way_down_is_charged_to_the_test(self) -> None:
        self.machine.put("sys/fs/pstore/dmesg-erst-1", "Panic#1 Part1\n<0>Kernel panic - not syncing\n")
        boot = self.come_back(ASKED, DOWN)
        self.assertEqual((boot["cause"], boot["charged"]), ("dom0 panic", CHARGED))

    def test_somebody_elses_orderly_reboot_is_not_the_tests(self) -> None:
        boot = self.come_back(DOWN)
        self.assertEqual((boot["cause"], boot["charged"]), ("operator", CHARGED))

    def test_a_xen_that_did_not_come_up_again_is_charged_to_the_test(self) -> None:
        m = self.machine
        for path in ("sys/hypervisor/type", "proc/xen/capabilities"):
            (m.root / path).unlink()
        m.put(f"var/lib/xentest/runs/{RUN}/{DOM0}/record.jsonl", "".join(
            json.dumps({"n": n, "boot": OTHER_BOOT} | e) + "\n" for n, e in enumerate(OPEN, 1)))
        m.make_run(ASKED, DOWN)
        m.go()
        (boot,) = m.events("boot")
        self.assertEqual((boot["system"], boot["cause"], boot["charged"]), ("linux", "unknown", CHARGED))
        self.assertEqual((m.events("end"), m.boots.read_text(), m.reboots()), ([], "armed\n", 1))


class Guest(Case):
    ASK = ["await", "state testing fio run 2", "sleep 0.3", "state rebooting fio run 2", "sleep 0.1", "reason 1"]

    def setUp(self) -> None:
        super().setUp()
        self.machine.be_dom0()
        self.machine.mark()

    def restarted_by_xl(self, *fake: str) -> str:
        """on_reboot = "restart": the same guest, in a new domain. To the end."""
        m = self.machine
        daemon = m.start()
        wait_until(lambda: any(e.get("reason") == "reboot" for e in m.events("domain")), "the reboot")
        m.put("etc/xen/again.cfg", f"name = 'again'\nfake = {list(fake)!r}\nfake_again = {list(fake)!r}\n")
        m.xl("destroy", "1")
        m.xl("create", "-p", "-f", m.config("again"))
        m.xl("unpause", "1" if m.xen.store.domain(1) else "2")
        said, _ = daemon.communicate(timeout=60)
        self.assertEqual(daemon.returncode, 0, said)
        self.assert_ended("finished")
        return said

    def test_it_is_no_death_and_the_guest_goes_on(self) -> None:
        m = self.machine
        m.guest("again", self.ASK)
        m.make_run()
        said = self.restarted_by_xl("sleep 0.3", *GOOD)
        self.assertIn("again: It reboots, as fio asked", said)
        states = [(e["state"], e.get("message")) for e in m.events("domain")]
        self.assertIn(("starting", "it reboots, as fio asked"), states)
        self.assertNotIn("died", [state for state, _ in states])
        self.assertEqual(m.last("again")["state"], "done")
        self.assertEqual([c.split()[0] for c in m.xen.calls()].count("create"), 2, "it was not created by us again")

    def test_a_crash_before_it_is_back_is_that_tests(self) -> None:
        m = self.machine
        m.guest("again", self.ASK, keys="on_crash = give-up")
        m.make_run()
        self.restarted_by_xl("await", "crash")
        died = m.last("again")
        self.assertEqual({k: died.get(k) for k in ("state", "reason", "test", "entry", "iteration", "step", "message")},
                         {"state": "died", "reason": "crash", "test": "fio", "entry": 1, "iteration": 1, "step": "run",
                          "message": "crash during fio (run)"})

    def test_a_crash_in_place_of_it_is_that_tests(self) -> None:
        m = self.machine
        m.guest("again", [*self.ASK[:-1], "crash"], keys="on_crash = give-up")
        m.make_run()
        m.go()
        self.assertEqual(m.last("again")["message"], "crash during fio (run)")


if __name__ == "__main__":
    main()
