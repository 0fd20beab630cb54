"""prepare.py over mutated inputs: exit code 0 or 2, a line for each, nothing that was not there.

    PREPARE_FUZZ_CASES=2000 uv run pytest tests/test_prepare_fuzz.py -s

Each case has a seed of its own and runs in a process that is ended when it hangs. With -s the
outcomes are counted.
"""

import contextlib
import io
import json
import multiprocessing
import os
import shutil
import struct
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from data.frames import open_runs
from data.speedruns import prepare as speedruns_prepare
from tests.made_inputs import write_frames, write_index, write_video

CASES = int(os.environ.get("PREPARE_FUZZ_CASES", "48"))
HANGS_SECONDS = 20
COUNT = 6  # pictures of an input before it is mutated
FPS = 2.0
KINDS = ("mp4", "mkv", "avi", "ts", "gif", "png", "npy", "index")
SETTINGS = (
    ("--crop", "none"),
    ("--crop", "none", "--shades", "4", "--drop", "blanks", "repeats"),
    ("--crop", "none", "--keep-truncated"),
    ("--crop", "8,9,80,72"),
    ("--crop", "auto"),
)


def write_inputs(folder: Path) -> None:
    """Write one sound input of each kind, and another that every case has beside it."""
    for suffix in ("mp4", "mkv", "avi", "ts"):
        codec = "mpeg2video" if suffix == "ts" else "mpeg4"
        write_video(folder / suffix / f"bad.{suffix}", COUNT, codec=codec)
    write_video(folder / "gif" / "bad.gif", COUNT, codec="gif")
    for suffix in ("png", "npy"):
        write_frames(folder / suffix / "bad", [f"{t}.{suffix}" for t in range(COUNT)])
    write_frames(folder / "index", [f"{t}.npy" for t in range(COUNT)])
    write_index(folder / "index" / "bad_index.json", [f"{t}.npy" for t in range(COUNT)])
    write_frames(folder / "good", ["0.npy"])


def mutate(content: bytes, rng: np.random.Generator) -> bytes:
    """Damage a file once or twice: bytes, a bit, a number, stretches, or its end."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 3)):
        size = max(1, len(data))
        start = int(rng.integers(size if rng.random() < 0.5 else min(size, 512)))  # its header
        stretch = slice(start, start + int(rng.integers(1, 65)))
        match rng.integers(8):
            case 0:
                data[stretch] = rng.bytes(len(data[stretch]))
            case 1 if data:
                data[start] ^= 1 << int(rng.integers(8))
            case 2:
                value = (0, 1, 2**31 - 1, 2**31, 2**32 - 1)[rng.integers(5)]
                data[start : start + 4] = value.to_bytes(4, ("big", "little")[rng.integers(2)])
            case 3:
                del data[stretch]
            case 4:
                data[start:start] = data[stretch]
            case 5:
                data[stretch] = bytes(len(data[stretch]))
            case 6:
                data[start:start] = rng.bytes(int(rng.integers(1, 65)))
            case _:
                del data[start:]
    return bytes(data)


def mutate_index(content: bytes, rng: np.random.Generator) -> bytes:
    """Change the entries of an index, and leave it JSON."""
    frames = json.loads(content)["frames"]
    odd = (
        "1.npy",
        "../index/2.npy",
        "x/3.npy",
        r"C:\x\4.npy",
        "",
        ".",
        "\0",
        "\ud800",
        None,
        3,
        [],
    )
    for _ in range(rng.integers(1, 3)):
        place = int(rng.integers(len(frames)))
        match rng.integers(5):
            case 0:
                frames[place] = frames[rng.integers(len(frames))]
            case 1:
                frames.insert(place, frames[rng.integers(len(frames))])
            case 2:
                del frames[place]
            case 3:
                frames[place] = ({}, [], None, "0.npy", {"path": {}})[rng.integers(5)]
            case _:
                frames[place] = {"path": odd[rng.integers(len(odd))]}
    return json.dumps({"frames": frames}).encode()


def with_checksums(png: bytes) -> bytes:
    """Make the checksums of a mutated PNG's chunks right again, as far as there are chunks."""
    data, place = bytearray(png), 8
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        end = place + 8 + length
        if end + 4 > len(data):
            break
        struct.pack_into(">I", data, end, zlib.crc32(data[place + 4 : end]))
        place = end + 4
    return bytes(data)


def make_case(inputs: Path, place: Path, seed: int) -> tuple[str, Path]:
    """Copy an input and mutate it; return its kind and the path to pass."""
    rng = np.random.default_rng(seed)
    kind = KINDS[seed % len(KINDS)]
    shutil.copytree(inputs / kind, place)
    files = sorted(path for path in place.rglob("*") if path.is_file())
    if kind == "index":
        files = [place / "bad_index.json"]
    file = files[rng.integers(len(files))]
    deeper = rng.random() < 0.75  # below what any reader refuses at once
    if deeper and kind == "index":
        content = mutate_index(file.read_bytes(), rng)
    else:
        content = mutate(file.read_bytes(), rng)
    file.write_bytes(with_checksums(content) if deeper and kind == "png" else content)
    return kind, (place / "bad" if kind in ("png", "npy") else file)


def run_command(arguments: list[str]) -> tuple[int, str]:
    """Run prepare.py as its command line does, in this process: (exit code, stderr)."""
    error, argv = io.StringIO(), sys.argv
    sys.argv = ["prepare.py", *arguments]
    try:
        with contextlib.redirect_stderr(error), contextlib.redirect_stdout(io.StringIO()):
            speedruns_prepare.run_script(speedruns_prepare.main, speedruns_prepare.Args)
        code = 0
    except SystemExit as done:
        code = done.code
    except BaseException as raised:
        return -1, f"{error.getvalue()}Traceback: {raised!r}"
    finally:
        sys.argv = argv
    return code, error.getvalue()


def work(pipe) -> None:
    """Run the commands that come through `pipe` until none does."""
    while arguments := pipe.recv():
        pipe.send(run_command(arguments))


class Worker:
    """A process that runs commands one after the other, and is replaced when one hangs."""

    def __init__(self):
        self.process = None

    def __enter__(self):
        return self

    def run(self, arguments: list[str]) -> tuple[int, str]:
        if self.process is None:
            context = multiprocessing.get_context("spawn")
            self.pipe, other = context.Pipe()
            self.process = context.Process(target=work, args=(other,), daemon=True)
            self.process.start()
            other.close()
        self.pipe.send(arguments)
        try:
            if self.pipe.poll(HANGS_SECONDS):
                return self.pipe.recv()
            reason = f"hangs for over {HANGS_SECONDS} s"
        except EOFError:
            reason = "its process died"
        self.process.kill()
        self.process = None
        return -1, reason

    def __exit__(self, *_):
        if self.process is not None:
            self.pipe.send(None)
            self.process.join(5)


def promised_seconds(path: Path) -> float:
    """Return how long a mutated video says it is: in all, or by the rate of its pictures."""
    seconds = [COUNT / FPS]
    with contextlib.suppress(av.FFmpegError), av.open(str(path)) as container:
        seconds.append((container.duration or 0) / av.time_base)
        for stream in container.streams.video:
            seconds.append(float((stream.duration or 0) * (stream.time_base or 0)))
            seconds.append(float(COUNT / (stream.average_rate or FPS)))
    return max(seconds)


def complaints(kind: str, path: Path, out: Path, code: int, error: str) -> list[str]:
    """Return what is wrong with how a command ended and what it left."""
    lines = error.splitlines()
    failed = [line for line in lines if line.startswith("failed: ")]
    errors = [line for line in lines if line.startswith("error: ")]
    found = []
    if code not in (0, 2) or "Traceback" in error:
        return [f"exit code {code}"]
    if len(failed) != len(errors) or len(errors) != (code == 2):
        found.append(f"{len(failed)} inputs and {len(errors)} commands failed")
    if any(not line.startswith(("failed: ", "error: ", "warning: ")) for line in lines):
        found.append("more than its lines")
    with contextlib.redirect_stdout(io.StringIO()):
        runs = {run.name: run for run in open_runs(out)}
    if set(runs) != ({"good"} if failed else {"good", "bad"}):
        return [*found, f"runs {sorted(runs)}"]
    if "bad" in runs:
        run, most = runs["bad"], COUNT
        if kind == "index":
            most = len(json.loads(path.read_bytes())["frames"])
        elif kind not in ("png", "npy"):
            most += FPS * promised_seconds(path) + 1
        if run.num_frames > most:
            found.append(f"{run.num_frames} frames where {most} are possible")
        different = len({frame.tobytes() for frame in run.frames})
        if different > 2 * COUNT:
            found.append(f"{different} different frames of {COUNT} pictures")
    return found


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    write_inputs(folder)
    return folder


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with pytest.MonkeyPatch.context() as patch, Worker() as worker:
        patch.setenv("TQDM_DISABLE", "1")
        yield worker


def test_sound_inputs_pass_what_mutated_ones_have_to(worker, inputs, tmp_path):
    for kind in KINDS:
        (path,) = (inputs / kind).glob("bad*")
        out = tmp_path / kind
        command = [str(path), str(inputs / "good"), "--out", str(out), *SETTINGS[0]]
        code, error = worker.run(command)
        assert code == 0 and not complaints(kind, path, out, code, error), error


def test_mutated_inputs(worker, inputs, tmp_path):
    outcomes, wrong = Counter(), []
    for seed in range(CASES):
        place = tmp_path / "case"
        kind, path = make_case(inputs, place, seed)
        number = seed // len(KINDS) % len(SETTINGS)
        settings, out = SETTINGS[number], tmp_path / f"out{number}"
        command = [str(path), str(inputs / "good"), "--out", str(out), *settings]
        code, error = worker.run(command)
        outcomes[kind, code] += 1
        for complaint in complaints(kind, path, out, code, error):
            wrong.append(f"seed {seed}, {kind}, {' '.join(settings)}: {complaint}: {error}")
            print(wrong[-1])
        shutil.rmtree(place)
        for left in out.glob("bad*"):  # the good one is there already in what follows
            left.unlink()
    print(*(f"{kind}, exit {code}: {n}" for (kind, code), n in sorted(outcomes.items())), sep="\n")
    assert not wrong, "\n".join(wrong)
