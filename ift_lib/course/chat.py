"""A conversation in the terminal with a fine-tuned model, one instruction at a time."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from ift_lib.course.show import in_terminal
from ift_lib.data import Example
from ift_lib.errors import InputError
from ift_lib.generation import Sampling, respond
from ift_lib.templates import TEMPLATES
from ift_lib.weights import load_pretrained


def add_options(parser: argparse.ArgumentParser) -> None:
    """Those of `ift chat`."""
    parser.add_argument("run", metavar="RUN", help="folder of a finished run")
    parser.add_argument(
        "--temperature", type=float, default=0.0, help="0 takes the likeliest token (default); 1 samples"
    )
    parser.add_argument("--top-p", type=float, help="sample among the likeliest tokens that make up this share")
    parser.add_argument("--seed", type=int, default=123, help="for sampling (default: 123)")
    parser.add_argument("--max-new-tokens", type=int, default=128, help="longest answer, in tokens (default: 128)")
    parser.set_defaults(do=_chat)


def _chat(args: argparse.Namespace) -> None:
    chat(Path(args.run), Sampling(args.temperature, top_p=args.top_p), args.seed, args.max_new_tokens)


def chat(folder: Path, sampling: Sampling, seed: int, max_new_tokens: int) -> None:
    """Ask, answer, until an empty instruction or end of input. Raises InputError when `folder` is no finished run."""
    try:
        template = TEMPLATES[json.loads((folder / "config.json").read_text(encoding="utf-8"))["template"]]
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise InputError(f"{folder}: no finished run ({e}); name the folder that `ift run` printed") from e
    model = load_pretrained(str(folder / "model"))
    generator = torch.Generator().manual_seed(seed)
    print("An instruction, then the text it is about (or just Enter). An empty instruction ends the talk.")
    while instruction := _ask("\ninstruction> "):
        example = Example(instruction, _ask("      input> "))
        [response] = respond(
            model, [example], template, max_new_tokens=max_new_tokens, sampling=sampling, generator=generator
        )
        # A model can say anything, codes that steer the terminal included.
        print(in_terminal(response.text) + ("" if response.ended else " […]"))


def _ask(prompt: str) -> str:
    """A line from the user; "" at the end of input."""
    try:
        return input(prompt).strip()
    except EOFError:
        return ""
