"""Runs on disk, their split, and what is drawn from them."""

import hashlib
import json

import numpy as np
import pytest

from data import frames
from data.frames import (
    FRAME_SHAPE,
    different_runs,
    find_runs,
    sample_frames,
    sample_pairs,
    sample_sequences,
    split_runs,
    write_run,
)

LENGTHS = {"a": 300, "b": 40, "c": 7}


def labelled(run: int, length: int):
    """Frames that carry their run and time in their corner pixel, so that a sample tells both."""
    for t in range(length):
        frame = np.full(FRAME_SHAPE, t % 251, dtype=np.uint8)
        frame[0, 0] = run, t // 256, t % 256
        yield frame


def read_labels(batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The (run, time) of frames, (..., 144, 160, 3)."""
    corner = batch[..., 0, 0, :].astype(int)
    return corner[..., 0], corner[..., 1] * 256 + corner[..., 2]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("frames")
    for i, (name, length) in enumerate(LENGTHS.items()):
        write_run(directory, name, labelled(i, length), fps=2.0, source=f"{name}.mp4")
    return directory


@pytest.fixture(scope="module")
def runs(directory):
    return find_runs(directory)


def contents(directory) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_a_run_reads_back_as_written(runs, directory):
    assert {run.name: run.num_frames for run in runs} == LENGTHS
    run = runs[0]
    expected = np.stack(list(labelled(0, LENGTHS["a"])))
    np.testing.assert_array_equal(run.frames, expected)
    assert not run.frames.flags.writeable
    assert run.fps == 2.0
    meta = json.loads((directory / "a.json").read_text())
    assert meta["sha256"] == hashlib.sha256(expected.tobytes()).hexdigest()
    assert meta["source"] == "a.mp4" and meta["crop"] is None and meta["palette"] == "rgb"


def test_an_interrupted_write_leaves_nothing_behind_and_an_older_run_untouched(tmp_path):
    def stops_half_way():
        yield from labelled(0, 3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_run(tmp_path, "run", stops_half_way())
    assert contents(tmp_path) == {}

    write_run(tmp_path, "run", labelled(0, 5))
    before = contents(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        write_run(tmp_path, "run", stops_half_way())
    assert contents(tmp_path) == before
    write_run(tmp_path, "run", labelled(0, 2))
    assert find_runs(tmp_path)[0].num_frames == 2


@pytest.mark.parametrize(
    "bad",
    [[], [np.zeros((10, 10, 3), np.uint8)], [np.zeros(FRAME_SHAPE, np.float32)]],
    ids=["no frames", "shape", "dtype"],
)
def test_only_game_boy_frames_make_a_run(tmp_path, bad):
    with pytest.raises(ValueError, match=r"run bad.*expected .* got"):
        write_run(tmp_path, "bad", iter(bad))
    assert contents(tmp_path) == {}


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-1])


def other_dtype(path):
    np.save(path, np.zeros((3, *FRAME_SHAPE), np.float16))


def other_count(path):
    meta_path = path.with_suffix(".json")
    meta_path.write_text(meta_path.read_text().replace('"frames": 3', '"frames": 4'))


def not_a_run(path):
    path.with_suffix(".json").write_text("{}")


@pytest.mark.parametrize("damage", [cut_short, other_dtype, other_count, not_a_run])
def test_a_damaged_run_is_refused(tmp_path, damage):
    damage(write_run(tmp_path, "run", labelled(0, 3)))
    with pytest.raises(ValueError, match=r"run\.npy: .*delete it and prepare it again") as error:
        find_runs(tmp_path)
    assert "\n" not in str(error.value)


def test_own_footage_goes_before_the_bundled_game(tmp_path, monkeypatch, capsys):
    speedruns, demo = tmp_path / "speedruns", tmp_path / "demo"
    monkeypatch.setattr(frames, "DEFAULT_DIRECTORIES", (speedruns, demo))
    with pytest.raises(FileNotFoundError) as error:
        find_runs()
    assert "data/demo/prepare.py" in str(error.value)
    assert "data/speedruns/prepare.py" in str(error.value)

    write_run(demo, "movie", labelled(0, 2))
    assert [run.name for run in find_runs()] == ["movie"]
    assert str(demo) in capsys.readouterr().out
    write_run(speedruns, "video", labelled(0, 2))
    assert [run.name for run in find_runs()] == ["video"]
    assert [run.name for run in find_runs(demo)] == ["movie"]


@pytest.mark.parametrize("file", ["video_index.json", "video/0.npy", "video/0.png"])
def test_one_file_a_frame_names_the_command_that_imports_it(tmp_path, file):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).touch()
    with pytest.raises(FileNotFoundError, match=r"data/speedruns/prepare\.py .* --out"):
        find_runs(tmp_path)


def names(split) -> tuple[set[str], set[str]]:
    return tuple({run.name for run in part} for part in split)


def test_splits_are_disjoint_and_depend_on_names_and_seed_only(runs):
    train, val = names(split_runs(runs))
    assert train | val == set(LENGTHS) and not train & val and len(val) == 1
    assert names(split_runs(runs[::-1])) == (train, val)
    assert {frozenset(names(split_runs(runs, seed=seed))[1]) for seed in range(20)} == {
        frozenset(name) for name in LENGTHS
    }
    assert len(split_runs(runs, holdout=2)[1]) == 2
    assert names(split_runs(runs[:1])) == ({"a"}, set())
    with pytest.raises(ValueError, match="hold out 0 to 2 of the runs, got 3"):
        split_runs(runs, holdout=3)


def test_copies_of_a_run_are_held_out_together(runs, tmp_path):
    for run in runs:
        for name in ("first", "second"):
            write_run(tmp_path, f"{run.name}_{name}", run.frames)
    for seed in range(10):
        train, val = names(split_runs(find_runs(tmp_path), seed=seed))
        assert len(val) == 2 and {name[0] for name in train}.isdisjoint(name[0] for name in val)
    write_run(tmp_path / "same", "a", runs[0].frames)
    write_run(tmp_path / "same", "b", runs[0].frames)
    assert names(split_runs(find_runs(tmp_path / "same"))) == ({"a", "b"}, set())


def test_of_copies_one_is_kept_and_the_named_one_rather(runs, tmp_path):
    for run, copies in zip(runs, ("ab", "c", "de"), strict=False):
        for name in copies:
            write_run(tmp_path, name, run.frames)
    found = find_runs(tmp_path)
    assert [run.name for run in different_runs(found)] == ["a", "c", "d"]
    assert [run.name for run in different_runs(found, "b")] == ["b", "c", "d"]


def test_frames_are_drawn_uniformly_over_all_runs(runs):
    batch = sample_frames(runs, 700, np.random.default_rng(0))
    assert batch.shape == (700, *FRAME_SHAPE) and batch.dtype == np.uint8
    which, when = read_labels(batch)
    share = np.bincount(which, minlength=3) / len(which)
    expected = np.array(list(LENGTHS.values())) / sum(LENGTHS.values())
    np.testing.assert_allclose(share, expected, atol=0.05)
    assert when[which == 2].min() == 0 and when[which == 2].max() == LENGTHS["c"] - 1
    assert abs(when[which == 0].mean() - 149.5) < 15
    again = sample_frames(runs, 700, np.random.default_rng(0))
    np.testing.assert_array_equal(batch, again)


def test_sequences_are_consecutive_and_within_one_run(runs):
    which, when = read_labels(sample_sequences(runs, 200, 7, np.random.default_rng(0)))
    assert (which == which[:, :1]).all()
    assert (np.diff(when) == 1).all()
    assert set(which[:, 0]) == {0, 1, 2} and (when[which[:, 0] == 2] == np.arange(7)).all()
    with pytest.raises(ValueError, match="a run of at least 301 frames, got 3 runs, the longest"):
        sample_sequences(runs, 1, 301, np.random.default_rng(0))


def test_pairs_lie_in_one_run_in_order_and_their_gaps_are_log_uniform(runs):
    rng = np.random.default_rng(0)
    gaps = []
    for _ in range(40):
        earlier, later, gap = sample_pairs(runs, 50, rng, min_gap=2, max_gap=255)
        assert earlier.shape == later.shape == (50, *FRAME_SHAPE)
        (run_a, time_a), (run_b, time_b) = read_labels(earlier), read_labels(later)
        assert (run_a == run_b).all()
        np.testing.assert_array_equal(time_b - time_a, gap)
        gaps.append(gap)
    gaps = np.concatenate(gaps)
    assert gaps.min() == 2 and gaps.max() > 230
    octaves = np.bincount(np.log2(gaps).astype(int))[1:]  # 2-3, 4-7, …, 128-255
    assert len(octaves) == 7
    assert (np.abs(octaves - len(gaps) / 7) < 60).all()  # 3.8 sigma


def test_gaps_are_bounded_by_the_longest_run(runs):
    rng = np.random.default_rng(0)
    assert sample_pairs(runs, 400, rng)[2].max() <= 299
    assert set(sample_pairs(runs[2:], 200, rng, min_gap=5, max_gap=1000)[2]) == {5, 6}
    with pytest.raises(ValueError, match="gaps from 1 to 6 frames, got a min_gap of 7"):
        sample_pairs(runs[2:], 1, rng, min_gap=7)


def test_the_table_lists_every_run(directory, capsys):
    table = frames.main(frames.Args(directory))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:5]] == list(LENGTHS)
    assert lines[2].split() == ["a", "300", "0:02:30", "2", "0.0%", table["a"]["split"]]
    assert table["a"]["frames"] == 300 and table["a"]["seconds"] == 150
    assert sorted(row["split"] for row in table.values()) == ["train", "train", "val"]


def test_the_table_counts_repeated_frames_and_tells_of_copies(tmp_path, capsys):
    still = [frame for frame in labelled(0, 200) for _ in range(3)]  # over more than one chunk
    write_run(tmp_path, "still", iter(still))
    write_run(tmp_path, "moving", labelled(0, 5))
    write_run(tmp_path, "copy", labelled(0, 5))
    table = frames.main(frames.Args(tmp_path))
    repeats = {name: row["repeats"] for name, row in table.items()}
    assert repeats == {"still": 400, "moving": 0, "copy": 0}
    assert "warning: copy and moving hold the same pixels" in capsys.readouterr().out


@pytest.mark.parametrize(
    "changes",
    [
        {"fps": 0},
        {"fps": float("nan")},
        {"fps": -2},
        {"sha256": ["a"]},
        {"frames": float("inf")},
        {"frames": "many"},
    ],
)
def test_a_run_whose_json_cannot_be_is_one_line(tmp_path, changes):
    path = write_run(tmp_path, "run", np.zeros((3, *FRAME_SHAPE), dtype=np.uint8))
    meta = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps(meta | changes))
    with pytest.raises(ValueError, match=r"run.npy: not a readable run \(.*delete it") as caught:
        find_runs(tmp_path)
    assert "\n" not in str(caught.value)
