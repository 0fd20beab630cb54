"""Runs of frames: where they come from, and how training reads them."""
