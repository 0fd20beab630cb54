"""The Gymnasium wrapper keeps VectorEnv's promises."""

import builtins
import importlib
import sys

import gymnasium
import numpy as np
import pytest
from emurust.vector_env import GameBoyVectorEnv
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import RecordEpisodeStatistics, TransformReward

from programs import JOYPAD_ROM, NOISE_ROM, RAM, make, make_rom, masks

BUTTONS = np.arange(8)


def test_spaces_hold_what_comes():
    for grayscale, shape in ((False, (144, 160, 3)), (True, (144, 160))):
        envs = GameBoyVectorEnv(NOISE_ROM, 3, frame_skip=2, grayscale=grayscale)
        assert isinstance(envs, gymnasium.vector.VectorEnv) and envs.num_envs == 3
        assert envs.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
        assert envs.single_observation_space.shape == shape
        obs, infos = envs.reset(seed=1)
        assert obs in envs.observation_space and infos == {} and envs.np_random_seed == 1
        envs.action_space.seed(1)
        for _ in range(5):
            obs, rewards, terminated, truncated, infos = envs.step(envs.action_space.sample())
            assert obs in envs.observation_space and infos == {}
            assert rewards.shape == terminated.shape == truncated.shape == (3,)
            assert terminated.dtype == truncated.dtype == bool and rewards.dtype == np.float32
        envs.close()


def test_each_action_is_its_own_button():
    envs = GameBoyVectorEnv(JOYPAD_ROM, 8, frame_skip=4)
    envs.reset()
    for _ in range(2):
        envs.step(BUTTONS)
    assert envs.games.read_memory_batch(RAM, 1).ravel().tolist() == [1 << i for i in range(8)]
    combined = GameBoyVectorEnv(JOYPAD_ROM, 2, frame_skip=4, masks=(0, 0b1010_0001))
    combined.reset()
    for _ in range(2):
        combined.step(np.array([0, 1]))
    assert combined.games.read_memory_batch(RAM, 1).ravel().tolist() == [0, 0b1010_0001]
    for wrong in ([0, 2], [0, -1], [0], [0.5, 1]):
        with pytest.raises(ValueError, match="actions: expected one of MultiDiscrete"):
            combined.step(np.array(wrong))


def test_observations_are_the_emulators_and_stay():
    envs = GameBoyVectorEnv(NOISE_ROM, 2, frame_skip=3)
    games, expected = make(NOISE_ROM, 2, frame_skip=3)
    obs, _ = envs.reset()
    assert (obs == expected).all()
    first = obs.copy()
    for actions in ([0, 4], [7, 1]):
        stepped = envs.step(np.array(actions))[0]
        games.step(masks(*(1 << a for a in actions)), expected)
        assert (stepped == expected).all()
    assert (obs == first).all(), "an observation once returned does not change"


def test_episodes_end_and_begin_anew():
    """Truncated after 3 steps; the next step ignores its action, rewards 0, shows the beginning."""
    envs = GameBoyVectorEnv(
        NOISE_ROM, 2, 2, max_episode_steps=3, reward_fn=lambda games, obs: np.ones(2)
    )
    envs = RecordEpisodeStatistics(TransformReward(envs, lambda reward: 2 * reward))
    first, _ = envs.reset()
    for episode in range(3):
        for step in range(1, 4):
            obs, rewards, terminated, truncated, infos = envs.step(np.array([step, episode]))
            assert (rewards == 2).all() and not terminated.any()
            assert truncated.tolist() == [step == 3] * 2 and (obs != first).any()
        assert infos["episode"]["l"].tolist() == [3, 3]
        assert infos["episode"]["r"].tolist() == [6, 6]
        obs, rewards, terminated, truncated, _ = envs.step(np.array([7, 7]))
        assert (obs == first).all() and not (rewards.any() or terminated.any() or truncated.any())


def test_a_locked_machine_and_the_hook_terminate():
    envs = GameBoyVectorEnv(make_rom(b"\xd3"), 2)
    envs.reset()
    assert envs.step(np.array([0, 0]))[2].all()
    assert not envs.step(np.array([0, 0]))[2].any(), "begun anew"

    def a_is_pressed(games, obs):
        assert obs.shape == games.obs_shape()
        return games.read_memory_batch(RAM + 1, 1)[:, 0] > 0

    envs = GameBoyVectorEnv(JOYPAD_ROM, 3, frame_skip=9, terminated_fn=a_is_pressed, masks=(0, 16))
    envs.reset()
    assert envs.step(np.array([0, 1, 0]))[2].tolist() == [False, True, False]
    assert not envs.step(np.array([0, 1, 0]))[2].any()
    assert envs.step(np.array([1, 0, 0]))[2].tolist() == [True, False, False]


def test_start_states_and_reset_masks():
    games, shown = make(NOISE_ROM, frame_skip=3)
    games.step(masks(16), shown)
    envs = GameBoyVectorEnv(NOISE_ROM, 3, frame_skip=3, start_state=games.export_state(0))
    start, _ = envs.reset()
    assert (start == shown).all()
    stepped = envs.step(np.array([0, 1, 2]))[0]
    state = envs.games.save_state(2)
    mask = np.array([False, True, False])
    obs, _ = envs.reset(options={"reset_mask": mask})
    assert (obs[mask] == start[mask]).all() and (obs[~mask] == stepped[~mask]).all()
    obs, _ = envs.reset(options={"state_ids": state})
    assert (obs == stepped[2]).all()


def test_every_episode_begins_with_the_battery_save():
    rom = bytearray(NOISE_ROM)
    rom[0x147], rom[0x149] = 0x03, 2
    save = bytes(range(256)) * 32
    envs = GameBoyVectorEnv(bytes(rom), 2, battery=save)
    envs.reset()
    assert [envs.games.export_battery(env) for env in (0, 1)] == [save, save]


def test_render():
    for grayscale in (False, True):
        envs = GameBoyVectorEnv(NOISE_ROM, 2, grayscale=grayscale, render_mode="rgb_array")
        obs, _ = envs.reset()
        frames = envs.render()
        assert len(frames) == 2 and frames[0].shape == (144, 160, 3)
        assert (frames[1][..., 0] == obs.reshape(2, 144, 160, -1)[1, ..., 0]).all()
    assert GameBoyVectorEnv(NOISE_ROM, 1).render() is None
    with pytest.raises(ValueError, match="render_mode: expected None or 'rgb_array', got 'human'"):
        GameBoyVectorEnv(NOISE_ROM, 1, render_mode="human")


def test_missing_gymnasium_is_one_line(monkeypatch):
    original = builtins.__import__

    def without_gymnasium(name, *args, **kwargs):
        if name.split(".")[0] == "gymnasium":
            raise ModuleNotFoundError(f"No module named {name!r}")
        return original(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "emurust.vector_env")
    monkeypatch.setattr(builtins, "__import__", without_gymnasium)
    with pytest.raises(ImportError, match=r"needs gymnasium: pip install 'gymnasium>=1\.1'"):
        importlib.import_module("emurust.vector_env")
