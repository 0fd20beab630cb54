"""Who plays, and what comes of it: a trained policy or mindless buttons, N episodes at once."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from emurust import VecGameBoy
from scipy.stats import entropy
from tqdm import trange

from curriculum import Start, play_start
from games.actions import BUTTONS, NUM_ACTIONS, action_masks
from games.game import Game
from models.actor_critic import ActorCritic, GoalLatents, Outlook
from models.checkpoint import fitting
from models.follower import Follower
from models.frame_cache import InBatches, fastest
from models.path import PathModel, load_path
from models.progress import PathProgress
from training import pick_device


class Agent(Protocol):
    """What plays N episodes at once."""

    def begin(self, begin: "Beginnings") -> None:
        """See the way to where the episodes begin."""

    def watch(self, obs: np.ndarray) -> None:
        """See obs (N, 144, 160, 3) uint8, once a step."""

    def act(self) -> tuple[np.ndarray, np.ndarray]:
        """Return action indices (N,) for what was seen last, of probabilities (N, actions)."""


@dataclass
class Episodes:
    """What an agent did in N episodes."""

    first_reached: np.ndarray
    """(N, milestones) step at which each was first true, -1 for never"""
    actions: np.ndarray
    """(steps, N) indices"""
    chances: np.ndarray
    """(steps, N) how probable each of these was"""
    entropy: np.ndarray
    """(steps, N) of the probabilities, 1 where all buttons are as probable"""
    places: np.ndarray
    """(steps, N) place on the path before each action, 0 without one"""
    video: np.ndarray
    """(steps shown, N, 144, 160) uint8: what was seen before each action"""
    goals: np.ndarray
    """(steps shown, N) picture of the path that was the nearer goal, -1 without one"""
    ends: np.ndarray
    """(N,) steps until the place was the path's end, for what comes then is the title again"""

    @property
    def milestones(self) -> np.ndarray:
        """Milestones reached, (N,)."""
        return (self.first_reached >= 0).sum(axis=1)


class Mindless:
    """Presses some of the buttons, each as often, whatever it sees."""

    def __init__(self, buttons: Iterable[str], episodes: int, seed: int):
        self.buttons = np.array([BUTTONS.index(name) for name in buttons])
        self.episodes, self.rng = episodes, np.random.default_rng(seed)

    def begin(self, begin: "Beginnings") -> None:
        """See nothing."""

    def watch(self, obs: np.ndarray) -> None:
        """See nothing."""

    def act(self) -> tuple[np.ndarray, np.ndarray]:
        """Return action indices (N,), and probabilities (N, actions)."""
        probabilities = np.zeros((self.episodes, NUM_ACTIONS), dtype=np.float32)
        probabilities[:, self.buttons] = 1 / len(self.buttons)
        drawn = self.rng.integers(len(self.buttons), size=self.episodes)
        return self.buttons[drawn], probabilities


class TrainedAgent:
    """Acts by a policy, with its memory and its place on the path carried from step to step."""

    def __init__(
        self,
        policy: ActorCritic,
        path: PathModel | None,
        episodes: int,
        seed: int = 0,
        greedy: bool = False,
    ):
        self.policy, self.greedy = policy, greedy
        self.device = device = next(policy.parameters()).device
        self.generator = torch.Generator(device).manual_seed(seed)
        self.memory = policy.initial_memory(episodes)
        self.starts = torch.zeros(1, episodes, dtype=torch.bool, device=device)
        self.rows = torch.arange(episodes, device=device)
        self.paid = torch.zeros(episodes, device=device)  # the height, as in training
        self.progress = PathProgress(Follower(path, episodes)) if path else None
        encode, shape = InBatches(policy.encode, episodes), policy.encoder.latent_shape
        self.encode = fastest(encode, shape, device)
        self.goal_latents = GoalLatents(path.pictures, encode, shape, device) if path else None

    @property
    def places(self) -> np.ndarray | None:
        """Places on the path, (N,), None without one."""
        return self.progress.score(None, self.rows.numpy(force=True)) if self.progress else None

    @property
    def goals(self) -> torch.Tensor | None:
        """Pictures of the path that the policy is shown, (N, goals), None without a path."""
        return self.progress.follower.goals if self.progress else None

    def begin(self, begin: "Beginnings") -> None:
        """Follow the path to the beginnings; what has lost it is looked for everywhere once."""
        if self.progress and begin.from_state:
            for env, index in enumerate(begin.steps[0]):
                self.progress.locate(torch.from_numpy(begin.frames[index]).to(self.device), env)
        for index in begin.steps:
            self.watch(begin.frames[index])
        if self.progress and begin.is_movie:
            for env in np.flatnonzero(self.progress.lost(self.rows.numpy(force=True))):
                self.progress.locate(self.frames[env], env)

    def watch(self, obs: np.ndarray) -> None:
        """Follow the path, if there is one."""
        self.frames = torch.from_numpy(obs).to(self.device)
        if self.progress:
            self.progress.follow(self.frames, self.rows.numpy(force=True))

    @torch.inference_mode()
    def act(self) -> tuple[np.ndarray, np.ndarray]:
        """Return action indices (N,), and probabilities (N, actions)."""
        latents = self.encode(self.frames)[None]
        outlook, paid = None, None
        if self.progress:
            place = self.progress.follower.progress(self.rows)
            counts = torch.from_numpy(self.progress.counts(self.rows.numpy(force=True)))
            height = torch.maximum(self.paid, place)
            self.paid = torch.where(counts.to(self.device), height, self.paid)
            paid = self.paid[None]
            outlook = Outlook.of(latents, self.goal_latents(self.goals)[None], place[None])
        logits, values, self.memory = self.policy(latents, self.starts, self.memory, paid, outlook)
        probabilities, self.values = logits[0].softmax(dim=-1), values[0]
        if self.greedy:
            actions = logits[0].argmax(dim=-1)
        else:
            actions = torch.multinomial(probabilities, 1, generator=self.generator)[:, 0]
        return actions.cpu().numpy(), probabilities.cpu().numpy()


@dataclass
class Beginnings:
    """Where N episodes begin, and the ways there."""

    states: list[bytes]
    """exported states, one an episode"""
    frames: np.ndarray
    """(T, 144, 160, 3) uint8: what is seen on the way"""
    steps: np.ndarray
    """(S, N) which of these each sees, step by step; a shorter way stays at its first frame"""
    from_state: bool
    """the ways begin at a state in the middle of the game"""
    is_movie: bool
    """the ways are played, and may lead to the middle of the game"""


def beginnings(start: Start, game: Game, episodes: int, noop_max: int, seed: int) -> Beginnings:
    """Return where episodes begin: after `start`, then a random wait of up to `noop_max` steps."""
    states, frames = play_start(start, game, noop_max)
    last = len(states) - 1 - noop_max
    ends = last + np.random.default_rng(seed).integers(noop_max + 1, size=episodes)
    steps = np.arange(ends.max() + 1)[:, None] - (ends.max() - ends)
    steps = steps.clip(min=0)
    return Beginnings([states[end] for end in ends], frames, steps, bool(start.state), last > 0)


def play(
    agent: Agent,
    game: Game,
    steps: int,
    shown: int,
    timing: dict[str, int],
    begin: Beginnings,
    name: str,
) -> Episodes:
    """Play an episode of `steps` steps from each beginning, the first `shown` of them filmed."""
    states = begin.states
    emulators = VecGameBoy(game.rom, len(states), **timing)
    obs = np.zeros(emulators.obs_shape(), dtype=np.uint8)
    for env, state in enumerate(states):
        emulators.import_state(env, state)
    agent.begin(begin)
    emulators.render(obs)
    shown = min(shown, steps)
    episodes = Episodes(
        first_reached=np.full((len(states), len(game.milestones)), -1),
        actions=np.zeros((steps, len(states)), dtype=np.int64),
        chances=np.zeros((steps, len(states)), dtype=np.float32),
        entropy=np.zeros((steps, len(states)), dtype=np.float32),
        places=np.zeros((steps, len(states)), dtype=np.float32),
        video=np.zeros((shown, *obs.shape[:3]), dtype=np.uint8),
        goals=np.full((shown, len(states)), -1),
        ends=np.full(len(states), steps),
    )
    follows = isinstance(agent, TrainedAgent) and agent.progress is not None
    for step in trange(steps, desc=name, unit="step"):
        actions, probabilities = agent.act()
        episodes.actions[step] = actions
        episodes.chances[step] = probabilities[np.arange(len(states)), actions]
        episodes.entropy[step] = entropy(probabilities, axis=1) / np.log(NUM_ACTIONS)
        if follows:
            episodes.places[step] = agent.places
        if step < shown:
            episodes.video[step] = obs[..., 0]
            if follows:
                episodes.goals[step] = agent.goals[:, 0].cpu().numpy()
        emulators.step(action_masks(episodes.actions[step]), obs)
        agent.watch(obs)
        if follows:
            arrived = agent.progress.arrived(np.arange(len(states)))
            episodes.ends[arrived] = np.minimum(episodes.ends[arrived], step + 1)
        held = game.milestones_held(emulators.read_memory_batch)
        first = episodes.first_reached
        first[held & (first < 0)] = step
    return episodes


def load_guide(policy: Path, checkpoint: dict, device: str) -> PathModel | None:
    """Load the path that a policy follows, which lies beside it; None for one without a guide.

    Raises ValueError when it is missing, or not the one that the policy was trained with.
    """
    with fitting(policy, "policy"):
        guide = checkpoint["guide"]
        if guide is None:
            return None
        file, digest = policy.with_name(guide["file"]), str(guide["sha256"])
    remedy = f"put the {file.name} from the policy's training beside it"
    if not file.is_file():
        raise ValueError(f"{policy} follows a path, expected at {file}: {remedy}")
    if hashlib.sha256(file.read_bytes()).hexdigest() != digest:
        raise ValueError(f"{file} is not the path that {policy} was trained with: {remedy}")
    return load_path(file, pick_device(device))
