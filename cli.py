"""What every script does around its `main`: parse flags, and tell a user's mistake in one line."""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import tyro


def run_script(main: Callable[[Any], Any], args_type: type) -> None:
    """Parse `args_type` (a dataclass) from the command line and call `main` with it.

    The help text is the script's docstring. Exit codes: 0; 2 with one line on stderr for what the
    user can mend (ValueError, OSError, a full GPU); 130 after Ctrl-C. Anything else is our mistake
    and keeps its traceback, as does everything where EMURL_TRACEBACK is set.
    """
    description = sys.modules[main.__module__].__doc__
    args = tyro.cli(args_type, description=description, config=(tyro.conf.FlagCreatePairsOff,))
    try:
        main(args)
    except (ValueError, OSError) as error:
        if os.environ.get("EMURL_TRACEBACK"):
            raise
        fail(str(error))
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":  # torch's; not every script imports torch
            raise
        fail(
            "the GPU's memory is full: lower --batch-size or --num-envs, raise --minibatches (of "
            "PPO), or pass --device cpu"
        )
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a launcher may pass the same one on
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def fail(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(2)
