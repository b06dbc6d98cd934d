#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""faults.py [--seed S] [--rounds N] IMAGE_DIR RESULT_DIR: faults by chance, as TAP.

Each round is a run of random-faults.conf, under faults whose kinds, victims and
moments follow from the seed and the round's number. Then what must hold whatever
happened is looked at. All rounds are one machine's, one after the other; the
table of them comes last. A fault comes while tests run, in Xen.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import run
from checks import Tap, is_at_rest, record, say, starts
from machine import Machine, MachineError, ShellLost

HERE = Path(__file__).resolve().parent
DOM0 = "demo-dom0"
GUESTS = ("demo-pv1", "demo-pv2")
TESTS = ("first", "second", "third", "fourth", "fifth", "sixth")
OVER = ("ended", "interrupted", "crashed", "skipped")
FAULTS_MAX = 3  # in a round
STALL_S = 20

# What brings the machine down, and the cause that its next boot must have.
CAUSES = {"power-cut": "power loss", "dom0-panic": "dom0 panic"}

# In dom0, away from the shell, which does not wait for it; {guest} is chosen.
COMMANDS = {
    "dom0-panic": "sync; echo c >/proc/sysrq-trigger",
    "guest-panic": "xl sysrq {guest} c",
    "xenstored-stall": f"pkill -STOP xenstored; sleep {STALL_S}; pkill -CONT xenstored",
    "nfs-stop": f"systemctl stop nfs-server; sleep {STALL_S}; systemctl start nfs-server",
    "kill-xenstartdomsd": "pkill -KILL -x xenstartdomsd",
    "kill-xenruntestsd": "pkill -KILL -x xenruntestsd",
    # All that is free, root's reserve too; on both sides of the share.
    "disk-full": "fallocate -l $(($(stat -f -c '%f*%S' /))) /var/fill; "
    f"cat /dev/zero >>/var/fill; sleep {STALL_S}; rm -f /var/fill",
}


@dataclass
class Round:
    number: int
    seed: int
    injected: list[str] = field(default_factory=list)
    result: str = "none"
    causes: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    took: float = 0

    def must(self, good: object, problem: str) -> None:
        if not good:
            self.violations.append(problem)


def in_tests(machine: Machine) -> run.Status | None:
    """The status while domains are being tested, in Xen; else None."""
    try:
        if machine.sh("grep -q control_d /proc/xen/capabilities", timeout=30)[0] != 0:
            return None
    except ShellLost:
        return None
    status = run.status(machine)
    stages = {s["stage"]: s["state"] for s in (status or {}).get("stages", [])}
    return status if stages.get("tests") == "started" else None


def wait_for_tests(machine: Machine, known: str) -> bool:
    """Until tests of a new run go on; False when that run is over already."""
    deadline = time.monotonic() + 1800
    while time.monotonic() < deadline:
        last = run.status(machine)
        if last is None:
            try:
                machine.wait_shell(timeout=30)
            except ShellLost:
                continue
        elif last.get("run") not in (None, known) and last.get("result"):
            return False
        else:
            now = in_tests(machine)
            if now is not None and now.get("run") != known and now.get("attended"):
                return True
        time.sleep(3)
    raise MachineError("no test began within 1800 s")


def inject(machine: Machine, chance: random.Random, fault: str) -> str:
    """Returns what was done, in words for the table."""
    guest = chance.choice(GUESTS)
    if fault == "power-cut":
        machine.power_cut()
        machine.wait_shell(timeout=900)
        return fault
    command = COMMANDS[fault].format(guest=guest)
    name = f"fault-{time.monotonic_ns()}"
    machine.sh(f"systemd-run --quiet --unit={name} bash -c \"{command}\"", timeout=60)
    return f"{fault} {guest}" if "{guest}" in COMMANDS[fault] else fault


def one_round(machine: Machine, this: Round, known: str) -> run.Status:
    """Faults while the run goes on; returns its last status."""
    chance = random.Random(f"{this.seed}/{this.number}")
    planned = [
        (chance.choice([*COMMANDS, "power-cut"]), chance.uniform(0, 25))
        for _ in range(chance.randint(1, FAULTS_MAX))
    ]
    run.drop(machine, (HERE / "random-faults.conf").read_bytes())
    for fault, delay in planned:
        if not wait_for_tests(machine, known):
            break
        time.sleep(delay)
        try:
            this.injected.append(inject(machine, chance, fault))
        except ShellLost:  # it went down under the command
            this.injected.append(fault)
        print(f"# {time.strftime('%T')} round {this.number}: {this.injected[-1]}", flush=True)
        # Until it is down: else it would be taken for up.
        time.sleep(5 if fault in CAUSES else 0)
    return run.follow(machine, say, known=known, timeout=3000)


def causes_are_right(this: Round, events: list[dict[str, Any]]) -> None:
    """A boot for each time that the machine went down, unknown or rightly named."""
    this.causes = [e["cause"] for e in events if e["event"] == "boot" and e["system"] == "linux"]
    wanted = [CAUSES[fault] for fault in this.injected if fault in CAUSES]
    this.must(len(this.causes) == len(wanted), f"boots {this.causes}, injected {wanted}")
    for cause, right in zip(this.causes, wanted):
        this.must(cause in (right, "unknown"), f"{right} was called {cause}")


def domain_is_whole(this: Round, name: str, state: str, events: list[dict[str, Any]]) -> None:
    """Nothing ran twice; of a domain that is done nothing is missing."""
    begun = starts(events)
    this.must(len(begun) == len(set(begun)), f"{name}: begun {begun}")
    last = {e["entry"]: e["state"] for e in events if e["event"] == "test"}
    if state == "done":
        for entry, test in enumerate(TESTS):
            this.must(last.get(entry) in OVER, f"{name} is done, {test} is {last.get(entry)}")
    good = sum(e["event"] == "test" and e.get("exit_status") == 0 for e in events)
    # One test is open in a domain when it, or all of the machine, goes down.
    this.must(good >= len(TESTS) - len(this.injected) or state != "done",
              f"{name}: {good} of {len(TESTS)} are good after {len(this.injected)} faults")


def run_is_whole(machine: Machine, this: Round, last: run.Status, target: Path) -> None:
    """What must hold after any run."""
    this.must(this.injected, "it was over before the first fault")
    this.result = last["result"]
    this.must(this.result == "finished", f"it ended as {this.result}")
    events = record(target / "run/record.jsonl")
    causes_are_right(this, events)
    states = {e["domain"]: e["state"] for e in events if e["event"] == "domain"}
    for name in (DOM0, *GUESTS):
        where = target / "run" if name == DOM0 else target / "shared"
        folder = where / name if name == DOM0 else where / name / last["run"]
        this.must(states.get(name) in ("done", "died", "given up"), f"{name} is {states.get(name)}")
        domain_is_whole(this, name, states.get(name, ""), record(folder / "record.jsonl"))
    summary = (target / "shared/summary.txt").read_text()
    this.must(summary.startswith(f"Run {last['run']} {this.result}"), "the share has another summary")
    is_at_rest(machine)


def table(rounds: list[Round]) -> None:
    """All rounds, and how often each cause was told."""
    print("# round  result     time  faults -> causes")
    for this in rounds:
        faults = ", ".join(this.injected) or "none"
        causes = ", ".join(this.causes) or "no boot"
        print(f"# {this.number:5}  {this.result:9} {this.took:4.0f}s  {faults} -> {causes}")
        for violation in this.violations:
            print(f"#          {violation}")
    told = Counter(cause for this in rounds for cause in this.causes)
    broken = sum(bool(this.violations) for this in rounds)
    print(f"# {len(rounds)} rounds, {broken} with violations; causes: {dict(told)}", flush=True)


def run_tests(tap: Tap, image: Path, target: Path, seed: int, count: int) -> None:
    """So many rounds; a machine that is not at rest after one is made anew."""
    rounds: list[Round] = []
    known = ""
    with Machine(image, target / "machine") as machine:
        machine.start(fresh=True)
        machine.wait_shell(timeout=900)
        for number in range(1, count + 1):
            this = Round(number, seed)
            rounds.append(this)
            began = time.monotonic()
            with tap.test(f"round {number} of seed {seed} ends with all that it has to show"):
                results = target / str(number)
                try:
                    last = one_round(machine, this, known)
                    known = str(last["run"])
                    run.fetch_results(machine, known, results)
                    run_is_whole(machine, this, last, results)
                except (MachineError, AssertionError) as problem:
                    this.violations.append(str(problem)[:3000])
                this.took = time.monotonic() - began
                assert not this.violations, "\n".join([*this.injected, *this.violations])
            if this.violations:
                machine.stop()
                machine.start(fresh=True)
                machine.wait_shell(timeout=900)
                known = ""
    table(rounds)


def main() -> int:
    """See the module's description."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("image", type=Path)
    parser.add_argument("target", type=Path)
    options = parser.parse_args()
    shutil.rmtree(options.target, ignore_errors=True)
    tap = Tap()
    run_tests(tap, options.image, options.target.resolve(), options.seed, options.rounds)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
