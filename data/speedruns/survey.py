"""Learn from a video's packets, decoding none, what is in it and when: a container may be wrong.

What it says of itself is taken for a promise, which the pictures keep or not: how long it is, which
stream is the video, and which picture is shown when.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import av

from data.speedruns.elements import check_ends

LONGEST_STILL = 10.0  # seconds from one picture to the next; more is a clock that jumps
PROBE = {"probesize": str(32 << 20), "analyzeduration": str(600 * 10**6)}  # pictures may come late


def open_container(path: Path) -> av.container.InputContainer:
    """Open a video. Raises ValueError for a file in which FFmpeg finds none."""
    try:
        return av.open(str(path), options=PROBE)
    except (av.InvalidDataError, av.EOFError) as error:
        raise ValueError(
            "expected a video, got none that FFmpeg can open, or one that was cut: "
            "get a whole file (a .mp4 or .mov often has its index at the end)"
        ) from error


@dataclass
class Survey:
    """What the packets of a video tell."""

    stream: int
    """index of its picture stream"""
    other_streams: int
    """further streams of moving pictures"""
    pictures: int
    key_gap: int
    """at most so many pictures from one that can be decoded alone to the next"""
    stamps: str | None
    """times to go by: pts; dts where pts are guesses by the order of decoding; None: there are none
    """
    interval: float
    """commonest seconds from a picture to the next"""
    seconds: float
    """of pictures, about"""
    lacking: float
    """seconds that the container promises beyond what is there; 0 where it cannot know"""
    cut: bool
    """the file ends within a packet or another of its elements"""
    appended: bool
    """another file follows in it, which cannot be read"""


@dataclass
class Tally:
    """Counts over the packets of one stream; times in units of its time base."""

    pictures: int = 0
    untimed: int = 0
    has_pts: bool = False
    reorders: bool = False
    """some packet is shown before one that is decoded before it"""
    differs: bool = False
    """some packet has a pts which is not its dts"""
    steps: Counter = field(default_factory=Counter)
    """from a packet to the next, in the order of decoding"""
    start: int | None = None
    span: int = 0
    """from the first to the last in the order of decoding, by the file's clock"""
    last: int | None = None
    last_pts: int | None = None
    end: int = 0
    """when the packet that is shown last ends"""
    key_gap: int = 0
    key: int = 0

    def add(self, packet: av.Packet) -> None:
        pts, dts = packet.pts, packet.dts
        time = pts if dts is None else dts
        if time is not None:
            lasts = packet.duration or 0
            self.end = max(self.end, (time if pts is None else pts) + lasts)
            self.start = time if self.start is None else min(self.start, time)
            self.span = max(self.span, time + lasts - self.start)
        if packet.is_keyframe:
            self.key = self.pictures
        self.pictures += 1
        self.key_gap = max(self.key_gap, self.pictures - self.key)
        if packet.is_discard:  # cut out by an edit list
            return
        self.has_pts |= pts is not None
        if dts is None:
            self.untimed += 1
            return
        self.differs |= pts is not None and pts != dts
        if self.last is not None:
            self.steps[dts - self.last] += 1
            if pts is not None and self.last_pts is not None:
                self.reorders |= pts < self.last_pts and dts > self.last
        else:
            self.untimed += 1
        self.last, self.last_pts = dts, pts


def survey_video(path: Path) -> Survey:
    """Read all packets of a video.

    Raises ValueError when it has no moving pictures, or not in the same stream all along.
    """
    with open_container(path) as container:
        kinds = {stream.index: stream.type for stream in container.streams}
        tallies: dict[int, Tally] = defaultdict(Tally)
        cut, place = False, 0
        try:
            for packet in container.demux():
                if packet.size:
                    tallies[packet.stream.index].add(packet)
                    cut = packet.is_corrupt
                    place = max(place, (packet.pos or 0) + packet.size)
        except av.FFmpegError:
            cut = True
        check_kinds(kinds, {stream.index: stream.type for stream in container.streams})
        joinable = container.format.flags & av.format.Flags.ts_discont.value  # promises no length
        stream, others = choose_stream(container, tallies)
        tally, unit = tallies[stream.index], float(stream.time_base)
        forward = {step: count for step, count in tally.steps.items() if step > 0}
        if forward:
            interval = max(forward, key=forward.get) * unit
        else:
            interval = 1 / float(stream.guessed_rate or stream.average_rate or 25)
        kept = {step: n for step, n in forward.items() if step * unit <= longest_step(interval)}
        replaced = tally.untimed + tally.steps.total() - sum(kept.values())
        seconds = sum(step * n for step, n in kept.items()) * unit + replaced * interval

        lacking = 0.0
        if stream.frames and stream.average_rate:
            held = tally.span * unit or tally.pictures * interval
            lacking = stream.frames / float(stream.average_rate) - held
        elif container.duration and not joinable:
            ends = [tallies[each.index].end * float(each.time_base) for each in container.streams]
            lacking = container.duration / av.time_base - max(ends)
        ends_early, appended = check_ends(path, container.format.name, place)
        guessed = not tally.reorders and (tally.differs or stream.codec_context.has_b_frames)
        stamps = "pts" if tally.has_pts and not guessed else None if tally.last is None else "dts"
        return Survey(
            stream=stream.index,
            other_streams=others,
            pictures=tally.pictures,
            key_gap=tally.key_gap,
            stamps=stamps,
            interval=interval,
            seconds=seconds,
            lacking=max(lacking, 0.0),
            cut=ends_early or (cut and not joinable),
            appended=appended,
        )


def check_kinds(before: dict[int, str], after: dict[int, str]) -> None:
    """Raise ValueError when reading a file showed that a stream begins or ends to be video."""
    for index, kind in after.items():
        known = before.get(index, "nothing")
        if kind != known and "video" in (kind, known):
            raise ValueError(
                f"expected the same streams all along, got one that is {known} first and {kind} "
                "later: split the file where it was joined, or convert it with ffmpeg"
            )


def choose_stream(
    container: av.container.InputContainer, tallies: dict[int, Tally]
) -> tuple[av.VideoStream, int]:
    """Return the stream that shows most pixels in all, and how many others move.

    Covers and thumbnails are passed over. Raises ValueError when there is no other, or one of a
    codec that is not known.
    """
    still = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
    moving = [
        stream
        for stream in container.streams.video
        if tallies[stream.index].pictures and not stream.disposition & still
    ]
    if not moving:
        raise ValueError("expected a video, got a file without moving pictures")
    if any(stream.codec_context is None for stream in moving):
        raise ValueError(
            "expected a video in a codec that FFmpeg knows, got another: convert it first"
        )

    def shown(stream: av.VideoStream) -> tuple[bool, int]:
        pictures = tallies[stream.index].pictures
        return pictures > 1, pictures * stream.width * stream.height

    chosen = max(moving, key=shown)
    others = sum(tallies[stream.index].pictures > 1 for stream in moving if stream is not chosen)
    return chosen, others


def longest_step(interval: float) -> float:
    """Return the seconds from one picture to the next above which the clock has jumped."""
    return max(LONGEST_STILL, 3 * interval)


class Clock:
    """Seconds since the first picture, which go on where a file's own clock goes back or jumps.

    A picture whose stamp does not come after the last, or comes more than `longest_step` after it,
    follows at the usual interval. So does one without a stamp.
    """

    def __init__(self, interval: float):
        self.interval = interval
        self.longest = longest_step(interval)
        self.breaks: list[tuple[float, float]] = []
        """(seconds, step of the file's clock there)"""
        self.seconds = -interval
        self.stamp: float | None = None
        self.stamp_seconds = 0.0

    def show(self, stamp: float | None) -> float:
        """Return the time of the next picture, stamped in seconds or not at all."""
        following = self.seconds + self.interval
        step = None if stamp is None or self.stamp is None else stamp - self.stamp
        if step is not None and 0 < step <= self.longest:
            following = max(self.seconds, self.stamp_seconds + step)
        elif step is not None:
            self.breaks.append((following, step))
        self.seconds = following
        if stamp is not None:
            self.stamp, self.stamp_seconds = stamp, following
        return following
