"""Walk the whole path on the bundled game: recorded play in, an agent that plays from pixels out.

    uv run python demo.py                    # about half an hour on two CPU cores
    uv run python demo.py --preset smoke     # the same path in miniature, nothing learned

Ctrl-C keeps what is done; the same command goes on from there.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import data.demo.prepare as prepare
import evaluate_policy
import pretrain_visual
import train_reward_model
import train_with_cnn_reward
from cli import run_script
from games.game import BUNDLED_ROM
from training import write_json

#: The encoder's input and size on a CPU: one grey channel, half the resolution.
SMALL = {"grey": True, "half_size": True}


@dataclass
class Args:
    preset: Literal["full", "smoke"] = "full"
    """full: learns the game; smoke: every part once, in minutes"""
    seed: int = 0
    """seed of everything that is random"""
    out: Path | None = None
    """directory of everything that is made; default: runs/demo, or runs/demo-smoke"""
    device: str = "auto"
    """auto, cpu or cuda"""


@dataclass
class Stage:
    """One script of the path with its flags."""

    name: str
    run: Callable[[Any], dict]
    args: Any

    @property
    def settings(self) -> dict:
        """The flags as plain JSON values."""
        return json.loads(json.dumps(asdict(self.args), default=str))


def make_stages(args: Args, out: Path) -> list[Stage]:
    """Return the path, stage by stage, in the sizes of the preset."""
    smoke = args.preset == "smoke"
    frames = out / "frames"
    common = {"seed": args.seed, "device": args.device}
    return [
        Stage("prepare", prepare.main, prepare.Args(out=frames, limit=2 if smoke else None)),
        Stage(
            "pretrain",
            pretrain_visual.main,
            pretrain_visual.Args(
                data=frames,
                out=out,
                epochs=1 if smoke else 15,
                dynamics_epochs=1 if smoke else 3,
                steps_per_epoch=4 if smoke else 100,
                batch_size=16,
                lr=2e-3,
                widths=(16, 16, 32, 64),
                dynamics_width=64,
                dynamics_depth=2,
                **SMALL,
                **common,
            ),
        ),
        Stage(
            "reward",
            train_reward_model.main,
            train_reward_model.Args(
                data=frames,
                out=out,
                backbone="small",
                epochs=1 if smoke else 9,
                steps_per_epoch=4 if smoke else 50,
                batch_size=32,
                lr=1e-3,
                **SMALL,
                **common,
            ),
        ),
        Stage(
            "train",
            train_with_cnn_reward.main,
            train_with_cnn_reward.Args(
                rom=BUNDLED_ROM,
                reward="memory",
                reward_model=out / "reward_memory.pkl",
                pretrained_encoder=out / "pretrained_encoder.pkl",
                reward_interval=1,
                num_envs=4 if smoke else 32,
                num_steps=16 if smoke else 64,
                episode_steps=32 if smoke else 256,
                iterations=3 if smoke else 400,
                out=out / "checkpoints",
                **common,
            ),
        ),
        Stage(
            "evaluate",
            evaluate_policy.main,
            evaluate_policy.Args(
                policy=out / "checkpoints" / "policy_final.pkl",
                rom=BUNDLED_ROM,
                steps=40 if smoke else 2000,
                episodes=2 if smoke else 16,
                gif_steps=40 if smoke else 400,
                out=out / "evaluation",
                **common,
            ),
        ),
    ]


def run_stages(stages: list[Stage], record_path: Path) -> dict:
    """Run the stages that are not yet done with these settings; returns name → results and wall_s.

    A stage whose flags have changed is run again, and so is everything after it.
    """
    done = json.loads(record_path.read_text()) if record_path.exists() else {}
    record: dict[str, dict] = {}
    for number, stage in enumerate(stages, start=1):
        before = done.get(stage.name)
        if before and before["settings"] == stage.settings:
            print(f"[{number}/{len(stages)}] {stage.name}: done already")
            record[stage.name] = before
            continue
        done = {}
        print(f"\n[{number}/{len(stages)}] {stage.name}")
        started = time.monotonic()
        results = stage.run(stage.args)
        record[stage.name] = {
            "settings": stage.settings,
            "results": results,
            "wall_s": round(time.monotonic() - started, 1),
        }
        write_json(record_path, record)
    return record


def main(args: Args) -> dict:
    """Run the path and write report.json; returns the report."""
    out = args.out or Path("runs") / ("demo" if args.preset == "full" else f"demo-{args.preset}")
    out.mkdir(parents=True, exist_ok=True)
    stages = make_stages(args, out)
    record = run_stages(stages, out / "stages.json")
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
        "settings": {name: stage["settings"] for name, stage in record.items()},
    }
    write_json(out / "report.json", report)
    total = len(results["trained"]["milestones"])
    print("\n" + evaluate_policy.format_table(results["trained"], results["random"], total))
    print(f"{out / 'report.json'} has the figures; {results['gif']} shows trained beside random")
    return report


if __name__ == "__main__":
    run_script(main, Args)
