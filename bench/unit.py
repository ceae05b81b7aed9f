"""One measurement in a process of its own, as one line of JSON: `python bench/unit.py train-all ours --shape gpt2`.

A process of its own, so that its peak memory is its own, and nobody's allocator is warm from somebody else.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import random
import re
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from peers import EVALUATORS, GENERATORS, TRAINERS, trainer_times

from ift_lib.batching import Batch, collate, in_order
from ift_lib.data import load_examples
from ift_lib.encoding import Encoded, encode_example, encode_prompt
from ift_lib.hardware import parameter_count, training_flops
from ift_lib.model import SIZES, GPTConfig
from ift_lib.prefix_tree import prefix_tree
from ift_lib.templates import ALPACA

BATCH = 8


def shape(name: str) -> GPTConfig:
    """A name of SIZES, or "tiny" for the tests."""
    return GPTConfig(n_positions=256, n_embd=32, n_layer=2, n_head=2) if name == "tiny" else SIZES[name]


def encoded(data: Path) -> list[Encoded]:
    """The entries in the order of the file, Alpaca template."""
    return [encode_example(e, ALPACA) for e in load_examples(data)]


def training_part(examples: list[Encoded]) -> list[Encoded]:
    """The first 85 %, shuffled once, as the book splits."""
    part = examples[: int(len(examples) * 0.85)]
    random.Random(123).shuffle(part)
    return part


def peak_gb() -> float:
    """The most memory this process has had resident (Linux); `ru_maxrss` would begin with its parent's."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) * 1024 / 1e9


def cpu_seconds() -> tuple[float, float]:
    """Processor seconds of the whole machine and of this process since they began."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    busy = sum(map(int, fields)) - int(fields[3]) - int(fields[4])  # all but idle and waiting for a disk
    return busy / os.sysconf("SC_CLK_TCK"), sum(os.times()[:4])


def needed(config: GPTConfig, examples: list[Encoded], *, masked: bool) -> dict[str, float]:
    """Predicted tokens of an example, and the arithmetic of each in training: no padding, logits where graded only."""
    tokens = sum(len(e) - 1 for e in examples)
    graded = sum(len(e) - e.prompt_length for e in examples) if masked else tokens
    flops = training_flops(config, tokens, graded, tokens / len(examples))
    return {"tokens_per_example": tokens / len(examples), "gflop_per_token": flops / tokens / 1e9}


def work(config: GPTConfig, who: str, batches: Iterable[Batch], passes: int) -> dict[str, float]:
    """What we compute, in a step or in all: GFLOP of matrix products in the blocks and in the head, and GB moved.

    `passes` is 3 for training (forward, and two products backward), 1 for a loss alone.
    """
    blocks = training_flops(config, 1, 0, 0) * passes / 3 / 1e9
    head = training_flops(config, 0, 1, 0) * passes / 3 / 1e9
    sizes = []
    for batch in batches:
        tree = prefix_tree(batch.inputs, batch.targets, share="nothing shared" not in who)
        padded = "padded" in who
        sizes.append((batch.inputs.numel(), batch.graded) if padded else (len(tree.ids), len(tree.edges)))
    nodes, edges = (sum(numbers) / (len(sizes) if passes == 3 else 1) for numbers in zip(*sizes, strict=True))
    P = parameter_count(config) / 1e9
    kept, fresh = (40 * P, 4 * P) if passes == 3 else (0.0, 0.0)  # AdamW 28, the norm and the clip 12; the gradient 4
    fresh += edges * config.vocab_size * 4 / 1e9
    return {"blocks_gflop": nodes * blocks, "head_gflop": edges * head, "kept_gb": kept, "fresh_gb": fresh}


def train_unit(job: str, who: str, config: GPTConfig, examples: list[Encoded], steps: int) -> dict[str, Any]:
    """Steps on batches in a fixed order; the first is not timed."""
    part = training_part(examples)
    made = TRAINERS[job][who]
    if isinstance(made, tuple):
        taken = trainer_times(config, part, steps + 1, *made)
    else:
        step, taken = made(config), []
        for i in range(steps + 1):
            start = time.perf_counter()
            loss, tokens = step(part[i * BATCH : (i + 1) * BATCH])
            taken.append((loss, tokens, time.perf_counter() - start))
    rates = [tokens / seconds for _, tokens, seconds in taken[1:]]
    needs = needed(config, part[BATCH : (steps + 1) * BATCH], masked=job == "train-response")
    result = {"loss": taken[0][0], "rates": rates, **needs}
    if who.startswith("ours"):
        cuts = [part[i * BATCH : (i + 1) * BATCH] for i in range(1, steps + 1)]
        batches = [collate(cut, mask_prompt=job == "train-response") for cut in cuts]
        result["work"] = work(config, who, batches, 3) | {"tokens": sum(e.tokens for e in batches) / steps}
    return result


def evaluate_unit(who: str, config: GPTConfig, examples: list[Encoded], repeats: int) -> dict[str, Any]:
    """The last 5 %, as the book splits."""
    part, rates, loss = examples[int(len(examples) * 0.95) :], [], 0.0
    run = EVALUATORS[who](config)
    for _ in range(repeats + 1):
        start = time.perf_counter()
        loss, tokens = run(part)
        rates.append(tokens / (time.perf_counter() - start))
    needs = needed(config, part, masked=False)
    result = {"loss": loss, "rates": rates[1:], **needs, "gflop_per_token": needs["gflop_per_token"] / 3}
    if who.startswith("ours"):
        batches = list(in_order(part, 16, mask_prompt=False))
        result["work"] = work(config, who, batches, 1) | {"tokens": sum(b.tokens for b in batches)}
    return result


def generate_unit(who: str, config: GPTConfig, data: Path, repeats: int) -> dict[str, Any]:
    """16 prompts, 64 new tokens each, greedy, none ended by EOT."""
    prompts = [encode_prompt(e, ALPACA) for e in load_examples(data)[:16]]
    run, rates = GENERATORS[who](config), []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        made = run(prompts, 64)
        rates.append(made / (time.perf_counter() - start))
    weights = parameter_count(config) * (2 if "bf16" in who else 4)  # each read once for a token of all prompts
    gflop = training_flops(config, 1, 1, 0) / 3 / 1e9  # forward alone
    return {"rates": rates[1:], "gb_per_token": weights / len(prompts) / 1e9, "decode_gflop_per_token": gflop}


def tokenise_unit(who: str, data: Path) -> dict[str, Any]:
    """50,000 examples: the entries of `data` again and again, each with its number, so that no cache helps."""
    from ift_lib.encoding import BPE_FOLDER, get_tokenizer

    entries = load_examples(data)
    many = [dataclasses.replace(e, instruction=f"{i}. {e.instruction}") for i, e in
            zip(range(50_000), entries * (50_000 // len(entries) + 1), strict=False)]  # fmt: skip
    texts = [ALPACA.prompt(e) + ALPACA.response(e) for e in many]
    get_tokenizer()

    def fast() -> Callable[[], Any]:
        from transformers import GPT2TokenizerFast

        tokenizer = GPT2TokenizerFast(str(BPE_FOLDER / "encoder.json"), str(BPE_FOLDER / "vocab.bpe"))
        return lambda: tokenizer(texts)

    runs: dict[str, Callable[[], Callable[[], Any]]] = {
        "ours": lambda: lambda: [encode_example(e, ALPACA) for e in many],
        "tiktoken in a loop": lambda: lambda: [get_tokenizer().encode_ordinary(t) for t in texts],
        "transformers, fast tokenizer": fast,
    }
    run = runs[who]()
    start = time.perf_counter()
    run()
    return {"rates": [len(many) / (time.perf_counter() - start)]}


TOKENISERS = ("ours", "tiktoken in a loop", "transformers, fast tokenizer")


def machine_unit(config: GPTConfig) -> dict[str, Any]:
    """What the machine can do: matrix products at the sizes of this model, in GFLOP/s, and memory in GB/s."""

    def best(run: Callable[[], Any], amount: float) -> float:
        seconds = []
        for _ in range(7):
            start = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - start)
        return round(amount / min(seconds) / 1e9, 1)

    inner, rates = config.n_embd, dict[str, Any]()
    for name, rows, outer in (
        ("block, 300 rows", 300, config.d_inner),
        ("block, 460 rows", 460, config.d_inner),
        ("head, 100 rows", 100, config.vocab_size),
        ("head, 300 rows", 300, config.vocab_size),
        ("decode, 16 rows", 16, config.d_inner),
    ):
        rates[name] = {}
        for dtype in (torch.float32, torch.bfloat16):
            x, weight = torch.randn(rows, inner).to(dtype), torch.randn(outer, inner).to(dtype)
            rates[name][str(dtype).removeprefix("torch.")] = best(
                lambda x=x, w=weight: x @ w.T, 2 * rows * inner * outer
            )  # type: ignore[misc]
    block, kept = torch.ones(2**26), torch.empty(2**26)  # 256 MB each
    rates["copy to kept memory"] = best(lambda: kept.copy_(block), 2 * block.nbytes)
    rates["write to fresh memory"] = best(lambda: torch.ones(2**26), block.nbytes)
    return {"rates": [], "machine": rates}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=[*TRAINERS, "evaluate", "generate", "tokenise", "machine"])
    parser.add_argument("who")
    parser.add_argument("--shape", default="gpt2", choices=[*SIZES, "tiny"])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    config = shape(args.shape)
    everyone, own = cpu_seconds()
    start = time.perf_counter()
    if args.job in TRAINERS:
        result = train_unit(args.job, args.who, config, encoded(args.data), args.steps)
    elif args.job == "evaluate":
        result = evaluate_unit(args.who, config, encoded(args.data), max(1, args.steps // 4))
    elif args.job == "generate":
        result = generate_unit(args.who, config, args.data, max(1, args.steps // 2))
    elif args.job == "tokenise":
        result = tokenise_unit(args.who, args.data)
    else:
        result = machine_unit(config)
    then, now = cpu_seconds()
    seconds = time.perf_counter() - start
    others = max(0.0, (then - everyone) - (now - own)) / (seconds * (os.cpu_count() or 1))
    result |= {"peak_gb": round(peak_gb(), 2), "others_cpu": round(others, 3)}
    result["rate"] = statistics.median(result["rates"]) if result["rates"] else None
    print(json.dumps(result))


if __name__ == "__main__":
    main()
