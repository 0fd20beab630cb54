"""The frames that the crop and the shades are found on come from all over a video."""

import numpy as np
import pytest

from data.speedruns.survey import survey_video
from data.speedruns.video import sample_video
from tests.videos import encode, picture, take


def sampled(path, count: int = 40) -> list[int]:
    frames = sample_video(path, survey_video(path), count)
    known = np.stack([picture(k)[4::8, 4::8, 0] for k in range(480)]).astype(int)
    shown = [frame.to_ndarray(format="gray")[4::8, 4::8].astype(int) for frame in frames]
    return [int(np.abs(known - frame).mean(axis=(1, 2)).argmin()) for frame in shown]


@pytest.mark.parametrize("keys_every", [1, 4, 100, 9999])
@pytest.mark.parametrize("suffix", ["mkv", "ts"])
def test_samples_are_spread_whatever_the_key_frames(tmp_path, suffix, keys_every):
    video = encode(
        tmp_path / f"run.{suffix}",
        (picture(k) for k in range(480)),
        **{"g": str(keys_every), "sc_threshold": "0", "preset": "ultrafast"},
    )
    places = sampled(video)
    assert 39 <= len(places) <= 40 and places == sorted(set(places))
    assert places[0] < 24 and places[-1] >= 480 - 24 and np.diff(places).max() <= 24


def test_samples_are_spread_over_joined_files(tmp_path):
    parts = [
        encode(tmp_path / f"{first}.ts", (picture(k) for k in range(first, first + 60)), g="4")
        for first in (0, 60)
    ]
    video = tmp_path / "run.ts"
    video.write_bytes(b"".join(part.read_bytes() for part in parts))
    places = sampled(video, count=10)
    assert places == sorted(set(places)) and places[-1] > 100 and np.diff(places).max() <= 24


def test_a_recording_with_one_key_frame_gets_all_its_shades(tmp_path):
    black = np.zeros((144, 160, 3), np.uint8)
    frames = [black] * 4 + [picture(k) for k in range(60)]
    video = encode(
        tmp_path / "run.webm", frames, codec="libvpx", g="9999", **{"deadline": "realtime"}
    )
    run = take(video, tmp_path / "out", shades=4)
    assert len(run.meta["levels"]) == 4
    assert (run.frames[4:] == np.stack(frames[4:])).mean() > 0.97
