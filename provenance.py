"""Where a result comes from: the command, its flags, versions of what was used, the machine."""

import json
import os
import platform
import shlex
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from games.game import ROOT

LIBRARIES = ("emurust", "torch", "numpy")


def command() -> str:
    """Return what was typed, as it would be typed again."""
    script, *flags = sys.argv
    return shlex.join(["uv", "run", "python", Path(script).name, *flags])


def processor() -> str:
    """Return the processor's name, as the system tells it."""
    told = Path("/proc/cpuinfo")
    for line in told.read_text().splitlines() if told.exists() else ():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()


def provenance() -> dict[str, str]:
    """Return where what this process makes comes from, in words."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return {
        "command": command(),
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
        "processor": f"{processor()}, {cores} cores",
        "gpu": gpu,
    }


def plain(args: Any) -> dict:
    """Return flags as JSON values, paths inside the repository relative to it."""
    flags = json.loads(json.dumps(asdict(args), default=str))
    return {k: v.removeprefix(f"{ROOT}/") if isinstance(v, str) else v for k, v in flags.items()}
