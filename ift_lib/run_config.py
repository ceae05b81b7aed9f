"""What a run is asked to do: everything that decides its outcome, as it stands in RUN/config.json."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ift_lib.data import EMBEDDED
from ift_lib.errors import InputError
from ift_lib.lora import LoRAConfig
from ift_lib.templates import TEMPLATES
from ift_lib.train_config import TrainConfig


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides the outcome of a run."""

    data: str = "embedded"
    """Path of the data file, "embedded" for the course's own, or a data set (`hub_data.py`)."""
    model: str = "pocket"
    """What `load_pretrained` takes: a name or a folder."""
    template: str = "alpaca"
    """A name of TEMPLATES."""
    device: str = "auto"
    """cpu, cuda, mps, or auto for the best there is."""
    precision: str = "auto"
    """fp32, bf16, or auto: bf16 on a GPU that computes in it."""
    compile: bool = False
    """Train with torch.compile."""
    checkpoint_activations: bool = False
    """Train in less memory, computing each block twice."""
    layout: str = "shared"
    """What a loss computes on a CPU, one of LAYOUTS of model.py."""
    shard: bool = False
    """Share the parameters out over the processes (FSDP2) instead of giving each all of them (DDP)."""
    skip_problems: bool = False
    """Leave out entries that cannot be used, instead of refusing the file."""
    validation: float = 0.05
    """Share of the examples for the validation split."""
    test: float = 0.10
    """Share of the examples for the test split."""
    max_validation: int | None = 1000
    """At most so many examples for the validation split, which is measured again and again."""
    max_test: int | None = 1000
    """At most so many examples for the test split, each of which is answered twice. None means no bound."""
    max_new_tokens: int = 128
    """Longest answer in tokens."""
    lora: LoRAConfig | None = None
    """Train adapters of this size; None trains all weights."""
    dataset: str | None = None
    """The data set that `data` was written from."""
    tensorboard: bool = False
    """Write the curves for TensorBoard too."""
    train: TrainConfig = field(default_factory=TrainConfig)
    """How to train."""

    def __post_init__(self) -> None:
        if self.template not in TEMPLATES:
            raise InputError(f"template {self.template!r}: unknown; choose one of {', '.join(TEMPLATES)}")
        if self.max_new_tokens < 1:
            raise InputError(f"max_new_tokens={self.max_new_tokens}: must be at least 1")
        if self.lora and self.shard:
            raise InputError("--lora with --shard: adapters are not sharded, and need little memory; leave one out")
        for name in ("max_validation", "max_test"):
            if (bound := getattr(self, name)) is not None and bound < 1:
                raise InputError(f"{name}={bound}: must be at least 1")

    @property
    def data_path(self) -> Path:
        """The data file."""
        return EMBEDDED if self.data == "embedded" else Path(self.data)

    def shares(self, count: int) -> dict[str, float]:
        """The shares of `count` examples for validation and test, within the bounds."""
        bounds = {"validation": self.max_validation, "test": self.max_test}
        wanted = {"validation": self.validation, "test": self.test}
        return {
            name: share if (bound := bounds[name]) is None or count * share <= bound else bound / count
            for name, share in wanted.items()
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> RunConfig:
        """The inverse of `dataclasses.asdict`; names it does not know are left aside, and older runs had no bounds."""
        data = {"max_validation": None, "max_test": None} | data
        own = {f.name: data[f.name] for f in fields(cls) if f.name in data}
        lora = data.get("lora") and LoRAConfig(**data["lora"] | {"targets": tuple(data["lora"]["targets"])})
        return cls(**own | {"lora": lora, "train": TrainConfig(**data["train"])})


def default_lr(model: str, lora: bool = False) -> float:
    """3e-4 for the small pocket model, 5e-5 for OpenAI's sizes and everything else; with LoRA ten times as much.

    (Measured on the pocket model only, rank 8, 50 steps: validation loss 2.76 at 1e-3, 2.43 at 3e-3, 2.29 at 1e-2.)
    """
    return (TrainConfig.lr if model == "pocket" else 5e-5) * (10 if lora else 1)
