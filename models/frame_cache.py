"""How a function is applied to the frames of a step: as fast as the machine allows, to the last bit
the same whatever frames come together."""

from collections.abc import Callable

import torch

from models.blocks import FRAME_SHAPE

FrameFunction = Callable[[torch.Tensor], torch.Tensor]

#: Frames of a batch: few of a step's are new, and up to half of MANY are done sooner by FEW.
FEW, MANY = 2, 8
#: On a GPU, at most.
MOST_ON_GPU = 256


class InBatches:
    """A function of frames (B, 144, 160, 3) uint8, row by row, applied in batches of fixed sizes.

    Results, (B, ...) float32, then do not depend on which frames came together, as far as the
    function gives the same for both sizes (a test holds the encoder to it, to the last bit), so
    that a resumed training goes on exactly. On a GPU a batch is one CUDA graph, recorded at the
    first: to start its kernels one by one takes longer than they do.
    """

    def __init__(self, function: FrameFunction, together: int = MANY):
        """together: how many frames come together at most times."""
        self.function = function
        self.size_on_gpu = min(1 << (together - 1).bit_length(), MOST_ON_GPU)
        self.graph: torch.cuda.CUDAGraph | None = None

    @torch.no_grad()
    def __call__(self, frames: torch.Tensor) -> torch.Tensor:
        """Return what the function makes of frames (B, 144, 160, 3), B > 0."""
        results = []
        while len(frames):
            size = FEW if len(frames) <= MANY // 2 else MANY
            size = self.size_on_gpu if frames.is_cuda else size
            batch, frames = frames[:size], frames[size:]
            apply = self._replay if frames.is_cuda else self._apply
            results.append(apply(batch, size))
        return torch.cat(results)

    def _apply(self, batch: torch.Tensor, size: int) -> torch.Tensor:
        padding = batch[:1].expand(size - len(batch), *batch.shape[1:])
        return self.function(torch.cat([batch, padding])).float()[: len(batch)]

    def _replay(self, batch: torch.Tensor, size: int) -> torch.Tensor:
        if self.graph is None:
            self.shown = torch.zeros(size, *FRAME_SHAPE, dtype=torch.uint8, device=batch.device)
            aside = torch.cuda.Stream(batch.device)
            aside.wait_stream(torch.cuda.current_stream(batch.device))
            with torch.cuda.stream(aside):  # what is done at first only is no part of the graph
                for _ in range(3):
                    self.function(self.shown)
            torch.cuda.current_stream(batch.device).wait_stream(aside)
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.made = self.function(self.shown).float()
        self.shown[: len(batch)] = batch
        self.graph.replay()
        return self.made[: len(batch)].clone()


class FrameCache:
    """A function of frames, called once for each different frame: games draw the same pictures
    again and again. When it is full it begins again."""

    def __init__(self, function: FrameFunction, shape: tuple[int, ...], capacity: int = 2**15):
        """function: frames -> (B, *shape) float32, row by row, on the CPU."""
        self.function = function
        self.results = torch.zeros(capacity, *shape)
        self.slots: dict[int, int] = {}
        self.next_slot = 0

    @torch.no_grad()
    def __call__(self, frames: torch.Tensor) -> torch.Tensor:
        """Return what the function makes of frames (B, 144, 160, 3) uint8: (B, *shape).

        Raises ValueError for more different frames than there is room for.
        """
        keys = [hash(frame.tobytes()) for frame in frames.numpy()]
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
            self.results[self.next_slot : end] = self.function(frames[rows])
            self.slots.update(zip(missing, range(self.next_slot, end), strict=True))
            self.next_slot = end
        return self.results[[self.slots[key] for key in keys]]


def fastest(function: FrameFunction, shape: tuple[int, ...], device: torch.device) -> FrameFunction:
    """Return a function of frames as it is soonest done on a device: remembered, or on a GPU made
    anew, since to fetch and look up a frame takes longer there."""
    return function if device.type == "cuda" else FrameCache(function, shape)
