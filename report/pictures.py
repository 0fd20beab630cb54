"""Pictures of play: a screen, what was pressed, what was shown as the next goal, the place."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter

from games.actions import BUTTONS

GIF_FRAME_MS = 80
#: Pixels between two panels, and of the line below a screen.
GAP, STRIP = 4, 14


@dataclass
class Moment:
    """A step of an episode, as it is drawn."""

    screen: np.ndarray
    """(H, W) uint8: what was seen"""
    action: int
    """index of the button pressed then"""
    goal: np.ndarray | None = None
    """(H, W) uint8: what was shown as the nearer goal"""
    place: float = 0.0
    """on the path, in [0, 1]"""


def draw_moment(moment: Moment) -> np.ndarray:
    """Draw the screen and what was pressed, (H', W') uint8.

    With a goal, it stands to the right of the screen, and a bar below it shows the place.
    """
    panels = [moment.screen]
    if moment.goal is not None:
        panels += [np.full((len(moment.screen), GAP), 255, dtype=np.uint8), moment.goal]
    picture = np.concatenate(panels, axis=1)
    strip = Image.new("L", (picture.shape[1], STRIP), 255)
    draw = ImageDraw.Draw(strip)
    draw.text((2, 1), BUTTONS[moment.action], fill=0)
    if moment.goal is not None:
        left, right = moment.screen.shape[1] + GAP, picture.shape[1] - 1
        draw.rectangle((left, 4, right, STRIP - 5), outline=0)
        draw.rectangle((left, 4, left + moment.place * (right - left), STRIP - 5), fill=85)
    return np.concatenate([picture, np.asarray(strip)])


def draw_video(moments: Iterable[Moment]) -> np.ndarray:
    """Draw one moment after the other, (T, H', W') uint8."""
    return np.stack([draw_moment(moment) for moment in moments])


def beside(*videos: np.ndarray) -> np.ndarray:
    """Put videos (T, H, W) uint8 of one length and height beside each other."""
    gap = np.full((*videos[0].shape[:2], GAP), 255, dtype=np.uint8)
    parts = [part for video in videos for part in (gap, video)]
    return np.concatenate(parts[1:], axis=2)


def encode_gif(video: Sequence[np.ndarray]) -> bytes:
    """Encode a video (T, H, W) uint8 grey as an endless GIF."""
    images = [Image.fromarray(frame).quantize(8) for frame in video]
    buffer = io.BytesIO()
    images[0].save(
        buffer, "GIF", save_all=True, append_images=images[1:], duration=GIF_FRAME_MS, loop=0
    )
    return buffer.getvalue()


def log_gif(writer: SummaryWriter, tag: str, gif: bytes, step: int) -> None:
    """Log an encoded GIF, which TensorBoard animates."""
    width, height = Image.open(io.BytesIO(gif)).size
    image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=gif)
    summary = Summary(value=[Summary.Value(tag=tag, image=image)])
    writer._get_file_writer().add_summary(summary, step)
