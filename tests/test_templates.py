"""templates.py: the exact texts."""

from __future__ import annotations

import pytest

from ift_lib.data import Example
from ift_lib.templates import ALPACA, ALPACA_STANFORD, CHATML, PHI3, PHI3_END, TEMPLATES, Template

WITH = Example("Find the verb.", "Dogs bark.", "bark")
WITHOUT = Example("Name a fruit.", "", "Apple.")

ONE = "Below is an instruction that describes a task. Write a response that appropriately completes the request."
TWO = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request."
)
EXPECTED = {
    "alpaca": (
        f"{ONE}\n\n### Instruction:\nFind the verb.\n\n### Input:\nDogs bark.\n\n### Response:\n",
        f"{ONE}\n\n### Instruction:\nName a fruit.\n\n### Response:\n",
    ),
    "alpaca-stanford": (
        f"{TWO}\n\n### Instruction:\nFind the verb.\n\n### Input:\nDogs bark.\n\n### Response:\n",
        f"{ONE}\n\n### Instruction:\nName a fruit.\n\n### Response:\n",
    ),
    "phi3": ("<|user|>\nFind the verb.\nDogs bark.\n<|assistant|>\n", "<|user|>\nName a fruit.\n<|assistant|>\n"),
    "phi3-end": (
        "<|user|>\nFind the verb.\nDogs bark.<|end|>\n<|assistant|>\n",
        "<|user|>\nName a fruit.<|end|>\n<|assistant|>\n",
    ),
    "chatml": (
        "<|im_start|>user\nFind the verb.\nDogs bark.<|im_end|>\n<|im_start|>assistant\n",
        "<|im_start|>user\nName a fruit.<|im_end|>\n<|im_start|>assistant\n",
    ),
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_prompts_are_letter_for_letter(name: str) -> None:
    """Prevents a stray space or newline, which a model that learned the right text answers badly."""
    assert (TEMPLATES[name].prompt(WITH), TEMPLATES[name].prompt(WITHOUT)) == EXPECTED[name]


def test_responses_close_as_the_format_says() -> None:
    """Prevents a turn without its end marker."""
    ends = {t.name: t.render(WITHOUT)[1] for t in (ALPACA, ALPACA_STANFORD, PHI3, PHI3_END, CHATML)}
    closed = {"phi3-end": "Apple.<|end|>", "chatml": "Apple.<|im_end|>"}
    assert ends == {"alpaca": "Apple.", "alpaca-stanford": "Apple.", "phi3": "Apple."} | closed


def test_braces_in_the_text_stay_braces() -> None:
    """Prevents `str.format` from reading a user's text as a format string."""
    example = Example("Explain {x} and {input}.", "{instruction} {} {0}", "ok")
    assert "### Instruction:\nExplain {x} and {input}.\n\n### Input:\n{instruction} {} {0}\n\n" in ALPACA.prompt(
        example
    )


def test_a_prompt_must_end_in_one_newline() -> None:
    """Trap 6. Prevents a template whose last token would merge with the answer's first."""
    for end in ("", "\n\n", ": "):
        with pytest.raises(ValueError, match="exactly one newline"):
            Template("bad", "{instruction}" + end, "{instruction}{input}" + end, "", "")


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_chat_template_renders_the_same_prompt(name: str) -> None:
    """Trap 18. Prevents an exported model that is asked in another format than it was trained on."""
    jinja2 = pytest.importorskip("jinja2")
    template = TEMPLATES[name]
    rendered = jinja2.Template(template.chat_template).render(
        messages=[{"role": "user", "content": WITHOUT.instruction}], eos_token="<|endoftext|>"
    )
    assert rendered == template.prompt(WITHOUT)
