"""Play waystone by reading its RAM, and record winning runs as input movies.

uv run python -m games.waystone.player
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
from games.movie import FRAME_SKIP, HOLD_FRAMES, write_movie

HERE = Path(__file__).resolve().parent
ROM = HERE / "waystone.gb"

STATE, STATE_BYTES = 0xC000, 33
CELLS, MAX_CELLS = 0xC100, 1024
SOLID, TALL_GRASS, LEDGE = 0x80, 8, 66 | 0x80
LOGO, TITLE, ATTRACT, INTRO, WORLD, TEXT, MENU, BATTLE, CREDITS = range(9)
BEDROOM, HOUSE, TOWN, ELDER, BAKER, PAINTER, ROUTE, VALLEY, CAVE, DEPTHS, SHRINE = range(11)
SPOKE_TO_GUARD, GOT_KEY, OPENED_GATE, ENDING = 5, 8, 9, 15
NAMES = 4
FIGHT, ITEM, RUN = range(3)
HUNGRY_HP = 8  # eat at that many HP or fewer

MASK = {name: 1 << bit for bit, name in enumerate(BUTTONS)} | {"-": 0}
MOVES = {"Right": (1, 0), "Left": (-1, 0), "Up": (0, -1), "Down": (0, 1)}
FACING = {MASK[name]: name for name in MOVES}

Cell = tuple[int, int]
Place = tuple[int, int, str]  # x, y, facing

#: Where each map's way forward leads; out of the houses and the valley that is the way back.
EXITS = {
    BEDROOM: (3, 6),
    HOUSE: (5, 9),
    TOWN: (17, 0),
    ELDER: (4, 7),
    BAKER: (6, 7),
    PAINTER: (5, 7),
    ROUTE: (8, 0),
    VALLEY: (0, 3),
    CAVE: (13, 1),
    DEPTHS: (14, 0),
}
#: Other ways out.
SIDE_EXITS = {
    HOUSE: [(10, 1)],
    TOWN: [(4, 13), (4, 5), (12, 12), (22, 12)],
    ROUTE: [(8, 36), (15, 21)],
    CAVE: [(3, 15)],
    DEPTHS: [(10, 14)],
    SHRINE: [(4, 13)],
}
#: Places off the way, and the chance that a run looks into one.
DETOUR_CHANCE = 0.6
DETOURS = {TOWN: [(4, 5), (12, 12), (22, 12)], ROUTE: [(15, 21)]}
GUARD, CHEST, GATE, WAYSTONE = (17, 3), (5, 9), (8, 0), (6, 2)
#: People and things that answer without being needed.
SIGHTS = {
    BEDROOM: [(1, 1), (7, 1)],
    HOUSE: [(5, 5), (2, 1)],
    TOWN: [(12, 9), (6, 10), (16, 4), (16, 14)],
    ELDER: [(5, 3), (4, 1)],
    BAKER: [(3, 1), (2, 1)],
    PAINTER: [(7, 2), (4, 0)],
    ROUTE: [(9, 27), (7, 17), (9, 35), (12, 1)],
    VALLEY: [],
    CAVE: [(5, 13), (8, 8)],
    DEPTHS: [],
    SHRINE: [(8, 8)],
}
SIGHT_CHANCE = 0.15  # that a run goes to see one; in a house off the way it sees all
HOUSES = (ELDER, BAKER, PAINTER)
#: Steps at the title and its scenes before Start, never just when one gives way to the other.
TITLE_WAITS = [*range(13), *range(18, 23)]


@dataclass
class Args:
    runs: int = 12
    """winning runs to record"""
    reckless: int = 3
    """the number of the run that goes on until it is defeated, and then wins; -1 for none"""
    out: Path = HERE / "movies"
    """folder for the movies run_00.txt, run_01.txt, …; one of the same name is replaced"""
    min_steps: int = 250
    """drop runs shorter than this, in steps of 30 frames"""
    max_steps: int = 500
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
    hp: int
    mode: int
    facing: int
    cursor: int
    people: frozenset[Cell]
    waiting: bool
    flags: int
    bread: int
    foe: int
    defeats: int
    clock: int
    held: int
    cells: np.ndarray  # (height, width) uint8

    def reached(self, milestone: int) -> bool:
        return bool(self.milestones >> milestone & 1)

    def cell(self, x: int, y: int) -> int:
        """Return the metatile with its SOLID bit; outside the map SOLID."""
        height, width = self.cells.shape
        return int(self.cells[y, x]) if 0 <= x < width and 0 <= y < height else SOLID

    def free(self, x: int, y: int) -> bool:
        return not self.cell(x, y) & SOLID and (x, y) not in self.people


def read_state(game: VecGameBoy, env: int = 0) -> State:
    ram = [int(byte) for byte in game.read_memory(env, STATE, STATE_BYTES)]
    width, height, people = ram[9], ram[10], ram[13]
    cells = np.asarray(game.read_memory(env, CELLS, MAX_CELLS))
    return State(
        milestones=ram[1] | ram[2] << 8,
        map=ram[3],
        x=ram[4],
        y=ram[5],
        hp=ram[6],
        mode=ram[7],
        facing=ram[8],
        cursor=ram[11],
        people=frozenset(zip(ram[14 : 14 + people], ram[18 : 18 + people], strict=True)),
        waiting=bool(ram[22]),
        flags=ram[23],
        bread=ram[24],
        foe=ram[25],
        defeats=ram[27],
        clock=ram[28] | ram[29] << 8,
        held=ram[32],
        cells=cells[: width * height].reshape(height, width),
    )


def front(place: Place) -> Cell:
    x, y, facing = place
    return x + MOVES[facing][0], y + MOVES[facing][1]


def after(state: State, place: Place, button: str) -> Place | None:
    """Where a press leads; None when the way is blocked.

    A press toward a new direction turns, the next one walks; down a ledge it is two cells.
    """
    x, y, facing = place
    if facing != button:
        return x, y, button
    x, y = front(place)
    if button == "Down" and state.cell(x, y) == LEDGE:
        y += 1
    return (x, y, button) if state.free(x, y) else None


def shortest_path(
    state: State, done: Callable[[Place], bool], rng: np.random.Generator
) -> list[str]:
    """Buttons, one a step, to a place where `done` holds; a random one of the shortest ways.

    Leads onto a way out only where it ends. Raises ValueError if there is no way.
    """
    start = (state.x, state.y, FACING[state.facing])
    ways_out = {EXITS.get(state.map), *SIDE_EXITS.get(state.map, [])}
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
            reached = after(state, place, button)
            if reached is not None and reached not in came_from:
                came_from[reached] = (place, button)
                queue.append(reached)
    raise ValueError(f"no way from {start} on map {state.map}")


class Player:
    """One playthrough, made different by its seed. `steps` holds the masks pressed so far; once it
    has won, `won_at` is how many of them it took.

    A reckless one walks the tall grass, and eats nothing, until it is defeated once.
    """

    def __init__(self, rom: bytes, seed: int, reckless: bool = False):
        self.rng = np.random.default_rng(seed)
        self.game = VecGameBoy(rom, 1, FRAME_SKIP, hold_frames=HOLD_FRAMES)
        self.obs = np.zeros(self.game.obs_shape(), dtype=np.uint8)
        self.game.reset(self.obs)
        self.steps: list[int] = []
        self.press("-")  # RAM holds nothing before the game has cleared it
        self.reckless = reckless
        # How often this run strays from the way and stops, per step, and flees, per turn.
        self.wander = self.rng.uniform(0, 0.015)
        self.dawdle = self.rng.uniform(0, 0.025)
        self.cowardice = self.rng.uniform(0, 0.3)
        self.sights = {
            area: [cell for cell in cells if area in HOUSES or self.chance(SIGHT_CHANCE)]
            for area, cells in SIGHTS.items()
        }
        self.detours: dict[int, list[Cell]] = {area: [] for area in DETOURS}
        if self.chance(DETOUR_CHANCE):
            area = int(self.rng.choice([TOWN, TOWN, ROUTE]))
            self.detours[area] = [self.one_of(DETOURS[area])]
        if reckless:
            self.wander = self.cowardice = 0.0
            self.sights, self.detours = {area: [] for area in SIGHTS}, {}

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def one_of(self, cells: list[Cell]) -> Cell:
        return cells[self.rng.integers(len(cells))]

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

    def fight_turn(self) -> None:
        """Choose in the battle's menu."""
        state = self.state
        hungry = state.hp <= HUNGRY_HP and state.bread and not self.reckless
        want = ITEM if hungry else RUN if self.chance(self.cowardice) else FIGHT
        while self.state.mode == MENU and self.state.cursor != want:
            self.press("Down")
        self.press("A")
        if want == ITEM:
            self.press("A")

    def settle(self) -> None:
        """Read, fight and close menus until the world, or the end, is back."""
        while self.state.mode in (TEXT, MENU, BATTLE):
            if self.state.mode == MENU and self.state.foe:
                self.fight_turn()
            elif self.state.mode == MENU:
                self.press("B")
            else:
                self.press("A" if self.state.waiting else "-")

    def go(self, done: Callable[[Place], bool]) -> bool:
        """Walk until `done` holds, with pauses and detours on the way.

        Returns whether it does: False when the map has changed, by an exit or by a defeat.
        """
        area = self.state.map
        while self.state.map == area:
            path = shortest_path(self.state, done, self.rng)
            if not path:
                return True
            if self.chance(self.dawdle):
                self.idle()
            elif self.chance(self.wander):
                self.stroll()
            else:
                self.press(path[0])
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
        ways_out = [EXITS.get(self.state.map), *SIDE_EXITS.get(self.state.map, [])]
        if not self.state.free(*cell) or cell in ways_out:
            return
        try:
            path = shortest_path(self.state, lambda place: place[:2] == cell, self.rng)
        except ValueError:  # a cell behind fences
            return
        for button in path[: self.rng.integers(3, 9)]:
            self.press(button)
            if self.state.mode != WORLD:
                return

    def walk_to(self, cell: Cell) -> bool:
        return self.go(lambda place: place[:2] == cell)

    def talk(self, cell: Cell) -> None:
        """Walk up to a person or a thing, face it, press A and read to the end."""
        if self.go(lambda place: front(place) == cell):
            self.press("A")
            self.settle()

    def get_lost(self) -> None:
        """Walk some way into the valley."""
        x = int(self.rng.integers(4, 9))
        self.go(lambda place: place[0] >= x)

    def provoke(self) -> None:
        """Walk through tall grass to a random cell of it."""
        ys, xs = np.nonzero(self.state.cells == TALL_GRASS)
        near = [i for i in range(len(xs)) if abs(int(ys[i]) - self.state.y) <= 4] or range(len(xs))
        i = self.rng.choice(near)
        self.walk_to((int(xs[i]), int(ys[i])))

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

    def advance(self) -> None:
        """Do the next thing there is to do on the current map."""
        area = self.state.map
        if sights := self.sights[area]:
            here = np.array([self.state.x, self.state.y])
            nearest = min(sights, key=lambda cell: np.abs(cell - here).sum())
            sights.remove(nearest)
            self.talk(nearest)
        elif self.detours.get(area):
            self.walk_to(self.detours[area].pop())
            if self.state.map == VALLEY:
                self.get_lost()
        elif self.reckless and area == ROUTE and not self.state.defeats:
            self.provoke()
        elif (cell := self.needed()) is not None:
            self.talk(cell)
        else:
            self.walk_to(EXITS[area])
        self.settle()

    def win(self, max_steps: int = 1000) -> np.ndarray:
        """Play to the end. Returns the button masks of every step, (T,) uint8.

        Stops early, without the ending, after `max_steps`.
        """
        self.begin(int(self.rng.choice(TITLE_WAITS)), int(self.rng.integers(NAMES)))
        while not self.state.reached(ENDING) and len(self.steps) < max_steps:
            self.advance()
        self.won_at = len(self.steps)
        for _ in range(6):
            self.press("-")
        return np.array(self.steps, dtype=np.uint8)


def record_runs(args: Args, rom: bytes) -> list[int]:
    """Write `args.runs` movies, seed after seed. Returns their lengths in steps."""
    args.out.mkdir(parents=True, exist_ok=True)
    lengths: list[int] = []
    for seed in count():
        number = len(lengths)
        if number == args.runs:
            return lengths
        reckless = number == args.reckless
        player = Player(rom, seed, reckless)
        masks = player.win(args.max_steps + 1)
        defeats = player.state.defeats
        if not args.min_steps <= len(masks) <= args.max_steps or defeats != reckless:
            print(f"seed {seed}: {len(masks)} steps, defeats {defeats}: dropped")
            continue
        path = args.out / f"run_{number:02d}.txt"
        write_movie(path, masks, f"waystone, from power-on to the end; player's seed {seed}")
        print(f"{path}: {len(masks)} steps, defeats {defeats}")
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
