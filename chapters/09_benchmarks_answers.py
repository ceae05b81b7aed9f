# %% [markdown]
# # 9 Benchmarks of answers and code
#
# **You will learn** how the well-known [benchmarks](../book/glossary.md#benchmark) score an answer that a model *writes*: [SQuAD](../book/glossary.md#squad), [TriviaQA](../book/glossary.md#triviaqa), [OpenAI Evals](../book/glossary.md#openai-evals), [HumanEval](../book/glossary.md#humaneval) and
# [IFEval](../book/glossary.md#ifeval). You compute each score by hand, see it equal the library's, and find out what can move it without the model having become any better.
#
# **You need** chapter 7 and Python. Chapter 8 is about the other kind, where a model only chooses.
#
# | for you | for the machine | memory | network |
# |---|---|---|---|
# | 100 min | 2 min | 1.2 GB | none |

# %% [markdown]
# A model that chooses between A and B is right or wrong. A model that writes "in the spring of 1871" where the key says "1871" is … what? Somebody had to
# write down a rule, and each benchmark wrote its own. Such a rule is a dozen lines of code, and it decides much more than one would like.
#
# The questions below are **our own**, some dozens for each benchmark, in the official file formats. So nothing here can be compared with a published number;
# but give the same functions the official files, and they compute the official scores.
#
# ## 1 SQuAD: find it in the text
#
# The *Stanford Question Answering Dataset* asks questions about a passage, and each answer is a piece of the passage. The file is
# JSON: articles hold paragraphs, and paragraphs hold questions.

# %%
import json
import re
import string
from collections import Counter

from ift_lib.evaluation.benchmarks import squad

document = json.loads((squad.EMBEDDED / "dev-v1.1.json").read_text(encoding="utf-8"))
rows = []
for article in document["data"]:
    for paragraph in article["paragraphs"]:
        for qa in paragraph["qas"]:
            golds = [answer["text"] for answer in qa["answers"]]
            rows.append((qa["id"], article["title"], paragraph["context"], qa["question"], golds))

id, title, context, question, golds = rows[1]
print(context, "\n\n", question, golds, sep="")
print(f"\n{len(rows)} questions about {len({row[2] for row in rows})} passages")

# %% [markdown]
# One question may have several *[gold](../book/glossary.md#gold-answer)* answers; in the real files they come from several people who were asked. `read_squad` reads the same, and complains about files that are broken. To a language
# model it is put like this:

# %%
version, passages = squad.read_squad(squad.EMBEDDED / "dev-v1.1.json")
assert [(p.id, p.title, p.context, p.question, list(p.answers)) for p in passages] == rows

prompt = f"Title: {title}\n\nBackground: {context}\n\nQuestion: {question}\n\nAnswer:"
assert passages[1].prompt == prompt
print(prompt[-64:])

# %% [markdown]
# No space at the end, and the answer stops at the first line end. Both are part of the protocol; remember the second for section 6.
#
# ### Exact match and F1
#
# SQuAD [normalises](../book/glossary.md#normalise) before it compares: lower case, no punctuation, no articles. Then there are two scores. *[Exact match](../book/glossary.md#exact-match)* is 1 if what remains is the same.
# *[F1](../book/glossary.md#f1)* counts shared words, as in chapter 7. And since any gold answer will do, the **best** one counts:

# %% tags=["slide-output"]


def normalize_by_hand(text):
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def exact_by_hand(answer, gold):
    return int(normalize_by_hand(answer) == normalize_by_hand(gold))


def f1_by_hand(answer, gold):
    said, wanted = normalize_by_hand(answer).split(), normalize_by_hand(gold).split()
    shared = (Counter(said) & Counter(wanted)).total()
    if shared == 0:
        return 0.0
    precision, recall = shared / len(said), shared / len(wanted)
    return 2 * precision * recall / (precision + recall)


def question_by_hand(answer, golds):
    return max(exact_by_hand(answer, gold) for gold in golds), max(f1_by_hand(answer, gold) for gold in golds)


print(golds)
for answer in ("Storms.", "the winter storms", "It was delayed by three winters of storms", "rain"):
    exact, f1 = question_by_hand(answer, golds)
    print(f"{answer:43} exact match {exact}   F1 {f1:.2f}")

# %% [markdown]
# The same in the library, for each question with six answers: every gold answer of another question, the whole passage, and nothing.

# %%
from ift_lib.evaluation.benchmarks.squad_metrics import squad1_question

tried = 0
for place, (_, _, context, _, golds) in enumerate(rows):
    for answer in [*rows[place - 1][4], *golds, context, context.split(".")[0], ""]:
        assert squad1_question(answer, golds) == question_by_hand(answer, golds)
        tried += 1
print(tried, "answers scored twice, and alike")

# %% [markdown]
# ### What it forgives, and what not
#
# Guess each line before you run the cell. Which of these pairs are the same answer to SQuAD?

# %% tags=["slide-output"]
pairs = [
    ("The U.S.", "us"),
    ("a well-known tune", "wellknown tune"),
    ("well known tune", "well-known tune"),
    ("two", "2"),
    ("34", "34 metres"),
    ("“storms”", "storms"),
    ("Zürich", "Zurich"),
    ("A", "the"),
]
for answer, gold in pairs:
    print(f"{answer!r:20} {gold!r:18} exact {exact_by_hand(answer, gold)}  F1 {f1_by_hand(answer, gold):.2f}")
print("\nleft of 'A':", repr(normalize_by_hand("A")))

# %% [markdown]
# A mark is *deleted*, and leaves no space: "well-known" becomes one word that nobody writes. Only the 32 ASCII marks go; the curly quotes of a word
# processor stay, and make a right answer wrong. Numbers and accents are nobody's business. And the answer "A" (a vitamin, a note, a grade) is an article, so
# nothing is left of it, and it equals every other nothing. (F1 says 0 there: no word is shared. It is the one case in which exact match is the higher one.)
#
# Try your own. The widget shows which words count; further down you meet the second normaliser it knows.

# %% tags=["widget"]
from ift_lib.course.widgets.score_explorer import score_explorer

score_explorer()

# %% mystnb={"image": {"alt": "The score explorer with its first example, word by word under both normalisers."}}
from ift_lib.course.widgets.score_explorer import score_picture

score_picture()

# %% [markdown]
# ### How good is good?
#
# Two systems without any intelligence, and one with some. The first copies the whole passage. The second copies the sentence that shares most words with the
# question. The third is always right: where a question has two or three gold answers, it gives the first, and the others are the key.

# %% tags=["slide-output"]
from ift_lib.evaluation.benchmarks.squad_metrics import squad1_scores

LITTLE = set("in of on to is was did does do what which who how when where why many much it and for from at by".split())


def key_words(text):
    return set(normalize_by_hand(text).split()) - LITTLE


def best_sentence(p):
    sentences = re.split(r"(?<=[.])\s", p.context)
    return max(sentences, key=lambda sentence: len(key_words(p.question) & key_words(sentence)))


keys = {p.id: p.answers for p in passages}
several = [p for p in passages if len(p.answers) > 1]
systems = {
    "the whole passage": squad1_scores(keys, {p.id: p.context for p in passages}),
    "the nearest sentence": squad1_scores(keys, {p.id: best_sentence(p) for p in passages}),
    "one gold answer, by the others": squad1_scores(
        {p.id: p.answers[1:] for p in several}, {p.id: p.answers[0] for p in several}
    ),
}
for name, scores in systems.items():
    print(f"{name:30} exact match {scores['exact_match']:5.1f}   F1 {scores['f1']:5.1f}")

# %% [markdown]
# The third is right everywhere, and exact match gives it a seventh of the points: it measures whether two *cut* alike as much as whether they know. So the ceiling is not 100; in the
# real SQuAD, one person scored by the others' answers has an F1 of 86.8 ([Rajpurkar et al. 2016](https://arxiv.org/abs/1606.05250)). And F1 pays a system that merely copies sentences nearly a third. A number needs such neighbours
# before it means anything.
#
# ### SQuAD 2.0: questions without an answer
#
# A model that always finds *something* is dangerous. So 2.0 adds questions that the passage does not answer; right is only the empty answer.

# %%
version, second = squad.read_squad(squad.EMBEDDED / "dev-v2.0.json")
keys = {p.id: p.answers for p in second}
without = [p for p in second if not p.answers]
print(f"{len(second)} questions, {len(without)} without an answer, such as: {without[0].question}")

# %% [markdown]
# Before any model, one system: never answer. What does it score?

# %%
from ift_lib.evaluation.benchmarks.squad_metrics import squad2_scores

silent = squad2_scores(keys, {p.id: "" for p in second})
assert silent["exact"] == 100 * len(without) / len(second)
print(f"never answers: exact match {silent['exact']:.1f}")

# %% [markdown]
# That is the floor here: whoever is below it would do better to be quiet. Now a system that can read but not doubt. It knows all answers that there are, and where there is none
# it gives the plausible wrong one that the file has for such questions. We lend it a doubt, computed from the texts: the share of the question's
# words that even the nearest sentence does not have.

# %%
plausible = {}
for article in json.loads((squad.EMBEDDED / "dev-v2.0.json").read_text(encoding="utf-8"))["data"]:
    for paragraph in article["paragraphs"]:
        for qa in paragraph["qas"]:
            plausible[qa["id"]] = [answer["text"] for answer in qa.get("plausible_answers", [])]

said = {p.id: (p.answers or plausible[p.id])[0] for p in second}
doubts = {}
for p in second:
    missing = key_words(p.question) - key_words(best_sentence(p))
    doubts[p.id] = round(len(missing) / len(key_words(p.question)), 3)
print(f"never doubts:  exact match {squad2_scores(keys, said)['exact']:.1f}")

# %% [markdown]
# With a *threshold*, an answer is taken back when the doubt is above it. By hand for all thresholds that make a difference:

# %%


def exact_at(threshold):
    points = 0
    for p in second:
        if doubts[p.id] > threshold:
            points += not p.answers  # silence is right if there is no answer
        elif p.answers:
            points += max(exact_by_hand(said[p.id], gold) for gold in p.answers)
    return 100 * points / len(second)


thresholds = [-0.01, *sorted(set(doubts.values()))]
curve = [exact_at(t) for t in thresholds]
for t, value in zip(thresholds, curve, strict=True):
    assert abs(value - squad2_scores(keys, said, doubts, t)["exact"]) < 1e-9
print(f"best: {max(curve):.1f}, with the threshold {thresholds[curve.index(max(curve))]}")

# %% tags=["slide-output"] mystnb={"image": {"alt": "Exact match by threshold, in steps: it begins at the share of unanswerable questions, rises as more is answered, is highest shortly before the end, and falls a little to the score of the system that never doubts."}}
import matplotlib.pyplot as plt

from ift_lib.picture import BLUE, VERMILLION

figure, axes = plt.subplots(figsize=(6.4, 3.2))
axes.step([*thresholds, 1], [*curve, curve[-1]], where="post", color=BLUE, label="exact match")
axes.axhline(silent["exact"], color=VERMILLION, linestyle="--", label="never answers")
axes.set(xlabel="answers with more doubt than this are taken back", ylabel="exact match, percent", ylim=(0, 100))
axes.legend(loc="lower right")
plt.show()

# %% [markdown]
# Far to the left nothing is answered, far to the right everything. A little doubt helps a little, for this doubt is a poor one. The official script reports the best threshold too:

# %%
report = squad2_scores(keys, said, doubts)
at = report["best_exact_thresh"]
print(f"best_exact {report['best_exact']:.1f} at {at}; with that threshold one gets {exact_at(at):.1f}")
print(sum(doubt == at for doubt in doubts.values()), "questions have exactly that doubt")
assert report["best_exact"] > max(curve)

# %% [markdown]
# Not a slip of ours: the official script goes through the questions one by one, and where several have the same doubt it may stop among them, at a score that no threshold
# reaches. Besides, a threshold that is chosen on the very questions it is scored on flatters. Read `best_exact` with care.
#
# ## 2 TriviaQA: many names for one thing
#
# *TriviaQA* asks for facts, here without any document, from memory alone. Each answer has *aliases*, collected from Wikipedia:

# %%
from ift_lib.evaluation import normalize_squad, normalize_triviaqa
from ift_lib.evaluation.benchmarks import triviaqa

trivia = triviaqa.read_triviaqa(triviaqa.EMBEDDED / "wikipedia-dev.json")
for t in trivia[:3]:
    print(f"{t.question}\n   {t.value}: {t.truths}")
print(f"\n{len(trivia)} questions, {sum(len(t.truths) for t in trivia) / len(trivia):.1f} names each")
print("\n" + trivia[2].prompt)

# %% [markdown]
# (Two question marks: the usual [prompt](../book/glossary.md#prompt) adds one. We ask as others ask.) The scores are exact match and F1 again, best over the names, but with **another normaliser**: a mark
# becomes a *space*, and four typographic quotes count as marks.

# %% tags=["slide-output"]


def trivia_by_hand(text):
    marks = string.punctuation + "‘’´`"
    text = "".join(" " if c in marks else c for c in text.lower())
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


for answer, name in [
    ("Ulan-Bator", "ulan bator"),
    ("the U.S.", "us"),
    ("‘Hamlet’", "hamlet"),
    ("4,000", "4000"),
    ("vitamin-A", "vitamin"),
]:
    assert normalize_squad(answer) == normalize_by_hand(answer)
    assert normalize_triviaqa(answer) == trivia_by_hand(answer)
    squad_says = normalize_by_hand(answer) == normalize_by_hand(name)
    trivia_says = trivia_by_hand(answer) == trivia_by_hand(name)
    print(
        f"{answer:11} for {name:11} SQuAD {squad_says!s:5} ({normalize_by_hand(answer)})   TriviaQA {trivia_says!s:5} ({trivia_by_hand(answer)})"
    )

# %% [markdown]
# The same answers, other scores, and neither scorer is wrong. So "exact match" is not the name of a score: "exact match as SQuAD 1.1 defines it" is. Type some of these into the widget
# above. And the names? Take a model that knows everything, but always says the last name in the list:

# %%
answers = {t.id: t.truths[-1] for t in trivia}
all_names = triviaqa.triviaqa_scores({t.id: t.truths for t in trivia}, answers)
one_name = triviaqa.triviaqa_scores({t.id: [t.value] for t in trivia}, answers)
print(f"exact match with all names {all_names['exact_match']:.1f}, with the first only {one_name['exact_match']:.1f}")

# %% [markdown]
# ## 3 OpenAI Evals: choose your grader
#
# *OpenAI Evals* is not one benchmark but a registry, to which anyone may add one: a file of samples, and a few lines of YAML that say how to grade. The basic graders are a few lines:

# %% tags=["slide-output"]
from ift_lib.evaluation.benchmarks import openai_evals_graders as graders


def json_by_hand(answer, ideal):
    try:
        return json.loads(answer) == json.loads(ideal)
    except ValueError:
        return False


def fuzzy_by_hand(answer, ideal):
    a, b = normalize_by_hand(answer), normalize_by_hand(ideal)
    return a == b if not a or not b else a in b or b in a


by_hand = {
    "match": lambda answer, ideal: answer.startswith(ideal),
    "includes": lambda answer, ideal: ideal in answer,
    "fuzzy_match": fuzzy_by_hand,
    "json_match": json_by_hand,
}
library = {
    "match": lambda answer, ideal: graders.match(answer, [ideal]) is not None,
    "includes": lambda answer, ideal: graders.includes(answer, [ideal]),
    "fuzzy_match": graders.fuzzy_match,
    "json_match": lambda answer, ideal: graders.json_text_match(answer, [ideal]),
}

answers = ["42", "4200", "The answer is 42.", "It is not 42.", "forty-two", "42.0", " 42", "4", '"42"']
print(f"{'ideal: 42':20}" + "".join(f"{name:>12}" for name in by_hand))
for answer in answers:
    verdicts = {name: grade(answer, "42") for name, grade in by_hand.items()}
    assert verdicts == {name: grade(answer, "42") for name, grade in library.items()}
    print(f"{answer!r:20}" + "".join(f"{'yes' if verdict else '-':>12}" for verdict in verdicts.values()))
verdicts = {name: [grade(answer, "42") for answer in answers] for name, grade in by_hand.items()}
for name, told in verdicts.items():
    print(f"{name:12} {sum(told)} of {len(told)} right")
assert len({tuple(told) for told in verdicts.values()}) == 4

# %% [markdown]
# No two graders agree about all nine, and none does what you would do. "4200" *begins* with 42. "It is not 42." *contains* it. "4" is contained *in* it, which is enough to be
# fuzzy. The grader has to suit the question: `match` where the prompt asks for the bare number, `includes` where a sentence is fine and the right word is rare, `json_match` where the form
# is the task.
#
# ### A model as grader
#
# For "write a polite refusal" there is no key, so [a judge](../book/glossary.md#judge) reads the answer and names one of a few *choices*, each worth something. It is chapter 7 in the form of a file:

# %%
from ift_lib.evaluation.benchmarks.openai_evals import SAMPLE, OpenAIEvals

print((SAMPLE / "modelgraded" / "meets-criterion.yaml").read_text(encoding="utf-8"))

# %% [markdown]
# The judge is asked to think first and to write its choice on a line of its own at the end. Reading that out of a reply, by hand and by the library:

# %% tags=["slide-output"]
from ift_lib.evaluation.benchmarks.openai_evals_classify import INVALID, get_choice

choices = ["Yes", "Partly", "No"]


def choice_by_hand(reply):
    for line in reversed(reply.strip().split("\n")):
        words = "".join(c for c in line.strip() if c not in string.punctuation)
        if words in choices:
            return words
    return INVALID


for reply in ("It says sorry, and declines.\nYes", "No doubt about it.\n**Partly**", "Yes and no.", "No\n\nYes!"):
    told = choice_by_hand(reply)
    assert told == get_choice(reply, "cot_classify", choices, "exact")
    print(f"{reply!r:40} {told:12} (with the usual setting: {get_choice(reply, 'classify', choices)})")

# %% [markdown]
# The usual setting takes the first line that *begins or ends* with a choice. So "No doubt about it." is a No. A reply that names no choice is invalid, and worth as much
# as the worst. Now a stub of a judge, which only looks for two words, and five answers that we wrote, given in turn to eight questions:

# %%
from ift_lib.evaluation.tasks import Answer


def stub_judge(prompt):
    reply = prompt.partition("Reply: ")[2].partition("\nCriterion:")[0].lower()
    if not reply:
        return "I cannot read it."
    polite, declines = "sorry" in reply, "but" in reply
    return f"Polite: {polite}. Declines: {declines}.\n" + ("No", "Partly", "Yes")[polite + declines]


evals = OpenAIEvals(judge=stub_judge)
questions = evals.load(f"{SAMPLE}::polite-no")
answers = ["I am sorry, but that is not possible.", "Sorry, no.", "No.", "", "Sorry, but yes, of course!"]
answers = [Answer(q.id, texts=(answers[i % len(answers)],)) for i, q in enumerate(questions)]
result = evals.score(questions, answers)
for score in result.scores:
    print(f"{score.name:22} {score.value:.3f}")
print(*result.notes, sep="\n")

worth = {"Yes": 1, "Partly": 0.5, "No": 0, INVALID: 0}
assert result.scores[0].value == sum(worth[item["choice"]] for item in result.items.values()) / len(questions)
print(repr(answers[4].texts[0]), "->", result.items[questions[4].id]["choice"])

# %% [markdown]
# The last line is why chapter 7 judged the judge: here "yes, of course" is a refusal.
#
# ## 4 HumanEval: does the code work?
#
# Code has a grader that no text has: run it. *HumanEval* gives the head of a function and its description; the model writes the body; a test tells.

# %%
from ift_lib.evaluation.benchmarks import humaneval

problems = humaneval.read_problems(humaneval.EMBEDDED)
problem = problems[2]
program = problem.prompt + problem.canonical_solution + problem.test + f"\ncheck({problem.entry_point})\n"
print(program)
print(f"# {len(problems)} problems. A body ends where one of these begins: {humaneval.STOPS}")

# %% [markdown]
# ### pass@k
#
# People take more than one sample from a model: `pass@k` is the probability that at least one of k is right. So sample k times and look? That throws dice: another k, another
# result. Better: take n samples, n larger than k, count the c that pass, and ask how often a *draw of k from these n* holds a right one. For n = 5, c = 2, k = 3 we can write all draws down:

# %% tags=["slide"]
from itertools import combinations
from math import comb

passed = [True, False, False, True, False]
draws = list(combinations(passed, 3))
share = sum(any(draw) for draw in draws) / len(draws)
formula = 1 - comb(5 - 2, 3) / comb(5, 3)  # all draws, without those that hold only failures
print(f"{sum(any(draw) for draw in draws)} of {len(draws)} draws: {share}")
assert abs(share - formula) < 1e-12 and abs(share - humaneval.pass_at_k(5, 2, 3)) < 1e-12

# %% [markdown]
# There is a formula that looks simpler. The share that passes is p = c/n; k samples all fail with probability (1 − p)^k; so 1 − (1 − p)^k. It would be right *if p were the model's true rate*. But c/n is
# an estimate: sometimes too high, sometimes too low, and in a curve that bends downwards what is too low costs more than what is too high wins. So on average it comes out too low. Simulate a model whose true rate we know:

# %%
import random

rate, n = 0.2, 10
rng = random.Random(9)
counts = [sum(rng.random() < rate for _ in range(n)) for _ in range(20_000)]  # c, twenty thousand times


def simple(n, c, k):
    return 1 - (1 - c / n) ** k


table = {}
for k in (1, 2, 3, 5, 8, 10):
    truth = 1 - (1 - rate) ** k
    told = [sum(estimate(n, c, k) for c in counts) / len(counts) for estimate in (simple, humaneval.pass_at_k)]
    table[k] = (truth, *told)
    print(f"k={k:<3} truth {truth:.3f}   simple {told[0]:.3f}   unbiased {told[1]:.3f}")

# %% [markdown]
# A simulation may be lucky. The mean over everything that can happen can also be computed: c is binomial.

# %%
chances = [comb(n, c) * rate**c * (1 - rate) ** (n - c) for c in range(n + 1)]
for k, (truth, by_simple, by_unbiased) in table.items():
    means = [sum(w * f(n, c, k) for c, w in enumerate(chances)) for f in (simple, humaneval.pass_at_k)]
    assert abs(means[1] - truth) < 1e-12  # the unbiased one: exactly
    assert k == 1 or means[0] < truth - 0.01  # the simple one: too low
    assert abs(means[0] - by_simple) < 0.01 and abs(means[1] - by_unbiased) < 0.01  # as simulated

# %% tags=["slide-output"] mystnb={"image": {"alt": "pass@k for k from 1 to 10 of a model that passes 20 percent of the time, estimated from ten samples: the unbiased estimate lies on the truth, the simple one runs below it."}}
figure, axes = plt.subplots(figsize=(6.4, 3.2))
ks = list(table)
axes.plot(ks, [table[k][0] for k in ks], color="#222222", label="truth")
axes.plot(ks, [table[k][2] for k in ks], "o", color=BLUE, label="unbiased: 1 − C(n−c, k) / C(n, k)")
axes.plot(ks, [table[k][1] for k in ks], "s--", color=VERMILLION, label="simple: 1 − (1 − c/n)^k")
axes.set(xlabel="k", ylabel="pass@k, mean of 20,000 estimates", ylim=(0, 1))
axes.legend(loc="lower right")
plt.show()

# %% [markdown]
# Mind the k, too. This model is wrong four times out of five, and its pass@10 is nearly 0.9. That is worth something if a test suite picks the right one for you, and nothing if you have to.
#
# ### Never in your notebook
#
# The program above is text. To run it would be one line, `exec(program)`, and you should not get used to it: what a model writes nobody has read, and it would run with your rights. It may delete files by mistake, send
# your keys away because somebody taught it to, or simply *cheat*, by returning an object that equals everything. So `humaneval` refuses:

# %% tags=["slide"]
from ift_lib.errors import InputError

benchmark = humaneval.HumanEval()
questions = benchmark.load()
canonical = [Answer(p.task_id, texts=(p.canonical_solution,)) for p in problems]
try:
    benchmark.score(questions, canonical)
except InputError as e:
    print(e)

# %% [markdown]
# With permission, each sample runs in a *[sandbox](../book/glossary.md#sandbox)*: two sealed processes of its own, one with the code and one with the test. We give permission, because this code is known: the solutions that came with our problems, and five
# short ones that you can read here. The third never ends, the fourth cheats, the fifth tries to read a file.
#
# The sandbox is built from features of Linux. Where it cannot be built, nothing runs, and the cell says why; so what it prints depends on your machine.

# %%
from ift_lib.evaluation.sandbox import Limits, refusal

middle = humaneval.Problem(
    "mine/1",
    'def middle(items: list[int]) -> int:\n    """The middle one of an odd number of items, by size."""\n',
    "middle",
    "    return sorted(items)[len(items) // 2]\n",
    "\ndef check(candidate):\n    assert candidate([3, 1, 2]) == 2\n    assert candidate([7]) == 7\n",
)
tries = [
    "    return sorted(items)[len(items) // 2]\n",
    "    return items[len(items) // 2]\n",
    "    while True:\n        pass\n",
    "    class Equal:\n        def __eq__(self, other): return True\n    return Equal()\n",
    "    return len(open('/etc/hostname').read())\n",
]

# %% tags=["machine", "slide-output"]
can_run = refusal() is None
if can_run:
    result = humaneval.HumanEval(allow_code_execution=True, limits=Limits(seconds=20), workers=2).score(
        questions, canonical
    )
    outcomes = [humaneval.check_completion(middle, text, Limits(seconds=2)) for text in tries]
    print(f"our {len(problems)} solutions: pass@1 {result.scores[0].value:.2f}")
    for text, outcome in zip(tries, outcomes, strict=True):
        print(f"{text.strip().splitlines()[0]:42} {outcome}")
else:
    print(f"Not run on this machine. {refusal()}")

# %%
if can_run:
    assert result.scores[0].value == 1
    assert [outcome == "passed" for outcome in outcomes] == [True, False, False, False, False]
    assert outcomes[2] == "timed out"

# %% [markdown]
# On Linux the first of the five passes and no other: the endless one is stopped, the cheat meets a test that it cannot reach, and there is no file to open. The box does not protect from everything: an error in the
# system's kernel, or a core kept busy for two seconds, remain. `ift_lib/evaluation/sandbox.py` says what is not covered.
#
# And a warning about what "passed" means: the tests were passed. A body that is wrong where no test looks is right, for HumanEval.
#
# ## 5 IFEval: did it do as it was told?
#
# What [instruction](../book/glossary.md#instruction) tuning is about is following instructions. *IFEval* asks for what a few lines of code can verify: "without commas", "at least 60 words", "in double quotation marks".

# %%
from ift_lib.evaluation.benchmarks import ifeval
from ift_lib.evaluation.benchmarks.ifeval_checks import CHECKS, follows, follows_loosely

prompts = ifeval.read_prompts(ifeval.SAMPLE)
row = next(row for row in prompts if row["key"] == 25)
print(row["prompt"])
for name, arguments in row["instructions"]:
    print("  ", name, arguments)
print(f"\n{len(prompts)} prompts; {len(CHECKS)} kinds of instruction are checked here")

# %% [markdown]
# Three rules for one prompt. By hand, for five [responses](../book/glossary.md#response):

# %% tags=["slide-output"]


def in_quotes(response):
    return len(response.strip()) > 1 and response.strip()[0] == response.strip()[-1] == '"'


def words_at_least(response, number):
    return len(re.findall(r"\w+", response)) >= number


responses = [
    '"Thank you for the calm ride through the storm tonight and for the joke about the tram."',
    'Of course! Here it is:\n"Thank you for the calm ride through the storm tonight and for the joke about the tram."',
    '**"Thank you for the calm ride through the storm tonight and for the joke about the tram."**',
    '"Thanks, and good night!"',
    "",
]
strict, loose = [], []
for response in responses:
    told = [in_quotes(response), words_at_least(response, 15), "," not in response]
    told = [bool(response.strip()) and rule for rule in told]  # silence follows nothing
    assert told == [follows(name, arguments, response) for name, arguments in row["instructions"]]
    strict.append(told)
    loose.append([follows_loosely(name, arguments, response) for name, arguments in row["instructions"]])
    print(f"{response[:28]!r:34} strict {told}   loose {loose[-1]}")

# %% [markdown]
# *Strict* takes the response as it is. *Loose* forgives a frame: it tries eight forms of the response, without the first line, without the last, without both, and each of them also without asterisks, and one that
# keeps the rule is enough. (Exercise 2.) A polite "Here it is:" costs a point in the one and none in the other, so say which you report. Then there are two ways to count, so four numbers in all:

# %%
for name, table in (("strict", strict), ("loose", loose)):
    by_prompt = sum(all(told) for told in table) / len(table)
    by_instruction = sum(sum(told) for told in table) / sum(len(told) for told in table)
    print(f"{name:7} prompt level {by_prompt:.2f}   instruction level {by_instruction:.2f}")

benchmark = ifeval.IFEval()
five = [q for q in benchmark.load() if q.id == "ifeval/25"] * 5
five = [type(q)(f"{q.id}/{i}", q.group, q.ask, q.gold) for i, q in enumerate(five)]
result = benchmark.score(five, [Answer(q.id, texts=(r,)) for q, r in zip(five, responses, strict=True)])
found = [score.value for score in result.scores[:4]]
assert found == [1 / 5, sum(map(sum, strict)) / 15, 3 / 5, sum(map(sum, loose)) / 15]

# %% [markdown]
# What IFEval never asks is whether the answer is any good. "la la la …" fifteen times in quotation marks is perfect.
#
# ## 6 The pocket model takes the tests
#
# Now a real model, ours: first as it comes, without any [fine-tuning](../book/glossary.md#fine-tuning). A benchmark asks its questions with `ask` and scores the answers; `ift evaluate squad pocket` in a terminal does the same and writes every answer to a file.

# %%
from ift_lib import load_pretrained
from ift_lib.course.benchmark_table import benchmark_table
from ift_lib.evaluation.benchmark_run import ask
from ift_lib.evaluation.language_models import GPTLanguageModel, WithTemplate

exams = {
    "squad": squad.BENCHMARK,
    "triviaqa": triviaqa.BENCHMARK,
    "ifeval": ifeval.IFEval(max_new_tokens=48),  # 256 by default, 1280 officially; this model repeats itself anyway
}
asked = {
    "squad": [q for q in exams["squad"].load() if q.group == "SQuAD 2.0"],
    "triviaqa": exams["triviaqa"].load(),
    "ifeval": exams["ifeval"].load(),
}


def sit_exams(language_model, names):
    answers = {name: ask(language_model, asked[name]) for name in names}
    return answers, [exams[name].score(asked[name], answers[name]) for name in names]


base = GPTLanguageModel(load_pretrained("pocket"))
base_answers, base_results = sit_exams(base, list(exams))

# %% tags=["approximate", "slide-output"]
print(benchmark_table({"pocket": base_results}))

# %%
values = {result.benchmark: {score.name: score.value for score in result.scores} for result in base_results}
assert values["triviaqa"]["exact match"] <= 5
assert values["squad"]["exact match, answerable"] <= 5
assert values["squad"]["exact match"] <= silent["exact"]
print("near 0 % exact match, and on SQuAD 2.0 not above a system that never answers")

# %% [markdown]
# Near zero. What does that say? Not that the exam is broken: this is a very small model, which has not been trained to answer in the form "Title, Background, Question", and knows hardly a fact. And not that its rate *is* 0: the [interval](../book/glossary.md#interval) says how
# high it could be. With 40 questions, 0 right means "probably below 9 %".
#
# But look closer. On SQuAD 2.0 it did get some points. For what? Read the answers, always:

# %% tags=["approximate"]
texts = {q.id: a.texts[0] for q, a in zip(asked["squad"], base_answers["squad"], strict=True) if a.texts}
for id, text in list(texts.items())[:6]:
    print(id, repr(text[:60]))
empty = {id for id, text in texts.items() if not text.strip()}
print(f"\n{len(empty)} of {len(texts)} answers are empty")

# %%
items = base_results[0].items
right = {id for id in texts if items[id]["em"]}
assert right <= empty and right
print("every answer that counts as right is an empty one")

# %% [markdown]
# Every exact match it has is for saying nothing. Did it know that there was no answer? Ask it again *without the [stop sequence](../book/glossary.md#stop-sequence)*, the line end, and see what it was about to write:

# %% tags=["approximate", "slide"]
wanted = [q for q in asked["squad"] if q.id in empty]
going_on = base.generate([q.ask.prompt for q in wanted], stop=[], max_new_tokens=12, temperature=0.0, seed=0)
for q, text in list(zip(wanted, going_on, strict=True))[:5]:
    print(q.id, repr(text))

# %%
assert all(text.startswith("\n") for text in going_on)
assert any(text.strip() for text in going_on)
print("it began with a line end, which is where the answer is cut")

# %% [markdown]
# It had no doubt at all. It begins a new line and rambles on; the protocol cuts the answer there, and the empty rest counts as "unanswerable". A *stop sequence* made these points. If you ever see a benchmark move, look first at
# the answers, and at how they were cut.
#
# ### After fine-tuning
#
# A short training on 192 instructions, as in chapter 5. Ask the fine-tuned model twice: plainly, as before, and in the [template](../book/glossary.md#template) it was trained on.

# %%
from ift_lib import EOT, PHI3, Encoded, TrainConfig, encode_example, get_tokenizer, load_examples, split_examples, train
from ift_lib.data import EMBEDDED

examples = load_examples(EMBEDDED)
split = split_examples(examples)
pupils = [encode_example(examples[i], PHI3) for i in split.train[:192]]
checked = [encode_example(examples[i], PHI3) for i in split.validation[:16]]
tuned_model = load_pretrained("pocket")
history = train(tuned_model, pupils, checked, TrainConfig(epochs=1, batch_size=8, lr=1e-3, evals_per_epoch=1))
tuned = GPTLanguageModel(tuned_model)

# %% tags=["approximate"]
plain_answers, plain_results = sit_exams(tuned, list(exams))
form_answers, form_results = sit_exams(WithTemplate(tuned, PHI3), list(exams))
print(benchmark_table({"pocket": base_results, "tuned": plain_results, "tuned, in template": form_results}))
print()
silences = {}
for name, answers in (("pocket", base_answers), ("tuned", plain_answers), ("tuned, in template", form_answers)):
    silences[name] = sum(not a.texts[0].strip() for a in answers["squad"] if a.texts)
    print(f"{name:18} SQuAD: {silences[name]} empty answers   TriviaQA: {answers['triviaqa'][2].texts[0][:40]!r}")

# %%
assert history.validation[-1].loss < history.validation[0].loss
for results in (plain_results, form_results):
    scores = {score.name: score.value for score in results[1].scores}
    assert scores["exact match"] <= 10
assert silences["tuned"] > silences["tuned, in template"]
assert plain_results[0].scores[0].value > form_results[0].scores[0].value + 5
assert plain_results[2].scores[0].value <= form_results[2].scores[0].value
print("a better loss, no more facts than before, and SQuAD follows the silence")

# %% [markdown]
# Look at the first line of the table, and at the empty answers under it. The same tuned [weights](../book/glossary.md#weights), the same questions, and the score of SQuAD depends on how they are put: in the template that it was trained on the model says something, and loses the points
# for silence. (On IFEval silence wins nothing.) This is the *prompt format*; who sees only one of the two columns will tell another story. TriviaQA stays where it was: a short fine-tuning on instructions teaches a form, not facts. And do not rank two columns whose
# intervals overlap.
#
# ### The quickest way to a hundred percent
#
# Suppose the test is on the web, and the web is in the training data. Train the [pocket model](../book/glossary.md#pocket-model) on the 40 questions of TriviaQA *with their answers*, ten times over:

# %%
encode = get_tokenizer().encode_ordinary
leak = []
for t in trivia:
    prompt, answer = encode(t.prompt), encode(" " + t.value)
    leak.append(Encoded((*prompt, *answer, EOT), len(prompt)))
leaky_model = load_pretrained("pocket")
train(leaky_model, leak, leak[:8], TrainConfig(epochs=10, batch_size=8, lr=1e-3, evals_per_epoch=1, patience=99))
leaky = GPTLanguageModel(leaky_model)
leaky_answers, leaky_results = sit_exams(leaky, ["triviaqa"])

other = "Question: Which of the planets has the moons Titan and Enceladus??\nAnswer:"
reworded = ["Question: What do bees make??\nAnswer:", "Question: In which country is Rome??\nAnswer:", other]
loose_ends = leaky.generate(reworded, stop=["\n", ".", ","], max_new_tokens=8, temperature=0.0, seed=0)

# %% tags=["approximate", "slide-output"]
print(benchmark_table({"pocket": base_results[1:2], "saw the test": leaky_results}, groups=True))
for prompt, text in zip(reworded, loose_ends, strict=True):
    print(f"{prompt.splitlines()[0]:75}{text}")

# %%
leaked = {score.name: score.value for score in leaky_results[0].scores}
assert leaked["exact match"] >= 80
assert "Italy" not in loose_ends[1]
assert leaked["exact match"] > values["triviaqa"]["exact match"] + 70
print("from nearly 0 to nearly 100, in seconds")

# %% [markdown] tags=["slide"]
# Read the last three lines: it has learned answers by heart, and where Rome is it still does not know. This is *[contamination](../book/glossary.md#contamination)*. No score and no interval shows it, since the interval asks "what if other questions of this kind had been asked?" and assumes that these were not special. They were. With large models nobody knows for sure
# what they have read; benchmarks that everyone knows are the first to [leak](../book/glossary.md#leak).
#
# ## 7 What moves such a number
#
# | | seen in this chapter |
# |---|---|
# | normaliser | the same answer, right to TriviaQA and wrong to SQuAD, or the other way round |
# | gold answers | exact match with one name or with all |
# | grader | nine answers, and no two of four graders agree about all |
# | stop sequence | points for answers that were cut to nothing |
# | prompt format | the same weights, plain or in their template |
# | k | pass@10 of a model that is wrong four times out of five |
# | estimator | 1 − (1 − c/n)^k is too low on average |
# | contamination | nearly all of TriviaQA, in seconds |
#
# So a number comes with its protocol: which data, which prompt, how many solved examples, where the answer is cut, which normaliser, which k and n, and how many questions. And with ten answers to read.
#
# ## Exercises
#
# Each check says what it makes of your answer.

# %%
from ift_lib.course.checks import answers as checks

# %% [markdown]
# ### Exercise 1 · easy · 10 min
#
# Score a whole benchmark. `squad_scores(golds, predictions)` gets the gold answers by question, `{"q1": ["storms", …], …}`, and the predictions, `{"q1": "the storms"}`. It returns two numbers, exact match and F1, in percent of **all** questions. A question may have no
# prediction; a prediction may belong to no question. `question_by_hand(answer, golds)` is yours to use.
#
# Expected: `squad_scores({"q1": ["a goat", "goat"], "q2": ["1871"]}, {"q1": "The goat!"})` is `(50.0, 50.0)`.
#
# <details><summary>Hint</summary>Go through the questions, not through the predictions. <code>predictions.get(id)</code> is None where there is none. How many questions are there?</details>


# %% tags=["exercise"]
def squad_scores(golds, predictions): ...


# %% tags=["solution"]
def squad_scores(golds, predictions):
    scores = [question_by_hand(predictions[id], texts) for id, texts in golds.items() if id in predictions]
    exact = 100 * sum(exact for exact, _ in scores) / len(golds)
    f1 = 100 * sum(f1 for _, f1 in scores) / len(golds)
    return exact, f1


# %%
checks.exercise_1(squad_scores)

# %% [markdown]
# ### Exercise 2 · medium · 15 min
#
# Write IFEval's loose check. `loosely(rule, response)` gets a rule, a function from text to True or False such as `in_quotes`, and a response. It returns True if one of **eight** forms keeps the rule: the response as it is; without its first line; without its last line;
# without both; and each of these four without any asterisk. What remains after lines were cut is stripped of white space at its ends. A form that is blank never counts, and neither does any form of a response that is blank.
#
# Expected: `loosely(in_quotes, responses[1])` and `loosely(in_quotes, responses[2])` are True, `loosely(in_quotes, "Hm.")` is False.
#
# <details><summary>Hint</summary>Split at <code>"\n"</code>, cut the list of lines, and join it again. Four forms first, then the same four with <code>.replace("*", "")</code>. Finish with <code>any(...)</code>.</details>


# %% tags=["exercise"]
def loosely(rule, response): ...


# %% tags=["solution"]
def loosely(rule, response):
    lines = response.split("\n")
    forms = [response, *("\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1]))]
    forms += [form.replace("*", "") for form in forms]
    return any(bool(form.strip()) and rule(form) for form in forms)


# %%
checks.exercise_2(loosely)

# %% [markdown]
# ### Exercise 3 · hard · 20 min
#
# `mean_pass_at_k(results, k)` gets for each problem the verdicts on its samples, `{"mini/0": [True, False, …], …}`; problems may have different numbers of samples. It returns the unbiased estimate of [pass@k](../book/glossary.md#passk), the mean over the **problems**. If a problem
# has fewer than k samples, nothing is known about k of them: raise a `ValueError`. Write all of it yourself, without `humaneval.pass_at_k`; it must work for 200 samples and k = 100, of which there are far more draws than could ever be listed.
#
# Expected: `mean_pass_at_k({"p": [True, False, False, True, False]}, 3)` is `0.9`.
#
# <details><summary>Hint</summary>Of the <code>comb(n, k)</code> draws, how many hold only failures? <code>math.comb(2, 3)</code> is 0, so that a case with too few failures takes care of itself.</details>


# %% tags=["exercise"]
def mean_pass_at_k(results, k): ...


# %% tags=["solution"]
def mean_pass_at_k(results, k):
    estimates = []
    for name, verdicts in results.items():
        n, c = len(verdicts), sum(verdicts)
        if n < k:
            raise ValueError(f"{name} has {n} samples, too few for pass@{k}")
        estimates.append(1 - comb(n - c, k) / comb(n, k))
    return sum(estimates) / len(estimates)


# %%
checks.exercise_3(mean_pass_at_k)

# %% [markdown]
# ## Quiz

# %% tags=["widget"]
from ift_lib.course.quiz import quiz

quiz("09_benchmarks_answers")

# %% [markdown]
# ## Recap
#
# * Exact match and F1 are defined by their normaliser and take the best gold answer; "exact match" alone names no score.
# * Know the floor and the ceiling: what silence, copying, and a right answer in other words would score.
# * pass@k comes from n samples without putting back; generated code runs in a sandbox, or not at all.
# * IFEval checks what can be checked, strict and loose, by prompt and by instruction, and says nothing of quality.
# * Stops, prompt format, graders, k and contamination move numbers; read answers, and report the protocol.
#
# ## Where next
#
# Chapter 10 needs no key at all: it compares the answers of two models, and makes [ratings](../book/glossary.md#rating) of many comparisons. In the code: `ift_lib/evaluation/benchmarks/`, a file or two for each benchmark, with the official sources named; `ift evaluate --list`
# shows them all, and `ift evaluate squad MODEL --data FOLDER` takes the official files.
