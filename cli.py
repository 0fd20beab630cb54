"""What every script does around its `main`: parse flags, and tell a user's mistake in one line."""

import sys
from collections.abc import Callable
from typing import Any

import tyro


def run_script(main: Callable[[Any], Any], args_type: type) -> None:
    """Parse `args_type` (a dataclass) from the command line and call `main` with it.

    The help text is the script's docstring. Exit codes: 0; 2 with one line on stderr for a mistake
    that the user can mend (ValueError, missing file); 130 after Ctrl-C.
    """
    description = sys.modules[main.__module__].__doc__
    args = tyro.cli(args_type, description=description, config=(tyro.conf.FlagCreatePairsOff,))
    try:
        main(args)
    except (ValueError, FileNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted: run the same command again to go on", file=sys.stderr)
        sys.exit(130)
