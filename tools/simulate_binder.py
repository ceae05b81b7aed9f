"""Every chapter as Binder runs it: 2 GB for everything, no network, JupyterLab beside the kernel.

sudo .venv/bin/python tools/simulate_binder.py [NAME ...] [--gigabytes 2]

A chapter gets a control group of its own with a hard limit of memory: the kernel of Linux kills what goes beyond, as on
Binder. Into it go a JupyterLab that serves the chapters (Binder counts it), this tool's runner, and the kernel of the
notebook, all in a network namespace that holds nothing but the loopback. The cells run one after the other, from the
stored notebook. "most" is the largest amount of memory in use that cannot be given back (cached files can), looked at
ten times a second; the part that was in use before the first cell is shown too.

Needs Linux, root, and the commands `unshare` (util-linux) and `ip` (iproute2). What it is not: Binder's machines, which
are slower, and its conda-forge build of torch.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from build_notebooks import CHAPTERS, ROOT, RunError, _find, _name, execute, sources, target

sys.path.insert(0, str(ROOT / "tests/browser"))
from jupyter_lab import serving

GIGABYTES = 2.0
"""What mybinder.org gives a session."""
READY, DONE, END = "JupyterLab is there", "done in ", "that was all"
"""What the part under the limit says to the part outside."""
ROOTS = {1: Path("/sys/fs/cgroup/memory"), 2: Path("/sys/fs/cgroup")}
LIMIT = {1: "memory.limit_in_bytes", 2: "memory.max"}
IN_USE = {1: "total_rss", 2: "anon"}
"""The line of memory.stat that counts what cannot be given back, by version of control groups."""


@dataclass
class Group:
    """A control group with a limit of memory, and what was seen of it."""

    path: Path
    version: int
    most: int = 0
    lab: int = 0
    """In use when JupyterLab had started and the notebook had not."""
    done: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def make(cls, name: str, gigabytes: float) -> Group:
        version = 1 if ROOTS[1].is_dir() else 2
        group = cls(ROOTS[version] / f"ift-{os.getpid()}-{name.replace('/', '-')}", version)
        group.path.mkdir()
        (group.path / LIMIT[version]).write_text(str(int(gigabytes * 1e9)))
        return group

    def in_use(self) -> int:
        lines = (self.path / "memory.stat").read_text().splitlines()
        return int(dict(line.split() for line in lines)[IN_USE[self.version]])

    def watch(self) -> None:
        while not self.done.wait(0.1):
            self.most = max(self.most, self.in_use())

    def remove(self) -> None:
        """End what is left in it, then remove it."""
        while left := (self.path / "cgroup.procs").read_text().split():
            for pid in left:
                os.kill(int(pid), signal.SIGKILL)
            time.sleep(0.1)
        self.path.rmdir()


def inside(name: str, group: Path) -> None:
    """The part that runs under the limit: JupyterLab, then the notebook beside it."""
    (group / "cgroup.procs").write_text(str(os.getpid()))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    path = target(_find(name), solutions=False)
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as settings, serving(CHAPTERS, Path(settings)):
        print(READY, flush=True)
        try:
            told = f"{DONE}{execute(notebook, path.parent).seconds:.0f} s"
        except RunError as error:
            told = str(error)
        print(told, END, sep="\n", flush=True)
        time.sleep(60)  # the other side ends this process and JupyterLab as soon as it has read that


def simulate(name: str, gigabytes: float) -> bool:
    """Run one chapter and print its line; whether it came to its end."""
    group = Group.make(name, gigabytes)
    watcher = threading.Thread(target=group.watch)
    watcher.start()
    command = ["unshare", "--net", sys.executable, __file__, name, "--inside", str(group.path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    told = ""
    while (line := process.stdout.readline()) and line != f"{END}\n":
        if line == f"{READY}\n":
            group.lab = group.in_use()
        else:
            told += line
    group.done.set()
    watcher.join()
    group.remove()
    process.wait()
    passed = told.startswith(DONE)
    memory = f"most {group.most / 1e9:.2f} GB, of which JupyterLab and the runner {group.lab / 1e9:.2f}"
    print(f"{name:<25}{memory}; {told if passed else f'FAILED: {told}'}".rstrip(), flush=True)
    return passed


def main(argv: Sequence[str] | None = None) -> int:
    """1 if a chapter did not come to its end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="chapters, such as 03_batching (default: all)")
    parser.add_argument("--gigabytes", type=float, default=GIGABYTES, help=f"the limit (default: {GIGABYTES:g})")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.inside:
        inside(args.names[0], args.inside)
        return 0
    names = args.names or [_name(source) for source in sources()]
    return int(not all([simulate(name, args.gigabytes) for name in names]))


if __name__ == "__main__":
    sys.exit(main())
