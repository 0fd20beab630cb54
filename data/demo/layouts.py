"""Streamers' layouts around a game: art, a webcam, chat, splits, a timer; palettes and scalers.

Everything is made up, each seed's differently. `LAYOUTS` has them by name.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 1280, 720
TICKS_PER_SECOND = 8  # at which everything but the game moves
GREY = ((255, 255, 255), (170, 170, 170), (85, 85, 85), (0, 0, 0))
GREEN = ((224, 248, 208), (136, 192, 112), (52, 104, 86), (8, 24, 32))
SUPER = ((255, 239, 206), (222, 148, 74), (173, 41, 33), (49, 24, 82))  # a Super Game Boy's
COLOUR = ((255, 255, 255), (255, 132, 132), (148, 58, 58), (0, 0, 0))  # a Game Boy Color's
DIM = ((235, 235, 235), (162, 162, 162), (89, 89, 89), (16, 16, 16))  # video range taken for full

Box = tuple[int, int, int, int]  # x, y, width, height


@dataclass(frozen=True)
class Layout:
    """Where everything lies on the canvas. `game` None: none is to be seen."""

    game: Box | None
    palette: tuple = GREY
    scaling: Image.Resampling = Image.Resampling.NEAREST
    crf: int = 24
    background: str = "art"
    """art, black, moving, or frame: art with a thick coloured border around the game"""
    webcam: Box | None = None
    footage: Box | None = None
    """a film, moving everywhere"""
    chat: Box | None = None
    splits: Box | None = None
    timer: tuple[int, int] | None = None
    cut: Box | None = None
    """what of the canvas is painted over with a second webcam, the game included"""
    movie: int = 0
    refuse: bool = False
    size: tuple[int, int] = (WIDTH, HEIGHT)


NEAREST, BILINEAR = Image.Resampling.NEAREST, Image.Resampling.BILINEAR
LAYOUTS = {
    "four times, splits left": Layout(
        (600, 40, 640, 576), webcam=(40, 440, 340, 240), splits=(40, 40, 340, 300), timer=(60, 360)
    ),
    "4.4 times, bilinear": Layout(
        (548, 43, 704, 634), GREY, BILINEAR, webcam=(20, 20, 480, 270), chat=(20, 320, 480, 300),
        timer=(60, 640), movie=1,
    ),
    "green, webcam touches": Layout(
        (400, 120, 480, 432), GREEN, crf=28, background="black", webcam=(80, 120, 320, 240),
        chat=(960, 60, 280, 600), timer=(520, 600), movie=2,
    ),
    "Super Game Boy, 3.5 times": Layout(
        (630, 100, 560, 504), SUPER, crf=30, background="frame", webcam=(30, 400, 400, 300),
        splits=(30, 30, 360, 260), timer=(40, 310), movie=3,
    ),
    "full height, dim": Layout(
        (480, 0, 800, 720), DIM, webcam=(0, 450, 480, 270), splits=(0, 0, 480, 340),
        timer=(80, 370), movie=4,
    ),
    "twice, bilinear, low bitrate": Layout(
        (61, 95, 320, 288), GREY, BILINEAR, crf=34, webcam=(640, 60, 600, 540),
        chat=(40, 420, 400, 280), timer=(700, 640), movie=5,
    ),
    "Game Boy Color, frame": Layout(
        (333, 57, 640, 576), COLOUR, crf=26, background="frame", webcam=(1020, 480, 240, 200),
        chat=(1020, 20, 240, 440), timer=(40, 650), movie=6,
    ),
    "the whole picture": Layout((0, 0, 640, 576), GREEN, movie=7, size=(640, 576)),
    "pillars": Layout((240, 0, 800, 720), GREY, BILINEAR, background="black", crf=28),
    "no game": Layout(
        None, webcam=(420, 60, 800, 600), chat=(30, 60, 360, 560), timer=(40, 640), refuse=True
    ),
    "webcam of 10:9": Layout(
        None, webcam=(560, 60, 640, 576), splits=(40, 60, 400, 400), background="black",
        timer=(80, 520), refuse=True,
    ),
    "footage of 10:9": Layout(
        None, footage=(560, 60, 640, 576), webcam=(40, 440, 340, 240), timer=(80, 20), refuse=True
    ),
    "animated background": Layout(
        (600, 40, 640, 576), background="moving", webcam=(40, 440, 340, 240), timer=(60, 360),
        refuse=True,
    ),
    "half covered": Layout(
        (600, 40, 640, 576), webcam=(40, 400, 400, 300), cut=(900, 30, 360, 600), refuse=True,
        timer=(60, 60),
    ),
    "top cut off": Layout(
        (600, 0, 640, 576), webcam=(40, 400, 400, 300), cut=(590, 0, 660, 200), refuse=True,
        timer=(60, 60), background="black",
    ),
}  # fmt: skip


def cloud(rng: np.random.Generator, width: int, height: int, power: float = 1.4) -> np.ndarray:
    """Return 1/f noise, as natural pictures have it: (height, width, 3) in [0, 1]."""
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    weight = 1 / np.maximum(np.hypot(fx, fy), 1 / max(width, height)) ** power
    noise = rng.normal(size=(3, *weight.shape)) + 1j * rng.normal(size=(3, *weight.shape))
    noise[1:] = 0.7 * noise[:1] + 0.3 * noise[1:]  # colours go together
    picture = np.fft.irfft2(noise * weight, s=(height, width)).transpose(1, 2, 0)
    picture = (picture - picture.mean()) / picture.std()
    return np.clip(0.5 + 0.2 * picture, 0, 1)


class Webcam:
    """A person who moves before a room, with the grain of a cheap sensor."""

    def __init__(self, rng: np.random.Generator, width: int, height: int):
        self.size = width, height
        width, height = width // 2, height // 2  # cheap sensors are blurred, and so are lenses
        self.rng, self.shape = rng, (height, width, 3)
        self.room = np.float32(0.8 * cloud(rng, width, height))
        face = cloud(rng, width, height) * [0.9, 0.75, 0.65] + [0.2, 0.1, 0.05]
        self.face = face.astype(np.float32)
        self.phase = rng.uniform(0, 6, 4)

    def draw(self, t: int) -> Image.Image:
        """Return the picture at tick `t`."""
        height, width, _ = self.shape
        a, b, c, d = self.phase
        y, x = np.mgrid[:height, :width]
        cx = width * (0.5 + 0.12 * np.sin(t / 5 + a) + 0.05 * np.sin(t / 2 + b))
        cy = height * (0.55 + 0.06 * np.sin(t / 4 + c))
        head = ((x - cx) / (0.2 * width)) ** 2 + ((y - cy) / (0.35 * height)) ** 2 < 1
        body = (np.abs(x - cx) < 0.38 * width) & (y > cy + 0.3 * height)
        shift = (int(cy - height / 2), int(cx - width / 2))
        picture = np.where((head | body)[..., None], np.roll(self.face, shift, (0, 1)), self.room)
        picture = picture * np.float32(1 + 0.08 * np.sin(t / 7 + d))  # the screen lights the room
        picture = picture + np.float32(0.02) * self.rng.standard_normal(self.shape, np.float32)
        image = Image.fromarray((255 * np.clip(picture, 0, 1)).astype(np.uint8))
        return image.resize(self.size, BILINEAR)


def draw_canvas(layout: Layout, rng: np.random.Generator) -> Image.Image:
    """Paint what never moves."""
    width, height = layout.size
    if layout.background == "black":
        canvas = Image.new("RGB", layout.size, (6, 6, 8))
    else:
        art = cloud(rng, width, height, 1.2) * rng.uniform(0.2, 0.9, 3)
        canvas = Image.fromarray((255 * art).astype(np.uint8))
        draw = ImageDraw.Draw(canvas)
        for _ in range(25):
            x, y = rng.integers(width), rng.integers(height)
            w, h = rng.integers(20, 260, 2)
            colour = tuple(int(c) for c in rng.integers(0, 256, 3))
            draw.rectangle((x, y, x + w, y + h), outline=colour, width=int(rng.integers(1, 6)))
            draw.text((x, y), "waystone any%", fill=colour, font=font(28))
    draw = ImageDraw.Draw(canvas)
    if layout.background == "frame" and layout.game:
        x, y, w, h = layout.game
        for inset, colour in ((40, (40, 40, 110)), (24, (200, 170, 40)), (10, (20, 20, 30))):
            draw.rectangle((x - inset, y - inset, x + w + inset - 1, y + h + inset - 1), colour)
    for box in (layout.webcam, layout.splits, layout.chat):
        if box and layout.background != "black":
            x, y, w, h = box
            draw.rectangle((x - 3, y - 3, x + w + 2, y + h + 2), (220, 220, 230))
    return canvas


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def draw_text(
    draw: ImageDraw.ImageDraw, layout: Layout, t: int, ticks: int, words: list[str]
) -> None:
    """Write what changes: the chat that scrolls, the splits, the timer."""
    if layout.chat:
        x, y, w, h = layout.chat
        draw.rectangle((x, y, x + w, y + h), (24, 24, 30))
        for row in range(h // 26):
            line = words[(t // 5 + row) % len(words)]
            colour = tuple(80 + 7 * ord(c) % 170 for c in line[:3])
            draw.text((x + 6, y + 26 * row), line[: w // 11], colour, font(18))
    if layout.splits:
        x, y, w, h = layout.splits
        draw.rectangle((x, y, x + w, y + h), (16, 20, 28))
        rows = h // 40
        now = t * rows // ticks
        for row in range(rows):
            if row == now:
                draw.rectangle((x, y + 40 * row, x + w, y + 40 * row + 38), (40, 60, 140))
            time = f"{row + 1}:{(7 * row) % 60:02}.{t if row == now else row}"
            draw.text((x + 8, y + 40 * row + 8), words[row][:12], "white", font(20))
            draw.text((x + w - 90, y + 40 * row + 8), time, "white", font(20))
    if layout.timer:
        x, y = layout.timer
        draw.rectangle((x, y, x + 250, y + 60), (8, 8, 8))
        seconds, rest = divmod(t, TICKS_PER_SECOND)
        time = f"{seconds // 60}:{seconds % 60:02}.{100 * rest // TICKS_PER_SECOND:02}"
        draw.text((x + 10, y + 4), time, (60, 230, 90), font(46))


class Scene:
    """A layout as it is shown: the game at every picture, what lies around it at every tick."""

    def __init__(self, layout: Layout, seed: int, ticks: int):
        """`ticks` is for how many the whole video lasts."""
        self.layout, self.ticks, self.tick = layout, ticks, -1
        rng = np.random.default_rng(seed)
        self.canvas = draw_canvas(layout, rng)
        boxes = [box for box in (layout.webcam, layout.cut) if box]
        self.webcams = [(box, Webcam(rng, *box[2:])) for box in boxes]
        letters = rng.integers(97, 123, (60, 30)).astype(np.uint8)
        letters[rng.random(letters.shape) < 0.2] = ord(" ")
        self.words = [bytes(row[: rng.integers(8, 30)]).decode() for row in letters]
        if layout.footage or layout.background == "moving":
            film = cloud(rng, 2 * layout.size[0], layout.size[1])
            self.film = (255 * film).astype(np.uint8)
        colours = np.array(layout.palette, dtype=np.uint8)[:, None].repeat(8, 1)
        self.palette = [plane[:, 0].copy() for plane in planes(to_yuv(colours, "yuv444p"))]

    def draw(self, tick: int) -> np.ndarray:
        """Return everything but the game, (height, width, 3) uint8."""
        layout, picture = self.layout, self.canvas.copy()
        if layout.background == "moving":
            picture.paste(Image.fromarray(np.roll(self.film, 9 * tick, 1)[:, : layout.size[0]]))
        draw_text(ImageDraw.Draw(picture), layout, tick, self.ticks, self.words)
        if layout.footage:
            x, y, w, h = layout.footage
            picture.paste(Image.fromarray(np.roll(self.film, 31 * tick, 1)[:h, :w]), (x, y))
        for (x, y, _, _), webcam in self.webcams:
            picture.paste(webcam.draw(tick), (x, y))
        return np.asarray(picture)

    def show(self, tick: int, screen: np.ndarray) -> av.VideoFrame:
        """Return the picture around a game's screen, (144, 160) uint8 in the emulator's greys.

        It is yuv420p, and valid until the next one.
        """
        if tick != self.tick:
            self.tick, self.screen = tick, None
            self.frame = to_yuv(self.draw(tick))
        if self.layout.game and not np.array_equal(screen, self.screen):
            self.screen = screen.copy()
            self.paste(3 - screen // 85)
        return self.frame

    def paste(self, shades: np.ndarray) -> None:
        """Draw the game, in the planes of the picture: that is much faster than as RGB."""
        layout = self.layout
        for plane, colours in zip(planes(self.frame), self.palette, strict=True):
            shrink = layout.size[0] // plane.shape[1]
            place = part(layout.game, shrink)
            covered = part(layout.cut or (0, 0, 0, 0), shrink)
            cover = plane[covered].copy()
            game = Image.fromarray(colours[shades])
            plane[place] = game.resize(plane[place].shape[::-1], layout.scaling)
            plane[covered] = cover


def part(box: Box, shrink: int) -> tuple[slice, slice]:
    """Return rows and columns of a box in a plane that is so many times smaller."""
    x, y, w, h = box
    return slice(y // shrink, -(-(y + h) // shrink)), slice(x // shrink, -(-(x + w) // shrink))


def to_yuv(pixels: np.ndarray, pixel_format: str = "yuv420p") -> av.VideoFrame:
    """Convert (h, w, 3) uint8."""
    return av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=pixel_format)


def planes(frame: av.VideoFrame) -> list[np.ndarray]:
    """Return a frame's planes, (h, w) uint8 each, which may be written to."""
    return [
        np.frombuffer(plane, np.uint8).reshape(plane.height, -1)[:, : plane.width]
        for plane in frame.planes
    ]


def write_video(
    path: Path,
    frames: Iterable[av.VideoFrame],
    rate: int,
    crf: int = 24,
    preset: str = "veryfast",
    comment: str = "",
) -> Path:
    """Encode pictures, yuv420p, as H.264 in MP4, whole or not at all."""
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        with av.open(str(temporary), "w", format="mp4") as container:
            container.metadata["comment"] = comment
            options = {"crf": str(crf), "preset": preset}
            stream = container.add_stream("libx264", rate=rate, options=options)
            for number, frame in enumerate(frames):
                if number == 0:
                    stream.height, stream.width = frame.height, frame.width
                    stream.pix_fmt = frame.format.name
                frame.pts, frame.time_base = number, Fraction(1, rate)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
