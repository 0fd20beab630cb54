"""What tests/test_ranks.py has torchrun run: the three training scripts, one after another."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pretrain_visual
import ranks
import train_reward_model
import train_with_cnn_reward
from tests.tiny_training import ppo_args, reward_args, visual_args

#: 50 steps each.
LONG = {"batch_size": 8, "steps_per_epoch": 25}


def train_all(data: Path, artefacts: Path, out: Path) -> dict:
    """Train everything into `out`; returns figures of the two pretraining scripts."""
    args = visual_args(data, out, mask_max=0.5, **LONG)
    pretrain_visual.main(replace(args, epochs=1))  # whose dynamics then start over
    visual = pretrain_visual.main(args)
    reward = train_reward_model.main(reward_args(data, out, **LONG))
    whole = ppo_args(artefacts, out / "whole", minibatches=2)
    train_with_cnn_reward.main(whole)
    halves = replace(whole, out=out / "halves")
    train_with_cnn_reward.main(replace(halves, iterations=2))
    train_with_cnn_reward.main(halves)
    return {"visual": visual, "reward": reward}


if __name__ == "__main__":
    figures = train_all(*map(Path, sys.argv[1:4]))
    if ranks.is_first:
        print(json.dumps(figures))
