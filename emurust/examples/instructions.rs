//! Counts what a program does: instructions a frame and the share of time in HALT, in steps of 30
//! frames with the buttons held for 8 of them. Without shortcuts, except that HALT is jumped.
//!
//! cargo run --release --example instructions -- ROM < MASKS    # one byte a step
//!
//! Prints a line of JSON.

use std::io::{Error, Read};
use std::sync::Arc;

use emurust::cartridge::Rom;
use emurust::cpu::{Cpu, RunState};
use emurust::mmu::Mmu;
use emurust::ppu::FRAME_CYCLES;

fn main() -> Result<(), Error> {
    let path = std::env::args()
        .nth(1)
        .ok_or(Error::other("expected the path of a ROM"))?;
    let rom = Rom::new(&std::fs::read(path)?).map_err(Error::other)?;
    let mut masks = Vec::new();
    std::io::stdin().read_to_end(&mut masks)?;

    let mut mmu = Mmu::after_boot(Arc::new(rom));
    let mut cpu = Cpu::after_boot(mmu.rom.header_checksum());
    let (start, mut end) = (mmu.parts.clock, mmu.parts.clock);
    let (mut instructions, mut halted) = (0u64, 0u64);
    for (mask, frames) in masks.iter().flat_map(|&mask| [(mask, 8), (0, 22)]) {
        mmu.set_buttons(mask);
        end += frames * FRAME_CYCLES;
        mmu.parts.deadline = end;
        while mmu.parts.clock < end {
            let (before, state) = (mmu.parts.clock, cpu.state);
            cpu.step(&mut mmu);
            match state {
                RunState::Running => instructions += 1,
                _ => halted += mmu.parts.clock - before,
            }
        }
    }
    let frames = (masks.len() * 30) as f64;
    let cycles = (end - start) as f64;
    let (instructions, halted) = (instructions as f64 / frames, halted as f64 / cycles);
    println!(r#"{{"instructions_per_frame": {instructions:.1}, "halted_share": {halted:.4}}}"#);
    Ok(())
}
