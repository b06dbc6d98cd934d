#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""xenstartdomsd in dom0, as it is but for the hypervisor and the reboot below it.

Usage: PROGRAM [TEST…], the program being xenstartdomsd with the sources of
fake-xen/ in place of those that they replace.
"""
from __future__ import annotations

import json
import shutil
import signal
import socket
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE / "fake-xen"))
from machine import BUILD_ID, GOOD, RUN, THIS_BOOT, Case, main, wait_until  # noqa: E402


class InDom0(Case):
    def setUp(self) -> None:
        super().setUp()
        self.machine.be_dom0()
        self.machine.mark()

    def test_two_guests_run_their_tests_and_the_run_ends(self) -> None:
        m = self.machine
        m.guest("guest1", GOOD)
        m.guest("guest2", GOOD, keys="stop = yes")
        m.make_run()
        said = m.go()
        self.assert_ended("finished")
        self.assertEqual([e["state"] for e in m.events("domain") if e["domain"] == "guest1"],
                         ["starting", "started", "running", "done"])
        boot = m.events("boot")[0]
        self.assertEqual((boot["system"], boot["proven"], boot["build_id"], boot["xen"], boot["command_line"], boot["kernel"]),
                         ("xen", True, BUILD_ID, "4.17.7", "console=com1", "6.1.0-56-amd64"))
        for name in "guest1", "guest2":
            self.assertIn("Linux version 6.1", (m.run_dir / name / "console.log").read_text())
            self.assertIn("Linux version 6.1", (m.share / name / RUN / "console.log").read_text())
            self.assertIn('"done"', (m.run_dir / name / "record.jsonl").read_text())
        self.assertIn("(XEN)", (m.run_dir / "xl-dmesg.log").read_text())
        self.assertIn("(XEN)", (m.share / "xl-dmesg.log").read_text())
        self.assertTrue((m.share / "summary.txt").exists())
        self.assertIn("LTP: Runs test 1 of 2", said)
        self.assertIn("Xen 4.17.7 is running", said)
        self.assertEqual(m.reboots(), 0)

    def test_a_guest_is_stopped_only_where_that_is_asked_for(self) -> None:
        m = self.machine
        m.guest("stays", GOOD)
        m.guest("stops", GOOD, keys="stop = yes")
        m.make_run()
        m.go()
        names = [m.xen.store.read(f"/local/domain/{n}/name") for n in m.xen.store.list("/local/domain")]
        self.assertIn("stays", names)
        self.assertNotIn("stops", names)
        self.assertEqual([call.split()[0] for call in m.xen.calls()].count("shutdown"), 1)

    def test_each_guest_is_told_of_the_run_before_it_is_unpaused(self) -> None:
        m = self.machine
        check = ("test \"$(python3 -B -c 'import sys; sys.path.insert(0, sys.argv[1]); from fakexen import Store;"
                 f" print(Store(sys.argv[2]).read(\"/local/domain/1/xentest/digest\"))' {HERE}/fake-xen {m.xen.directory})\""
                 f" = \"$(sha256sum < {m.share}/guest1/xentests.conf | cut -d' ' -f1)\" && touch {m.share}/good")
        m.guest("guest1", [f"exec {check}", "consume", "state done", "forever"])
        m.make_run()
        m.go()
        self.assertTrue((m.share / "good").exists())
        self.assertEqual(m.xen.store.read("/local/domain/1/xentest/run"), RUN)
        self.assertEqual(m.xen.store.read("/local/domain/1/xentest/shared"), str(m.share))
        self.assertEqual(m.xen.store.read("/local/domain/1/xentest/digest"), m.digest)
        calls = m.xen.calls()
        self.assertEqual([c.split()[0] for c in calls], ["create", "unpause", "dmesg"])
        self.assertIn("-p", calls[0].split())

    def test_dom0_runs_tests_as_well(self) -> None:
        m = self.machine
        m.guest(socket.gethostname(), None)
        m.guest("guest1", GOOD)
        m.make_run()
        daemon = m.start()
        wait_until(lambda: m.xen.store.read("/local/domain/0/xentest/digest") == m.digest, "the announcement")
        m.xen.store.write("/local/domain/0/data/xentest/state", json.dumps({"run": RUN, "state": "done"}))
        said, _ = daemon.communicate(timeout=30)
        self.assertEqual(daemon.returncode, 0, said)
        self.assert_ended("finished")
        self.assertEqual(m.last(socket.gethostname())["state"], "done")
        self.assertEqual(m.last("guest1")["state"], "done")

    def test_systemd_is_told_when_all_guests_run(self) -> None:
        m = self.machine
        m.guest("guest1", ["sleep 0.5", *GOOD])
        m.make_run()
        path = m.root / "notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(path))
            notify.settimeout(30)
            daemon = m.start(NOTIFY_SOCKET=str(path))
            heard = ""
            while "READY=1" not in heard:
                heard += notify.recv(4096).decode() + "\n"
            self.assertEqual(m.last("guest1")["state"], "started")
            daemon.communicate(timeout=30)
        self.assertIn("STATUS=0 of 1 domains done", heard)
        self.assertEqual(daemon.returncode, 0)

    def test_without_xl_each_guest_is_given_up_with_the_reason(self) -> None:
        m = self.machine
        m.guest("guest1", GOOD)
        m.guest("guest2", GOOD)
        m.make_run()
        empty = m.root / "empty"
        empty.mkdir()
        m.path = str(empty)
        said = m.go()
        self.assert_ended("finished")
        for name in "guest1", "guest2":
            self.assertEqual(m.last(name)["state"], "given up")
            self.assertIn("are Xen's tools installed?", m.last(name)["message"])
        self.assertIn("guest1: Given up: xl create", said)

    def test_an_xl_that_fails_costs_its_guest_alone(self) -> None:
        m = self.machine
        m.guest("bad", GOOD, fake_create="fail")
        m.guest("good", GOOD)
        m.make_run()
        m.go()
        self.assert_ended("finished")
        self.assertEqual(m.last("bad")["state"], "given up")
        self.assertIn("cannot (re-)build domain", m.last("bad")["message"])
        self.assertEqual(m.last("good")["state"], "done")

    def test_a_config_with_an_error_is_given_up_with_its_line(self) -> None:
        m = self.machine
        m.guest("bad", GOOD)
        m.put("etc/xen/bad.cfg", "name = \"bad\"\nmemory = = 3\n")
        m.make_run()
        m.go()
        self.assertRegex(m.last("bad")["message"], r"bad\.cfg:2: config parsing error")

    def test_an_xl_that_hangs_is_ended_at_start_timeout(self) -> None:
        m = self.machine
        m.guest("slow", GOOD, keys="start_timeout = 1", fake_create="hang")
        m.guest("good", GOOD)
        m.make_run()
        m.go()
        self.assertEqual(m.last("slow")["state"], "given up")
        self.assertIn("timed out after 1", m.last("slow")["message"])
        self.assertEqual(m.last("good")["state"], "done")

    def test_what_a_failed_create_leaves_is_destroyed(self) -> None:
        m = self.machine
        m.guest("bad", GOOD, fake_create="leave")
        m.make_run()
        m.go()
        self.assertEqual([c.split()[0] for c in m.xen.calls()], ["create", "destroy", "dmesg"])
        self.assertIn("unable to add device", m.last("bad")["message"])

    def test_an_unpause_that_fails_is_noticed_though_xl_says_nothing(self) -> None:
        m = self.machine
        (m.xen.directory / "fail-unpause").touch()
        m.guest("guest1", GOOD)
        m.make_run()
        m.go()
        self.assertEqual(m.last("guest1")["state"], "given up")
        self.assertIn("it is still paused", m.last("guest1")["message"])

    def test_a_guest_that_crashes_is_recorded_with_reason_test_and_console(self) -> None:
        m = self.machine
        m.guest("crashes", ["print booting", "state testing LTP run 1", "print Kernel panic - not syncing: sysrq",
                            "sleep 0.2", "crash"], keys="on_crash = give-up")
        m.guest("good", GOOD)
        m.make_run()
        said = m.go()
        self.assert_ended("finished")
        died = m.last("crashes")
        self.assertEqual((died["state"], died["reason"], died["test"]), ("died", "crash", "LTP"))
        self.assertEqual(died["message"], "crash during LTP (run)")
        self.assertIn("crashes:   Kernel panic - not syncing: sysrq", said)
        self.assertEqual(m.last("good")["state"], "done")

    def test_a_guest_that_goes_before_its_tests_has_died(self) -> None:
        m = self.machine
        m.guest("goes", ["sleep 0.1", "poweroff"], keys="on_crash = give-up")
        m.make_run()
        m.go()
        self.assertEqual(m.last("goes")["message"], "poweroff before its first test")

    def test_a_guest_that_never_reports_is_given_up(self) -> None:
        m = self.machine
        m.guest("mute", ["forever"], keys="start_timeout = 6")
        m.make_run()
        m.go()
        self.assertEqual(m.last("mute")["state"], "given up")
        self.assertEqual(m.last("mute")["message"], "it did not report within 6.0s")

    def test_a_guest_that_only_waits_is_given_up_as_that(self) -> None:
        m = self.machine
        m.guest("waits", ["state waiting", "forever"], keys="start_timeout = 6")
        m.make_run()
        m.go()
        self.assertIn("it reported that it waits", m.last("waits")["message"])

    def test_a_guest_that_hangs_in_a_step_is_given_up(self) -> None:
        m = self.machine
        m.guest("hangs", ["state testing LTP run 1", "forever"])
        m.make_run()
        m.go("--grace", "0")
        self.assertEqual(m.last("hangs")["message"], "no news from LTP (run) long after its time limit")

    def test_what_a_guest_writes_is_not_trusted(self) -> None:
        m = self.machine
        m.guest("evil", [
            "raw '{'", "raw '\\x00'", "raw '[]'", "raw '\"x\"'", "raw '" + "[" * 510 + "'", "raw '" + "x" * 600 + "'",
            'raw \'{"run": "another", "state": "done"}\'',
            'raw \'{"run": "' + RUN + '", "state": "testing", "test": "\\\\u001b[2J", "step": "no such", "index": 1}\'',
            "sleep 0.2", "crash"], keys="on_crash = give-up")
        m.make_run()
        said = m.go()
        self.assertEqual(m.last("evil")["message"], "crash during ? (?)")
        self.assertNotIn("\x1b", said)

    def test_what_it_says_of_another_run_does_not_count(self) -> None:
        m = self.machine
        m.guest("old", ['raw \'{"run": "another", "state": "done"}\'', "sleep 0.5", "poweroff"],
                keys="on_crash = give-up")
        m.make_run()
        m.go()
        self.assertEqual(m.last("old")["state"], "died")

    def test_a_link_in_the_share_is_not_followed(self) -> None:
        m = self.machine
        secret = m.root / "secret"
        secret.write_text('{"n": 1}\n')
        m.guest("evil", [f"exec mkdir -p {m.share}/evil/{RUN} && ln -s {secret} {m.share}/evil/{RUN}/record.jsonl",
                         "state done", "forever"])
        m.make_run()
        said = m.go()
        self.assertFalse((m.run_dir / "evil/record.jsonl").exists())
        self.assertIn("evil: Not everything could be collected", said)
        self.assert_ended("finished")

    def test_a_guest_that_runs_already_is_left_alone(self) -> None:
        m = self.machine
        m.guest("there", ["sleep 1", *GOOD])
        m.make_run()
        m.xl("create", "-p", "-f", m.config("there"))
        m.xl("unpause", "1")
        (m.xen.directory / "calls").unlink()
        said = m.go()
        self.assertIn("left alone", said)
        self.assertEqual(m.xen.calls(), ["dmesg"])
        self.assertEqual(m.last("there")["state"], "done")

    def test_a_guest_that_nobody_starts_here_is_waited_for(self) -> None:
        m = self.machine
        m.guest("late", None)
        m.guest("never", None, keys="start_timeout = 2")
        m.make_run()
        m.put("etc/xen/late.cfg", f"name = 'late'\nfake = {['sleep 0.3', *GOOD]!r}\n")
        daemon = m.start()
        wait_until(lambda: (m.share / "late/xentests.conf").exists(), "the control file")
        m.xl("create", "-p", "-f", m.config("late"))
        m.xl("unpause", "1")
        said, _ = daemon.communicate(timeout=30)
        self.assertEqual(daemon.returncode, 0, said)
        self.assertEqual(m.last("late")["state"], "done")
        self.assertEqual(m.last("never")["message"], "it did not appear within 2.0s")

    def test_a_guest_that_a_test_reboots_may_come_back(self) -> None:
        m = self.machine
        m.guest("again", ["state testing LTP run 1", "sleep 0.2", "reason 1"])
        m.make_run()
        daemon = m.start()
        wait_until(lambda: any(e.get("reason") == "reboot" for e in m.events("domain")), "the reboot")
        m.put("etc/xen/again.cfg", f"name = 'again'\nfake = {['sleep 0.3', *GOOD]!r}\n")
        m.xl("create", "-p", "-f", m.config("again"))
        m.xl("unpause", "2")
        said, _ = daemon.communicate(timeout=30)
        self.assertEqual(daemon.returncode, 0, said)
        self.assertEqual(m.last("again")["state"], "done")

    def test_run_timeout_ends_all_of_it(self) -> None:
        m = self.machine
        m.preferences.append("run_timeout = 1")
        for n in range(4):
            m.guest(f"guest{n}", ["state testing fio run 1", "forever"])
        m.make_run()
        m.go()
        self.assert_ended("finished")
        for n in range(4):
            self.assertIn("the run_timeout of 1.0s has passed", m.last(f"guest{n}")["message"])

    def test_run_timeout_begins_with_no_other_guest(self) -> None:
        m = self.machine
        # Long enough for two xl to be called on a busy machine.
        m.preferences.append("run_timeout = 10")
        for n in range(4):
            m.guest(f"guest{n}", GOOD, fake_create="hang")
        m.make_run()
        m.go()
        self.assertEqual([call.split()[0] for call in m.xen.calls()], ["create", "create", "dmesg"])
        for n in range(4):
            self.assertEqual(m.last(f"guest{n}")["state"], "given up")

    def test_another_build_id_is_a_failed_boot_and_the_old_system_comes_back(self) -> None:
        m = self.machine
        m.mark(build_id="cd" * 20)
        m.guest("guest1", GOOD)
        m.make_run()
        said = m.go()
        self.assert_ended("boot failed")
        self.assertIn(f"another Xen is running: 4.17.7 with build id {BUILD_ID}, not {'cd' * 20}", said)
        self.assertFalse(m.events("boot")[0]["proven"])
        self.assertEqual((m.reboots(), m.xen.calls()), (1, []))

    def test_on_failure_stay_keeps_the_wrong_xen_for_a_look(self) -> None:
        m = self.machine
        m.mark(build_id="cd" * 20, on_failure="stay")
        m.make_run()
        m.go()
        self.assert_ended("boot failed")
        self.assertEqual(m.reboots(), 0)

    def test_a_share_that_is_missing_ends_the_run_with_its_name(self) -> None:
        m = self.machine
        m.guest("guest1", GOOD)
        m.make_run()
        m.share.rmdir()
        said = m.go(status=1)
        self.assert_ended("failed")
        self.assertRegex(said, rf"use {m.share}: .*No such file or directory")
        self.assertEqual(m.reboots(), 1, "on_failure = fallback")

    def test_on_failure_stay_keeps_a_run_that_failed_for_a_look(self) -> None:
        m = self.machine
        m.mark(on_failure="stay")
        m.guest("guest1", GOOD)
        m.make_run()
        m.share.rmdir()
        m.go(status=1)
        self.assertEqual(m.reboots(), 0)

    def watchdog(self) -> str:
        path = self.machine.xen.directory / "watchdog"
        return path.read_text() if path.exists() else ""

    def test_dom0_has_a_watchdog_while_domains_are_watched_over(self) -> None:
        m = self.machine
        m.guest("guest1", [f"exec cat {m.xen.directory}/watchdog >{m.share}/armed", *GOOD])
        m.make_run()
        m.go()
        self.assertEqual((m.share / "armed").read_text(), "1 900\n")
        self.assertEqual(self.watchdog(), "1 0\n")
        self.assertEqual([event["id"] for event in m.events("watchdog")], [1])

    def test_the_watchdog_is_fed(self) -> None:
        m = self.machine
        m.guest("guest1", ["sleep 1.5", *GOOD])
        m.make_run()
        daemon = m.start("--watchdog", "2")
        wait_until(lambda: self.watchdog() == "1 2\n", "the watchdog")
        (m.xen.directory / "watchdog").write_text("")
        wait_until(lambda: self.watchdog() == "1 2\n", "its food")
        daemon.send_signal(signal.SIGSTOP)
        (m.xen.directory / "watchdog").write_text("")
        time.sleep(0.6)
        self.assertEqual(self.watchdog(), "")
        daemon.send_signal(signal.SIGCONT)
        daemon.communicate(timeout=60)
        self.assertEqual(self.watchdog(), "1 0\n")

    def test_the_next_of_us_feeds_the_watchdog_that_a_crash_left(self) -> None:
        m = self.machine
        m.guest("guest1", ["await", "sleep 2", *GOOD])
        m.make_run()
        daemon = m.start()
        wait_until(lambda: any(e["state"] == "started" for e in m.events("domain")), "the guest")
        daemon.kill()
        daemon.communicate()
        self.assertEqual(self.watchdog(), "1 900\n")
        said = m.go()
        self.assertNotIn("no watchdog", said)
        self.assertEqual(self.watchdog(), "1 0\n")
        self.assertEqual(len(m.events("watchdog")), 1)

    def test_a_run_that_fails_when_taken_up_again_leaves_no_watchdog(self) -> None:
        m = self.machine
        m.mark(on_failure="stay")
        m.guest("guest1", ["await", "sleep 2", *GOOD])
        m.make_run()
        daemon = m.start()
        wait_until(lambda: self.watchdog() == "1 900\n", "the watchdog")
        wait_until(lambda: any(e["state"] == "started" for e in m.events("domain")), "the guest")
        daemon.kill()
        daemon.communicate()
        shutil.rmtree(m.share)
        m.go(status=1)
        self.assert_ended("failed")
        self.assertEqual(self.watchdog(), "1 0\n")

    def test_a_watchdog_that_is_not_to_be_had_is_no_failure(self) -> None:
        m = self.machine
        (m.xen.directory / "watchdog").write_text("taken")
        m.guest("guest1", GOOD)
        m.make_run()
        said = m.go()
        self.assert_ended("finished")
        self.assertIn("dom0 has no watchdog: arm a watchdog: all are taken", said)
        self.assertEqual(self.watchdog(), "taken")

    def test_without_watchdog_there_is_none(self) -> None:
        m = self.machine
        m.preferences.append("watchdog = no")
        m.guest("guest1", GOOD)
        m.make_run()
        m.go()
        self.assertEqual((self.watchdog(), m.events("watchdog")), ("", []))

    def test_a_damaged_marker_ends_its_run(self) -> None:
        m = self.machine
        m.guest("guest1", GOOD)
        m.make_run()
        m.put("etc/xen_start_tests", f"run = {RUN}\nstage = bo")
        said = m.go(status=1)
        self.assert_ended("failed")
        self.assertIn("makes no sense", said)
        self.assertEqual(m.reboots(), 1, "into the old system")

    def test_without_xenstored_the_run_ends(self) -> None:
        m = self.machine
        m.guest("guest1", GOOD)
        m.make_run()
        said = m.go(status=1, XENSTORED_PATH="/nonexistent")
        self.assert_ended("failed")
        self.assertIn("open xenstore", said)

    def test_told_to_stop_it_leaves_a_run_that_can_go_on(self) -> None:
        m = self.machine
        m.guest("guest1", ["print one", "state testing LTP run 1", "sleep 3", *GOOD[6:]])
        m.guest("slow", GOOD, fake_create="hang")
        m.make_run()
        daemon = m.start()
        wait_until(lambda: any(e["state"] == "running" for e in m.events("domain")), "the first test")
        daemon.send_signal(signal.SIGTERM)
        said, _ = daemon.communicate(timeout=30)
        self.assertEqual(daemon.returncode, 0, said)
        self.assertEqual(m.marker()["stage"], "test")
        self.assertEqual(m.marker()["boot_id"], THIS_BOOT)
        self.assertEqual(m.events("end"), [])
        m.put("etc/xen/slow.cfg", f"name = 'slow'\nfake = {GOOD!r}\n")
        said = m.go()
        self.assert_ended("finished")
        self.assertIn("guest1: Runs as domain 1, as before", said)
        self.assertEqual((m.last("guest1")["state"], m.last("slow")["state"]), ("done", "done"))
        self.assertEqual(len([c for c in m.xen.calls() if "guest1.cfg" in c]), 1)
        self.assertEqual(len(m.events("boot")), 1)

    def test_a_guest_that_was_rebooting_is_not_destroyed(self) -> None:
        m = self.machine
        m.mark(stage="test", boot_id=THIS_BOOT)
        m.guest("again", ["await", *GOOD])
        m.make_run({"event": "domain", "domain": "again", "state": "starting", "boot": THIS_BOOT},
                   {"event": "domain", "domain": "again", "state": "started", "boot": THIS_BOOT},
                   {"event": "domain", "domain": "again", "state": "starting", "reason": "reboot", "boot": THIS_BOOT})
        m.xl("create", "-p", "-f", m.config("again"))
        m.xl("unpause", "1")
        m.go()
        self.assertEqual([c.split()[0] for c in m.xen.calls()], ["create", "unpause", "dmesg"])
        self.assertEqual(m.last("again")["state"], "done")

    def test_a_guest_that_is_recorded_as_started_and_paused_is_let_go(self) -> None:
        m = self.machine
        m.mark(stage="test", boot_id=THIS_BOOT)
        m.guest("paused", ["await", *GOOD])
        m.make_run({"event": "domain", "domain": "paused", "state": "starting", "boot": THIS_BOOT},
                   {"event": "domain", "domain": "paused", "state": "started", "domid": 1, "boot": THIS_BOOT})
        m.xl("create", "-p", "-f", m.config("paused"))
        m.go()
        self.assertEqual([c.split()[0] for c in m.xen.calls()], ["create", "unpause", "dmesg"])
        self.assertEqual(m.last("paused")["state"], "done")
        self.assertIn("Linux version 6.1", (m.run_dir / "paused/console.log").read_text())

    def test_a_guest_left_half_made_is_made_anew(self) -> None:
        m = self.machine
        m.mark(stage="test", boot_id=THIS_BOOT)
        m.guest("half", GOOD)
        m.make_run({"event": "domain", "domain": "half", "state": "starting", "boot": THIS_BOOT})
        m.xl("create", "-p", "-f", m.config("half"))
        m.go()
        self.assertEqual([c.split()[0] for c in m.xen.calls()], ["create", "destroy", "create", "unpause", "dmesg"])
        self.assertEqual(m.last("half")["state"], "done")

    def test_after_a_reboot_only_what_is_not_done_is_started(self) -> None:
        m = self.machine
        m.mark(stage="test")
        m.guest("was-done", GOOD)
        m.guest("had-died", GOOD, keys="on_crash = give-up")
        m.guest("was-running", GOOD)
        m.make_run({"event": "domain", "domain": "was-done", "state": "done"},
                   {"event": "domain", "domain": "had-died", "state": "died"},
                   {"event": "domain", "domain": "was-running", "state": "starting"},
                   {"event": "domain", "domain": "was-running", "state": "started"})
        m.go()
        self.assert_ended("finished")
        self.assertEqual([c.split()[-1].rsplit("/", 1)[-1] for c in m.xen.calls() if c.startswith("create")],
                         ["was-running.cfg"])
        self.assertFalse((m.share / "was-done/xentests.conf").exists())


if __name__ == "__main__":
    main()
