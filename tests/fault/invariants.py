# SPDX-License-Identifier: BSD-2-Clause
"""What must hold once a run has come to rest, whatever happened to it."""
from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from disk import Tree
from world import GUEST, HOST, PLAN, TIMES, World

RUNS = "var/lib/xentest/runs"


def whole_lines(text: bytes) -> list[bytes]:
    """Those of a record that count: xentest-record(5)."""
    lines = []
    for line in text.split(b"\n")[:-1]:
        try:
            event = json.loads(line)
        except ValueError:
            break
        if not isinstance(event, dict) or event.get("n") != len(lines) + 1:
            break
        lines.append(line)
    return lines


def events(text: bytes) -> list[dict]:
    return [json.loads(line) for line in whole_lines(text)]


def read(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


@dataclass
class Expectation:
    results: tuple[str, ...] = ("finished",)
    rejected: bool = False  # no run at all, the request moved away
    bad_tests: int = 1  # of each domain at most: the one that was running
    boots: int = 6
    fails: bool = False  # its own daemons say so, without any fault
    by_fault: bool = False  # the run may have failed, if that is what it says
    before: Tree = field(default_factory=dict)  # the disk when the power came back


class Verdict:
    def __init__(self, world: World, expected: Expectation) -> None:
        self.world, self.expected = world, expected
        self.problems: list[str] = []
        self.runs = sorted(path for path in (world.root / RUNS).glob("*") if path.is_dir())

    def must(self, good: object, problem: str) -> bool:
        if not good:
            self.problems.append(problem)
        return bool(good)

    def judge(self) -> list[str]:
        left = self.world.left()
        self.must(not left, f"still there: {' '.join(left)}")
        self.must(len(self.world.boots) <= self.expected.boots, f"{len(self.world.boots)} boots")
        self._nothing_ran_twice()
        if self.expected.rejected:
            self._is_rejected()
            return self.problems
        self.must(len(self.runs) == 1, f"{len(self.runs)} runs: {[path.name for path in self.runs]}")
        for run in self.runs:
            self._is_complete(run)
        return self.problems

    def _is_rejected(self) -> None:
        self.must(not self.runs, "a run was made of it")
        for name in ("xentest.conf.rejected", "xentest.conf.rejected.log"):
            self.must(read(self.world.root / "etc/xen" / name), f"no {name}")

    def _nothing_ran_twice(self) -> None:
        for what, times in Counter(self.world.runs()).items():
            self.must(times == 1, f"{what} ran {times} times")

    def _is_complete(self, run: Path) -> None:
        record = events(read(run / "record.jsonl"))
        ends = [event for event in record if event["event"] == "end"]
        if not self.must(len(ends) == 1 and record[-1] is ends[0], f"{run.name} has {len(ends)} ends"):
            return
        result = ends[0]["result"]
        self.must(result in self.expected.results, f"it ended as {result}: {ends[0].get('message')}")
        self._is_true(record, result)
        first = f"Run {run.name} {result}"
        for where in (run, self.world.disk / "share"):
            self.must(read(where / "summary.txt").decode().startswith(first), f"{where.name}/summary.txt is not its own")
        states = {event["domain"]: event["state"] for event in record if event["event"] == "domain"}
        for domain, tests in PLAN.items():
            if result == "finished":
                self.must(states.get(domain) in ("done", "died", "given up"), f"{domain} is {states.get(domain)}")
            self._is_accounted_for(run, domain, tests, result, states.get(domain))
        self._nothing_is_lost(run)

    def _is_true(self, record: list[dict], result: str) -> None:
        if result == "boot failed":
            self.must("xen" not in self.world.boots, "the boot failed, it says, but Xen did come up")
            self.must(any(event["event"] == "armed" for event in record), "a boot failed that nobody arranged")
        if result == "failed" and self.expected.by_fault and not self.expected.fails:
            self.must(self.world.fired() > 0, "it failed, but nothing happened to it")

    def _is_accounted_for(self, run: Path, domain: str, tests: list[str], result: str, state: str | None) -> None:
        record = events(read(run / domain / "record.jsonl"))
        executed = self.world.runs()
        bad = 0
        for entry, test in enumerate(tests):
            said = [event for event in record if event["event"] == "test" and event["entry"] == entry]
            good = [event for event in said if event.get("outcome") == "exited" and event["exit_status"] == 0]
            for event in good:
                line = f"{domain} {test} {event['iteration']}"
                self.must(line in executed, f"{line} never ran and is said to be good")
            last = said[-1]["state"] if said else "pending"
            if state == "done":
                self.must(last in ("ended", "interrupted", "crashed", "skipped"), f"{domain} is done, {test} is {last}")
            bad += len(good) < TIMES.get(test, 1)
        if result == "finished":
            self.must(bad <= self.expected.bad_tests, f"{domain}: {bad} tests did not end well")

    def _nothing_is_lost(self, run: Path) -> None:
        """What a reader of the disk could have seen is there still."""
        kept = {f"/root/{RUNS}/{run.name}/record.jsonl", f"/root/{RUNS}/{run.name}/{HOST}/record.jsonl",
                f"/{GUEST}/{RUNS}/{run.name}/{GUEST}/record.jsonl", f"/share/{HOST}/{run.name}/record.jsonl",
                f"/share/{GUEST}/{run.name}/record.jsonl"}
        for path in kept & set(self.expected.before):
            old = whole_lines(self.expected.before[path] or b"")
            new = whole_lines(read(self.world.disk / path.lstrip("/")))
            self.must(new[:len(old)] == old, f"{path} lost a line: {len(old)} before, {len(new)} now")
