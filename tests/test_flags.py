"""Every numeric flag of every script: what it may be, and how it is refused when it is not."""

import dataclasses
import importlib
import math
import subprocess
import sys
from pathlib import Path

import pytest

from cli import MOST, check_flags
from games.game import ROOT

SCRIPTS = [
    "pretrain_visual",
    "train_reward_model",
    "train_with_cnn_reward",
    "evaluate_policy",
    "demo",
    "data.demo.prepare",
    "data.demo.render_videos",
    "data.speedruns.prepare",
    "data.frames",
    "games.difficulty",
    "games.waystone.player",
    "games.emberwick.player",
    *(
        f"benchmarks.{path.stem}"
        for path in sorted((ROOT / "benchmarks").glob("[a-z]*.py"))
        if "run_script(" in path.read_text()  # not what only serves others
    ),
]


def make_args(script: str):
    args_type = importlib.import_module(script).Args
    required = {
        field.name: (Path("some"),) if "tuple" in str(field.type) else Path("some")
        for field in dataclasses.fields(args_type)
        if field.default is field.default_factory is dataclasses.MISSING
    }
    return args_type(**required)


def numeric_flags():
    for script in SCRIPTS:
        for field in dataclasses.fields(make_args(script)):
            words = str(field.type)
            if any(word in words for word in ("int", "float")) and "Literal" not in words:
                yield script, field.name, "tuple" in words


@pytest.mark.parametrize(("script", "flag", "is_tuple"), list(numeric_flags()))
def test_what_a_flag_cannot_be_is_refused_by_name(script, flag, is_tuple):
    args = make_args(script)
    check_flags(args)  # the defaults are fine
    wrong = [math.nan, math.inf, -math.inf, 10.0 * MOST, -1]
    for value in wrong:
        changed = dataclasses.replace(args, **{flag: (value,) if is_tuple else value})
        with pytest.raises(ValueError) as caught:
            check_flags(changed)
        name = flag.replace("_", "-")
        assert str(caught.value).startswith(f"expected --{name} ")
        assert str(caught.value).endswith(f", got {value}")


@pytest.mark.parametrize(
    ("script", "flag", "value", "words"),
    [
        ("train_with_cnn_reward", "return_filter", 0, "above 0, up to 1"),
        ("train_with_cnn_reward", "gamma", 1.01, "from 0 to 1"),
        ("train_with_cnn_reward", "num_envs", 0, "of 1 or more"),
        ("train_with_cnn_reward", "seed", 3_000_000_000, "up to 2147483647"),
        ("pretrain_visual", "width", 0, "from 1 to 65536"),
        ("pretrain_visual", "lr", 0.0, "above 0"),
        ("pretrain_visual", "mask_max", 2, "from 0 to 1"),
        ("train_reward_model", "max_gap_frames", 0, "of 1 or more"),
    ],
)
def test_the_limits_are_said(script, flag, value, words):
    with pytest.raises(ValueError, match=f"expected --{flag.replace('_', '-')} {words}, got"):
        check_flags(dataclasses.replace(make_args(script), **{flag: value}))


def test_a_typed_flag_out_of_range_is_one_line_and_exit_code_2(tmp_path):
    command = [sys.executable, str(ROOT / "train_reward_model.py"), "--lr", "nan"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "error: expected --lr above 0, got nan\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("game", ["waystone", "emberwick"])
def test_runs_of_no_length_are_refused(game, tmp_path):
    player = importlib.import_module(f"games.{game}.player")
    args = player.Args(out=tmp_path / "runs", min_seconds=200, max_seconds=199)
    with pytest.raises(
        ValueError, match=r"--min-seconds of --max-seconds \(199\) or less, got 200"
    ):
        player.main(args)
    assert not (tmp_path / "runs").exists()
