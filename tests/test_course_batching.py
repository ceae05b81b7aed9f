"""Chapter 3: what the checks say to right and to typical wrong answers, and what the mask explorer shows."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
import torch
from learner import Say

from ift_lib.batching import collate
from ift_lib.course.checks import batching as checks
from ift_lib.course.widgets.mask_explorer import MaskExplorer, mask_explorer, mask_picture, parse_numbers
from ift_lib.data import Example
from ift_lib.encoding import EOT, IGNORE, Encoded, encode_example
from ift_lib.errors import InputError
from ift_lib.templates import ALPACA, PHI3, TEMPLATES

# --- exercise 1 ---


def test_1_right(say: Say) -> None:
    assert say(checks.exercise_1, lambda p, r, m: r + 1 if m else p + r).startswith("Exercise 1: right. Masked")
    assert say(checks.exercise_1, ...).startswith("Exercise 1: still to do")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda p, r, m: r if m else p + r, "The EOT after the response is graded too"),
        (lambda p, r, m: r + 1 if m else p + r + 1, "The first one is never a target, for nothing"),
        (lambda p, r, m: r + 1 if m else p + r - 1, "The EOT is a target too"),
        (lambda p, r, m: r + 1, "That is the count with the prompt masked"),
        (lambda p, r, m: p + r, "With the prompt masked, no target that is a prompt token counts"),
        (lambda p, r, m: r + 2 if m else p + r, "The last prompt token is read"),
        (lambda p, r, m: r - 1 if m else p + r, "The last prompt token is read"),
        (lambda p, r, m: p if m else p + r, "Write down the targets"),
        (lambda p, r, m: r + 1 if m else 5 * p, "all but the first are targets"),
        (lambda p, r, m: None, "must be a whole number, not None: is the `return` missing?"),
        (lambda p, r, m: "9", "must be a whole number, not '9'"),
    ],
)
def test_1_wrong(say: Say, answer: Any, words: str) -> None:
    """Bug: a message that says "wrong" and not what is wrong."""
    said = say(checks.exercise_1, answer)
    assert said.startswith("Exercise 1: not yet. ") and words.lower() in said.lower()


# --- exercise 2 ---


def by_place(targets: torch.Tensor, lengths: list[int]) -> torch.Tensor:
    outside = torch.arange(targets.shape[1]) >= torch.tensor(lengths)[:, None]
    return targets.masked_fill(outside, IGNORE)


def in_place(targets: torch.Tensor, lengths: list[int]) -> torch.Tensor:
    for row, length in zip(targets, lengths, strict=True):
        row[length:] = IGNORE
    return targets


def keep_first(targets: torch.Tensor, lengths: list[int]) -> torch.Tensor:
    targets = targets.clone()
    for row in targets:
        ends = (row == EOT).nonzero()
        if len(ends):
            row[int(ends[0]) + 1 :] = IGNORE
    return targets


def test_2_right(say: Say) -> None:
    assert say(checks.exercise_2, by_place).startswith("Exercise 2: right. ")
    assert say(checks.exercise_2, lambda t, n: in_place(t.clone(), n)).startswith("Exercise 2: right. ")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda t, n: t.masked_fill(t == EOT, IGNORE), "Every EOT is gone"),
        (keep_first, "This row was cut and has none of its own"),
        (lambda t, n: by_place(t, [i - 1 for i in n]), "One too many"),
        (lambda t, n: by_place(t, [i + 1 for i in n]), "One too few"),
        (lambda t, n: t.clone(), "Nothing was masked"),
        (lambda t, n: t.masked_fill(by_place(t, n) == IGNORE, 0), "Each row by itself"),
        (in_place, "caller's own tensor was changed as well"),
        (lambda t, n: t.fill_(3), "caller's own tensor was changed. Work"),
        (lambda t, n: torch.stack([by_place(t, n)[0], *t[1:]]), "Only the first row was masked: a `return`"),
        (lambda t, n: by_place(t, n).float(), "The result holds float32 and targets int64"),
        (lambda t, n: None, "is the `return` missing?"),
        (lambda t, n: t.tolist(), "must return a tensor"),
        (lambda t, n: by_place(t, n)[:, 1:], "has shape (3, 4)"),
    ],
)
def test_2_wrong(say: Say, answer: Any, words: str) -> None:
    """Bug: masking by id passes, or the repair of one trap opens the next."""
    said = say(checks.exercise_2, answer)
    assert said.startswith("Exercise 2: not yet. ") and words in said


@pytest.mark.parametrize(
    ("fill", "words"), [(0, "0 is an ordinary token"), (-1, "Each row by itself: from place lengths[i] on, -100")]
)
def test_2_other_fillers(say: Say, fill: int, words: str) -> None:
    """Bug: a filler that cross-entropy grades (0) or refuses (-1)."""

    def answer(targets: torch.Tensor, lengths: list[int]) -> torch.Tensor:
        outside = torch.arange(targets.shape[1]) >= torch.tensor(lengths)[:, None]
        return targets.masked_fill(outside, fill)

    assert words in say(checks.exercise_2, answer)


def test_2_wrong_side(say: Say) -> None:
    def answer(targets: torch.Tensor, lengths: list[int]) -> torch.Tensor:
        inside = torch.arange(targets.shape[1]) < torch.tensor(lengths)[:, None]
        return targets.masked_fill(inside, IGNORE)

    assert "The wrong side" in say(checks.exercise_2, answer)


# --- exercise 3 ---


def test_3_right(say: Say) -> None:
    def mean_loss(batches: list[tuple[float, int]]) -> float:
        return sum(m * n for m, n in batches if n) / sum(n for _, n in batches)

    assert say(checks.exercise_3, mean_loss).startswith("Exercise 3: right. ")
    assert "right" in say(checks.exercise_3, lambda b: torch.tensor(mean_loss(b)))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda b: sum(m for m, _ in b) / len(b), "mean of the batch means"),
        (lambda b: sum(m * n for m, n in b) / sum(n for _, n in b), "NaN * 0 is NaN"),
        (lambda b: sum(m * n for m, n in b), "divide it by their number, once"),
        (lambda b: sum(m * n for m, n in b) / len(b), "not by the number of batches"),
        (lambda b: sum(m for m, _ in b) / sum(n for _, n in b), "A mean times its count is a sum"),
        (lambda b: 7, "Turn each mean back into a sum"),
        (lambda b: round(sum(m * n for m, n in b) / sum(n for _, n in b), 1), "That is rounded"),
        (lambda b: sum(m * n for m, n in b) / sum(m for m, _ in b), "the mean comes first, then the count"),
        (lambda b: None, "is the `return` missing?"),
        (lambda b: True, "must return a number, not True"),
    ],
)
def test_3_wrong(say: Say, answer: Any, words: str) -> None:
    """Bug: a mean of means accepted because the batches of the check are equally large."""
    said = say(checks.exercise_3, answer)
    assert said.startswith("Exercise 3: not yet. ") and words in said


def test_3_hint_survives_nan() -> None:
    assert "leave such a batch out" in checks._hint_3([(1.0, 2), (math.nan, 0)], math.nan)


# --- exercise 4 ---


def row(turns: Any, *, eot: str = "assistant", grade_eot: bool = True, flags: int = 1) -> tuple[list[int], list[int]]:
    """The right answer, and with other settings some wrong ones."""
    ids: list[int] = []
    graded: list[bool] = []
    for speaker, said in turns:
        end = [EOT] if eot in (speaker, "all") else []
        ids += [*said, *end]
        graded += [speaker == "assistant"] * len(said) + [speaker == "assistant" and grade_eot] * len(end)
    flagged = graded[1:] if flags else graded[:-1]
    return ids[:-1], [i if g else IGNORE for i, g in zip(ids[1:], flagged, strict=True)]


def unshifted(turns: Any) -> tuple[list[int], list[int]]:
    inputs, targets = row(turns)
    return [*inputs, EOT], [IGNORE, *targets]


def one_end(turns: Any) -> tuple[list[int], list[int]]:
    """Only the last turn ends."""
    targets = row(turns, eot="nobody")[1]
    ids = [i for _, said in turns for i in said]
    return ids, [*targets, EOT]


def only_first_masked(turns: Any) -> tuple[list[int], list[int]]:
    inputs, _ = row(turns)
    hidden = len(turns[0][1]) - 1
    return inputs, [IGNORE] * hidden + [*inputs[1:], EOT][hidden:]


def other_way_round(turns: Any) -> tuple[list[int], list[int]]:
    inputs, targets = row(turns)
    return inputs, [i if t == IGNORE else IGNORE for i, t in zip([*inputs[1:], EOT], targets, strict=True)]


def only_last_graded(turns: Any) -> tuple[list[int], list[int]]:
    inputs, targets = row(turns)
    last = len(turns[-1][1]) + 1
    return inputs, [IGNORE] * (len(targets) - last) + targets[-last:]


def in_pairs(turns: Any) -> tuple[list[int], list[int]]:
    """Right only where user and assistant take turns."""
    inputs: list[int] = []
    targets: list[int] = []
    for (_, asked), (_, said) in zip(turns[::2], turns[1::2], strict=True):
        inputs += [*asked, *said, EOT]
        targets += [IGNORE] * len(asked) + [*said, EOT]
    return inputs[:-1], targets[1:]


def changes_turns(turns: Any) -> tuple[list[int], list[int]]:
    answer = row(turns)
    turns[0][1].append(0)
    return answer


def test_4_right(say: Say) -> None:
    assert say(checks.exercise_4, row).startswith("Exercise 4: right. ")
    assert "right" in say(checks.exercise_4, lambda turns: tuple(map(torch.tensor, row(turns))))
    assert "right" in say(checks.exercise_4, lambda turns: list(row(turns)))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (unshifted, "The row was not shifted"),
        (lambda t: (row(t)[0], [*row(t)[0][1:], EOT]), "Nothing is masked"),
        (lambda t: row(t, flags=0), "The flags were not shifted with the ids"),
        (lambda t: row(t, grade_eot=False), "EOT after each of the assistant's turns is graded too"),
        (lambda t: row(t, eot="nobody"), "An EOT is missing"),
        (lambda t: row(t, eot="all"), "the user's turns have none"),
        (one_end, "not only at the end of the row"),
        (only_first_masked, "Only the first turn of the user is masked"),
        (lambda t: (row(t)[0], row(t)[1][1:]), "Both must have the same length"),
        (changes_turns, "The lists in `turns` were changed"),
        (lambda t: row(t)[::-1], "Both lists are right, and exchanged"),
        (lambda t: ([ids for _, ids in t], [ids for _, ids in t]), "A list stands inside the list"),
        (lambda t: (row(t)[0], [None if i == IGNORE else i for i in row(t)[1]]), "not graded is -100, the value"),
        (other_way_round, "The other way round"),
        (only_last_graded, "Only the assistant's last turn is graded"),
        (in_pairs, "one after the other"),
        (lambda t: (row(t)[0], [5] * len(row(t)[1])), "Keep a list of True and False"),
        (lambda t: (row(t)[0][::-1], row(t)[1]), "one after the other"),
        (lambda t: None, "is the `return` missing?"),
        (lambda t: row(t)[0], "must return two lists"),
    ],
)
def test_4_wrong(say: Say, answer: Any, words: str) -> None:
    """Bug: a mask found by ids, or one that knows a first prompt only."""
    said = say(checks.exercise_4, answer)
    assert said.startswith("Exercise 4: not yet. ") and words in said


def test_4_searching_for_ids_is_found(say: Say) -> None:
    """Bug: the place of an answer found by its ids, which the user may have said as well."""

    def by_search(turns: Any) -> tuple[list[int], list[int]]:
        inputs, _ = row(turns)
        said = {i for speaker, ids in turns for i in ids if speaker == "assistant"} | {EOT}
        return inputs, [i if i in said else IGNORE for i in [*inputs[1:], EOT]]

    assert "only the place tells whose they are" in say(checks.exercise_4, by_search)


# --- the picture ---


@pytest.mark.parametrize("mask_prompt", [True, False])
@pytest.mark.parametrize("max_length", [None, 60])
@pytest.mark.parametrize("template", [ALPACA, PHI3], ids=lambda t: t.name)
def test_picture_is_collate(examples: list[Example], mask_prompt: bool, max_length: int | None, template: Any) -> None:
    """Bug: a picture that teaches another batch than the one that is trained on."""
    for some in (examples[:3], examples[5:6], examples[8:16]):
        encoded = [encode_example(e, template) for e in some]
        batch = collate(encoded, mask_prompt=mask_prompt, max_length=max_length)
        picture = mask_picture(encoded, mask_prompt=mask_prompt, max_length=max_length)
        assert (picture.inputs, picture.targets) == (batch.inputs.tolist(), batch.targets.tolist())
        assert (picture.graded, picture.tokens) == (batch.graded, batch.tokens)
        assert picture.graded_ends == len(some) - len(picture.cut)


def test_picture_without_shift() -> None:
    """Bug: counting unshifted labels, one too many for each row (TRAPS.md, 2)."""
    encoded = [Encoded((5, 6, 7, EOT), 2), Encoded((5, 8, EOT), 1)]
    picture = mask_picture(encoded, shift=False, mask_prompt=False)
    assert picture.inputs == [[5, 6, 7, EOT], [5, 8, EOT, EOT]]
    assert picture.targets == [[5, 6, 7, EOT], [5, 8, EOT, IGNORE]]
    assert picture.graded == mask_picture(encoded, mask_prompt=False).graded + 2
    assert mask_picture(encoded, shift=False).targets == [[IGNORE, IGNORE, 7, EOT], [IGNORE, 8, EOT, IGNORE]]


def test_picture_of_cut_rows() -> None:
    """Bug: a row that lost its EOT, or everything graded, without a word."""
    encoded = [Encoded((1, 2, 3, 4, EOT), 4), Encoded((1, 2, EOT), 1)]
    picture = mask_picture(encoded, max_length=2)
    assert (picture.cut, picture.refused, picture.graded_ends) == ([0], [0], 1)
    assert "Cut, without their EOT: row 0." in picture.summary and "refuses: row 0." in picture.summary
    with pytest.raises(InputError, match="example 0"):
        collate(encoded, max_length=2)


def test_picture_as_html() -> None:
    """Bug: a text taken for markup, a picture without words, or other bytes at every drawing."""
    example = Example("<script>alert(1)</script>", "tab\there", "<b>é🙂</b>")
    picture = mask_picture([encode_example(example, PHI3)])
    html = picture._repr_html_()
    assert html == mask_picture([encode_example(example, PHI3)])._repr_html_()
    assert "<script" not in html and "alert" in html
    label = re.search(r'role="img" aria-label="([^"]+)"', html)
    assert label is not None and f"{picture.graded} graded tokens, 1 of them EOT." in label[1]
    assert html.count("−100") == 1 + len(picture.rows[0]) - picture.graded  # one in the legend
    assert repr(picture).startswith("MaskPicture: Batch of 1 row × ")


# --- the widget ---


@pytest.fixture
def explorer(examples: list[Example]) -> MaskExplorer:
    return mask_explorer(examples, (0, 3, 9))


def test_explorer_starts_with_its_twin(explorer: MaskExplorer, examples: list[Example]) -> None:
    """Bug: a static figure that shows another state than the widget beside it."""
    twin = mask_picture([encode_example(examples[i], PHI3) for i in (0, 3, 9)])
    assert explorer.view.value == twin._repr_html_()


def test_explorer_follows_every_knob(explorer: MaskExplorer) -> None:
    """Bug: a knob that is connected to nothing."""
    seen = [explorer.view.value]
    for knob, value in [
        (explorer.numbers, "2 4"),
        (explorer.instruction, "Say <hi>."),
        (explorer.input, "now"),
        (explorer.response, "Hi!"),
        (explorer.template, "alpaca"),
        (explorer.shift, False),
        (explorer.mask_prompt, False),
        (explorer.truncate, True),
        (explorer.max_length, 15),
    ]:
        knob.value = value
        assert explorer.view.value not in seen, knob
        seen.append(explorer.view.value)
    assert len(explorer.picture().rows) == 3 and not explorer.max_length.disabled
    assert explorer.encoded()[-1] == encode_example(Example("Say <hi>.", "now", "Hi!"), TEMPLATES["alpaca"])


def test_explorer_chooses_others(explorer: MaskExplorer) -> None:
    explorer.others.click()
    assert len(parse_numbers(explorer.numbers.value, 24)) == 3 == len(explorer.picture().rows)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0, 24", "&#x27;24&#x27;: give numbers from 0 to 23"),
        ("one", "&#x27;one&#x27;: give numbers"),
        ("-1", "give numbers"),
        ("", "no example chosen"),
        ("0 1 2 3 4 5 6 7 8", "9 examples: more than 8 rows"),
    ],
)
def test_explorer_says_what_is_wrong(explorer: MaskExplorer, text: str, words: str) -> None:
    """Bug: a traceback in the log, and on the page the old picture."""
    explorer.numbers.value = text
    assert words in explorer.view.value and "role='alert'" in explorer.view.value
    explorer.numbers.value = "1"
    assert "role='alert'" not in explorer.view.value


def test_explorer_opens_the_courses_data() -> None:
    assert len(mask_explorer().examples) > 1000
