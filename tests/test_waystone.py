"""The bundled game, played through the emulator: what its README promises."""

import re
import shutil
import subprocess

import numpy as np
import pytest
from emurust import VecGameBoy

from games.actions import ACTION_MASKS
from games.game import BUNDLED_ROM, find_game, read_milestones
from games.movie import read_movie
from games.waystone.player import CREDITS, GUARD, MASK, MENU, TITLE, WORLD, Player, read_state

GAME_DIR = BUNDLED_ROM.parent
MOVIES = sorted((GAME_DIR / "movies").glob("*.txt"))
BEDROOM, TOWN = 0, 2


class Session:
    """N copies of the game from power-on, stepped together with button masks."""

    def __init__(self, num_envs: int = 1):
        self.envs = VecGameBoy(BUNDLED_ROM.read_bytes(), num_envs, 30, hold_frames=8)
        self.obs = np.zeros(self.envs.obs_shape(), dtype=np.uint8)
        self.envs.reset(self.obs)

    def step(self, masks) -> None:
        self.envs.step(np.asarray(masks, dtype=np.uint8), self.obs)

    def press(self, *buttons: str) -> None:
        for button in buttons:
            self.step([MASK[button]])

    def milestones(self) -> np.ndarray:
        """Return (N, 15) bool."""
        return find_game(BUNDLED_ROM).milestones_held(self.envs.read_memory_batch)

    @property
    def state(self):
        return read_state(self.envs)


@pytest.fixture
def bedroom() -> Session:
    """The game as it stands after the committed intro."""
    session = Session()
    for mask in read_movie(GAME_DIR / "intro.txt"):
        session.step([mask])
    return session


def test_rom_is_the_one_that_the_milestones_name():
    game = find_game(BUNDLED_ROM)
    table = read_milestones(GAME_DIR / "milestones.toml")
    assert game.sha1 == table["rom_sha1"]
    assert game.name == "waystone" and len(game.milestones) == 15
    assert len(game.rom) == 32 * 1024


@pytest.mark.skipif(
    not (shutil.which("sdcc") and shutil.which("make")),
    reason="sdcc or make is missing, so the ROM was NOT rebuilt: apt install sdcc make",
)
def test_rebuilding_gives_the_same_bytes():
    built = subprocess.run(["make", "check"], cwd=GAME_DIR, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr


def test_milestones_of_source_readme_and_table_agree():
    header = (GAME_DIR / "src" / "state.h").read_text()
    block = re.search(r"enum milestone \{(.*?)\}", header, re.DOTALL).group(1)
    source = [name.lower().replace("_", " ") for name in re.findall(r"[A-Z_]+", block)]
    table = [milestone.name for milestone in find_game(BUNDLED_ROM).milestones]
    readme = re.findall(r"^\| \d+ \| ([a-z ]+) \|", (GAME_DIR / "README.md").read_text(), re.M)
    assert source == table == readme


def test_every_movie_reaches_every_milestone_in_order():
    runs = [read_movie(path) for path in MOVIES]
    assert len(runs) >= 8
    assert len({run.tobytes() for run in runs}) == len(runs)
    assert all(280 <= len(run) <= 420 for run in runs)

    session = Session(len(runs))
    first_true = np.full((len(runs), 15), -1)
    for t in range(max(map(len, runs))):
        session.step([run[t] if t < len(run) else 0 for run in runs])
        new = session.milestones() & (first_true < 0)
        first_true[new] = t
    assert (first_true >= 0).all(), f"not reached: {np.argwhere(first_true < 0).tolist()}"
    assert (np.diff(first_true, axis=1) >= 0).all()
    assert (first_true[:, -1] < [len(run) for run in runs]).all()

    assert read_state(session.envs).mode == CREDITS  # THE END stays until Start
    session.step([MASK["Start"]] * len(runs))
    session.step([0] * len(runs))
    assert read_state(session.envs).mode == TITLE


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


def test_a_on_successive_steps_advances_successive_text_boxes():
    session = Session()
    intro = read_movie(GAME_DIR / "intro.txt")
    start = int(np.flatnonzero(intro == MASK["Start"])[0])
    for mask in intro[: start + 1]:
        session.step([mask])
    while not session.state.waiting:
        session.press("-")
    pages = [session.obs[0, 96:].copy()]
    for _ in range(3):
        session.press("A")
        assert session.state.waiting
        pages.append(session.obs[0, 96:].copy())
    assert len({page.tobytes() for page in pages}) == 4
    session.press("A")
    assert session.state.mode == MENU  # four pages, then the names


def test_the_intro_ends_in_the_bedroom(bedroom):
    state = bedroom.state
    assert (state.mode, state.map, state.x, state.y) == (WORLD, BEDROOM, 5, 2)
    assert bedroom.milestones()[0].tolist() == [True, True] + [False] * 13


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


def test_the_guard_blocks_the_way_until_spoken_to():
    player = Player(BUNDLED_ROM.read_bytes(), seed=1)
    player.begin()
    while player.state.map != TOWN:
        player.leave()
    player.go(lambda place: place == (17, 4, "Up"))
    for _ in range(4):
        player.press("Up")
    assert (player.state.x, player.state.y) == (17, 4)
    player.talk(GUARD)
    assert GUARD not in player.state.people
    player.press("Up")
    assert (player.state.x, player.state.y) == GUARD


def test_random_buttons_do_not_get_far():
    session = Session(4)
    rng = np.random.default_rng(0)
    reached = np.zeros((4, 15), dtype=bool)
    for _ in range(300):
        session.step(ACTION_MASKS[rng.integers(0, 8, size=4)])
        reached |= session.milestones()
    assert reached[:, 0].all()  # Start is one button of eight
    assert reached.sum(axis=1).max() <= 5 and not reached[:, -1].any()
