"""Game Boys as a Gymnasium `VectorEnv`; gymnasium itself is an optional dependency."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .emurust import VecGameBoy

try:
    from gymnasium.spaces import Box, Discrete
    from gymnasium.vector import AutoresetMode, VectorEnv
    from gymnasium.vector.utils import batch_space
except ImportError:
    raise ImportError("emurust.vector_env needs gymnasium: pip install 'gymnasium>=1.1'") from None

#: Right, Left, Up, Down, A, B, Select, Start, each alone.
BUTTON_MASKS = tuple(1 << bit for bit in range(8))
CLOCK_HZ, FRAME_CYCLES = 4_194_304, 70_224

Hook = Callable[[VecGameBoy, NDArray[np.uint8]], NDArray[Any]]


class GameBoyVectorEnv(VectorEnv[NDArray[np.uint8], NDArray[np.int64], NDArray[Any]]):
    """A batch of Game Boys that run `rom`; action i presses the buttons of `masks[i]`.

    Observations are (num_envs, 144, 160, 3) uint8, or (num_envs, 144, 160) if `grayscale`. An
    episode begins at power-on, with the battery save `battery` in the cartridge if one is given, or
    in `start_state`, bytes of `VecGameBoy.export_state`. It is terminated when an illegal opcode
    locks the machine up or `terminated_fn` says so, and truncated after `max_episode_steps`; the
    step after that begins the next one (`AutoresetMode.NEXT_STEP`).
    The hooks get `games` and the observations and return (num_envs,) rewards and bools; without
    `reward_fn`, rewards are 0. Nothing here is random: `reset(seed=…)` only seeds `np_random`.
    """

    def __init__(
        self,
        rom: bytes | NDArray[np.uint8],
        num_envs: int,
        frame_skip: int = 30,
        *,
        masks: Sequence[int] = BUTTON_MASKS,
        start_state: bytes | None = None,
        reward_fn: Hook | None = None,
        terminated_fn: Hook | None = None,
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
        hold_frames: int = 8,
        grayscale: bool = False,
        num_threads: int = 0,
        battery: bytes | None = None,
    ) -> None:
        self.games = VecGameBoy(
            rom,
            num_envs,
            frame_skip,
            hold_frames=hold_frames,
            grayscale=grayscale,
            num_threads=num_threads,
            battery=battery,
        )
        self.metadata = {
            "autoreset_mode": AutoresetMode.NEXT_STEP,
            "render_modes": ["rgb_array"],
            "render_fps": CLOCK_HZ / FRAME_CYCLES / frame_skip,
        }
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode: expected None or 'rgb_array', got {render_mode!r}")
        self.render_mode = render_mode
        self.num_envs = num_envs
        self.masks = np.array(masks, np.uint8)
        self.obs = np.zeros(self.games.obs_shape(), np.uint8)
        self.single_observation_space = Box(0, 255, self.obs.shape[1:], np.uint8)
        self.single_action_space = Discrete(len(masks))
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.reward_fn, self.terminated_fn = reward_fn, terminated_fn
        self.max_episode_steps = max_episode_steps
        self.steps = np.zeros(num_envs, np.int64)
        self.ended = np.zeros(num_envs, bool)
        if start_state is not None:
            self.games.import_state(0, start_state)
        self.start = self.games.save_state(0)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Begin episodes in all environments, or in those of `options["reset_mask"]` (N,) bool.

        `options["state_ids"]`, an id of `self.games.save_state` or one for each environment that is
        reset, takes the place of the start state.
        """
        super().reset(seed=seed)
        options = options or {}
        mask = options.get("reset_mask", np.ones(self.num_envs, bool))
        self._begin(mask, options.get("state_ids", self.start))
        return self.obs.copy(), {}

    def step(
        self, actions: NDArray[np.int64]
    ) -> tuple[NDArray[np.uint8], NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """Press `actions` (N,) in [0, len(masks)); where an episode has ended, begin the next."""
        if not self.action_space.contains(np.asarray(actions)):
            raise ValueError(f"actions: expected one of {self.action_space}, got {actions!r}")
        begun = self.ended
        rewards, locked = self.games.step(self.masks[actions], self.obs)
        self.steps += 1
        self._begin(begun, self.start)
        if self.reward_fn:
            rewards = np.where(begun, 0, self.reward_fn(self.games, self.obs)).astype(np.float32)
        terminated = locked
        if self.terminated_fn:
            terminated = locked | self.terminated_fn(self.games, self.obs)
        terminated = terminated & ~begun
        truncated = np.zeros(self.num_envs, bool)
        if self.max_episode_steps is not None:
            truncated = (self.steps >= self.max_episode_steps) & ~terminated
        self.ended = terminated | truncated
        return self.obs.copy(), rewards, terminated, truncated, {}

    def _begin(self, mask: NDArray[np.bool_], states: Any) -> None:
        self.games.load_states(mask, states)
        self.games.render(self.obs, mask)
        self.steps[mask] = 0
        self.ended = self.ended & ~mask

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """Return each environment's frame, (144, 160, 3) uint8, in the mode "rgb_array"."""
        if self.render_mode is None:
            return None
        frames = self.obs.copy().reshape(self.num_envs, 144, 160, -1)
        return tuple(np.broadcast_to(frames, (*frames.shape[:3], 3)))
