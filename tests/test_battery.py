"""A battery save in the cartridge: as PyBoy has it, in training, and in a policy's evaluation."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from emurust import VecGameBoy
from pyboy import PyBoy

import evaluate_policy
import train_with_cnn_reward as training_script
from curriculum import Start, battery_file, find_start, play_start
from games.game import BUNDLED_ROM, find_game
from games.movie import Movie
from games.rom import find_battery_save
from models.actor_critic import ActorCritic, ActorCriticConfig, load_policy, save_policy
from models.checkpoint import load_checkpoint, save_checkpoint
from models.reward_model import RewardModel, RewardModelConfig
from models.tokenizer import Encoder, TokenizerConfig

FRAMES = 240
#: Two bytes of the RAM, in its first bank and in its third, that the program counts in.
COUNTERS = (0x0123, 2 * 0x2000 + 0x0456)
RAM_BYTES = 4 * 0x2000


def make_rom(mapper: int = 0x03) -> bytes:
    """A cartridge with RAM of 32 KB that counts frames in it, and shows the counts as tiles."""
    rom = bytearray(0x8000)
    rom[0x40] = 0xD9  # VBlank: reti
    rom[0x100:0x104] = b"\x00\xc3\x50\x01"  # nop; jp 0x150
    rom[0x147:0x14A] = mapper, 0, 3
    rom[0x14D] = -sum(rom[0x134:0x14D], 25) % 256
    code = bytes.fromhex(
        "31feff af e040"  # ld sp, fffe; LCD off
        "210080 7de6f047 7ce60fb0 22 7cfe90 20f2"  # the rows of tile n are n, its halves swapped
        "210098 af 22 7cfe9c 20f9"  # an empty map
        "3e0a ea0000 3e01 ea0060"  # RAM on, mode 1
        "3ee4 e047 3e91 e040 3e01 e0ff fb"  # palette; LCD on; VBlank alone; ei
        # loop:
        "76 00"  # halt; nop
        "af ea0040 2123a1 34 7e ea0098"  # bank 0: inc (a123), shown top left
        "3e02 ea0040 2156a4 34 7e ea0198"  # bank 2: inc (a456), shown beside it
        "18e3"  # jr loop
    )
    rom[0x150 : 0x150 + len(code)] = code
    return bytes(rom)


def make_save(seed: int = 0) -> bytes:
    return np.random.default_rng(seed).integers(256, size=RAM_BYTES, dtype=np.uint8).tobytes()


@pytest.fixture
def game(tmp_path):
    """The counting game, as a file."""
    path = tmp_path / "count.gb"
    path.write_bytes(make_rom())
    return find_game(path)


def counts(save: bytes) -> list[int]:
    return [save[at] for at in COUNTERS]


def shown(values) -> np.ndarray:
    """The first line of the tiles of two counts, (16,) shades."""
    rows = [value % 16 << 4 | value // 16 % 16 for value in values]
    return 3 * np.unpackbits(np.array(rows, np.uint8))


def test_frames_and_save_equal_those_of_pyboy():
    """The same file in both, from the first frame on in which the count is shown."""
    rom, save = make_rom(), make_save()
    theirs = PyBoy(
        io.BytesIO(rom), window="null", sound_emulated=False, ram_file=io.BytesIO(save),
        log_level="ERROR",
    )  # fmt: skip
    ours = VecGameBoy(rom, 1, frame_skip=1, battery=save)
    obs = np.zeros(ours.obs_shape(), np.uint8)
    ours.reset(obs)
    assert ours.export_battery(0) == save

    def our_frame():
        ours.step(np.zeros(1, np.uint8), obs)
        return 3 - obs[0, :, :, 0] // 85

    def their_frame():
        theirs.tick(1, True)
        return 3 - np.asarray(theirs.screen.ndarray)[:, :, 0] // 76

    first = shown(count + 1 for count in counts(save))
    for frame in (our_frame, their_frame):
        assert any(np.array_equal(frame()[0, :16], first) for _ in range(600))
    pictures = set()
    for frame in range(FRAMES):
        a, b = our_frame(), their_frame()
        assert np.array_equal(a, b), frame
        pictures.add(a.tobytes())
    assert np.array_equal(a[0, :16], shown(count + 1 + FRAMES for count in counts(save)))
    assert len(pictures) > 100
    kept = io.BytesIO()
    theirs.stop(save=True, ram_file=kept)
    assert ours.export_battery(0) == kept.getvalue() != save


def test_every_power_on_has_the_save(game):
    save = make_save()
    games = VecGameBoy(game.rom, 3, battery=save)
    obs = np.zeros(games.obs_shape(), np.uint8)
    games.reset(obs)
    games.step(np.zeros(3, np.uint8), obs)
    assert counts(games.export_battery(1)) != counts(save)
    games.reset(obs, 1)
    assert games.export_battery(1) == save != games.export_battery(2)
    without = VecGameBoy(game.rom, 1)
    assert without.export_battery(0) == b"\xff" * RAM_BYTES


def test_the_clock_of_mbc3_goes_on_from_the_save():
    """44 or 48 bytes after the RAM; what is written has the present time at its end."""
    registers = np.array([59, 59, 23, 255, 1, 1, 2, 3, 4, 0], dtype="<u4").tobytes()
    save = make_save() + registers + np.array([10**9], dtype="<u8").tobytes()
    rom = make_rom(0x10)
    for given in (save, save[:-4], save[:RAM_BYTES]):
        games = VecGameBoy(rom, 1, frame_skip=60, battery=given)
        written = games.export_battery(0)
        assert len(written) == len(save)
        clock = registers if len(given) > RAM_BYTES else bytes(40)
        assert written[:-8] == save[:RAM_BYTES] + clock
        assert int.from_bytes(written[-8:], "little") > 1_700_000_000
    games = VecGameBoy(rom, 1, frame_skip=61, battery=save)
    obs = np.zeros(games.obs_shape(), np.uint8)
    for _ in range(2):  # whatever time has passed, the same state after the same frames
        games.reset(obs)
        games.step(np.zeros(1, np.uint8), obs)
        after = np.frombuffer(games.export_battery(0)[RAM_BYTES:-8], dtype="<u4")
        assert after.tolist() == [0, 0, 0, 0, 0x80, 1, 2, 3, 4, 0], "day 511 carries"


@pytest.mark.parametrize(
    ("mapper", "save", "message"),
    [
        (0x03, bytes(8192), "expected a battery save of 32768 bytes, got 8192"),
        (0x03, bytes(RAM_BYTES + 48), "expected a battery save of 32768 bytes, got 32816"),
        (0x10, bytes(RAM_BYTES + 40), "32768 bytes, and 44 or 48 of the clock, got 32808"),
        (0x00, bytes(RAM_BYTES), "the cartridge keeps no battery save"),
        (0x03, b"", "got 0"),
    ],
)
def test_a_save_that_does_not_fit_is_refused(mapper, save, message):
    with pytest.raises(ValueError, match=message):
        VecGameBoy(make_rom(mapper), 1, battery=save)


def test_a_cartridge_without_battery_has_nothing_to_write():
    with pytest.raises(ValueError, match="keeps no battery save"):
        VecGameBoy(make_rom(0x02), 1).export_battery(0)


# ---- which file ----


@pytest.mark.parametrize(
    ("rom", "save"),
    [
        ("red.gb", "red.sav"),
        ("red.gb", "red.SRM"),
        ("red.gb", "red.gb.sav"),
        ("red v1.1.gb", "red v1.1.sav"),
        ("red.zip", "red.sav"),
        ("red.gb.gz", "red.sav"),
    ],
)
def test_the_save_beside_the_ROM_is_found(tmp_path, rom, save):
    for name in (rom, save, "blue.sav", "red v1.sav", "red.state"):
        (tmp_path / name).write_bytes(b"x")
    assert find_battery_save(tmp_path / rom) == tmp_path / save


def test_two_saves_beside_the_ROM_are_named(tmp_path):
    for name in ("red.sav", "red.srm"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ValueError, match=r"got red.sav, red.srm: pass --battery-save FILE"):
        find_battery_save(tmp_path / "red.gb")


def test_what_the_flag_means(game, tmp_path):
    assert battery_file("auto", game, None) is None
    beside = game.path.with_suffix(".sav")
    beside.write_bytes(make_save())
    assert battery_file("auto", game, None) == beside
    assert battery_file("none", game, None) is None
    assert battery_file("other.sav", game, None) == Path("other.sav")
    state = tmp_path / "state"
    assert battery_file("auto", game, state) is None, "a state has RAM of its own"
    with pytest.raises(ValueError, match="expected --start-state or --battery-save, got both"):
        battery_file("other.sav", game, state)
    state.write_bytes(b"x")
    with pytest.raises(ValueError, match="expected --start-state or --battery-save, got both"):
        find_start(None, state, "other.sav", game)


def test_a_save_alone_leaves_the_movie_of_the_training(game, tmp_path):
    trained = Start(Movie(np.array([0, 1, 2], np.uint8), 12, 4), battery=b"old")
    args = evaluate_policy.Args()
    assert evaluate_policy.find_beginning(args, trained, game) is trained
    file = tmp_path / "other.sav"
    file.write_bytes(make_save())
    for flag, battery in (("none", b""), (str(file), make_save())):
        start = evaluate_policy.find_beginning(replace(args, battery_save=flag), trained, game)
        assert (start.movie, start.battery) == (trained.movie, battery)
    movie = BUNDLED_ROM.parent / "intro.txt"
    start = evaluate_policy.find_beginning(replace(args, start_movie=movie), trained, game)
    assert len(start.movie.masks) > 3 and not start.battery


def test_the_state_of_the_training_stays_and_takes_no_other_save(game):
    trained = Start(Movie(np.zeros(1, np.uint8)), state=b"state")
    args = replace(evaluate_policy.Args(), battery_save="none")
    assert evaluate_policy.find_beginning(args, trained, game) is trained
    with pytest.raises(ValueError, match=r"--battery-save none .* got other.sav: .*--start-state"):
        evaluate_policy.find_beginning(replace(args, battery_save="other.sav"), trained, game)


def test_a_save_that_does_not_load_is_named_with_a_cure(game, tmp_path):
    file = tmp_path / "other.sav"
    file.write_bytes(b"")
    with pytest.raises(ValueError, match=r"other.sav, got an empty file: .*--battery-save"):
        find_start(None, None, str(file), game)
    file.write_bytes(bytes(8192))
    with pytest.raises(ValueError, match=r"^\S*other.sav: .* of count .*got 8192: .*, or none$"):
        play_start(find_start(None, None, str(file), game), game)
    with pytest.raises(FileNotFoundError, match=r"none\.sav"):
        find_start(None, None, str(tmp_path / "none.sav"), game)


# ---- training and evaluation ----


@pytest.fixture
def args(game, tmp_path):
    """A training that takes seconds."""
    torch.manual_seed(0)
    config = TokenizerConfig(width=8, depth=1, latent_channels=4, grey=True, half_size=True)
    encoder = Encoder(config).state_dict()
    save_checkpoint(tmp_path / "encoder.pkl", "encoder", config, encoder)
    config = RewardModelConfig("small", grey=True, half_size=True)
    model = RewardModel(config).state_dict()
    save_checkpoint(tmp_path / "reward.pkl", "reward_model", config, model)
    return training_script.Args(
        rom=game.path,
        reward_model=tmp_path / "reward.pkl",
        pretrained_encoder=tmp_path / "encoder.pkl",
        num_envs=2,
        minibatches=2,
        num_steps=2,
        reward_interval=1,
        iterations=1,
        epochs=1,
        hidden=16,
        out=tmp_path / "checkpoints",
        device="cpu",
    )


def test_training_and_evaluation_begin_with_the_save(args, game, tmp_path, capsys):
    save = make_save()
    file = game.path.with_suffix(".sav")
    file.write_bytes(save)
    training_script.main(args)
    printed = capsys.readouterr().out
    assert f"begin with the battery save {file} (--battery-save none: without)" in printed
    assert "note: no games/*/milestones.toml knows this ROM" in printed

    policy = args.out / "policy_final.pkl"
    assert Start.of_policy(policy, load_policy(policy)[1]).battery == save
    told = evaluate_policy.Args(
        policy=policy, rom=game.path, steps=2, episodes=1, noop_max=0, out=tmp_path / "e",
        device="cpu",
    )  # fmt: skip
    file.unlink()
    results = evaluate_policy.main(told)
    assert f"begin with the battery save of {policy}" in capsys.readouterr().out
    assert any("knows this ROM" in note for note in results["notes"])

    with pytest.raises(ValueError, match=r"other settings or files \(--battery-save\)"):
        training_script.main(replace(args, iterations=2))
    assert "begin with the battery save" not in capsys.readouterr().out


def test_a_policys_beginning_is_that_of_its_training(game, tmp_path):
    save = make_save()
    config = TokenizerConfig(width=8, depth=1, latent_channels=4, grey=True, half_size=True)
    start = Start(Movie(np.array([0, 1, 2], np.uint8), 12, 4), battery=save)
    path = tmp_path / "policy.pkl"
    save_policy(
        path, ActorCritic(ActorCriticConfig(hidden=4), Encoder(config)), **start.to_policy()
    )
    again = Start.of_policy(path, load_policy(path)[1])
    assert again.movie.frames().tolist() == start.movie.frames().tolist()
    assert (again.state, again.battery) == (b"", save)
    (state, frame), (other, _) = (play_start(s, game) for s in (again, Start(again.movie)))
    assert state == play_start(start, game)[0] != other
    assert len(frame) == 2  # of 30 frames, the second one filled up


# ---- states of another version ----


def of_another_version(state: bytes) -> bytes:
    """Where a state's version stands, two bytes after its magic, there is another."""
    return state[:8] + (9).to_bytes(2, "little") + state[10:]


def test_a_training_state_of_another_version_names_file_and_cure(args, game):
    """Also where one state of the archive alone is, which would be loaded some time later."""
    training_script.main(args)
    path = args.out / "training_state.pkl"
    state = of_another_version(play_start(Start(Movie(np.zeros(1, np.uint8))), game)[0][0])
    old = torch.frombuffer(bytearray(state), dtype=torch.uint8)
    for where, number in (("archive", 3), ("states", 2)):
        content = load_checkpoint(path, "ppo_state")
        envs = content["state_dict"]["ranks"][0]["envs"]
        if where == "archive":
            envs["archive"] = [(old, torch.zeros(0), 0.5)]
        else:
            envs["states"][1] = old
        torch.save(content, path)
        before = path.read_bytes()
        message = (
            rf"^{path}: its content does not fit \(state {number} of \d of the game does not load: "
            r"expected a state of version \d, got version 9\): go on with the version that wrote it"
        )
        with pytest.raises(ValueError, match=message):
            training_script.main(replace(args, iterations=3))
        assert path.read_bytes() == before


def test_a_start_of_another_version_names_file_and_cure(game, tmp_path):
    state = play_start(Start(Movie(np.zeros(1, np.uint8))), game)[0][0]
    file = tmp_path / "old.state"
    file.write_bytes(of_another_version(state))
    message = r"old.state: .*expected a state of version \d, got version 9: export it again"
    with pytest.raises(ValueError, match=message):
        play_start(find_start(None, file, "auto", game), game)
    checkpoint = {"start_masks": [0], "start_state": list(of_another_version(state))}
    start = Start.of_policy(Path("policy.pkl"), checkpoint)
    with pytest.raises(ValueError, match=r"^policy.pkl: .*got version 9: .*pass --start-state"):
        play_start(start, game)
