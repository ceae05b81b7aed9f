# %% [markdown]
# # 13 Making it fast (bonus)
#
# **You will learn** to count where the work of a training step goes, to leave out what changes nothing, one change at a time, to prove after each that the [loss](../book/glossary.md#loss) and the [gradient](../book/glossary.md#gradient) are still the same,
# and to read times with care.
#
# **You need** chapters 3 to 5 ([batches](../book/glossary.md#batch), the model's matrices, a training step), Python, a little PyTorch.
#
# | for you | for the machine | memory | network |
# |---|---|---|---|
# | 40 min | 1 min | 1.5 GB | none |

# %% [markdown]
# ## 1 Where the work goes
#
# Do not measure first: count. Take 16 real examples, in batches of 8, as chapter 3 makes them. The rows of a batch are [padded](../book/glossary.md#padding) to its longest, and only the
# [response](../book/glossary.md#response) is [graded](../book/glossary.md#graded-token). How many places does the model compute, and how many of them teach it anything?

# %%
from ift_lib import ALPACA, batch_order, collate, encode_example, load_examples, split_examples
from ift_lib.data import EMBEDDED

examples = load_examples(EMBEDDED)
train_set = [encode_example(examples[i], ALPACA) for i in split_examples(examples).train]
few = train_set[:16]
as_they_come = [collate(few[at : at + 8]) for at in range(0, 16, 8)]


def count(batches):
    """Places in the rectangles, tokens that are no padding, graded tokens."""
    return sum(b.inputs.numel() for b in batches), sum(b.tokens for b in batches), sum(b.graded for b in batches)


places, tokens, graded = count(as_they_come)
print(f"{places} places: {places - tokens} are padding ({1 - tokens / places:.0%})")
print(f"{tokens} tokens: {graded} are graded ({graded / tokens:.0%})")

# %% [markdown]
# Padding is the easy part: put rows of similar length together. `batch_order` (chapter 3) shuffles, then sorts by length inside a window. On the whole training part, and on our 16:

# %%
lengths = [len(example) for example in train_set]
for name, order in {
    "as they come": [range(at, min(at + 8, len(lengths))) for at in range(0, len(lengths), 8)],
    "similar lengths": batch_order(lengths, 8, seed=0, epoch=0),
}.items():
    all_places, all_tokens, _ = count([collate([train_set[i] for i in indices]) for indices in order])
    print(f"{name:<16} {1 - all_tokens / all_places:.1%} padding in {len(order)} batches")

by_length = [collate([few[i] for i in indices]) for indices in batch_order(lengths[:16], 8, seed=0, epoch=0)]
assert count(by_length)[1:] == (tokens, graded)
print(f"our 16 examples  {1 - tokens / count(by_length)[0]:.1%}")

# %% [markdown]
# There is a third kind of waste. All examples begin with the same words, those of the [template](../book/glossary.md#template), and the model computes them anew for every row:

# %%
from ift_lib import decode

same = next(place for place in range(100) if len({example.ids[place] for example in few}) > 1)
print(f"{same} of {tokens / 16:.0f} tokens: {decode(few[0].ids[:same])!r}")

# %% [markdown]
# The library puts the rows of a batch into a *[prefix tree](../book/glossary.md#prefix-tree)*, in which a beginning that several rows share stands once. Section 3 builds one by hand. Here we only count its nodes. What does all this
# save? Nearly all arithmetic of a [GPT-2](../book/glossary.md#gpt-2) is products with its matrices. Each [weight](../book/glossary.md#weights) of a matrix costs 2 operations for each row that goes in, and twice
# that again on the way back: 6.

# %%
from ift_lib import SIZES
from ift_lib.hardware import training_flops
from ift_lib.prefix_tree import prefix_tree

config = SIZES["pocket"]
C = config.n_embd
in_blocks = config.n_layer * (4 * C * C + 2 * C * config.d_inner)
in_head = config.vocab_size * C
print(f"weights in the blocks {in_blocks:,}, in the output layer {in_head:,}")

trees = [prefix_tree(b.inputs, b.targets) for b in by_length]
nodes = sum(len(tree.ids) for tree in trees)
rows = {  # rows that go through the blocks, and through the output layer
    "plain": (places, places),
    "logits where graded": (places, graded),
    "similar lengths": (count(by_length)[0], graded),
    "no padding": (tokens, graded),
    "shared beginnings": (nodes, sum(len(tree.edges) for tree in trees)),
}
work = {name: 6 * (blocks * in_blocks + head * in_head) / 1e9 for name, (blocks, head) in rows.items()}
for name, (blocks, head) in rows.items():
    print(f"{name:<20} {blocks:>5} and {head:>5} rows: {work[name]:>6.1f} GFLOP, {work[name] / work['plain']:.0%}")

assert abs(work["no padding"] - training_flops(config, tokens, graded, length=0) / 1e9) < 1e-9  # length 0: no attention

# %% [markdown]
# The largest waste is one you cannot see in a batch. In a small model the output layer, 50,257 wide, is larger than all blocks together, and the plain step computes it at every place, graded or not.
# ([Attention](../book/glossary.md#attention) is left out: with rows this short it is a small part.)
#
# ## 2 One change at a time
#
# Now the same as code. Each way of taking a step is the one before it with one thing changed:

# %%
import torch

from ift_lib import load_pretrained, plain_response_loss, response_loss
from ift_lib.hardware import autocast

changes = {
    "logits where graded": {"layout": "padded"},
    "similar lengths": {"batches": by_length},
    "no padding": {"layout": "flat"},
    "shared beginnings": {"layout": "shared"},
    "fused AdamW": {"fused": True},
    "bf16": {"precision": "bf16"},
}
way = {"batches": as_they_come, "layout": "plain", "fused": False, "precision": "fp32"}
ways = {"plain": way}
for name, change in changes.items():
    way = way | change
    ways[name] = way

model = load_pretrained("pocket")


def loss_of(batch, way):
    if way["layout"] == "plain":
        return plain_response_loss(model, batch)  # logits everywhere, as in chapter 5
    model.layout = way["layout"]
    with autocast(model.device, way["precision"]):
        return response_loss(model, batch)


# %% [markdown]
# * **[Logits](../book/glossary.md#logit) where graded.** The last hidden states are chosen first, and multiplied with the [vocabulary](../book/glossary.md#vocabulary) after. What is left out is multiplied by zero in the plain loss.
#   The library also writes the gradient of the logits over the logits, since nothing needs them any more, and adds the [embedding](../book/glossary.md#embedding)'s gradient as first layer to the one it has as last.
# * **Similar lengths.** Less padding. This changes *which* examples meet in a batch, so the step is another one; the sum over all 16 is not.
# * **No padding.** The rows are laid end to end, and everything but attention works on that one long row. Attention still gets the rectangle.
# * **Shared beginnings.** The prefix tree.
# * **Fused [AdamW](../book/glossary.md#adam).** The [optimizer](../book/glossary.md#optimizer) reads and writes each number once, and not once for every operation of its formula.
# * **bf16.** Matrix products in numbers of 16 bits, where the weights stay in 32. It is no longer the same arithmetic: it rounds to about three decimal digits.
#
# Is it still the same training? Loss and gradient over all 16 examples must agree, and in 32 bits that is a sharp question: to 1e-5. For bf16 we ask less, and say so: 0.02 for the loss, 5 % for
# the gradient.


# %%
def loss_and_gradient(way):
    """The mean loss over all graded tokens, and its gradient as one long row; sums first, one division."""
    model.zero_grad()
    total = 0.0
    for batch in way["batches"]:
        loss = loss_of(batch, way)
        (loss.total / graded).backward()
        total += loss.total.item()
    return total / graded, torch.cat([p.grad.flatten() for p in model.parameters()])


plain_loss, plain_gradient = loss_and_gradient(ways["plain"])
differences = {"plain": (0.0, 0.0)}
for name in changes:
    loss, gradient = loss_and_gradient(ways[name])
    off = (abs(loss - plain_loss), ((gradient - plain_gradient).norm() / plain_gradient.norm()).item())
    most_loss, most_gradient = (0.02, 0.05) if name == "bf16" else (1e-5, 1e-5)
    assert off[0] < most_loss and off[1] < most_gradient, (name, off)
    differences[name] = off
    print(f"{name:<20} loss and gradient of the plain step, within {most_loss} and {most_gradient}")
del plain_gradient, gradient  # 76 MB each

# %% [markdown]
# The optimizer comes after the gradient, so it has a test of its own: ten [steps](../book/glossary.md#step) on one matrix, with both forms of it.

# %%
ends = []
for fused in (False, True):
    generator = torch.Generator().manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(100, 100, generator=generator))
    optimizer = torch.optim.AdamW([weight], lr=0.01, fused=fused)
    for _ in range(10):
        weight.grad = torch.randn(100, 100, generator=generator)
        optimizer.step()
    ends.append(weight.detach())
assert torch.allclose(*ends, rtol=0, atol=1e-5)
print("plain and fused AdamW end at the same weights")

# %% [markdown]
# ## 3 A prefix tree by hand
#
# Three rows that begin alike. A node is a word *with everything before it*, so its key is the node before and the word. An edge is a prediction: from this node, that word comes next. It counts as often
# as rows run along it. That is all:

# %%
from itertools import pairwise

texts = ["Name a colour : red END", "Name a colour : blue END", "Name a fruit : pear END"]
words = [text.split() for text in texts]

numbers, edges = {}, {}  # (node before, word): the node's number; (node, next word): how many rows
for row in words:
    node = -1
    for word, following in pairwise(row):
        node = numbers.setdefault((node, word), len(numbers))
        edges[node, following] = edges.get((node, following), 0) + 1

print(f"{sum(len(row) - 1 for row in words)} places, {len(numbers)} nodes, {len(edges)} edges")
for (node, following), times in list(edges.items())[:4]:
    print(f"from node {node} to {following!r}: {times} of 3 rows")

# %% [markdown]
# There are two nodes for `:`, because what comes before it differs. The library's version, on the same rows as numbers, with every [token](../book/glossary.md#token) graded:

# %%
from ift_lib import EOT, Encoded

known = {word: number for number, word in enumerate(sorted({w for row in words for w in row} - {"END"}))} | {"END": EOT}
as_ids = [Encoded(tuple(known[word] for word in row), 1) for row in words]
batch = collate(as_ids, mask_prompt=False)
tree = prefix_tree(batch.inputs, batch.targets)

assert tree.ids.tolist() == [known[word] for _, word in numbers]
by_library = zip(tree.edges.tolist(), tree.targets.tolist(), tree.weights.tolist(), strict=True)
assert {(node, target): times for node, target, times in by_library} == {
    (node, known[word]): times for (node, word), times in edges.items()
}
print("the same nodes, the same edges, counted as often")
print(tree.rows)

# %% [markdown]
# **Why is the loss the same?** In a [causal](../book/glossary.md#causal-mask) model a token sees nothing but the tokens before it. Where two rows have had the same tokens so far, their hidden states are the same, and so is the loss of the same
# next token. One of them is enough if it counts twice. **And the gradient?** It is that of the same sum.
#
# **Attention still looks at rows.** A node may stand in rows that go on differently, and each row looks back along its own. So before attention the nodes are copied to their places
# (`tree.rows` above, a rectangle again), and afterwards one copy of each is kept:

# %%
hidden = model.hidden(batch.inputs).detach()
as_nodes = tree.as_nodes(hidden)
assert torch.allclose(tree.as_rows(as_nodes), hidden, atol=1e-5)
print(f"rows {tuple(hidden.shape)} -> nodes {tuple(as_nodes.shape)} -> the same rows")

# %% [markdown]
# **And [dropout](../book/glossary.md#dropout)?** It sets random numbers inside the model to zero, others in every row. Then equal beginnings do *not* have equal states, and one node cannot stand for two rows. The library sees that and shares nothing while it
# trains with dropout. How many rows go through the first block, for one text given twice?

# %%
from ift_lib import GPT, GPTConfig

small = GPT(GPTConfig(n_positions=16, n_embd=32, n_layer=1, n_head=2, dropout=0.5))
seen = []
small.h[0].mlp.register_forward_hook(lambda module, inputs, output: seen.append(len(output)))
twice = collate([as_ids[0], as_ids[0]])
for training in (True, False):
    small.train(training)
    response_loss(small, twice)
print(f"with dropout {seen[0]} rows, without {seen[1]}")
assert seen == [10, 5]

# %% [markdown]
# ## 4 How fast?
#
# A time is not a property of a program. It belongs to a program on a machine that does other things too. So the ways take turns, in rounds: what disturbs one disturbs all. Of the rounds, the best time of
# each batch counts, since a disturbance only ever makes it longer. The [learning rate](../book/glossary.md#learning-rate) is 0: AdamW does all its work and moves nothing, so all ways see the same model.

# %%
import time

optimizers = {fused: torch.optim.AdamW(model.parameters(), lr=0.0, fused=fused) for fused in (False, True)}


def seconds(batch, way):
    """One whole step: forward, backward, optimizer."""
    optimizer = optimizers[way["fused"]]
    started = time.perf_counter()
    loss = loss_of(batch, way)
    (loss.total / loss.count).backward()
    optimizer.step()
    optimizer.zero_grad()
    return time.perf_counter() - started


def product_seconds(tree):
    """Of a step in 32 bits with shared beginnings, the matrix products alone: forward, and two for each backward."""
    shapes = [(C, 3 * C), (C, C), (C, config.d_inner), (config.d_inner, C)]
    layers = [(len(tree.ids), *shape) for shape in shapes] * config.n_layer
    taken = 0.0
    for rows, n_in, n_out in [*layers, (len(tree.edges), C, config.vocab_size)]:
        x, weight, back = torch.ones(rows, n_in), torch.ones(n_out, n_in), torch.ones(rows, n_out)
        started = time.perf_counter()
        x @ weight.T, back @ weight, back.T @ x
        taken += time.perf_counter() - started
    return taken


rounds = {name: [] for name in [*ways, "products"]}
for _ in range(3):
    for name, way in ways.items():
        rounds[name].append([seconds(batch, way) for batch in way["batches"]])
    rounds["products"].append([product_seconds(tree) for tree in trees])
best = {name: sum(min(times) for times in zip(*taken, strict=True)) for name, taken in rounds.items()}
speed = {name: tokens / best[name] for name in ways}

# %% [markdown]
# "Tokens" are those of the examples, without padding, also where fewer are computed: what counts is how fast examples are learned from. The last two columns are the differences of section 2. Your times
# will be others.

# %% tags=["machine"]
print("                     tokens/s  x before  x plain   loss differs   gradient differs")
before = "plain"
for name in ways:
    ratio, overall = speed[name] / speed[before], speed[name] / speed["plain"]
    loss, gradient = differences[name]
    print(f"{name:<20} {speed[name]:>8.0f} {ratio:>8.2f} {overall:>8.2f} {loss:>14.0e} {gradient:>18.0e}")
    before = name

# %% mystnb={"image": {"alt": "Horizontal bars, one for each way of taking a step, in tokens per second, with the number beside its name; they grow from the plain step at the top to bf16 at the bottom, which is hatched. In the first five rows, a diamond shows the speed that the count of the arithmetic promises; from the second row on it lies to the right of the bar's end."}} tags=["machine"]
from ift_lib.picture import BLUE, INK, VERMILLION, Picture, drawing, finish, new_figure

figure, axes = new_figure((7.2, 3.4))
promised = {name: speed["plain"] * work["plain"] / work[name] for name in work}
series = {"measured": list(speed.items()), "if time followed the arithmetic": list(promised.items())}
with drawing():
    for place, (name, value) in enumerate(speed.items()):
        color, hatch = (VERMILLION, "//") if name == "bf16" else (BLUE, "")
        axes.barh(place, value, color=color, hatch=hatch, edgecolor="white", height=0.7)
    axes.plot(list(promised.values()), range(len(promised)), "D", color=INK, label="if time followed the arithmetic")
    axes.set_yticks(range(len(speed)), [f"{name}: {value:.0f}" for name, value in speed.items()])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("tokens per second")
    axes.legend(frameon=False, loc="upper right")
finish(Picture(figure, series, "Tokens per second, for each way of taking a step."), None)

# %%
assert [name for name, _ in series["measured"]] == list(ways) and len(series["if time followed the arithmetic"]) == 5
print(f"{len(ways)} bars, one change from each to the next")

# %% [markdown]
# **What holds the rest?** A diamond says what the count of section 1 promises. Where a bar falls short of it, time goes to something other than products: numbers are moved and added up, rows are brought to
# mean 0 and spread 1, and AdamW goes through all of the model whatever the batch. So in each round the matrix products of a step in 32 bits were also timed alone:

# %% tags=["machine"]
import platform
from pathlib import Path

cpuinfo = Path("/proc/cpuinfo")
flags = set(cpuinfo.read_text().split()) if cpuinfo.exists() else set()
in_hardware = sorted(flags & {"avx512_bf16", "amx_bf16"}) or "none that we know of"
print(f"this machine: {platform.machine()}, {torch.get_num_threads()} threads, bf16 in hardware: {in_hardware}")
share = best["products"] / best["fused AdamW"]
print(f"matrix products: {best['products']:.2f} s of {best['fused AdamW']:.2f} s, {share:.0%}")
print(f"at {work['shared beginnings'] / best['products']:.0f} GFLOP/s")

# %% [markdown]
# What is left are mostly products that have to be computed. The only way to make those cheaper is other numbers, and that is bf16. It pays where the processor computes in it (AVX512-BF16 or AMX); elsewhere it can be
# slower than 32 bits, and that is why `ift run` does not choose it on a CPU.
#
# **What did not pay**, when we tried it on two cores, in November 2026:
#
# * `torch.compile`: 1.00 times as fast. The large products are in a library that is fast already.
# * Similar lengths once there is no padding: 1.04, and we cannot tell 1.04 from 1. The library keeps `batch_order` for the GPU, where rows are padded.
# * [Cross-entropy](../book/glossary.md#cross-entropy) in small pieces: 7 to 16 % slower. It saves memory, and the library uses it for that alone, in large batches.
#
# One thing that paid is not in the table, since it holds for the whole program: a step frees its large tensors, the system takes the memory back, and the next step must ask for it again.
# The allocator can be told to leave it (`MALLOC_TRIM_THRESHOLD_` and its kin; `ift run` does it with `keep_freed_memory`). That alone made even a plain loop, not ours, about 1.3 times as fast.
#
# **A ratio belongs to a machine, a model and its data.** On data without a shared beginning the tree gains nothing. In a larger GPT-2 the output layer is a smaller part of the whole. And a ratio on a CPU is none on a GPU:
# there a small step is held up by starting its operations, not by computing them, and leaving some out gains little. So the library uses the tree on a CPU only. `ift run --layout padded` is the way back to padded rows
# for a comparison, and `--layout flat` shares nothing.
#
# ## Exercises
#
# Replace the `...`, run the cell, then run the check below it. A check says what is wrong, and you can try as often as you like.

# %%
from ift_lib.course.checks import speed as checks

# %% [markdown]
# ### Exercise 1 · easy · 5 min
#
# Write `padding_share(lengths)`: the share of a batch's places that are padding, for rows of these lengths, padded to the longest.
#
# Expected: `padding_share([4, 2])` is 0.25.
#
# <details><summary>Hint</summary>The rectangle has `len(lengths) * max(lengths)` places.</details>


# %% tags=["exercise"]
def padding_share(lengths):
    # your code
    ...


# %% tags=["solution"]
def padding_share(lengths):
    return 1 - sum(lengths) / (len(lengths) * max(lengths))


# %%
checks.exercise_1(padding_share)

# %% [markdown]
# ### Exercise 2 · medium · 10 min
#
# **Break it.** Somebody computes the loss of each edge of the tree, and then their mean:


# %%
def careless_mean(losses, weights):
    return losses.mean()


def edges_of(batch):
    """The loss of each edge, and how many rows run along it."""
    tree = prefix_tree(batch.inputs, batch.targets)
    with torch.no_grad():
        logits = model(batch.inputs).flatten(0, 1)[tree.places[tree.edges]]
    return torch.nn.functional.cross_entropy(logits, tree.targets, reduction="none"), tree.weights


# %% [markdown]
# A test on one batch, against the plain loss, passes. Then somebody trains without a [mask](../book/glossary.md#mask), with the [prompt](../book/glossary.md#prompt) graded too. **See the symptom:**

# %%
masked, unmasked = collate(few[:8]), collate(few[:8], mask_prompt=False)
for name, batch in {"masked": masked, "unmasked": unmasked}.items():
    with torch.no_grad():
        right = plain_response_loss(model, batch).mean
    careless = careless_mean(*edges_of(batch)).item()
    print(f"{name:<9} plain {right:.1f}, careless {careless:.1f}")
    assert (abs(careless - right) < 1e-4) == (name == "masked")

# %% [markdown]
# Behind the prompts no two rows run along the same edge, so there the mistake is invisible. A test on one kind of batch is a test of one kind of batch.
#
# **Repair it.** Write `mean_loss(losses, weights)`, the mean per graded token. `losses` and `weights` have a number for each edge.
#
# Expected: `mean_loss(torch.tensor([1.0, 4.0]), torch.tensor([2, 1]))` is 2.
#
# <details><summary>Hint</summary>How many graded tokens are there? As many as rows run along edges.</details>


# %% tags=["exercise"]
def mean_loss(losses, weights):
    # your code
    ...


# %% tags=["solution"]
def mean_loss(losses, weights):
    return (losses * weights).sum() / weights.sum()


# %%
checks.exercise_2(mean_loss)

# %% [markdown]
# ### Exercise 3 · hard · 15 min
#
# Write `count_nodes(rows)`: how many nodes the prefix tree of these rows has. `rows` is a list of lists of ids.
#
# Expected: `count_nodes([[1, 2, 3], [1, 2, 4], [5, 2, 3]])` is 7: `1`, `1 2`, `1 2 3`, `1 2 4`, `5`, `5 2`, `5 2 3`.
#
# <details><summary>Hint</summary>A node is a beginning. How many different beginnings are there? A `tuple` can be put in a set, a `list` cannot.</details>


# %% tags=["exercise"]
def count_nodes(rows):
    # your code
    ...


# %% tags=["solution"]
def count_nodes(rows):
    return len({tuple(row[:end]) for row in rows for end in range(1, len(row) + 1)})


# %%
checks.exercise_3(count_nodes)

# %% [markdown]
# ## Quiz

# %% tags=["widget"]
from ift_lib.course.quiz import quiz

quiz("13_making_it_fast")

# %% [markdown]
# ## Recap
#
# * Count before you measure: padding, places that nobody grades, and beginnings that rows share are work that changes nothing.
# * Each change keeps loss and gradient to 1e-5 in 32 bits. bf16 does not, and has its own, wider limit.
# * A prefix tree computes a shared beginning once and counts it as often as rows have it. Never with dropout.
# * Times: take turns, take the best of several rounds, and give the machine's name. Never promise them to another machine.
# * When matrix products are most of what is left, there is little more to leave out.
#
# ## Where next
#
# In the code: `ift_lib/prefix_tree.py`, `ift_lib/cross_entropy.py`, and `GPT._summed_loss` in `ift_lib/model.py`; `tests/test_prefix_tree.py` holds the fast ways to the plain one over fifty steps.
# [Chapter 3](03_batching.ipynb) has the batches, [chapter 5](05_training.ipynb) the training loop, and [One GPU](../book/beyond/one_gpu.md) what pays there.
