"""Compare a trained policy with random buttons: milestones, steps to them, GIFs, a page of it all.

    uv run python evaluate_policy.py --policy checkpoints/policy_final.pkl --steps 2000

    uv run python evaluate_policy.py --policy checkpoints/policy_final.pkl --explain 24

Milestones are read from the game's RAM and serve for nothing but this comparison.
"""

import quiet_threads  # noqa: F401

import glob
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import islice
from pathlib import Path

import numpy as np
from emurust import VecGameBoy
from PIL import Image, ImageDraw

from cli import Count, CountOrZero, Seed, run_script
from curriculum import Start, find_start
from files import read_json, write_json, write_png, write_whole, writes_alone
from games.actions import BUTTONS, MINDLESS, NUM_ACTIONS, action_masks
from games.game import Game, find_game
from models.actor_critic import load_policy
from models.checkpoint import fitting
from models.path import PathModel
from playing import Beginnings, Episodes, Mindless, TrainedAgent, beginnings, load_guide, play
from provenance import plain, provenance
from report.figures import TrainingRun
from report.page import Report, Trajectory, read_runs, write_page
from report.pictures import GAP, Moment, beside, draw_video, encode_gif, log_gif
from report.statistics import (
    bootstrap_interval,
    interquartile_mean,
    probability_of_improvement,
)
from training import event_log, pick_device

#: Who is compared.
AGENTS = ("trained", *MINDLESS)
#: Cells of the path, about the place believed in, whose belief is drawn.
CELLS_DRAWN = 33


@dataclass
class Args:
    policy: Path = Path("checkpoints/policy_final.pkl")
    """policy to evaluate"""
    rom: Path | None = None
    """ROM to play; default: the one in roms/, else the bundled game"""
    steps: Count = 2000
    """steps of an episode; a step is as many frames of the game as in training (30)"""
    episodes: Count = 8
    """episodes of each agent, played at once, each with actions of its own"""
    seed: Seed = 0
    """seed of the actions"""
    greedy: bool = False
    """take the most probable action; default: sample, as in training"""
    start_movie: Path | None = None
    """input movie played before every episode; default, if no state is given: the training's"""
    start_state: Path | None = None
    """state of the game from which every episode goes on; default, without a movie: the training's
    """
    battery_save: str | None = None
    """battery save in the cartridge when every episode begins, or none for an empty cartridge;
    default, without a movie or a state: the training's"""
    noop_max: CountOrZero = 10
    """each episode then waits 0 to this many steps, drawn by the seed, so that no two are alike"""
    gif_steps: Count = 400
    """steps from the start that the GIFs and the page show"""
    explain: CountOrZero = 0
    """steps to draw in explain.png, each with screen, goals, belief, actions and value: of the
    median episode, around where its place on the path was highest; 0: none"""
    runs: tuple[Path, ...] = ()
    """folders of trainings whose curves report.html shows, such as of several seeds; default: the
    policy's own"""
    checkpoints: tuple[str, ...] = ()
    """policies kept along the training to be played, too: files, or 'checkpoints/policy_*.pkl'"""
    out: Path = Path("runs/evaluation")
    """directory of report.html, results.json, the pictures and TensorBoard's files"""
    device: str = "auto"
    """auto, cpu or cuda"""


def summarise(episodes: Episodes, game: Game) -> dict:
    """Return an agent's figures as plain JSON values."""
    reached = episodes.milestones
    shares = np.bincount(episodes.actions.flatten(), minlength=NUM_ACTIONS) / episodes.actions.size
    table = {}
    for milestone, steps in zip(game.milestones, episodes.first_reached.T, strict=True):
        hits = steps[steps >= 0]
        table[milestone.name] = {
            "share_of_episodes": len(hits) / len(steps),
            "median_step": float(np.median(hits)) if len(hits) else None,
        }
    return {
        "milestones_mean": float(reached.mean()),
        "milestones_interval": bootstrap_interval(reached),
        "milestones_interquartile_mean": float(interquartile_mean(reached)),
        "milestones_interquartile_mean_interval": bootstrap_interval(
            reached, statistic=interquartile_mean
        ),
        "milestones_per_episode": reached.tolist(),
        "milestones": table,
        "action_shares": dict(zip(BUTTONS, shares.tolist(), strict=True)),
        "entropy_share": float(episodes.entropy.mean()),
    }


def compare(ours: Episodes, theirs: Episodes) -> dict:
    """Return how probably an episode of ours comes further than one of theirs."""
    pair = ours.milestones, theirs.milestones
    statistic = probability_of_improvement
    return {
        "probability": float(statistic(*pair)),
        "interval": bootstrap_interval(*pair, statistic=statistic),
    }


def format_table(results: dict) -> str:
    """Lay the agents' figures side by side."""
    agents = [results[name] for name in AGENTS]
    milestones = agents[0]["milestones"]
    rows = [("", *AGENTS), (f"milestones of {len(milestones)}", *map(_mean, agents))]
    for name in milestones:
        rows.append((name, *(_share(agent["milestones"][name]) for agent in agents)))
    return "\n".join(f"{name:<24}" + "".join(f"{c:>24}" for c in cells) for name, *cells in rows)


def _mean(agent: dict) -> str:
    low, high = agent["milestones_interval"]
    return f"{agent['milestones_mean']:.2f} [{low:.2f}, {high:.2f}]"


def _share(milestone: dict) -> str:
    if milestone["median_step"] is None:
        return "-"
    return f"{milestone['share_of_episodes']:.0%} at step {milestone['median_step']:.0f}"


def ranking(episodes: Episodes) -> list[int]:
    """Return the episodes from the least to the best: more milestones, or the same ones sooner, or,
    where none is known, further on the path."""
    last = episodes.first_reached.max(axis=1, initial=-1)
    furthest = episodes.places.max(axis=0, initial=0)
    return np.lexsort((furthest, -last, episodes.milestones)).tolist()


def episode_moments(episodes: Episodes, index: int, path: PathModel | None) -> Iterator[Moment]:
    """Yield what is drawn of an episode; at the path's end it stands still."""
    for step in np.arange(len(episodes.video)).clip(max=episodes.ends[index]):
        goal = int(episodes.goals[step, index])
        yield Moment(
            episodes.video[step, index],
            int(episodes.actions[step, index]),
            path.pictures[goal][..., 0] if path and goal >= 0 else None,
            float(episodes.places[step, index]),
        )


def explain(
    agent: TrainedAgent,
    game: Game,
    timing: dict[str, int],
    begin: Beginnings,
    episodes: Episodes,
    index: int,
    count: int,
    is_paid_by_path: bool,
) -> Image.Image:
    """Draw `count` steps of an episode, around the one with the highest place.

    Of each: screen, goals, belief, probabilities of the buttons, and the value where it means
    something: where it is of what is paid by the path.

    The episode is played again from its actions; `agent` is a fresh one for one episode.
    """
    places = episodes.places[:, index]
    stall = int(places.argmax())
    first = max(0, min(stall - count // 2, len(places) - count))
    emulators = VecGameBoy(game.rom, 1, **timing)
    obs = np.zeros(emulators.obs_shape(), dtype=np.uint8)
    emulators.import_state(0, begin.states[index])
    agent.begin(replace(begin, steps=begin.steps[:, [index]]))
    emulators.render(obs)
    rows = []
    for step in range(min(first + count, len(places))):
        _, probabilities = agent.act()
        action = int(episodes.actions[step, index])
        if step >= first:
            told = step, action, probabilities[0], is_paid_by_path
            rows.append(_explain_step(agent, obs[0], *told))
        emulators.step(action_masks(np.array([action])), obs)
        agent.watch(obs)
    width, height = rows[0].size
    columns = 2
    lines = -(-len(rows) // columns)
    sheet = Image.new("L", (columns * (width + 2 * GAP), lines * (height + GAP)), 255)
    for i, row in enumerate(rows):
        sheet.paste(row, (i // lines * (width + 2 * GAP), i % lines * (height + GAP)))
    return sheet


def _explain_step(
    agent: TrainedAgent,
    screen: np.ndarray,
    step: int,
    action: int,
    probabilities: np.ndarray,
    is_paid_by_path: bool,
) -> Image.Image:
    """Draw one step in a row: screen, goals, then belief over cells, buttons and value in bars."""
    panels = [screen[..., 0]]
    text = f"step {step}: {BUTTONS[action]}\n"
    text += f"value {agent.values[0]:.2f}" if is_paid_by_path else ""
    belief = np.zeros(1)
    if agent.progress:
        follower = agent.progress.follower
        panels += [follower.path.pictures[int(row)][..., 0] for row in agent.goals[0]]
        cells = follower.path.num_cells
        place = agent.places[0] * (cells - 1)
        believed = follower.believed(agent.rows)[0].item() * (cells - 1)
        first = int(np.clip(believed - CELLS_DRAWN // 2, 0, max(0, cells - CELLS_DRAWN)))
        belief = follower.belief[0, first : first + CELLS_DRAWN].numpy(force=True)
        sure = "sure" if follower.sure[0] else f"unsure for {int(follower.since[0])}"
        text += f"\ncell {place:.1f} of {cells}, {sure}"
        text += f"\nup to {int(follower.front[0])} without more seen"
        text += f"\nbelief in cells {first} to {first + len(belief) - 1}:"
    image = Image.new("L", (len(panels) * (160 + GAP) + 190, 144), 255)
    for i, panel in enumerate(panels):
        image.paste(Image.fromarray(panel), (i * (160 + GAP), 0))
    draw, left = ImageDraw.Draw(image), len(panels) * (160 + GAP)
    draw.multiline_text((left, 0), text, fill=0, spacing=1)
    for i, weight in enumerate(belief):
        draw.rectangle((left + 5 * i, 104 - 36 * float(weight), left + 5 * i + 3, 104), fill=85)
    for i, share in enumerate(probabilities.tolist()):
        x = left + 23 * i
        draw.rectangle((x, 132 - 24 * share, x + 12, 132), fill=0 if i == action else 170)
        draw.text((x, 133), BUTTONS[i][:3], fill=0)
    return image


def write_tensorboard(directory: Path, results: dict, gif: bytes) -> None:
    """Write milestone means and the GIF."""
    with event_log(directory) as writer:
        for name in AGENTS:
            mean = results[name]["milestones_mean"]
            writer.add_scalar(f"milestones/{name}", mean, results["iteration"])
        log_gif(writer, "trajectories", gif, results["iteration"])


@dataclass
class Candidate:
    """A policy to be played, and what else its file has."""

    agent: TrainedAgent
    timing: dict[str, int]
    """frames of a step, and for how many of them buttons are held"""
    start: Start
    """where it began in training"""
    iteration: int
    visits: np.ndarray
    """(cells,) steps of the training along the path, (0,) where they were not counted"""
    training: dict[str, dict]
    """its settings and provenance, each empty where they are not told"""
    is_paid_by_path: bool
    """it was paid for its place on the path that it has"""


def load_candidate(file: Path, game: Game, args: Args) -> Candidate:
    """Load a policy. Raises ArtefactError, or ValueError when its path is not beside it."""
    policy, checkpoint = load_policy(file, pick_device(args.device))
    with fitting(file, "policy"):
        rom_sha1, trained_on = checkpoint["rom_sha1"], checkpoint["game"]
        timing = {key: int(checkpoint[key]) for key in ("frame_skip", "hold_frames")}
        start = Start.of_policy(file, checkpoint)
        iteration = int(checkpoint["iteration"])
        visits = np.array(checkpoint.get("visits", []), dtype=np.int64)
        training = {name: dict(checkpoint.get(name, {})) for name in ("settings", "provenance")}
    if rom_sha1 != game.sha1:
        print(f"note: {file} was trained on another ROM ({trained_on})")
    path = load_guide(file, checkpoint, args.device)
    if policy.config.goals and path is None:
        raise ValueError(f"{file} was trained with a guide, and does not name it: train anew")
    is_paid_by_path = path is not None and checkpoint.get("is_paid_by_path", False)
    agent = TrainedAgent(policy, path, args.episodes, args.seed, args.greedy)
    return Candidate(agent, timing, start, iteration, visits, training, is_paid_by_path)


def find_checkpoints(patterns: Iterable[str]) -> list[Path]:
    """Return the policies that `--checkpoints` means. Raises ValueError where there are none."""
    files = []
    for pattern in patterns:
        found = [pattern] if Path(pattern).is_file() else glob.glob(pattern)
        if not found:
            raise ValueError(
                f"expected policies at {pattern}, found none: pass other --checkpoints"
            )
        files += [Path(file) for file in sorted(found)]
    return files


def play_checkpoints(files: list[Path], game: Game, args: Args, begin: Beginnings) -> list[dict]:
    """Play policies kept along a training; returns figures of each, in order of training.

    What was played before in the same way, in out/checkpoints.json, is not played again, and of
    policies of one iteration only the first is.
    """
    file = args.out / "checkpoints.json"
    known = read_json(file) if files and file.exists() else {}
    way = [args.steps, args.seed, args.greedy, game.sha1, repr(game.milestones), version("emurust")]
    told = json.dumps([*way, *map(sha256, begin.states)])
    figures = {}
    for number, policy in enumerate(files, 1):
        key = sha256(policy.read_bytes() + told.encode())
        if key not in known:
            kept = load_candidate(policy, game, args)
            if kept.iteration in figures:
                continue
            name = f"{policy.name} ({number} of {len(files)})"
            episodes = play(kept.agent, game, args.steps, 0, kept.timing, begin, name)
            found = summarise(episodes, game)
            known[key] = {"policy": str(policy), "iteration": kept.iteration, **found}
            write_json(file, known)
        figures.setdefault(known[key]["iteration"], known[key])
    return [figures[iteration] for iteration in sorted(figures)]


def sha256(content: bytes) -> str:
    """Return the SHA-256 of some bytes."""
    return hashlib.sha256(content).hexdigest()


def trajectory(
    name: str, episodes: Episodes, index: int, game: Game, path: PathModel | None
) -> Trajectory:
    """Return an episode as the page shows it, up to the path's end."""
    length = int(min(len(episodes.video), episodes.ends[index] + 1))
    steps = dict(zip((m.name for m in game.milestones), episodes.first_reached[index], strict=True))
    reached = {name: int(step) for name, step in steps.items() if 0 <= step < length}
    return Trajectory(
        name,
        int(episodes.milestones[index]),
        list(islice(episode_moments(episodes, index, path), length)),
        episodes.chances[:length, index].tolist(),
        dict(sorted(reached.items(), key=lambda item: item[1])),
    )


def training_runs(args: Args) -> list[TrainingRun]:
    """Read the trainings whose curves the page shows. Raises ValueError for one that was asked for
    and is not there."""
    if args.runs:
        return read_runs(args.runs)
    own = args.policy.parent
    try:
        return read_runs([own]) if (own / "metrics.jsonl").is_file() else []
    except ValueError as error:
        print(f"note: no curves, {error}")
        return []


def find_beginning(args: Args, trained: Start, game: Game) -> Start:
    """Return where episodes begin: as flags tell, else as in the policy's training."""
    movie, state, battery = args.start_movie, args.start_state, args.battery_save
    if not (movie or state or battery):
        return trained
    if trained.state and not (movie or state):
        if battery == "none":
            return trained  # a state has cartridge RAM of its own
        raise ValueError(
            f"expected --battery-save none where a policy was trained from a state, got {battery}: "
            "pass --start-movie or --start-state to begin elsewhere"
        )
    told = find_start(movie, state, battery or "none", game)
    return told if movie or state else replace(told, movie=trained.movie)


def products(args: Args) -> list[Path]:
    """Return the files that others read."""
    names = ("report.html", "results.json", "trained.gif", "random.gif", "both.gif")
    return [args.out / name for name in names]


@writes_alone(lambda args: args.out)
def main(args: Args) -> dict:
    """Play all agents at the same budget, write figures, GIFs and the page; returns the figures."""
    checkpoints = find_checkpoints(args.checkpoints)
    game = find_game(args.rom)
    print(f"playing {game.name} ({game.path}) with {args.policy}")
    for note in game.notes:
        print(f"note: {note}")
    candidate = load_candidate(args.policy, game, args)
    agent, timing, start = candidate.agent, candidate.timing, candidate.start
    path = agent.progress.follower.path if agent.progress else None
    runs = training_runs(args)
    start = find_beginning(args, start, game)
    if start.battery:
        print(f"episodes begin with the battery save of {start.source}")
    begin = beginnings(start, game, args.episodes, args.noop_max, args.seed)
    kept = play_checkpoints(checkpoints, game, args, begin)
    agents = {"trained": agent}
    for name, buttons in MINDLESS.items():
        agents[name] = Mindless(buttons, args.episodes, args.seed)
    episodes = {
        name: play(agent, game, args.steps, args.gif_steps, timing, begin, name)
        for name, agent in agents.items()
    }
    shown = {name: ranking(e)[args.episodes // 2] for name, e in episodes.items()}
    videos = {
        name: draw_video(episode_moments(episodes[name], shown[name], path))
        for name in ("trained", "random")
    }
    videos["both"] = beside(*videos.values())
    gifs = {name: encode_gif(video) for name, video in videos.items()}
    for name, gif in gifs.items():
        write_whole(args.out / f"{name}.gif", gif)
    results = {name: summarise(e, game) for name, e in episodes.items()}
    trained = episodes["trained"]
    results |= {
        "improvement_over": {name: compare(trained, episodes[name]) for name in MINDLESS},
        "checkpoints": kept,
        "game": game.name,
        "notes": list(game.notes),
        "policy": str(args.policy),
        "iteration": candidate.iteration,
        "steps": args.steps,
        "episodes": args.episodes,
        "seed": args.seed,
        "noop_max": args.noop_max,
        "gif": str(args.out / "both.gif"),
        "page": str(args.out / "report.html"),
        "frame_skip": timing["frame_skip"],
        "settings": plain(args),
        "provenance": provenance(agent.device),
        "training": candidate.training,
    }
    write_tensorboard(args.out / "tensorboard", results, gifs["both"])
    write_json(args.out / "results.json", results)
    told = [("median", "trained", shown["trained"]), ("median", "random", shown["random"])]
    if (best := ranking(trained)[-1]) != shown["trained"]:
        told.insert(1, ("best", "trained", best))
    report = Report(
        results,
        [
            trajectory(f"{who}, {which} episode", episodes[who], index, game, path)
            for which, who, index in told
        ],
        runs,
        path,
        candidate.visits,
        trained.places[np.arange(args.steps)[:, None] <= trained.ends],
    )
    write_page(args.out / "report.html", report)
    print(format_table(results))
    print(f"wrote {results['page']}; {results['gif']} has trained left, random right")
    if args.explain:
        one = shown["trained"]
        agent = TrainedAgent(agent.policy, path, 1)
        told = begin, trained, one, args.explain, candidate.is_paid_by_path
        picture = explain(agent, game, timing, *told)
        write_png(args.out / "explain.png", picture)
        print(f"wrote {args.out / 'explain.png'}: episode {one}")
    return results


if __name__ == "__main__":
    run_script(main, Args)
