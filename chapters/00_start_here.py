# %% [markdown]
# # 0 Start here
#
# **You will learn** whether your machine is ready, and what the whole journey looks like: from a file of [instructions](../book/glossary.md#instruction) to a model that follows them, in about a
# minute. After that you know what each of the other chapters is for.
#
# **You need** Python and a little PyTorch. No GPU, no network.
#
# | for you | for the machine | memory | network |
# |---|---|---|---|
# | 25 min | 1 min | 1.5 GB | none |

# %% [markdown]
# Welcome! A *[language model](../book/glossary.md#language-model)* such as [GPT-2](../book/glossary.md#gpt-2) continues text. Ask it something, and it may answer, or ask three more questions, or tell a story. In this course you
# teach one to do what it is asked. That step is called *[instruction fine-tuning](../book/glossary.md#instruction-fine-tuning)*, and it is how every assistant you have talked to got its manners.
#
# Run the cells from top to bottom with <kbd>Shift</kbd> + <kbd>Enter</kbd>. Nothing here can break: if you are lost, choose *Restart Kernel and Run All Cells* and begin again.
#
# ## 1 Is the machine ready?
#
# Each line should hold a version or a size. `MISSING` or `not installed` means: install the package again. If you ever report a problem, paste these lines.

# %% tags=["machine"]
from ift_lib.course.doctor import report

print(report())

# %% [markdown]
# ## 2 The examples
#
# A model learns to follow instructions from examples: an *instruction*, sometimes an *[input](../book/glossary.md#input)* it is about, and the *output* we would like. The package holds a
# small file of them. Today we take three of its kinds of task, so that one minute is enough to see something.

# %% tags=["slide"]
from collections import Counter

from ift_lib import load_examples
from ift_lib.data import EMBEDDED

everything = load_examples(EMBEDDED)
kinds = ("opposite", "politeness", "past_tense")
examples = [example for example in everything if example.category in kinds]

print(f"{len(examples)} of {len(everything):,} examples:", dict(Counter(example.category for example in examples)))
for example in examples[:3]:
    print(f"{example.instruction!r:>34} {example.input!r:>8} -> {example.output!r}")

# %% [markdown]
# ## 3 From an example to a text, and to numbers
#
# A model reads nothing but text, so we agree on a form: a fixed frame around the instruction, then the answer. Here it is by hand, and then by the package.
# The two are the same, letter for letter.

# %% tags=["slide"]
from ift_lib import ALPACA

example = examples[1]
by_hand = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
    f"### Instruction:\n{example.instruction}\n\n"
    "### Response:\n"
)
assert ALPACA.prompt(example) == by_hand
print(by_hand + ALPACA.response(example))

# %% [markdown]
# The text is cut into *[tokens](../book/glossary.md#token)*, and each token has a number. In training, the model guesses every next token; only its guesses at the [bracketed] ones count.
# The last of them, `<|endoftext|>`, is how it learns to stop.

# %% tags=["slide"]
from ift_lib import encode_example, show_supervision

encoded = [encode_example(example, ALPACA) for example in examples]
print(encoded[1].ids[-8:])
print(show_supervision(encoded[1]))

# %% [markdown]
# ## 4 Put some aside
#
# Some examples must never be trained on, or we could not tell learning from learning by heart: the *[validation](../book/glossary.md#validation-set)* set, to watch during training, and the *[test](../book/glossary.md#test-set)* set, for
# the end.

# %% tags=["slide"]
from ift_lib import split_examples

split = split_examples(examples, validation=0.1, test=0.1, seed=123)
assert sorted([*split.train, *split.validation, *split.test]) == list(range(len(examples)))  # each exactly once
print(f"{len(split.train)} to train on, {len(split.validation)} to watch, {len(split.test)} for the end")

# %% [markdown]
# ## 5 Ask before training
#
# The course brings its own small GPT-2, the *[pocket model](../book/glossary.md#pocket-model)*. It has read simple stories and an encyclopaedia for learners, and has never been told that it should answer.
# Listen:

# %% tags=["slide"]
from ift_lib import load_pretrained

untrained = load_pretrained("pocket")
model = load_pretrained("pocket")  # the one we are going to train
print(f"{model.parameter_count():,} parameters")

# %% tags=["approximate", "slide-output"]
from ift_lib import respond

test = [examples[i] for i in split.test]
before = respond(untrained, test, ALPACA, max_new_tokens=30)
for question, answer in zip(test[:3], before, strict=False):
    print(f"{question.instruction} {question.input}\n   -> {answer.text!r}\n")

# %%
# It writes until it is cut off: hardly an answer comes to an end by itself, and hardly one is right.
from ift_lib.evaluation.verify import verify

assert sum(answer.ended for answer in before) <= len(test) / 4
right_before = sum(verify(question, answer.text) for question, answer in zip(test, before, strict=True))
assert right_before <= len(test) / 4

# %% [markdown]
# ## 6 Train
#
# Now the model sees the training examples three times. At each step it guesses the tokens of sixteen answers, and all its [parameters](../book/glossary.md#parameter) move a little, so that the right tokens become
# likelier. The *[loss](../book/glossary.md#loss)* says how surprised it was; lower is better.

# %% tags=["approximate", "slide-output"] mystnb={"image": {"alt": "Two loss curves over three epochs. Training and validation loss both fall steeply during the first epoch and more slowly after it."}}
from ift_lib import TrainConfig, train
from ift_lib.plots import plot_losses

history = train(
    model,
    [encoded[i] for i in split.train],
    [encoded[i] for i in split.validation],
    TrainConfig(epochs=3, evals_per_epoch=4, patience=4),
)
print(f"validation loss {history.validation[0].loss:.1f} before, {history.best().loss:.1f} at its best")
plot_losses(history)

# %%
assert history.best().loss < history.validation[0].loss - 1  # much less surprised by answers it was never trained on

# %% [markdown]
# ## 7 Ask again
#
# The same instructions, none of which was in the training set. Is each answer right? For these tasks a rule can tell.

# %% tags=["approximate"]
from ift_lib.course.widgets.ask_both import Answers

after = respond(model, test, ALPACA, max_new_tokens=30)
right_after = sum(verify(question, answer.text) for question, answer in zip(test, after, strict=True))
print(f"of {len(test)} answers, {right_before} were right before and {right_after} after")
ended_before, ended_after = (sum(answer.ended for answer in answers) for answers in (before, after))
print(f"{ended_before} ended by themselves before, {ended_after} after")

Answers(test[:8], {"before": [a.text for a in before[:8]], "after": [a.text for a in after[:8]]})

# %%
assert ended_after >= 0.9 * len(test)  # it learned to stop
assert right_after > right_before  # and something about the tasks

# %% [markdown]
# So the *form* is there in less than a minute: it answers, in a sentence, and stops. It has found out what a past tense is and how to say *please*. The content comes
# harder ("The opposite of push is push."), and a model this small will never know much: it is here so that you can watch everything, on any machine. The very same code trains OpenAI's GPT-2 with its 124 million parameters and more.
#
# ## 8 Your turn
#
# Type an instruction and press Enter. Try what it was trained on (opposites, polite requests, past tenses), and then something it was not.

# %% tags=["widget"]
from ift_lib.course.widgets.ask_both import ask_both

ask_both({"before": untrained, "after": model}, ALPACA)

# %% [markdown] tags=["slide"]
# ## 9 The map
#
# You have walked the whole way once. Each step has its chapter:
#
# | what you saw | what it hides | chapter |
# |---|---|---|
# | the frame around an instruction | other formats, and what a wrong one costs | [1 Formatting](01_formatting.ipynb) |
# | train, validation, test | copies that [leak](../book/glossary.md#leak) from one to the other | [2 Splitting](02_splitting.ipynb) |
# | the [bracketed] tokens | many examples at once; which tokens count | [3 Batching and masking](03_batching.ipynb) |
# | the pocket model | what a GPT-2 is made of; OpenAI's [weights](../book/glossary.md#weights) | [4 Loading GPT-2](04_loading.ipynb) |
# | three [epochs](../book/glossary.md#epoch) of training | what happens in one step, and how to read a loss curve | [5 Training](05_training.ipynb) |
# | where the validation loss was lowest | seeing when learning turns into learning by heart | [6 Overfitting](06_overfitting.ipynb) |
# | "right" and "wrong" | answers that no rule can judge; judging the judge | [7 Judging responses](07_judging.ipynb) |
#
# ## Exercises
#
# Replace the `...`, run the cell, then run the check below it. A check says what is wrong and never stops you; try as often as you like.

# %%
import math

from ift_lib import Example
from ift_lib.course.checks import start as checks

# %% [markdown]
# ### Exercise 1 · easy · 3 min
#
# Make an instruction of your own, ready to be asked: an `Example`, without an answer.
#
# Expected: the check tells you how many tokens the model will read. Then try it: `respond(model, [question], ALPACA)[0].text`
#
# <details><summary>Hint</summary><code>Example("What is the opposite of brave?")</code>; an input, if there is one, comes second.</details>

# %% tags=["exercise"]
question = ...

# %% tags=["solution"]
question = Example("What is the opposite of brave?")

# %%
checks.exercise_1(question)

# %% [markdown]
# ### Exercise 2 · easy · 5 min
#
# How many steps does a training take? Write `count_steps`, which gets the number of examples, the size of a [batch](../book/glossary.md#batch) and the number of epochs. If the examples do not
# fill the last batch of an epoch, it is a smaller one.
#
# Expected: `count_steps(260, 16, 2)` is 34. Ours above took `history.train[-1].step` steps.
#
# <details><summary>Hint</summary>First one epoch: how many batches do 260 examples give, the small one included? <code>math.ceil</code> rounds up.</details>


# %% tags=["exercise"]
def count_steps(examples, batch_size, epochs): ...


# %% tags=["solution"]
def count_steps(examples, batch_size, epochs):
    return math.ceil(examples / batch_size) * epochs


# %%
checks.exercise_2(count_steps)

# %% [markdown]
# ### Exercise 3 · medium · 10 min
#
# **Break it.** We ask the trained model again, but frame the instructions in another format, Phi-3's. No error is raised. Compare the answers with those of section 7,
# and how much the right answers surprise the model, the loss, in each of the two formats:

# %% tags=["approximate"]
from ift_lib import PHI3, evaluate, in_order

loss = {}
for template in (ALPACA, PHI3):
    batches = in_order([encode_example(each, template) for each in test], 16)
    loss[template.name] = evaluate(model, batches).mean
    print(f"asked in {template.name}: loss {loss[template.name]:.1f}")
    for each, answer in zip(test[:5], respond(model, test[:5], template, max_new_tokens=30), strict=True):
        print(f"   {each.instruction} {each.input} -> {answer.text!r}")

# %%
assert loss["phi3"] > loss["alpaca"] + 0.2  # the same model, the same questions, another frame

# %% [markdown]
# **Repair it.** Write `prompt_for`, which gets an `Example` and returns the text that *this* model must be given.
#
# Expected: for any example, the very text it had in training, up to where the answer begins.
#
# <details><summary>Hint</summary>Section 3 built it by hand and then let the package do it. The package knows about inputs, too.</details>


# %% tags=["exercise"]
def prompt_for(question): ...


# %% tags=["solution"]
def prompt_for(question):
    return ALPACA.prompt(question)


# %%
checks.exercise_3(prompt_for)

# %% [markdown]
# ## Quiz

# %% tags=["widget"]
from ift_lib.course.quiz import quiz

quiz("00_start_here")

# %% [markdown]
# ## Recap
#
# * A [base model](../book/glossary.md#base-model) continues text; [fine-tuning](../book/glossary.md#fine-tuning) on examples teaches it to answer.
# * An example travels: text in a fixed frame, tokens, batches, loss, better weights.
# * What was never trained on tells us how much was learned.
# * Form is learned within a minute, content is hard: read the answers, not only the loss.
# * Ask in the format you trained in.
#
# ## Where next
#
# [Chapter 1](01_formatting.ipynb) opens the frame around the instruction. For the whole data set on this model, run `make run` in a terminal, and read its `report.html`.
