# SPDX-License-Identifier: BSD-2-Clause
"""The share fails, with a real NFS server: share.conf says to whom.

One boot of Xen, two PV guests without disks, one fault after the other while
their tests go on; at last one guest loses the share for good.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import run
from checks import Tap, domain_of, is_at_rest, outcomes, record, starts
from machine import Machine, MachineError, ShellLost

HERE = Path(__file__).resolve().parent
SHARED = run.SHARED
GUESTS = ("demo-pv1", "demo-pv2")
TESTS = ["clock", "stopped", "stale", "full", "read-only", "written", "look", "last"]
UNDELIVERED = "its results did not reach the share"

# A disk of its own for the share, so that it can be full; after the one that
# serves the guests' root has got its loop device.
ORDER = ",x-systemd.".join(
    ["", "requires=xentest-modules.service", "after=xentest-modules.service"]
    + [f"before={name}.service" for name in ("nfs-server", "xenstartdomsd")]
)
SMALL_DISK = f"""\
truncate -s 48M /var/tmp/share.ext4 && mkfs.ext4 -q -m 0 /var/tmp/share.ext4 &&
echo '/var/tmp/share.ext4 {SHARED} ext4 loop=/dev/loop1,nofail{ORDER} 0 0' >>/etc/fstab &&
systemctl daemon-reload && modprobe loop && mount {SHARED} && exportfs -f && sync
"""

# Fault and remedy, as commands for dom0; {run} is the run's id.
FAULTS = {
    "stopped": ("systemctl stop nfs-server", "systemctl start nfs-server"),
    "stale": ("exportfs -ua && exportfs -f", "systemctl restart nfs-server && exportfs -ra"),
    "full": (
        f"! cat /dev/zero >{SHARED}/filler; df {SHARED} | grep 100%",
        f"rm {SHARED}/filler",
    ),
    "read-only": (
        f"until mount -o remount,ro {SHARED}; do sleep 1; done",
        f"mount -o remount,rw {SHARED}",
    ),
    "written": (
        f"""cd {SHARED} && for i in 1 2 3; do tail -1 demo-pv1/{{run}}/record.jsonl
        done >>demo-pv1/{{run}}/record.jsonl && cd demo-pv2/{{run}} &&
        rm record.jsonl && ln -s /etc/hostname record.jsonl""",
        "true",
    ),
}


def state(machine: Machine, guest: str) -> dict[str, str]:
    """What a guest says of itself in xenstore; empty when it says nothing."""
    command = f"xenstore-read /local/domain/$(xl domid {guest})/data/xentest/state"
    try:
        code, output = machine.sh(command, timeout=60)
    except ShellLost:  # it reboots into Xen
        return {}
    return json.loads(output) if code == 0 else {}


def wait_for_test(machine: Machine, test: str, timeout: float) -> float:
    """Until both guests are in that test or beyond; returns how long it took."""
    began = time.monotonic()
    wanted = TESTS.index(test)
    while time.monotonic() < began + timeout:
        said = [state(machine, guest).get("test", "") for guest in GUESTS]
        if all(one in TESTS and TESTS.index(one) >= wanted for one in said):
            return time.monotonic() - began
        time.sleep(2)
    raise MachineError(f"not in {test} within {timeout:.0f} s: {said}")


def wait_for_results(machine: Machine, run_id: str, test: str) -> float:
    """Until the share has a test's log of both guests, whole."""
    began = time.monotonic()
    for guest in GUESTS:
        log = f"{SHARED}/{guest}/{run_id}/{test}/run.log"
        machine.wait_for(f"tail -1 {log} | grep -x 3000", timeout=420)
    return time.monotonic() - began


def fault(machine: Machine, run_id: str, test: str, following: str) -> None:
    """Tests go on in it, and their results arrive after it."""
    wait_for_test(machine, test, 600)
    break_it, mend_it = FAULTS[test]
    machine.check(break_it.format(run=run_id), timeout=120)
    since = time.monotonic()
    machine.check(f"touch /srv/www/go-{test}")
    try:
        took = wait_for_test(machine, following, 240)
        # The brief outage is one of a minute at least.
        time.sleep(max(0.0, 60 - (time.monotonic() - since)))
    finally:
        machine.check(mend_it, timeout=120)
    late = wait_for_results(machine, run_id, test)
    print(f"# {test}: next test after {took:.0f} s, results {late:.0f} s after the fault", flush=True)
    held = machine.check("ps -eo state,comm | grep '^D.*xen.*d$' || true")
    assert held == "", held


def begin(machine: Machine, say: Callable[[run.Status | None], None]) -> str:
    """Set up the share, boot into Xen; returns the run's id."""
    machine.check(SMALL_DISK, timeout=120)
    run.drop(machine, (HERE / "share.conf").read_bytes())
    deadline = time.monotonic() + 1800
    while time.monotonic() < deadline:
        status = run.status(machine)
        say(status)
        if status is None:
            try:
                machine.wait_shell(timeout=30)
            except ShellLost:
                pass
        elif any(d.get("state") == "running" for d in status.get("domains", [])):
            return str(status["run"])
        time.sleep(5)
    raise MachineError("no guest began a test")


def lose_for_good(machine: Machine) -> int:
    """demo-pv2's network goes down in its last test; returns when, by its clock."""
    wait_for_test(machine, "last", 600)
    return int(machine.check("ip link set vif$(xl domid demo-pv2).0 down; date +%s"))


def end_without_it(
    machine: Machine, run_id: str, lost: int, say: Callable[[run.Status | None], None]
) -> run.Status:
    """The run waits for the results, but not for ever; returns its last status."""
    last = run.follow(machine, say, timeout=1500)
    assert last["run"] == run_id
    ended = int(machine.check(f"stat -c %Y /var/lib/xentest/runs/{run_id}/summary.txt"))
    print(f"# the run ended {ended - lost} s after the share was lost", flush=True)
    assert 0 < ended - lost < 1200, (lost, ended)
    return last


def run_says_what_is_missing(machine: Machine, last: run.Status) -> None:
    """All of demo-pv1; of demo-pv2 where it lies, and that guest still runs."""
    assert last["result"] == "finished", last
    one, two = (domain_of(last, guest) for guest in GUESTS)
    assert one["state"] == two["state"] == "done", last
    assert UNDELIVERED not in one.get("message", ""), one
    assert UNDELIVERED in two["message"], two
    got = outcomes(last, "demo-pv1")
    assert got == dict.fromkeys(TESTS, "exit status 0"), got
    summary = machine.check(f"cat {SHARED}/summary.txt")
    assert UNDELIVERED in summary, summary
    guests = machine.check("xl list")
    assert "demo-pv2" in guests and "demo-pv1" not in guests, guests
    is_at_rest(machine)


def results_arrive_late(machine: Machine, run_id: str) -> None:
    """Long after the run has ended: the guest goes on trying."""
    machine.check("ip link set vif$(xl domid demo-pv2).0 up")
    since = time.monotonic()
    machine.wait_for(f"test ! -e {SHARED}/demo-pv2/xentests.conf", timeout=600)
    print(f"# results arrived after {time.monotonic() - since:.0f} s", flush=True)
    machine.check(f"grep '\"done\"' {SHARED}/demo-pv2/{run_id}/record.jsonl")


def nothing_lost_or_doubled(target: Path, run_id: str) -> None:
    """Each test of each guest exactly once, with all of its output."""
    for guest in GUESTS:
        results = target / "shared" / guest / run_id
        events = record(results / "record.jsonl")
        assert starts(events) == [(entry, 1) for entry in range(len(TESTS))], guest
        ended = [e["test"] for e in events if e["event"] == "test" and e["state"] == "ended"]
        assert ended == TESTS, (guest, ended)
        assert [e["event"] for e in events].count("done") == 1, guest
        for test in TESTS:
            lines = (results / test / "run.log").read_text().splitlines()
            assert lines[-3000:] == [str(n) for n in range(1, 3001)], (guest, test)
        times = [event["time"] for event in events]
        assert times != sorted(times), "the guest's clock did not go back"


def nobody_was_held(target: Path, run_id: str) -> None:
    """After all these faults no process of a guest is in D state."""
    for guest in GUESTS:
        log = (target / "shared" / guest / run_id / "look/run.log").read_text()
        held = [line for line in log.splitlines() if line.startswith("D ")]
        assert "xenruntestsd" in log and not held, (guest, held)


NAMES = {
    "stopped": "an NFS server that is away for a minute holds up no test",
    "stale": "handles that went stale lose no result",
    "full": "a share that was full gets all of it later",
    "read-only": "a share that was read-only gets all of it later",
    "written": "what another writer did to the records is undone",
}


def run_tests(
    tap: Tap,
    image: Path,
    target: Path,
    say: Callable[[run.Status | None], None],
    meanwhile: Callable[[], None],
) -> None:
    """All of it, in a machine of its own.

    meanwhile: what there is to do while this one waits ten minutes for a share
    """
    with Machine(image, target / "machine") as machine:
        machine.start(fresh=True)
        machine.wait_shell(timeout=900)
        run_id = ""
        with tap.test("a run begins whose guests have their results on NFS alone"):
            run_id = begin(machine, say)
        if not run_id:
            meanwhile()
            return
        for test, name in NAMES.items():
            with tap.test(name):
                fault(machine, run_id, test, TESTS[TESTS.index(test) + 1])
            machine.check(f"touch /srv/www/go-{test}")
        last: run.Status = {}
        lost = 0
        with tap.test("a guest loses the share for good"):
            lost = lose_for_good(machine)
        meanwhile()
        with tap.test("a share that is lost for good does not hold up the run"):
            last = end_without_it(machine, run_id, lost, say)
        if not last:
            return
        with tap.test("the summary is complete, and says what is missing and where"):
            run_says_what_is_missing(machine, last)
        with tap.test("results arrive when the share is back, after the run"):
            results_arrive_late(machine, run_id)
        run.fetch_results(machine, run_id, target)
        with tap.test("each test is in each record once, with all of its output"):
            nothing_lost_or_doubled(target, run_id)
        with tap.test("no process of a guest is left in D state"):
            nobody_was_held(target, run_id)
