# %% [markdown]
# # 12 Adapters (bonus)
#
# **You will learn** to [fine-tune](../book/glossary.md#fine-tuning) a model by a small correction beside its frozen [weights](../book/glossary.md#weights) (*LoRA*, low-rank adaptation), to compute what that saves, to compare it
# with training everything, to add the correction to the weights when all is done, and to hand it on as a small file.
#
# **You need** chapters 4 and 5 (a model's matrices, a training run), Python, a little PyTorch and linear algebra (matrix products).
#
# | for you | for the machine | memory | network |
# |---|---|---|---|
# | 50 min | 1 min | 2 GB | none |

# %% [markdown]
# ## 1 What low rank means
#
# Training adds a correction to every matrix of the model: *W* becomes *W* + *ΔW*. That correction has as many numbers as the matrix. Must it? Multiply a tall, narrow matrix by
# a low, wide one. The product is large, and yet there are few numbers behind it:

# %%
import torch

generator = torch.Generator().manual_seed(0)
B = torch.randn(6, 2, generator=generator)  # tall and narrow
A = torch.randn(2, 8, generator=generator)  # low and wide
delta = B @ A

print(f"a product of shape {tuple(delta.shape)}: {delta.numel()} numbers, made of {B.numel() + A.numel()}")
print(f"its rank: {torch.linalg.matrix_rank(delta).item()}")
assert torch.linalg.matrix_rank(torch.randn(6, 8, generator=generator)) == 6  # drawn freely, it is as high as it can be

# %% [markdown]
# The *rank* of a matrix is the number of its rows that say something new; all others are mixtures of those. Here every row is a mixture of the two rows of `A`. The larger
# the matrix, the more is saved. For the widest kind in the [pocket model](../book/glossary.md#pocket-model), and rank 8:

# %%
from ift_lib import load_pretrained

model = load_pretrained("pocket").eval()
layer = model.h[0].attn.c_attn  # a linear layer: y = x Wᵀ + b
n_out, n_in = layer.weight.shape
rank = 8
print(f"W is {n_out} x {n_in}: {n_out * n_in:,} numbers; A and B of rank {rank}: {rank * (n_in + n_out):,}")
assert rank * (n_in + n_out) < 0.05 * n_out * n_in

# %% [markdown]
# ## 2 One layer by hand
#
# That is the whole idea of [LoRA](https://arxiv.org/abs/2106.09685): freeze *W*, train `A` and `B`. How should they begin? The model should at first answer as it did, so the product must be
# zero. `B` begins at zero, and `A` at random. (If both were zero, neither would ever learn: exercise 2.) A fixed factor, *alpha* / *rank*, says how much the correction counts.

# %%
alpha = 16
scale = alpha / rank
my_A = torch.empty(rank, n_in).uniform_(-(n_in**-0.5), n_in**-0.5, generator=generator)
my_B = torch.zeros(n_out, rank)


def with_correction(x):
    return layer(x) + scale * ((x @ my_A.T) @ my_B.T)  # never a matrix as large as W: first narrow, then wide


x = torch.randn(5, n_in, generator=generator)
with torch.no_grad():
    assert torch.equal(with_correction(x), layer(x))
print("at the beginning: the same answers")

# %% [markdown]
# Now let `B` be something else, as if it had been trained. The correction can be computed beside the matrix, or it can be added to it, once. The two must agree:

# %%
my_B = torch.randn(n_out, rank, generator=generator) / 10
with torch.no_grad():
    beside = with_correction(x)
    merged_weight = layer.weight + scale * my_B @ my_A
    added = x @ merged_weight.T + layer.bias
assert torch.allclose(beside, added, atol=1e-4) and not torch.allclose(beside, layer(x), atol=0.1)
print("beside the matrix or added to it: the same")

# %% [markdown]
# The library's `LoRALinear` is these lines as a module:

# %%
import copy

from ift_lib import LoRAConfig
from ift_lib.lora import LoRALinear

module = LoRALinear(copy.deepcopy(layer), LoRAConfig(rank=rank, alpha=alpha))
with torch.no_grad():
    module.lora_A.copy_(my_A)
    module.lora_B.copy_(my_B)
    assert torch.allclose(module(x), beside, atol=1e-5)
    assert torch.allclose(module.merge().weight, merged_weight, atol=1e-6)
print("LoRALinear: the same output, the same merged matrix")

# %% [markdown]
# ## 3 The whole model
#
# `add_lora` freezes a model and puts such a module in the place of each layer that it is told. In [GPT-2](../book/glossary.md#gpt-2) these are called `c_attn` (queries, keys, values), `c_proj` (the way out of [attention](../book/glossary.md#attention),
# and of the [feed-forward](../book/glossary.md#feed-forward) part) and `c_fc` (the way into the feed-forward part). How many numbers are trained then? Count first, then look:

# %%
from ift_lib import add_lora, lora_parameter_count, trainable_parameter_count

config = LoRAConfig(rank=8, targets=("c_attn", "c_proj", "c_fc"))
width, inner, layers = model.config.n_embd, model.config.d_inner, model.config.n_layer
in_a_block = 8 * ((width + 3 * width) + (width + width) + (width + inner) + (inner + width))

adapted = add_lora(load_pretrained("pocket"), config, torch.Generator().manual_seed(0))
trained, everything = trainable_parameter_count(adapted), model.parameter_count()
assert trained == layers * in_a_block == lora_parameter_count(model.config, config)
print(f"trained: {trained:,} of {everything:,} parameters ({trained / everything:.1%})")

# %% [markdown]
# What is that good for? A training run holds, whatever the [batch](../book/glossary.md#batch): the weights; a [gradient](../book/glossary.md#gradient) for each weight that is trained; and two running means of [AdamW](../book/glossary.md#adam) for each of those (chapter 5). All
# are numbers of four bytes.

# %%
from ift_lib.lora import training_bytes

for name, trained_here in {"all weights": everything, "adapters": trained}.items():
    weights = everything if name == "all weights" else everything + trained
    print(
        f"{name:<12} weights {4 * weights / 1e6:>6.1f} MB   gradients {4 * trained_here / 1e6:>5.1f} MB   means {8 * trained_here / 1e6:>6.1f} MB"
    )

assert training_bytes(adapted) == {
    "weights": 4 * (everything + trained),
    "gradients": 4 * trained,
    "moments": 8 * trained,
}
full, small = (sum(training_bytes(m).values()) for m in (model, adapted))
assert small < full / 3
print(f"together {full / 1e6:.0f} MB and {small / 1e6:.0f} MB")

# %% [markdown]
# This saves memory, and that is the point when a model is so large that its weights fit your GPU once, but not four times. The activations of the batch (chapter 4) are needed in both cases.
#
# ## 4 Everything, or adapters?
#
# The same examples in the same order, once with all weights and once with adapters. Adapters want a higher [learning rate](../book/glossary.md#learning-rate): they begin at zero, and have a long way to go.

# %%
from ift_lib import PHI3, TrainConfig, encode_example, load_examples, split_examples, train
from ift_lib.data import EMBEDDED

examples = load_examples(EMBEDDED)
split = split_examples(examples)
encoded = [encode_example(e, PHI3) for e in examples]
train_set = [encoded[i] for i in split.train[:512]]
validation_set = [encoded[i] for i in split.validation[:64]]

before = {name: p.detach().clone() for name, p in adapted.named_parameters()}
histories = {}
tuned = load_pretrained("pocket")
histories["all weights"] = train(tuned, train_set, validation_set, TrainConfig(epochs=1, lr=1e-3))

# %%
histories["adapters"] = train(adapted, train_set, validation_set, TrainConfig(epochs=1, lr=1e-2))

# %% tags=["approximate"]
for name, history in histories.items():
    losses = " ".join(f"{p.loss:.2f}" for p in history.validation)
    print(f"{name:<12} validation loss {losses}   ({history.train[-1].step} steps)")

# %%
start = histories["all weights"].validation[0].loss
assert abs(histories["adapters"].validation[0].loss - start) < 1e-3
assert all(history.best().loss < start - 1.5 for history in histories.values())
moved = {name for name, p in adapted.named_parameters() if not torch.equal(p, before[name])}
assert moved == {name for name in before if "lora_" in name}
print("both begin at the same loss and learn; with adapters, not one weight of the model itself has moved")

# %% mystnb={"image": {"alt": "Training loss by step, all weights and adapters: two jagged curves that go down and up together, and lower towards the end."}} tags=["approximate"]
from ift_lib.picture import BLUE, VERMILLION, Picture, drawing, finish, new_figure

figure, axes = new_figure((7.2, 3))
series = {name: [(p.step, p.loss) for p in history.train] for name, history in histories.items()}
with drawing():
    for (name, points), color, line in zip(series.items(), (BLUE, VERMILLION), ("-", "--"), strict=True):
        axes.plot(*zip(*points, strict=True), line, color=color, label=name)
    axes.set_xlabel("step")
    axes.set_ylabel("loss of the batch (nats per graded token)")
    axes.legend(frameon=False)
finish(Picture(figure, series, "Training loss by step, with all weights and with adapters."), None)

# %%
for points in series.values():
    first, last = ([loss for _, loss in part] for part in (points[:8], points[-8:]))
    assert sum(last) < sum(first) - 8 * 0.6  # a batch of its own kind is easier or harder, so eight together

# %% [markdown]
# One [seed](../book/glossary.md#random-seed), one short run: do not read more into the difference than that both learn. Over many [epochs](../book/glossary.md#epoch) on much data, training everything can fit more; on a little data that is not always a gain
# (chapter 6).
#
# **How many ranks does a full correction use?** Take what full training has added to one matrix and ask how much of it the best product of rank 8 would keep. The *singular values* say: their
# squares add up to the squared size of the matrix, and the best approximation of rank *r* keeps the *r* largest.

# %%
change = tuned.h[0].attn.c_attn.weight.detach() - layer.weight.detach()
squares = torch.linalg.svdvals(change) ** 2
kept = (squares.cumsum(0) / squares.sum()).tolist()

# %% tags=["approximate"]
for r in (1, 8, 32, 128, len(kept)):
    print(f"rank {r:>3}: {kept[r - 1]:.0%} of the correction")

# %%
assert kept[7] > 2 * 8 / len(kept) and abs(kept[-1] - 1) < 1e-4
print("the first eight directions hold far more than their share, and not all of it")

# %% [markdown]
# So a low rank is a restriction. LoRA does not approximate this correction, though; it looks for another one, which does the job within its rank.
#
# ## 5 Merge
#
# When training is over, `merge_lora` adds every correction to its matrix. What is left is a plain GPT-2, as fast as before, that answers as the adapted one did:

# %%
from ift_lib import merge_lora, respond

asked = [examples[i] for i in split.test[:8]]
with torch.no_grad():
    ids = torch.tensor([encoded[0].ids])
    beside, answers = adapted.eval()(ids), respond(adapted, asked, PHI3, max_new_tokens=12)

import tempfile
from pathlib import Path

from ift_lib import save_adapter

folder = Path(tempfile.mkdtemp())
save_adapter(adapted, folder / "adapter", base="pocket")  # for section 6: after merging there is no adapter left

merged = merge_lora(adapted)
with torch.no_grad():
    assert torch.allclose(merged(ids), beside, atol=1e-3)
assert respond(merged, asked, PHI3, max_new_tokens=12) == answers
assert [name for name, _ in merged.named_parameters()] == [name for name, _ in model.named_parameters()]
print("merged and unmerged: the same logits, the same answers; and the layers are GPT-2's own again")

# %% [markdown]
# ## 6 An adapter is a small file
#
# Instead of a whole model you may pass on the correction alone; whoever has the [base model](../book/glossary.md#base-model) adds it. `save_adapter` writes the format of Hugging Face's library
# [peft](https://huggingface.co/docs/peft), and `load_adapter` reads it.

# %%
import json

from ift_lib import export_pretrained, load_adapter

export_pretrained(merged, folder / "model")
sizes = {path.parent.name: path.stat().st_size for path in folder.glob("*/*.safetensors")}
print({name: f"{size / 1e6:.1f} MB" for name, size in sorted(sizes.items())})
assert sizes["adapter"] < sizes["model"] / 50

described = json.loads((folder / "adapter" / "adapter_config.json").read_text())
print({field: described[field] for field in ("peft_type", "r", "lora_alpha", "target_modules")})

again = merge_lora(load_adapter(load_pretrained("pocket"), folder / "adapter"))
assert all(torch.equal(p, q) for p, q in zip(again.parameters(), merged.parameters(), strict=True))
print("base model + adapter: the merged model, to the last bit")

# %% [markdown]
# One base model, and a drawer full of small corrections, one for each task. On the command line, `ift run --lora 8` does all of this: its folder then holds `model`, merged, and `adapter`.
#
# ## Exercises
#
# Replace the `...`, run the cell, then run the check below it. A check says what is wrong, and you can try as often as you like.

# %%
from ift_lib.course.checks import adapters as checks

# %% [markdown]
# ### Exercise 1 · easy · 5 min
#
# Write `adapter_size(rank, shapes)`: how many numbers the adapters of that rank have. `shapes` is a list of the matrices' shapes, `(out, in)` each.
#
# Expected: `adapter_size(2, [(6, 8), (4, 4)])` is 44.
#
# <details><summary>Hint</summary>`A` has `rank` rows as long as the input, `B` has `rank` columns as long as the output.</details>


# %% tags=["exercise"]
def adapter_size(rank, shapes):
    # your code
    ...


# %% tags=["solution"]
def adapter_size(rank, shapes):
    return sum(rank * (n_out + n_in) for n_out, n_in in shapes)


# %%
checks.exercise_1(adapter_size)

# %% [markdown]
# ### Exercise 2 · medium · 10 min
#
# **Break it.** Somebody thinks: "The correction must be zero at the beginning. To be safe, let both begin at zero."


# %%
def careless_start(rank, n_in, n_out, generator):
    return torch.zeros(rank, n_in), torch.zeros(n_out, rank)


def gradients_at(start):
    A, B = (t.requires_grad_() for t in start(4, 10, 6, torch.Generator().manual_seed(1)))
    x, wanted = torch.ones(3, 10), torch.ones(3, 6)
    (((x @ A.T) @ B.T - wanted) ** 2).sum().backward()
    return A.grad.norm().item(), B.grad.norm().item()


# %% [markdown]
# **See the symptom.** The lengths of the two gradients at the first step:

# %%
print(gradients_at(careless_start))
assert gradients_at(careless_start) == (0.0, 0.0)

# %% [markdown]
# The gradient of `A` is a product with `B`, and that of `B` a product with `A`. Both are zero, so both stay zero, for ever, without an error.
#
# **Repair it.** Write `start(rank, n_in, n_out, generator)`, which returns `A`, of shape `(rank, n_in)`, and `B`, of shape `(n_out, rank)`. At the beginning `B @ A` is zero, and yet one of the two
# gets a gradient. As in the paper, `A` is the random one. Draw it from the `generator` that is given, so that a run can be repeated.
#
# Expected: `gradients_at(start)` is zero for `A` and not for `B`.
#
# <details><summary>Hint</summary>`torch.randn(..., generator=generator)`; divided by the root of `n_in`, it keeps the size of what goes through.</details>


# %% tags=["exercise"]
def start(rank, n_in, n_out, generator):
    # your code
    ...


# %% tags=["solution"]
def start(rank, n_in, n_out, generator):
    return torch.randn(rank, n_in, generator=generator) / n_in**0.5, torch.zeros(n_out, rank)


# %%
checks.exercise_2(start)

# %% [markdown]
# ### Exercise 3 · hard · 15 min
#
# Section 4 asked how much of a correction rank 8 would keep. Ask the other way round: write `rank_for(delta, share)`, the smallest rank whose best approximation keeps at least `share` of the squared size of
# the matrix `delta`. `share` is above 0 and at most 1.
#
# Expected: for `torch.diag(torch.tensor([3.0, 2.0, 1.0, 0.0]))` the squares are 9, 4, 1, 0, so `rank_for(delta, 0.6)` is 1, `rank_for(delta, 0.9)` is 2, and `rank_for(delta, 1.0)` is 3.
#
# <details><summary>Hint</summary>`torch.linalg.svdvals(delta)` gives the singular values, largest first. Rounding: take 1e-6 off the `share` when you compare.</details>


# %% tags=["exercise"]
def rank_for(delta, share):
    # your code
    ...


# %% tags=["solution"]
def rank_for(delta, share):
    squares = torch.linalg.svdvals(delta) ** 2
    kept = squares.cumsum(0) / squares.sum()
    return int((kept < share - 1e-6).sum()) + 1


# %%
checks.exercise_3(rank_for)

# %% [markdown]
# ## Quiz

# %% tags=["widget"]
from ift_lib.course.quiz import quiz

quiz("12_adapters")

# %% [markdown]
# ## Recap
#
# * LoRA freezes a matrix and trains a correction `B @ A` of low rank beside it: rank × (in + out) numbers instead of in × out.
# * It saves the gradients and the [optimizer](../book/glossary.md#optimizer)'s means of everything frozen. Weights and activations are still needed.
# * `B` begins at zero, so nothing changes at first; `A` must not, or nothing is ever learned.
# * Merged into the matrix, the correction costs nothing when the model answers, and the answers are the same.
# * Unmerged, it is a small file that fits one base model; `peft` reads and writes the same format.
#
# ## Where next
#
# In the code: `ift_lib/lora.py` and `ift_lib/adapters.py`, both short. On the command line: `ift run --lora 8`, with `--lora-alpha` and `--lora-targets`.
# [Chapter 5](05_training.ipynb) has the training loop, [chapter 6](06_overfitting.ipynb) [overfitting](../book/glossary.md#overfitting), which adapters do not prevent.
