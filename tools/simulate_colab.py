"""What a learner on Google Colab meets, as far as one can know without Google: another torch, old widgets, no package.

python tools/simulate_colab.py                       the first cells of every chapter
python tools/simulate_colab.py 03_batching --all     every cell of one
python tools/simulate_colab.py --folder /tmp/colab   keep the environment there, and use it the next time

It makes an environment with a torch that is not the lock's, and the ipywidgets that Colab has (7.7.1); our package is
not in it. Each chapter then runs there, as its source gives it, alone in an empty folder, in a kernel that has imported
`google.colab`. Its first cell installs the package from the address of the repository, which git is told to find in the
last commit of this one. Afterwards the versions of torch, numpy and ipywidgets must be what they were.

What it is not: Colab's own image with its hundreds of packages, its kernel, its page that shows the widgets.
It needs a package index, and some 6 GB on Linux for a torch with CUDA.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Sequence
from pathlib import Path

from build_notebooks import CELL_TIMEOUT, ROOT, RunError, _failure, _find, _name, assemble, repository, sources
from ipykernel.kernelspec import RESOURCES, get_kernel_dict
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

TORCH = "2.14.1"
"""A torch of Colab's kind: newer than the one of constraints.txt."""
COLAB_HAS = ("numpy", "matplotlib", "tqdm", "ipykernel", "ipywidgets==7.7.1")
FIRST = 8
"""How many cells with code are "the first cells"; the setup is one of them."""
KEPT = ("torch", "numpy", "ipywidgets")


class _Kernel(KernelSpecManager):
    """Kernels of another Python."""

    python = ""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        spec = get_kernel_dict(extra_arguments=["--IPKernelApp.exec_lines=import google.colab"])
        return KernelSpec(resource_dir=RESOURCES, **{**spec, "argv": [self.python, *spec["argv"][1:]]})


def environment(folder: Path, torch: str) -> Path:
    """The Python of an environment like Colab's in `folder`, made if it is not there."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        venv.create(folder, with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", f"torch=={torch}", *COLAB_HAS], check=True)
    return python


def versions(python: Path) -> dict[str, str]:
    """What Colab would not like to see changed."""
    listed = subprocess.run([python, "-m", "pip", "list", "--format=json"], check=True, capture_output=True).stdout
    found = {entry["name"].lower(): entry["version"] for entry in json.loads(listed)}
    return {name: found[name] for name in KEPT}


def outside(folder: Path) -> dict[str, str]:
    """The variables of a kernel that knows nothing of this checkout, but finds `google.colab` and our last commit."""
    colab = folder / "google/colab"
    colab.mkdir(parents=True)
    (colab / "__init__.py").touch()
    clone = folder / "clone"
    subprocess.run(["git", "clone", "--quiet", "--bare", ROOT.as_uri(), clone], check=True)
    # As GitHub does: pip asks for a clone without the files, and without this git fetches them without end.
    subprocess.run(["git", "-C", clone, "config", "uploadpack.allowFilter", "true"], check=True)
    git = {"COUNT": "1", "KEY_0": f"url.{clone.as_uri()}.insteadOf", "VALUE_0": repository()}
    return {**os.environ, "PYTHONPATH": str(folder), **{f"GIT_CONFIG_{name}": value for name, value in git.items()}}


def run(source: Path, python: Path, variables: dict[str, str], cells: int) -> tuple[int, float, float]:
    """Run the first cells of a notebook; how many they were, and the seconds of the setup and of the rest."""
    notebook = assemble(source, repository(), solutions=False)
    manager = _Kernel()
    manager.python = str(python)
    kernel = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=manager)
    seconds = []
    with tempfile.TemporaryDirectory() as content:  # Colab opens the notebook alone, in /content
        client = NotebookClient(notebook, km=kernel, timeout=CELL_TIMEOUT, resources={"metadata": {"path": content}})
        client.reset_execution_trackers()
        with client.setup_kernel(env=variables, cleanup_kc=True):
            for place, cell in enumerate(notebook.cells):
                if cell.cell_type == "code" and len(seconds) < cells:
                    started = time.perf_counter()
                    try:
                        client.execute_cell(cell, place)
                    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
                        raise RunError(_failure(place, cell, error)) from error
                    seconds.append(time.perf_counter() - started)
    return len(seconds), seconds[0], sum(seconds[1:])


def main(argv: Sequence[str] | None = None) -> int:
    """1 if a cell failed or a version changed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="chapters, such as 03_batching (default: all)")
    parser.add_argument("--torch", default=TORCH, help=f"its version (default: {TORCH})")
    parser.add_argument("--folder", type=Path, help="where the environment is kept (default: it is made anew)")
    parser.add_argument("--all", action="store_true", help=f"run all cells, not only the first {FIRST}")
    args = parser.parse_args(argv)
    failed = False
    with tempfile.TemporaryDirectory() as temporary:
        python = environment(args.folder or Path(temporary, "venv"), args.torch)
        variables = outside(Path(temporary, "outside"))
        before = versions(python)
        print(f"before: {before}", flush=True)
        for source in [_find(name) for name in args.names] or sources():
            subprocess.run([python, "-m", "pip", "uninstall", "--quiet", "--yes", "ift-lib"], check=True)
            try:
                cells, setup, rest = run(source, python, variables, 10_000 if args.all else FIRST)
                print(f"{_name(source):<25}{cells:>3} cells: setup {setup:.0f} s, rest {rest:.0f} s", flush=True)
            except RunError as error:
                print(f"{_name(source)}: {error}", flush=True)
                failed = True
            if (after := versions(python)) != before:
                print(f"{_name(source)} changed the versions: {after}", flush=True)
                failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
