"""One training in several processes, each with its share of every batch, started by `torchrun`.

Losses are normalised over all shares and gradients are summed, so several processes learn what one
would learn from the whole batch. BatchNorm's statistics are the exception: on CUDA they are taken
over all shares (SyncBatchNorm); torch has no such layer for the CPU, where each process uses its
own share, and the running statistics are averaged over the processes after each epoch.

Gradients of a network this small are exchanged in a millisecond after the backward pass, all at
once: DistributedDataParallel, which hides that time, would hide little.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from spotlet.errors import TrainingError, UsageError

Value = TypeVar("Value")

PATIENCE = timedelta(minutes=30)
"""How long a process waits for a live one: the first validates while the others wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """The place of this process among those that train together.

    Every exchange raises a TrainingError if another process has failed.

    Attributes:
        rank: from 0; the process of rank 0 validates, writes and prints.
        count: of all processes.
        local_count: of those on this machine, which share its processors and memory.
    """

    rank: int = 0
    count: int = 1
    local_count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that validates, writes and prints."""
        return self.rank == 0

    def total(self, tensor: Tensor) -> Tensor:
        """Returns the sum over the processes of a tensor without gradient."""
        if self.count > 1:
            tensor = tensor.detach().clone()
            with _exchange():
                dist.all_reduce(tensor)
        return tensor

    def from_first(self, value: Value) -> Value:
        """Returns the first process's value in all of them."""
        if self.count == 1:
            return value
        box = [value]
        with _exchange():
            dist.broadcast_object_list(box)
        return box[0]

    def gather(self, value: Value) -> list[Value]:
        """Returns the values of all processes, by rank, in all of them."""
        if self.count == 1:
            return [value]
        values: list[Value | None] = [None] * self.count
        with _exchange():
            dist.all_gather_object(values, value)
        return values  # type: ignore[return-value]

    def total_gradients(self, network: nn.Module) -> None:
        """Sums every parameter's gradient over the processes, in one exchange."""
        if self.count == 1:
            return
        gradients = [each.grad for each in network.parameters() if each.grad is not None]
        flat = self.total(torch.cat([gradient.flatten() for gradient in gradients]))
        parts = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def share_statistics(self, network: nn.Module) -> None:
        """Averages BatchNorm's running statistics over the processes."""
        for name, buffer in network.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                buffer.copy_(self.total(buffer) / self.count)

    def require_same(self, network: nn.Module) -> None:
        """Checks that all processes hold the same weights and statistics, to the bit.

        Raises:
            TrainingError: they differ.
        """
        if self.count == 1:
            return
        digest = hashlib.sha256()
        for weights in network.state_dict().values():
            digest.update(weights.cpu().contiguous().numpy().tobytes())
        if len(set(self.gather(digest.hexdigest()))) > 1:
            raise TrainingError(
                f"the {self.count} processes no longer hold the same weights: train on machines "
                "of one kind, with the same versions and the same dataset"
            )


ALONE = Ranks()
"""A single process."""


@contextmanager
def joined(device: str) -> Iterator[Ranks]:
    """Joins the processes that `torchrun` started; without torchrun, returns `ALONE`.

    If a process fails, the others do not wait: its connections close, and `torchrun` ends them.

    Args:
        device: as in the settings; of several devices, each process takes its own.

    Raises:
        UsageError: a machine has more processes than CUDA devices.
    """
    if not dist.is_torchelastic_launched() or int(os.environ["WORLD_SIZE"]) == 1:
        yield ALONE
        return
    local_rank = int(os.environ["LOCAL_RANK"])
    local_count = int(os.environ["LOCAL_WORLD_SIZE"])
    on_cuda = device != "cpu" and torch.cuda.is_available()
    if on_cuda:
        if local_count > torch.cuda.device_count():
            raise UsageError(
                f"{local_count} processes for {torch.cuda.device_count()} CUDA devices: each needs "
                "its own; lower --nproc-per-node, or give --device cpu"
            )
        torch.cuda.set_device(local_rank)
    dist.init_process_group("cpu:gloo,cuda:nccl" if on_cuda else "gloo", timeout=PATIENCE)
    ranks = Ranks(rank=dist.get_rank(), count=dist.get_world_size(), local_count=local_count)
    yield ranks
    # After a failure the group is not destroyed: NCCL would wait for work that never arrives.
    dist.destroy_process_group()


@contextmanager
def _exchange() -> Iterator[None]:
    """Turns torch's error, when another process is gone, into one line."""
    try:
        yield
    except RuntimeError as error:
        raise TrainingError(
            "another process of this training failed; see its own message. What was written "
            f"stays, and --resume continues from there ({str(error).splitlines()[0]})"
        ) from error


def prepare(network: nn.Module, ranks: Ranks) -> None:
    """Makes BatchNorm take statistics over all processes' shares, which torch can on CUDA."""
    if ranks.count > 1 and next(network.parameters()).device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
