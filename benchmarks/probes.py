"""Ask what can be read from an encoder's latents by one linear layer, on held-out runs.

With the artefacts of a demo in runs/demo, a few minutes:

    uv run python -m benchmarks.probes
    uv run python -m benchmarks.probes --game emberwick --artefacts runs/demo-emberwick

Recorded play is replayed. RAM tells map, battle and milestones, the sprites which way the player is
drawn to look, and a text box's pixels its letters. A letter, and which way the player looks, are
asked of the tiles where they stand, all else of whole screens. A linear classifier (softmax, a
little weight decay) is fitted on the runs that the encoder was trained on. Beside the latents stand
the pixels that the encoder sees, a random encoder of the same shape, and the most frequent answer.
Held-out runs are of the same game: most of what they show, others have shown.
"""

import quiet_threads  # noqa: F401

import importlib
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from emurust import VecGameBoy
from torch import nn
from tqdm import tqdm

import demo
from cli import Count, run_script
from data.demo.prepare import find_movies
from data.frames import find_runs, split_runs
from files import write_json
from games.movie import FRAME_SKIP, play, read_movie
from games.player import TEXT, WORLD
from models.tokenizer import Encoder, load_encoder

#: A text box's letters, in rows and columns of 8 pixels, and the row of its frame above them.
ROWS, COLUMNS, EDGE = (14, 16), range(1, 19), 12
#: A letter that the training runs show less often is not asked for.
LEAST = 20
NOWHERE = -1
#: Where the Game Boy keeps its sprites, and their palette; the flag of one that is mirrored.
OAM, OBP0, MIRRORED = 0xFE00, 0xFF48, 0x20


@dataclass
class Args:
    game: Literal["waystone", "emberwick"] = "waystone"
    """the bundled game"""
    artefacts: Path = Path("runs/demo")
    """folder of a demo of it: frames (for the split by run) and encoder"""
    every: Count = 1
    """use every so many frames of a run"""
    out: Path | None = None
    """also write the figures as JSON to this file"""


#: What is asked of a screen, by what RAM says, and by how the player is drawn; a foe hides the map.
QUESTIONS = {
    "map": lambda state, facing: state.map if state.mode == WORLD else NOWHERE,
    "facing": lambda state, facing: facing,
    "battle": lambda state, facing: int(state.foe > 0),
    "milestones": lambda state, facing: state.milestones.bit_count(),
}
#: Of which rows and columns of walking tiles it is asked, if not of all: the player stands there.
WHERE = {"facing": np.s_[..., 3:5, 4:5]}


@dataclass
class Screens:
    """What runs show, and what is true of it."""

    frames: torch.Tensor
    """(T, 144, 160, 3) uint8"""
    truth: dict[str, torch.Tensor]
    """(T,) int64 each, NOWHERE where the question makes no sense"""
    letters: torch.Tensor
    """(T, rows, columns) int64, sums of 8×8 pixels; NOWHERE without a text box"""


def replay(args: Args, names: set[str]) -> Screens:
    """Replay the recorded runs of these names, reading RAM at each frame."""
    rom, read = (
        demo.rom(args.game).read_bytes(),
        importlib.import_module(f"games.{args.game}.player").read_state,
    )
    frames, truth, letters = [], {name: [] for name in QUESTIONS}, []
    for movie in find_movies(demo.movies(args.game)):
        if movie.stem not in names:
            continue
        emulator = VecGameBoy(rom, 1)
        obs = np.zeros(emulator.obs_shape(), dtype=np.uint8)
        emulator.reset(obs)
        pressed = read_movie(movie).frames()
        for step, buttons in enumerate(
            np.split(pressed, range(FRAME_SKIP, len(pressed), FRAME_SKIP))
        ):
            buttons = np.pad(buttons, (0, FRAME_SKIP - len(buttons)))
            next(play(emulator, buttons[:-1], obs, FRAME_SKIP - 1))
            facing = drawn_facing(emulator)
            next(play(emulator, buttons[-1:], obs, 1))
            if step % args.every:
                continue
            state = read(emulator)
            frames.append(torch.from_numpy(obs[0].copy()))
            for name, answer in QUESTIONS.items():
                truth[name].append(answer(state, facing))
            letters.append(letters_of(obs[0, ..., 0]) if state.mode == TEXT else None)
    nothing = np.full((len(ROWS), len(COLUMNS)), NOWHERE)
    return Screens(
        torch.stack(frames),
        {name: torch.tensor(answers) for name, answers in truth.items()},
        torch.from_numpy(np.stack([nothing if some is None else some for some in letters])),
    )


def drawn_facing(emulator: VecGameBoy) -> int:
    """Return a number for the way that the player looks in the frame to come, NOWHERE if he is not
    drawn: hidden by a box, or faded out. His first sprite has six pictures, two each for down, up
    and the side, which is mirrored."""
    y, _, tile, flags = emulator.read_memory(0, OAM, 4).tolist()
    picture, palette = tile >> 2, emulator.read_memory(0, OBP0, 1)[0]
    if not 0 < y < 160 or picture >= 6 or not palette:
        return NOWHERE
    return 4 + (flags & MIRRORED) if picture >= 4 else picture // 2


def letters_of(screen: np.ndarray) -> np.ndarray | None:
    """Return a number for each picture of 8×8 pixels where letters stand, (rows, columns) int64.

    None where the box is not drawn yet: its upper edge is the same all along.
    """
    squares = screen.reshape(18, 8, 20, 8).swapaxes(1, 2)
    edge = squares[EDGE, 1:-1]
    if (edge != edge[0]).any() or (squares[EDGE + 1, 1] != squares[EDGE + 1, 2]).any():
        return None
    squares = squares[np.ix_(ROWS, COLUMNS)]
    return np.array([[zlib.crc32(square.tobytes()) for square in row] for row in squares])


def fit(x: torch.Tensor, y: torch.Tensor) -> nn.Module:
    """Fit a softmax layer to features x (N, dims), of unit spread, and classes y (N,) by L-BFGS."""
    layer = nn.Linear(x.shape[1], int(y.max()) + 1)
    nn.init.zeros_(layer.weight)
    optimizer = torch.optim.LBFGS(
        layer.parameters(), max_iter=150, history_size=10, line_search_fn="strong_wolfe"
    )

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        total = F.cross_entropy(layer(x), y) + 1e-4 * layer.weight.square().sum()
        total.backward()
        return total

    optimizer.step(loss)
    return layer


def accuracy(
    train: tuple[torch.Tensor, torch.Tensor], val: tuple[torch.Tensor, torch.Tensor]
) -> float:
    """Return the share of right answers on val, (features (N, dims), answers (N,)), of a probe
    fitted to train."""
    (x, y), (x_val, y_val) = train, val
    mean, spread = x.mean(dim=0), x.std(dim=0)
    x, x_val = ((part - mean) / spread.clamp_min(1e-3) for part in (x, x_val))
    classes, y = y.unique(return_inverse=True)
    layer = fit(x, y)
    with torch.no_grad():
        answers = classes[layer(x_val).argmax(dim=1)]
    return float((answers == y_val).float().mean())


def views(encoder: Encoder, screens: Screens) -> dict[str, torch.Tensor]:
    """Return what is read from, each (T, dims, 9, 10): latents, pixels, random latents."""
    torch.manual_seed(0)
    stranger = Encoder(encoder.config).eval()
    parts = {"latents": [], "pixels": [], "random encoder": []}
    with torch.no_grad():
        for frames in screens.frames.split(256):
            images = encoder.preprocess(frames)
            parts["latents"].append(encoder.encode(images))
            parts["pixels"].append(F.pixel_unshuffle(images, encoder.config.tile))
            parts["random encoder"].append(stranger.encode(images))
    return {name: torch.cat(some) for name, some in parts.items()}


def of_screens(view: torch.Tensor, answers: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return features of screens, or a part of them, (N, dims), and answers (N,), where there is
    one."""
    asked = answers != NOWHERE
    return view[asked].flatten(1), answers[asked]


def of_letters(
    view: torch.Tensor, letters: torch.Tensor, known: torch.Tensor, corner: tuple[int, int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return features of walking tiles, (N, dims), and the letters in one corner of them, (N,)."""
    rows = [i for i, row in enumerate(ROWS) if row % 2 == corner[0]]
    columns = [i for i, column in enumerate(COLUMNS) if column % 2 == corner[1]]
    some = letters[:, rows][:, :, columns]
    at = [ROWS[i] // 2 for i in rows], [COLUMNS[i] // 2 for i in columns]
    cells = view[:, :, at[0]][..., at[1]].permute(0, 2, 3, 1)  # (T, rows, columns, dims)
    asked = torch.isin(some, known)
    return cells[asked], some[asked]


def letters_read(train: Screens, val: Screens, *read: dict[str, torch.Tensor]) -> dict[str, float]:
    """Return the shares of letters read right from each view of training and held-out runs."""
    kinds, counts = train.letters[train.letters != NOWHERE].unique(return_counts=True)
    blank = kinds[counts.argmax()]
    known = kinds[(counts >= LEAST) & (kinds != blank)]
    right: dict[str, float] = dict.fromkeys(("most frequent", *read[0]), 0.0)
    asked = 0
    for corner in ((row, column) for row in (0, 1) for column in (0, 1)):
        for number, view in enumerate(read[0]):
            both = [
                of_letters(part[view], screens.letters, known, corner)
                for part, screens in zip(read, (train, val), strict=True)
            ]
            (_, y), (_, y_val) = both
            if not len(y) or not len(y_val):
                continue
            right[view] += len(y_val) * accuracy(*both)
            if number == 0:
                right["most frequent"] += int((y_val == y.mode().values).sum())
                asked += len(y_val)
    return {view: count / max(1, asked) for view, count in right.items()}


def main(args: Args) -> dict:
    """Replay, fit, print and return the shares of right answers."""
    encoder = load_encoder(args.artefacts / "pretrained_encoder.pkl")
    split = split_runs(find_runs(args.artefacts / "frames"))
    train, val = (replay(args, {run.name for run in runs}) for runs in split)
    read = views(encoder, train), views(encoder, val)
    report: dict[str, dict[str, float]] = {}
    for name in tqdm(QUESTIONS, unit="question"):
        answers = train.truth[name], val.truth[name]
        counted = answers[0][answers[0] != NOWHERE]
        right = answers[1][answers[1] != NOWHERE] == counted.mode().values
        report[name] = {"most frequent": float(right.float().mean())}
        for view in read[0]:
            seen = (part[view][WHERE.get(name, ...)] for part in read)
            both = (of_screens(part, some) for part, some in zip(seen, answers, strict=True))
            report[name][view] = accuracy(*both)
    report["letters"] = letters_read(train, val, *read)
    print(f"{'':<14}" + "".join(f"{view:>16}" for view in report["map"]))
    for name, row in report.items():
        print(f"{name:<14}" + "".join(f"{share:>16.1%}" for share in row.values()))
    if args.out:
        write_json(args.out, report)
    return report


if __name__ == "__main__":
    run_script(main, Args)
