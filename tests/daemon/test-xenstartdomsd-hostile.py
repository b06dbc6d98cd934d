#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""xenstartdomsd and a guest whose root does what it likes with what is its own.

Usage: PROGRAM [TEST…], as test-xenstartdomsd.py.
"""
from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE / "fake-xen"))
from fakexen import Refused, Store  # noqa: E402
from machine import GOOD, RUN, THIS_BOOT, Case, main, wait_until  # noqa: E402

SECRET = '{"n": 1, "event": "done"}\n'
# Says something, at whatever step it is.
SAYS = '{"run": "' + RUN + '", "state": "testing", "test": "%s", "step": "%s", "index": %d, "iteration": %d}'


def tree(top: Path) -> dict[str, tuple]:
    """All below, as it is: kind, size, content."""
    found = {}
    for path in sorted(top.rglob("*")):
        info = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(info.st_mode) else b""
        found[str(path.relative_to(top))] = (info.st_mode, info.st_nlink, content)
    return found


class Hostile(Case):
    def setUp(self) -> None:
        super().setUp()
        m = self.machine
        m.be_dom0()
        m.mark()
        # What is dom0's, and what is another guest's.
        self.outside = m.root.parent / "outside"
        (self.outside / "dir").mkdir(parents=True)
        (self.outside / "secret").write_text(SECRET)
        (self.outside / "dir/record.jsonl").write_text(SECRET)
        self.own = m.share / "evil"

    def summary(self, name: str) -> str:
        text = (self.machine.run_dir / "summary.txt").read_text()
        return text.split(f"Domain {name} ", 1)[1].split("\nDomain ", 1)[0]

    def run_with(self, *traps: str, **config: object) -> str:
        """evil sets its traps, says that it is done; good does its tests."""
        m = self.machine
        m.guest("evil", ["print \x1b]0;evil\x07 <script>", *(f"exec {trap}" for trap in traps), "state done", "forever"],
                **config)
        m.guest("good", GOOD)
        m.make_run()
        before = tree(self.outside)
        said = m.go()
        self.assert_ended("finished")
        self.assertEqual(tree(self.outside), before, "what is not the guest's is as it was")
        self.assertEqual(m.last("good")["state"], "done")
        self.assertIn('"done"', (m.run_dir / "good/record.jsonl").read_text())
        self.assertNotRegex(said, "[\x00-\x09\x0b-\x1f\x7f]")
        return said

    def assert_trouble(self, said: str, words: str) -> None:
        self.assertRegex(said, f"evil: Not everything could be collected: .*{words}")
        self.assertIn("  ! Not everything could be collected: ", self.summary("evil"))
        self.assertEqual([e["domain"] for e in self.machine.events("trouble")], ["evil"])

    def test_whatever_lies_in_place_of_the_record_is_not_taken(self) -> None:
        m = self.machine
        kinds = {"link": f"ln -s {self.outside}/secret", "fifo": "mkfifo", "dir": "mkdir", "null": "cp -a /dev/zero"}
        for name, command in kinds.items():
            m.guest(name, [f"exec mkdir -p {m.share}/{name}/{RUN}; {command} {m.share}/{name}/{RUN}/record.jsonl",
                           "state done", "forever"])
        said = self.run_with()
        for name in kinds:
            self.assertFalse((m.run_dir / name / "record.jsonl").exists())
            self.assertRegex(said, f"{name}: Not everything could be collected: ")
            self.assertTrue((m.share / name / RUN / "console.log").is_file())

    def test_a_fifo_is_not_even_opened(self) -> None:
        """Nor is a device, which may act on it."""
        self.run_with(f"mkdir -p {self.own}/{RUN}; mkfifo {self.own}/{RUN}/record.jsonl;"
                      f" (: > {self.own}/{RUN}/record.jsonl; touch {self.own}/opened) > /dev/null 2>&1 & sleep 0.3")
        self.assertFalse((self.own / "opened").exists())

    def test_a_directory_that_leads_elsewhere_is_not_entered(self) -> None:
        said = self.run_with(f"rm -rf {self.own}/{RUN}; ln -s {self.outside}/dir {self.own}/{RUN}")
        self.assert_trouble(said, RUN)
        self.assertFalse((self.machine.run_dir / "evil/record.jsonl").exists())

    def test_a_whole_directory_that_leads_elsewhere_is_not_entered(self) -> None:
        self.assert_trouble(self.run_with(f"rm -rf {self.own}; ln -s {self.outside}/dir {self.own}"), "evil")

    def test_a_link_in_place_of_the_console_is_replaced_not_followed(self) -> None:
        self.run_with(f"mkdir -p {self.own}/{RUN}; cd {self.own}/{RUN}; ln -s {self.outside}/secret console.log;"
                      f" ln -s {self.outside}/secret .console.log.new")
        self.assertIn(b"evil", (self.own / RUN / "console.log").read_bytes())
        self.assertFalse((self.own / RUN / "console.log").is_symlink())

    def test_a_hard_link_in_place_of_the_console_is_replaced_not_written(self) -> None:
        """As it can make one to whatever is exported to it."""
        os.link(self.outside / "secret", self.outside / "twin")
        self.run_with(f"mkdir -p {self.own}/{RUN}; cd {self.own}/{RUN}; touch x; ln x console.log; ln x .console.log.new")
        self.assertEqual((self.own / RUN / "x").read_bytes(), b"")
        self.assertIn(b"evil", (self.own / RUN / "console.log").read_bytes())

    def test_a_directory_in_place_of_the_console_is_left(self) -> None:
        said = self.run_with(f"mkdir -p {self.own}/{RUN}/console.log/x")
        self.assert_trouble(said, "console.log")

    def test_a_record_of_10_gib_is_left_where_it_is(self) -> None:
        m = self.machine
        said = self.run_with(f"mkdir -p {self.own}/{RUN}; truncate -s 10G {self.own}/{RUN}/record.jsonl")
        self.assert_trouble(said, "record.jsonl is larger than 67108864 bytes")
        self.assertLess(sum(p.lstat().st_blocks for p in m.run_dir.rglob("*")) * 512, 1 << 20)

    def test_a_line_without_an_end_costs_no_memory(self) -> None:
        self.run_with(f"mkdir -p {self.own}/{RUN}; head -c 60000000 /dev/zero | tr '\\0' '[' > {self.own}/{RUN}/record.jsonl")
        self.assertIn("not run", self.summary("evil"))

    def test_a_record_that_is_another_s_or_an_old_one_does_not_count(self) -> None:
        ended = ('{"event": "test", "entry": %d, "iteration": 1, "state": "started"}',
                 '{"event": "test", "entry": %d, "iteration": 1, "state": "ended", "outcome": "exited", "exit_status": 0}')
        heads = {"thief": '{"event": "domain", "domain": "good"}',
                 "replays": '{"event": "domain", "run": "20250101-000000-00000000"}'}
        m = self.machine
        for name, head in heads.items():
            m.guest(name, [f"record {head}", *(f"record {line % n}" for n in (0, 1) for line in ended),
                           'record {"event": "done"}', "state done", "forever"])
        self.run_with()
        for name in heads:
            self.assertIn("0 of 2 tests good", self.summary(name))
            self.assertIn("! its record is that of another run or domain, and does not count", self.summary(name))

    def test_numbers_out_of_order_and_out_of_range_are_passed_over(self) -> None:
        lines = ['{"event": "domain"}',
                 '{"event": "test", "entry": 9999999999, "state": "ended", "outcome": "exited", "exit_status": 0}',
                 '{"event": "test", "entry": -1, "state": "ended", "outcome": "exited", "exit_status": 0}',
                 '{"event": "test", "entry": 0, "state": "ended", "outcome": "exited", "exit_status": 4294967296}',
                 '{"event": "step", "entry": 0, "wall_usec": 9223372036854775807}',
                 '{"event": "done", "n": 7777}',
                 '{"event": "test", "entry": 1, "state": "ended", "outcome": "exited", "exit_status": 0}']
        m = self.machine
        m.guest("liar", [*(f"record {line}" for line in lines), "state done", "forever"])
        self.run_with()
        self.assertIn("0 of 2 tests good", self.summary("liar"))
        self.assertIn("! it said that it was done, which its record does not show", self.summary("liar"))

    def test_done_at_once_is_no_pass(self) -> None:
        self.run_with()
        self.assertRegex(self.summary("evil"), r"done: 0 of 2 tests good\n  ! it said that it was done")

    def test_a_control_file_that_it_changed_is_not_read_back(self) -> None:
        m = self.machine
        self.run_with(f"rm -f {self.own}/xentests.conf; ln -s {self.outside}/secret {self.own}/xentests.conf")
        self.assertNotIn("secret", (m.run_dir / "control.conf").read_text())

    def test_traps_from_an_earlier_run_cost_nobody_but_it(self) -> None:
        m = self.machine
        (self.own / "xentests.conf/x").mkdir(parents=True)
        (self.own / ".xentests.conf.new").symlink_to(self.outside / "secret")
        (m.share / "good").mkdir()
        said = self.run_with()
        self.assertEqual(m.last("evil")["state"], "given up")
        self.assertIn("evil: Given up: its control file could not be put into", said)

    def test_its_words_do_nothing_to_a_terminal(self) -> None:
        m = self.machine
        m.guest("crashes", ["print \x1b]0;evil\x07\x1b[2J\x9b31m<b>&\u202e", "sleep 0.2", "crash"], keys="on_crash = give-up")
        said = self.run_with()
        self.assertRegex(said, r"crashes:   \?\]0;evil\?\?\[2J")
        self.assertNotIn("\u202e", said)
        self.assertNotRegex((m.run_dir / "summary.txt").read_text(), "[\x00-\x09\x0b-\x1f\x7f]")

    # ---- xenstore ----

    def flood(self, domid: int) -> subprocess.Popen:
        """Writes as fast as a real guest could, some hundred times a second."""
        program = (f"import sys, time; sys.path.insert(0, {str(HERE / 'fake-xen')!r}); from fakexen import Store\n"
                   f"store = Store({str(self.machine.xen.directory)!r}, {domid})\n"
                   "for n in range(100000):\n"
                   "    for path in 'state', 'x', 'state/y':\n"
                   f"        store.write('data/xentest/' + path, {SAYS % ('LTP', 'run', 1, 0)!r}.replace('0}}', str(n % 2 + 1) + '}}'))\n"
                   "    print(3 * n, flush=True)\n"
                   "    time.sleep(0.002)\n")
        return subprocess.Popen([sys.executable, "-B", "-c", program], stdout=subprocess.PIPE, text=True)

    def test_a_flood_of_writes_holds_up_nobody(self) -> None:
        m = self.machine
        m.guest("evil", ["forever"], keys="start_timeout = 10m")
        m.guest("good", ["sleep 5", *GOOD])
        m.make_run()
        daemon = m.start()
        # Not before: the fake xenstored would be slow to let xl make the other.
        wait_until(lambda: [e["state"] for e in m.events("domain")].count("started") == 2, "both", 60)
        domid = next(n for n in m.xen.store.list("/local/domain") if m.xen.store.read(f"/local/domain/{n}/name") == "evil")
        flood = self.flood(int(domid))
        wait_until(lambda: any(e["domain"] == "good" and e["state"] == "done" for e in m.events("domain")), "good", 120)
        status = Path(f"/proc/{daemon.pid}/status").read_text()
        peak = int(re.search(r"VmHWM:\s+(\d+)", status)[1])
        flood.kill()
        writes = int(flood.communicate()[0].split()[-1])
        m.xen.store.write(f"/local/domain/{domid}/data/xentest/state", json.dumps({"run": RUN, "state": "done"}))
        said, _ = daemon.communicate(timeout=60)
        print(f"{writes} writes, {len(said.splitlines())} lines, {peak} KiB", file=sys.stderr)
        self.assertGreater(writes, 500, "it was no flood")
        self.assertLess(len(said.splitlines()), 40)
        self.assertLess(len(m.events("domain")), 12)
        self.assert_ended("finished")

    def test_a_guest_that_changes_its_mind_for_ever_is_given_up(self) -> None:
        m = self.machine
        flips = [step for _ in range(200) for step in ("state testing LTP run 1", "sleep 0.2",
                                                       "state testing LTP build 1", "sleep 0.2")]
        m.guest("flips", flips, tests="LTP")
        m.make_run()
        m.go("--grace", "1")
        self.assertEqual(m.last("flips")["message"], "its tests take longer than all their time limits together")

    def test_what_it_said_last_is_heard_even_after_too_much(self) -> None:
        m = self.machine
        chatter = [f"raw '{SAYS % ('LTP', 'run', 1, n)}'" for n in range(1, 80)]
        m.guest("talks", [*chatter, f"raw '{SAYS % ('fio', 'build', 2, 1)}'", "crash"], keys="on_crash = give-up")
        m.make_run()
        m.go()
        self.assertEqual(m.last("talks")["message"], "crash during fio (build)")

    def test_of_two_domains_of_one_name_the_one_that_was_made_counts(self) -> None:
        m = self.machine
        m.mark(stage="test", boot_id=THIS_BOOT)
        m.guest("twin", ["await", *GOOD])
        m.make_run({"event": "domain", "domain": "twin", "state": "starting", "boot": THIS_BOOT},
                   {"event": "domain", "domain": "twin", "state": "started", "domid": 2, "boot": THIS_BOOT})
        for domid in "1", "2":
            m.xl("create", "-p", "-f", m.config("twin"))
            m.xl("unpause", domid)
        m.go()
        self.assertEqual(m.last("twin")["state"], "done")
        self.assertIsNone(m.xen.store.read("/local/domain/1/xentest/run"))

    def test_states_that_make_no_sense_are_no_news(self) -> None:
        m = self.machine
        huge = "9" * 300
        m.guest("odd", [
            "raw '{\"run\": \"" + RUN + "\", \"state\": \"testing\", \"test\": \"LTP\", \"step\": \"run\", \"index\": " + huge + "}'",
            f"raw '{SAYS % ('LTP', 'run', -(2 ** 63), 2 ** 63 - 1)}'", "sleep 0.3", "crash"], keys="on_crash = give-up")
        m.make_run()
        m.go()
        self.assertEqual(m.last("odd")["message"], "crash during LTP (run)")
        self.assertNotIn("entry", m.last("odd"))

    def test_fake_guests_can_write_no_more_than_real_ones(self) -> None:
        """Else these tests would show too little."""
        m = self.machine
        m.guest("evil", ["forever"])
        m.make_run()
        m.xl("create", "-p", "-f", m.config("evil"))
        store = Store(m.xen.directory, 1)
        for path in "name", "domid", "xentest/digest", "xentest/died", "/local/domain/0/name", "console/tty":
            with self.assertRaises(Refused):
                store.write(path, "x")


if __name__ == "__main__":
    main()
