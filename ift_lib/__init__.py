"""Teach GPT-2 to follow instructions: one file, one idea, in the order an example travels.

data ► templates ► encoding ► batching ► model, loss ► training ► stopping, plots ► generation ► evaluation

`import ift_lib` itself imports nothing more: PyTorch takes seconds, and not everybody needs it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ift_lib.adapters import load_adapter, save_adapter
    from ift_lib.batching import Batch, batch_order, collate, in_order, too_long
    from ift_lib.data import (
        Example,
        Problem,
        Split,
        find_duplicates,
        find_problems,
        load_examples,
        save_examples,
        split_examples,
    )
    from ift_lib.encoding import (
        EOT,
        IGNORE,
        Encoded,
        decode,
        encode_example,
        encode_prompt,
        get_tokenizer,
        show_supervision,
    )
    from ift_lib.errors import InputError
    from ift_lib.export import export_pretrained
    from ift_lib.generation import Response, Sampling, generate_ids, respond
    from ift_lib.history import History, Point
    from ift_lib.lora import LoRAConfig, add_lora, lora_parameter_count, merge_lora, trainable_parameter_count
    from ift_lib.loss import LossSum, plain_response_loss, response_loss
    from ift_lib.model import GPT, SIZES, GPTConfig, KVCache
    from ift_lib.stopping import EarlyStopping, Overfitting, detect_overfitting
    from ift_lib.templates import ALPACA, ALPACA_STANFORD, CHATML, PHI3, PHI3_END, TEMPLATES, Template
    from ift_lib.training import TrainConfig, accumulate_gradients, evaluate, train, train_step
    from ift_lib.weights import load_pretrained

__all__ = [
    "ALPACA",
    "ALPACA_STANFORD",
    "CHATML",
    "EOT",
    "GPT",
    "IGNORE",
    "PHI3",
    "PHI3_END",
    "SIZES",
    "TEMPLATES",
    "Batch",
    "EarlyStopping",
    "Encoded",
    "Example",
    "GPTConfig",
    "History",
    "InputError",
    "KVCache",
    "LoRAConfig",
    "LossSum",
    "Overfitting",
    "Point",
    "Problem",
    "Response",
    "Sampling",
    "Split",
    "Template",
    "TrainConfig",
    "accumulate_gradients",
    "add_lora",
    "batch_order",
    "collate",
    "decode",
    "detect_overfitting",
    "encode_example",
    "encode_prompt",
    "evaluate",
    "export_pretrained",
    "find_duplicates",
    "find_problems",
    "generate_ids",
    "get_tokenizer",
    "in_order",
    "load_adapter",
    "load_examples",
    "load_pretrained",
    "lora_parameter_count",
    "merge_lora",
    "plain_response_loss",
    "respond",
    "response_loss",
    "save_adapter",
    "save_examples",
    "show_supervision",
    "split_examples",
    "too_long",
    "train",
    "train_step",
    "trainable_parameter_count",
]

_MODULES = """
    errors data templates encoding batching model lora loss history stopping training hub export weights adapters
    generation
""".split()


def __getattr__(name: str) -> Any:
    """Import a name of `__all__` when it is first asked for, from the first module on the way that has it."""
    if name in __all__:
        for module in _MODULES:
            if hasattr(found := import_module(f"ift_lib.{module}"), name):
                globals()[name] = getattr(found, name)
                return globals()[name]
    raise AttributeError(f"module 'ift_lib' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
