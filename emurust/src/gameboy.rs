//! One Game Boy: processor and bus, run for exact spans of time, saved and restored.

#![forbid(unsafe_code)]

use std::sync::Arc;

use crate::cartridge::Rom;
use crate::cpu::{Cpu, Flags, RunState};
use crate::mmu::Mmu;
use crate::ppu::{FRAME_CYCLES, HEIGHT, PICTURE_BYTES, WIDTH};
use crate::run::run;
use crate::state::{enum_field, fnv1a, struct_fields, Field, Reader, StateError};

/// Bytes of a grey picture, (144, 160), and of an RGB picture, (144, 160, 3).
pub const GRAY_BYTES: usize = HEIGHT * WIDTH;
pub const RGB_BYTES: usize = GRAY_BYTES * 3;

/// Frames between two questions whether a step should go on, about a millisecond's work.
const SLICE_FRAMES: u64 = 64;

const STATE_MAGIC: &[u8; 8] = b"EMURUST\0";
const STATE_VERSION: u16 = 3;

enum_field!(RunState);
impl Field for Flags {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(self.byte());
    }
    fn get(&mut self, reader: &mut Reader) -> Result<(), StateError> {
        let byte = reader.take(1)?[0];
        *self = Flags::from(byte);
        match byte & 0x0F {
            0 => Ok(()),
            _ => Err(StateError::new("the flags have unknown bits")),
        }
    }
}

struct_fields!(Cpu {
    pairs,
    a,
    flags,
    pc,
    sp,
    ime,
    ei_delay,
    halt_bug,
    state
});

/// A snapshot is a clone; the ROM is shared.
#[derive(Clone, Debug)]
pub struct GameBoy {
    pub cpu: Cpu,
    mmu: Mmu,
    /// The time that all frames run so far end at; the last instruction may have gone beyond.
    frame_end: u64,
}

impl GameBoy {
    pub fn new(rom: Arc<Rom>) -> Self {
        let mmu = Mmu::after_boot(rom);
        GameBoy {
            cpu: Cpu::after_boot(mmu.rom.header_checksum()),
            frame_end: mmu.parts.clock,
            mmu,
        }
    }

    /// Becomes a copy of `other`, a machine with the same ROM, without allocating.
    pub fn copy_from(&mut self, other: &GameBoy) {
        self.cpu.clone_from(&other.cpu);
        self.mmu.copy_from(&other.mmu);
        self.frame_end = other.frame_end;
    }

    /// An illegal opcode has stopped the processor for good.
    pub fn is_locked(&self) -> bool {
        self.cpu.state == RunState::Locked
    }

    /// Clock cycles since power-on.
    pub fn clock(&self) -> u64 {
        self.mmu.parts.clock
    }

    /// Runs one step of `frame_skip` frames of 70,224 clock cycles, with the buttons of `mask` held
    /// for the first `hold_frames` of them. `before` becomes a copy of the machine before the step.
    ///
    /// Pixels are drawn only where no later frame is expected to complete within the step. If the
    /// program switches the LCD off, that guess can be wrong: then the step is repeated from
    /// `before`, with everything drawn.
    pub fn step(&mut self, mask: u8, frame_skip: u64, hold_frames: u64, before: &mut GameBoy) {
        self.step_while(|| true, mask, frame_skip, hold_frames, before);
    }

    /// Like `step`, but asks every [`SLICE_FRAMES`] whether to go on. Returns whether the step is
    /// complete; if not, the machine has stopped within it, and `before` is the way back.
    pub fn step_while(
        &mut self,
        mut go_on: impl FnMut() -> bool,
        mask: u8,
        frame_skip: u64,
        hold_frames: u64,
        before: &mut GameBoy,
    ) -> bool {
        before.copy_from(self);
        let end = self.frame_end + frame_skip * FRAME_CYCLES;
        self.mmu.parts.ppu.draw_only_before(end);
        let mut complete = self.run_frames(&mut go_on, mask, frame_skip, hold_frames);
        if complete && self.mmu.parts.ppu.picture_is_stale() {
            self.copy_from(before);
            self.mmu.parts.ppu.draw_only_before(0);
            complete = self.run_frames(&mut go_on, mask, frame_skip, hold_frames);
        }
        complete
    }

    fn run_frames(
        &mut self,
        go_on: &mut impl FnMut() -> bool,
        mask: u8,
        frame_skip: u64,
        hold_frames: u64,
    ) -> bool {
        let held = hold_frames.min(frame_skip);
        for (buttons, mut frames) in [(mask, held), (0, frame_skip - held)] {
            if frames > 0 {
                self.mmu.set_buttons(buttons);
            }
            while frames > 0 {
                if !go_on() {
                    return false;
                }
                let slice = frames.min(SLICE_FRAMES);
                self.run_cycles(slice * FRAME_CYCLES);
                frames -= slice;
            }
        }
        self.mmu.catch_up();
        true
    }

    fn run_cycles(&mut self, cycles: u64) {
        self.frame_end += cycles;
        self.mmu.parts.deadline = self.frame_end;
        let rom = self.mmu.rom.clone();
        while self.mmu.parts.clock < self.frame_end {
            self.cpu.step(&mut self.mmu);
            if self.cpu.runs_freely() {
                run(&mut self.cpu, &mut self.mmu, &rom);
            }
        }
    }

    /// What the cartridge's battery keeps, as a .sav file holds it. Errors: no battery.
    pub fn export_battery(&self, unix_time: u64) -> Result<Vec<u8>, String> {
        let (rom, parts) = (&self.mmu.rom, &self.mmu.parts);
        (parts.mapper).save_battery(rom, &self.mmu.cart_ram, parts.clock, unix_time)
    }

    /// Puts a battery save into the cartridge. Errors: no battery, or another size; then nothing
    /// has changed.
    pub fn insert_battery(&mut self, save: &[u8]) -> Result<(), String> {
        let Mmu {
            rom,
            cart_ram,
            parts,
        } = &mut self.mmu;
        (parts.mapper).load_battery(rom, cart_ram, save, parts.clock)
    }

    /// Runs one instruction, for debugging and tests.
    pub fn step_instruction(&mut self) {
        self.mmu.parts.deadline = self.mmu.parts.clock;
        self.cpu.step(&mut self.mmu);
    }

    /// Reads a byte as a debugger would: no time passes, nothing changes for the program.
    pub fn peek(&mut self, address: u16) -> u8 {
        self.mmu.peek(address)
    }

    /// Writes the last completed frame into `out`: rows of RGB pixels if it is [`RGB_BYTES`] long,
    /// of grey ones if it is [`GRAY_BYTES`] long.
    pub fn render(&self, out: &mut [u8]) {
        let picture = self.mmu.parts.ppu.picture();
        if out.len() == GRAY_BYTES {
            for (pixels, &byte) in out.chunks_exact_mut(4).zip(picture.iter()) {
                pixels.copy_from_slice(&GRAY[usize::from(byte)]);
            }
        } else {
            for (pixels, &byte) in out.chunks_exact_mut(12).zip(picture.iter()) {
                pixels.copy_from_slice(&RGB[usize::from(byte)]);
            }
        }
    }

    /// The state as bytes: magic, version, ROM hash, the parts, checksum.
    pub fn export(&mut self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 << 16);
        out.extend_from_slice(STATE_MAGIC);
        STATE_VERSION.put(&mut out);
        self.mmu.rom.hash.put(&mut out);
        self.cpu.put(&mut out);
        self.frame_end.put(&mut out);
        self.mmu.put(&mut out);
        fnv1a(&out).put(&mut out);
        out
    }

    /// Takes on a state made by [`GameBoy::export`]. On an error, `self` is unchanged.
    pub fn import(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        let Some((body, checksum)) = bytes.split_last_chunk::<8>() else {
            return Err(StateError::new("the state ends too early"));
        };
        let mut reader = Reader::new(body);
        if reader.take(STATE_MAGIC.len())? != STATE_MAGIC {
            return Err(StateError::new("these bytes are no emurust state"));
        }
        let mut version = 0u16;
        version.get(&mut reader)?;
        if version != STATE_VERSION {
            return Err(StateError::new(format!(
                "expected a state of version {STATE_VERSION}, got version {version}"
            )));
        }
        let mut hash = 0u64;
        hash.get(&mut reader)?;
        if hash != self.mmu.rom.hash {
            return Err(StateError::new("the state belongs to another ROM"));
        }
        if fnv1a(body) != u64::from_le_bytes(*checksum) {
            return Err(StateError::new(
                "the state is damaged: its checksum is wrong",
            ));
        }
        let mut state = self.clone();
        state.cpu.get(&mut reader)?;
        state.frame_end.get(&mut reader)?;
        state.mmu.get(&mut reader)?;
        if !reader.is_empty() {
            return Err(StateError::new("the state is too long"));
        }
        if state.frame_end.abs_diff(state.clock()) > FRAME_CYCLES {
            return Err(StateError::new("the frame's end is out of range"));
        }
        *self = state;
        Ok(())
    }
}

/// Four packed pixels as grey: shades 0 to 3 are 255, 170, 85, 0.
const GRAY: [[u8; 4]; 256] = shades::<4>();
/// The same with each value three times.
const RGB: [[u8; 12]; 256] = shades::<12>();

const fn shades<const BYTES: usize>() -> [[u8; BYTES]; 256] {
    let mut table = [[0; BYTES]; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut i = 0;
        while i < BYTES {
            table[byte][i] = 255 - 85 * ((byte >> (i / (BYTES / 4) * 2)) & 3) as u8;
            i += 1;
        }
        byte += 1;
    }
    table
}

const _: () = assert!(PICTURE_BYTES * 4 == GRAY_BYTES);
