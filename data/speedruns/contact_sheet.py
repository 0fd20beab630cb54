"""Draw what was taken from a video on one picture, for a person to look at."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from data.frames import FRAME_SHAPE, Run
from data.speedruns.video import clock

COLUMNS, ROWS = 8, 5
GAP = 4  # pixels
HEADER_HEIGHT = 360


def draw_sheet(run: Run, preview: Image.Image | None) -> Image.Image:
    """Draw evenly spaced frames of `run` below its facts and a frame of its video."""
    height, width = FRAME_SHAPE[0] + GAP + 14, FRAME_SHAPE[1] + GAP
    picked = np.unique(np.linspace(0, run.num_frames - 1, COLUMNS * ROWS).astype(int))
    rows = -(-len(picked) // COLUMNS)
    size = (COLUMNS * width + GAP, HEADER_HEIGHT + rows * height + GAP)
    sheet = Image.new("RGB", size, "#202024")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(18)
    left = GAP
    if preview is not None:
        preview.thumbnail((860, HEADER_HEIGHT - 2 * GAP))
        sheet.paste(preview, (GAP, GAP))
        left += preview.width + 3 * GAP
    draw.multiline_text((left, GAP), "\n".join(describe_run(run)), "white", font)
    small = ImageFont.load_default(11)
    for place, t in enumerate(picked):
        x, y = GAP + place % COLUMNS * width, HEADER_HEIGHT + place // COLUMNS * height
        sheet.paste(Image.fromarray(run.frames[t]), (x, y))
        draw.text((x, y + FRAME_SHAPE[0]), clock(t / run.fps), "white", small)
    return sheet


def describe_run(run: Run) -> list[str]:
    """Say in lines what was taken, and how."""
    meta = run.meta
    lines = [run.name, f"{run.num_frames:,} frames, {clock(run.num_frames / run.fps)}"]
    if meta["crop"]:
        lines.append(f"crop {','.join(map(str, meta['crop']))}")
    if "confidence" in meta:
        lines[-1] += f", found, {meta['confidence']:.0%} sure"
    if "levels" in meta:
        levels = ", ".join(map(str, meta["levels"]))
        lines.append(f"{len(meta['levels'])} shades, of luma {levels}")
    lines += [f"{count:,} {reason} dropped" for reason, count in meta.get("dropped", {}).items()]
    return lines + describe_notes(meta.get("notes", {}))


def describe_notes(notes: dict) -> list[str]:
    """Say in lines what was not as it should be in a video."""
    lines = []
    if notes.get("damaged_packets"):
        lines.append(f"{notes['damaged_packets']:,} damaged packets left out")
    if notes.get("clock_breaks"):
        first = notes["first_breaks"][0]
        lines.append(
            f"{notes['clock_breaks']:,} breaks in the file's clock, the first of "
            f"{first['step_seconds']:+,.1f} s at {clock(first['at_seconds'])}: not filled"
        )
    if notes.get("untimed_pictures"):
        lines.append(f"{notes['untimed_pictures']:,} pictures without a time")
    if "assumed_rate" in notes:
        lines.append(f"no times in the file: taken as {notes['assumed_rate']:g} pictures a second")
    if notes.get("other_streams"):
        lines.append(f"{notes['other_streams']} more picture streams in the file, left out")
    if notes.get("deinterlaced"):
        lines.append("interlaced: fields parted")
    lines += [f"picture of {change}" for change in notes.get("reshaped", [])]
    if notes.get("truncated"):
        lines.append("breaks off before its end")
    return lines
