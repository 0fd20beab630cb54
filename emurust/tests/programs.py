"""Small programs as ROMs, and the batches that run them."""

import numpy as np
from emurust import VecGameBoy

RAM = 0xC000


def make_rom(code: bytes, vblank: bytes = b"\xd9") -> bytes:
    """A 32 KB ROM without a mapper: `code` at 0x150, `vblank` as the VBlank handler (or RETI)."""
    rom = bytearray(0x8000)
    rom[0x40 : 0x40 + len(vblank)] = vblank
    rom[0x100:0x104] = b"\x00\xc3\x50\x01"  # nop; jp 0x150
    rom[0x150 : 0x150 + len(code)] = code
    return bytes(rom)


# Once a frame: reads both rows of JOYP and stores the buttons as the mask they came from at C000;
# adds the buttons newly pressed since the frame before to the count of presses at C001; counts
# frames at C002, shows the mask as the top left tile's number.
JOYPAD_ROM = make_rom(
    bytes.fromhex(
        "31feff"  # ld sp, fffe
        "af ea00c0 ea01c0 ea02c0"  # xor a; ld (c000), a; ld (c001), a; ld (c002), a
        "3e01 e0ff fb"  # ld a, 1; ldh (ff), a; ei
        # loop:
        "76 00"  # halt; nop
        "3e10 e000 f000 f000 2f e60f cb37 47"  # select buttons: b = ~joyp & f, swapped
        "3e20 e000 f000 f000 2f e60f b0 47"  # select directions: b |= ~joyp & f
        "fa00c0 2f a0"  # a = ~previous & b: pressed anew
        "2804"  # jr z, +4
        "2101c0 34"  # ld hl, c001; inc (hl)
        "78 ea00c0 ea0098"  # ld a, b; ld (c000), a; ld (9800), a
        "2102c0 34"  # ld hl, c002; inc (hl)
        "18cb"  # jr loop
    )
)

# Fills tile data and map from a running sum of DIV and buttons: states differ quickly.
NOISE_ROM = make_rom(
    bytes.fromhex(
        "31feff 3e01 e0ff 3ee4 e047 fb 210080"  # ld sp, fffe; VBlank; palette; ei; ld hl, 8000
        # loop:
        "76 00"  # halt; nop
        "3e10 e000 f000 57 f004 82 80 47"  # b += div + joyp
        "22 7c e69f f680 67"  # ld (hl+), a; keep hl in 8000..9fff
        "18e9"  # jr loop
    )
)


def make(rom: bytes, num_envs: int = 1, **options):
    games = VecGameBoy(rom, num_envs, **options)
    obs = np.zeros(games.obs_shape(), np.uint8)
    games.reset(obs)
    return games, obs


def masks(*values: int) -> np.ndarray:
    return np.array(values, np.uint8)
