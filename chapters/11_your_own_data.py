# %% [markdown]
# # 11 Your own data
#
# **You will learn** to bring a data set of your own, to say before training what would count as success, to beat a [baseline](../book/glossary.md#baseline) on questions that are fixed, and
# to write a report that another person can check.
#
# **You need** chapters 2, 5 and 6 (data, training, [overfitting](../book/glossary.md#overfitting)), the [intervals](../book/glossary.md#interval) of chapters 7 and 10, and an idea. The notebook trains nothing; your own runs take some minutes each, in a terminal.
#
# | for you | for the machine | memory | network |
# |---|---|---|---|
# | 180 min | 1 min | 0.7 GB | none |

# %% [markdown]
# ## 1 The task
#
# A community house gets messages. Each must go to one of six desks, and the rules on its walls should sound kinder. A small model could help. Somebody has written a first file of examples, [fine-tuned](../book/glossary.md#fine-tuning) the [pocket model](../book/glossary.md#pocket-model) on it with
# the default settings, and recorded what that model answers to a set of fixed questions. This is the *baseline*. You bring better data, and see whether you beat it.
#
# | step | from chapter |
# |---|---|
# | bring data; find problems, duplicates, [leaks](../book/glossary.md#leak) | 1, 2, 3 |
# | decide what good means | 7, 8, 9 |
# | train; change one thing at a time; stop in time | 4, 5, 6 |
# | score once on the held-out set, in pairs | 7, 10 |
# | read the errors, write the report | 7 |
#
# The starter file is one to read. Here is one example of each kind and desk:

# %%
from collections import Counter

from ift_lib import load_examples
from ift_lib.evaluation.heldout import CAPSTONE

starter = load_examples(CAPSTONE / "starter.json")
for answer in ("Booking", "Repair", "Lost", "Information", "Thanks", "Complaint"):
    print(f"{answer:12}", next(e.input for e in starter if e.output == answer))
notice = next(e for e in starter if e.category == "notice")
print(f"\n{notice.instruction} {notice.input} -> {notice.output}\n")
print(len(starter), "examples:", dict(Counter(e.category for e in starter)))
print("instructions:", sorted({e.instruction for e in starter}))

# %% [markdown]
# The held-out set we open without reading it. Whoever has read the questions writes examples like them, without wanting to, and the score no longer says how
# the model does with messages that nobody has seen. So we look at counts and at the hash. If a letter of the file changes, `load_task` refuses it.

# %%
from ift_lib.evaluation import load_task

task = load_task()
print(len(task.questions), "questions:", dict(Counter(question.category for question in task.questions)))
print("their SHA-256 begins with", task.sha256[:12])
print("the baseline:", task.record["baseline"]["command"])

# %% [markdown]
# ## 2 Bring data
#
# Write your examples into one file, in whichever of the formats of chapter 2 you like: Alpaca, Dolly, or chat messages; a JSON list, or [JSONL](../book/glossary.md#jsonl). What makes a good data set for so small a model?
#
# * **The same [instruction](../book/glossary.md#instruction)** as in the questions, or several wordings with that one among them. The model takes the form of the task from it.
# * **Every kind as often as the others.** A model that knows little says whatever it heard most.
# * **Many different contents, in few forms.** "The tap drips" in ten rooms is one example. Ten things that break are ten.
# * **Answers as short as the rule allows**, always in the same form. You may choose the form: "Repair" and "It is for the repair desk." are both right.
# * **Hard cases**: a complaint without an angry word, a request that sounds like a question.
#
# And before that: **may you use the texts?** Write them yourself, or take texts with a licence that allows it, and keep the licence beside the file. Messages of real people belong to those people. Names, addresses and telephone numbers
# do not belong into a training set, for a model can repeat what it has read.
#
# Here is a first file of a learner, as people write them at night:

# %%
import json
import tempfile
from pathlib import Path

from ift_lib import find_duplicates, find_problems

ASK = next(e.instruction for e in starter if e.category == "desk")
mine = [
    {"instruction": ASK, "context": "My umbrella is gone since the concert.", "response": "Lost"},
    {"instruction": ASK, "context": "My umbrella is gone since the concert!", "response": "Complaint"},
    {"instruction": ASK, "context": "What does a cup of tea cost?", "response": ""},
    {"instruction": ASK, "input": "The stairs are wet and slippery."},
    {"messages": [{"role": "user", "content": "Make a kind notice: Keep left."}]},
]
folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "mine.jsonl"
path.write_text("".join(json.dumps(entry) + "\n" for entry in mine), encoding="utf-8")

for problem in find_problems(path):
    print(problem)
usable = load_examples(path, skip_problems=True)
print("the same question more than once:", find_duplicates(usable))
folder.cleanup()

# %% [markdown]
# Three entries cannot be used. The two that can are one question with two answers, and one of those is wrong. No tool says which: chapter 2's programs find the
# place, and you read.
#
# ### Leaks
#
# The worst fault is invisible in every curve: a question of the held-out set among the training data. The plain way to look for it is to compare texts. Case and punctuation make no new question, so they go first:

# %%
import re

from ift_lib import Example
from ift_lib.evaluation import find_leaks


def words_of(text):
    return " ".join(re.findall(r"\w+", text.casefold()))


question = Example(ASK, "The bell at the gate does not ring.", "Repair")  # not one of the real ones
suspects = [
    Example(ASK, "the BELL at the gate does not ring!", "Repair"),
    Example(f"{ASK} Good morning. The bell at the gate does not ring. Yours, Ada", "", "Repair"),
    Example(ASK, "The bell at the old gate does not ring.", "Repair"),
    Example(ASK, "Nobody hears the bell of your gate any more.", "Repair"),
]
same = [words_of(e.input) == words_of(question.input) for e in suspects]
for e, found in zip(suspects, same, strict=True):
    print(found, "-", e.input or e.instruction[len(ASK) + 1 :])

# %% [markdown]
# Only one of four. The second holds the message within a longer text, the third has one word more. `find_leaks` looks for those too, the third kind by the [shingles](../book/glossary.md#shingle) of `find_duplicates`:

# %%
leaks = find_leaks(suspects, [question])
for leak in leaks:
    print(f"example {leak.entry}: {leak.kind}")
assert [leak.entry for leak in leaks] == [0, 1, 2]
assert find_leaks(starter, task.questions) == []

# %% [markdown]
# The fourth is a paraphrase, and no program of ours finds it. If you never read the questions, you can hardly write one.
#
# ## 3 Decide what good means, before training
#
# The baseline's answers are recorded, so its score is known (how often it is right, by the rules of `verify`):

# %%
from ift_lib.evaluation import compare_with_baseline

itself = compare_with_baseline(task, task.baseline)
kinds = [question.category for question in task.questions]
for kind in sorted(set(kinds)):
    right = [ok for ok, k in zip(itself.baseline, kinds, strict=True) if k == kind]
    print(f"{kind:8} {sum(right):3} of {len(right):3} right ({sum(right) / len(right):.0%})")
print(f"all      {sum(itself.baseline):3} of {len(kinds):3}")
said = Counter(a for a, k in zip(task.baseline, kinds, strict=True) if k == "desk")
print("what it says most to the desk questions:", said.most_common(2))

# %% [markdown]
# It has found that "Thanks" is a safe word. Six desks, and it knows one: this is what a model does that has seen too little of each.
#
# Now write down your goal, with today's date. "Better" is not enough. How much better would make you glad, in which kind of question, and how will you know that it was no luck? Both models answer the *same* questions, so
# count in pairs. A question that both have right, or both wrong, says nothing about which is better. What counts is how many only you have right (*won*) and how many only the baseline has (*lost*).
#
# Were the two equally good, each of these would be the toss of a coin. How often would you have to win?

# %%
from ift_lib.evaluation import paired_difference_interval

for lost in (0, 2, 5, 10, 20):
    won = next(w for w in range(200) if paired_difference_interval(w, lost, 300).low > 0)
    low, high = paired_difference_interval(won, lost, 300)
    print(f"lost {lost:2}: beaten from {won:2} won on")

# %% [markdown]
# One lucky question is no victory, nor are five. The interval is exact: that of [Clopper and Pearson](https://doi.org/10.1093/biomet/26.4.404) for the share of wins among the questions that differ, which lies above one half exactly when
# [McNemar's test](https://doi.org/10.1007/BF02295996) finds the two models different. `ift score` says "beats the baseline" if the whole interval is above 0, "worse" if all of it is below, and otherwise "no clear difference".
#
# ## 4 One change at a time, on questions of your own
#
# ```bash
# ift run --data mine.json --out runs/more-data             # your examples, nothing else changed
# ift run --data mine.json --epochs 6 --out runs/longer     # and now one more change
# ```
#
# Each report (`runs/more-data/report.html`) has a test split of *your* examples with right and wrong by the same rules. On those you may look as often as you like; choose your version by them. With a
# small file the test split is small, and so its interval is wide: `ift compare` shows it for two runs on the same data and [seed](../book/glossary.md#random-seed).
#
# Why not choose by the held-out score? Watch what happens to people who do. Here are versions that do not differ at all: each answers every question right with the same chance, as the tosses of one
# coin. Somebody tries *N* of them and reports the best.

# %%
import numpy as np

CHANCE, ROUNDS = 0.4, 400
rng = np.random.default_rng(11)
versions = rng.random((ROUNDS, 50, len(kinds))) < CHANCE  # (round, version, question): right or not
scores = versions.mean(axis=2)
tries = [1, 2, 5, 10, 20, 50]
best = [float(scores[:, :n].max(axis=1).mean()) for n in tries]
for n, score in zip(tries, best, strict=True):
    print(f"best of {n:2}: {score:.1%} on average; every version is worth {CHANCE:.0%}")

# %% mystnb={"image": {"alt": "The average score of the best of N equal versions rises with N, steeply at first, while the dashed line of what every version is worth stays level at 40 percent."}}
from ift_lib.picture import BLUE, QUIET, Picture, drawing, finish, new_figure

figure, axes = new_figure((6.2, 3.2))
with drawing():
    axes.plot(tries, [100 * score for score in best], "o-", color=BLUE, label="the best of N, on the held-out set")
    axes.axhline(100 * CHANCE, color=QUIET, linestyle="--", label="what each is worth")
    axes.set_xlabel("N, versions tried")
    axes.set_ylabel("score in percent")
    axes.legend(frameon=False, fontsize=9, loc="center right")
finish(Picture(figure, {"best": list(zip(tries, best, strict=True))}, "The best of N equal versions."), None)

# %%
assert best == sorted(best) and best[0] < CHANCE + 0.01 and best[-1] > CHANCE + 0.05

# %% [markdown]
# And does the interval protect us? Take a baseline that is one more such coin, and ask how often at least one of *N* versions "beats" it, once with the plain interval, and once with one that allows for all *N* looks (Bonferroni: a confidence of 1 − 0.05/*N*).

# %%
from functools import cache


@cache
def beats(won, lost, looks):
    return paired_difference_interval(won, lost, len(kinds), 1 - 0.05 / looks).low > 0


baseline = rng.random((ROUNDS, 1, len(kinds))) < CHANCE
won = (versions & ~baseline).sum(axis=2)
lost = (~versions & baseline).sum(axis=2)
false_wins = {}
for n in tries:
    pairs = [set(zip(w[:n].tolist(), v[:n].tolist(), strict=True)) for w, v in zip(won, lost, strict=True)]
    false_wins[n] = [sum(any(beats(*pair, looks) for pair in row) for row in pairs) / ROUNDS for looks in (1, n)]
    print(f"{n:2} tried: plain {false_wins[n][0]:5.1%}   allowing for all looks {false_wins[n][1]:5.1%}")
assert false_wins[50][0] > 0.1 > max(wide for _, wide in false_wins.values())

# %% [markdown]
# No version was better, and the more somebody tries, the surer a victory becomes. It needs no bad will: every look that decides what is tried next is a step in what
# [Gelman and Loken](https://doi.org/10.1511/2014.111.460) call the garden of forking paths. That is why you score **once**, at the end, and why `ift score` keeps a log, `heldout_scores.jsonl` beside your runs. It counts the different models that were
# scored there, says so in each score, and takes its verdict from the wider interval.
#
# ## 5 Score
#
# ```bash
# ift score runs/longer --report
# ```
#
# It looks for leaks in everything the model was trained on, lets it answer, compares, and writes `runs/longer/score/` with `score.json`, all answers, and a report to fill in.
#
# An example solution is part of the package. It changes one thing: to the starter file it adds three hundred examples of our own. Two seeds, recorded with the command and the date:

# %%
from ift_lib.course.score_command import score_table

example = json.loads((CAPSTONE / "example" / "scores.json").read_text(encoding="utf-8"))
print(example["recorded_by"], "-", example["date"], "-", example["machine"], "\n")
for run in example["runs"]:
    print(run["command"], "\n")
    print(score_table(run), "\n")

# %% [markdown]
# A number that is stored can be false, so we count anew, from the answers:

# %%
from ift_lib.evaluation import load_items

answers = load_items(CAPSTONE / "example" / f"answers-{example['runs'][0]['seed']}.jsonl")
again = compare_with_baseline(task, [item.response for item in answers])
assert (again.won, again.lost) == (example["runs"][0]["won"], example["runs"][0]["lost"])
assert all(run["verdict"] == "beats the baseline" for run in example["runs"])
low, high = again.interval()
print(f"won {len(again.won)}, lost {len(again.lost)}, difference {again.difference:+.1%} ({low:+.1%} to {high:+.1%})")

# %% [markdown]
# It wins. But by what? More examples also mean more steps, for an [epoch](../book/glossary.md#epoch) over a larger file is longer. Whether the starter file with as many steps would do as well, these numbers do not say, and the example's report admits it. Yours can do better: one more run
# (`ift run --data` with the starter file and more `--epochs`), judged on your test split.
#
# ## 6 Read the errors
#
# The score is known and written down, so now the questions may be read, all answers in `score/answers.jsonl`. Yours is not known yet. So here the example's errors are shown as counts, without the texts:

# %%
wrong = [(q, item.response) for q, item, ok in zip(task.questions, answers, again.right, strict=True) if not ok]
confused = Counter((q.output, said[:24]) for q, said in wrong if q.category == "desk")
print("desk: the right one, what it said, how often")
for (reference, said), count in confused.most_common(5):
    print(f"  {reference:12} {said:24} {count}")
desks = {q.output for q in task.questions if q.category == "desk"}
named = {item.response for q, item in zip(task.questions, answers, strict=True) if q.category == "desk"}
print("desks it never names:", sorted(desks - named))

missing = Counter(
    len(set(words_of(q.output).split()) - set(words_of(said).split())) for q, said in wrong if q.category == "notice"
)
print("\nnotice: words of the right one that the wrong answer lacks, how often")
for words, count in sorted(missing.items()):
    print(f"  {words:12} {count}")

# %% [markdown]
# It knows more desks than the baseline did, and not yet all of them. There is room for you.
#
# Give each wrong answer a name of your own, as the data card does for the course's model: *took a question for a booking*, *lost a word in copying*. Three or four names, a count for each: this tells you what to write next, far better than the score does. And with it the set is used up for
# you: whatever you write next is written by somebody who knows the questions. A later score must say so.
#
# ## 7 The report
#
# `--report` writes the numbers; the sentences are yours. A line that begins with `>` is a question; put your answer in its place.

# %%
from ift_lib.course.capstone_report import report_skeleton

report = report_skeleton(task, example["runs"][0], [item.response for item in answers])
print(report[: report.index("## 2")])
print("…")
for line in report.splitlines():
    if line.startswith("## "):
        print(line)

# %% [markdown]
# The example solution's own report, filled in, is `ift_lib/assets/capstone/example/report.md`; as it quotes questions, open it when you have scored. A report is graded by a rubric that you can hold against your own work before anybody else does: [the rubric](../book/teacher/capstone_rubric.md). A beaten baseline is a small part of its points. An
# honest "no clear difference", with errors read and named, is a good report.
#
# Is your idea a quite different task? Freeze a held-out set of your own: a folder with `heldout.json`, `baseline.jsonl` and `task.json` as in `ift_lib/assets/capstone/`, and `ift score RUN --task FOLDER`. Its categories must be ones that a rule can check (`verify.RULES`).
#
# ## Exercises
#
# Each check says what it makes of your answer. The fourth exercise is the capstone itself.

# %%
from ift_lib.course.checks import capstone as checks

# %% [markdown]
# ### Exercise 1 · easy · 10 min
#
# Write `count_pairs(right, baseline)`: two lists of True and False, for the same questions in the same order. It returns three numbers: how many were won, how many lost, and the difference of the two shares of right answers.
#
# Expected: `count_pairs([True, True, False, False], [False, True, True, False])` is `(1, 1, 0.0)`.
#
# <details><summary>Hint</summary>True counts as 1 in a sum: `sum(r and not b for r, b in zip(right, baseline))`.</details>


# %% tags=["exercise"]
def count_pairs(right, baseline):
    # your code
    ...


# %% tags=["solution"]
def count_pairs(right, baseline):
    won = sum(r and not b for r, b in zip(right, baseline, strict=True))
    lost = sum(b and not r for r, b in zip(right, baseline, strict=True))
    return won, lost, (won - lost) / len(right)


# %%
checks.exercise_1(count_pairs)

# %% [markdown]
# ### Exercise 2 · medium · 15 min
#
# **Break it.** Somebody looks for leaks like this:


# %%
def careless_copies(training, heldout):
    return [place for place, message in enumerate(training) if message in heldout]


training = ["The bell does not ring.", "the BELL does not ring!", "  The bell   does\nnot ring ", "The bell rings."]
heldout = ["The bell does not ring."]

# %% [markdown]
# **See the symptom.** Three of the four are the held-out message:

# %%
print("found:", careless_copies(training, heldout))

# %% [markdown]
# **Repair it.** Write `find_copies(training, heldout)`: the places, in order, of the training messages that have the same words in the same order as a held-out message. Case, punctuation and spaces do not count, and letters with accents are letters.
#
# Expected: `find_copies(training, heldout)` is `[0, 1, 2]`.
#
# <details><summary>Hint</summary>`re.findall(r"\w+", text.casefold())` is the list of the words. Make a set of the held-out messages in that form.</details>


# %% tags=["exercise"]
def find_copies(training, heldout):
    # your code
    ...


# %% tags=["solution"]
def find_copies(training, heldout):
    seen = {words_of(message) for message in heldout}
    return [place for place, message in enumerate(training) if words_of(message) in seen]


# %%
checks.exercise_2(find_copies)

# %% [markdown]
# ### Exercise 3 · hard · 25 min
#
# How surprising is it to win so often, if the two models are equally good? Write `p_value(won, lost)`, McNemar's exact test: the chance that `won + lost` tosses of a fair coin split *at least as unevenly*, in either
# direction. Without any toss, it is 1.
#
# Expected: `p_value(6, 0)` is 0.03125 and `p_value(5, 0)` is 0.0625.
#
# <details><summary>Hint</summary>The chance of exactly k successes in n tries is `math.comb(n, k) / 2**n`. Add it up from the larger of the two counts, double it for the other direction, and let 1 be the most.</details>


# %% tags=["exercise"]
def p_value(won, lost):
    # your code
    ...


# %% tags=["solution"]
import math


def p_value(won, lost):
    n = won + lost
    one_side = sum(math.comb(n, k) for k in range(max(won, lost), n + 1)) / 2**n
    return min(1.0, 2 * one_side)


# %%
checks.exercise_3(p_value)

# %% [markdown]
# ### Exercise 4 · hard · 120 min
#
# The capstone. Bring a data set, beat the baseline, write the report. A learner who stops after "no clear difference" and says why has done it too. Put the verdict of your score here when you have it.
#
# Expected: one of the three verdicts, as `ift score` prints it.
#
# <details><summary>Hint</summary>Write first, train later: fifty good examples for each desk take an hour. Keep a part of them away as your own test questions. If all your runs say the same desk, look at how often each desk stands in your file, and how long you trained.</details>

# %% tags=["exercise"]
my_verdict = ...

# %% tags=["solution"]
my_verdict = example["runs"][0]["verdict"]  # yours stands in runs/…/score/score.json

# %%
checks.exercise_4(my_verdict)

# %% [markdown]
# ## Quiz

# %% tags=["widget"]
from ift_lib.course.quiz import quiz

quiz("11_your_own_data")

# %% [markdown]
# ## Recap
#
# * Texts that you may use, checked, balanced, and none of the held-out questions among them.
# * What good means is written down before training; the baseline is known, and so is how many wins it takes.
# * One change at a time, chosen on questions of your own; the held-out set is for one look at the end.
# * Count in pairs, print the interval, and say how many models were tried: the best of many looks better than it is.
# * Read the wrong answers; a report with errors that have names is worth more than a high score.
#
# ## Where next
#
# You have walked the whole way: text, [tokens](../book/glossary.md#token), [weights](../book/glossary.md#weights), [loss](../book/glossary.md#loss), answers, numbers, and what may be said about them. A larger model (`ift run --model gpt2`) can do far more with the same file; the code reads the same. `ift_lib/evaluation/heldout.py` and
# `ift_lib/course/score_command.py` are this chapter's; `ift_lib/assets/capstone/README.md` is the card of its data.
