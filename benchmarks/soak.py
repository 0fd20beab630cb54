"""Play for a day in many machines, and keep and drop a million states: memory must not grow.

    uv run python benchmarks/soak.py                               # some 20 minutes on two cores
    uv run python benchmarks/soak.py --hours 0.1 --cycles 10_000

Random play, each button held for 8 of 30 frames. Prints JSON: the greatest resident memory (MiB)
after a warm-up, after the play and after the states. Exit code 1 if it grew by more than
`--max-growth-mib`.
"""

import json
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from emurust import VecGameBoy
from tqdm import trange

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cli import Count, CountOrZero, NotNegative, Seed, run_script
from games.actions import ACTION_MASKS
from games.game import BUNDLED_ROM

FRAMES_PER_SECOND = 4_194_304 / 70_224
FRAME_SKIP = 30


@dataclass
class Args:
    rom: Path = BUNDLED_ROM
    """ROM to play"""
    hours: NotNegative = 24.0
    """game time of each machine"""
    envs: Count = 32
    """machines"""
    cycles: CountOrZero = 1_000_000
    """states to save, load and drop"""
    max_growth_mib: NotNegative = 8.0
    """how much more memory is still called the same"""
    seed: Seed = 0
    """random play"""


def peak_mib() -> float:
    """Return the greatest resident memory so far."""
    units = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * units / 2**20


def play(games: VecGameBoy, obs: np.ndarray, steps: int, rng: np.random.Generator) -> None:
    for _ in trange(steps, desc="play", unit="step", mininterval=5):
        games.step(rng.choice(ACTION_MASKS, games.num_envs), obs)


def cycle_states(games: VecGameBoy, cycles: int) -> None:
    """Save, load and drop single states, and batches of them, `cycles` in all."""
    for number in trange(0, cycles, games.num_envs + 1, desc="states", mininterval=5):
        env = number % games.num_envs
        state = games.save_state(env)
        games.load_state(games.num_envs - 1 - env, state)
        games.drop_state(state)
        states = games.save_states()
        games.load_states(None, states)
        games.drop_states(states)


def main(args: Args) -> None:
    games = VecGameBoy(args.rom.read_bytes(), args.envs, FRAME_SKIP)
    obs = np.zeros(games.obs_shape(), np.uint8)
    games.reset(obs)
    rng = np.random.default_rng(args.seed)
    play(games, obs, 20, rng)
    cycle_states(games, 20 * (args.envs + 1))
    report = {"warm_mib": peak_mib()}

    steps = round(args.hours * 3600 * FRAMES_PER_SECOND / FRAME_SKIP)
    started = time.perf_counter()
    play(games, obs, steps, rng)
    seconds = time.perf_counter() - started
    report |= {"played_mib": peak_mib(), "frames": steps * FRAME_SKIP * args.envs}
    report["frames_per_second"] = report["frames"] / seconds

    cycle_states(games, args.cycles)
    report |= {"cycled_mib": peak_mib(), "states_left": games.num_states}
    report["growth_mib"] = report["cycled_mib"] - report["warm_mib"]
    print(json.dumps(report, indent=2))
    if report["growth_mib"] > args.max_growth_mib or games.num_states:
        sys.exit(1)


if __name__ == "__main__":
    run_script(main, Args)
