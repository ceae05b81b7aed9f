# %% [markdown]
# # 3 Batching and masking
#
# **You will learn** to turn examples of unequal length into the two rectangles of numbers that a model trains on,
# [inputs](../book/glossary.md#input) and [targets](../book/glossary.md#target), and to say for every [token](../book/glossary.md#token) whether the [loss](../book/glossary.md#loss) counts it.
#
# **You need** chapters 1 and 2, Python, a little PyTorch.
#
# | for you | for the machine | memory | network |
# |---|---|---|---|
# | 75 min | 1 min | 1.2 GB | none |

# %% [markdown]
# A model trains on many examples at once, because a GPU (and a CPU too) is far quicker with one large matrix than with
# many small ones. But examples have unequal lengths and a matrix has not. The step that makes one from the other is
# called *[collate](../book/glossary.md#collate)*. It is thirteen lines long, it raises no error when it is wrong, and most of what goes wrong in
# [fine-tuning](../book/glossary.md#fine-tuning) goes wrong here. So we build it by hand, piece by piece, and look at every token.
#
# To keep the rows short enough to look at, this chapter mostly uses the Phi-3 format of chapter 1. Nothing depends on
# it.

# %%
import random

import torch
import torch.nn.functional as F

from ift_lib import ALPACA, EOT, IGNORE, PHI3, collate, encode_example, get_tokenizer, load_examples
from ift_lib.data import EMBEDDED

examples = load_examples(EMBEDDED)
three = [examples[32], examples[15], examples[42]]
for example in three:
    print(repr(PHI3.prompt(example)), "→", repr(PHI3.response(example)))

# %% [markdown]
# ## 1 Text to ids
#
# [Prompt](../book/glossary.md#prompt) and [response](../book/glossary.md#response) are encoded apart (chapter 1 showed why: no token may span the seam), and after the response comes
# the *[end of text](../book/glossary.md#end-of-text)*, EOT, [GPT-2](../book/glossary.md#gpt-2)'s only [special token](../book/glossary.md#special-token). It is what the model must say when it has nothing more to say.

# %% tags=["slide"]
tokenizer = get_tokenizer()
prompts = [tokenizer.encode_ordinary(PHI3.prompt(example)) for example in three]
responses = [tokenizer.encode_ordinary(PHI3.response(example)) for example in three]
rows = [prompt + response + [EOT] for prompt, response in zip(prompts, responses, strict=True)]

print(rows[0])
print([tokenizer.decode([i]) for i in rows[0]])
print("tokens in each row:", [len(row) for row in rows])

# %% [markdown]
# `encode_example` does the same, and remembers where the prompt ends.

# %%
encoded = [encode_example(example, PHI3) for example in three]
assert [list(e.ids) for e in encoded] == rows
assert [e.prompt_length for e in encoded] == [len(prompt) for prompt in prompts]
print("prompt lengths:", [e.prompt_length for e in encoded])

# %% [markdown]
# ## 2 Shift: each token predicts the next
#
# A [language model](../book/glossary.md#language-model) reads a token and says what comes next. So the *input* is the row without its last token (nothing
# follows it), and the *target* is the row without its first token (nothing predicts it). At every place, input and
# target are neighbours.

# %% tags=["slide-output"]
row = rows[0]
read, say = row[:-1], row[1:]
for before, after in zip(read, say, strict=True):
    print(f"{tokenizer.decode([before])!r:>12} → {tokenizer.decode([after])!r}")

# %% [markdown]
# Look at the last line: the full stop is read, and the target is the end. This one pair teaches the model to stop.
#
# ## 3 Pad: rows of unequal length
#
# A tensor is a rectangle, so this does not work:

# %% tags=["slide"]
try:
    torch.tensor([row[:-1] for row in rows])
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# *[Padding](../book/glossary.md#padding)* fills the short rows up. GPT-2 has no token for it, so it is usual to take EOT. That is harmless for the
# inputs: the filler stands behind the text, and GPT-2 never looks ahead (chapter 4), so no real token ever sees it.
#
# But what should the model say where it reads padding? Nothing. PyTorch's [cross-entropy](../book/glossary.md#cross-entropy) has a target for "do not count
# this place": **[−100](../book/glossary.md#ignore-index)** (`ignore_index`, our `IGNORE`). So inputs are filled with EOT, and targets with −100.

# %% tags=["slide"]
width = max(len(row) for row in rows) - 1
inputs = torch.tensor([row[:-1] + [EOT] * (width - len(row[:-1])) for row in rows])
targets = torch.tensor([row[1:] + [IGNORE] * (width - len(row[1:])) for row in rows])
print("inputs ", tuple(inputs.shape), " row 0 ends in", inputs[0, -14:].tolist())
print("targets", tuple(targets.shape), " row 0 ends in", targets[0, -14:].tolist())

# %% [markdown]
# In the targets, exactly one EOT is left in each row, the real one, and after it stand only −100:

# %% tags=["slide"]
print("EOT among the targets of each row:", (targets == EOT).sum(dim=1).tolist())
print("EOT among the inputs of each row: ", (inputs == EOT).sum(dim=1).tolist())

# %% [markdown]
# We knew where the padding is, because we put it there. Remember that: searching for it afterwards, by its id, cannot
# tell padding from the end, and is one of the best-known bugs of this field. You will break it yourself in exercise 2.
#
# ## 4 Mask the prompt
#
# Now every token is a target, the prompt's too: the model would also learn to *write* [instructions](../book/glossary.md#instruction). We want it to
# answer them. So we *[mask](../book/glossary.md#mask)* the prompt: its targets become −100.
#
# How many of them? Where the model reads the **last** prompt token, its target is already the **first** response token.
# So a prompt of `p` tokens has only `p − 1` targets to mask.

# %% tags=["slide"]
masked = targets.clone()
for number, prompt in enumerate(prompts):
    masked[number, : len(prompt) - 1] = IGNORE

print("prompt, response, EOT: ", [(len(p), len(r), 1) for p, r in zip(prompts, responses, strict=True)])
print("graded without the mask:", (targets != IGNORE).sum(dim=1).tolist())
print("graded with the mask:   ", (masked != IGNORE).sum(dim=1).tolist())

# %% [markdown]
# A target that is not −100 is called *[graded](../book/glossary.md#graded-token)* in this course. With the mask, graded is exactly the response and its
# EOT.
#
# Is masking better? It is our default, but not a law of nature. Raschka's book *Build a Large Language Model (From
# Scratch)*, from which this course descends, leaves the prompt in, and
# [Shi et al. 2024](https://arxiv.org/abs/2405.14394) found that grading it helps most when instructions are long and
# responses short, or when examples are few. In `ift_lib` it is one setting, `mask_prompt`. Never compare the two losses
# with each other: they are means over different tokens.
#
# ## 5 All together
#
# Here is the whole step. One loop, [one shift](../book/glossary.md#shift), two fillers, no searching.


# %% tags=["slide"]
def my_collate(encoded, mask_prompt=True):
    inputs, targets = [], []
    for example in encoded:
        read, say = list(example.ids[:-1]), list(example.ids[1:])  # shifted here, and nowhere else
        if mask_prompt:
            hidden = example.prompt_length - 1
            say[:hidden] = [IGNORE] * hidden
        inputs.append(read)
        targets.append(say)
    width = max(len(row) for row in inputs)
    inputs = [row + [EOT] * (width - len(row)) for row in inputs]
    targets = [row + [IGNORE] * (width - len(row)) for row in targets]
    return torch.tensor(inputs), torch.tensor(targets)


mine = my_collate(encoded)
assert torch.equal(mine[0], inputs) and torch.equal(mine[1], masked)
print("the same as step by step")

# %% [markdown]
# `ift_lib.collate` is this function with good error messages, and counts what it grades. Do the two agree? Fifty
# [batches](../book/glossary.md#batch) of random size, in the Alpaca format, with both settings:

# %%
rng = random.Random(3)
for _trial in range(50):
    batch_of = [encode_example(e, ALPACA) for e in rng.sample(examples, rng.randint(1, 8))]
    for mask_prompt in (True, False):
        batch = collate(batch_of, mask_prompt=mask_prompt)
        my_inputs, my_targets = my_collate(batch_of, mask_prompt)
        assert torch.equal(batch.inputs, my_inputs) and torch.equal(batch.targets, my_targets)
        assert batch.graded == (my_targets != IGNORE).sum()
print("100 batches, the same tensors")

# %% [markdown]
# ## 6 Look at it
#
# The mask explorer shows a batch token by token: above what the model reads, below its target. Choose other examples,
# or type your own. Three things to try:
#
# * switch the prompt mask off, and watch the count of graded tokens;
# * switch the shift off: each token becomes its own target, and a model so trained learns to copy what it has just
#   read;
# * cut the rows at 24 tokens: which row loses its EOT, and which has nothing left to learn?

# %% tags=["widget"]
from ift_lib.course.widgets import mask_explorer

mask_explorer()

# %% [markdown]
# The same drawing without the knobs, with a proof that it shows what `collate` makes:

# %% tags=["slide-output"]
from ift_lib.course.widgets import mask_picture

picture = mask_picture(encoded)
assert picture.inputs == inputs.tolist() and picture.targets == masked.tolist()
assert picture.graded == collate(encoded).graded
picture

# %% [markdown]
# ## 7 What cross-entropy does with −100
#
# A model gives one number (*[logit](../book/glossary.md#logit)*) for each token of the [vocabulary](../book/glossary.md#vocabulary). Take a vocabulary of three tokens and a row of
# four places, of which two are graded. The loss of a place is −log of the probability that the target got:

# %% tags=["slide"]
logits = torch.tensor([[2.0, 0.0, 1.0], [0.0, 3.0, 0.0], [1.0, 1.0, 1.0], [0.0, 0.0, 2.0]])
answer = torch.tensor([-100, 1, 0, -100])

log_p = logits - logits.exp().sum(dim=1, keepdim=True).log()
losses = [-log_p[place, target].item() for place, target in enumerate(answer) if target != -100]
print("losses of the graded places:", [f"{x:.3f}" for x in losses])
print(f"sum {sum(losses):.3f}, count {len(losses)}, mean {sum(losses) / len(losses):.3f}")

# %% [markdown]
# A place with −100 adds nothing to the sum, nothing to the count, and nothing to the [gradient](../book/glossary.md#gradient). PyTorch says the same:

# %% tags=["slide"]
assert torch.isclose(F.cross_entropy(logits, answer, reduction="sum"), torch.tensor(sum(losses)))
assert torch.isclose(F.cross_entropy(logits, answer), torch.tensor(sum(losses) / len(losses)))

leaf = logits.clone().requires_grad_()
F.cross_entropy(leaf, answer).backward()
print("gradient at each place is not zero:", leaf.grad.ne(0).any(dim=1).tolist())

nothing = torch.full((4,), IGNORE)
total, mean = F.cross_entropy(logits, nothing, reduction="sum"), F.cross_entropy(logits, nothing)
print("nothing graded: sum", total.item(), "but mean", mean.item())

# %% [markdown]
# The last line is a trap: a batch in which nothing is graded has the mean 0/0, and one NaN in a loss spoils every
# weight. With a sum and a count apart, it is simply 0 and 0. That is why the losses of `ift_lib` are a `LossSum(total,
# count)`.
#
# ## 8 Shift once, and only once
#
# We shifted in collate. Many models shift too: those of `transformers`, given `labels`, compare the logits at place *t*
# with the label at *t* + 1. Give such a model labels that are already shifted, and it learns to predict the token
# *after the next*. The code runs, the loss falls, and the model writes nonsense. It happened inside `transformers`
# itself, for instance in its model Git ([PR 47395](https://github.com/huggingface/transformers/pull/47395)). In this
# course, models and losses never shift.

# %% tags=["slide"]
print("reads       shifted once   shifted twice")
for place in range(len(prompts[0]) - 1, len(rows[0]) - 2):
    pieces = [tokenizer.decode([i]) for i in rows[0][place : place + 3]]
    print(f"{pieces[0]!r:<12}{pieces[1]!r:<15}{pieces[2]!r}")

# %% [markdown]
# What would the loss say? We ask the small [pretrained](../book/glossary.md#pretrained) GPT-2 of this course (chapter 4 looks inside it) about short,
# ordinary sentences, once with each kind of target.

# %%
from ift_lib import load_pretrained, plain_response_loss

model = load_pretrained("pocket")
sentences = [e.output for e in examples if e.category in ("story_ending", "summary")][:32]
ids = [tokenizer.encode_ordinary(sentence) for sentence in sentences]

once = twice = count = 0
with torch.no_grad():
    for row in ids:
        log_p = model(torch.tensor([row]))[0].log_softmax(dim=-1)
        for place in range(len(row) - 2):
            once -= log_p[place, row[place + 1]].item()
            twice -= log_p[place, row[place + 2]].item()
            count += 1
once, twice = once / count, twice / count

# %% tags=["approximate", "slide-output"]
print(f"shifted once:  {once:.1f} nats per token")
print(f"shifted twice: {twice:.1f} nats per token")

# %%
assert twice > once + 1
print("Shifted twice, no error is raised. Only the loss is higher: nats that you would blame on the model.")

# %% [markdown]
# A *[nat](../book/glossary.md#nat)* is the unit of such a loss: 1 nat less means that the model gave the right token *e* ≈ 2.7 times the
# probability.
#
# ## 9 Averages that lie
#
# Suppose a first batch has short responses, 2 graded tokens with a mean loss of 4.0, and a second has long ones, 18
# with a mean of 2.0. What is the mean loss?

# %% tags=["slide"]
means, counts = [4.0, 2.0], [2, 18]
print("mean of the means:", sum(means) / len(means))
print("sum over count:   ", sum(m * n for m, n in zip(means, counts, strict=True)) / sum(counts))

# %% [markdown]
# In the first line a token of the short batch weighs nine times as much as one of the long batch. And it changes when
# you group the same examples in another way, although neither model nor data changed. Watch it (`in_order` cuts a list
# into batches; `evaluate` adds up sums and counts):

# %%
from ift_lib import evaluate, in_order

some = [encode_example(e, PHI3) for e in examples[:48]]
mean_of_means, sum_over_count = {}, {}
for size in (1, 4, 16):
    batches = list(in_order(some, size))
    with torch.no_grad():
        means = [plain_response_loss(model, batch).mean for batch in batches]
    mean_of_means[size] = sum(means) / len(means)
    sum_over_count[size] = evaluate(model, batches).mean

# %% tags=["approximate", "slide-output"]
print("batch size   mean of means   sum / count")
for size in (1, 4, 16):
    print(f"{size:>10}   {mean_of_means[size]:>13.3f}   {sum_over_count[size]:>11.3f}")

# %%
assert max(sum_over_count.values()) - min(sum_over_count.values()) < 1e-3
assert max(mean_of_means.values()) - min(mean_of_means.values()) > 1e-2
print("Only sum / count does not depend on the batch size.")

# %% [markdown]
# The same mistake is worse in training, where large batches are cut into small ones to save memory: each small batch
# was averaged and the averages averaged, so that tokens in short responses counted more. It sat in widely used
# libraries until [October 2024](https://huggingface.co/blog/gradient_accumulation). The cure is always the same: add up
# sums, add up counts, divide once.
#
# ## 10 Too long, and mostly empty
#
# GPT-2 has a longest row (chapter 4), and memory has a limit too. Cutting a row at its end loses the EOT, and with it
# the lesson "now stop"; a prompt that fills the row alone leaves nothing to grade. So we do not cut: examples that do
# not fit are reported and left out.

# %%
from ift_lib import InputError, too_long

in_alpaca = [encode_example(e, ALPACA) for e in examples]
out = too_long(in_alpaca, 80)
print(f"{len(out)} of {len(in_alpaca)} examples have more than 80 inputs: numbers {out[:5]} …")
assert out == [number for number, e in enumerate(in_alpaca) if len(e.ids) - 1 > 80]

try:
    collate([in_alpaca[0]], max_length=30)
except InputError as error:
    print("InputError:", error)

# %% [markdown]
# Padding costs time: the model computes it and throws the result away. `batch_order` puts examples of similar length
# into the same batch, and shuffles the batches, so that each [epoch](../book/glossary.md#epoch) still has a new random order. How much of what the
# model reads is padding?

# %%
from ift_lib import batch_order

lengths = [len(e) - 1 for e in in_alpaca]


def padding_share(batches):
    places = sum(max(lengths[i] for i in batch) * len(batch) for batch in batches)
    return 1 - sum(lengths) / places


shuffled = random.Random(0).sample(range(len(lengths)), len(lengths))
plain = [shuffled[at : at + 8] for at in range(0, len(shuffled), 8)]
sorted_a_little = batch_order(lengths, 8, seed=0, epoch=0)
assert sorted(i for batch in sorted_a_little for i in batch) == list(range(len(lengths)))  # everything once
print(
    f"padding in batches of 8: shuffled {padding_share(plain):.0%}, similar lengths together {padding_share(sorted_a_little):.0%}"
)

# %% [markdown]
# ## Exercises
#
# Replace the `...`, run the cell, then run the check below it. A check says what is wrong, and you can try as often as
# you like.

# %%
from ift_lib.course.checks import batching as checks

# %% [markdown]
# ### Exercise 1 · easy · 5 min
#
# Before you collate, count: how many targets of a row are graded? The row has a prompt, a response, and an EOT. Write
# `count_graded`, which gets the two lengths (without the EOT) and the setting `mask_prompt`.
#
# Expected: `count_graded(14, 8, True)` is 9 and `count_graded(14, 8, False)` is 22.
#
# <details><summary>Hint</summary>How many ids does the row have, all in all? The first of them is never a target. With
# the mask, only what the model should say counts.</details>


# %% tags=["exercise"]
def count_graded(prompt_length, response_length, mask_prompt): ...


# %% tags=["solution"]
def count_graded(prompt_length, response_length, mask_prompt):
    if mask_prompt:
        return response_length + 1  # the response and its EOT
    return prompt_length + response_length  # all ids but the first, the EOT among them


# %%
checks.exercise_1(count_graded)

# %% [markdown]
# ### Exercise 2 · medium · 15 min
#
# **Break it.** Somebody pads the targets with EOT as well, and then masks the padding by its id. It looks right:


# %%
def mask_by_id(targets):
    targets = targets.clone()
    targets[targets == EOT] = IGNORE
    return targets


padded = torch.tensor([row[1:] + [EOT] * (width - len(row[1:])) for row in rows])  # padded with EOT
for number, prompt in enumerate(prompts):
    padded[number, : len(prompt) - 1] = IGNORE

print(
    "graded tokens:",
    (mask_by_id(padded) != IGNORE).sum(dim=1).tolist(),
    "and with collate:",
    (masked != IGNORE).sum(dim=1).tolist(),
)

# %% [markdown]
# **See the symptom.** We train a tiny GPT from scratch on our three rows until it knows them by heart, once with each
# kind of target, and let it answer the first prompt.

# %%
from ift_lib import GPT, GPTConfig, generate_ids


def learn_by_heart(inputs, targets, steps=80):
    tiny = GPT(GPTConfig(n_positions=64, n_embd=32, n_layer=2, n_head=2)).init_weights(torch.Generator().manual_seed(0))
    optimizer = torch.optim.AdamW(tiny.parameters(), lr=0.01)
    for _step in range(steps):
        loss = F.cross_entropy(tiny(inputs).flatten(0, 1), targets.flatten(), ignore_index=IGNORE)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return tiny


said = {}
for name, kind in {"collate": masked, "masked by id": mask_by_id(padded)}.items():
    said[name] = generate_ids(learn_by_heart(inputs, kind), [prompts[0]], 30)[0]

# %% tags=["approximate"]
for name, new in said.items():
    print(f"{name}: {tokenizer.decode(new)!r}")

# %%
assert said["collate"] == [*responses[0], EOT]
assert EOT not in said["masked by id"] and len(said["masked by id"]) == 30
print("With collate the model answers and stops. Masked by id, it never says EOT: it was never taught to.")

# %% [markdown]
# **Repair it.** Write `mask_padding(targets, lengths)`. It gets targets (B, T) that are padded with EOT, and `lengths`,
# a list with the number of real targets in each row. It returns a new tensor with −100 where the padding was, and
# leaves the one it got as it is. Beware of a row that was cut and has no EOT of its own.
#
# Expected: for the targets `[[7, EOT, EOT], [8, 9, EOT]]` and lengths `[2, 3]`, the result is `[[7, EOT, -100], [8, 9,
# EOT]]`.
#
# <details><summary>Hint</summary>Go through the rows of a copy (<code>targets.clone()</code>) with a loop, or compare
# <code>torch.arange(T)</code> with the lengths as a column, of shape (B, 1). You need the value of no id.</details>


# %% tags=["exercise"]
def mask_padding(targets, lengths): ...


# %% tags=["solution"]
def mask_padding(targets, lengths):
    targets = targets.clone()
    for row, length in zip(targets, lengths, strict=True):
        row[length:] = IGNORE
    return targets


# %%
checks.exercise_2(mask_padding)

# %% [markdown]
# ### Exercise 3 · medium · 10 min
#
# A log file holds, for each batch, the mean loss and the number of graded tokens. Write `mean_loss(batches)`, which
# computes the loss per graded token over all of them. `batches` is a list of pairs `(mean, count)`; a batch in which
# nothing was graded stands there as `(nan, 0)`.
#
# Expected: `mean_loss([(4.0, 2), (2.0, 18)])` is 2.2.
#
# <details><summary>Hint</summary>A mean times its count is a sum. And nan * 0 is nan.</details>


# %% tags=["exercise"]
def mean_loss(batches): ...


# %% tags=["solution"]
def mean_loss(batches):
    total = sum(mean * count for mean, count in batches if count > 0)
    return total / sum(count for mean, count in batches)


# %%
checks.exercise_3(mean_loss)

# %% [markdown]
# ### Exercise 4 · hard · 20 min
#
# A conversation has several turns. Graded is what the assistant says, and the EOT that ends each of its turns; what the
# user says is never graded, wherever it stands.
#
#     turns     [("user", [1, 2]), ("assistant", [3]), ("user", [4, 5]), ("assistant", [6])]
#     ids       1     2     3     EOT   4     5     6     EOT
#     inputs    1     2     3     EOT   4     5     6
#     targets   -100  3     EOT   -100  -100  6     EOT
#
# Write `to_row(turns)`, which returns the two lists `inputs, targets`. The same ids may occur in both speakers' turns,
# so only their place tells whose they are. Turns need not alternate, and
# the assistant may speak first.
#
# <details><summary>Hint</summary>Build two lists side by side, the ids and, for each id, whether it is graded. Shift
# both in the same way.</details>


# %% tags=["exercise"]
def to_row(turns): ...


# %% tags=["solution"]
def to_row(turns):
    ids, graded = [], []
    for speaker, said in turns:
        said = [*said, EOT] if speaker == "assistant" else said
        ids += said
        graded += [speaker == "assistant"] * len(said)
    targets = [i if yes else IGNORE for i, yes in zip(ids[1:], graded[1:], strict=True)]
    return ids[:-1], targets


# %%
checks.exercise_4(to_row)

# %% [markdown]
# ## Quiz

# %% tags=["widget"]
from ift_lib.course.quiz import quiz

quiz("03_batching")

# %% [markdown]
# ## Recap
#
# * Inputs are all ids but the last, targets all but the first: shifted once, in `collate`, and nowhere else.
# * Padding is EOT in the inputs and −100 in the targets, by its place; the EOT after a response stays graded.
# * With the prompt masked, graded is the response and its EOT: the last prompt token already has a target that counts.
# * Add up losses and counts, and divide once; a mean of means depends on how the batches were cut.
# * What does not fit is reported and left out, never cut in silence.
#
# ## Where next
#
# [Chapter 4](04_loading.ipynb) opens the model that will read these rows. In the code: `ift_lib/batching.py` (its first
# twelve lines are this chapter as a drawing), `ift_lib/loss.py`, and `tests/test_traps.py`, numbers 1, 2, 3 and 11.
