#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""xenruntestsd with a share that fails: results arrive once, however late.

Usage: test-xenruntestsd-share.py PROGRAM [TEST…]; needs root, for mounts.
"""
from __future__ import annotations

import importlib.util
import json
import shutil
import signal
import sys
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE))
import hanging  # noqa: E402

spec = importlib.util.spec_from_file_location("plain", HERE / "test-xenruntestsd.py")
plain = importlib.util.module_from_spec(spec)
spec.loader.exec_module(plain)
RUN, outcomes, wait_until = plain.RUN, plain.outcomes, plain.wait_until
MOUNTS = hanging.can_mount()

# The first waits for the file "go"; the others are short.
LIST = "".join(f"test{i} = t{i}\n" for i in (1, 2, 3)) + (
    "[t1]\nrun_command = echo t1 >> order; seq 3000; while ! test -e go; do sleep 0.05; done\n"
    "[t2]\nrun_command = echo t2 >> order; date +%s.%N > began\n[t3]\nrun_command = echo t3 >> order\n")
ALL = ["t1 exited 0", "t2 exited 0", "t3 exited 0"]


@unittest.skipUnless(MOUNTS, "no mounts of our own here")
class Share(plain.Domain):
    def setUp(self) -> None:
        super().setUp()
        self.local = self.root / "var/lib/xentest/runs" / RUN / "bob13"
        self.text = self.control(LIST)

    def be_dom0(self) -> None:
        self.put_root("proc/xen/capabilities", "control_d\n")
        self.put_root("etc/xen_start_tests", "")

    def hang(self, path: Path) -> hanging.Hanging:
        hanging_one = hanging.Hanging(path)
        self.addCleanup(hanging_one.release)
        return hanging_one

    def in_first_test(self):
        self.publish(self.text)
        self.announce(self.text)
        process = self.daemon()
        wait_until("t1 runs", lambda: (self.temp / "order").exists())
        wait_until("its record is there", lambda: self.record.exists() and "plan" in self.record.read_text())
        return process

    def go(self) -> float:
        (self.temp / "go").touch()
        return time.time()

    def here(self) -> list[str]:
        return outcomes(self.local / "record.jsonl")

    def assert_all_arrived(self) -> None:
        self.assertEqual(outcomes(self.record), ALL)
        self.assertEqual(self.record.read_bytes(), (self.local / "record.jsonl").read_bytes())
        self.assertEqual((self.temp / "order").read_text(), "t1\nt2\nt3\n")
        for name in "t1", "t2", "t3":
            self.assertTrue((self.own / RUN / name / "run.log").exists())
        self.assertEqual([each.name for each in self.local.iterdir()], ["record.jsonl"])
        self.assertFalse((self.own / "xentests.conf").exists())
        self.assertEqual(self.state()["state"], "done")

    def test_one_that_hangs_from_the_first_is_waited_for_by_one_child(self) -> None:
        self.publish(self.text)
        away = self.hang(self.share)
        self.announce(self.text)
        process = self.daemon()
        wait_until("it says so", lambda: f"Waiting: {self.share} does not answer" in self.said())
        self.assertEqual(hanging.children(process.pid), 1)
        self.temp.mkdir()
        self.go()
        away.release()
        self.assert_ends(process)
        self.assert_all_arrived()

    def test_a_stop_does_not_wait_for_one_that_hangs(self) -> None:
        self.hang(self.share)
        self.announce(self.text)
        process = self.daemon()
        wait_until("it looks", lambda: hanging.children(process.pid) == 1)
        process.terminate()
        self.assert_ends(process, limit_s=5)

    def test_one_that_hangs_holds_up_no_test_in_dom0(self) -> None:
        self.be_dom0()
        process = self.in_first_test()
        away = self.hang(self.share)
        self.go()
        wait_until("all have run", lambda: self.here() == ALL, 15)
        self.assertEqual(hanging.children(process.pid), 1)
        wait_until("it says so", lambda: self.state()["state"] == "delivering")
        away.release()
        self.assert_ends(process)
        self.assert_all_arrived()

    def test_one_that_hangs_holds_up_one_test_in_a_guest(self) -> None:
        process = self.in_first_test()
        away = self.hang(self.share)
        went = self.go()
        wait_until("all have run", lambda: self.here() == ALL, 60)
        self.assertLess(float((self.temp / "began").read_text()) - went, 40)
        self.assertEqual(self.said().count("is slow or hangs"), 1)
        self.assertEqual(hanging.children(process.pid), 1)
        away.release()
        self.assert_ends(process, "The share takes results again")
        self.assert_all_arrived()

    def test_a_delivery_that_hangs_does_not_keep_the_record_locked(self) -> None:
        self.be_dom0()
        process = self.in_first_test()
        away = self.hang(self.own / RUN)
        self.go()
        wait_until("all have run", lambda: self.here() == ALL)
        wait_until("it hangs", lambda: hanging.children(process.pid) == 1)
        wait_until("it is done", lambda: self.said().count("Done: 3 of 3") == 1)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process = self.daemon()
        wait_until("it has the record", lambda: self.said().count("Done: 3 of 3") == 2)
        away.release()
        self.assert_ends(process)
        self.assert_all_arrived()

    def fails_and_recovers(self, fail, recover, reason: str) -> None:
        hanging.mount_memory(self.share, "size=1m")
        self.addCleanup(hanging.unmount, self.share)
        process = self.in_first_test()
        fail()
        self.go()
        wait_until("all have run", lambda: self.here() == ALL)
        wait_until("it is said", lambda: reason in self.said())
        self.assertEqual(self.said().count("Results stay here for now"), 1, self.said())
        self.assertIsNone(process.poll())
        recover()
        self.assert_ends(process, "The share takes results again", limit_s=40)
        self.assert_all_arrived()

    def test_one_that_is_read_only_for_a_while_gets_all_of_it(self) -> None:
        self.fails_and_recovers(lambda: hanging.remount(self.share, "ro"), lambda: hanging.remount(self.share, "rw"),
                                "Read-only file system")

    def test_one_that_is_full_for_a_while_gets_all_of_it(self) -> None:
        filler = self.share / "filler"

        def fill() -> None:
            try:
                with open(filler, "wb", buffering=0) as file:
                    while file.write(bytes(4096)):
                        pass
            except OSError:
                pass

        self.fails_and_recovers(fill, filler.unlink, "No space left on device")

    def test_a_death_after_the_last_delivery_leaves_only_to_say_so(self) -> None:
        self.announce(self.text)
        self.own.mkdir()
        state = f"/local/domain/{plain.DOMID}/data/xentest/state"
        self.xen.store.write(state, json.dumps({"run": "another", "state": "delivering"}))
        process = self.daemon()
        wait_until("it looks", lambda: "Waiting: open xentests.conf" in self.said())
        self.xen.store.write(state, json.dumps({"run": RUN, "state": "delivering"}))
        self.assert_ends(process)
        self.assertEqual(self.state(), {"run": RUN, "state": "done"})

    def test_one_that_somebody_empties_gets_what_is_not_there(self) -> None:
        process = self.in_first_test()
        shutil.rmtree(self.own)
        self.go()
        self.assert_ends(process)
        self.assert_all_arrived()

    def test_what_another_writer_did_to_the_record_is_undone(self) -> None:
        process = self.in_first_test()
        with open(self.record, "a") as file:
            file.write('{"n": 1, "event": "done"}\n' * 3)
        self.go()
        self.assert_ends(process)
        self.assert_all_arrived()

    def test_nothing_runs_while_nobody_knows_what_has_run(self) -> None:
        """A guest without a disk, and a record in the share that cannot be read."""
        self.publish(self.text)
        self.announce(self.text)
        self.temp.mkdir()
        self.go()
        self.assert_ends(self.daemon())
        shutil.rmtree(self.root / "var")
        self.publish(self.text)
        self.record.rename(self.record.with_suffix(".kept"))
        self.record.mkdir()
        process = self.daemon()
        wait_until("it says so", lambda: "Waiting to know whether tests have run before" in self.said())
        wait_until("dom0 is told", lambda: self.state()["state"] == "waiting")
        self.record.rmdir()
        self.record.with_suffix(".kept").rename(self.record)
        self.assert_ends(process)
        self.assert_all_arrived()


if __name__ == "__main__":
    plain.PROGRAM = sys.argv.pop(1)
    unittest.main()
