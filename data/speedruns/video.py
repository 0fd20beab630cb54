"""Read a video: a few frames from all over it, or all at a steady rate, cropped and resized."""

from collections import Counter
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path

import av
import numpy as np
from tqdm import tqdm

from data.frames import FRAME_SHAPE
from data.speedruns.crop import Crop
from data.speedruns.survey import Clock, Survey, open_container

HEIGHT, WIDTH = FRAME_SHAPE[:2]
WHOLE_SHARE = 0.98  # of the promised length that a whole file holds; containers round
TIME_BASE = Fraction(1, 10**6)
ROUNDING = 1e-5  # seconds
MOST_BREAKS = 20  # of a file's clock that a run's notes list

Steps = tuple[tuple[str, str], ...]  # FFmpeg's filters, with their arguments


class Filters:
    """FFmpeg's filters, one after the other; built anew where the size or format changes."""

    def __init__(self, steps: Steps):
        self.steps = steps
        self.kind: tuple | None = None
        self.graph: av.filter.Graph | None = None

    def push(self, frame: av.VideoFrame | None) -> Iterator[av.VideoFrame]:
        """Yield what a frame gives; None is the end of the video."""
        kind = frame and (frame.width, frame.height, frame.format.name)
        if kind != self.kind:
            yield from self.pass_on(None)
            self.kind, self.graph = kind, frame and self.build(frame)
        yield from self.pass_on(frame)

    def build(self, frame: av.VideoFrame) -> av.filter.Graph:
        graph = av.filter.Graph()
        source = graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format,
            time_base=frame.time_base or Fraction(1, 1000),
        )
        filters = [graph.add(name, arguments or None) for name, arguments in self.steps]
        graph.link_nodes(source, *filters, graph.add("buffersink")).configure()
        return graph

    def pass_on(self, frame: av.VideoFrame | None) -> Iterator[av.VideoFrame]:
        if self.graph is None:
            return
        self.graph.vpush(frame)
        while True:
            try:
                yield self.graph.vpull()
            except (av.BlockingIOError, av.EOFError):  # it wants more; it has given everything
                return


def open_stream(container: av.container.InputContainer, survey: Survey) -> av.VideoStream:
    stream = container.streams[survey.stream]
    stream.thread_type = "AUTO"
    return stream


def read_packets(
    container: av.container.InputContainer, stream: av.VideoStream
) -> Iterator[av.Packet]:
    """Yield the packets of a stream, up to where the file can no longer be read."""
    try:
        yield from container.demux(stream)
    except av.FFmpegError:  # `Survey.cut` tells
        return


def decode(packets: Iterable[av.Packet], notes: dict) -> Iterator[av.VideoFrame]:
    """Yield the frames that can be decoded; count in `notes` the packets that cannot.

    `damaged_packets` counts all of them, `damaged_at_end` those after the last frame.
    """
    notes.update(damaged_packets=0, damaged_at_end=0)
    for packet in packets:
        try:
            for frame in packet.decode():
                notes["damaged_at_end"] = 0
                yield frame
        except av.EOFError:
            return
        except av.FFmpegError:
            notes["damaged_packets"] += 1
            notes["damaged_at_end"] += 1


def deinterlace(frames: Iterable[av.VideoFrame], notes: dict) -> Iterator[av.VideoFrame]:
    """Pass frames on; of those marked as interlaced, only the picture of the first field."""
    filters = None
    for frame in frames:
        if filters is None and frame.interlaced_frame:
            filters = Filters((("bwdif", "mode=send_frame:deint=interlaced"),))
            notes["deinterlaced"] = True
        yield from filters.push(frame) if filters else (frame,)
    yield from filters.push(None) if filters else ()


def turn_upright(frame: av.VideoFrame) -> Steps:
    """Return the filters that turn and mirror a picture as its file says."""
    side_data = frame.side_data.get("DISPLAYMATRIX")
    if side_data is None:
        return ()
    (a, b), (c, d) = np.frombuffer(side_data, np.int32).reshape(3, 3)[:2, :2]
    sideways = abs(b) > abs(a)
    x, y = (c, b) if sideways else (a, d)
    flips = (("hflip", ""),) * bool(x < 0) + (("vflip", ""),) * bool(y < 0)
    return (("transpose", "cclock_flip"),) * bool(sideways) + flips


def shown_size(frame: av.VideoFrame, aspect: Fraction = Fraction(1)) -> tuple[int, int]:
    """Return a picture's width and height upright, in square pixels; `aspect` is width / height."""
    width, height = max(1, round(frame.width * aspect)), frame.height
    return (height, width) if "transpose" in dict(turn_upright(frame)) else (width, height)


def make_upright(
    frames: Iterable[av.VideoFrame], size: tuple[int, int], notes: dict
) -> Iterator[av.VideoFrame]:
    """Turn frames upright and scale them to `size` (width, height); name in `notes` what was."""
    chains: dict[Steps, Filters] = {}
    for frame in frames:
        turn = turn_upright(frame)
        scale = (("scale", f"{size[0]}:{size[1]}:flags=bicubic+accurate_rnd"),)
        steps = turn + scale * (shown_size(frame) != size)
        if not steps:
            yield frame
            continue
        change = f"{frame.width}x{frame.height}{' turned' * bool(turn)} to {size[0]}x{size[1]}"
        if change not in notes.setdefault("reshaped", []):
            notes["reshaped"].append(change)
        yield from chains.setdefault(steps, Filters(steps)).push(frame)


def sample_video(path: Path, survey: Survey, count: int) -> list[av.VideoFrame]:
    """Decode up to `count` frames from all over a video, in order, upright, in square pixels.

    All have the size that most have in the file. Raises av.FFmpegError for a broken file,
    ValueError when no picture can be read.
    """
    targets = np.ceil((np.arange(count) + 0.5) * survey.pictures / count).astype(int)
    targets = np.unique(targets.clip(max=survey.pictures - 1)).tolist()
    with open_container(path) as container:
        stream = open_stream(container, survey)
        packets = read_packets(container, stream)
        if 2 * count * survey.key_gap <= survey.pictures:
            frames = list(decode_keys(packets, targets))
        else:
            everything = enumerate(deinterlace(decode(packets, {}), {}))
            frames = [frame for number, frame in everything if number in targets]
        aspect = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or 1
    if not frames:
        raise ValueError("expected a video, got a file in which no picture can be read")
    sizes = Counter(shown_size(frame, aspect) for frame in frames)
    return list(make_upright(frames, sizes.most_common(1)[0][0], {}))


def decode_keys(packets: Iterator[av.Packet], targets: list[int]) -> Iterator[av.VideoFrame]:
    """Yield a frame for each number of a packet: the first at or after it that stands alone."""
    numbered = enumerate(packets)
    for target in targets:
        key = next((p for number, p in numbered if number >= target and p.is_keyframe), None)
        if key is None:
            return
        following = (packet for _, packet in numbered)
        yield from islice(deinterlace(decode(chain([key], following), {}), {}), 1)
        key.stream.codec_context.flush_buffers()


def set_times(
    frames: Iterable[av.VideoFrame], survey: Survey, clock: Clock, notes: dict
) -> Iterator[av.VideoFrame]:
    """Pass frames on with times by `clock`, which at the end is where the last one ends."""
    end = None
    for frame in frames:
        stamp = frame.dts if survey.stamps == "dts" else frame.pts if survey.stamps else None
        seconds = None if stamp is None else float(stamp * frame.time_base)
        if seconds is None and survey.stamps == "pts":
            notes["untimed_pictures"] = notes.get("untimed_pictures", 0) + 1
        lasts = float(frame.duration * frame.time_base)
        end = seconds + lasts if seconds is not None and lasts > clock.interval else None
        frame.time_base, frame.pts = TIME_BASE, round(clock.show(seconds) / TIME_BASE)
        yield frame
    clock.show(end)


def keep_rate(frames: Iterable[av.VideoFrame], fps: float, clock: Clock) -> Iterator[av.VideoFrame]:
    """Yield `fps` frames a second: the k-th is what is shown halfway through the k-th interval."""
    count, shown = 0, None
    for frame in chain(frames, [None]):
        now = clock.seconds if frame is None else frame.time
        while shown is not None and (count + 0.5) / fps <= now + ROUNDING:
            yield shown
            count += 1
        shown = frame


def resize(
    frames: Iterable[av.VideoFrame], crop: Crop | None, centres: bool
) -> Iterator[np.ndarray]:
    """Crop upright frames and resize them to the game's: (144, 160, 3) uint8 each.

    `centres` takes the middle ninth of every pixel of the game, else all of its area. The middle of
    an enlarged pixel has its own colour alone, whatever the scaler did at its border.
    """
    step = 3 if centres else 1
    filters = Filters(
        (
            ("format", "gbrp"),  # before the crop: an odd x would split a YUV pixel
            *((("crop", "{2}:{3}:{0}:{1}".format(*crop)),) if crop else ()),
            ("scale", f"{step * WIDTH}:{step * HEIGHT}:flags=area+accurate_rnd+full_chroma_int"),
            ("format", "rgb24"),
        )
    )
    for frame in frames:
        for small in filters.push(frame):
            yield small.to_ndarray()[step // 2 :: step, step // 2 :: step]


def decode_video(
    path: Path,
    survey: Survey,
    fps: float,
    crop: Crop | None,
    size: tuple[int, int],
    centres: bool = False,
    keep_truncated: bool = False,
    notes: dict | None = None,
) -> Iterator[np.ndarray]:
    """Yield `fps` frames per second of a video, upright and cropped, (144, 160, 3) uint8.

    Frame k is the picture halfway through the k-th interval since the first picture. `size` is that
    of the whole picture, as `sample_video` returned it. Shows a progress bar. Packets that cannot
    be decoded are left out. Raises av.FFmpegError for a file that cannot be opened, ValueError when
    it ends before its promised length.
    `notes` takes what was not as it should be; data/speedruns/README.md says what.
    """
    notes = {} if notes is None else notes
    notes["truncated"] = False
    if survey.other_streams:
        notes["other_streams"] = survey.other_streams
    if survey.stamps is None:
        notes["assumed_rate"] = round(1 / survey.interval, 3)
    timer = Clock(survey.interval)
    with open_container(path) as container:
        stream = open_stream(container, survey)
        frames = decode(read_packets(container, stream), notes)
        frames = set_times(frames, survey, timer, notes)
        frames = keep_rate(deinterlace(frames, notes), fps, timer)
        frames = resize(make_upright(frames, size, notes), crop, centres)
        total = round(survey.seconds * fps)
        yield from tqdm(frames, desc=path.name, total=total, unit="frame")
    if timer.breaks:
        notes["clock_breaks"] = len(timer.breaks)
        notes["first_breaks"] = [
            {"at_seconds": round(at, 3), "step_seconds": round(step, 3)}
            for at, step in timer.breaks[:MOST_BREAKS]
        ]
    lacking = survey.lacking + notes.pop("damaged_at_end") * survey.interval
    whole = max(timer.seconds, survey.seconds) + survey.lacking
    ended_early = lacking > 2 / fps + (1 - WHOLE_SHARE) * whole
    notes["truncated"] = survey.cut or survey.appended or ended_early
    if notes["truncated"] and not keep_truncated:
        reached = f"it can be read up to {clock(timer.seconds)}"
        if ended_early:
            reached += f" of {clock(whole)}"
        elif survey.appended:
            reached += ", where another file is appended"
        raise ValueError(
            f"{reached}: get a whole file, or pass --keep-truncated to take what is there"
        )


def clock(seconds: float) -> str:
    """Write a time as h:mm:ss."""
    minutes, seconds = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
