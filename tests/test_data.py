"""data.py: formats, problems, duplicates, splits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ift_lib.data import (
    EMBEDDED,
    Example,
    examine,
    find_duplicates,
    find_problems,
    load_examples,
    save_examples,
    shingles,
    split_examples,
)
from ift_lib.errors import InputError

PLAIN = Example("Name a fruit.", "", "Apple.", "")


def write(path: Path, entries: object) -> Path:
    path.write_text(json.dumps(entries), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "entry",
    [
        {"instruction": "Name a fruit.", "input": "", "output": "Apple."},
        {"instruction": " Name a fruit.\n", "output": "Apple. "},
        {"instruction": "Name a fruit.", "context": "", "response": "Apple.", "category": ""},
        {"messages": [{"role": "user", "content": "Name a fruit."}, {"role": "assistant", "content": "Apple."}]},
    ],
)
def test_every_format_gives_the_same_example(tmp_path: Path, entry: dict[str, object]) -> None:
    """Prevents a format whose fields are read under the wrong names."""
    assert load_examples(write(tmp_path / "a.json", [entry])) == [PLAIN]
    (tmp_path / "b.jsonl").write_bytes(b"\xef\xbb\xbf" + json.dumps(entry).encode() + b"\r\n\r\n")
    assert load_examples(tmp_path / "b.jsonl") == [PLAIN]


def test_a_system_message_comes_first(tmp_path: Path) -> None:
    """Prevents the system message of a chat from being lost in silence."""
    roles = [("system", "Be brief."), ("user", "Name a fruit."), ("assistant", "Apple.")]
    path = write(tmp_path / "a.json", [{"messages": [{"role": r, "content": c} for r, c in roles]}])
    assert load_examples(path)[0].instruction == "Be brief.\nName a fruit."


BROKEN = [
    ({"instruction": "x"}, "no 'output'"),
    ({"output": "x"}, "no 'instruction'"),
    ({"instruction": " ", "output": "x"}, "'instruction' is empty"),
    ({"instruction": "x", "output": 3}, "'output' is a int"),
    ({"instruction": "x", "input": ["y"], "output": "z"}, "'input' is a list"),
    ({"instruction": "x", "output": "a\x00b"}, "U+0000 at position 1"),
    ({"instruction": "x", "output": "\x1b[31mred"}, "U+001B"),
    ({"instruction": "x", "output": "\ud800"}, "surrogate"),
    ({"instruction": "word " * 10_000, "output": "x"}, "10,000 words"),
    ({"instruction": "x", "response": None}, "no 'response'"),
    ("text", "is a str"),
    (None, "is a NoneType"),
    ({"messages": "hi"}, "'messages' is not a list"),
    ({"messages": [{"role": "user", "content": "hi"}]}, "roles ['user']"),
    ({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant"}]}, "no text as its content"),
]


def test_every_problem_is_reported_at_once_with_its_index(tmp_path: Path) -> None:
    """Prevents mending a file one error message at a time, and entries dropped without a word."""
    good = {"instruction": "Name a fruit.", "output": "Apple."}
    path = write(tmp_path / "a.json", [entry for broken, _ in BROKEN for entry in (good, broken)])
    problems = find_problems(path)
    assert {p.index for p in problems if p.fatal} == set(range(1, 2 * len(BROKEN), 2))
    for i, (_, message) in enumerate(BROKEN):
        assert any(message in p.message for p in problems if p.index == 2 * i + 1), message
    assert sum("exact copy of entry 0" in p.message and not p.fatal for p in problems) == len(BROKEN) - 1
    with pytest.raises(InputError, match=f"{len(BROKEN)} entries cannot be used") as error:
        load_examples(path)
    assert all(f"entry {2 * i + 1}: " in str(error.value) for i in range(len(BROKEN)))
    assert load_examples(path, skip_problems=True) == [PLAIN] * len(BROKEN)
    assert list(examine(path).examples) == list(range(0, 2 * len(BROKEN), 2))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"[]", "empty"),
        (b'[{"instruction": "x", "output": "y"}', "broken JSON at line 1"),
        (b'{"instruction": "x",\n "output": "y"}', "line 1 is no JSON"),
        (b'{"instruction": "x", "output": "y"}\n{"instr', "line 2 is no JSON"),
        ('[{"instruction": "café", "output": "y"}]'.encode("latin-1"), "not UTF-8"),
        ('[{"instruction": "x", "output": "y"}]'.encode("utf-16"), "not UTF-8"),
        (b"[" * 100_000, "nested too deeply|broken JSON"),
        (b"\x89PNG\r\n\x1a\n\x00", "not UTF-8"),
    ],
)
def test_an_unreadable_file_is_one_clear_error(tmp_path: Path, content: bytes, message: str) -> None:
    """Prevents a traceback from the JSON parser as the answer to a wrong file."""
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        load_examples(path)
    assert str(path) in str(error.value)


def test_a_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    """Prevents FileNotFoundError without a way out."""
    with pytest.raises(InputError, match="no such file"):
        load_examples(tmp_path / "nothing.json")


def test_a_single_object_is_one_entry(tmp_path: Path) -> None:
    """Prevents a JSON file of one object from being read as a list of its keys."""
    assert load_examples(write(tmp_path / "a.json", {"instruction": "Name a fruit.", "output": "Apple."})) == [PLAIN]


text = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=40).map(str.strip)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.builds(Example, text.filter(bool), text, text.filter(bool), text), min_size=1))
def test_saved_examples_come_back(tmp_path_factory: pytest.TempPathFactory, examples: list[Example]) -> None:
    """Prevents a writer and a reader that disagree, on quotes, line separators or any script."""
    path = tmp_path_factory.mktemp("saved") / "a.json"
    save_examples(path, examples)
    assert load_examples(path) == examples


def test_real_entries_load(real_data: Path) -> None:
    """Prevents refusing the data set this course descends from."""
    assert len(load_examples(real_data)) == 1100


# --- duplicates ---


def jaccard(a: Example, b: Example) -> float:
    return len(shingles(a) & shingles(b)) / len(shingles(a) | shingles(b))


words = st.lists(st.sampled_from("the a big small red dog cat sees runs eats".split()), min_size=1, max_size=8)


@settings(deadline=None)
@given(st.lists(words.map(lambda w: Example(" ".join(w))), max_size=25), st.sampled_from([0.3, 0.5, 0.85, 1.0]))
def test_duplicates_equal_comparing_every_pair(examples: list[Example], threshold: float) -> None:
    """Prevents a shortcut (prefix filtering) that misses pairs the definition would find."""
    group = list(range(len(examples)))
    for i, a in enumerate(examples):
        for j in range(i):
            if jaccard(a, examples[j]) >= threshold:
                old, new = group[i], group[j]
                group = [new if g == old else g for g in group]
    expected = sorted(
        [i for i in group_of] for g in set(group) if len(group_of := [i for i, h in enumerate(group) if h == g]) > 1
    )
    assert sorted(find_duplicates(examples, threshold)) == expected


def test_the_answer_does_not_hide_a_duplicate() -> None:
    """Prevents the same question with two answers from standing on both sides of a split."""
    assert find_duplicates([Example("Name a river.", output="Nile"), Example("name a river", output="Tagus")]) == [
        [0, 1]
    ]


# --- splitting ---


def test_split_is_a_partition_and_stratified() -> None:
    """Prevents examples lost, used twice, or a category that only the test split has."""
    examples = load_examples(EMBEDDED)
    split = split_examples(examples)
    assert sorted(split.train + split.validation + split.test) == list(range(len(examples)))
    assert abs(len(split.test) / len(examples) - 0.10) < 0.01
    assert abs(len(split.validation) / len(examples) - 0.05) < 0.01
    of = lambda part: {examples[i].category for i in part}  # noqa: E731
    assert of(split.train) == of(split.test)
    assert split == split_examples(examples)
    assert split != split_examples(examples, seed=124)


def test_no_duplicate_crosses_the_split() -> None:
    """Trap 22. Prevents test questions that training has seen in other words (near-duplicates across splits)."""
    examples = [
        Example(f"Name a thing that is {w}{dot}") for w in "red blue big old new wet".split() for dot in (".", "!", "?")
    ]
    split = split_examples(examples, validation=0.2, test=0.2)
    part = {i: name for name in ("train", "validation", "test") for i in getattr(split, name)}
    assert all(part[i] == part[i + 1] == part[i + 2] for i in range(0, len(examples), 3))


def test_small_categories_sum_up() -> None:
    """Prevents rounding every small category's test share down to nothing."""
    examples = [
        Example(f"{w} {c}", category=c) for c in map(str, range(50)) for w in ("first", "second", "third", "fourth")
    ]
    split = split_examples(examples, validation=0.1, test=0.1, threshold=1.0)
    assert len(split.test) == len(split.validation) == 20


@pytest.mark.parametrize(("validation", "test"), [(0, 0.1), (0.5, 0.5), (-0.1, 0.1)])
def test_impossible_shares_are_refused(validation: float, test: float) -> None:
    """Prevents a run whose training or test part is silently empty."""
    with pytest.raises(InputError, match="above 0"):
        split_examples([PLAIN] * 10, validation=validation, test=test)


def test_too_few_examples_are_refused() -> None:
    """Prevents a crash much later, in training, on an empty part."""
    with pytest.raises(InputError, match="too few to split"):
        split_examples([Example("One."), Example("Two and more.")])
