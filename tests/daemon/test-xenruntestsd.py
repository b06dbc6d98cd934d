#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""xenruntestsd as it is: by hand on bare Linux, and in a domain of a fake Xen.

Usage: test-xenruntestsd.py PROGRAM [TEST…]
"""
from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
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
CASES = HERE.parent / "unit" / "control-ini-cases.json"
DOMID = 7


def wait_until(what: str, condition, limit_s: float = 20.0):
    """Polls: a test has no event loop of its own."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {limit_s:.0f} s")


def events(record: Path, name: str) -> list[dict]:
    try:
        lines = record.read_text().splitlines()
    except FileNotFoundError:
        return []
    return [event for event in map(json.loads, lines) if event["event"] == name]


def outcomes(record: Path) -> list[str]:
    """ "LTP exited 0", "fio interrupted", … in the order of the record."""
    said = []
    for event in events(record, "test"):
        if event["state"] == "started":
            continue
        words = [event["test"], event.get("outcome", event["state"])]
        words += [str(event[key]) for key in ("exit_status", "signal") if key in event]
        said.append(" ".join(words))
    return said


class Place(unittest.TestCase):
    def setUp(self) -> None:
        self.dir = Path(tempfile.mkdtemp(prefix="xentest-daemon-"))
        self.share = self.dir / "share"
        self.temp = self.dir / "temp"
        self.share.mkdir()
        self.processes: list[subprocess.Popen] = []
        self.addCleanup(self.tidy)

    def tidy(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def control(self, text: str, name: str = "bob13") -> str:
        return (f"[Preferences]\nxen-tree = none\nshared_dir = {self.share}\n"
                f"[XENVM0]\nname = {name}\ntempdir = {self.temp}\n{text}")

    def put(self, name: str, text: str) -> Path:
        path = self.dir / name
        path.write_text(text)
        return path

    def call(self, *options: str | Path) -> subprocess.CompletedProcess:
        return subprocess.run([PROGRAM, *options], text=True, capture_output=True, timeout=60, check=False)

    def start(self, *options: str | Path, **environment: str) -> subprocess.Popen:
        log = open(self.dir / "daemon.log", "a")  # noqa: SIM115 (the daemon's)
        process = subprocess.Popen([PROGRAM, *options], stdout=log, stderr=log, env=os.environ | environment)
        log.close()
        self.processes.append(process)
        return process

    def said(self) -> str:
        return (self.dir / "daemon.log").read_text()


class CommandLine(Place):
    def test_help_and_version_go_to_stdout(self) -> None:
        self.assertIn("--once", self.call("--help").stdout)
        self.assertRegex(self.call("--version").stdout, r"^xenruntestsd \d")
        self.assertEqual(self.call("--help").returncode, 0)

    def test_a_wrong_command_line_is_2(self) -> None:
        for line in (["--once"], ["--control", "x"], ["--once", "--control", "x"], ["--nope"], ["word"], ["--check"]):
            with self.subTest(line):
                done = self.call(*line)
                self.assertEqual(done.returncode, 2)
                self.assertNotEqual(done.stderr, "")
                self.assertEqual(done.stdout, "")

    def test_check_tells_good_from_bad_from_unreadable(self) -> None:
        good = self.put("good", self.control("test1 = a\n[a]\nrun_command = true\n"))
        bad = self.put("bad", self.control("test1 = a\n[a]\nlog_dir = x\n"))
        self.assertEqual(self.call("--check", good).returncode, 0)
        done = self.call("--check", bad)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, rf"^{bad}:\d+: error: \[a\] run_command is missing")
        for unreadable in (self.dir / "missing", self.dir):
            self.assertEqual(self.call("--check", unreadable).returncode, 2)
            self.assertEqual(self.call("--dump", unreadable).returncode, 2)

    def test_every_case_of_the_ini_syntax_is_dumped_as_specified(self) -> None:
        for case in json.loads(CASES.read_text())["cases"]:
            with self.subTest(case["name"]):
                done = self.call("--dump", self.put("case", case["input"]))
                if "errors" in case:
                    self.assertEqual((done.returncode, done.stdout), (1, ""))
                else:
                    self.assertEqual(done.returncode, 0)
                    got = json.loads(done.stdout)["sections"]
                    self.assertEqual(errors_alike(got), errors_alike(case["sections"]))
                for kind in ("errors", "warnings"):
                    wanted = [each["line"] for each in case.get(kind, [])]
                    found = re.findall(rf"case:(\d+): {kind[:-1]}: ", done.stderr)
                    self.assertEqual([int(line) for line in found], wanted)

    def test_every_case_is_checked_with_the_lines_specified(self) -> None:
        for case in json.loads(CASES.read_text())["cases"]:
            with self.subTest(case["name"]):
                done = self.call("--check", self.put("case", case["input"]))
                self.assertIn(done.returncode, (0, 1))
                found = {int(line) for line in re.findall(r"case:(\d+): error: ", done.stderr)}
                self.assertLessEqual({each["line"] for each in case.get("errors", [])}, found)


def errors_alike(sections: dict) -> dict:
    """Which words an error has is free."""
    return {name: {key: "error" if isinstance(value, dict) else value for key, value in keys.items()}
            for name, keys in sections.items()}


class Once(Place):
    def once(self, text: str, *more: str) -> subprocess.CompletedProcess:
        file = self.put("control.conf", self.control(text))
        return self.call("--once", "--control", file, "--shared", self.share, "--name", "bob13", *more)

    def results(self, done: subprocess.CompletedProcess) -> Path:
        self.assertEqual(done.returncode, 0, done.stderr)
        path = Path(done.stdout.rstrip("\n"))
        self.assertEqual(path.parent, self.share.resolve() / "bob13")
        return path

    def test_a_list_goes_from_tarball_to_record(self) -> None:
        tree = self.dir / "hello-1.0"
        tree.mkdir()
        (tree / "Makefile").write_text("all:\n\techo '#!/bin/sh' > hello; echo 'echo hello' >> hello; chmod +x hello\n")
        with tarfile.open(self.dir / "hello.tar.xz", "w:xz") as tarball:
            tarball.add(tree, "hello-1.0")
        results = self.results(self.once(
            "test1 = hello\ntest2 = fails\ntest3 = killed\ntest4 = slow\n"
            f"[hello]\nsource_url = file://{self.dir}/hello.tar.xz\ntest_dir = hello-1.0\nbuild_command = make\n"
            "run_command = ./hello > ../logs/out\nlog_dir = logs\n"
            "[fails]\nrun_command = exit 3\n[killed]\nrun_command = kill -9 $$\n"
            "[slow]\nrun_command = sleep 60\ntimeout = 1\n"))
        self.assertEqual(outcomes(results / "record.jsonl"),
                         ["hello exited 0", "fails exited 3", "killed signaled 9", "slow timed out 15"])
        self.assertEqual((results / "hello/logs/out").read_text(), "hello\n")
        self.assertEqual(len(events(results / "record.jsonl", "done")), 1)
        self.assertEqual(events(results / "record.jsonl", "domain")[0]["system"], "bare")
        self.assertEqual(events(results / "record.jsonl", "plan")[0]["tests"], ["hello", "fails", "killed", "slow"])

    def test_trees_that_were_replaced_are_gone_at_the_end(self) -> None:
        tree = self.dir / "hello"
        tree.mkdir()
        (tree / "file").write_text("1")
        with tarfile.open(self.dir / "hello.tar", "w") as tarball:
            tarball.add(tree, "hello")
        results = self.results(self.once(
            f"test1 = a\ntest2 = a\ntest3 = a\n[a]\nsource_url = {self.dir}/hello.tar\ntest_dir = hello\n"
            "run_command = ls -A ..\n"))
        self.assertIn(".", (results / "a.3/run.log").read_text())  # kept meanwhile
        self.assertEqual([each.name for each in self.temp.iterdir()], ["hello"])

    def test_two_runs_in_one_second_are_two(self) -> None:
        text = "test1 = a\n[a]\nrun_command = true\n"
        first, second = self.results(self.once(text)), self.results(self.once(text))
        self.assertNotEqual(first, second)
        self.assertEqual(outcomes(second / "record.jsonl"), ["a exited 0"])

    def test_a_host_without_a_section_has_nothing_to_run(self) -> None:
        file = self.put("control.conf", self.control("test1 = a\n[a]\nrun_command = true\n"))
        done = self.call("--once", "--control", file, "--shared", self.share, "--name", "alice")
        self.assertEqual((done.returncode, done.stdout), (0, ""))
        self.assertIn('no section for "alice"', done.stderr)
        self.assertEqual(list(self.share.iterdir()), [])

    def test_a_bad_control_file_runs_nothing(self) -> None:
        done = self.once("test1 = nothere\n")
        self.assertEqual(done.returncode, 1)
        self.assertIn("test1: no section [nothere]", done.stderr)
        self.assertEqual(list(self.share.iterdir()), [])

    def test_a_share_that_is_not_there_is_told(self) -> None:
        file = self.put("control.conf", self.control("test1 = a\n[a]\nrun_command = true\n"))
        done = self.call("--once", "--control", file, "--shared", self.dir / "missing", "--name", "bob13")
        self.assertEqual(done.returncode, 1)
        self.assertIn("missing: No such file or directory", done.stderr)

    def test_every_byte_of_output_is_kept(self) -> None:
        results = self.results(self.once(
            "test1 = big\n[big]\nrun_command = head -c 50000000 /dev/zero; echo the end; kill -9 $$\n"))
        log = (results / "big/run.log").read_bytes()
        self.assertEqual(len(log), 50000008)
        self.assertTrue(log.endswith(b"the end\n"))

    def test_a_kill_keeps_a_record_that_can_be_read(self) -> None:
        file = self.put("control.conf", self.control(
            "test1 = a\ntest2 = b\n[a]\nrun_command = true\n[b]\nrun_command = sleep 60.5\n"))
        process = self.start("--once", "--control", file, "--shared", self.share, "--name", "bob13")
        record = wait_until("b begins", lambda: next(iter(self.share.glob("bob13/*/b/run.log")), None)).parents[1]
        process.kill()
        process.wait()
        self.assertEqual(outcomes(record / "record.jsonl"), ["a exited 0"])
        self.assertEqual(events(record / "record.jsonl", "test")[-1]["state"], "started")

    def test_a_stop_ends_the_step_and_everything_in_it(self) -> None:
        file = self.put("control.conf", self.control(
            "test1 = a\n[a]\nrun_command = echo $$ > pid; sleep 60.25 & wait\n"))
        process = self.start("--once", "--control", file, "--shared", self.share, "--name", "bob13")
        pid = int(wait_until("a begins", lambda: (self.temp / "pid").exists()
                             and (self.temp / "pid").read_text()))
        process.terminate()
        self.assertEqual(process.wait(20), 1)
        self.assertIn("a: stopped", self.said())
        self.assertFalse(Path(f"/proc/{pid}").exists())


class Domain(Place):
    """ --root DIR, and a xenstore that libxenstore itself talks to."""

    def setUp(self) -> None:
        super().setUp()
        self.root = self.dir / "root"
        self.own = self.share / "bob13"
        self.record = self.own / RUN / "record.jsonl"
        self.xen = FakeXen(self.dir / "xen")
        self.xen.__enter__()
        self.addCleanup(self.xen.__exit__)
        self.xen.store.introduce(DOMID)
        self.put_root("proc/sys/kernel/osrelease", "6.1.0\n")
        self.put_root("sys/hypervisor/type", "xen\n")
        self.put_root("proc/xen/capabilities", "\n")

    def put_root(self, path: str, text: str) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def daemon(self, **environment: str) -> subprocess.Popen:
        return self.start("--root", self.root, "--name", "bob13", **self.xen.environment(DOMID), **environment)

    def announce(self, text: str, digest: str | None = None) -> None:
        home = f"/local/domain/{DOMID}/xentest"
        self.xen.store.write(f"{home}/run", RUN)
        self.xen.store.write(f"{home}/shared", str(self.share))
        self.xen.store.write(f"{home}/digest", digest or hashlib.sha256(text.encode()).hexdigest())

    def publish(self, text: str) -> None:
        self.own.mkdir(parents=True, exist_ok=True)
        (self.own / "xentests.conf").write_text(text)

    def assert_ends(self, process: subprocess.Popen, *said: str, limit_s: float = 20) -> None:
        try:
            self.assertEqual(process.wait(limit_s), 0, self.said())
        except subprocess.TimeoutExpired:
            self.fail(f"it goes on:\n{self.said()}")
        for words in said:
            self.assertIn(words, self.said())

    def state(self) -> dict:
        text = self.xen.store.read(f"/local/domain/{DOMID}/data/xentest/state")
        return json.loads(text) if text else {}


class InDomain(Domain):
    def test_bare_linux_has_nothing_to_do(self) -> None:
        shutil.rmtree(self.root / "sys")
        self.assert_ends(self.daemon(), "No Xen here: nothing to do")

    def test_dom0_without_a_marker_has_nothing_to_do(self) -> None:
        self.put_root("proc/xen/capabilities", "control_d\n")
        self.assert_ends(self.daemon(), "No run is going on (no /etc/xen_start_tests)")

    def test_a_job_that_is_there_already_is_done(self) -> None:
        text = self.control("test1 = a\ntest2 = b\n[a]\nlog_dir = logs\nrun_command = echo ran; touch logs/x\n"
                            "[b]\nrun_command = exit 2\n")
        self.publish(text)
        self.announce(text)
        self.assert_ends(self.daemon(), "Done: 1 of 2 tests good")
        self.assertEqual(outcomes(self.record), ["a exited 0", "b exited 2"])
        self.assertEqual((self.own / RUN / "a/run.log").read_text(), "ran\n")
        self.assertTrue((self.own / RUN / "a/logs/x").exists())
        self.assertFalse((self.own / "xentests.conf").exists())
        self.assertEqual(self.state(), {"run": RUN, "state": "done", "domain": "bob13", "index": 2, "count": 2})
        # The record stays here too; the results went.
        local = self.root / "var/lib/xentest/runs" / RUN / "bob13"
        self.assertEqual([each.name for each in local.iterdir()], ["record.jsonl"])
        self.assertEqual((local / "record.jsonl").read_bytes(), self.record.read_bytes())

    @unittest.skipUnless(os.access("/dev/shm", os.W_OK), "no other disk here")
    def test_results_reach_a_share_on_another_disk(self) -> None:
        self.share = Path(tempfile.mkdtemp(prefix="xentest-daemon-", dir="/dev/shm"))
        self.own = self.share / "bob13"
        self.addCleanup(shutil.rmtree, self.share)
        text = self.control("test1 = a\ntest2 = a\n[a]\nlog_dir = logs\nrun_command = echo ran; touch logs/x\n")
        self.publish(text)
        self.announce(text)
        self.assert_ends(self.daemon(), "Done: 2 of 2 tests good")
        for name in ("a", "a.2"):
            self.assertEqual((self.own / RUN / name / "run.log").read_text(), "ran\n")
            self.assertTrue((self.own / RUN / name / "logs/x").exists())
        self.assertEqual(outcomes(self.own / RUN / "record.jsonl"), ["a exited 0"] * 2)

    def test_dom0_runs_its_own_list(self) -> None:
        self.put_root("proc/xen/capabilities", "control_d\n")
        self.put_root("etc/xen_start_tests", "")
        text = self.control("test1 = a\n[a]\nrun_command = true\n")
        self.publish(text)
        self.announce(text)
        self.assert_ends(self.daemon())
        self.assertEqual(events(self.record, "domain")[0]["system"], "dom0")

    def test_it_waits_for_the_announcement(self) -> None:
        text = self.control("test1 = a\n[a]\nrun_command = true\n")
        self.publish(text)
        process = self.daemon()
        wait_until("it waits", lambda: "Waiting: dom0 has announced no run yet" in self.said())
        self.assertIsNone(process.poll())
        self.announce(text)
        self.assert_ends(process)
        self.assertEqual(outcomes(self.record), ["a exited 0"])

    def test_it_waits_for_the_share(self) -> None:
        text = self.control("test1 = a\n[a]\nrun_command = true\n")
        self.share.rmdir()
        self.announce(text)
        process = self.daemon()
        wait_until("it waits", lambda: "share: No such file or directory" in self.said())
        self.share.mkdir()
        wait_until("it waits", lambda: 'no directory for "bob13"' in self.said())
        self.publish(text)
        self.assert_ends(process)
        self.assertEqual(outcomes(self.record), ["a exited 0"])

    def test_another_control_file_than_announced_is_not_run(self) -> None:
        text = self.control("test1 = a\n[a]\nrun_command = true\n")
        self.publish(text.replace("true", f"touch {self.dir}/evil"))
        self.announce(text)
        process = self.daemon()
        wait_until("it refuses", lambda: "is not the one that dom0 announced" in self.said())
        time.sleep(1.5)  # it looks again after a second
        self.assertIsNone(process.poll())
        self.assertFalse((self.dir / "evil").exists())
        self.publish(text)
        self.assert_ends(process)

    def test_a_link_is_no_control_file(self) -> None:
        text = self.control("test1 = a\n[a]\nrun_command = true\n")
        self.own.mkdir()
        (self.own / "xentests.conf").symlink_to(self.put("elsewhere", text))
        self.announce(text)
        process = self.daemon()
        wait_until("it refuses", lambda: "is a symbolic link" in self.said())
        process.terminate()
        self.assert_ends(process)

    def test_an_announcement_that_makes_no_sense_is_not_followed(self) -> None:
        text = self.control("test1 = a\n[a]\nrun_command = true\n")
        self.publish(text)
        self.announce(text)
        self.xen.store.write(f"/local/domain/{DOMID}/xentest/run", "../../../../escaped")
        process = self.daemon()
        wait_until("it refuses", lambda: "what dom0 announces makes no sense" in self.said())
        process.terminate()
        self.assert_ends(process)

    def test_a_stop_while_waiting_is_no_failure(self) -> None:
        process = self.daemon()
        wait_until("it waits", lambda: "Waiting: " in self.said())
        process.terminate()
        self.assert_ends(process)

    def test_the_share_may_be_mounted_elsewhere_here(self) -> None:
        text = self.control("test1 = a\n[a]\nrun_command = true\n")
        self.publish(text)
        self.announce(text)
        self.xen.store.write(f"/local/domain/{DOMID}/xentest/shared", "/nowhere")
        self.assert_ends(self.daemon(SHARED_DIR=str(self.share)))
        self.assertEqual(outcomes(self.record), ["a exited 0"])

    def test_progress_is_told_through_xenstore(self) -> None:
        text = self.control("test1 = a\ntest2 = b\n[a]\nrun_command = true\n[b]\nrun_command = sleep 60\n")
        self.publish(text)
        self.announce(text)
        process = self.daemon()
        wait_until("b is told", lambda: self.state().get("test") == "b")
        self.assertEqual(self.state(), {"run": RUN, "state": "testing", "domain": "bob13", "test": "b", "step": "run", "iteration": 1,
                                        "index": 2, "count": 2})
        # What has ended is in the share while the next one runs.
        self.assertEqual(outcomes(self.record), ["a exited 0"])
        process.terminate()
        self.assert_ends(process)

    def crash_in_second_test(self) -> str:
        text = self.control("".join(f"test{i} = t{i}\n" for i in (1, 2, 3)) + "".join(
            f"[t{i}]\nrun_command = echo t{i} >> order; {'sleep 60' if i == 2 else ':'}\n" for i in (1, 2, 3)))
        self.publish(text)
        self.announce(text)
        process = self.daemon()
        wait_until("t2 runs", lambda: (self.temp / "order").exists()
                   and "t2" in (self.temp / "order").read_text())
        process.send_signal(signal.SIGKILL)
        process.wait()
        return text

    def assert_resumed(self) -> None:
        self.assert_ends(self.daemon(), "Interrupted: ")
        self.assertEqual(outcomes(self.record), ["t1 exited 0", "t2 interrupted", "t3 exited 0"])
        self.assertEqual((self.temp / "order").read_text(), "t1\nt2\nt3\n")
        self.assertEqual([event["n"] for event in map(json.loads, self.record.read_text().splitlines())],
                         list(range(1, len(self.record.read_text().splitlines()) + 1)))
        self.assertFalse((self.own / "xentests.conf").exists())

    def test_after_a_kill_it_goes_on_with_the_next_test(self) -> None:
        self.crash_in_second_test()
        self.assert_resumed()

    def test_a_guest_that_lost_its_disk_takes_its_record_from_the_share(self) -> None:
        self.crash_in_second_test()
        shutil.rmtree(self.root / "var")
        self.assert_resumed()

    def tell_death(self, text: str) -> None:
        self.xen.store.write(f"/local/domain/{DOMID}/xentest/died", text)

    def test_a_guest_that_crashed_says_so_of_the_test_that_was_open(self) -> None:
        self.crash_in_second_test()
        shutil.rmtree(self.root / "var")
        self.tell_death('{"reason":"crash","entry":1,"iteration":1,"step":"run"}')
        self.assert_ends(self.daemon(), "Crashed: guest crash during run; it is not run again")
        self.assertEqual(outcomes(self.record), ["t1 exited 0", "t2 crashed", "t3 exited 0"])
        self.assertEqual((self.temp / "order").read_text(), "t1\nt2\nt3\n")

    def test_a_guest_that_lost_its_record_too_does_not_begin_again(self) -> None:
        self.crash_in_second_test()
        shutil.rmtree(self.root / "var")
        shutil.rmtree(self.own / RUN)  # as if the share had been away
        self.tell_death('{"reason":"crash","entry":1,"iteration":1,"step":"run"}')
        self.assert_ends(self.daemon())
        self.assertEqual(outcomes(self.record), ["t1 interrupted", "t2 crashed", "t3 exited 0"])
        self.assertEqual((self.temp / "order").read_text(), "t1\nt2\nt3\n")

    def test_a_death_that_makes_no_sense_is_waited_out(self) -> None:
        text = self.control("test1 = a\n[a]\nrun_command = true\n")
        self.publish(text)
        self.tell_death("[]")
        self.announce(text)
        process = self.daemon()
        wait_until("the reason", lambda: "our last death: no object" in self.said())
        self.assertFalse(self.record.exists())
        process.terminate()
        self.assert_ends(process)

    def test_a_kill_after_the_last_test_only_delivers(self) -> None:
        text = self.control("test1 = a\n[a]\nrun_command = echo ran >> order\n")
        self.publish(text)
        self.announce(text)
        self.assert_ends(self.daemon())
        self.publish(text)  # as if the removal had not survived
        self.assert_ends(self.daemon(), "Done: 1 of 1 tests good")
        self.assertEqual((self.temp / "order").read_text(), "ran\n")
        self.assertFalse((self.own / "xentests.conf").exists())

    def test_a_host_that_is_not_in_the_file_does_nothing(self) -> None:
        text = self.control("test1 = a\n[a]\nrun_command = true\n", name="alice")
        self.publish(text)
        self.announce(text)
        self.assert_ends(self.daemon(), 'no section for "bob13": nothing to run')

    def test_without_xenstored_it_gives_up_in_time(self) -> None:
        self.xen.store.close()
        process = self.start("--root", self.root, XENSTORED_PATH=str(self.dir / "nobody"))
        self.assertEqual(process.wait(20), 1)
        self.assertNotEqual(self.said(), "")


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
