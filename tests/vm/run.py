# SPDX-License-Identifier: BSD-2-Clause
"""A run of the suite in a Machine: begin it, follow it, fetch what it left."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from machine import Machine, MachineError, ShellLost

REQUEST = "/etc/xen/xentest.conf"
MARKER = "/etc/xen_start_tests"
SHARED = "/xentest/shared"

Status = dict[str, Any]


def drop(machine: Machine, control_file: bytes) -> None:
    """Put a control file where users put theirs: what begins a run."""
    machine.put(REQUEST, control_file)


def status(machine: Machine) -> Status | None:
    """What `xentest status --json` says; None while nobody can be asked."""
    try:
        code, output = _ask(machine)
        return json.loads(output) if code == 0 else None
    except (ShellLost, json.JSONDecodeError):
        return None


def _ask(machine: Machine) -> tuple[int, str]:
    return machine.sh("xentest status --json", timeout=60)


def _why_not(machine: Machine) -> str:
    """What can still be learnt about a run that does not end."""
    try:
        code, output = _ask(machine)
        asked = f"xentest status --json: exit status {code}\n{output}\n"
        command = "systemctl --no-pager list-jobs; systemctl --failed --no-pager; "
        command += "journalctl -b --no-pager -o cat -u 'xen*' | tail -n 40; ps axo pid,stat,wchan:20,args"
        asked += machine.sh(command, timeout=120)[1]
    except MachineError as problem:
        asked = f"{problem}\n"
    return asked + machine.last_words()


def follow(
    machine: Machine,
    tell: Callable[[Status | None], None],
    *,
    known: str = "",
    timeout: float = 3600,
    interval: float = 5.0,
) -> Status:
    """Tell what is going on until the run has ended; returns the last status.

    known: the id of a run that does not count, being over already
    """
    deadline = time.monotonic() + timeout
    last: Status | None = None
    while time.monotonic() < deadline:
        try:
            last = status(machine)
            if last is None:
                machine.wait_shell(timeout=10)
        except ShellLost:
            last = None
        if last is not None and last.get("run") in (None, known):
            last = None
        tell(last)
        if last is not None and last.get("result"):
            return last
        time.sleep(interval)
    raise MachineError(
        f"the run has not ended within {timeout:.0f} s: {last}\n{_why_not(machine)}"
    )


def journal(machine: Machine, run_id: str) -> str:
    """The story of a run, as the machine's journal tells it."""
    command = f"journalctl --no-pager -o short-iso XENTEST_RUN={run_id}"
    return machine.check(command, timeout=300)


def fetch_results(machine: Machine, run_id: str, target: Path) -> None:
    """Copy the shared directory and the run's own directory to the host."""
    machine.pull_dir(SHARED, target / "shared")
    machine.pull_dir(f"/var/lib/xentest/runs/{run_id}", target / "run")
    (target / "journal.txt").write_text(journal(machine, run_id))
