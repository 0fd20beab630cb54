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
    sheet = Image.new(
        "RGB", (COLUMNS * width + GAP, HEADER_HEIGHT + ROWS * height + GAP), "#202024"
    )
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(18)
    left = GAP
    if preview is not None:
        preview.thumbnail((860, HEADER_HEIGHT - 2 * GAP))
        sheet.paste(preview, (GAP, GAP))
        left += preview.width + 3 * GAP
    lines = [run.name, f"{run.num_frames:,} frames, {clock(run.num_frames / run.fps)}"]
    lines += [
        f"{key}: {run.meta[key]}"
        for key in ("crop", "confidence", "levels", "dropped", "notes")
        if run.meta.get(key)
    ]
    draw.multiline_text((left, GAP), "\n".join(lines), "white", font)
    small = ImageFont.load_default(11)
    picked = np.unique(np.linspace(0, run.num_frames - 1, COLUMNS * ROWS).astype(int))
    for place, t in enumerate(picked):
        x, y = GAP + place % COLUMNS * width, HEADER_HEIGHT + place // COLUMNS * height
        sheet.paste(Image.fromarray(run.frames[t]), (x, y))
        draw.text((x, y + FRAME_SHAPE[0]), clock(t / run.fps), "white", small)
    return sheet
