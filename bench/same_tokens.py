"""Are the answers of 16 prompts at a time, with a cache, those of one prompt at a time without one? 100 prompts, fp32.

    python bench/same_tokens.py --shape pocket gpt2 --out bench/results/same_tokens.json

The pocket model has its pretrained weights; other shapes have random ones, so that no answer ends by itself. The plain
way computes every token of a prompt and of the answer so far again for each new token: it is slow.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from datetime import date
from pathlib import Path

import torch
from speed import EMBEDDED
from unit import shape

from ift_lib.data import load_examples
from ift_lib.encoding import EOT, encode_prompt
from ift_lib.generation import generate_ids
from ift_lib.model import GPT
from ift_lib.templates import ALPACA
from ift_lib.weights import load_pretrained


@torch.no_grad()
def one_by_one(model: GPT, prompt: list[int], new: int) -> list[int]:
    """Greedy decoding as one would write it first: the whole row, logits everywhere, the last one taken."""
    ids = list(prompt)
    while len(ids) < len(prompt) + new and (len(ids) == len(prompt) or ids[-1] != EOT):
        ids.append(int(model(torch.tensor([ids]))[0, -1].argmax()))
    return ids[len(prompt) :]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", nargs="+", default=["pocket", "gpt2"])
    parser.add_argument("--data", type=Path, default=EMBEDDED, help="instructions (default: our own)")
    parser.add_argument("--prompts", type=int, default=100)
    parser.add_argument("--new", type=int, default=32)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    prompts = [encode_prompt(e, ALPACA) for e in load_examples(args.data)[: args.prompts]]
    facts = {"date": date.today().isoformat(), "data": args.data.name, "torch": torch.__version__}
    facts |= {"python": platform.python_version(), "new": args.new, "shapes": {}}
    for name in args.shape:
        model = (
            load_pretrained("pocket")
            if name == "pocket"
            else GPT(shape(name)).init_weights(torch.Generator().manual_seed(0))
        )
        model.eval()
        started = time.perf_counter()
        together = [
            ids for at in range(0, len(prompts), 16) for ids in generate_ids(model, prompts[at : at + 16], args.new)
        ]
        between = time.perf_counter()
        alone = [one_by_one(model, prompt, args.new) for prompt in prompts]
        done = time.perf_counter()
        facts["shapes"][name] = {
            "prompts": len(prompts),
            "equal": sum(a == b for a, b in zip(together, alone, strict=True)),
            "tokens": sum(map(len, alone)),
            "seconds_together": round(between - started, 1),
            "seconds_alone": round(done - between, 1),
        }
        print(name, facts["shapes"][name])
    if args.out:
        args.out.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
