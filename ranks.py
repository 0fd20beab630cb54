"""One training in several processes, which torchrun has started, and what they tell each other.

    uv run torchrun --nproc-per-node 2 pretrain_visual.py --epochs 100

Each process (rank) runs the script on its part of every batch, or of the environments; gradients
are averaged, so that all have the same weights. Only the first writes. Without torchrun there is
one rank, and nothing here costs anything.
"""

import atexit
import contextlib
import datetime
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from cli import RANK

#: How long a rank waits for the others, such as while the first evaluates or saves.
PATIENCE = datetime.timedelta(hours=1)

count = int(os.environ.get("WORLD_SIZE", "1"))
#: Of those on this machine.
local_rank = int(os.environ.get("LOCAL_RANK", "0"))
local_count = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
is_first = RANK == 0


@contextlib.contextmanager
def joined() -> Iterator[None]:
    """Let all ranks find each other; what others than the first print is not shown."""
    if count == 1:
        yield
        return
    try:
        if not dist.is_initialized():
            # What is on the CPU goes by gloo.
            one_each = local_count <= torch.cuda.device_count()
            backend = "cpu:gloo,cuda:nccl" if one_each else "gloo"
            dist.init_process_group(backend, timeout=PATIENCE)
            atexit.register(dist.destroy_process_group)
        if is_first:
            yield
        else:
            with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
                yield
    except RuntimeError as error:
        is_ours = isinstance(error, dist.DistError) or "gloo" in str(error).lower()
        if not is_ours:
            raise
        raise ValueError(
            "another process of this training has ended: what it says, or torchrun, is the reason; "
            "the same command goes on from what was saved last (if machines cannot reach each "
            "other, name the network's interface: GLOO_SOCKET_IFNAME, NCCL_SOCKET_IFNAME)"
        ) from error


def wait() -> None:
    """Wait until all ranks have come here."""
    greatest(0.0)


def part(batch: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    """Return this rank's part of a batch, tensors (B, ...), whose size the ranks divide."""
    return tuple(tensor.chunk(count)[RANK] for tensor in batch) if count > 1 else batch


def check_divides(flag: str, size: int) -> None:
    """Raise ValueError, which names the flag, for what cannot be shared by all ranks evenly."""
    if size % count:
        raise ValueError(f"expected {flag} to be a multiple of the {count} processes, got {size}")


def average(tensors: Iterable[torch.Tensor]) -> None:
    """Put the mean over all ranks in place of tensors of one device, as one message."""
    if count == 1:
        return
    tensors = list(tensors)
    flat = torch.cat([tensor.detach().float().flatten() for tensor in tensors])
    dist.all_reduce(flat)
    flat /= count
    for tensor, mean in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.detach().copy_(mean.view_as(tensor))


def average_gradients(parameters: Iterable[torch.Tensor]) -> None:
    """Average the gradients of parameters that have one."""
    average(p.grad for p in parameters if p.grad is not None)


def mean(value: torch.Tensor) -> torch.Tensor:
    """Return the mean of a detached tensor over all ranks."""
    if count == 1:
        return value
    value = value.clone()
    average([value])
    return value


def greatest(*values: float) -> list[float]:
    """Return the greatest of each number over all ranks."""
    if count == 1:
        return list(values)
    numbers = torch.tensor(values, dtype=torch.float64)
    dist.all_reduce(numbers, dist.ReduceOp.MAX)
    return numbers.tolist()


def gather(thing: Any) -> list[Any]:
    """Return what every rank has, in order, to every rank."""
    if count == 1:
        return [thing]
    things: list[Any] = [None] * count
    dist.all_gather_object(things, thing)
    return things


def from_first(make: Callable[[], Any]) -> Any:
    """Return to every rank what the first makes: a file is read on its machine alone."""
    if count == 1:
        return make()
    things = [make() if is_first else None]
    dist.broadcast_object_list(things)
    return things[0]


def synchronised(model: nn.Module) -> nn.Module:
    """Let batch normalisation see the whole batch, which torch can do on GPUs."""
    on_gpu = next(model.parameters()).is_cuda
    return nn.SyncBatchNorm.convert_sync_batchnorm(model) if count > 1 and on_gpu else model
