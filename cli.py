"""What every script does around its `main`: parse flags, and tell a user's mistake in one line."""

import dataclasses
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import NoneType
from typing import Annotated, Any, NoReturn, get_args, get_origin, get_type_hints

import tyro

#: Which of the processes that torchrun has started this is; the first, 0, speaks for all.
RANK = int(os.environ.get("RANK", "0"))
#: More than any flag needs, and less than what counts in C are made of.
MOST = 2**31 - 1


@dataclass(frozen=True)
class Range:
    """The values that a numeric flag may take; inf and nan are never among them."""

    low: float = -MOST
    high: float = MOST
    above: bool = False
    """`low` itself is not among them"""

    def __contains__(self, value: float) -> bool:
        too_low = value <= self.low if self.above else value < self.low
        return math.isfinite(value) and not too_low and value <= self.high

    def __str__(self) -> str:
        if self.above:
            return f"above {self.low}" + (f", up to {self.high}" if self.high < MOST else "")
        return f"of {self.low} or more" if self.high == MOST else f"from {self.low} to {self.high}"


#: Types of numeric flags; what has none of them may be any finite number.
Count = Annotated[int, Range(1)]
CountOrZero = Annotated[int, Range(0)]
Width = Annotated[int, Range(1, 2**16)]
Depth = Annotated[int, Range(1, 1000)]
Seed = Annotated[int, Range(0)]
Positive = Annotated[float, Range(0, above=True)]
NotNegative = Annotated[float, Range(0)]
Share = Annotated[float, Range(0, 1)]


def check_flags(args: Any) -> None:
    """Raise ValueError, which names the flag, for a number outside of its range."""
    hints = get_type_hints(type(args), include_extras=True)
    for field in dataclasses.fields(args):
        for number, allowed in _numbers(getattr(args, field.name), hints[field.name]):
            if number not in allowed:
                flag = f"--{field.name.replace('_', '-')}"
                limit = f"up to {allowed.high}" if number > allowed.high == MOST else allowed
                raise ValueError(f"expected {flag} {limit}, got {number}")


def _numbers(value: Any, hint: Any) -> Iterator[tuple[float, Range]]:
    """Yield the numbers of a flag's value, each with the range that its type hint gives it."""
    if isinstance(value, tuple):
        for one in value:
            yield from _numbers(one, get_args(hint)[0])
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if get_origin(hint) is not Annotated:  # a union with None
            hint = next((part for part in get_args(hint) if part is not NoneType), hint)
        notes = getattr(hint, "__metadata__", ())
        yield value, next((note for note in notes if isinstance(note, Range)), Range())


class Terminated(KeyboardInterrupt):
    """SIGTERM, as of a cluster whose time is up, or SIGHUP, of a terminal that was closed."""


def hang_up() -> list[signal.Signals]:
    """Return the signal of a closed terminal, where there is one and nobody (nohup) ignores it."""
    number = getattr(signal, "SIGHUP", None)
    return [number] if number and signal.getsignal(number) != signal.SIG_IGN else []


def run_script(main: Callable[[Any], Any], args_type: type) -> None:
    """Parse `args_type` (a dataclass) from the command line and call `main` with it.

    The help text is the script's docstring. Exit codes: 0; 2 with one line on stderr for what the
    user can mend (ValueError, OSError, full memory); 130 after Ctrl-C, 143 after SIGTERM. Anything
    else is our mistake and keeps its traceback, as do the first two where EMURL_TRACEBACK is set.
    """
    for stream in (sys.stdout, sys.stderr):  # a name that the terminal cannot show ends nothing
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    description = sys.modules[main.__module__].__doc__
    try:
        args = tyro.cli(args_type, description=description, config=(tyro.conf.FlagCreatePairsOff,))
    except BrokenPipeError:  # --help | head
        return _leave(0)
    for number in (signal.SIGTERM, *hang_up()):
        signal.signal(number, _terminate)
    try:
        check_flags(args)
        main(args)
    except BrokenPipeError:
        fail("nobody reads what this prints any more: start it again, its output in a file")
    except (ValueError, OSError) as error:
        if os.environ.get("EMURL_TRACEBACK"):
            raise
        fail(str(error))
    except (MemoryError, RuntimeError) as error:
        # Of torch: not every script imports it. Its allocator on the CPU has no error of its own.
        if type(error).__name__ == "OutOfMemoryError":
            fail(
                "the GPU's memory is full: lower --batch-size or --num-envs, raise --minibatches "
                "(of PPO), or pass --device cpu"
            )
        if not isinstance(error, MemoryError) and "DefaultCPUAllocator" not in str(error):
            raise
        fail(
            "the memory is full: lower what is worked on at once (--batch-size, --num-envs, "
            "--num-steps, --episodes, --workers) or the networks, or end other programs"
        )
    except KeyboardInterrupt as error:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a launcher may pass the same one on
        terminated = isinstance(error, Terminated)
        if RANK == 0:
            print("terminated" if terminated else "interrupted", file=sys.stderr)
        _leave(143 if terminated else 130)
    _leave(0)


def _terminate(*_) -> NoReturn:
    raise Terminated


def fail(message: str) -> NoReturn:
    if RANK:  # what is wrong for all, the first says; torchrun then ends the others
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        time.sleep(2)
    print(f"error: {message}", file=sys.stderr)
    _leave(2)


def _leave(code: int) -> None:
    """End with an exit code, which a reader that has gone does not change."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if code:
        sys.exit(code)
