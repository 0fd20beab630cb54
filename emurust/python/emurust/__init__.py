"""A vectorised Game Boy (DMG) for reinforcement learning."""

from .emurust import VecGameBoy, check_rom

__all__ = ["VecGameBoy", "check_rom"]
