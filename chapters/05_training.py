# %% [markdown]
# # 5 Training
#
# **You will learn** to take one training step by hand and to know what each of its lines does, to put such steps into a loop, to [fine-tune](../book/glossary.md#fine-tuning) a [GPT-2](../book/glossary.md#gpt-2) on
# [instructions](../book/glossary.md#instruction) while you watch its [loss](../book/glossary.md#loss) fall, and to read its loss curves over steps, [epochs](../book/glossary.md#epoch) and [tokens](../book/glossary.md#token).
#
# **You need** chapters 3 and 4 (a [batch](../book/glossary.md#batch) with [−100](../book/glossary.md#ignore-index), and a model that gives [logits](../book/glossary.md#logit)), Python, a little PyTorch.
#
# | for you | for the machine | memory | network |
# |---|---|---|---|
# | 60 min | 2 min | 2 GB | none |

# %% [markdown]
# ## 1 A model and something to learn
#
# Everything below happens with the pocket GPT-2 and the course's own instructions, split as in chapter 2 and encoded as in chapter 3. Of the
# training split we take the first 1,000 examples, so that training takes a minute at most, and not several.

# %% tags=["slide-output"]
from ift_lib import ALPACA, PHI3, encode_example, load_examples, split_examples
from ift_lib.data import EMBEDDED

examples = load_examples(EMBEDDED)
split = split_examples(examples)
encoded = [encode_example(e, PHI3) for e in examples]
train_set = [encoded[i] for i in split.train[:1000]]
validation_set = [encoded[i] for i in split.validation[:100]]

tokens = sum(len(e) - 1 for e in train_set)  # each example is read without its last token
graded = sum(len(e) - e.prompt_length for e in train_set)
print(f"{len(train_set):,} examples to train on, {len(validation_set)} to measure on")
print(f"one pass reads {tokens:,} tokens and grades {graded:,} of them ({graded / tokens:.0%})")
in_alpaca = sum(len(encode_example(examples[i], ALPACA)) - 1 for i in split.train[:1000])
print(f"in the Alpaca format it would read {in_alpaca:,}")

# %% [markdown]
# That is why this chapter writes its [prompts](../book/glossary.md#prompt) in the Phi-3 format: the same lessons in fewer tokens, and time goes with tokens.
#
# ## 2 What the loss says before training
#
# Take four examples, let the model read them, and look up how probable it found each token that it should have said. The loss is the
# mean of −log *p* over the [graded tokens](../book/glossary.md#graded-token).

# %%
import math

import torch

from ift_lib import IGNORE, collate, load_pretrained

model = load_pretrained("pocket")
batch = collate(train_set[:4])
where = batch.targets != IGNORE  # (B, T), true where a target is graded

with torch.no_grad():
    logits = model(batch.inputs)  # (B, T, V)
log_p = logits.log_softmax(dim=-1)[where]  # (N, V): only the graded places
losses = -log_p[torch.arange(len(log_p)), batch.targets[where]]  # (N,)
loss = losses.sum() / len(losses)

print(f"{batch.inputs.numel()} places, {batch.tokens} of them tokens, {len(losses)} graded")

# %% tags=["approximate", "slide"]
print(f"loss {loss:.2f} nats per graded token, perplexity {loss.exp():.0f}")
print(f"guessing: loss {math.log(50257):.2f}, perplexity {math.exp(math.log(50257)):.0f}")

# %% [markdown]
# *[Perplexity](../book/glossary.md#perplexity)* is *e* to the power of the loss: a model with perplexity 100 is as unsure as if it chose among 100 equally likely tokens.
# Guessing among all 50,257 tokens has the loss log 50,257 ≈ 10.82. The [pretrained](../book/glossary.md#pretrained) model is far below that, for it knows English. It is far above 0,
# for nobody has told it yet that an answer is expected here, in what form, and that it should then stop.
#
# The library computes the same sum, and keeps it apart from its count:

# %%
from ift_lib import response_loss

with torch.no_grad():
    ours = response_loss(model, batch)

assert ours.count == len(losses)
assert math.isclose(ours.mean, loss.item(), rel_tol=1e-4)
assert 1 < loss < math.log(50257)
print("the same loss; the model guesses better than by chance")

# %% [markdown] tags=["slide"]
# ## 3 One step by hand
#
# A training step is five lines:
#
# | line | what it does |
# |---|---|
# | forward | compute the loss |
# | [backward](../book/glossary.md#backward-pass) | compute its *[gradient](../book/glossary.md#gradient)*: for each weight, how much the loss would change if the weight did |
# | [clip](../book/glossary.md#clipping) | shorten the gradient if it is longer than 1, so that one odd batch cannot wreck the model |
# | step | the *[optimizer](../book/glossary.md#optimizer)*, [AdamW](../book/glossary.md#adam), changes each weight a little |
# | zero | forget the gradient, or the next one is added to it |

# %%
import copy

student = copy.deepcopy(model).train()

# Weight decay pulls weights towards zero. It is for matrices and embeddings only, not for biases and layer norms.
matrices = [p for p in student.parameters() if p.ndim >= 2]
others = [p for p in student.parameters() if p.ndim < 2]
groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95), fused=True)

watched = student.h[0].attn.c_attn.weight  # one matrix, to look at
before = watched.detach().clone()

where = batch.targets != IGNORE
logits = student(batch.inputs, where)  # (N, V): our model gives logits only where asked to
loss = torch.nn.functional.cross_entropy(logits, batch.targets[where], reduction="sum") / batch.graded  # forward
loss.backward()  # backward
norm = torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)  # clip
gradient = watched.grad.clone()
optimizer.step()  # step
optimizer.zero_grad()  # zero

after = watched.detach().clone()

# %% tags=["approximate"]
print(f"length of the gradient before clipping: {norm:.1f}")
print(f"median change of a weight: {(after - before).abs().median():.6f}")

# %%
moved = (after - before).abs()
share = ((moved > 0.9e-3) & (moved < 1.1e-3)).float().mean().item()
assert share > 0.95
print("nearly every weight moved by 0.001, which is the learning rate")

# %% [markdown]
# Is that a coincidence? No: it is how Adam works. It keeps two running means for each weight, of the gradient and of its square,
# and divides the first by the root of the second. In the first step both know only one gradient *g*, so the quotient is *g* / |*g*|, that
# is +1 or −1, *however large the gradient is*. So the [learning rate](../book/glossary.md#learning-rate) is the size of a step. (For the same reason clipping changes nothing in this
# first step; later, when the means remember many gradients, it does.)

# %% tags=["slide"]
m = (1 - 0.9) * gradient  # running mean of the gradient, begun at 0
v = (1 - 0.95) * gradient**2  # running mean of its square
m_hat, v_hat = m / (1 - 0.9), v / (1 - 0.95)  # as if they had not begun at 0
my_after = before - 1e-3 * 0.1 * before - 1e-3 * m_hat / (v_hat.sqrt() + 1e-8)  # decay, then the step

assert torch.allclose(my_after, after, atol=1e-6)
print("AdamW's first step, by hand: the same", tuple(after.shape), "weights")

# %% [markdown]
# And `train_step` of the library is these five lines. A second student takes one step with it and ends with the same [weights](../book/glossary.md#weights):

# %%
from ift_lib import TrainConfig, train_step
from ift_lib.training import make_optimizer

second = copy.deepcopy(model).train()
told = train_step(second, make_optimizer(second, TrainConfig()), [batch], lr=1e-3, clip=1.0)

assert math.isclose(told.mean, loss.item(), rel_tol=1e-5)
equal = sum(((a - b).abs() < 1e-6).sum() for a, b in zip(student.parameters(), second.parameters(), strict=True))
assert equal / student.parameter_count() > 0.999  # where a gradient is 0 all but the rounding, so is g / |g|
print("train_step: the same loss, the same weights")

# %% [markdown]
# The last of the five lines is the one that is forgotten. PyTorch *adds* each new gradient to the one that is there. What if nobody clears it?

# %% tags=["slide"]
forgetful = copy.deepcopy(model).train()
lengths = []
for _ in range(3):
    now = response_loss(forgetful, batch)
    (now.total / now.count).backward()  # and no zero_grad
    lengths.append(torch.cat([p.grad.flatten() for p in forgetful.parameters()]).norm().item())
print("length of the gradient, beside the first:", [f"{length / lengths[0]:.1f}" for length in lengths])

# %% [markdown]
# No error, only a gradient that is more and more about the past. (Section 9 makes good use of this adding.)
#
# ## 4 Steps in a loop
#
# Twelve steps on the same four examples:

# %%
four = copy.deepcopy(model).train()
optimizer = make_optimizer(four, TrainConfig())
seen = [train_step(four, optimizer, [batch], lr=1e-3, clip=1.0).mean for _ in range(12)]

# %% tags=["approximate", "slide"]
print(" ".join(f"{value:.1f}" for value in seen))

# %%
assert seen[-1] < 0.5 * seen[0]
print("the loss fell to less than half")

# %% [markdown]
# The loop works. But what has the model learned? Four answers by heart. A falling training loss says that *something* is learned; only examples that
# were not trained on say whether it is the right thing. That is what the [validation](../book/glossary.md#validation-set) split is for:

# %%
from ift_lib import evaluate, in_order


def my_evaluate(model, examples):
    was_training = model.training
    model.eval()  # dropout off
    total, count = 0.0, 0
    with torch.no_grad():  # nothing will be learned from this
        for batch in in_order(examples, 16):
            loss = response_loss(model, batch)
            total, count = total + loss.total.item(), count + loss.count  # add up sums and counts ...
    model.train(was_training)
    return total / count  # ... and divide once


untrained, drilled = my_evaluate(model, validation_set), my_evaluate(four, validation_set)
assert math.isclose(untrained, evaluate(model, in_order(validation_set, 16)).mean, rel_tol=1e-5)

# %% tags=["approximate", "slide-more"]
print(f"loss of the four: {seen[-1]:.2f}")
print(f"validation loss: {untrained:.2f} untrained, {drilled:.2f} drilled on the four")

# %%
assert drilled > 2 * seen[-1]
print("on examples it has not seen, the drilled model is far worse than on its four")

# %% [markdown]
# ## 5 The learning rate over time
#
# At the first step Adam's running means know next to nothing, so one begins with a small rate and lets it rise: the *[warm-up](../book/glossary.md#warm-up)*. Towards the end one wants
# to settle, so the rate falls, here along half a cosine to a tenth of its highest value (as
# [GPT-3](https://arxiv.org/abs/2005.14165) did). By hand:


# %%
def my_rate(step, steps, highest=1e-3, warm=6):
    if step < warm:
        return highest * (step + 1) / warm
    progress = (step - warm) / (steps - 1 - warm)  # 0 after the warm-up, 1 at the last step
    return highest * (0.1 + 0.9 * (1 + math.cos(math.pi * progress)) / 2)


from ift_lib.training import learning_rate

config = TrainConfig(epochs=2, batch_size=16, lr=1e-3, evals_per_epoch=4)
steps = math.ceil(len(train_set) / config.batch_size) * config.epochs
rates = [my_rate(step, steps) for step in range(steps)]
assert round(config.warmup * steps) == 6
assert all(math.isclose(mine, learning_rate(step, steps, config)) for step, mine in enumerate(rates))
print(f"{steps} steps: {rates[0]:.5f} at the first, {max(rates):.5f} at the highest, {rates[-1]:.5f} at the last")

# %% tags=["slide-output"] mystnb={"image": {"alt": "The learning rate over 126 steps: a steep straight rise to 0.001 within 6 steps, then half a cosine down to 0.0001."}}
from ift_lib.picture import BLUE, Picture, drawing, finish, new_figure

figure, axes = new_figure((7.2, 2.6))
with drawing():
    axes.plot(range(steps), rates, color=BLUE)
    axes.set_xlabel("step")
    axes.set_ylabel("learning rate")
alt = "The learning rate: a short rise, then half a cosine down to a tenth."
finish(Picture(figure, {"rate": list(enumerate(rates))}, alt), None)

# %% [markdown]
# The highest rate is the setting that matters most. For so few steps with this small model 0.001 works; over the whole data set the library's
# default, 0.0003, keeps more of what pretraining has taught; OpenAI's GPT-2 sizes want about 0.00005.
#
# ## 6 Epochs, batches, steps
#
# An *epoch* is one pass over the training set, in a new order each time. The whole loop is then short:
#
#     for epoch in range(epochs):
#         for batch in a new order of the training set:
#             train_step
#             now and then: evaluate on the validation split, and note the loss
#
# With a batch of 16, how many steps has an epoch of 1,000 examples?

# %% tags=["slide"]
from ift_lib import batch_order

order = batch_order([len(e) for e in train_set], batch_size=16, seed=123, epoch=0)
assert sorted(i for indices in order for i in indices) == list(range(len(train_set)))  # each example once
sizes = [len(indices) for indices in order]
print(f"{len(order)} batches: {sizes.count(16)} of 16 and one of {min(sizes)}, at place {sizes.index(min(sizes))}")
assert order != batch_order([len(e) for e in train_set], batch_size=16, seed=123, epoch=1)

# %% [markdown]
# The order depends on the [seed](../book/glossary.md#random-seed) and the epoch alone, so a run can be repeated, and one that was interrupted can go on where it stood.
#
# ## 7 Train
#
# First, room in the memory: each of the models that we have trained so far holds 77 MB, and its optimizer twice as much. Then, for later, the answers of the model
# as it is.

# %%
from ift_lib import respond

del student, matrices, others, groups, watched, second, forgetful, four, optimizer

asked = [examples[i] for i in split.test[:40]]
answers_before = respond(model, asked, PHI3, max_new_tokens=24)

# %% tags=["approximate", "slide-output"]
for example, answer in list(zip(asked, answers_before, strict=True))[:5]:
    print(f"{example.instruction} [{example.input}]" if example.input else example.instruction)
    print(f"    wanted: {example.output}\n    said:   {answer.text[:70]!r}")

# %% [markdown]
# It goes on writing, as it was pretrained to. Now train: 1,000 examples, twice. `LiveLoss` is a picture that `train` calls after every step; watch
# the validation loss fall fast at first and then slowly.

# %% tags=["widget"]
from IPython.display import display

from ift_lib import train
from ift_lib.course.widgets import LiveLoss

live = LiveLoss()
display(live)
model = load_pretrained("pocket")
history = train(model, train_set, validation_set, config, on_step=live)

# %% [markdown]
# The same picture, when all is done:

# %% tags=["approximate", "slide-output"] mystnb={"image": {"alt": "Training and validation loss over 2 epochs: both fall steeply in the first quarter of an epoch and then more and more slowly."}}
from ift_lib.plots import plot_losses

plot_losses(history)

# %%
first, best = history.validation[0], history.best()
assert best.loss < first.loss - 1 and best.step > 0
assert math.isclose(evaluate(model, in_order(validation_set, 16)).mean, best.loss, rel_tol=1e-4)
print("validation loss fell by more than 1 nat, and the model has the weights of the lowest point")

# %% [markdown]
# `train` has looked at the validation split four times in each epoch and kept the best weights; chapter 6 is about why.
#
# ## 8 Read the curves
#
# Under the picture lie three rulers for the same axis. Which one you want depends on the question:
#
# * *epochs*: how often has it seen each example? [Overfitting](../book/glossary.md#overfitting) is told in epochs.
# * *[steps](../book/glossary.md#step)*: how often were the weights changed? Learning rates and warm-up are told in steps.
# * *tokens*: how much was read? Time and money are told in tokens, and runs with other batch sizes can be compared.

# %% tags=["slide-output"]
from IPython.display import Markdown

rows = [f"| {p.step} | {p.epoch:.2f} | {p.tokens:,} |" for p in history.validation]
last = history.train[-1]
assert (last.step, last.epoch, last.tokens) == (steps, 2.0, 2 * tokens)
Markdown("\n".join(["| steps | epochs | tokens |", "|--:|--:|--:|", *rows]))

# %% [markdown]
# Three habits for reading a loss curve:
#
# 1. The faint line is each batch's own loss. It jumps, because batches differ; look at the means.
# 2. A training loss is measured *while* the weights move, so the mean over a stretch is a little behind. Early on, validation loss may therefore
#    lie below training loss, and nothing is wrong.
# 3. Compare curves only if they grade the same tokens. With `mask_prompt=False` the loss is lower or higher for reasons that have nothing to do with better answers.
#
# And now the answers:

# %%
answers_after = respond(model, asked, PHI3, max_new_tokens=24)

# %% tags=["approximate", "slide-output"]
for example, answer in list(zip(asked, answers_after, strict=True))[:5]:
    print(f"{example.instruction} [{example.input}]" if example.input else example.instruction)
    print(f"    wanted: {example.output}\n    said:   {answer.text[:70]!r}")
ended = [sum(answer.ended for answer in answers) for answers in (answers_before, answers_after)]
print(f"ended by itself: {ended[0]} of {len(asked)} before, {ended[1]} after")

# %%
assert ended[1] > ended[0] and ended[1] >= len(asked) // 2
print("it answers in the form it was shown, and stops by itself")

# %% [markdown]
# The form is learned first: answers are short, look like the examples, and end. The content is often wrong; this model is small, and so was its training. How
# good the answers are is a question of its own, with a chapter of its own (7).
#
# **The same seed, the same losses.** The order of the examples and the [dropout](../book/glossary.md#dropout) are all that chance decides, and the seed decides chance:

# %% tags=["slide"]
runs = []
for seed in (1, 1, 2):
    small_config = TrainConfig(epochs=1, batch_size=8, seed=seed)
    small_run = train(load_pretrained("pocket", dropout=0.1), train_set[:32], validation_set[:8], small_config)
    runs.append([p.loss for p in small_run.train])
assert runs[0] == runs[1] and runs[0] != runs[2]
print("seed 1 twice: equal to the last bit. Seed 2: another run.")

# %% [markdown]
# That holds on one machine. Another processor adds in another order, and the last digits differ; that is why this course never writes such digits down as facts.
#
# ## 9 Batches too large for the memory
#
# A batch of 16 may not fit the memory of your GPU. Then cut it into *[micro-batches](../book/glossary.md#micro-batch)*, run forward and backward on each, let PyTorch add up the gradients,
# and take one step at the end: *[gradient accumulation](../book/glossary.md#gradient-accumulation)*. The result should be that of the large batch. How do you divide?
#
# Much code took the mean loss of each micro-batch and divided by how many there are. Here are eight examples, cut into four micro-batches:

# %% tags=["slide"]
eight = sorted(train_set[:64], key=lambda e: len(e) - e.prompt_length)[::9]  # short and long responses
pieces = [collate(eight[at : at + 2]) for at in range(0, 8, 2)]
graded = [piece.graded for piece in pieces]

print("graded tokens in each micro-batch:", graded)
print("weight of one token, mean of means:", [f"1/{4 * n}" for n in graded])
print("weight of one token, in one batch: ", [f"1/{sum(graded)}"] * 4)

# %% [markdown]
# With the mean of means, a token in a short [response](../book/glossary.md#response) pulls harder than one in a long response. Every answer "Yes." shouts, every sentence
# whispers. How far off is the gradient?

# %%
from ift_lib import accumulate_gradients


def gradient_of(pieces, scales):
    """The gradient of each micro-batch's summed loss times its scale, added up, as one long vector."""
    probe = load_pretrained("pocket")
    for piece, scale in zip(pieces, scales, strict=True):
        (response_loss(probe, piece).total * scale).backward()
    return torch.cat([p.grad.flatten() for p in probe.parameters()])


whole = gradient_of([collate(eight)], [1 / sum(graded)])
mean_of_means = gradient_of(pieces, [1 / n / len(pieces) for n in graded])
divided_once = gradient_of(pieces, [1 / sum(graded)] * len(pieces))
off_wrong, off_right = ((g - whole).norm().item() / whole.norm().item() for g in (mean_of_means, divided_once))

# %% tags=["approximate", "slide-more"]
print(f"distance from the gradient of the whole batch: mean of means {off_wrong:.0%}, divided once {off_right:.4%}")

# %%
assert off_wrong > 0.05 and off_right < 0.001
probe = load_pretrained("pocket")
told = accumulate_gradients(probe, pieces)
assert torch.allclose(torch.cat([p.grad.flatten() for p in probe.parameters()]), divided_once, atol=1e-6)
assert told.count == sum(graded)
print("mean of means: another gradient. Divided once, as accumulate_gradients does: the gradient of the whole batch.")

# %% [markdown]
# The wrong one trains, its loss falls, and nobody notices. It sat in widely used libraries until
# [October 2024](https://huggingface.co/blog/gradient_accumulation). `train` does it right: set `micro_batch_size` in `TrainConfig`.
#
# ## Exercises
#
# Replace the `...`, run the cell, then run the check below it. A check says what is wrong, and you can try as often as you like.

# %%
from ift_lib.course.checks import training as checks

# %% [markdown]
# ### Exercise 1 · easy · 5 min
#
# A schedule needs the number of optimizer steps before the first one is taken. Write `count_steps(examples, batch_size, epochs)`. The last batch of an epoch
# may be smaller than the others; no batch reaches from one epoch into the next.
#
# Expected: `count_steps(1000, 16, 2)` is 126.
#
# <details><summary>Hint</summary>How many batches has one epoch? `math.ceil` rounds up.</details>


# %% tags=["exercise"]
def count_steps(examples, batch_size, epochs):
    # your code
    ...


# %% tags=["solution"]
def count_steps(examples, batch_size, epochs):
    return math.ceil(examples / batch_size) * epochs


# %%
checks.exercise_1(count_steps)

# %% [markdown]
# ### Exercise 2 · medium · 10 min
#
# Many recipes let the rate fall in a straight line. Write `rate(step, steps, highest, warm)` for `step` = 0 … `steps` − 1:
#
# * in the warm-up, it rises in a straight line: `highest / warm` at step 0, `highest` at step `warm - 1`;
# * then it falls in a straight line: `highest` at step `warm`, and `highest / 10` at the last step.
#
# Expected: with `steps=20`, `highest=1.0`, `warm=4`, the rate is 0.25 at step 0, 1.0 at steps 3 and 4, 0.46 at step 13, and 0.1 at step 19.
#
# <details><summary>Hint</summary>Section 5 has it with a cosine. Which numbers go from 0 to 1 after the warm-up? The rate loses nine tenths on that way.</details>


# %% tags=["exercise"]
def rate(step, steps, highest, warm):
    # your code
    ...


# %% tags=["solution"]
def rate(step, steps, highest, warm):
    if step < warm:
        return highest * (step + 1) / warm
    progress = (step - warm) / (steps - 1 - warm)
    return highest * (1 - 0.9 * progress)


# %%
checks.exercise_2(rate)

# %% [markdown]
# ### Exercise 3 · medium · 15 min
#
# *Dropout* sets a share of the activations to 0, at random, while a model trains, so that it cannot lean on any one of them. When you measure, it must be off.
#
# **Break it.** Somebody measures in the middle of training:


# %%
def careless_evaluate(model, batches):
    total, count = 0.0, 0
    for batch in batches:
        loss = response_loss(model, batch)
        total, count = total + loss.total.item(), count + loss.count
    return total / count


dropping = load_pretrained("pocket", dropout=0.2).train()
some = list(in_order(validation_set[:48], 16))
measured = [careless_evaluate(dropping, some) for _ in range(3)]
true = evaluate(dropping, some).mean

# %% [markdown]
# **See the symptom.** The same model, the same data, three times:

# %% tags=["approximate"]
print("careless:", " ".join(f"{value:.3f}" for value in measured), f"   dropout off: {true:.3f}")

# %%
assert len(set(measured)) == 3 and max(abs(value - true) for value in measured) > 0.01
print("three measurements, three numbers, and not the true one: no ground to decide which epoch was best")

# %% [markdown]
# **Repair it.** Write `careful_evaluate(model, batches)`, which returns the loss per graded token as a number. It
#
# * switches dropout off while it measures,
# * builds no graph for a backward pass,
# * and leaves the model in the mode in which it came, train *or* eval. (A model that is left in eval mode goes on training without dropout, and nothing says so.)
#
# Expected: called twice, it gives the same number twice, that of `evaluate(model, batches).mean`. Write it without `evaluate`.
#
# <details><summary>Hint</summary>`model.training` says in which mode a model is, and `model.train(True)` or `model.train(False)` sets it. Section 4 has all the pieces.</details>


# %% tags=["exercise"]
def careful_evaluate(model, batches):
    # your code
    ...


# %% tags=["solution"]
def careful_evaluate(model, batches):
    was_training = model.training
    model.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for batch in batches:
            loss = response_loss(model, batch)
            total, count = total + loss.total.item(), count + loss.count
    model.train(was_training)
    return total / count


# %%
checks.exercise_3(careful_evaluate)

# %% [markdown]
# ### Exercise 4 · hard · 20 min
#
# Write `accumulate(model, micro_batches)`. It leaves in the [parameters](../book/glossary.md#parameter)' `.grad` the gradient of the mean loss per graded token over all
# micro-batches together, as if they were one batch, and returns that mean as a number. Only one micro-batch's graph may be in memory at a time, which is
# what all this is for: `backward()` on each, before the next is read. The weights stay as they are: no optimizer here. `micro_batches` is a list of batches; each has its count in `batch.graded`. Write it without `accumulate_gradients`.
#
# Expected: for the `pieces` of section 9, the gradient is `divided_once` of that section.
#
# <details><summary>Hint</summary>The divisor must be known before the first backward pass. `response_loss(model, batch).total` is a sum with its graph (`.mean` is a
# plain number without one); PyTorch adds up the gradients by itself.</details>


# %% tags=["exercise"]
def accumulate(model, micro_batches):
    # your code
    ...


# %% tags=["solution"]
def accumulate(model, micro_batches):
    graded = sum(batch.graded for batch in micro_batches)
    total = 0.0
    for batch in micro_batches:
        loss = response_loss(model, batch)
        (loss.total / graded).backward()
        total += loss.total.item()
    return total / graded


# %%
checks.exercise_4(accumulate)

# %% [markdown]
# ## Quiz

# %% tags=["widget"]
from ift_lib.course.quiz import quiz

quiz("05_training")

# %% [markdown]
# ## Recap
#
# * A step: forward, backward, clip, optimizer step, clear the gradient. With Adam the learning rate is about the size of a weight's change.
# * The loss is in [nats](../book/glossary.md#nat) per graded token; *e* to the loss is the perplexity. Only the validation loss says whether something general is learned.
# * The rate rises in a warm-up and falls afterwards; it is the setting that matters most.
# * Dropout is on while training and off while measuring, and the mode is put back afterwards.
# * Sums and counts over all micro-batches, one division: a mean of means is another gradient.
#
# ## Where next
#
# [Chapter 6](06_overfitting.ipynb) trains too long on purpose, and finds the moment to stop. In the code: `ift_lib/training.py`, where `train_step` and `train`
# are short enough to read; `ift_lib/loss.py`; `tests/test_traps.py`, numbers 1, 11 and 13. On the command line the whole journey is `ift run`.
