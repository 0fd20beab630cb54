"""A vectorised Game Boy (DMG) for reinforcement learning."""

from collections.abc import Sequence
from os import PathLike
from typing import Any, TypeAlias, TypedDict, final, type_check_only

import numpy as np
from numpy.typing import NDArray

__all__ = ["VecGameBoy", "check_rom"]

_Integers: TypeAlias = Sequence[int] | NDArray[np.integer[Any]]
_Envs: TypeAlias = _Integers | NDArray[np.bool_]

def check_rom(rom: bytes | NDArray[np.uint8]) -> list[str]:
    """What is odd about a ROM's header, one line each; an empty list where all is well.

    Raises ValueError: the ROM is too short or too long, or its mapper is not supported.
    """

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

    Where machines are chosen (`env` of `reset` and `render`, `envs` elsewhere), that is by integers
    or by a bool mask of shape (num_envs,); None chooses all.

    A batch serves one Python thread at a time: a call while another runs is a RuntimeError.
    """

    def __new__(
        cls,
        rom: bytes | NDArray[np.uint8],
        num_envs: int,
        frame_skip: int = 30,
        *,
        hold_frames: int = 8,
        grayscale: bool = False,
        num_threads: int = 0,
        battery: bytes | None = None,
    ) -> VecGameBoy:
        """`grayscale` leaves out the channels, which are equal; `num_threads` 0 takes one per core.

        `battery` is what a .sav file holds, in the cartridge at every power-on: its RAM and, for
        MBC3's clock, 44 or 48 bytes as BGB and VBA write them. The clock goes on from there,
        whatever time has passed, so that runs repeat. None: RAM of 0xFF.

        Raises ValueError: the ROM is too short, its mapper is not supported, a number is out of
        range, or the battery save has another size, or no place in this cartridge.
        """

    @property
    def num_envs(self) -> int:
        """Number of machines."""

    @property
    def grayscale(self) -> bool:
        """Whether observations are grey, (num_envs, 144, 160), instead of RGB."""

    @property
    def frame_skip(self) -> int:
        """Frames per step, 1 to 1048576. A new value takes effect with the next step."""

    @frame_skip.setter
    def frame_skip(self, frames: int) -> None: ...
    @property
    def hold_frames(self) -> int:
        """Frames for which a step holds its buttons, 0 to 1048576; settable like `frame_skip`."""

    @hold_frames.setter
    def hold_frames(self, frames: int) -> None: ...
    @property
    def num_states(self) -> int:
        """Number of states kept and not dropped."""

    def obs_shape(self) -> tuple[int, ...]:
        """The shape of observations: (num_envs, 144, 160, 3), or (num_envs, 144, 160) in grey."""

    def reset(self, obs: NDArray[np.uint8], env: int | _Envs | None = None) -> None:
        """Powers on all machines, or only the chosen ones; then draws all into `obs`.

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
        and writable. Raises KeyboardInterrupt, or what else a signal handler raises, within about
        0.1 seconds: all machines are then as before the step, and `obs` shows them.
        """

    def render(self, obs: NDArray[np.uint8], env: int | _Envs | None = None) -> None:
        """Draws all machines, or only the chosen ones, into their rows of `obs`.

        Raises ValueError: `obs` has another shape or dtype, or is not contiguous and writable.
        Raises IndexError: no such env.
        """

    def save_state(self, env: int) -> int:
        """Keeps a copy of machine `env` in memory until it is dropped; returns its id.

        Raises IndexError: no such env.
        """

    def load_state(self, env: int, state_id: int) -> None:
        """Puts machine `env` into a kept state, which may come from any machine of this batch.

        Raises IndexError: no such env. Raises ValueError: no such state.
        """

    def drop_state(self, state_id: int) -> None:
        """Forgets a kept state. Raises ValueError: no such state."""

    def save_states(self, envs: int | _Envs | None = None) -> NDArray[np.int64]:
        """Keeps copies of the chosen machines; returns their ids, int64 of shape (chosen,).

        Raises ValueError: `envs` is neither integers nor a mask. Raises IndexError: no such env.
        """

    def load_states(self, envs: int | _Envs | None, ids: int | _Integers) -> None:
        """Puts the chosen machines into kept states: `ids` has one for each, or is one for all.

        Raises ValueError: no such state, or another number of ids than of machines; then no machine
        has changed. Raises IndexError: no such env.
        """

    def drop_states(self, ids: _Integers) -> None:
        """Forgets kept states. Raises ValueError: no such state; then none is forgotten."""

    def write_states(self, path: str | PathLike[str], ids: _Integers | None = None) -> None:
        """Writes kept states, by default all from the oldest on, to one file for `read_states`.

        A file that stands at `path` is replaced once the new one is complete.

        Raises ValueError: no such state. Raises OSError: the file cannot be written; what stood at
        `path` still does.
        """

    def read_states(self, path: str | PathLike[str]) -> NDArray[np.int64]:
        """Keeps the states of a file made by `write_states` with the same ROM, in any batch.

        Returns their ids, int64, in the order in which they were written.

        Raises ValueError: the file is damaged, of another kind or version, or of another ROM; then
        nothing is kept of it. Raises OSError: the file cannot be read (FileNotFoundError: it is not
        there).
        """

    def export_state(self, env: int) -> bytes:
        """The state of machine `env` as bytes, to keep on disk. Raises IndexError: no such env."""

    def import_state(self, env: int, state: bytes) -> None:
        """Puts machine `env` into a state made by `export_state` with the same ROM.

        Raises IndexError: no such env. Raises ValueError: the bytes are damaged, of another
        version, or of another ROM; the machine is then unchanged.
        """

    def export_battery(self, env: int) -> bytes:
        """What the battery of machine `env` keeps, as bytes of a .sav file.

        That is the cartridge's RAM and, for MBC3's clock, 48 bytes that end with the present time.
        Raises IndexError: no such env. Raises ValueError: the cartridge has no battery.
        """

    def read_memory(self, env: int, addr: int, length: int) -> NDArray[np.uint8]:
        """Reads (length,) uint8 from `addr` on, as a debugger would: nothing changes.

        Raises IndexError: no such env. Raises ValueError: the span leaves 0x0000..0xFFFF.
        """

    def read_memory_batch(
        self, addr: int, length: int, envs: int | _Envs | None = None
    ) -> NDArray[np.uint8]:
        """Like `read_memory` for all machines, or only the chosen ones: (chosen, length) uint8.

        Raises IndexError: no such env. Raises ValueError: the span leaves 0x0000..0xFFFF, or `envs`
        is neither integers nor a mask.
        """

    def registers(self, env: int) -> Registers:
        """The registers of machine `env`. Raises IndexError: no such env."""
