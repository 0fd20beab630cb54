"""Signals, forks and threads."""

import pickle
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from programs import NOISE_ROM, make, masks


def start(code: str, *arguments: str) -> subprocess.Popen:
    """Run Python code that can import `programs`, with pipes to read from it."""
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n" + code
    command = [sys.executable, "-c", code, *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)


INTERRUPTED = """
import signal
from programs import NOISE_ROM, make, masks
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell ignores it
num_threads, num_envs = int(sys.argv[1]), 64
actions = masks(*(1 << env % 8 for env in range(num_envs)))
games, obs = make(NOISE_ROM, num_envs, num_threads=num_threads)
games.step(actions, obs)
states, shown = [games.export_state(env) for env in range(num_envs)], obs.copy()
games.frame_skip = 2**20
print("stepping", flush=True)
try:
    games.step(actions, obs)
except KeyboardInterrupt:
    print("interrupted", flush=True)
assert [games.export_state(env) for env in range(num_envs)] == states
assert (obs == shown).all()
games.frame_skip = 3
games.step(actions, obs)
twin, twin_obs = make(NOISE_ROM, num_envs, num_threads=num_threads)
twin.step(actions, twin_obs)
twin.frame_skip = 3
twin.step(actions, twin_obs)
assert (obs == twin_obs).all()
print("the same")
"""


@pytest.mark.parametrize("num_threads", ["1", "2"])
def test_an_interrupted_step_has_not_happened(num_threads):
    """Ctrl-C in a step of many minutes; it takes back what the machines had done."""
    with start(INTERRUPTED, num_threads) as process:
        assert process.stdout.readline() == "stepping\n"
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        sent = time.monotonic()
        line = process.stdout.readline()
        seconds = time.monotonic() - sent
        output, errors = process.communicate(timeout=60)
        assert (line, output) == ("interrupted\n", "the same\n"), errors
        assert seconds < 2, "0.1 on an idle machine"


FORKED = """
import os, signal
from programs import NOISE_ROM, make, masks
games, obs = make(NOISE_ROM, 4, num_threads=2)
actions = masks(1, 2, 4, 8)
games.step(actions, obs)
child = os.fork()
signal.alarm(20)  # ends what hangs
games.step(actions, obs)
states = games.save_states()
games.load_states(None, states)
if child == 0:
    os.write(1, b"%d\\n" % obs.sum())
    del games
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
os.write(1, b"%d\\n" % obs.sum())
"""


def test_a_forked_process_goes_on_stepping():
    with start(FORKED) as process:
        output, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    child, parent = output.split()
    assert child == parent, "both saw the same"


def test_two_threads_in_one_batch_are_an_error():
    games, obs = make(NOISE_ROM, 2, frame_skip=100_000)
    with ThreadPoolExecutor(1) as threads:
        step = threads.submit(games.step, masks(1, 2), obs)
        message = None
        while not step.done():
            try:
                games.export_state(0)
            except RuntimeError as error:
                message = str(error)
        step.result()
    assert message is not None and "one thread at a time" in message
    assert games.num_envs == 2 and games.frame_skip == 100_000, "sizes can always be read"
    games.export_state(0)


def test_two_batches_in_two_threads():
    """A step lets other Python threads run, and each batch does what it does alone."""

    def play(seed: int) -> bytes:
        games, obs = make(NOISE_ROM, 2, num_threads=1 + seed % 2)
        rng = np.random.default_rng(seed)
        for _ in range(20):
            games.step(rng.integers(0, 256, 2, np.uint8), obs)
        return games.export_state(1) + obs.tobytes()

    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(play, range(4)))
    assert together == [play(seed) for seed in range(4)]
    assert len(set(together)) == 4


def test_batches_cannot_be_pickled():
    games, _ = make(NOISE_ROM)
    with pytest.raises(TypeError, match=r"cannot pickle 'emurust\.VecGameBoy'"):
        pickle.dumps(games)
