"""Play emberwick by reading its RAM, and record winning runs as input movies.

uv run python -m games.emberwick.player
uv run python -m games.emberwick.player --runs 1 --out /tmp/movies
uv run python -m games.emberwick.player --intro games/emberwick/intro.txt
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
ROM = HERE / "emberwick.gb"

STATE, STATE_BYTES, MAX_PEOPLE = 0xC000, 48, 5
CELLS, MAX_CELLS = 0xC100, 1024
SOLID, TALL_GRASS = 0x80, 8
LOGO, TITLE, ATTRACT, INTRO, WORLD, TEXT, MENU, BATTLE, CREDITS = range(9)
LOFT, HOME, TOWN, KEEPERS, REST_A, SHOP_A, LOW_ROAD, SALTMERE, REST_B, SHOP_B = range(10)
CHANDLERS, HIGH_ROAD, FARHOLM, REST_C, SHOP_C, WOOD, CLIFF, REST_D = range(10, 18)
TOWER, STAIR, LAMP_ROOM = range(18, 21)
MAPS = 21
MET_KEEPER, CHOSE_SPIRIT, REACHED_SALTMERE, GOT_OIL, BACK_IN_TOWN = 4, 5, 8, 9, 11
BROUGHT_OIL, OPENED_GATE, REACHED_FARHOLM, ENTERED_WOOD, REACHED_CLIFF = 12, 13, 16, 17, 20
BEAT_WARDEN, REACHED_LAMP, BEAT_GLOOM, ENDING = 21, 24, 25, 27
NAMES = 4
EMBER, DEW, MOSS = 1, 2, 3
HONEY, TEA = range(2)
PRICES = {HONEY: 4, TEA: 9}
FIGHT, ITEM, LOOK, RUN = range(4)
BEGIN_MENU, NAMES_MENU, START_MENU, ASKED, SHOP_MENU, ACTIONS_MENU, MOVES_MENU = range(1, 8)
HOUND, GLOOM = 11, 12  # as `State.foe` gives them

MASK = {name: 1 << bit for bit, name in enumerate(BUTTONS)} | {"-": 0}
MOVES = {"Right": (1, 0), "Left": (-1, 0), "Up": (0, -1), "Down": (0, 1)}
FACING = {MASK[name]: name for name in MOVES}

Cell = tuple[int, int]
Place = tuple[int, int, str]  # x, y, facing

#: The ways out of each map, and where they lead.
EXITS: dict[int, dict[Cell, int]] = {
    LOFT: {(7, 6): HOME},
    HOME: {(10, 1): LOFT, (4, 8): TOWN},
    TOWN: {
        (4, 5): HOME,
        (21, 5): KEEPERS,
        (5, 13): REST_A,
        (11, 13): SHOP_A,
        (25, 9): LOW_ROAD,
        (13, 0): HIGH_ROAD,
    },
    KEEPERS: {(5, 8): TOWN},
    REST_A: {(4, 7): TOWN},
    SHOP_A: {(5, 7): TOWN},
    LOW_ROAD: {(0, 5): TOWN, (43, 3): SALTMERE},
    SALTMERE: {(0, 7): LOW_ROAD, (6, 4): REST_B, (13, 4): SHOP_B, (8, 11): CHANDLERS},
    REST_B: {(4, 7): SALTMERE},
    SHOP_B: {(5, 7): SALTMERE},
    CHANDLERS: {(5, 7): SALTMERE},
    HIGH_ROAD: {(5, 45): TOWN, (8, 0): FARHOLM},
    FARHOLM: {(11, 15): HIGH_ROAD, (5, 5): REST_C, (15, 5): SHOP_C, (17, 0): WOOD},
    REST_C: {(4, 7): FARHOLM},
    SHOP_C: {(5, 7): FARHOLM},
    WOOD: {(15, 30): FARHOLM, (15, 0): CLIFF},
    CLIFF: {(6, 14): WOOD, (5, 7): REST_D, (14, 0): TOWER},
    REST_D: {(4, 7): CLIFF},
    TOWER: {(7, 13): CLIFF, (13, 1): STAIR},
    STAIR: {(13, 12): TOWER, (1, 1): LAMP_ROOM},
    LAMP_ROOM: {(5, 8): STAIR},
}
RESTS = {TOWN: REST_A, SALTMERE: REST_B, FARHOLM: REST_C, CLIFF: REST_D}
SHOPS = {TOWN: SHOP_A, SALTMERE: SHOP_B, FARHOLM: SHOP_C}
AUNT, GUARD, KEEPER, LANTERNS = (6, 4), (24, 9), (5, 3), {EMBER: (7, 3), DEW: (8, 3), MOSS: (9, 3)}
INNKEEPER, BOOK, SHOPKEEPER, CHANDLER = (5, 2), (7, 1), (2, 2), (2, 2)
GATE, WARDEN, GLOOM_ITSELF, GREAT_LAMP = (13, 0), (14, 3), (5, 3), (5, 2)
#: Things that answer without being needed, and the chance that a run goes to see one.
SIGHTS = {
    LOFT: [(2, 1), (4, 1)],
    HOME: [(2, 1), AUNT],
    TOWN: [(13, 9), (21, 10)],
    KEEPERS: [(1, 1)],
    LOW_ROAD: [(2, 6)],
    SALTMERE: [(2, 8)],
    FARHOLM: [(18, 2)],
    CLIFF: [(10, 4)],
}
SIGHT_CHANCE = 0.3
TALK_CHANCE = 0.25  # that a run speaks to somebody who walks about in a town
BOOK_CHANCE = 0.3
#: Steps at the title and its scenes before Start, never just when one gives way to the other.
TITLE_WAITS = [*range(12), *range(19, 23)]

#: What each companion's moves are good for: attacks from the weakest to the strongest.
ATTACKS = {EMBER: [0, 2, 3], DEW: [0, 2, 3], MOSS: [0, 2, 3]}
MOVE_LEVELS = (1, 1, 4, 7)
#: The level to have before a road or a duel is gone into.
WOOD_LEVEL, WARDEN_LEVEL, GLOOM_LEVEL = 5, 8, 11


@dataclass
class Args:
    runs: int = 3
    """winning runs to record"""
    out: Path = HERE / "movies"
    """folder for the movies run_00.txt, run_01.txt, …; one of the same name is replaced"""
    min_steps: int = 1500
    """drop runs shorter than this, in steps of 30 frames"""
    max_steps: int = 4000
    """drop runs longer than this, in steps of 30 frames"""
    intro: Path | None = None
    """record only the way from power-on to the loft, into this file"""


@dataclass(frozen=True)
class State:
    """The documented block of RAM, and the current map."""

    milestones: int
    name: int
    companion: int
    level: int
    experience: int
    hp: int
    full_hp: int
    coins: int
    items: tuple[int, int]
    flags: int
    rest: int
    defeats: int
    map: int
    x: int
    y: int
    mode: int
    facing: int
    menu: int
    cursor: int
    waiting: bool
    people: frozenset[Cell]
    foe: int
    foe_hp: int
    shielded: int
    dazed: int
    clock: int
    held: int
    fading: bool
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
    width, height, people = ram[0x16], ram[0x17], min(ram[0x1B], MAX_PEOPLE)
    cells = np.asarray(game.read_memory(env, CELLS, MAX_CELLS))
    xs, ys = ram[0x1C : 0x1C + people], ram[0x21 : 0x21 + people]
    return State(
        milestones=int.from_bytes(ram[1:5], "little"),
        name=ram[5],
        companion=ram[6],
        level=ram[7],
        experience=ram[8],
        hp=ram[9],
        full_hp=ram[10],
        coins=ram[11],
        items=(ram[12], ram[13]),
        flags=ram[14],
        rest=ram[15],
        defeats=ram[16],
        map=ram[17],
        x=ram[18],
        y=ram[19],
        mode=ram[20],
        facing=ram[21],
        menu=ram[24],
        cursor=ram[25],
        waiting=bool(ram[26]),
        people=frozenset(zip(xs, ys, strict=True)),
        foe=ram[38],
        foe_hp=ram[39],
        shielded=ram[40],
        dazed=ram[41],
        clock=ram[42] | ram[43] << 8,
        held=ram[46],
        fading=bool(ram[47]),
        cells=cells[: width * height].reshape(height, width),
    )


def front(place: Place) -> Cell:
    x, y, facing = place
    return x + MOVES[facing][0], y + MOVES[facing][1]


def after(state: State, place: Place, button: str) -> Place | None:
    """Where a press leads; None when the way is blocked.

    A press toward a new direction turns, the next one walks.
    """
    x, y, facing = place
    if facing != button:
        return x, y, button
    x, y = front(place)
    return (x, y, button) if state.free(x, y) else None


def shortest_path(
    state: State, done: Callable[[Place], bool], rng: np.random.Generator
) -> list[str]:
    """Buttons, one a step, to a place where `done` holds; a random one of the shortest ways.

    Leads onto a way out only where it ends. Raises ValueError if there is no way.
    """
    start = (state.x, state.y, FACING[state.facing])
    ways_out = EXITS[state.map]
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


def next_exit(start: int, goal: int) -> Cell:
    """Return the way out of `start` that a shortest way over the maps to `goal` begins with."""
    first: dict[int, Cell] = {}
    queue = deque([start])
    while queue:
        area = queue.popleft()
        for cell, leads_to in EXITS[area].items():
            if leads_to == goal:
                return first.get(area, cell)
            if leads_to not in first and leads_to != start:
                first[leads_to] = first.get(area, cell)
                queue.append(leads_to)
    raise ValueError(f"no way from map {start} to map {goal}")


class Player:
    """One playthrough, made different by its seed, which also says who of the three comes along.

    `steps` holds the masks pressed so far; once it has won, `won_at` is how many of them it took.
    """

    def __init__(self, rom: bytes, seed: int):
        self.rng = np.random.default_rng(seed)
        self.game = VecGameBoy(rom, 1, FRAME_SKIP, hold_frames=HOLD_FRAMES)
        self.obs = np.zeros(self.game.obs_shape(), dtype=np.uint8)
        self.game.reset(self.obs)
        self.steps: list[int] = []
        self.press("-")  # RAM holds nothing before the game has cleared it
        self.companion = EMBER + seed % 3
        # How often this run strays from the way and stops, per step, flees and looks, per turn.
        self.wander = self.rng.uniform(0, 0.01)
        self.dawdle = self.rng.uniform(0, 0.015)
        self.cowardice = self.rng.uniform(0, 0.15)
        self.curiosity = self.rng.uniform(0, 0.1)
        self.sights = {
            area: [cell for cell in cells if self.chance(SIGHT_CHANCE)]
            for area, cells in SIGHTS.items()
        }
        self.talks = {area for area in (TOWN, SALTMERE, FARHOLM) if self.chance(TALK_CHANCE)}
        self.signs_book = self.chance(BOOK_CHANCE)
        self.shopped: set[int] = set()

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

    def choose(self, line: int) -> None:
        """Choose a line of the open list."""
        while self.state.mode == MENU and self.state.cursor != line:
            self.press("Down" if self.state.cursor < line else "Up")
        self.press("A")

    def begin(self, title_wait: int = 0, name: int = 0) -> None:
        """From power-on to the loft, staying `title_wait` steps at the title and its scenes."""
        self.wait_for(TITLE)
        self.press("-")  # until the title has faded in
        for _ in range(title_wait):
            self.press("-")
        if self.state.mode == ATTRACT:
            self.press("Start")
            self.wait_for(TITLE)
            self.press("-")
        self.press("Start")
        self.wait_for(TEXT)
        self.finish_text()
        self.choose(name)
        self.wait_for(TEXT)
        self.finish_text()
        self.wait_for(WORLD)
        self.settle()

    # ---- battles ----

    def best_move(self) -> int:
        """Return the move to make: a duel's help first, then the strongest attack."""
        state = self.state
        hurt = state.hp < state.full_hp / 2
        helps = {EMBER: not state.dazed, DEW: hurt, MOSS: not state.shielded}[state.companion]
        if helps and (state.foe in (HOUND, GLOOM) or state.companion == DEW):
            return 1
        known = [move for move in ATTACKS[state.companion] if MOVE_LEVELS[move] <= state.level]
        return known[-1]

    def fight_turn(self) -> None:
        """Choose in the battle's menu, and in the list that it opens."""
        state = self.state
        duel = state.foe in (HOUND, GLOOM)
        weak = state.hp <= max(0.3 * state.full_hp, 10 if duel else 6)
        if self.chance(self.curiosity):
            self.choose(LOOK)
        elif weak and any(state.items):
            self.choose(ITEM)
            self.choose(TEA if state.items[TEA] and (duel or not state.items[HONEY]) else HONEY)
        elif not duel and (weak or self.chance(self.cowardice)):
            self.choose(RUN)
        else:
            move = self.best_move()
            self.choose(FIGHT)
            self.choose(move)

    def buy(self) -> None:
        """One purchase, or none."""
        state = self.state
        want = [
            item for item, most in ((TEA, 3), (HONEY, 5))
            if state.items[item] < most and state.coins >= PRICES[item]
        ]  # fmt: skip
        self.choose(want[0] if want else 2)

    def settle(self) -> None:
        """Read, fight, answer yes and close menus until the world, or the end, is back."""
        while self.state.mode in (TEXT, MENU, BATTLE) or self.state.fading:
            if self.state.mode != MENU:
                self.press("A" if self.state.waiting else "-")
            elif self.state.menu == ACTIONS_MENU:
                self.fight_turn()
            elif self.state.menu == SHOP_MENU:
                self.buy()
            elif self.state.menu == ASKED:
                self.press("A")
            else:
                self.press("B")

    # ---- the world ----

    def go(self, done: Callable[[Place], bool]) -> bool:
        """Walk until `done` holds, with pauses and detours on the way.

        Returns whether it does: False when the map has changed, by an exit or by a defeat, or
        somebody stands in the way for long.
        """
        area, patience = self.state.map, 40
        while self.state.map == area:
            try:
                path = shortest_path(self.state, done, self.rng)
            except ValueError:  # somebody walks about in the way
                patience -= 1
                if not patience:
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
        if not self.state.free(*cell) or cell in EXITS[self.state.map]:
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

    def chat(self) -> None:
        """Speak to whoever stands nearest, who may walk on meanwhile."""
        here = np.array([self.state.x, self.state.y])
        nearest = min(self.state.people, key=lambda cell: (np.abs(cell - here).sum(), cell))
        if self.go(lambda place: front(place) in self.state.people or front(place) == nearest):
            self.press("A")
            self.settle()

    def train(self) -> None:
        """Walk to a random cell of the tall grass near by."""
        ys, xs = np.nonzero(self.state.cells == TALL_GRASS)
        i = self.rng.integers(len(xs))
        self.walk_to((int(xs[i]), int(ys[i])))

    def head_for(self, area: int, cell: Cell) -> None:
        """One leg of the way to a thing on some map: to the next map, or there, and act."""
        if self.state.map == area:
            self.talk(cell)
        else:
            self.walk_to(next_exit(self.state.map, area))

    def needed(self) -> tuple[int, Cell]:
        """What has to be acted on next, and on which map."""
        state = self.state
        steps = [
            (MET_KEEPER, KEEPERS, KEEPER),
            (CHOSE_SPIRIT, KEEPERS, LANTERNS[self.companion]),
            (GOT_OIL, CHANDLERS, CHANDLER),
            (BROUGHT_OIL, KEEPERS, KEEPER),
            (OPENED_GATE, TOWN, GATE),
            (BEAT_WARDEN, CLIFF, WARDEN),
            (BEAT_GLOOM, LAMP_ROOM, GLOOM_ITSELF),
            (ENDING, LAMP_ROOM, GREAT_LAMP),
        ]
        return next((area, cell) for done, area, cell in steps if not state.reached(done))

    def needs_rest(self) -> bool:
        state = self.state
        return bool(state.companion) and state.hp < 0.7 * state.full_hp

    def needs_training(self) -> bool:
        state = self.state
        if state.map == HIGH_ROAD:
            return state.level < WOOD_LEVEL and state.hp > 0.5 * state.full_hp and state.y < 20
        if state.map != CLIFF or self.needs_rest():
            return False
        return state.level < (GLOOM_LEVEL if state.reached(BEAT_WARDEN) else WARDEN_LEVEL)

    def advance(self) -> None:
        """Do the next thing there is to do on the current map."""
        area = self.state.map
        if sights := self.sights.get(area):
            self.talk(sights.pop())
        elif area in self.talks:
            self.talks.discard(area)
            self.chat()
        elif area in RESTS and self.needs_rest():
            self.walk_to(next_exit(area, RESTS[area]))
        elif area in RESTS.values() and self.needs_rest():
            self.talk(INNKEEPER)
        elif area in RESTS.values() and self.signs_book:
            self.signs_book = False
            self.talk(BOOK)
        elif area in SHOPS.values() and area not in self.shopped:
            self.shopped.add(area)
            self.talk(SHOPKEEPER)
        elif area in SHOPS and SHOPS[area] not in self.shopped and self.state.coins >= 12:
            self.walk_to(next_exit(area, SHOPS[area]))
        elif self.needs_training():
            self.train()
        else:
            self.head_for(*self.needed())
        self.settle()

    def win(self, max_steps: int = 6000) -> np.ndarray:
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
        player = Player(rom, seed)
        masks = player.win(args.max_steps + 1)
        if not args.min_steps <= len(masks) <= args.max_steps:
            print(f"seed {seed}: {len(masks)} steps: dropped")
            continue
        path = args.out / f"run_{number:02d}.txt"
        write_movie(path, masks, f"emberwick, from power-on to the end; player's seed {seed}")
        print(f"{path}: {len(masks)} steps, defeats {player.state.defeats}")
        lengths.append(len(masks))


def main(args: Args) -> dict:
    """Record movies. Returns their lengths in steps of 30 frames."""
    rom = ROM.read_bytes()
    if args.intro is None:
        return {"steps": record_runs(args, rom)}
    player = Player(rom, seed=0)
    player.begin()
    write_movie(args.intro, np.array(player.steps), "emberwick, from power-on to the loft")
    return {"steps": [len(player.steps)]}


if __name__ == "__main__":
    run_script(main, Args)
