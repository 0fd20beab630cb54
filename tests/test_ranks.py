"""Two processes, started by torchrun, against one: the same training, resumed, stopped, killed."""

import contextlib
import inspect
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import pretrain_visual
import ranks
import train_reward_model
import train_with_cnn_reward
from models.actor_critic import load_policy
from models.checkpoint import load_checkpoint
from tests.synthetic_runs import write_walks
from tests.tiny_training import ppo_args, reward_args, visual_args, write_ppo_artefacts
from tests.two_ranks import train_all

ROOT = Path(__file__).resolve().parents[1]


def torchrun(*command: str | Path, **settings) -> subprocess.Popen:
    flags = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(
        [*flags, *command], cwd=ROOT, env=environment, start_new_session=True, **pipes, **settings
    )


def children(parent: int) -> list[int]:
    """Return the processes that one has started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            name, _, rest = path.read_text().rpartition(")")
            found += [int(name.split()[0])] if int(rest.split()[1]) == parent else []
    return sorted(found)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    return write_walks(folder / "walks", count=3, length=40), write_ppo_artefacts(folder)


@pytest.fixture(scope="module")
def trained(inputs, tmp_path_factory):
    """Figures of one process, and of two, and where they wrote."""
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    process = torchrun(ROOT / "tests" / "two_ranks.py", *inputs, two)
    alone = train_all(*inputs, one)
    output, errors = process.communicate(timeout=100)
    assert process.returncode == 0, errors
    return {"one": (alone, one), "two": (json.loads(output.splitlines()[-1]), two)}


def test_two_with_half_a_batch_learn_what_one_learns_with_the_whole(trained):
    (alone, _), (together, _) = trained["one"], trained["two"]
    assert together["visual"]["tokenizer"]["steps"] == together["reward"]["training"]["steps"] == 50
    for metrics, name in (("tokenizer", "psnr_db"), ("tokenizer", "latent_std")):
        expected = pytest.approx(alone["visual"][metrics][name], abs=1e-4)
        assert together["visual"][metrics][name] == expected
    for horizon, row in alone["visual"]["dynamics"]["by_horizon_frames"].items():
        other = together["visual"]["dynamics"]["by_horizon_frames"][horizon]
        assert other["mse"] == pytest.approx(row["mse"], abs=1e-4)
    assert together["reward"]["score"]["voc"]["mean"] == pytest.approx(
        alone["reward"]["score"]["voc"]["mean"], abs=1e-4
    )


def test_ppo_in_two_processes_resumed_equals_uninterrupted(trained):
    _, out = trained["two"]
    whole, resumed = (
        load_policy(out / name / "policy_final.pkl")[0] for name in ("whole", "halves")
    )
    for name, weights in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], weights, rtol=0, atol=0)
    state = load_checkpoint(out / "whole" / "training_state.pkl", "ppo_state")["state_dict"]
    first, second = state["ranks"]
    assert len(first["envs"]["states"]) == len(second["envs"]["states"]) == 2  # of four
    assert not torch.equal(first["torch_rng"], second["torch_rng"])
    archives = [
        {entry[0].numpy().tobytes() for entry in own["envs"]["archive"]} for own in state["ranks"]
    ]
    assert len(archives[0] & archives[1]) > len(archives[0]) / 2, "what one finds, all know"
    rows = [json.loads(row) for row in (out / "whole" / "metrics.jsonl").read_text().splitlines()]
    assert [row["env_steps"] for row in rows] == [32, 64, 96, 128]


def test_another_number_of_processes_is_one_clear_line(trained, inputs):
    _, out = trained["two"]
    args = ppo_args(inputs[1], out / "whole", minibatches=2, iterations=6)
    with pytest.raises(ValueError, match="was trained by 2 processes, got 1: start as many"):
        train_with_cnn_reward.main(args)


@pytest.mark.parametrize(
    ("script", "flag", "args"),
    [
        (pretrain_visual, "--batch-size", visual_args(Path(), Path(), batch_size=5)),
        (train_reward_model, "--batch-size", reward_args(Path(), Path(), batch_size=5)),
        (train_with_cnn_reward, "--num-envs", ppo_args(Path(), Path(), num_envs=5)),
    ],
)
def test_what_cannot_be_shared_evenly_is_refused(script, flag, args, monkeypatch):
    monkeypatch.setattr(ranks, "count", 2)
    main = inspect.unwrap(script.main)
    with pytest.raises(ValueError, match=f"{flag} to be a multiple of the 2 processes, got 5"):
        main(args)


@pytest.mark.parametrize("kind", ["ctrl-c", "death"])
def test_all_stop_when_one_is_stopped_and_what_was_saved_is_whole(inputs, tmp_path, kind):
    flags = (
        f"--data {inputs[0]} --out {tmp_path} --epochs 100000 --steps-per-epoch 5 --batch-size 4"
    )
    flags += " --grey --half-size --width 8 --depth 1 --lpips-weight 0 --device cpu"
    process = torchrun(ROOT / "pretrain_visual.py", *flags.split())
    state = tmp_path / "runs" / "pretrain_visual" / "tokenizer_state.pkl"
    while not state.exists() and process.poll() is None:
        time.sleep(0.1)
    if kind == "ctrl-c":
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    else:
        os.kill(children(process.pid)[-1], signal.SIGKILL)  # not the first, which speaks for all
    output, errors = process.communicate(timeout=60)
    assert process.returncode != 0 and 'pretrain_visual.py", line' not in errors
    step = load_checkpoint(state, "training_state")["step"]
    if kind == "ctrl-c":
        assert output.count(f"stopped after step {step}; the same command") == 1
        assert errors.count("interrupted\n") == 1
    else:
        assert errors.count("error: another process of this training has ended") == 1
        assert step % 5 == 0
