"""What comes from outside: a full disk, full memory, Ctrl-C, SIGTERM, a second process."""

import contextlib
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import filelock
import pytest
import torch

import pretrain_visual
import train_reward_model
import train_with_cnn_reward
from cli import Terminated
from files import append_line, read_json, sole_writer, write_json, write_whole, writes_alone
from games.game import ROOT
from tests.synthetic_runs import write_walks
from tests.tiny_training import ppo_args, reward_args, visual_args, write_ppo_artefacts
from training import Interrupt, event_log


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("inputs")
    write_walks(directory, count=2, length=24)
    return write_ppo_artefacts(directory)


@contextlib.contextmanager
def room_for(size: int):
    """Let files grow to `size` bytes and no further: to Python, that is a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


TRAININGS = {
    "pretraining": (pretrain_visual, visual_args, {"epochs": 2, "dynamics_epochs": 2}),
    "reward": (train_reward_model, reward_args, {"epochs": 2}),
    "ppo": (train_with_cnn_reward, ppo_args, {"iterations": 2, "save_every": 1}),
}


@pytest.fixture(scope="module", params=TRAININGS)
def uninterrupted(request, inputs, tmp_path_factory) -> tuple:
    """The script of a training, its flags, and those with which it has run to its end."""
    script, make_args, settings = TRAININGS[request.param]
    args = make_args(inputs, tmp_path_factory.mktemp("whole"), **settings)
    script.main(args)
    return script, args


def content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*.pkl"))}


@pytest.mark.parametrize("training", TRAININGS)
def test_a_full_disk_is_one_line_with_the_path_and_the_old_files_are_whole(
    training, inputs, tmp_path
):
    script, make_args, settings = TRAININGS[training]
    args = make_args(inputs, tmp_path, **settings)
    script.main(args)
    before = content(tmp_path)
    longer = {name: value + 2 for name, value in settings.items() if name != "save_every"}
    with room_for(20_000), pytest.raises(OSError) as caught:
        script.main(replace(args, **longer))
    assert Path(caught.value.filename).is_relative_to(tmp_path) and "\n" not in str(caught.value)
    assert content(tmp_path) == before
    assert not list(tmp_path.rglob("*.tmp"))
    script.main(replace(args, **longer))  # there is room again


def test_small_files_are_whole_or_as_they_were_on_a_full_disk(tmp_path):
    report, lines = tmp_path / "report.json", tmp_path / "metrics.jsonl"
    write_json(report, {"frames": 1})
    lines.write_text("{}\n")
    with room_for(8):
        for write in (
            lambda: write_json(report, {"frames": list(range(99))}),
            lambda: write_whole(report, b"0123456789"),
            lambda: append_line(lines, "0123456789"),
        ):
            with pytest.raises(OSError, match=r"report.json|metrics.jsonl"):
                write()
    assert read_json(report) == {"frames": 1}
    assert {path.name for path in tmp_path.iterdir()} == {"report.json", "metrics.jsonl"}


def test_figures_that_find_no_room_name_their_folder_and_leave_no_traceback(tmp_path, capfd):
    with room_for(2_000), pytest.raises(OSError, match="figures"):
        with event_log(tmp_path / "figures", flush_secs=1) as writer:
            for step in range(200):
                writer.add_scalar("loss", 0.0, step)
                writer.flush()
    assert "Traceback" not in capfd.readouterr().err


@pytest.fixture
def heeds_hang_up():
    """As in a terminal, also where these tests run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("heeds_hang_up")
def test_a_closed_terminal_stops_as_sigterm_does():
    with Interrupt("step") as interrupt:
        signal.raise_signal(signal.SIGHUP)
    assert interrupt.wanted is Terminated


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_save_and_the_same_command_goes_on(
    number, uninterrupted, tmp_path, monkeypatch, capsys
):
    script, whole = uninterrupted
    args = replace(whole, out=tmp_path)
    if script is not train_with_cnn_reward:
        args = replace(args, save_every_seconds=1e6)
    calls, backward = 0, torch.Tensor.backward

    def interrupted(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == 2:
            signal.raise_signal(number)
        return backward(*args, **kwargs)

    handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    with monkeypatch.context() as patch:
        patch.setattr(torch.Tensor, "backward", interrupted)
        with pytest.raises(KeyboardInterrupt if number == signal.SIGINT else Terminated):
            script.main(args)
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert "the same command goes on from there" in capsys.readouterr().out
    assert script.state_paths(args)[0].exists()
    script.main(args)
    for path in script.products(whole):
        if path.suffix == ".pkl":
            assert (args.out / path.relative_to(whole.out)).read_bytes() == path.read_bytes()


def test_a_second_process_in_one_folder_stops_with_one_line(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from files import writes_alone\n"
        "@writes_alone(lambda out: out)\n"
        "def main(out): print('working', flush=True); time.sleep(60)\n"
        "main(Path(sys.argv[1]))"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert first.stdout.readline() == "working\n"

    @writes_alone(lambda out: out)
    def main(out):
        return "done"

    with pytest.raises(ValueError, match=r"another process writes to .*another --out") as caught:
        main(tmp_path)
    assert "\n" not in str(caught.value)
    assert main(tmp_path / "elsewhere") == "done"
    first.kill()  # a crash leaves no lock behind
    first.wait()
    assert main(tmp_path) == "done"


def test_every_script_that_trains_or_prepares_writes_alone(inputs, tmp_path):
    for script, make_args, settings in TRAININGS.values():
        args = make_args(inputs, tmp_path, **settings)
        folder = script.state_paths(args)[0].parent
        with _held(folder), pytest.raises(ValueError, match="another process writes to"):
            script.main(args)


@contextlib.contextmanager
def _held(folder: Path):
    """Hold a folder's lock, as another process would."""
    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / ".lock"):
        yield


def test_a_folder_that_cannot_be_is_named_and_not_its_lock(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"pass another --out.*file'$"):
        with sole_writer(tmp_path / "file"):
            pass


def test_ctrl_c_stops_in_order_where_nobody_reads_any_more(monkeypatch):
    """As in `… | tee log`: the terminal stops tee as well."""

    def no_reader(*args):
        raise BrokenPipeError

    monkeypatch.setattr("builtins.print", no_reader)
    with Interrupt("step") as interrupt:
        signal.raise_signal(signal.SIGINT)
    assert interrupt.wanted is KeyboardInterrupt


def test_an_output_that_nobody_reads_is_one_line(tmp_path):
    code = "import cli, dataclasses, time\nArgs = dataclasses.make_dataclass('Args', [])\n"
    code += "cli.run_script(main := lambda args: [print('x' * 999) for _ in range(999)], Args)"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", code], text=True, cwd=ROOT, **pipes)
    process.stdout.close()
    assert process.stderr.read().startswith("error: nobody reads what this prints any more")
    assert process.wait() == 2


def test_a_refused_reward_training_replaces_nothing(inputs, tmp_path):
    args = reward_args(inputs, tmp_path)
    train_reward_model.main(args)
    before = content(tmp_path)
    for changes in ({"seed": 3}, {"min_gap_frames": 10, "max_gap_frames": 3}):
        with pytest.raises(ValueError, match=r"seed 0, got 3|expected --max-gap-frames of"):
            train_reward_model.main(replace(args, path_reach=3.0, **changes))
        assert content(tmp_path) == before


def test_a_policy_of_somebody_else_is_not_replaced(inputs, tmp_path):
    policy = tmp_path / "policy_final.pkl"
    policy.write_bytes(b"dear")
    with pytest.raises(ValueError, match=r"policy_final.pkl .* move it away"):
        train_with_cnn_reward.main(ppo_args(inputs, tmp_path))
    assert policy.read_bytes() == b"dear"
