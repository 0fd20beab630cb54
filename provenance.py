"""Where a result comes from: the command, its flags, versions of what was used, the machine."""

import functools
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from games.game import ROOT

LIBRARIES = ("emurust", "torch", "numpy")


def command() -> str:
    """Return what was typed, as it is typed in the repository."""
    script, *flags = sys.argv
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    path = Path(script).resolve()
    name = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else script
    program = ["-m", spec.name.removesuffix(".__main__")] if spec else [name]
    launcher = ["python"]
    if "TORCHELASTIC_RUN_ID" in os.environ:
        launcher = ["torchrun", "--nproc-per-node", os.environ["LOCAL_WORLD_SIZE"]]
        launcher += ["--nnodes", str(int(os.environ["GROUP_WORLD_SIZE"]))]
    return shlex.join(["uv", "run", *launcher, *program, *flags])


def processor() -> str:
    """Return the processor's name, as the system tells it."""
    told = Path("/proc/cpuinfo")
    for line in told.read_text().splitlines() if told.exists() else ():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()


@functools.cache
def revision() -> str:
    """Return the commit that this process began with, and whether files were changed since."""
    if shutil.which("git") is None:
        return "unknown"
    words = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    found = subprocess.run(words, capture_output=True, text=True)
    return found.stdout.strip() or "unknown"


def provenance(device: torch.device) -> dict[str, str]:
    """Return where what this process makes, on a device, comes from, in words."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    on_gpu = device.type == "cuda"
    return {
        "command": command(),
        "revision": revision(),
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
        "processor": f"{processor()}, {cores} cores",
        "device": torch.cuda.get_device_name(device) if on_gpu else "the processor",
    }


def plain(args: Any) -> dict:
    """Return flags as JSON values, paths inside the repository relative to it."""
    flags = json.loads(json.dumps(asdict(args), default=str))
    return {k: v.removeprefix(f"{ROOT}/") if isinstance(v, str) else v for k, v in flags.items()}
