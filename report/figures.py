"""Figures of the page, as SVG whose colours are the page's own, light or dark."""

import html
import io
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from models.path import PathModel

#: A phone's width, so that no letter is scaled down there; inches.
WIDTH, HEIGHT = 3.6, 2.2
#: Colours that no figure shows: each becomes a variable of the page's style.
COLOURS = {"#010203": "--ink", "#010204": "--one", "#010205": "--two", "#010206": "--three"}
INK, ONE, TWO, THREE = COLOURS
#: Nothing is told by its colour alone.
LINES = tuple(zip((ONE, TWO, THREE, ONE), ((), (4, 1.5), (1, 1), (6, 1, 1, 1)), strict=True))
SMOOTHED_ROLLOUTS = 20
PICTURES, PARTS = 24, 4
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "emurl",
    "text.parse_math": False,
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.2,
    "legend.frameon": False,
    **dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK
    ),
}
_figures = itertools.count()


@dataclass(frozen=True)
class TrainingRun:
    """A training's name and the rows of its metrics.jsonl."""

    name: str
    rows: list[dict[str, float]]

    def series(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return steps and the values of a figure, (T,) each, where it has one, smoothed."""
        both = [(row["env_steps"], row[name]) for row in self.rows if name in row]
        steps, values = np.array(both, dtype=float).reshape(-1, 2).T
        return steps, running_mean(values, SMOOTHED_ROLLOUTS)


def running_mean(values: np.ndarray, window: int) -> np.ndarray:
    """Return the mean of each of values (T,) and up to `window` - 1 before it, (T,)."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    first = np.maximum(ends - window, 0)
    return (sums[ends] - sums[first]) / (ends - first)


def learning_curves(runs: Sequence[TrainingRun], out_of: int) -> str | None:
    """Draw milestones of episodes from the beginning over the steps of training, a thin line a run.

    Returns None where no such episode has ended.
    """
    curves = [run.series("fresh_episode/milestones") for run in runs]
    if not any(len(steps) for steps, _ in curves):
        return None
    with matplotlib.rc_context(STYLE):
        figure, axes = _figure("steps of training", f"milestones of {out_of}")
        for curve, (colour, dashes) in zip(curves, itertools.cycle(LINES), strict=False):
            axes.plot(*curve, color=colour, dashes=dashes, linewidth=0.9)
        axes.set_ylim(bottom=0)
        return to_svg(figure, f"Milestones of training episodes over steps, of {len(runs)} runs")


def line_keys(runs: Sequence[TrainingRun]) -> list[tuple[str, str, str]]:
    """Return names of runs, each with colour and dashes of its line, in terms of CSS."""
    lines = zip(runs, itertools.cycle(LINES), strict=False)
    return [
        (run.name, f"var({COLOURS[colour]})", " ".join(map(str, dashes)))
        for run, (colour, dashes) in lines
    ]


def reward_parts(run: TrainingRun) -> str | None:
    """Draw what the rewards of a rollout are made of over the steps of a training.

    Returns None for metrics that do not have it.
    """
    parts = ["progress", "novelty", "time"]
    if any(row.get("return/following") for row in run.rows):
        parts.append("following")
    if not any("return/progress" in row for row in run.rows):
        return None
    with matplotlib.rc_context(STYLE):
        figure, axes = _figure("steps of training", "reward of a rollout")
        for part, (colour, dashes) in zip(parts, LINES, strict=False):
            axes.plot(*run.series(f"return/{part}"), color=colour, dashes=dashes, label=part)
        axes.axhline(0, color=INK, linewidth=0.5)
        axes.legend(fontsize=8)
        return to_svg(figure, "Rewards of progress, of novelty, and the cost of time, over steps")


def over_training(checkpoints: Sequence[dict], out_of: int) -> str:
    """Draw the milestones of kept policies by rollouts of training, with their intervals."""
    with matplotlib.rc_context(STYLE):
        figure, axes = _figure("rollouts of training", f"milestones of {out_of}")
        iterations = [policy["iteration"] for policy in checkpoints]
        means = np.array([policy["milestones_mean"] for policy in checkpoints])
        ends = np.array([policy["milestones_interval"] for policy in checkpoints]).T
        apart = np.abs(ends - means)
        axes.errorbar(iterations, means, apart, color=ONE, fmt="o-", markersize=3, capsize=2)
        axes.set_ylim(bottom=0)
        return to_svg(figure, "Milestones of kept policies, 95% intervals, over rollouts")


def film_strip(path: PathModel, visits: np.ndarray, places: np.ndarray) -> list[str]:
    """Draw the path in parts: what it shows, and below how often agents were there.

    visits: (cells,) steps of the training in equal parts of the path, or (0,); places: (steps,) in
    [0, 1], of the evaluated episodes.
    """
    edges = np.linspace(0, 1, (len(visits) or 50) + 1)
    shown = {"evaluation": np.histogram(places, edges)[0] / max(1, len(places))}
    if visits.sum():
        shown = {"training": visits / visits.sum()} | shown
    top = max(share.max() for share in shown.values()) * 1.1 or 1.0
    bins = path.bins.cpu().numpy()
    figures = []
    for part in range(PARTS):
        left, right = part / PARTS, (part + 1) / PARTS
        middles = left + (np.arange(PICTURES // PARTS) + 0.5) / PICTURES
        rows = np.searchsorted(bins, np.round(middles * (path.num_bins - 1)))
        pictures = [path.pictures[int(row)][..., 0] for row in rows.clip(max=len(bins) - 1)]
        with matplotlib.rc_context(STYLE):
            figure = Figure((WIDTH, 1.9), layout="constrained")
            above, below = figure.subplots(2, height_ratios=(0.54, 1))
            sides = ((0, 0), (3, 3))
            strip = np.concatenate([np.pad(p, sides, constant_values=255) for p in pictures], 1)
            above.imshow(strip, cmap="gray", vmin=0, vmax=255, aspect="auto")
            above.set_axis_off()
            if "training" in shown:
                below.stairs(
                    shown["training"], edges, fill=True, color=TWO, alpha=0.45, label="training"
                )
            below.stairs(shown["evaluation"], edges, color=ONE, linewidth=1.2, label="evaluation")
            below.set(xlim=(left, right), ylim=(0, top), ylabel="share of steps")
            below.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:.0%}"))
            below.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:g}%"))
            below.yaxis.set_major_locator(MaxNLocator(3))
            if part == 0:
                below.legend(fontsize=8)
            title = f"The path from {left:.0%} to {right:.0%}, and how often agents were there"
            figures.append(to_svg(figure, title))
    return figures


def _figure(x: str, y: str) -> tuple[Figure, Axes]:
    """Return a figure with one pair of axes, labelled."""
    figure = Figure((WIDTH, HEIGHT), layout="constrained")
    axes = figure.subplots()
    axes.set(xlabel=x, ylabel=y)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(_short))
    return figure, axes


def _short(count: float, _) -> str:
    """Return a count as on an axis: 1.5M, 200k, 50."""
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if abs(count) >= unit:
            return f"{count / unit:g}{name}"
    return f"{count:g}"


def to_svg(figure: Figure, title: str) -> str:
    """Return a figure as an <svg> element, to be put into a page beside others.

    Its colours become the page's variables, its ids its own, and it scales with its width.
    """
    buffer = io.StringIO()
    metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", transparent=True, dpi=200, metadata=metadata)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    for colour, variable in COLOURS.items():
        svg = svg.replace(colour, f"var({variable})")
    own = f"f{next(_figures)}-"
    svg = re.sub(r'\bid="', f'id="{own}', svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\g<1>{own}", svg)
    svg = re.sub(r'(<svg [^>]*?)width="[^"]*" height="[^"]*"', r"\1", svg, count=1)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{html.escape(title)}" ', 1)
