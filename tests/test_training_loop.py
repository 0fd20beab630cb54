"""PPO, its environments and evaluation, tiny, on the bundled game."""

import io
import json
import shutil
import signal
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from emurust import VecGameBoy
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import evaluate_policy
import playing
import train_with_cnn_reward as training_script
from cli import run_script
from curriculum import CurriculumEnvs, Start, play_start
from data.demo.prepare import replay
from games.actions import BUTTONS, action_masks
from games.game import BUNDLED_ROM, find_game
from games.movie import Movie
from models.actor_critic import Outlook, load_policy
from models.alignment import fit_path
from models.archive import Entry
from models.checkpoint import load_checkpoint
from models.follower import Follower, follow_run
from models.path import load_path, save_path
from models.progress import PathProgress
from report.pictures import draw_video
from tests.tiny_training import MOVIE, ppo_args, write_ppo_artefacts

GAME = find_game(BUNDLED_ROM)
INTRO = BUNDLED_ROM.parent / "intro.txt"


@pytest.fixture(scope="module")
def artefacts(tmp_path_factory):
    """A path along one recorded run, a random encoder, a random reward model."""
    return write_ppo_artefacts(tmp_path_factory.mktemp("artefacts"))


@pytest.fixture
def args(artefacts, tmp_path):
    return ppo_args(artefacts, tmp_path / "checkpoints")


def make_envs(args, **changes):
    args = replace(args, **changes)
    progress = PathProgress(Follower(load_path(args.reward_model), args.num_envs))
    return CurriculumEnvs(args, GAME, progress, np.random.default_rng(0))


def play_movie(envs, steps):
    """Play the recorded run in every environment; returns the rewards, (steps, N)."""
    return np.array(
        [envs.step(np.full(envs.config.num_envs, int(mask).bit_length() - 1))[0] for mask in steps]
    )


def single_buttons(masks):
    """Keep the presses of one button; waiting becomes Select, which the game ignores."""
    return np.where(masks == 0, 64, masks)


def test_every_action_arrives_in_the_game_as_its_own_button():
    """8 environments, one action each: the byte where the game keeps its buttons shows which."""
    emulators = VecGameBoy(GAME.rom, 8, frame_skip=8, hold_frames=8)
    obs = np.zeros(emulators.obs_shape(), dtype=np.uint8)
    emulators.reset(obs)
    for _ in range(40):
        emulators.step(np.zeros(8, dtype=np.uint8), obs)

    def places_of(values):
        return (emulators.read_memory_batch(0xC000, 0x2000) == np.reshape(values, (8, 1))).all(0)

    before = places_of(np.zeros(8))
    emulators.step(action_masks(np.arange(8)), obs)
    assert (before & places_of([1, 2, 4, 8, 16, 32, 64, 128])).any()


def test_reward_is_progress_minus_time(args):
    envs = make_envs(args, num_envs=1, episode_steps=1000, fresh_share=1.0)
    start = envs.score[0]
    rewards = play_movie(envs, single_buttons(MOVIE[:120]))
    expected = args.progress_scale * (envs.score[0] - start) - 120 * args.time_penalty
    assert rewards.sum() == pytest.approx(expected, abs=1e-4)
    assert envs.score[0] > start + 0.2


def test_new_heights_are_paid_alone(args):
    """A shop may lie behind: the way there costs nothing, and the way back is paid once. What a
    menu makes of the place is not paid before the screen is like what is recorded there."""
    envs = make_envs(args, num_envs=1, episode_steps=1000, fresh_share=1.0, time_penalty=0.0)
    start = envs.score[0]
    scores = iter(np.float32([0.2, 0.1, 0.2, 0.0, 0.3, 0.5, 0.4]) + start)
    counts = iter([True, True, True, True, True, False, True])
    envs.progress.score = lambda frames, rows: next(scores)[None]
    envs.progress.counts = lambda rows: np.array([next(counts)])
    rewards = [envs.step(np.array([BUTTONS.index("Select")]))[0][0] for _ in range(7)]
    expected = args.progress_scale * np.array([0.2, 0, 0, 0, 0.1, 0, 0.1])
    assert rewards == pytest.approx(expected, abs=1e-4)


def test_what_the_guide_waits_for_is_paid_once_an_episode(args):
    envs = make_envs(args, num_envs=2, episode_steps=1000, fresh_share=1.0, follow_reward=0.5)
    assert envs.shown.shape == (2, len(envs.progress.follower.path.shows))
    moments = iter([(3, -1), (4, 4), (3, 4), (5, -1)])
    envs.progress.advanced = lambda rows: np.array(next(moments))
    plain = make_envs(args, num_envs=2, episode_steps=1000, fresh_share=1.0)
    wait = np.full(2, BUTTONS.index("Select"))
    paid = [envs.step(wait)[0] - plain.step(wait)[0] for _ in range(4)]
    assert np.allclose(paid, [(0.5, 0), (0.5, 0.5), (0, 0), (0.5, 0)])
    envs.restart(np.array([0]))
    assert not envs.shown[0].any() and envs.shown[1].sum() == 1


def test_a_recorded_run_shows_what_the_guide_waits_for(args):
    """And to open and close a menu is paid once at most, wherever that is."""
    envs = make_envs(args, num_envs=1, episode_steps=1000, fresh_share=1.0, follow_reward=1.0)
    play_movie(envs, single_buttons(MOVIE[:120]))
    shown = int(envs.shown.sum())
    assert 60 < shown <= 120
    for button in ["Start", "B"] * 20:
        envs.step(np.array([BUTTONS.index(button)]))
    assert envs.shown.sum() - shown <= 2


def test_the_interval_pays_the_same_in_fewer_parts(args):
    totals = []
    for interval in (1, 8):
        envs = make_envs(args, num_envs=1, episode_steps=1000, reward_interval=interval)
        rewards = play_movie(envs, single_buttons(MOVIE[:96]))[:, 0]
        totals.append(rewards.sum())
    unpaid = np.isclose(rewards, -args.time_penalty)
    assert unpaid.reshape(12, 8)[:, :7].all()
    assert totals[0] == pytest.approx(totals[1], abs=1e-4) and totals[0] > 0.5


def test_a_loaded_state_scores_as_when_it_was_saved(args):
    """The archived score and state belong to the same frame, in whichever environment."""
    envs = make_envs(args, num_envs=2, episode_steps=1000)
    play_movie(envs, single_buttons(MOVIE[:100]))
    entries = [entry for cell in envs.archive.cells for entry in cell]
    assert len(entries) > 20
    for entry in entries[::5]:
        assert entry.context.untyped_storage().nbytes() == 4 * entry.context.numel()
        assert envs.load(np.array([1]), [entry]).all()
        assert envs.score[1] == pytest.approx(entry.progress, abs=1e-4)


def test_a_jump_to_an_archived_state_is_no_reward(args):
    envs = make_envs(args, num_envs=2, episode_steps=1000, fresh_share=0.0)
    play_movie(envs, single_buttons(MOVIE[:150]))
    best = max((e for cell in envs.archive.cells for e in cell), key=lambda e: e.progress)
    envs.archive.cells = [[] for _ in envs.archive.cells]
    envs.archive.cell(best.progress).append(best)
    before = envs.score[0]
    envs.emulators.parts[0].reset(envs.obs, 0)
    envs.progress.reset(np.array([0]))
    envs.score[0] = envs.paid_score[0] = 0.0
    envs.restart(np.array([0]))
    assert envs.score[0] == pytest.approx(best.progress, abs=1e-4) and not envs.is_fresh[0]
    reward, _, _ = envs.step(np.full(2, BUTTONS.index("Select")))
    assert abs(reward[0]) < args.progress_scale * 0.05
    assert before > 0.2  # what a jump from the beginning would have paid


def test_every_other_restart_is_as_far_as_a_fresh_episode_came_lately(args):
    envs = make_envs(args, num_envs=2, fresh_share=0.0)
    play_movie(envs, single_buttons(MOVIE[:3]))
    envs.best_score[0] = 0.305
    envs.restart(np.array([0]))
    assert list(envs.ends) == pytest.approx([0.305])
    again = make_envs(args, num_envs=2)
    again.load_state_dict(envs.state_dict())
    assert again.ends == envs.ends
    envs.archive.cells = [[Entry(b"", torch.empty(0), i / 50)] for i in range(50)]
    drawn = np.array([envs._choose().progress for _ in range(2000)])
    assert 0.45 < (drawn == 15 / 50).mean() < 0.55  # by its rank alone: 1.3%
    envs.archive.cells[15].clear()
    drawn = np.array([envs._choose().progress for _ in range(2000)])
    assert 0.45 < (drawn == 14 / 50).mean() < 0.55


def test_a_state_that_scores_otherwise_is_dropped(args):
    envs = make_envs(args, num_envs=2, episode_steps=1000, fresh_share=0.0)
    play_movie(envs, single_buttons(MOVIE[:60]))
    true = envs.archive.sample(np.random.default_rng(0))
    envs.archive.cells = [[] for _ in envs.archive.cells]
    lie = Entry(true.state, true.context, 0.99)
    envs.archive.add(lie, np.random.default_rng(0))
    envs.restart(np.array([0]))
    assert len(envs.archive) == 0 and envs.rejected == 1 and envs.is_fresh[0]


def test_truncation_is_by_steps_and_restarts_the_environment(args):
    envs = make_envs(args, episode_steps=8)
    assert envs.episode_steps.tolist() == [0, 2, 4, 6]  # staggered at first
    for step in range(1, 9):
        _, terminated, truncated = envs.step(np.zeros(4, dtype=int))
        assert not terminated.any()
        assert np.flatnonzero(truncated).tolist() == {2: [3], 4: [2], 6: [1], 8: [0]}.get(step, [])
        envs.restart(np.flatnonzero(truncated))
    assert envs.episode_steps.tolist() == [0, 2, 4, 6]


def test_a_rollout_marks_cuts_and_bootstraps_from_the_last_real_frame(args, monkeypatch):
    args = replace(args, gru=False, episode_steps=6, start_movie=INTRO)
    agent = training_script.make_agent(args, GAME)
    restart, last_frames, last_paid = agent.envs.restart, [], []
    last_goals, last_places = [], []
    follower = agent.envs.progress.follower

    def watched_restart(cut):
        last_frames.append(agent.envs.frames[cut].clone())
        last_paid.append(agent.envs.paid_score[cut].copy())
        last_goals.append(follower.goals[cut].numpy().copy())
        last_places.append(agent.envs.progress.score(agent.envs.frames, cut))
        restart(cut)

    monkeypatch.setattr(agent.envs, "restart", watched_restart)
    rollout, _ = agent.rollout()
    with torch.no_grad():
        outlook = Outlook.of(rollout.latents, agent.goal_latents(rollout.goals), rollout.place)
        torch.testing.assert_close(outlook.fits, rollout.fits)
        sequence = (rollout.inputs, rollout.starts, rollout.memory, rollout.paid, outlook)
        _, values, _ = agent.policy(*sequence)
        latents = agent.policy.encode(torch.cat(last_frames))[None]
        starts = torch.zeros(latents.shape[:2], dtype=torch.bool)
        paid, goals, places = (
            torch.from_numpy(np.concatenate(seen))[None]
            for seen in (last_paid, last_goals, last_places)
        )
        outlook = Outlook.of(latents, agent.goal_latents(goals), places)
        _, last_values, _ = agent.policy(
            latents, starts, agent.policy.initial_memory(1), paid, outlook
        )
    torch.testing.assert_close(values, rollout.values)
    cut = rollout.boundaries
    assert cut.sum(dim=0).tolist() == [1, 1, 1, 2]  # staggered by a quarter of an episode
    assert rollout.starts[0].all() and torch.equal(rollout.starts[1:], cut[:-1])
    going_on = ~cut[:-1]
    torch.testing.assert_close(rollout.next_values[:-1][going_on], rollout.values[1:][going_on])
    torch.testing.assert_close(rollout.next_values[cut], last_values[0])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"gru": False},
        {"finetune_encoder": True, "epochs": 1},
        {"guide": "none"},
        {"follow_reward": 0.1},
        {"alternate": True},
        {"fused": False},
    ],
)
def test_a_resumed_run_continues_exactly(args, changes):
    args = replace(args, **changes)
    training_script.main(args)
    whole, _ = load_policy(args.out / "policy_final.pkl")
    rows = (args.out / "metrics.jsonl").read_text().splitlines()

    halves = replace(args, out=args.out.with_name("halves"), iterations=2)
    training_script.main(halves)
    training_script.main(replace(halves, iterations=4))
    resumed, extra = load_policy(halves.out / "policy_final.pkl")
    for name, weights in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], weights, rtol=0, atol=0)
    assert extra["iteration"] == 4
    again = (halves.out / "metrics.jsonl").read_text().splitlines()
    for row, other in zip(rows, again, strict=True):
        row, other = json.loads(row), json.loads(other)
        for name in [name for name in row if name.startswith(("time/", "env_steps_per"))]:
            row.pop(name), other.pop(name)
        assert row == other


def test_two_halves_in_turn_play_as_all_at_once(args):
    """The same buttons, the same frames and rewards, whichever half an environment is in."""
    changes = {"fresh_share": 1.0, "follow_reward": 0.1, "start_movie": INTRO}
    whole, halves = (make_envs(args, alternate=is_cut, **changes) for is_cut in (False, True))
    assert [len(rows) for rows in halves.groups] == [2, 2]
    rng = np.random.default_rng(0)
    for _ in range(2 * args.episode_steps):
        actions = rng.integers(len(BUTTONS), size=args.num_envs)
        outcomes = whole.step(actions), halves.step(actions)
        for one, other in zip(*outcomes, strict=True):
            np.testing.assert_array_equal(one, other)
        assert np.array_equal(whole.obs, halves.obs) and torch.equal(whole.frames, halves.frames)
        assert np.array_equal(whole.sure, halves.sure)
        cut = np.flatnonzero(outcomes[0][1] | outcomes[0][2])
        for envs in (whole, halves):
            envs.restart(cut)
    state, other = whole.state_dict(), halves.state_dict()
    for name in ("contexts", "reached", "shown", "paid_score", "best_step"):
        torch.testing.assert_close(other[name], state[name], rtol=0, atol=0)
    assert all(map(torch.equal, state["states"], other["states"]))


def test_one_half_steps_while_what_the_other_shows_is_encoded(args, monkeypatch):
    agent = training_script.make_agent(replace(args, alternate=True), GAME)
    emulators, perceive, looks, beside = agent.envs.emulators, agent.perceive, [], []

    class Slow:
        """Emulators whose step is not over before a look at the others was begun."""

        def __init__(self, part):
            self.part = part

        def __getattr__(self, name):
            return getattr(self.part, name)

        def step(self, masks, obs):
            until = time.monotonic() + 10
            while len(looks) <= self.looks_before and time.monotonic() < until:
                time.sleep(0.001)
            beside.append(len(looks) > self.looks_before)
            return self.part.step(masks, obs)

    def press(group, masks, obs, pressed=emulators.press):
        emulators.parts[group].looks_before = len(looks)
        pressed(group, masks, obs)

    emulators.parts = [Slow(part) for part in emulators.parts]
    monkeypatch.setattr(emulators, "press", press)
    monkeypatch.setattr(agent, "perceive", lambda frames: looks.append(1) or perceive(frames))
    rollout, _ = agent.rollout()
    assert rollout.rewards.shape == (args.num_steps, args.num_envs)
    assert beside == 2 * args.num_steps * [True]


def test_halves_must_be_even(args):
    with pytest.raises(ValueError, match=r"--num-envs to be even in each process .*, got 3"):
        training_script.main(replace(args, num_envs=3, minibatches=1, alternate=True))


def test_the_frozen_encoder_stays_and_the_finetuned_one_moves(args):
    for finetune in (False, True):
        run = replace(args, finetune_encoder=finetune, iterations=1, fresh=True)
        training_script.main(run)
        policy, _ = load_policy(run.out / "policy_final.pkl")
        before = load_checkpoint(args.pretrained_encoder, "encoder")["state_dict"]
        same = all(torch.equal(before[k], v) for k, v in policy.encoder.state_dict().items())
        assert same != finetune


def test_screens_keep_their_place_in_the_novelty_bonus_while_the_encoder_learns(args):
    agent = training_script.make_agent(replace(args, finetune_encoder=True), GAME)
    agent.envs.step(np.zeros(args.num_envs, dtype=np.int64))
    inputs, _, _ = agent.look()
    before = agent.novelty_encoder(inputs).clone()
    for _ in range(2):
        agent.update(agent.rollout()[0], agent.args.lr)
    assert torch.equal(agent.novelty_encoder(inputs), before)
    assert not torch.equal(agent.policy.encode(inputs), before)


def test_the_learning_rate_falls_to_the_end(args, monkeypatch):
    rates, update = [], training_script.Agent.update

    def watched(agent, rollout, lr):
        rates.append(lr)
        return update(agent, rollout, lr)

    monkeypatch.setattr(training_script.Agent, "update", watched)
    args = replace(args, iterations=10, epochs=25, minibatches=2, lr=1e-3)
    training_script.main(args)
    expected = np.minimum(1.0, (10 - np.arange(10)) / 3)
    expected[0] = 1 / 50
    np.testing.assert_allclose(rates, 1e-3 * expected, rtol=1e-6)


def test_other_settings_are_not_mixed_into_a_saved_run(args):
    training_script.main(replace(args, iterations=1))
    with pytest.raises(ValueError, match=r"other settings or files \(--gamma\).*--fresh"):
        training_script.main(replace(args, iterations=2, gamma=0.5))


def test_a_file_that_changed_is_not_mixed_into_a_saved_run(args, artefacts):
    """Same name, other content: the scores in the saved run would be on another scale."""
    path = args.out.parent / "path.pkl"
    args = replace(args, reward_model=path, iterations=1)
    shutil.copy(artefacts / "reward_path.pkl", path)
    training_script.main(args)
    run = np.stack([frame.copy() for frame in replay(GAME.rom, Movie(MOVIE[:60]).frames())])
    save_path(path, fit_path([run]))
    with pytest.raises(ValueError, match="--reward-model"):
        training_script.main(replace(args, iterations=2))


def test_ctrl_c_saves_and_the_same_command_goes_on(args, monkeypatch):
    rollout = training_script.Agent.rollout

    def interrupted_rollout(agent, *film):
        for _ in range(2):  # by the terminal, and passed on by a launcher
            signal.raise_signal(signal.SIGINT)
        return rollout(agent, *film)

    with monkeypatch.context() as patch:
        patch.setattr(training_script.Agent, "rollout", interrupted_rollout)
        with pytest.raises(KeyboardInterrupt):
            training_script.main(args)
    assert load_policy(args.out / "policy_final.pkl")[1]["iteration"] == 1
    training_script.main(args)
    assert load_policy(args.out / "policy_final.pkl")[1]["iteration"] == 4


def test_tensorboard_shows_play_places_and_what_was_earned(args):
    training_script.main(replace(args, snapshots=2, follow_reward=0.02))
    log = EventAccumulator(str(args.out / "tensorboard"), {"histograms": 0}).Reload()
    (first, second) = log.Images("rollout/first")
    assert (first.step, second.step) == (2, 4)
    with Image.open(io.BytesIO(second.encoded_image_string)) as gif:
        assert gif.format == "GIF" and gif.size == (160 + 4 + 160, 144 + 14)
    places = log.Histograms("rollout/places")
    assert len(places) == 4 and places[0].histogram_value.num == 4 * 8
    rows = [json.loads(row) for row in (args.out / "metrics.jsonl").read_text().splitlines()]
    for row in rows:
        parts = [row[f"return/{name}"] for name in ("progress", "novelty", "time", "following")]
        assert sum(parts) == pytest.approx(row["rollout/return"], abs=1e-5)
        assert parts[1] > 0 > parts[2]
    visits = load_policy(args.out / "policy_final.pkl")[1]["visits"]
    sure = sum(row["rollout/sure_share"] for row in rows) * 4 * 8
    assert len(visits) == 50 and sum(visits) == pytest.approx(sure)


def test_places_are_counted_where_they_are_the_reward(args):
    """A frame's score is none."""
    score = replace(args, reward_model=args.reward_model.with_name("reward_resnet34.pkl"))
    training_script.main(replace(score, iterations=2))
    assert sum(load_policy(args.out / "policy_final.pkl")[1]["visits"]) == 0


def test_an_episode_that_gains_nothing_is_cut(args):
    envs = make_envs(args, num_envs=1, episode_steps=1000, patience_steps=20, fresh_share=1.0)
    cuts = []
    for step in range(60):
        _, _, truncated = envs.step(np.array([BUTTONS.index("Select")]))  # never past the title
        cuts += [step] if truncated.any() else []
        envs.restart(np.flatnonzero(truncated))
    assert cuts and (np.diff([-1, *cuts]) >= 20).all()


def test_nobody_is_cut_in_the_first_steps_for_having_been_staggered(args):
    envs = make_envs(args, num_envs=4, episode_steps=100, patience_steps=10, fresh_share=1.0)
    for _ in range(9):
        _, _, truncated = envs.step(np.full(4, BUTTONS.index("Select")))
        assert not truncated.any()


def test_a_new_height_in_the_last_moment_is_seen_and_paid(args):
    """The score changes in the very step in which patience ends, between two payments."""
    settings = {"episode_steps": 1000, "patience_steps": 6, "reward_interval": 8}
    envs = make_envs(args, num_envs=1, fresh_share=1.0, **settings)
    start = envs.score[0]
    scores = iter([start] * 5 + [start + 0.1] + [start + 0.2] * 2)
    envs.progress.score = lambda frames, rows: np.float32([next(scores)])
    steps = [envs.step(np.array([BUTTONS.index("Select")])) for _ in range(8)]
    assert not any(truncated.any() for _, _, truncated in steps)
    total = sum(reward[0] for reward, _, _ in steps)
    assert total == pytest.approx(args.progress_scale * 0.2 - 8 * args.time_penalty, abs=1e-4)


def test_all_progress_of_a_segment_is_paid_by_its_end(args):
    """What the return filter ranks is what a segment gained, wherever its episodes began."""
    args = replace(args, num_steps=16, reward_interval=16, episode_steps=11, time_penalty=0.0)
    agent = training_script.make_agent(replace(args, novelty_coef=0.0), GAME)
    for _ in range(3):
        agent.rollout()
        assert (agent.envs.paid_score >= agent.envs.score).all()


def test_what_no_run_shows_is_not_archived(args):
    envs = make_envs(args, num_envs=1, episode_steps=1000)
    play_movie(envs, single_buttons(MOVIE[:40]))
    assert len(envs.archive) > 5 and envs.sure[0]
    envs.progress.follower.path.landmarks.fill_(9.0)  # now nothing looks like anything
    envs.progress.follower.path._landmarks_squared.fill_(81.0 * 90)
    kept = len(envs.archive)
    for _ in range(12):
        envs.step(np.array([BUTTONS.index("Down")]))
    assert len(envs.archive) == kept and not envs.sure[0]


def test_a_locked_up_machine_ends_its_episode_and_is_not_archived(args, tmp_path):
    """A ROM whose first instruction is illegal: value 0 beyond, nothing of it in the archive."""
    rom = bytearray(GAME.rom)
    rom[0x100] = 0xD3
    path = tmp_path / "broken.gb"
    path.write_bytes(rom)
    agent = training_script.make_agent(args, find_game(path))
    rollout, _ = agent.rollout()
    assert rollout.boundaries.all() and not rollout.next_values.any()
    assert len(agent.envs.archive) == 0


def test_filtered_segments_teach_the_value_but_not_the_policy(args):
    agent = training_script.make_agent(replace(args, entropy_coef=0.0), GAME)
    rollout, _ = agent.rollout()
    T, N = rollout.rewards.shape
    kept = torch.tensor([True, True, True, False])
    advantages, returns = torch.randn(T, N), torch.randn(T, N)
    looks = agent._outlooks(rollout)[:2]
    for rows, teaches_policy in ((torch.tensor([3]), False), (torch.tensor([0]), True)):
        agent.optimizer.zero_grad()
        logits, values, _ = agent._see(rollout, rows, *looks)
        loss, _ = agent._loss(logits, values, rollout, rows, advantages, returns, kept)
        loss.backward()
        assert agent.policy.policy_head.weight.grad.any() == teaches_policy
        assert agent.policy.value_head.weight.grad.any()


def test_the_single_frame_score_drives_it_too(args, artefacts):
    row = training_script.main(
        replace(
            args,
            reward_model=artefacts / "reward_resnet34.pkl",
            reward_interval=8,
            iterations=1,
            start_movie=INTRO,
        )
    )
    assert np.isfinite(row["losses/value"]) and row["archive/rejected"] == 0


def test_the_kind_of_the_artefact_decides_the_reward(args, artefacts):
    """The seed's command: paid by the ResNet, guided by the path beside it, if one is there."""
    score, path = artefacts / "reward_resnet34.pkl", artefacts / "reward_path.pkl"
    assert training_script.find_guide(replace(args, reward_model=score)) == path
    assert training_script.find_guide(replace(args, reward_model=score, guide="none")) is None
    assert training_script.find_guide(replace(args, reward_model=path)) == path
    alone = args.out.parent / "alone.pkl"
    shutil.copy(score, alone)
    assert training_script.find_guide(replace(args, reward_model=alone)) is None
    assert training_script.find_guide(replace(args, reward_model=alone, guide=str(path))) == path
    with pytest.raises(ValueError, match=r"expected a path for --reward path, got a reward_model"):
        training_script.find_reward(replace(args, reward="path", reward_model=score))
    with pytest.raises(ValueError, match="must be one path"):
        training_script.find_guide(replace(args, guide=str(alone)))


def test_the_plain_actor_sees_latents_alone(args):
    training_script.main(replace(args, guide="none", iterations=1))
    policy, extra = load_policy(args.out / "policy_final.pkl")
    assert policy.config.goals == 0 and extra["guide"] is None
    assert not list(args.out.glob("path_*.pkl"))


def test_an_episode_is_over_where_the_runs_end(args):
    """After the credits comes the title again: that must be no fall by a whole run."""
    envs = make_envs(args, num_envs=1, episode_steps=10_000, patience_steps=10_000)
    states, frames = play_start(Start(Movie(MOVIE)), GAME)
    env = np.array([0])
    for frame in frames[:-7]:
        envs.progress.follow(torch.from_numpy(frame[None]), env)
        assert not envs.progress.arrived(env)
    envs.emulators.import_state(0, states[-8])
    terminated = [envs.step(np.array([BUTTONS.index("A")]))[1][0] for _ in range(7)]
    assert any(terminated) and envs.score[0] > 0.99


def test_hindsight_goals_lie_ahead_in_the_same_episode():
    torch.manual_seed(0)
    boundaries = torch.rand(200, 8) < 0.1
    later = training_script.hindsight_steps(boundaries, 2)
    ahead = later - torch.arange(200)[:, None, None]
    assert (ahead >= 0).all() and (ahead[..., 1] >= ahead[..., 0]).all()
    for t, n in np.ndindex(200, 8):
        assert not boundaries[t : int(later[t, n, 1]), n].any()  # a cut may only be the last step
    free = ahead[:150][~boundaries[:150]]
    assert set(free[:, 0].tolist()) == {0, 1, 2} and free[:, 1].max() >= 5


def test_habit_does_not_explain_what_was_reached():
    """Two actions with one outcome, one of them the habit: both are taught alike."""
    torch.manual_seed(0)
    policy = torch.tensor([0.9, 0.1])
    actions = policy.multinomial(50_000, replacement=True)
    weights = training_script.without_habit(policy.log()[actions])
    taught = torch.bincount(actions, weights) / weights.sum()
    torch.testing.assert_close(taught.float(), torch.tensor([0.5, 0.5]), atol=0.02, rtol=0)
    assert training_script.without_habit(torch.tensor([-50.0])) == training_script.HABIT


def test_hindsight_teaches_which_action_led_where(args):
    """Random play alone, no reward: the network comes to name its actions from their outcome."""
    args = replace(args, num_envs=8, num_steps=32, hidden=64, lr=3e-3, start_movie=INTRO)
    args = replace(args, entropy_coef=0.0, novelty_coef=0.0, episode_steps=200, progress_scale=0.0)
    agent = training_script.make_agent(args, GAME)
    accuracy = [
        agent.update(agent.rollout()[0], agent.args.lr)["hindsight/accuracy"] for _ in range(6)
    ]
    assert np.mean(accuracy[-2:]) > np.mean(accuracy[:2]) + 0.15


def test_what_is_on_the_screen_already_teaches_no_action(args):
    """A menu opened and closed changes the screen twice, and is no way to where one is."""
    agent = training_script.make_agent(replace(args, start_movie=INTRO), GAME)
    rollout, _ = agent.rollout()
    rollout.boundaries[:] = True  # what an action is shown is what it led to
    _, _, leads = agent._outlooks(rollout)
    assert torch.equal(leads, rollout.moved) and leads.any() and not leads.all()
    came_back = replace(
        rollout, glances_after=rollout.glances, moved=torch.ones_like(rollout.moved)
    )
    assert not agent._outlooks(came_back)[2].any()


def test_grass_in_the_wind_is_no_change_of_the_screen():
    """Else a wall would have been the way to the next picture of it."""
    _, frames = play_start(Start(Movie(MOVIE[:100])), GAME, wait=3)
    seen = training_script.glance(torch.from_numpy(frames))
    assert (frames[-1] != frames[-2]).any() and (frames[-2] != frames[-3]).any()
    assert not training_script.differs(seen[-2:], seen[-3:-1]).any()


def test_a_turn_is_a_change_of_the_screen():
    """To the left, then to the right: where a wall is, that is all that happens."""
    states = play_start(Start(Movie(MOVIE)), GAME)[0][::10]
    emulators = VecGameBoy(GAME.rom, len(states), frame_skip=30, hold_frames=8)
    obs = np.zeros((2, *emulators.obs_shape()), dtype=np.uint8)
    for env, state in enumerate(states):
        emulators.import_state(env, state)
    for seen, name in zip(obs, ("Left", "Right"), strict=True):
        emulators.step(action_masks(np.full(len(states), BUTTONS.index(name))), seen)
    changed = (obs[0] != obs[1]).mean(axis=(1, 2, 3))
    turns = torch.from_numpy((changed > 0) & (changed < 0.05))
    glances = [training_script.glance(torch.from_numpy(seen)) for seen in obs]
    assert turns.sum() > 20 and training_script.differs(*glances)[turns].float().mean() > 0.9


def test_a_policy_without_its_path_says_what_is_missing(args, tmp_path):
    training_script.main(replace(args, iterations=1))
    evaluation = evaluate_policy.Args(
        policy=args.out / "policy_final.pkl", rom=BUNDLED_ROM, steps=2, out=tmp_path, device="cpu"
    )
    (path,) = args.out.glob("path_*.pkl")
    content = path.read_bytes()
    path.write_bytes(content + b" ")
    with pytest.raises(ValueError, match=r"not the path that .* was trained with"):
        evaluate_policy.main(evaluation)
    path.unlink()
    with pytest.raises(ValueError, match=rf"expected at .*{path.name}: put the {path.name}"):
        evaluate_policy.main(evaluation)


def test_steps_are_explained_in_one_picture(args, tmp_path):
    training_script.main(replace(args, iterations=1))
    evaluation = evaluate_policy.Args(
        policy=args.out / "policy_final.pkl",
        rom=BUNDLED_ROM,
        steps=20,
        episodes=2,
        explain=6,
        out=tmp_path,
        device="cpu",
    )
    evaluate_policy.main(evaluation)
    with Image.open(tmp_path / "explain.png") as picture:
        assert picture.height >= 3 * 144 and len(picture.convert("L").getcolors()) >= 4


def test_the_start_movie_begins_episodes_after_the_intro(args):
    envs = make_envs(args, start_movie=INTRO)
    held = GAME.milestones_held(envs.emulators.parts[0].read_memory_batch)
    names = [m.name for m, is_held in zip(GAME.milestones, held[0], strict=True) if is_held]
    assert "named" in names and (held == held[0]).all()


def test_a_start_state_begins_episodes_where_it_was_saved(args, tmp_path):
    """In the middle of the game, looked for on the path; the policy takes it along."""
    states, frames = play_start(Start(Movie(MOVIE)), GAME)
    middle = len(frames) // 2
    file = tmp_path / "middle.state"
    file.write_bytes(states[middle])
    envs = make_envs(args, start_state=file)
    follower = envs.progress.follower
    place = follow_run(follower.path, frames[: middle + 1])[-1]
    assert abs(envs.score[0] - place) < 0.05 and follower.goals[0].min() > 0

    training_script.main(replace(args, iterations=1, start_state=file))
    evaluation = evaluate_policy.Args(
        policy=args.out / "policy_final.pkl", rom=BUNDLED_ROM, steps=4, episodes=2, noop_max=2,
        out=tmp_path / "evaluation", device="cpu",
    )  # fmt: skip
    held = GAME.milestones_held(envs.emulators.parts[0].read_memory_batch)[0].sum()
    assert min(evaluate_policy.main(evaluation)["random"]["milestones_per_episode"]) >= held > 3
    policy, _ = load_policy(evaluation.policy)
    agent = playing.TrainedAgent(policy, follower.path, 2)
    start = Start(Movie(np.zeros(1, np.uint8)), states[middle])
    agent.begin(playing.beginnings(start, GAME, 2, noop_max=2, seed=0))
    assert np.abs(agent.places - place).max() < 0.05
    file.write_bytes(states[middle][:-9])
    for script, told in ((training_script, args), (evaluate_policy, evaluation)):
        with pytest.raises(
            ValueError, match=r"middle.state: expected a state by .* of waystone.*--start-state"
        ):
            script.main(replace(told, start_state=file, out=tmp_path / "other"))


def test_evaluation_counts_milestones_and_draws(args, tmp_path):
    training_script.main(replace(args, iterations=1))
    evaluation = evaluate_policy.Args(
        policy=args.out / "policy_final.pkl",
        rom=BUNDLED_ROM,
        steps=20,
        episodes=3,
        gif_steps=10,
        start_movie=INTRO,
        out=tmp_path / "evaluation",
        device="cpu",
    )
    results = evaluate_policy.main(evaluation)
    assert min(results["random"]["milestones_per_episode"]) >= 2  # the intro's
    pressed = results["masher"]["action_shares"]
    assert {name for name, share in pressed.items() if share} == {"A", "Start"}
    assert results["masher"]["entropy_share"] == pytest.approx(1 / 3)  # one bit of three
    assert results["random"]["entropy_share"] == pytest.approx(1)
    assert 0 <= results["improvement_over"]["random"]["probability"] <= 1
    assert results == json.loads((tmp_path / "evaluation" / "results.json").read_text())
    with Image.open(tmp_path / "evaluation" / "both.gif") as gif:
        assert gif.size == (160 + 4 + 160 + 4 + 160, 144 + 14) and gif.n_frames > 1
    again = evaluate_policy.main(replace(evaluation, out=tmp_path / "again"))
    assert again["trained"] == results["trained"]


def test_a_video_stands_still_where_the_runs_end(args, monkeypatch):
    """After the ending comes the title again, which is no part of the episode."""
    training_script.main(replace(args, iterations=1))
    policy, _ = load_policy(args.out / "policy_final.pkl")
    path = load_path(args.reward_model)
    agent = playing.TrainedAgent(policy, path, 1)
    look = agent.act

    def press_a():
        actions, probabilities = look()
        return actions * 0 + BUTTONS.index("A"), probabilities

    monkeypatch.setattr(agent, "act", press_a)
    states, frames = play_start(Start(Movie(MOVIE)), GAME)
    way = np.arange(len(frames) - 7)[:, None]
    begin = playing.Beginnings([states[-8]], frames, way, False, True)
    timing = {"frame_skip": 30, "hold_frames": 8}
    episodes = playing.play(agent, GAME, 12, 12, timing, begin, "test")
    (end,) = episodes.ends
    assert 0 < end < 12
    video = draw_video(evaluate_policy.episode_moments(episodes, 0, path))
    assert (episodes.video[end + 1 :, 0] != episodes.video[end, 0]).any()
    assert (video[end:] == video[end]).all() and (video[end] != video[0]).any()


@pytest.mark.parametrize(
    ("script", "flags", "message"),
    [
        (training_script, ["--reward-model", "no.pkl"], "train_reward_model.py"),
        (training_script, ["--return-filter", "0"], "expected --return-filter"),
        (evaluate_policy, ["--policy", "no.pkl"], "train_with_cnn_reward.py"),
        (evaluate_policy, ["--episodes", "0"], "expected --episodes of 1 or more, got 0"),
        (training_script, ["--save-every", "0"], "expected --save-every"),
        (training_script, ["--hindsight-coef", "-1"], "expected --hindsight-coef of 0"),
        (training_script, ["--reward", "path"], "no reward_path file"),
        (training_script, ["--follow-reward", "1"], "expected a guide for --follow-reward 1.0"),
        (evaluate_policy, ["--explain", "-5"], "expected --explain of 0 or more, got -5"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(
    script, flags, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [script.__file__, *flags])
    with pytest.raises(SystemExit) as exit:
        run_script(script.main, script.Args)
    assert exit.value.code == 2
    stderr = capsys.readouterr().err
    assert stderr.count("\n") == 1 and stderr.startswith("error: ") and message in stderr


def test_of_a_game_without_milestones_the_best_episode_came_furthest():
    places = np.array([[0.1, 0.9, 0.2, 0.0], [0.2, 0.3, 0.2, 0.0]])
    reached = np.full((4, 0), -1)
    episodes = SimpleNamespace(first_reached=reached, places=places, milestones=np.zeros(4))
    assert evaluate_policy.ranking(episodes) == [3, 0, 2, 1]
