# SPDX-License-Identifier: BSD-2-Clause
"""The machine goes down in every way that can be arranged, and says why.

causes.conf and panic.conf, in one machine. The record must name the cause that
was injected, and charge it to the test and step that was open, unless that is
what it asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import run
from checks import Tap, is_at_rest, outcomes, record
from machine import Machine

HERE = Path(__file__).resolve().parent

# Not the quarter of an hour that a hung dom0 has.
SOON = b"[Service]\nExecStart=\nExecStart=/usr/sbin/xenstartdomsd --watchdog 90\n"

# What was injected, test by test: the cause that the record has to name.
WANTED = {
    "xen-watchdog": "Xen watchdog",
    "dom0-panic": "dom0 panic",
    "power-loss": "power loss",
    "operator": "operator",
    "sysrq-reboot": "operator",
    "dom0-watchdog": "dom0 watchdog",
    "test-asked": "asked by a test",
    "xen-panic": "Xen panic",
}


def at(machine: Machine, test: str) -> None:
    """Wait until the test is running, in Xen."""
    machine.wait_for(f"test -e /var/tmp/at/{test}", timeout=2400)


def ticks(machine: Machine) -> None:
    """More of the watchdog's NMIs than Xen's own timer can keep up with."""
    for _ in range(60):
        machine.qmp("inject-nmi")
        time.sleep(0.03)


def causes_run(machine: Machine, say: Callable[..., None]) -> run.Status:
    """The first run: under each of its tests but the last the machine goes down."""
    machine.put("/etc/systemd/system/xenstartdomsd.service.d/watchdog.conf", SOON)
    machine.check("systemctl daemon-reload")
    run.drop(machine, (HERE / "causes.conf").read_bytes())
    at(machine, "xen-watchdog")
    ticks(machine)
    at(machine, "power-loss")
    machine.power_cut()
    machine.wait_shell(timeout=900)
    at(machine, "operator")
    machine.check("(sleep 1; systemctl reboot) &")
    at(machine, "dom0-watchdog")
    machine.check("pkill -STOP -x xenstartdomsd")
    return run.follow(machine, say, timeout=3600)


def panic_run(machine: Machine, say: Callable[..., None], known: str) -> run.Status:
    """The second run: without a watchdog, an NMI is a fault of the hardware."""
    run.drop(machine, (HERE / "panic.conf").read_bytes())
    at(machine, "xen-panic")
    machine.qmp("inject-nmi")
    return run.follow(machine, say, known=known, timeout=2400)


def downs(target: Path) -> list[dict[str, Any]]:
    """The boots that came because the machine had gone down, each with its test.

    Into Linux, with what it is charged to; or right into Xen again, where by
    its own record a test went on.
    """
    own = record(target / "run/demo-dom0/record.jsonl")
    resumed = {e["boot"]: e["test"] for e in own if e.get("state") == "resumed"}
    found = []
    for boot in record(target / "run/record.jsonl"):
        if boot["event"] != "boot":
            continue
        if boot["boot"] in resumed:
            found.append(boot | {"under": [resumed[boot["boot"]]]})
        elif boot["system"] == "linux":
            found.append(boot | {"under": [each["test"] for each in boot.get("charged", [])]})
    return found


def matrix(found: list[dict[str, Any]]) -> dict[tuple[str, str], int]:
    """How often which cause was recorded for which injected one, printed."""
    counts: dict[tuple[str, str], int] = {}
    for boot in found:
        under = boot["under"]
        injected = WANTED.get(under[0], "?") if under else "nothing"
        key = (injected, boot["cause"])
        counts[key] = counts.get(key, 0) + 1
    print("# injected -> recorded: how often", flush=True)
    for (injected, recorded), count in sorted(counts.items()):
        print(f"#   {injected:14} -> {recorded:14}: {count}", flush=True)
    return counts


def asked_boots(target: Path) -> list[str]:
    """Why the boots into Xen came."""
    events = record(target / "run/record.jsonl")
    return [e["cause"] for e in events if e["event"] == "boot" and e["system"] == "xen"]


def each_is_named(found: list[dict[str, Any]]) -> None:
    """Each cause once, the right one, charged to the one test that was open.

    But for the one that asked.
    """
    counts = matrix(found)
    assert all(injected == recorded for injected, recorded in counts), counts
    assert [boot["under"] for boot in found] == [[test] for test in WANTED], found
    for boot in found:
        if boot["under"] == ["test-asked"]:
            assert boot["system"] == "xen" and boot["proven"], boot
            assert "charged" not in boot, boot
            continue
        assert len(boot["charged"]) == 1, boot
        charged = boot["charged"][0]
        assert (charged["domain"], charged["step"]) == ("demo-dom0", "run"), boot


def tests_are_over(last: run.Status, first: run.Status) -> None:
    """None ran twice, each says why it is over; who asked and the last one ran."""
    got = outcomes(first, "demo-dom0") | outcomes(last, "demo-dom0")
    assert got["test-asked"] == "exit status 0; rebooted 1 time", got
    for test, cause in WANTED.items():
        if test == "test-asked":
            continue
        assert got[test].startswith("crashed") and cause in got[test], got
    assert outcomes(first, "demo-dom0")["last"] == "exit status 0", got
    assert outcomes(last, "demo-dom0")["last"] == "exit status 0", got


def run_tests(
    tap: Tap, image: Path, target: Path, say: Callable[..., None]
) -> None:
    """Two runs in one machine."""
    first: run.Status = {}
    last: run.Status = {}
    with Machine(image, target / "machine") as machine:
        machine.start(fresh=True)
        machine.wait_shell(timeout=900)
        with tap.test("a run in which the machine goes down seven times ends"):
            first = causes_run(machine, say)
            run.fetch_results(machine, first["run"], target / "causes")
            assert first["result"] == "finished", first
            is_at_rest(machine)
        with tap.test("a run in which Xen panics ends"):
            machine.check("rm -rf /var/tmp/at")
            last = panic_run(machine, say, first.get("run", ""))
            run.fetch_results(machine, last["run"], target / "panic")
            assert last["result"] == "finished", last
            is_at_rest(machine)
    if not first or not last:
        return
    with tap.test("each of these boots has its cause, and the test it is charged to"):
        each_is_named(downs(target / "causes") + downs(target / "panic"))
    with tap.test("the boots that were asked for say who asked"):
        again = "asked by xenstartdomsd"
        assert asked_boots(target / "causes") == [
            "asked by xenbuildd",
            *[again] * 6,
            "asked by a test",
        ]
        assert asked_boots(target / "panic") == ["asked by xenbuildd", again]
    with tap.test("a test that took the machine down is over, the one that asked went on"):
        tests_are_over(last, first)
