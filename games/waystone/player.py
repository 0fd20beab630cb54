"""Play waystone by reading its RAM, and record winning runs as input movies.

    uv run python -m games.waystone.player                      # one button a step, into movies/
    uv run python -m games.waystone.player --people             # as people play, into people/
    uv run python -m games.waystone.player --runs 1 --out /tmp/movies
    uv run python -m games.waystone.player --intro games/waystone/intro.txt

The same seed presses the same buttons: a run is recorded again byte for byte.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from emurust import VecGameBoy

import games.player
from cli import Count, CountOrZero, NotNegative, Positive, run_script
from games.player import SOLID, Cell, Place, front, read_cells, record

HERE = Path(__file__).resolve().parent
ROM = HERE / "waystone.gb"

STATE, STATE_BYTES = 0xC000, 33
TALL_GRASS, LEDGE = 8, 66 | SOLID
BEDROOM, HOUSE, TOWN, ELDER, BAKER, PAINTER, ROUTE, VALLEY, CAVE, DEPTHS, SHRINE = range(11)
SPOKE_TO_GUARD, GOT_KEY, OPENED_GATE, ENDING = 5, 8, 9, 15
FIGHT, ITEM, RUN = range(3)
HUNGRY_HP = 8  # eat at that many HP or fewer

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
class Args(games.player.Args):
    runs: Count = 12
    min_seconds: NotNegative = 125
    max_seconds: Positive = 250
    reckless: CountOrZero | None = 3
    """the number of the run that goes on until it is defeated, and then wins; None for none; with
    --people none is"""


@dataclass(frozen=True)
class State(games.player.State):
    """The documented block of RAM, and the current map."""

    flags: int
    bread: int

    @property
    def ways_out(self) -> set[Cell]:
        ways = {*SIDE_EXITS.get(self.map, [])}
        return ways | {EXITS[self.map]} if self.map in EXITS else ways

    def after(self, place: Place, button: str) -> Place | None:
        """Where a press leads; None when the way is blocked. Down a ledge it is two cells."""
        x, y = front(place)
        if button == place[2] == "Down" and self.cell(x, y) == LEDGE:
            return (x, y + 1, button) if self.free(x, y + 1) else None
        return super().after(place, button)


def read_state(game: VecGameBoy, env: int = 0) -> State:
    ram = [int(byte) for byte in game.read_memory(env, STATE, STATE_BYTES)]
    people = ram[0x0D]
    return State(
        milestones=ram[0x01] | ram[0x02] << 8,
        map=ram[0x03],
        x=ram[0x04],
        y=ram[0x05],
        hp=ram[0x06],
        mode=ram[0x07],
        facing=ram[0x08],
        cursor=ram[0x0B],
        people=frozenset(zip(ram[0x0E : 0x0E + people], ram[0x12 : 0x12 + people], strict=True)),
        waiting=bool(ram[0x16]),
        flags=ram[0x17],
        bread=ram[0x18],
        foe=ram[0x19],
        defeats=ram[0x1B],
        clock=ram[0x1C] | ram[0x1D] << 8,
        held=ram[0x20],
        cells=read_cells(game, env, width=ram[0x09], height=ram[0x0A]),
    )


class Player(games.player.Player):
    """A reckless one walks the tall grass, and eats nothing, until it is defeated once."""

    name, first_room, ending = "waystone", "bedroom", ENDING
    title_waits = TITLE_WAITS
    read = staticmethod(read_state)

    def __init__(self, rom: bytes, seed: int, reckless: bool = False):
        super().__init__(rom, seed)
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

    def answer(self) -> None:
        """Choose in the battle's menu; close any other."""
        state = self.state
        if not state.foe:
            self.press("B")
            return
        hungry = state.hp <= HUNGRY_HP and state.bread and not self.reckless
        want = ITEM if hungry else RUN if self.chance(self.cowardice) else FIGHT
        self.choose(want)
        if want == ITEM:
            self.press("A")

    def is_wanted(self) -> bool:
        return super().is_wanted() and self.state.defeats == self.reckless

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


class Person(games.player.Hand, Player):
    """Plays as people do."""


def main(args: Args) -> dict:
    """Record movies. Returns their lengths in seconds."""
    rom = ROM.read_bytes()

    def new_player(seed: int, number: int) -> Player:
        return Person(rom, seed) if args.people else Player(rom, seed, number == args.reckless)

    return record(args, new_player, HERE)


if __name__ == "__main__":
    run_script(main, Args)
