# SPDX-License-Identifier: BSD-2-Clause
"""Guests that die and guests that are hostile: guests.conf says which.

One boot of Xen. Each guest has its own directory of the share exported to it
alone, as xentest(7) advises; demo-pv2's root then does what it likes with what
is its own, while demo-pv1 crashes, is started again and goes on.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable
from pathlib import Path

import run
from checks import Tap, domain_of, is_at_rest, outcomes, record, starts
from machine import Machine

HERE = Path(__file__).resolve().parent
MEMORY_MAX_KIB = 64 * 1024  # of xenstartdomsd, at any time

# A guest sees 192.168.77.1:/ with nothing but its own directory in it. What is
# below /xentest/export is mounted there when nfsd starts.
SEPARATE = """\
for guest in demo-pv1 demo-pv2; do
    mkdir -p /xentest/shared/$guest /xentest/export/$guest/$guest
    echo "/xentest/shared/$guest /xentest/export/$guest/$guest none bind 0 0" >>/etc/fstab
done
{
    for guest in demo-pv1:11 demo-pv2:12; do
        echo "/xentest/export/${guest%:*} 192.168.77.${guest#*:}(ro,sync,fsid=0,no_subtree_check,crossmnt)"
        echo "/xentest/export/${guest%:*}/${guest%:*} 192.168.77.${guest#*:}(rw,sync,fsid=${guest#*:},subtree_check,no_root_squash)"
    done
} >/etc/exports
systemctl daemon-reload && mount -a -t none,ext4 && exportfs -ra && sync
"""

# All that a guest might aim at, but for what a run itself changes.
MANIFEST = """\
find /etc /root /usr/sbin /var/lib/dpkg /var/lib/xentest-demo -xdev \\
    ! -path /etc/xen/xentest.conf ! -path /etc/xen_start_tests ! -path '/etc/xen' \\
    ! -path /etc ! -path /etc/mtab -printf '%p %y %m %U %n %s %T@ %l\\n' | sort
"""

# Its peak over the whole run: the number only grows.
WATCH = """\
systemd-run --quiet --unit=watch-memory bash -c '
while sleep 1; do
    pid=$(systemctl show -P MainPID xenstartdomsd)
    [ "$pid" = 0 ] || grep VmHWM /proc/$pid/status >/var/tmp/peak.new && mv /var/tmp/peak.new /var/tmp/peak
done'
"""


def hostile_tar() -> bytes:
    """hostile/, as its test fetches it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(HERE / "hostile", arcname="hostile")
    return packed.getvalue()


def whole_run(
    machine: Machine, target: Path, say: Callable[[run.Status | None], None]
) -> tuple[run.Status, list[str]]:
    """From drop to rest; returns the last status, and what dom0 was before."""
    machine.check(SEPARATE, timeout=120)
    machine.put("/srv/www/hostile.tar", hostile_tar())
    before = machine.check(MANIFEST, timeout=300).splitlines()
    # Debian's Xen: with xen-tree = none the machine boots into it once.
    run.drop(machine, (HERE / "guests.conf").read_bytes())
    watching = False

    def tell(status: run.Status | None) -> None:
        nonlocal watching
        say(status)
        if status is not None and not watching:
            watching = machine.sh("test -d /proc/xen && " + WATCH, timeout=120)[0] == 0

    last = run.follow(machine, tell, timeout=3600)
    for name in ("demo-pv1", "demo-pv2"):
        machine.sh(f"ls -la /xentest/shared/{name}/{last['run']}", timeout=60)
    fetch(machine, last["run"], target)
    return last, before


def fetch(machine: Machine, run_id: str, target: Path) -> None:
    """As run.fetch_results(), without what a guest left to be followed."""
    target.mkdir(parents=True)
    results = f"{run.SHARED}/demo-pv1/{run_id}"
    machine.pull_dir(results, target / "demo-pv1")
    machine.pull_dir(f"/var/lib/xentest/runs/{run_id}", target / "run")
    (target / "journal.txt").write_text(run.journal(machine, run_id))


def crashed_guest_goes_on(last: run.Status, target: Path) -> None:
    """The test that was open crashed, the rest was run, nothing twice."""
    guest = domain_of(last, "demo-pv1")
    assert guest["state"] == "done" and guest["deaths"] == 1, guest
    assert outcomes(last, "demo-pv1") == {
        "quiet": "exit status 0",
        "crashme": "crashed: guest crash during run",
        "memory": "exit status 0",
    }, guest
    events = record(target / "demo-pv1/record.jsonl")
    assert starts(events) == [(0, 1), (1, 1), (2, 1)], starts(events)
    assert len({event["boot"] for event in events}) == 2
    assert events[-1]["event"] == "done", events[-1]
    (died,) = [
        e
        for e in record(target / "run/record.jsonl")
        if e.get("domain") == "demo-pv1" and e.get("state") == "died"
    ]
    assert (died["reason"], died["test"], died["step"]) == ("crash", "crashme", "run"), died


def both_lives_have_a_console(target: Path) -> None:
    """One log: its last words, a line that says so, and its second boot."""
    log = (target / "run/demo-pv1/console.log").read_text(errors="replace")
    first, second = re.split(r"\[xentest: it died; started again as domain \d+\]", log)
    assert "sysrq" in first.lower(), first[-2000:]
    assert "Linux version" in second, second[:2000]


def hostile_console(target: Path) -> str:
    """What the hostile guest said: which of its attempts came to something."""
    return (target / "run/demo-pv2/console.log").read_text(errors="replace")


def xenstore_refused_it(target: Path) -> None:
    """What is not its own it cannot write; what is, as often as it likes."""
    console = hostile_console(target)
    answers = dict(re.findall(r"evil: write (\S+): (\w+)", console))
    for path in ("name", "domid", "xentest/digest", "xentest/died", "console/tty",
                 "memory/target", "/local/domain/0/name", "/local/domain/1/name"):
        assert answers[path] == "EACCES", (path, answers)
    found = re.search(r"evil: (\d+) writes, the last one: OK", console)
    assert found is not None and int(found[1]) > 500, console[-3000:]
    print(f"# {found[1]} writes to xenstore in a minute", flush=True)


def traps_were_set(machine: Machine, run_id: str) -> None:
    """Else the other tests would show nothing."""
    own = f"/xentest/shared/demo-pv2/{run_id}"
    for test in (f"-h {own}/../xentests.conf", f"-p {own}/fifo", f"-b {own}/sda",
                 f"-c {own}/watchdog", f"-h {own}/lib"):
        machine.check(f"test {test}")
    assert machine.check(f"stat -c %s {own}/record.jsonl").strip() == str(10 << 30)
    # The console's log is dom0's own, in place of the link.
    machine.check(f"test -f {own}/console.log && test ! -h {own}/console.log")


def nothing_of_dom0_changed(machine: Machine, before: list[str]) -> None:
    """Names, kinds, owners, sizes, links and times of all that one aims at."""
    after = machine.check(MANIFEST, timeout=300).splitlines()
    changed = sorted(set(before) ^ set(after))
    # What a boot of Debian writes by itself.
    usual = ("/etc/adjtime ", "/etc/resolv.conf ", "/etc/machine-id ", "/etc/.updated ",
             "/etc/default/grub.d", "/etc/grub.d")
    odd = [line for line in changed if not line.startswith(usual)]
    assert not odd, odd


def run_says_what_it_saw(last: run.Status, target: Path) -> None:
    """Not a pass, but trouble: in record, summary and journal, made plain."""
    guest = domain_of(last, "demo-pv2")
    assert "record.jsonl is larger than" in guest["trouble"], guest
    got = outcomes(last, "demo-pv2")
    assert got == dict.fromkeys(("quiet", "hostile", "never"), "not run"), got
    assert guest["good"] == 0, guest
    summary = (target / "run/summary.txt").read_text()
    assert "! Not everything could be collected" in summary, summary
    journal = (target / "journal.txt").read_text()
    assert "record.jsonl is larger than" in journal, journal
    assert "\x1b" not in summary + journal
    assert "\x1b]0;evil" in hostile_console(target), "it never printed it"
    # Bounded, whatever the guest wrote.
    lines = [line for line in journal.splitlines() if "demo-pv2" in line]
    assert len(lines) < 30, lines


def memory_was_bounded(machine: Machine) -> None:
    """Through the flood and the end of the run."""
    peak = int(machine.check("cat /var/tmp/peak").split()[1])
    print(f"# xenstartdomsd: {peak} KiB at most", flush=True)
    assert peak < MEMORY_MAX_KIB, peak


def run_tests(
    tap: Tap, image: Path, target: Path, say: Callable[[run.Status | None], None]
) -> None:
    """All of it, in a machine of its own."""
    with Machine(image, target / "machine") as machine:
        machine.start(fresh=True)
        machine.wait_shell(timeout=900)
        last: run.Status = {}
        before: list[str] = []
        with tap.test("a run with a guest that crashes and a hostile one ends"):
            last, before = whole_run(machine, target / "results", say)
            assert last["result"] == "finished", last
        if not last:
            return
        results = target / "results"
        with tap.test("a guest that crashed goes on with the rest of its tests"):
            crashed_guest_goes_on(last, results)
        with tap.test("the consoles of both of its lives are in one log"):
            both_lives_have_a_console(results)
        with tap.test("a guest can write nothing in xenstore but its own data"):
            xenstore_refused_it(results)
        with tap.test("the hostile guest could set its traps in the share"):
            traps_were_set(machine, last["run"])
        with tap.test("nothing of dom0 has changed"):
            nothing_of_dom0_changed(machine, before)
        with tap.test("the run says what it saw, and takes nothing for a pass"):
            run_says_what_it_saw(last, results)
        with tap.test("dom0's daemon stayed small"):
            memory_was_bounded(machine)
        with tap.test("after that run the machine is at rest as well"):
            assert outcomes(last, "demo-dom0") == {"quiet": "exit status 0"}
            is_at_rest(machine)
