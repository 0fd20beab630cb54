"""What does each stage cost, the longer the recordings? Seconds, memory and files, side by side.

    uv run python -m benchmarks.scale               # 2, 20, 120 minutes: 20 minutes, 6 GB of disk
    uv run python -m benchmarks.scale --minutes 2 20 --stages path

Recordings are emberwick's runs as people play, chapter after chapter: in each the same play, with
the shades changed and the screen mirrored in a way of its own, so that none looks like another.
Frames are 2 a second. Each stage runs in a process of its own; its memory is what that allocates:
pages of the runs on disk, which the system drops at will, are left out. A video is imported at 2
pictures a second; one of 30 or 60 has as many more to decode. The first run is also held out, and
followed along a path of the others (benchmarks/path_held_out.py has what its figures are). The
training stages are the demo's; a state is saved with its archive full. Prints JSON.
"""

import quiet_threads  # noqa: F401

import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count, islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

import demo
import playing
import pretrain_visual
import train_reward_model
import train_with_cnn_reward
from benchmarks.path_held_out import figures as of_held_out
from benchmarks.path_held_out import follow, recorded_states, seconds_off
from cli import Count, Positive, run_script
from data.demo.layouts import TICKS_PER_SECOND, Scene, write_video
from data.demo.prepare import find_movies, replay
from data.demo.render_videos import WHOLE, choose
from data.frames import Run, open_runs, split_runs, write_run
from data.speedruns import prepare
from games.game import find_game
from games.movie import read_movie
from models.alignment import align_runs, make_path
from models.archive import Entry
from models.checkpoint import load_checkpoint, save_checkpoint
from models.path import load_path, save_path
from models.reward_model import RewardModel, RewardModelConfig
from training import event_log

GAME, FPS = "emberwick", 2
#: Chapters: what each of the four shades, dark to light, becomes, and whether it is mirrored.
CHAPTERS = (
    ((0, 1, 2, 3), False),
    ((3, 2, 1, 0), True),
    ((2, 3, 0, 1), False),
    ((1, 0, 3, 2), True),
    ((0, 1, 2, 3), True),
    ((3, 2, 1, 0), False),
    ((2, 3, 0, 1), True),
    ((1, 0, 3, 2), False),
)
#: Maps of a chapter, more than the game has.
MAPS = 1000
#: Steps of a training, or an evaluation, that are timed; rollouts, after one that warms up.
STEPS, ROLLOUTS, EPISODES = 30, 3, 16


@dataclass
class Args:
    minutes: tuple[Positive, ...] = (2, 20, 120)
    """lengths of the recordings"""
    runs: Count = 5
    """recordings of each length"""
    stages: tuple[str, ...] = ("import", "path", "held-out", "pretrain", "reward", "train")
    """stages to measure; train wants path and pretrain before it"""
    scratch: Path = Path(tempfile.gettempdir())
    """where to put the recordings; they are deleted in the end"""


def chapter(frame: np.ndarray, number: int) -> np.ndarray:
    """Return a frame (144, 160, 3) of the emulator's four greys as it looks in a chapter."""
    shades, mirrored = CHAPTERS[number % len(CHAPTERS)]
    frame = (85 * np.array(shades, dtype=np.uint8))[frame // 85]
    return frame[:, ::-1] if mirrored else frame


def recording(movie: Path) -> Iterator[np.ndarray]:
    """Yield the frames of a movie, in chapter after chapter."""
    buttons, rom = read_movie(movie).frames(), find_game(demo.rom(GAME)).rom
    for number in count():
        for frame in replay(rom, buttons):
            yield chapter(frame, number)


def make_recordings(folder: Path, minutes: float, runs: int) -> None:
    """Write runs of so many minutes, and a video of the first."""
    frames = round(60 * FPS * minutes)
    movies = find_movies(demo.movies(GAME))[:runs]
    for movie in tqdm(movies, desc=f"recordings of {minutes:g} minutes", unit="run"):
        write_run(folder / "frames", movie.stem, islice(recording(movie), frames), fps=FPS)
    run = open_runs(folder / "frames")[0]
    scene = Scene(WHOLE[choose(0)[0]], 0, round(60 * TICKS_PER_SECOND * minutes))
    shown = (
        scene.show(t * TICKS_PER_SECOND // FPS, frame[..., 0]) for t, frame in enumerate(run.frames)
    )
    (folder / "videos").mkdir()
    write_video(folder / "videos" / "run.mp4", shown, FPS)


def allocated_mib() -> float:
    """Return the memory of this process, without pages of files."""
    status = Path("/proc/self/status").read_text().split()
    return sum(int(status[status.index(name) + 1]) for name in ("RssAnon:", "RssShmem:")) / 1024


@contextmanager
def seconds(figures: dict, name: str) -> Iterator[None]:
    """Write how long it took what is done within."""
    began = time.perf_counter()
    yield
    figures[f"{name}_s"] = round(time.perf_counter() - began, 2)


def megabytes(path: Path) -> float:
    return round(path.stat().st_size / 1e6, 1)


def measure_import(folder: Path) -> dict:
    """Make a run of a video: find the game, cut it out, bring it back to four shades."""
    figures: dict = {}
    with seconds(figures, "import"):
        prepare.main(prepare.Args((folder / "videos",), shades=4, out=folder / "imported"))
    return figures


def measure_path(folder: Path) -> dict:
    """Fit the path of all runs, save it, load it."""
    runs = open_runs(folder / "frames")
    frames, file = [run.frames for run in runs], folder / "reward_path.pkl"
    figures: dict = {"frames": sum(map(len, frames))}
    with seconds(figures, "align"):
        aligned = align_runs(frames)
    with seconds(figures, "fit"):
        path = make_path(frames, aligned)
    with seconds(figures, "save"):
        save_path(file, path)
    with seconds(figures, "load"):
        load_path(file)
    return figures | {"bins": path.num_bins, "rows": len(path.bank), "file_mb": megabytes(file)}


def places_of(run: Run) -> np.ndarray:
    """Return where a recording is at each frame: map, counted on from chapter to chapter, x, y,
    milestones held that are no places, (T, 4)."""
    movie = next(movie for movie in find_movies(demo.movies(GAME)) if movie.stem == run.name)
    states = recorded_states(movie, find_game(demo.rom(GAME)), with_places=False)
    number, step = np.divmod(np.arange(run.num_frames), len(states))
    states = states[step]
    states[:, 0] += MAPS * number
    return states


def measure_held_out(folder: Path) -> dict:
    """Follow the first run along a path of the others, up to where the measure is cut."""
    held_out, *runs = open_runs(folder / "frames")
    frames = [run.frames for run in runs]
    aligned = align_runs(frames)
    path = make_path(frames, aligned)
    reference, own = places_of(runs[aligned.reference]), places_of(held_out)
    beyond = (own[:, 0] == reference[-1, 0]) & (own[:, 3] >= reference[-1, 3])
    end = int(beyond.argmax()) or len(own)
    figures: dict = {}
    with seconds(figures, "follow"):
        places = follow(path, held_out.frames[:end])
    bins = aligned.places[aligned.reference].numpy()
    for name, some in zip(("believed", "counted"), places, strict=True):
        off = seconds_off(some, reference, bins, own[:end], FPS)
        figures[name] = {key: round(value, 3) for key, value in of_held_out(off, FPS).items()}
    return figures


def stage_args(folder: Path, name: str, **changed):
    """Return the flags of a stage of the demo, in a folder."""
    return replace(demo.stage_args(name, folder, GAME), **changed)


def measure_pretrain(folder: Path) -> dict:
    """Train tokenizer and dynamics for some steps, encoding and evaluation of whole runs beside."""
    args = stage_args(folder, "pretrain", epochs=1, dynamics_epochs=1, steps_per_epoch=STEPS)
    figures: dict = {}
    with seconds(figures, "all"):
        metrics = pretrain_visual.main(args)
    for name in ("tokenizer", "dynamics"):
        figures[f"{name}_ms_a_step"] = round(1000 * metrics[name]["seconds"] / STEPS, 1)
        figures[f"{name}_data_wait_share"] = round(metrics[name]["data_wait_share"], 3)
    return figures


def measure_reward(folder: Path) -> dict:
    """Train the score of a single frame for some steps, and score the held-out runs."""
    args = stage_args(folder, "reward", epochs=1, steps_per_epoch=STEPS)
    train, val = split_runs(open_runs(args.data))
    model = RewardModel(RewardModelConfig(args.backbone, args.grey, args.half_size))
    figures: dict = {}
    with event_log(folder / "runs") as writer:
        spent = train_reward_model.train_score(args, model, train, val, writer)
    with seconds(figures, "score_held_out"):
        for run in val:
            train_reward_model.score_frames(model, run.frames)
    return figures | {
        "ms_a_step": round(1000 * spent["seconds"] / STEPS, 1),
        "data_wait_share": round(spent["data_wait_share"], 3),
    }


def measure_train(folder: Path) -> dict:
    """Play rollouts, save and load the training state, evaluate."""
    args, game = stage_args(folder, "train"), find_game(demo.rom(GAME))
    figures: dict = {}
    with seconds(figures, "begin"):
        agent = train_with_cnn_reward.make_agent(args, game)
    agent.rollout()
    agent.timer.restart()
    began = time.perf_counter()
    for _ in range(ROLLOUTS):
        rollout, _ = agent.rollout()
    spent = time.perf_counter() - began
    steps = ROLLOUTS * args.num_steps
    figures["rollout_steps_per_second"] = round(steps * args.num_envs / spent)
    for name in ("path", "archive"):
        figures[f"{name}_ms_a_step"] = round(1000 * agent.timer.seconds.get(name, 0.0) / steps, 2)
    with seconds(figures, "update"):
        agent.update(rollout, agent.args.lr)
    archive, envs = agent.envs.archive, agent.envs
    entry = Entry(envs.emulators.export_state(0), envs.progress.save(np.array([0]))[0], 0.0)
    for cell in archive.cells:
        cell[:] = archive.per_cell * [entry]
    state = folder / "training_state.pkl"
    with seconds(figures, "save_state"):
        parts = agent.state_dict()
        save_checkpoint(state, train_with_cnn_reward.STATE_KIND, {}, parts)
    with seconds(figures, "load_state"):
        agent.load_state_dict(
            load_checkpoint(state, train_with_cnn_reward.STATE_KIND)["state_dict"]
        )
    figures["state_mb"] = megabytes(state)
    path = load_path(folder / "reward_path.pkl")
    player = playing.TrainedAgent(agent.policy, path, EPISODES)
    frames = open_runs(folder / "frames")[0].frames
    with seconds(figures, "evaluate"):
        for step in range(STEPS):
            player.watch(frames[step : step + EPISODES])
            player.act()
    return figures


MEASURES: dict[str, Callable[[Path], dict]] = {
    "import": measure_import,
    "path": measure_path,
    "held-out": measure_held_out,
    "pretrain": measure_pretrain,
    "reward": measure_reward,
    "train": measure_train,
}


def measure(stage: str, folder: Path) -> dict:
    """Measure a stage; returns its figures and the greatest memory meanwhile."""
    torch.manual_seed(0)
    peak, over = allocated_mib(), threading.Event()

    def watch() -> None:
        nonlocal peak
        while not over.wait(0.02):
            peak = max(peak, allocated_mib())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        figures = MEASURES[stage](folder)
    finally:
        over.set()
        watcher.join()
    return figures | {"peak_mib": round(peak)}


def main(args: Args) -> dict:
    """Measure every stage at every length; print and return the figures."""
    if unknown := set(args.stages) - set(MEASURES):
        raise ValueError(
            f"expected --stages among {', '.join(MEASURES)}, got {', '.join(sorted(unknown))}"
        )
    results: dict[str, dict] = {}
    for minutes in args.minutes:
        with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
            folder = Path(scratch)
            make_recordings(folder, minutes, args.runs)
            results[f"{minutes:g}"] = {}
            for stage in args.stages:
                alone = ProcessPoolExecutor(1, get_context("spawn"))
                with alone as pool:
                    figures = pool.submit(measure, stage, folder).result()
                results[f"{minutes:g}"][stage] = figures
                print(f"{minutes:g} minutes, {stage}: {figures}", flush=True)
    print(json.dumps(results, indent=2))
    return results


if __name__ == "__main__":
    run_script(main, Args)
