"""The networks and what is fitted to frames; knows torch, not the emulator."""
