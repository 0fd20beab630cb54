"""The bundled game, played through the emulator: what its README promises."""

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from emurust import VecGameBoy
from PIL import Image
from pyboy import PyBoy

from data.frames import Run, split_runs
from games import difficulty
from games.actions import ACTION_MASKS, BUTTONS
from games.game import BUNDLED_ROM, find_game, read_milestones
from games.movie import read_movie
from games.player import (
    CREDITS,
    FACING,
    MASK,
    MENU,
    NAMES,
    TEXT,
    TITLE,
    WORLD,
    front,
    shortest_path,
)
from games.waystone import player
from games.waystone.pictures import Tourist
from games.waystone.player import (
    BEDROOM,
    GATE,
    GUARD,
    PAINTER,
    ROUTE,
    SHRINE,
    SIGHTS,
    TOWN,
    VALLEY,
    Player,
    read_state,
)

GAME_DIR = BUNDLED_ROM.parent
ROM = BUNDLED_ROM.read_bytes()
GAME = find_game(BUNDLED_ROM)
README = (GAME_DIR / "README.md").read_text()
MOVIES = sorted((GAME_DIR / "movies").glob("*.txt"))
MILESTONES = 16
FULL_HP = 20
LEDGE_TOP, LEDGE_FOOT = (4, 22), (4, 24)
VALLEY_MOUTH, VALLEY_END = (15, 21), (37, 3)
PAINTING, PAINTERS_DOOR = (4, 0), (22, 12)
SHORE = (17, 6)  # in the town, west of the lake


class Session:
    """N copies of the game from power-on, stepped together with button masks."""

    def __init__(self, num_envs: int = 1, hold_frames: int = 8):
        self.envs = VecGameBoy(ROM, num_envs, 30, hold_frames=hold_frames)
        self.obs = np.zeros(self.envs.obs_shape(), dtype=np.uint8)
        self.envs.reset(self.obs)

    def step(self, masks) -> None:
        self.envs.step(np.asarray(masks, dtype=np.uint8), self.obs)

    def press(self, *buttons: str) -> None:
        for button in buttons:
            self.step([MASK[button]])

    def milestones(self) -> np.ndarray:
        """Return (N, MILESTONES) bool."""
        return GAME.milestones_held(self.envs.read_memory_batch)

    def begin(self) -> "Session":
        """Play the committed intro."""
        for mask in read_movie(GAME_DIR / "intro.txt").masks:
            self.step([mask])
        return self

    @property
    def state(self):
        return read_state(self.envs)


@pytest.fixture
def bedroom() -> Session:
    return Session().begin()


@pytest.fixture(scope="module")
def replays() -> list[list]:
    """Every movie's states, one after each step, and two hundred steps more of nothing."""
    runs = [read_movie(path).masks for path in MOVIES]
    session = Session(len(runs))
    states = [[] for _ in runs]
    for t in range(max(map(len, runs)) + 200):
        session.step([run[t] if t < len(run) else 0 for run in runs])
        for env, kept in enumerate(states):
            if t < len(runs[env]) + 200:
                kept.append(read_state(session.envs, env))
    return states


def at(area: int, seed: int = 1, **traits) -> Player:
    """A player without detours who has just entered `area`."""
    playing = Player(ROM, seed, **traits)
    playing.sights, playing.detours = {key: [] for key in SIGHTS}, {}
    playing.wander = playing.dawdle = 0.0
    playing.begin()
    while playing.state.map != area:
        playing.advance()
    return playing


def milestones_of(state) -> list[int]:
    return [i for i in range(MILESTONES) if state.reached(i)]


# ---- the ROM and its papers ----


def test_rom_is_the_one_that_the_milestones_name():
    table = read_milestones(GAME_DIR / "milestones.toml")
    assert GAME.sha1 == table["rom_sha1"]
    assert GAME.name == "waystone" and len(GAME.milestones) == MILESTONES
    assert len(ROM) == 32 * 1024


def test_milestones_of_source_readme_and_table_agree():
    header = (GAME_DIR / "src" / "ram.h").read_text()
    block = re.search(r"enum milestone \{(.*?)\}", header, re.DOTALL).group(1)
    source = [name.lower().replace("_", " ") for name in re.findall(r"[A-Z_]+", block)]
    table = [milestone.name for milestone in GAME.milestones]
    readme = re.findall(r"^\| \d+ \| ([a-z ]+) \|", README, re.M)
    assert source == table == readme


def test_every_line_fits_its_text_box():
    longest = {"@": 5, "&": 10, "#": 1}  # the names of players and of monsters; damage, loaves
    texts = re.findall(r'#define TEXT_\w+ "(.*)"', (GAME_DIR / "data" / "texts.h").read_text())
    assert len(texts) > 40
    for page in "\\f".join(texts).split("\\f"):
        lines = page.split("\\n")
        assert len(lines) <= 2, page
        for line in lines:
            width = sum(longest.get(character, 1) for character in line)
            assert width <= 18, line


# ---- the recorded runs ----


def test_every_movie_reaches_every_milestone_in_order(replays):
    runs = [read_movie(path).masks for path in MOVIES]
    assert len(runs) >= 12
    assert len({run.tobytes() for run in runs}) == len(runs)
    for run, states in zip(runs, replays, strict=True):
        assert 250 <= len(run) <= 500
        reached = [milestones_of(state) for state in states]
        first = [next(t for t, held in enumerate(reached) if i in held) for i in range(MILESTONES)]
        assert first == sorted(first)
        assert first[-1] < len(run)


def test_the_movies_differ_in_route_battles_and_one_defeat(replays):
    def battles(states):
        new = [b for a, b in pairwise(states) if b.foe and not a.foe]
        return tuple((state.map, state.x, state.y, state.foe) for state in new)

    assert sum(states[-1].defeats for states in replays) == 1
    fights = [battles(states) for states in replays]
    assert sum(map(len, fights)) >= len(replays)
    assert len(set(fights)) >= len(replays) - 1  # random encounters: never the same twice
    maps = [frozenset(state.map for state in states) for states in replays]
    assert len(set(maps)) >= 3


def test_the_held_out_movies_are_those_that_the_readme_names():
    runs = [Run(path, {}) for path in MOVIES]
    names = [run.name for run in split_runs(runs)[1]]
    assert len(names) == 2
    assert f"`{names[0]}` and `{names[1]}`" in README


def test_a_movie_is_recorded_again_byte_for_byte(tmp_path):
    player.main(player.Args(runs=1, reckless=None, out=tmp_path))
    assert (tmp_path / "run_00.txt").read_bytes() == MOVIES[0].read_bytes()
    player.main(player.Args(intro=tmp_path / "intro.txt"))
    assert (tmp_path / "intro.txt").read_bytes() == (GAME_DIR / "intro.txt").read_bytes()


def test_the_credits_lead_back_to_the_title(replays):
    for path, states in zip(MOVIES, replays, strict=True):
        end = len(read_movie(path).masks) - 1
        assert states[end].mode == CREDITS
        assert TITLE in [state.mode for state in states[end:]]
        assert len(milestones_of(states[-1])) == MILESTONES  # kept until the next game starts


# ---- title, intro, text ----


def test_the_title_needs_start():
    session = Session(6)
    screens = set()
    for _ in range(300):
        session.step([MASK[name] for name in ("A", "B", "Right", "Left", "Up", "Down")])
        screens.add(session.obs[0].tobytes())
    assert not session.milestones().any()
    assert len(screens) >= 5  # logo, title, three scenes of the attract loop
    session.step([0] * 6)
    while read_state(session.envs).mode != TITLE:
        session.step([0] * 6)
    session.step([MASK["Start"]] * 6)
    assert session.milestones()[:, 0].all()


def to_the_first_text(session: Session) -> None:
    intro = read_movie(GAME_DIR / "intro.txt").masks
    start = int(np.flatnonzero(intro == MASK["Start"])[0])
    for mask in intro[: start + 1]:
        session.step([mask])
    while not session.state.waiting:
        session.press("-")


def test_a_on_successive_steps_advances_successive_text_boxes():
    session = Session()
    to_the_first_text(session)
    pages = [session.obs[0, 96:].copy()]
    for _ in range(3):
        session.press("A")
        assert session.state.waiting
        pages.append(session.obs[0, 96:].copy())
    assert len({page.tobytes() for page in pages}) == 4
    session.press("A")
    assert session.state.mode == MENU  # four pages, then the names


def test_holding_a_advances_one_text_box_only():
    session = Session(hold_frames=30)  # held into the next step: no new press
    to_the_first_text(session)
    session.press("A", "A")
    page = session.obs[0, 96:136].copy()  # above the blinking arrow
    session.press(*["A"] * 10)
    assert session.state.waiting and np.array_equal(session.obs[0, 96:136], page)


def test_the_name_menu_is_left_by_a_alone_and_gives_the_name_pointed_at():
    for choice in range(NAMES):
        session = Session()
        to_the_first_text(session)
        session.press("A", "A", "A", "A")
        session.press("B", "-")
        assert session.state.mode == MENU
        session.press(*["Down"] * choice)
        assert session.state.cursor == choice
        session.press("A", "-")
        assert session.state.mode == TEXT and session.envs.read_memory(0, 0xC00C, 1)[0] == choice


def test_the_intro_ends_in_the_bedroom(bedroom):
    state = bedroom.state
    assert (state.mode, state.map, state.x, state.y) == (WORLD, BEDROOM, 5, 2)
    assert milestones_of(state) == [0, 1]


# ---- the world ----


def test_a_press_turns_and_the_next_is_exactly_one_step(bedroom):
    bedroom.press("Right")
    assert (bedroom.state.x, bedroom.state.facing) == (5, MASK["Right"])
    for x in (6, 7, 8):
        bedroom.press("Right")
        assert (bedroom.state.x, bedroom.state.y) == (x, 2)
        settled = bedroom.obs.copy()
        bedroom.press("-")
        assert np.array_equal(bedroom.obs, settled)
    bedroom.press("Right")
    assert bedroom.state.x == 8  # the wall


def test_a_way_that_begins_on_a_way_out_may_begin_with_a_turn(bedroom):
    x, y = player.EXITS[BEDROOM]
    state = replace(bedroom.state, x=x, y=y, facing=MASK["Down"])
    rng = np.random.default_rng(0)
    assert shortest_path(state, lambda place: place[:2] == (x + 1, y), rng) == ["Right"] * 2


def test_a_tour_enters_every_map_hears_everybody_and_draws_the_same_pictures(tmp_path):
    playing = Tourist(ROM)
    visited, speakers = set(), set()
    press = playing.press

    def watch(button):
        before = playing.state
        press(button)
        state = playing.state
        visited.add(state.map)
        if button == "A" and before.mode == WORLD and state.mode == TEXT and not state.foe:
            cell = front((before.x, before.y, FACING[before.facing]))
            if cell in before.people:
                speakers.add((before.map, cell))

    playing.press = watch
    drawn = playing.save_pictures(tmp_path)["pictures"]
    assert len(visited) >= 10 and visited == set(range(11))
    assert len(speakers) >= 8
    assert drawn == sorted(path.stem for path in (GAME_DIR / "pictures").glob("*.png"))
    for name in drawn:
        new, old = (
            Image.open(folder / f"{name}.png") for folder in (tmp_path, GAME_DIR / "pictures")
        )
        assert np.array_equal(new, old), name


def test_the_guard_blocks_the_way_until_spoken_to():
    playing = at(TOWN)
    playing.go(lambda place: place == (17, 4, "Up"))
    for _ in range(4):
        playing.press("Up")
    assert (playing.state.x, playing.state.y) == (17, 4)
    playing.talk(GUARD)
    assert GUARD not in playing.state.people
    playing.press("Up")
    assert (playing.state.x, playing.state.y) == GUARD


def test_the_gate_opens_with_the_key_and_the_key_shows_on_the_screen():
    playing = at(ROUTE)
    playing.talk(GATE)
    assert not playing.state.reached(player.OPENED_GATE) and playing.state.flags & 1 == 0
    playing.press("Up")
    assert (playing.state.x, playing.state.y) == (8, 1)
    corner = playing.obs[0, :18, :18].copy()
    playing.talk(player.CHEST)
    assert playing.state.reached(player.GOT_KEY) and playing.state.flags & 1 == 1
    playing.go(lambda place: place == (8, 1, "Up"))
    assert not np.array_equal(playing.obs[0, :18, :18], corner)
    playing.talk(GATE)
    assert playing.state.reached(player.OPENED_GATE) and playing.state.flags & 1 == 0
    assert np.array_equal(playing.obs[0, :18, :18], corner)


def test_the_ledge_is_one_way():
    playing = at(ROUTE)
    playing.go(lambda place: place == (*LEDGE_TOP, "Down"))
    playing.press("Down")
    playing.press("-")
    assert (playing.state.x, playing.state.y) == LEDGE_FOOT
    playing.settle()
    playing.press("Up")
    playing.press("Up")
    playing.press("Up")
    assert (playing.state.x, playing.state.y) == LEDGE_FOOT


# ---- battles ----


def in_battle(seed: int) -> Player:
    playing = at(ROUTE, seed, reckless=True)
    while playing.state.mode != MENU or not playing.state.foe:
        grass = np.argwhere(playing.state.cells == player.TALL_GRASS)
        if playing.state.mode == WORLD:
            y, x = grass[playing.rng.integers(len(grass))]
            path = shortest_path(
                playing.state, lambda place, cell=(int(x), int(y)): place[:2] == cell, playing.rng
            )
            for button in path:
                if playing.state.mode == WORLD:
                    playing.press(button)
        else:
            playing.press("A" if playing.state.waiting else "-")
    return playing


def test_a_battle_offers_fight_item_and_run():
    playing = in_battle(seed=0)
    foe_hp = int(playing.game.read_memory(0, 0xC01A, 1)[0])
    playing.press("A")  # FIGHT
    assert int(playing.game.read_memory(0, 0xC01A, 1)[0]) < foe_hp
    while playing.state.mode != MENU:
        playing.press("A" if playing.state.waiting else "-")
    bread = playing.state.bread
    playing.press("Down")
    playing.press("A")
    playing.press("B")  # out of the pack
    playing.press("-")
    assert playing.state.mode == MENU and playing.state.foe and playing.state.bread == bread
    playing.press("Down")
    playing.press("A")
    playing.press("A")  # ITEM, BREAD
    playing.press("-")
    assert playing.state.bread == bread - 1
    for _ in range(100):  # RUN until it works
        if not playing.state.foe:
            break
        if playing.state.mode == MENU and playing.state.cursor != player.RUN:
            playing.press("Down")
        else:
            playing.press("A" if playing.state.waiting or playing.state.mode == MENU else "-")
    assert not playing.state.foe and playing.state.hp


def test_pressing_a_wins_most_battles():
    won = 0
    for seed in range(8):
        playing = in_battle(seed)
        while playing.state.foe:
            playing.press("A")
        won += playing.state.hp > 0 and not playing.state.defeats
    assert won >= 6


def test_a_defeat_leads_back_to_bed_and_loses_nothing(replays):
    states = next(states for states in replays if states[-1].defeats)
    lost = next(t for t, state in enumerate(states) if state.defeats)
    fallen, woken = states[lost - 2], states[lost + 4]
    assert fallen.map == ROUTE and fallen.hp == 0
    assert (woken.map, woken.hp, woken.mode) == (BEDROOM, FULL_HP, TEXT) or woken.mode == WORLD
    assert woken.map == BEDROOM and woken.hp == FULL_HP
    assert woken.milestones == fallen.milestones and woken.bread == fallen.bread


def test_random_numbers_come_from_the_timing_of_presses():
    def rng(session):
        return session.envs.read_memory(0, 0xC01E, 2).tolist()

    early, again, late = Session().begin(), Session().begin(), Session().begin()
    early.press("A", "-", "-")
    again.press("A", "-", "-")
    late.press("-", "A", "-")
    assert rng(early) == rng(again) != rng(late)


# ---- traps, each as the README tells it ----


def test_trap_the_painting_looks_like_the_shrine():
    playing = at(TOWN)
    playing.walk_to(PAINTERS_DOOR)
    assert playing.state.map == PAINTER
    before = playing.state.milestones
    playing.go(lambda place: front(place) == PAINTING and place[2] == "Up")
    playing.press("A")
    picture = playing.obs[0, :, :, 0].astype(float)
    playing.press("B")
    playing.press("-")
    assert (playing.state.mode, playing.state.map) == (WORLD, PAINTER)
    assert playing.state.milestones == before and not playing.state.reached(player.GOT_KEY)

    session, nearest = Session(), (np.inf, None)
    for mask in read_movie(MOVIES[0]).masks:
        session.step([mask])
        distance = np.abs(session.obs[0, :, :, 0] - picture).mean()
        nearest = min(nearest, (distance, session.state.map))
    assert nearest[1] == SHRINE and nearest[0] < 5  # of 255: all but the player himself


def test_trap_the_water_moves_while_nothing_happens():
    playing = at(TOWN)
    playing.go(lambda place: place[:2] == SHORE)
    before, screens = playing.state.milestones, set()
    for _ in range(8):
        playing.press("-")
        screens.add(playing.obs.tobytes())
    assert len(screens) >= 2 and playing.state.milestones == before


def test_trap_a_masher_spends_its_time_in_the_start_menu():
    session, rng = Session().begin(), np.random.default_rng(0)
    modes = []
    for _ in range(200):
        session.press(str(rng.choice(["A", "Start"])))
        modes.append(session.state.mode)
    assert np.isin(modes, [MENU, TEXT]).mean() > 0.5
    assert session.state.map == BEDROOM


def test_the_start_menu_wastes_time_and_select_does_nothing(bedroom):
    before, room = bedroom.state, bedroom.obs.copy()
    bedroom.press("Select")
    assert np.array_equal(bedroom.obs, room)
    for close in ("B", "Start"):
        bedroom.press("Start", "Down")
        assert bedroom.state.mode == MENU and bedroom.state.cursor == 1
        assert not np.array_equal(bedroom.obs, room)
        bedroom.press(close)
        assert bedroom.state.mode == WORLD and np.array_equal(bedroom.obs, room)
    after = bedroom.state
    assert (after.x, after.y, after.milestones) == (before.x, before.y, before.milestones)


def test_trap_the_long_valley_is_a_dead_end():
    playing = at(ROUTE)
    playing.walk_to(VALLEY_MOUTH)
    assert playing.state.map == VALLEY
    before, steps = playing.state.milestones, len(playing.steps)
    playing.go(lambda place: place[:2] == VALLEY_END)
    assert len(playing.steps) - steps >= 36
    playing.talk((38, 3))  # the sign
    playing.advance()  # the only way out
    assert playing.state.map == ROUTE and playing.state.milestones == before


# ---- how hard it is ----


def test_random_buttons_and_mashing_do_not_get_far():
    game = GAME
    reached = difficulty.play(game, BUTTONS, seeds=4, steps=300)
    assert reached[:, 0].all()  # Start is one button of eight
    assert reached.sum(axis=1).max() <= 5 and not reached[:, -1].any()
    mashed = difficulty.play(game, ("A", "Start"), seeds=4, steps=300)
    assert mashed.sum(axis=1).max() <= 2


@pytest.mark.parametrize("seed", range(4))
def test_a_masher_is_never_locked_in(seed):
    """After any mashing, anywhere, the scripted player still wins."""
    playing = Player(ROM, seed)
    playing.begin()
    for _ in range(3 + 6 * seed):
        playing.advance()
    for _ in range(150):
        playing.press(BUTTONS[playing.rng.choice([4, 4, 4, 7, 5, 2])])
    playing.settle()
    while not playing.state.reached(player.ENDING) and len(playing.steps) < 1500:
        playing.advance()
    assert playing.state.reached(player.ENDING)


def test_after_random_play_b_leads_out_and_the_pad_answers():
    session, rng = Session(8), np.random.default_rng(1)
    for _ in range(400):
        session.step(ACTION_MASKS[rng.integers(0, 8, size=8)])
    for _ in range(12):
        session.step([MASK["B"]] * 8)
    states = [read_state(session.envs, env) for env in range(8)]
    assert all(state.mode == WORLD and state.reached(1) for state in states)
    for button in ("Left", "Up"):
        session.step([MASK[button]] * 8)
        session.step([0] * 8)
        assert all(read_state(session.envs, env).facing == MASK[button] for env in range(8))


# ---- another emulator ----


def test_pyboy_plays_a_movie_to_the_same_end(tmp_path):
    """The frames in which each button is down, by the game's own clock, go to PyBoy as well."""
    masks = read_movie(MOVIES[2]).masks
    ours = VecGameBoy(ROM, 1, 1, hold_frames=1)
    obs = np.zeros(ours.obs_shape(), dtype=np.uint8)
    ours.reset(obs)
    held, ends = {}, []
    for mask in masks:
        for frame in range(30):
            ours.step(np.array([mask if frame < 8 else 0], dtype=np.uint8), obs)
            low, high, _, _, buttons = ours.read_memory(0, 0xC01C, 5).tolist()
            held[low | high << 8] = buttons
        ends.append((low | high << 8, ours.read_memory(0, 0xC001, 10).tolist()))

    rom = tmp_path / "waystone.gb"  # PyBoy writes save files beside the ROM
    rom.write_bytes(ROM)
    theirs = PyBoy(str(rom), window="null", sound_emulated=False, log_level="ERROR")
    for _ in range(60):  # its boot ROM ends, ours has
        if theirs.memory[0xC000] == 0x57:
            break
        theirs.tick(1, False)
    down, frames = 0, 0
    for clock, expected in ends:
        while (now := theirs.memory[0xC01C] | theirs.memory[0xC01D] << 8) < clock:
            for bit, name in enumerate(BUTTONS):
                if (down ^ held.get(now + 1, down)) >> bit & 1:
                    change = theirs.button_press if not down >> bit & 1 else theirs.button_release
                    change(name.lower())
            down = held.get(now + 1, down)
            theirs.tick(1, False)
            frames += 1
            assert frames < 40 * len(masks)
        assert theirs.memory[0xC001:0xC00B][:7] == expected[:7]
    theirs.stop(save=False)
    assert expected[:2] == [0xFF, 0xFF]
