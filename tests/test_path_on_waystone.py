"""The path along the bundled game's runs: truth is in the RAM, the path sees pixels alone."""

import numpy as np
import pytest
import torch
from emurust import VecGameBoy

from games.game import BUNDLED_ROM
from games.movie import FRAME_SKIP, HOLD_FRAMES, read_movie
from games.movie import play as play_movie
from games.player import MASK
from games.waystone import player
from games.waystone.player import Player, read_state
from models.alignment import find_bandwidth, fit_path, run_thumbnails
from models.follower import Follower, follow_run
from models.ordering import rank_correlation

ROM = BUNDLED_ROM.read_bytes()
HELD_OUT = ("run_02", "run_10")  # as data.frames.split_runs chooses
DEFEATED = "run_03"
MOVIES = sorted((BUNDLED_ROM.parent / "movies").glob("*.txt"))


def replay(movie):
    """Return a movie's frames, and the milestones held and HP after each step."""
    game = VecGameBoy(ROM, 1, FRAME_SKIP, hold_frames=HOLD_FRAMES, num_threads=1)
    obs = np.zeros(game.obs_shape(), dtype=np.uint8)
    game.reset(obs)
    frames, milestones, maps = [], [], []
    for _ in play_movie(game, read_movie(movie).frames(), obs):
        state = read_state(game)
        frames.append(obs[0].copy())
        milestones.append(state.milestones.bit_count())
        maps.append(state.map)
    return np.stack(frames), np.array(milestones), np.array(maps)


@pytest.fixture(scope="module")
def runs():
    return {movie.stem: replay(movie) for movie in MOVIES}


@pytest.fixture(scope="module")
def path(runs):
    left_out = (*HELD_OUT, DEFEATED)
    return fit_path([frames for name, (frames, _, _) in runs.items() if name not in left_out])


def follow_all(path, films):
    """Follow runs side by side; return the places of each, in bins, (T,)."""
    follower, places = Follower(path, len(films)), [[] for _ in films]
    for t in range(max(map(len, films))):
        rows = torch.tensor([i for i, film in enumerate(films) if t < len(film)])
        frames = np.stack([films[i][t] for i in rows])
        follower.follow(path.thumbnails(torch.from_numpy(frames)), rows)
        for i, progress in zip(rows, follower.progress(rows).tolist(), strict=True):
            places[i].append(progress * (path.num_bins - 1))
    return list(map(np.array, places))


@pytest.fixture(scope="module")
def milestone_bins(runs, path):
    """Where on the path the training runs reach each milestone, the median, (16,)."""
    films, milestones, _ = zip(
        *(run for name, run in runs.items() if name not in (*HELD_OUT, DEFEATED)), strict=True
    )
    bins = [
        [place[np.argmax(held > number)] for number in range(16)]
        for place, held in zip(follow_all(path, films), milestones, strict=True)
    ]
    return np.median(bins, axis=0)


@pytest.mark.parametrize("name", HELD_OUT)
def test_held_out_runs_are_followed_to_the_end(runs, path, name):
    progress = follow_run(path, runs[name][0])
    assert progress[-1] >= 0.99
    assert rank_correlation(progress, np.arange(len(progress))) >= 0.995


def test_a_run_with_a_defeat_is_followed_through_it(runs, path):
    """Not among those that the path is made of. It takes a dozen frames to be believed that what
    the guard told has to be heard again."""
    frames, _, maps = runs[DEFEATED]
    places = follow_run(path, frames) * (path.num_bins - 1)
    (woke_up,) = np.flatnonzero((maps[1:] == player.BEDROOM) & (maps[:-1] == player.ROUTE)) + 1
    route = places[woke_up - 20 : woke_up].max()
    again_on_the_route = woke_up + np.argmax(maps[woke_up:] == player.ROUTE)
    assert places[woke_up + 16 : woke_up + 24].max() < 0.3 * route
    assert abs(places[again_on_the_route + 8] - places[np.argmax(maps == player.ROUTE) + 8]) < 12
    assert places[-1] >= 0.99 * (path.num_bins - 1)


def sampled_differently(movie, every, phase):
    """Return what a video at another pace shows of a movie: one frame in `every`."""
    game = VecGameBoy(ROM, 1, 1, hold_frames=FRAME_SKIP, num_threads=1)
    obs = np.zeros(game.obs_shape(), dtype=np.uint8)
    game.reset(obs)
    frames = []
    for step, mask in enumerate(read_movie(movie).masks):
        shown = {n + 1 for n in range(FRAME_SKIP) if (step * FRAME_SKIP + n) % every == phase}
        now = 0
        for then in sorted(shown | {HOLD_FRAMES, FRAME_SKIP}):
            game.frame_skip = then - now
            game.step(np.array([mask if now < HOLD_FRAMES else 0], dtype=np.uint8), obs)
            now = then
            if now in shown:
                frames.append(obs[0].copy())
    return np.stack(frames)


def test_recordings_of_another_pace_each_with_a_phase_of_its_own_are_followed():
    """Pictures in the middle of a step of the walk, no two runs with the same but on the grid."""
    films = {
        movie.stem: sampled_differently(movie, 23, 7 * number % 23)
        for number, movie in enumerate(MOVIES[:6])
    }
    held_out = films.pop(HELD_OUT[0])
    path = fit_path(list(films.values()))
    recorded = [run_thumbnails(frames, 16) for frames in films.values()]
    assert find_bandwidth(recorded, recorded) > 5e-4 > 2 * path.config.bandwidth
    progress = follow_run(path, held_out)
    assert progress[-1] >= 0.99
    assert rank_correlation(progress, np.arange(len(progress))) >= 0.99


class Forgetful(Player):
    """Goes on without one thing that all runs do, as far as the game lets it, then to and fro."""

    def __init__(self, seed):
        self.frames = []
        super().__init__(ROM, seed)
        self.wander = self.dawdle = 0.0
        self.sights, self.detours = {area: [] for area in player.SIGHTS}, {}

    def press(self, button):
        super().press(button)
        self.frames.append(self.obs[0].copy())

    def go_without(self, thing):
        """Return the frames of a play that leaves out `thing`."""
        area, cell = {
            "guard": (player.TOWN, (17, 4)),
            "chest": (player.ROUTE, (8, 1)),
            "gate": (player.ROUTE, (8, 1)),
        }[thing]
        self.begin()
        while self.state.map != area or (self.state.x, self.state.y) != cell:
            needed = self.needed()
            if self.state.map == area and not (thing == "gate" and needed == player.CHEST):
                self.walk_to(cell)
            elif needed is not None:
                self.talk(needed)
            else:
                self.walk_to(player.EXITS[self.state.map])
            self.settle()
        if thing == "chest":
            self.talk(player.GATE)  # which stays locked
        ways_out = {player.EXITS[area], *player.SIDE_EXITS[area]}
        stop = len(self.frames) + 200
        while len(self.frames) < stop:
            if self.state.map != area:  # a defeat
                self.walk_to(player.EXITS[self.state.map])
            else:
                near = [
                    (x, y)
                    for y in range(self.state.y - 6, self.state.y + 7)
                    for x in range(self.state.cells.shape[1])
                    if self.state.free(x, y) and (x, y) not in ways_out
                ]
                try:
                    self.walk_to(cell if self.chance(0.5) else self.one_of(near))
                except ValueError:  # behind fences
                    pass
            self.settle()
        return np.stack(self.frames)


WITHOUT = {
    "guard": player.SPOKE_TO_GUARD,
    "chest": player.GOT_KEY,
    "gate": player.OPENED_GATE,
}


@pytest.fixture(scope="module")
def without(path):
    """Plays that leave out a thing, for each and its seed: whether it was reached, and places."""
    players = {(thing, seed): Forgetful(seed) for thing in WITHOUT for seed in (0, 1)}
    films = [forgetful.go_without(thing) for (thing, _), forgetful in players.items()]
    reached = [players[case].state.reached(WITHOUT[case[0]]) for case in players]
    return dict(zip(players, zip(reached, follow_all(path, films), strict=True), strict=True))


@pytest.mark.parametrize("thing", WITHOUT)
@pytest.mark.parametrize("seed", [0, 1])
def test_what_all_runs_do_is_not_passed_by_leaving_it_out(without, milestone_bins, thing, seed):
    reached, places = without[thing, seed]
    there = milestone_bins[WITHOUT[thing]]
    assert not reached
    assert places.max() <= there + 5
    assert places.max() > there - 25  # it has come as far as that


TRICKS = {
    "wait": ["-"] * 400,
    "toggle the menu": ["Start", "B"] * 200,
    "move its cursor": ["Start", *["Down"] * 399],
    "to and fro": ["Up", "Up", "Down", "Down"] * 100,
    "turn about": ["Left", "Right"] * 200,
}


def test_tricks_earn_nothing(path):
    """Wherever an agent does the same for ever, its place stays about where it is.

    After 60, 140 and 300 steps of a movie, each trick in an emulator of its own.
    """
    starts = (60, 140, 300)
    cases = [(steps, trick) for steps in starts for trick in TRICKS]
    one = VecGameBoy(ROM, 1, FRAME_SKIP, hold_frames=HOLD_FRAMES, num_threads=1)
    obs = np.zeros(one.obs_shape(), dtype=np.uint8)
    one.reset(obs)
    leader, row = Follower(path, 1), torch.tensor([0])
    begun = {}
    for steps, mask in enumerate(read_movie(MOVIES[2]).masks[: starts[-1]], start=1):
        one.step(np.array([mask], dtype=np.uint8), obs)
        leader.follow(path.thumbnails(torch.from_numpy(obs)), row)
        if steps in starts:
            begun[steps] = one.export_state(0), leader.save(row)

    game = VecGameBoy(ROM, len(cases), FRAME_SKIP, hold_frames=HOLD_FRAMES, num_threads=1)
    obs = np.zeros(game.obs_shape(), dtype=np.uint8)
    game.reset(obs)
    follower, rows = Follower(path, len(cases)), torch.arange(len(cases))
    for env, (steps, _) in enumerate(cases):
        game.import_state(env, begun[steps][0])
    follower.load(rows, torch.cat([begun[steps][1] for steps, _ in cases]))
    places = [follower.progress(rows)]
    for buttons in zip(*(TRICKS[trick] for _, trick in cases), strict=True):
        game.step(np.array([MASK[button] for button in buttons], dtype=np.uint8), obs)
        follower.follow(path.thumbnails(torch.from_numpy(obs)), rows)
        places.append(follower.progress(rows))
    places = torch.stack(places).numpy() * (path.num_bins - 1)
    for case, way in zip(cases, places.T, strict=True):
        assert way.max() - way[0] < 10, case
        assert way[200:].max() - way[200] < 3, case  # and nothing is won by going on


def test_the_painting_of_the_end_earns_nothing(runs, path):
    painter = Player(ROM, 5)
    painter.frames = []
    painter.wander = painter.dawdle = 0.0
    painter.sights = {area: [] for area in player.SIGHTS}
    follower = Follower(path, 1)

    def press(button, press=painter.press):
        press(button)
        frame = path.thumbnails(torch.from_numpy(painter.obs))
        follower.follow(frame, torch.tensor([0]))
        painter.frames.append(follower.progress(torch.tensor([0])).item() * (path.num_bins - 1))

    painter.press = press
    painter.begin()
    for exit in (player.EXITS[player.BEDROOM], player.EXITS[player.HOUSE]):
        painter.walk_to(exit)
        painter.settle()
    door = (22, 12)
    painter.walk_to(door)
    painter.settle()
    assert painter.state.map == player.PAINTER
    before = len(painter.frames)
    for _ in range(8):
        painter.talk((4, 0))
    for _ in range(60):
        painter.press("A")
    watched = np.array(painter.frames[before:])
    assert len(watched) > 80 and watched.max() < painter.frames[before - 1] + 25
    assert watched.max() < 0.4 * path.num_bins
