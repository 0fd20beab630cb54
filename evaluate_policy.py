"""Compare a trained policy with a random one: milestones, steps to them, trajectories as GIFs.

    uv run python evaluate_policy.py --policy checkpoints/policy_final.pkl --steps 2000

Milestones are read from the game's RAM and serve for nothing but this comparison.
"""

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from emurust import VecGameBoy
from PIL import Image
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter
from tqdm import trange

from cli import run_script
from curriculum import play_masks, start_masks
from games.actions import NUM_ACTIONS, action_masks
from games.game import Game, find_game
from models.actor_critic import ActorCritic, load_policy
from training import pick_device, write_json

GIF_FRAME_MS = 80


@dataclass
class Args:
    policy: Path = Path("checkpoints/policy_final.pkl")
    """policy to evaluate"""
    rom: Path | None = None
    """ROM to play; default: the one in roms/, else the bundled game"""
    steps: int = 2000
    """steps of an episode; a step is as many frames of the game as in training (30)"""
    episodes: int = 8
    """episodes of each agent, played at once, each with actions of its own"""
    seed: int = 0
    """seed of the actions"""
    greedy: bool = False
    """take the most probable action; default: sample, as in training"""
    start_movie: Path | None = None
    """input movie played before every episode; default: what the policy was trained with"""
    noop_max: int = 10
    """each episode then waits 0 to this many steps, drawn by the seed, so that no two are alike"""
    gif_steps: int = 400
    """steps from the start that the GIFs show"""
    out: Path = Path("runs/evaluation")
    """directory of results.json, the GIFs and TensorBoard's files"""
    device: str = "auto"
    """auto, cpu or cuda"""


#: obs (N, 144, 160, 3) uint8 -> action indices (N,)
Act = Callable[[np.ndarray], np.ndarray]


@dataclass
class Episodes:
    """What an agent did in N episodes."""

    first_reached: np.ndarray
    """(N, milestones) step at which each was first true, -1 for never"""
    video: np.ndarray
    """(steps shown, N, 144, 160) uint8"""

    @property
    def milestones(self) -> np.ndarray:
        """Milestones reached, (N,)."""
        return (self.first_reached >= 0).sum(axis=1)


def random_agent(seed: int) -> Act:
    """Press one of the 8 buttons, each as often."""
    rng = np.random.default_rng(seed)
    return lambda obs: rng.integers(NUM_ACTIONS, size=len(obs))


def trained_agent(policy: ActorCritic, episodes: int, seed: int, greedy: bool) -> Act:
    """Act by a policy, with its memory carried from step to step."""
    device = next(policy.parameters()).device
    generator = torch.Generator(device).manual_seed(seed)
    memory = policy.initial_memory(episodes)
    starts = torch.zeros(1, episodes, dtype=torch.bool, device=device)

    @torch.inference_mode()
    def act(obs: np.ndarray) -> np.ndarray:
        nonlocal memory
        latents = policy.encode(torch.from_numpy(obs).to(device)[None])
        logits, _, memory = policy(latents, starts, memory)
        if greedy:
            return logits[0].argmax(dim=-1).cpu().numpy()
        probabilities = logits[0].softmax(dim=-1)
        return torch.multinomial(probabilities, 1, generator=generator)[:, 0].cpu().numpy()

    return act


def beginnings(masks: np.ndarray, game: Game, args: Args) -> list[bytes]:
    """Return the states in which the episodes begin: after `masks`, then a random wait."""
    states, _ = play_masks(np.append(masks, np.zeros(args.noop_max, dtype=np.uint8)), game)
    waits = np.random.default_rng(args.seed).integers(args.noop_max + 1, size=args.episodes)
    return [states[len(masks) - 1 + wait] for wait in waits]


def play(
    act: Act, game: Game, args: Args, timing: dict[str, int], states: list[bytes], name: str
) -> Episodes:
    """Play an episode of `args.steps` steps from each of `states`."""
    emulators = VecGameBoy(game.rom, len(states), **timing)
    obs = np.zeros(emulators.obs_shape(), dtype=np.uint8)
    for env, state in enumerate(states):
        emulators.import_state(env, state)
    emulators.render(obs)
    first = np.full((len(states), len(game.milestones)), -1)
    video = np.zeros((min(args.gif_steps, args.steps), *obs.shape[:3]), dtype=np.uint8)
    for step in trange(args.steps, desc=name, unit="step"):
        emulators.step(action_masks(act(obs)), obs)
        held = game.milestones_held(emulators.read_memory_batch)
        first[held & (first < 0)] = step
        if step < len(video):
            video[step] = obs[..., 0]
    return Episodes(first, video)


def bootstrap_interval(values: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """Return the 95% percentile bootstrap interval of the mean of values (N,)."""
    rng = np.random.default_rng(seed)
    means = rng.choice(values, (10_000, len(values))).mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)


def summarise(episodes: Episodes, game: Game) -> dict:
    """Return an agent's figures as plain JSON values."""
    reached = episodes.milestones
    low, high = bootstrap_interval(reached)
    table = {}
    for milestone, steps in zip(game.milestones, episodes.first_reached.T, strict=True):
        hits = steps[steps >= 0]
        table[milestone.name] = {
            "share_of_episodes": len(hits) / len(steps),
            "median_step": float(np.median(hits)) if len(hits) else None,
        }
    return {
        "milestones_mean": float(reached.mean()),
        "milestones_interval": [low, high],
        "milestones_per_episode": reached.tolist(),
        "milestones": table,
    }


def format_table(trained: dict, random: dict, out_of: int) -> str:
    """Lay the two agents' figures side by side."""
    rows = [("", "trained", "random"), (f"milestones of {out_of}", *map(_mean, (trained, random)))]
    for name in trained["milestones"]:
        cells = (_share(agent["milestones"][name]) for agent in (trained, random))
        rows.append((name, *cells))
    return "\n".join(f"{name:<24}{a:>24}{b:>24}" for name, a, b in rows)


def _mean(agent: dict) -> str:
    low, high = agent["milestones_interval"]
    return f"{agent['milestones_mean']:.2f} [{low:.2f}, {high:.2f}]"


def _share(milestone: dict) -> str:
    if milestone["median_step"] is None:
        return "-"
    return f"{milestone['share_of_episodes']:.0%} at step {milestone['median_step']:.0f}"


def median_episode(episodes: Episodes) -> int:
    """Return the episode to show: the median one by milestones, not the best."""
    return int(np.argsort(episodes.milestones, kind="stable")[len(episodes.milestones) // 2])


def write_gif(path: Path, video: np.ndarray) -> bytes:
    """Write a video (T, H, W) uint8 grey as an endless GIF; returns its bytes."""
    images = [Image.fromarray(frame).quantize(4) for frame in video]
    buffer = io.BytesIO()
    images[0].save(
        buffer, "GIF", save_all=True, append_images=images[1:], duration=GIF_FRAME_MS, loop=0
    )
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(buffer.getvalue())
    os.replace(temporary, path)
    return buffer.getvalue()


def write_tensorboard(directory: Path, results: dict, gif: bytes) -> None:
    """Write milestone means and the GIF (an encoded image, which TensorBoard animates)."""
    iteration = results["iteration"]
    width, height = Image.open(io.BytesIO(gif)).size
    image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=gif)
    with SummaryWriter(str(directory)) as writer:
        for name in ("trained", "random"):
            writer.add_scalar(f"milestones/{name}", results[name]["milestones_mean"], iteration)
        trajectories = Summary(value=[Summary.Value(tag="trajectories", image=image)])
        writer._get_file_writer().add_summary(trajectories, iteration)


def main(args: Args) -> dict:
    """Play both agents at the same budget, write results.json and the GIFs; returns the results."""
    for flag, low in {"steps": 1, "episodes": 1, "gif_steps": 1, "noop_max": 0}.items():
        if getattr(args, flag) < low:
            name = f"--{flag.replace('_', '-')}"
            raise ValueError(f"expected {name} of {low} or more, got {getattr(args, flag)}")
    policy, checkpoint = load_policy(args.policy, pick_device(args.device))
    game = find_game(args.rom)
    print(f"playing {game.name} ({game.path}) with {args.policy}")
    if checkpoint["rom_sha1"] != game.sha1:
        print(f"note: the policy was trained on another ROM ({checkpoint['game']})")
    if not game.milestones:
        print("note: no games/*/milestones.toml knows this ROM: only the GIFs will tell")
    timing = {key: checkpoint[key] for key in ("frame_skip", "hold_frames")}
    agents = {
        "trained": trained_agent(policy, args.episodes, args.seed, args.greedy),
        "random": random_agent(args.seed),
    }
    trained_from = np.array(checkpoint["start_masks"], dtype=np.uint8)
    masks = start_masks(args.start_movie) if args.start_movie else trained_from
    states = beginnings(masks, game, args)
    episodes = {name: play(act, game, args, timing, states, name) for name, act in agents.items()}
    args.out.mkdir(parents=True, exist_ok=True)
    videos = {name: e.video[:, median_episode(e)] for name, e in episodes.items()}
    videos["both"] = np.concatenate([videos["trained"], videos["random"]], axis=2)
    gifs = {name: write_gif(args.out / f"{name}.gif", video) for name, video in videos.items()}
    results = {name: summarise(e, game) for name, e in episodes.items()}
    results |= {
        "game": game.name,
        "policy": str(args.policy),
        "iteration": checkpoint["iteration"],
        "steps": args.steps,
        "episodes": args.episodes,
        "seed": args.seed,
        "noop_max": args.noop_max,
        "gif": str(args.out / "both.gif"),
    }
    write_tensorboard(args.out / "tensorboard", results, gifs["both"])
    write_json(args.out / "results.json", results)
    print(format_table(results["trained"], results["random"], len(game.milestones)))
    print(f"wrote {args.out / 'results.json'} and {results['gif']} (left trained, right random)")
    return results


if __name__ == "__main__":
    run_script(main, Args)
