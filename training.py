"""What the training scripts share: device, precision, learning rate, the state they resume from."""

import contextlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from data.frames import Run
from models.checkpoint import fitting, load_checkpoint, save_checkpoint

WARMUP_STEPS = 50
DECAY_SHARE = 0.3  # of the training, at its end


def pick_device(name: str) -> torch.device:
    """Return the device of `--device auto|cpu|cuda`. Raises ValueError where there is none."""
    if name not in ("auto", "cpu", "cuda"):
        raise ValueError(f"expected --device auto, cpu or cuda, got {name!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("expected a CUDA device, found none: pass --device cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager:
    """Return the context of `--precision float32|bf16`. Raises ValueError for another word."""
    if precision not in ("float32", "bf16"):
        raise ValueError(f"expected --precision float32 or bf16, got {precision!r}")
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def training_progress(
    step: int, total_steps: int, seconds: float, limit_seconds: float | None
) -> float:
    """Return how much of the training is done, in [0, 1], by steps or by time: what ends first."""
    by_steps = step / total_steps if total_steps > 0 else 1.0
    if limit_seconds is None:
        return min(1.0, by_steps)
    return min(1.0, max(by_steps, seconds / limit_seconds if limit_seconds > 0 else 1.0))


def learning_rate(peak: float, step: int, progress: float) -> float:
    """Warm up, hold, then fall in a straight line to 0 over the last part of the training."""
    return peak * min(1.0, (step + 1) / WARMUP_STEPS, (1.0 - progress) / DECAY_SHARE)


@dataclass
class Clock:
    """Where a training's seconds went, over all its sittings."""

    seconds: float = 0.0
    """in all, evaluation and saving aside"""
    data_seconds: float = 0.0
    """of these, waiting for a batch"""

    @property
    def data_wait_share(self) -> float:
        return self.data_seconds / self.seconds if self.seconds else 0.0

    def summary(self, unit: str, count: int) -> dict:
        """Return seconds, `count` of `unit` a second, and the share of the time without a batch."""
        return {
            "seconds": self.seconds,
            f"{unit}_per_second": count / self.seconds if self.seconds else 0.0,
            "data_wait_share": self.data_wait_share,
        }


class StageTimer:
    """Where the time of an iteration goes: `with timer("update"): …`, then `shares()`."""

    def __init__(self):
        self.restart()

    def restart(self) -> None:
        """Begin an iteration."""
        self.began = time.perf_counter()
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Count what happens within as `stage`; stages may not be nested."""
        began = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - began
            self.seconds[stage] = self.seconds.get(stage, 0.0) + spent

    def shares(self) -> dict[str, float]:
        """Return `time/<stage>` as a share of the iteration so far, and `time/rest`."""
        total = time.perf_counter() - self.began
        shares = {f"time/{stage}": spent / total for stage, spent in self.seconds.items()}
        return shares | {"time/rest": 1 - sum(shares.values())}


def save_state(path: Path, settings: dict, parts: dict, step: int, clock: Clock) -> None:
    """Save what a training run needs to go on: modules, optimisers, steps done, seconds spent."""
    state = {name: part.state_dict() for name, part in parts.items()}
    save_checkpoint(path, "training_state", settings, state, step=step, **asdict(clock))


def load_state(path: Path, settings: dict, parts: dict) -> tuple[int, Clock]:
    """Load `parts` from a saved state; return steps done and seconds spent, none without one.

    Raises ValueError when the state was made with other `settings`: going on would mix two runs.
    """
    if not path.is_file():
        return 0, Clock()
    state = load_checkpoint(path, "training_state")
    for name, value in settings.items():
        if (was := state["config"].get(name)) != value:
            raise ValueError(
                f"{path} was made with {name} {was}, got {value}: keep to {was} to go on from it, "
                "or delete that file to start this stage over (--fresh: every stage)"
            )
    with fitting(path, "training_state"):
        for name, part in parts.items():
            part.load_state_dict(state["state_dict"][name])
    return state["step"], Clock(state["seconds"], state.get("data_seconds", 0.0))


def forget(states: Iterable[Path]) -> None:
    """Delete saved states, so that a training starts over, also when it is stopped early."""
    for path in states:
        path.unlink(missing_ok=True)


def fingerprints(runs: Sequence[Run]) -> list[str]:
    """Return each run's name and the beginning of its sha256: a training may not mix others in."""
    return [f"{run.name} {run.meta.get('sha256', '')[:8]}" for run in runs]


def write_json(path: Path, content: dict) -> None:
    """Write `content` for people to read, whole or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(content, indent=2) + "\n")
    os.replace(temporary, path)
