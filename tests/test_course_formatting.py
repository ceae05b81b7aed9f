"""Chapter 1: what the checks say to right and to typical wrong answers, and what the template explorer shows."""

from __future__ import annotations

import re
from typing import Any

import pytest
from learner import Say

from ift_lib.course.checks import formatting as checks
from ift_lib.course.widgets.template_explorer import (
    DEFAULT,
    LONGEST,
    TemplateExplorer,
    template_explorer,
    template_picture,
    tokens_of,
)
from ift_lib.data import Example
from ift_lib.encoding import EOT, encode_example, get_tokenizer
from ift_lib.templates import CHATML, PHI3, PHI3_END, TEMPLATES, Template

tokenizer = get_tokenizer()
encode = tokenizer.encode_ordinary


# --- exercise 1 ---


def chatml(instruction: str, input: str) -> str:
    question = f"{instruction}\n{input}" if input else instruction
    return f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"


def always_a_line(instruction: str, input: str) -> str:
    return f"<|im_start|>user\n{instruction}\n{input}<|im_end|>\n<|im_start|>assistant\n"


def triple_quotes(instruction: str, input: str) -> str:
    question = f"{instruction}\n{input}" if input else instruction
    return f"""
    <|im_start|>user
    {question}<|im_end|>
    <|im_start|>assistant
    """


def test_1_right(say: Say) -> None:
    assert say(checks.exercise_1, chatml).startswith("Exercise 1: right. ")
    assert say(checks.exercise_1, lambda i, t: CHATML.prompt(Example(i, t))).startswith("Exercise 1: right. ")
    assert say(checks.exercise_1, ...).startswith("Exercise 1: still to do")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda i, t: print(end=""), "is the `return` missing? (`print`"),
        (lambda i, t: [chatml(i, t)], "must return a text, and returned ['<|im_start|>"),
        (lambda i, t: chatml(i, t)[:-1], "Only the newline at the end is missing"),
        (lambda i, t: chatml(i, t) + "\n", "exactly one newline, and nothing else"),
        (lambda i, t: chatml(i, t)[:-1] + " ", "exactly one newline, and nothing else"),
        (triple_quotes, "triple quotes holds every line end"),
        (always_a_line, "With an empty input, its line goes too"),
        (lambda i, t: chatml(i, ""), "The input is missing"),
        (lambda i, t: chatml("Say hi.", ""), "The instruction is not in it: put in what the function gets"),
        (lambda i, t: chatml(i, t) + "Hi!<|im_end|>", "the answer is no part of the prompt"),
        (lambda i, t: chatml(i, t)[1:], "At the very beginning you have '|im_start|>"),
        (lambda i, t: chatml(i, t or "None"), "An input that is empty leaves no trace"),
        (lambda i, t: chatml(i, t).replace("<|im_end|>", "\n<|im_end|>"), "without a newline before it"),
        (lambda i, t: chatml(i, t) + "<|im_end|>", "The assistant's turn is still open"),
        (lambda i, t: chatml(i, t).replace("<|im_end|>", ""), "must be closed with <|im_end|>"),
        (lambda i, t: chatml(i, t).replace("<|im_end|>\n", "<|im_end|>"), "After <|im_end|> stands a newline"),
        (lambda i, t: chatml(f"{i} {t}", ""), "a newline, not a space"),
        (lambda i, t: chatml(f"{i}\n\n{t}", ""), "stands one newline"),
        (lambda i, t: chatml(i, t)[: -len("<|im_start|>assistant\n")], "the header of the assistant's turn"),
        (lambda i, t: PHI3.prompt(Example(i, t)), "After '<|' you have 'user|>"),
        (lambda i, t: chatml(i, t).replace("user", "User"), "After '<|im_start|>' you have 'User"),
    ],
)
def test_1_wrong(say: Say, answer: Any, words: str) -> None:
    """Bug: a message that says "wrong" and not what is wrong."""
    said = say(checks.exercise_1, answer)
    assert said.startswith("Exercise 1: not yet. ") and words in said


# --- exercise 2 ---


def to_ids(prompt: str, response: str) -> tuple[list[int], int]:
    return [*encode(prompt), *encode(response), EOT], len(encode(prompt))


def joined(prompt: str, response: str) -> tuple[list[int], int]:
    return [*encode(prompt + response), EOT], len(encode(prompt))


def spelled_end(prompt: str, response: str) -> tuple[list[int], int]:
    return encode(prompt) + encode(response + "<|endoftext|>"), len(encode(prompt))


def as_markup(prompt: str, response: str) -> tuple[list[int], int]:
    first, second = (tokenizer.encode(text, allowed_special="all") for text in (prompt, response))
    return [*first, *second, EOT], len(first)


def careless(prompt: str, response: str) -> tuple[list[int], int]:
    return [*tokenizer.encode(prompt), *tokenizer.encode(response), EOT], len(tokenizer.encode(prompt))


def test_2_right(say: Say) -> None:
    assert say(checks.exercise_2, to_ids).startswith("Exercise 2: right. ")

    assert "right" in say(checks.exercise_2, lambda p, r: (tuple(to_ids(p, r)[0]), len(encode(p))))
    assert "right" in say(checks.exercise_2, lambda p, r: list(to_ids(p, r)))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (joined, "a token spans the seam"),
        (spelled_end, "The end was written as text"),
        (as_markup, "became the special token"),
        (careless, "`tokenizer.encode` refuses a text that looks like a special token"),
        (lambda p, r: (encode(p) + encode(r), len(encode(p))), "[…, 318, 5667, 13], and expected is"),
        (lambda p, r: (encode(p) + encode(r), len(encode(p))), "318, 5667, 13, 50256]. The EOT is missing"),
        (lambda p, r: (encode(p).append(EOT), len(encode(p))), "The ids are None: `append` and `extend` change"),
        (lambda p, r: ([*encode(p), EOT, *encode(r), EOT], len(encode(p)) + 1), "an EOT after the prompt as well"),
        (lambda p, r: ([EOT, *to_ids(p, r)[0]], len(encode(p)) + 1), "begins with an EOT"),
        (lambda p, r: ([*to_ids(p, r)[0], EOT], len(encode(p))), "One EOT is enough"),
        (lambda p, r: ([*encode(r), *encode(p), EOT], len(encode(p))), "The prompt comes first"),
        (lambda p, r: (to_ids(p, r)[0], len(p)), "You gave 46: its letters"),
        (lambda p, r: (to_ids(p, r)[0], len(to_ids(p, r)[0])), "the length of everything"),
        (
            lambda p, r: (to_ids(p, r)[0], len(encode(r))),
            "the ids are right, and the prompt's length is 20; you gave 7",
        ),
        (lambda p, r: to_ids(p, r)[0], "must return two things"),
        (lambda p, r: to_ids(p, r)[::-1], "The ids come first"),
        (lambda p, r: ([encode(p), encode(r), EOT], len(encode(p))), "one flat list"),
        (lambda p, r: (p + r, len(encode(p))), "must be whole numbers"),
        (lambda p, r: (to_ids(p, r)[0], encode(p)), "must be a whole number"),
        (lambda p, r: ([*encode(p), *encode(r.upper()), EOT], len(encode(p))), "each text encoded by itself"),
        (lambda p, r: None, "is the `return` missing?"),
    ],
)
def test_2_wrong(say: Say, answer: Any, words: str) -> None:
    """Bug: a joint encoding passes, because the examples shown have a clean seam."""
    said = say(checks.exercise_2, answer)
    assert said.startswith("Exercise 2: not yet. ") and words in said


def test_2_another_error_is_the_learners(say: Say) -> None:
    """Bug: the message about special tokens for a ValueError that has nothing to do with them."""

    def broken(prompt: str, response: str) -> tuple[list[int], int]:
        return [int(prompt)], 1

    assert "your code stopped with ValueError: invalid literal" in say(checks.exercise_2, broken)


# --- exercise 3 ---


def mend(prompt: str, response: str) -> tuple[str, str]:
    end = len(prompt.rstrip())
    return prompt[:end], prompt[end:] + response


def only_spaces(prompt: str, response: str) -> tuple[str, str]:
    end = len(prompt.rstrip(" "))
    return prompt[:end], prompt[end:] + response


def letter_by_letter(prompt: str, response: str) -> tuple[str, str]:
    while prompt[-1].isspace():
        prompt, response = prompt[:-1], prompt[-1] + response
    return prompt, response


def test_3_right(say: Say) -> None:
    assert say(checks.exercise_3, mend).startswith("Exercise 3: right. ")

    def only_if_needed(prompt: str, response: str) -> tuple[str, str]:
        same = encode(prompt + response) == encode(prompt) + encode(response)
        return (prompt, response) if same else mend(prompt, response)

    assert say(checks.exercise_3, only_if_needed).startswith("Exercise 3: right. ")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda p, r: (p.rstrip(), r), "stood ' ', and now stands ''"),
        (lambda p, r: (p.rstrip(), " " + r.strip()), "exactly as it was"),
        (lambda p, r: (p.rstrip(), " " + r), "stood '\\n\\n', and now stands ' '"),
        (lambda p, r: (p, " " + r), "stood ' ', and now stands '  '"),
        (lambda p, r: (p.strip(), mend(p, r)[1]), "`rstrip` works on one end"),
        (lambda p, r: (p, r), "The prompt still ends in ' '"),
        (only_spaces, "The prompt still ends in '\\n\\n'"),
        (lambda p, r: (p[:-1], p[-1:] + r) if p[-1] == " " else (p, r), "The prompt still ends in '\\n\\n'"),
        (lambda p, r: (p + " ", r[1:]) if r[0] == " " else (p, r), "The prompt still ends in"),
        (lambda p, r: (p + r, ""), "the words must stay where they were"),
        (lambda p, r: ("", p + r), "the words must stay where they were"),
        (lambda p, r: mend(p, r) if p[-1:].isspace() else ("", p + r), "With n = 0, `prompt[-n:]` is all of"),
        (letter_by_letter, "A prompt may be nothing but white space"),
        (lambda p, r: (p.rstrip(), "Paris."), "stood ' ', and now stands ''"),
        (lambda p, r: (p, r + "!"), "the same text as before"),
        (lambda p, r: p + r, "must return two texts"),
        (lambda p, r: None, "is the `return` missing?"),
    ],
)
def test_3_wrong(say: Say, answer: Any, words: str) -> None:
    """Bug: an answer passes that changes the text, or hides it all on one side."""
    said = say(checks.exercise_3, answer)
    assert said.startswith("Exercise 3: not yet. ") and words in said


# --- exercise 4 ---


def fill(template: str, instruction: str, input: str) -> str:
    texts = {"{instruction}": instruction, "{input}": input}
    return "".join(texts.get(piece, piece) for piece in re.split(r"(\{instruction\}|\{input\})", template))


def in_turn(template: str, instruction: str, input: str) -> str:
    return template.replace("{instruction}", instruction).replace("{input}", input)


def by_format(template: str, instruction: str, input: str) -> str:
    return template.format(instruction=instruction, input=input)


def by_sub_in_turn(template: str, instruction: str, input: str) -> str:
    return re.sub(r"\{input\}", input, re.sub(r"\{instruction\}", instruction, template))


def by_sub_and_function(template: str, instruction: str, input: str) -> str:
    texts = {"{instruction}": instruction, "{input}": input}
    return re.sub(r"\{instruction\}|\{input\}", lambda found: texts[found[0]], template)


def careful_in_turn(template: str, instruction: str, input: str) -> str:
    """Cuts first, but expects the slots in one order."""
    before, _, rest = template.partition("{instruction}")
    middle, slot, after = rest.partition("{input}")
    return before + instruction + middle + (input if slot else "") + after


def two_cuts(template: str, instruction: str, input: str) -> str:
    before, rest = template.split("{instruction}")
    middle, after = rest.split("{input}")
    return before + instruction + middle + input + after


def unassigned(template: str, instruction: str, input: str) -> str:
    template.replace("{instruction}", instruction)
    return template


def without_braces(template: str, instruction: str, input: str) -> str:
    pieces = re.split(r"(\{instruction\}|\{input\})", template)
    return "".join({"instruction": instruction, "input": input}.get(piece, piece) for piece in pieces)


def test_4_right(say: Say) -> None:
    assert say(checks.exercise_4, fill).startswith("Exercise 4: right. ")
    assert say(checks.exercise_4, by_sub_and_function).startswith("Exercise 4: right. ")


def backslashes_double(template: str, instruction: str, input: str) -> str:
    return fill(template, instruction.replace("\\", "\\\\"), input)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (in_turn, "a user's text was taken for the template"),
        (lambda t, i, x: t.replace("{input}", x).replace("{instruction}", i), "a user's text was taken for"),
        (by_format, "`str.format` takes every brace in the template for a slot"),
        (two_cuts, "This template has no slot for the input"),
        (by_sub_in_turn, "a user's text was taken for the template"),
        (careful_in_turn, "In this template the input comes before the instruction"),
        (unassigned, "Nothing was filled in"),
        (without_braces, "braces included"),
        (lambda t, i, x: t.replace("{instruction}", i), "The slot {input} is still there"),
        (lambda t, i, x: t.replace("{input}", x), "The slot {instruction} is still there"),
        (backslashes_double, "A backslash in a user's text must stay one"),
        (lambda t, i, x: f"Task: {i}\nText: {x}\nAnswer:\n", "At the very beginning you have 'Task: What is"),
        (lambda t, i, x: None, "is the `return` missing?"),
    ],
)
def test_4_wrong(say: Say, answer: Any, words: str) -> None:
    """Bug: the trap of the exercise passes."""
    said = say(checks.exercise_4, answer)
    assert said.startswith("Exercise 4: not yet. ") and words in said


def test_4_backslashes(say: Say) -> None:
    """Bug: `re.error` and no word about what a backslash means in a replacement."""

    def answer(template: str, instruction: str, input: str) -> str:
        if "\\" in instruction:
            return re.sub(r"\{instruction\}", instruction, template)
        return fill(template, instruction, input)

    assert "reads backslashes in the replacement" in say(checks.exercise_4, answer)


# --- the template explorer ---

NASTY = Example("Say <script>alert(1)</script> 🙂 {input}\u202e", 'x "y"\n\n  z', "<|endoftext|> & so on")


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=lambda t: t.name)
@pytest.mark.parametrize("example", [DEFAULT, NASTY, Example(""), Example("Say {input} and </div>.", output="No.")])
def test_the_tokens_are_those_of_encode_example(example: Example, template: Template) -> None:
    """Bug: the explorer shows other tokens than training reads."""
    tokens = tokens_of(example, template)
    assert [t.id for t in tokens] == list(encode_example(example, template).ids)
    assert tokens[-1] == (EOT, "EOT")
    for kind, text in (("instruction", example.instruction), ("input", example.input), ("response", example.output)):
        ids = [t.id for t in tokens if t.kind == kind]
        assert tokenizer.decode(ids) == text or any(t.kind == "seam" for t in tokens)


def test_a_token_that_holds_two_parts_is_said_to() -> None:
    """Bug: a token across a border is counted for one side only."""
    tokens = tokens_of(Example("What is this: <", output="A mark"), PHI3_END)
    assert [t.kind for t in tokens].count("seam") == 1


def test_counts() -> None:
    picture = template_picture(Example("Name a fruit.", output="Fig."), PHI3)
    assert picture.counts == {"frame": 14, "instruction": 4, "response": 2, "EOT": 1}
    assert picture.others["phi3"] == (21, 14) and set(picture.others) == set(TEMPLATES)
    assert picture.others["chatml"] == (39, 34), "27 before the answer, 7 after it; `.<` is one token, twice"
    assert repr(picture) == "TemplatePicture: phi3: 21 tokens (frame 14, instruction 4, response 2, EOT 1)."


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=lambda t: t.name)
def test_what_is_typed_is_text(template: Template) -> None:
    """Bug: a learner types <script>, and the page runs it; or a turned direction turns the page."""
    html = template_picture(NASTY, template)._repr_html_()
    assert "<script" not in html and "&lt;" in html and "\u202e" not in html
    assert html.count("aria-label=") == 1 and 'role="img"' in html
    assert set(re.findall(r"</?([a-z]+)", html)) <= {"div", "span", "small", "p", "b", "br", "wbr"}


def test_letters_in_pieces_are_shown_as_bytes() -> None:
    """Bug: three question marks in diamonds for one emoji."""
    html = template_picture(Example("🙂"), PHI3)._repr_html_()
    assert "⟨" in html and "\ufffd" not in html


def test_the_widget_draws_what_is_typed() -> None:
    explorer = template_explorer()
    assert isinstance(explorer, TemplateExplorer)
    assert explorer.view.value == template_picture()._repr_html_(), "the static twin is the same drawing"
    explorer.template.value = "phi3"
    explorer.input.value = ""
    explorer.instruction.value = "  Name a <b>fruit</b>.\n"
    assert explorer.example() == Example("Name a <b>fruit</b>.", "", DEFAULT.output)
    assert explorer.view.value == template_picture(explorer.example(), PHI3)._repr_html_()
    assert "<b>fruit" not in explorer.view.value


def test_the_widget_survives_anything() -> None:
    """Bug: half an emoji, or a whole book, stops the widget."""
    explorer = template_explorer()
    explorer.instruction.value = "half \ud83d of an emoji"
    assert "role='alert'" not in explorer.view.value
    explorer.input.value = "x" * (LONGEST + 1)
    assert "role='alert'" in explorer.view.value and "2,001 characters" in explorer.view.value
    explorer.input.value = explorer.instruction.value = explorer.response.value = ""
    assert "EOT 1" in explorer.view.value
