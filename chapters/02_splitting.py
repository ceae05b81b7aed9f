# %% [markdown]
# # 2 Splitting
#
# **You will learn** to look at a data set before you trust it, to find what is broken and what stands there twice, and to split it
# into training, [validation](../book/glossary.md#validation-set) and test with a [seed](../book/glossary.md#random-seed), so that nothing [leaks](../book/glossary.md#leak), and to prove it.
#
# **You need** chapter 1, Python.
#
# | for you | for the machine | memory | network |
# |---|---|---|---|
# | 80 min | 1 min | 0.4 GB | none |

# %% [markdown]
# A model can only be as good as its data, and a score only as honest as its [test set](../book/glossary.md#test-set). Neither raises an error when it is bad. An empty
# answer teaches the model to say nothing; a test question that was in the training data too measures memory, and is called knowledge. So this
# chapter comes before any training.
#
# ## 1 Look
#
# First count. How many examples are there of each kind?

# %% tags=["slide"]
from collections import Counter, defaultdict

from ift_lib import load_examples
from ift_lib.data import EMBEDDED

examples = load_examples(EMBEDDED)
counts = Counter(example.category for example in examples)
print(len(examples), "examples,", len(counts), "categories")
print("most:  ", counts.most_common(3))
print("fewest:", counts.most_common()[-3:])

# %% [markdown]
# And how long are they? In words, [instruction](../book/glossary.md#instruction) and [input](../book/glossary.md#input) together, and the answer:

# %%
import statistics

questions = [len(f"{e.instruction} {e.input}".split()) for e in examples]
answers = [len(e.output.split()) for e in examples]
for name, lengths in (("questions", questions), ("answers", answers)):
    print(f"{name}: {min(lengths)} to {max(lengths)} words, median {statistics.median(lengths):g}")

# %% tags=["slide-output"] mystnb={"image": {"alt": "Two bar charts. Left: the 28 categories with 90 to 154 examples each, the largest everyday_knowledge with 154. Right: words in questions and answers; answers are mostly shorter than 10 words, questions reach 35."}}
import matplotlib.pyplot as plt

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 5.5), layout="constrained", width_ratios=[3, 2])
names, numbers = zip(*reversed(counts.most_common()), strict=True)
left.barh(names, numbers, color="#0072b2")
left.set_xlabel("examples")
left.tick_params(axis="y", labelsize=8)
right.hist(questions, bins=range(0, 37), color="#0072b2", alpha=0.6, label="questions")
right.hist(answers, bins=range(0, 37), histtype="step", color="#d55e00", linewidth=2, label="answers")
right.set_xlabel("words")
right.legend(frameon=False)
plt.show()

# %% [markdown]
# Look for what surprises you: a category with three examples, a bar far to the right, a peak at 0. Here only the many answers of one word do, and most
# of them are labels: a feeling, a part of speech, a kind of sentence. Nothing is wrong, for the set was made for
# this course. Most are not, so here is one that is broken.
#
# ## 2 Find what is broken
#
# `flawed.json` has 42 entries, most of them with a fault. Read some as they stand in the file:

# %% tags=["slide-output"]
import json

flawed = EMBEDDED.with_name("flawed.json")
entries = json.loads(flawed.read_text(encoding="utf-8"))
for number in (4, 10, 14, 26, 36):
    print(number, entries[number])

# %% [markdown]
# A first helper, by hand: everything that makes an entry unusable and that a program can see. A field may be missing (or `null`), of the wrong type, empty, or
# hold invisible control characters, such as the one that rings the bell of a typewriter terminal.


# %%
def faults(entry):
    if not isinstance(entry, dict):
        return [f"is a {type(entry).__name__}"]
    found = []
    for field in ("instruction", "input", "output", "category"):
        text, required = entry.get(field), field in ("instruction", "output")
        if text is None:
            if required:
                found.append(f"no {field}")
        elif not isinstance(text, str):
            found.append(f"{field} is a {type(text).__name__}")
        elif required and not text.strip():
            found.append(f"{field} is empty")
        elif any(ord(letter) < 32 and letter not in "\t\n\r" for letter in text):
            found.append(f"control character in {field}")
    return found


by_hand = {number: found for number, entry in enumerate(entries) if (found := faults(entry))}
for number, found in by_hand.items():
    print(number, found)

# %% [markdown]
# `find_problems` does the same, and names the place. It also reports exact copies, which are usable but worth knowing; so a problem has a flag `fatal`.

# %% tags=["slide-output"]
from ift_lib import find_problems

problems = find_problems(flawed)
for problem in problems:
    print(problem)
assert {problem.index for problem in problems if problem.fatal} == set(by_hand)

# %% [markdown]
# `load_examples` refuses such a file and lists all its faults at once, since nobody likes to mend a file one error at a time. Only when you say so
# does it go on without the broken entries:

# %%
from ift_lib import InputError

try:
    load_examples(flawed)
except InputError as error:
    lines = str(error).splitlines()
    print("InputError:", lines[0].rpartition("/")[2])
    print(lines[1])
    print(f"  … {len(lines) - 3} more lines …")
    print(lines[-1])

usable = load_examples(flawed, skip_problems=True)
print(len(usable), "of", len(entries), "entries are usable")

# %% [markdown]
# ### What no program finds
#
# Usable is not good. Lengths show one more fault; for the others somebody has to read. (`examine` keeps each example with the number of its entry.)

# %% tags=["slide-output"]
from ift_lib.data import examine

numbered = examine(flawed).examples
assert list(numbered.values()) == usable

words = {number: len(f"{e.instruction} {e.input} {e.output}".split()) for number, e in numbered.items()}
print("longest:", sorted(words.items(), key=lambda item: -item[1])[:3])
for number in (17, 26, 31, 33):
    print(number, numbered[number])

# %% [markdown]
# Entry 20 has far more words than any other. Entry 17 holds letters that look like [GPT-2](../book/glossary.md#gpt-2)'s [end of text](../book/glossary.md#end-of-text) (chapter 1: with us they stay letters, elsewhere they may not).
# Entry 26 does not do what it was told, 31 asks about a sentence that is not there, and 33 is wrong, as its own text says. A model learns
# from wrong answers as willingly as from right ones. Nothing replaces reading: a few hundred entries take an hour.
#
# ## 3 Find what stands there twice
#
# Duplicates do harm twice: a model learns by heart what it sees often, and a copy on the other side of the split spoils the test.
# Which questions are the same? Not only the same *string*: case, punctuation and spaces do not make another question. So *[normalise](../book/glossary.md#normalise)*, then compare:

# %% tags=["slide"]
import re


def bare_question(example):
    question = f"{example.instruction} {example.input}".lower()
    return " ".join(re.findall(r"\w+", question))


print(bare_question(numbered[36]))

same = defaultdict(list)
for number, example in numbered.items():
    same[bare_question(example)].append(number)
print([group for group in same.values() if len(group) > 1])

# %% [markdown]
# We compare questions, not answers: in two of these pairs the answers differ, and the question leaks all the same.
#
# Now a question with a few words more, or one letter changed: a *[near-duplicate](../book/glossary.md#near-duplicate)*. It is another string even when normalised. So we cut each question into
# overlapping pieces of five letters, *[shingles](../book/glossary.md#shingle)*, and ask which share of the pieces two questions have in common, the *[Jaccard similarity](../book/glossary.md#jaccard-similarity)*:
#
# $$J(A, B) = \frac{|A \cap B|}{|A \cup B|}$$


# %% tags=["slide-output"]
def my_shingles(example):
    text = bare_question(example)
    return {text[at : at + 5] for at in range(max(1, len(text) - 4))}


def jaccard(a, b):
    a, b = my_shingles(a), my_shingles(b)
    return len(a & b) / len(a | b)


print(sorted(my_shingles(numbered[2])))
print()
for one, other in ((35, 36), (15, 16), (24, 25), (18, 19), (0, 1)):
    print(f"{jaccard(numbered[one], numbered[other]):.2f}")
    for number in (one, other):
        print("     ", numbered[number].instruction, numbered[number].input)

# %% [markdown]
# The first two pairs are caught with a threshold of 0.85. The third and the fourth are the same question too, as you see, and letters hardly show it: a limit of
# the method that you should know. (Comparing meanings, with the vectors of a [language model](../book/glossary.md#language-model), finds more, and finds wrong ones too.)
#
# All pairs, by hand and with `find_duplicates`, which answers in groups of indices:

# %%
from itertools import combinations

from ift_lib import find_duplicates

pairs = [[a, b] for (a, one), (b, other) in combinations(numbered.items(), 2) if jaccard(one, other) >= 0.85]
print(pairs)

number_of = list(numbered)
groups = [[number_of[i] for i in group] for group in find_duplicates(usable)]
assert groups == pairs  # here every group is a pair
print("find_duplicates says the same")

# %% [markdown]
# In a set of *n* examples there are *n*(*n* − 1)/2 pairs, so by hand this is for small files. `find_duplicates` gives the same answer without
# looking at every pair (its docstring says how). Our own data set, at last:

# %% tags=["slide"]
n = len(examples)
print(f"{n * (n - 1) // 2:,} pairs; groups of duplicates: {find_duplicates(examples)}")

# %% [markdown]
# ### Clean
#
# Take the usable entries, leave out what reading and counting showed to be bad, and keep one of each group. Keep notes of what you left out and why: it belongs
# to the results.

# %%
import tempfile
from pathlib import Path

from ift_lib import save_examples

left_out = {20: "too long", 17: "looks like markup", 26: "wrong answer", 31: "input missing", 33: "wrong answer"}
left_out |= {19: "18 in other words", 25: "24 in other words"}
left_out |= {number: f"copy of {first}" for first, *others in groups for number in others}
clean = [example for number, example in numbered.items() if number not in left_out]
print(f"{len(entries)} entries, {len(by_hand)} broken, {len(left_out)} left out, {len(clean)} kept")

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "clean.json"
    save_examples(path, clean)
    assert load_examples(path) == clean and find_problems(path) == [] and find_duplicates(clean) == []

# %% [markdown]
# ## 4 Three parts
#
# * The model learns from the *training* part.
# * While it learns, you watch its [loss](../book/glossary.md#loss) on the *validation* part, and choose by it: when to stop, which [learning rate](../book/glossary.md#learning-rate). The more you choose, the more the choice fits just
#   this part.
# * So the *test* part is used once, at the end, for the number that you report.
#
# By hand: shuffle the numbers of the examples, and cut. The shuffle gets a generator of its own with a *seed*, so that it can be repeated.

# %%
import random


def my_split(n, validation=0.05, test=0.10, seed=123):
    order = list(range(n))
    random.Random(seed).shuffle(order)
    first, second = round(test * n), round((test + validation) * n)
    return order[second:], order[first:second], order[:first]


train, validation, test = my_split(len(examples))
print(len(train), "training,", len(validation), "validation,", len(test), "test")
assert my_split(len(examples)) == (train, validation, test)  # the same seed, the same split
assert my_split(len(examples), seed=124)[2] != test

# %% [markdown]
# Is every category well represented in the test part? By chance, some give half of the tenth they should, others far more than that:

# %% tags=["slide"]
in_test = Counter(examples[i].category for i in test)
shares = {category: in_test[category] / counts[category] for category in counts}
for category in (min(shares, key=shares.get), max(shares, key=shares.get)):
    print(f"{category}: {in_test[category]} of {counts[category]} in the test part, {shares[category]:.0%}")

# %% [markdown]
# A score for each kind of task needs a fair number of each, and two splits of a data set are easier to compare when they are of the same mixture. So we *[stratify](../book/glossary.md#stratify)*: split
# every category by itself. One difficulty is small and common. Five per cent of 105 examples are 5.25, and 28 times a quarter lost are 7
# examples too few. So what could not be given is *owed*, and carried to the next category.


# %%
def my_stratified_split(categories, validation=0.05, test=0.10, seed=123):
    parts = {"train": [], "validation": [], "test": []}
    owed = {"validation": 0.0, "test": 0.0}
    rng = random.Random(seed)
    for category in sorted(set(categories)):
        members = [i for i, c in enumerate(categories) if c == category]
        rng.shuffle(members)
        owed["validation"] += validation * len(members)
        owed["test"] += test * len(members)
        for i in members:
            part = "test" if owed["test"] >= 0.5 else "validation" if owed["validation"] >= 0.5 else "train"
            parts[part].append(i)
            if part != "train":
                owed[part] -= 1
    return {name: sorted(part) for name, part in parts.items()}


mine = my_stratified_split([example.category for example in examples])
print({name: len(part) for name, part in mine.items()})
in_test = Counter(examples[i].category for i in mine["test"])
print(f"test share of a category: {min(in_test[c] / counts[c] for c in counts):.1%}", end=" ")
print(f"to {max(in_test[c] / counts[c] for c in counts):.1%}")

# %% [markdown]
# `split_examples` does this, and one thing more: duplicates move together, as one. Our data has none, so the two must agree, example by example:

# %%
from ift_lib import split_examples

split = split_examples(examples, validation=0.05, test=0.10, seed=123)
assert {name: list(part) for name, part in vars(split).items()} == mine
print("the same", len(split.train) + len(split.validation) + len(split.test), "indices in the same parts")

# %% [markdown]
# ## 5 Prove that nothing leaks
#
# A *leak* is anything of the test part that the model could have seen in training. Three statements, each checked on its own, without the
# function that made the split.
#
# **Every example is in exactly one part.**

# %% tags=["slide"]
assert sorted([*split.train, *split.validation, *split.test]) == list(range(len(examples)))
print("each of the", len(examples), "examples is in exactly one part")

# %% [markdown]
# **No question stands in two parts**, up to case, punctuation and spaces.

# %% tags=["slide"]
train_set, validation_set, test_set = ([examples[i] for i in part] for part in vars(split).values())
seen = {bare_question(example) for example in train_set}
print(sum(bare_question(example) in seen for example in validation_set + test_set), "questions were asked in training")

# %% [markdown]
# **No question is nearly one of the training part.** For each question we look for the most similar one in training. Pairs that share no
# piece have similarity 0, so it is enough to count, through a list of who holds which piece, the shared ones.


# %%
def closest(questions, known):
    """For each question: its similarity to the most similar of the known ones, and that one's number."""
    known_pieces = [my_shingles(example) for example in known]
    holders = defaultdict(list)
    for number, pieces in enumerate(known_pieces):
        for piece in pieces:
            holders[piece].append(number)
    found = []
    for question in questions:
        pieces = my_shingles(question)
        shared = Counter()
        for piece in pieces:
            shared.update(holders.get(piece, []))
        # Of equal ones the first, so that the answer does not depend on the order of counting.
        similarity, number = max(
            ((n / (len(pieces) + len(known_pieces[k]) - n), -k) for k, n in shared.items()), default=(0.0, 0)
        )
        found.append((similarity, -number))
    return found


similar = closest(test_set, train_set)
assert max(similarity for similarity, _ in similar) < 0.85
for place in sorted(range(len(similar)), key=lambda place: -similar[place][0])[:2]:
    similarity, number = similar[place]
    print(f"{similarity:.2f}", [(e.instruction, e.input) for e in (test_set[place], train_set[number])])

# %% [markdown]
# These are the closest of all: the same instruction with another word, and another answer. That is what the threshold is for. Such questions are wanted: the
# model has learned *how* this kind of task is done, and is tested on a word that it has not seen.

# %% tags=["slide-output"] mystnb={"image": {"alt": "Histogram of 290 test questions by the similarity of the most similar training question. Most lie between 0.3 and 0.8; none reaches the threshold, a dashed line at 0.85."}}
figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
axes.hist([similarity for similarity, _ in similar], bins=[i / 20 for i in range(21)], color="#0072b2")
axes.axvline(0.85, color="#d55e00", linestyle="--")
axes.text(0.86, axes.get_ylim()[1] * 0.9, "threshold", color="#a04500")
axes.set_xlabel("similarity of the most similar training question")
axes.set_ylabel("test questions")
plt.show()

# %% [markdown]
# ## 6 Keep the split, not only the seed
#
# The same seed gives the same split of the same data in the same order. Suppose somebody adds a single example, or sorts the file by its answers:

# %% tags=["slide"]
from ift_lib import Example

one_more = [Example("Name a colour of the rainbow.", output="Green.", category="everyday_knowledge"), *examples]
in_order = sorted(examples, key=lambda example: example.output)
old = {examples[i] for i in split.test}
for what, changed in (("one example more", one_more), ("sorted", in_order)):
    again = split_examples(changed, seed=123)
    still = old & {changed[i] for i in again.test}
    moved = old & {changed[i] for i in again.train}
    assert moved
    print(f"{what}: {len(still)} of the {len(old)} test examples are still in the test part, {len(moved)} in training")

# %% [markdown]
# A model trained on such a new training part has seen a part of the old test.
#
# So the seed belongs in your notes, and the split in files. Then anybody can measure on exactly the same examples in a year.

# %%
with tempfile.TemporaryDirectory() as folder:
    for name, part in vars(split).items():
        save_examples(Path(folder) / f"{name}.json", [examples[i] for i in part])
    assert load_examples(Path(folder) / "test.json") == test_set
    print(sorted(path.name for path in Path(folder).iterdir()))

# %% [markdown]
# (`ift run` writes the numbers of the entries of each part into `split.json`, beside everything else that a run leaves.)
#
# ## 7 Look at it
#
# The split explorer uses our data with some copies planted in it, as real data sets hold them. Drag the fractions, and try:
#
# * switch "stratified" off: the ends of the bars are no longer in line. Which category suffers most? Try other seeds;
# * switch "duplicates kept together" off: what leaks, and how many of a hundred copies?
# * plant 400 copies, or none;
# * make validation very small: what does 1 % of a category of a hundred mean?

# %% tags=["widget"]
from ift_lib.course.widgets import split_explorer

split_explorer()

# %% [markdown]
# The same drawing without the knobs, in its first state, and the proof that it shows what `split_examples` makes:

# %%
from ift_lib.course.widgets import split_in_a_way, split_picture, with_copies

copied = with_copies(examples, 100)
duplicates = find_duplicates(copied)
safe = split_examples(copied)
assert split_in_a_way(copied, duplicates) == safe
split_picture(copied, safe, duplicates)

# %% [markdown]
# And what happens without the two safeguards, with the same seed:

# %%
careless = split_in_a_way(copied, duplicates, stratified=False, together=False)
split_picture(copied, careless, duplicates)

# %% [markdown]
# ## Exercises
#
# Replace the `...`, run the cell, then run the check below it. A check says what is wrong, and you can try as often as you like.

# %%
from ift_lib.course.checks import splitting as checks

# %% [markdown]
# ### Exercise 1 · easy · 8 min
#
# Write `leaks(train, test)`. It gets two lists of `Example`s and returns the positions, in `test`, of the questions that stand in `train` too. Two questions are the same if
# instruction and input are, up to case, punctuation and spaces; the answers do not matter. (`bare_question` of section 3 may help.)
#
# Expected: for `train = [Example("Name a fruit.")]` and `test = [Example("Name a tree."), Example("name a FRUIT")]`, the result is `[1]`.
#
# <details><summary>Hint</summary>Collect the normalised questions of <code>train</code> in a set. Then go through <code>test</code> with <code>enumerate</code>.</details>


# %% tags=["exercise"]
def leaks(train, test): ...


# %% tags=["solution"]
def leaks(train, test):
    seen = {bare_question(example) for example in train}
    return [place for place, example in enumerate(test) if bare_question(example) in seen]


# %%
checks.exercise_1(leaks)

# %% [markdown]
# ### Exercise 2 · medium · 10 min
#
# Write `split_in_two(examples, test, seed)`, which returns two lists, training and test. The test part is the share `test` of the examples (rounded), chosen at random. The same
# seed gives the same two lists; another seed, others. The list that the caller gave stays as it is, and so do the random generators that everybody shares, such as that of `random.shuffle`.
#
# Expected: for ten examples and `test=0.3`, seven and three, and together all ten.
#
# <details><summary>Hint</summary>Section 4. <code>random.Random(seed)</code> is a generator of your own, and <code>list(examples)</code> a copy.</details>


# %% tags=["exercise"]
def split_in_two(examples, test, seed): ...


# %% tags=["solution"]
def split_in_two(examples, test, seed):
    shuffled = list(examples)
    random.Random(seed).shuffle(shuffled)
    cut = round(test * len(shuffled))
    return shuffled[cut:], shuffled[:cut]


# %%
checks.exercise_2(split_in_two)

# %% [markdown]
# ### Exercise 3 · medium · 20 min
#
# **Break it.** Somebody splits first and removes duplicates afterwards, in each part. Both parts are then clean, and a check says so:

# %%
data = with_copies(examples[:1000], 200)
order = random.Random(123).sample(range(len(data)), len(data))
parts = {"test": [data[i] for i in order[:240]], "train": [data[i] for i in order[240:]]}
for name, part in parts.items():
    extra = {i for group in find_duplicates(part) for i in group[1:]}
    parts[name] = [example for i, example in enumerate(part) if i not in extra]
    print(f"{name}: {len(extra)} duplicates removed, {len(parts[name])} left, now {find_duplicates(parts[name])}")

# %% [markdown]
# **See the symptom.** One part at a time, nothing is wrong. Across the two it is:

# %%
similar = closest(parts["test"], parts["train"])
leaked = [place for place, (similarity, _) in enumerate(similar) if similarity >= 0.85]
print(f"{len(leaked)} of {len(parts['test'])} test questions have a (near-)duplicate in training. One of them:")
print("  test:    ", parts["test"][leaked[0]].instruction, parts["test"][leaked[0]].input)
print("  training:", parts["train"][similar[leaked[0]][1]].instruction, parts["train"][similar[leaked[0]][1]].input)

# %% [markdown]
# What does it do to a score? Here is a "model" that can do nothing but remember: a parrot gives the answer of the most similar question it has seen.

# %%
correct = [
    parts["train"][number].output == example.output for example, (_, number) in zip(parts["test"], similar, strict=True)
]
honest = [yes for place, yes in enumerate(correct) if place not in leaked]
print(f"the parrot on the leaked questions: {sum(correct[place] for place in leaked) / len(leaked):.0%} right")
print(f"on all others: {sum(honest) / len(honest):.0%}")
print(f"on the whole test part, as it would be reported: {sum(correct) / len(correct):.0%}")
assert sum(correct) / len(correct) > sum(honest) / len(honest)

# %% [markdown]
# **Repair it.** Write `split_groups(count, groups, test, seed)`. There are `count` examples, numbered from 0, and `groups` are the lists of numbers that `find_duplicates` gives; most
# numbers are in no group. Return two lists of numbers, training and test, with about the share `test` in the second, chosen at random by `seed`. No group may be
# torn apart, and no number lost.
#
# Expected: `split_groups(4, [[0, 3]], 0.5, seed)` is either `[0, 3]` and `[1, 2]`, or `[1, 2]` and `[0, 3]`, in any order.
#
# <details><summary>Hint</summary>Make a list of units: each group is one, and each lone number is a list of length one. Shuffle the units, and fill the test part until it
# has enough. A unit that would make the test part too large goes into training.</details>


# %% tags=["exercise"]
def split_groups(count, groups, test, seed): ...


# %% tags=["solution"]
def split_groups(count, groups, test, seed):
    grouped = {i for group in groups for i in group}
    units = [*groups, *([i] for i in range(count) if i not in grouped)]
    random.Random(seed).shuffle(units)
    train_part, test_part = [], []
    for unit in units:
        fits = len(test_part) + len(unit) <= round(test * count)
        (test_part if fits else train_part).extend(unit)
    return train_part, test_part


# %%
checks.exercise_3(split_groups)

# %% [markdown]
# ### Exercise 4 · hard · 20 min
#
# If A is nearly B, and B nearly C, then A, B and C belong together, even when A and C are not similar enough: a chain. Write `to_groups(pairs)`, which turns pairs
# of similar examples into groups. The pairs come in any order. Each group is a sorted list, and the groups are sorted by their first number.
#
# Expected: `to_groups([(0, 1), (7, 4), (1, 2)])` is `[[0, 1, 2], [4, 7]]`.
#
# <details><summary>Hint</summary>Go through the pairs and keep a list of sets. A new pair may touch no set, one set, or <b>two</b>: in the last case the two become one.</details>


# %% tags=["exercise"]
def to_groups(pairs): ...


# %% tags=["solution"]
def to_groups(pairs):
    groups = []
    for pair in pairs:
        touched = [group for group in groups if group & set(pair)]
        groups = [group for group in groups if group not in touched]
        groups.append(set(pair).union(*touched))
    return sorted(sorted(group) for group in groups)


# %%
checks.exercise_4(to_groups)

# %% [markdown]
# ## Quiz

# %% tags=["widget"]
from ift_lib.course.quiz import quiz

quiz("02_splitting")

# %% [markdown]
# ## Recap
#
# * Count, measure lengths, and read: programs find what is broken, people find what is wrong.
# * Questions are compared normalised, near-duplicates by their shingles; the same question in other words escapes both.
# * First remove or group duplicates, then split: by a seed, every category by its share, groups never apart.
# * Prove that nothing leaks with code that did not make the split.
# * Save the split itself: with one example more, the same seed gives another.
#
# ## Where next
#
# [Chapter 3](03_batching.ipynb) turns the training part into [batches](../book/glossary.md#batch). In the code: `ift_lib/data.py`, `tests/test_data.py`, and
# `ift_lib/assets/FLAWED.md`, which lists the fault of every entry of the broken file.
