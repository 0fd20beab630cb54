"""Train dynamics with and without a latent action, and ask what its codes have to do with buttons.

With the artefacts of a demo in runs/demo, which it leaves as they are:

    uv run python -m benchmarks.latent_actions
    uv run python -m benchmarks.latent_actions --game emberwick --artefacts runs/demo-emberwick

Both models train in the demo's sizes, as long each, on what the demo's encoder makes of its frames.
Recorded movies know which button was held longest between two frames; the models never do. Prints
the skill over copying on held-out runs, and how many bits a code tells of the button there (mutual
information, less what as many shuffled codes tell), and draws which code goes with which button.
"""

import quiet_threads  # noqa: F401

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
from models.dynamics import Dynamics, DynamicsConfig
from models.tokenizer import load_encoder
from training import event_log

NONE = len(BUTTONS)  # no button held
SHUFFLES = 200


@dataclass
class Args:
    game: Literal["waystone", "emberwick"] = "waystone"
    """the bundled game"""
    artefacts: Path = Path("runs/demo")
    """folder of a demo of it: frames and encoder"""
    bits: Annotated[int, Range(1, 16)] = 3
    """of a latent action: 3 are eight codes"""
    seconds: Positive = 150.0
    """of training, for each of the two models"""
    seeds: Count = 3
    """trainings of each"""
    out: Path = Path("runs/latent_actions")
    """folder of results.json and codes.png"""


def train(args: Args, seed: int, bits: int, encoded: tuple, runs: tuple) -> tuple[Dynamics, dict]:
    """Train a dynamics model; returns it and its figures by horizon on held-out runs."""
    stages = demo.make_stages(demo.Args(game=args.game, out=args.artefacts), args.artefacts)
    flags = next(stage.args for stage in stages if stage.name == "pretrain")
    limit = args.seconds / pretrain_visual.DYNAMICS_TIME_SHARE
    (latents, val_latents), (_, val) = encoded, runs
    with tempfile.TemporaryDirectory() as out:
        endless = {"dynamics_epochs": 10**6, "time_limit_seconds": limit, "seed": seed}
        flags = replace(flags, **endless, out=Path(out))
        content = (args.artefacts / "pretrained_encoder.pkl").read_bytes()
        (Path(out) / "pretrained_encoder.pkl").write_bytes(content)
        torch.manual_seed(seed)
        config = DynamicsConfig(
            latents[0].shape[1],
            width=flags.dynamics_width,
            depth=flags.dynamics_depth,
            action_bits=bits,
        )
        model = Dynamics(config)
        with event_log(Path(out)) as writer:
            held_out = (val, val_latents)
            pretrain_visual.train_dynamics(flags, "model", model, latents, held_out, writer)
    model.eval()
    horizons = pretrain_visual.HORIZONS_FRAMES
    return model, pretrain_visual.evaluate_dynamics(model, val, val_latents, horizons)


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


def told(model: Dynamics, args: Args, val: list[Run], latents: list[torch.Tensor]) -> dict:
    """Return what codes tell of buttons, where the screen changed, on held-out runs."""
    movies = {movie.stem: movie for movie in find_movies(demo.movies(args.game))}
    codes, buttons = [], []
    for run, z in zip(val, latents, strict=True):
        moved = (run.frames[1:] != run.frames[:-1]).any(axis=(1, 2, 3))
        codes.append(codes_of(model, z)[moved])
        buttons.append(buttons_of(movies[run.name], run.num_frames)[1:][moved])
    codes, buttons = np.concatenate(codes), np.concatenate(buttons)
    table = table_of(codes, buttons, 2**args.bits)
    rng, shares = np.random.default_rng(0), np.bincount(buttons) / len(buttons)
    by_chance = np.mean(
        [
            mutual_information(table_of(rng.permutation(codes), buttons, 2**args.bits))
            for _ in range(SHUFFLES)
        ]
    )
    return {
        "information_bits": mutual_information(table) - float(by_chance),
        "entropy_bits": float(-(shares[shares > 0] * np.log2(shares[shares > 0])).sum()),
        "named_by_code": float(table.max(axis=1).sum() / table.sum()),
        "most_frequent": float(shares.max()),
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
    axes.set(xlabel="button held longest", ylabel="code")
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(table)))
    figure.savefig(file, dpi=120)


def main(args: Args) -> dict:
    """Train both kinds with each seed; print, write and return the figures."""
    encoder = load_encoder(args.artefacts / "pretrained_encoder.pkl")
    runs = split_runs(find_runs(args.artefacts / "frames"))
    encoded = tuple([pretrain_visual.encode_run(encoder, run) for run in some] for some in runs)
    report: dict = {"plain": [], "told": [], "codes": []}
    for seed in range(args.seeds):
        _, figures = train(args, seed, 0, encoded, runs)
        report["plain"].append(figures)
        model, figures = train(args, seed, args.bits, encoded, runs)
        report["told"].append(figures)
        report["codes"].append(told(model, args, runs[1], encoded[1]))
    args.out.mkdir(parents=True, exist_ok=True)
    write_json(args.out / "results.json", report)
    draw(np.array(report["codes"][0]["table"]), args.out / "codes.png")
    print("skill over copying, on frames that changed in brackets; a row a seed")
    for kind in ("plain", "told"):
        for row in report[kind]:
            cells = (f"{f['skill']:.2f} ({f['skill_changed']:.2f})" for f in row.values())
            print(f"{kind:<8}" + "".join(f"{cell:>16}" for cell in cells))
    for row in report["codes"]:
        print(
            f"a code tells {row['information_bits']:.2f} bits of the button, of "
            f"{row['entropy_bits']:.2f}; it names {row['named_by_code']:.0%}, the most frequent "
            f"button is {row['most_frequent']:.0%}"
        )
    print(f"wrote {args.out / 'results.json'} and codes.png beside it, of the first seed")
    return report


if __name__ == "__main__":
    run_script(main, Args)
