"""How a script ends: the exit code, and what its user reads."""

import errno
import os
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from cli import run_script
from games.game import ROOT


@dataclass
class Args:
    steps: int = 1


def run(monkeypatch, main, *flags: str) -> None:
    monkeypatch.setattr(sys, "argv", ["script.py", *flags])
    run_script(main, Args)


def raising(error: BaseException):
    def main(args: Args) -> dict:
        raise error

    return main


def test_main_gets_the_flags(monkeypatch):
    seen = []

    def main(args: Args) -> None:
        seen.append(args)

    run(monkeypatch, main, "--steps", "3")
    assert seen == [Args(steps=3)]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("expected 2, got 1"), "error: expected 2, got 1\n"),
        (FileNotFoundError("no runs: make some"), "error: no runs: make some\n"),
        (OSError(errno.ENOSPC, "No space left on device", "a.pkl"), "No space left on device: 'a"),
        (PermissionError(errno.EACCES, "Permission denied", "a.pkl"), "Permission denied: 'a.pkl'"),
        (torch.cuda.OutOfMemoryError("CUDA\ntried"), "lower --batch-size or --num-envs"),
        (MemoryError(), "the memory is full: lower what is worked on at once (--batch-size"),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_exit_code_2(monkeypatch, capsys, error, message):
    with pytest.raises(SystemExit) as exit:
        run(monkeypatch, raising(error))
    stderr = capsys.readouterr().err
    assert exit.value.code == 2
    assert stderr.startswith("error: ") and message in stderr and stderr.count("\n") == 1


@pytest.mark.parametrize("allocate", [lambda: torch.empty(2**50), lambda: np.empty(2**50)])
def test_what_does_not_fit_the_memory_is_one_line_and_exit_code_2(monkeypatch, capsys, allocate):
    with pytest.raises(SystemExit) as exit:
        run(monkeypatch, lambda args: allocate())
    assert exit.value.code == 2
    assert capsys.readouterr().err.startswith("error: the memory is full: lower")


def test_a_variable_brings_the_traceback_of_any_error(monkeypatch):
    monkeypatch.setenv("EMURL_TRACEBACK", "1")
    with pytest.raises(ValueError, match="a user's mistake"):
        run(monkeypatch, raising(ValueError("a user's mistake")))


def test_ctrl_c_is_exit_code_130(monkeypatch, capsys):
    with pytest.raises(SystemExit) as exit:
        run(monkeypatch, raising(KeyboardInterrupt()))
    assert exit.value.code == 130 and capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize("error", [RuntimeError("shapes"), KeyError("latents")])
def test_our_own_mistakes_keep_their_traceback(monkeypatch, error):
    with pytest.raises(type(error)):
        run(monkeypatch, raising(error))


def test_a_name_that_the_terminal_cannot_show_ends_nothing():
    code = "import cli, dataclasses\nArgs = dataclasses.make_dataclass('Args', [])\n"
    code += "cli.run_script(main := lambda args: print('\\u65e5.mp4'), Args)"
    environment = os.environ | {"PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=ROOT
    )
    assert (done.returncode, done.stdout) == (0, "\\u65e5.mp4\n"), done.stderr


def test_a_help_text_that_nobody_reads_to_its_end_is_no_error():
    command = [sys.executable, "evaluate_policy.py", "--help"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as script:
        script.stdout.close()
        assert script.stderr.read() == b""
        assert script.wait(60) == 0
