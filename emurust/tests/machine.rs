//! The whole machine on hand-assembled programs: HALT, interrupts, EI, DMA, serial.

use std::sync::Arc;

use emurust::cartridge::Rom;
use emurust::cpu::Memory;
use emurust::gameboy::GameBoy;
use emurust::mmu::Mmu;
use emurust::ppu::FRAME_CYCLES;

/// Runs `code` (at 0150) for some frames; VBlank's handler is RETI, the others count in E.
fn run(code: &[u8], frames: u64) -> GameBoy {
    let mut rom = vec![0; 0x8000];
    rom[0x40] = 0xD9;
    for vector in [0x48, 0x50, 0x58, 0x60] {
        rom[vector..vector + 2].copy_from_slice(&[0x1C, 0xD9]); // inc e; reti
    }
    rom[0x100..0x104].copy_from_slice(&[0x00, 0xC3, 0x50, 0x01]);
    rom[0x150..0x150 + code.len()].copy_from_slice(code);
    let mut gameboy = GameBoy::new(Arc::new(Rom::new(&rom).unwrap()));
    let mut scratch = gameboy.clone();
    gameboy.step(0, frames, 0, &mut scratch);
    gameboy
}

const B: u8 = 0;
const C: u8 = 1;
const D: u8 = 2;
const E: u8 = 3;

#[test]
fn halt_bug_reads_the_next_byte_twice() {
    // di; ld a, 1; ldh (ff), a; ldh (0f), a; xor a; halt; inc a; jr -2
    let gameboy = run(
        &[
            0xF3, 0x3E, 1, 0xE0, 0xFF, 0xE0, 0x0F, 0xAF, 0x76, 0x3C, 0x18, 0xFE,
        ],
        1,
    );
    assert_eq!(gameboy.cpu.a, 2);
}

#[test]
fn halt_without_ime_wakes_but_does_not_dispatch() {
    // di; ld a, 1; ldh (ff), a; xor a; ldh (0f), a; ld e, a; halt; inc a; jr -2
    let code = [
        0xF3, 0x3E, 1, 0xE0, 0xFF, 0xAF, 0xE0, 0x0F, 0x5F, 0x76, 0x3C, 0x18, 0xFE,
    ];
    assert_eq!(run(&code, 2).cpu.a, 1);
}

#[test]
fn ei_waits_for_one_instruction() {
    // ld a, 4; ldh (ff), a; ldh (0f), a; xor a; ld e, a; ei; inc a; inc a; di; ld b, e; jr -2.
    // The timer's request is served between the two INC: the handler sees none of the second.
    let code = [
        0x3E, 4, 0xE0, 0xFF, 0xE0, 0x0F, 0xAF, 0x5F, 0xFB, 0x3C, 0x3C, 0xF3, 0x18, 0xFE,
    ];
    let mut gameboy = run(&code, 1);
    assert_eq!((gameboy.cpu.a, gameboy.cpu.register(E)), (2, 1));
    // The return address below the stack's top: after the first INC.
    assert_eq!([gameboy.peek(0xFFFC), gameboy.peek(0xFFFD)], [0x5A, 0x01]);
}

#[test]
fn the_timer_interrupts_at_its_rate() {
    // ld e, 0; ld a, 5; ldh (07), a; ld a, 4; ldh (ff), a; xor a; ldh (0f), a; ei; halt; nop; jr -4
    let code = [
        0x1E, 0, 0x3E, 5, 0xE0, 0x07, 0x3E, 4, 0xE0, 0xFF, 0xAF, 0xE0, 0x0F, 0xFB, 0x76, 0, 0x18,
        0xFC,
    ];
    // TIMA overflows every 16 * 256 cycles: 17.1 times a frame.
    assert_eq!(run(&code, 1).cpu.register(E), 17);
    assert_eq!(run(&code, 10).cpu.register(E), 171);
}

#[test]
fn a_serial_transfer_ends_after_eight_bits() {
    // ld e, 0; ld a, 8; ldh (ff), a; xor a; ldh (0f), a; ldh (01), a; ei; ld a, 81; ldh (02), a;
    // halt; nop; ldh a, (01); jr -2
    let code = [
        0x1E, 0, 0x3E, 8, 0xE0, 0xFF, 0xAF, 0xE0, 0x0F, 0xE0, 0x01, 0xFB, 0x3E, 0x81, 0xE0, 0x02,
        0x76, 0, 0xF0, 0x01, 0x18, 0xFE,
    ];
    let mut gameboy = run(&code, 1);
    assert_eq!(
        (gameboy.cpu.register(E), gameboy.cpu.a),
        (1, 0xFF),
        "no cable: ones come in"
    );
    assert_eq!(gameboy.peek(0xFF02), 0x7F);
}

/// What runs at FF80 while OAM DMA copies C000.., where each byte is its address's low one; the LCD
/// is off and 8000 holds 77.
fn run_beside_dma(code: &[u8]) -> GameBoy {
    // Wait for line 90; xor a; ldh (40), a; ld a, 77; ld (8000), a;
    // ld hl, c000; fill: ld a, l; ld (hl+), a; ld a, l; cp a0; jr nz, fill;
    // ld hl, 0190; ld c, 80; copy: ld a, (hl+); ldh (c), a; inc c; ld a, c; cp e0; jr nz, copy;
    // ld a, c0; jp ff80
    let mut program = vec![
        0xF0, 0x44, 0xFE, 0x90, 0x20, 0xFA, 0xAF, 0xE0, 0x40, 0x3E, 0x77, 0xEA, 0x00, 0x80, 0x21,
        0x00, 0xC0, 0x7D, 0x22, 0x7D, 0xFE, 0xA0, 0x20, 0xF9, 0x21, 0x90, 0x01, 0x0E, 0x80, 0x2A,
        0xE2, 0x0C, 0x79, 0xFE, 0xE0, 0x20, 0xF8, 0x3E, 0xC0, 0xC3, 0x80, 0xFF,
    ];
    program.resize(0x40, 0);
    program.extend([0xE0, 0x46]); // ldh (46), a
    program.extend(code);
    program.extend([0x3E, 0x40, 0x3D, 0x20, 0xFD, 0x18, 0xFE]); // some 256 M-cycles; jr -2
    run(&program, 3)
}

#[test]
fn oam_dma_copies_160_bytes() {
    let mut gameboy = run_beside_dma(&[]);
    for low in 0..0xA0 {
        assert_eq!(gameboy.peek(0xFE00 | low), low as u8);
    }
    assert_eq!(gameboy.peek(0xFF46), 0xC0);
}

#[test]
fn oam_dma_shares_the_bus_with_the_processor() {
    // The first byte is on the bus two M-cycles after the write.
    // ld a, (d123); ld b, a; ld a, (8000); ld c, a; ld a, (fe00); ld d, a; ld a, 5; ld (c000), a
    let mut gameboy = run_beside_dma(&[
        0xFA, 0x23, 0xD1, 0x47, 0xFA, 0x00, 0x80, 0x4F, 0xFA, 0x00, 0xFE, 0x57, 0x3E, 5, 0xEA,
        0x00, 0xC0,
    ]);
    assert_eq!(gameboy.cpu.register(B), 2, "the byte of the fourth M-cycle");
    assert_eq!(gameboy.cpu.register(C), 0x77, "VRAM has a bus of its own");
    assert_eq!(gameboy.cpu.register(D), 0xFF, "OAM is locked");
    assert_eq!(gameboy.peek(0xC000), 0, "the write did not arrive");
    assert_eq!(
        [0x12, 0x13, 0x14].map(|low| gameboy.peek(0xFE00 | low)),
        [0x12, 0x13 & 5, 0x14]
    );
}

#[test]
fn a_button_ends_halt_and_stop_at_once() {
    // ld a, 10; ldh (ff), a; xor a; ldh (00), a; ldh (0f), a; ei; halt or stop; nop; ldh a, (04); jr -2
    for wait in [0x76, 0x10] {
        let code = [
            0x3E, 0x10, 0xE0, 0xFF, 0xAF, 0xE0, 0x00, 0xE0, 0x0F, 0xFB, wait, 0, 0xF0, 0x04, 0x18,
            0xFE,
        ];
        let mut gameboy = run(&code, 2);
        let (waiting_since, div) = (gameboy.clock(), gameboy.peek(0xFF04));
        assert_eq!(
            waiting_since,
            run(&[0x18, 0xFE], 0).clock() + 2 * FRAME_CYCLES
        );
        let mut before = gameboy.clone();
        gameboy.step(0x80, 1, 1, &mut before);
        assert_eq!(gameboy.cpu.a, div);
    }
}

#[test]
fn the_last_byte_of_oam_dma_is_copied_before_a_write_just_after_it() {
    // ld sp, c0a0; ld b, 38; loop: dec b; jr nz, loop; nop; nop; nop; push bc: the high byte's write
    // to C09F comes 160 M-cycles after the first byte, its idle M-cycle with the last.
    let mut gameboy =
        run_beside_dma(&[0x31, 0xA0, 0xC0, 0x06, 38, 0x05, 0x20, 0xFD, 0, 0, 0, 0xC5]);
    assert_eq!((gameboy.peek(0xC09F), gameboy.peek(0xFE9F)), (0, 0x9F));
}

/// FF00 to FF7F and FFFF of a DMG-ABC when the boot ROM hands over.
#[test]
fn registers_after_boot() {
    let mut gameboy = run(&[], 0);
    let cpu = &gameboy.cpu;
    assert_eq!(
        [cpu.af(), cpu.bc(), cpu.de(), cpu.hl()],
        [0x0180, 0x0013, 0x00D8, 0x014D]
    );
    assert_eq!((gameboy.cpu.pc, gameboy.cpu.sp), (0x0100, 0xFFFE));
    let mut expected = [0xFF; 0x80];
    expected[0x00..0x08].copy_from_slice(&[0xCF, 0x00, 0x7E, 0xFF, 0xAB, 0x00, 0x00, 0xF8]);
    expected[0x0F] = 0xE1;
    expected[0x10..0x27].copy_from_slice(&[
        0x80, 0xBF, 0xF3, 0xFF, 0xBF, 0xFF, 0x3F, 0x00, 0xFF, 0xBF, 0x7F, 0xFF, 0x9F, 0xFF, 0xBF,
        0xFF, 0xFF, 0x00, 0x00, 0xBF, 0x77, 0xF3, 0xF1,
    ]);
    expected[0x40..0x46].copy_from_slice(&[0x91, 0x85, 0x00, 0x00, 0x00, 0x00]);
    expected[0x47] = 0xFC;
    for register in (0x00..0x80).filter(|register| !(0x30..0x40).contains(register)) {
        let open = matches!(register, 0x48..=0x4B); // zero here, undefined on the hardware
        let value = gameboy.peek(0xFF00 | register as u16);
        assert_eq!(
            value,
            if open { 0 } else { expected[register] },
            "FF{register:02X}"
        );
    }
    assert_eq!(gameboy.peek(0xFFFF), 0x00);
}

#[test]
fn unused_bits_of_registers_read_as_ones() {
    let rom = Arc::new(Rom::new(&[0; 0x8000]).unwrap());
    let mut mmu = Mmu::after_boot(rom);
    let masks = [
        (0x00, 0xC0),
        (0x02, 0x7E),
        (0x07, 0xF8),
        (0x0F, 0xE0),
        (0x10, 0x80),
        (0x11, 0x3F),
        (0x13, 0xFF),
        (0x14, 0xBF),
        (0x16, 0x3F),
        (0x18, 0xFF),
        (0x19, 0xBF),
        (0x1A, 0x7F),
        (0x1B, 0xFF),
        (0x1C, 0x9F),
        (0x1D, 0xFF),
        (0x1E, 0xBF),
        (0x20, 0xFF),
        (0x23, 0xBF),
        (0x26, 0x70),
        (0x41, 0x80),
        (0xFF, 0x00),
    ];
    let unused = (0x08..=0x0E)
        .chain([0x03, 0x15, 0x1F])
        .chain(0x27..=0x2F)
        .chain(0x4C..=0x7F);
    for (register, mask) in masks
        .into_iter()
        .chain(unused.map(|register| (register, 0xFF)))
    {
        let address = 0xFF00 | register;
        mmu.write(address, 0x00);
        assert_eq!(mmu.read(address) & mask, mask, "FF{register:02X}");
        if mask == 0xFF {
            mmu.write(address, 0xFF);
            assert_eq!(mmu.read(address), 0xFF, "FF{register:02X}");
        }
    }
}

#[test]
fn save_ram_is_part_of_the_exported_state() {
    // ld a, 0a; ld (0000), a; ld a, 5; ld (a123), a; jr -2
    let code = [
        0x3E, 0x0A, 0xEA, 0x00, 0x00, 0x3E, 0x05, 0xEA, 0x23, 0xA1, 0x18, 0xFE,
    ];
    let mut rom = vec![0; 0x8000];
    (rom[0x147], rom[0x149]) = (0x1B, 2);
    rom[0x100..0x100 + code.len()].copy_from_slice(&code);
    let rom = Arc::new(Rom::new(&rom).unwrap());
    let (mut played, mut fresh) = (GameBoy::new(rom.clone()), GameBoy::new(rom));
    played.step(0, 1, 0, &mut fresh.clone());
    fresh.import(&played.export()).unwrap();
    assert_eq!(fresh.peek(0xA123), 5);
}
