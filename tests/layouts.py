"""Made-up streamer layouts around replays of the bundled game, to try the automatic crop on.

    uv run python -m tests.layouts                        # every layout, seeds 0 to 2
    uv run python -m tests.layouts --seeds 1 --keep /tmp/layouts

Each row is a layout, 1280×720 H.264, at its worst over the seeds: how far the found rectangle is
from the true one at its worst side, and the share of pixels whose shade is the emulator's own after
--shades 4, with the crop by numbers and by itself. Layouts with no whole game are to be refused.
"""

import contextlib
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cli import run_script
from data.demo.prepare import find_movies, replay
from data.frames import ROOT, Run, read_run
from data.speedruns import prepare
from data.speedruns.crop import find_crop
from data.speedruns.survey import survey_video
from data.speedruns.video import sample_video
from games.game import BUNDLED_ROM
from games.movie import read_movie

WIDTH, HEIGHT = 1280, 720
FRAMES_PER_STEP = 4  # of video; half a second of the game
STEPS = 30
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


@cache
def game_frames(movie: int, steps: int = STEPS) -> np.ndarray:
    """Return `steps` frames from all over a recorded run, (steps, 144, 160, 3) uint8."""
    movies = find_movies(ROOT / "games" / "waystone" / "movies")
    played = read_movie(movies[movie % len(movies)])
    keep = set(np.linspace(4, len(played.masks) - 1, steps).astype(int))
    frames = enumerate(replay(BUNDLED_ROM.read_bytes(), played.frames()))
    return np.stack([frame.copy() for t, frame in frames if t in keep])


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
        self.room = 0.8 * cloud(rng, width, height)
        self.face = cloud(rng, width, height) * [0.9, 0.75, 0.65] + [0.2, 0.1, 0.05]
        self.phase = rng.uniform(0, 6, 4)

    def draw(self, t: int) -> Image.Image:
        """Return the picture at video frame `t`."""
        height, width, _ = self.shape
        a, b, c, d = self.phase
        y, x = np.mgrid[:height, :width]
        cx = width * (0.5 + 0.12 * np.sin(t / 5 + a) + 0.05 * np.sin(t / 2 + b))
        cy = height * (0.55 + 0.06 * np.sin(t / 4 + c))
        head = ((x - cx) / (0.2 * width)) ** 2 + ((y - cy) / (0.35 * height)) ** 2 < 1
        body = (np.abs(x - cx) < 0.38 * width) & (y > cy + 0.3 * height)
        shift = (int(cy - height / 2), int(cx - width / 2))
        picture = np.where((head | body)[..., None], np.roll(self.face, shift, (0, 1)), self.room)
        picture = picture * (1 + 0.08 * np.sin(t / 7 + d))  # the screen lights the room
        picture = picture + self.rng.normal(0, 0.02, self.shape)
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
            draw.text((x, y), "waystone any%", fill=colour, font=ImageFont.load_default(28))
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


def draw_text(draw: ImageDraw.ImageDraw, layout: Layout, t: int, words: list[str]) -> None:
    """Write what changes: the chat that scrolls, the splits, the timer."""
    if layout.chat:
        x, y, w, h = layout.chat
        draw.rectangle((x, y, x + w, y + h), (24, 24, 30))
        for row in range(h // 26):
            line = words[(t // 5 + row) % len(words)]
            colour = tuple(80 + 7 * ord(c) % 170 for c in line[:3])
            draw.text((x + 6, y + 26 * row), line[: w // 11], colour, ImageFont.load_default(18))
    if layout.splits:
        x, y, w, h = layout.splits
        draw.rectangle((x, y, x + w, y + h), (16, 20, 28))
        rows = h // 40
        now = t * rows // (STEPS * FRAMES_PER_STEP)
        for row in range(rows):
            if row == now:
                draw.rectangle((x, y + 40 * row, x + w, y + 40 * row + 38), (40, 60, 140))
            time = f"{row + 1}:{(7 * row) % 60:02}.{t if row == now else row}"
            draw.text(
                (x + 8, y + 40 * row + 8), words[row][:12], "white", ImageFont.load_default(20)
            )
            draw.text((x + w - 90, y + 40 * row + 8), time, "white", ImageFont.load_default(20))
    if layout.timer:
        x, y = layout.timer
        draw.rectangle((x, y, x + 250, y + 60), (8, 8, 8))
        time = f"{t // 600}:{t // 10 % 60:02}.{37 * t % 100:02}"
        draw.text((x + 10, y + 4), time, (60, 230, 90), ImageFont.load_default(46))


def draw_layout(layout: Layout, seed: int, steps: int = STEPS) -> Iterator[np.ndarray]:
    """Yield the video's frames, (height, width, 3) uint8."""
    rng = np.random.default_rng(seed)
    canvas = draw_canvas(layout, rng)
    boxes = [box for box in (layout.webcam, layout.cut) if box]
    webcams = [(box, Webcam(rng, *box[2:])) for box in boxes]
    letters = rng.integers(97, 123, (60, 30)).astype(np.uint8)
    letters[rng.random(letters.shape) < 0.2] = ord(" ")
    words = [bytes(row[: rng.integers(8, 30)]).decode() for row in letters]
    palette = np.array(layout.palette, dtype=np.uint8)
    film = cloud(rng, 2 * layout.size[0], layout.size[1])
    film = (255 * film).astype(np.uint8)
    for t in range(steps * FRAMES_PER_STEP):
        picture = canvas.copy()
        if layout.background == "moving":
            picture.paste(Image.fromarray(np.roll(film, 9 * t, 1)[:, : layout.size[0]]))
        draw_text(ImageDraw.Draw(picture), layout, t, words)
        if layout.footage:
            x, y, w, h = layout.footage
            picture.paste(Image.fromarray(np.roll(film, 31 * t, 1)[:h, :w]), (x, y))
        if layout.game:
            x, y, w, h = layout.game
            shades = 3 - game_frames(layout.movie + seed, steps)[t // FRAMES_PER_STEP][..., 0] // 85
            game = Image.fromarray(palette[shades])
            picture.paste(game.resize((w, h), layout.scaling), (x, y))
        for (x, y, _, _), webcam in webcams:
            picture.paste(webcam.draw(t), (x, y))
        yield np.asarray(picture)


def write_video(path: Path, frames: Iterator[np.ndarray], crf: int = 24) -> Path:
    """Encode `frames` as H.264, FRAMES_PER_STEP of them for half a second."""
    with av.open(str(path), "w") as container:
        options = {"crf": str(crf), "preset": "veryfast"}
        stream = container.add_stream("libx264", rate=2 * FRAMES_PER_STEP, options=options)
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            if not stream.codec_context.is_open:
                stream.height, stream.width = frame.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


@dataclass
class Result:
    """What prepare.py made of a layout."""

    confidence: float
    off_pixels: int | None
    """of the worst side of the crop it took; None where it refused"""
    agreement_numbers: float | None
    """share of pixels that --shades 4 gets right with the crop by numbers; None without a game"""
    agreement_auto: float | None


def try_layout(name: str, seed: int, folder: Path, steps: int = STEPS) -> Result:
    """Render a layout to `folder` and prepare it, the crop found and by numbers."""
    layout = LAYOUTS[name]
    slug = f"{name.replace(' ', '-').replace(',', '')}-{seed}"
    path = write_video(folder / f"{slug}.mp4", draw_layout(layout, seed, steps), layout.crf)
    samples = sample_video(path, survey_video(path), prepare.SAMPLES)
    _, evidence = find_crop(np.stack([frame.to_ndarray(format="gray") for frame in samples]))
    result = Result(evidence.confidence, None, None, None)
    truth = game_frames(layout.movie + seed, steps)

    def agreement(run: Run) -> float:
        return float((run.frames == truth).mean())

    try:
        run = take(path, folder / "auto", crop="auto")
        found, true = (
            np.array([x, y, x + w, y + h]) for x, y, w, h in (run.meta["crop"], layout.game)
        )
        result.off_pixels = int(np.abs(found - true).max())
        result.agreement_auto = agreement(run)
    except ValueError:
        pass
    if layout.game and not layout.cut:
        numbers = ",".join(map(str, layout.game))
        result.agreement_numbers = agreement(take(path, folder / "numbers", crop=numbers))
    return result


def take(path: Path, out: Path, crop: str) -> Run:
    """Run prepare.py with --shades 4; return the run."""
    report = prepare.main(prepare.Args((path,), crop=crop, shades=4, out=out))
    (meta,) = report["runs"]
    return read_run(out / f"{meta['name']}.npy")


@dataclass
class Args:
    seeds: int = 3
    """try seeds 0 to this, less one"""
    keep: Path | None = None
    """folder in which to leave the videos, runs and contact sheets"""


def main(args: Args) -> None:
    """Print a row for each layout, its worst over the seeds, and what came of all of them."""
    if args.seeds < 1:
        raise ValueError(f"expected --seeds of 1 or more, got {args.seeds}")
    rows = []
    with tempfile.TemporaryDirectory() as temporary, contextlib.redirect_stdout(sys.stderr):
        folder = args.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for name in LAYOUTS:
            rows += [(name, seed, try_layout(name, seed, folder)) for seed in range(args.seeds)]
    print("| layout | sure | crop off by, at most | shades by numbers | shades, auto |")
    print("|---|---|---|---|---|")
    for name in LAYOUTS:
        results = [result for row_name, _, result in rows if row_name == name]
        off = [result.off_pixels for result in results if result.off_pixels is not None]
        sure = min(result.confidence for result in results)
        cells = [name, f"{sure:.2f}", f"{max(off)} px" if off else "refused"]
        for shares in ("agreement_numbers", "agreement_auto"):
            known = [share for r in results if (share := getattr(r, shares)) is not None]
            cells.append(f"{min(known):.2%}" if known else "")
        print(f"| {' | '.join(cells)} |")
    wanted = [result for name, _, result in rows if not LAYOUTS[name].refuse]
    other = [result for name, _, result in rows if LAYOUTS[name].refuse]
    good = sum(result.off_pixels is not None and result.off_pixels <= 2 for result in wanted)
    wrong = sum(result.off_pixels is not None and result.off_pixels > 2 for result in wanted)
    print(f"found within 2 pixels: {good} of {len(wanted)}; wrong: {wrong}")
    print(f"refused: {sum(result.off_pixels is None for result in other)} of {len(other)}")


if __name__ == "__main__":
    run_script(main, Args)
