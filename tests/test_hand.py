"""Players as people are: a hand that works in frames, and the runs of waystone recorded with it."""

from itertools import groupby, pairwise

import numpy as np
import pytest
from emurust import VecGameBoy

from games.game import BUNDLED_ROM, find_game
from games.movie import play, read_movie
from games.player import FACING, MASK, MOVES, STEP_FRAMES, TURN_FRAMES, WORLD
from games.waystone import player
from games.waystone.player import BEDROOM, Person, read_state

ROM = BUNDLED_ROM.read_bytes()
GAME = find_game(BUNDLED_ROM)
PEOPLE = sorted((BUNDLED_ROM.parent / "people").glob("*.txt"))


def states_of(path):
    """Return the states of a recorded run, two a second, and its milestones at the end."""
    game = VecGameBoy(ROM, 1, num_threads=1)
    obs = np.zeros(game.obs_shape(), dtype=np.uint8)
    game.reset(obs)
    states = [read_state(game) for _ in play(game, read_movie(path).frames(), obs)]
    return states, GAME.milestones_held(game.read_memory_batch)[0]


@pytest.fixture(scope="module")
def replays():
    return [states_of(path) for path in PEOPLE]


def presses(path):
    """Return button and frames of each press, and the frames of each rest."""
    runs = [(mask, len(list(run))) for mask, run in groupby(read_movie(path).frames().tolist())]
    return [run for run in runs if run[0]], [length for mask, length in runs if not mask]


def test_all_recorded_people_win(replays):
    assert len(PEOPLE) >= 6
    for states, milestones in replays:
        assert milestones.all()
        assert 2 * 120 <= len(states) <= 2 * 250


def test_a_person_is_recorded_again_byte_for_byte(tmp_path):
    player.main(player.Args(people=True, runs=1, out=tmp_path))
    assert (tmp_path / "run_00.txt").read_bytes() == PEOPLE[0].read_bytes()


def test_people_hold_the_pad_and_walk_two_cells_between_samples(replays):
    walked = []
    for states, _ in replays:
        for before, after in pairwise(states):
            if before.mode == after.mode == WORLD and before.map == after.map:
                walked.append(abs(after.x - before.x) + abs(after.y - before.y))
    shares = np.bincount(walked, minlength=4) / len(walked)
    assert shares[2] > 0.3 and shares[1] > 0.1 and shares[0] > 0.05
    assert max(walked) <= 3  # over a ledge


def test_people_press_at_their_own_moments_and_never_twice_the_same():
    for path in PEOPLE:
        pressed, rests = presses(path)
        taps = [length for mask, length in pressed if mask not in FACING]
        assert len(set(taps)) >= 5 and len(set(rests)) >= 20
        assert 2 <= min(taps) and np.median(taps) < 15
    openings = {tuple(presses(path)[0][:20]) for path in PEOPLE}
    assert len(openings) == len(PEOPLE)


def test_people_take_other_ways_and_battles(replays):
    visited = {frozenset(state.map for state in states) for states, _ in replays}
    fights = {
        tuple((state.map, state.x, state.y) for state in states if state.foe)
        for states, _ in replays
    }
    assert len(visited) >= 3 and len(fights) == len(PEOPLE)


@pytest.fixture
def person():
    """Somebody in the bedroom who makes no mistakes but in letting go."""
    person = Person(ROM, seed=0)
    person.slip = person.wander = person.dawdle = 0.0
    person.begin()
    assert (person.state.map, person.state.x, person.state.y) == (BEDROOM, 5, 2)
    return person


def places_on_the_way(person, cell):
    places, step = [], person.step

    def watch(button):
        step(button)
        places.append((person.state.x, person.state.y))

    person.step = watch
    assert person.walk_to(cell)
    return places


def test_a_walk_is_held_from_one_direction_into_the_next(person):
    person.let_go = lambda: STEP_FRAMES / 2
    before = len(person.steps)
    places = places_on_the_way(person, (7, 4))
    held = person.steps[before:]
    walked = held[: max(i for i, mask in enumerate(held) if mask) + 1]
    assert set(walked) <= {MASK[name] for name in MOVES}  # never let go on the way
    assert len(walked) <= 4 * STEP_FRAMES + 2 * TURN_FRAMES
    assert len(set(places)) == 5  # no cell too many


@pytest.mark.parametrize("frames, too_far", [(-20, False), (30, True)])
def test_who_lets_go_too_early_or_too_late_still_arrives(person, frames, too_far):
    times = iter([frames])
    person.let_go = lambda: next(times, STEP_FRAMES / 2)
    places = places_on_the_way(person, (7, 2))
    assert places[-1] == (7, 2) and ((8, 2) in places) == too_far
    assert len(places) > 2 * STEP_FRAMES + TURN_FRAMES + 2 * STEP_FRAMES  # a second try


def test_a_clumsy_person_wins_too():
    person = Person(ROM, seed=3)
    person.slip, person.wander, person.dawdle = 0.2, 0.2, 0.3
    movie = person.win(900)
    assert person.state.reached(player.ENDING) and movie.frame_skip == 1
