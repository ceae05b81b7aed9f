# %% [markdown]
# # 6 Overfitting
#
# **You will learn** to provoke [overfitting](../book/glossary.md#overfitting), to see it in the [loss](../book/glossary.md#loss) curves, to find the turn by a rule, to stop there and get the best [weights](../book/glossary.md#weights) back; and
# which remedies help.
#
# **You need** chapter 5 (training steps, [validation](../book/glossary.md#validation-set) loss), Python, a little PyTorch.
#
# | for you | for the machine | memory | network |
# |---|---|---|---|
# | 50 min | 2 min | 2 GB | none |

# %% [markdown]
# ## 1 Too few examples, too many epochs
#
# *Overfitting* is learning the training examples by heart instead of what they have in common. The recipe for it is simple: few examples, seen often. We
# take 48 examples and show them to the model eight times. Another 64, which it never trains on, are there to measure on.

# %% tags=["slide"]
from ift_lib import PHI3, TrainConfig, encode_example, load_examples, split_examples
from ift_lib.data import EMBEDDED

examples = load_examples(EMBEDDED)
split = split_examples(examples)
encoded = [encode_example(e, PHI3) for e in examples]
few = [encoded[i] for i in split.train[:48]]
validation_set = [encoded[i] for i in split.validation[:64]]

config = TrainConfig(epochs=8, batch_size=8, lr=1.5e-3, evals_per_epoch=1, patience=99)
print(f"{len(few)} examples, {len(few) // config.batch_size} steps an epoch, {config.epochs} epochs")

# %% [markdown]
# ## 2 The loop by hand, with a memory
#
# This is the loop of chapter 5 with two additions. After each [epoch](../book/glossary.md#epoch) it measures the validation loss, and whenever that is lower than ever
# before, it keeps a copy of the weights.

# %%
import copy

import torch

from ift_lib import History, LossSum, Point, batch_order, collate, evaluate, in_order, load_pretrained, train_step
from ift_lib.training import learning_rate, make_optimizer

torch.manual_seed(config.seed)
model = load_pretrained("pocket").train()
optimizer = make_optimizer(model, config)
lengths = [len(e) for e in few]
steps_per_epoch = len(few) // config.batch_size
steps = config.epochs * steps_per_epoch

measured = evaluate(model, in_order(validation_set, 16))
validation = [measured.mean]  # by epoch, from 0: before training
training = [float("nan")]  # by epoch too; nothing was trained in epoch 0
best_weights = copy.deepcopy(model.state_dict())  # a copy! Exercise 3 shows what happens without
history = History([], [Point(0, 0.0, 0, measured.mean, measured.count)])  # the same, for the picture

step = tokens = 0
for epoch in range(config.epochs):
    in_epoch = LossSum(torch.zeros(()), 0)
    for indices in batch_order(lengths, config.batch_size, config.seed, epoch):
        batch = collate([few[i] for i in indices])
        loss = train_step(model, optimizer, [batch], learning_rate(step, steps, config), config.clip)
        in_epoch += loss
        step, tokens = step + 1, tokens + batch.tokens
        history.train.append(Point(step, step / steps_per_epoch, tokens, loss.mean, loss.count))
    training.append(in_epoch.mean)
    measured = evaluate(model, in_order(validation_set, 16))
    validation.append(measured.mean)
    history.validation.append(Point(step, epoch + 1.0, tokens, measured.mean, measured.count))
    if validation[-1] == min(validation):
        best_weights = copy.deepcopy(model.state_dict())

last_weights = copy.deepcopy(model.state_dict())

# %% tags=["approximate", "slide-output"] mystnb={"image": {"alt": "Loss over eight epochs on 48 examples: training loss falls towards zero; validation loss falls for a few epochs, turns, and rises while training loss goes on falling. The stretch after the turn is hatched."}}
from ift_lib.plots import plot_losses

print("epoch   training   validation")
for epoch, (seen, unseen) in enumerate(zip(training, validation, strict=True)):
    print(f"{epoch:>5}   {seen:>8.2f}   {unseen:>10.2f}{'  <- lowest' if unseen == min(validation) else ''}")
plot_losses(history)

# %%
assert training[-1] < 0.5 * training[2]
assert min(validation) < validation[0] and validation[-1] > min(validation) + 0.1
print("training loss went on falling; validation loss fell, turned, and rose")

# %% [markdown]
# This is the picture to remember. Up to the turn the model learns something that helps with *other* examples too: the form of an answer, that
# it is short, that it ends. After the turn it goes on getting better at its 48 examples, and that makes it worse at all others.
#
# ## 3 A rule for the turn
#
# The eye sees it; a program needs a rule. Three things must be true together:
#
# 1. the lowest validation loss is not the last one;
# 2. the last one lies clearly above it, by more than chance;
# 3. meanwhile the training loss fell. (If both rise, the run is going wrong, perhaps because the [learning rate](../book/glossary.md#learning-rate) is too high. That is another illness.)

# %% tags=["slide"]
turn = min(range(len(validation)), key=lambda epoch: validation[epoch])
rise = validation[-1] - validation[turn]
train_fall = training[turn] - training[-1]
overfits = turn < len(validation) - 1 and rise > 0.01 and train_fall > 0
assert overfits

# %% [markdown]
# `detect_overfitting` is this rule, for a `History`:

# %%
import math

from ift_lib import detect_overfitting

found = detect_overfitting(history)
assert found is not None and found.turn.epoch == turn
assert math.isclose(found.rise, rise, rel_tol=1e-4) and math.isclose(found.train_fall, train_fall, rel_tol=1e-4)

# %% [markdown]
# How much is "more than chance"? There are only 64 validation examples; with another 64 the curve would look a little different. So look at the
# examples one by one, with the best and with the last weights, and ask how much the rise would vary if they had been drawn again. That is the
# *[bootstrap](../book/glossary.md#bootstrap)*: draw 64 of the 64, with repeats, many times.

# %%
import random


def losses_one_by_one(weights):
    model.load_state_dict(weights)
    sums = [evaluate(model, [collate([e])]) for e in validation_set]
    return [(s.total.item(), s.count) for s in sums]


at_best, at_last = losses_one_by_one(best_weights), losses_one_by_one(last_weights)
rng = random.Random(0)
rises = []
for _ in range(1000):
    drawn = rng.choices(range(64), k=64)
    graded = sum(at_best[i][1] for i in drawn)
    rises.append(sum(at_last[i][0] - at_best[i][0] for i in drawn) / graded)
rises.sort()
low, high = rises[25], rises[975]

# %% tags=["approximate", "slide-output"]
print(found)
print(f"the rise is {rise:.2f} nats, with a 95 % interval of {low:.2f} to {high:.2f}")

# %%
assert low < rise < high and low > 0
print("the interval does not reach down to 0: not chance")

# %% [markdown]
# ## 4 Stop in time: patience
#
# While training, nobody knows the future: after one worse epoch a better one may come. So *[early stopping](../book/glossary.md#early-stopping)* waits: if `patience`
# evaluations in a row bring no new lowest loss, it stops. By hand, on the losses we have:

# %% tags=["slide"]
patience = 2
lowest, waited, stopped = math.inf, 0, None
for epoch, loss in enumerate(validation):
    if loss < lowest:
        lowest, waited = loss, 0
    else:
        waited += 1
    if waited >= patience:
        stopped = epoch
        break
assert stopped == turn + patience

# %% [markdown]
# The library's `EarlyStopping` does this, and keeps a copy of the weights at each new lowest loss. Here it gets our losses one by one, and any
# model at all:

# %% tags=["slide"]
from ift_lib import EarlyStopping

stopping = EarlyStopping(patience)
said = [stopping.update(loss, torch.nn.Linear(1, 1)) for loss in validation]
assert said.index(True) == stopped
assert not any(said[:stopped])

# %% tags=["approximate"]
print(f"lowest at epoch {turn}, so with patience {patience} it stops after epoch {stopped} of {config.epochs}")

# %% [markdown]
# `train` asks `EarlyStopping` after every evaluation, and at the end puts the best weights back. With the same settings and [patience](../book/glossary.md#patience) 2 it must go
# the same way as our loop, only not so far:

# %%
from dataclasses import replace

from ift_lib import train

second = load_pretrained("pocket")
early = train(second, few, validation_set, replace(config, patience=patience))

assert len(early.validation) == stopped + 1
assert all(
    math.isclose(p.loss, mine, rel_tol=1e-4)
    for p, mine in zip(early.validation, validation[: stopped + 1], strict=True)
)
assert all(torch.allclose(p, best_weights[name], atol=1e-5) for name, p in second.state_dict().items())
print("the same losses as by hand, stopped early, and the model has the weights that we kept as the best")

# %% [markdown]
# ## 5 Put the best weights back
#
# Our own model still has the last weights. Put the kept ones back, and measure:

# %%
model.load_state_dict(last_weights)
with_last = evaluate(model, in_order(validation_set, 16)).mean
model.load_state_dict(best_weights)
with_best = evaluate(model, in_order(validation_set, 16)).mean

assert math.isclose(with_last, validation[-1], rel_tol=1e-4)
assert math.isclose(with_best, min(validation), rel_tol=1e-4)

# %% tags=["approximate", "slide"]
print(f"validation loss with the last weights {with_last:.2f}, with the best {with_best:.2f}")

# %%
assert with_best < with_last

# %% [markdown]
# One thing to keep in mind: this epoch was *chosen* because its loss was the lowest of nine, so a little luck is in it. The more epochs and settings
# are compared on the same validation split, the more luck. An honest number comes from the test split, which chose nothing, looked at once, at the end.
#
# ## 6 By heart
#
# What does overfitting look like in the answers? Ask the model its own training questions, and others, with the weights from before training, from the
# turn, and from the end. How many answers are word for word the reference?

# %%
from ift_lib import respond

known = [examples[i] for i in split.train[:48]]
unknown = [examples[i] for i in split.validation[:48]]
exact, answers = {}, {}
for name, weights in {"at the turn": best_weights, "at the end": last_weights}.items():
    model.load_state_dict(weights)
    for kind, asked in {"known": known, "unknown": unknown}.items():
        answers[name, kind] = [r.text for r in respond(model, asked, PHI3, max_new_tokens=24)]
        exact[name, kind] = sum(a == e.output for a, e in zip(answers[name, kind], asked, strict=True))

# %% tags=["approximate", "slide-output"]
for (name, kind), count in exact.items():
    print(f"{name:<12} {kind:<8} {count:>2} of {len(known)} word for word")
print()
for example, answer in list(zip(known, answers["at the end", "known"], strict=True))[:4]:
    print(f"{example.instruction} {example.input}\n    reference: {example.output}\n    said:      {answer}")

# %%
assert exact["at the end", "known"] >= 36 > exact["at the end", "unknown"]
assert exact["at the end", "known"] > exact["at the turn", "known"]
print("at the end it recites its training examples")

# %% [markdown]
# A model that recites looks brilliant to whoever tests it on its training examples. That is why duplicates across the splits (chapter 2) are so
# dangerous: they turn reciting into points.
#
# ## 7 Remedies
#
# Four things people try, with the same number of steps or fewer:
#
# * **stop at the turn**, as we did: it costs nothing and even saves time;
# * **a lower learning rate**: 0.0003 instead of 0.0015;
# * **[dropout](../book/glossary.md#dropout)**: a tenth of the activations at random to zero while training;
# * **more data**: 192 examples instead of 48, seen twice instead of eight times.

# %%
more = [encoded[i] for i in split.train[:192]]
runs = {"as above": history}
for name, examples_used, dropout, changed in [
    ("lower rate", few, 0.0, replace(config, lr=3e-4)),
    ("dropout", few, 0.1, config),
    ("more data", more, 0.0, replace(config, epochs=2, evals_per_epoch=4)),
]:
    pupil = load_pretrained("pocket", dropout=dropout)
    runs[name] = train(pupil, examples_used, validation_set, changed)

# %% tags=["approximate", "slide-output"]
print("              lowest validation loss   at the end   rise")
for name, run in runs.items():
    best, last = run.best().loss, run.validation[-1].loss
    print(f"{name:<14}{best:>22.2f}{last:>13.2f}{last - best:>7.2f}")

# %%
best = {name: run.best().loss for name, run in runs.items()}
rise_of = {name: run.validation[-1].loss - best[name] for name, run in runs.items()}
assert best["more data"] < best["lower rate"] < best["as above"] < best["dropout"]
assert rise_of["lower rate"] < rise_of["as above"] / 2
print("more data: lower than all that could be had from 48 examples")

# %% [markdown]
# Read the table with two questions. *How low does it get?* That is what you keep, if you keep the best weights. *How far does it rise?* That is
# what carelessness costs. A lower rate takes smaller steps on the same journey: it gets a little lower, and hardly rises in the same time. Dropout hinders learning
# by heart, and learning too: this model was [pretrained](../book/glossary.md#pretrained) without it, and 48 steps are too few to get used to it. More data is the one that brings something new, at the
# same price in steps. (One [seed](../book/glossary.md#random-seed) each: differences of a few hundredths mean nothing here.)
#
# ## 8 The overfitting lab
#
# Choose how many examples, which rate, how many epochs; press *Train*, and watch. Beside the button stands how long it will take. Some questions to it:
#
# * How many examples do you need so that eight epochs do not overfit?
# * With 16 examples: when does the turn come at rate 0.003, and when at 0.0003? Is the lowest loss another one?
# * Can you make both curves rise?

# %%
from ift_lib.course.widgets import describe_lab, draw_lab, overfitting_lab, run_lab

result = run_lab(examples=32, lr=1e-3, epochs=8)

# %% tags=["widget"]
overfitting_lab(result)

# %% [markdown]
# The curves with which it begins, and what it says about them:

# %% tags=["approximate", "slide-output"] mystnb={"image": {"alt": "Loss over eight epochs on 32 examples: training loss falls, validation loss falls, turns and rises; the lowest point is marked with a star, the stretch after it is hatched."}}
print(describe_lab(result))
draw_lab(result)

# %%
assert result.overfitting is not None
assert math.isclose(result.restored, result.history.best().loss, rel_tol=1e-4)
print("32 examples, eight epochs: it turned, and the best weights are back")

# %% [markdown]
# ## Exercises
#
# Replace the `...`, run the cell, then run the check below it. A check says what is wrong, and you can try as often as you like.

# %%
from ift_lib.course.checks import overfitting as checks

# %% [markdown]
# ### Exercise 1 · easy · 5 min
#
# Write `best_epoch(losses)`. It gets the validation losses by epoch, from epoch 0 (before training) on, and returns the epoch with the lowest. If two are equally
# low, it is the first of them. A run that left the numbers has losses that are NaN; such a loss is never the lowest. (One loss at least is a number.)
#
# Expected: `best_epoch([5.0, 3.2, 2.9, 3.1])` is 2.
#
# <details><summary>Hint</summary>`min` with a `key` finds a place in a list. Every comparison with NaN is false, so treat it as infinity: `math.isnan`.</details>


# %% tags=["exercise"]
def best_epoch(losses):
    # your code
    ...


# %% tags=["solution"]
def best_epoch(losses):
    return min(range(len(losses)), key=lambda epoch: math.inf if math.isnan(losses[epoch]) else losses[epoch])


# %%
checks.exercise_1(best_epoch)

# %% [markdown]
# ### Exercise 2 · medium · 10 min
#
# With the patience of section 4, an improvement of a ten-thousandth counts as one. Many programs ask for more. Write `stop_epoch(losses, patience, min_delta)`:
#
# * an evaluation is *better* if its loss lies more than `min_delta` below the loss of the last better one (the first evaluation is always better);
# * training stops at the evaluation that is the `patience`-th in a row that is not better. Return its epoch, counted from 0, or `None` if it never stops.
#
# Expected: `stop_epoch([5.0, 4.0, 3.99, 3.98, 3.0], 2, 0.05)` is 3, and with `min_delta` 0 it is `None`.
#
# <details><summary>Hint</summary>Two variables: the loss of the last better evaluation, and how many came since. When do you change each?</details>


# %% tags=["exercise"]
def stop_epoch(losses, patience, min_delta):
    # your code
    ...


# %% tags=["solution"]
def stop_epoch(losses, patience, min_delta):
    best, waited = math.inf, 0
    for epoch, loss in enumerate(losses):
        if loss < best - min_delta:
            best, waited = loss, 0
        else:
            waited += 1
        if waited >= patience:
            return epoch
    return None


# %%
checks.exercise_2(stop_epoch)

# %% [markdown]
# ### Exercise 3 · medium · 15 min
#
# **Break it.** Somebody keeps the best weights like this:


# %%
def careless_snapshot(model):
    return model.state_dict()


pupil = load_pretrained("pocket")
optimizer = make_optimizer(pupil, config)
some = list(in_order(validation_set[:16], 16))
measured, kept = [], None
for _ in range(6):
    measured.append(evaluate(pupil, some).mean)
    if measured[-1] == min(measured):
        kept = careless_snapshot(pupil)
    # Two steps at ten times the good learning rate: it learns for a moment, and then goes astray.
    train_step(pupil, optimizer, [collate(few[:8])], 1e-2, 1.0)
last = evaluate(pupil, some).mean
pupil.load_state_dict(kept)
restored = evaluate(pupil, some).mean

# %% [markdown]
# **See the symptom.** The weights with the lowest loss were kept and put back. Or were they?

# %% tags=["approximate"]
print(f"lowest on the way {min(measured):.2f}, at the end {last:.2f}, with the kept weights put back {restored:.2f}")

# %%
assert restored == last
print("'restored' is the last model, whatever was best")

# %% [markdown]
# `state_dict()` returns a dict with the model's own tensors, no copies. The [optimizer](../book/glossary.md#optimizer) changes those in place, and what was kept changes with them.
#
# **Repair it.** Write `snapshot(model)`. It returns something that `model.load_state_dict` takes, and that stays as it is while the model trains on. It
# must hold everything: [parameters](../book/glossary.md#parameter) and *[buffers](../book/glossary.md#buffer)* (tensors that belong to a model and are not trained, such as running means).
#
# Expected: with `kept = snapshot(pupil)` in the cell above, the loss after putting the weights back would be the lowest one.
#
# <details><summary>Hint</summary>A copy of the dict is not enough, for it holds the same tensors. `t.clone()` copies a tensor; `t.detach()` takes it out of any graph.</details>


# %% tags=["exercise"]
def snapshot(model):
    # your code
    ...


# %% tags=["solution"]
def snapshot(model):
    return {name: t.detach().clone() for name, t in model.state_dict().items()}


# %%
checks.exercise_3(snapshot)

# %% [markdown]
# ### Exercise 4 · hard · 20 min
#
# Write the rule of section 3 yourself, so that it is not taken in. `is_overfitting(train, validation, min_rise)` gets two lists of the same length, the training and the
# validation loss by evaluation, and returns `True` or `False`. All three must hold:
#
# 1. the lowest validation loss is not the last one;
# 2. the last one lies more than `min_rise` above the lowest;
# 3. the last training loss is lower than the one at the turn, that is where validation loss was lowest.
#
# Expected: `is_overfitting([4.0, 3.0, 2.0, 1.5], [4.5, 3.5, 3.0, 3.4], 0.1)` is `True`.
#
# <details><summary>Hint</summary>Compare the end with the turn, and with nothing else: not with the start, and not with the evaluation before.</details>


# %% tags=["exercise"]
def is_overfitting(train, validation, min_rise):
    # your code
    ...


# %% tags=["solution"]
def is_overfitting(train, validation, min_rise):
    turn = validation.index(min(validation))
    rose = validation[-1] - validation[turn] > min_rise
    fell = train[-1] < train[turn]
    return turn < len(validation) - 1 and rose and fell


# %%
checks.exercise_4(is_overfitting)

# %% [markdown]
# ## Quiz

# %% tags=["widget"]
from ift_lib.course.quiz import quiz

quiz("06_overfitting")

# %% [markdown]
# ## Recap
#
# * Overfitting: training loss falls, validation loss has turned and rises. A gap alone, or a plateau, is not it; both rising is another illness.
# * Patience: stop when so many evaluations brought no lower loss; then put back the weights of the lowest one.
# * Keep weights as a copy of every tensor: a dict alone follows the model.
# * Is the rise more than chance? Draw the validation examples again (bootstrap). The lowest of many is a little lucky; the test split is not.
# * More data brings something new; stopping in time and a lower rate limit the damage; dropout needs a longer run than this.
#
# ## Where next
#
# [Chapter 7](07_judging.ipynb) asks how good the answers are, for a loss says little about that. In the code: `ift_lib/stopping.py` (short), `train` in
# `ift_lib/training.py`, `ift_lib/history.py`.
