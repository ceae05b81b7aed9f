"""Us and the peers, each as a function that builds a model and returns the step to time.

    trainers    step(examples) -> (loss, tokens)          one optimizer step of 8 examples
    evaluators  run(examples) -> (loss, tokens)           the mean loss over all of them, no gradient
    generators  run(prompts, new) -> number of new tokens

Tokens are the predicted ones that are no padding, of the examples consumed, whoever computes more or fewer rows. All
models begin with the same weights, so that the first loss tells whether all compute the same; litgpt has no GPT-2 and
runs its GPT-NeoX block at the same widths. Every peer is used the way its own documentation or book does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ift_lib.batching import collate, in_order
from ift_lib.encoding import EOT, IGNORE, Encoded
from ift_lib.generation import generate_ids
from ift_lib.hardware import keep_freed_memory
from ift_lib.model import GPT, GPTConfig
from ift_lib.training import TrainConfig, evaluate, make_optimizer, train_step

Step = Callable[[Sequence[Encoded]], tuple[float, int]]
LR, DECAY = 5e-5, 0.1


def reference(config: GPTConfig) -> GPT:
    """Our model with the weights that everybody begins with."""
    return GPT(config).init_weights(torch.Generator().manual_seed(0))


def tokens_of(examples: Sequence[Encoded]) -> int:
    """Predicted tokens: all but each example's first."""
    return sum(len(e) - 1 for e in examples)


# --- us ---


def ours(config: GPTConfig, masked: bool, layout: str, precision: str) -> Step:
    keep_freed_memory()  # as `ift run` does
    model = reference(config).train()
    model.layout = layout
    optimizer = make_optimizer(model, TrainConfig(lr=LR, weight_decay=DECAY))

    def step(examples: Sequence[Encoded]) -> tuple[float, int]:
        loss = train_step(model, optimizer, [collate(examples, mask_prompt=masked)], LR, 1.0, precision)
        return loss.mean, tokens_of(examples)

    return step


def evaluate_ours(config: GPTConfig, precision: str) -> Step:
    keep_freed_memory()
    model = reference(config)
    return lambda examples: (
        evaluate(model, in_order(examples, 16, mask_prompt=False), precision).mean,
        tokens_of(examples),
    )


def generate_ours(config: GPTConfig, precision: str) -> Callable[[Sequence[Sequence[int]], int], int]:
    keep_freed_memory()
    model = reference(config)
    return lambda prompts, new: sum(map(len, generate_ids(model, prompts, new, precision=precision)))


# --- the book: Raschka, Build a Large Language Model (From Scratch), package llms-from-scratch ---


def book_model(config: GPTConfig) -> nn.Module:
    from llms_from_scratch.ch04 import GPTModel

    settings = {
        "vocab_size": config.vocab_size, "context_length": config.n_positions, "emb_dim": config.n_embd,
        "n_heads": config.n_head, "n_layers": config.n_layer, "drop_rate": 0.0, "qkv_bias": True,
    }  # fmt: skip
    book, own = GPTModel(settings), reference(config)
    with torch.no_grad():
        book.tok_emb.weight.copy_(own.wte.weight)
        book.out_head.weight.copy_(own.wte.weight)  # the book's output layer is its own
        book.pos_emb.weight.copy_(own.wpe.weight)
        norms = [(book.final_norm, own.ln_f)]
        for theirs, block in zip(book.trf_blocks, own.h, strict=True):
            norms += [(theirs.norm1, block.ln_1), (theirs.norm2, block.ln_2)]
            for i, name in enumerate(("W_query", "W_key", "W_value")):
                layer, part = getattr(theirs.att, name), slice(i * config.n_embd, (i + 1) * config.n_embd)
                layer.weight.copy_(block.attn.c_attn.weight[part])
                layer.bias.copy_(block.attn.c_attn.bias[part])
            theirs.att.out_proj.load_state_dict(block.attn.c_proj.state_dict())
            theirs.ff.layers[0].load_state_dict(block.mlp.c_fc.state_dict())
            theirs.ff.layers[2].load_state_dict(block.mlp.c_proj.state_dict())
        for norm, source in norms:
            norm.scale.copy_(source.weight)
            norm.shift.copy_(source.bias)
    return book


def book(config: GPTConfig) -> Step:
    from llms_from_scratch.ch05 import calc_loss_batch
    from llms_from_scratch.ch07 import custom_collate_fn

    model = book_model(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=DECAY)

    def step(examples: Sequence[Encoded]) -> tuple[float, int]:
        inputs, targets = custom_collate_fn([list(e.ids[:-1]) for e in examples])  # it appends the EOT
        optimizer.zero_grad()
        loss = calc_loss_batch(inputs, targets, model, "cpu")
        loss.backward()
        optimizer.step()
        return loss.item(), tokens_of(examples)

    return step


def evaluate_book(config: GPTConfig) -> Step:
    from llms_from_scratch.ch05 import calc_loss_batch
    from llms_from_scratch.ch07 import custom_collate_fn

    model = book_model(config).eval()

    @torch.no_grad()
    def run(examples: Sequence[Encoded]) -> tuple[float, int]:
        total = 0.0
        for at in range(0, len(examples), 8):
            part = examples[at : at + 8]
            inputs, targets = custom_collate_fn([list(e.ids[:-1]) for e in part])
            total += calc_loss_batch(inputs, targets, model, "cpu").item() * tokens_of(part)
        return total / tokens_of(examples), tokens_of(examples)

    return run


def generate_book(config: GPTConfig) -> Callable[[Sequence[Sequence[int]], int], int]:
    from llms_from_scratch.ch05 import generate

    model = book_model(config).eval()

    def run(prompts: Sequence[Sequence[int]], new: int) -> int:
        made = 0
        for prompt in prompts[:2]:
            out = generate(model, torch.tensor([prompt]), max_new_tokens=16, context_size=config.n_positions)
            made += out.shape[1] - len(prompt)
        return made

    return run


# --- Hugging Face: transformers, TRL ---


def hf_model(config: GPTConfig) -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel

    theirs = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=config.vocab_size, n_positions=config.n_positions, n_embd=config.n_embd, n_layer=config.n_layer,
            n_head=config.n_head, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
        )
    )  # fmt: skip
    # Their layers are Conv1D, whose matrices lie the other way round.
    turned = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
    state = {k: v.T if k.endswith(turned) else v for k, v in reference(config).state_dict().items()}
    theirs.transformer.load_state_dict(state)
    return theirs


def hf_batch(examples: Sequence[Encoded]) -> dict[str, Tensor]:
    width = max(map(len, examples))
    pad = lambda e, filler: [*e.ids, *[filler] * (width - len(e))]  # noqa: E731
    return {
        "input_ids": torch.tensor([pad(e, EOT) for e in examples]),
        "labels": torch.tensor([pad(e, IGNORE) for e in examples]),
        "attention_mask": torch.tensor([[1] * len(e) + [0] * (width - len(e)) for e in examples]),
    }


def hf_loop(config: GPTConfig, precision: str = "fp32") -> Step:
    model = hf_model(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=DECAY)

    def step(examples: Sequence[Encoded]) -> tuple[float, int]:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = model(**hf_batch(examples)).loss
        loss.backward()
        optimizer.step()
        return loss.item(), tokens_of(examples)

    return step


def evaluate_hf(config: GPTConfig, precision: str) -> Step:
    model = hf_model(config).eval()

    @torch.no_grad()
    def run(examples: Sequence[Encoded]) -> tuple[float, int]:
        total = 0.0
        for at in range(0, len(examples), 8):
            part = examples[at : at + 8]
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                total += model(**hf_batch(part)).loss.item() * tokens_of(part)
        return total / tokens_of(examples), tokens_of(examples)

    return run


def generate_hf(config: GPTConfig, precision: str, together: bool) -> Callable[[Sequence[Sequence[int]], int], int]:
    model = hf_model(config).eval()
    model.generation_config.eos_token_id = None  # all make the same number of tokens

    @torch.no_grad()
    def run(prompts: Sequence[Sequence[int]], new: int) -> int:
        made = 0
        for group in [prompts] if together else [[p] for p in prompts[:2]]:
            width = max(map(len, group))
            ids = torch.tensor([[EOT] * (width - len(p)) + list(p) for p in group])  # padded on the left, as it asks
            mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in group])
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                out = model.generate(
                    ids, attention_mask=mask, max_new_tokens=new, min_new_tokens=new, do_sample=False, pad_token_id=EOT
                )
            made += (out.shape[1] - width) * len(group)
        return made

    return run


def trainer_times(
    config: GPTConfig, examples: Sequence[Encoded], steps: int, kind: str, precision: str
) -> list[tuple[float, int, float]]:
    """Steps of `transformers.Trainer` or TRL's SFTTrainer as (loss, tokens, seconds): they own their loops.

    `kind` is trainer, or pad, pack or completion for TRL. Examples in order, 8 a step; packed, one row of 1024.
    """
    import tempfile

    from datasets import Dataset
    from transformers import DataCollatorForSeq2Seq, GPT2TokenizerFast, Trainer, TrainingArguments

    from ift_lib.encoding import BPE_FOLDER

    tokenizer = GPT2TokenizerFast(str(BPE_FOLDER / "encoder.json"), str(BPE_FOLDER / "vocab.bpe"))
    tokenizer.pad_token = tokenizer.eos_token
    taken: list[tuple[float, int, float]] = []

    class Timed:
        """What is added to either trainer: a clock around each step, and examples in their order."""

        def _get_train_sampler(self, *args: Any) -> Any:
            return torch.utils.data.SequentialSampler(self.train_dataset)  # type: ignore[attr-defined]

        def training_step(self, model: Any, inputs: Any, *more: Any) -> Tensor:
            rows = int((inputs["position_ids"] == 0).sum()) if "position_ids" in inputs else len(inputs["input_ids"])
            real = inputs.get("attention_mask")
            tokens = int(inputs["input_ids"].numel() if real is None else real.sum()) - rows
            taken.append((0.0, tokens, time.perf_counter()))
            loss = super().training_step(model, inputs, *more)  # type: ignore[misc]
            taken[-1] = (loss.item(), *taken[-1][1:])
            return loss

    common: dict[str, Any] = {
        "output_dir": tempfile.mkdtemp(), "max_steps": steps + 1, "learning_rate": LR, "weight_decay": DECAY,
        "lr_scheduler_type": "constant", "report_to": [], "save_strategy": "no", "logging_strategy": "no",
        "disable_tqdm": True, "use_cpu": True, "bf16": precision == "bf16", "gradient_checkpointing": False,
        "per_device_train_batch_size": 1 if kind == "pack" else 8,
    }  # fmt: skip
    if kind == "trainer":
        rows = [{"input_ids": list(e.ids), "attention_mask": [1] * len(e), "labels": list(e.ids)} for e in examples]
        cls = type("TimedTrainer", (Timed, Trainer), {})
        trainer = cls(
            model=hf_model(config),
            args=TrainingArguments(**common),
            train_dataset=Dataset.from_list(rows),
            data_collator=DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=IGNORE),
        )
    else:
        from trl import SFTConfig, SFTTrainer

        rows = [
            {
                "input_ids": list(e.ids),
                "completion_mask": [0] * e.prompt_length + [1] * (len(e) - e.prompt_length),
            }
            for e in examples
        ]
        if kind != "completion":
            rows = [{"input_ids": row["input_ids"]} for row in rows]
        cls = type("TimedSFTTrainer", (Timed, SFTTrainer), {})
        trainer = cls(
            model=hf_model(config),
            args=SFTConfig(
                **common, max_length=1024, packing=kind == "pack", completion_only_loss=kind == "completion"
            ),
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
        )
    trainer.train()
    starts = [start for _, _, start in taken]
    return [
        (loss, tokens, after - start)  # from step to step, so that the optimizer and the loop's own work count
        for (loss, tokens, start), after in zip(taken, starts[1:], strict=False)
    ]


# --- litgpt ---


def litgpt(config: GPTConfig) -> Step:
    from litgpt.config import Config
    from litgpt.model import GPT as LitGPT
    from litgpt.utils import chunked_cross_entropy

    model = LitGPT(
        Config(
            name="gpt2-widths", block_size=config.n_positions, n_layer=config.n_layer, n_embd=config.n_embd,
            n_head=config.n_head, vocab_size=config.vocab_size, padded_vocab_size=config.vocab_size,
            parallel_residual=False, mlp_class_name="GptNeoxMLP", norm_class_name="LayerNorm",
        )
    ).train()  # fmt: skip
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=DECAY)

    def step(examples: Sequence[Encoded]) -> tuple[float, int]:
        batch = hf_batch(examples)
        optimizer.zero_grad()
        logits = model(batch["input_ids"])
        loss = chunked_cross_entropy(logits[..., :-1, :], batch["labels"][..., 1:], chunk_size=0)
        loss.backward()
        optimizer.step()
        return loss.item(), tokens_of(examples)

    return step


TRAINERS: dict[str, dict[str, Callable[[GPTConfig], Step] | tuple[str, str]]] = {
    "train-all": {
        "ours": lambda c: ours(c, False, "shared", "fp32"),
        "ours, nothing shared": lambda c: ours(c, False, "flat", "fp32"),
        "ours, padded": lambda c: ours(c, False, "padded", "fp32"),
        "ours, bf16": lambda c: ours(c, False, "shared", "bf16"),
        "book": book,
        "transformers": hf_loop,
        "transformers, bf16": lambda c: hf_loop(c, "bf16"),
        "transformers Trainer": ("trainer", "fp32"),
        "TRL, padded": ("pad", "fp32"),
        "TRL, packed": ("pack", "fp32"),
        "litgpt": litgpt,
    },
    "train-response": {
        "ours": lambda c: ours(c, True, "shared", "fp32"),
        "ours, nothing shared": lambda c: ours(c, True, "flat", "fp32"),
        "ours, bf16": lambda c: ours(c, True, "shared", "bf16"),
        "TRL, completion only": ("completion", "fp32"),
        "TRL, completion only, bf16": ("completion", "bf16"),
    },
}
EVALUATORS: dict[str, Callable[[GPTConfig], Step]] = {
    "ours": lambda c: evaluate_ours(c, "fp32"),
    "ours, bf16": lambda c: evaluate_ours(c, "bf16"),
    "book": evaluate_book,
    "transformers": lambda c: evaluate_hf(c, "fp32"),
    "transformers, bf16": lambda c: evaluate_hf(c, "bf16"),
}
GENERATORS: dict[str, Callable[[GPTConfig], Callable[[Sequence[Sequence[int]], int], int]]] = {
    "ours": lambda c: generate_ours(c, "fp32"),
    "ours, bf16": lambda c: generate_ours(c, "bf16"),
    "transformers": lambda c: generate_hf(c, "fp32", together=True),
    "transformers, bf16": lambda c: generate_hf(c, "bf16", together=True),
    "transformers, one by one": lambda c: generate_hf(c, "fp32", together=False),
    "book": generate_book,
}
