#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""xenstartdomsd and guests that die: what is kept, what is started again.

Usage: PROGRAM [TEST…], as test-xenstartdomsd.py.
"""
from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE / "fake-xen"))
from machine import GOOD, RUN, THIS_BOOT, Case, main, wait_until  # noqa: E402

# Dies in its first test.
CRASH = ["print life one", "state testing LTP run 1", "sleep 0.3", "crash"]


class Dying(Case):
    def setUp(self) -> None:
        super().setUp()
        self.machine.be_dom0()
        self.machine.mark()

    def states(self, name: str) -> list[str]:
        return [e["state"] for e in self.machine.events("domain") if e["domain"] == name]

    def verbs(self) -> list[str]:
        return [call.split()[0] for call in self.machine.xen.calls()]

    def summary(self) -> str:
        return (self.machine.run_dir / "summary.txt").read_text()

    def test_a_guest_that_crashed_goes_on_with_the_rest_of_its_tests(self) -> None:
        m = self.machine
        m.guest("crashes", CRASH, fake_again=GOOD)
        m.guest("good", GOOD)
        m.make_run()
        said = m.go()
        self.assert_ended("finished")
        self.assertEqual(self.states("crashes"),
                         ["starting", "started", "running", "died", "starting", "started", "running", "done"])
        died = [e for e in m.events("domain") if e["state"] == "died"][0]
        self.assertEqual({k: died.get(k) for k in ("reason", "test", "entry", "iteration", "step", "message")},
                         {"reason": "crash", "test": "LTP", "entry": 0, "iteration": 1, "step": "run",
                          "message": "crash during LTP (run)"})
        self.assertEqual(self.verbs().count("destroy"), 1, "what was left of it")
        self.assertEqual(m.last("good")["state"], "done")
        self.assertIn("crashes: Starts again, for the rest of its tests: 1 of 3 times", said)
        self.assertIn("died 1 time\n", self.summary())

    def dies_unseen(self, keys: str) -> str:
        """It crashes while there is no daemon."""
        m = self.machine
        m.guest("crashes", ["state testing LTP run 1", "sleep 1.5", "crash"], fake_again=GOOD, keys=keys, on_crash="destroy")
        m.make_run()
        daemon = m.start()
        wait_until(lambda: self.states("crashes")[-1:] == ["running"], "its test")
        daemon.send_signal(signal.SIGKILL)
        daemon.communicate()
        wait_until(lambda: m.xen.store.read("/local/domain/1/name") is None, "its end")
        said = m.go()
        self.assert_ended("finished")
        return said

    def test_one_that_died_while_nobody_looked_has_died(self) -> None:
        said = self.dies_unseen("")
        self.assertEqual(self.states("crashes"),
                         ["starting", "started", "running", "died", "starting", "started", "running", "done"])
        self.assertIn("while nobody watched over it", said)

    def test_that_is_the_end_of_one_that_is_to_be_given_up(self) -> None:
        self.dies_unseen("on_crash = give-up")
        self.assertEqual(self.states("crashes"), ["starting", "started", "running", "died"])
        self.assertEqual(self.verbs().count("create"), 1)

    def test_one_that_was_rebooting_is_waited_for(self) -> None:
        m = self.machine
        m.mark(stage="test", boot_id=THIS_BOOT)
        m.guest("again", ["await", *GOOD])
        m.make_run({"event": "domain", "domain": "again", "state": "starting", "boot": THIS_BOOT},
                   {"event": "domain", "domain": "again", "state": "started", "domid": 9, "boot": THIS_BOOT},
                   {"event": "domain", "domain": "again", "state": "starting", "reason": "reboot", "boot": THIS_BOOT})
        daemon = m.start()
        wait_until(lambda: any(e.get("stage") == "guests" for e in m.events("stage")), "its beginning")
        m.xl("create", "-p", "-f", m.config("again"))
        m.xl("unpause", "1")
        said, _ = daemon.communicate(timeout=60)
        self.assertEqual((daemon.returncode, self.verbs().count("create")), (0, 1), said)
        self.assertEqual(m.last("again")["state"], "done")

    def test_its_consoles_are_kept_one_after_the_other(self) -> None:
        m = self.machine
        m.guest("crashes", CRASH, fake_again=["print life two", *GOOD])
        m.make_run()
        m.go()
        log = (m.run_dir / "crashes/console.log").read_text()
        self.assertRegex(log, r"(?s)life one.*\n\[xentest: it died; started again as domain 2\]\n.*life two")

    def test_the_guest_is_told_which_test_was_open(self) -> None:
        m = self.machine
        m.guest("crashes", CRASH, fake_again=GOOD)
        m.make_run()
        m.go()
        self.assertIsNone(m.xen.store.read("/local/domain/1/xentest/died"))
        self.assertEqual(json.loads(m.xen.store.read("/local/domain/2/xentest/died")),
                         {"reason": "crash", "entry": 0, "iteration": 1, "step": "run"})

    def test_a_record_that_went_down_with_it_does_not_make_the_test_a_pass(self) -> None:
        m = self.machine
        m.guest("crashes", CRASH, keys="on_crash = give-up")
        m.make_run()
        m.go()
        self.assertRegex(self.summary(), r"- LTP +\S+  crashed: guest crash during run")
        self.assertRegex(self.summary(), r"- fio +\S+  not run")

    def test_what_xl_destroys_by_itself_is_created_again_too(self) -> None:
        m = self.machine
        m.guest("crashes", CRASH, fake_again=GOOD, on_crash="destroy")
        m.make_run()
        m.go()
        self.assertEqual(self.states("crashes")[-1], "done")

    def test_a_guest_that_goes_on_dying_is_given_up(self) -> None:
        m = self.machine
        m.guest("crashes", CRASH, keys="restarts = 2")
        m.make_run()
        m.go()
        self.assertEqual(self.verbs().count("create"), 3)
        self.assertEqual(self.states("crashes").count("died"), 3)
        self.assertEqual((m.last("crashes")["state"], m.last("crashes")["message"]),
                         ("given up", "crash during LTP (run); it was started again 2 times before"))
        self.assert_ended("finished")

    def test_restarts_0_is_none_at_all(self) -> None:
        m = self.machine
        m.guest("crashes", CRASH, keys="restarts = 0")
        m.make_run()
        m.go()
        self.assertEqual(self.verbs().count("create"), 1)

    def test_a_watchdog_has_a_rule_of_its_own(self) -> None:
        m = self.machine
        dogs = ["state testing LTP run 1", "sleep 0.3", "reason 4"]
        m.guest("bitten", dogs, fake_again=GOOD, keys="on_watchdog = give-up")
        m.guest("again", dogs, fake_again=GOOD, keys="on_crash = give-up")
        m.make_run()
        m.go()
        self.assertEqual((m.last("bitten")["state"], m.last("bitten")["reason"]), ("died", "watchdog"))
        self.assertEqual(m.last("again")["state"], "done")

    def test_powered_off_or_destroyed_during_its_tests_is_a_death_too(self) -> None:
        m = self.machine
        m.guest("off", ["state testing LTP run 1", "sleep 0.3", "poweroff"], fake_again=GOOD)
        m.guest("gone", ["state testing LTP run 1", "forever"], fake_again=GOOD)
        m.make_run()
        daemon = m.start()
        wait_until(lambda: "running" in self.states("gone"), "its test")
        domid = next(n for n in m.xen.store.list("/local/domain")
                     if m.xen.store.read(f"/local/domain/{n}/name") == "gone")
        m.xl("destroy", domid)
        said, _ = daemon.communicate(timeout=60)
        self.assertEqual(daemon.returncode, 0, said)
        reasons = {e["domain"]: e["reason"] for e in m.events("domain") if e["state"] == "died"}
        self.assertEqual(reasons, {"off": "poweroff", "gone": "destroyed"})
        self.assertEqual((m.last("off")["state"], m.last("gone")["state"]), ("done", "done"))

    def test_a_guest_that_nobody_starts_here_is_not_started_again(self) -> None:
        m = self.machine
        m.guest("alien", None)
        m.make_run()
        m.put("etc/xen/alien.cfg", f"name = 'alien'\nfake = {['sleep 0.3', *CRASH]!r}\n")
        daemon = m.start()
        wait_until(lambda: (m.share / "alien/xentests.conf").exists(), "the control file")
        m.xl("create", "-p", "-f", m.config("alien"))
        m.xl("unpause", "1")
        said, _ = daemon.communicate(timeout=60)
        self.assertEqual(daemon.returncode, 0, said)
        self.assertEqual(m.last("alien")["state"], "died")

    def test_one_that_dies_the_moment_it_is_let_go_is_noticed(self) -> None:
        m = self.machine
        m.guest("weak", ["crash"], fake_again=GOOD)
        m.make_run()
        m.go()
        self.assertEqual(self.states("weak"), ["starting", "started", "died", "starting", "started", "running", "done"])
        self.assertNotIn("entry", [e for e in m.events("domain") if e["state"] == "died"][0])

    def test_the_budget_outlives_the_daemon(self) -> None:
        m = self.machine
        deaths = [{"event": "domain", "domain": "crashes", "state": "died", "reason": "crash", "entry": 0,
                   "iteration": 1, "step": "run"}] * 2
        m.guest("crashes", CRASH, keys="restarts = 2")
        m.make_run(*deaths)
        m.go()
        self.assertEqual(self.verbs().count("create"), 1)
        self.assertEqual(m.last("crashes")["state"], "given up")

    def test_after_a_restart_of_the_daemon_a_dead_guest_is_taken_up(self) -> None:
        m = self.machine
        m.mark(stage="test", boot_id=THIS_BOOT)
        m.guest("dead", ["crash"], fake_again=GOOD)
        m.make_run({"event": "domain", "domain": "dead", "state": "starting", "boot": THIS_BOOT},
                   {"event": "domain", "domain": "dead", "state": "started", "boot": THIS_BOOT},
                   {"event": "domain", "domain": "dead", "state": "died", "boot": THIS_BOOT, "reason": "crash",
                    "entry": 0, "iteration": 1, "step": "run"})
        m.xl("create", "-p", "-f", m.config("dead"))
        m.xl("unpause", "1")
        wait_until(lambda: m.xen.store.domain(1) == "shutdown 3", "its end")
        m.go()
        self.assertEqual(self.verbs(), ["create", "unpause", "destroy", "create", "unpause", "dmesg"])
        self.assertEqual(json.loads(m.xen.store.read("/local/domain/2/xentest/died"))["entry"], 0)
        self.assertEqual(m.last("dead")["state"], "done")

    def test_a_stop_during_a_restart_leaves_a_run_that_can_go_on(self) -> None:
        m = self.machine
        m.guest("crashes", CRASH, fake_again=GOOD)
        m.make_run()
        daemon = m.start()
        wait_until(lambda: "died" in self.states("crashes"), "its death")
        daemon.send_signal(signal.SIGTERM)
        said, _ = daemon.communicate(timeout=30)
        self.assertEqual(daemon.returncode, 0, said)
        m.go()
        self.assert_ended("finished")
        self.assertEqual(m.last("crashes")["state"], "done")
        self.assertEqual(self.states("crashes").count("died"), 1)

    def test_a_claim_to_be_beyond_the_list_names_no_test(self) -> None:
        m = self.machine
        m.guest("liar", ['raw \'{"run": "' + RUN + '", "state": "testing", "test": "LTP", "step": "run",'
                         ' "index": 99999999999, "iteration": 1}\'', "sleep 0.3", "crash"], keys="on_crash = give-up")
        m.make_run()
        m.go()
        died = m.last("liar")
        self.assertEqual((died["state"], died["test"]), ("died", "LTP"))
        self.assertNotIn("entry", died)


if __name__ == "__main__":
    main()
