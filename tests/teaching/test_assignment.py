"""The assignment, with nbgrader's own commands: made, released, handed in by three students, graded, given back."""

from __future__ import annotations

import csv
import importlib
import json
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
from submissions import STUDENTS

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))
builder = importlib.import_module("build_assignment")

NAME = "prompts_and_masks"
SOURCE = builder.assemble(builder.ASSIGNMENTS / f"{NAME}.py")
RUBRIC = (ROOT / "book" / "teacher" / "rubric.md").read_text(encoding="utf-8")
POINTS = {
    cell.metadata.nbgrader.grade_id: cell.metadata.nbgrader.points
    for cell in SOURCE.cells
    if cell.metadata.get("nbgrader", {}).get("grade")
}
BY_HAND = {
    cell.metadata.nbgrader.grade_id: cell.source
    for cell in SOURCE.cells
    if cell.cell_type == "markdown" and "nbgrader" in cell.metadata
}
# nbgrader calls `alembic`, which lies beside the Python it is installed for.
ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
SECONDS = 20
"""After which a cell of a submission is stopped here; the configuration for a real class waits longer."""


def marks(student: str) -> dict[str, float]:
    """What the rubric's table says a student must get, by cell."""
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", RUBRIC, re.MULTILINE)
    column = 2 + list(STUDENTS).index(student)
    return {row[0]: float(row[column]) for row in rows}


@pytest.fixture(scope="module")
def course(nbgrader: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course folder in which everything has been done that a teacher and three students do."""
    folder = tmp_path_factory.mktemp("course")
    assert builder.main([str(folder)]) == 0
    _terminal(folder, [f"generate_assignment {NAME}", f"release_assignment {NAME}"])

    handed_in = []
    for student, work in STUDENTS.items():
        desk = tmp_path_factory.mktemp(student)
        where = f"--course=instruction-fine-tuning --Exchange.root={folder / 'exchange'}"
        where += f" --Exchange.cache={desk / 'cache'}"
        _terminal(desk, [f"fetch_assignment {NAME} {where}"])
        path = desk / NAME / f"{NAME}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        work(notebook, _solutions())
        nbformat.write(notebook, path)
        handed_in += [f"cd {desk}", f"submit {NAME} {where} --student={student}"]
    _terminal(folder, handed_in)
    # One more, whose file is no notebook, and who did not use the exchange.
    stray = folder / "submitted" / "unreadable" / NAME
    stray.mkdir(parents=True)
    (stray / f"{NAME}.ipynb").write_text("{", encoding="utf-8")

    _terminal(folder, [f"collect {NAME}"])
    said = _terminal(folder, [f"autograde {NAME} --Execute.timeout={SECONDS}"], expected=1)
    (folder / "said.txt").write_text(said, encoding="utf-8")
    _grade_by_hand(folder)
    _terminal(folder, [f"generate_feedback {NAME}", f"release_feedback {NAME}", "export"])
    return folder


def _solutions() -> dict[str, str]:
    """The text of every cell that a student fills in, as in the source."""
    return {
        cell.metadata.nbgrader.grade_id: cell.source
        for cell in SOURCE.cells
        if cell.metadata.get("nbgrader", {}).get("solution")
    }


def _terminal(folder: Path, commands: list[str], expected: int = 0) -> str:
    """Run nbgrader's commands in a folder; what they logged."""
    lines = [line if line.startswith("cd ") else f"nbgrader {line}" for line in commands]
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("nbgrader_commands.py"))],
        input="\n".join(lines),
        cwd=folder,
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
    )
    statuses = [line for line in done.stdout.splitlines() if line.startswith("exit ")]
    assert statuses == [f"exit {expected}"] * sum(not line.startswith("cd ") for line in commands), done.stderr
    return done.stderr


GRADE_BY_HAND = """
import json, sys
from nbgrader.api import Gradebook

with Gradebook("sqlite:///gradebook.db") as book:
    for name, student, points in json.loads(sys.argv[1]):
        grade = book.find_grade(name, "prompts_and_masks", "prompts_and_masks", student)
        assert grade.needs_manual_grade == (student != "broken"), (name, student)
        grade.manual_score, grade.needs_manual_grade = points, False
    book.db.commit()
"""
READ_GRADES = """
import json
from nbgrader.api import Gradebook

with Gradebook("sqlite:///gradebook.db") as book:
    submissions = book.find_assignment("prompts_and_masks").submissions
    print(json.dumps({s.student.id: {g.name: g.score for n in s.notebooks for g in n.grades} for s in submissions}))
"""


def _python(folder: Path, script: str, *arguments: str) -> str:
    """What a script prints that uses nbgrader's grade book, as its page for grading by hand does."""
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _grade_by_hand(folder: Path) -> None:
    """Give the answers in words the points that the rubric says."""
    given = [[name, student, marks(student)[name]] for student in STUDENTS for name in BY_HAND]
    _python(folder, GRADE_BY_HAND, json.dumps(given))


# --- the source and the rubric ---


def test_rubric_names_every_graded_cell() -> None:
    """Bug: a test is added, or its points change, and who grades by the page gives other marks than nbgrader."""
    assert marks("right") == POINTS
    listed = dict(re.findall(r"^\| \d \| `(\w+)` \| (\d+) \|", RUBRIC, re.MULTILINE))
    assert {name: float(points) for name, points in listed.items()} == POINTS
    sums = [sum(marks(student).values()) for student in STUDENTS]
    assert (
        RUBRIC.count("| **sum** | **{:g}** | **{:g}** | **{:g}** | **{:g}** |".format(sum(POINTS.values()), *sums)) == 1
    )
    essay_points = sum(POINTS[name] for name in BY_HAND)
    assert f"The tests: {sum(POINTS.values()) - essay_points:g} points" in RUBRIC
    assert f"In words: {essay_points:g} points" in RUBRIC


def test_every_test_follows_what_it_tests() -> None:
    """Bug: a deleted test cannot be put back: nbgrader looks for the cell that students may not lose before it."""
    ours = [cell.metadata.nbgrader for cell in SOURCE.cells if "nbgrader" in cell.metadata]
    for before, cell in pairwise(ours):
        assert not (cell.grade and not cell.solution) or before.solution or before.grade, cell.grade_id


@pytest.mark.parametrize(
    "head", ['tests="a"', 'solution="a" points=1', 'tests="a" solution="b" points=1', 'kind="a"'], ids=str
)
def test_a_wrong_head_is_refused(tmp_path: Path, head: str) -> None:
    """Bug: a test whose points were forgotten is worth nothing, and nobody notices."""
    source = tmp_path / "a.py"
    source.write_text(f"# %% {head}\nassert True\n", encoding="utf-8")
    with pytest.raises(builder.SourceError):
        builder.assemble(source)


# --- the whole way ---


@pytest.mark.slow
def test_students_see_no_solution_and_no_hidden_test(course: Path) -> None:
    """Bug: the notebook that is handed out holds the answers."""
    released = (course / "release" / NAME / f"{NAME}.ipynb").read_text(encoding="utf-8")
    assert "YOUR CODE HERE" in released and "YOUR ANSWER HERE" in released
    assert "HIDDEN" not in released and "SOLUTION" not in released
    assert all(answer[:40] not in released for answer in BY_HAND.values())


@pytest.mark.slow
@pytest.mark.parametrize("student", STUDENTS)
def test_marks_are_those_of_the_rubric(course: Path, student: str) -> None:
    """Bug: a right answer loses points, a wrong or broken one gets some, and the class finds out first."""
    assert json.loads(_python(course, READ_GRADES))[student] == marks(student)


@pytest.mark.slow
def test_one_unreadable_file_stops_nobody(course: Path) -> None:
    """Bug: one broken file among thirty, and the grading ends there; or it is passed over, and nobody hears of it."""
    said = (course / "said.txt").read_text(encoding="utf-8")
    assert f"There was an error processing assignment '{NAME}' for student 'unreadable'" in said
    assert "for student 'broken'" not in said
    assert sorted(path.name for path in (course / "autograded").iterdir() if (path / NAME).exists()) == sorted(STUDENTS)


@pytest.mark.slow
def test_tampered_tests_are_put_back(course: Path) -> None:
    """Bug: who deletes a test, or writes `assert True` into it, gets its points."""
    graded = nbformat.read(course / "autograded" / "broken" / NAME / f"{NAME}.ipynb", as_version=4)
    cells = {cell.metadata.nbgrader.get("grade_id"): cell for cell in graded.cells if "nbgrader" in cell.metadata}
    wanted = {
        cell.metadata.nbgrader.get("grade_id"): cell.source for cell in SOURCE.cells if "nbgrader" in cell.metadata
    }
    assert cells["row_of_any_text"].source == wanted["row_of_any_text"]
    assert cells["row_ends"].source.endswith(wanted["row_ends"]) and "was missing" in cells["row_ends"].source
    assert "CellTimeoutError" in str(cells["stop_never"].outputs)


@pytest.mark.slow
def test_feedback_and_export(course: Path) -> None:
    """Bug: the marks are right in the grade book, and students and the office get others."""
    for student in STUDENTS:
        page = (course / "feedback" / student / NAME / f"{NAME}.html").read_text(encoding="utf-8")
        total = sum(marks(student).values())
        assert f"(Score: {total} / {float(sum(POINTS.values()))})" in page
    with (course / "grades.csv").open(encoding="utf-8") as file:
        exported = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert exported == {student: sum(marks(student).values()) for student in STUDENTS} | {"unreadable": 0}
