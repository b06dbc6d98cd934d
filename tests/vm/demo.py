#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""demo.py IMAGE_DIR RESULT_DIR: show one whole run of conf/demo.conf."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import run
from machine import Machine, MachineError

TOP = Path(__file__).resolve().parents[2]
MARKS = {True: "+", False: "-"}


class Screen:
    """The run so far: redrawn in place on a terminal, else line by line."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._live = sys.stdout.isatty()
        self._drawn = 0
        self._said: set[str] = set()

    def tell(self, status: run.Status | None) -> None:
        """Show a status; None: the machine is on its way to the next boot."""
        lines = self._lines(status)
        if self._live:
            self._draw(lines, status is None)
            return
        for line in lines:
            if line not in self._said:
                self._said.add(line)
                print(f"{self._clock()} {line}", flush=True)

    def _clock(self) -> str:
        seconds = int(time.monotonic() - self._began)
        return f"[{seconds // 60:3d}:{seconds % 60:02d}]"

    def _draw(self, lines: list[str], away: bool) -> None:
        if away:
            self._put([f"{self._clock()} the machine is booting"], keep=True)
            return
        self._put([f"{self._clock()} run in progress", *lines], keep=False)

    def _put(self, lines: list[str], *, keep: bool) -> None:
        width = shutil.get_terminal_size().columns
        up = 1 if keep and self._drawn else self._drawn
        out = f"\x1b[{up}A" if up else ""
        if keep and self._drawn:
            # Only the last line changes: the picture above stays.
            out += f"\x1b[2K{lines[0][: width - 1]}\n"
            self._drawn = max(self._drawn, 1)
        else:
            out += "".join(f"\x1b[2K{line[: width - 1]}\n" for line in lines)
            out += "\x1b[2K\n"
            self._drawn = len(lines) + 1
        print(out, end="", flush=True)

    @staticmethod
    def _lines(status: run.Status | None) -> list[str]:
        if status is None:
            return []
        lines = [
            f"{stage.get('stage', '?'):10s} {stage.get('state', '?')}"
            + (f": {stage['message']}" if stage.get("message") else "")
            for stage in status.get("stages", [])
        ]
        lines += [
            f"booted {boot.get('system', '?')}: {boot.get('message', '')}"
            for boot in status.get("boots", [])
        ]
        for domain in status.get("domains", []):
            name = domain.get("domain", "?")
            lines.append(f"{name}: {domain.get('state', '?')}")
            for test in domain.get("tests", []):
                if test.get("state") != "pending":
                    lines.append(
                        f"  {MARKS[bool(test.get('good'))]} {name} "
                        f"{test.get('test', '?')}: {test.get('outcome', '?')}"
                    )
        return lines


def show(machine: Machine, target: Path) -> None:
    """Boot, drop the control file, follow the run, fetch the results."""
    screen = Screen()
    print("The machine boots Linux; its consoles are in", machine.state_dir)
    machine.start(fresh=True)
    machine.wait_shell(timeout=900)
    print(f"conf/demo.conf is dropped at {run.REQUEST}", flush=True)
    run.drop(machine, (TOP / "conf/demo.conf").read_bytes())
    last = run.follow(machine, screen.tell, timeout=5400)
    run_id = last["run"]
    run.fetch_results(machine, run_id, target)
    print()
    print((target / "run" / "summary.txt").read_text(), end="")
    marker = machine.sh(f"test -e {run.MARKER}")[0] == 0
    request = machine.sh(f"test -e {run.REQUEST}")[0] == 0
    print()
    print(f"Marker {run.MARKER}: {'still there' if marker else 'gone'}")
    print(f"Request {run.REQUEST}: {'still there' if request else 'archived'}")
    print(f"Shared directory (results and logs): {target / 'shared'}")
    print(f"The run's own directory:             {target / 'run'}")
    print(f"journalctl XENTEST_RUN={run_id}: {target / 'journal.txt'}")


def main() -> int:
    """See the module's description."""
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    target = Path(sys.argv[2]).resolve()
    shutil.rmtree(target, ignore_errors=True)
    with Machine(Path(sys.argv[1]), target / "machine") as machine:
        try:
            show(machine, target)
        except MachineError as problem:
            print(f"demo: {problem}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
