"""Play waystone by reading its RAM, and record winning runs as input movies.

uv run python -m games.waystone.player --runs 8
uv run python -m games.waystone.player --runs 1 --out /tmp/movies
uv run python -m games.waystone.player --intro games/waystone/intro.txt
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
from emurust import VecGameBoy

from cli import run_script
from games.actions import BUTTONS
from games.movie import write_movie

HERE = Path(__file__).resolve().parent
ROM = HERE / "waystone.gb"

STATE, STATE_BYTES = 0xC000, 23
CELLS, MAX_CELLS = 0xC100, 1024
SOLID = 0x80
LOGO, TITLE, ATTRACT, INTRO, WORLD, TEXT, MENU, CREDITS = range(8)
BEDROOM, HOUSE, TOWN, ROUTE, CAVE, SHRINE = range(6)
SPOKE_TO_GUARD, GOT_KEY, OPENED_GATE, ENDING = 5, 8, 9, 14
NAMES = 4

MASK = {name: 1 << bit for bit, name in enumerate(BUTTONS)} | {"-": 0}
MOVES = {"Right": (1, 0), "Left": (-1, 0), "Up": (0, -1), "Down": (0, 1)}
FACING = {MASK[name]: name for name in MOVES}

#: Where each map's way forward leads.
EXITS = {BEDROOM: (3, 6), HOUSE: (5, 9), TOWN: (17, 0), ROUTE: (8, 0), CAVE: (13, 0)}
GUARD, CHEST, GATE, WAYSTONE = (17, 3), (5, 9), (8, 0), (6, 2)
#: People and things that answer without being needed.
SIGHTS = {
    BEDROOM: [(1, 1), (7, 1)],
    HOUSE: [(5, 5), (2, 1)],
    TOWN: [(12, 9), (6, 10), (16, 4), (16, 14)],
    ROUTE: [(9, 27), (9, 35), (12, 1)],
    CAVE: [(8, 8)],
    SHRINE: [(8, 8)],
}

Place = tuple[int, int, str]  # x, y, facing
Cell = tuple[int, int]


@dataclass
class Args:
    runs: int = 8
    """winning runs to record"""
    out: Path = HERE / "movies"
    """folder for the movies run_00.txt, run_01.txt, …; one of the same name is replaced"""
    min_steps: int = 280
    """drop runs shorter than this, in steps of 30 frames"""
    max_steps: int = 420
    """drop runs longer than this, in steps of 30 frames"""
    intro: Path | None = None
    """record only the way from power-on to the bedroom, into this file"""


@dataclass(frozen=True)
class State:
    """The documented block of RAM, and the current map."""

    milestones: int
    map: int
    x: int
    y: int
    mode: int
    facing: int
    cursor: int
    waiting: bool
    people: frozenset[Cell]
    solid: np.ndarray  # (height, width) bool

    def reached(self, milestone: int) -> bool:
        return bool(self.milestones >> milestone & 1)

    def free(self, x: int, y: int) -> bool:
        height, width = self.solid.shape
        inside = 0 <= x < width and 0 <= y < height
        return inside and not self.solid[y, x] and (x, y) not in self.people


def read_state(game: VecGameBoy, env: int = 0) -> State:
    ram = [int(byte) for byte in game.read_memory(env, STATE, STATE_BYTES)]
    width, height = ram[9], ram[10]
    cells = np.asarray(game.read_memory(env, CELLS, MAX_CELLS))
    return State(
        milestones=ram[1] | ram[2] << 8,
        map=ram[3],
        x=ram[4],
        y=ram[5],
        mode=ram[7],
        facing=ram[8],
        cursor=ram[11],
        waiting=bool(ram[22]),
        people=frozenset(zip(ram[14 : 14 + ram[13]], ram[18 : 18 + ram[13]], strict=True)),
        solid=(cells[: width * height] & SOLID).reshape(height, width) > 0,
    )


def front(place: Place) -> Cell:
    x, y, facing = place
    return x + MOVES[facing][0], y + MOVES[facing][1]


def shortest_path(
    state: State, done: Callable[[Place], bool], rng: np.random.Generator
) -> list[str]:
    """Buttons, one a step, to a place where `done` holds; a random one of the shortest ways.

    A press toward a new direction turns, the next one walks, so a turn costs a step as well.
    Raises ValueError if there is no way.
    """
    start = (state.x, state.y, FACING[state.facing])
    came_from: dict[Place, tuple[Place, str] | None] = {start: None}
    queue = deque([start])
    buttons = rng.permutation(list(MOVES)).tolist()
    while queue:
        place = queue.popleft()
        if done(place):
            path = []
            while (step := came_from[place]) is not None:
                place, button = step
                path.append(button)
            return path[::-1]
        for button in buttons:
            x, y, facing = place
            if facing == button:
                x, y = front(place)
                if not state.free(x, y):
                    continue
            if (x, y, button) not in came_from:
                came_from[x, y, button] = (place, button)
                queue.append((x, y, button))
    raise ValueError(f"no way from {start} on map {state.map}")


class Player:
    """One playthrough, made different by its seed. `steps` holds the masks pressed so far."""

    def __init__(self, rom: bytes, seed: int):
        self.rng = np.random.default_rng(seed)
        self.game = VecGameBoy(rom, 1, 30, hold_frames=8)
        self.obs = np.zeros(self.game.obs_shape(), dtype=np.uint8)
        self.game.reset(self.obs)
        self.steps: list[int] = []
        self.press("-")  # RAM holds nothing before the game has cleared it
        self.sights = {
            area: [cell for cell in cells if self.chance(0.2)] for area, cells in SIGHTS.items()
        }
        # How often this run strays from the way, and how often it stops; per step.
        self.wander = self.rng.uniform(0, 0.02)
        self.dawdle = self.rng.uniform(0, 0.04)

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def press(self, button: str) -> None:
        self.steps.append(MASK[button])
        self.game.step(np.array([MASK[button]], dtype=np.uint8), self.obs)
        self.state = read_state(self.game)

    def finish_text(self) -> None:
        """Advance text boxes until none is open."""
        while self.state.mode in (INTRO, TEXT):
            self.press("A" if self.state.waiting else "-")

    def wait_for(self, mode: int) -> None:
        while self.state.mode != mode:
            self.press("-")

    def begin(self, title_wait: int = 0, name: int = 0) -> None:
        """From power-on to the bedroom, staying `title_wait` steps at the title and its scenes."""
        self.wait_for(TITLE)
        for _ in range(title_wait):
            self.press("-")
        if self.state.mode == ATTRACT:
            self.press("Start")
            self.wait_for(TITLE)
        self.press("Start")
        self.wait_for(TEXT)
        self.finish_text()
        for _ in range(name):
            self.press("Down")
        self.press("A")
        self.wait_for(TEXT)
        self.finish_text()
        self.wait_for(WORLD)

    def go(self, done: Callable[[Place], bool]) -> None:
        """Walk until `done` holds or the map changes, with pauses and detours on the way."""
        area = self.state.map
        while self.state.map == area and (path := shortest_path(self.state, done, self.rng)):
            if self.chance(self.dawdle):
                self.idle()
            elif self.chance(self.wander):
                self.stroll()
            else:
                self.press(path[0])
        self.wait_for(WORLD)

    def idle(self) -> None:
        """Open and close the Start menu, or stand still."""
        if self.chance(0.4):
            self.press("Start")
            for _ in range(self.rng.integers(0, 3)):
                self.press("Down")
            self.press("B")
        else:
            for _ in range(self.rng.integers(1, 4)):
                self.press("-")

    def leave(self) -> None:
        """Walk out of the current map, forward."""
        cell = EXITS[self.state.map]
        self.go(lambda place: place[:2] == cell)

    def stroll(self) -> None:
        """Walk a few steps toward a random free cell."""
        height, width = self.state.solid.shape
        cell = (int(self.rng.integers(width)), int(self.rng.integers(height)))
        if not self.state.free(*cell) or cell in EXITS.values():
            return
        path = shortest_path(self.state, lambda place: place[:2] == cell, self.rng)
        for button in path[: self.rng.integers(3, 9)]:
            self.press(button)

    def talk(self, cell: Cell) -> None:
        """Walk up to a person or a thing, face it, press A and read to the end."""
        self.go(lambda place: front(place) == cell)
        self.press("A")
        self.finish_text()

    def needed(self) -> Cell | None:
        """What has to be acted on before the current map's exit is open."""
        state = self.state
        if state.map == TOWN and not state.reached(SPOKE_TO_GUARD):
            return GUARD
        if state.map == ROUTE and not state.reached(GOT_KEY):
            return CHEST
        if state.map == ROUTE and not state.reached(OPENED_GATE):
            return GATE
        return WAYSTONE if state.map == SHRINE else None

    def win(self) -> np.ndarray:
        """Play to the end. Returns the button masks of every step, (T,) uint8."""
        self.begin(int(self.rng.integers(0, 25)), int(self.rng.integers(0, NAMES)))
        while not self.state.reached(ENDING):
            sights = self.sights[self.state.map]
            if sights:
                self.talk(sights.pop())
            elif (cell := self.needed()) is not None:
                self.talk(cell)
            else:
                self.leave()
        self.wait_for(CREDITS)
        for _ in range(4):
            self.press("-")
        return np.array(self.steps, dtype=np.uint8)


def record_runs(args: Args, rom: bytes) -> list[int]:
    """Write `args.runs` movies, seed after seed. Returns their lengths in steps."""
    args.out.mkdir(parents=True, exist_ok=True)
    lengths: list[int] = []
    for seed in count():
        if len(lengths) == args.runs:
            return lengths
        masks = Player(rom, seed).win()
        if not args.min_steps <= len(masks) <= args.max_steps:
            print(f"seed {seed}: {len(masks)} steps, dropped")
            continue
        path = args.out / f"run_{len(lengths):02d}.txt"
        write_movie(path, masks, f"waystone, from power-on to the end; player's seed {seed}")
        print(f"{path}: {len(masks)} steps")
        lengths.append(len(masks))


def main(args: Args) -> dict:
    """Record movies. Returns their lengths in steps of 30 frames."""
    rom = ROM.read_bytes()
    if args.intro is None:
        return {"steps": record_runs(args, rom)}
    player = Player(rom, seed=0)
    player.begin()
    write_movie(args.intro, np.array(player.steps), "waystone, from power-on to the bedroom")
    return {"steps": [len(player.steps)]}


if __name__ == "__main__":
    run_script(main, Args)
