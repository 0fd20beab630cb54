"""How near does each training loop come to its model alone, and PPO to its emulators alone?

With the artefacts of a demo in runs/demo (`uv run python demo.py` leaves them there):

    uv run python -m benchmarks.throughput
    uv run python -m benchmarks.throughput --game emberwick --artefacts runs/demo-emberwick

Pretraining and the reward model are run at the default sizes (--small: the demo's), once to warm up
and once for the clock; the model alone does the same steps on one batch that is on the device
already. PPO is run in the demo's settings, on the path. Prints JSON.
"""

import quiet_threads  # noqa: F401

import json
import math
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F

import demo
import pretrain_visual
import train_reward_model
import train_with_cnn_reward
from cli import Count, run_script
from data.frames import open_runs, sample_frames
from games.actions import NUM_ACTIONS, action_masks
from games.game import find_game
from models.blocks import RunningRMS
from models.perceptual import PerceptualDistance
from models.reward_model import RewardModel, RewardModelConfig, bradley_terry_loss
from models.tokenizer import Tokenizer
from training import TrainingArgs, autocast, event_log, pick_device

#: Rollouts with their updates, after one that warms up.
ITERATIONS = 3


@dataclass
class Args:
    game: Literal["waystone", "emberwick"] = "waystone"
    """the bundled game"""
    artefacts: Path = Path("runs/demo")
    """folder of a demo of it: frames, encoder, path"""
    stages: tuple[str, ...] = ("tokenizer", "reward", "ppo")
    """what to measure"""
    envs: tuple[Count, ...] = (32, 256, 1024)
    """numbers of emulators"""
    steps: Count = 200
    """training steps for the clock"""
    alternate: tuple[bool, ...] = (False,)
    """all environments at once, halves of them in turn (True), or both"""
    small: bool = False
    """pretraining at the demo's sizes"""
    compile: bool = False
    """pretraining with --compile"""
    device: str = "auto"
    """auto, cpu or cuda"""


def wait(device: torch.device) -> None:
    """Wait until the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def seconds_a_step(step: Callable[[], None], steps: int, device: torch.device) -> float:
    """Return how long a step takes, after as many that warm up."""
    for _ in range(steps):
        step()
    wait(device)
    began = time.perf_counter()
    for _ in range(steps):
        step()
    wait(device)
    return (time.perf_counter() - began) / steps


def bare_step(
    training_args: TrainingArgs,
    model: torch.nn.Module,
    loss: Callable[[torch.Tensor], torch.Tensor],
    frames: torch.Tensor,
) -> Callable[[], None]:
    """Return a training step on one batch: the loss, its gradients, AdamW."""
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=training_args.lr, fused=training_args.fused
    )

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss(frames).backward()
        optimizer.step()

    return step


def compare(loop: Callable[[int], dict], step: Callable[[], None], args: Args, batch: int) -> dict:
    """Time a training loop of so many steps, and the bare step; images a second, and the ratio."""
    device = pick_device(args.device)
    first, last = loop(1), loop(2)
    spent = (last["seconds"] - first["seconds"]) / args.steps
    bare = seconds_a_step(step, args.steps, device)
    return {
        "images_per_second": round(batch / spent),
        "bare_images_per_second": round(batch / bare),
        "ratio": round(bare / spent, 3),
    }


def stage_args(args: Args, name: str, small: bool, out: Path) -> TrainingArgs:
    """Return the flags of a pretraining stage, at its default sizes or the demo's."""
    of_demo = demo.stage_args(name, args.artefacts, args.game)
    flags = of_demo if small else type(of_demo)(data=of_demo.data)
    flags = replace(flags, out=out, steps_per_epoch=args.steps, time_limit_seconds=None)
    return replace(flags, device=args.device, compile=args.compile)


def measure_tokenizer(args: Args, out: Path) -> dict:
    """Time stage 1A."""
    flags = stage_args(args, "pretrain", args.small, out)
    runs, device = open_runs(flags.data), pick_device(args.device)
    tokenizer = Tokenizer(pretrain_visual.tokenizer_config(flags)).to(device)
    lpips = PerceptualDistance(flags.lpips_net, flags.lpips_weights).to(device)
    for model in (tokenizer, lpips) if flags.channels_last else ():
        model.to(memory_format=torch.channels_last)
    mse_rms, lpips_rms = RunningRMS().to(device), RunningRMS().to(device)
    model = torch.compile(tokenizer) if args.compile else tokenizer

    def loss(frames: torch.Tensor) -> torch.Tensor:
        images = tokenizer.preprocess(frames)
        with autocast(device, flags.precision):
            output = model(images)
            some = math.ceil(len(images) * flags.lpips_share)
            distance = lpips(output[:some], images[:some]).float().mean()
            mse = F.mse_loss(output.float(), images)
            return mse_rms(mse) + flags.lpips_weight * lpips_rms(distance)

    def loop(epochs: int) -> dict:
        with event_log(out / "runs") as writer:
            return pretrain_visual.train_tokenizer(
                replace(flags, epochs=epochs), tokenizer, lpips, runs, runs[:1], writer
            )

    frames = torch.from_numpy(sample_frames(runs, flags.batch_size, np.random.default_rng(0)))
    step = bare_step(flags, tokenizer, loss, frames.to(device))
    return compare(loop, step, args, flags.batch_size)


def measure_reward(args: Args, out: Path) -> dict:
    """Time stage 2."""
    flags = stage_args(args, "reward", args.small, out)
    runs, device = open_runs(flags.data), pick_device(args.device)
    model = RewardModel(RewardModelConfig(flags.backbone, flags.grey, flags.half_size)).to(device)
    if flags.channels_last:
        model.to(memory_format=torch.channels_last)
    score = torch.compile(model.raw_score) if args.compile else model.raw_score

    def loss(frames: torch.Tensor) -> torch.Tensor:
        with autocast(device, flags.precision):
            scores = score(frames).float()
        return bradley_terry_loss(*scores.chunk(2))

    def loop(epochs: int) -> dict:
        with event_log(out / "runs") as writer:
            return train_reward_model.train_score(
                replace(flags, epochs=epochs), model, runs, runs[:1], writer
            )

    batch = 2 * flags.batch_size
    frames = torch.from_numpy(sample_frames(runs, batch, np.random.default_rng(0)))
    return compare(loop, bare_step(flags, model, loss, frames.to(device)), args, batch)


def measure_ppo(args: Args, num_envs: int, alternate: bool) -> dict:
    """Time rollouts and updates, and the emulators alone on random buttons."""
    game = find_game(demo.rom(args.game))
    flags = demo.stage_args("train", args.artefacts, args.game)
    agent = train_with_cnn_reward.make_agent(
        replace(flags, num_envs=num_envs, device=args.device, alternate=alternate), game
    )
    spent = {"rollout": 0.0, "update": 0.0}
    shares: dict[str, list[float]] = {}
    for iteration in range(1 + ITERATIONS):
        agent.timer.restart()
        began = time.perf_counter()
        rollout, _ = agent.rollout()
        wait(agent.device)
        played = time.perf_counter()
        with agent.timer("update"):
            agent.update(rollout, flags.lr)
            wait(agent.device)
        if iteration:
            spent["rollout"] += played - began
            spent["update"] += time.perf_counter() - played
            for name, share in agent.timer.shares().items():
                shares.setdefault(name, []).append(share)
    steps = ITERATIONS * num_envs * flags.num_steps
    rng, envs = np.random.default_rng(0), agent.envs
    began = time.perf_counter()
    for _ in range(flags.num_steps):
        masks = action_masks(rng.integers(NUM_ACTIONS, size=num_envs))
        for group, rows in enumerate(envs.groups):
            envs.emulators.press(group, masks[rows], envs.obs)
        for group in range(len(envs.groups)):
            envs.emulators.wait(group)
    alone = num_envs * flags.num_steps / (time.perf_counter() - began)
    return {
        "steps_per_second": round(steps / sum(spent.values())),
        "rollout_steps_per_second": round(steps / spent["rollout"]),
        "update_s": round(spent["update"] / ITERATIONS, 3),
        "emulators_alone_steps_per_second": round(alone),
        **{name: round(float(np.mean(values)), 3) for name, values in shares.items()},
    }


def main(args: Args) -> dict:
    """Measure what is asked for; print and return the figures."""
    known = {"tokenizer": measure_tokenizer, "reward": measure_reward}
    if unknown := set(args.stages) - {*known, "ppo"}:
        raise ValueError(
            f"expected --stages among tokenizer, reward, ppo, got {', '.join(sorted(unknown))}"
        )
    device = pick_device(args.device)
    name = torch.cuda.get_device_name() if device.type == "cuda" else "none"
    results: dict[str, dict | str | int] = {"gpu": name, "cores": len(os.sched_getaffinity(0))}
    for stage in args.stages:
        if stage == "ppo":
            for num_envs, alternate in product(args.envs, args.alternate):
                key = f"ppo {num_envs}" + alternate * " in halves"
                results[key] = measure_ppo(args, num_envs, alternate)
                print(f"{key}: {results[key]}", flush=True)
            continue
        with tempfile.TemporaryDirectory() as out:
            results[stage] = known[stage](args, Path(out))
        print(f"{stage}: {results[stage]}", flush=True)
    print(json.dumps(results, indent=2))
    return results


if __name__ == "__main__":
    run_script(main, Args)
