#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A machine for tests of xenstartdomsd: a scratch root with a run in it, the
share, and a fake Xen below."""
from __future__ import annotations

import hashlib
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from fakexen import FakeXen

HERE = Path(__file__).resolve().parent
RUN = "20261123-200000-1a2b3c4d"
THIS_BOOT = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
OTHER_BOOT = "11111111-2222-3333-4444-555555555555"
BUILD_ID = "ab" * 20
XEN = {"xen": "4.17.7", "changeset": "abc", "build_id": BUILD_ID, "command_line": "console=com1"}
PROGRAM = [""]  # set by main()

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
    def __init__(self, program: str, directory: Path) -> None:
        self.program = program
        self.root = directory / "root"
        self.share = directory / "share"
        self.share.mkdir()
        self.run_dir = self.root / "var/lib/xentest/runs" / RUN
        self.xen = FakeXen(directory / "xen")
        self.path = f"{HERE}:/usr/bin:/bin"
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

    def memory(self, ring: str, *, boots_left: int) -> None:
        """What an ended Xen left there: an ELF file with one segment of memory."""
        command_line = f"(XEN) Command line: placeholder xentest-{RUN}-{boots_left} watchdog\n"
        content = b"\x01" * 100 + b"\n" + (command_line + ring).encode() + b"\0" * 100
        header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 4, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
        segment = struct.pack("<IIQQQQQQ", 1, 4, 4096, 0, 0x100000, len(content), len(content), 4096)
        (self.root / "proc/kcore").write_bytes((header + segment).ljust(4096, b"\0") + content)

    def no_memory_of_xen(self) -> None:
        """It was looked at, and on this machine it would have survived a reset."""
        self.memory("", boots_left=99)
        self.put("var/lib/xentest/memory-survives", "")

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
                             "[fio]\nrun_command = true\nreboots = 2", ""])
        self.put("etc/xen/xentest.conf", control)
        self.put(f"var/lib/xentest/runs/{RUN}/control.conf", control)
        self.put("var/lib/xentest/current", RUN + "\n")
        self.digest = hashlib.sha256(control.encode()).hexdigest()
        lines = [{"event": "run", "run": RUN}, {"event": "armed", "hypervisor": "/boot/xen.gz"}, *events]
        self.put(f"var/lib/xentest/runs/{RUN}/record.jsonl", "".join(
            json.dumps({"n": n, "time": "2026-11-23T20:00:00.000Z", "boot": OTHER_BOOT} | line) + "\n"
            for n, line in enumerate(lines, 1)))

    def xl(self, *words: str) -> None:
        """As somebody else would call it."""
        subprocess.run([HERE / "xl", *words], env=self.environment(), check=True, stdout=subprocess.DEVNULL)

    def config(self, name: str) -> str:
        return str(self.root / f"etc/xen/{name}.cfg")

    def environment(self) -> dict[str, str]:
        leave = {"NOTIFY_SOCKET", "JOURNAL_STREAM", "WATCHDOG_USEC"}
        return {k: v for k, v in os.environ.items() if k not in leave} | self.xen.environment() | {
            "PATH": self.path, "LC_ALL": "C"}

    def start(self, *options: str, **environment: str) -> subprocess.Popen:
        return subprocess.Popen([self.program, "--root", str(self.root), *options],
                                env=self.environment() | environment, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def go(self, *options: str, status: int = 0, timeout: float = 180, **environment: str) -> str:
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


def wait_until(condition, what: str, timeout: float = 60) -> None:
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"never came: {what}")
        time.sleep(0.02)


class Case(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory(prefix="xenstartdomsd.")
        self.addCleanup(scratch.cleanup)
        self.machine = Machine(PROGRAM[0], Path(scratch.name))
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


def main() -> None:
    PROGRAM[0] = sys.argv.pop(1)
    unittest.main(module="__main__", verbosity=2)
