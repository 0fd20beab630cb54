"""What the scripted players of the bundled games share: finding ways, pressing, recording.

A game's own module says what is in its RAM (`State`, `Player.read`), where its ways out are, and
what there is to do next (`Player.advance`). With a `Hand` before it, it plays as people do.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count, groupby
from pathlib import Path

import numpy as np
from emurust import VecGameBoy

from cli import Count, NotNegative, Positive
from games.actions import BUTTONS
from games.movie import FRAME_SKIP, HOLD_FRAMES, Movie, write_movie

CELLS, MAX_CELLS, SOLID = 0xC100, 1024, 0x80
LOGO, TITLE, ATTRACT, INTRO, WORLD, TEXT, MENU, BATTLE, CREDITS = range(9)
STARTED = 0  # the first milestone of every game
NAMES = 4  # to choose from
TURN_FRAMES, STEP_FRAMES = 10, 16

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


def read_cells(game: VecGameBoy, env: int, width: int, height: int) -> np.ndarray:
    """Return the current map, (height, width) uint8."""
    cells = np.asarray(game.read_memory(env, CELLS, MAX_CELLS))
    return cells[: width * height].reshape(height, width)


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
        if place[:2] in ways_out and place[:2] != start[:2]:
            continue
        for button in buttons:
            reached = state.after(place, button)
            if reached is not None and reached not in came_from:
                came_from[reached] = (place, button)
                queue.append(reached)
    raise ValueError(f"no way from {start} on map {state.map}")


class Player:
    """One playthrough, made different by its seed.

    `steps` holds the masks pressed so far; after `win`, `won_at` is how many of them it took. A
    game's player says what is in the RAM (`read`), what to do next (`advance`), in an open menu
    (`answer`), and what stands below.
    """

    frame_skip, hold_frames = FRAME_SKIP, HOLD_FRAMES  # of a step
    stride = 1
    """steps of a way that are walked before it is looked for anew"""
    patience = 0
    """how often a walk waits where people block the way"""
    name: str
    """the game's"""
    first_room: str
    """where the intro leads"""
    ending: int
    """the last milestone"""
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
        while self.state.mode not in (MENU, WORLD):
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

    @property
    def movie(self) -> Movie:
        """What was played so far."""
        return Movie(np.array(self.steps, dtype=np.uint8), self.frame_skip, self.hold_frames)

    def is_wanted(self) -> bool:
        """Say whether the playthrough is one to record."""
        return self.state.reached(self.ending)

    def win(self, max_seconds: float = 3000) -> Movie:
        """Play to the end. Stops early, without the ending, after `max_seconds`."""
        self.begin(int(self.rng.choice(self.title_waits)), int(self.rng.integers(NAMES)))
        while not self.state.reached(self.ending) and self.movie.seconds < max_seconds:
            self.advance()
        self.won_at = len(self.steps)
        for _ in range(6):
            self.press("-")
        return self.movie


class Hand:
    """A person's hand on a game's player: it plays frame by frame.

        class Person(Hand, Player): ...

    The player says what to press, the hand when, and for how long: after a reaction, never twice
    the same. It walks with the pad held down, from one direction straight into the next, lets go
    too early or too late, bumps into things, goes the wrong way at first; it reads some texts and
    skips others with the button hammered. `steps` are frames.
    """

    frame_skip = hold_frames = 1
    haste = 0.5  # for the step that `Player` begins with; then a person's own

    def __init__(self, *args, **traits):
        super().__init__(*args, **traits)
        self.reaction = self.rng.uniform(10, 18)  # frames, the median
        self.tap = self.rng.uniform(5, 8)  # frames for which a button is down
        self.haste = self.rng.uniform(0.2, 0.8)  # share of texts that are skipped
        self.page = self.rng.uniform(60, 140)  # frames in which a page of text is read
        self.slip = self.rng.uniform(0.005, 0.03)  # chance that the wrong button is pressed
        self.wander = self.rng.uniform(0.01, 0.06)
        self.dawdle = self.rng.uniform(0.03, 0.2)
        self.advances = "B" if self.chance(0.2) else "A"  # what leads on in texts

    @property
    def stride(self) -> int:
        return int(self.rng.integers(4, 30))

    def about(self, frames: float, spread: float = 0.3) -> int:
        """Return a time with this median."""
        return max(2, round(frames * np.exp(spread * self.rng.normal())))

    def step(self, button: str) -> None:
        before = self.state.mode if self.steps else None
        super().step(button)
        if self.state.mode != before:
            self.skims = self.chance(self.haste)

    def hold(self, button: str, frames: int) -> None:
        for _ in range(frames):
            self.step(button)

    def press(self, button: str) -> None:
        if button == "-":
            self.hold("-", self.about(FRAME_SKIP, 0.5))
        else:
            self.hold("-", self.about(self.reaction))
            if self.chance(self.slip):
                self.hold(BUTTONS[self.rng.integers(len(BUTTONS))], self.about(self.tap))
                self.hold("-", self.about(self.reaction))
            self.hold(button, self.about(self.tap))

    def read_on(self) -> None:
        if self.skims:
            self.hold("-", self.about(self.tap))
        elif self.state.waiting:
            self.hold("-", self.about(self.page, 0.5))
        else:
            self.hold("-", self.about(self.reaction))
            return
        self.hold(self.advances, self.about(self.tap))

    def follow(self, path: list[str]) -> None:
        if self.chance(self.slip):
            self.hold(str(self.rng.choice(list(MOVES))), self.about(self.reaction))
            path = []
        place = (self.state.x, self.state.y, FACING[self.state.facing])
        for button, presses in groupby(path):
            for _ in presses:
                place = self.state.after(place, button) or place
            if not self.walk(button, place[:2]):
                break
        # Until the last step is over, and the eye has seen where it led.
        self.hold("-", STEP_FRAMES + self.about(self.reaction / 2))

    def let_go(self) -> float:
        """Return how far into the last step, in frames, the pad is let go."""
        return self.rng.normal(STEP_FRAMES / 2, STEP_FRAMES / 4)

    def walk(self, button: str, cell: Cell) -> bool:
        """Hold a direction until the last step to a cell is on its way, more or less.

        Returns whether the way can go on: not where something stands in it, or happens.
        """
        area, here, facing, nearest = self.state.map, None, self.state.facing, np.inf
        let_go, since = self.let_go(), 0  # frames since the step to the next cell began
        longest = TURN_FRAMES + STEP_FRAMES + self.about(self.reaction)
        while since < longest:
            self.step(button)
            state, since = self.state, since + 1
            if (state.x, state.y) != here:
                here, since = (state.x, state.y), 0
            if state.facing != facing:
                facing, since = state.facing, -TURN_FRAMES
            left = abs(cell[0] - here[0]) + abs(cell[1] - here[1])
            if state.map != area or state.mode != WORLD or left > nearest:
                self.hold(button, self.about(self.reaction))
                return False
            nearest = left
            if facing == MASK[button] and left <= 1 and since >= let_go - STEP_FRAMES * (left < 1):
                return True
        return False


@dataclass
class Args:
    """What a game's player module records. A game has its own defaults."""

    runs: Count = 12
    """winning runs to record"""
    people: bool = False
    """play as people do, frame by frame"""
    out: Path | None = None
    """folder for the movies run_00.txt, run_01.txt, …; one of the same name is replaced; default:
    movies, or people, beside the game"""
    min_seconds: NotNegative = 0
    """drop runs shorter than this"""
    max_seconds: Positive = 3000
    """drop runs longer than this"""
    intro: Path | None = None
    """record only the way from power-on into the world, into this file"""


def record(args: Args, new_player: Callable[[int, int], Player], folder: Path) -> dict:
    """Write the intro, or the movies run_00.txt, … of winning runs. Returns their lengths.

    `new_player` makes a player of a seed and of the run's number; what is lost, unwanted, too short
    or too long is dropped. Raises ValueError where no length is wanted.
    """
    if args.min_seconds > args.max_seconds:
        raise ValueError(
            f"expected --min-seconds of --max-seconds ({args.max_seconds:g}) or less, "
            f"got {args.min_seconds:g}"
        )
    if args.intro:
        player = new_player(0, 0)
        player.begin()
        player.settle()
        write_movie(
            args.intro, player.movie, f"{player.name}, from power-on to the {player.first_room}"
        )
        return {"seconds": [player.movie.seconds]}
    out = args.out or folder / ("people" if args.people else "movies")
    out.mkdir(parents=True, exist_ok=True)
    lengths: list[float] = []
    for seed in count():
        number = len(lengths)
        if number == args.runs:
            break
        player = new_player(seed, number)
        movie = player.win(args.max_seconds + 1)
        told = f"{movie.seconds:g} s, defeats {player.state.defeats}"
        if not (args.min_seconds <= movie.seconds <= args.max_seconds and player.is_wanted()):
            print(f"seed {seed}: {told}: dropped")
            continue
        path = out / f"run_{number:02d}.txt"
        write_movie(path, movie, f"{player.name}, from power-on to the end; player's seed {seed}")
        print(f"{path}: {told}")
        lengths.append(movie.seconds)
    return {"seconds": lengths}
