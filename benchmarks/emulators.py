"""Compare emurust with PyBoy: frames a second under the same random play, in rounds taken in turn.

    uv run python benchmarks/emulators.py                    # the bundled game
    uv run python benchmarks/emulators.py --roms roms --json emulators.json
    uv run python benchmarks/emulators.py --limit            # counts instructions, needs cargo

A step is 30 frames: one random button held for 8 of them, and the last frame drawn and read. PyBoy
runs as fast as it can do that: compiled, no window, no sound, no speed limit, two calls of `tick` a
step. Rounds of one machine are timed in CPU seconds, so that a busy computer distorts them less;
`cpu_share` tells how much of a core there was. Medians over the rounds, with the least and the
greatest.

Threads are compared by the clock on the wall, in many short rounds: a batch on one thread, kept on
each core for a part of the round, of which the mean counts; smaller batches on one thread each,
side by side on those cores; and the first batch on several threads. `scaling` is the third to the
first. `cores` is the second to the first, what the cores give when no batch waits for another:
where others use the computer, or two of its cores are one that takes turns, that is less than their
number, and so is `scaling`. `efficiency` is the third to the second.

A table goes to stderr, JSON to stdout.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from emurust import VecGameBoy
from pyboy import PyBoy

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cli import Count, CountOrZero, Seed, run_script
from files import write_json
from games.actions import ACTION_MASKS, BUTTONS
from games.game import BUNDLED_ROM

CORES = min(2, os.cpu_count() or 1)
CRATE = Path(__file__).resolve().parents[1] / "emurust"
FRAME_SKIP, HOLD_FRAMES = 30, 8


@dataclass
class Args:
    roms: list[Path] = field(default_factory=list)
    """more ROMs, or folders of .gb files; the variable EMURUST_BENCH_ROMS names one folder"""
    rounds: Count = 5
    """rounds, each of both emulators in turn"""
    steps: Count = 500
    """steps of 30 frames a round"""
    warmup_steps: CountOrZero = 200
    """steps that both play before the first round"""
    envs: Count = 32
    """machines for the comparison of threads, a multiple of theirs"""
    threads: Count = CORES
    """threads to compare with one, at most one a core"""
    seed: Seed = 0
    """random play"""
    limit: bool = False
    """count instructions by cargo, and give the ratio to the limit of an interpreter"""
    json: Path | None = None
    """also write the JSON here"""


class Emurust:
    def __init__(self, rom: bytes, num_envs: int = 1, num_threads: int = 1):
        self.games = VecGameBoy(
            rom, num_envs, FRAME_SKIP, hold_frames=HOLD_FRAMES, num_threads=num_threads
        )
        self.obs = np.zeros(self.games.obs_shape(), np.uint8)
        self.games.reset(self.obs)

    def play(self, actions: np.ndarray) -> None:
        """Press `actions`, (T, num_envs) indices of buttons."""
        for masks in ACTION_MASKS[actions]:
            self.games.step(masks, self.obs)


class Pyboy:
    def __init__(self, rom: bytes, folder: Path):
        path = folder / "game.gb"  # PyBoy looks for save files beside the ROM
        path.write_bytes(rom)
        self.game = PyBoy(
            str(path), window="null", sound_emulated=False, cgb=False, log_level="ERROR"
        )
        self.game.set_emulation_speed(0)
        self.obs: np.ndarray | None = None

    def play(self, actions: np.ndarray) -> None:
        """Press `actions`, (T, 1) indices of buttons."""
        game = self.game
        names = [name.lower() for name in BUTTONS]
        for action in actions[:, 0]:
            game.button_press(names[action])
            game.tick(HOLD_FRAMES, False, False)
            game.button_release(names[action])
            game.tick(FRAME_SKIP - HOLD_FRAMES, True, False)
            self.obs = game.screen.ndarray

    def close(self) -> None:
        self.game.stop(save=False)


def seconds(function: Callable[[], None]) -> tuple[float, float]:
    """Return how long `function` takes: CPU seconds, and seconds on the wall."""
    cpu, wall = time.process_time(), time.perf_counter()
    function()
    return time.process_time() - cpu, time.perf_counter() - wall


def summary(values: Sequence[float] | np.ndarray) -> dict[str, float] | None:
    """Return the median, the least and the greatest of some values, None of none."""
    if len(values) == 0:
        return None
    return {
        "median": float(np.median(values)),
        "min": float(min(values)),
        "max": float(max(values)),
    }


def compare_emulators(rom: bytes, args: Args) -> dict:
    """Return frames a second of both emulators with one machine, and their ratio, by rounds."""
    rng = np.random.default_rng(args.seed)
    frames = args.steps * FRAME_SKIP
    speeds: dict[str, list[float]] = {"emurust": [], "pyboy": []}
    shares = []
    with tempfile.TemporaryDirectory() as folder:
        emulators = {"emurust": Emurust(rom), "pyboy": Pyboy(rom, Path(folder))}
        warmup = rng.integers(len(BUTTONS), size=(args.warmup_steps, 1))
        for emulator in emulators.values():
            emulator.play(warmup)
        for _ in range(args.rounds):
            actions = rng.integers(len(BUTTONS), size=(args.steps, 1))
            for name, emulator in emulators.items():
                cpu, wall = seconds(lambda: emulator.play(actions))  # noqa: B023
                speeds[name].append(frames / cpu)
                shares.append(cpu / wall)
        emulators["pyboy"].close()
    ratios = [ours / theirs for ours, theirs in zip(*speeds.values(), strict=True)]
    return {
        "emurust_frames_per_second": summary(speeds["emurust"]),
        "pyboy_frames_per_second": summary(speeds["pyboy"]),
        "ratio": summary(ratios),
        "cpu_share": statistics.median(shares),
    }


def find_cores() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def stay_on(*cores: int) -> None:
    """Keep the calling thread, and those it starts, on some cores, where the system can do that."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


def compare_threads(rom: bytes, args: Args) -> dict:
    """Return frames a second of `args.envs` machines on one thread and on several, by rounds."""
    rng = np.random.default_rng(args.seed)
    one, many = (Emurust(rom, args.envs, threads) for threads in (1, args.threads))
    parts = [Emurust(rom, args.envs // args.threads) for _ in range(args.threads)]
    steps = max(args.steps // args.envs, args.threads)

    def speed(emulator: Emurust, actions: np.ndarray) -> float:
        return actions.size * FRAME_SKIP / seconds(lambda: emulator.play(actions))[1]

    rounds = []
    with ExitStack() as stack:

        def thread_on(*cores: int) -> ThreadPoolExecutor:
            return stack.enter_context(ThreadPoolExecutor(1, initializer=stay_on, initargs=cores))

        numbers = find_cores()[: args.threads]
        cores, all_cores = [thread_on(number) for number in numbers], thread_on(*numbers)
        for _ in range(20 * args.rounds + 1):
            actions = rng.integers(len(BUTTONS), size=(steps, args.envs))
            in_turn, side_by_side = [], []
            for core, some_steps in zip(cores, np.array_split(actions, args.threads), strict=True):
                in_turn.append(core.submit(speed, one, some_steps).result())
            for number, some_machines in enumerate(np.split(actions, args.threads, axis=1)):
                side_by_side.append(cores[number].submit(speed, parts[number], some_machines))
            together = sum(part.result() for part in side_by_side)
            threads = all_cores.submit(speed, many, actions).result()
            rounds.append((statistics.mean(in_turn), together, threads))
    in_turn, together, threads = np.array(rounds[1:]).T  # the first one warms up
    return {
        "one_thread_frames_per_second": summary(in_turn),
        "threads_frames_per_second": summary(threads),
        "scaling": summary(threads / in_turn),
        "cores": summary(together / in_turn),
        "efficiency": summary(threads / together),
    }


# The limit of an interpreter. A frame is 70,224 clock cycles. While the processor is in HALT it
# does nothing, and an emulator can jump to the next interrupt. What remains is instructions, each
# to be fetched, dispatched and carried out, and a 30th of copying one picture:
#
#     frames a second <= 1 / (instructions a frame x time of one + time of copying a picture / 30)
#
# The instructions of the same play are counted without shortcuts, emurust/examples/instructions.rs;
# the time is that of emurust's cheapest ones, on registers in a straight line; the copy is NumPy's.
# Memory, the LCD's lines, interrupts and pixels are not in it, so carrying out these instructions
# one at a time stays below. To recognise a loop that only waits, and jump to its end, goes beyond.


def straight_line_rom() -> tuple[bytes, float]:
    """Return a ROM of register instructions in a line, and how many of them a frame has."""
    code = bytes.fromhex("78 81 57 aa 04 0d 80 b3 1f 2f") * 100  # ld, add, xor, inc, dec, or, …
    rom = bytearray(0x8000)
    rom[0x100:0x104] = b"\x00\xc3\x50\x01"  # nop; jp 0x150
    rom[0x150 : 0x150 + len(code) + 3] = code + b"\xc3\x50\x01"
    return bytes(rom), 70_224 * (len(code) + 1) / (4 * len(code) + 16)


def costs(args: Args) -> dict[str, float]:
    """Return nanoseconds of the cheapest instructions, and of copying one picture."""
    rom, instructions = straight_line_rom()
    emulator = Emurust(rom)
    actions = np.zeros((50, 1), np.int64)
    runs = [seconds(lambda: emulator.play(actions))[0] for _ in range(args.rounds)]
    instruction = statistics.median(runs) * 1e9 / (len(actions) * FRAME_SKIP * instructions)
    target = np.empty_like(emulator.obs)
    copies = 2_000

    def copy() -> None:
        for _ in range(copies):
            np.copyto(target, emulator.obs)

    runs = [seconds(copy)[0] for _ in range(args.rounds)]
    return {
        "instruction_nanoseconds": instruction,
        "picture_copy_nanoseconds": statistics.median(runs) * 1e9 / copies,
    }


def count_instructions(path: Path, args: Args) -> dict[str, float]:
    """Return instructions a frame and the share of HALT in play like that of the first rounds."""
    actions = np.random.default_rng(args.seed).integers(len(BUTTONS), size=args.steps)
    command = ["cargo", "run", "--quiet", "--release", "--example", "instructions", "--", path]
    result = subprocess.run(
        command,
        cwd=CRATE,
        input=ACTION_MASKS[actions].tobytes(),
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(result.stdout)


def without_title(rom: bytes) -> bytes:
    """Return a ROM with no title: for those it knows, PyBoy runs extra code after every tick."""
    header = bytes(16) + rom[0x144:0x14D]
    checksum = -sum(header) - len(header) & 0xFF
    return rom[:0x134] + header + bytes([checksum]) + rom[0x14E:]


def find_roms(args: Args) -> list[Path]:
    """Return the bundled game, and every ROM that `args.roms` and the environment name."""
    named = [*args.roms]
    if folder := os.environ.get("EMURUST_BENCH_ROMS"):
        named.append(Path(folder))
    paths = [BUNDLED_ROM]
    for path in named:
        found = sorted(path.rglob("*.gb")) if path.is_dir() else [path]
        if not found or not path.exists():
            raise ValueError(f"expected a ROM or a folder of .gb files, got {path}")
        paths += [file.resolve() for file in found]
    return paths


HEADER = (
    *("ROM", "emurust", "PyBoy", "ratio", "(least-most)"),
    *("threads", "cores", "efficiency", "limit"),
)
LINE = "{:<20} {:>9} {:>8} {:>6} {:>13} {:>8} {:>6} {:>10} {:>6}"


def row(name: str, result: dict) -> str:
    ratio = result["ratio"]
    return LINE.format(
        name,
        f"{result['emurust_frames_per_second']['median']:,.0f}",
        f"{result['pyboy_frames_per_second']['median']:,.0f}",
        f"{ratio['median']:.2f}",
        f"({ratio['min']:.2f}-{ratio['max']:.2f})",
        f"{result['scaling']['median']:.2f}",
        f"{result['cores']['median']:.2f}",
        f"{result['efficiency']['median']:.2f}",
        f"{result['ratio_to_limit']:.2f}" if "ratio_to_limit" in result else "",
    )


def main(args: Args) -> None:
    if not 1 <= args.threads <= len(find_cores()) or args.envs % args.threads:
        raise ValueError(
            f"expected 1 to {len(find_cores())} threads and a multiple of them in machines, got "
            f"{args.threads} threads and {args.envs} machines"
        )
    report: dict = {"args": {**vars(args), "roms": [str(path) for path in args.roms]}, "roms": {}}
    report["args"]["json"] = args.json and str(args.json)
    if args.limit:
        report |= costs(args)
    print(LINE.format(*HEADER), file=sys.stderr)
    for path in find_roms(args):
        rom = without_title(path.read_bytes())
        result = compare_emulators(rom, args) | compare_threads(rom, args)
        if args.limit:
            result |= count_instructions(path, args)
            nanoseconds = result["instructions_per_frame"] * report["instruction_nanoseconds"]
            nanoseconds += report["picture_copy_nanoseconds"] / FRAME_SKIP
            result["limit_frames_per_second"] = 1e9 / nanoseconds
            median = result["emurust_frames_per_second"]["median"]
            result["ratio_to_limit"] = median / result["limit_frames_per_second"]
        name = path.stem if path.stem not in report["roms"] else f"{path.parent.name}/{path.stem}"
        report["roms"][name] = result
        print(row(name[:20], result), file=sys.stderr, flush=True)
    print(json.dumps(report, indent=2))
    if args.json:
        write_json(args.json, report)


if __name__ == "__main__":
    run_script(main, Args)
