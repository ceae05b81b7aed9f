# %% [markdown]
# # 8 Benchmarks of knowledge and language
#
# **You will learn** to run five well-known [benchmarks](../book/glossary.md#benchmark) in miniature ([MMLU](../book/glossary.md#mmlu), [GLUE](../book/glossary.md#glue), [SuperGLUE](../book/glossary.md#superglue), [BIG-bench](../book/glossary.md#big-bench) and [HELM](../book/glossary.md#helm)), to compute each
# of their scores by hand, and to read such a number honestly: beside what guessing gives, with its [interval](../book/glossary.md#interval), and knowing
# what else it depends on.
#
# **You need** chapter 4 ([logits](../book/glossary.md#logit)), Python, and from chapter 7 the interval and [F1](../book/glossary.md#f1).
#
# | for you | for the machine | memory | network |
# |---|---|---|---|
# | 110 min | 1 min | 1.2 GB | none |

# %% [markdown]
# Chapter 7 judged answers that the model wrote. Most published numbers come about in another way: the model writes nothing.
# It is shown a question and some possible answers, and we look which of them it finds likeliest. That is cheap, it needs [no judge](../book/glossary.md#judge), and
# it can be done with any [language model](../book/glossary.md#language-model), [fine-tuned](../book/glossary.md#fine-tuning) or not. It is also easily misread. Our [pocket model](../book/glossary.md#pocket-model) knows next to nothing, and that makes it the ideal
# guide through this chapter: whatever it scores, it has not scored by knowing.
#
# ## 1 What a benchmark is
#
# Three things: **data**, **how to ask**, **how to score**. Here is one.

# %% tags=["slide"]
data = [  # text, choices, the right one
    ("The moon shines at", (" spoon", " night"), 1),
    ("She drank a cup of", (" tea", " door"), 0),
    ("In winter it is cold, and in summer it is", (" seven", " hot"), 1),
]

# %% [markdown]
# How to ask: which choice is the likelier continuation? How to score: the share of questions where that is the right one. Change any of the three, and you have another
# benchmark, even if it keeps its name.
#
# The data of the real ones cannot be part of this course: they belong to others, and some of their licences forbid it. The package has samples of its own, small, original, and *in
# the official file format*. The same loader reads the official files, so once you have downloaded those, the same lines run the real thing.
#
# ## 2 The likelihood of a choice
#
# A model gives each possible next [token](../book/glossary.md#token) a probability. A choice of several tokens has the product of theirs, and since products of small numbers
# get too small to handle, one adds up logarithms. The one thing to get right is the place: the logits at place *t* are about the token at place *t* + 1.

# %%
import torch

from ift_lib import get_tokenizer, load_pretrained

model = load_pretrained("pocket")
tokenizer = get_tokenizer()


def loglikelihood_by_hand(context, choice):
    before = len(tokenizer.encode_ordinary(context))
    ids = tokenizer.encode_ordinary(context + choice)
    with torch.no_grad():
        log_p = model(torch.tensor([ids]))[0].log_softmax(dim=-1)
    return sum(log_p[place - 1, ids[place]].item() for place in range(before, len(ids)))


by_hand = [[loglikelihood_by_hand(text, choice) for choice in choices] for text, choices, _ in data]

# %% tags=["approximate", "slide"]
for (text, choices, _), values in zip(data, by_hand, strict=True):
    print(text, [f"{choice!r} {value:.1f}" for choice, value in zip(choices, values, strict=True)])

# %%
picked = [values.index(max(values)) for values in by_hand]
assert picked == [right for _, _, right in data]
print("picked", picked, "so the score is", sum(p == d[2] for p, d in zip(picked, data, strict=True)) / len(data))

# %% [markdown]
# Three of three. (Do not be impressed yet; section 3 says why not.) The library asks in the same way, many at once, and tells three things about each choice: its [log-likelihood](../book/glossary.md#log-likelihood), whether it is what the model would
# have written itself, and how many tokens it has.

# %%
from ift_lib.evaluation.language_models import GPTLanguageModel

lm = GPTLanguageModel(model)
pairs = [(text, choice) for text, choices, _ in data for choice in choices]
told = lm.loglikelihood(pairs)
flat = [value for values in by_hand for value in values]
assert all(abs(mine - one.logprob) < 1e-3 for mine, one in zip(flat, told, strict=True))
print("the same, for", len(told), "choices")

# %% [markdown]
# One trap is worth a look, for it spoils real evaluations. [GPT-2](../book/glossary.md#gpt-2)'s tokens carry the space before them, so " A" and "A" are two different tokens. Where does the space
# belong: at the end of the question, or at the start of the choice?

# %% tags=["slide"]
print('"Answer: A"     ', [tokenizer.decode([i]) for i in tokenizer.encode_ordinary("Answer: A")])
apart = tokenizer.encode_ordinary("Answer: ") + tokenizer.encode_ordinary("A")
print('"Answer: " + "A"', [tokenizer.decode([i]) for i in apart])
print("one id for ' A':", tokenizer.encode_ordinary(" A"), " another for 'A':", tokenizer.encode_ordinary("A"))

# %% [markdown]
# The second line is how no text ever looked in training. The library therefore moves a space at the end of the question to the choice, as the most used evaluation program,
# [lm-evaluation-harness](https://github.com/EleutherAI/lm-evaluation-harness), does. Section 9 shows what happens to those who do not.

# %%
moved, as_it_should_be = lm.loglikelihood([("Answer: ", "A"), ("Answer:", " A")])
assert moved == as_it_should_be
print("a space on the wrong side is moved")

# %% [markdown]
# ## 3 MMLU: fifty-seven exams
#
# *Massive Multitask Language Understanding* ([Hendrycks et al. 2021](https://arxiv.org/abs/2009.03300)) is some 14,000 questions from 57 subjects, four options each. A subject is a CSV file without a header: question, four options, letter.

# %%
from ift_lib.evaluation.benchmarks.mmlu import EMBEDDED
from ift_lib.evaluation.benchmarks.mmlu_data import LETTERS, read_rows

examples = read_rows(EMBEDDED / "dev" / "astronomy_dev.csv")
row = read_rows(EMBEDDED / "test" / "astronomy_test.csv")[0]
print(row)

# %% [markdown]
# How to ask is laid down to the space. A header with the subject; up to five solved examples (*[shots](../book/glossary.md#shot)*) from the file `dev`; the question; and the line `Answer:`. The model's answer is whichever of " A", " B", " C" and " D" it finds likeliest there.
# By hand:


# %% tags=["slide-output"]
def block(row, letter=""):
    lines = [row.question, *(f"{name}. {option}" for name, option in zip(LETTERS, row.options, strict=True))]
    return "\n".join([*lines, "Answer:" + letter])


header = "The following are multiple choice questions (with answers) about  astronomy.\n\n"
prompt = header + block(examples[0], f" {examples[0].letter}") + "\n\n" + block(row)
print(prompt)

# %%
from ift_lib.evaluation.benchmarks.mmlu import MMLU, format_prompt

assert prompt == format_prompt("astronomy", examples[:1], row)

# %% [markdown]
# Did you see the two spaces before "astronomy"? They are a slip in the authors' script, and since every early result was made with them, they are part of the protocol.
# (The harness has one space. That is a slightly different benchmark of the same name.)
#
# ### First of all: is 26 % anything?
#
# Who guesses is right in a quarter of the cases. In our sample there are 114 questions, two for each subject. Suppose a model gets 30 of them right, 26 %. Does it know something? The interval of chapter 7 tells how far a share may be off because these questions were
# asked and not others. By hand, with *z* = 1.96 for 95 %:

# %%
from math import sqrt

from ift_lib.evaluation import wilson_interval


def wilson_by_hand(right, n, z=1.959964):
    share = right / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return middle - reach, middle + reach


for right, n in ((23, 114), (30, 114), (36, 114), (260, 1000), (3640, 14_000)):
    low, high = wilson_by_hand(right, n)
    assert all(abs(a - b) < 1e-6 for a, b in zip((low, high), wilson_interval(right, n), strict=True))
    print(f"{right:>5} of {n:>6,}: {right / n:.1%}, interval {low:.1%} to {high:.1%}")

# %% [markdown]
# With 114 questions, 26 % may be guessing, and so may 20 %, and even 32 %: 25 lies within each of these intervals. With a thousand questions 26 % may still be. Only the 14,000 of the real benchmark can tell 26 from 25. In a picture:

# %% tags=["slide-output"] mystnb={"image": {"alt": "An accuracy of 26 percent with its interval for 30 to 30,000 questions. Only from 10,000 questions on does the whole interval lie above the line of guessing, 25 percent."}}
from ift_lib.course.knowledge import plot_worth

picture = plot_worth(share=0.26, chance=0.25)
picture

# %%
for n, low, high in picture.series["interval"]:
    print(f"{n:>6,}  {low:.1f} to {high:.1f}", "above guessing" if low > 25 else "")

# %% [markdown]
# Now ask. `load` makes the questions, `ask` puts them to the model, `score` scores. We ask without solved examples (`shots=0`), which is quicker.

# %%
from ift_lib.evaluation.benchmark_run import ask

mmlu = MMLU(context=512)  # the pocket model sees 512 tokens
questions = mmlu.load(shots=0)
answers = ask(lm, questions)
result = mmlu.score(questions, answers)
print(len(questions), "questions, such as", questions[0].id)

# %% tags=["approximate"]
score = result.scores[0]
print(
    f"{score.name}: {score.value:.1f} % of {score.n}, interval {score.low:.1f} to {score.high:.1f}, guessing {score.chance:.0f}"
)

# %%
score = result.scores[0]
assert score.low < score.chance < score.high
print("Guessing lies within the interval: nothing shows that this model knows anything.")

# %% [markdown]
# ### What did it say?
#
# A score is a sum over answers, so look at the answers.

# %% tags=["approximate", "slide-output"] mystnb={"image": {"alt": "Bars for each letter: how often the model says it and how often it is right. The model says A nearly always; the right answers are spread evenly over the four letters."}}
from ift_lib.course.knowledge import plot_letters

said = [result.items[q.id]["predicted"] for q in questions]
gold = [q.gold["letter"] for q in questions]
plot_letters(said, gold)

# %%
assert said.count("A") > 100
print("The right ones:", {letter: gold.count(letter) for letter in LETTERS}, "and it says A to nearly everything.")

# %% [markdown]
# It has not read the questions. After "Answer:" it likes " A", and that is that. What it "scored" is the share of questions whose answer happens to be A. Here are four models that do the same without a GPU:


# %% tags=["slide-output"]
from ift_lib.evaluation.tasks import LogLikelihood


class Always:
    """A language model that finds one continuation likely, and no other."""

    def __init__(self, favourite):
        self.favourite = favourite

    def loglikelihood(self, pairs):
        return [LogLikelihood(0.0 if choice == self.favourite else -1.0, False, 1) for _, choice in pairs]


for letter in LETTERS:
    constant = mmlu.score(questions, ask(Always(f" {letter}"), questions))
    print(f"always {letter}: {constant.scores[0].value:.1f} %")

# %% [markdown]
# In our sample the letters are balanced, so no constant answer is worth more than guessing. In the real files they [are not](https://github.com/hendrycks/test/issues/11), least of all within single subjects, and a subject's best constant letter can lie well above 25 %. So the [baseline](../book/glossary.md#baseline) to beat
# is the best constant answer, and the histogram of what was said belongs beside every such score.
#
# ### Micro and macro
#
# There are two ways to one number. *[Micro](../book/glossary.md#micro-average)*: all questions in one pot. *[Macro](../book/glossary.md#macro-average)*: an [accuracy](../book/glossary.md#accuracy) for each subject, then the mean of these. When subjects have different sizes, they differ. Leave out every second question of the first half of the alphabet:

# %%
some = [q for q in questions if q.group > "high_school_m" or q.id.endswith("/0")]
always_b = mmlu.score(some, ask(Always(" B"), some))

right = [q.gold["letter"] == "B" for q in some]
subjects = sorted({q.group for q in some})
by_subject = []
for subject in subjects:
    of_this = [r for r, q in zip(right, some, strict=True) if q.group == subject]
    by_subject.append(sum(of_this) / len(of_this))
micro, macro = 100 * sum(right) / len(some), 100 * sum(by_subject) / len(subjects)
print(f"{len(some)} questions, {len(subjects)} subjects: micro {micro:.1f}, macro {macro:.1f}")
assert abs(always_b.scores[0].value - micro) < 1e-9 and abs(always_b.scores[1].value - macro) < 1e-9

# %% [markdown]
# The same answers, points apart. Neither is wrong. MMLU's headline is micro; papers report both, and not all of them say which.
#
# ## 4 Long choices and short ones: acc and acc_norm
#
# Letters are all equally long. Where the choices are texts, the sum of logarithms has a bias: each further token makes it smaller, so it favours the short. The cure is to divide by the length, and the trouble is that there are several lengths. The harness calls
# the plain sum **acc**, and the sum divided by the number of *characters* **acc_norm**. HELM divides by the number of *tokens*.
#
# We need questions whose choices are texts. COPA (a part of SuperGLUE) has two endings for each sentence, and HELM's everyday questions four answers each.

# %%
from ift_lib.evaluation.benchmarks import helm, superglue

copa = [q for q in superglue.BENCHMARK.load() if q.group == "copa"]
everyday = [q for q in helm.BENCHMARK.load() if q.group == "everyday-separate"]
originals = [q for q in everyday if q.gold["kind"] == "original"]
texts = [(q.ask, q.gold) for q in copa]
texts += [(q.ask, [right for _, right in q.gold["references"]].index(True)) for q in originals]
print(len(copa), "of COPA,", len(originals), "of HELM. For instance:")
print(texts[6])

# %%
asked, right = texts[6]
told = lm.loglikelihood(list(zip(asked.contexts, asked.choices, strict=True)))
sums = [one.logprob for one in told]
per_token = [one.logprob / one.tokens for one in told]
per_character = [one.logprob / len(choice.strip()) for choice, one in zip(asked.choices, told, strict=True)]

# %% tags=["approximate", "slide"]
for at, choice in enumerate(asked.choices):
    print(f"{choice:28} sum {sums[at]:6.1f}   per token {per_token[at]:5.2f}   per character {per_character[at]:5.2f}")

# %%
assert sums[1] > sums[0] + 1
assert per_token[0] > per_token[1] + 0.3 and per_character[0] > per_character[1] + 0.1
print("acc picks:     ", asked.choices[1], "\nacc_norm picks:", asked.choices[0])

# %% [markdown]
# Same model, same question, other winner. Take the explorer and look for more of them. (Number 17, for instance, then 24; or type a question of your own, and make the wrong choice win by making the right one longer.)

# %% tags=["widget"]
from ift_lib.course.widgets import choice_explorer

choice_explorer(lm, texts)

# %% [markdown]
# Without the fields it looks like this:

# %% tags=["approximate"]
from ift_lib.course.widgets import choice_table

tables = [choice_table(lm, asked, right) for asked, right in texts]
tables[6]

# %% [markdown]
# And over all questions?

# %%
assert list(tables[6].picks.values()) == [1, 0, 0]  # what we found by hand
disagree = sum(len(set(table.picks.values())) > 1 for table in tables)
accuracy = {
    scale: sum(table.picks[scale] == table.right for table in tables) / len(tables) for scale in tables[0].picks
}

# %% tags=["approximate", "slide-output"]
print(f"the scales disagree on {disagree} of {len(tables)} questions")
for scale, value in accuracy.items():
    print(f"{scale:26} {value:.0%}")

# %%
assert disagree >= 12
assert len({round(value, 2) for value in accuracy.values()}) > 1
print("One model, the same answers, and more than one accuracy.")

# %% [markdown]
# That is why the harness reports both for tasks of this kind. A good report says which one counts, and that was decided before the results were seen.
#
# ## 5 GLUE: nine tasks about sentences
#
# [GLUE](https://arxiv.org/abs/1804.07461) is older than GPT-2, and the models it was made for had a trained layer for each task. A language model is asked with words. The [prompt](../book/glossary.md#prompt) ends in `Answer:`, and each label has a word (its *[verbaliser](../book/glossary.md#verbaliser)*):

# %% tags=["slide-output"]
from ift_lib.evaluation.benchmarks import glue

glue_questions = glue.BENCHMARK.load()
for task in ("cola", "mrpc", "mnli_matched"):
    first = next(q for q in glue_questions if q.group == task)
    print(f"--- {task}: {first.ask.choices}, right is {first.gold}\n{first.ask.contexts[0]}")

# %% [markdown]
# ### Three numbers for the same answers
#
# In CoLA one judges whether a sentence is correct English, in MRPC whether two sentences say the same. Where such data hold more "yes" than "no", a
# constant answer has a fine accuracy. Two scores resist, or seem to. **F1**, as in chapter 7, now over labels: the harmonic mean of [precision](../book/glossary.md#precision) and [recall](../book/glossary.md#recall) of the class 1. And **[Matthews' correlation](../book/glossary.md#matthews-correlation)** (MCC), the ordinary
# correlation of two columns of zeros and ones: 1 for always right, 0 for no relation at all.


# %%
def four_counts(gold, said):
    pairs = list(zip(gold, said, strict=True))
    return [pairs.count(kind) for kind in ((1, 1), (0, 1), (1, 0), (0, 0))]


def f1_by_hand(gold, said):
    tp, fp, fn, _ = four_counts(gold, said)
    return 2 * tp / (2 * tp + fp + fn) if tp else 0.0


def mcc_by_hand(gold, said):
    tp, fp, fn, tn = four_counts(gold, said)
    below = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return (tp * tn - fp * fn) / sqrt(below) if below else 0.0


labels = [q.gold for q in glue_questions if q.group == "mrpc"]
careful = [1 - g if at in (2, 5, 9) else g for at, g in enumerate(labels)]  # three mistakes
for name, given in {"three mistakes": careful, "always 1": [1] * 12, "always 0": [0] * 12}.items():
    plain = sum(g == s for g, s in zip(labels, given, strict=True)) / len(labels)
    print(f"{name:15} accuracy {plain:.2f}   F1 {f1_by_hand(labels, given):.2f}   MCC {mcc_by_hand(labels, given):.2f}")

# %% [markdown]
# Both constant answers have an accuracy of one half and an MCC of 0: MCC is not fooled. F1 is, by one of them: *always 1* gets two thirds, *always 0* nothing, because F1 looks at the class 1 only. The library's functions are
# the same, on any labels:

# %%
import random

from ift_lib.evaluation.benchmarks.glue_metrics import f1, matthews_correlation

rng = random.Random(8)
for _trial in range(500):
    n = rng.randint(1, 9)
    a, b = ([rng.randint(0, 1) for _ in range(n)] for _ in "ab")
    assert abs(f1(a, b) - f1_by_hand(a, b)) < 1e-12
    assert abs(matthews_correlation(a, b) - mcc_by_hand(a, b)) < 1e-12
print("500 times the same")

# %% [markdown]
# ### The pocket model
#
# Each task has its own metric or two; a task's score is their mean, and GLUE is the mean over the nine tasks, whatever their sizes. A long run wants to be safe: `run_benchmark` writes each answer to the disk and goes on after a stop. It returns the same result.

# %%
import tempfile

from ift_lib.evaluation.benchmark_run import run_benchmark

with tempfile.TemporaryDirectory() as folder:
    glue_result = run_benchmark(glue.BENCHMARK, lm, "pocket", folder)
    steps = []
    again = run_benchmark(glue.BENCHMARK, lm, "pocket", folder, on_progress=lambda done, total: steps.append(done))
print("the second time,", steps[0], "answers were there already;", len(steps) - 1, "chunks had to be asked")

# %% tags=["approximate"]
from ift_lib.course.benchmark_table import benchmark_table

print(benchmark_table({"pocket": [glue_result]}, groups=True))

# %%
headline, *parts = glue_result.scores
tasks = {}
for score in parts:  # the first score of a task is the task's own
    tasks.setdefault(score.group.split("_")[0], score)
counted = [tasks[name].value for name in glue.COUNTED]
mean = sum(0.0 if value != value else value for value in counted) / len(counted)
assert abs(mean - headline.value) < 1e-9
assert abs(tasks["cola"].value) < 1 and 25 < headline.value < headline.chance
assert all(score.low <= score.chance for score in glue_result.scores if score.low is not None)
answers_given = {task: {glue_result.items[q.id]["predicted"] for q in glue_questions if q.group == task}
                 for task in ("cola", "sst2", "qnli", "rte")}  # fmt: skip
assert all(len(given) == 1 for given in answers_given.values())
print(
    "In",
    ", ".join(answers_given),
    "it gives a single answer throughout; its mean is below that of the commonest label.",
)

# %% [markdown]
# Read the table by its last columns. *[Chance](../book/glossary.md#chance-level)* is here what the commonest label gets, and in no row does the model's interval lie above it. CoLA, the only one of the nine with MCC as its metric, shows a plain 0, where accuracy would have said about one half. And the mean of nine
# unlike numbers hides all of this: a GLUE score above 25 looks like something, and a machine with one fixed answer for each task has more.
#
# ## 6 SuperGLUE: harder, and two more ways to count
#
# When models had done better on GLUE than people who are no experts, [SuperGLUE](https://arxiv.org/abs/1905.00537) followed, with eight tasks. Two of them count in a new way.
#
# **CB** has three classes and few of one of them. Its score is the mean of accuracy and *macro F1*: an F1 for each class, then their mean, so a rare class weighs as much as a common one.


# %%
from ift_lib.evaluation.benchmarks.glue_metrics import macro_f1


def macro_f1_by_hand(gold, said, classes):
    each = []
    for one in classes:
        each.append(f1_by_hand([int(g == one) for g in gold], [int(s == one) for s in said]))
    return sum(each) / len(classes)


gold_cb = [0, 0, 0, 0, 0, 1, 1, 1, 1, 2]  # entailment, contradiction, neutral
forgets_neutral = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
print("accuracy", 0.9, " macro F1", round(macro_f1_by_hand(gold_cb, forgets_neutral, (0, 1, 2)), 2))
assert macro_f1(gold_cb, forgets_neutral, (0, 1, 2)) == macro_f1_by_hand(gold_cb, forgets_neutral, (0, 1, 2))

# %% [markdown]
# One mistake in ten, and more than a third of the macro F1 is gone: the class that was never found has an F1 of 0.
#
# **MultiRC** asks about each of several answers to a question whether it is right. Two scores: *F1a* over all these single decisions, and *[exact match](../book/glossary.md#exact-match)*, the share of questions with *all* of their decisions right.

# %%
question_of = ["q1", "q1", "q1", "q2", "q2", "q3", "q3", "q3"]
gold_rc = [1, 0, 0, 1, 1, 0, 1, 0]
said_rc = [1, 0, 1, 1, 1, 0, 1, 1]

all_right = {}
for name, g, s in zip(question_of, gold_rc, said_rc, strict=True):
    all_right[name] = all_right.get(name, True) and g == s
exact = sum(all_right.values()) / len(all_right)
print(f"decisions right {sum(g == s for g, s in zip(gold_rc, said_rc, strict=True))} of 8, ", end="")
print(f"F1a {f1_by_hand(gold_rc, said_rc):.2f}, exact match {exact:.2f}")

# %%
from ift_lib.evaluation.benchmarks.glue_metrics import multirc_exact_match

assert multirc_exact_match(question_of, gold_rc, said_rc) == exact
assert f1(gold_rc, said_rc) == f1_by_hand(gold_rc, said_rc)

# %% [markdown]
# Three quarters of the decisions, and one question of three. Is that good? It depends on what you want to know, and a report with one number has decided that for you.

# %%
super_questions = superglue.BENCHMARK.load()
super_result = superglue.BENCHMARK.score(super_questions, ask(lm, super_questions))

# %% tags=["approximate"]
for score in super_result.scores:
    if score.group in ("", "cb", "multirc"):
        print(f"{score.group:8} {score.name:46} {score.value:5.1f}   commonest label {score.chance:.1f}   n={score.n}")

# %%
super_headline = super_result.scores[0]
assert super_headline.low < super_headline.chance < super_headline.high
print("What the commonest labels get lies within its interval here, too.")

# %% [markdown]
# ## 7 BIG-bench: everybody brings a task
#
# [BIG-bench](https://arxiv.org/abs/2206.04615) collected more than 200 tasks from more than 400 people. A task is one JSON file, with its own prompt, its own metrics, and the one it prefers. It also has a *[canary](../book/glossary.md#canary)*, a string that must not occur in any training corpus, so that [contamination](../book/glossary.md#contamination) can be found.

# %%
import json

from ift_lib.evaluation.benchmarks import bigbench

task = json.loads((bigbench.SAMPLE / "odd_one_out" / "task.json").read_text(encoding="utf-8"))
print(task["canary"], "|", task["preferred_score"], "|", task["examples"][0])

# %% [markdown]
# So many tasks have unlike scales, and BIG-bench *[normalises](../book/glossary.md#normalise)*: 0 is what guessing gets, 100 is perfect. By hand, for five examples with four choices each, of which one, two or three were found:

# %% tags=["slide"]
low, high = 0.25, 1.0
for found in (1, 2, 3):
    print(f"{found} of 5: accuracy {found / 5:.2f}, normalised {(found / 5 - low) / (high - low) * 100:.1f}")

# %% [markdown]
# A score below 0 is no error. It means: worse than guessing. And it is what we get:

# %%
odd = bigbench.BENCHMARK.load(str(bigbench.SAMPLE / "odd_one_out"))
odd_result = bigbench.BENCHMARK.score(odd, ask(lm, odd))
names = {score.name: score for score in odd_result.scores}
grade, normalised = names["multiple_choice_grade"], names["preferred score, normalised"]

# %% tags=["approximate", "slide-output"]
print(f"accuracy {grade.value:.3f}, guessing {grade.chance:.3f}")
print(f"normalised {normalised.value:.1f}, interval {normalised.low:.1f} to {normalised.high:.1f}")

# %%
assert abs((grade.value - grade.chance) / (1 - grade.chance) * 100 - normalised.value) < 1e-9
assert normalised.low < 0 < normalised.high
print("Below 0 or above, with", grade.n, "examples it is guessing.")

# %% [markdown]
# Guessing is not a quarter here: some examples have three choices, some four, and the mean of their chances is taken.
#
# ### Does it know when it does not know?
#
# Make probabilities of the log-likelihoods of the choices, so that they add up to 1 (*[softmax](../book/glossary.md#softmax)*). They are the model's confidence, and they can be right or wrong too. The *[Brier score](../book/glossary.md#brier-score)* is the mean squared distance from what would have been right, 0 at best:

# %%
from ift_lib.evaluation.benchmarks.bigbench_metrics import brier_score

target = [1.0, 0.0, 0.0, 0.0]
confident = {
    "sure and right": [0.97, 0.01, 0.01, 0.01],
    "no idea": [0.25] * 4,
    "sure and wrong": [0.01, 0.97, 0.01, 0.01],
}
for name, p in confident.items():
    squares = [t * (q - 1) ** 2 + (1 - t) * q**2 for t, q in zip(target, p, strict=True)]
    scores = dict(zip("abcd", target, strict=True))
    logs = torch.tensor(p, dtype=torch.float64).log().tolist()
    assert abs(brier_score([scores], [logs]) - sum(squares) / 4) < 1e-9
    print(f"{name:15} {sum(squares) / 4:.3f}")

# %% [markdown]
# The worst is not to have no idea, the worst is to be sure and wrong. Our model's Brier score on the odd words, beside that of somebody who gives every choice the same probability:

# %%
no_idea = brier_score([e["target_scores"] for e in task["examples"]],
                      [[0.0] * len(e["target_scores"]) for e in task["examples"]])  # fmt: skip
brier = names["calibration_multiple_choice_brier_score"].value

# %% tags=["approximate"]
print(f"the model {brier:.3f}, no idea {no_idea:.3f}")

# %%
assert brier > no_idea + 0.02
print("It would have done better to admit that it does not know.")

# %% [markdown]
# ## 8 HELM: many numbers at once
#
# [HELM](https://arxiv.org/abs/2211.09110) objects to all of the above: one number for one model hides too much. It takes many scenarios and measures each in several ways. Accuracy you know by now; here are three others.
#
# **[Robustness](../book/glossary.md#robustness).** Every question is asked again with small changes, as people type: capitals gone, a space too many, a slip. The score of a question is its *worst* case. **Fairness** is the same with other changes, such as other names or American and British spelling.

# %% tags=["slide-output"]
forms = [q for q in everyday if q.gold["instance"] == originals[5].gold["instance"]]
for q in forms:
    print(f"{q.gold['kind']:10} {q.gold['perturbation']:12} {q.ask.contexts[0]!r}")

# %%
helm_result = helm.BENCHMARK.score(everyday, ask(lm, everyday))
points = {q.id: helm_result.items[q.id]["exact_match"] for q in everyday}

worst = []
for original in originals:
    same = [q for q in everyday if q.gold["instance"] == original.gold["instance"]]
    worst.append(min(points[q.id] for q in same if q.gold["kind"] in ("original", "robustness")))
accuracy_now = sum(points[q.id] for q in originals) / len(originals)
reported = {score.name: score.value for score in helm_result.scores}
assert abs(reported["exact_match"] - accuracy_now) < 1e-9
assert abs(reported["exact_match, robustness (worst case)"] - sum(worst) / len(worst)) < 1e-9

# %% tags=["approximate"]
print(f"accuracy {accuracy_now:.2f}, and in the worst case {sum(worst) / len(worst):.2f}")

# %%
assert sum(worst) / len(worst) < accuracy_now
print("Some of what was right was luck: it does not survive a few spaces.")

# %% [markdown]
# **[Calibration](../book/glossary.md#calibration).** Of the answers given with a confidence of 0.8, are 8 in 10 right? Sort the answers by confidence, cut them into groups, and in each compare mean confidence and accuracy: the weighted mean distance is the *[expected calibration error](../book/glossary.md#expected-calibration-error)* (ECE). Our model answers MMLU with great confidence:


# %%
from ift_lib.evaluation.benchmarks.helm_metrics import ece


def ece_by_hand(confidences, correct, groups=10):
    pairs = sorted(zip(confidences, correct, strict=True))
    size, rest = divmod(len(pairs), groups)
    error, at = 0.0, 0
    for group in range(groups):
        part = pairs[at : at + size + (group < rest)]  # the first groups are one larger
        at += len(part)
        error += abs(sum(p for p, _ in part) - sum(c for _, c in part)) / len(pairs)
    return error


confidences = [result.items[q.id]["confidence"] for q in questions]
correct = [int(result.items[q.id]["correct"]) for q in questions]
assert abs(ece_by_hand(confidences, correct) - ece(confidences, correct)) < 1e-6

# %% tags=["approximate", "slide"]
print(f"mean confidence {sum(confidences) / len(correct):.2f}, accuracy {sum(correct) / len(correct):.2f}, ", end="")
print(f"ECE {ece(confidences, correct):.2f}")

# %%
assert sum(confidences) / len(correct) > sum(correct) / len(correct) + 0.3
print("Sure, and right no more often than a coin with four sides.")

# %% [markdown]
# **Mean [win rate](../book/glossary.md#win-rate).** With so many columns, who is best? HELM's answer: in each column, the share of other models that a model beats (a tie counts half), averaged over the columns. Three columns, two models:


# %%
def win_rates_by_hand(table):
    rates = {}
    for name, row in table.items():
        others = [other for n, other in table.items() if n != name]
        shares = [
            sum(1 if mine > theirs else 0.5 if mine == theirs else 0 for theirs in column) / len(others)
            for mine, *column in zip(row, *others, strict=True)
        ]
        rates[name] = sum(shares) / len(shares)
    return rates


table = {"Ana": [0.9, 0.60, 0.60], "Ben": [0.5, 0.61, 0.62]}
print(win_rates_by_hand(table))
table |= {"Cleo": [0.6, 0.2, 0.2], "Dov": [0.7, 0.1, 0.3]}
print(win_rates_by_hand(table))

# %%
from ift_lib.evaluation.benchmarks.helm_metrics import mean_win_rates

rates = mean_win_rates(list(table.values()), [False] * 3)
assert all(abs(a - b) < 1e-12 for a, b in zip(rates, win_rates_by_hand(table).values(), strict=True))
assert rates[0] > rates[1]

# %% [markdown]
# Among the two, Ben is ahead. Two weaker models join, nothing else changes, and Ana is. A win rate says something about a *table*, not about a model: quote it with the table, and never compare one from last year with one from this year.
#
# ## 9 How such numbers mislead
#
# Chance and normalisation you have seen. Two more.
#
# ### One space
#
# Take MMLU as before, and make the mistake of section 2: end the prompt with a space, and score the letter without one.

# %%
from ift_lib.evaluation.continuations import Pair


def letters_for(questions, context_end, before_letter):
    """What the model says when the prompt goes on with `context_end`, and each letter has `before_letter` before it."""
    encode = tokenizer.encode_ordinary
    pairs = [
        Pair(tuple(encode(q.ask.contexts[0]) + encode(context_end)), tuple(encode(before_letter + letter)))
        for q in questions
        for letter in LETTERS
    ]
    values = [one.logprob for one in lm.score_ids(pairs)]
    rows = [values[at : at + 4] for at in range(0, len(values), 4)]
    return [LETTERS[row.index(max(row))] for row in rows]


half = questions[::2]
variants = {"'Answer:' + ' A'": ("", " "), "'Answer: ' + 'A'": (" ", ""), "'Answer: ' + ' A'": (" ", " ")}
heard = {name: letters_for(half, *how) for name, how in variants.items()}
assert heard["'Answer:' + ' A'"] == said[::2]

# %% tags=["approximate", "slide-output"]
for name, letters in heard.items():
    hits = sum(x == q.gold["letter"] for x, q in zip(letters, half, strict=True))
    print(f"{name:18} {' '.join(f'{x} {letters.count(x):>2}' for x in LETTERS)}   right {hits} of {len(half)}")

# %%
changed = sum(a != b for a, b in zip(heard["'Answer:' + ' A'"], heard["'Answer: ' + 'A'"], strict=True))
assert changed > len(half) / 3
print("More than a third of the answers change for one space that no reader can see.")

# %% [markdown]
# Large models are steadier, but wording, order of the options and choice of the shots still move their scores by points ([Sclar et al. 2024](https://arxiv.org/abs/2310.11324) measured how much formatting alone can do). A difference between two papers may be a difference between two prompts.
#
# ### Seen before
#
# [Test questions](../book/glossary.md#test-set) are on the internet, and so are the corpora that models are trained on. What does that do to a score? We do it on purpose: twelve of the test questions, with their answers, become training data, for twelve steps.

# %%
import copy

from ift_lib import Encoded, collate
from ift_lib.encoding import EOT
from ift_lib.training import train_step

by_length = sorted((q for q in questions if q.id.endswith("/0")), key=lambda q: len(q.ask.contexts[0]))
leaked, unseen = by_length[:12], by_length[12:36]
rows = []
for q in leaked:
    prompt_ids = tokenizer.encode_ordinary(q.ask.contexts[0])
    rows.append(Encoded((*prompt_ids, *tokenizer.encode_ordinary(" " + q.gold["letter"]), EOT), len(prompt_ids)))

cheat = copy.deepcopy(model).train()
optimizer = torch.optim.AdamW(cheat.parameters(), weight_decay=0.0)
batch = collate(rows)
for _step in range(12):
    train_step(cheat, optimizer, [batch], lr=1e-3, clip=1.0)
cheat_lm = GPTLanguageModel(cheat)


def share_right(language_model, questions):
    answers = ask(language_model, questions)
    return mmlu.score(questions, answers).scores[0].value


# %% [markdown]
# Then we ask the twelve; 24 that it has not seen; and the twelve once more, with the same options in another order (each moves one place down, the last comes first).

# %%
from dataclasses import replace


def turned(question):
    row = read_rows(EMBEDDED / "test" / f"{question.group}_test.csv")[0]
    letter = LETTERS[(LETTERS.index(row.letter) + 1) % 4]
    other = row._replace(options=row.options[-1:] + row.options[:-1], letter=letter)
    prompt = format_prompt(question.group, [], other)
    return replace(question, ask=replace(question.ask, contexts=(prompt,) * 4), gold=question.gold | {"letter": letter})


after = {
    "the twelve": share_right(cheat_lm, leaked),
    "unseen": share_right(cheat_lm, unseen),
    "the twelve, options turned": share_right(cheat_lm, [turned(q) for q in leaked]),
}

# %% tags=["approximate", "slide-output"]
print(f"before:  the twelve {share_right(lm, leaked):.0f} %")
for name, value in after.items():
    print(f"after:   {name} {value:.0f} %")

# %%
assert after["the twelve"] == 100 and after["the twelve, options turned"] <= 34 and after["unseen"] < 70
print("All twelve right, and hardly any of them once the options change places.")

# %% [markdown]
# A perfect score, and what was learned is a letter for each question, not an answer to it. Turning the options is a good probe for this disease: who knows the answer does not mind. Others are to ask questions written after the model was trained, and to look for the test's sentences
# (and the canary) in the training data, if one may see them. You cannot see it in the score.
#
# So, before you believe a number, ask: *above what?* (guessing, the commonest label), *how sure?* (interval, number of questions), *asked how?* (prompt, shots, normalisation), *which mean?* (micro, macro, over tasks, over a table), and *seen before?*
#
# ## Exercises

# %%
from ift_lib.course.checks import knowledge as checks

# %% [markdown]
# ### Exercise 1 · easy · 10 min
#
# Write `beats_chance(right, n, choices)`: True if a model with `right` of `n` questions right, each with so many choices, is above guessing with its whole 95 % interval, else False.
#
# Expected: `beats_chance(30, 114, 4)` is False, `beats_chance(40, 114, 4)` is True.
#
# <details><summary>Hint</summary>`wilson_interval(right, n)` gives two ends. Which of them has to lie above what guessing gives? A range that only touches it is not above.</details>


# %% tags=["exercise"]
def beats_chance(right, n, choices): ...


# %% tags=["solution"]
def beats_chance(right, n, choices):
    low, _ = wilson_interval(right, n)
    return low > 1 / choices


# %%
checks.exercise_1(beats_chance)

# %% [markdown]
# ### Exercise 2 · medium · 15 min
#
# A friend says: "The pocket model does know something, only its love for A drowns it." Test that. Write `without_prior(rows)`: `rows` has for each question a list of log-likelihoods, one for each letter. From each, take off the *mean over all questions* of its letter, and return for each question the index of the letter that is then the highest.
#
# Expected: `without_prior([[-1, -3], [-1, -5], [-1, -4]])` is `[1, 0, 0]` (in the last row both are 0, and the first of equals counts).
#
# <details><summary>Hint</summary>`zip(*rows)` gives the columns. Subtract the mean of each column from each of its values, then take `row.index(max(row))`.</details>


# %% tags=["exercise"]
def without_prior(rows): ...


# %% tags=["solution"]
def without_prior(rows):
    means = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    left = [[value - mean for value, mean in zip(row, means, strict=True)] for row in rows]
    return [row.index(max(row)) for row in left]


# %%
checks.exercise_2(without_prior)

# %% [markdown]
# Once it is right, try it: is the friend right?
#
# ```python
# rows = [[one.logprob for one in answer.logliks] for answer in answers]
# letters = [LETTERS[i] for i in without_prior(rows)]
# print(Counter(letters), sum(a == b for a, b in zip(letters, gold)))   # from collections import Counter
# ```
#
# ### Exercise 3 · medium · 20 min
#
# How large must a benchmark be? Write `questions_needed(share, chance)`: the smallest number of questions at which a model with this accuracy is above guessing with its whole interval. Take the share as it is, without rounding to whole answers: `wilson_by_hand(share * n, n)` does not mind.
#
# Expected: `questions_needed(0.35, 0.25)` is 73.
#
# <details><summary>Hint</summary>The larger n, the higher the lower end. So double n until it is high enough, then halve the step; or, for a start, go up one by one. (With paper and pencil: the lower end is above c exactly when n·(share - c)² > z²·c·(1 - c).)</details>


# %% tags=["exercise"]
def questions_needed(share, chance): ...


# %% tags=["solution"]
def questions_needed(share, chance):
    enough = 1
    while wilson_by_hand(share * enough, enough)[0] <= chance:
        enough *= 2
    too_few = enough // 2
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        if wilson_by_hand(share * middle, middle)[0] > chance:
            enough = middle
        else:
            too_few = middle
    return enough


# %%
checks.exercise_3(questions_needed)

# %% [markdown]
# ### Exercise 4 · hard · 25 min
#
# Real tables have holes: a model was not run everywhere. Write `win_rates(table)` for a list of rows, one for each model, higher being better everywhere, and `None` where a value is missing:
#
# * in each column, only the models that have a value there are compared with one another;
# * a tie counts half;
# * a column with fewer than two values is left out;
# * a model's rate is the mean over the columns where it has a share; with none at all it is `None`.
#
# Expected: `win_rates([[0.9, 20.0], [0.5, 30.0], [0.5, None]])` is `[0.5, 0.625, 0.25]`.
#
# <details><summary>Hint</summary>Go column by column: `values = [row[c] for row in table]`, the known ones are those that are not None. For a model with a value v: (number of known below v + half of the others equal to v) / (number of known - 1). Collect these in a list for each model.</details>


# %% tags=["exercise"]
def win_rates(table): ...


# %% tags=["solution"]
def win_rates(table):
    shares = [[] for _ in table]
    for values in zip(*table, strict=True):
        known = [v for v in values if v is not None]
        if len(known) < 2:
            continue
        for mine, v in zip(shares, values, strict=True):
            if v is not None:
                below, equal = sum(k < v for k in known), known.count(v) - 1
                mine.append((below + equal / 2) / (len(known) - 1))
    return [sum(mine) / len(mine) if mine else None for mine in shares]


# %%
checks.exercise_4(win_rates)

# %% [markdown]
# ## Quiz

# %% tags=["widget"]
from ift_lib.course.quiz import quiz

quiz("08_benchmarks_knowledge")

# %% [markdown]
# ## Recap
#
# * A benchmark is data, how to ask and how to score; change a space in one of them, and you have another benchmark.
# * First comes what guessing and the commonest answer get, then the interval, then the score; and a look at what was actually said.
# * Sum, per token, per character: the winner may change. Micro, macro, mean over tasks, win rate: so may the ranking.
# * Accuracy hides constant answers, MCC does not; F1 rewards "always yes"; exact match over groups is stricter than any mean of parts.
# * A model that has seen the test has a perfect score and no knowledge; turn the options to find out.
#
# ## Where next
#
# Chapter 9 lets models write their answers: questions about a text, trivia, and code that has to run. Chapter 10 compares models with one another.
# On the command line, `ift evaluate mmlu pocket` runs what this chapter ran, `ift evaluate all runs/1` compares your model before and after fine-tuning, and `--data` points at the official files.
# In the code: `ift_lib/evaluation/tasks.py` (what a benchmark is), `language_models.py` (likelihoods in [batches](../book/glossary.md#batch)), and one file for each benchmark in `ift_lib/evaluation/benchmarks/`.
