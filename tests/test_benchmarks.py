"""The benchmarks that need nothing made before, tiny."""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks import path_length

ROOT = Path(__file__).resolve().parents[1]


def run(script: str, *flags: str) -> dict:
    command = [sys.executable, ROOT / "benchmarks" / script, *flags]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(result.stdout)


def test_emulators_are_compared(tmp_path):
    copy = tmp_path / "copy.gb"
    copy.write_bytes((ROOT / "games/waystone/waystone.gb").read_bytes())
    flags = "--rounds 2 --steps 5 --warmup-steps 5 --envs 2".split()
    report = run("emulators.py", *flags, "--roms", tmp_path, "--json", tmp_path / "report.json")
    assert report == json.loads((tmp_path / "report.json").read_text())
    assert list(report["roms"]) == ["waystone", "copy"]
    for result in report["roms"].values():
        ours, theirs = result["emurust_frames_per_second"], result["pyboy_frames_per_second"]
        assert 0 < ours["min"] <= ours["median"] <= ours["max"]
        assert result["ratio"]["max"] <= ours["max"] / theirs["min"]
        assert result["scaling"]["median"] > 0


def test_memory_does_not_grow():
    report = run("soak.py", *"--hours 0.01 --envs 4 --cycles 10_000".split())
    assert report["states_left"] == 0 and report["frames"] == 4 * 30 * 72
    assert report["growth_mib"] < 8, "10,000 states are some 400 MiB"


def test_a_step_along_a_path_is_timed_at_each_length():
    results = path_length.main(path_length.Args(lengths=(60, 400), rounds=2, steps=12, num_envs=4))
    assert list(results) == ["60", "400"] and results["60"]["ratio"] == 1.0
    assert all(row["ms_a_step"] > 0 for row in results.values())
