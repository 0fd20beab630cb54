"""A bounded archive of saved game states by progress: where the curriculum starts its episodes.

Returning to reached states before exploring on is the idea of Go-Explore (Ecoffet et al., 2021).
"""

from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Entry:
    """A saved moment: the game, what was remembered of the way to it, and its score."""

    state: bytes
    """the emulator's exported state"""
    context: torch.Tensor
    """what `Progress.save` returned at the moment"""
    progress: float
    """the moment's score"""


class Archive:
    """Up to `per_cell` entries in each of `cells` equal steps of progress over [0, 1]."""

    def __init__(self, cells: int = 50, per_cell: int = 8, refresh: float = 0.02):
        self.cells: list[list[Entry]] = [[] for _ in range(cells)]
        self.per_cell = per_cell
        self.refresh = refresh

    def __len__(self) -> int:
        return sum(map(len, self.cells))

    @property
    def frontier(self) -> float:
        """The highest progress kept, 0 when empty."""
        return max((entry.progress for cell in self.cells for entry in cell), default=0.0)

    def index(self, progress: np.ndarray | float) -> np.ndarray:
        """Return the numbers of the cells that `progress` (...) falls in, (...) int64."""
        cells = np.asarray(progress) * len(self.cells)
        return np.clip(cells, 0, len(self.cells) - 1).astype(np.int64)

    def cell(self, progress: float) -> list[Entry]:
        """Return the entries of that cell."""
        return self.cells[self.index(progress)]

    def wants(self, progress: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Say which moments, at progress (B,), to save: while a cell has room all, else now and
        then, (B,) bool."""
        has_room = np.array([len(cell) < self.per_cell for cell in self.cells])
        return has_room[self.index(progress)] | (rng.random(len(progress)) < self.refresh)

    def add(self, entry: Entry, rng: np.random.Generator) -> None:
        """Keep an entry; in a full cell it takes the place of a random one."""
        cell = self.cell(entry.progress)
        if len(cell) < self.per_cell:
            cell.append(entry)
        else:
            cell[rng.integers(len(cell))] = entry

    def discard(self, entry: Entry) -> None:
        """Drop an entry that did not prove true when it was loaded."""
        cell = self.cell(entry.progress)
        cell[:] = [kept for kept in cell if kept is not entry]

    def sample(self, rng: np.random.Generator) -> Entry | None:
        """Draw a cell with weight proportional to its rank in progress, then one of its entries."""
        weights = np.array([(i + 1) * bool(cell) for i, cell in enumerate(self.cells)], dtype=float)
        if not weights.any():
            return None
        cell = self.cells[rng.choice(len(weights), p=weights / weights.sum())]
        return cell[rng.integers(len(cell))]

    def sample_near(self, progress: float, rng: np.random.Generator) -> Entry | None:
        """Draw an entry of the cell of `progress`, or of the next lower one that has some."""
        last = self.index(progress)
        cell = next((cell for cell in reversed(self.cells[: last + 1]) if cell), None)
        return cell[rng.integers(len(cell))] if cell else None

    def state_dict(self) -> list[tuple[torch.Tensor, torch.Tensor, float]]:
        """Return all entries as tensors and numbers."""
        return [
            (torch.frombuffer(bytearray(e.state), dtype=torch.uint8), e.context, e.progress)
            for cell in self.cells
            for e in cell
        ]

    def load_state_dict(self, entries: list[tuple[torch.Tensor, torch.Tensor, float]]) -> None:
        """Replace all entries by what `state_dict` returned, order kept."""
        self.cells = [[] for _ in self.cells]
        for state, context, progress in entries:
            self.cell(progress).append(Entry(state.numpy().tobytes(), context, progress))
