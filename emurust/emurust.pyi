"""A vectorised Game Boy (DMG) for reinforcement learning."""

from typing import TypedDict, final, type_check_only

import numpy as np
from numpy.typing import NDArray

__all__ = ["VecGameBoy"]

@type_check_only
class Registers(TypedDict):
    """Processor registers of one machine; `clock` is in clock cycles since power-on."""

    af: int
    bc: int
    de: int
    hl: int
    sp: int
    pc: int
    ime: bool
    halted: bool
    locked: bool
    clock: int

@final
class VecGameBoy:
    """A batch of Game Boys (DMG) that run the same ROM.

    A step runs each machine for exactly `frame_skip` x 70,224 clock cycles, with the buttons of its
    action mask held for the first `hold_frames` frames and released for the rest. Masks: bit 0
    Right, 1 Left, 2 Up, 3 Down, 4 A, 5 B, 6 Select, 7 Start. Observations are written in place into
    a C-contiguous uint8 array of shape `obs_shape()` and show the last frame the LCD completed, in
    the greys 255, 170, 85, 0. The same ROM and actions give the same bytes at any number of
    threads.
    """

    def __new__(
        cls,
        rom: bytes | NDArray[np.uint8],
        num_envs: int,
        frame_skip: int = 30,
        *,
        hold_frames: int = 8,
        num_threads: int = 0,
    ) -> VecGameBoy:
        """`num_threads` 0 takes one per core.

        Raises ValueError: the ROM is too short, its mapper is not supported, or a number is out
        of range.
        """

    @property
    def num_envs(self) -> int:
        """Number of machines."""

    @property
    def frame_skip(self) -> int:
        """Frames per step."""

    @property
    def hold_frames(self) -> int:
        """Frames for which a step holds its buttons."""

    @property
    def num_states(self) -> int:
        """Number of states kept by `save_state` and not dropped."""

    def obs_shape(self) -> tuple[int, int, int, int]:
        """The shape of observations: (num_envs, 144, 160, 3)."""

    def reset(self, obs: NDArray[np.uint8], env: int | None = None) -> None:
        """Powers on all machines, or only machine `env`; then draws all into `obs`.

        Raises ValueError: `obs` has another shape or dtype, or is not contiguous and writable.
        Raises IndexError: no such env.
        """

    def step(
        self, actions: NDArray[np.uint8], obs: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Steps all machines; `actions` are uint8 button masks of shape (num_envs,).

        Returns `(rewards, dones)`: float32 zeros and bools, both (num_envs,). A machine is done
        when an illegal opcode has locked it up.

        Raises ValueError: `actions` or `obs` has another shape or dtype, or `obs` is not contiguous
        and writable.
        """

    def render(self, obs: NDArray[np.uint8]) -> None:
        """Draws all machines into `obs` without advancing them.

        Raises ValueError: `obs` has another shape or dtype, or is not contiguous and writable.
        """

    def save_state(self, env: int) -> int:
        """Keeps a copy of machine `env` in memory until `drop_state`; returns its id.

        Raises IndexError: no such env.
        """

    def load_state(self, env: int, state_id: int) -> None:
        """Puts machine `env` into a kept state, which may come from any machine of this batch.

        Raises IndexError: no such env. Raises ValueError: no such state.
        """

    def drop_state(self, state_id: int) -> None:
        """Forgets a kept state. Raises ValueError: no such state."""

    def export_state(self, env: int) -> bytes:
        """The state of machine `env` as bytes, to keep on disk. Raises IndexError: no such env."""

    def import_state(self, env: int, state: bytes) -> None:
        """Puts machine `env` into a state made by `export_state` with the same ROM.

        Raises IndexError: no such env. Raises ValueError: the bytes are damaged, of another
        version, or of another ROM; the machine is then unchanged.
        """

    def read_memory(self, env: int, addr: int, length: int) -> NDArray[np.uint8]:
        """Reads (length,) uint8 from `addr` on, as a debugger would: nothing changes.

        Raises IndexError: no such env. Raises ValueError: the span leaves 0x0000..0xFFFF.
        """

    def read_memory_batch(self, addr: int, length: int) -> NDArray[np.uint8]:
        """Like `read_memory` for all machines: (num_envs, length) uint8.

        Raises ValueError: the span leaves 0x0000..0xFFFF.
        """

    def registers(self, env: int) -> Registers:
        """The registers of machine `env`. Raises IndexError: no such env."""
