"""What a crash costs: a training that is killed and goes on ends as if it had never been.

Each stage is killed at EMURL_FAULTS random moments, 1 by default, each in a run of its own.
"""

import json
import multiprocessing
import os
import random
import time
from pathlib import Path

import pytest
import torch

import pretrain_visual
import train_reward_model
import train_with_cnn_reward
from tests.synthetic_runs import write_walks
from tests.tiny_training import ppo_args, reward_args, visual_args, write_ppo_artefacts

MOMENTS = int(os.environ.get("EMURL_FAULTS", "1"))
PROCESSES = multiprocessing.get_context("forkserver")  # each from one in which nothing has run
SLOW_IMPORTS = ["train_with_cnn_reward", "train_reward_model", "pretrain_visual", "torch._dynamo"]
PROCESSES.set_forkserver_preload(SLOW_IMPORTS)

STAGES = {
    "tokenizer": (pretrain_visual, visual_args, {"epochs": 4, "dynamics_epochs": 0}),
    "dynamics": (pretrain_visual, visual_args, {"epochs": 0, "dynamics_epochs": 8}),
    "reward": (train_reward_model, reward_args, {"epochs": 4}),
    "ppo": (train_with_cnn_reward, ppo_args, {"iterations": 6, "save_every": 1}),
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("inputs")
    write_walks(directory, count=2, length=24)
    return write_ppo_artefacts(directory)


def train(main, args) -> None:
    torch.set_num_threads(1)
    main(args)


def made(script, args) -> dict[str, bytes]:
    """Return what a training has left, without what clocks have measured."""
    content = {
        path.name: path.read_bytes() for path in script.products(args) if path.suffix == ".pkl"
    }
    metrics = args.out / "metrics.jsonl"
    for line in metrics.read_text().splitlines() if metrics.exists() else ():
        row = json.loads(line)
        content[f"row {row['iteration']}"] = {
            name: value
            for name, value in row.items()
            if not name.startswith(("time/", "env_steps_p"))
        }
    return content


@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_training_goes_on_as_if_it_had_not_been(stage, inputs, tmp_path):
    script, make_args, changes = STAGES[stage]
    if script is not train_with_cnn_reward:
        changes = changes | {"save_every_seconds": 0.0}

    def begin(name: str) -> tuple:
        args = make_args(inputs, tmp_path / name, **changes)
        process = PROCESSES.Process(target=train, args=(script.main, args))
        process.start()
        return args, process

    began = time.monotonic()
    args, process = begin("whole")
    process.join()
    seconds, whole = time.monotonic() - began, made(script, args)
    assert process.exitcode == 0 and len(whole) >= 2
    rng = random.Random(stage)
    for number in range(MOMENTS):
        _, process = begin(f"killed {number}")
        process.join(rng.uniform(0, seconds))
        process.kill()
        process.join()
        args, process = begin(f"killed {number}")
        process.join()
        assert process.exitcode == 0
        assert made(script, args) == whole
        litter = [path for path in args.out.rglob("*") if path.suffix == ".tmp"]
        assert not litter
