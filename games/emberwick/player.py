"""Play emberwick by reading its RAM, and record winning runs as input movies.

    uv run python -m games.emberwick.player                     # one button a step, into movies/
    uv run python -m games.emberwick.player --people            # as people play, into people/
    uv run python -m games.emberwick.player --runs 1 --out /tmp/movies
    uv run python -m games.emberwick.player --intro games/emberwick/intro.txt

The same seed presses the same buttons: a run is recorded again byte for byte.
"""

from collections import deque
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from emurust import VecGameBoy

import games.player
from cli import Count, NotNegative, Positive, run_script
from games.player import Cell, front, read_cells, record

HERE = Path(__file__).resolve().parent
ROM = HERE / "emberwick.gb"

STATE, STATE_BYTES = 0xC000, 48
TALL_GRASS = 8
LOFT, HOME, TOWN, KEEPERS, REST_A, SHOP_A, LOW_ROAD, SALTMERE, REST_B, SHOP_B = range(10)
CHANDLERS, HIGH_ROAD, FARHOLM, REST_C, SHOP_C, WOOD, CLIFF, REST_D = range(10, 18)
TOWER, STAIR, LAMP_ROOM = range(18, 21)
MET_KEEPER, CHOSE_SPIRIT, REACHED_SALTMERE, GOT_OIL, BACK_IN_TOWN = 4, 5, 8, 9, 11
BROUGHT_OIL, OPENED_GATE, REACHED_FARHOLM, ENTERED_WOOD, REACHED_CLIFF = 12, 13, 16, 17, 20
BEAT_WARDEN, REACHED_LAMP, BEAT_GLOOM, ENDING = 21, 24, 25, 27
EMBER, DEW, MOSS = 1, 2, 3
HONEY, TEA = range(2)
PRICES, ENOUGH = {TEA: 9, HONEY: 4}, {TEA: 3, HONEY: 5}
LEAVE = 2
WORTH_A_SHOP = 12  # coins
FIGHT, ITEM, LOOK, RUN = range(4)
BEGIN_MENU, NAMES_MENU, START_MENU, ASKED, SHOP_MENU = range(1, 6)
ACTIONS_MENU, MOVES_MENU, ITEMS_MENU = range(6, 9)
HOUND, GLOOM = 11, 12  # as `State.foe` gives them

#: The ways out of each map, and where they lead.
EXITS: dict[int, dict[Cell, int]] = {
    LOFT: {(7, 6): HOME},
    HOME: {(10, 1): LOFT, (4, 8): TOWN, (5, 8): TOWN},
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
AUNT, KEEPER, LANTERNS = (6, 4), (5, 3), {EMBER: (7, 3), DEW: (8, 3), MOSS: (9, 3)}
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

#: The moves that take HP, from the weakest to the strongest, and the levels that they come with.
ATTACKS = {0: 1, 2: 4, 3: 7}
#: The level to have before a road or a duel is gone into.
WOOD_LEVEL, WARDEN_LEVEL, GLOOM_LEVEL = 5, 8, 11


@dataclass
class Args(games.player.Args):
    runs: Count = 3
    min_seconds: NotNegative = 900
    max_seconds: Positive = 1800


@dataclass(frozen=True)
class State(games.player.State):
    """The documented block of RAM, and the current map."""

    name: int
    companion: int
    level: int
    experience: int
    full_hp: int
    coins: int
    items: tuple[int, int]
    flags: int
    rest: int
    menu: int
    foe_hp: int
    shielded: int
    dazed: int
    fading: bool

    @property
    def ways_out(self) -> set[Cell]:
        return set(EXITS[self.map])

    @property
    def busy(self) -> bool:
        return super().busy or self.fading


def read_state(game: VecGameBoy, env: int = 0) -> State:
    ram = [int(byte) for byte in game.read_memory(env, STATE, STATE_BYTES)]
    people = ram[0x1B]
    xs, ys = ram[0x1C : 0x1C + people], ram[0x21 : 0x21 + people]
    return State(
        milestones=int.from_bytes(ram[0x01:0x05], "little"),
        name=ram[0x05],
        companion=ram[0x06],
        level=ram[0x07],
        experience=ram[0x08],
        hp=ram[0x09],
        full_hp=ram[0x0A],
        coins=ram[0x0B],
        items=(ram[0x0C], ram[0x0D]),
        flags=ram[0x0E],
        rest=ram[0x0F],
        defeats=ram[0x10],
        map=ram[0x11],
        x=ram[0x12],
        y=ram[0x13],
        mode=ram[0x14],
        facing=ram[0x15],
        menu=ram[0x18],
        cursor=ram[0x19],
        waiting=bool(ram[0x1A]),
        people=frozenset(zip(xs, ys, strict=True)),
        foe=ram[0x26],
        foe_hp=ram[0x27],
        shielded=ram[0x28],
        dazed=ram[0x29],
        clock=ram[0x2A] | ram[0x2B] << 8,
        held=ram[0x2E],
        fading=bool(ram[0x2F]),
        cells=read_cells(game, env, width=ram[0x16], height=ram[0x17]),
    )


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


class Player(games.player.Player):
    """The seed also says who of the three spirits comes along."""

    name, first_room, ending = "emberwick", "loft", ENDING
    title_waits = TITLE_WAITS
    patience = 40
    read = staticmethod(read_state)

    def __init__(self, rom: bytes, seed: int):
        super().__init__(rom, seed)
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

    # ---- menus ----

    def answer(self) -> None:
        """Choose in the lists of battles and in the shop, answer yes; close any other."""
        choices = {
            ACTIONS_MENU: self.best_action,
            MOVES_MENU: self.best_move,
            ITEMS_MENU: self.best_item,
            SHOP_MENU: self.purchase,
            ASKED: lambda: 0,
        }
        if self.state.menu in choices:
            self.choose(choices[self.state.menu]())
        else:
            self.press("B")

    @property
    def in_duel(self) -> bool:
        return self.state.foe in (HOUND, GLOOM)

    def best_action(self) -> int:
        state = self.state
        weak = state.hp <= max(0.3 * state.full_hp, 10 if self.in_duel else 6)
        if self.chance(self.curiosity):
            return LOOK
        if weak and any(state.items):
            return ITEM
        return RUN if not self.in_duel and (weak or self.chance(self.cowardice)) else FIGHT

    def best_move(self) -> int:
        """Return the move that helps, in duels and where it mends, or the strongest attack."""
        state = self.state
        hurt = state.hp < state.full_hp / 2
        helps = {EMBER: not state.dazed, DEW: hurt, MOSS: not state.shielded}[state.companion]
        if helps and (self.in_duel or state.companion == DEW):
            return 1
        return max(move for move, level in ATTACKS.items() if level <= state.level)

    def best_item(self) -> int:
        honey, tea = self.state.items
        return TEA if tea and (self.in_duel or not honey) else HONEY

    def purchase(self) -> int:
        """Return what to buy, or the line that leaves."""
        for item, price in PRICES.items():
            if self.state.items[item] < ENOUGH[item] and self.state.coins >= price:
                return item
        return LEAVE

    # ---- the world ----

    def chat(self) -> None:
        """Speak to whoever stands nearest, who may walk on meanwhile."""
        here = np.array([self.state.x, self.state.y])
        nearest = min(self.state.people, key=lambda cell: (np.abs(cell - here).sum(), cell))
        if self.go(lambda place: front(place) in self.state.people or front(place) == nearest):
            self.press("A")
            self.settle()

    def train(self) -> None:
        """Walk to a random cell of the map's tall grass."""
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
        elif area in SHOPS and SHOPS[area] not in self.shopped and self.state.coins >= WORTH_A_SHOP:
            self.walk_to(next_exit(area, SHOPS[area]))
        elif self.needs_training():
            self.train()
        else:
            self.head_for(*self.needed())
        self.settle()


class Person(games.player.Hand, Player):
    """Plays as people do."""


def main(args: Args) -> dict:
    """Record movies. Returns their lengths in seconds."""
    rom = ROM.read_bytes()

    def new_player(seed: int, number: int) -> Player:
        return Person(rom, seed) if args.people else Player(rom, seed)

    return record(args, new_player, HERE)


if __name__ == "__main__":
    run_script(main, Args)
