"""N emulators with a progress reward, whose episodes start afresh or from archived states."""

import json
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from emurust import VecGameBoy

import ranks
from cli import Count, CountOrZero, NotNegative, Share
from games.actions import action_masks
from games.game import Game
from games.movie import Movie, play, read_movie
from games.rom import find_battery_save
from models.archive import Archive, Entry
from models.blocks import FRAME_SHAPE
from models.progress import Progress
from training import StageTimer

#: How far a loaded moment's score may lie from the one it was saved with, in runs.
SCORE_TOLERANCE = 0.005
#: Fresh episodes of which it is remembered how far they came.
RECENT = 64
#: What a resumed run takes over of every environment, beside its emulator.
PER_ENV = (
    *("score", "paid_score", "best_score", "sure"),
    *("episode_steps", "best_step", "is_fresh", "reached", "shown"),
)


@dataclass
class CurriculumConfig:
    """How the environments step, pay and restart."""

    num_envs: Count = 32
    """emulators played at once"""
    frame_skip: Count = 30
    """frames of the game a step: 30 is half a second"""
    hold_frames: CountOrZero = 8
    """frames of a step for which the button is held"""
    reward_interval: Count = 64
    """steps between two payments of new heights of progress, in all environments at once"""
    progress_scale: NotNegative = 10.0
    """reward for the progress of one whole run; more for longer runs (10 suits some minutes)"""
    follow_reward: NotNegative = 0.0
    """reward for each recorded moment that the guide waits for, once shown, once an episode, also
    for those that are no progress"""
    time_penalty: NotNegative = 0.001
    """cost of a step"""
    episode_steps: Count = 1024
    """steps until an episode is cut and the environment starts elsewhere"""
    patience_steps: Count = 1024
    """steps without a new height of progress until an episode is cut"""
    fresh_share: Share = 0.3
    """share of episodes that start at the beginning, not at an archived state; 1: no curriculum"""
    start_movie: Path | None = None
    """input movie played before every beginning, such as games/waystone/intro.txt"""
    start_state: Path | None = None
    """state of the game, by VecGameBoy.export_state, from which every beginning goes on"""
    battery_save: str = "auto"
    """battery save that is in the cartridge at every beginning; auto: the .sav or .srm beside the
    ROM, if there is one and no state is given; none: an empty cartridge; or its file"""
    alternate: bool = False
    """play the environments in two halves, in turn: the emulators of one step while what the other
    shows is encoded (double-buffered sampling); slower where it was measured, on two cores"""
    pin_memory: bool = True
    """on a GPU: keep what is copied to it in pinned memory, so that copies run beside other work"""


@dataclass(frozen=True)
class Start:
    """Where every episode begins: at power-on, or in a state, after the buttons of a movie."""

    movie: Movie
    state: bytes = b""
    """the state; none: power-on"""
    battery: bytes = b""
    """the battery save in the cartridge at power-on; none: an empty one"""
    source: Path | None = None
    """the file that state or save come from"""
    remedy: str = ""
    """what to do where they do not load"""

    def to_policy(self) -> dict:
        """Return plain values that a policy's file carries."""
        movie = self.movie
        parts = {
            "masks": movie.masks.tolist(),
            "timing": [movie.frame_skip, movie.hold_frames],
            "state": self.state,
            "battery": self.battery,
        }
        return {f"start_{name}": list(part) for name, part in parts.items()}

    @classmethod
    def of_policy(cls, file: Path, checkpoint: dict) -> "Start":
        """Return the beginning that a policy was trained with."""
        masks = np.array(checkpoint["start_masks"], dtype=np.uint8)
        movie = Movie(masks, *checkpoint.get("start_timing", ()))
        state, battery = (bytes(checkpoint.get(f"start_{n}", ())) for n in ("state", "battery"))
        remedy = "pass --start-state, --start-movie or --battery-save to begin elsewhere"
        return cls(movie, state, battery, file, remedy)


def battery_file(battery_save: str, game: Game, state: Path | None) -> Path | None:
    """Return the file that `--battery-save auto|none|FILE` means.

    Raises ValueError for a file and a state, which has cartridge RAM of its own.
    """
    if battery_save == "auto":
        return None if state else find_battery_save(game.path)
    if battery_save == "none":
        return None
    if state:
        raise ValueError(
            f"expected --start-state or --battery-save, got both: {state} has the cartridge's "
            "memory in it"
        )
    return Path(battery_save)


def find_start(movie: Path | None, state: Path | None, battery_save: str, game: Game) -> Start:
    """Return the beginning that flags tell; without a movie, one step of nothing.

    Raises OSError, or ValueError for a movie that is unreadable or empty, an empty file, or a state
    and a battery save.
    """
    battery = battery_file(battery_save, game, state)
    played = read_movie(movie) if movie else Movie(np.zeros(1, dtype=np.uint8))
    if not len(played.masks):
        raise ValueError(f"expected at least one step in {movie}, got none")
    if state:
        content = state.read_bytes()
        if not content:
            raise ValueError(
                f"expected a state by VecGameBoy.export_state in {state}, got an empty file"
            )
        remedy = "export it again with this emurust, or leave --start-state out"
        return Start(played, content, b"", state, remedy)
    if battery:
        content = battery.read_bytes()
        if not content:
            raise ValueError(
                f"expected a battery save in {battery}, got an empty file: pass another one by "
                "--battery-save, or none"
            )
        return Start(played, b"", content, battery, "pass another one by --battery-save, or none")
    return Start(played)


def play_start(start: Start, game: Game, wait: int = 0) -> tuple[list[bytes], np.ndarray]:
    """Play a beginning, and then nothing for `wait` steps of 30 frames.

    Returns the emulator's exported state after each 30 frames and the screens, (T, 144, 160, 3)
    uint8. Raises ValueError for a state of another game or version, and a battery save of
    another size.
    """
    what = "a state by VecGameBoy.export_state" if start.state else "a battery save"
    try:
        emulator = VecGameBoy(game.rom, 1, num_threads=1, battery=start.battery or None)
        obs = np.zeros(emulator.obs_shape(), dtype=np.uint8)
        emulator.reset(obs)
        if start.state:
            emulator.import_state(0, start.state)
    except ValueError as error:
        raise ValueError(
            f"{start.source}: expected {what} of {game.name} to begin with, got one that does not "
            f"load: {error}: {start.remedy}"
        ) from error
    states, frames = [], []
    nothing = Movie(np.zeros(wait, dtype=np.uint8))
    for _ in chain(*(play(emulator, part.frames(), obs) for part in (start.movie, nothing))):
        states.append(emulator.export_state(0))
        frames.append(obs[0].copy())
    return states, np.stack(frames)


class EmulatorGroups:
    """Emulators in groups of neighbours: one group steps while what another shows is looked at."""

    def __init__(self, game: Game, groups: list[np.ndarray], config: CurriculumConfig):
        """groups: the numbers of each one's emulators, in order."""
        # 0: all cores; several ranks of a machine share them.
        shared = ranks.local_count > 1
        threads = max(1, len(os.sched_getaffinity(0)) // ranks.local_count) if shared else 0
        timing = {"frame_skip": config.frame_skip, "hold_frames": config.hold_frames}
        self.parts = [
            VecGameBoy(game.rom, len(group), num_threads=threads, **timing) for group in groups
        ]
        self.slices = [slice(group[0], group[-1] + 1) for group in groups]
        self._last = np.array([group[-1] for group in groups])
        # A group that is alone has nothing to step beside, and hears of Ctrl-C in the main thread.
        self._pool = ThreadPoolExecutor(len(groups)) if len(groups) > 1 else None
        self._outcomes: list[Callable | None] = [None] * len(groups)

    def press(self, group: int, masks: np.ndarray, obs: np.ndarray) -> None:
        """Begin a step of a group, masks (B,) uint8, that its rows of obs (N, ...) are to show.

        Until `wait` has returned neither the group nor those rows are to be touched.
        """
        step = partial(self.parts[group].step, masks, obs[self.slices[group]])
        self._outcomes[group] = self._pool.submit(step).result if self._pool else step

    def wait(self, group: int) -> np.ndarray:
        """Wait for the end of a group's step; returns which have locked up in it, (B,) bool."""
        return self._outcomes[group]()[1]

    def _at(self, env: int) -> tuple[VecGameBoy, int]:
        """Return the group that an emulator is in, and its number there."""
        group = int(np.searchsorted(self._last, env))
        return self.parts[group], int(env) - self.slices[group].start

    def export_state(self, env: int) -> bytes:
        """Return the state of an emulator."""
        part, index = self._at(env)
        return part.export_state(index)

    def import_state(self, env: int, state: bytes) -> None:
        """Put a state into an emulator. Raises ValueError for one of another game or version."""
        part, index = self._at(env)
        part.import_state(index, state)

    def render(self, obs: np.ndarray, envs: np.ndarray) -> None:
        """Draw what emulators `envs` (B,) show into their rows of obs."""
        of_group = np.searchsorted(self._last, envs)
        for group in np.unique(of_group):
            rows = self.slices[group]
            self.parts[group].render(obs[rows], envs[of_group == group] - rows.start)


class CurriculumEnvs:
    """The environments, their scores, and the archive of states that they reached."""

    def __init__(
        self, config: CurriculumConfig, game: Game, progress: Progress, rng: np.random.Generator
    ):
        """progress: on the device that frames go to, once a step."""
        self.config, self.game, self.progress, self.rng = config, game, progress, rng
        self.start = find_start(config.start_movie, config.start_state, config.battery_save, game)
        num_envs = config.num_envs
        self._all = np.arange(num_envs)
        self.groups = np.array_split(self._all, 2 if config.alternate else 1)
        """the environments that step together"""
        self.emulators = EmulatorGroups(game, self.groups, config)
        pinned = config.pin_memory and progress.device.type == "cuda"
        shape = (num_envs, *FRAME_SHAPE)
        self._drawn = torch.zeros(shape, dtype=torch.uint8, pin_memory=pinned)
        self.obs = self._drawn.numpy()
        self.frames = self._drawn.to(progress.device)
        self.timer = StageTimer()
        self.archive = Archive()
        self.visits = np.zeros(len(self.archive.cells), dtype=np.int64)
        """steps that showed for sure where on the path they are, by cell of the archive"""
        self.found: list[Entry] = []  # what the other ranks have not been told of
        self.ends: deque[float] = deque(maxlen=RECENT)
        self.rejected = 0
        self.steps = np.zeros(len(self.groups), dtype=np.int64)
        self.score = np.zeros(num_envs, dtype=np.float32)
        self.paid_score = np.zeros(num_envs, dtype=np.float32)
        self.sure = np.zeros(num_envs, dtype=bool)
        self.best_score = np.zeros(num_envs, dtype=np.float32)
        self.best_step = np.zeros(num_envs, dtype=np.int64)
        self.episode_steps = np.zeros(num_envs, dtype=np.int64)
        self.is_fresh = np.zeros(num_envs, dtype=bool)
        self.reached = np.zeros((num_envs, len(game.milestones)), dtype=bool)
        moments = len(progress.follower.path.shows) if config.follow_reward else 0
        self.shown = np.zeros((num_envs, moments), dtype=bool)
        """moments of the path that have been paid in this episode, by `follow_reward`"""
        self.followed = np.zeros(num_envs, dtype=bool)
        """in this step one was"""
        self.beginning = self._make_beginning()
        self.restart(self._all)
        # Staggered, or all environments would be cut in the same step for ever.
        self.episode_steps[:] = self._all * config.episode_steps // num_envs
        self.best_step[:] = self.episode_steps

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Press `actions` (N,) in all environments; returns what `outcome` does of all."""
        for group, rows in enumerate(self.groups):
            self.press(group, actions[rows])
        outcomes = [self.outcome(group) for group in range(len(self.groups))]
        return tuple(np.concatenate(parts) for parts in zip(*outcomes, strict=True))

    def press(self, group: int, actions: np.ndarray) -> None:
        """Begin a step of a group, by its number: press `actions` (B,), indices.

        Until `outcome` has returned, other groups alone may be touched.
        """
        with self.timer("emulator"):
            self.emulators.press(group, action_masks(actions), self.obs)

    def outcome(self, group: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Wait until a group's step is over; `obs` then shows what came of it.

        Returns reward (B,) float32 without novelty, terminated (B,) and truncated (B,) bool. An
        episode is over where the recorded runs are: what comes then, such as the title again, is no
        way back. Nothing is restarted here: value the last real frame first, then call `restart`.
        """
        config, envs = self.config, self.groups[group]
        with self.timer("emulator"):
            terminated = self.emulators.wait(group)
        with self.timer("copy"):
            rows = self.emulators.slices[group]
            self.frames[rows].copy_(self._drawn[rows], non_blocking=True)
        self.steps[group] += 1
        self.episode_steps[envs] += 1
        read_memory = self.emulators.parts[group].read_memory_batch
        self.reached[envs] |= self.game.milestones_held(read_memory)
        with self.timer("path"):
            self.sure[envs] = self.progress.follow(self.frames[rows], envs)
        if config.follow_reward:
            self._follow(envs)
        terminated |= self.progress.arrived(envs)
        due = np.full(len(envs), self.steps[group] % config.reward_interval == 0) | terminated
        due |= self.episode_steps[envs] >= config.episode_steps
        seen = due | self._out_of_patience(envs) | self.progress.scores_every_step
        if seen.any():
            with self.timer("archive"):
                self._advance_score(envs[seen], terminated[seen])
        # A new height in the last moment counts.
        truncated = self.episode_steps[envs] >= config.episode_steps
        truncated = (truncated | self._out_of_patience(envs)) & ~terminated
        due |= truncated
        reward = np.full(len(envs), -config.time_penalty, dtype=np.float32)
        heights = np.maximum(self.score, self.paid_score)[envs[due]]
        reward[due] += config.progress_scale * (heights - self.paid_score[envs[due]])
        self.paid_score[envs[due]] = heights
        reward += config.follow_reward * self.followed[envs]
        return reward, terminated, truncated

    def _follow(self, envs: np.ndarray) -> None:
        """Find out who shows a moment that the guide waited for, the first time in its episode."""
        moments = self.progress.advanced(envs)
        self.followed[envs] = (moments >= 0) & ~self.shown[envs, moments]
        followed = self.followed[envs]
        self.shown[envs[followed], moments[followed]] = True

    def _out_of_patience(self, envs: np.ndarray) -> np.ndarray:
        """Say in which of `envs` (B,) progress has reached no new height for too long, (B,)."""
        return self.episode_steps[envs] >= self.best_step[envs] + self.config.patience_steps

    def _advance_score(self, envs: np.ndarray, terminated: np.ndarray) -> None:
        """Score the frames of `envs` (B,) and archive the moments worth it.

        What no recorded run shows is not worth it: an agent that is lost in a menu would fill the
        archive with menus.
        """
        score = self.progress.score(self.frames, envs)
        self.score[envs] = np.where(self.progress.counts(envs), score, self.score[envs])
        higher = self.score > self.best_score + self.progress.higher
        self.best_score[higher] = self.score[higher]
        self.best_step[higher] = self.episode_steps[higher]
        sure = envs[self.sure[envs] & ~terminated]
        if self.progress.scores_every_step:  # a place on the path, each step's
            np.add.at(self.visits, self.archive.index(self.score[sure]), 1)
        worthy = sure[self.archive.wants(self.score[sure], self.rng)]
        if len(worthy):
            contexts = self.progress.save(worthy)
            for env, context in zip(worthy, contexts, strict=True):
                state = self.emulators.export_state(env)
                entry = Entry(state, context.clone(), float(self.score[env]))
                self.archive.add(entry, self.rng)
                if ranks.count > 1:
                    self.found.append(entry)

    def share_archive(self) -> None:
        """Tell the other ranks what was archived here since the last time, and hear of theirs."""
        for rank, entries in enumerate(ranks.gather(self.found)):
            for entry in entries if rank != ranks.RANK else ():
                self.archive.add(entry, self.rng)
        self.found = []

    def restart(self, envs: np.ndarray) -> None:
        """Begin episodes: afresh with probability `fresh_share`, else from the archive."""
        ended = envs[self.is_fresh[envs] & (self.episode_steps[envs] > 0)]
        self.ends.extend(self.best_score[ended].tolist())
        fresh = self.rng.random(len(envs)) < self.config.fresh_share
        chosen = [None if is_fresh else self._choose() for is_fresh in fresh]
        entries = [entry or self.beginning for entry in chosen]
        true = self.load(envs, entries)
        self.is_fresh[envs] = [entry is self.beginning for entry in entries]
        untrue = np.flatnonzero(~true & ~self.is_fresh[envs])
        for index in untrue:
            self.archive.discard(entries[index])
        self.rejected += len(untrue)
        self.load(envs[untrue], [self.beginning] * len(untrue))
        self.is_fresh[envs[untrue]] = True
        self.paid_score[envs] = self.best_score[envs] = self.score[envs]
        self.episode_steps[envs] = self.best_step[envs] = 0
        self.reached[envs] = self.shown[envs] = False

    def _choose(self) -> Entry | None:
        """Choose an archived moment: every other time about how far a fresh episode came lately.

        There the way from the beginning breaks off, maybe at what was learned before: it has to be
        practised, too, and not only what is further on.
        """
        near = None
        if self.ends and self.rng.random() < 0.5:
            end = self.ends[self.rng.integers(len(self.ends))]
            near = self.archive.sample_near(end, self.rng)
        return near or self.archive.sample(self.rng)

    def load(self, envs: np.ndarray, entries: list[Entry]) -> np.ndarray:
        """Load entries, each into its environment of `envs` (B,), and score them again.

        Returns which of them look, and score, as they were saved, (B,) bool.
        """
        if not len(envs):
            return np.zeros(0, dtype=bool)
        for env, entry in zip(envs, entries, strict=True):
            self.emulators.import_state(env, entry.state)
        self.emulators.render(self.obs, envs)
        self.frames[envs] = self._drawn[envs].to(self.frames.device)
        self.progress.load(envs, torch.stack([entry.context for entry in entries]))
        self.score[envs] = self.progress.score(self.frames, envs)
        self.sure[envs] = self.progress.agrees(self.frames[envs], envs)
        saved = np.array([entry.progress for entry in entries])
        return self.sure[envs] & (np.abs(self.score[envs] - saved) < SCORE_TOLERANCE)

    def _make_beginning(self) -> Entry:
        """Play to where fresh episodes begin, following every step on the way.

        A state is looked for everywhere, and so is the end of a movie that the path has lost: it
        may come from a play that no run resembles.
        """
        config, env = self.config, np.array([0])
        states, screens = play_start(self.start, self.game)
        frames = torch.from_numpy(screens).to(self.frames.device)
        self.progress.reset(env)
        if self.start.state:
            self.progress.locate(frames[0], 0)
        for frame in frames:
            self.progress.follow(frame[None], env)
        if config.start_movie and self.progress.lost(env)[0]:
            self.progress.locate(frames[-1], 0)
        score = self.progress.score(frames[-1:], env)
        return Entry(states[-1], self.progress.save(env)[0], float(score[0]))

    def state_dict(self) -> dict:
        """Return everything that a resumed run needs to go on exactly."""
        envs = self._all
        states = [self.emulators.export_state(env) for env in envs]
        return {
            "states": [torch.frombuffer(bytearray(s), dtype=torch.uint8) for s in states],
            "contexts": self.progress.save(self._all),
            **{name: torch.tensor(getattr(self, name)) for name in PER_ENV},
            "archive": self.archive.state_dict(),
            "visits": self.visits.tolist(),
            "ends": list(self.ends),
            "rejected": self.rejected,
            "steps": self.steps.tolist(),
            "rng": json.dumps(self.rng.bit_generator.state),
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on from what `state_dict` returned.

        Raises ValueError, and nothing has changed, when one of all its states does not load: one of
        the archive would else be found out in the middle of the training.
        """
        self._check_states([*state["states"], *(entry[0] for entry in state["archive"])])
        for env in range(self.config.num_envs):
            self.emulators.import_state(env, state["states"][env].numpy().tobytes())
        self.progress.load(self._all, state["contexts"])
        self.emulators.render(self.obs, self._all)
        self.frames.copy_(self._drawn)
        for name in PER_ENV:
            getattr(self, name)[...] = state[name].numpy()
        self.archive.load_state_dict(state["archive"])
        self.visits[:] = state.get("visits", 0)
        self.ends = deque(state["ends"], maxlen=RECENT)
        self.rejected, self.steps[:] = state["rejected"], state["steps"]
        self.rng.bit_generator.state = json.loads(state["rng"])

    def _check_states(self, states: list[torch.Tensor]) -> None:
        """Raise ValueError when one of the exported states, uint8, does not load."""
        emulator = VecGameBoy(self.game.rom, 1, num_threads=1)
        for number, state in enumerate(states, 1):
            try:
                emulator.import_state(0, state.numpy().tobytes())
            except ValueError as error:
                raise ValueError(
                    f"state {number} of {len(states)} of the game does not load: {error}"
                ) from error
