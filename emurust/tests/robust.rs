//! Damaged and forged states, and ROMs of random bytes: refused with a message or run without a
//! panic. `EMURUST_FUZZ_STATES=N` tries N states and N ROMs.

use std::sync::Arc;

use emurust::cartridge::Rom;
use emurust::gameboy::{GameBoy, RGB_BYTES};
use emurust::state::fnv1a;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = (self.0.wrapping_mul(0x5851_F42D_4C95_7F2D)).wrapping_add(0x1405_7B7E_F767_814F);
        (self.0 >> 33) as u32
    }
    fn below(&mut self, limit: usize) -> usize {
        self.next() as usize % limit
    }
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}

fn inputs() -> u64 {
    std::env::var("EMURUST_FUZZ_STATES").map_or(3000, |value| value.parse().unwrap())
}

/// A ROM that switches on all interrupts, the timer and sound, starts transfers and counts in RAM.
fn rom(kind: u8, ram: u8, title: u8) -> Arc<Rom> {
    let mut bytes = vec![0; 0x10000];
    for vector in (0x40..0x68).step_by(8) {
        bytes[vector] = 0xD9;
    }
    let code = [
        0x3E, 0x1F, 0xE0, 0xFF, 0x3E, 0x05, 0xE0, 0x07, 0x3E, 0x78, 0xE0, 0x41, 0x3E, 0xF3, 0xE0,
        0x40, 0x3E, 0x0A, 0xEA, 0x00, 0x00, 0xFB, // registers; RAM on; ei
        0x3E, 0x81, 0xE0, 0x02, 0x3E, 0xC0, 0xE0, 0x46, 0x21, 0x00, 0xA0, 0x34, 0x24, 0x34, 0x76,
        0xF0, 0x04, 0xE0, 0x4B, 0x18, 0xEA, // serial; DMA; inc (hl); halt; ldh (4b), DIV; jr
    ];
    bytes[0x100..0x103].copy_from_slice(&[0xC3, 0x50, 0x01]);
    bytes[0x150..0x150 + code.len()].copy_from_slice(&code);
    (bytes[0x134], bytes[0x147], bytes[0x149]) = (title, kind, ram);
    Arc::new(Rom::new(&bytes).unwrap())
}

fn sign(state: &mut [u8]) {
    let body = state.len() - 8;
    let checksum = fnv1a(&state[..body]);
    state[body..].copy_from_slice(&checksum.to_le_bytes());
}

/// Offsets whose bytes change from frame to frame: clocks, phases, registers.
fn live_offsets(states: &[Vec<u8>]) -> Vec<usize> {
    (0..states[0].len())
        .filter(|&at| states.iter().any(|state| state[at] != states[0][at]))
        .collect()
}

fn mutate(random: &mut Random, states: &[Vec<u8>], live: &[usize]) -> Vec<u8> {
    let mut state = states[random.below(states.len())].clone();
    for _ in 0..1 + random.below(3) {
        let length = state.len();
        let near = live[random.below(live.len())] + random.below(24);
        let at = match random.below(4) {
            0 => random.below(length),
            1 => 18 + random.below(200),
            _ => near.saturating_sub(12).min(length - 1),
        };
        match random.below(8) {
            0 => state.truncate(at.max(8)),
            1 => {
                let other = &states[random.below(states.len())];
                let end = (at + 1 + random.below(200)).min(length);
                state[at..end].copy_from_slice(&other[at..end]);
            }
            2 | 3 => {
                // Eight bytes, as a time might be.
                let value = [0, 1, u64::MAX, u64::MAX - 3, 1 << 60, 1 << 63][random.below(6)];
                let end = (at + 8).min(length);
                state[at..end].copy_from_slice(&value.to_le_bytes()[..end - at]);
            }
            4 => state[at] = [0x00, 0x01, 0x7F, 0x80, 0xFF][random.below(5)],
            5 => state[at] = state[at].wrapping_add(1 + 254 * random.below(2) as u8),
            6 => state[at] ^= 1 << random.below(8),
            _ => state[at] = random.next() as u8,
        }
        if state.len() < length {
            break;
        }
    }
    state
}

fn run(gameboy: &mut GameBoy, scratch: &mut GameBoy, frames: u64) {
    gameboy.step(0x10, frames, 1, scratch);
    gameboy.render(&mut [0; RGB_BYTES]);
    for address in (0..=0xFFFF).step_by(0x11) {
        gameboy.peek(address);
    }
}

#[test]
fn forged_states_are_refused_or_run() {
    let mut random = Random(1);
    let kinds = [
        (0x00, 0),
        (0x03, 3),
        (0x06, 0),
        (0x10, 3),
        (0x1B, 4),
        (0xFF, 3),
    ];
    let (mut accepted, mut refused) = (0, 0);
    for (kind, ram) in kinds {
        let mut gameboy = GameBoy::new(rom(kind, ram, 0));
        let mut scratch = gameboy.clone();
        let mut states = Vec::new();
        for step in 0..8 {
            gameboy.step(step, 1 + u64::from(step), 1, &mut scratch);
            for _ in 0..37 * u32::from(step) {
                gameboy.step_instruction();
            }
            states.push(gameboy.export());
        }
        let live = live_offsets(&states);
        let foreign = GameBoy::new(rom(kind, ram, 1));
        let (mut target, mut other) = (gameboy.clone(), foreign.clone());
        for _ in 0..inputs() / kinds.len() as u64 {
            let mut state = mutate(&mut random, &states, &live);
            let genuine = states.contains(&state);
            assert!(
                genuine || target.import(&state).is_err(),
                "a wrong checksum"
            );
            sign(&mut state);
            assert!(other.import(&state).is_err(), "another ROM's state");
            if target.import(&state).is_err() {
                refused += 1;
                continue;
            }
            accepted += 1;
            let again = target.export();
            assert!(scratch.import(&again).is_ok(), "its own bytes");
            run(&mut target, &mut scratch, 2);
        }
    }
    assert!(accepted > 100 && refused > 100, "{accepted}, {refused}");
}

#[test]
fn any_rom_is_refused_or_runs() {
    let mut random = Random(2);
    let mut accepted = 0;
    for _ in 0..inputs() {
        let banks = [0, 1, 2, 2, 3, 4, 8, 64][random.below(8)];
        let length = banks * 0x4000 + [0, 0, 0, 1, 0x3FFF][random.below(5)];
        let mut bytes = vec![random.next() as u8; length];
        // Random code; an illegal opcode locks up soon, so mostly leave them out.
        let illegal = random.below(4) == 0;
        for byte in bytes.iter_mut().take(0x8000) {
            *byte = random.next() as u8;
            if !illegal
                && (*byte | 0x20 == 0xFD
                    || matches!(
                        *byte,
                        0xD3 | 0xDB | 0xE3 | 0xE4 | 0xEB | 0xEC | 0xED | 0xF4 | 0xFC
                    ))
            {
                *byte = 0x3C;
            }
        }
        if length > 0x150 {
            let kinds = [
                0x00, 0x01, 0x03, 0x05, 0x06, 0x0F, 0x10, 0x13, 0x19, 0x1B, 0x1E, 0xFF,
            ];
            if random.below(8) > 0 {
                bytes[0x147] = kinds[random.below(kinds.len())];
                bytes[0x149] = random.below(8) as u8;
            }
        }
        let Ok(rom) = Rom::new(&bytes) else { continue };
        accepted += 1;
        let mut gameboy = GameBoy::new(Arc::new(rom));
        let mut scratch = gameboy.clone();
        run(&mut gameboy, &mut scratch, 3);
        let state = gameboy.export();
        assert!(scratch.import(&state).is_ok());
    }
    assert!(accepted > 100, "{accepted}");
    for bytes in [random.bytes(0), random.bytes(0x7FFF), vec![0; 0x80_0001]] {
        assert!(Rom::new(&bytes).is_err());
    }
}
