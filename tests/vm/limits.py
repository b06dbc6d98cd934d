# SPDX-License-Identifier: BSD-2-Clause
"""Nothing escapes a time limit: limits.conf, in a unit of systemd's own.

On plain Linux with a delegated control group and without, and the evidence of
a silent test once more in dom0. What counts is what the record says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import run
from checks import Tap, record
from machine import XEN, Machine

HERE = Path(__file__).resolve().parent

LATE_S = 15
EVIDENCE_S = 45
SLACK = 256 << 20
# For the machine's own processes, and the bomb's; emulation ends a few hundred
# in a second.
THREADS_MAX = 800

SETUP = f"""set -e
mkdir -p /var/tmp/limits /var/tmp/xentest /var/tmp/frozen
gcc -O2 -pthread -o /var/tmp/hostile /var/tmp/hostile.c
truncate -s 64M /var/tmp/frozen.img
mkfs.ext4 -q /var/tmp/frozen.img
mount -o loop /var/tmp/frozen.img /var/tmp/frozen
sysctl -q kernel.threads-max={THREADS_MAX}
"""


@dataclass
class Ended:
    """One test of the list: its step "run", its end, and how long it took."""

    test: str
    step: dict[str, Any]
    end: dict[str, Any]
    took_s: float


def prepare(machine: Machine) -> None:
    """The program, the control file, a file system that can be frozen."""
    source = HERE.parent / "unit/hostile.c"
    machine.put("/var/tmp/hostile.c", source.read_bytes())
    machine.put("/var/tmp/limits.conf", (HERE / "limits.conf").read_bytes())
    machine.check(SETUP, timeout=600)


def once(machine: Machine, name: str, target: Path, *, delegate: str) -> list[Ended]:
    """xenruntestsd --once as that domain; returns its tests in order."""
    machine.check(
        f"systemd-run --wait --collect -p Delegate={delegate} -p TasksMax=infinity "
        "-p OOMPolicy=continue -p KillMode=mixed /usr/sbin/xenruntestsd --once "
        f"--control /var/tmp/limits.conf --shared /var/tmp/limits --name {name}",
        timeout=3600,
    )
    machine.pull_dir(f"/var/tmp/limits/{name}", target)
    (path,) = target.glob("*/record.jsonl")
    return fold(record(path))


def fold(events: list[dict[str, Any]]) -> list[Ended]:
    """What became of each test; every one of them has ended."""
    assert events[-1]["event"] == "done", events[-1]
    ended: list[Ended] = []
    started, step = 0.0, {}
    for event in events:
        at = datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp()
        if event["event"] == "step":
            step = event
        elif event["event"] == "test" and event["state"] == "started":
            started = at
        elif event["event"] == "test":
            ended.append(Ended(event["test"], step, event, at - started))
    return ended


def one(tests: list[Ended], name: str) -> Ended:
    """The test of that name, which stands in the list once."""
    (found,) = (test for test in tests if test.test == name)
    return found


def ended_in_time(tests: list[Ended], name: str, limit_s: float = 5) -> Ended:
    """It was ended at its limit, with all that belonged to it."""
    test = one(tests, name)
    assert test.end["outcome"] == "timed out", test
    assert limit_s <= test.took_s <= limit_s + LATE_S, test
    assert "left" not in test.step, test
    next_is_good(tests, name)
    return test


def next_is_good(tests: list[Ended], name: str) -> None:
    """The test behind it found nobody left, and ended by itself."""
    at = next(i for i, test in enumerate(tests) if test.test == name)
    follower = tests[at + 1]
    assert follower.test in ("good", "beside"), follower
    assert follower.end["exit_status"] == 0, follower
    assert follower.took_s < LATE_S, follower


def orphans_are_killed(tests: list[Ended]) -> None:
    """They outlive their test's own end by no grace."""
    test = one(tests, "orphans")
    assert test.end["exit_status"] == 0, test
    assert test.step["stragglers"] >= 100, test
    assert "left" not in test.step, test
    assert test.took_s <= 60 + LATE_S, test
    next_is_good(tests, "orphans")


def flood_is_bounded(machine: Machine, tests: list[Ended], log: Path) -> None:
    """In time, in the log, and at every moment on the disk."""
    test = one(tests, "flood")
    gib = test.step["output_bytes"] / (1 << 30)
    print(f"# {gib:.2f} GiB of output in {test.took_s:.0f} s, {test.end['outcome']}")
    assert gib > 1, test
    assert gib == 10 or test.end["outcome"] == "timed out", test
    assert test.took_s <= 180 + LATE_S, test
    assert test.step["output_cut"] is True, test
    assert log.stat().st_size == 16 << 20, log.stat()
    blocks = [int(line) for line in machine.get("/var/tmp/blocks").split()]
    print(f"# at most {max(blocks) // 2048} MiB of it on the disk")
    assert 16 << 20 < max(blocks) * 512 <= (16 << 20) + SLACK, max(blocks)
    content = log.read_bytes()
    assert b" bytes are left out here]" in content[8 << 20 : (8 << 20) + 64]
    next_is_good(tests, "flood")


def frozen_is_given_up(tests: list[Ended]) -> None:
    """What the kernel holds is named, and holds up nobody."""
    test = one(tests, "frozen")
    assert test.end["outcome"] == "timed out", test
    assert test.step["left"] >= 1, test
    assert test.took_s <= 5 + LATE_S, test
    next_is_good(tests, "frozen")
    assert tests[-1].end["exit_status"] == 0, tests[-1]  # thawed, and gone


def memory_has_a_limit(tests: list[Ended]) -> None:
    """The OOM killer of the group ended it, and the record says so."""
    test = one(tests, "memory")
    assert test.end.get("signal") == 9, test
    assert test.step["oom_kills"] == 1, test
    assert test.step["memory_max_kib"] <= 64 << 10, test
    next_is_good(tests, "memory")


def silent_is_ended(tests: list[Ended], log: Path, *words: str) -> None:
    """Evidence first, then the end."""
    test = one(tests, "silent")
    assert test.end["outcome"] == "timed out", test
    assert test.end["stalled"] is True, test
    assert test.end["message"] == "timed out: no output for 5.0s", test
    assert test.took_s <= 5 + EVIDENCE_S + LATE_S, test
    text = log.read_text(errors="replace")
    for word in ("cmdline: sleep 1004", "nanosleep", "sysrq: Show Blocked", *words):
        assert word in text, (word, text[-2000:])
    next_is_good(tests, "silent")


def kernel_tests(tap: Tap, tests: list[Ended], how: str) -> None:
    """What holds with a control group and without."""
    with tap.test(f"orphans that forked away are gone, {how}"):
        orphans_are_killed(tests)
    with tap.test(f"a family that ignores TERM is gone in time, {how}"):
        ended_in_time(tests, "deaf")
    with tap.test(f"a full process table is empty in time, {how}"):
        ended_in_time(tests, "full-table")
    with tap.test(f"one that stops itself and its group is gone in time, {how}"):
        ended_in_time(tests, "stops")
    with tap.test(f"one that left its group and holds the log is gone, {how}"):
        ended_in_time(tests, "holds")
    with tap.test(f"one that no signal ends is given up in time, {how}"):
        frozen_is_given_up(tests)


def delegated(tap: Tap, machine: Machine, target: Path) -> None:
    """With a control group of its own for each step."""
    tests: list[Ended] = []
    with tap.test("a list of hostile tests comes to its end, with control groups"):
        tests = once(machine, "delegated", target, delegate="yes")
    if not tests:
        return
    (results,) = target.iterdir()
    kernel_tests(tap, tests, "with control groups")
    with tap.test("a flood of output is bounded, in the log and on the disk"):
        flood_is_bounded(machine, tests, results / "flood/run.log")
    with tap.test("memory_limit ends one that needs more"):
        memory_has_a_limit(tests)
    with tap.test("tasks_limit stops a fork bomb, timeout ends it"):
        test = ended_in_time(tests, "tasks")
        assert test.step["tasks_refused"] >= 1, test
    with tap.test("a silent test leaves evidence and is ended"):
        silent_is_ended(tests, results / "silent/stall.log")


def bare(tap: Tap, machine: Machine, target: Path) -> None:
    """Without any: what is possible, and a word about what is not."""
    tests: list[Ended] = []
    with tap.test("a list of hostile tests comes to its end, without them"):
        tests = once(machine, "bare", target, delegate="no")
    if not tests:
        return
    kernel_tests(tap, tests, "without control groups")
    with tap.test("a memory_limit that cannot be kept is said"):
        test = one(tests, "memory")
        assert test.end["exit_status"] == 0, test
        assert test.step["memory_unlimited"] is True, test
        (log,) = target.glob("*/memory/run.log")
        assert "memory_limit had no effect" in log.read_text()


def in_dom0(tap: Tap, machine: Machine, target: Path) -> None:
    """Xen's part of the evidence; the guest is created, and left paused."""
    with tap.test("in dom0 the evidence has Xen's log and the guests' vCPUs"):
        machine.reboot(XEN, timeout=1800)
        machine.settle()
        machine.wait_for("xl list", timeout=600)
        machine.check("xl create -p /etc/xen/demo/demo-pv1.cfg", timeout=600)
        tests = once(machine, "dom0", target, delegate="yes")
        (log,) = target.glob("*/silent/stall.log")
        words = ("Xen version", "demo-pv1", "rip: ")
        silent_is_ended(tests, log, *words)


def run_tests(
    tap: Tap, image: Path, target: Path, say: Callable[[run.Status | None], None]
) -> None:
    """All of it, in a machine of its own."""
    with Machine(image, target / "machine") as machine:
        machine.start(fresh=True)
        machine.wait_shell(timeout=900)
        machine.settle()
        say(None)
        prepare(machine)
        delegated(tap, machine, target / "delegated")
        bare(tap, machine, target / "bare")
        in_dom0(tap, machine, target / "dom0")
