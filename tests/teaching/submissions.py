"""Three made-up students: what each wrote into the cells of the assignment, and what else they did to the notebook.

The marks that each must get stand in book/teacher/rubric.md, in the table with their names.
"""

from __future__ import annotations

from collections.abc import Callable

from nbformat import NotebookNode

WRONG = {
    # An empty input leaves an empty line behind.
    "make_prompt": """\
def make_prompt(instruction, input):
    return f"Question: {instruction}\\nText: {input}\\nAnswer:\\n"
""",
    # Both texts are encoded joined, so a token spans the seam.
    "to_row": """\
def to_row(prompt, response):
    return encode(prompt + response) + [EOT], len(encode(prompt))
""",
    # One target too many is masked: the first token of the response.
    "make_batch": """\
def make_batch(rows):
    width = max(len(ids) for ids, _ in rows) - 1
    inputs = [ids[:-1] + [EOT] * (width - len(ids) + 1) for ids, _ in rows]
    targets = [
        [IGNORE] * length + ids[1 + length :] + [IGNORE] * (width - len(ids) + 1) for ids, length in rows
    ]
    return torch.tensor(inputs), torch.tensor(targets)
""",
    "why_it_never_stops": "It does not stop. The loss is computed in a wrong way.",
    # Equally low counts as lower.
    "stop_and_best": """\
def stop_and_best(losses, patience):
    best = 0
    for epoch, loss in enumerate(losses):
        if loss <= losses[best]:
            best = epoch
        if epoch - best >= patience:
            return epoch, best
    return None, best
""",
    # Compared with the evaluation before, not with the lowest.
    "observation": """\
turn = validation.index(min(validation))
rise = validation[-1] - validation[-2]
fell = training[turn] - training[-1]
""",
    "reading": "The validation loss is higher than the training loss, so it overfits. I report the lowest.",
}

BROKEN = {
    # A syntax error: nothing of this cell runs.
    "make_prompt": "def make_prompt(instruction, input)\n    return instruction\n",
    # The same mistake as above; the tests of this part are tampered with below.
    "to_row": WRONG["to_row"],
    # The function is right; a line after it raises an error.
    "make_batch": None,
    # Never ends when the losses do before patience runs out.
    "stop_and_best": """\
def stop_and_best(losses, patience):
    best = epoch = 0
    while True:
        if losses[epoch] < losses[best]:
            best = epoch
        if epoch - best >= patience:
            return epoch, best
        epoch = min(epoch + 1, len(losses) - 1)
""",
    "observation": "turn = validation.index(lowest)\n",
}


def right(notebook: NotebookNode, solutions: dict[str, str]) -> None:
    """All cells as in the source."""
    _write(notebook, solutions)


def wrong(notebook: NotebookNode, solutions: dict[str, str]) -> None:
    """One common mistake in each part."""
    _write(notebook, WRONG)


def broken(notebook: NotebookNode, solutions: dict[str, str]) -> None:
    """Cells that do not run, one that never ends; a test that was deleted, and one that was made easier."""
    written = BROKEN | {"make_batch": solutions["make_batch"] + "\nprint(make_batch(row))\n"}
    _write(notebook, {name: text for name, text in written.items() if text is not None})
    cells = {_name(cell): cell for cell in notebook.cells}
    cells["row_of_any_text"].source = "assert True"
    notebook.cells.remove(cells["row_ends"])


STUDENTS: dict[str, Callable[[NotebookNode, dict[str, str]], None]] = {"right": right, "wrong": wrong, "broken": broken}


def _name(cell: NotebookNode) -> str:
    return str(cell.metadata.get("nbgrader", {}).get("grade_id", ""))


def _write(notebook: NotebookNode, texts: dict[str, str]) -> None:
    """Put texts into the cells of these names."""
    cells = {_name(cell): cell for cell in notebook.cells}
    for name, text in texts.items():
        cells[name].source = text
