"""The training scripts at sizes that take a second or two."""

from pathlib import Path

import numpy as np
import torch

import pretrain_visual
import train_reward_model
import train_with_cnn_reward
from data.demo.prepare import replay
from games.game import BUNDLED_ROM
from games.movie import Movie, read_movie
from models.alignment import fit_path
from models.checkpoint import save_checkpoint
from models.path import save_path
from models.reward_model import RewardModel, RewardModelConfig
from models.tokenizer import Encoder, TokenizerConfig

MOVIE = read_movie(BUNDLED_ROM.parent / "movies" / "run_00.txt").masks


def visual_args(data: Path, out: Path, **changes) -> pretrain_visual.Args:
    settings = {
        "epochs": 2,
        "dynamics_epochs": 2,
        "batch_size": 4,
        "steps_per_epoch": 3,
        "grey": True,
        "half_size": True,
        "width": 8,
        "depth": 1,
        "dynamics_width": 16,
        "dynamics_depth": 1,
        "lpips_weight": 0.0,
        "device": "cpu",
    }
    return pretrain_visual.Args(data=data, out=out, **settings | changes)


def reward_args(data: Path, out: Path, **changes) -> train_reward_model.Args:
    settings = {
        "epochs": 2,
        "batch_size": 4,
        "steps_per_epoch": 3,
        "backbone": "small",
        "grey": True,
        "half_size": True,
        "device": "cpu",
    }
    return train_reward_model.Args(data=data, out=out, **settings | changes)


def write_ppo_artefacts(directory: Path) -> Path:
    """Write a path along one recorded run, a random encoder, a random reward model."""
    run = np.stack(
        [frame.copy() for frame in replay(BUNDLED_ROM.read_bytes(), Movie(MOVIE).frames())]
    )
    save_path(directory / "reward_path.pkl", fit_path([run]))
    torch.manual_seed(0)
    config = TokenizerConfig(width=8, depth=1, latent_channels=4, grey=True, half_size=True)
    encoder = Encoder(config).state_dict()
    save_checkpoint(directory / "pretrained_encoder.pkl", "encoder", config, encoder)
    config = RewardModelConfig("small", grey=True, half_size=True)
    model = RewardModel(config).state_dict()
    save_checkpoint(directory / "reward_resnet34.pkl", "reward_model", config, model)
    return directory


def ppo_args(artefacts: Path, out: Path, **changes) -> train_with_cnn_reward.Args:
    settings = {
        "reward_interval": 1,
        "num_envs": 4,
        "num_steps": 8,
        "episode_steps": 12,
        "iterations": 4,
        "save_every": 2,
        "hidden": 16,
        "device": "cpu",
    }
    return train_with_cnn_reward.Args(
        rom=BUNDLED_ROM,
        reward_model=artefacts / "reward_path.pkl",
        pretrained_encoder=artefacts / "pretrained_encoder.pkl",
        out=out,
        **settings | changes,
    )
