#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""kill.py BUILD [FAMILY…] [--only POINT] [--jobs N]

Runs whole runs (world.py) that are cut off at each call that changes a disk,
lets them go on, and looks whether everything holds (invariants.py). BUILD is a
build of the suite without sanitizers. Prints TAP, a violation with its point:
  --only POINT   that one alone, with all that the daemons say
Families:
  kill     the process dies before the call, or in the middle of a write
  power    the machine loses power, and what was not synced in part (disk.py)
  errors   the call fails: once, or with all others for a while
  torn     records, the marker and current, cut off at any length
  mutants  bugs on purpose, which power has to notice
"""
from __future__ import annotations

import argparse
import errno
import multiprocessing
import os
import random
import signal
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterator

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
import disk  # noqa: E402
from disk import Call, Disk, Tree  # noqa: E402
from invariants import RUNS, Expectation, Verdict  # noqa: E402
from world import (FILES, FOREVER, KILL, NOBODY, ONCE, PLAN, ROLES, TEAR, TESTS1, Fault, Hang, World,  # noqa: E402
                   control, prepare_scratch)


# ---- where a run begins, and what of it is cut off --------------------------

@dataclass
class Scenario:
    name: str
    tree: Tree
    runs: list[str] = field(default_factory=list)
    expected: Expectation = field(default_factory=Expectation)
    calls: list[Call] = field(default_factory=list)  # of a run that nothing happens to
    first: Disk | None = None  # the disk before them
    reboot: int = 0  # so many calls come before its first reboot
    since: int = 0  # these of them are looked at
    until: int = 0
    paths: dict[int, str] = field(default_factory=dict)  # by inode


def matters(path: str) -> bool:
    """What a daemon reads back, or what is somebody's result."""
    parts = path.split("/")
    logs = {test + suffix for tests in PLAN.values() for test in tests for suffix in ("", ".2")}
    elsewhere = {"temp", "work", "cache", "proc", "sys", "?", "xenbuildd.lock"} | logs
    return not elsewhere & set(parts) and ".log" not in parts[-1]


def significant(tree: Tree) -> Tree:
    return {path: data for path, data in tree.items() if matters(path)}


def fresh(method: str = "command", **keys: str | bool) -> Tree:
    return FILES | {"root/etc/xen/xentest.conf": control(method, **keys)}


class Bench:
    """What all points need; workers are forked with it."""

    def __init__(self, build: Path, scratch: Path) -> None:
        self.build, self.scratch = build, scratch

    def world(self, tree: Tree, runs: list[str] = (), fault: Fault = Fault()) -> World:
        return World(self.build, self.scratch, tree, runs, fault)

    def record(self, scenario: Scenario, mutation: str = "") -> Scenario:
        """Runs it without a fault, and finds out what it does."""
        with self.world(scenario.tree, scenario.runs, Fault(mutation=mutation)) as world:
            scenario.first = Disk(world.disk)
            world.run()
            perfect = Expectation(**(vars(scenario.expected) | {"bad_tests": 1 if scenario.runs else 0}))
            problems = Verdict(world, perfect).judge()
            assert not problems or mutation, f"{scenario.name}, without a fault: {problems}\n{world.said()}"
            scenario.calls = world.calls()
            paths = disk.prepare(scenario.calls, scenario.first, matters)
            replayed = scenario.first.copy()
            for call in scenario.calls:
                replayed.do(call)
            there, model = significant(Disk(world.disk).tree()), significant(replayed.tree())
            different = [path for path in there.keys() | model.keys() if there.get(path, 0) != model.get(path, 0)]
            assert not different, f"{scenario.name}: calls that the shim does not see, on {different[:5]}"
        down = [at for at, call in enumerate(scenario.calls)
                if call.kind == disk.SYNCFS and call.role == NOBODY and call.ino == 0]
        scenario.reboot = down[0] + 1
        scenario.until = len(scenario.calls)
        scenario.paths = paths
        return scenario

    def armed(self, scenario: Scenario) -> Tree:
        """The disk at the first reboot: where all but xenbuildd begins."""
        replayed = scenario.first.copy()
        for call in scenario.calls[:scenario.reboot]:
            replayed.do(call)
        return replayed.tree()


# ---- points ------------------------------------------------------------------

@dataclass
class Point:
    name: str
    what: str
    tree: Tree
    runs: list[str]
    expected: Expectation
    fault: Fault = field(default_factory=Fault)
    again: bool = False  # a second run after it


def hits(scenario: Scenario, bench: Bench) -> Iterator[tuple[Call, Tree]]:
    """Each call that is counted, and the disk that a run to it begins with."""
    armed = bench.armed(scenario)
    for at, call in enumerate(scenario.calls[:scenario.until]):
        if call.number > 0 and at >= scenario.since:
            yield call, scenario.tree if at < scenario.reboot else armed


def point_of(scenario: Scenario, family: str, call: Call, tree: Tree, fault: Fault) -> Point:
    # Of what it had taken back, a disk that keeps failing lets it say nothing.
    possible = ("boot failed", "failed") + (("aborted",) if fault.kind == FOREVER else ())
    expected = Expectation(**(vars(scenario.expected) | {
        "results": scenario.expected.results + possible, "by_fault": True}))
    return Point(f"{scenario.name}/{family}/{ROLES[call.role]}:{call.number}", str(call), tree,
                 scenario.runs, expected, fault, again=call.number % 10 == 0)


def kills(scenario: Scenario, bench: Bench) -> Iterator[Point]:
    for call, tree in hits(scenario, bench):
        if call.kind == disk.CLOSE:
            continue  # nothing comes between it and the call before
        yield point_of(scenario, "kill", call, tree, Fault(KILL, call.role, call.number))
        if call.kind == disk.WRITE and len(call.data) > 1:
            yield point_of(scenario, "tear", call, tree, Fault(TEAR, call.role, call.number))


def powers(scenario: Scenario, bench: Bench) -> Iterator[Point]:
    for n, state in enumerate(disk.states(scenario.calls[:scenario.until], scenario.first, significant)):
        if state.after < scenario.since:
            continue
        runs = scenario.runs + [call.data.decode().strip() for call in scenario.calls[:state.after]
                                if call.kind == disk.RUN]
        expected = Expectation(**(vars(scenario.expected) | {
            "results": scenario.expected.results + ("boot failed",), "before": state.tree}))
        yield Point(f"{scenario.name}/power/{n}", f"after {state.after} calls, {state.what}", state.tree, runs,
                    expected, again=n % 20 == 0)


EVERY = bool(os.environ.get("KILL_EVERY"))  # hours: no errno and no length is left out
ERRNOS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS)


def errors(scenario: Scenario, bench: Bench) -> Iterator[Point]:
    """The daemons make no difference between these errors: by turns is enough,
    but for whoever has the time."""
    for n, (call, tree) in enumerate(hits(scenario, bench)):
        for m, error in enumerate(ERRNOS):
            name = errno.errorcode[error]
            if EVERY or m == n % 4:
                yield point_of(scenario, name, call, tree, Fault(ONCE, call.role, call.number, error))
            if EVERY or (n % 2 == 0 and m == n // 2 % 4):
                yield point_of(scenario, f"{name}+", call, tree, Fault(FOREVER, call.role, call.number, error))


# ---- torn files ----------------------------------------------------------------

def tear_file(scenario: Scenario, path: str, lengths: Iterator[int], tree: Tree, runs: list[str]) -> Iterator[Point]:
    expected = Expectation(("finished", "failed"), bad_tests=2, by_fault=False)
    for length in lengths:
        yield Point(f"torn/{scenario.name}/{path.rsplit('/', 1)[-1]}:{len(path)}:{length}",
                    f"{path} cut off at {length}", tree | {path: tree[path][:length]}, runs, expected)


def tears(scenario: Scenario, bench: Bench) -> Iterator[Point]:
    """Files that somebody reads, cut off anywhere; the last line of records."""
    stride = 1 if EVERY else 7
    tested = [at for at, call in enumerate(scenario.calls) if call.kind == disk.RUN]
    for name, after in (("built", scenario.reboot), ("tested", tested[-1] if tested else 0)):
        if after == 0 or scenario.since > 0:
            continue
        replayed = scenario.first.copy()
        for call in scenario.calls[:after]:
            replayed.do(call)
        tree = replayed.tree()
        runs = scenario.runs + [call.data.decode().strip() for call in scenario.calls[:after] if call.kind == disk.RUN]
        for path, data in tree.items():
            base = path.rsplit("/", 1)[-1]
            if base in ("xen_start_tests", "current"):
                yield from tear_file(scenario, path, range(0, len(data), stride), tree, runs)
            elif base == "record.jsonl" and name == "tested":
                last = data[:-1].rfind(b"\n") + 1
                yield from tear_file(scenario, path, range(last, len(data), stride), tree, runs)


def try_point(bench: Bench, point: Point, loud: bool = False) -> list[str]:
    problems = []
    with bench.world(point.tree, point.runs, point.fault) as world:
        try:
            world.run()
        except Hang as hang:
            problems.append(str(hang))
        problems += Verdict(world, point.expected).judge()
        problems += judge_exits(world, point)
        if point.again and not problems:
            problems += run_again(world, point)
        if loud:
            print(world.said())
            print(world.boots, world.exits, world.runs(), f"fired {world.fired()}")
    return problems


def judge_exits(world: World, point: Point) -> list[str]:
    """A daemon that fails says why, and does not crash."""
    problems = []
    killed = point.fault.kind in (KILL, TEAR)
    for role, status in world.exits:
        if status == -signal.SIGTERM:
            continue  # we asked for it, before it could handle that
        if role == TESTS1 and status == -signal.SIGKILL:
            continue  # its guest was destroyed under it
        if status < 0 and not (killed and role == point.fault.role and status == -9):
            problems.append(f"{ROLES[role]} ended by signal {-status}")
        if status > 1:
            problems.append(f"{ROLES[role]} ended with {status}")
        by_fault = point.fault.error and not point.expected.fails
        if status == 1 and by_fault and os.strerror(point.fault.error) not in world.said():
            problems.append(f"{ROLES[role]} failed without saying \"{os.strerror(point.fault.error)}\"")
    return problems


def run_again(world: World, point: Point) -> list[str]:
    """Nothing is left that the next run stumbles over."""
    world.lift()
    before = {path for path in (world.root / RUNS).glob("*")}
    boots = len(world.boots)
    (world.root / "etc/xen/xentest.conf").write_text(control())
    try:
        world.run()
    except Hang as hang:
        return [f"the next run: {hang}"]
    new = [path for path in (world.root / RUNS).glob("*") if path not in before]
    good = len(new) == 1 and (new[0] / "summary.txt").read_text().startswith(f"Run {new[0].name} finished: 2 of 2")
    return [] if good and len(world.boots) - boots == 2 else [f"the next run did not go well:\n{world.said()[-1500:]}"]


def work(number: int) -> tuple[int, list[str]]:
    try:
        return number, try_point(THE_BENCH, THE_POINTS[number])
    except Exception as trouble:  # of the test itself: a violation, too
        return number, [f"{type(trouble).__name__}: {trouble}"]


# Workers are forked, and find these as they were.
THE_BENCH: Bench
THE_POINTS: list[Point] = []


# ---- scenarios ---------------------------------------------------------------

def middle(bench: Bench, whole: Scenario) -> Scenario:
    """The power was lost during the tests: the way back into Xen."""
    after = next(at for at, call in enumerate(whole.calls) if call.kind == disk.RUN) + 1
    state = [state for state in disk.states(whole.calls[:after], whole.first, significant)][-1]
    runs = [call.data.decode().strip() for call in whole.calls[:after] if call.kind == disk.RUN]
    scenario = bench.record(Scenario("again", state.tree, runs))
    scenario.until = scenario.reboot
    return scenario


def asking(bench: Bench) -> Scenario:
    """A test of dom0's asks for a reboot: from there until it goes on."""
    scenario = bench.record(Scenario("asks", fresh(asks=True)))
    calls = list(enumerate(scenario.calls))
    scenario.since = next(at for at, call in calls if b'"rebooting"' in call.data)
    down = next(at for at, call in calls if at > scenario.since and call.kind == disk.SYNCFS and call.role == NOBODY)
    scenario.until = next(at for at, call in calls if at > down and call.kind == disk.RUN) + 1
    return scenario


def with_grub(bench: Bench) -> Scenario:
    """GRUB's files, and all that is around them."""
    scenario = bench.record(Scenario("grub", fresh("grub")))
    scenario.until = scenario.reboot
    return scenario


def scenarios(bench: Bench) -> list[Scenario]:
    whole = bench.record(Scenario("whole", fresh()))
    return [
        whole,
        middle(bench, whole),
        asking(bench),
        with_grub(bench),
        bench.record(Scenario("fails", fresh(build="false"), expected=Expectation(("failed",), fails=True))),
        bench.record(Scenario("rejected", fresh("nonsense"), expected=Expectation(rejected=True, fails=True))),
    ]


FAMILIES = {
    "kill": ("a daemon that dies at any call is started again and goes on", kills),
    "power": ("a power loss at any call leaves a run that goes on", powers),
    "torn": ("a file that is cut off anywhere costs its own end, and no more", tears),
    "errors": ("a disk that fails at any call costs no result", errors),
}


# Bugs on purpose, for shim.h; what each breaks is the name of its test.
MUTANTS = {
    "a record that is not synced is noticed": "skip fsync /record.jsonl",
    "a marker whose name is not synced is noticed": "skip fsync /root/etc",
    "a file that gets its name before its bytes are synced is noticed": "skip fsync /.current.new",
    "a record of a guest that is copied without a sync is noticed": "skip fsync /.record.jsonl.new",
    "a run whose directory is not synced is noticed": "skip fsync /xentest/runs",
    "a marker that is removed before the run has ended is noticed":
        "early rename xl-dmesg.log {root}/etc/xen_start_tests",
    "a run that is put away before its request is noticed":
        "early unlink xentest.conf {root}/var/lib/xentest/current",
}


def run_mutant(bench: Bench, sentence: str, mutation: str, jobs: int) -> int:
    """All is well as long as one point is a violation."""
    global THE_BENCH, THE_POINTS
    scenario = bench.record(Scenario("mutant", fresh()), mutation)
    points = list(powers(scenario, bench))
    random.Random(1).shuffle(points)
    THE_BENCH, THE_POINTS = bench, points
    tried = 0
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        for number, problems in pool.imap_unordered(work, range(len(points))):
            tried += 1
            if problems:
                print(f"# {mutation}: after {tried} of {len(points)} points: {points[number].what}")
                print(f"#   {problems[0]}\nok - {sentence}", flush=True)
                pool.terminate()
                return 0
    print(f"# {mutation}: {tried} points, and none of them showed it\nnot ok - {sentence}", flush=True)
    return 1


def run_family(bench: Bench, name: str, points: list[Point], jobs: int) -> int:
    global THE_BENCH, THE_POINTS
    THE_BENCH, THE_POINTS = bench, points
    began, spent = time.monotonic(), os.times()
    violations = 0
    print(f"# {name}: {len(points)} points", flush=True)
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        for number, problems in pool.imap_unordered(work, range(len(points))):
            if problems:
                violations += 1
                print(f"# {points[number].name} ({points[number].what}):", flush=True)
                for problem in problems:
                    print("#   " + problem.replace("\n", "\n#   "))
    now = os.times()
    cpu = now.children_user + now.children_system - spent.children_user - spent.children_system
    print(f"# {name}: {len(points)} points, {violations} violations, "
          f"{time.monotonic() - began:.0f} s, {cpu:.0f} s of CPU")
    print(f"{'not ok' if violations else 'ok'} - {FAMILIES[name][0]}", flush=True)
    return violations


def main() -> int:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("build", type=Path)
    parser.add_argument("families", nargs="*")
    parser.add_argument("--only")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    scratch = Path(tempfile.mkdtemp(prefix="xentest-kill-", dir=where))
    try:
        prepare_scratch(options.build.resolve(), scratch)
        return run(Bench(options.build.resolve(), scratch), options)
    finally:
        shutil.rmtree(scratch)


def run(bench: Bench, options: argparse.Namespace) -> int:
    recorded = scenarios(bench)
    total = violations = 0
    for name in options.families or [*FAMILIES, "mutants"]:
        if name == "mutants":
            violations += sum(run_mutant(bench, sentence, mutation, options.jobs)
                              for sentence, mutation in MUTANTS.items())
            continue
        points = [point for scenario in recorded for point in FAMILIES[name][1](scenario, bench)]
        if options.only:
            points = [point for point in points if point.name == options.only]
            for point in points:
                print(point.name, point.what, try_point(bench, point, loud=True))
            continue
        total += len(points)
        violations += run_family(bench, name, points, options.jobs)
    print(f"# {total} points, {violations} violations")
    return violations > 0


if __name__ == "__main__":
    sys.exit(main())
