"""Remembers what a function makes of frames: a game draws the same pictures again and again."""

from collections.abc import Callable

import numpy as np
import torch

#: Frames of a batch: few, as few of a step's are new.
BATCH = 2


@torch.no_grad()
def in_batches(
    function: Callable[[torch.Tensor], torch.Tensor], frames: torch.Tensor
) -> torch.Tensor:
    """Apply a function to frames (B, 144, 160, 3), B > 0, in batches of one size.

    Results, (B, ...) float32, then do not depend on which frames came together, down to the last
    bit, so that a resumed training goes on exactly.
    """
    padding = frames[:1].expand(-len(frames) % BATCH, *frames.shape[1:])
    batches = torch.cat([frames, padding]).split(BATCH)
    return torch.cat([function(batch).float() for batch in batches])[: len(frames)]


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
