"""A vectorised Game Boy (DMG) for reinforcement learning."""

from .emurust import VecGameBoy

__all__ = ["VecGameBoy"]
