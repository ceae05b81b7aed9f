"""Many processes, one result: `torchrun --nproc-per-node=4 -m ift_lib run …`.

    rank 0   examples 0 4 8 …  ──► gradient ─┐                         ┌─► step
    rank 1   examples 1 5 9 …  ──► gradient ─┼─► sum / graded tokens ──┼─► step       DDP: every rank has all weights
    rank 2   examples 2 6 …    ──► gradient ─┘   of all ranks          └─► step       FSDP2: every rank has its share

Each rank works on its share of what one process would do, and sums travel with their counts, so that losses, gradients
and decisions are those of one process. Only rank 0 reads weights, writes files and speaks. Without torchrun there is
one rank, and every function here does nothing, or the plain thing.

FSDP2 is imported where it is used: it would add a second or more to every start.

A rank that dies is noticed by torchrun, which ends the others. No decision may therefore depend on what one rank
alone knows: whoever waits in a collective that another rank never enters waits until the whole job is ended.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from itertools import islice
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ift_lib.errors import InputError
from ift_lib.model import GPT, GPTConfig

T = TypeVar("T")

LONGEST_WAIT = timedelta(hours=1)
"""How long a rank waits for the others: a download, or a checkpoint on a slow disk, takes a while."""


@contextmanager
def joined() -> Iterator[None]:
    """Inside, the processes that torchrun started are one group: gloo between CPUs, NCCL between GPUs."""
    if "TORCHELASTIC_RUN_ID" not in os.environ or dist.is_initialized():
        yield
        return
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=LONGEST_WAIT)
    yield
    dist.barrier()  # whoever is early waits: a rank that leaves takes its connections with it
    dist.destroy_process_group()


def rank() -> int:
    """This process's number, 0 for the first or only one."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def share(items: Iterable[T]) -> Iterator[T]:
    """This rank's part: every world_size-th item. Neighbours in length go to different ranks."""
    return islice(items, rank(), None, world_size())


# --- small things: decisions, sums, errors ---


def from_main(do: Callable[[], T]) -> T:
    """`do` on rank 0 alone, while the others wait; every rank gets its result, or raises its error as InputError."""
    if world_size() == 1:
        return do()
    outcome: list[Any] = list(_try(do)) if rank() == 0 else [None, None]
    dist.broadcast_object_list(outcome)
    if outcome[1] is not None:
        raise InputError(outcome[1])
    return outcome[0]


def main_first(do: Callable[[], T]) -> T:
    """`do` on rank 0, then on the others, which find what it left; an error of one is raised on all, as InputError."""
    if world_size() == 1:
        return do()
    result: list[Any] = []
    for turn in (rank() == 0, rank() != 0):
        outcome, error = _try(do) if turn else (None, None)
        if errors := [e for e in gather(error) if e is not None]:
            raise InputError(errors[0])
        if turn:
            result.append(outcome)
    return result[0]


def _try(do: Callable[[], T]) -> tuple[T | None, str | None]:
    """The result, or the message of an error that the user can mend."""
    try:
        return do(), None
    except (InputError, OSError) as e:
        return None, str(e)


def gather(own: T) -> list[T]:
    """What each rank has, in the order of ranks, on every rank: small objects, not weights."""
    everyone: list[Any] = [own] * world_size()
    if world_size() > 1:
        dist.all_gather_object(everyone, own)
    return everyone


def add_up(*own: float) -> list[float]:
    """Each number summed over the ranks. Added in the order of ranks, so every rank has the same bits and so decides
    the same (of an all_reduce that need not be true)."""
    if world_size() == 1:
        return list(own)
    mine = torch.tensor(own, dtype=torch.float64)
    everyone = [torch.empty_like(mine) for _ in range(world_size())]
    dist.all_gather(everyone, mine)
    return torch.stack(everyone).sum(dim=0).tolist()


# --- the model ---


def replicate(model: GPT, *, compile: bool = False) -> nn.Module:
    """What to train with: DistributedDataParallel, which averages gradients over the ranks, or `model` itself when it
    is sharded (FSDP2 averages them too) or there is one process; with `compile`, compiled (torch.compile)."""
    module: nn.Module = torch.compile(model) if compile else model  # type: ignore[assignment]
    if world_size() == 1 or is_sharded(model):
        return module
    return DistributedDataParallel(
        module,
        device_ids=[model.device] if model.device.type == "cuda" else None,
        gradient_as_bucket_view=True,  # no second copy of the gradients
    )


def without_sync(model: nn.Module) -> AbstractContextManager[None]:
    """For all backward passes of a step but the last: DDP then sums gradients over the ranks once.

    A sharded model sums after each: what it holds between two is then its share of the gradient, not all of it.
    """
    return model.no_sync() if isinstance(model, DistributedDataParallel) else nullcontext()


def shard(model: GPT, device: torch.device) -> GPT:
    """Cut `model` in place (FSDP2): a rank keeps its share of each parameter, on `device`; the weights are rank 0's.

    Each block is gathered when it is needed and freed again. The root unit holds the rest, first of all `wte`, which
    begins and ends a forward pass (the output layer is its transpose), and stays whole from the one to the other.
    Raises InputError without torchrun: there is nobody to share with.
    """
    if world_size() == 1:
        raise InputError("--shard: needs several processes; start with torchrun --nproc-per-node=N, or leave it out")
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    weights = model.state_dict()  # meta on all ranks but 0
    model.to("meta")
    mesh = init_device_mesh(device.type, (world_size(),))
    for block in model.h:
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    model.to_empty(device=device)
    spread(weights, model.state_dict())
    return model


def is_sharded(model: nn.Module) -> bool:
    """Whether `shard` was here."""
    if world_size() == 1:
        return False
    from torch.distributed.fsdp import FSDPModule

    return isinstance(model, FSDPModule)


def _is_part(t: Tensor) -> bool:
    """Whether a tensor is this rank's part of a larger one."""
    if world_size() == 1:
        return False
    from torch.distributed.tensor import DTensor

    return isinstance(t, DTensor)


def shared_model(load: Callable[[], GPT], device: torch.device, *, sharded: bool) -> GPT:
    """The model that `load` gives on rank 0, on every rank: read, or downloaded, once. `sharded` cuts it (`shard`)."""
    loaded: list[GPT] = []
    if world_size() == 1 and not sharded:
        return load().to(device)

    def read() -> GPTConfig:
        loaded.append(load())
        return loaded[0].config

    config = from_main(read)
    with torch.device("meta"):
        model = loaded[0] if loaded else GPT(config)
    if sharded:
        return shard(model, device)
    model = model.to(device) if loaded else model.to_empty(device=device)
    spread(model.state_dict(), model.state_dict())
    return model


@contextmanager
def in_step(model: GPT) -> Iterator[None]:
    """Inside, each rank runs as many forward passes of a sharded model as its own work needs.

    Every pass gathers weights from all ranks, so all must make it together: before each, a busy rank says so, and
    at the end of the block a rank that is done keeps passing one token through as long as another is busy.
    """
    if not is_sharded(model):
        yield
        return
    hook = model.register_forward_pre_hook(lambda *_: add_up(1) and None, prepend=True)
    try:
        yield
    finally:
        hook.remove()
    with torch.no_grad():
        while add_up(0)[0]:
            model(torch.zeros(1, 1, dtype=torch.long, device=model.device))
    # Without a backward pass the root unit would stay whole, and an optimizer made now would train the gathered copies.
    model.reshard()  # type: ignore[operator]


# --- weights and moments, whole on rank 0 and in parts elsewhere ---


@torch.no_grad()
def gathered(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies of all the tensors, whole, in rank 0's CPU memory; nothing on the others, which must call it too."""
    whole = {}
    for name, t in tensors.items():
        whole_t = t.full_tensor() if _is_part(t) else t  # type: ignore[attr-defined]  # one at a time, to fit
        if rank() == 0:
            whole[name] = whole_t.detach().cpu().clone()
    return whole


@torch.no_grad()
def spread(whole: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> None:
    """Fill `targets` on every rank, a shard with its part, from rank 0's tensors of the same names."""
    for name, target in targets.items():
        if world_size() == 1:
            target.copy_(whole[name])
            continue
        if rank() == 0:
            t = whole[name].to(target.device).contiguous()
        else:
            t = torch.empty(target.shape, dtype=target.dtype, device=target.device)
        if _is_part(target):
            from torch.distributed.tensor import distribute_tensor

            target.copy_(distribute_tensor(t, target.device_mesh, target.placements))  # type: ignore[attr-defined]
        else:
            dist.broadcast(t, 0)
            target.copy_(t)


def whole_model(model: GPT) -> GPT | None:
    """The model to write down: itself, or put together from its shards in rank 0's CPU memory. None elsewhere."""
    if not is_sharded(model):
        return model if rank() == 0 else None
    weights = gathered(model.state_dict())
    if rank() != 0:
        return None
    with torch.device("meta"):
        whole = GPT(model.config)
    whole.load_state_dict(weights, assign=True)
    return whole
