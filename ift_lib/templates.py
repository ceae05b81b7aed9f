"""Text formats: how an example becomes a prompt and a response.

One template renders both training and asking, so a model is never asked in a form it was not trained on. Every prompt
ends in exactly one newline: the response's first token is then the same whether encoded with the prompt or apart.
"""

from __future__ import annotations

from dataclasses import dataclass

from ift_lib.data import Example


@dataclass(frozen=True)
class Template:
    """A format as four pieces of text around instruction, input and response.

    Below is an instruction …      with_input or without_input,     |  prompt
    ### Instruction: …             {instruction} and {input}        |
    ### Response:\\n                filled in                        |
    Paris.                         the output, then response_end    |  response
    """

    name: str
    """What `--template` calls it."""
    without_input: str
    """The prompt when the input is empty; `{instruction}` is filled in."""
    with_input: str
    """The prompt when there is an input; `{instruction}` and `{input}` are filled in."""
    response_end: str
    """What closes a response, before the end-of-text token; a model's answer is cut there."""
    chat_template: str
    """The same prompt as Jinja text for `transformers`' `apply_chat_template`, on one user message."""

    def __post_init__(self) -> None:
        for prompt in (self.without_input, self.with_input):
            if not prompt.endswith("\n") or prompt.endswith("\n\n"):
                raise ValueError(
                    f"template {self.name!r}: a prompt must end in exactly one newline, not {prompt[-4:]!r}"
                )

    def prompt(self, example: Example) -> str:
        """The text before the answer.

        >>> print(PHI3.prompt(Example("Write the plural.", "leaf")), end="")
        <|user|>
        Write the plural.
        leaf
        <|assistant|>
        """
        before, middle, after = self._pieces(example)
        return before + example.instruction + middle + example.input + after

    def response(self, example: Example) -> str:
        """The answer as it is trained on, without the end-of-text token."""
        return example.output + self.response_end

    def render(self, example: Example) -> tuple[str, str]:
        """(prompt, response)."""
        return self.prompt(example), self.response(example)

    def _pieces(self, example: Example) -> tuple[str, str, str]:
        """The template cut at its slots. Not `str.format`: a brace in a user's text must stay a brace."""
        text = self.with_input if example.input else self.without_input
        before, rest = text.split("{instruction}")
        middle, _, after = rest.partition("{input}")
        return (before, middle, after) if example.input else (before, "", rest)


_ALPACA_HEAD = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request."
)
_STANFORD_HEAD = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request."
)
_ALPACA_BODY = "\n\n### Instruction:\n{instruction}"
_ALPACA_INPUT = "\n\n### Input:\n{input}"
_ALPACA_END = "\n\n### Response:\n"


def _chat_template(before: str, after: str, response_end: str = "") -> str:
    """Jinja for one user turn; later turns repeat it. A system message goes before the next user's, as in training."""

    def quote(text: str) -> str:
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"

    return (
        "{% set ns = namespace(system='') %}{% for m in messages %}"
        "{% if m['role'] == 'system' %}{% set ns.system = m['content'] | trim + '\\n' %}"
        "{% elif m['role'] == 'user' %}{{ "
        + quote(before)
        + " + ns.system + m['content'] | trim + "
        + quote(after)
        + " }}"
        "{% set ns.system = '' %}"
        "{% elif m['role'] == 'assistant' %}{{ m['content'] | trim + " + quote(response_end) + " + eos_token }}"
        "{% endif %}{% endfor %}"
    )


ALPACA = Template(
    "alpaca",
    _ALPACA_HEAD + _ALPACA_BODY + _ALPACA_END,
    _ALPACA_HEAD + _ALPACA_BODY + _ALPACA_INPUT + _ALPACA_END,
    "",
    _chat_template(_ALPACA_HEAD + "\n\n### Instruction:\n", _ALPACA_END),
)
"""Alpaca with one preamble (as in Raschka, Build a Large Language Model From Scratch, chapter 7)."""

ALPACA_STANFORD = Template(
    "alpaca-stanford",
    _ALPACA_HEAD + _ALPACA_BODY + "\n\n### Response:\n",
    _STANFORD_HEAD + _ALPACA_BODY + _ALPACA_INPUT + "\n\n### Response:\n",
    "",
    _chat_template(_ALPACA_HEAD + "\n\n### Instruction:\n", _ALPACA_END),
)
"""Alpaca as published (Taori et al. 2023), with another preamble when there is an input; the last newline is ours."""

PHI3 = Template(
    "phi3",
    "<|user|>\n{instruction}\n<|assistant|>\n",
    "<|user|>\n{instruction}\n{input}\n<|assistant|>\n",
    "",
    _chat_template("<|user|>\n", "\n<|assistant|>\n"),
)
"""Phi-3 as the book's exercise writes it, without `<|end|>`: short, and GPT-2 spells the markers in ordinary tokens."""

PHI3_END = Template(
    "phi3-end",
    "<|user|>\n{instruction}<|end|>\n<|assistant|>\n",
    "<|user|>\n{instruction}\n{input}<|end|>\n<|assistant|>\n",
    "<|end|>",
    _chat_template("<|user|>\n", "<|end|>\n<|assistant|>\n", "<|end|>"),
)
"""Phi-3's real format (Abdin et al. 2024): every turn is closed by `<|end|>`."""

CHATML = Template(
    "chatml",
    "<|im_start|>user\n{instruction}<|im_end|>\n<|im_start|>assistant\n",
    "<|im_start|>user\n{instruction}\n{input}<|im_end|>\n<|im_start|>assistant\n",
    "<|im_end|>",
    _chat_template("<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>"),
)
"""ChatML (OpenAI 2023), the base of many later formats."""

TEMPLATES = {t.name: t for t in (ALPACA, ALPACA_STANFORD, PHI3, PHI3_END, CHATML)}
"""Every template by the name `--template` takes."""
