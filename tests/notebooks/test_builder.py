"""tools/build_notebooks.py: from a text source to two notebooks, and what it must never do."""

from __future__ import annotations

import importlib
import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
builder = importlib.import_module("build_notebooks")

ADDRESS = "https://github.com/someone/something"
TINY = """\
# %% [markdown]
# # 1 Tiny
#
# | for you | for the machine | memory | network |
# |---|---|---|---|
# | 1 min | 1 min | 0.2 GB | none |

# %%
print("six times seven:", end=" ")
print(6 * 7)

# %% tags=["machine"]
import time

time.time()

# %% [markdown]
# See [next](02_next.ipynb), [the web](https://example.org), [above](#top).

# %% tags=["widget"]
import ipywidgets

ipywidgets.IntSlider()

# %% tags=["exercise"]
answer = ...

# %% tags=["solution"]
answer = 4

# %% mystnb={"image": {"alt": "A line."}} tags=["approximate"]
print(answer)
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A chapter of a few cells."""
    path = tmp_path / "01_tiny.py"
    path.write_text(TINY, encoding="utf-8")
    return path


def texts(notebook: nbformat.NotebookNode) -> list[str]:
    return [cell.source for cell in notebook.cells]


# --- without executing ---


def test_the_learner_gets_the_stub_and_the_solutions_the_solution(source: Path) -> None:
    """Bug: the answer stands under the exercise; or the solutions lose their place."""
    learner, solutions = (builder.assemble(source, ADDRESS, solved) for solved in (False, True))
    assert "answer = 4" not in "".join(texts(learner)) and "..." not in "".join(texts(solutions))
    assert texts(learner).index("answer = ...") == texts(solutions).index("answer = 4")
    assert len(learner.cells) == len(solutions.cells)


def test_badges_and_setup_come_first(source: Path) -> None:
    """Bug: the badge of the solutions opens the learner's notebook; or the install comes after the first import."""
    for solutions, folder in ((False, "chapters"), (True, "chapters/solutions")):
        first, setup = builder.assemble(source, ADDRESS, solutions).cells[:2]
        title, _, line, *_ = first.source.splitlines()
        assert title == "# 1 Tiny"
        path = f"{folder}/01_tiny.ipynb"
        assert f"(https://colab.research.google.com/github/someone/something/blob/main/{path})" in line
        assert f"(https://mybinder.org/v2/gh/someone/something/main?urlpath=lab/tree/{path})" in line
        assert "| for you |" in first.source
        assert f"git+{ADDRESS}" in setup.source and builder.tags(setup) == ["setup", "hide-input"]


def test_links_lead_to_the_same_place_from_the_solutions(source: Path) -> None:
    """Bug: each link of a solutions notebook is broken, for it lies one folder down."""
    text = "\n".join(texts(builder.assemble(source, ADDRESS, solutions=True)))
    for link in ("[next](../02_next.ipynb)", "[the web](https://example.org)", "[above](#top)"):
        assert link in text
    assert "[01_tiny](../01_tiny.ipynb)" in text


def test_tags_that_nbval_obeys(source: Path) -> None:
    """Bug: a time of day is compared; or an exact output is not."""
    by_tag = {tuple(builder.tags(cell)) for cell in builder.assemble(source, ADDRESS, solutions=False).cells}
    ignored = {(tag, "nbval-ignore-output") for tag in ("machine", "widget", "approximate")}
    assert by_tag == {(), ("setup", "hide-input"), ("exercise",), *ignored}


def test_metadata_of_a_cell_arrive(source: Path) -> None:
    """Bug: the alt text is lost on the way, and the book's picture has none."""
    last = builder.assemble(source, ADDRESS, solutions=False).cells[-1]
    assert last.metadata["mystnb"] == {"image": {"alt": "A line."}}


def test_ids_are_unique_and_stay(source: Path) -> None:
    """Bug: one inserted cell renames all that follow, and every review shows the whole notebook as changed."""
    before = builder.assemble(source, ADDRESS, solutions=False).cells
    source.write_text(TINY.replace("# %%\n", "# %%\nprint(1)\n\n# %%\nprint(1)\n\n# %%\n", 1), encoding="utf-8")
    after = builder.assemble(source, ADDRESS, solutions=False).cells
    ids = [cell["id"] for cell in after]
    assert len(set(ids)) == len(ids) == len(before) + 2
    assert [i for i in ids if i in {cell["id"] for cell in before}] == [cell["id"] for cell in before]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("# # 1 Tiny", "# 1 Tiny", "first cell must be markdown"),
        ('["machine"]', '["aproximate"]', "cell 2 (import time): unknown tags ['aproximate']"),
        ('# %% tags=["machine"]', "# %% slideshow=1", "unknown metadata ['slideshow']"),
        ('# %% tags=["solution"]\nanswer = 4\n\n', "", "must be followed by its solution"),
        ('# %% tags=["exercise"]\nanswer = ...\n\n', "", "must follow its exercise"),
        ("# %%\nprint", "# %%\n\n# %%\nprint", "without text"),
    ],
)
def test_a_source_that_breaks_a_rule_is_refused(source: Path, old: str, new: str, message: str) -> None:
    """Bug: a tag with a typing error is ignored, and a cell that should not be is compared, or the other way round."""
    assert old in TINY
    source.write_text(TINY.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(builder.SourceError) as refused:
        builder.assemble(source, ADDRESS, solutions=False)
    assert message in str(refused.value) and "01_tiny.py" in str(refused.value)


# --- the setup cell ---


def run_setup(monkeypatch: pytest.MonkeyPatch, folder: Path, *, colab: bool, installed: bool) -> list[list[str]]:
    """Run the setup cell on a pretended machine; returns the commands it would have run."""
    commands: list[list[str]] = []
    monkeypatch.chdir(folder)
    monkeypatch.setattr(subprocess, "run", lambda command, check: commands.append(command))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if installed else None)
    if colab:
        monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    exec(builder.SETUP.replace("ADDRESS", ADDRESS), {})
    return commands


@pytest.mark.parametrize("colab", [True, False])
def test_setup_does_nothing_where_the_package_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, colab: bool) -> None:
    """Bug: each run of a notebook calls pip."""
    assert run_setup(monkeypatch, tmp_path, colab=colab, installed=True) == []
    assert not any(tmp_path.iterdir())


def test_setup_on_colab_keeps_what_colab_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Bug: pip replaces Colab's torch (gigabytes, then no GPU), its widgets, or the numpy that is already imported."""
    (command,) = run_setup(monkeypatch, tmp_path, colab=True, installed=False)
    assert command[1:4] == ["-m", "pip", "install"] and command[-1] == f"git+{ADDRESS}"
    kept = Path(command[command.index("--constraint") + 1]).read_text(encoding="utf-8")
    assert [line.partition("==")[0] for line in kept.splitlines()] == ["torch", "numpy", "ipywidgets"]
    assert kept.splitlines()[0] == f"torch=={importlib.metadata.version('torch')}"


def test_setup_elsewhere_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Bug: a kernel of another Python answers "No module named ift_lib", and a beginner is lost."""
    with pytest.raises(ModuleNotFoundError, match="make lab"):
        run_setup(monkeypatch, tmp_path, colab=False, installed=False)
    assert not any(tmp_path.iterdir())


def test_the_address_stands_in_one_place() -> None:
    """Bug: the repository moves, pyproject.toml is changed, and the builder goes on with the old address."""
    assert builder.repository().startswith("https://github.com/")
    assert builder.repository() not in Path(builder.__file__).read_text(encoding="utf-8")


# --- executed ---


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny chapter, built: its source."""
    source = tmp_path_factory.mktemp("chapters") / "01_tiny.py"
    source.write_text(TINY, encoding="utf-8")
    builder.build(source, ADDRESS)
    return source


def read(source: Path, solutions: bool = False) -> nbformat.NotebookNode:
    return nbformat.read(builder.target(source, solutions), as_version=4)


@pytest.mark.slow
def test_outputs_are_stored(built: Path) -> None:
    """Bug: a notebook without outputs, or one in which a printed line lies in pieces."""
    cells = [cell for cell in read(built).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == [1, 2, 3, 4, 5, 6]
    assert [output.text for output in cells[1].outputs] == ["six times seven: 42\n"]
    assert cells[-1].outputs[0].text == "Ellipsis\n"
    assert read(built, solutions=True).cells[-1].outputs[0].text == "4\n"


@pytest.mark.slow
def test_nothing_that_varies_is_stored(built: Path) -> None:
    """Bug: each build changes every notebook: times, versions, ids of widgets that no longer exist."""
    text = builder.target(built, False).read_text(encoding="utf-8")
    for varying in ("model_id", "iopub", "python_version", '"version"', "widget-state"):
        assert varying not in text
    assert builder.WIDGET_TEXT in text
    again = builder.assemble(built, ADDRESS, solutions=False)
    builder.execute(again, built.parent)
    stored = read(built)
    for notebook in (stored, again):
        notebook.cells = [cell for cell in notebook.cells if "machine" not in builder.tags(cell)]
    assert nbformat.writes(again) == nbformat.writes(stored)


@pytest.mark.slow
def test_costs_are_noted(built: Path) -> None:
    """Bug: the header's minutes are compared with numbers of another notebook, or of nobody knows which machine."""
    noted = json.loads((built.parent / "times.json").read_text(encoding="utf-8"))["01_tiny"]
    assert "cores" in noted["machine"] and len(noted["date"]) == len("2026-01-01")
    for kind in ("learner", "solutions"):
        assert 0 < noted[kind]["seconds"] < 300
        assert noted[kind]["memory_gb"] is None or 0.02 < noted[kind]["memory_gb"] < 2
        assert sys.platform != "linux" or noted[kind]["memory_gb"]


@pytest.mark.slow
def test_stale_notebooks_are_found(built: Path, tmp_path: Path) -> None:
    """Bug: the text is mended in the source and not in the notebook; or somebody edits the notebook."""
    assert builder.stale(built.parent, ADDRESS) == []
    source = tmp_path / "01_tiny.py"
    source.write_text(TINY.replace("6 * 7", "6 * 8"), encoding="utf-8")
    assert builder.stale(tmp_path, ADDRESS) == [
        "01_tiny.ipynb: not built yet",
        "solutions/01_tiny.ipynb: not built yet",
    ]
    for solutions in (False, True):
        path = builder.target(source, solutions)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(builder.target(built, solutions).read_bytes())
    assert builder.stale(tmp_path, ADDRESS) == [
        "01_tiny.ipynb: cell 2 differs",
        "solutions/01_tiny.ipynb: cell 2 differs",
    ]
    source.write_text(TINY.replace('["machine"]', '["approximate"]'), encoding="utf-8")
    assert builder.stale(tmp_path, ADDRESS)[0] == "01_tiny.ipynb: cell 3 differs", "the tags of a cell count too"
    source.write_text(TINY, encoding="utf-8")
    assert builder.stale(tmp_path, ADDRESS + "-moved")[0] == "01_tiny.ipynb: cell 0 differs"
    source.rename(tmp_path / "01_other.py")
    assert "01_tiny.ipynb: has no source" in builder.stale(tmp_path, ADDRESS)


@pytest.mark.slow
def test_new_prose_keeps_the_outputs(built: Path, tmp_path: Path) -> None:
    """Bug: a comma in the text costs an hour of running; or an output is kept under code that never printed it."""
    source = tmp_path / "copy" / built.name
    shutil.copytree(built.parent, source.parent)
    before = read(source)
    source.write_text(source.read_text(encoding="utf-8") + "\n# %% [markdown]\n# A new end.\n", encoding="utf-8")
    builder.refresh(source, ADDRESS)
    for solutions in (False, True):
        assert read(source, solutions).cells[-1].source == "A new end."
    assert [c.get("outputs") for c in read(source).cells[:-1]] == [c.get("outputs") for c in before.cells]
    assert builder.stale(source.parent, ADDRESS) == []
    source.write_text(source.read_text(encoding="utf-8") + "\n# %%\nprint(2)\n", encoding="utf-8")
    with pytest.raises(builder.SourceError, match="without --text"):
        builder.refresh(source, ADDRESS)
    assert read(source).cells[-1].source == "A new end."


@pytest.mark.slow
def test_a_notebook_that_fails_is_not_written(source: Path) -> None:
    """Bug: half a notebook replaces a whole one; or forty lines of traceback hide which cell it was."""
    old = builder.target(source, False)
    old.write_text("the old one", encoding="utf-8")
    source.write_text(TINY.replace("print(6 * 7)", "print(6 * seven)"), encoding="utf-8")
    with pytest.raises(builder.RunError) as failed:
        builder.build(source, ADDRESS)
    message = str(failed.value)
    assert message.startswith("01_tiny.ipynb, cell 2 failed:")
    assert "    print(6 * seven)" in message and "NameError: name 'seven' is not defined" in message
    assert message.endswith("Nothing was written.") and "\x1b" not in message
    assert old.read_text(encoding="utf-8") == "the old one"
    assert {path.name for path in source.parent.rglob("*") if path.is_file()} == {"01_tiny.py", "01_tiny.ipynb"}


def test_an_unknown_chapter_gets_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Bug: a typing error in the name builds all chapters, or none and says nothing."""
    assert builder.main(["99_nothing"]) == 1
    assert capsys.readouterr().err.startswith("99_nothing: no such chapter; there are ")
