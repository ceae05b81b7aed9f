# %% [markdown]
# # 7 Judging responses
#
# **You will learn** to find out how good a model's answers are, in three ways: grade them yourself, compare them with
# references, and ask a [language model](../book/glossary.md#language-model) to judge. And then the part that is usually left out: to judge the judge.
#
# **You need** chapter 1 and Python. Chapters 5 and 6 made the model whose answers we judge, but nothing here has to be trained.
#
# | for you | for the machine | memory | network |
# |---|---|---|---|
# | 90 min | 1 min | 0.7 GB | none |

# %% [markdown]
# A [loss](../book/glossary.md#loss) curve says that a model has learned. It does not say whether its answers are any good: that is a question about
# texts, and somebody has to read them. This chapter goes from the surest and slowest way (you read them) to the quickest and
# least sure one (another model reads them), and measures at each step how far the quicker way can be trusted.
#
# ## 1 Collect the responses
#
# Before anything can be judged, every test [instruction](../book/glossary.md#instruction) gets its answer, and question, reference and answer are written
# down together. By hand, for two examples and the model before [fine-tuning](../book/glossary.md#fine-tuning):

# %%
import json
import tempfile
from pathlib import Path

from ift_lib import ALPACA, Example, load_pretrained, respond
from ift_lib.evaluation import load_items

model = load_pretrained("pocket")
test = [
    Example('What is the opposite of "hot"?', "", "The opposite of hot is cold."),
    Example("Write the plural.", "leaf", "The plural of leaf is leaves."),
]
answers = respond(model, test, ALPACA, max_new_tokens=12)

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "responses.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for index, (example, answer) in enumerate(zip(test, answers, strict=True)):
            line = {"index": index, "instruction": example.instruction, "input": example.input}
            line |= {"output": example.output, "response": answer.text}
            file.write(json.dumps(line) + "\n")
    collected = load_items(path)

print([item.output for item in collected])

# %% [markdown]
# A line for each answer, in a file: this is *[JSONL](../book/glossary.md#jsonl)*, and it means that a run that breaks off keeps what it has. What did
# the model say? It has not been fine-tuned, so do not expect much.

# %% tags=["approximate"]
for item in collected:
    print(repr(item.response))

# %%
assert [item.response for item in collected] == [answer.text for answer in answers]
assert [item.example.instruction for item in collected] == [example.instruction for example in test]
del model

# %% [markdown]
# `ift run` writes the same file for all test instructions at once, `runs/1/responses.jsonl`, with the answers before and
# after fine-tuning. From one such run of the [pocket model](../book/glossary.md#pocket-model), forty answers are part of the package: some of every kind of task. An
# answer with all that belongs to it is an `Item`.

# %% tags=["slide-output"]
from collections import Counter

from ift_lib.course.judging import chapter_items

items = chapter_items()
print(len(items), "answers,", len({item.category for item in items}), "kinds of task")
for item in items[:3]:
    print(f"\ntask       {item.instruction} {item.input}")
    print(f"reference  {item.output}\nbefore     {item.before!r}\nresponse   {item.response!r}")

# %% [markdown]
# ## 2 Review by hand
#
# Read them. There is no shortcut to knowing what a number means, and an hour with the answers often says more than any
# table. For grades that another person can repeat, three things are needed:
#
# * a *scale* in words, the same for everybody;
# * *[blind](../book/glossary.md#blind)* grading: who grades sees neither what kind of model wrote the answer, nor what anyone or anything else said of it;
# * a *shuffled* order, another one for each grader, so that not all of them are tired at the same answers.

# %% tags=["slide"]
from ift_lib.evaluation import SCALE, blind_order

for grade, meaning in SCALE.items():
    print(grade, meaning)
print("\nAda begins with", blind_order([item.id for item in items], "Ada")[:4])
print("Bo begins with ", blind_order([item.id for item in items], "Bo")[:4])

# %% [markdown]
# Here is the desk. Write your name, click into the box `keys`, and grade with the keys 1 to 5; `n` and `b` leaf through
# (buttons do the same). Each grade is saved when you give it, in the file `runs/grades.sqlite` beside the notebook: stop whenever you like,
# restart the kernel, run the cell again, and you sit before the next answer. Do ten now. You will need them.

# %% tags=["widget"]
from ift_lib.course.widgets import review_desk

desk = review_desk(items, grader="me")
desk

# %% [markdown]
# Where no kernel runs, the desk looks like this:

# %%
from ift_lib.course.widgets import review_card

review_card(items[0], 1, len(items))

# %% [markdown]
# The file is a plain SQLite table, safe for a whole class that writes to it at once, and anyone can read it. Your grades as
# they are now (none, if you have only run the cells so far):

# %% tags=["machine"]
from ift_lib.evaluation import ReviewStore

mine = {grade.item: grade.grade for grade in ReviewStore("runs/grades.sqlite").grades("me")}
print(len(mine), "graded by you")

# %% [markdown]
# So that the chapter can go on without waiting, the package holds a grade for each of the forty. They were given blind, on the scale above, by one grader of the course
# team: a large language model that reads for us, not a person (`ift_lib/assets/judging/README.md` has the details). So they stand in for a reader's grades, and nobody has
# checked them yet. That is your part.

# %% tags=["slide-output"]
from ift_lib.course.judging import chapter_grades

grades = {grade.item: grade.grade for grade in chapter_grades()}
counted = Counter(grades.values())
for grade in SCALE:
    print(grade, "#" * counted[grade], counted[grade])
print(f"mean grade {sum(grades.values()) / len(grades):.2f}")

# %% [markdown]
# ### Do two graders agree?
#
# Suppose you grade too, and you and the grader give the same grade to six answers of ten. Is that much? It depends on the
# grades: if both of you nearly always say 1, you would agree that often with your eyes shut. *[Cohen's kappa](../book/glossary.md#cohens-kappa)* takes off what
# chance alone would give, and says how much of the rest was won: 1 is perfect agreement, 0 is chance.
#
# We have a second grader for most of the answers, one who never gets tired: the rule in `verify`, which says right or wrong where a
# program can tell. Call a grade of 4 or 5 "right" and compare. And for contrast a third one, who is lazy: he says "wrong" to everything and reads nothing.

# %% tags=["slide"]
from ift_lib.evaluation import cohen_kappa

both = [item for item in items if item.verified is not None]
by_rule = [int(item.verified) for item in both]
by_grade = [int(grades[item.id] >= 4) for item in both]
lazy = [0 for item in both]

n = len(both)
for name, labels in (("grader", by_grade), ("lazy", lazy)):
    agreed = sum(a == b for a, b in zip(labels, by_rule, strict=True)) / n
    right, right_by_rule = sum(labels) / n, sum(by_rule) / n
    chance = right * right_by_rule + (1 - right) * (1 - right_by_rule)
    kappa = (agreed - chance) / (1 - chance)
    assert abs(kappa - cohen_kappa(labels, by_rule)) < 1e-12
    print(f"{name:8} {n} answers, the rule agrees on {agreed:.2f}; by chance {chance:.2f}; kappa {kappa:.2f}")

# %% [markdown]
# The lazy grader agrees with the rule on most answers, for most answers are wrong, and kappa says what that is worth: nothing. The
# careful one agrees on every answer. Do not expect this elsewhere: our answers are a few words long and either right or plainly not. Where two graders differ, look at the answers, then at the
# scale: often it is the scale that left something open.
#
# For more than two graders, or with gaps, there is *[Krippendorff's alpha](../book/glossary.md#krippendorffs-alpha)*, which also knows that 4 is nearer to 5 than 1 is.
# Once you have graded ten answers, this compares you with ours:

# %% tags=["machine"]
from ift_lib.evaluation import krippendorff_alpha

shared = [item.id for item in items if item.id in mine]
if len(shared) < 10:
    print(
        f"{len(shared)} of 10 graded at the desk: do some more, then run this cell and the one that counts them again"
    )
else:
    alpha = krippendorff_alpha([[grades[i] for i in shared], [mine[i] for i in shared]])
    print(f"alpha over {len(shared)} answers: {alpha:.2f}")

# %% [markdown]
# ## 3 Compare with the references
#
# The quickest judge is a formula. *[Exact match](../book/glossary.md#exact-match)* asks whether the answer is the reference, once case, punctuation and articles are
# gone. *[Token](../book/glossary.md#token) [F1](../book/glossary.md#f1)* counts the words they share: *[precision](../book/glossary.md#precision)* is the share of the answer's words that are in the reference,
# *[recall](../book/glossary.md#recall)* the share of the reference's words that are in the answer, and F1 is their harmonic mean. By hand:

# %% tags=["slide"]
import re
import string


def words_of(text):
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", text).split()


def f1_by_hand(answer, reference):
    said, wanted = Counter(words_of(answer)), Counter(words_of(reference))
    shared = sum((said & wanted).values())
    if shared == 0:
        return 0.0
    precision, recall = shared / sum(said.values()), shared / sum(wanted.values())
    return 2 * precision * recall / (precision + recall)


print(f"{f1_by_hand('The opposite of hot is warm.', 'The opposite of hot is cold.'):.2f}")

# %% [markdown]
# Look at this example for a moment. The one word that matters is wrong, and four fifths of the points are given. *[ROUGE-L](../book/glossary.md#rouge-l)* wants the shared words
# in the same order: it is the same mean, with the *longest common subsequence* in place of the shared words.

# %% tags=["slide-output"]
from functools import cache


def rouge_by_hand(answer, reference):
    said, wanted = (re.findall("[a-z0-9]+", text.lower()) for text in (answer, reference))

    @cache
    def longest(i, j):  # in the first i words of the one and the first j of the other
        if i == 0 or j == 0:
            return 0
        if said[i - 1] == wanted[j - 1]:
            return longest(i - 1, j - 1) + 1
        return max(longest(i - 1, j), longest(i, j - 1))

    shared = longest(len(said), len(wanted))
    return 0.0 if shared == 0 else 2 * shared / (len(said) + len(wanted))


mixed, reference = "cold is hot of opposite", "opposite of hot is cold"
print("token F1", f1_by_hand(mixed, reference), " ROUGE-L", rouge_by_hand(mixed, reference))

# %% [markdown]
# The library has all three, and *[verified-correct](../book/glossary.md#verified-correct)*, which is not a formula but a small program for each kind of task. On all forty answers they
# agree with ours:

# %% tags=["slide-output"]
from ift_lib.evaluation import exact_match, rouge_l, token_f1, verify

for item in items:
    assert exact_match(item.response, item.output) == (words_of(item.response) == words_of(item.output))
    assert abs(token_f1(item.response, item.output) - f1_by_hand(item.response, item.output)) < 1e-12
    assert abs(rouge_l(item.response, item.output) - rouge_by_hand(item.response, item.output)) < 1e-12
    assert verify(item.example, item.response) == item.verified

names = {"exact match": exact_match, "token F1": token_f1, "ROUGE-L": rouge_l}
metrics = {name: [float(score(item.response, item.output)) for item in items] for name, score in names.items()}
for name, values in metrics.items():
    print(f"{name:12} {sum(values) / len(values):.2f}")

# %% [markdown]
# Verified-correct, by category; and since 40 answers are few, the total with its [interval](../book/glossary.md#interval) (Wilson's):

# %%
from ift_lib.evaluation import wilson_interval

for category in sorted({item.category for item in both}):
    verdicts = [item.verified for item in both if item.category == category]
    print(f"{category:20} {sum(verdicts)} of {len(verdicts)}")
low, high = wilson_interval(sum(by_rule), len(by_rule))
print(f"\nall: {sum(by_rule)} of {n}, {sum(by_rule) / n:.0%} (95% interval {low:.0%} to {high:.0%})")

# %% [markdown]
# Which formula comes nearest to the grades? Scores and grades have different scales, so compare their *order*: *[Spearman](../book/glossary.md#rank-correlation)'s
# correlation* is 1 when both put the answers in the same order, 0 when the one order says nothing about the other. It is the ordinary
# correlation of the ranks.

# %%
from ift_lib.evaluation import paired_interval, spearman


def ranks_of(values):  # ties share the mean of their places
    places = sorted(values)
    return [places.index(v) + (places.count(v) + 1) / 2 for v in values]


def correlation(a, b):
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    together = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True))
    return together / (sum((x - mean_a) ** 2 for x in a) * sum((y - mean_b) ** 2 for y in b)) ** 0.5


given = [grades[item.id] for item in items]
for name, values in metrics.items():
    rho = correlation(ranks_of(values), ranks_of(given))
    assert abs(rho - spearman(values, given)) < 1e-12
    low, high = paired_interval(spearman, values, given, seed=0)
    print(f"{name:12} {rho:.2f}  (95% interval {low:.2f} to {high:.2f})")

# %% [markdown]
# Our references are short and begin alike, so token F1 pays for the frame ("Another word for … is …") and hardly notices the word that matters; exact match seems
# to do better here (the intervals overlap), and would be useless for a story or a summary. Keep these numbers: [a judge](../book/glossary.md#judge) that agrees with the grades less than a formula does is not worth its electricity.
#
# ## 4 A language model as judge
#
# A *judge* is anything that takes a [prompt](../book/glossary.md#prompt) and returns a text. The question that the book this course descends from asks
# (*Build a Large Language Model From Scratch*, chapter 7) goes like this; by hand:

# %% tags=["slide-output"]
from ift_lib.evaluation import SCORE

item = items[0]
task = ALPACA.prompt(item.example).removesuffix("\n\n### Response:\n")
prompt = (
    f"Given the input `{task}` and correct output `{item.output}`, score the model response `{item.response}`"
    " on a scale from 0 to 100, where 100 is the best score. Respond with the integer number only."
)
assert prompt == SCORE.prompt(item)
print(prompt)

# %% [markdown]
# The judge's reply is text, and a score has to be read out of it. The book calls `int(reply)` and leaves out what raises an
# error. Ours is stricter (it takes whole numbers from 0 to 100) and keeps the failures:

# %% tags=["slide"]
from ift_lib.evaluation.judge import parse_score, parse_score_as_book

for reply in ("85", " 85\n", "Score: 85", "85/100", "150", "-5", "8_5"):
    print(f"{reply!r:12} book {parse_score_as_book(reply)!s:6} ours {parse_score(reply)}")

# %% [markdown]
# ### A judge made of word overlap
#
# To see the machine at work, begin with a judge that is no model at all: it takes the prompt apart, computes token F1, and writes the score.

# %%
from ift_lib.evaluation import StubJudge, judge_items, summarize


def overlap_judge(prompt):
    _, _, _, reference, _, response, _ = prompt.split("`")
    return str(round(100 * token_f1(response, reference)))


by_hand_scores = [parse_score(overlap_judge(SCORE.prompt(item))) for item in items]
verdicts = judge_items(items, overlap_judge)
assert [verdict.score for verdict in verdicts] == by_hand_scores
assert verdicts == judge_items(items, StubJudge()), "the package has the same one"
print(summarize(verdicts))

# %% [markdown]
# ### The trap: a verdict that gets lost
#
# Now a judge that is polite. When an answer is bad, it does not write a number, it apologises. (Real ones do worse, as you will see below.) Nothing else has changed: the
# same answers, the same scores.

# %% tags=["slide"]
polite = judge_items(items, StubJudge(chatty_below=50))
print("first reply to a bad answer:", next(v.replies[0] for v in polite if v.score is None))
print(summarize(polite))

# %% [markdown]
# Compare the last lines. Not one answer has become better, and as the book counts, the mean has risen: the bad answers are gone from it. An average over the
# readable verdicts is an average over the answers that *the judge picked*. So here no verdict leaves the denominator: those without a score are counted and shown, and the
# mean is given twice, with the lowest score in their place and with the highest. The truth lies between.
#
# ### A real judge
#
# With a server on your machine it is one line; the calls below are not run here.
#
# ```python
# from ift_lib.evaluation import LocalJudge, OllamaJudge, OpenAIJudge
#
# judge = OllamaJudge("llama3")                                  # ollama serve; ollama pull llama3
# judge = OpenAIJudge("http://localhost:8000/v1", "my-model")    # llama.cpp, vLLM, LM Studio, transformers serve, …
# judge = LocalJudge("folder")                                   # a model on this disk, with transformers
#
# verdicts = judge_items(items, judge, out="verdicts.jsonl", workers=4)
# ```
#
# With `out`, each verdict is on the disk before the next item is asked about: interrupt it, run it again, and it goes on. A server that is slow, busy or
# gone is asked again with growing pauses, and what fails in the end counts as failed.
#
# Without a server there are *recorded* replies: a real judge was asked once, and what it wrote is part of the package. Ours is very small, SmolLM2-135M-Instruct,
# a hundred and thirty-five million [parameters](../book/glossary.md#parameter). It is **a weak judge**, and that is good for learning: its weaknesses are easy to see. Large judges
# like length and the first seat too ([Zheng et al. 2023](https://arxiv.org/abs/2306.05685)), only less plainly, and you will need the same tools to see it.

# %% tags=["slide"]
from ift_lib.course.judging import recorded

verdicts = judge_items(items, recorded("score"), attempts=1)
for verdict in verdicts[:4]:
    print(repr(verdict.replies[0][:90]))
print()
print(summarize(verdicts))

# %% [markdown]
# It does not write scores. It repeats the task, or continues it: a model of this size does not follow such an instruction. There are two ways to hear it all the same.
#
# **Constrain it.** Leave it only those tokens that continue a number from 0 to 100, as servers do that offer *[structured output](../book/glossary.md#structured-output)*. Now every reply can be read.

# %% tags=["slide"]
constrained = judge_items(items, recorded("score-choice"))
print(summarize(constrained))
print("the scores:", sorted(Counter(verdict.score for verdict in constrained).items()))

# %% [markdown]
# The parse rate is 1. Does that make it a judge? Look at the scores, and keep the question for the next section.
#
# **Do not let it write.** Ask the plainest question there is, and look at the probabilities of the next word: how much more likely is "Yes" than "No"?

# %%
from ift_lib.evaluation import YES_NO

print(YES_NO.prompt(items[0]))

# %% tags=["slide"]
yes_no = judge_items(items, recorded("yes-no"), YES_NO)
print(summarize(yes_no, YES_NO))
print("the scores:", sorted(verdict.score for verdict in yes_no))

# %% [markdown]
# Asked for a *reason* behind its score, a large judge explains itself, which helps to find out what it looks at. This one:

# %%
from ift_lib.evaluation import REASON

reasons = judge_items(items, recorded("reason"), REASON, attempts=1)
print(repr(reasons[0].replies[0]))
print(sum(verdict.score is not None for verdict in reasons), "of", len(reasons), "begin with a score")

# %% [markdown]
# ## 5 Judge the judge
#
# First try the instruments on what is known: plant a fault, and see whether it is found. This judge compares two answers, the one after fine-tuning and the one before, and
# has a soft spot for whichever is shown first.

# %% tags=["slide-output"]
from ift_lib.evaluation import PAIR_FIRST, PAIR_SECOND
from ift_lib.evaluation.judge_check import findings_table, position


def play(judge):
    first = judge_items(items, judge, PAIR_FIRST)  # the fine-tuned model's answer is shown first
    second = judge_items(items, judge, PAIR_SECOND)  # and now second
    return first, second


for name, judge in (("fair", StubJudge()), ("loves the first", StubJudge(likes_first=60))):
    first, second = play(judge)
    wins = sum(verdict.score == 1 for verdict in first)
    wins_second = sum(verdict.score == -1 for verdict in second)
    print(f"{name}: fine-tuned wins {wins} of {len(items)} when shown first, {wins_second} when shown second")
    print(findings_table(position(first, second)), "\n")

# %% [markdown]
# Asked in one order only, the second judge would have crowned either model. This is *[position bias](../book/glossary.md#position-bias)*, and no look at a single reply
# can show it: each one is fluent and sure. So pairs are always asked in both orders, and only an answer that wins from both seats has won (`settle`; exercise 2).
#
# Now the real one; first the judge that does not write.

# %%
from ift_lib.course.judging import as_other, as_reference, padded
from ift_lib.evaluation import RUBRIC, cohen_kappa, kendall
from ift_lib.evaluation.judge_check import (
    agreement,
    length_correlation,
    length_gain,
    parse_rate,
    repeatability,
    tells_apart,
)

references = judge_items([as_reference(item) for item in items], recorded("yes-no-reference"), YES_NO)
others = judge_items(as_other(items), recorded("yes-no-other"), YES_NO)
longer = judge_items([padded(item) for item in items], recorded("yes-no-padded"), YES_NO)

print("yes or no, by probability")
yes_no_table = [
    parse_rate(yes_no),
    tells_apart(references, others),
    agreement(yes_no, grades),
    agreement(yes_no, grades, kendall, "Kendall with the grades"),
    length_correlation(items, yes_no),
    length_gain(yes_no, longer),
]
print(findings_table(yes_no_table))

# %% [markdown]
# Where these come from:
#
# * **tells apart** needs no grades at all. The judge gets the reference itself as the answer, and then the reference of another question. How often does the first score higher? By chance, half of the time.
# * **Spearman, Kendall**: its order and that of the grades. Compare with the formulas above.
# * **length**: do longer answers get more, and what do 21 words win that say nothing?

# %%
from ift_lib.course.judging import IDLE_WORDS

print(repr(IDLE_WORDS))
higher = sum(r.score > o.score for r, o in zip(references, others, strict=True))
equal = sum(r.score == o.score for r, o in zip(references, others, strict=True))
assert tells_apart(references, others).value == (higher + equal / 2) / len(items)
gains = [b.score - a.score for a, b in zip(yes_no, longer, strict=True)]
assert length_gain(yes_no, longer).value == sum(gains) / len(gains)

# %% [markdown]
# And the constrained judge, which writes a number, a grade, or a seat:

# %% tags=["slide-output"]
sampled = [judge_items(items, recorded(f"score-choice-sampled-{seed}")) for seed in (1, 2, 3)]
rubric = judge_items(items, recorded("rubric-choice"), RUBRIC)
first = judge_items(items, recorded("pair-first-choice"), PAIR_FIRST)
second = judge_items(items, recorded("pair-second-choice"), PAIR_SECOND)


def weighted_kappa(a, b):
    return cohen_kappa(a, b, "quadratic")


constrained_table = [
    parse_rate(constrained),
    repeatability(sampled),
    agreement(constrained, grades),
    agreement(rubric, grades, weighted_kappa, "rubric: kappa with the grades"),
    *position(first, second),
]
print(findings_table(constrained_table))
favourites = [Counter(verdict.score for verdict in run).most_common(1)[0] for run in sampled]
print("\nits favourite score and how often, three times:", favourites)

# %% [markdown]
# Now look at this judge's mean in section 4: nearly 100, for a model of which the rule finds less than a third right. Asked for a grade from 1 to 5, it gives the
# *lowest* to nearly every one of the same answers. It is neither kind nor strict, it writes the number it likes best, whatever it is shown; and by another throw of the
# dice it likes the opposite. Of the two answers in a pair it chose the first in all 80 games: asked in one order only, it would have reported a victory of 40 to 0 for either model. And every one
# of its replies could be read.
#
# The other one, which does not write, has no dice, so it repeats itself. That its order has anything to do with the grades cannot be seen in forty answers: the interval lies around 0, while that of each formula in
# section 3 lies above it. Idle words win points, and there the whole interval is above 0. On answers known to be right and wrong it may be a little better than chance; forty are too few to
# tell. What would it have said about fine-tuning?

# %%
from dataclasses import replace

untrained = [replace(item, response=item.before) for item in items]
before = judge_items(untrained, recorded("yes-no-before"), YES_NO)
print(f"the judge:  before {summarize(before).mean:.1f}, after {summarize(yes_no).mean:.1f}")
right_before = sum(bool(verify(item.example, item.before)) for item in items)
print(f"the rule:   before {right_before} right, after {sum(by_rule)} right")

# %% [markdown]
# On average it prefers the rambling of the model that was never fine-tuned. In a picture, the grades and its scores:

# %% tags=["slide-output"] mystnb={"image": {"alt": "Each of the forty answers by its grade and the yes-or-no judge's score; a line joins the mean score of each grade."}}
from ift_lib.course.judging import plot_verdicts

plot_verdicts(items, yes_no, grades)

# %% [markdown]
# A judge that agrees with the grades climbs from the lower left to the upper right. This line goes nowhere.
#
# So what would you report about our model? Not this judge's mean. The grades (yours), verified-correct with its interval, and, once
# you have a judge that passes this section, that one, with its parse rate, its agreement, and both orders.
#
# ## Exercises
#
# Each check says what it makes of your answer.

# %%
from ift_lib.course.checks import judging as checks

# %% [markdown]
# ### Exercise 1 · easy · 10 min
#
# The book's mean is computed by the function below: it drops what `int()` cannot read. Run it on the replies: a model with two good answers and two that made the judge talk gets 75.

# %%
replies = ["90", "Score: 80", "60", "I cannot say."]


def book_mean(replies):
    scores = []
    for reply in replies:
        try:
            scores.append(int(reply))
        except ValueError:
            continue
    return sum(scores) / len(scores)


print(book_mean(replies))

# %% [markdown]
# Repair it. Write `judge_mean(replies)`, which returns two numbers: the mean over *all* replies, one that `parse_score` cannot read counting 0, and the share of replies that it can read.
#
# Expected: `judge_mean(replies)` is `(37.5, 0.5)`.
#
# <details><summary>Hint</summary>`parse_score(reply)` is a number or None. How many replies are there, whatever they say?</details>


# %% tags=["exercise"]
def judge_mean(replies): ...


# %% tags=["solution"]
def judge_mean(replies):
    scores = [parse_score(reply) for reply in replies]
    readable = [score for score in scores if score is not None]
    return sum(readable) / len(replies), len(readable) / len(replies)


# %%
checks.exercise_1(judge_mean)

# %% [markdown]
# ### Exercise 2 · medium · 15 min
#
# A judge that loves the first seat, asked in one order only: the fine-tuned answer, shown first, wins nearly everything, though we might have swapped the answers and got the opposite.
# Write `fair_verdict(item, judge)`, which plays two games, `PAIR_FIRST` and then `PAIR_SECOND`, and returns
#
# * 1 if the fine-tuned answer wins both, -1 if it loses both,
# * 0 for anything else that can be read,
# * None if one of the replies cannot be read: no verdict, to be counted as such.
#
# `PAIR_FIRST.prompt(item)` shows the fine-tuned answer as A, `PAIR_SECOND.prompt(item)` as B. `PAIR_FIRST.parse(reply)` gives 1 for `[[A]]`, -1 for `[[B]]`, 0 for `[[C]]`, None for anything else; so does `PAIR_SECOND.parse`. Do not use `settle`, build it.
#
# Expected: for a judge that always says `[[A]]` it is 0 for every item.
#
# <details><summary>Hint</summary>In the second game the fine-tuned answer is B. What does 1 mean there? Turn the sign, then compare.</details>


# %% tags=["exercise"]
def fair_verdict(item, judge): ...


# %% tags=["solution"]
def fair_verdict(item, judge):
    first = PAIR_FIRST.parse(judge(PAIR_FIRST.prompt(item)))
    second = PAIR_SECOND.parse(judge(PAIR_SECOND.prompt(item)))
    if first is None or second is None:
        return None
    return first if first == -second else 0


# %%
checks.exercise_2(fair_verdict)

# %% [markdown]
# ### Exercise 3 · medium · 15 min
#
# Write `kappa(a, b)`, Cohen's kappa for two lists of grades of the same answers, with as many different grades as there are. In section 2 there were two, right and wrong; now chance is a sum over all grades: of the share of answers
# to which `a` gives this grade, times the share to which `b` does.
#
# Expected: `kappa([5, 4, 1, 1, 5], [5, 3, 1, 1, 4])` is 0.444…
#
# <details><summary>Hint</summary>`Counter(a)[g] / len(a)` is the share of grade `g`. A grade that only one of them uses adds 0.</details>


# %% tags=["exercise"]
def kappa(a, b): ...


# %% tags=["solution"]
def kappa(a, b):
    n = len(a)
    agreed = sum(x == y for x, y in zip(a, b, strict=True)) / n
    shares_a, shares_b = Counter(a), Counter(b)
    chance = sum(shares_a[g] / n * shares_b[g] / n for g in shares_a)
    return (agreed - chance) / (1 - chance)


# %%
checks.exercise_3(kappa)

# %% [markdown]
# ### Exercise 4 · hard · 25 min
#
# Write a judge: `my_judge(prompt)` gets the prompts of `SCORE` and returns its reply. The check tries it on ten tasks that this notebook has not shown and wants four things:
#
# * each reply is a whole number from 0 to 100, as text, and nothing else;
# * not always the same;
# * the reference as the answer scores above the answer to another question, and above the text of the task, in nine of ten cases (a tie counts half);
# * the idle words of section 5 win no points.
#
# Do not use `token_f1` this time. What could your judge be fooled by that the check does not try?
#
# <details><summary>Hint</summary>`prompt.split("`")` has the reference at 3 and the response at 5, unless a text holds backticks itself. What should happen to words of the response that the reference does not have?</details>


# %% tags=["exercise"]
def my_judge(prompt): ...


# %% tags=["solution"]
def my_judge(prompt):
    pieces = prompt.split("`")
    wanted, said = set(words_of(pieces[3])), set(words_of(pieces[5]))
    return str(round(100 * len(wanted & said) / max(1, len(wanted | said))))


# %%
checks.exercise_4(my_judge)

# %% [markdown]
# ## Quiz

# %% tags=["widget"]
from ift_lib.course.quiz import quiz

quiz("07_judging")

# %% [markdown]
# ## Recap
#
# * Read answers yourself first: blind, shuffled, on a scale in words; kappa says whether two graders agree beyond chance.
# * Reference metrics are cheap and reproducible, and they count words: one wrong word can cost little or everything.
# * A verdict that cannot be read stays in the denominator; the mean is given with what it could be at worst and at best.
# * Pairs are asked in both orders; a judge is tested on answers known to be right and wrong, on length, and against grades.
# * A high parse rate says nothing about whether a judge knows anything.
#
# ## Where next
#
# Chapter 8 asks models questions that thousands of others were asked too, and chapter 10 compares models in pairs: the verdicts of this chapter become [win rates](../book/glossary.md#win-rate) and [ratings](../book/glossary.md#rating).
# In the code: `ift_lib/evaluation/judge.py` (prompts and how replies are read), `judge_check.py` (this chapter's section 5), `review.py`, and `tools/record_judge.py`, which made the recording; point it at a
# better judge. To judge a run of your own: `load_items("runs/1")`.
