"""Whole processes that end before their time: killed, and stopped from outside.

A training that is killed and goes on ends as if it had never been: each stage is killed at
EMURL_FAULTS random moments, 2 by default, each in a run of its own.
"""

import json
import multiprocessing
import os
import random
import runpy
import signal
import sys
import time
from pathlib import Path

import pytest
import torch

import pretrain_visual
import train_reward_model
import train_with_cnn_reward
from games.game import ROOT
from tests.synthetic_runs import write_walks
from tests.tiny_training import ppo_args, reward_args, visual_args, write_ppo_artefacts

MOMENTS = int(os.environ.get("EMURL_FAULTS", "2"))
PROCESSES = multiprocessing.get_context("forkserver")  # each from one in which nothing has run
SLOW_IMPORTS = ["train_with_cnn_reward", "train_reward_model", "pretrain_visual", "torch._dynamo"]
PROCESSES.set_forkserver_preload(SLOW_IMPORTS)

STAGES = {
    "tokenizer": (pretrain_visual, visual_args, {"epochs": 2, "dynamics_epochs": 0}),
    "dynamics": (pretrain_visual, visual_args, {"epochs": 0, "dynamics_epochs": 4}),
    "reward": (train_reward_model, reward_args, {"epochs": 2}),
    "ppo": (train_with_cnn_reward, ppo_args, {"iterations": 4, "save_every": 1}),
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


def run_as_script(path: Path, flags: list[str], stderr: Path) -> None:
    os.dup2(os.open(stderr, os.O_WRONLY | os.O_CREAT), 2)
    sys.argv = [str(path), *flags]
    runpy.run_path(str(path), run_name="__main__")


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_a_script_ends_with_130_after_ctrl_c_and_143_after_sigterm(
    number, code, word, inputs, tmp_path
):
    """As a terminal or a cluster stops it: from outside, in the middle of its work."""
    flags = [
        *("--data", str(inputs), "--backbone", "small", "--grey", "--half-size"),
        *("--steps-per-epoch", "2", "--epochs", "100000", "--batch-size", "4"),
        *("--out", str(tmp_path)),
    ]
    state = tmp_path / "runs" / "train_reward_model" / "training_state.pkl"
    stderr = tmp_path / "stderr.txt"
    script = ROOT / "train_reward_model.py"
    process = PROCESSES.Process(target=run_as_script, args=(script, flags, stderr))
    process.start()
    while not state.exists():
        time.sleep(0.05)
    os.kill(process.pid, number)
    process.join(60)
    assert process.exitcode == code
    told = stderr.read_text()
    assert told.splitlines()[-1] == word and "Traceback" not in told
