# %% [markdown]
# # Assignment: prompts and masks
#
# From chapters 1, 3 and 6. **30 points, about 90 minutes.** You write three functions, make one observation, and answer two questions in words.
#
# * Write only where it says `YOUR CODE HERE` or `YOUR ANSWER HERE`. All other cells are put back as they were before your work is graded.
# * The cells with `assert` are tests that you see. Some tests you do not see: they ask the same things of other examples.
# * Each test needs only the function it names, so a mistake in one part costs nothing in the next.
# * Before you hand in: *Restart Kernel and Run All Cells*. A cell that runs for more than a minute is stopped.

# %% locked="setup"
import random

import torch

from ift_lib import ALPACA, EOT, GPT, IGNORE, PHI3, GPTConfig, collate, encode_example, evaluate
from ift_lib import get_tokenizer, load_examples, response_loss
from ift_lib.data import EMBEDDED

encode = get_tokenizer().encode_ordinary
examples = load_examples(EMBEDDED)

# %% [markdown]
# ## 1 A prompt (4 points)
#
# Write `make_prompt(instruction, input)`, which returns the text that a model is asked with, in the format *Q&A*:
#
#     Question: Write the plural.
#     Text: leaf
#     Answer:
#
# With an empty input the line `Text:` goes too. The prompt ends in exactly one newline, the one behind `Answer:`. Instructions and inputs may hold
# anything: line ends, braces, markers of other formats.


# %% solution="make_prompt"
def make_prompt(instruction, input):
    ### BEGIN SOLUTION
    text = f"Text: {input}\n" if input else ""
    return f"Question: {instruction}\n{text}Answer:\n"
    ### END SOLUTION


# %% tests="prompt_with_input" points=1
assert make_prompt("Write the plural.", "leaf") == "Question: Write the plural.\nText: leaf\nAnswer:\n"

# %% tests="prompt_without_input" points=1
assert make_prompt("Name three trees.", "") == "Question: Name three trees.\nAnswer:\n"
### BEGIN HIDDEN TESTS
assert "Text:" not in make_prompt("Write a title.", "")
### END HIDDEN TESTS

# %% tests="prompt_of_any_text" points=2
# Instructions and inputs with braces, line ends and markers.
assert make_prompt("What does {input} mean?", "a\nb") == "Question: What does {input} mean?\nText: a\nb\nAnswer:\n"
### BEGIN HIDDEN TESTS
assert make_prompt("Explain <|user|> and %s.", "{instruction}") == (
    "Question: Explain <|user|> and %s.\nText: {instruction}\nAnswer:\n"
)
assert make_prompt("  Repeat.", "0") == "Question:   Repeat.\nText: 0\nAnswer:\n"
### END HIDDEN TESTS

# %% [markdown]
# ## 2 From texts to ids (4 points)
#
# Write `to_row(prompt, response)`. It returns two things: the list of all ids, ready for training, and how many of them belong to the prompt. `encode` (above)
# turns a text into ids, and `EOT` is the id of the end of text.


# %% solution="to_row"
def to_row(prompt, response):
    ### BEGIN SOLUTION
    prompt_ids = encode(prompt)
    return prompt_ids + encode(response) + [EOT], len(prompt_ids)
    ### END SOLUTION


# %% tests="row_ends" points=2
assert to_row("Say hi.\n", "Hi!") == ([25515, 23105, 13, 198, 17250, 0, 50256], 4)

# %% tests="row_of_any_text" points=2
# A prompt that ends in a space, and a text that looks like the end of text.
ids, prompt_length = to_row("The capital of France is ", "Paris.")
assert ids[:prompt_length] == encode("The capital of France is ")
### BEGIN HIDDEN TESTS
assert ids == encode("The capital of France is ") + encode("Paris.") + [EOT]
ids, prompt_length = to_row("Repeat: <|endoftext|>\n", "<|endoftext|> it is.")
assert ids.count(EOT) == 1 and ids[-1] == EOT
assert ids[:prompt_length] == encode("Repeat: <|endoftext|>\n")
### END HIDDEN TESTS

# %% [markdown]
# ## 3 A batch (7 points)
#
# Write `make_batch(rows)`. It gets a list of pairs `(ids, prompt_length)`, as `to_row` returns them, and gives two tensors of the same shape, `inputs` and `targets`:
#
# * at each place, the target is the token that follows the input;
# * short rows are filled up at their end: inputs with `EOT`, targets with `IGNORE` (−100);
# * a target that belongs to the prompt is `IGNORE`, too. What is graded is the response and its end of text.
#
# Build it yourself, without `collate`. The rows that you get must stay as they are.


# %% solution="make_batch"
def make_batch(rows):
    ### BEGIN SOLUTION
    width = max(len(ids) for ids, _ in rows) - 1
    inputs = torch.full((len(rows), width), EOT)
    targets = torch.full((len(rows), width), IGNORE)
    for number, (ids, prompt_length) in enumerate(rows):
        inputs[number, : len(ids) - 1] = torch.tensor(ids[:-1])
        first = prompt_length - 1  # here the last token of the prompt is read, and the response begins
        targets[number, first : len(ids) - 1] = torch.tensor(ids[prompt_length:])
    return inputs, targets
    ### END SOLUTION


# %% tests="batch_inputs" points=2
# What the model reads: shifted, and filled up at the end.
inputs, targets = make_batch([([5, 6, 7, EOT], 2), ([8, 9, EOT], 1)])
assert inputs.tolist() == [[5, 6, 7], [8, 9, EOT]]
assert inputs.shape == targets.shape
### BEGIN HIDDEN TESTS
rows = [([5, 6, 7, EOT], 2), ([8, 9, EOT], 1)]
make_batch(rows)
assert rows == [([5, 6, 7, EOT], 2), ([8, 9, EOT], 1)]
### END HIDDEN TESTS

# %% tests="batch_stops" points=2
# Each row is taught to stop, once, and its padding teaches nothing.
inputs, targets = make_batch([([5, 6, 7, 8, EOT], 2), ([8, 9, EOT], 1)])
assert (targets == EOT).sum(dim=1).tolist() == [1, 1]
### BEGIN HIDDEN TESTS
assert targets[0, 3] == EOT and targets[1, 1] == EOT
assert targets[1, 2:].tolist() == [IGNORE] * 2
### END HIDDEN TESTS

# %% tests="batch_prompt_mask" points=3
# The first token of the response is graded, and nothing before it.
inputs, targets = make_batch([([5, 6, 7, 8, EOT], 3)])
assert targets.tolist() == [[IGNORE, IGNORE, 8, EOT]]
### BEGIN HIDDEN TESTS
rng = random.Random(5)
for size in (1, 2, 5):
    encoded = [encode_example(example, ALPACA) for example in rng.sample(examples, size)]
    expected = collate(encoded)
    inputs, targets = make_batch([(list(e.ids), e.prompt_length) for e in encoded])
    assert torch.equal(inputs, expected.inputs) and torch.equal(targets, expected.targets)
### END HIDDEN TESTS

# %% [markdown]
# ## 4 In words (4 points)
#
# A colleague fills the targets up with `EOT`, too, and hides the padding afterwards with `targets[targets == EOT] = IGNORE`. The code runs, and the loss falls.
#
# What will you notice when the trained model is asked something? Why? And why does neither an error message nor the loss tell you? Three or four sentences.

# %% [markdown] essay="why_it_never_stops" points=4
# The model answers and then goes on writing until it is cut off: a next question, a next heading, anything. The line hides not only the padding but also the one real
# EOT behind each response, since both have the same id; so no target ever says "now stop", and stopping is never learned. The code is valid, so there is no
# error. The loss is a mean over the targets that are left, and these are learned as well as before: what is not graded cannot raise it.

# %% [markdown]
# ## 5 Stop in time (6 points)
#
# Write `stop_and_best(losses, patience)`. It gets the validation losses, one for each epoch, the first from before training (epoch 0). Training stops at the epoch at which `patience` evaluations in a row
# have brought no new lowest loss. Return two numbers: that epoch (or `None` if the losses end before), and the epoch with the lowest loss seen until then, whose
# weights are kept. Of equally low losses the first counts.


# %% solution="stop_and_best"
def stop_and_best(losses, patience):
    ### BEGIN SOLUTION
    best = 0
    for epoch, loss in enumerate(losses):
        if loss < losses[best]:
            best = epoch
        if epoch - best >= patience:
            return epoch, best
    return None, best
    ### END SOLUTION


# %% tests="stop_seen" points=2
assert stop_and_best([5.0, 3.2, 2.9, 3.1, 3.3, 3.6], 2) == (4, 2)

# %% tests="stop_never" points=1
assert stop_and_best([5.0, 4.0, 3.0], 2) == (None, 2)

# %% tests="stop_hidden" points=3
# Other curves.
assert stop_and_best([5.0, 3.0, 3.1, 2.9, 3.0, 3.0], 2) == (5, 3)
### BEGIN HIDDEN TESTS
assert stop_and_best([4.0, 3.0, 3.0, 3.0], 2) == (3, 1)  # equal is not lower
assert stop_and_best([4.0, 3.0, 3.5, 1.0], 1) == (2, 1)  # whatever comes after the stop was never seen
assert stop_and_best([4.0, 5.0, 3.0, 3.5, 3.4, 3.3], 3) == (5, 2)
### END HIDDEN TESTS

# %% [markdown]
# ## 6 A small training (5 points)
#
# The next cell trains a tiny GPT from nothing on eight examples, and measures its loss on these eight and on twelve others, before training and after each of eight epochs.
# It takes some seconds.


# %% locked="small_run"
def small_run():
    rows = [encode_example(example, PHI3) for example in examples if example.category == "opposite"]
    known, unknown = collate(rows[:8]), collate(rows[8:20])
    model = GPT(GPTConfig(n_positions=64, n_embd=32, n_layer=1, n_head=2)).init_weights(
        torch.Generator().manual_seed(0)
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    training, validation = [], []
    for epoch in range(9):
        if epoch > 0:
            for _ in range(3):
                loss = response_loss(model, known)
                optimizer.zero_grad()
                (loss.total / loss.count).backward()
                optimizer.step()
        training.append(evaluate(model, [known]).mean)
        validation.append(evaluate(model, [unknown]).mean)
    return training, validation


training, validation = small_run()
print("epoch  training  validation")
for epoch, (known_loss, unknown_loss) in enumerate(zip(training, validation, strict=True)):
    print(f"{epoch:>5}  {known_loss:>8.2f}  {unknown_loss:>10.2f}")

# %% [markdown]
# Take from `training` and `validation`: `turn`, the epoch whose weights you would keep; `rise`, by how many nats the last validation loss lies above the lowest; and `fell`, by how many nats the training loss fell from
# the turn to the end. Let Python compute them, do not copy digits from the table.

# %% solution="observation"
turn = rise = fell = None
### BEGIN SOLUTION
turn = validation.index(min(validation))
rise = validation[-1] - min(validation)
fell = training[turn] - training[-1]
### END SOLUTION

# %% tests="observation_right" points=2
assert turn == min(range(9), key=lambda epoch: validation[epoch])
### BEGIN HIDDEN TESTS
assert abs(rise - (validation[-1] - validation[turn])) < 1e-6
assert abs(fell - (training[turn] - training[-1])) < 1e-6
### END HIDDEN TESTS

# %% [markdown]
# Is it overfitting? Say which signs you see in the numbers. Then: may the lowest validation loss be reported as the result? Three or four sentences.

# %% [markdown] essay="reading" points=3
# Yes: the validation loss has a lowest point before the end, it ends clearly above it, and meanwhile the training loss went on falling. All three are needed; if both losses rose,
# the run would be going wrong in another way. The lowest validation loss should not be reported: the epoch was chosen because of it, so a little luck is in it. An
# honest number comes from a test split, looked at once, at the end; and with twelve examples either number is uncertain.
