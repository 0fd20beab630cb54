"""Read a video: a few frames from all over it, or all at a steady rate, cropped and resized."""

import math
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from tqdm import tqdm

from data.frames import FRAME_SHAPE
from data.speedruns.crop import Crop

HEIGHT, WIDTH = FRAME_SHAPE[:2]
SEEK_SECONDS = 10.0  # decode on to a sample that is nearer than this, seek to one further off
WHOLE_SHARE = 0.98  # of the promised length that a whole file holds; containers round


def open_stream(container: av.container.InputContainer) -> av.VideoStream:
    """Return the first picture stream. Raises ValueError when there is none."""
    if not container.streams.video:
        raise ValueError("expected a video, got a file without pictures")
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    return stream


def video_seconds(container: av.container.InputContainer, stream: av.VideoStream) -> float:
    """Return how long a video says it is; 0 when it does not, as a recording cut by a crash."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else 0.0


def last_seconds(path: Path) -> float:
    """Return the time of a video's last packet, by reading all of the file, decoding nothing."""
    with av.open(str(path)) as container:
        stream = open_stream(container)
        times = (packet.pts for packet in container.demux(stream))
        last = max((time for time in times if time is not None), default=0)
        return float((last - (stream.start_time or 0)) * stream.time_base)


def sample_video(path: Path, count: int) -> list[av.VideoFrame]:
    """Decode up to `count` frames from all over a video, in order.

    Raises av.FFmpegError for a broken file, ValueError when it has no pictures.
    """
    frames: list[av.VideoFrame] = []
    with av.open(str(path)) as container:
        stream = open_stream(container)
        start = stream.start_time or 0
        step = (video_seconds(container, stream) or last_seconds(path)) / count
        decoder, now = container.decode(stream), 0.0
        for target in (np.arange(count) + 0.5) * step:
            far = target - now > SEEK_SECONDS
            try:
                if far:
                    container.seek(start + int(target / stream.time_base), stream=stream)
                    decoder = container.decode(stream)
                for frame in decoder:
                    now = float(((frame.pts or 0) - start) * stream.time_base)
                    if far or now + 1e-6 >= target:  # after a seek the key frame before it will do
                        frames.append(frame)
                        break
            except av.FFmpegError:
                if not frames:
                    raise
                break  # what was seen so far must do; `decode_video` tells how far it can be read
    if not frames:
        raise ValueError("expected a video, got a file in which no picture can be read")
    return frames


class Resizer:
    """Crop frames of a video and resize them to the game's 160×144, `fps` a second or all."""

    def __init__(
        self, stream: av.VideoStream, crop: Crop | None, centres: bool, fps: float | None = None
    ):
        """`centres` takes the middle ninth of every pixel of the game, else all of its area.

        The middle of an enlarged pixel has its own colour alone, whatever the scaler did at its
        border. Raises ValueError when `crop` leaves the picture.
        """
        x, y, width, height = crop or (0, 0, stream.width, stream.height)
        if x + width > stream.width or y + height > stream.height:
            raise ValueError(
                f"--crop {x},{y},{width},{height} leaves the picture, "
                f"which is {stream.width}x{stream.height}"
            )
        self.step = 3 if centres else 1
        size = f"{self.step * WIDTH}:{self.step * HEIGHT}"
        self.graph = av.filter.Graph()
        self.graph.link_nodes(
            self.graph.add_buffer(template=stream),
            self.graph.add("fps", str(fps)) if fps else self.graph.add("null"),
            self.graph.add("format", "gbrp"),  # before the crop: an odd x would split a YUV pixel
            self.graph.add("crop", f"{width}:{height}:{x}:{y}"),
            self.graph.add("scale", f"{size}:flags=area+accurate_rnd+full_chroma_int"),
            self.graph.add("format", "rgb24"),
            self.graph.add("buffersink"),
        ).configure()

    def push(self, frame: av.VideoFrame | None) -> Iterator[np.ndarray]:
        """Yield what a frame gives, (144, 160, 3) uint8 each; None is the end of the video."""
        self.graph.vpush(frame)
        while True:
            try:
                pixels = self.graph.vpull().to_ndarray()
            except (av.BlockingIOError, av.EOFError):  # it wants more; it has given everything
                return
            yield pixels[self.step // 2 :: self.step, self.step // 2 :: self.step]


def resize_samples(
    path: Path, samples: list[av.VideoFrame], crop: Crop | None, centres: bool
) -> np.ndarray:
    """Crop and resize frames that `sample_video` returned: (N, 144, 160, 3) uint8."""
    with av.open(str(path)) as container:
        resizer = Resizer(open_stream(container), crop, centres)
        return np.stack([out for frame in samples for out in resizer.push(frame)])


def decode_video(
    path: Path,
    fps: float,
    crop: Crop | None,
    centres: bool = False,
    keep_truncated: bool = False,
    notes: dict | None = None,
) -> Iterator[np.ndarray]:
    """Yield `fps` frames per second of a video's first picture stream, (144, 160, 3) uint8.

    Frame k is the picture halfway through the k-th interval. Shows a progress bar. Packets that
    cannot be decoded are left out. Raises av.FFmpegError for a file that cannot be opened,
    ValueError when it has no picture, `crop` leaves it, or it ends before its promised length.
    `notes` takes `damaged_packets` and, with `keep_truncated`, `truncated`.
    """
    notes = {} if notes is None else notes
    notes.update(damaged_packets=0, truncated=False)
    count = 0
    with av.open(str(path)) as container:
        stream = open_stream(container)
        resizer = Resizer(stream, crop, centres, fps)
        seconds = video_seconds(container, stream)
        with tqdm(total=round(seconds * fps) or None, desc=path.name, unit="frame") as progress:
            for decoded in decode_readable(container, stream, notes):
                for frame in resizer.push(decoded):
                    count += 1
                    progress.update()
                    yield frame
            for frame in resizer.push(None) if count or stream.frames else ():
                count += 1
                progress.update()
                yield frame
    notes["truncated"] = count + 2 < math.floor(seconds * fps * WHOLE_SHARE)
    if notes["truncated"] and not keep_truncated:
        raise ValueError(
            f"it can be read up to {clock(count / fps)} of {clock(seconds)}: get a whole file, or "
            "pass --keep-truncated to take what is there"
        )


def decode_readable(
    container: av.container.InputContainer, stream: av.VideoStream, notes: dict
) -> Iterator[av.VideoFrame]:
    """Yield the frames that can be decoded; count in `notes` the packets that cannot."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:  # the file ends within a packet
            packet = None
        if packet is None:
            return
        try:
            yield from packet.decode()
        except av.FFmpegError:
            notes["damaged_packets"] += 1


def clock(seconds: float) -> str:
    """Write a time as h:mm:ss."""
    minutes, seconds = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
