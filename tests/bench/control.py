#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""How fast a control file is checked, beside Python's ConfigParser.

usage: control.py BENCH-CONTROL [TIMES]

For each size and syntax: the least CPU time of control_load_file(), which
reads, expands and checks the file; for INI also that of ConfigParser, which
only reads it. CPU time, and the least of several, because a busy machine is
not what is measured. Fails when an aim is missed: 100 tests in 5 ms, 10,000
tests and 1,000 domains in 100 ms, and a hundred times the file in no more than
400 times the time (it leaves the caches; quadratic would be 10,000 times).
"""
import configparser
import os
import subprocess
import sys
import tempfile
import time

SIZES = ((100, 10), (1000, 100), (10000, 1000))
AIMS_MS = {100: 5, 10000: 100}
LISTED = 10  # tests in a domain's list


def listed(domain, tests):
    return [(domain * LISTED + i) % tests for i in range(LISTED)]


def write_ini(out, tests, domains):
    out.write('[Preferences]\nxen-tree = none\nshared_dir = /s\n')
    for i in range(tests):
        out.write(f'[t{i}]\nsource_url=/src/t{i}.tgz\ntest_dir=t{i}\n'
                  f'run_command=./run -n {i}\n')
    for i in range(domains):
        out.write(f'[XENVM{i}]\nname=h{i}\ntempdir=/tmp\nconfig=none\n')
        for k, test in enumerate(listed(i, tests), 1):
            out.write(f'test{k}=t{test}\n')


def write_native(out, tests, domains):
    out.write('preferences { xen-tree = none shared_dir = /s }\n')
    for i in range(tests):
        out.write(f'test t{i} {{\nsource_url=/src/t{i}.tgz\ntest_dir=t{i}\n'
                  f"run_command='./run -n {i}'\n}}\n")
    for i in range(domains):
        names = ','.join(f't{test}' for test in listed(i, tests))
        out.write(f'vm XENVM{i} {{\nname=h{i}\ntempdir=/tmp\nconfig=none\n'
                  f'tests={{{names}}}\n}}\n')


def ours_ms(program, path, times):
    out = subprocess.run([program, path, str(times)], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    return min(map(float, out.split())) * 1000


def python_ms(path, times):
    spent = []
    for _ in range(times):
        begin = time.process_time()
        parser = configparser.ConfigParser()
        with open(path, encoding='utf-8') as file:
            parser.read_file(file)
        spent.append(time.process_time() - begin)
    return min(spent) * 1000


def main():
    program = sys.argv[1]
    times = int(sys.argv[2]) if len(sys.argv) > 2 else 9
    missed = []
    first = {}
    print('syntax  tests domains     KiB       ms  ConfigParser  ratio')
    with tempfile.TemporaryDirectory() as directory:
        for tests, domains in SIZES:
            for syntax, write in (('ini', write_ini), ('native', write_native)):
                path = os.path.join(directory, f'{syntax}-{tests}')
                with open(path, 'w', encoding='utf-8') as out:
                    write(out, tests, domains)
                spent = ours_ms(program, path, times)
                line = (f'{syntax:6} {tests:6} {domains:7} '
                        f'{os.path.getsize(path) / 1024:7.0f} {spent:8.2f}')
                if syntax == 'ini':
                    theirs = python_ms(path, times)
                    line += f'  {theirs:9.1f} ms  {spent / theirs:5.2f}'
                print(line, flush=True)
                if spent > AIMS_MS.get(tests, spent):
                    missed.append(f'{syntax}: {tests} tests in {spent:.1f} ms')
                if spent > 400 * first.setdefault(syntax, spent):
                    missed.append(f'{syntax}: not linear at {tests} tests')
    for one in missed:
        print('missed:', one)
    return 1 if missed else 0


if __name__ == '__main__':
    sys.exit(main())
