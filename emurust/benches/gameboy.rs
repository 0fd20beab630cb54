//! Where the time goes: steps of 30 frames of the bundled game and of small programs, states and
//! pictures.
//!
//! cargo bench                    # everything
//! cargo bench -- step            # only steps; frames/s is the throughput
//! cargo bench -- --test          # run each once

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::{criterion_group, criterion_main, BatchSize, Criterion, Throughput};
use emurust::cartridge::Rom;
use emurust::gameboy::{GameBoy, GRAY_BYTES, RGB_BYTES};

const FRAME_SKIP: u64 = 30;
const HOLD_FRAMES: u64 = 8;
const BUTTON_A: u8 = 1 << 4;

/// Ten instructions on registers and two that use memory, again and again.
const ALU: &[u8] = &[
    0x21, 0x00, 0xC0, // ld hl, c000
    0x78, 0x81, 0x57, 0xAA, 0x04, 0x0D, // ld a, b; add c; ld d, a; xor d; inc b; dec c
    0x7E, 0x80, 0x77, 0xB3, 0x1F, // ld a, (hl); add b; ld (hl), a; or e; rra
    0x18, 0xF3, // jr
];

/// Waits for line 144 by reading LY, then for another line.
const POLL: &[u8] = &[
    0xF0, 0x44, 0xFE, 0x90, 0x20, 0xFA, // ldh a, (44); cp 90; jr nz
    0xF0, 0x44, 0xFE, 0x90, 0x28, 0xFA, // ldh a, (44); cp 90; jr z
    0x18, 0xF2, // jr
];

/// Sleeps from VBlank to VBlank.
const HALT: &[u8] = &[
    0x3E, 0x01, 0xE0, 0xFF, 0xFB, // ld a, 1; ldh (ff), a; ei
    0x76, 0x00, 0x18, 0xFC, // halt; nop; jr
];

fn machine(rom: &[u8]) -> GameBoy {
    GameBoy::new(Arc::new(Rom::new(rom).expect("a ROM")))
}

/// A machine that runs `code` from 0x150 on; its VBlank handler is `reti`.
fn program(code: &[u8]) -> GameBoy {
    let mut rom = vec![0; 0x8000];
    rom[0x40] = 0xD9;
    rom[0x100..0x104].copy_from_slice(&[0x00, 0xC3, 0x50, 0x01]);
    rom[0x150..][..code.len()].copy_from_slice(code);
    machine(&rom)
}

/// The bundled game after `steps` steps of its first movie.
fn waystone(steps: usize) -> GameBoy {
    let game = Path::new(env!("CARGO_MANIFEST_DIR")).join("../games/waystone");
    let mut gameboy = machine(&std::fs::read(game.join("waystone.gb")).expect("the bundled game"));
    let movie = std::fs::read_to_string(game.join("movies/run_00.txt")).expect("its first movie");
    let mut scratch = gameboy.clone();
    for mask in masks(&movie).into_iter().take(steps) {
        gameboy.step(mask, FRAME_SKIP, HOLD_FRAMES, &mut scratch);
    }
    gameboy
}

/// Button masks of a movie: lines like `Up 3`, `Right+B`, `-`, comments from `#` on.
fn masks(movie: &str) -> Vec<u8> {
    let names = ["Right", "Left", "Up", "Down", "A", "B", "Select", "Start"];
    let mut masks = Vec::new();
    for line in movie.lines() {
        let mut words = line.split('#').next().unwrap_or("").split_whitespace();
        let Some(buttons) = words.next() else {
            continue;
        };
        let count = words
            .next()
            .map_or(1, |word| word.parse().expect("a count"));
        let pressed = |name: &&str| buttons.split('+').any(|button| button == *name);
        let mask = (0..8)
            .filter(|&bit| pressed(&names[bit]))
            .map(|bit| 1 << bit);
        masks.extend(std::iter::repeat_n(mask.sum::<u8>(), count));
    }
    masks
}

fn step(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("step");
    group.throughput(Throughput::Elements(FRAME_SKIP));
    for (name, start) in [
        ("waystone_title", waystone(20)),
        ("waystone_house", waystone(60)),
        ("waystone_route", waystone(150)),
        ("alu", program(ALU)),
        ("poll_ly", program(POLL)),
        ("halt", program(HALT)),
    ] {
        let (mut gameboy, mut scratch) = (start.clone(), start.clone());
        let mut picture = vec![0; RGB_BYTES];
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                gameboy.copy_from(&start);
                gameboy.step(BUTTON_A, FRAME_SKIP, HOLD_FRAMES, &mut scratch);
                gameboy.render(black_box(&mut picture));
            });
        });
    }
}

fn state(criterion: &mut Criterion) {
    let mut gameboy = waystone(150);
    let (kept, bytes) = (gameboy.clone(), gameboy.export());
    let mut group = criterion.benchmark_group("state");
    group.bench_function("save", |bencher| {
        bencher.iter_batched(|| (), |()| gameboy.clone(), BatchSize::SmallInput);
    });
    group.bench_function("load", |bencher| {
        bencher.iter(|| gameboy.copy_from(black_box(&kept)));
    });
    group.bench_function("export", |bencher| bencher.iter(|| gameboy.export()));
    group.bench_function("import", |bencher| {
        bencher.iter(|| gameboy.import(black_box(&bytes)).expect("its own state"));
    });
}

fn render(criterion: &mut Criterion) {
    let gameboy = waystone(150);
    let mut group = criterion.benchmark_group("render");
    for (name, bytes) in [("rgb", RGB_BYTES), ("gray", GRAY_BYTES)] {
        let mut picture = vec![0; bytes];
        group.bench_function(name, |bencher| {
            bencher.iter(|| gameboy.render(black_box(&mut picture)));
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3));
    targets = step, state, render
}
criterion_main!(benches);
