# %% [markdown]
# # 4 Loading GPT-2
#
# **You will learn** to read the architecture of [GPT-2](../book/glossary.md#gpt-2) and recompute it by hand, to load [pretrained](../book/glossary.md#pretrained) [weights](../book/glossary.md#weights) and prove
# with a reference that they are loaded right, and to hear what a pretrained model does when you give it an [instruction](../book/glossary.md#instruction).
#
# **You need** chapters 1 and 3, Python, a little PyTorch.
#
# | for you | for the machine | memory | network |
# |---|---|---|---|
# | 90 min | 1 min | 0.8 GB | none |

# %% [markdown]
# [Fine-tuning](../book/glossary.md#fine-tuning) does not begin with an empty model. It begins with one that has read a great deal of text and learned what
# follows what: a *pretrained* model. This chapter opens one. All of it is one short file (`ift_lib/model.py`), and at
# the end of the chapter you will have computed every number of its forward pass yourself.
#
# ## 1 The map
#
# Follow the arrow from top to bottom. An id looks up its row in the [token](../book/glossary.md#token) [embedding](../book/glossary.md#embedding) `wte`, a list of `n_embd` numbers,
# and adds the row of its position, from `wpe`. What comes out runs down the *[residual stream](../book/glossary.md#residual-stream)*: each block reads it,
# computes something, and **adds** it. A block does this twice. *[Attention](../book/glossary.md#attention)* fetches something from the tokens before;
# the *[feed-forward](../book/glossary.md#feed-forward)* part (`mlp`) works on each token alone. A *[layer norm](../book/glossary.md#layer-norm)* stands before each, and one more, `ln_f`, at
# the end. Then the stream is compared with every row of the token embedding: the products are the *[logits](../book/glossary.md#logit)*, one for
# each token that could come next.
#
# Choose other sizes: what grows, and what hardly does?

# %% tags=["widget"]
from ift_lib.course.widgets import architecture_map

architecture_map()

# %% tags=["slide-output"] mystnb={"image": {"alt": "Map of the pocket GPT-2 from ids to logits: token and position embedding, eight blocks of attention and feed-forward parts, last layer norm, logits by the token embedding once more; beside each part its number of parameters and its share of all."}}
from ift_lib.course.widgets import draw_architecture

draw_architecture("pocket")

# %% [markdown]
# ## 2 Count the parameters
#
# `load_pretrained` gives a model with its weights. "pocket" is a small GPT-2 that comes with this course; it read
# simple English texts, and everything here runs with it on a laptop. Here are its embeddings, its first block and its
# last layer norm:

# %%
import torch
import torch.nn.functional as F

from ift_lib import ALPACA, EOT, GPT, SIZES, Example, generate_ids, get_tokenizer, load_pretrained, respond

model = load_pretrained("pocket")
for name, p in model.named_parameters():
    if not name.startswith("h.") or name.startswith("h.0."):
        print(f"{name:<22} {tuple(p.shape)!s:>14} {p.numel():>12,}")

# %% [markdown]
# Now add up: embeddings, one block as often as there are blocks, the last norm.

# %% tags=["slide"]
numbers = {name: p.numel() for name, p in model.named_parameters()}
embeddings = numbers["wte.weight"] + numbers["wpe.weight"]
one_block = sum(n for name, n in numbers.items() if name.startswith("h.0."))
last_norm = numbers["ln_f.weight"] + numbers["ln_f.bias"]

by_hand = embeddings + model.config.n_layer * one_block + last_norm
print(f"{embeddings:,} + {model.config.n_layer} × {one_block:,} + {last_norm:,} = {by_hand:,}")
assert by_hand == model.parameter_count() == draw_architecture(model.config).series["total"][0][0]

# %% [markdown]
# OpenAI published four sizes in 2019. We need not download them to count: on PyTorch's "meta" device a tensor has a
# shape and no numbers.

# %% tags=["slide"]
for name, config in SIZES.items():
    with torch.device("meta"):
        empty = GPT(config)
    total, table = empty.parameter_count(), empty.wte.weight.numel()
    assert total == draw_architecture(name).series["total"][0][0]
    print(
        f"{name:<12} {config.n_layer:>2} blocks of width {config.n_embd:>4} {total:>14,} parameters, wte {table / total:.0%}"
    )

# %% [markdown]
# The smaller the model, the larger the share of its table of words: the [pocket model](../book/glossary.md#pocket-model) is mostly table, the largest
# mostly blocks.
#
# ## 3 One table for reading and for speaking
#
# There is no output layer in that list. The stream is compared with the rows of `wte`, the very table that read the
# ids: the two are *[tied](../book/glossary.md#tied-weights)* ([Press and Wolf 2017](https://arxiv.org/abs/1608.05859)).

# %% tags=["slide"]
tokenizer = get_tokenizer()
ids = torch.tensor([tokenizer.encode_ordinary("The cat sat on the mat.")])
with torch.no_grad():
    hidden = model.hidden(ids)
    logits = model(ids)
assert torch.equal(logits, hidden @ model.wte.weight.T)
print("ids", tuple(ids.shape), "→ hidden", tuple(hidden.shape), "→ logits", tuple(logits.shape))

with torch.device("meta"):
    small = GPT(SIZES["gpt2"])
untied = small.parameter_count() + small.wte.weight.numel()
print(f"GPT-2 small: {small.parameter_count():,} parameters; with an output layer of its own it would be {untied:,}")

# %% [markdown]
# The second number is the mark of a common loading mistake: code that copies `wte` into an output layer gets a model of
# 163 million [parameters](../book/glossary.md#parameter) whose two copies drift apart in training. It is no longer GPT-2.
#
# ## 4 A block by hand
#
# Now the inside, with nothing but sums, products and a [softmax](../book/glossary.md#softmax). First the *layer norm*: subtract the mean of the
# numbers of one token, divide by their standard deviation (plus a tiny number, so that nothing is divided by 0), then
# scale and shift by what was learned.


# %%
def layer_norm(x, norm):
    mean = x.mean(dim=-1, keepdim=True)
    variance = ((x - mean) ** 2).mean(dim=-1, keepdim=True)
    return (x - mean) / (variance + norm.eps).sqrt() * norm.weight + norm.bias


def linear(x, layer):
    return x @ layer.weight.T + layer.bias


# %% [markdown]
# *Attention* has several *[heads](../book/glossary.md#attention-head)*. In one head each token has a query (what do I look for?), a key (what do I offer?)
# and a value (what do I hand over?). A token compares its query with the keys of the tokens **at or before its own
# place**, a softmax turns the scores into weights that sum to 1, and the result is the weighted mean of the values. One
# position after the other:


# %% tags=["slide"]
def one_head(q, k, v):  # (T, D) each
    results, weights = [], torch.zeros(len(q), len(q))
    for t in range(len(q)):
        scores = k[: t + 1] @ q[t] / q.shape[1] ** 0.5  # keys 0 … t, never a later one
        weights[t, : t + 1] = scores.softmax(dim=0)
        results.append(weights[t, : t + 1] @ v[: t + 1])
    return torch.stack(results), weights


def attention(x, attn):  # (T, C) -> (T, C), and the weights of each head
    queries, keys, values = linear(x, attn.c_attn).chunk(3, dim=-1)
    heads = [part.chunk(attn.n_head, dim=-1) for part in (queries, keys, values)]
    heads = [one_head(q, k, v) for q, k, v in zip(*heads, strict=True)]
    return linear(torch.cat([head[0] for head in heads], dim=-1), attn.c_proj), [head[1] for head in heads]


# %% [markdown]
# The feed-forward part widens each token to four times its width, bends the numbers with a *[GELU](../book/glossary.md#gelu)* (a soft version of
# "negative becomes 0"), and narrows them again. GPT-2 computes the GELU with a tanh:


# %% tags=["slide"]
def gelu(x):
    return 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3)))


def block_by_hand(x, block):
    x = x + attention(layer_norm(x, block.ln_1), block.attn)[0]
    return x + linear(gelu(linear(layer_norm(x, block.ln_2), block.mlp.c_fc)), block.mlp.c_proj)


with torch.no_grad():
    x = model.wte.weight[ids[0]] + model.wpe.weight[: ids.shape[1]]
    by_hand = block_by_hand(x, model.h[0])
    theirs = model.h[0](x[None], None)[0]  # x[None] is a batch of one row; None: no cache (section 6)
torch.testing.assert_close(by_hand, theirs, atol=1e-4, rtol=1e-4)
print("block 0: the same", tuple(by_hand.shape), "numbers, by hand and by the model")

# %% [markdown]
# And because the whole model is this block again and again, the whole model by hand is short:


# %% tags=["slide"]
def gpt_by_hand(model, ids, block=block_by_hand):
    x = model.wte.weight[ids] + model.wpe.weight[: len(ids)]
    for layer in model.h:
        x = block(x, layer)
    return layer_norm(x, model.ln_f) @ model.wte.weight.T


with torch.no_grad():
    torch.testing.assert_close(gpt_by_hand(model, ids[0]), logits[0], atol=1e-3, rtol=1e-3)
print("all logits: the same")

# %% [markdown]
# Does the kind of GELU matter? The exact one (PyTorch's default) differs from the tanh form by less than a thousandth:

# %%
grid = torch.linspace(-6, 6, 10001)
assert torch.allclose(gelu(grid), F.gelu(grid, approximate="tanh"), atol=1e-6)
print(f"largest difference of one activation: {(F.gelu(grid) - gelu(grid)).abs().max():.0e}")


def block_with_exact_gelu(x, block):
    x = x + attention(layer_norm(x, block.ln_1), block.attn)[0]
    return x + linear(F.gelu(linear(layer_norm(x, block.ln_2), block.mlp.c_fc)), block.mlp.c_proj)


with torch.no_grad():
    exact = gpt_by_hand(model, ids[0], block_with_exact_gelu)
    rounding = (gpt_by_hand(model, ids[0]) - logits[0]).abs().max().item()
difference = (exact - logits[0]).abs().max().item()

# %% tags=["approximate"]
print(f"largest difference of a logit: {difference:.0e} with the exact GELU, {rounding:.0e} by rounding alone")

# %%
assert difference > 3 * rounding
print("Small, but no rounding error: with the exact GELU it is another model.")

# %% [markdown]
# ## 5 Who looks at whom
#
# The weights of a head, as a picture: each row is a token that looks, each column a token that is looked at. The upper
# triangle is the *[causal mask](../book/glossary.md#causal-mask)*: nobody sees what comes later. This is what lets one pass teach every position at once,
# and why the [padding](../book/glossary.md#padding) of chapter 3, which stands behind the text, disturbs no one.

# %%
with torch.no_grad():
    x = model.wte.weight[ids[0]] + model.wpe.weight[: ids.shape[1]]
    weights = attention(layer_norm(x, model.h[0].ln_1), model.h[0].attn)[1]
heads = torch.stack(weights)  # (H, T, T)
assert torch.allclose(heads.sum(dim=-1), torch.ones(heads.shape[:2]))  # each row sums to 1
print("largest weight above the diagonal:", heads.triu(1).max().item())

# %% [markdown]
# What do heads look at? From the first block we choose three by their numbers: the one that looks most at the token
# itself, the one that looks most at the token before, and the one that spreads its weights most. Nobody told them to;
# this division of labour was learned.

# %% tags=["slide-output"] mystnb={"image": {"alt": "Attention weights of three heads of the first block for the tokens of: The cat sat on the mat. Each is a lower triangle of numbers whose rows sum to 1; above the diagonal stand crosses, for nothing later is seen. The first head looks most at the token itself, the second most at the token before, the third spreads its weights."}}
from matplotlib.figure import Figure

from ift_lib.picture import Picture, drawing, finish

itself = heads.diagonal(dim1=1, dim2=2)[:, 1:].mean(dim=1)
before = heads.diagonal(-1, dim1=1, dim2=2).mean(dim=1)
spread = -(heads * heads.clamp_min(1e-9).log()).sum(dim=-1).mean(dim=1)  # entropy
chosen = {"most at itself": itself.argmax(), "most at the one before": before.argmax(), "most spread": spread.argmax()}

words = [tokenizer.decode([i]).replace(" ", "␣") for i in ids[0].tolist()]
with drawing():
    figure = Figure(figsize=(11, 4.1), layout="constrained")
    for axes, (what, head) in zip(figure.subplots(1, 3), chosen.items(), strict=True):
        axes.imshow(heads[head], cmap="Blues", vmin=0, vmax=1)
        for looks in range(len(words)):
            for at in range(len(words)):
                weight = heads[head, looks, at].item()
                text = f"{weight:.2f}" if at <= looks else "×"
                ink = "white" if weight > 0.65 else "#222222"
                axes.text(at, looks, text, ha="center", va="center", color=ink, fontsize=9)
        axes.set_title(f"head {head}: {what}", fontsize=11)
        axes.set_xticks(range(len(words)), words, rotation=45)
        axes.set_yticks(range(len(words)), words)
        axes.set_xlabel("is looked at")
        axes.set_ylabel("looks")
        axes.grid(False)
series = {what: [tuple(row) for row in heads[head].tolist()] for what, head in chosen.items()}
finish(Picture(figure, series, "who looks at whom, in three heads of the first block"), None)

# %% [markdown]
# A consequence you can test without looking inside: change the last token, and no earlier logit moves.

# %% tags=["slide"]
changed = ids.clone()
changed[0, -1] = tokenizer.encode_ordinary("!")[0]
with torch.no_grad():
    moved = (model(changed) - logits)[0].abs().amax(dim=-1)
assert moved[:-1].max() < 1e-4 < moved[-1]
print(
    "positions whose logits moved:", [place for place, by in enumerate(moved.tolist()) if by > 1e-4], "of", len(words)
)

# %% [markdown]
# ## 6 Speak, one token after the other
#
# The logits at the last place say what comes next. Take the largest, append it, ask again, until the model says [EOT](../book/glossary.md#end-of-text) or
# you have enough: *[greedy](../book/glossary.md#greedy)* generation.


# %% tags=["slide"]
def greedy(model, ids, limit):
    new = []
    with torch.no_grad():
        while len(new) < limit and EOT not in new:
            logits = model(torch.tensor([ids + new]))
            new.append(logits[0, -1].argmax().item())
    return new


beginnings = ["One day, a little girl", "Water is", "The opposite of hot is"]
prompts = [tokenizer.encode_ordinary(text) for text in beginnings]
continued = [greedy(model, prompt, 20) for prompt in prompts]

# %% tags=["approximate", "slide-output"]
for text, new in zip(beginnings, continued, strict=True):
    print(f"{text} |{tokenizer.decode(new)}\n")

# %% [markdown]
# `generate_ids` does the same for many [prompts](../book/glossary.md#prompt) at once, and remembers keys and values (a *[KV cache](../book/glossary.md#kv-cache)*) where our loop
# computes the whole row anew for each token. The tokens agree:

# %%
assert generate_ids(model, prompts, 20) == continued
print("the same tokens")

# %% [markdown]
# ## 7 Hear it fail
#
# The model goes on with texts. Does it follow instructions? We ask in the Alpaca format of chapter 1:

# %%
questions = [
    Example('What is the opposite of "cold"?', "", "The opposite of cold is hot."),
    Example("Write the plural.", "leaf", "The plural of leaf is leaves."),
    Example("Fix the spelling.", "She recieved a letter.", "She received a letter."),
    Example("Name three animals.", "", "Dog, cat and horse."),
]
answers = respond(model, questions, ALPACA, max_new_tokens=30)

# %% tags=["approximate", "slide-output"]
for question, answer in zip(questions, answers, strict=True):
    print(f"{question.instruction} {question.input}\n    wanted: {question.output}\n    said:   {answer.text!r}\n")

# %%
right = sum(question.output == answer.text for question, answer in zip(questions, answers, strict=True))
assert right <= 1
print("It writes on in the manner of its texts. Nobody has shown it yet that an answer is wanted.")

# %% [markdown]
# That is no defect of loading. The larger GPT-2s, too, were trained to go on with texts, and with nothing else;
# teaching the form of an answer is what chapter 5 is for.
#
# ## 8 From a file to a model
#
# How do the weights come into the model? A folder in *[Hugging Face layout](../book/glossary.md#hugging-face-layout)* holds `config.json` (the shape) and
# `model.safetensors` (named tensors). Four things in it are not as we need them. We look at a tiny file that shows all
# four: a GPT-2 of random numbers, written with `transformers`, Hugging Face's library.

# %%
import json

from safetensors.torch import load_file

from ift_lib.course.checks.loading import REFERENCE

tensors = load_file(REFERENCE / "model.safetensors")
for name, t in tensors.items():
    if ".h.1." not in name:
        print(f"{name:<40} {tuple(t.shape)}")

# %% [markdown]
# 1. **Prefix.** `transformers` writes `transformer.h.0…` where OpenAI's files on the hub have `h.0…`. We strip it.
# 2. **Conv1D.** GPT-2 was published with a layer type that stores its matrix as (in, out), where `torch.nn.Linear` has
#    (out, in). Four kinds are so in each block: `attn.c_attn`, `attn.c_proj`, `mlp.c_fc` and `mlp.c_proj`. They are
#    transposed; embeddings, biases and norms are not.
# 3. **Buffers.** `.attn.bias` and `.attn.masked_bias` are the causal mask, stored with the weights. They are dropped.
#    Mind the dot: `c_attn.bias` is a parameter.
# 4. **A copy.** `lm_head.weight` is `wte.weight` once more. It is dropped.
#
# `load_pretrained` does all this; we follow it tensor by tensor:

# %% tags=["slide"]
reference = load_pretrained(REFERENCE)
ours = reference.state_dict()
done = {"as it is": 0, "transposed": 0, "dropped": 0}
for name, t in tensors.items():
    name = name.removeprefix("transformer.")
    if name.endswith((".attn.bias", ".attn.masked_bias")) or name == "lm_head.weight":
        assert name not in ours
        done["dropped"] += 1
    elif name.endswith(("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")):
        assert torch.equal(ours[name], t.T)
        done["transposed"] += 1
    else:
        assert torch.equal(ours[name], t)
        done["as it is"] += 1
assert torch.equal(tensors["lm_head.weight"], ours["wte.weight"])
assert done["as it is"] + done["transposed"] == len(ours)
print(done)

# %% [markdown]
# ## 9 Is it right? Ask somebody else
#
# Names and shapes fit, and still the model may be wrong: exercise 4 shows how. The only proof is in the logits, and
# they must be compared with those of an implementation **that we did not write**. The folder holds the logits that
# `transformers` computed with these weights for two rows of ids:

# %% tags=["slide"]
theirs = json.loads((REFERENCE / "logits.json").read_text(encoding="utf-8"))
print("computed by", theirs["made_by"])
with torch.no_grad():
    our_logits = reference(torch.tensor(theirs["ids"]))
their_logits = torch.tensor(theirs["logits"])
torch.testing.assert_close(our_logits, their_logits, atol=1e-4, rtol=0)
print(
    f"{our_logits.numel():,} logits between {their_logits.min():.1f} and {their_logits.max():.1f}, and no two differ by more than 0.0001"
)

# %% [markdown]
# With `transformers` installed you can do the same for any model (the tests of this course do it for many shapes, and
# for the pocket model):
#
# ```python
# from transformers import AutoModelForCausalLM
#
# theirs = AutoModelForCausalLM.from_pretrained("openai-community/gpt2").eval()
# ours = load_pretrained("gpt2").eval()
# with torch.no_grad():
#     print((ours(ids) - theirs(ids).logits).abs().max())
# ```
#
# ## 10 OpenAI's weights
#
# `load_pretrained("gpt2")` downloads, once, what this table says, and refuses any file whose *SHA-256* (a fingerprint
# of its bytes) is not the one written in `ift_lib/hub.py`:

# %%
from ift_lib.hub import RELEASES

for name, release in RELEASES.items():
    print(
        f"{name:<12} {release.size:>7}   {release.repo}, revision {release.revision[:7]}, {' and '.join(release.sha256)}"
    )

# %% [markdown]
# With a network, replace `"pocket"` in the second section by `"gpt2"` and run this notebook again: nothing in it
# depends on the size.
#
# ```python
# model = load_pretrained("gpt2")              # 548 MB to download, about the same in memory
# model = load_pretrained("gpt2-medium")       # or -large, -xl
# model = load_pretrained("runs/1/model")      # or any folder in Hugging Face layout
# ```
#
# Without one, the error message says which two files to bring into which folder. Only `safetensors` is read: the older
# `.bin` files are *[pickles](../book/glossary.md#pickle)*, and a pickle can run code on your machine when it is opened.

# %% [markdown]
# ## Exercises
#
# Replace the `...`, run the cell, then run the check below it.

# %%
from ift_lib.course.checks import loading as checks

# %% [markdown]
# ### Exercise 1 · easy · 10 min
#
# Write `count_parameters` for any GPT-2 (with the usual feed-forward part, four times as wide inside). The map shows
# every tensor.
#
# Expected: `count_parameters(50257, 1024, 768, 12)` is 124439808.
#
# <details><summary>Hint</summary>Two embeddings; in each block four matrices with their biases and two norms; one last
# norm. A norm has a weight and a bias. The output layer costs nothing.</details>


# %% tags=["exercise"]
def count_parameters(vocab_size, n_positions, n_embd, n_layer): ...


# %% tags=["solution"]
def count_parameters(vocab_size, n_positions, n_embd, n_layer):
    C = n_embd
    norm = 2 * C
    attn = (C * 3 * C + 3 * C) + (C * C + C)
    mlp = (C * 4 * C + 4 * C) + (4 * C * C + C)
    return vocab_size * C + n_positions * C + n_layer * (norm + attn + norm + mlp) + norm


# %%
checks.exercise_1(count_parameters)

# %% [markdown]
# ### Exercise 2 · medium · 10 min
#
# *[Dropout](../book/glossary.md#dropout)* sets a random share of the activations to 0 while a model trains, so that it relies on no single one. **See
# what happens when it is left on**: a new model is in train mode.

# %%
noisy = load_pretrained("pocket", dropout=0.1)
with torch.no_grad():
    first, second = noisy(ids), noisy(ids)
print("train mode:", noisy.training, "- two passes agree:", torch.equal(first, second))
assert (first - second).abs().max() > 0.1

# %% [markdown]
# Same weights, same ids, other logits: a [validation](../book/glossary.md#validation-set) [loss](../book/glossary.md#loss) so measured goes up and down by itself. **Repair it.** Write
# `read_logits(model, ids)`, which returns the logits without dropout, and leaves the model in the mode in which it
# came, train or eval. Otherwise whoever was training goes on without dropout, and no error says so.
#
# Expected: two calls give the same logits, and `model.training` is afterwards what it was before.
#
# <details><summary>Hint</summary><code>model.training</code> tells the mode, <code>model.eval()</code> and
# <code>model.train(mode)</code> set it. <code>torch.no_grad()</code> is good for memory, and has nothing to do with
# dropout.</details>


# %% tags=["exercise"]
def read_logits(model, ids): ...


# %% tags=["solution"]
def read_logits(model, ids):
    before = model.training
    model.eval()
    with torch.no_grad():
        logits = model(ids)
    model.train(before)
    return logits


# %%
checks.exercise_2(read_logits)

# %% [markdown]
# In `ift_lib` this is the context manager `mode(model, training=False)`, which also restores the mode when an error
# passes through.
#
# ### Exercise 3 · medium · 15 min
#
# `one_head` goes from position to position. Write `causal_attention(q, k, v)`, which does all at once, without a loop:
# (T, D) each, result (T, D).
#
# Expected: the same numbers as `one_head(q, k, v)[0]`.
#
# <details><summary>Hint</summary>All scores are one product, (T, T). <code>torch.ones(T, T,
# dtype=torch.bool).triu(1)</code> is True where a query may not look; <code>masked_fill</code> with
# <code>-torch.inf</code> gives such a score the weight 0.</details>


# %% tags=["exercise"]
def causal_attention(q, k, v): ...


# %% tags=["solution"]
def causal_attention(q, k, v):
    T, D = q.shape
    scores = q @ k.T / D**0.5
    future = torch.ones(T, T, dtype=torch.bool).triu(1)
    return scores.masked_fill(future, -torch.inf).softmax(dim=-1) @ v


# %%
checks.exercise_3(causal_attention)

# %% [markdown]
# ### Exercise 4 · hard · 20 min
#
# **Break it.** Here is a loader that seems clever: it needs no list of layer types, for it transposes whatever does not
# fit. It runs, with `strict=True`, without a word:


# %%
def clever_loader(tensors, model):
    expected = model.state_dict()
    state = {}
    for name, t in tensors.items():
        name = name.removeprefix("transformer.")
        if name in expected:
            state[name] = t if t.shape == expected[name].shape else t.T
    return state


clever = GPT(reference.config)
print(clever.load_state_dict(clever_loader(tensors, clever), strict=True))

# %% [markdown]
# **See the symptom.** No error, and other logits:

# %%
with torch.no_grad():
    clever_logits = clever(torch.tensor(theirs["ids"]))
assert (clever_logits - their_logits).abs().max() > 1
print("largest difference to transformers: more than 1")
print([name for name, t in clever.state_dict().items() if not torch.equal(t, ours[name])])

# %% [markdown]
# The matrix of `attn.c_proj` is square: it fits either way round, and only the logits know. **Repair it.** Write
# `to_state_dict(tensors)`, which turns the tensors of such a file into the state dict of our `GPT`, by the four rules
# of section 8 and by names alone: it does not get the model. The names may have the prefix or not, and `tensors` itself
# stays as it is.
#
# Expected: a dict with the names of `reference.state_dict()`, and equal tensors.
#
# <details><summary>Hint</summary><code>name.endswith(("a", "b"))</code> takes several endings at once. Which endings
# belong to what is dropped, and which to what is transposed?</details>


# %% tags=["exercise"]
def to_state_dict(tensors): ...


# %% tags=["solution"]
def to_state_dict(tensors):
    conv1d = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")
    state = {}
    for name, t in tensors.items():
        name = name.removeprefix("transformer.")
        if name.endswith((".attn.bias", ".attn.masked_bias")) or name == "lm_head.weight":
            continue
        state[name] = t.T if name.endswith(conv1d) else t
    return state


# %%
checks.exercise_4(to_state_dict)

# %% [markdown]
# ## Quiz

# %% tags=["widget"]
from ift_lib.course.quiz import quiz

quiz("04_loading")

# %% [markdown]
# ## Recap
#
# * GPT-2 is two embeddings, the same block again and again, a norm; each block adds to a stream what it computed.
# * The output layer is the token embedding (tied): 124 million parameters, not 163.
# * Nobody sees a later token: one pass teaches every position, and padding behind the text disturbs no one.
# * Loading is four rules by name; only logits, compared with somebody else's, prove that it went right.
# * A pretrained model goes on with texts; it does not follow instructions yet.
#
# ## Where next
#
# [Chapter 5](05_training.ipynb) brings the rows of chapter 3 and the model of this one together. In the code:
# `ift_lib/model.py`, `ift_lib/weights.py`, `tests/parity/test_transformers.py`, and `tests/test_traps.py`, numbers 4,
# 8, 9, 13 and 14.
