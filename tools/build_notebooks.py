"""From the text sources of the chapters to notebooks: learner's and solutions, executed, with stable ids.

python tools/build_notebooks.py                 build all; the same as `make notebooks`
python tools/build_notebooks.py 03_batching     build one; of another language: pt-br/03_batching
python tools/build_notebooks.py --text          only prose has changed: take it over and keep the outputs
python tools/build_notebooks.py --check         say which are stale; nothing is executed

    chapters/03_batching.py              the source, py:percent, the only one that is edited
    chapters/03_batching.ipynb           without the cells tagged `solution`
    chapters/solutions/03_batching.ipynb with each solution in the place of its `exercise`
    chapters/times.json                  how long each took and how much memory, where and when
    chapters/pt-br/                      the same once more, for a language of tools/languages.py

A translated cell has the id of its English original, so that a link or a remark means the same cell in both.
A notebook is written only when both have run to their end.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import os
import platform
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from ipykernel.kernelspec import RESOURCES, get_kernel_dict
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from languages import ENGLISH, TRANSLATIONS, Language, language_of
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
CHAPTERS = ROOT / "chapters"
CELL_TIMEOUT = 300
"""Seconds a cell may take."""

IGNORED = {"approximate", "machine", "widget"}
"""Tags of cells whose output nbval must not compare."""
IGNORE = "nbval-ignore-output"
SLIDE = {"slide", "slide-output", "slide-more"}
"""Tags of cells that tools/build_slides.py puts on slides."""
TAGS = IGNORED | SLIDE | {"exercise", "solution", "hide-input", "hide-output", "hide-cell", "remove-cell"}
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
WIDGET = "application/vnd.jupyter.widget-view+json"
WIDGET_TEXT = "(a widget: run the cell to use it)"

SETUP = """\
# COMMENT
import importlib.metadata
import importlib.util
import subprocess
import sys
from pathlib import Path

if importlib.util.find_spec("ift_lib") is None:
    if "google.colab" not in sys.modules:
        raise ModuleNotFoundError(
            f"The package of this course, ift_lib, is not installed for the Python of this notebook, {sys.executable}. "
            "Open the notebook with `make lab` in the folder of the course, or run there: pip install -e ."
        )
    kept = Path("kept_versions.txt")
    stays = ("torch", "numpy", "ipywidgets")
    kept.write_text("".join(f"{name}=={importlib.metadata.version(name)}\\n" for name in stays))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--constraint", str(kept)]
    subprocess.run([*pip, "git+ADDRESS"], check=True)
    importlib.invalidate_caches()"""


class SourceError(Exception):
    """A source that breaks a rule of its format; the message names the cell."""


class RunError(Exception):
    """A notebook that did not run to its end; the message shows the cell."""


# --- from source to notebook, not yet executed ---


def repository() -> str:
    """The address of the repository, which stands in pyproject.toml and nowhere else."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["urls"]["Repository"])


def sources(folder: Path = CHAPTERS) -> list[Path]:
    """The text sources, in reading order: English, then the translations."""
    folders = [folder, *(folder / language.folder for language in TRANSLATIONS)]
    return [source for one in folders for source in sorted(one.glob("[0-9][0-9]_*.py"))]


def assemble(source: Path, address: str, solutions: bool) -> NotebookNode:
    """The notebook that a source describes, without outputs. Raises SourceError."""
    language = language_of(source)
    cells = read_source(source)
    if solutions:
        cells = [_for_solutions_folder(cell) for cell in cells if "exercise" not in tags(cell)]
    else:
        cells = [cell for cell in cells if "solution" not in tags(cell)]
    path = target(Path("chapters", language.folder, source.name), solutions).as_posix()
    notes = [badges(address, path, language)]
    if solutions:
        notes.append(f"*{language.with_solutions} [{source.stem}](../{source.stem}.ipynb).*")
    title, _, rest = cells[0].source.partition("\n")
    cells[0].source = "\n\n".join([title, *notes, rest.strip()])
    folded = {"tags": ["setup", "hide-input"], "jupyter": {"source_hidden": True}}
    setup = SETUP.replace("COMMENT", language.setup).replace("ADDRESS", address)
    cells.insert(1, new_code_cell(setup, metadata=folded))
    for cell in cells:
        if IGNORED & set(tags(cell)):
            cell.metadata["tags"] = [*tags(cell), IGNORE]
    if language == ENGLISH:
        _give_ids(cells)
    else:
        _take_ids(cells, source, assemble(original(source), address, solutions).cells)
    return new_notebook(cells=cells, metadata=METADATA)


def original(source: Path) -> Path:
    """The English source of a translated one."""
    return source.parents[1] / source.name


def badges(address: str, path: str, language: Language = ENGLISH) -> str:
    """The line of badges for the notebook at `path` in the repository."""
    name = address.removeprefix("https://github.com/")
    colab = f"https://colab.research.google.com/github/{name}/blob/main/{path}"
    binder = f"https://mybinder.org/v2/gh/{name}/main?urlpath=lab/tree/{path}"
    return (
        f"[![{language.open_in_colab}](https://colab.research.google.com/assets/colab-badge.svg)]({colab}) "
        f"[![{language.launch_on_binder}](https://mybinder.org/badge_logo.svg)]({binder})"
    )


def tags(cell: NotebookNode) -> list[str]:
    """The tags of a cell."""
    return list(cell.metadata.get("tags", []))


def read_source(source: Path) -> list[NotebookNode]:
    """The cells of a source, with nothing in them but text, tags and alt texts."""
    cells = []
    for read in jupytext.read(source, fmt="py:percent").cells:
        make = {"markdown": new_markdown_cell, "code": new_code_cell}[read.cell_type]
        # jupytext notes the number of blank lines between cells, which is nobody's business.
        metadata = {key: value for key, value in read.metadata.items() if key != "lines_to_next_cell"}
        cells.append(make(read.source, metadata=metadata))
    _check(source.name, cells)
    return cells


def _check(name: str, cells: Sequence[NotebookNode]) -> None:
    """Raise SourceError for a title, a tag or an exercise that is not as the format says."""
    if not cells or cells[0].cell_type != "markdown" or not cells[0].source.startswith("# "):
        raise SourceError(f"{name}: the first cell must be markdown and begin with the title, `# ...`")
    for place, cell in enumerate(cells):
        where = f"{name}, cell {place} ({cell.source.strip().splitlines()[0] if cell.source.strip() else 'empty'})"
        if not cell.source.strip():
            raise SourceError(f"{where}: a cell without text")
        if unknown := set(tags(cell)) - TAGS:
            raise SourceError(f"{where}: unknown tags {sorted(unknown)}; there are {sorted(TAGS)}")
        if unknown := set(cell.metadata) - {"tags", "mystnb"}:
            raise SourceError(f"{where}: unknown metadata {sorted(unknown)}; there are tags=[...] and mystnb={{...}}")
        after = tags(cells[place + 1]) if place + 1 < len(cells) else []
        before = tags(cells[place - 1]) if place else []
        if "exercise" in tags(cell) and "solution" not in after:
            raise SourceError(f"{where}: an exercise must be followed by its solution")
        if "solution" in tags(cell) and "exercise" not in before:
            raise SourceError(f"{where}: a solution must follow its exercise")


def _for_solutions_folder(cell: NotebookNode) -> NotebookNode:
    """The cell with its relative links as they are right one folder down."""
    if cell.cell_type == "markdown":
        cell.source = re.sub(r"\]\((?![a-z]+:|[#/])", "](../", cell.source)
    return cell


def _give_ids(cells: Sequence[NotebookNode]) -> None:
    """Ids from the content, so that a cell keeps its own when others come and go."""
    seen: Counter[str] = Counter()
    for cell in cells:
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        seen[digest] += 1
        cell["id"] = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"


def _take_ids(cells: Sequence[NotebookNode], source: Path, originals: Sequence[NotebookNode]) -> None:
    """The ids of the English cells, by place. Raises SourceError where there are more or fewer."""
    if len(cells) != len(originals):
        raise SourceError(
            f"{source.parent.name}/{source.name} has {len(cells)} cells, its original {len(originals)}; "
            "which are missing: python tools/translations.py"
        )
    for cell, english in zip(cells, originals, strict=True):
        cell["id"] = english["id"]


# --- stale or not ---


def stale(folder: Path = CHAPTERS, address: str | None = None) -> list[str]:
    """A line for each notebook that is not what its source gives, or has none."""
    address = address or repository()
    found, expected = [], set()
    for source in sources(folder):
        for solutions in (False, True):
            path = target(source, solutions)
            expected.add(path)
            reason = _difference(path, assemble(source, address, solutions))
            if reason:
                found.append(f"{path.relative_to(folder)}: {reason}")
    folders = [folder, *(folder / language.folder for language in TRANSLATIONS)]
    there = {path for one in folders for path in (*one.glob("*.ipynb"), *(one / "solutions").glob("*.ipynb"))}
    return found + [f"{path.relative_to(folder)}: has no source" for path in sorted(there - expected)]


def target(source: Path, solutions: bool) -> Path:
    """Where the notebook of a source is written."""
    folder = source.parent / "solutions" if solutions else source.parent
    return folder / f"{source.stem}.ipynb"


def _difference(path: Path, wanted: NotebookNode) -> str:
    """What differs between a stored notebook and the wanted one, outputs aside; nothing if nothing does."""
    if not path.exists():
        return "not built yet"
    stored = nbformat.read(path, as_version=4)
    if stored.metadata != wanted.metadata:
        return "its metadata differ"
    for place, (old, new) in enumerate(zip(stored.cells, wanted.cells, strict=False)):
        if any(old.get(key) != new.get(key) for key in ("cell_type", "id", "source", "metadata")):
            return f"cell {place} differs"
    if len(stored.cells) != len(wanted.cells):
        return f"{len(stored.cells)} cells, {len(wanted.cells)} in the source"
    return ""


# --- execution ---


@dataclass(frozen=True)
class Cost:
    """What running a notebook took."""

    seconds: float
    memory_gb: float | None
    """The most memory the kernel had resident; None where the system does not tell."""


class _ThisPython(KernelSpecManager):
    """Notebooks run in the Python that runs this tool, whatever kernels the user has installed."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(resource_dir=RESOURCES, **get_kernel_dict())


def execute(notebook: NotebookNode, folder: Path) -> Cost:
    """Run all cells in `folder` and fill in their outputs. Raises RunError."""
    folder.mkdir(parents=True, exist_ok=True)
    client = NotebookClient(
        notebook,
        km=AsyncKernelManager(kernel_name="python3", kernel_spec_manager=_ThisPython()),
        timeout=CELL_TIMEOUT,
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=["--IPKernelApp.log_level=40"],  # errors only
        record_timing=False,
        store_widget_state=False,
    )
    environment = {**os.environ, "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    client.reset_execution_trackers()
    started = time.perf_counter()
    with client.setup_kernel(env=environment, cleanup_kc=True):
        for place, cell in enumerate(notebook.cells):
            try:
                client.execute_cell(cell, place)
            except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
                raise RunError(_failure(place, cell, error)) from error
        cost = Cost(round(time.perf_counter() - started, 1), _peak_memory_gb(client.km.provisioner.pid))
    for cell in notebook.cells:
        _clean(cell)
    return cost


def _failure(place: int, cell: NotebookNode, error: Exception) -> str:
    """Which cell failed, its text, and how; of a traceback the end."""
    text = "\n".join(f"    {line}" for line in cell.source.splitlines())
    if isinstance(error, CellExecutionError):
        plain = re.sub(r"\x1b\[[0-9;]*m", "", error.traceback)
        told = "\n".join(plain.strip().splitlines()[-12:])
    elif isinstance(error, CellTimeoutError):
        told = f"it was still running after {CELL_TIMEOUT} s"
    else:
        told = f"the kernel died, perhaps for want of memory: {error}"
    return f"cell {place} failed:\n{text}\n{told}"


def _peak_memory_gb(pid: int) -> float | None:
    """The most memory a process has had resident. Linux only: elsewhere the old figure stays."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return None
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(), re.MULTILINE)
    return round(int(found[1]) * 1024 / 1e9, 2) if found else None


def _clean(cell: NotebookNode) -> None:
    """Leave out what differs from run to run and is no content.

    That is where the kernel cut a printed text in pieces, and a widget's ids, which mean nothing without a kernel: of
    a widget its HTML twin stays, or else a line of text.
    """
    outputs: list[NotebookNode] = []
    for output in cell.get("outputs", []):
        if outputs and output.output_type == "stream" and outputs[-1].get("name") == output.name:
            outputs[-1].text += output.text
        else:
            outputs.append(output)
    if cell.cell_type == "code":
        cell.outputs = outputs
    for output in outputs:
        data = output.get("data", {})
        if data.pop(WIDGET, None) is not None and "text/html" not in data:
            data["text/plain"] = WIDGET_TEXT


# --- building ---


def build(source: Path, address: str) -> dict[str, Cost]:
    """Build and run both notebooks of a source; write them when both are done. Raises SourceError or RunError."""
    built, costs = {}, {}
    for kind, solutions in (("learner", False), ("solutions", True)):
        path = target(source, solutions)
        notebook = assemble(source, address, solutions)
        try:
            costs[kind] = execute(notebook, path.parent)
        except RunError as error:
            raise RunError(f"{path.relative_to(source.parent)}, {error}\nNothing was written.") from error
        nbformat.validate(notebook)
        built[path] = nbformat.writes(notebook) + "\n"
    for path, text in built.items():
        _write(path, text)
    _note_costs(source.parent / "times.json", source.stem, costs)
    return costs


def refresh(source: Path, address: str) -> dict[str, Cost]:
    """Take over prose and tags that have changed; outputs stay, and nothing is run, so it costs nothing.

    The setup cell may change too: where notebooks are built it has nothing to do, and prints nothing.
    Raises SourceError if other code has changed.
    """
    refreshed = {}
    for solutions in (False, True):
        path = target(source, solutions)
        notebook = assemble(source, address, solutions)
        stored = nbformat.read(path, as_version=4).cells if path.exists() else []
        run = [cell for cell in stored if cell.cell_type == "code"]
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        before, after = ([cell.id for cell in cells if "setup" not in tags(cell)] for cells in (run, code))
        if before != after:
            raise SourceError(f"{path.relative_to(source.parent)}: its code has changed too; build it without --text")
        for old, new in zip(run, code, strict=True):
            new.outputs, new.execution_count = old.outputs, old.execution_count
        refreshed[path] = nbformat.writes(notebook) + "\n"
    for path, text in refreshed.items():
        _write(path, text)
    return {}


def _note_costs(path: Path, name: str, costs: dict[str, Cost]) -> None:
    """Put the costs of one chapter into times.json."""
    noted: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    entry: dict[str, Any] = {}
    for kind, cost in costs.items():
        old = noted.get(name, {}).get(kind, {})
        entry[kind] = asdict(cost)
        if cost.memory_gb is None:
            entry[kind]["memory_gb"] = old.get("memory_gb")
    entry |= {"machine": machine(), "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat()}
    noted[name] = entry
    _write(path, json.dumps(dict(sorted(noted.items())), indent=1, ensure_ascii=False) + "\n")


def machine() -> str:
    """This machine, in words: processor, cores, system, Python, torch."""
    cpu = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).exists() and (found := re.search(r"model name\s*: (.+)", info.read_text())):
        cpu = found[1].strip()
    python, torch = platform.python_version(), version("torch")
    return f"{cpu}, {os.cpu_count()} cores, {platform.system()}, Python {python}, torch {torch}"


def _write(path: Path, text: str) -> None:
    """Write to a temporary name and rename, so that no half-written file is ever seen."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8", newline="\n")
    temporary.replace(path)


def main(argv: Sequence[str] | None = None) -> int:
    """Build what was asked for, or all; 1 if anything failed or is stale."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="chapters to build, such as 03_batching (default: all)"
    )
    parser.add_argument("--text", action="store_true", help="only prose has changed: keep the outputs")
    parser.add_argument("--check", action="store_true", help="only say which notebooks are stale")
    args = parser.parse_args(argv)
    try:
        if args.check:
            found = stale()
            print("\n".join([*found, "To build: make notebooks"]) if found else "No notebook is stale.")
            return int(bool(found))
        chosen = [_find(name) for name in args.names] or sources()
    except SourceError as error:
        print(error, file=sys.stderr)
        return 1
    failed = False
    for source in chosen:
        try:
            costs = refresh(source, repository()) if args.text else build(source, repository())
        except (SourceError, RunError) as error:
            print(error, file=sys.stderr, flush=True)
            failed = True
        else:
            told = [f"{kind} {cost.seconds:.0f} s, {cost.memory_gb or 0:.2f} GB" for kind, cost in costs.items()]
            print(f"{_name(source)}: {'; '.join(told) or 'the text'}", flush=True)
    return int(failed)


def _find(name: str) -> Path:
    """The source of a chapter named on the command line. Raises SourceError if there is none."""
    by_name = {_name(source): source for source in sources()}
    wanted = Path(name).with_suffix("").as_posix().removeprefix("chapters/")
    if wanted not in by_name:
        raise SourceError(f"{name}: no such chapter; there are {', '.join(by_name)}")
    return by_name[wanted]


def _name(source: Path) -> str:
    """A chapter as the command line names it, such as 03_batching or pt-br/03_batching."""
    return source.relative_to(CHAPTERS).with_suffix("").as_posix()


if __name__ == "__main__":
    sys.exit(main())
