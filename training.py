"""What the training scripts share: device, precision, learning rate, the loop, the saved state."""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

import ranks
from cli import Count, CountOrZero, NotNegative, Positive, Seed, Terminated, hang_up
from data.frames import Run
from models.checkpoint import first_not_finite, fitting, load_checkpoint, save_checkpoint

STATE_KIND = "training_state"
WARMUP_STEPS = 50
DECAY_SHARE = 0.3  # of the training, at its end
SHOWN_EVERY = 20  # steps

Precision = Literal["auto", "float32", "bf16"]


@dataclass
class TrainingArgs:
    """Flags of both pretraining scripts."""

    data: Path | None = None
    """folder of runs; without it data/speedruns/frames, or else data/demo/frames"""
    out: Path = Path(".")
    """folder for the artefacts; logs and the training state go to runs/ in it"""
    batch_size: Count = 64
    """examples a step: frames, windows of frames, or pairs of frames"""
    lr: Positive = 3e-4
    """peak learning rate of AdamW; it may change when a training goes on"""
    seed: Seed = 0
    """of the weights and the batches; every seed holds out the same runs"""
    steps_per_epoch: Count | None = None
    """steps that count as an epoch; without it as many as show every frame once"""
    time_limit_seconds: NotNegative | None = None
    """stop training after this long, evaluate and save"""
    save_every_seconds: NotNegative = 60.0
    """how much work a crash may cost"""
    fresh: bool = False
    """start again, whatever an earlier training left"""

    grey: bool = False
    """see one channel instead of RGB"""
    half_size: bool = False
    """see 72x80 pixels instead of 144x160"""

    device: str = "auto"
    """auto, cpu or cuda"""
    precision: Precision = "auto"
    """auto: bf16 on a GPU that has it (it is very slow on most CPUs)"""
    channels_last: bool = True
    """lay images out channels last: faster convolutions on most machines"""
    fused: bool = True
    """take the optimiser's step in all weights at once"""
    pin_memory: bool = True
    """on a GPU: draw batches into pinned memory, so that their copies run beside other work"""
    compile: bool = False
    """compile the models: a minute at the start; whether steps are faster then, try on your GPU"""
    prefetch: CountOrZero = 2
    """batches drawn ahead, in a thread, while the models work"""


def pick_device(name: str) -> torch.device:
    """Return the device of `--device auto|cpu|cuda`. Raises ValueError where there is none."""
    if name not in ("auto", "cpu", "cuda"):
        raise ValueError(f"expected --device auto, cpu or cuda, got {name!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("expected a CUDA device, found none: pass --device cpu")
    if name == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    if ranks.count == 1:
        return torch.device("cuda")
    if ranks.local_count > torch.cuda.device_count():
        raise ValueError(
            f"expected a GPU for each of {ranks.local_count} processes, found "
            f"{torch.cuda.device_count()}: start as many, or pass --device cpu"
        )
    torch.cuda.set_device(ranks.local_rank)
    return torch.device("cuda", ranks.local_rank)


def uses_bf16(device: torch.device, precision: Precision) -> bool:
    """Return what `--precision` means."""
    if precision == "auto":  # older GPUs only imitate it, slowly
        return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return precision == "bf16"


def autocast(device: torch.device, precision: Precision) -> contextlib.AbstractContextManager:
    """Return the context of `--precision`."""
    return torch.autocast(device.type, torch.bfloat16, enabled=uses_bf16(device, precision))


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


class _Nowhere:
    """The log of a rank that writes none."""

    def __getattr__(self, _) -> Callable:
        return lambda *args, **settings: None


@contextlib.contextmanager
def event_log(directory: Path, **settings) -> Iterator[SummaryWriter]:
    """Open TensorBoard's files in a folder. Raises OSError, which names it, for a full disk.

    They are written in a thread, which fails on its own; the next call of the writer says so, too.
    """
    hook = threading.excepthook

    def quiet(failure: threading.ExceptHookArgs) -> None:
        if not issubclass(failure.exc_type, OSError):
            hook(failure)

    if not ranks.is_first:
        yield _Nowhere()
        return
    threading.excepthook = quiet
    try:
        with SummaryWriter(str(directory), **settings) as writer:
            yield writer
    except OSError as error:
        if error.filename is None and not isinstance(error, BrokenPipeError):
            raise OSError(error.errno, error.strerror, str(directory)) from error
        raise
    finally:
        threading.excepthook = hook


def load_state(path: Path, settings: dict, parts: dict) -> tuple[int, Clock]:
    """Load `parts` from a saved state; return steps done and seconds spent, none without one.

    Raises ValueError when the state was made with other `settings`: going on would mix two runs.
    """
    state = ranks.from_first(lambda: load_checkpoint(path, STATE_KIND) if path.is_file() else None)
    if state is None:
        return 0, Clock()
    with fitting(path, STATE_KIND):
        was, step = dict(state["config"]), int(state["step"])
        clock = Clock(float(state["seconds"]), float(state["data_seconds"]))
    for name, value in settings.items():
        if name not in was:
            raise ValueError(
                f"{path} is of another version, which knew no {name}: delete it to start this "
                "stage over (--fresh: every stage)"
            )
        if was[name] != value:
            raise ValueError(
                f"{path} was made with {name} {was[name]}, got {value}: keep to "
                f"{was[name]} to go on from it, or delete that file to start this stage over "
                "(--fresh: every stage)"
            )
    with fitting(path, STATE_KIND):
        for name, part in parts.items():
            part.load_state_dict(state["state_dict"][name])
    return step, clock


def forget(states: Iterable[Path]) -> None:
    """Delete saved states, so that a training starts over, also when it is stopped early."""
    for path in states if ranks.is_first else ():
        path.unlink(missing_ok=True)
    ranks.wait()


def fingerprints(runs: Sequence[Run]) -> list[str]:
    """Return each run's name and the beginning of its sha256: a training may not mix others in."""
    return [f"{run.name} {run.meta.get('sha256', '')[:8]}" for run in runs]


def diverged(unit: str, since: int, state: Path, saved: int) -> ValueError:
    """Return the error of a training whose numbers are no longer finite."""
    kept = f"{state} is still that of {unit} {saved}" if saved else "nothing was saved"
    again = "and the same command with a lower one goes on from there" if saved else "start again"
    return ValueError(f"not finite since {unit} {since}: lower --lr; {kept}, {again}")


class Batches:
    """Draws the batches of a training's steps, those of the next ones in a thread meanwhile.

    draw: the batch of a step, of its number alone; each rank has its part. Of what is `pinned` a
    copy to a GPU runs beside what the CPU does. Use as `with Batches(...)`.
    """

    def __init__(
        self,
        draw: Callable[[int], tuple[torch.Tensor, ...]],
        device: torch.device,
        ahead: int,
        pinned: bool,
    ):
        self.draw, self.device, self.ahead, self.pinned = draw, device, ahead, pinned
        self.drawn: dict[int, Future] = {}

    def __enter__(self):
        self.pool = ThreadPoolExecutor(1)
        return self

    def __exit__(self, *_) -> None:
        self.pool.shutdown(cancel_futures=True)

    def _draw(self, step: int) -> tuple[torch.Tensor, ...]:
        batch = ranks.part(self.draw(step))
        return tuple(tensor.pin_memory() for tensor in batch) if self.pinned else batch

    def __call__(self, step: int) -> tuple[torch.Tensor, ...]:
        """Return the batch of a step, on the device; steps come in order."""
        for ahead in range(step, step + self.ahead + 1):
            if ahead not in self.drawn:
                self.drawn[ahead] = self.pool.submit(self._draw, ahead)
        batch = self.drawn.pop(step).result()
        return tuple(tensor.to(self.device, non_blocking=True) for tensor in batch)


class FiniteLoss:
    """Which step's loss was the first that was not finite, told when it is about to be saved.

    The answer stays on the device until then: to ask at every step would be to wait for it.
    """

    def __init__(self, device: torch.device):
        self.since = torch.full((), -1, device=device)

    def see(self, loss: torch.Tensor, step: int) -> None:
        """Look at the loss that step number `step`, from 1, was taken by."""
        self.since = torch.where((self.since < 0) & ~loss.isfinite(), step, self.since)

    def ended_at(self, step: int, state: dict) -> int | None:
        """Return since when losses, or by step `step` tensors in `state`, are not finite."""
        if self.since < 0 and not first_not_finite(state):
            return None
        return int(self.since) if self.since >= 0 else step


class Interrupt:
    """Turns the first Ctrl-C, SIGTERM or SIGHUP into a wish to save and stop; the second stops.

    A launcher such as `uv run` may pass on what the terminal has sent already: what follows within
    a second is the same Ctrl-C. Use as `with Interrupt("iteration") as interrupt`.
    """

    def __init__(self, unit: str):
        self.unit = unit
        self.wanted: type[KeyboardInterrupt] | None = None
        """what is to be raised once all is saved"""

    def __enter__(self):
        numbers = [signal.SIGINT, signal.SIGTERM, *hang_up()]
        self.previous = {number: signal.signal(number, self._handle) for number in numbers}
        return self

    def _handle(self, number: int, _) -> None:
        error = KeyboardInterrupt if number == signal.SIGINT else Terminated
        if self.wanted is None:
            self.wanted, self.since = error, time.monotonic()
            with contextlib.suppress(OSError, RuntimeError):  # no reader; or in a print
                print(f"\nstopping after this {self.unit}; Ctrl-C again to stop at once")
        elif time.monotonic() - self.since > 1:
            raise error

    def __exit__(self, *_) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)


class Sitting:
    """The steps of a training, from where it was stopped to its end, by their number or by time.

        with Sitting(…) as sitting:
            for step in sitting:  # from 1 on
                …

    It has what all trainings have: the progress bar, the learning rate, the time limit, when what
    was learned is saved, Ctrl-C, and that all ranks stop after the same step. At the end all is
    saved; if Ctrl-C was the end, it is raised then. Subclasses say how, and when, to save.
    """

    def __init__(
        self,
        unit: str,
        total: int,
        peak_lr: float,
        *,
        done: int = 0,
        clock: Clock | None = None,
        limit_seconds: float | None = None,
        updates: int = 1,
        name: str | None = None,
    ):
        """updates: of the weights in a step; name: beside the progress bar."""
        self.unit, self.total, self.peak_lr, self.name = unit, total, peak_lr, name
        self.limit_seconds, self.updates = limit_seconds, updates
        self.clock, self.step = clock or Clock(), done
        self.saved = done
        """step of which all is saved; 0: none"""
        self.lr = 0.0
        """learning rate of this step"""
        self.interrupt = Interrupt(unit)

    def write(self) -> None:
        """Save all that was learned."""
        raise NotImplementedError

    def is_due(self) -> bool:
        """Say whether to save after this step."""
        raise NotImplementedError

    def __enter__(self):
        self.interrupt.__enter__()
        self.bar = tqdm(total=self.total, initial=self.step, desc=self.name, unit=self.unit)
        return self

    def __exit__(self, *error) -> None:
        self.interrupt.__exit__(*error)
        self.bar.close()

    def __iter__(self) -> Iterator[int]:
        while True:
            stop, self.clock.seconds = self._agreed()
            seconds = self.clock.seconds
            progress = training_progress(self.step, self.total, seconds, self.limit_seconds)
            if stop or progress == 1:
                break
            self.lr = learning_rate(self.peak_lr, self.step * self.updates, progress)
            began = time.perf_counter()
            self.step += 1
            yield self.step
            self.bar.update()
            self.clock.seconds += time.perf_counter() - began
            if self.is_due():
                self.save()
        self.save()
        if self._agreed()[0]:  # maybe only while it was saved
            print(f"stopped after {self.unit} {self.step}; the same command goes on from there")
            raise self.interrupt.wanted or KeyboardInterrupt

    def _agreed(self) -> list[float]:
        """Return whether some rank is to stop, and the seconds of the slowest."""
        return ranks.greatest(bool(self.interrupt.wanted), self.clock.seconds)

    def save(self) -> None:
        """Save all that was learned, and note that it is."""
        self.write()
        self.saved = self.step

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Leave what is done within out of the clock."""
        began = time.perf_counter()
        yield
        self.clock.seconds -= time.perf_counter() - began


class Pretraining(Sitting):
    """The steps of a stage of pretraining: batches, the optimiser, and the state on disk beside.

        with Pretraining(…) as training:
            for _ in training:
                (frames,) = training.batch()
                …
                training.improve(loss)
                training.show({"loss": loss})

    Raises ValueError when numbers are no longer finite; what was saved is whole then, too.
    """

    def __init__(
        self,
        name: str,
        args: TrainingArgs,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        writer: SummaryWriter,
        draw: Callable[[int], tuple[torch.Tensor, ...]],
        outputs: Callable[..., torch.Tensor],
        state: Path,
        settings: dict,
        epochs: int,
        epoch_steps: int,
        limit_seconds: float | None = None,
        parts: dict[str, nn.Module] | None = None,
    ):
        """draw: the batch of a step, of its number alone: a resumed training sees what it would
        have seen; outputs: what the model makes of a batch, which must be finite to be saved;
        state: the file, `settings` what a training must share to go on from it, `parts` what is in
        it beside model and optimizer.
        """
        self.model, self.optimizer, self.writer, self.tag = model, optimizer, writer, name
        self.outputs, self.epoch_steps = outputs, epoch_steps
        self.state = state
        self.settings = settings = settings | {"fused": args.fused}  # which is in the optimiser's
        self.parts = {"model": model, "optimizer": optimizer} | (parts or {})
        device = next(model.parameters()).device
        pinned = args.pin_memory and device.type == "cuda"
        self.finite = FiniteLoss(device)
        self.batches = Batches(draw, device, args.prefetch, pinned)
        done, clock = load_state(state, settings, self.parts)
        self.saved_at, self.save_every = clock.seconds, args.save_every_seconds
        super().__init__(
            "step",
            epochs * epoch_steps,
            args.lr,
            done=done,
            clock=clock,
            limit_seconds=limit_seconds,
            name=name.replace("_", " "),
        )

    def __enter__(self):
        self.batches.__enter__()
        return super().__enter__()

    def __exit__(self, *error) -> None:
        super().__exit__(*error)
        self.batches.__exit__(*error)
        self.model.eval()

    def batch(self) -> tuple[torch.Tensor, ...]:
        """Return this rank's part of the step's batch, on the device; the model is in training."""
        began = time.perf_counter()
        self.shown = self.batches(self.step - 1)
        self.clock.data_seconds += time.perf_counter() - began
        self.model.train()
        return self.shown

    def improve(self, loss: torch.Tensor) -> None:
        """Take a step of the optimiser down the loss, a scalar, of all ranks."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        ranks.average_gradients(self.model.parameters())
        self.optimizer.step()
        self.finite.see(loss.detach(), self.step)

    def show(self, figures: dict[str, torch.Tensor]) -> None:
        """Show figures of the batch, scalars, now and then: to ask for them is to wait."""
        if self.step % SHOWN_EVERY:
            return
        shown = {name: ranks.mean(value.detach()).item() for name, value in figures.items()}
        for name, value in (shown | {"data_wait_share": self.clock.data_wait_share}).items():
            self.writer.add_scalar(f"{self.tag}/{name}", value, self.step)
        self.bar.set_postfix({name: f"{value:.3g}" for name, value in shown.items()})

    @property
    def evaluates(self) -> bool:
        """Whether this rank is to evaluate after this step: the first, at the end of an epoch."""
        return self.step % self.epoch_steps == 0 and ranks.is_first

    @contextlib.contextmanager
    def held_out(self) -> Iterator[dict[str, float]]:
        """Evaluate: the model is in eval mode within, and figures put into the dict are shown."""
        figures: dict[str, float] = {}
        with self.aside():
            self.save()  # first: numbers that are not finite are found out
            self.model.eval()
            yield figures
            for name, value in figures.items():
                self.writer.add_scalar(f"{self.tag}_val/{name}", value, self.step)

    def is_due(self) -> bool:
        """At the end of an epoch, and so often that a crash costs little."""
        due = self.clock.seconds - self.saved_at > self.save_every
        return self.step > self.saved and (due or self.step % self.epoch_steps == 0)

    def write(self) -> None:
        """Save the state, if all is finite."""
        state = {name: part.state_dict() for name, part in self.parts.items()}
        if self.step > self.saved:
            self.model.eval()
            with torch.no_grad():
                outputs = self.outputs(*self.shown)
            since = self.finite.ended_at(self.step, {"outputs": outputs, **state})
            if since is not None:
                raise diverged("step", since, self.state, self.saved)
        if ranks.is_first:
            spent = {"step": self.step, **asdict(self.clock)}
            save_checkpoint(self.state, STATE_KIND, self.settings, state, **spent)
        self.saved_at = self.clock.seconds

    def summary(self, unit: str, batch: int) -> dict:
        """Return the steps done, seconds, how many of `unit` a second, the wait for data."""
        return {"steps": self.step} | self.clock.summary(unit, self.step * batch)
