"""Walk the whole path on a bundled game: recorded play in, an agent that plays from pixels out.

    uv run python demo.py                    # 6 to 12 minutes on two CPU cores
    uv run python demo.py --preset smoke     # the same path in miniature, nothing learned
    uv run python demo.py --videos videos/   # from videos of it, not from its recorded buttons

Ctrl-C keeps what is done; the same command goes on from there.
"""

import quiet_threads  # noqa: F401

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import data.demo.prepare as prepare
import evaluate_policy
import pretrain_visual
import train_reward_model
import train_with_cnn_reward
from cli import Seed, run_script
from data.speedruns import prepare as prepare_videos
from data.speedruns.inputs import find_inputs, list_files
from files import read_json, write_json, writes_alone
from games.game import ROOT
from provenance import plain
from training import forget

#: The encoder's input and size on a CPU: one grey channel, half the resolution.
SMALL = {"grey": True, "half_size": True}


@dataclass(frozen=True)
class Length:
    """How long a bundled game is trained and played: what depends on the game, all of it."""

    iterations: int
    """rollouts of PPO at most, each of num_envs · num_steps steps"""
    minutes: float
    """time limit of PPO"""
    episode_steps: int
    patience_steps: int
    progress_scale: float
    evaluation_steps: int
    filmed_steps: int
    """of these, which the GIFs and the page show"""


LENGTHS = {
    "waystone": Length(
        iterations=100,
        minutes=9.0,
        episode_steps=512,
        patience_steps=96,
        progress_scale=10.0,
        evaluation_steps=2000,
        filmed_steps=500,
    ),
    "emberwick": Length(
        iterations=2000,
        minutes=40.0,
        episode_steps=1024,
        patience_steps=192,
        progress_scale=40.0,
        evaluation_steps=6000,
        filmed_steps=1000,
    ),
}


@dataclass
class Args:
    game: Literal["waystone", "emberwick"] = "waystone"
    """the bundled game"""
    videos: Path | None = None
    """videos of it, a folder or a file, instead of the input movies that come with it"""
    preset: Literal["full", "smoke"] = "full"
    """full: learns the game; smoke: every part once, in minutes"""
    seed: Seed = 0
    """seed of everything that is random"""
    out: Path | None = None
    """directory of everything that is made; default: runs/demo, with -GAME, -videos and -smoke"""
    device: str = "auto"
    """auto, cpu or cuda"""


@dataclass
class Stage:
    """One script of the path with its flags."""

    name: str
    script: ModuleType
    args: Any

    def state(self) -> list[Path]:
        """Return the files that the script would go on from."""
        return self.script.state_paths(self.args) if hasattr(self.script, "state_paths") else []

    def forget(self) -> None:
        """Delete them."""
        forget(self.state())

    def made(self) -> dict[str, str]:
        """Return the SHA-256 of each file that the script has left for others to read."""
        return {str(path): digest([path]) for path in self.script.products(self.args)}


def rom(game: str) -> Path:
    return ROOT / "games" / game / f"{game}.gb"


def movies(game: str) -> Path:
    """Return the folder of a game's recordings: of emberwick, those that people might have made."""
    return ROOT / "games" / game / {"emberwick": "people"}.get(game, "movies")


def make_stages(args: Args, out: Path) -> list[Stage]:
    """Return the path, stage by stage, in the sizes of the preset."""
    smoke = args.preset == "smoke"
    frames, length = out / "frames", LENGTHS[args.game]
    common = {"seed": args.seed, "device": args.device}
    if args.videos:
        videos = prepare_videos.Args((args.videos,), shades=4, out=frames)
        first = Stage("prepare", prepare_videos, videos)
    else:
        replays = prepare.Args(movies(args.game), rom(args.game), frames)
        replays = replace(replays, limit=2, steps=40) if smoke else replays
        first = Stage("prepare", prepare, replays)
    return [
        first,
        Stage(
            "pretrain",
            pretrain_visual,
            pretrain_visual.Args(
                data=frames,
                out=out,
                epochs=1 if smoke else 8,
                dynamics_epochs=1,
                steps_per_epoch=2 if smoke else 500,
                batch_size=4 if smoke else 16,
                lr=2e-3,
                width=128,
                depth=1,
                dynamics_width=16 if smoke else 64,
                dynamics_depth=1 if smoke else 2,
                **SMALL,
                **common,
            ),
        ),
        Stage(
            "reward",
            train_reward_model,
            train_reward_model.Args(
                data=frames,
                out=out,
                backbone="small",
                epochs=1 if smoke else 4,
                steps_per_epoch=2 if smoke else 50,
                batch_size=4 if smoke else 32,
                lr=1e-3,
                **SMALL,
                **common,
            ),
        ),
        Stage(
            "train",
            train_with_cnn_reward,
            train_with_cnn_reward.Args(
                rom=rom(args.game),
                reward_model=out / "reward_path.pkl",
                pretrained_encoder=out / "pretrained_encoder.pkl",
                reward_interval=1,
                num_envs=4 if smoke else 32,
                num_steps=16 if smoke else 64,
                episode_steps=length.episode_steps,
                patience_steps=length.patience_steps,
                progress_scale=length.progress_scale,
                return_filter=1.0,
                epochs=3,
                lr=5e-4,
                entropy_coef=0.015,
                iterations=2 if smoke else length.iterations,
                time_limit_minutes=length.minutes,
                out=out / "checkpoints",
                **common,
            ),
        ),
        Stage(
            "evaluate",
            evaluate_policy,
            evaluate_policy.Args(
                policy=out / "checkpoints" / "policy_final.pkl",
                rom=rom(args.game),
                steps=20 if smoke else length.evaluation_steps,
                episodes=2 if smoke else 16,
                gif_steps=20 if smoke else length.filmed_steps,
                out=out / "evaluation",
                **common,
            ),
        ),
    ]


def stage_args(name: str, out: Path, game: Literal["waystone", "emberwick"] = "waystone") -> Any:
    """Return the flags of one stage of a demo in `out`."""
    stages = make_stages(Args(game=game, out=out), out)
    return next(stage.args for stage in stages if stage.name == name)


def digest(paths: Iterable[Path]) -> str:
    """Return the SHA-256 of files' contents, in order of their names."""
    whole = hashlib.sha256()
    for path in sorted(paths):
        with path.open("rb") as file:
            while part := file.read(1 << 20):
                whole.update(part)
    return whole.hexdigest()


def is_still(path: str, was: str) -> bool:
    """Say whether a file has the SHA-256 that it had."""
    return Path(path).is_file() and digest([Path(path)]) == was


def read_record(path: Path) -> dict[str, dict]:
    """Return what an earlier demo has written about its stages; nothing where there is none.

    Raises ValueError, which names the file, for what is no such record.
    """
    record = read_json(path) if path.exists() else {}
    for entry in record.values():
        match entry:
            case {"settings": dict(), "wall_s": int() | float()}:
                if isinstance(entry.get("made", {}), dict):
                    continue
        raise ValueError(
            f"expected the record of a demo in {path}, got something else: pass another --out"
        )
    return record


def run_stages(stages: list[Stage], record_path: Path, inputs: str = "") -> dict[str, dict]:
    """Run what is not yet done; returns, by stage, settings, results and wall_s.

    A stage that was stopped, or whose files are gone or others by now, goes on. One whose flags
    (but --device) have changed, or any when `inputs` (a digest of what all starts from) has, is run
    afresh. When it then leaves other files than before, so is everything after it. Raises
    ValueError where a training of no demo would be deleted for that.
    """
    record = read_record(record_path)
    for stage in stages:
        foreign = [path for path in stage.state() if path.exists() and stage.name not in record]
        if foreign:
            raise ValueError(
                f"expected a folder of a demo or a new one, got one with {foreign[0]}, of which "
                f"{record_path} does not tell: pass another --out"
            )
    redone = False
    for number, stage in enumerate(stages, start=1):
        settings = plain(stage.args) | {"inputs": inputs}
        settings.pop("device", None)
        entry = record.get(stage.name, {})
        same = not redone and entry.get("settings") == settings
        lost = [path for path, was in entry.get("made", {}).items() if not is_still(path, was)]
        if same and "results" in entry and not lost:
            print(f"[{number}/{len(stages)}] {stage.name}: done already")
            continue
        if same and lost:
            print(f"{', '.join(lost)}: gone, or no longer what {stage.name} made")
            if set(lost) & set(map(str, stage.state())):
                stage.forget()  # what it would go on from is among them
        redone = True
        if not same:
            was = entry.get("settings") or settings
            if changed := [name for name in settings if was.get(name) != settings[name]]:
                print(f"{stage.name} starts over, with another {', '.join(changed)}")
            stage.forget()
            entry = {"settings": settings, "wall_s": 0.0}
            for later in stages[number:]:
                if later.name in record:
                    record[later.name] = {"settings": {}, "wall_s": 0.0}  # of a demo, and not done
        record[stage.name] = entry
        write_json(record_path, record)
        print(f"\n[{number}/{len(stages)}] {stage.name}")
        started = time.monotonic()
        try:
            entry["results"] = stage.script.main(stage.args)
            before, entry["made"] = entry.get("made"), stage.made()
            redone = entry["made"] != before
        finally:
            entry["wall_s"] = round(entry["wall_s"] + time.monotonic() - started, 1)
            write_json(record_path, record)
    return record


def starting_point(args: Args) -> str:
    """Return a digest of what everything is made from: the ROM and the recordings."""
    if args.videos:
        recordings = list_files(find_inputs([args.videos]).values())
    else:
        recordings = prepare.find_movies(movies(args.game))
    return digest([rom(args.game), *recordings])


def folder(args: Args) -> Path:
    """Return where everything goes."""
    parts = [args.game] * (args.game != "waystone") + ["videos"] * bool(args.videos)
    parts += [args.preset] * (args.preset != "full")
    return args.out or Path("runs") / "-".join(["demo", *parts])


@writes_alone(folder)
def main(args: Args) -> dict:
    """Run the path and write report.json; returns the report."""
    out = folder(args)
    stages = make_stages(args, out)
    record = run_stages(stages, out / "stages.json", starting_point(args))
    results = record["evaluate"]["results"]
    report = {
        "trained": results["trained"],
        "random": results["random"],
        "episodes": results["episodes"],
        "steps": results["steps"],
        "wall_s": round(sum(stage["wall_s"] for stage in record.values()), 1),
        "wall_s_by_stage": {name: stage["wall_s"] for name, stage in record.items()},
        "preset": args.preset,
        "seed": args.seed,
        "gif": results["gif"],
        "page": results["page"],
        "settings": {name: stage["settings"] for name, stage in record.items()},
    }
    write_json(out / "report.json", report)
    print("\n" + evaluate_policy.format_table(results))
    print(f"{out / 'report.json'} has the figures; open {results['page']} to look at them")
    return report


if __name__ == "__main__":
    run_script(main, Args)
