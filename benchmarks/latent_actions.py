"""Train dynamics with and without a latent action, and ask what its codes have to do with buttons.

With the artefacts of a demo in runs/demo, which it leaves as they are:

    uv run python -m benchmarks.latent_actions
    uv run python -m benchmarks.latent_actions --game emberwick --artefacts runs/demo-emberwick

Both models train in the demo's sizes, as long each, on what the demo's encoder makes of its frames.
Recorded movies know which button was held longest between two frames; the models never do. Prints
the skill over copying on held-out runs, and how many bits a code tells of the button there, where
the screen changed: mutual information, less what the same codes tell when they are moved in time,
for players hold on to a button. Beside it stand the same of the button before, and of codes by an
untrained model. A code names the button that it went with most often in the training runs.
"""

import quiet_threads  # noqa: F401

import copy
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from matplotlib.figure import Figure

import demo
import pretrain_visual
from cli import Count, Positive, Range, run_script
from data.demo.prepare import find_movies
from data.frames import Run, find_runs, split_runs
from files import write_json
from games.actions import BUTTONS
from games.movie import FRAME_SKIP, read_movie
from models.dynamics import Dynamics
from models.tokenizer import load_encoder
from training import event_log

NONE = len(BUTTONS)  # no button held
SHIFTS = 200


@dataclass
class Args:
    game: Literal["waystone", "emberwick"] = "waystone"
    """the bundled game"""
    artefacts: Path = Path("runs/demo")
    """folder of a demo of it: frames and encoder"""
    bits: Annotated[int, Range(1, 6)] = 3
    """of a latent action: 3 are eight codes"""
    seconds: Positive = 150.0
    """of training, for each of the two models"""
    seeds: Count = 3
    """trainings of each"""
    out: Path = Path("runs/latent_actions")
    """folder of results.json and codes.png"""


def train(
    args: Args, seed: int, bits: int, encoded: tuple, runs: tuple
) -> tuple[Dynamics, Dynamics, dict]:
    """Train a dynamics model; returns it, as it was before, and its figures on held-out runs."""
    flags = demo.stage_args("pretrain", args.artefacts, args.game)
    limit = args.seconds / pretrain_visual.DYNAMICS_TIME_SHARE
    (latents, val_latents), (_, val) = encoded, runs
    with tempfile.TemporaryDirectory() as out:
        endless = {"dynamics_epochs": 10**6, "time_limit_seconds": limit, "seed": seed}
        flags = replace(flags, **endless, out=Path(out))
        content = (args.artefacts / "pretrained_encoder.pkl").read_bytes()
        (Path(out) / "pretrained_encoder.pkl").write_bytes(content)
        flags = replace(flags, action_bits=bits)
        config = list(pretrain_visual.dynamics_configs(flags).values())[-1]
        flags = replace(flags, action_bits=0)  # all of the time is this model's
        torch.manual_seed(seed)
        model = Dynamics(config)
        untrained = copy.deepcopy(model).eval()
        with event_log(Path(out)) as writer:
            held_out = (val, val_latents)
            pretrain_visual.train_dynamics(flags, "model", model, latents, held_out, writer)
    horizons = pretrain_visual.HORIZONS_FRAMES
    figures = pretrain_visual.evaluate_dynamics(model, val, val_latents, horizons)
    return model, untrained, figures


def buttons_of(movie: Path, count: int) -> np.ndarray:
    """Return the button held longest before each of a movie's frames, (count,), NONE where none."""
    masks = np.pad(read_movie(movie).frames(), (0, FRAME_SKIP))[: count * FRAME_SKIP]
    held = np.unpackbits(masks.reshape(-1, FRAME_SKIP, 1), axis=2, bitorder="little").sum(axis=1)
    return np.where(held.any(axis=1), held.argmax(axis=1), NONE)


@torch.no_grad()
def codes_of(model: Dynamics, latents: torch.Tensor) -> np.ndarray:
    """Return the code between each two frames of a run, (T - 1,), of latents (T, D, 9, 10)."""
    z = latents.float()
    bits = (model.infer(z[:-1], z[1:]) > 0).long()
    return (bits << torch.arange(bits.shape[1])).sum(dim=1).numpy()


def table_of(codes: np.ndarray, buttons: np.ndarray, num_codes: int) -> np.ndarray:
    """Count how often each code goes with each button: (codes, buttons)."""
    table = np.zeros((num_codes, NONE + 1), dtype=np.int64)
    np.add.at(table, (codes, buttons), 1)
    return table


def mutual_information(table: np.ndarray) -> float:
    """Return the mutual information, in bits, of what a table counts together."""
    joint = table / table.sum()
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    some = joint > 0
    return float((joint[some] * np.log2(joint[some] / apart[some])).sum())


def information(codes: list[np.ndarray], buttons: list[np.ndarray]) -> float:
    """Return how many bits codes tell of buttons, of runs, (T,) each, less what they tell when
    those of each run are moved in time."""
    size = 1 + max(int(part.max()) for part in codes)

    def of(moved: list[np.ndarray]) -> float:
        table = table_of(np.concatenate(moved), np.concatenate(buttons), size)
        return mutual_information(table)

    rng = np.random.default_rng(0)
    by_chance = [
        of([np.roll(part, rng.integers(1, max(2, len(part)))) for part in codes])
        for _ in range(SHIFTS)
    ]
    return of(codes) - float(np.mean(by_chance))


@dataclass
class Play:
    """What runs show and what was pressed in them, where the screen changed."""

    latents: list[torch.Tensor]
    """(T, D, 9, 10) each"""
    moved: list[np.ndarray]
    """(T - 1,) bool: the screen changed"""
    buttons: list[np.ndarray]
    """(T - 1,) held longest before the next frame"""

    @classmethod
    def of(cls, args: Args, runs: list[Run], latents: list[torch.Tensor]) -> "Play":
        """Find the buttons of runs in their movies."""
        movies = {movie.stem: movie for movie in find_movies(demo.movies(args.game))}
        moved, buttons = [], []
        for run in runs:
            changed = (run.frames[1:] != run.frames[:-1]).any(axis=-1).mean(axis=(1, 2))
            moved.append(changed > pretrain_visual.CHANGED_PIXELS)
            buttons.append(buttons_of(movies[run.name], run.num_frames)[1:])
        return cls(latents, moved, buttons)

    def codes(self, model: Dynamics) -> list[np.ndarray]:
        """Return the codes where the screen changed."""
        return self.where_moved([codes_of(model, z) for z in self.latents])

    def where_moved(self, parts: list[np.ndarray]) -> list[np.ndarray]:
        """Return of each run, (T - 1,), what is where the screen changed."""
        return [part[moved] for part, moved in zip(parts, self.moved, strict=True)]


def tells(model: Dynamics, untrained: Dynamics, bits: int, train: Play, val: Play) -> dict:
    """Return what codes tell of buttons on held-out runs, and what else does."""
    codes, buttons = val.codes(model), val.where_moved(val.buttons)
    before = val.where_moved([np.concatenate([[NONE], part[:-1]]) for part in val.buttons])
    known = table_of(
        *map(np.concatenate, (train.codes(model), train.where_moved(train.buttons))), 2**bits
    )
    all_codes, pressed = np.concatenate(codes), np.concatenate(buttons)
    shares = np.bincount(pressed) / len(pressed)
    table = table_of(all_codes, pressed, 2**bits)
    return {
        "information_bits": information(codes, buttons),
        "of_the_button_before_bits": information(before, buttons),
        "untrained_bits": information(val.codes(untrained), buttons),
        "entropy_bits": float(-(shares[shares > 0] * np.log2(shares[shares > 0])).sum()),
        "named_by_code": float((known.argmax(axis=1)[all_codes] == pressed).mean()),
        "most_frequent": float((pressed == known.sum(axis=0).argmax()).mean()),
        "table": table.tolist(),
    }


def draw(table: np.ndarray, file: Path) -> None:
    """Draw which share of each button's frames has which code."""
    names = [*BUTTONS, "none"]
    shares = table / np.maximum(1, table.sum(axis=0))
    figure = Figure((6, 0.4 * len(table) + 1), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Greys", vmin=0, vmax=1, aspect="auto")
    for (code, button), share in np.ndenumerate(shares):
        if share >= 0.005:
            colour = "white" if share > 0.5 else "black"
            axes.text(button, code, f"{share:.0%}", ha="center", va="center", color=colour)
    axes.set(xlabel="button held longest, and frames", ylabel="code")
    counts = table.sum(axis=0)
    labels = [f"{name}\n{count}" for name, count in zip(names, counts, strict=True)]
    axes.set_xticks(range(len(names)), labels)
    axes.set_yticks(range(len(table)))
    figure.savefig(file, dpi=120)


def main(args: Args) -> dict:
    """Train both kinds with each seed; print, write and return the figures."""
    encoder = load_encoder(args.artefacts / "pretrained_encoder.pkl")
    runs = split_runs(find_runs(args.artefacts / "frames"))
    encoded = tuple([pretrain_visual.encode_run(encoder, run) for run in some] for some in runs)
    plays = [Play.of(args, *both) for both in zip(runs, encoded, strict=True)]
    report: dict = {"plain": [], "told": [], "codes": []}
    args.out.mkdir(parents=True, exist_ok=True)
    for seed in range(args.seeds):
        _, _, figures = train(args, seed, 0, encoded, runs)
        report["plain"].append(figures)
        model, untrained, figures = train(args, seed, args.bits, encoded, runs)
        report["told"].append(figures)
        report["codes"].append(tells(model, untrained, args.bits, *plays))
        write_json(args.out / "results.json", report)
    draw(np.array(report["codes"][0]["table"]), args.out / "codes.png")
    horizons = (f"{horizon} ahead" for horizon in report["plain"][0])
    print("skill over copying, on frames that changed in brackets; a row a seed")
    print(" " * 8 + "".join(f"{horizon:>16}" for horizon in horizons))
    for kind in ("plain", "told"):
        for row in report[kind]:
            cells = (f"{f['skill']:.2f} ({f['skill_changed']:.2f})" for f in row.values())
            print(f"{kind:<8}" + "".join(f"{cell:>16}" for cell in cells))
    for row in report["codes"]:
        print(
            f"a code tells {row['information_bits']:.2f} bits of the button, of "
            f"{row['entropy_bits']:.2f} (the button before {row['of_the_button_before_bits']:.2f}, "
            f"an untrained model's {row['untrained_bits']:.2f}); it names "
            f"{row['named_by_code']:.0%}, the most frequent button is {row['most_frequent']:.0%}"
        )
    print(f"wrote {args.out / 'results.json'} and codes.png beside it, of the first seed")
    return report


if __name__ == "__main__":
    run_script(main, Args)
