"""emurust and PyBoy, an independent emulator, settle on the same screens under random play.

Both play the bundled game with the same buttons: every 30 frames one random button, held for 8. The
two take different times to boot, and their frames end at different points of the game's frame, so
play starts when each first shows the publisher's logo whole. Screens are compared at the end of the
steps in which they have settled: unchanged for the last `SETTLED_FRAMES` frames in both. A picture
that still scrolls or fades may be a frame apart and is not compared.
"""

import numpy as np
from emurust import VecGameBoy
from pyboy import PyBoy

from games.actions import ACTION_MASKS, BUTTONS
from games.game import BUNDLED_ROM

FRAMES = 10_000
STEP_FRAMES, HOLD_FRAMES = 30, 8
SETTLED_FRAMES = 4
#: Least share of steps that settle, and of those that show the same screen (measured: 0.94, 1.0).
MIN_SETTLED, MIN_EQUAL = 0.8, 0.99


class Emurust:
    def __init__(self, rom_path):
        self.game = VecGameBoy(rom_path.read_bytes(), 1, frame_skip=1, hold_frames=1)
        self.obs = np.zeros(self.game.obs_shape(), np.uint8)
        self.game.reset(self.obs)

    def frame(self, button: int | None) -> np.ndarray:
        """Run a frame with a button held, or none. Returns (144, 160) shades, 0 white, 3 black."""
        mask = 0 if button is None else ACTION_MASKS[button]
        self.game.step(np.array([mask], np.uint8), self.obs)
        return 3 - self.obs[0, :, :, 0] // 85


class Pyboy:
    def __init__(self, rom_path):
        self.game = PyBoy(str(rom_path), window="null", sound_emulated=False, log_level="ERROR")
        self.held: int | None = None

    def frame(self, button: int | None) -> np.ndarray:
        if button != self.held:
            if self.held is not None:
                self.game.button_release(BUTTONS[self.held].lower())
            if button is not None:
                self.game.button_press(BUTTONS[button].lower())
            self.held = button
        self.game.tick(1, True)
        # PyBoy's greys are 255, 153, 85, 0.
        return 3 - np.asarray(self.game.screen.ndarray)[:, :, 0] // 76


def play_to_logo(emulator, logo: np.ndarray | None) -> np.ndarray:
    """Run until the screen is `logo`, or without one, has not changed for two seconds."""
    previous, unchanged = None, 0
    for _ in range(600):
        screen = emulator.frame(None)
        unchanged = unchanged + 1 if np.array_equal(screen, previous) else 0
        previous = screen
        if np.array_equal(screen, logo) or (logo is None and unchanged == 120):
            return screen
    raise AssertionError("no logo within 600 frames")


def play_step(emulator, button: int) -> tuple[np.ndarray, bool]:
    """Returns the screen after a step, and whether it has settled."""
    screens = [
        emulator.frame(button if frame < HOLD_FRAMES else None) for frame in range(STEP_FRAMES)
    ]
    last = screens[-1]
    return last, all(np.array_equal(last, screen) for screen in screens[-SETTLED_FRAMES:])


def test_random_play_settles_on_the_same_screens(tmp_path):
    rom_path = tmp_path / "waystone.gb"  # PyBoy writes save files beside the ROM
    rom_path.write_bytes(BUNDLED_ROM.read_bytes())
    logo = play_to_logo(Emurust(rom_path), None)
    emulators = [Emurust(rom_path), Pyboy(rom_path)]
    for emulator in emulators:
        play_to_logo(emulator, logo)
    rng = np.random.default_rng(0)
    settled, seen, different = 0, set(), []
    steps = FRAMES // STEP_FRAMES
    for step in range(steps):
        button = int(rng.integers(len(BUTTONS)))
        (ours, ours_settled), (theirs, theirs_settled) = (
            play_step(emulator, button) for emulator in emulators
        )
        if ours_settled and theirs_settled:
            settled += 1
            seen.add(ours.tobytes())
            if not np.array_equal(ours, theirs):
                different.append(step)
    assert settled >= MIN_SETTLED * steps
    assert len(seen) >= 40, "the play has hardly left the first screens"
    assert len(different) <= (1 - MIN_EQUAL) * settled, (
        f"screens differ from step {different[0]} on"
    )
