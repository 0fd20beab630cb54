"""What the scripted players of the bundled games share: reading RAM, finding ways, pressing.

A game's own module says what is in its RAM (`State`, `Player.read`), where its ways out are, and
what there is to do next (`Player.advance`).
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from emurust import VecGameBoy

from games.actions import BUTTONS
from games.movie import FRAME_SKIP, HOLD_FRAMES

SOLID = 0x80
LOGO, TITLE, ATTRACT, INTRO, WORLD, TEXT, MENU, BATTLE, CREDITS = range(9)
STARTED = 0  # the first milestone of every game

MASK = {name: 1 << bit for bit, name in enumerate(BUTTONS)} | {"-": 0}
MOVES = {"Right": (1, 0), "Left": (-1, 0), "Up": (0, -1), "Down": (0, 1)}
FACING = {MASK[name]: name for name in MOVES}

Cell = tuple[int, int]
Place = tuple[int, int, str]  # x, y, facing


@dataclass(frozen=True)
class State:
    """What every game documents of its RAM, and the current map; a game adds its own fields."""

    milestones: int
    map: int
    x: int
    y: int
    hp: int
    mode: int
    facing: int
    cursor: int
    people: frozenset[Cell]
    waiting: bool
    foe: int
    defeats: int
    clock: int
    held: int
    cells: np.ndarray  # (height, width) uint8

    @property
    def ways_out(self) -> set[Cell]:
        """The cells of the map that lead to others. A game says which."""
        raise NotImplementedError

    @property
    def busy(self) -> bool:
        """Whether something is to be read, fought or closed before the world is back."""
        return self.mode in (TEXT, MENU, BATTLE)

    def reached(self, milestone: int) -> bool:
        return bool(self.milestones >> milestone & 1)

    def cell(self, x: int, y: int) -> int:
        """Return the metatile with its SOLID bit; outside the map SOLID."""
        height, width = self.cells.shape
        return int(self.cells[y, x]) if 0 <= x < width and 0 <= y < height else SOLID

    def free(self, x: int, y: int) -> bool:
        return not self.cell(x, y) & SOLID and (x, y) not in self.people

    def after(self, place: Place, button: str) -> Place | None:
        """Where a press leads; None when the way is blocked.

        A press toward a new direction turns, the next one walks.
        """
        x, y, facing = place
        if facing != button:
            return x, y, button
        x, y = front(place)
        return (x, y, button) if self.free(x, y) else None


def front(place: Place) -> Cell:
    x, y, facing = place
    return x + MOVES[facing][0], y + MOVES[facing][1]


def shortest_path(
    state: State, done: Callable[[Place], bool], rng: np.random.Generator
) -> list[str]:
    """Buttons, one a step, to a place where `done` holds; a random one of the shortest ways.

    Leads onto a way out only where it ends. Raises ValueError if there is no way.
    """
    start = (state.x, state.y, FACING[state.facing])
    ways_out = state.ways_out
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
        if place[:2] in ways_out and place != start:
            continue
        for button in buttons:
            reached = state.after(place, button)
            if reached is not None and reached not in came_from:
                came_from[reached] = (place, button)
                queue.append(reached)
    raise ValueError(f"no way from {start} on map {state.map}")


class Player:
    """One playthrough, made different by its seed. `steps` holds the masks pressed so far; once it
    has won, `won_at` is how many of them it took.

    A game's player says what is in the RAM (`read`), what to do next (`advance`), in an open menu
    (`answer`), and the numbers below.
    """

    frame_skip, hold_frames = FRAME_SKIP, HOLD_FRAMES  # of a step
    stride = 1
    """steps of a way that are walked before it is looked for anew"""
    patience = 0
    """how often a walk waits where people block the way"""
    ending: int
    """the last milestone"""
    names: int
    """how many there are to choose from"""
    title_waits: list[int]
    """how long to stay at the title and its scenes, one of these, in presses of nothing"""

    def __init__(self, rom: bytes, seed: int):
        self.rng = np.random.default_rng(seed)
        self.game = VecGameBoy(rom, 1, self.frame_skip, hold_frames=self.hold_frames)
        self.obs = np.zeros(self.game.obs_shape(), dtype=np.uint8)
        self.game.reset(self.obs)
        self.steps: list[int] = []
        self.step("-")  # RAM holds nothing before the game has cleared it
        # How often this run strays from the way and stops, per stride.
        self.wander = self.dawdle = 0.0

    @staticmethod
    def read(game: VecGameBoy, env: int = 0) -> State:
        """Return what is in an emulator's RAM."""
        raise NotImplementedError

    def advance(self) -> None:
        """Do the next thing there is to do on the current map."""
        raise NotImplementedError

    def answer(self) -> None:
        """Choose in the open menu."""
        self.press("B")

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def one_of(self, cells: list[Cell]) -> Cell:
        return cells[self.rng.integers(len(cells))]

    def step(self, button: str) -> None:
        """Play one step with a button held, as the movie will have it."""
        self.steps.append(MASK[button])
        self.game.step(np.array([MASK[button]], dtype=np.uint8), self.obs)
        self.state = self.read(self.game)

    def press(self, button: str) -> None:
        """Press and let go; - for a moment of nothing."""
        self.step(button)

    def read_on(self) -> None:
        """Wait for the text, or go on to the next."""
        self.press("A" if self.state.waiting else "-")

    def choose(self, line: int) -> None:
        """Choose a line of the open list."""
        while self.state.mode == MENU and self.state.cursor != line:
            self.press("Down" if self.state.cursor < line else "Up")
        self.press("A")

    def begin(self, title_wait: int = 0, name: int = 0) -> None:
        """From power-on into the world, after `title_wait` moments at the title and its scenes."""
        while self.state.mode != TITLE:
            self.press("-")
        for _ in range(title_wait):
            self.press("-")
        while not self.state.reached(STARTED):
            self.press("Start" if self.state.mode in (TITLE, ATTRACT) else "-")
        while self.state.mode != MENU:
            self.read_on()
        self.choose(name)
        while self.state.mode != WORLD:
            self.read_on()

    def settle(self) -> None:
        """Read, fight and close menus until the world, or the end, is back."""
        while self.state.busy:
            if self.state.mode == MENU:
                self.answer()
            else:
                self.read_on()

    def follow(self, path: list[str]) -> None:
        """Walk a way, as far as the world lets it."""
        for button in path:
            self.press(button)
            if self.state.mode != WORLD:
                return

    def go(self, done: Callable[[Place], bool]) -> bool:
        """Walk until `done` holds, with pauses and detours on the way.

        Returns whether it does: False when the map has changed, by an exit or by a defeat.
        Raises ValueError if there is no way, and none after `patience`.
        """
        area, patience = self.state.map, self.patience
        while self.state.map == area:
            try:
                path = shortest_path(self.state, done, self.rng)
            except ValueError:
                patience -= 1
                if patience < 0:
                    raise
                self.press("-")
                continue
            if not path:
                return True
            if self.chance(self.dawdle):
                self.idle()
            elif self.chance(self.wander):
                self.stroll()
            else:
                self.follow(path[: self.stride])
            self.settle()
        return False

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

    def stroll(self) -> None:
        """Walk a few steps toward a random free cell."""
        height, width = self.state.cells.shape
        cell = (int(self.rng.integers(width)), int(self.rng.integers(height)))
        if not self.state.free(*cell) or cell in self.state.ways_out:
            return
        try:
            path = shortest_path(self.state, lambda place: place[:2] == cell, self.rng)
        except ValueError:  # a cell behind fences
            return
        self.follow(path[: self.rng.integers(3, 9)])

    def walk_to(self, cell: Cell) -> bool:
        return self.go(lambda place: place[:2] == cell)

    def talk(self, cell: Cell) -> None:
        """Walk up to a person or a thing, face it, press A and read to the end."""
        if self.go(lambda place: front(place) == cell):
            self.press("A")
            self.settle()

    def win(self, max_steps: int = 6000) -> np.ndarray:
        """Play to the end. Returns the button masks of every step, (T,) uint8.

        Stops early, without the ending, after `max_steps`.
        """
        self.begin(int(self.rng.choice(self.title_waits)), int(self.rng.integers(self.names)))
        while not self.state.reached(self.ending) and len(self.steps) < max_steps:
            self.advance()
        self.won_at = len(self.steps)
        for _ in range(6):
            self.press("-")
        return np.array(self.steps, dtype=np.uint8)
