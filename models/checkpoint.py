"""Artefact files: weights and the config that rebuilds their model, saved whole, loaded safely.

A file is what `torch.save` makes of one dict: kind, schema version, config, state dict and plain
extras. Loading unpickles tensors and plain values only, so a file from a stranger cannot run code.
"""

import errno
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from files import write_whole

M = TypeVar("M", bound=nn.Module)

SCHEMA_VERSION = 1
#: What content that is not as expected leads the code to that reads it.
FOREIGN = (TypeError, AttributeError, LookupError, ValueError, OverflowError)

#: Which command makes a file of each kind: what to tell a user who lacks it.
MADE_BY = {
    "tokenizer": "uv run python pretrain_visual.py",
    "encoder": "uv run python pretrain_visual.py",
    "dynamics": "uv run python pretrain_visual.py",
    "reward_model": "uv run python train_reward_model.py",
    "reward_path": "uv run python train_reward_model.py",
    "policy": "uv run python train_with_cnn_reward.py",
}


class ArtefactError(ValueError):
    """A file is missing, damaged, unsafe, of another kind, or made by another version."""


def save_checkpoint(path: Path | str, kind: str, config: Any, state_dict: dict, **extra) -> None:
    """Write an artefact: the old file, or none, stays in place until the new one is complete.

    `config` is a dataclass or a dict of plain values; `extra` holds plain values and tensors.
    Raises ValueError for numbers that are not finite, OSError, which names the file, for a full
    disk.
    """
    if name := first_not_finite(state_dict):
        raise ValueError(f"{path} was not written: {name} is not finite")
    content = {
        "kind": kind,
        "schema_version": SCHEMA_VERSION,
        "config": asdict(config) if is_dataclass(config) else config,
        "state_dict": state_dict,
        **extra,
    }
    buffer = io.BytesIO()  # to a file, torch says of a full disk neither that it is, nor which
    torch.save(content, buffer)
    write_whole(Path(path), buffer.getbuffer())


def tensors_in(part: Any, name: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the tensors in nested dicts and sequences, each with the way to it."""
    if isinstance(part, torch.Tensor):
        yield name, part
    elif isinstance(part, dict | list | tuple):
        inner = part.items() if isinstance(part, dict) else enumerate(part)
        for key, value in inner:
            yield from tensors_in(value, f"{name}.{key}" if name else str(key))


def first_not_finite(state: Any) -> str | None:
    """Return the name of the first tensor in nested dicts that holds NaN or infinity, if one."""
    tensors = tensors_in(state)
    return next((name for name, tensor in tensors if not tensor.isfinite().all()), None)


def load_checkpoint(path: Path | str, kind: str) -> dict:
    """Read an artefact onto the CPU: `{"config": dict, "state_dict": dict, …extras}`.

    Raises ArtefactError, one line, when the file is missing, damaged, of another kind or version,
    or holds anything but tensors and plain values, or numbers that are not finite.
    """
    path, remedy = Path(path), _remedy(kind)
    if not path.is_file():
        raise ArtefactError(f"no {kind} file at {path}: {remedy}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damage shows itself as nearly any exception of the unpickler
        if _is_of_the_machine(error):
            raise
        raise ArtefactError(
            f"{path} is damaged, or is not an artefact of this project "
            f"(only tensors and plain values are loaded): {remedy}"
        ) from error
    found = content.get("kind") if isinstance(content, dict) else None
    if found != kind:
        raise ArtefactError(
            f"{path}: expected a file of kind {kind}, got {found or 'something else'}: {remedy}"
        )
    if (version := content.get("schema_version")) != SCHEMA_VERSION:
        raise ArtefactError(
            f"{path}: expected schema version {SCHEMA_VERSION}, got {version}: {remedy}"
        )
    if name := first_not_finite(content.get("state_dict")):
        raise ArtefactError(f"{path} is damaged ({name} is not finite): {remedy}")
    return content


def _is_of_the_machine(error: Exception) -> bool:
    """Say whether a file may be whole, and cannot be read now. EINVAL: its sizes do not add up."""
    of_disk = isinstance(error, OSError) and error.errno != errno.EINVAL
    return of_disk or isinstance(error, MemoryError)


def artefact_kind(path: Path | str) -> str | None:
    """Return the kind of an artefact; None for what is missing, damaged, or no artefact."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception:  # as in load_checkpoint
        return None
    return content.get("kind") if isinstance(content, dict) else None


def refuse_to_replace(paths: Iterable[Path]) -> None:
    """Raise ArtefactError where a file stands that this project has not made: it may be dear."""
    for path in paths:
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            continue
        except Exception as error:  # as in load_checkpoint
            if _is_of_the_machine(error):
                raise
            content = None
        if not isinstance(content, dict) or "kind" not in content:
            raise ArtefactError(
                f"{path} is damaged, or was not made by this project, and would be replaced: "
                "move it away, or pass another --out"
            )


@contextmanager
def fitting(path: Path | str, kind: str) -> Iterator[None]:
    """Around the code that rebuilds a model from an artefact's content.

    Turns what it raises when config, weights or extras do not fit into ArtefactError, one line.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (*FOREIGN, RuntimeError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error).partition("\n")[0]
        raise ArtefactError(
            f"{path}: its content does not fit ({reason}): {_remedy(kind)}"
        ) from error


def _remedy(kind: str) -> str:
    if kind in MADE_BY:
        return f"make it with `{MADE_BY[kind]}`"
    return "go on with the version that wrote it, or pass --fresh to start over"


def load_model(
    path: Path | str, kind: str, model_type: type[M], config_type: type, device="cpu"
) -> M:
    """Rebuild `model_type(config_type(**config))` from an artefact, in eval mode.

    Raises ArtefactError as `load_checkpoint` does, also when the weights do not fit the config.
    """
    content = load_checkpoint(path, kind)
    with fitting(path, kind):
        model = model_type(config_type(**content["config"]))
        model.load_state_dict(content["state_dict"])
    return model.to(device).eval()
