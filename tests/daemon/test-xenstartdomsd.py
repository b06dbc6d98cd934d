#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""xenstartdomsd as it is, but for the hypervisor and the reboot below it.

Usage: test-xenstartdomsd.py PROGRAM [TEST…], PROGRAM being xenstartdomsd with
the sources of fake-xen/ in place of those that they replace.
"""
from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE / "fake-xen"))
from fakexen import FakeXen  # noqa: E402

PROGRAM = ""
RUN = "20261123-200000-1a2b3c4d"
THIS_BOOT = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
OTHER_BOOT = "11111111-2222-3333-4444-555555555555"
BUILD_ID = "ab" * 20
XEN = {"xen": "4.17.7", "changeset": "abc", "build_id": BUILD_ID, "command_line": "console=com1"}

# What a guest of fake-xen/xl does that runs its two tests.
GOOD = [
    "print Linux version 6.1",
    'record {"event": "domain"}',
    "state testing LTP run 1",
    "sleep 0.3",  # a state that is replaced at once may never be seen
    'record {"event": "test", "entry": 0, "iteration": 1, "test": "LTP", "state": "started"}',
    'record {"event": "test", "entry": 0, "iteration": 1, "test": "LTP", "state": "ended",'
    ' "outcome": "exited", "exit_status": 0}',
    "state testing fio run 2",
    'record {"event": "done"}',
    "consume",
    "state done",
    "forever",
]


class Machine:
    """A scratch root with a run in it, and a fake Xen below."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "root"
        self.share = directory / "share"
        self.share.mkdir()
        self.run_dir = self.root / "var/lib/xentest/runs" / RUN
        self.xen = FakeXen(directory / "xen")
        self.path = f"{HERE / 'fake-xen'}:/usr/bin:/bin"
        self.sections: list[str] = []
        self.preferences = ["boot_method = command", f"boot_command = echo armed >> {directory}/boots"]
        self.boots = directory / "boots"
        self.put("proc/sys/kernel/osrelease", "6.1.0-56-amd64\n")
        self.put("etc/xen_start_tests", "")

    def put(self, path: str, text: str) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def be_dom0(self) -> None:
        self.put("sys/hypervisor/type", "xen\n")
        self.put("proc/xen/capabilities", "control_d\n")
        self.xen.set_version(**XEN)

    def mark(self, stage: str = "boot", boots_left: int = 3, boot_id: str = OTHER_BOOT,
             build_id: str = BUILD_ID, on_failure: str = "fallback", boot_timeout: str = "60") -> None:
        self.put("etc/xen_start_tests", f"run = {RUN}\nstage = {stage}\nboot_id = {boot_id}\n"
                 f"build_id = {build_id}\nboots_left = {boots_left}\nboot_timeout = {boot_timeout}\n"
                 f"on_failure = {on_failure}\n")

    def guest(self, name: str, fake: list[str] | None, *, tests: str = "LTP fio", keys: str = "", **config: str) -> None:
        """A domain of the control file; without @fake nobody starts it."""
        lines = [f"[XENVM{len(self.sections)}]", f"name = {name}", "tempdir = /tmp"]
        if fake is not None:
            self.put(f"etc/xen/{name}.cfg", "".join(
                f"{key} = {value!r}\n" for key, value in ({"name": name, "fake": fake} | config).items()))
            lines.append(f"config = {self.root}/etc/xen/{name}.cfg")
        lines += [f"test{n} = {test}" for n, test in enumerate(tests.split(), 1)]
        self.sections.append("\n".join(lines + [keys]))

    def make_run(self, *events: dict) -> None:
        control = "\n".join(["[Preferences]", "xen-tree = none", f"shared_dir = {self.share}",
                             *self.preferences, *self.sections,
                             "[LTP]\nrun_command = true\ntimeout = 1\nbuild_timeout = 1",
                             "[fio]\nrun_command = true", ""])
        self.put("etc/xen/xentest.conf", control)
        self.put(f"var/lib/xentest/runs/{RUN}/control.conf", control)
        self.put("var/lib/xentest/current", RUN + "\n")
        self.digest = hashlib.sha256(control.encode()).hexdigest()
        lines = [{"event": "run", "run": RUN}, {"event": "armed", "hypervisor": "/boot/xen.gz"}, *events]
        self.put(f"var/lib/xentest/runs/{RUN}/record.jsonl", "".join(
            json.dumps({"n": n, "time": "2026-11-23T20:00:00.000Z", "boot": OTHER_BOOT} | line) + "\n"
            for n, line in enumerate(lines, 1)))

    def environment(self) -> dict[str, str]:
        leave = {"NOTIFY_SOCKET", "JOURNAL_STREAM", "WATCHDOG_USEC"}
        return {k: v for k, v in os.environ.items() if k not in leave} | self.xen.environment() | {
            "PATH": self.path, "LC_ALL": "C"}

    def start(self, *options: str, **environment: str) -> subprocess.Popen:
        return subprocess.Popen([PROGRAM, "--root", str(self.root), *options],
                                env=self.environment() | environment, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def go(self, *options: str, status: int = 0, timeout: float = 60, **environment: str) -> str:
        """The daemon's whole life. Returns what it said."""
        daemon = self.start(*options, **environment)
        try:
            said, _ = daemon.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            daemon.kill()
            said, _ = daemon.communicate()
            raise AssertionError(f"it did not end:\n{said}") from None
        if daemon.returncode != status:
            raise AssertionError(f"exit status {daemon.returncode}:\n{said}")
        return said

    def events(self, kind: str) -> list[dict]:
        lines = (self.run_dir / "record.jsonl").read_text().splitlines()
        return [event for event in map(json.loads, lines) if event["event"] == kind]

    def last(self, domain: str) -> dict:
        return [event for event in self.events("domain") if event["domain"] == domain][-1]

    def reboots(self) -> int:
        try:
            return len((self.xen.directory / "reboots").read_text().splitlines())
        except OSError:
            return 0

    def marker(self) -> dict[str, str] | None:
        try:
            text = (self.root / "etc/xen_start_tests").read_text()
        except OSError:
            return None
        return dict(line.split(" = ", 1) if " = " in line else (line.rstrip(" ="), "")
                    for line in text.splitlines() if not line.startswith("#"))


def wait_until(condition, what: str, timeout: float = 20) -> None:
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"never came: {what}")
        time.sleep(0.02)


class Case(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory(prefix="xenstartdomsd.")
        self.addCleanup(scratch.cleanup)
        self.machine = Machine(Path(scratch.name))
        self.enterContext(self.machine.xen)

    def enterContext(self, context):  # Python 3.11 has it
        value = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return value

    def assert_ended(self, result: str) -> None:
        m = self.machine
        self.assertEqual([event["result"] for event in m.events("end")], [result])
        self.assertIsNone(m.marker(), "the marker is gone")
        self.assertFalse((m.root / "etc/xen/xentest.conf").exists(), "the request was put away")
        self.assertFalse((m.root / "var/lib/xentest/current").exists())
        self.assertTrue((m.run_dir / "summary.txt").exists())


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
                            "sleep 0.2", "crash"])
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
        m.guest("goes", ["sleep 0.1", "poweroff"])
        m.make_run()
        m.go()
        self.assertEqual(m.last("goes")["message"], "poweroff before its first test")

    def test_a_guest_that_never_reports_is_given_up(self) -> None:
        m = self.machine
        m.guest("mute", ["forever"], keys="start_timeout = 1")
        m.make_run()
        m.go()
        self.assertEqual(m.last("mute")["state"], "given up")
        self.assertEqual(m.last("mute")["message"], "it did not report within 1.0s")

    def test_a_guest_that_only_waits_is_given_up_as_that(self) -> None:
        m = self.machine
        m.guest("waits", ["state waiting", "forever"], keys="start_timeout = 1")
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
            "sleep 0.2", "crash"])
        m.make_run()
        said = m.go()
        self.assertEqual(m.last("evil")["message"], "crash during ? (?)")
        self.assertNotIn("\x1b", said)

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
        for call in ["create", "-p", "-f", str(m.root / "etc/xen/there.cfg")], ["unpause", "1"]:
            subprocess.run([HERE / "fake-xen/xl", *call], env=m.environment(), check=True, stdout=subprocess.DEVNULL)
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
        for call in ["create", "-p", "-f", str(m.root / "etc/xen/late.cfg")], ["unpause", "1"]:
            subprocess.run([HERE / "fake-xen/xl", *call], env=m.environment(), check=True, stdout=subprocess.DEVNULL)
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
        for call in ["create", "-p", "-f", str(m.root / "etc/xen/again.cfg")], ["unpause", "2"]:
            subprocess.run([HERE / "fake-xen/xl", *call], env=m.environment(), check=True, stdout=subprocess.DEVNULL)
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

    def test_a_guest_left_half_made_is_made_anew(self) -> None:
        m = self.machine
        m.mark(stage="test", boot_id=THIS_BOOT)
        m.guest("half", GOOD)
        m.make_run({"event": "domain", "domain": "half", "state": "starting", "boot": THIS_BOOT})
        subprocess.run([HERE / "fake-xen/xl", "create", "-p", "-f", m.root / "etc/xen/half.cfg"],
                       env=m.environment(), check=True, stdout=subprocess.DEVNULL)
        m.go()
        self.assertEqual([c.split()[0] for c in m.xen.calls()], ["create", "destroy", "create", "unpause", "dmesg"])
        self.assertEqual(m.last("half")["state"], "done")

    def test_after_a_reboot_only_what_is_not_done_is_started(self) -> None:
        m = self.machine
        m.mark(stage="test")
        m.guest("was-done", GOOD)
        m.guest("had-died", GOOD)
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
    PROGRAM = sys.argv.pop(1)
    unittest.main(verbosity=2)
