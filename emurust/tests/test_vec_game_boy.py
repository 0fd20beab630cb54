"""The Python interface of emurust: sizes, errors, determinism, snapshots, buttons and time."""

import re

import numpy as np
import pytest
from emurust import VecGameBoy, check_rom
from hypothesis import given, settings
from hypothesis import strategies as st

from programs import JOYPAD_ROM, NOISE_ROM, RAM, make, make_rom, masks

FRAME_CYCLES = 70_224

BUTTONS = ["Right", "Left", "Up", "Down", "A", "B", "Select", "Start"]


# ---- sizes and errors ----


def test_sizes():
    games, obs = make(JOYPAD_ROM, 3, frame_skip=4, hold_frames=2)
    assert (games.num_envs, games.frame_skip, games.hold_frames) == (3, 4, 2)
    assert games.obs_shape() == obs.shape == (3, 144, 160, 3)
    rewards, dones = games.step(masks(0, 1, 2), obs)
    assert rewards.dtype == np.float32 and rewards.shape == (3,) and not rewards.any()
    assert dones.dtype == np.bool_ and dones.shape == (3,) and not dones.any()
    assert set(np.unique(obs)) <= {0, 85, 170, 255}
    assert (obs == obs[..., :1]).all()


def test_grayscale_is_one_channel_of_rgb():
    games, obs = make(NOISE_ROM, 2, frame_skip=3)
    gray, gray_obs = make(NOISE_ROM, 2, frame_skip=3, grayscale=True)
    assert (games.grayscale, gray.grayscale) == (False, True)
    assert gray.obs_shape() == gray_obs.shape == (2, 144, 160)
    for _ in range(5):
        games.step(masks(1, 16), obs)
        gray.step(masks(1, 16), gray_obs)
        assert (gray_obs == obs[..., 0]).all()
    assert len(np.unique(gray_obs)) == 4
    with pytest.raises(ValueError, match=r"obs: expected uint8 array of shape \[2, 144, 160\]"):
        gray.render(obs)


def test_timing_changes_with_the_next_step():
    games, obs = make(JOYPAD_ROM, frame_skip=2)
    start = games.registers(0)["clock"]
    games.step(masks(16), obs)
    games.frame_skip, games.hold_frames = 9, 3
    assert (games.frame_skip, games.hold_frames) == (9, 3)
    games.step(masks(16), obs)
    assert 0 <= games.registers(0)["clock"] - start - 11 * FRAME_CYCLES < 24
    assert games.read_memory(0, RAM, 1) == 0, "released after 3 frames"
    for name, value in (("frame_skip", 0), ("hold_frames", -1), ("frame_skip", 2**20 + 1)):
        with pytest.raises(ValueError, match=rf"{name}: expected \d+ to \d+, got {value}"):
            setattr(games, name, value)
    assert (games.frame_skip, games.hold_frames) == (9, 3)


def with_byte(address: int, value: int) -> bytes:
    rom = bytearray(JOYPAD_ROM)
    rom[address] = value
    return bytes(rom)


@pytest.mark.parametrize(
    ("rom", "message"),
    [
        (b"", "expected a ROM of 32768 to 8388608 bytes, got 0 bytes"),
        (JOYPAD_ROM[:-1], "got 32767 bytes"),
        (with_byte(0x147, 0x22) + bytes(1), "unknown mapper 0x22.*supported: none.*MBC1.*HuC1"),
        (np.zeros((2, 0x8000), np.uint8), "expected bytes or a one-dimensional uint8 array"),
        ("waystone.gb", "expected bytes or a one-dimensional uint8 array, got .*str"),
    ],
)
def test_bad_roms(rom, message):
    for call in (lambda: VecGameBoy(rom, 1), lambda: check_rom(rom)):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize(
    ("rom", "warning"),
    [
        (with_byte(0x149, 0x09), "unknown RAM size 0x09 .*: 32768 bytes are given"),
        (with_byte(0x147, 0x22), "unknown mapper 0x22 .*: 32768 bytes need none"),
    ],
)
def test_odd_roms_run_with_a_warning(rom, warning):
    """Beside these, JOYPAD_ROM is homebrew without a header."""
    header, odd = check_rom(rom)
    assert [header] == check_rom(JOYPAD_ROM) and "homebrew without a header" in header
    assert re.match(warning, odd)
    games, obs = make(rom, frame_skip=4)
    games.step(masks(16), obs)
    assert games.read_memory(0, RAM, 1) == 16


def test_battery_saves():
    rom = bytearray(JOYPAD_ROM)
    rom[0x147], rom[0x149] = 0x03, 2
    save = bytes(range(256)) * 32
    games, obs = make(bytes(rom), 2, battery=save)
    games.step(masks(16, 32), obs)
    assert games.export_battery(0) == games.export_battery(1) == save
    with pytest.raises(ValueError, match="expected a battery save of 8192 bytes, got 8191"):
        make(bytes(rom), battery=save[1:])
    with pytest.raises(ValueError, match="keeps no battery save"):
        make(JOYPAD_ROM, battery=save)
    with pytest.raises(ValueError, match="keeps no battery save"):
        make(JOYPAD_ROM)[0].export_battery(0)
    with pytest.raises(IndexError, match="expected an env from 0 to 1, got 2"):
        games.export_battery(2)


@pytest.mark.parametrize(
    ("name", "value"),
    [("num_envs", 0), ("frame_skip", 0), ("hold_frames", -1), ("num_threads", -1)],
)
def test_bad_numbers(name, value):
    with pytest.raises(ValueError, match=rf"{name}: expected \d+ to \d+, got {value}"):
        VecGameBoy(JOYPAD_ROM, **{"num_envs": 1, name: value})


def test_rom_as_array_equals_rom_as_bytes():
    games, obs = make(NOISE_ROM)
    twin, twin_obs = make(np.frombuffer(NOISE_ROM, np.uint8))
    games.step(masks(16), obs)
    twin.step(masks(16), twin_obs)
    assert games.export_state(0) == twin.export_state(0)


@pytest.mark.parametrize(
    ("obs", "message"),
    [
        (np.zeros((1, 144, 160, 3), np.uint8), r"shape \[2, 144, 160, 3\], got .*\[1, 144"),
        (np.zeros((2, 144, 160, 3), np.float32), "expected uint8 array.*got float32 array"),
        (np.zeros((2, 144, 160, 6), np.uint8)[..., ::2], "C-contiguous.*got non-contiguous"),
        (np.zeros((2, 144 * 160 * 3), np.uint8), "expected uint8 array of shape"),
        (None, "expected uint8 array of shape.*got .*NoneType"),
    ],
)
def test_bad_observations(obs, message):
    games, _ = make(JOYPAD_ROM, 2)
    for call in (games.render, games.reset, lambda obs: games.step(masks(0, 0), obs)):
        with pytest.raises(ValueError, match=message):
            call(obs)


def test_read_only_observation():
    games, obs = make(JOYPAD_ROM)
    obs.flags.writeable = False
    with pytest.raises(ValueError, match="writable"):
        games.render(obs)


@pytest.mark.parametrize(
    "actions",
    [np.zeros(3, np.uint8), np.zeros(2, np.int64), np.zeros((2, 1), np.uint8), [0, 0]],
)
def test_bad_actions(actions):
    games, obs = make(JOYPAD_ROM, 2)
    with pytest.raises(ValueError, match=r"actions: expected uint8 button masks of shape \[2\]"):
        games.step(actions, obs)


@pytest.mark.parametrize("env", [-1, 2, 1 << 40])
def test_env_out_of_range(env):
    games, obs = make(JOYPAD_ROM, 2)
    state = games.save_state(0)
    for call in (
        lambda: games.save_state(env),
        lambda: games.load_state(env, state),
        lambda: games.export_state(env),
        lambda: games.import_state(env, b""),
        lambda: games.read_memory(env, 0, 1),
        lambda: games.registers(env),
        lambda: games.reset(obs, env),
    ):
        with pytest.raises(IndexError, match=f"expected an env from 0 to 1, got {env}"):
            call()


@pytest.mark.parametrize(("addr", "length"), [(-1, 2), (0xFFFF, 2), (0, -1), (0x10000, 1)])
def test_memory_out_of_range(addr, length):
    games, _ = make(JOYPAD_ROM)
    for call in (
        lambda: games.read_memory(0, addr, length),
        lambda: games.read_memory_batch(addr, length),
    ):
        with pytest.raises(ValueError, match="within 0x0000 to 0xFFFF"):
            call()


def test_unknown_states():
    games, _ = make(JOYPAD_ROM)
    state = games.save_state(0)
    games.drop_state(state)
    for call in (
        lambda: games.load_state(0, state),
        lambda: games.drop_state(state),
        lambda: games.load_state(0, -1),
    ):
        with pytest.raises(ValueError, match="unknown state id"):
            call()
    assert games.num_states == 0


# ---- choosing machines ----

CHOICES = [2, np.int64(2), [2], np.array([2], np.uint8), np.array([False, False, True, False])]


@pytest.mark.parametrize("env", CHOICES, ids=repr)
def test_chosen_machines_are_reset_and_drawn(env):
    games, obs = make(NOISE_ROM, 4, frame_skip=3)
    fresh = obs[0].copy()
    games.step(masks(1, 2, 4, 8), obs)
    stepped = obs.copy()
    obs[:] = 7
    games.render(obs, env)
    assert (obs[2] == stepped[2]).all() and (obs[[0, 1, 3]] == 7).all()
    games.reset(obs, env)
    assert (obs[2] == fresh).all() and (obs[[0, 1, 3]] == stepped[[0, 1, 3]]).all()
    whole = games.read_memory_batch(0x8000, 0x6000)
    assert (games.read_memory_batch(0x8000, 0x6000, env) == whole[[2]]).all()


@pytest.mark.parametrize(
    ("envs", "error", "message"),
    [
        ([0, 2], IndexError, "expected an env from 0 to 1, got 2"),
        ([-1], IndexError, "expected an env from 0 to 1, got -1"),
        (np.zeros(3, bool), ValueError, r"envs: expected a mask of shape \[2\], got bool array"),
        ([0.5], ValueError, "envs: expected a bool mask or integers of one dimension, got .*list"),
        ([[0]], ValueError, "envs: expected a bool mask or integers of one dimension, got .*list"),
        ("all", ValueError, "envs: expected a bool mask or integers of one dimension, got .*str"),
    ],
)
def test_bad_choices(envs, error, message):
    games, obs = make(JOYPAD_ROM, 2)
    for call in (
        lambda: games.reset(obs, envs),
        lambda: games.render(obs, envs),
        lambda: games.save_states(envs),
        lambda: games.load_states(envs, games.save_state(0)),
        lambda: games.read_memory_batch(0, 1, envs),
    ):
        with pytest.raises(error, match=message):
            call()


# ---- memory, registers, time ----


def test_memory_reads_have_no_side_effects():
    games, obs = make(NOISE_ROM, 2)
    games.step(masks(1, 2), obs)
    before = games.export_state(0)
    whole = games.read_memory(0, 0, 0x10000)
    assert games.export_state(0) == before
    assert whole.dtype == np.uint8 and whole.shape == (0x10000,)
    assert whole[:0x8000].tobytes() == NOISE_ROM
    batch = games.read_memory_batch(0x8000, 0x2000)
    assert batch.shape == (2, 0x2000)
    for env in range(2):
        assert (batch[env] == games.read_memory(env, 0x8000, 0x2000)).all()


def test_power_on_registers():
    games, _ = make(JOYPAD_ROM)
    registers = games.registers(0)
    expected = {"af": 0x0180, "bc": 0x0013, "de": 0x00D8, "hl": 0x014D, "sp": 0xFFFE, "pc": 0x100}
    assert {name: registers[name] for name in expected} == expected
    io = games.read_memory(0, 0xFF00, 0x80)
    assert (io[0x00], io[0x04], io[0x0F], io[0x40], io[0x41]) == (0xCF, 0xAB, 0xE1, 0x91, 0x85)


@pytest.mark.parametrize("frame_skip", [1, 7, 30])
def test_a_step_is_exact(frame_skip):
    """No drift: whatever an instruction takes too long, the next step runs less."""
    games, obs = make(NOISE_ROM, frame_skip=frame_skip)
    start = games.registers(0)["clock"]
    for step in range(1, 21):
        games.step(masks(0), obs)
        overshoot = games.registers(0)["clock"] - start - step * frame_skip * FRAME_CYCLES
        assert 0 <= overshoot < 24


def test_lcd_off_still_ends_a_step():
    # ldh a, (44); cp 90; jr nz, -6; xor a; ldh (40), a; jr -2
    games, obs = make(make_rom(bytes.fromhex("f044 fe90 20fa af e040 18fe")), frame_skip=2)
    start = games.registers(0)["clock"]
    logo = obs.copy()
    for _ in range(3):
        games.step(masks(0), obs)
    assert 0 <= games.registers(0)["clock"] - start - 6 * FRAME_CYCLES < 24
    assert games.read_memory(0, 0xFF44, 1) == 0
    assert (obs == logo).all(), "with the LCD off, the last completed frame stays"


def test_the_last_frame_before_lcd_off_is_shown():
    """Early in a step the LCD draws a new picture and goes off: the step must return that one."""
    # Palette to black, two frames, LCD off: ld a, ff; ldh (47), a; ld b, 2;
    # loop: ldh a, (44); cp 90; jr nz, -6; ldh a, (44); cp 91; jr nz, -6; dec b; jr nz, loop;
    # xor a; ldh (40), a; jr -2
    code = bytes.fromhex("3eff e047 0602 f044 fe90 20fa f044 fe91 20fa 05 20f1 af e040 18fe")
    shots = []
    for frame_skip, steps in ((1, 30), (30, 1)):
        games, obs = make(make_rom(code), frame_skip=frame_skip)
        for _ in range(steps):
            games.step(masks(0), obs)
        shots.append(obs)
    assert (shots[0] == 0).all()
    assert (shots[1] == shots[0]).all()


def test_illegal_opcode_is_done():
    games, obs = make(make_rom(b"\xd3"), 2)
    _, dones = games.step(masks(0, 0), obs)
    assert dones.all() and games.registers(1)["locked"]
    games.reset(obs, env=1)
    assert games.registers(0)["locked"] and not games.registers(1)["locked"]


# ---- determinism and snapshots ----


@pytest.mark.parametrize("num_threads", [1, 2, 5])
def test_a_batch_equals_single_machines(num_threads):
    rng = np.random.default_rng(0)
    actions = rng.integers(0, 256, (12, 5), dtype=np.uint8)
    batch, batch_obs = make(NOISE_ROM, 5, frame_skip=3, num_threads=num_threads)
    singles = [make(NOISE_ROM, frame_skip=3) for _ in range(5)]
    for step_actions in actions:
        batch.step(step_actions, batch_obs)
        for env, (single, obs) in enumerate(singles):
            single.step(step_actions[env : env + 1], obs)
            assert (obs[0] == batch_obs[env]).all()
    for env, (single, _) in enumerate(singles):
        assert single.export_state(0) == batch.export_state(env)
    assert len({batch.export_state(env) for env in range(5)}) == 5


def test_skipped_frames_change_nothing():
    """Frames that are not drawn keep their timing: 6 steps of 5 frames equal 30 steps of one."""
    fast, fast_obs = make(NOISE_ROM, frame_skip=5, hold_frames=5)
    slow, slow_obs = make(NOISE_ROM, frame_skip=1, hold_frames=1)
    for action in (1, 16, 128, 0, 255, 16):
        fast.step(masks(action), fast_obs)
        for _ in range(5):
            slow.step(masks(action), slow_obs)
        assert (fast_obs == slow_obs).all()
        assert (fast.read_memory(0, 0x8000, 0x8000) == slow.read_memory(0, 0x8000, 0x8000)).all()


def test_load_then_step_equals_step():
    games, obs = make(NOISE_ROM, 2, frame_skip=3)
    games.step(masks(16, 1), obs)
    state, picture = games.save_state(0), obs[0].copy()
    games.step(masks(32, 32), obs)
    after = games.export_state(0)
    games.load_state(1, state)
    games.render(obs)
    assert (obs[1] == picture).all()
    games.step(masks(0, 32), obs)
    assert games.export_state(1) == after
    games.load_state(1, state)
    games.step(masks(0, 32), obs)
    assert games.export_state(1) == after, "a state can be loaded again"


def test_reset_is_power_on():
    games, obs = make(NOISE_ROM)
    fresh, fresh_obs = games.export_state(0), obs.copy()
    games.step(masks(1), obs)
    assert games.export_state(0) != fresh
    games.reset(obs)
    assert games.export_state(0) == fresh and (obs == fresh_obs).all()


def test_export_then_import_in_another_batch():
    games, obs = make(NOISE_ROM, frame_skip=2)
    games.step(masks(1), obs)
    state = games.export_state(0)
    twin, twin_obs = make(NOISE_ROM, 2, frame_skip=2)
    twin.import_state(1, state)
    assert twin.export_state(1) == state
    twin.render(twin_obs)
    assert (twin_obs[1] == obs[0]).all()
    games.step(masks(8), obs)
    twin.step(masks(0, 8), twin_obs)
    assert twin.export_state(1) == games.export_state(0)


def test_state_of_another_rom_is_refused():
    games, _ = make(NOISE_ROM)
    other, _ = make(JOYPAD_ROM)
    with pytest.raises(ValueError, match="another ROM"):
        other.import_state(0, games.export_state(0))


def fnv1a(data: bytes) -> int:
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


@pytest.fixture(scope="module")
def stepped():
    games, obs = make(NOISE_ROM, frame_skip=1)
    games.step(masks(0), obs)
    return games, obs, games.export_state(0)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data())
def test_damaged_states_are_refused(stepped, data):
    games, _, state = stepped
    position = data.draw(st.integers(0, len(state) - 1))
    kind = data.draw(st.sampled_from(["flip", "cut", "insert"]))
    if kind == "flip":
        flipped = state[position] ^ data.draw(st.integers(1, 255))
        damaged = state[:position] + bytes([flipped]) + state[position + 1 :]
    elif kind == "cut":
        damaged = state[:position]
    else:
        damaged = state[:position] + data.draw(st.binary(min_size=1, max_size=9)) + state[position:]
    with pytest.raises(ValueError, match="state"):
        games.import_state(0, damaged)
    assert games.export_state(0) == state


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    position=st.one_of(st.integers(18, 320), st.integers(18, 28_000)),
    value=st.binary(min_size=1, max_size=8),
)
def test_forged_states_are_refused_or_run(stepped, position, value):
    """With the checksum made right again, a state is refused, or accepted and can run."""
    games, obs, state = stepped
    body = bytearray(state[:-8])
    body[position : position + len(value)] = value
    body = bytes(body[: len(state) - 8])
    try:
        games.import_state(0, body + fnv1a(body).to_bytes(8, "little"))
    except ValueError:
        assert games.export_state(0) == state
    else:
        games.step(masks(0), obs)
    games.import_state(0, state)


# ---- buttons ----


@pytest.mark.parametrize("bit", range(8), ids=BUTTONS)
def test_each_mask_is_its_own_button(bit):
    games, obs = make(JOYPAD_ROM, 2, frame_skip=4, hold_frames=4)
    for _ in range(2):
        games.step(masks(1 << bit, 0), obs)
    assert games.read_memory_batch(RAM, 1).ravel().tolist() == [1 << bit, 0]


def test_buttons_are_released_after_hold_frames():
    games, obs = make(JOYPAD_ROM, frame_skip=6, hold_frames=2)
    games.step(masks(16), obs)
    assert games.read_memory(0, RAM, 2).tolist() == [0, 1], "released, pressed once"


@pytest.mark.parametrize(("hold_frames", "presses"), [(8, 5), (30, 1)])
def test_successive_presses(hold_frames, presses):
    """A pressed in five steps is five presses, unless it is held over the border of the steps."""
    games, obs = make(JOYPAD_ROM, frame_skip=30, hold_frames=hold_frames)
    for _ in range(5):
        games.step(masks(16), obs)
    assert games.read_memory(0, RAM + 1, 1) == presses
    assert games.read_memory(0, RAM + 2, 1) in (149, 150), "the program saw each frame"


def test_hold_frames_zero_presses_nothing():
    games, obs = make(JOYPAD_ROM, frame_skip=5, hold_frames=0)
    games.step(masks(255), obs)
    assert games.read_memory(0, RAM, 2).tolist() == [0, 0]
