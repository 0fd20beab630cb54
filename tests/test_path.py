"""The path: a belief that follows a trajectory and is not talked into anything."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.alignment import (
    BANDWIDTHS,
    align,
    align_runs,
    alike_rows,
    different_frames,
    find_bandwidth,
    fit_path,
    has_text,
    nearest_of,
    run_thumbnails,
    runs_that_show,
    says,
    text_says,
    without_detours,
)
from models.checkpoint import ArtefactError
from models.follower import PATIENCE, SLACK, Follower, follow_run
from models.ordering import rank_correlation
from models.path import BACK, JUMPS, load_path, save_path
from models.progress import PathProgress

LENGTH = 80


def picture(name):
    """A picture of 9x10 tiles in four shades, the same for the same name."""
    seed = int.from_bytes(hashlib.sha256(str(name).encode()).digest()[:4], "little")
    tiles = np.random.default_rng(seed).integers(0, 4, (9, 10)).repeat(16, axis=0)
    return np.repeat((tiles.repeat(16, axis=1) * 85)[..., None], 3, axis=2).astype(np.uint8)


def film(names):
    return np.stack([picture(name) for name in names])


def run_names(length=LENGTH):
    return [f"moment {i}" for i in range(length)]


def loosened(path, bins):
    """The same path, of which so many more bins may be missed."""
    limits = {name: getattr(path, name) + bins for name in ("limit", "told_limit")}
    last = path.num_bins - 1
    return path.changed(**{name: limit.clamp(max=last) for name, limit in limits.items()})


def lingering(names, at, count):
    return names[:at] + [names[at]] * count + names[at:]


@pytest.fixture(scope="module")
def runs():
    names = run_names()
    return [film(names), film(lingering(names, 30, 9)), film(lingering(names, 55, 5))]


@pytest.fixture(scope="module")
def path(runs):
    return fit_path(runs)


def places(path, names):
    return follow_run(path, film(names)) * (path.num_bins - 1)


def test_the_reference_is_cut_into_its_moments(path):
    assert path.num_bins == LENGTH
    assert len(path.bank) == LENGTH
    expected = np.minimum(np.arange(LENGTH) + 2, LENGTH - 1)
    assert path.limit.tolist() == expected.tolist()  # all show all, at once
    assert path.shows.tolist() == [row for row in range(LENGTH) for _ in range(3)]  # three runs
    assert path.shows[path.following].tolist() == [min(r + 1, LENGTH - 1) for r in path.shows]
    assert path.left.tolist() == [LENGTH - 1 - row for row in path.shows]


def test_an_unseen_run_is_followed_to_its_end(path):
    names = lingering(lingering(run_names(), 60, 7), 10, 12)
    progress = follow_run(path, film(names))
    assert progress[0] < 0.01 and progress[-1] > 0.99
    assert rank_correlation(progress, np.arange(len(progress))) > 0.98


def test_turning_back_is_followed_and_waiting_does_not_pay(path):
    names = run_names()
    back = places(path, names[:60] + names[59:20:-1])
    assert back[59] > 58 and abs(back[-1] - 21) < 1
    waiting = places(path, names[:30] + [names[29]] * 200)
    assert abs(waiting[-1] - waiting[40]) < 0.1


def test_the_picture_seen_before_is_no_news(path):
    """Nor is the time that it is looked at: a lost agent that waits is told nothing."""
    follower, row = Follower(path, 1), torch.tensor([0])
    for name in [*run_names()[:20], *[f"strange {i}" for i in range(4)], *run_names()[40:42]]:
        follower.follow(path.thumbnails(torch.from_numpy(film([name]))), row)
    before = follower.save(row)
    for _ in range(100):
        follower.follow(path.thumbnails(torch.from_numpy(film(["moment 41"]))), row)
    assert torch.equal(follower.save(row), before)


def test_pictures_that_are_found_nowhere_else_tell_the_lost_where_they_are(runs, path):
    strange, names = [f"strange {i}" for i in range(10)], run_names()
    free = fit_path(runs[:2])
    assert abs(places(free, [*names[:20], *strange, *names[35:38]])[-1] - 37) < 1
    assert places(free, [*names[:20], *strange, *names[70:73]])[-1] < 20  # too fast
    # Much was not shown.
    assert places(path, [*names[:20], *strange, *names[35:38]])[-1] < 20


def test_goals_lead_back_where_nothing_near_is_recorded(path):
    """To where the followed run waits, and on from there as soon as that is on the screen."""
    follower, row = Follower(path, 1), torch.tensor([0])
    for name in run_names()[:30]:
        follower.follow(path.thumbnails(torch.from_numpy(film([name]))), row)
    before = follower.goals.clone()
    for i in range(20):
        follower.follow(path.thumbnails(torch.from_numpy(film([f"strange {i}"]))), row)
        for goal, expected in zip(follower.goals[0], ("moment 29", "moment 30"), strict=True):
            np.testing.assert_array_equal(path.pictures[int(goal)], picture(expected))
    follower.follow(path.thumbnails(torch.from_numpy(film(["moment 29"]))), row)
    assert torch.equal(follower.goals, before)


def test_goals_lead_back_to_what_is_much_more_like_the_screen(path):
    """Another corner of a room in which the followed run is not."""
    follower, row = Follower(path, 1), torch.tensor([0])
    corner = picture("moment 17").copy()
    corner[:, :48] = picture("strange")[:, :48]
    for frame, goal in ((None, "moment 21"), (corner, "moment 17"), (None, "moment 18")):
        names = run_names()[:21] if goal == "moment 21" else ["moment 17"]
        for shown in film(names) if frame is None else frame[None]:
            follower.follow(path.thumbnails(torch.from_numpy(shown[None])), row)
        assert (path.pictures[int(follower.goals[0, 0])] == picture(goal)).all()
        assert follower.off[0] == (frame is not None)


@pytest.mark.parametrize(("others", "is_off"), [(2, False), (4, False), (8, True)])
def test_goals_lead_on_where_somebody_walks_about(path, others, is_off):
    """Some squares of a picture may be others than when it was recorded, if few."""
    follower, row = Follower(path, 1), torch.tensor([0])
    for name in run_names()[:30]:
        follower.follow(path.thumbnails(torch.from_numpy(film([name]))), row)
    frame = picture("moment 30").copy()
    for i in range(others):
        frame[16 * i : 16 * (i + 1), 16 * i : 16 * (i + 1)] ^= 255
    follower.follow(path.thumbnails(torch.from_numpy(frame[None])), row)
    assert follower.off[0] == is_off
    expected = picture("moment 30" if is_off else "moment 31")
    np.testing.assert_array_equal(path.pictures[int(follower.goals[0, 0])], expected)


@pytest.mark.parametrize("at", [1, 30, LENGTH])
def test_a_frame_unlike_any_run_moves_nothing(path, at):
    """Also at the ends of the path, where a walk can only go one way."""
    followed = places(path, run_names()[:at] + [f"strange {i}" for i in range(50)])
    assert np.abs(followed[at:] - followed[at - 1]).max() < 0.1


def test_what_fits_many_places_moves_nothing():
    """Toggling a menu that looks the same all along the path for ever does not pay."""
    names = []
    for i in range(30):
        names += [f"moment {i}", "menu upper", "menu lower"]
    menus = fit_path([film(names)] * 3)
    toggling = places(menus, names[:46] + ["menu upper", "menu lower"] * 150)
    assert np.abs(toggling[46:] - toggling[45]).max() < 3


def test_a_menu_opened_and_closed_for_ever_does_not_pay():
    """Though the runs show it elsewhere, once, and so it says much."""
    names = run_names()
    path = fit_path([film([*names[:5], *(f"menu {i}" for i in range(6)), *names[5:]])] * 3)
    menu = [f"menu {i}" for i in range(6)]
    toggling = places(path, [*names[:5], *menu, *names[5:40], *(["menu 0", names[39]] * 60)])
    assert np.abs(toggling[46:] - toggling[45]).max() < 0.1
    moving = places(path, [*names[:5], *menu, *names[5:40], *(menu * 20)])
    assert moving[46:].max() < moving[45] + 0.1
    assert np.abs(moving[58:] - moving[52:-6]).max() < 0.1  # a round of it gains nothing


def test_what_runs_do_not_pass_unseen_is_not_passed_by_not_seeing_it(path):
    """A stretch of moments left out: the place stays before it however long one looks beyond."""
    names = run_names()
    beyond = names[52:60]
    to_and_fro = (beyond + beyond[::-1]) * 15
    followed = places(path, names[:40] + to_and_fro)
    assert followed.max() < 41.01


@pytest.mark.parametrize("way", ["leaves it out", "shows it by pictures of its own"])
def test_what_is_left_out_by_some_may_be_and_what_they_do_in_their_own_way_may_not(runs, way):
    """Such as a bakery that they do not visit, and another companion that they choose."""
    names = run_names()
    others = [f"companion {i}" for i in range(20)] if way != "leaves it out" else []
    two = [film([*names[:30], *others, *names[50:]])] * 2
    path = fit_path([*runs, *two], reference=0)
    followed = places(path, [*names[:30], *names[50:58], *names[57:49:-1]])
    if others:
        assert followed.max() < 32
        assert places(path, [*names[:30], *others, *names[50:]])[-1] > LENGTH - 2
    else:
        assert abs(followed[37] - 57) < 1


def test_what_two_runs_pass_unseen_may_be_and_no_more_by_leaving_the_way_sooner(runs):
    names, own = run_names(), [[f"{who} {i}" for i in range(10)] for who in ("one", "other")]
    films = [film([*names[:30], *moments, *names[40:]]) for moments in own]
    path = fit_path([*runs, *runs, films[0]], reference=0)
    assert path.limit[29] == 31  # one of seven may have been lost
    path = fit_path([*runs, *runs, *films], reference=0)
    assert 41 <= path.limit[29] <= 42
    assert path.limit[28] == 30


def test_after_proves_a_place_once_what_is_between_is_shown():
    """In a house out of which one comes by the way that one went in, after a talk."""
    street, room = [f"street {i}" for i in range(20)], [f"room {i}" for i in range(6)]
    talk, onward = [f"talk {i}" for i in range(2)], [f"onward {i}" for i in range(30)]
    path = fit_path([film([*street, *room, *talk, *room[::-1], *street[:14:-1], *onward])] * 3)
    path = loosened(path, 2)
    fronts = []
    for way in (
        [*room, *room[::-1], *street[:14:-1]],
        [*room, *talk, *room[::-1], *street[:14:-1]],
    ):
        follower, row = Follower(path, 1), torch.tensor([0])
        for name in [*street, *way]:
            follower.follow(path.thumbnails(torch.from_numpy(film([name]))), row)
        fronts.append(int(follower.front[0]))
    assert fronts == [path.limit[25], path.limit[38]] == [29, 42]
    assert path.limit[27] == 31  # the way out is no less to be shown


def test_what_one_run_shows_alone_proves_nothing(runs):
    """A menu that it happened to open there can be opened by whoever left out what comes before."""
    names = run_names()
    path = fit_path([*runs, film([*names[:43], "menu", *names[43:]])], reference=0)
    follower, fronts = Follower(path, 1), []
    for name in [*names[:41], "menu", names[41]]:
        follower.follow(path.thumbnails(torch.from_numpy(film([name]))), torch.tensor([0]))
        fronts.append(int(follower.front[0]))
    assert fronts[-2] == fronts[-3] == path.limit[40] and fronts[-1] == path.limit[41]


def test_the_end_seen_early_does_not_pay(path):
    names = run_names()
    painting = names[-6:] * 20
    followed = places(path, names[:20] + painting + names[20:])
    assert followed[20 : 20 + len(painting)].max() < 26
    assert followed[-1] > LENGTH - 2  # and the run goes on afterwards


def test_another_way_that_only_this_run_takes_is_found_again_by_what_follows(path):
    names = run_names()
    other_way = [f"other way {i}" for i in range(20)]
    followed = places(path, names[:30] + other_way + names[50:])
    assert followed[29 + len(other_way)] < 31
    assert followed[-1] > LENGTH - 2


def test_a_defeat_is_followed_back_and_forth_again(path):
    names = run_names()
    followed = places(path, names[:60] + names[5:])
    assert followed[59] > 58
    assert abs(followed[59 + 12] - 16) < 2  # twelve moments after waking up at moment 5
    assert followed[-1] > LENGTH - 2


def test_after_a_battle_longer_than_a_leap_the_place_is_found_again():
    """Its pictures are of its own; a place so far ahead is none right after the last sure one."""
    names = run_names(200)
    path = fit_path([film(names)])
    assert path.config.leap < 100 and path.config.pace == 1
    battle = [f"strange {i}" for i in range(110)]
    assert places(path, names[:20] + battle + names[120:140])[-1] > 138
    assert places(path, names[:20] + battle[:10] + names[120:140])[-1] < 40


def test_a_place_is_not_further_than_the_recorded_pace_allows():
    """Nothing else holds it back: two runs are too few to say what all would show."""
    names = run_names(200)
    path = fit_path([film(names)])
    assert (path.limit == 199).all() and path.config.pace == 1
    path = path.changed(replace(path.config, leap=200))
    followed = places(path, names[:20] + names[120:140])
    elapsed = np.arange(1, 21)
    assert (followed[20:] <= 19 + SLACK + path.config.reach * (elapsed + 1) + 1).all()
    loose = path.changed(replace(path.config, reach=100.0))
    assert places(loose, names[:20] + names[120:140])[-1] > 130


def test_a_start_in_the_middle_is_located(path):
    follower = Follower(path, 2)
    row = torch.tensor([1])
    follower.locate(path.thumbnails(torch.from_numpy(film(["moment 50"]))), row)
    for i in range(50, 70):
        follower.follow(path.thumbnails(torch.from_numpy(film([f"moment {i}"]))), row)
    assert abs(follower.place[1] - 69) <= 1 and follower.sure[1] and follower.place[0] == 0
    follower.locate(path.thumbnails(torch.from_numpy(film(["moment 20"]))), row)
    np.testing.assert_array_equal(path.pictures[int(follower.goals[1, 0])], picture("moment 21"))


def test_the_guide_shows_what_comes_next(path):
    follower = Follower(path, 1)
    for i in range(30):
        row = torch.tensor([0])
        follower.follow(path.thumbnails(torch.from_numpy(film([f"moment {i}"]))), row)
    for goal, expected in zip(follower.goals[0].tolist(), ("moment 30", "moment 32"), strict=True):
        np.testing.assert_array_equal(path.pictures[goal], picture(expected))


def test_the_guide_leads_to_what_is_done_in_a_house_and_not_out_of_it():
    """Going in looks like coming out, which is sooner at the end."""
    street, room = [f"street {i}" for i in range(10)], [f"room {i}" for i in range(5)]
    errand, onward = [f"errand {i}" for i in range(8)], [f"onward {i}" for i in range(30)]
    path = fit_path([film([*street, *room, *errand, *room[3::-1], *street[:7:-1], *onward])] * 3)
    follower, row = Follower(path, 1), torch.tensor([0])
    for names, expected in (
        ([*street, *room[:3]], "room 3"),
        ([room[1]], "room 3"),  # a step back: it waits
        ([room[0]], "room 1"),  # turned back
        ([*room[1:3], "strange", "stranger"], "room 2"),  # it waits, and leads back
        (room[3:], "errand 0"),
        (errand, "room 3"),
        ([room[3], room[2]], "room 1"),
    ):
        for name in names:
            follower.follow(path.thumbnails(torch.from_numpy(film([name]))), row)
        np.testing.assert_array_equal(path.pictures[int(follower.goals[0, 0])], picture(expected))


def test_the_guide_leads_to_a_choice_where_before_it_looks_like_after_it():
    """Whoever comes to the table by a way of his own is led to what is done there."""
    hall, talk = [f"hall {i}" for i in range(10)], [f"talk {i}" for i in range(4)]
    onward = [f"onward {i}" for i in range(30)]
    path = fit_path([film([*hall, "table", *talk, "table", *hall[:6:-1], *onward])] * 3)
    path = loosened(path, 12)
    follower, row = Follower(path, 1), torch.tensor([0])
    for name in [*hall[:6], "strange", "stranger", "table"]:
        follower.follow(path.thumbnails(torch.from_numpy(film([name]))), row)
    assert int(follower.front[0]) > 15  # nothing else holds it back
    np.testing.assert_array_equal(path.pictures[int(follower.goals[0, 0])], picture("talk 0"))


def test_the_guide_does_not_lead_back_to_a_choice_that_was_made():
    """What was believed of the way tells after from before, where the screen does not."""
    hall, talk = [f"hall {i}" for i in range(10)], [f"talk {i}" for i in range(4)]
    onward = [f"onward {i}" for i in range(30)]
    path = fit_path([film([*hall, "table", *talk, "table", *hall[:6:-1], *onward])] * 3)
    follower, row = Follower(path, 1), torch.tensor([0])
    for name in [*hall, "table", *talk, "table", "hall 9"]:
        follower.follow(path.thumbnails(torch.from_numpy(film([name]))), row)
    follower.at[0] = follower.was[0] = path.start  # it followed a run that was never here
    follower.follow(path.thumbnails(torch.from_numpy(film(["hall 8"]))), row)
    np.testing.assert_array_equal(path.pictures[int(follower.goals[0, 0])], picture("hall 7"))


def test_what_is_on_the_screen_already_is_no_goal():
    """A battle of each run's own lies between two looks at one place."""
    names = run_names()
    runs = [
        film([*names[:21], *(f"battle {run} {i}" for i in range(4)), *names[20:]])
        for run in ("hard", "short", "lost")
    ]
    path = fit_path(runs)
    follower, row = Follower(path, 1), torch.tensor([0])
    for name in names[:21]:
        follower.follow(path.thumbnails(torch.from_numpy(film([name]))), row)
    assert (path.pictures[int(follower.goals[0, 0])] == picture("moment 21")).all()


def test_the_guide_does_not_wait_for_ever_for_what_cannot_be_shown(path):
    """It goes on, as far as counts: no further than two moments that may be missed."""
    follower, row, names = Follower(path, 1), torch.tensor([0]), run_names()[:21]
    for name in [*names, *[f"too dear {i % 3}" for i in range(3 * PATIENCE)]]:
        follower.follow(path.thumbnails(torch.from_numpy(film([name]))), row)
    assert path.bins[path.shows[follower.at[0]]] == follower.front[0] == 22


def test_a_run_that_begins_late_is_not_followed_from_the_start(runs):
    path = fit_path([*runs, film(run_names()[40:])], reference=0)
    goal = int(Follower(path, 1).goals[0, 0])
    np.testing.assert_array_equal(path.pictures[goal], picture("moment 1"))


def test_the_guide_leads_back_from_where_only_another_run_went(runs):
    names = run_names()
    corner = [f"corner {i}" for i in range(8)]
    path = fit_path([*runs, film(names[:40] + corner + names[40:])])
    follower = Follower(path, 1)
    for name in names[:40] + corner[:4]:
        follower.follow(path.thumbnails(torch.from_numpy(film([name]))), torch.tensor([0]))
    np.testing.assert_array_equal(path.pictures[int(follower.goals[0, 0])], picture("corner 4"))


def test_following_does_not_depend_on_who_is_followed_beside(path):
    names, other = run_names(), lingering(run_names(), 5, 30)
    alone, together = Follower(path, 1), Follower(path, 2)
    for t in range(60):
        x = path.thumbnails(torch.from_numpy(film([names[t], other[t]])))
        together.follow(x, torch.arange(2))
        alone.follow(x[:1], torch.tensor([0]))
        assert torch.allclose(together.belief[0], alone.belief[0], atol=1e-3)  # float32
        assert together.goals[0].equal(alone.goals[0])


def test_what_is_remembered_can_be_put_back(path):
    """Load, then score: the same number, in any environment, and the same way on from there."""
    progress, names = PathProgress(Follower(path, 2)), run_names()
    both = np.arange(2)

    def shown(names):
        return torch.from_numpy(film(names))

    progress.reset(both)
    for name in names[:20]:
        progress.follow(shown([name, names[0]]), both)
    saved, score = progress.save(both[:1]), progress.score(None, both[:1])
    progress.follow(shown(names[20:21]), both[:1])
    later = progress.score(None, both[:1])
    progress.load(both[1:], saved)
    assert progress.score(None, both[1:]) == score and progress.agrees(shown([names[19]]), both[1:])
    assert not progress.agrees(shown(["strange"]), both[1:])
    progress.follow(shown(names[20:21]), both[1:])
    assert progress.score(None, both[1:]) == pytest.approx(later)


@pytest.mark.parametrize(("since", "told"), [(0, 79), (30, 79), (30, 10)])
def test_filtering_is_bayes_rule(path, since, told):
    """One update equals the sum over all moves, written out."""
    path = path.changed(replace(path.config, leap=20))
    rng = np.random.default_rng(0)
    cells, config = path.num_cells, path.config
    belief = torch.from_numpy(rng.random((1, cells))).float()
    belief /= belief.sum()
    near = torch.from_numpy(rng.random((1, cells))).float() * 8 * config.bandwidth
    near[0, 20:60] = torch.inf
    says, fits = 0.3, np.exp(-near[0].numpy() / config.bandwidth)
    weights = {i: jump for i, jump in enumerate(JUMPS, 1)}
    weights |= {-i: BACK * jump for i, jump in weights.items()}
    total = sum(weights.values())
    before = belief[0].numpy().astype(np.float64)
    moved, peak = (1 - config.walk) * before, int(before.argmax())
    for source in range(cells):
        for move, weight in weights.items():
            if 0 <= source + move < cells:
                moved[source + move] += config.walk * weight / total * before[source]
    unexpected = 1 - (moved * fits).sum()
    moved[:peak] += unexpected * config.behind / peak
    leap = max(config.leap, min(int(config.pace * since), told - peak))
    moved[peak + 1 : peak + leap + 1] += unexpected * config.ahead / leap
    shown = (fits + config.outlier) ** says - config.outlier**says
    expected = moved * shown + before * config.outlier**says
    bounds = torch.tensor([since]), torch.tensor([told])
    updated = path.update(belief, near, torch.tensor([[says]]), *bounds)
    np.testing.assert_allclose(updated[0].numpy(), expected / expected.sum(), rtol=1e-4)


def test_comparing_finds_each_cells_nearest_frame_and_what_it_says(path):
    x = path.thumbnails(torch.from_numpy(film(["moment 20", "moment 3"])))
    near, pictures, common, texts, says = path.compare(x)
    # Its three runs show the same, and no text.
    assert all(torch.equal(near, apart) for apart in (pictures, common, texts))
    full = path.everywhere(x)
    for i in range(2):
        for cell in range(path.num_cells):
            expected = full[i, path.bins == cell].min().item()
            assert near[i, cell] == pytest.approx(expected, abs=1e-6)
    assert near[0, 20] < 1e-6 and near[1, 3] < 1e-6 and (near >= 0).all()
    assert says[:, 0].tolist() == pytest.approx([1.0, 1.0])


def test_a_long_path_is_followed_in_cells_of_some_bins(path, monkeypatch):
    """What a step costs is bounded; places are coarser, goals are not."""
    monkeypatch.setattr("models.path.CELLS", 30)
    monkeypatch.setattr("models.path.LANDMARKS_A_CELL", 2)
    monkeypatch.setattr("models.path.LANDMARKS", 54)
    coarse, names = path.changed(), run_names()
    assert (
        coarse.num_cells == 27 and coarse.bins_a_cell == 3 and coarse.landmarks.shape[:2] == (2, 27)
    )
    follower = Follower(coarse, 1)
    for t, name in enumerate(names):
        follower.follow(coarse.thumbnails(torch.from_numpy(film([name]))), torch.tensor([0]))
        assert abs(follower.progress(torch.tensor([0])).item() - t / LENGTH) < 0.06
        goal = picture(names[min(t + 1, LENGTH - 1)])
        np.testing.assert_array_equal(coarse.pictures[int(follower.goals[0, 0])], goal)
    assert follower.arrived(torch.tensor([0])).item()


def test_lingering_straying_and_turning_back_are_not_progress():
    names = run_names()
    x = torch.from_numpy(np.eye(200, dtype=np.float32))  # any different things
    moments = x[:LENGTH]
    bins = torch.arange(LENGTH)
    strange = list(range(LENGTH, LENGTH + 30))
    for extra in (strange, [40] * 30, list(range(39, 9, -1))):
        order = list(range(40)) + extra + list(range(40, LENGTH))
        way = align(moments, bins, LENGTH, x[order], 2.5e-4, says(x[order], 2.5e-4)).numpy()
        assert way[39] == 39 and way[70] == 40 and way[-1] == len(names) - 1
        assert (way[40:70] <= 40).all()


def with_text(above, text):
    """A picture with the lower third, where texts are, of another."""
    frame = picture(above)
    frame[96:] = picture(text)[96:]
    return frame


def test_a_text_is_what_changes_below_while_the_rest_stays():
    street = [picture(f"street {i}") for i in range(5)]
    talk = [with_text("street 4", f"text {i}") for i in range(3) for _ in range(2)]
    away = [picture(f"road {i}") for i in range(5)]
    found = has_text(run_thumbnails(np.stack([*street, *talk, *away]), 16))
    assert found.tolist() == 5 * [False] + 6 * [True] + 5 * [False]


@pytest.mark.parametrize(("rows", "is_news"), [(slice(112, 128), True), (slice(32, 48), False)])
def test_another_text_in_the_same_box_is_news(path, rows, is_news):
    """Elsewhere as small a change is none: water moves."""
    page = picture("moment 20")
    other = page.astype(np.int16)
    other[rows, 48:64] += np.where(other[rows, 48:64] > 99, -22, 22)
    x = path.thumbnails(torch.from_numpy(np.stack([page, other.astype(np.uint8)])))
    assert 0 < (x[0] - x[1]).square().sum() < path.config.bandwidth
    follower, row = Follower(path, 1), torch.tensor([0])
    for frame in x:
        follower.follow(frame[None], row)
    assert torch.equal(follower.seen[0], x[int(is_news)])


def test_what_is_said_is_aligned_whatever_it_is_said_under():
    """One runs in, talks in the doorway and lingers; another lingers first, talks in a corner."""

    def run(before, where, after):
        street, road = ([picture(f"{name} {i}") for i in range(20)] for name in ("street", "road"))
        rooms = [[picture(f"{where} {i}") for i in range(n)] for n in (before, after)]
        return np.stack(
            [*street, *rooms[0]]
            + [with_text(f"{where} {before - 1}", f"text {i}") for i in range(4)]
            + [*rooms[1][before:], *road]
        )

    aligned = align_runs([run(2, "doorway", 32), run(30, "corner", 34)], 0)
    for i in range(4):
        assert aligned.places[1][50 + i] == aligned.places[0][22 + i]


def talk(where, texts=4):
    """A room with four steps to where something is said, pictures of `where` alone."""
    rooms = [picture(f"{where} {i}") for i in range(4)]
    return [*rooms, *(with_text(f"{where} 3", f"text {i}") for i in range(texts))]


@pytest.fixture(scope="module")
def told():
    """The path of three who walk a street, talk in a corner each, and walk on; its moments."""
    street, road = ([picture(f"{name} {i}") for i in range(30)] for name in ("street", "road"))
    runs = [np.stack([*street, *talk(corner), *road]) for corner in ("left", "middle", "right")]
    return fit_path(runs), street, road


@pytest.mark.parametrize("where", ["another", "left"])
@pytest.mark.parametrize("asked", [True, False])
def test_what_nearly_all_are_told_is_not_passed_untold(told, where, asked):
    """A text proves its place, whatever it is said under; to have stood there does not."""
    path, street, road = told
    assert path.told_limit[[0, 33, 34, 37]].tolist() == [35, 35, 36, path.num_bins - 1]
    frames = np.stack([*street, *talk(where, 4 if asked else 0), *road[:3]])
    for limit in (path.limit, torch.full_like(path.limit, path.num_bins - 1)):
        place = follow_run(path.changed(limit=limit), frames) * (path.num_bins - 1)
        assert place[33] <= 35
        assert abs(place[-1] - 40) < 1 if asked else place[-1] <= 35


@pytest.mark.parametrize(("left_out", "follows"), [(1, True), (12, False)])
def test_few_moments_prove_what_is_just_beyond_an_untold_text(told, left_out, follows):
    """A talk that one was too quick to be seen at happens once; what is far beyond takes more."""
    path, street, road = told
    beyond, before = road[left_out : left_out + 5], picture("never seen before")
    frames = np.stack([*street, *talk("another", 0), *beyond[:4], before, *beyond[:4]])
    assert follow_run(path, frames).max() * (path.num_bins - 1) < 36
    place = follow_run(path, np.stack([*street, *talk("another", 0), *beyond])) * path.num_bins
    assert (place[-1] > 40) == follows


def test_a_text_just_beyond_is_heard(told):
    """Who shows what is said next was told, if its first words fell between two frames."""
    path, street, _ = told
    follower, frames = Follower(path, 1), talk("another")
    for frame in [*street, *frames[:4], *frames[6:]]:
        follower.follow(path.thumbnails(torch.from_numpy(frame[None])), torch.tensor([0]))
        if follower.told.any():
            assert follower.told[0].nonzero()[:, 0].tolist() == [37]
    assert path.told_limit[33] == 35 and follower.front_told[0] == path.num_bins - 1


@pytest.mark.parametrize(("frames", "goes_back"), [(5, False), (20, True)])
def test_to_before_what_was_told_only_a_dozen_frames_lead_back(
    told, frames, goes_back, monkeypatch
):
    """A room that is entered again looks as it did; a defeat leads through many such."""
    monkeypatch.setattr("models.path.EARLIER", 0)
    path, street, road = told
    path = path.changed()
    play = np.stack([*street, *talk("another"), *road[:10], *street[4 : 4 + frames]])
    at = 4 + frames - 1 if goes_back else 47
    assert abs(follow_run(path, play)[-1] * (path.num_bins - 1) - at) < 1
    readily = path.changed(replace(path.config, undone=path.config.behind))
    assert abs(follow_run(readily, play)[-1] * (path.num_bins - 1) - (4 + frames - 1)) < 1


def test_a_text_moves_the_place_and_does_not_count_below_another_picture(told):
    path, street, _ = told
    progress, env = PathProgress(Follower(path, 1)), np.array([0])
    for frame in [*street, *talk("left", 0)]:
        progress.follow(torch.from_numpy(frame[None]), env)
    before = progress.score(None, env)
    for above, counts in (("pack", False), ("left 3", True)):
        progress.follow(torch.from_numpy(with_text(above, "text 0")[None]), env)
        assert progress.score(None, env) > before
        assert progress.counts(env).tolist() == [counts]


@pytest.mark.parametrize(("moments", "follows"), [(4, False), (5, True)])
def test_what_is_shown_is_soon_believed_where_nothing_is_untold(told, moments, follows):
    """The first of five moments is that at which it is found; the four after it are shown."""
    path, street, road = told
    frames = [*street, *talk("another"), *road[12 : 12 + moments]]
    place = follow_run(path, np.stack(frames)) * (path.num_bins - 1)
    assert path.limit[37] == 39
    assert abs(place[-1] - 54) < 1 if follows else place[-1] <= 39


def test_a_text_is_compared_by_itself_where_it_tells(told):
    path, street, _ = told
    texts = [with_text("another 3", text) for text in ("text 2", "never told")]
    x = path.thumbnails(torch.from_numpy(np.stack([*texts, street[9]])))
    near, pictures, common, texts, says = path.compare(x)
    expected = (near, [[36], [], [9]]), (pictures, [[], [], [9]]), (texts, [[36], [], []])
    for apart, cells in expected:
        alike = apart < path.config.bandwidth
        assert [some.nonzero()[:, 0].tolist() for some in alike] == cells
    assert near[0, 36] < 1e-6 and common[0, 36] < 1e-6 and says[0] == 1
    assert path.everywhere(x)[0].min() > path.config.bandwidth  # whole pictures
    alone = path.changed(common=torch.zeros_like(path.common))
    near, _, common, texts, _ = alone.compare(x)
    assert near[0, 36] < 1e-6 and torch.isinf(common).all() and torch.isinf(texts).all()


@pytest.mark.parametrize("count", [0, 1, 700])
def test_all_rows_within_a_distance_are_found_though_few_are_compared(count):
    """As when each is compared with each; of two that lie just within or beyond it, the one."""
    draw = np.random.default_rng(3)
    x = torch.from_numpy(draw.random((count, 90), dtype=np.float32)) / 9
    y = torch.cat([x + 1e-3 * step for step in (0.0, 1.0, 2.0, 5.0)] + [x.flip(0) * 1.3])
    found = torch.zeros(len(x), len(y), dtype=torch.bool)
    apart = (x[:, None].double() - y.double()).square().sum(dim=2)
    for rows, which, of_y, squared in alike_rows(x, y, 2.3e-4):
        found[rows[which], of_y] = True
        assert squared.numpy() == pytest.approx(apart[rows[which], of_y].numpy(), abs=2e-6)
    assert torch.equal(found, apart < 2.3e-4)
    shifted = y[count:] - 5e-4
    squared = (x[:, None].double() - shifted.double()).square().sum(dim=2).tolist()
    nearest = [min(row) for row in squared]
    assert nearest_of(shifted, x, 1.0).tolist() == pytest.approx(nearest, abs=2e-6)
    assert (nearest_of(shifted, x, 1e-5) == 1e-5).all()
    assert found.sum() >= 2 * count and not found[:, 3 * count : 4 * count].any()


def test_a_text_that_is_shown_in_many_places_says_little():
    """A text of one place says all, of three a ninth; scenery that looks like one nothing."""
    walk = run_thumbnails(film([f"walk {i}" for i in range(200)]), 16)
    bank = torch.from_numpy(np.stack([picture(f"walk {i}") for i in range(200)]))
    for at, text in ((20, "once"), (40, "often"), (120, "often"), (190, "often")):
        bank[at] = torch.from_numpy(with_text(f"walk {at - 1}", text))
    bank = run_thumbnails(bank.numpy(), 16)
    names = [f"other {i}" for i in range(8)]
    run = np.stack([*film(names), with_text("other 7", "once"), with_text("other 7", "often")])
    run = np.concatenate([run, with_text("other 7", "never")[None], film(["walk 60"])])
    says_so = text_says(run_thumbnails(run, 16), bank, torch.arange(200))
    assert says_so.tolist() == pytest.approx(8 * [0] + [1, 1 / 9, 0, 0])
    assert (text_says(walk, bank, torch.arange(200)) == 0).all()


def test_a_band_around_the_best_place_is_enough(monkeypatch):
    """The way found is the same, with a stop, a corner, and some steps back, in 40 of 300 bins."""
    x = torch.eye(400)
    order = [*range(120), *[119] * 50, *range(300, 330), *range(120, 180), *range(179, 165, -1)]
    order += [*range(166, 300)]
    known = x[:300], torch.arange(300), 300, x[order], 2.5e-4, says(x[order], 2.5e-4)
    whole = align(*known)
    monkeypatch.setattr("models.alignment.BAND", 40)
    banded = align(*known)
    assert torch.equal(banded, whole)
    shown = torch.tensor(order) < 300
    assert torch.equal(whole[shown], torch.tensor(order)[shown])


def test_another_way_to_the_same_place_rises_evenly_and_the_next_run_on_it_alike(runs):
    names = run_names()
    other = names[:30] + [f"bypass {i}" for i in range(20)] + names[50:]
    path = fit_path([*runs, film(other), film(lingering(other, 35, 6))])
    nearest = path.everywhere(path.thumbnails(torch.from_numpy(film(other)))).argmin(dim=1)
    bins = path.bins[nearest].numpy()
    assert (np.diff(bins) >= 0).all() and abs(bins[40] - 40) <= 1
    assert len(path.bank) == LENGTH + 20  # the second run on it added nothing
    assert path.limit[:-2].tolist() == list(range(2, LENGTH))  # neither way passes it


def test_a_detour_of_the_reference_is_no_height_of_the_path():
    places = [
        torch.arange(30),
        torch.cat([torch.arange(10), torch.arange(20, 30)]),
        torch.cat([torch.arange(10), torch.arange(20, 30)]),
        torch.cat([torch.arange(10), torch.arange(20, 30)]),
    ]
    renumbered = without_detours(places, 0, 30)
    assert renumbered[0].max() == 21  # 8 of the 10 bins are out, their edges are kept
    assert (renumbered[0].diff() >= 0).all() and renumbered[1][-1] == 21


def test_it_is_counted_how_many_others_show_a_frame_about_there():
    x = torch.eye(60)
    runs = [
        x[:20],
        x[[*range(10), *range(30, 35), *range(15, 20)]],
        x[[*range(40, 50), *range(10)]],
    ]
    places = [torch.arange(20)] * 2 + [torch.arange(10, 30)]
    both = runs_that_show(runs, places, 2.5e-4)
    assert all(torch.equal(*count) for count in both)  # nothing has a text
    counts = [count[0] for count in both]
    assert counts[0].tolist() == [2] + [1] * 9 + [0] * 5 + [1] * 4 + [2]  # its ends count for all
    assert counts[1].tolist() == counts[0].tolist()
    assert counts[2].tolist() == [2] + [0] * 18 + [2]  # the others show it, but far away
    assert all(count.all() for count in runs_that_show(runs[:1], places[:1], 2.5e-4))


def test_a_text_under_other_pictures_is_common_and_no_goal(told):
    """What a menu says is the same wherever it is opened."""
    runs = [np.stack(talk(where)) for where in ("left", "middle", "right")]
    small = [run_thumbnails(run, 16) for run in runs]
    for count in runs_that_show(small, [torch.arange(8)] * 3, told[0].config.bandwidth):
        assert count[0, 1:-1].tolist() == 6 * [0]
        assert count[1, 1:-1].tolist() == 3 * [0] + 3 * [2]


def test_what_few_runs_caught_is_no_goal(runs):
    """The instant of a fade that two of eight recordings have."""
    names = run_names()
    caught = film([*names[:40], "fade", *names[40:]])
    path = fit_path([*[film(names)] * 6, caught, caught], reference=7)
    follower = Follower(path, 1)
    for name in names[:40]:
        follower.follow(path.thumbnails(torch.from_numpy(film([name]))), torch.tensor([0]))
    for goal in follower.goals[0].tolist():
        assert not (path.pictures[goal] == picture("fade")).all()


def test_the_bandwidth_is_the_noise_between_runs():
    rng = np.random.default_rng(0)
    scenes = torch.from_numpy(rng.random((60, 128))).float() / 11.3  # mean squares of about 1/6
    for noise in (0.0, 5e-4):
        runs = [
            scenes + torch.randn(60, 128, generator=torch.Generator().manual_seed(i))
            * (noise / 2 / 128) ** 0.5
            for i in range(3)
        ]  # fmt: skip
        expected = max(noise, BANDWIDTHS[0])
        assert find_bandwidth(runs, runs) == pytest.approx(expected, rel=0.35)


def test_a_recording_that_stopped_early_is_not_the_measure():
    """It has the fewest different frames, too."""
    names = run_names()
    runs = [
        film([*names[:12], *[names[11]] * 60]),
        film(names),
        film([*names[:30], "x", *names[30:]]),
    ]
    aligned = align_runs(runs)
    assert aligned.reference == 1 and aligned.different == [12, len(names), len(names) + 1]
    assert align_runs(runs, reference=0).reference == 0


def test_an_end_that_only_the_measure_shows_is_no_limit_beyond_all_numbers():
    """Its last moment differs by a little more from the one before than what is no news."""
    frames = film(run_names(30)) // 2
    end = np.stack([frames[-1] + 3, frames[-1] + 5])
    others = [
        np.concatenate([frames[:15], film([f"a{k}", f"b{k}"]), frames[15:], end[:1]])
        for k in range(3)
    ]
    runs = [np.concatenate([frames, end]), *others]
    path = fit_path(runs)
    assert (path.limit[:-1] > torch.arange(path.num_bins - 1)).all()
    assert path.limit.max() == path.num_bins - 1


def test_the_most_direct_run_is_the_measure():
    """A shorter run with a detour is not: with it, the detour would be progress."""
    direct = film([name for name in run_names() for _ in range(2)])
    names = run_names()
    astray = film(names[:50] + [f"corner {i}" for i in range(20)] + names[50:])
    assert different_frames(direct) == LENGTH and different_frames(astray) == LENGTH + 20
    assert fit_path([astray, direct]).num_bins == LENGTH


def test_a_file_that_compares_by_other_squares_than_it_holds_is_refused(path, tmp_path):
    save_path(tmp_path / "path.pkl", path.changed(replace(path.config, pool=8)))
    with pytest.raises(ArtefactError, match="not of the size"):
        load_path(tmp_path / "path.pkl")


@pytest.mark.parametrize(
    "part",
    ["bins", "says", "texts", "common", "limit", "told_limit", "shows", "following", "left"],
)
def test_a_file_whose_parts_do_not_fit_each_other_is_refused(path, tmp_path, part):
    path = path.changed()
    setattr(path, part, getattr(path, part)[:-1].flip(0))
    save_path(tmp_path / "path.pkl", path)
    with pytest.raises(ArtefactError):
        load_path(tmp_path / "path.pkl")


def test_the_file_gives_the_same_places_and_pictures(path, tmp_path):
    save_path(tmp_path / "path.pkl", path)
    again, run = load_path(tmp_path / "path.pkl"), film(run_names())
    np.testing.assert_array_equal(follow_run(again, run), follow_run(path, run))
    for row in (0, 17, len(path.bank) - 1):
        np.testing.assert_array_equal(again.pictures[row], path.pictures[row])
        assert (run == again.pictures[row]).all(axis=(1, 2, 3)).any()
    with pytest.raises(ArtefactError, match="no reward_path file"):
        load_path(tmp_path / "none.pkl")


def test_what_shows_nothing_is_refused():
    for nothing in ([], [film(["same"])[:0]]):
        with pytest.raises(ValueError, match="needs runs of frames"):
            fit_path(nothing)
    with pytest.raises(ValueError, match=r"frames are all alike.*other recordings"):
        fit_path([film(["same"] * 30)])
    with pytest.raises(ValueError, match=r"frames are all alike.*--reference-run"):
        fit_path([film(["same"] * 30), film(run_names())], reference=0)


def test_to_turn_round_on_an_errand_is_not_to_come_back_with_it():
    """The way back looks like the way out: what it shows says less than what comes once."""
    way = [f"way {i}" for i in range(40)]
    names = [*run_names(10), *way, *(f"errand {i}" for i in range(20)), *way[::-1]]
    names += [f"beyond {i}" for i in range(20)]
    path = fit_path([film(names)] * 3)
    for turn in (15, 25, 35):
        turned = places(path, [*names[: 10 + turn], *way[:turn][::-1], *names[9::-1]])
        assert turned.max() < 10 + turn + 4
    assert places(path, names)[-1] > len(names) - 2


def test_a_way_back_that_looks_a_little_otherwise_is_not_the_errand_done_either():
    """Whoever walks back faces the other way; a town that was not seen before is another matter."""

    def turned(names):
        frames = film(names)
        frames[:, 64:80, 80:96] ^= 32  # a player in the middle of the screen
        return frames

    way, town = [f"way {i}" for i in range(40)], [f"town {i}" for i in range(40)]
    errand = [f"errand {i}" for i in range(20)]
    frames = [film([*run_names(10), *way, *errand]), turned(way[::-1]), film(town)]
    path = fit_path([np.concatenate(frames)] * 3)
    assert path.num_bins == 150
    other = [f"other {i}" for i in range(60)]  # long enough to have been there
    for after, place in ((turned(way[30::-1]), 40), (film([*other, *town]), 149)):
        early = np.concatenate([film([*run_names(10), *way[:31]]), after])
        assert abs(follow_run(path, early)[-1] * 149 - place) < 2


def test_walking_backwards_beyond_what_was_passed_proves_nothing(path):
    names = run_names()
    waiting = [f"strange {i}" for i in range(80)]
    followed = places(path, names[:20] + waiting + names[75:45:-1] * 2)
    assert followed.max() < 30


def test_a_recording_that_stops_early_is_no_dead_end(runs):
    names = run_names()
    path = fit_path([*runs, film(names[:40])], reference=0)
    follower = Follower(path, 1)
    for name in names[:40]:
        follower.follow(path.thumbnails(torch.from_numpy(film([name]))), torch.tensor([0]))
    np.testing.assert_array_equal(path.pictures[int(follower.goals[0, 0])], picture("moment 40"))
    # What it did not come to, it did not miss.
    assert path.limit[: LENGTH - 2].tolist() == list(range(2, LENGTH))
    moment = torch.arange(len(path.shows))
    assert ((path.following != moment) | (path.bins[path.shows] == path.num_bins - 1)).all()


def test_a_recording_that_turned_back_and_stopped_leads_to_the_end_too():
    names = run_names()
    path = fit_path([film(names), film([*names[:40], *names[39:19:-1], "corner"])], reference=0)
    at = torch.arange(len(path.shows))
    for _ in range(2 * len(path.shows)):
        at = path.following[at]
    assert (path.bins[path.shows[at]] == path.num_bins - 1).all()


def test_runs_of_different_games_are_refused():
    strangers = [film([f"game {game}, moment {i}" for i in range(60)]) for game in range(3)]
    for some in (2, 3):
        with pytest.raises(
            ValueError, match="runs of one game, got runs of which less than 10% is"
        ):
            fit_path(strangers[:some])
