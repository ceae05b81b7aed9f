"""tools/translations.py: what a translation shares with its original, and that a change of the original is seen."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from gate import ROOT, languages

sys.path.insert(0, str(ROOT / "tools"))
builder = importlib.import_module("build_notebooks")
translations = importlib.import_module("translations")

PORTUGUESE = languages.PORTUGUESE
TRANSLATED = sorted((ROOT / "chapters/pt-br").glob("*.py"))
NAMES = [path.stem for path in TRANSLATED]


def test_every_translation_is_in_line() -> None:
    """Bug: the English text is mended, and the Portuguese reader goes on reading the mistake."""
    assert NAMES == ["01_formatting", "02_splitting", "03_batching"]
    assert translations.complaints() == [], "bring it in line, then: python tools/translations.py --accept NAME"


def test_each_chapter_has_its_quiz_and_each_page_is_compared() -> None:
    """Bug: a quiz is not translated, and nothing misses it."""
    compared = {pair.translated for pair in translations.pairs(PORTUGUESE)}
    assert {f"ift_lib/course/quizzes/pt-br/{name}.json" for name in NAMES} <= compared
    assert {"book/pt-br/index.md", "book/pt-br/glossary.md"} <= compared


# --- a copy to break ---


PARSED: dict[tuple[str, str], list[nbformat.NotebookNode]] = {}


def read_once(source: Path) -> list[nbformat.NotebookNode]:
    """The cells of a source; parsing the same text again for each test would take a minute."""
    key = source.name, source.read_text(encoding="utf-8")
    if key not in PARSED:
        PARSED[key] = builder.read_source(source)
    return PARSED[key]


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository's texts, to be changed; returns its root."""
    for folder in ("chapters", "book", "ift_lib/course/quizzes"):
        ignore = shutil.ignore_patterns("*.ipynb", "_build", "images", "runs")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignore)
    monkeypatch.setattr(translations, "ROOT", tmp_path)
    monkeypatch.setattr(translations, "read_source", read_once)
    monkeypatch.setattr(translations, "CHAPTERS", tmp_path / "chapters")
    return tmp_path


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


ENGLISH = "chapters/02_splitting.py"
OTHER = "chapters/pt-br/02_splitting.py"


@pytest.mark.parametrize(
    ("path", "old", "new", "message"),
    [
        # the English changes
        (ENGLISH, "take an hour", "take a day", "cell 16: the English cell has changed since it was translated"),
        (ENGLISH, "# ### Clean", "# A new one.\n\n# %% [markdown]\n# ### Clean", "cell 24 of the English is new"),
        (ENGLISH, "# %%\nimport statistics", "# %%\nimport statistics, os", "cell 4: the English cell has changed"),
        (ENGLISH, "Two bar charts", "Two charts", "cell 5: the English cell has changed"),
        (
            "ift_lib/course/quizzes/02_splitting.json",
            "It takes somebody",
            "It needs somebody",
            "question 0: the English",
        ),
        ("book/glossary.md", "Several examples that go", "Examples that go", "the English section has changed"),
        # the translation is of another form
        (OTHER, "## 5 Prove", "## 6 Prove", "its numbers"),
        (OTHER, "## 5 Prove", "### 5 Prove", "its headings"),
        (OTHER, "(03_batching.ipynb)", "(04_loading.ipynb)", "its links"),
        (OTHER, "glossary.md#leak", "glossary.md#loss", "its links"),
        (OTHER, "limiar de 0,85", "limiar de 0,58", "its numbers"),
        (OTHER, "`find_duplicates` dá", "`find_problems` dá", "its code"),
        (OTHER, "* desligue", "desligue", "its lists"),
        (OTHER, "<details><summary>Dica</summary>Reúna", "Dica: Reúna", "its folds"),
        (OTHER, '# %% tags=["exercise"]\ndef leaks', "# %%\ndef leaks", "a solution must follow its exercise"),
        (OTHER, '# %% tags=["widget"]\nfrom ift_lib.course.w', "# %%\nfrom ift_lib.course.w", "'tags': []"),
        (OTHER, ' mystnb={"image"', ' xmystnb={"image"', "unknown metadata"),
        # another program
        (OTHER, "min(lengths)", "max(lengths)", "another program"),
        (
            OTHER,
            'entry.get(field), field in ("instruction"',
            'entry.get(field), field in ("instrução"',
            "another program",
        ),
        (OTHER, '("perguntas", questions)', '("respostas", questions)', "another program"),
        ("ift_lib/course/quizzes/pt-br/02_splitting.json", '"right": true', '"right": false', "[False, False"),
        ("book/pt-br/glossary.md", "english: batch", "english: lote", "in English"),
    ],
)
def test_what_is_out_of_line_is_named(copy: Path, path: str, old: str, new: str, message: str) -> None:
    """Bug: one of the languages changes alone. Each change here must be told by file, place and reason."""
    change(copy / path, old, new)
    try:
        told = "\n".join(translations.complaints())
    except builder.SourceError as error:
        told = str(error)
    assert message in told


def test_accepting_notes_what_the_english_says(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bug: after the Portuguese has been brought in line, the check goes on complaining, or never did."""
    change(copy / ENGLISH, "take an hour", "take a day")
    assert translations.main([]) == 1
    assert f"{OTHER}, cell 16: the English cell has changed" in capsys.readouterr().err
    assert translations.main(["--accept", "02_splitting"]) == 0
    assert translations.main([]) == 0
    noted = (copy / "chapters/pt-br/translated.json").read_text(encoding="utf-8")
    change(copy / OTHER, "## 5 Prove", "## 6 Prove")
    assert translations.main(["--accept", "02_splitting"]) == 1, "what is of another form cannot be accepted"
    assert (copy / "chapters/pt-br/translated.json").read_text(encoding="utf-8") == noted
    assert translations.main(["--accept", "02_spliting"]) == 1
    assert "02_spliting: no such text; there are 01_formatting" in capsys.readouterr().err


def test_a_missing_translation_of_a_page_is_named(copy: Path) -> None:
    """Bug: the Portuguese front page is deleted, and the check compares nothing."""
    (copy / "book/pt-br/index.md").unlink()
    assert "book/pt-br/index.md is missing: the translation of book/index.md" in translations.complaints()


def test_a_cell_that_is_gone_or_new_names_its_place(copy: Path) -> None:
    """Bug: one inserted cell makes all that follow look changed."""
    change(copy / ENGLISH, "# ### Clean", "# A new one.\n\n# %% [markdown]\n# ### Clean")
    told = [line for line in translations.complaints() if "02_splitting.py" in line]
    assert told == [f"{OTHER}: 79 cells, the English has 80", f"{OTHER}: cell 24 of the English is new (A new one.)"]


# --- the rule for code ---


def same(one: str, two: str, strings: dict[str, str] | None = None, quiz: str = "") -> bool:
    return translations._program(one, strings or {}, quiz) == translations._program(two, {}, "")


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("print('a', 1)  # one", "print('b', 1)  # um"),
        ("print(f'{n} of {m:>4} right')", "print(f'certas: {n} de {m:>4}')"),
        ("print(f'{m} has {n}')", "print(f'{n} em {m}')"),
        ("print('yes' if x else 'no')", "print('sim' if x else 'não')"),
        ("print(f\"{'yes' if x else 'NO':<4}\")", "print(f\"{'sim' if x else 'NÃO':<4}\")"),
        ("axes.set_xlabel('words')", "axes.set_xlabel('palavras')"),
        ("axes.hist(x, label='words')", "axes.hist(x, label='palavras')"),
        ("axes.text(0.1, 2, 'here', color='r')", "axes.text(0.1, 2, 'aqui', color='r')"),
        ("def f():\n    'What.'\n    return 1", "def f():\n    'O quê.'\n    return 1"),
    ],
)
def test_words_that_are_shown_may_differ(one: str, two: str) -> None:
    """Bug: nothing can be translated."""
    assert same(one, two)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("print('a', 1)", "print('b', 2)"),
        ("print(x['a'])", "print(x['b'])"),
        ("print(f'{x[\"a\"]} is')", "print(f'{x[\"b\"]} é')"),
        ("print(pieces('Paris'))", "print(pieces('Brasília'))"),
        ("print('-' * 40)", "print('=' * 40)"),
        ("print(f'{n} of {m}')", "print(f'{n}')"),
        ("print(f'{n:<4} of')", "print(f'{n:<5} de')"),
        ("print('of', n)", "print(n)"),
        ("x = 'words'", "x = 'palavras'"),
        ("return_ = f'{x} is'", "return_ = f'{x} é'"),
        ("axes.text(0.1, 2, 'here', color='r')", "axes.text(0.1, 2, 'aqui', color='b')"),
        ("assert x == 'a'", "assert x == 'b'"),
        ("def f():\n    'What.'\n    return 1", "def f():\n    return 1"),
        ("quiz('01')", "quiz('02')"),
    ],
)
def test_anything_else_may_not(one: str, two: str) -> None:
    """Bug: the translation runs another program, and prints other numbers than the text explains."""
    assert not same(one, two)


def test_a_listed_string_is_translated_everywhere() -> None:
    """Bug: a key is translated where it is set and not where it is used."""
    code = "x = {'by id': 1}\nassert x['by id']"
    assert same(code, code.replace("by id", "pelo id"), {"by id": "pelo id"})
    assert not same(code, code.replace("by id", "pelo id", 1), {"by id": "pelo id"})
    assert not same(code, code, {"by id": "pelo id"})


def test_a_quiz_is_that_of_the_language() -> None:
    """Bug: a Portuguese chapter ends with an English quiz."""
    assert same("quiz('01_x')", "quiz('pt-br/01_x')", quiz="pt-br/01_x")
    assert not same("quiz('01_x')", "quiz('01_x')", quiz="pt-br/01_x")


# --- the notebooks ---


@pytest.mark.parametrize("solutions", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_cells_have_the_ids_of_their_originals(name: str, solutions: bool) -> None:
    """Bug: a remark on a cell, or a link to it, means another cell in the other language."""
    both = [ROOT / "chapters" / f"{name}.py", ROOT / "chapters/pt-br" / f"{name}.py"]
    one, two = (builder.assemble(source, "https://github.com/a/b", solutions).cells for source in both)
    assert [cell["id"] for cell in one] == [cell["id"] for cell in two]
    assert [cell.source for cell in one] != [cell.source for cell in two]


def numbers(cell: nbformat.NotebookNode) -> list[str]:
    """The numbers that a cell prints, in whatever order."""
    texts = (o.get("text") or o.get("data", {}).get("text/plain", "") for o in cell.outputs)
    return sorted(number for text in texts for number in re.findall(r"\d+(?:[.,]\d+)*", text))


@pytest.mark.parametrize("folder", ["", "solutions"])
@pytest.mark.parametrize("name", NAMES)
def test_outputs_have_the_same_numbers(name: str, folder: str) -> None:
    """Bug: the two languages tell of different results."""
    paths = [ROOT / "chapters" / language / folder / f"{name}.ipynb" for language in ("", "pt-br")]
    one, two = (nbformat.read(path, as_version=4) for path in paths)
    for ours, theirs in zip(one.cells, two.cells, strict=True):
        if ours.cell_type == "code" and builder.IGNORE not in builder.tags(ours):
            assert numbers(ours) == numbers(theirs), theirs.source


def test_a_translation_with_a_cell_too_few_is_not_built(copy: Path) -> None:
    """Bug: from the missing cell on, each one gets the id of its neighbour."""
    change(copy / OTHER, "# %%\nimport statistics", "import statistics")
    with pytest.raises(builder.SourceError, match=r"pt-br/02_splitting.py has \d+ cells.*tools/translations.py"):
        builder.assemble(copy / OTHER, "https://github.com/a/b", False)


def test_a_quiz_speaks_one_language() -> None:
    """Bug: Portuguese questions under English buttons."""
    from ift_lib.course.quiz import quiz

    shown = quiz("pt-br/01_formatting")
    row = shown.rows[0][0]
    assert row.button.tooltip.startswith("Escolher A: ") and "Certas na primeira escolha: 0 de 0." in shown.score.value
    row.button.click()
    assert ("Certo." if row.option.right else "Esta não.") in row.why.value
    twin = shown._repr_mimebundle_()
    html = (twin[0] if isinstance(twin, tuple) else twin)["text/html"]
    assert "Resposta da pergunta 1" in html and "Answer to" not in html and "Right." not in html


def test_the_file_of_hashes_has_nothing_that_is_gone() -> None:
    """Bug: a chapter is renamed, and its old hashes stay for ever."""
    noted = json.loads((ROOT / "chapters/pt-br/translated.json").read_text(encoding="utf-8"))
    assert set(noted) == {pair.original for pair in translations.pairs(PORTUGUESE)}
