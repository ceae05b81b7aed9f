"""Chapter 2: what the checks say to right and to typical wrong answers, and what the split explorer shows."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from learner import Say

from ift_lib.course.checks import splitting as checks
from ift_lib.course.widgets.split_explorer import (
    SplitExplorer,
    split_explorer,
    split_in_a_way,
    split_picture,
    with_copies,
)
from ift_lib.data import EMBEDDED, Example, Split, find_duplicates, load_examples, split_examples

Examples = list[Example]
Groups = list[list[int]]


def normalise(e: Example) -> str:
    return " ".join(re.findall(r"\w+", f"{e.instruction} {e.input}".lower()))


def same(way: Callable[[Example], Any]) -> Callable[[Examples, Examples], list[int]]:
    """An answer to exercise 1 that compares in some way."""
    return lambda train, test: [i for i, e in enumerate(test) if way(e) in [way(t) for t in train]]


# --- exercise 1 ---


def test_1_right(say: Say) -> None:
    assert say(checks.exercise_1, same(normalise)).startswith("Exercise 1: right. ")
    assert say(checks.exercise_1, lambda a, b: tuple(same(normalise)(a, b))).startswith("Exercise 1: right. ")
    in_fields = same(lambda e: (normalise(Example(e.instruction)), normalise(Example(e.input))))
    assert say(checks.exercise_1, in_fields).startswith("Exercise 1: right. ")
    assert say(checks.exercise_1, ...).startswith("Exercise 1: still to do")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (same(lambda e: e), "compare the questions only: whole examples differ"),
        (same(lambda e: (e.instruction, e.input)), "capitals, marks or spaces only. Normalise both"),
        (same(lambda e: f"{e.instruction} {e.input}".lower()), "`lower` is not enough"),
        (same(lambda e: normalise(Example(e.instruction))), "one instruction with two inputs is two questions."),
        (same(lambda e: e.instruction.lower()), "two questions. And normalise it: `lower`"),
        (same(lambda e: e.instruction), "two questions. And normalise both sides"),
        (same(lambda e: (normalise(e), e.output)), "another answer leaks too"),
        (same(lambda e: e.output), "compare the questions"),
        (lambda train, test: same(normalise)(test, train), "positions in `train`"),
        (lambda train, test: [e for e in test if normalise(e) in map(normalise, train)], "whole numbers"),
        (lambda train, test: [normalise(e) in map(normalise, train) for e in test], "whole numbers"),
        (lambda train, test: [normalise(e) for e in test], "Try `enumerate`"),
        (lambda train, test: [i for i in range(len(test)) if i not in same(normalise)(train, test)], "do not leak"),
        (lambda train, test: same(normalise)(train, test) * 2, "Each position once"),
        (lambda train, test: [test.index(test[i]) for i in same(normalise)(train, test)], "`enumerate` counts on"),
        (lambda train, test: [i for t in train for i in same(normalise)([t], test)], "Each position once"),
        (lambda train, test: [i + 1 for i in same(normalise)(train, test)], "Each is one too many"),
        (
            lambda train, test: same(normalise)(train, test)[:1],
            "Position 3 of the test, [('What colour is a ruby?', '')",
        ),
        (lambda train, test: same(normalise)(train, test)[:1], "and whatever comes later, was not found. A `return`"),
        (
            lambda train, test: [i for i, pair in enumerate(zip(train, test, strict=False)) if pair[0] == pair[1]],
            "`zip`",
        ),
        (lambda train, test: [*same(normalise)(train, test), 7], "two questions are the same if `bare_question`"),
        (lambda train, test: len(same(normalise)(train, test)), "must return a list, and returned 6"),
        (lambda train, test: [1, 2], "two questions are the same if `bare_question`"),
        (lambda train, test: print(end=""), "is the `return` missing?"),
    ],
)
def test_1_wrong(say: Say, answer: Any, words: str) -> None:
    """Bug: a message that says "wrong" and not what is wrong."""
    said = say(checks.exercise_1, answer)
    assert said.startswith("Exercise 1: not yet. ") and words in said


# --- exercise 2 ---


def split_in_two(examples: Examples, test: float, seed: int) -> tuple[Examples, Examples]:
    shuffled = random.Random(seed).sample(examples, len(examples))
    cut = round(test * len(examples))
    return shuffled[cut:], shuffled[:cut]


def in_place(examples: Examples, test: float, seed: int) -> tuple[Examples, Examples]:
    random.Random(seed).shuffle(examples)
    cut = round(test * len(examples))
    return examples[cut:], examples[:cut]


def shared(examples: Examples, test: float, seed: int) -> tuple[Examples, Examples]:
    random.seed(seed)
    shuffled = random.sample(examples, len(examples))
    return shuffled[round(test * len(examples)) :], shuffled[: round(test * len(examples))]


def shared_torch(examples: Examples, test: float, seed: int) -> tuple[Examples, Examples]:
    torch.manual_seed(seed)
    shuffled = [examples[i] for i in torch.randperm(len(examples)).tolist()]
    return shuffled[round(test * len(examples)) :], shuffled[: round(test * len(examples))]


def shared_numpy(examples: Examples, test: float, seed: int) -> tuple[Examples, Examples]:
    np.random.seed(seed)
    order, n = np.random.permutation(len(examples)), round(test * len(examples))
    return [examples[i] for i in order[n:]], [examples[i] for i in order[:n]]


def unseeded(examples: Examples, test: float, seed: int) -> tuple[Examples, Examples]:
    return split_in_two(examples, test, random.randrange(10**9))


def drawn_twice(examples: Examples, test: float, seed: int) -> tuple[Examples, Examples]:
    rng, cut = random.Random(seed), round(test * len(examples))
    return rng.sample(examples, len(examples) - cut), rng.sample(examples, cut)


def drawn_with_choices(examples: Examples, test: float, seed: int) -> tuple[Examples, Examples]:
    chosen = random.Random(seed).choices(examples, k=round(test * len(examples)))
    return [e for e in examples if e not in chosen], chosen


def unshuffled(examples: Examples, test: float, seed: int) -> tuple[Examples, Examples]:
    cut = len(examples) - round(test * len(examples))
    return examples[:cut], examples[cut:]


def lossy(examples: Examples, test: float, seed: int) -> tuple[Examples, Examples]:
    train, held = split_in_two(examples, test, seed)
    return train[1:], held


def test_2_right(say: Say) -> None:
    assert say(checks.exercise_2, split_in_two).startswith("Exercise 2: right. ")
    assert say(checks.exercise_2, lambda e, t, s: list(split_in_two(e, t, s))).startswith("Exercise 2: right. ")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (in_place, "Shuffle a copy"),
        (shared, "everybody shares was used or seeded anew"),
        (shared_torch, "everybody shares was used or seeded anew"),
        (shared_numpy, "everybody shares was used or seeded anew"),
        (unseeded, "the same seed gave two different splits"),
        (lambda e, t, s: split_in_two(e, t, 123), "is `seed` used?"),
        (drawn_twice, "some examples are in both"),
        (drawn_with_choices, "`choices` puts back"),
        (unshuffled, "one end of the file"),
        (
            lambda e, t, s: split_in_two(e, int(t * len(e)) / len(e), s),
            "the test part should have 7, `round(test * 33)`",
        ),
        (lambda e, t, s: random.Random(s).shuffle(list(e))[3:], "returns None. Make a copy"),  # type: ignore[index]
        (lossy, "1 is lost"),
        (lambda e, t, s: split_in_two(e, t, s)[::-1], "are the two exchanged?"),
        (lambda e, t, s: split_in_two(e, 1 - t, s), "are the two exchanged?"),
        (lambda e, t, s: split_in_two(e, t / 2, s), "the test part should have 3"),
        (lambda e, t, s: split_in_two(list(range(len(e))), t, s), "you gave numbers"),  # type: ignore[arg-type]
        (lambda e, t, s: split_in_two(e, t, s)[0], "must return two lists"),
        (lambda e, t, s: random.Random(s).shuffle(list(e)), "is the `return` missing? (`sort`"),
    ],
)
def test_2_wrong(say: Say, answer: Any, words: str) -> None:
    """Bug: a split that cannot be repeated, or repeats by spoiling the generator of all others, passes."""
    said = say(checks.exercise_2, answer)
    assert said.startswith("Exercise 2: not yet. ") and words in said


def test_2_leaves_the_shared_generators_alone(say: Say) -> None:
    """Bug: the check that forbids it seeds the learner's generators itself."""
    before = random.getstate(), torch.get_rng_state().tolist()
    say(checks.exercise_2, split_in_two)
    assert (random.getstate(), torch.get_rng_state().tolist()) == before


# --- exercise 3 ---


def units_of(count: int, groups: Groups) -> Groups:
    grouped = {i for group in groups for i in group}
    return [*groups, *([i] for i in range(count) if i not in grouped)]


def split_groups(count: int, groups: Groups, test: float, seed: int) -> tuple[list[int], list[int]]:
    units = units_of(count, groups)
    random.Random(seed).shuffle(units)
    train: list[int] = []
    held: list[int] = []
    for unit in units:
        (held if len(held) + len(unit) <= round(test * count) else train).extend(unit)
    return train, held


def torn(count: int, groups: Groups, test: float, seed: int) -> tuple[list[int], list[int]]:
    order = random.Random(seed).sample(range(count), count)
    return order[round(test * count) :], order[: round(test * count)]


def groups_only(count: int, groups: Groups, test: float, seed: int) -> tuple[list[int], list[int]]:
    units = random.Random(seed).sample(groups, len(groups))
    flat = [i for unit in units for i in unit]
    return flat[2:], flat[:2]


def singles_twice(count: int, groups: Groups, test: float, seed: int) -> tuple[list[int], list[int]]:
    train, held = split_groups(count, groups, test, seed)
    return train + train[:1], held


def copies_dropped(count: int, groups: Groups, test: float, seed: int) -> tuple[list[int], list[int]]:
    extra = {i for group in groups for i in group[1:]}
    train, held = split_groups(count, [], test, seed)
    return [i for i in train if i not in extra], [i for i in held if i not in extra]


def not_flat(count: int, groups: Groups, test: float, seed: int) -> tuple[Groups, Groups]:
    units = random.Random(seed).sample(units_of(count, groups), len(units_of(count, groups)))
    return units[3:], units[:3]


def numbers_and_lists(count: int, groups: Groups, test: float, seed: int) -> tuple[list[int], list[int]]:
    units: list[Any] = [*groups, *range(count)]
    return [i for unit in units for i in unit], []


def by_units(count: int, groups: Groups, test: float, seed: int) -> tuple[list[int], list[int]]:
    units = random.Random(seed).sample(units_of(count, groups), len(units_of(count, groups)))
    cut = round(test * len(units))
    return [i for u in units[cut:] for i in u], [i for u in units[:cut] for i in u]


def groups_changed(count: int, groups: Groups, test: float, seed: int) -> tuple[list[int], list[int]]:
    units = units_of(count, groups)
    groups.clear()
    return split_groups(count, [u for u in units if len(u) > 1], test, seed)


def all_groups_in_training(count: int, groups: Groups, test: float, seed: int) -> tuple[list[int], list[int]]:
    lone = [u[0] for u in units_of(count, groups) if len(u) == 1]
    held = random.Random(seed).sample(lone, round(test * count))
    return [i for i in range(count) if i not in held], held


def one_too_far(count: int, groups: Groups, test: float, seed: int) -> tuple[list[int], list[int]]:
    train, held = split_groups(count, groups, test, seed)
    return [i + 1 for i in train], held


def seeded_globally(count: int, groups: Groups, test: float, seed: int) -> tuple[list[int], list[int]]:
    random.seed(seed)
    return split_groups(count, groups, test, random.randrange(1000))


@pytest.mark.parametrize("answer", [split_groups, by_units, all_groups_in_training])
def test_3_right(say: Say, answer: Any) -> None:
    assert say(checks.exercise_3, answer).startswith("Exercise 3: right. ")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (torn, "is torn"),
        (groups_only, "all of them are in no group. Lone examples count too"),
        (singles_twice, "some numbers stand in a part twice"),
        (copies_dropped, "That is one way to do it, but here none may be lost"),
        (numbers_and_lists, "A lone number is a unit too"),
        (not_flat, "`extend` adds the numbers of a unit one by one"),
        (lambda c, g, t, s: split_groups(c, g, t, s)[::-1], "are the two parts exchanged?"),
        (lambda c, g, t, s: (list(range(c)), []), "the test part is empty"),
        (lambda c, g, t, s: split_groups(c, g, 0.6, s), "and should have about 3"),
        (lambda c, g, t, s: ([], list(range(c))), "the training part is empty"),
        (lambda c, g, t, s: split_groups(c, g, t, 1), "Eight seeds gave the same test part"),
        (lambda c, g, t, s: split_groups(c, g, t, random.randrange(10**9)), "The same seed gave two different"),
        (seeded_globally, "everybody shares was used or seeded anew"),
        (groups_changed, "The caller's `groups` were changed"),
        (lambda c, g, t, s: (list(range(c)), [0, 3, 1]), "are in both parts"),
        (one_too_far, "are in"),
        (lambda c, g, t, s: ([i for i in split_groups(c, g, t, s)[0] if i != 0], split_groups(c, g, t, s)[1]), "in no"),
        (lambda c, g, t, s: None, "is the `return` missing?"),
    ],
)
def test_3_wrong(say: Say, answer: Any, words: str) -> None:
    """Bug: a split that tears a group, or loses what is in none, passes."""
    said = say(checks.exercise_3, answer)
    assert said.startswith("Exercise 3: not yet. ") and words in said


# --- exercise 4 ---


def to_groups(pairs: list[tuple[int, int]]) -> Groups:
    groups: list[set[int]] = []
    for pair in pairs:
        touched = [group for group in groups if group & set(pair)]
        groups = [group for group in groups if group not in touched] + [set(pair).union(*touched)]
    return sorted(sorted(group) for group in groups)


def first_touched(pairs: list[tuple[int, int]]) -> Groups:
    """Joins a pair to the first group it touches: two groups linked by a pair stay two."""
    groups: list[set[int]] = []
    for a, b in pairs:
        for group in groups:
            if a in group or b in group:
                group.update((a, b))
                break
        else:
            groups.append({a, b})
    return sorted(sorted(group) for group in groups)


def every_touched(pairs: list[tuple[int, int]]) -> Groups:
    groups: list[set[int]] = []
    for pair in pairs:
        touched = [group for group in groups if group & set(pair)] or [set()]
        groups += [] if touched[0] else touched
        for group in touched:
            group.update(pair)
    return sorted(sorted(group) for group in groups)


def emptied(pairs: list[tuple[int, int]]) -> Groups:
    groups: list[set[int]] = []
    for pair in pairs:
        new = set(pair)
        for group in groups:
            if group & set(pair):
                new |= group
                group.clear()
        groups.append(new)
    return sorted(sorted(group) for group in groups)


def lists(pairs: list[tuple[int, int]]) -> Groups:
    groups = first_touched(pairs)
    return [[*group, group[0]] for group in groups]


def popped(pairs: list[tuple[int, int]]) -> Groups:
    copy = list(pairs)
    pairs.clear()
    return to_groups(copy)


@pytest.mark.parametrize("answer", [to_groups, lambda p: [tuple(g) for g in to_groups(p)]])
def test_4_right(say: Say, answer: Any) -> None:
    assert say(checks.exercise_4, answer).startswith("Exercise 4: right. ")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (first_touched, "must join them into one"),
        (every_touched, "must join them into one"),
        (lambda p: sorted(sorted(pair) for pair in p), "1 is in two groups"),
        (lambda p: [g for g in to_groups(p) for _ in g], "The same group stands there more than once"),
        (emptied, "An empty group is left over"),
        (lists, "A number stands twice in a group"),
        (lambda p: to_groups(p)[::-1], "only the order is not"),
        (lambda p: [g[::-1] for g in to_groups(p)], "only the order is not"),
        (lambda p: to_groups(p)[:1], "is in no group"),
        (lambda p: [sorted({i for g in to_groups(p) for i in g})], "Only what is linked by pairs"),
        (popped, "The caller's list of pairs was changed"),
        (lambda p: [*to_groups(p), [99]], "99 is in no pair, so it belongs to no group"),
        (lambda p: [[0, 1, 2], [4, 7]], "2 is in no pair"),
        (lambda p: to_groups(p)[: max(map(len, p))], "For no pairs at all, [], your code stopped with ValueError"),
        (
            lambda p: sorted(list(set(g)) for g in to_groups(p)),
            "[16, 3]], and expected is [[3, 16], [8, 9]]. The groups",
        ),
        (lambda p: [i for g in to_groups(p) for i in g], "a list of groups"),
        (lambda p: None, "is the `return` missing?"),
    ],
)
def test_4_wrong(say: Say, answer: Any, words: str) -> None:
    """Bug: the classic: a pair that links two groups is put into one of them, and they are not joined."""
    said = say(checks.exercise_4, answer)
    assert said.startswith("Exercise 4: not yet. ") and words in said


def test_4_is_what_find_duplicates_does() -> None:
    """Bug: the exercise teaches other groups than the library finds."""
    questions = ["Please name a fruit that is red and sweet"]
    questions += [questions[0] + ", too.", f"Now {questions[0]}, too."]
    examples = [Example(q) for q in questions] + [Example("What colour is the sky?")]
    groups = find_duplicates(examples)
    assert groups == [[0, 1, 2]] == to_groups([(0, 1), (1, 2)])
    assert find_duplicates([examples[0], examples[2]]) == [], "0 and 2 alone are not similar enough"


# --- the split explorer ---


@pytest.fixture(scope="module")
def copied() -> tuple[Examples, Groups]:
    """A part of the course's data with planted copies, and its groups."""
    examples = with_copies(load_examples(EMBEDDED)[:600], 60)
    return examples, find_duplicates(examples)


def test_every_planted_copy_is_found(copied: tuple[Examples, Groups]) -> None:
    """Bug: the explorer plants what find_duplicates does not see, and shows no leak where there is one."""
    examples, groups = copied
    assert len(examples) == 660 and sum(len(group) - 1 for group in groups) == 60
    assert with_copies(examples[:600], 60) == examples, "the same seed, the same copies"


@pytest.mark.parametrize("seed", [1, 123])
def test_the_usual_way_is_that_of_split_examples(copied: tuple[Examples, Groups], seed: int) -> None:
    """Bug: the explorer shows another split than learners will get."""
    examples, groups = copied
    ours = split_in_a_way(examples, groups, validation=0.1, test=0.2, seed=seed)
    assert ours == split_examples(examples, validation=0.1, test=0.2, seed=seed)


def test_each_safeguard_does_its_own_work(copied: tuple[Examples, Groups]) -> None:
    examples, groups = copied

    def picture(stratified: bool, together: bool) -> Any:
        split = split_in_a_way(examples, groups, test=0.2, stratified=stratified, together=together)
        assert sorted([*split.train, *split.validation, *split.test]) == list(range(len(examples)))
        return split_picture(examples, split, groups)

    for stratified in (True, False):
        assert picture(stratified, True).leaks == {"validation": 0, "test": 0}
        assert picture(stratified, False).leaks["test"] > 0
    (low, high), (lowest, highest) = picture(True, True).test_shares, picture(False, True).test_shares
    assert highest - lowest > 2 * (high - low)


def test_counts_and_leaks_by_hand() -> None:
    data = [Example("Name a fruit.", category="a"), Example("Name a fruit!", category="a"),
            Example("Name a river.", category="b"), Example("Name a fruit", category="b")]  # fmt: skip
    picture = split_picture(data, Split(train=(0,), validation=(2, 3), test=(1,)))
    assert picture.sizes == {"train": 1, "validation": 2, "test": 1}
    assert picture.categories == {"a": (1, 0, 1), "b": (0, 2, 0)}
    assert picture.leaks == {"validation": 1, "test": 1}
    assert picture.test_shares == (0.0, 0.5)
    assert "With a copy in training: validation 1, test 1." in repr(picture)


def test_copies_outside_training_are_no_leak() -> None:
    """Bug: two copies within the test part are counted as leaks from training."""
    data = [Example("Name a river."), Example("Name a fruit."), Example("Name a fruit!")]
    assert split_picture(data, Split((0,), (1,), (2,))).leaks == {"validation": 0, "test": 0}


def test_a_category_is_text() -> None:
    """Bug: a category in a learner's file is markup on the page."""
    data = [Example(f"Say {i}.", category="<img src=x onerror=alert(1)>") for i in "abc"]
    html = split_picture(data, Split((0,), (1,), (2,)))._repr_html_()
    assert "<img" not in html and html.count("aria-label=") == 1
    assert set(re.findall(r"</?([a-z]+)", html)) <= {"div", "span", "small", "p", "b", "bdi"}


@pytest.mark.slow
def test_the_widget_follows_its_knobs() -> None:
    explorer = split_explorer()
    assert isinstance(explorer, SplitExplorer)
    usual = explorer.picture()
    assert usual.leaks == {"validation": 0, "test": 0} and sum(usual.sizes.values()) == 2997
    assert explorer.view.value == usual._repr_html_(), "the static twin is the same drawing"
    explorer.together.value = False
    assert explorer.picture().leaks["test"] > 0 and "✗ leaks" in explorer.view.value
    explorer.stratified.value, explorer.test.value = False, 0.3
    assert explorer.picture().sizes["test"] == 899
    before = explorer.view.value
    explorer.seed.value = 124
    assert explorer.view.value != before
    explorer.validation.value = explorer.test.value = 0.5
    assert "role='alert'" in explorer.view.value and "leave something for training" in explorer.view.value
    explorer.copies.value, explorer.test.value = 0, 0.1
    assert explorer.picture().leaks == {"validation": 0, "test": 0}
