"""Remembers what a function makes of frames: a game draws the same pictures again and again."""

from collections.abc import Callable

import numpy as np
import torch

#: Frames of a batch: few of a step's are new, and up to half of MANY are done sooner by FEW.
FEW, MANY = 2, 8
#: On a GPU, where a batch of this size takes as long as one of two.
MANY_ON_GPU = 64


@torch.no_grad()
def in_batches(
    function: Callable[[torch.Tensor], torch.Tensor], frames: torch.Tensor
) -> torch.Tensor:
    """Apply a function to frames (B, 144, 160, 3), B > 0, in batches of fixed sizes.

    Results, (B, ...) float32, then do not depend on which frames came together, as far as the
    function gives the same for both sizes (a test holds the encoder to it, to the last bit), so
    that a resumed training goes on exactly.
    """
    results = []
    while len(frames):
        size = FEW if len(frames) <= MANY // 2 else MANY
        size = MANY_ON_GPU if frames.is_cuda else size
        batch, frames = frames[:size], frames[size:]
        padding = batch[:1].expand(size - len(batch), *batch.shape[1:])
        results.append(function(torch.cat([batch, padding])).float()[: len(batch)])
    return torch.cat(results)


class FrameCache:
    """A function of frames (B, 144, 160, 3) uint8, called once for each different frame.

    When it is full it begins again.
    """

    def __init__(
        self,
        function: Callable[[torch.Tensor], torch.Tensor],
        shape: tuple[int, ...],
        device: torch.device | str = "cpu",
        capacity: int = 2**15,
    ):
        """function: frames on `device` -> (B, *shape) float32, row by row."""
        self.function, self.device = function, device
        self.results = torch.zeros(capacity, *shape, device=device)
        self.slots: dict[int, int] = {}
        self.next_slot = 0

    @torch.no_grad()
    def __call__(self, frames: np.ndarray) -> torch.Tensor:
        """Return what the function makes of frames (B, 144, 160, 3): (B, *shape).

        Raises ValueError for more different frames than there is room for.
        """
        keys = [hash(frame.tobytes()) for frame in frames]
        missing = {key: i for i, key in enumerate(keys) if key not in self.slots}
        if self.next_slot + len(missing) > len(self.results):  # what is asked for now must all fit
            self.slots.clear()
            self.next_slot = 0
            missing = {key: i for i, key in enumerate(keys)}
            if len(missing) > len(self.results):
                raise ValueError(
                    f"expected up to {len(self.results)} different frames at once, "
                    f"got {len(missing)}"
                )
        rows = list(missing.values())
        if rows:
            end = self.next_slot + len(rows)
            self.results[self.next_slot : end] = in_batches(
                self.function, torch.from_numpy(frames[rows]).to(self.device)
            )
            self.slots.update(zip(missing, range(self.next_slot, end), strict=True))
            self.next_slot = end
        return self.results[[self.slots[key] for key in keys]]
