"""The page that tells how a policy plays: one file, without a network, for screens and paper."""

import base64
import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from files import write_whole
from games.actions import BUTTONS, MINDLESS
from models.path import PathModel
from report import figures
from report.figures import TrainingRun
from report.pictures import Moment

#: Pictures beside each other in a sheet: a row of them lies within reach of PNG's compression.
COLUMNS = 20
STILLS = 8


@dataclass
class Trajectory:
    """An episode to be looked at step by step."""

    name: str
    """which episode it is, in a few words"""
    milestones: int
    """reached in all of it"""
    moments: list[Moment]
    chances: list[float]
    """how probable each action was"""
    reached: dict[str, int] = field(default_factory=dict)
    """milestones, and the step that reached them"""


@dataclass
class Report:
    """What the page is made of."""

    results: dict
    """as in results.json"""
    trajectories: list[Trajectory]
    runs: list[TrainingRun]
    path: PathModel | None
    visits: np.ndarray
    """(cells,) steps of the training along the path, or (0,) where they were not counted"""
    places: np.ndarray
    """(steps,) on the path, of the evaluated episodes"""


def write_page(file: Path, report: Report) -> None:
    """Write the page. Raises OSError, which names the file."""
    folder = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    results = report.results
    out_of = len(results["trained"]["milestones"])
    drawn = dict.fromkeys(("curves", "rewards", "checkpoints"))
    if report.runs:
        drawn["rewards"] = figures.reward_parts(report.runs[0])
    if report.runs and out_of:
        drawn["curves"] = figures.learning_curves(report.runs, out_of)
    if results["checkpoints"] and out_of:
        drawn["checkpoints"] = figures.over_training(results["checkpoints"], out_of)
    strip = figures.film_strip(report.path, report.visits, report.places) if report.path else []
    page = environment.get_template("page.html").render(
        results=results,
        out_of=out_of,
        agents=("trained", *MINDLESS),
        mindless=MINDLESS,
        buttons=BUTTONS,
        drawn=drawn,
        strip=strip,
        has_visits=report.visits.any(),
        keys=figures.line_keys(report.runs),
        smoothed=figures.SMOOTHED_ROLLOUTS,
        players=[player(t) for t in report.trajectories],
    )
    write_whole(file, page.encode(errors="backslashreplace"))


def player(trajectory: Trajectory) -> dict:
    """Return what the page's player needs: sheets of pictures, and what stands beside each."""
    moments = trajectory.moments
    goals = {m.goal.tobytes(): m.goal for m in moments if m.goal is not None}
    numbers = {content: number for number, content in enumerate(goals)}
    rows = np.linspace(0, len(moments) - 1, min(STILLS, len(moments))).astype(int)
    return {
        "name": trajectory.name,
        "milestones": trajectory.milestones,
        "screens": sheet([moment.screen for moment in moments]),
        "goals": sheet(list(goals.values())) if goals else None,
        "stills": [(int(row), sheet([moments[row].screen])) for row in rows],
        "reached": trajectory.reached,
        "data": {
            "columns": COLUMNS,
            "height": moments[0].screen.shape[0],
            "width": moments[0].screen.shape[1],
            "buttons": BUTTONS,
            "actions": [moment.action for moment in moments],
            "chances": [round(chance, 3) for chance in trajectory.chances],
            "goals": [numbers[m.goal.tobytes()] for m in moments if m.goal is not None],
            "places": [round(moment.place, 4) for moment in moments] if goals else [],
        },
    }


def sheet(pictures: list[np.ndarray]) -> str:
    """Put pictures (H, W) uint8 into one PNG, COLUMNS in a row, as a data URI."""
    height, width = pictures[0].shape
    columns = min(COLUMNS, len(pictures))
    lines = -(-len(pictures) // columns)
    whole = np.zeros((lines * height, columns * width), dtype=np.uint8)
    for i, picture in enumerate(pictures):
        row, column = divmod(i, columns)
        whole[row * height : (row + 1) * height, column * width : (column + 1) * width] = picture
    shades = np.flatnonzero(np.bincount(whole.ravel(), minlength=256)).astype(np.uint8)
    image = Image.fromarray(whole)
    options = {}
    if len(shades) <= 16:
        numbers = np.zeros(256, dtype=np.uint8)
        numbers[shades] = np.arange(len(shades))
        image = Image.frombytes("P", image.size, numbers[whole].tobytes())
        image.putpalette(np.repeat(shades, 3).tobytes())
        options = {"bits": 2 if len(shades) <= 4 else 4}
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True, **options)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def read_runs(folders: Sequence[Path]) -> list[TrainingRun]:
    """Read trainings' metrics; each is named by what its folder's name does not share with others.

    Raises ValueError where there are none.
    """
    common = os.path.commonpath([folder.absolute() for folder in folders])
    names = [os.path.relpath(folder.absolute(), common) for folder in folders]
    if len(folders) == 1:
        names = [str(folders[0])]
    return [TrainingRun(n, read_rows(f)) for n, f in zip(names, folders, strict=True)]


def read_rows(folder: Path) -> list[dict[str, float]]:
    """Read a training's metrics.jsonl. Raises ValueError where it has none."""
    file = folder / "metrics.jsonl"
    if not file.is_file():
        raise ValueError(
            f"expected a training's metrics in {file}, found none: pass another --runs"
        )
    try:
        lines = file.read_text().split("\n")[:-1]  # what a crash has cut off has no end
        rows = [json.loads(line) for line in lines]
        [float(row["env_steps"]) for row in rows]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"expected a training's figures, a JSON object a line, in {file}: {error!r}"
        ) from error
    return rows
