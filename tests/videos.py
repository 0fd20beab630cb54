"""Videos made to order: numbered pictures, in any container, at any times, beside any sound."""

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np

from data.frames import Run, read_run
from data.speedruns import prepare

MILLISECOND = Fraction(1, 1000)


def picture(number: int, scale: int = 1) -> np.ndarray:
    """Return picture `number`, tiles of the four greys: (144 · scale, 160 · scale, 3) uint8."""
    shades = np.random.default_rng(number).integers(0, 4, (18, 20), dtype=np.uint8) * 85
    return np.repeat(shades.repeat(8 * scale, 0).repeat(8 * scale, 1)[..., None], 3, axis=2)


def encode(
    path: Path,
    frames: Iterable[np.ndarray],
    time: Callable[[int], float] = lambda k: k / 4,
    sound: tuple[int, int] | None = None,
    codec: str = "libx264",
    adjust: Callable[[av.VideoStream], None] = lambda stream: None,
    cover: np.ndarray | None = None,
    cover_marked: bool = True,
    preview: Iterable[np.ndarray] | None = None,
    container: dict[str, str] | None = None,
    **options: str,
) -> Path:
    """Write frames (h, w, 3) uint8, picture k at `time(k)` seconds, with `options` of the codec.

    `sound` is silence from one second to another. `cover`, one picture, and `preview`, smaller
    ones, are streams that come first. `adjust` sets up the stream of the frames.
    """
    with av.open(str(path), "w", options=container or {}) as output:
        packets: list[av.Packet] = []
        if cover is not None:
            stream = output.add_stream("mjpeg", rate=4)
            if cover_marked:
                stream.disposition = av.stream.Disposition.attached_pic
            packets += encode_stream(stream, [cover], time)
        if preview is not None:
            packets += encode_stream(output.add_stream("mjpeg", rate=4), preview, time)
        if sound:
            packets += encode_silence(output.add_stream("aac", rate=16000), *sound)
        frames = iter(frames)
        if (first := next(frames, None)) is not None:
            defaults = {"crf": "10", "preset": "superfast"} if codec == "libx264" else {"b": "4M"}
            stream = output.add_stream(codec, rate=4, options={**defaults, **options})
            adjust(stream)
            packets += encode_stream(stream, chain([first], frames), time)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            output.mux(packet)
    return path


def encode_stream(
    stream: av.VideoStream, frames: Iterable[np.ndarray], time: Callable[[int], float]
) -> Iterator[av.Packet]:
    stream.pix_fmt = "yuvj420p" if stream.codec.name == "mjpeg" else "yuv420p"
    if stream.container.format.name != "avi":  # which counts pictures
        stream.codec_context.time_base = MILLISECOND
    for k, pixels in enumerate(frames):
        if k == 0:
            stream.height, stream.width = pixels.shape[:2]
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        frame.time_base, frame.pts = MILLISECOND, round(1000 * time(k))
        yield from stream.encode(frame)
    yield from stream.encode()


def encode_silence(stream: av.AudioStream, start: int, stop: int) -> Iterator[av.Packet]:
    for sample in range(start * 16000, stop * 16000, 1024):
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        frame.sample_rate, frame.time_base, frame.pts = 16000, Fraction(1, 16000), sample
        yield from stream.encode(frame)
    yield from stream.encode()


def take(path: Path, out: Path, **settings) -> Run:
    """Make a run of a video, four frames a second unless told otherwise."""
    settings = {"crop": "none", "fps": 4.0, **settings}
    prepare.main(prepare.Args((path,), out=out, **settings))
    return read_run(out / f"{path.stem}.npy")


def numbers(run: Run, count: int = 120) -> list[int]:
    """Return which `picture` each frame of a run is."""
    known = np.stack([picture(k)[4::8, 4::8, 0] for k in range(count)]).astype(int)
    shown = run.frames[:, 4::8, 4::8, 0].astype(int)
    return [int(np.abs(known - frame).mean(axis=(1, 2)).argmin()) for frame in shown]
