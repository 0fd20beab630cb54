"""Many kept states at once, in memory and in files."""

import numpy as np
import pytest
from emurust import VecGameBoy
from hypothesis import given, settings
from hypothesis import strategies as st

from programs import JOYPAD_ROM, NOISE_ROM, make, masks


@pytest.fixture
def batch():
    """Four machines in four different states, and these as bytes."""
    games, obs = make(NOISE_ROM, 4, frame_skip=3, num_threads=2)
    games.step(masks(1, 2, 4, 8), obs)
    states = exported(games)
    assert len(set(states)) == 4
    return games, obs, states


def exported(games: VecGameBoy) -> list[bytes]:
    return [games.export_state(env) for env in range(games.num_envs)]


@pytest.mark.parametrize(
    ("envs", "expected"),
    [
        (None, [0, 1, 2, 3]),
        (2, [2]),
        ([3, 1, 3], [3, 1, 3]),
        (np.array([True, False, True, False]), [0, 2]),
        ([], []),
    ],
)
def test_save_states_then_load_states(batch, envs, expected):
    games, obs, states = batch
    ids = games.save_states(envs)
    assert ids.dtype == np.int64 and ids.shape == (len(expected),)
    assert games.num_states == len(set(ids.tolist())) == len(expected)
    games.step(masks(16, 16, 16, 16), obs)
    after = exported(games)
    games.load_states(envs, ids)
    assert exported(games) == [states[env] if env in expected else after[env] for env in range(4)]
    games.drop_states(ids)
    assert games.num_states == 0


def test_one_state_for_all_and_any_state_for_any_machine(batch):
    games, _, states = batch
    ids = games.save_states()
    games.load_states([0, 2], ids[[3, 0]])
    assert exported(games) == [states[env] for env in (3, 1, 0, 3)]
    games.load_states(None, int(ids[1]))
    assert exported(games) == [states[1]] * 4
    games.load_states([0, 0], ids[[2, 3]])
    assert exported(games) == [states[env] for env in (3, 1, 1, 1)], "the last one given counts"
    games.load_state(1, ids[0])
    assert games.export_state(1) == states[0]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([0, 9], "unknown state id 9: 4 states are kept"),
        ([0, -1], "unknown state id -1"),
        ([0, 1, 2], "ids: expected 2, one for each env, or one for all, got 3"),
        ([0.0, 1.0], "ids: expected integers of one dimension, got .*list"),
        (np.array([True, False]), "ids: expected integers of one dimension, got bool array"),
    ],
)
def test_bad_ids_change_nothing(batch, tmp_path, ids, message):
    games, _, states = batch
    games.save_states([3, 2, 1, 0])
    with pytest.raises(ValueError, match=message):
        games.load_states([0, 1], ids)
    if len(ids) == 2:
        with pytest.raises(ValueError, match=message):
            games.drop_states(ids)
        with pytest.raises(ValueError, match=message):
            games.write_states(tmp_path / "states", ids)
    assert exported(games) == states and games.num_states == 4 and not list(tmp_path.iterdir())


# ---- files ----


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The path of a file with the states of three machines, and these as bytes."""
    games, obs = make(NOISE_ROM, 3, frame_skip=3)
    games.step(masks(1, 2, 4), obs)
    path = tmp_path_factory.mktemp("states") / "three.states"
    games.write_states(path, games.save_states())
    return path, exported(games)


def test_written_states_are_read_in_another_batch(written):
    path, states = written
    games, _ = make(NOISE_ROM, 3)
    games.save_state(0)
    ids = games.read_states(str(path))
    assert ids.dtype == np.int64 and games.num_states == 4
    games.load_states(None, ids)
    assert exported(games) == states


def test_chosen_states_are_written_in_order(batch, tmp_path):
    games, _, states = batch
    path = tmp_path / "states"
    ids = games.save_states()
    for chosen in ([], [2], [3, 1, 3]):
        games.write_states(path, ids[chosen])
        read = games.read_states(path)
        assert len(read) == len(chosen)
        for state_id, env in zip(read, chosen, strict=True):
            games.load_state(0, state_id)
            assert games.export_state(0) == states[env]
        games.drop_states(read)
    games.write_states(path)
    assert len(games.read_states(path)) == 4, "by default, all"
    assert list(tmp_path.iterdir()) == [path], "no temporary file stays"


def test_files_that_cannot_be_opened(batch, tmp_path):
    games, _, _ = batch
    games.save_state(0)
    with pytest.raises(FileNotFoundError, match="No such file") as caught:
        games.read_states(tmp_path / "none")
    assert caught.value.filename == str(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="No such file"):
        games.write_states(tmp_path / "none" / "states")
    with pytest.raises(OSError, match="directory"):
        games.write_states(tmp_path)  # known only when the finished file is to be renamed
    assert not list(tmp_path.iterdir()) and not list(tmp_path.parent.glob("*.tmp"))


def test_file_of_another_rom_is_refused(written):
    path, _ = written
    other, _ = make(JOYPAD_ROM)
    with pytest.raises(ValueError, match=r"three.states: state 1 of 3: .*another ROM"):
        other.read_states(path)
    assert other.num_states == 0


def test_foreign_file_is_refused(tmp_path):
    games, _ = make(NOISE_ROM)
    for content in (b"", b"EMUSTO", NOISE_ROM, games.export_state(0)):
        (tmp_path / "file").write_bytes(content)
        with pytest.raises(ValueError, match="expected a file made by write_states") as caught:
            games.read_states(tmp_path / "file")
        assert "\n" not in str(caught.value)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data())
def test_damaged_files_are_refused(written, tmp_path_factory, data):
    path, _ = written
    content = path.read_bytes()
    header = st.integers(0, 40)
    position = data.draw(st.one_of(header, st.integers(0, len(content) - 1)))
    kind = data.draw(st.sampled_from(["flip", "cut", "insert"]))
    if kind == "flip":
        flipped = content[position] ^ data.draw(st.integers(1, 255))
        damaged = content[:position] + bytes([flipped]) + content[position + 1 :]
    elif kind == "cut":
        damaged = content[:position]
    else:
        inserted = data.draw(st.binary(min_size=1, max_size=9))
        damaged = content[:position] + inserted + content[position:]
    damaged_path = tmp_path_factory.getbasetemp() / "damaged"
    damaged_path.write_bytes(damaged)
    games, _ = make(NOISE_ROM)
    with pytest.raises(ValueError, match="damaged: "):
        games.read_states(damaged_path)
    assert games.num_states == 0
