# SPDX-License-Identifier: BSD-2-Clause
"""What the tests on real Xen share: counting them, and reading what runs left."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import run
from machine import Machine, MachineError


class Tap:
    """Counts and prints results in the Test Anything Protocol, version 13."""

    def __init__(self) -> None:
        self.count = 0
        self.failed = 0
        print("TAP version 13", flush=True)

    @contextmanager
    def test(self, name: str) -> Iterator[None]:
        """One test: the block passes unless it raises."""
        began = time.monotonic()
        self.count += 1
        try:
            yield
        except (AssertionError, MachineError, KeyError, OSError) as problem:
            self.failed += 1
            print(f"not ok {self.count} - {name}", flush=True)
            for line in traceback.format_exc().splitlines() or [str(problem)]:
                print(f"# {line}", flush=True)
        else:
            took = time.monotonic() - began
            print(f"ok {self.count} - {name} # {took:.0f}s", flush=True)

    def finish(self) -> int:
        """The plan; returns the exit status."""
        print(f"1..{self.count}", flush=True)
        return 1 if self.failed else 0


def say(status: run.Status | None) -> None:
    """A line of what is going on, for whoever watches the log."""
    if status is None:
        return
    domains = ", ".join(
        f"{d['domain']} {d.get('state')}" for d in status.get("domains", [])
    )
    stages = ", ".join(
        f"{s['stage']} {s.get('state')}" for s in status.get("stages", [])
    )
    print(f"# {time.strftime('%T')} {stages} | {domains}", flush=True)


def record(path: Path) -> list[dict[str, Any]]:
    """The events of a record, which must be whole and numbered."""
    events = [json.loads(line) for line in path.read_text().splitlines()]
    assert [event["n"] for event in events] == list(range(1, len(events) + 1))
    return events


def domain_of(status: run.Status, name: str) -> dict[str, Any]:
    """A domain in a status or summary."""
    return next(d for d in status["domains"] if d["domain"] == name)


def outcomes(status: run.Status, name: str) -> dict[str, str]:
    """What became of each of a domain's tests."""
    return {t["test"]: t["outcome"] for t in domain_of(status, name)["tests"]}


def starts(events: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """Which iterations of which entries a domain's record shows as begun."""
    return [
        (event["entry"], event["iteration"])
        for event in events
        if event["event"] == "test" and event["state"] == "started"
    ]


def is_at_rest(machine: Machine) -> None:
    """After a run: no marker, no request, no current run, Linux or Xen up."""
    machine.check(f"test ! -e {run.MARKER}")
    machine.check(f"test ! -e {run.REQUEST}")
    machine.check("test ! -e /var/lib/xentest/current")
