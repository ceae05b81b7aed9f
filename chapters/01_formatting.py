# %% [markdown]
# # 1 Formatting
#
# **You will learn** to turn an [instruction](../book/glossary.md#instruction) into the exact text, and the exact [tokens](../book/glossary.md#token), that a model is trained on and asked with:
# Alpaca, Phi-3 and [ChatML](../book/glossary.md#chatml), with an [input](../book/glossary.md#input) and without. And you will see what a model that was only [pretrained](../book/glossary.md#pretrained) makes of them.
#
# **You need** Python, and a little PyTorch.
#
# | for you | for the machine | memory | network |
# |---|---|---|---|
# | 80 min | 1 min | 0.7 GB | none |

# %% [markdown]
# ## 1 A base model does not answer
#
# A *[base model](../book/glossary.md#base-model)* was trained on one task: to say how a text goes on. The embedded *pocket* [GPT-2](../book/glossary.md#gpt-2) is one; chapter 4 opens it up.
# Let us ask it something. It reads *tokens*, the numbers of word pieces, so the text is encoded first and the answer decoded.

# %%
import torch

from ift_lib import decode, generate_ids, get_tokenizer, load_pretrained

model = load_pretrained("pocket")
tokenizer = get_tokenizer()

texts = ["What is the opposite of hot?", "Write the plural of this word: leaf", "One day, a little girl"]
new = generate_ids(model, [tokenizer.encode_ordinary(text) for text in texts], 24)  # at most 24 new tokens each

# %% tags=["approximate", "slide-output"]
for text, ids in zip(texts, new, strict=True):
    print(f"{text!r}\n    goes on: {decode(ids)!r}")

# %% [markdown]
# The third text gets what it asked for: it is the beginning of a story. The first two are continued too, and that is all. A
# question is a piece of text like any other. What follows it in a book may be an answer, and may as well be the next question.

# %%
assert decode(new[0]).strip() != "The opposite of hot is cold."
assert "leaves" != decode(new[1]).strip().strip(".").lower()
print("The model went on. It did not answer.")

# %% [markdown]
# *[Instruction fine-tuning](../book/glossary.md#instruction-fine-tuning)* shows a base model a few thousand pairs of instruction and answer until it goes on *with the answer*. For that,
# every pair becomes one text, and the text must make plain where the instruction ends and the answer begins. That is all that a *[prompt](../book/glossary.md#prompt)
# format* (or *[template](../book/glossary.md#template)*) is: a frame of fixed words around the instruction, always the same.
#
# ## 2 The data
#
# The package brings its own data set, a JSON file. Here are two entries as they stand in the file:

# %% tags=["slide"]
import json

from ift_lib.data import EMBEDDED

entries = json.loads(EMBEDDED.read_text(encoding="utf-8"))
print(len(entries), "entries")
for number in (0, 1):
    print(json.dumps(entries[number], indent=1))

# %% [markdown]
# Four fields. The first three are those of [Alpaca](https://github.com/tatsu-lab/stanford_alpaca), which many data sets have taken over:
#
# * `instruction`: what to do;
# * `input`: the text to do it with. It may be empty: "Name three trees" needs none;
# * `output`: the answer that we want, also called the *[response](../book/glossary.md#response)*;
# * `category`: the kind of task, a note of ours. The model never sees it; chapter 2 splits by it and chapter 7 scores by it.
#
# `load_examples` reads the same file, strips the texts at both ends, checks them, and gives `Example`s:

# %%
from ift_lib import Example, load_examples

examples = load_examples(EMBEDDED)
assert [vars(example) for example in examples] == entries  # our own file has nothing to strip
print(sum(example.input != "" for example in examples), "of", len(examples), "examples have an input")

with_input = next(e for e in examples if e.category == "plural" and e.input)
without_input = next(e for e in examples if e.category == "opposite" and not e.input)
print(with_input)
print(without_input)

# %% [markdown]
# ## 3 Alpaca by hand
#
# The best-known format is that of Stanford's Alpaca (2023). It says in plain English what follows, and marks the parts with headings:


# %% tags=["slide-output"]
def alpaca(example):
    text = "Below is an instruction that describes a task. Write a response that appropriately completes the request."
    text += f"\n\n### Instruction:\n{example.instruction}"
    if example.input:
        text += f"\n\n### Input:\n{example.input}"
    return text + "\n\n### Response:\n"


print(alpaca(with_input) + with_input.output)
print("-" * 40)
print(alpaca(without_input) + without_input.output)

# %% [markdown]
# Two things to notice. When there is no input, its heading goes as well: an empty heading would be a second format. And
# the text before the answer, the *prompt*, ends in exactly one newline; section 7 shows why.
#
# `ift_lib.ALPACA` is the same format. A template has three methods: `prompt`, `response`, and `render`, which gives both.

# %%
from ift_lib import ALPACA

assert all(ALPACA.render(example) == (alpaca(example), example.output) for example in examples)
print("the same for all", len(examples), "examples")

# %% [markdown]
# (Stanford's original uses a longer first sentence when there is an input. We have that too, as `ALPACA_STANFORD`. Which one you take matters
# little. That you take the same in training and afterwards matters a lot.)
#
# ## 4 Phi-3 and ChatML
#
# Chat models use shorter frames, made of markers that say whose turn it is. Microsoft's Phi-3 (2024) has `<|user|>` and `<|assistant|>`:


# %% tags=["slide"]
def phi3(example):
    question = example.instruction
    if example.input:
        question += "\n" + example.input
    return "<|user|>\n" + question + "\n<|assistant|>\n"


print(phi3(with_input) + with_input.output)
print("-" * 40)
print(phi3(without_input) + without_input.output)

# %%
from ift_lib import PHI3

assert all(PHI3.render(example) == (phi3(example), example.output) for example in examples)
print("the same for all", len(examples), "examples")

# %% [markdown]
# There is no heading for the input: it comes on a new line, as a person would type it. In Phi-3's full form, our `PHI3_END`, every turn is also closed by a
# marker `<|end|>`. *ChatML*, OpenAI's format of 2023 and the model for many others, opens and closes every turn. Here is an example in ChatML
# with its response, first with an input, then without. Exercise 1 lets you write it.

# %% tags=["slide-output"]
from ift_lib import CHATML

for example in (with_input, without_input):
    prompt, response = CHATML.render(example)
    print(prompt + response)
    print("-" * 40)
print("the response alone:", repr(response))

# %% [markdown]
# Here the format has a part on both sides of the answer: the response is closed by `<|im_end|>`.
#
# ## 5 What a frame costs
#
# In the models these formats were made for, a marker such as `<|user|>` is a token of its own, one number in the [vocabulary](../book/glossary.md#vocabulary). GPT-2 does not know
# any of them. It spells them, like any rare word, from pieces that it has:

# %% tags=["slide"]
markers = ["### Response:", "<|user|>", "<|assistant|>", "<|end|>", "<|im_start|>", "<|im_end|>"]
for marker in markers:
    ids = tokenizer.encode_ordinary(marker)
    print(f"{marker:<15}{len(ids)} tokens  {[tokenizer.decode([i]) for i in ids]}")

# %% [markdown]
# So for GPT-2 a marker is nothing special, only an odd word that it learns during [fine-tuning](../book/glossary.md#fine-tuning). Three consequences. First, no single token
# means "the turn is over". Second, a marker may even share a token with the text beside it:

# %%
print([tokenizer.decode([i]) for i in tokenizer.encode_ordinary("It is sour.<|im_end|>")])

# %% [markdown]
# (`.<` is one token of GPT-2. That does no harm as long as it is the same wherever the format is used.) And third, every frame has its price in
# tokens, which are computed, stored and, near the end of GPT-2's 1,024 positions, missed.

# %% tags=["slide-output"]
from ift_lib import TEMPLATES

print(f"{'format':<16}{'frame alone':>12}{'prompt, on average':>20}")
frame, average = {}, {}
for name, template in TEMPLATES.items():
    frame[name] = len(tokenizer.encode_ordinary(template.prompt(Example(""))))
    average[name] = sum(len(tokenizer.encode_ordinary(template.prompt(e))) for e in examples) / len(examples)
    print(f"{name:<16}{frame[name]:>12}{average[name]:>20.1f}")
assert min(frame, key=frame.get) == "phi3"

# %% [markdown]
# Our instructions are short, so in Alpaca more than half of an average prompt is frame:

# %%
share = frame["alpaca"] / average["alpaca"]
assert share > 0.5
print(f"{share:.0%} of an average Alpaca prompt")

# %% [markdown]
# ## 6 How a response ends
#
# GPT-2 has exactly one [special token](../book/glossary.md#special-token), number 50256, written `<|endoftext|>` and called *[EOT](../book/glossary.md#end-of-text)* here. In pretraining it stood between two texts. We put
# it after every response. It is the only way in which a model can say "I have finished": whoever generates, stops there.

# %% tags=["slide"]
from ift_lib import EOT

prompt, response = ALPACA.render(without_input)
ids = tokenizer.encode_ordinary(prompt) + tokenizer.encode_ordinary(response) + [EOT]
print("the last ids:", ids[-5:], " as text:", [tokenizer.decode([i]) for i in ids[-5:]])

# %% [markdown]
# A model that never sees EOT after an answer never learns to stop: it answers, and then goes on with a next heading, a next question, a
# story. In chapter 3 you will train such a model.
#
# Notice that we append the *number*. What if somebody's text contains the letters `<|endoftext|>`? There are two ways to read it:

# %% tags=["slide"]
nasty = "What does <|endoftext|> mean?"
as_text = tokenizer.encode_ordinary(nasty)
as_markup = tokenizer.encode(nasty, allowed_special="all")
print("as text:  ", [tokenizer.decode([i]) for i in as_text])
print("as markup:", [tokenizer.decode([i]) for i in as_markup])

assert EOT not in as_text and EOT in as_markup

# %% [markdown]
# Read as markup, a sentence in a data set cuts its own example in two, and a visitor of a chat page can do the same to a conversation.
# So: text is never trusted as markup. Content goes through `encode_ordinary`; special ids are appended as integers.
#
# ## 7 The seam
#
# Prompt and response were encoded *apart*. Why not the whole text at once? Because GPT-2's tokens like to begin with a space. Take a prompt
# that ends in a space, as one easily types it:


# %% tags=["slide"]
encode = tokenizer.encode_ordinary  # shorter, from here on


def pieces(text):
    return [tokenizer.decode([i]) for i in encode(text)]


print("together:", pieces("The capital of France is Paris"))
print("apart:   ", pieces("The capital of France is ") + pieces("Paris"))

# %% [markdown]
# Together, space and word are one token, `' Paris'`; apart, they are two, and `'Paris'` is another token with another number. The place where prompt
# and response meet is the *[seam](../book/glossary.md#seam)*. When a token spans it, there is trouble of two kinds:
#
# * *Training on the joined text:* it has no place where the prompt ends. Whoever hides the first `len(encode(prompt))` tokens from
#   the [loss](../book/glossary.md#loss), as chapter 3 does, hides the wrong ones.
# * *Asking:* the model is given `' '` as its last token, and that is a state which it has hardly ever seen, since in ordinary text a
#   space sticks to the next word. Exercise 3 measures how much that hurts.
#
# Which endings are safe? We try some:

# %% tags=["slide-output"]
print(f"{'prompt ends':<14}{'response begins':<18}joint = apart")
for end, begin in [
    ("\n", "Paris"),
    ("\n", "4 cats"),
    ("\n", "- a list"),
    ("\n", " Paris"),
    ("\n", "    return 1"),
    ("\n", "\n\nParis"),
    ("\n\n", "Paris"),
    ("Answer: ", "Paris"),
    ("Answer:", " Paris"),
    ("Answer:", "Paris"),
]:
    prompt = f"What is it?\n{end}" if end.strip() else f"What is it?{end}"
    same = encode(prompt + begin) == encode(prompt) + encode(begin)
    print(f"{end!r:<14}{begin!r:<18}{'yes' if same else 'NO'}")

# %% [markdown]
# A single newline is a good end, as long as the response does not begin with more of them. That is why every template of ours
# ends in exactly one newline (another end is refused), and why `load_examples` strips responses. For our data and formats the seam is clean:

# %%
from ift_lib import Template

crossed = 0
for template in TEMPLATES.values():
    for example in examples:
        prompt, response = template.render(example)
        crossed += encode(prompt + response) != encode(prompt) + encode(response)
print(f"tokens across the seam: {crossed}, in {len(TEMPLATES)} formats and {len(examples)} examples")

try:
    Template("mine", "Question: {instruction}\nAnswer: ", "{instruction}\n{input}\nAnswer: ", "", "")
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# ## 8 One function for training and for asking
#
# `encode_example` does everything above: prompt and response apart, EOT at the end, and it remembers where the prompt ends. When the trained model is
# asked, `encode_prompt` gives the ids to continue from. Both use the same template, so these ids are the same, token for token, as in training:

# %%
from ift_lib import encode_example, encode_prompt

for template in TEMPLATES.values():
    for example in examples[:500]:
        encoded = encode_example(example, template)
        prompt, response = template.render(example)
        assert list(encoded.ids) == encode(prompt) + encode(response) + [EOT]
        assert list(encoded.ids[: encoded.prompt_length]) == encode_prompt(example, template)
print("by hand = encode_example, and training begins as asking does")

# %% [markdown]
# It sounds too obvious to test. But two functions, one for each purpose, drift apart: here is a pair as one finds it. Training uses the whole of Alpaca; asking
# stops before the last heading and hopes that the model will write it:


# %% tags=["slide-output"]
def training_text(example):
    return alpaca(example) + example.output


def asking_text(example):
    return alpaca(example).removesuffix("\n\n### Response:\n")


full, asked = training_text(without_input), asking_text(without_input)
print("the model is asked:        …", repr(asked[-40:]))
print("in training follows next:   ", repr(full[len(asked) :][:20]), "and only then the answer")

# %% [markdown]
# With the loss on the whole text this works, because the model also learns to write headings, which must be cut off again. With the loss on the
# response only (chapter 3), nobody ever taught it to write `### Response:`, so it is asked in a state where it knows no answer. No error is raised.
#
# ## 9 Look at it
#
# The template explorer shows an example as tokens, each coloured by the part it belongs to. Type your own instruction, and try:
#
# * the five formats: which frame is the shortest? Which one grows most with an input?
# * an empty input: what disappears?
# * a token that holds two parts (a thick dotted box): which formats have one, and when?
# * `<|user|>` or `<|endoftext|>` or `<script>` as your instruction: it stays text;
# * a word in another script, or an emoji: letters that GPT-2 spells byte by byte.

# %% tags=["widget"]
from ift_lib.course.widgets import template_explorer

template_explorer()

# %% [markdown]
# The same drawing without the fields, as the explorer begins, and the proof that it shows the tokens of `encode_example`:

# %% tags=["slide-output"]
from ift_lib.course.widgets import template_picture

for template in TEMPLATES.values():
    shown = [token.id for token in template_picture(with_input, template).tokens]
    assert shown == list(encode_example(with_input, template).ids)
template_picture()

# %% [markdown]
# ## 10 Does a format make a base model answer?
#
# Now we can ask properly. `respond` renders, encodes, generates until EOT, and decodes. First two questions in every format, then sixteen, with the
# right answers counted:

# %%
from ift_lib import respond

two, sixteen = [with_input, without_input], examples[:16]
said = {name: respond(model, two, template, max_new_tokens=20) for name, template in TEMPLATES.items()}
right = {}
for name, template in TEMPLATES.items():
    answers = respond(model, sixteen, template, max_new_tokens=20)
    right[name] = sum(a.text == e.output for a, e in zip(answers, sixteen, strict=True))

# %% tags=["approximate"]
for name, responses in said.items():
    print(f"{name}: {right[name]} of {len(sixteen)} right")
    for example, answer in zip(two, responses, strict=True):
        print(f"    wanted {example.output!r}, got {answer.text[:60]!r}")

# %%
assert max(right.values()) < len(sixteen) / 2
print("In no format does the base model answer even half of these simple questions.")

# %% [markdown]
# A format is a convention, and a base model has not been told of it. From chapter 5 on you tell it: a few thousand texts in one
# format, and the same model begins to answer, in that format.
#
# ## Exercises
#
# Replace the `...`, run the cell, then run the check below it. A check says what is wrong, and you can try as often as you like.

# %%
from ift_lib.course.checks import formatting as checks

# %% [markdown]
# ### Exercise 1 · easy · 8 min
#
# Write `chatml_prompt(instruction, input)`, which returns the text before the answer in ChatML. Section 4 shows the format, and what happens when there is an
# input. An empty input leaves no trace. The prompt ends with the header of the assistant's turn and one newline.
#
# Expected: `chatml_prompt("Say hi.", "")` is `"<|im_start|>user\nSay hi.<|im_end|>\n<|im_start|>assistant\n"`.
#
# <details><summary>Hint</summary>Put instruction and input together first, with an <code>if</code>; then the frame around them is the same in both cases. Join the
# lines with \n rather than with triple quotes: these would keep your indentation.</details>


# %% tags=["exercise"]
def chatml_prompt(instruction, input): ...


# %% tags=["solution"]
def chatml_prompt(instruction, input):
    question = f"{instruction}\n{input}" if input else instruction
    return f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"


# %%
checks.exercise_1(chatml_prompt)

# %% [markdown]
# ### Exercise 2 · medium · 10 min
#
# Write `to_ids(prompt, response)`. It gets two texts, and returns two things: the list of all ids, ready for training, and the number of ids that belong to
# the prompt. Use `tokenizer` (or `encode`) and `EOT` from above. The texts may contain anything, even `<|endoftext|>`.
#
# Expected: `to_ids("Say hi.\n", "Hi!")` is `([25515, 23105, 13, 198, 17250, 0, 50256], 4)`.
#
# <details><summary>Hint</summary>Sections 6 and 7: encode each text by itself, as text and not as markup, and append the end as a number.</details>


# %% tags=["exercise"]
def to_ids(prompt, response): ...


# %% tags=["solution"]
def to_ids(prompt, response):
    prompt_ids = encode(prompt)
    return prompt_ids + encode(response) + [EOT], len(prompt_ids)


# %%
checks.exercise_2(to_ids)

# %% [markdown]
# ### Exercise 3 · medium · 15 min
#
# **Break it.** We take sentences from the data, cut each one in the middle, and let the model say how strongly it expects the second half, in *[nats](../book/glossary.md#nat)*: 0 would be "I
# knew every token", and 1 nat more means that it gave the right words a probability that was smaller by a factor of *e*, about 2.7. Once we cut before the
# space, and once after it, where a prompt ends that somebody typed with a space too many. The text is the same.

# %%
endings = [e.output for e in examples if e.category in ("story_ending", "summary")]
sentences = [ending for ending in endings if len(ending.split()) >= 6][:30]


def nats(prompt, response):
    start = len(encode(prompt))
    ids = encode(prompt) + encode(response)
    with torch.no_grad():
        log_p = model(torch.tensor([ids]))[0].log_softmax(dim=-1)
    return -sum(log_p[place - 1, ids[place]].item() for place in range(start, len(ids)))


before_the_space = after_the_space = 0
for sentence in sentences:
    words = sentence.split()
    first, second = " ".join(words[:3]), " ".join(words[3:])
    before_the_space += nats(first, " " + second) / len(sentences)
    after_the_space += nats(first + " ", second) / len(sentences)

# %% [markdown]
# **See the symptom.**

# %% tags=["approximate"]
print(f"cut before the space: {before_the_space:.0f} nats for each second half")
print(f"cut after the space:  {after_the_space:.0f} nats")
starts = ["Once upon a time there was a", "Once upon a time there was a "]
for start, ids in zip(starts, generate_ids(model, [encode(s) for s in starts], 12), strict=True):
    print(f"{start!r} goes on: {decode(ids)!r}")

# %%
assert after_the_space > before_the_space + 1
print("A space at the end of the prompt makes the same words far less likely.")

# %% [markdown]
# **Repair it.** Write `mend(prompt, response)`, which returns the two texts cut at a better place: `prompt + response` is the same as before, the words stay on
# their side, and encoding apart gives the same tokens as encoding together. Only white space may move.
#
# Expected: `mend("The capital of France is ", "Paris.")` is `("The capital of France is", " Paris.")`.
#
# <details><summary>Hint</summary>White space belongs with what follows it. <code>rstrip()</code> tells how much of the prompt is left without its white space at the end; newlines and tabs count as well.</details>


# %% tags=["exercise"]
def mend(prompt, response): ...


# %% tags=["solution"]
def mend(prompt, response):
    end = len(prompt.rstrip())
    return prompt[:end], prompt[end:] + response


# %%
checks.exercise_3(mend)

# %% [markdown]
# ### Exercise 4 · hard · 20 min
#
# A template can also be a text with *slots*, `{instruction}` and `{input}`, into which the texts are filled. Here is the first thing that everybody writes, and a
# question that it does not survive:


# %%
def careless_fill(template, instruction, input):
    return template.replace("{instruction}", instruction).replace("{input}", input)


print(careless_fill("Q: {instruction}\n{input}\nA:\n", "What does {input} mean in a template?", "I saw it in a file."))

# %% [markdown]
# Write `fill(template, instruction, input)`, which fills each slot once and touches nothing else. The slots may stand in either order; the slot of the
# input may be missing (the input is then empty). Texts and templates may hold other braces, backslashes, anything.
#
# Expected: `fill("{input}: {instruction}\n", "What is {input}?", "a {b}")` is `"a {b}: What is {input}?\n"`.
#
# <details><summary>Hint</summary>Cut the template at its slots before you put anything in. <code>re.split</code> with a group in brackets keeps what it cuts at:
# <code>re.split(r"(a|b)", "1a2b3")</code> is <code>["1", "a", "2", "b", "3"]</code>.</details>


# %% tags=["exercise"]
def fill(template, instruction, input): ...


# %% tags=["solution"]
import re


def fill(template, instruction, input):
    texts = {"{instruction}": instruction, "{input}": input}
    cut = re.split(r"(\{instruction\}|\{input\})", template)
    return "".join(texts.get(piece, piece) for piece in cut)


# %%
checks.exercise_4(fill)

# %% [markdown]
# ## Quiz

# %% tags=["widget"]
from ift_lib.course.quiz import quiz

quiz("01_formatting")

# %% [markdown]
# ## Recap
#
# * A base model goes on with a text; a format marks where the instruction ends and the answer begins, and training gives it its meaning.
# * The frame without an input differs from the frame with one, and for GPT-2 every marker costs several ordinary tokens.
# * EOT, number 50256, ends every response; text goes through `encode_ordinary` and never becomes markup.
# * Prompts end in one newline and are encoded apart from the response, so that no token spans the seam.
# * One function renders for training and for asking.
#
# ## Where next
#
# [Chapter 2](02_splitting.ipynb) looks at the examples themselves: which to trust, and which to keep for the test. In the code:
# `ift_lib/templates.py`, `ift_lib/encoding.py`, `tests/test_templates.py` and `tests/test_encoding.py`.
