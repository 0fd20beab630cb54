//! The fast path: runs instructions until something besides the processor is due.
//!
//! Between two events of the other parts a program is alone with its memory. Here the registers and
//! the clock are local to one loop over all opcodes, work RAM and ROM are read directly, and
//! everything else goes through [`Mmu`]. What happens is [`Cpu::step`]'s doing, opcode for opcode.

#![forbid(unsafe_code)]

use crate::cartridge::Rom;
use crate::cpu::{Cpu, Memory};
use crate::idle;
use crate::mmu::{Mmu, M_CYCLE};

/// The bus with the clock and the ROM's banks at hand.
struct FastBus<'a> {
    clock: u64,
    /// No instruction begins at this time or later.
    limit: u64,
    /// The bytes of the instruction that are still to come, the next one lowest.
    code: u32,
    rom: &'a [u8],
    rom_offset: (usize, usize),
    /// The ROM bank that was last executed from, and its first address.
    bank: &'a [u8],
    bank_start: u16,
    mmu: &'a mut Mmu,
}

impl FastBus<'_> {
    /// The four bytes from `pc` on, if they lie together in memory that is read directly.
    #[inline(always)]
    fn code_at(&mut self, pc: u16) -> Option<u32> {
        let index = usize::from(pc.wrapping_sub(self.bank_start));
        if let Some(code) = self.bank.get(index..index + 4) {
            return code.first_chunk().map(|&code| u32::from_le_bytes(code));
        }
        let index = usize::from(pc);
        let bytes = match pc {
            0x0000..=0x7FFC => {
                let bank = self.rom_index(pc & 0x4000);
                self.bank = self.rom.get(bank..bank + 0x4000)?;
                self.bank_start = pc & 0x4000;
                self.bank.get(index & 0x3FFF..)?
            }
            0xC000..=0xDFFC => &self.mmu.parts.wram[index & 0x1FFF..],
            0xFF80..=0xFFFB => &self.mmu.parts.hram[index & 0x7F..],
            _ => return None,
        };
        bytes.first_chunk().map(|&code| u32::from_le_bytes(code))
    }

    #[inline(always)]
    fn rom_index(&self, address: u16) -> usize {
        let offset = match address {
            0x0000..=0x3FFF => self.rom_offset.0,
            _ => self.rom_offset.1,
        };
        offset + usize::from(address & 0x3FFF)
    }

    #[inline(never)]
    fn read_slow(mmu: &mut Mmu, clock: u64, address: u16) -> u8 {
        mmu.parts.clock = clock;
        mmu.read_at_clock(address)
    }

    /// Returns whether something may be due now that was not before.
    #[inline(never)]
    fn write_slow(mmu: &mut Mmu, clock: u64, address: u16, value: u8) -> bool {
        mmu.parts.clock = clock;
        mmu.write_at_clock(address, value);
        match address {
            0xFF00 => mmu.interrupts() != 0,
            0xFF01..=0xFF0F | 0xFF40 | 0xFF41 | 0xFF45 | 0xFF46 | 0xFFFF => true,
            _ => false,
        }
    }
}

impl Memory for FastBus<'_> {
    #[inline(always)]
    fn read(&mut self, address: u16) -> u8 {
        let index = usize::from(address);
        let value = match address {
            0x0000..=0x7FFF => (self.rom.get(self.rom_index(address)).copied()).unwrap_or(0xFF),
            0xC000..=0xDFFF => self.mmu.parts.wram[index & 0x1FFF],
            0xFF80..=0xFFFE => self.mmu.parts.hram[index & 0x7F],
            _ => Self::read_slow(self.mmu, self.clock, address),
        };
        self.clock += M_CYCLE;
        value
    }

    #[inline(always)]
    fn write(&mut self, address: u16, value: u8) {
        let index = usize::from(address);
        match address {
            0xC000..=0xDFFF => self.mmu.parts.wram[index & 0x1FFF] = value,
            0xFF80..=0xFFFE => self.mmu.parts.hram[index & 0x7F] = value,
            _ => {
                if Self::write_slow(self.mmu, self.clock, address, value) {
                    self.limit = 0;
                }
                if address < 0x8000 {
                    self.rom_offset = self.mmu.rom_offset();
                    self.bank = &[];
                }
            }
        }
        self.clock += M_CYCLE;
    }

    #[inline(always)]
    fn fetch(&mut self, _pc: u16) -> u8 {
        let byte = self.code as u8;
        self.code >>= 8;
        self.clock += M_CYCLE;
        byte
    }

    #[inline(always)]
    fn idle(&mut self) {
        self.clock += M_CYCLE;
    }
}

/// Calls a method with a literal opcode, so that each gets code of its own.
macro_rules! by_opcode {
    ($op:expr, $code:ident => $body:expr) => {
        by_opcode!(@ $op, $code, $body,
            0x00 0x01 0x02 0x03 0x04 0x05 0x06 0x07 0x08 0x09 0x0A 0x0B 0x0C 0x0D 0x0E 0x0F
            0x10 0x11 0x12 0x13 0x14 0x15 0x16 0x17 0x18 0x19 0x1A 0x1B 0x1C 0x1D 0x1E 0x1F
            0x20 0x21 0x22 0x23 0x24 0x25 0x26 0x27 0x28 0x29 0x2A 0x2B 0x2C 0x2D 0x2E 0x2F
            0x30 0x31 0x32 0x33 0x34 0x35 0x36 0x37 0x38 0x39 0x3A 0x3B 0x3C 0x3D 0x3E 0x3F
            0x40 0x41 0x42 0x43 0x44 0x45 0x46 0x47 0x48 0x49 0x4A 0x4B 0x4C 0x4D 0x4E 0x4F
            0x50 0x51 0x52 0x53 0x54 0x55 0x56 0x57 0x58 0x59 0x5A 0x5B 0x5C 0x5D 0x5E 0x5F
            0x60 0x61 0x62 0x63 0x64 0x65 0x66 0x67 0x68 0x69 0x6A 0x6B 0x6C 0x6D 0x6E 0x6F
            0x70 0x71 0x72 0x73 0x74 0x75 0x76 0x77 0x78 0x79 0x7A 0x7B 0x7C 0x7D 0x7E 0x7F
            0x80 0x81 0x82 0x83 0x84 0x85 0x86 0x87 0x88 0x89 0x8A 0x8B 0x8C 0x8D 0x8E 0x8F
            0x90 0x91 0x92 0x93 0x94 0x95 0x96 0x97 0x98 0x99 0x9A 0x9B 0x9C 0x9D 0x9E 0x9F
            0xA0 0xA1 0xA2 0xA3 0xA4 0xA5 0xA6 0xA7 0xA8 0xA9 0xAA 0xAB 0xAC 0xAD 0xAE 0xAF
            0xB0 0xB1 0xB2 0xB3 0xB4 0xB5 0xB6 0xB7 0xB8 0xB9 0xBA 0xBB 0xBC 0xBD 0xBE 0xBF
            0xC0 0xC1 0xC2 0xC3 0xC4 0xC5 0xC6 0xC7 0xC8 0xC9 0xCA 0xCB 0xCC 0xCD 0xCE 0xCF
            0xD0 0xD1 0xD2 0xD3 0xD4 0xD5 0xD6 0xD7 0xD8 0xD9 0xDA 0xDB 0xDC 0xDD 0xDE 0xDF
            0xE0 0xE1 0xE2 0xE3 0xE4 0xE5 0xE6 0xE7 0xE8 0xE9 0xEA 0xEB 0xEC 0xED 0xEE 0xEF
            0xF0 0xF1 0xF2 0xF3 0xF4 0xF5 0xF6 0xF7 0xF8 0xF9 0xFA 0xFB 0xFC 0xFD 0xFE 0xFF)
    };
    (@ $op:expr, $code:ident, $body:expr, $($literal:literal)*) => {
        match $op {
            $($literal => { let $code: u8 = $literal; $body })*
        }
    };
}

/// HALT, STOP, EI, RETI and illegal opcodes.
#[inline(always)]
pub fn needs_step(op: u8) -> bool {
    matches!(
        op,
        0x76 | 0x10 | 0xFB | 0xD9 | 0xD3 | 0xDB | 0xDD | 0xE3 | 0xE4 | 0xEB
            ..=0xED | 0xF4 | 0xFC | 0xFD
    )
}

/// Relative and absolute jumps, conditional or not.
#[inline(always)]
fn is_jump(op: u8) -> bool {
    matches!(
        op,
        0x18 | 0x20 | 0x28 | 0x30 | 0x38 | 0xC2 | 0xC3 | 0xCA | 0xD2 | 0xDA
    )
}

/// Turns of a loop after which it is looked at as one that may only wait.
const FIRST_LOOK: u32 = 4;
const LATER_LOOKS: u32 = 64;

/// Runs instructions while none of them needs more than [`Cpu::execute`] and no event is due.
pub fn run(cpu: &mut Cpu, mmu: &mut Mmu, rom: &Rom) {
    let mut look_at = FIRST_LOOK;
    loop {
        let limit = mmu.run_limit(cpu.ime);
        if !run_to_loop(cpu, mmu, rom, limit, look_at) {
            return;
        }
        if !idle::skip(cpu, mmu, limit) {
            look_at = LATER_LOOKS;
        }
    }
}

/// Returns whether it stopped because one loop took `look_at` turns.
fn run_to_loop(cpu: &mut Cpu, mmu: &mut Mmu, rom: &Rom, limit: u64, look_at: u32) -> bool {
    let mut local = cpu.clone();
    let mut bus = FastBus {
        clock: mmu.parts.clock,
        limit,
        code: 0,
        rom: &rom.bytes,
        rom_offset: mmu.rom_offset(),
        bank: &[],
        bank_start: 0,
        mmu,
    };
    let mut in_loop = false;
    let (mut loop_start, mut turns) = (0, 0);
    while bus.clock < bus.limit {
        let start = local.pc;
        let Some(code) = bus.code_at(start) else {
            break;
        };
        bus.code = code;
        let op = local.fetch(&mut bus);
        by_opcode!(op, code => {
            if needs_step(code) {
                local.pc = start;
                bus.clock -= M_CYCLE;
                break;
            }
            if code == 0xCB {
                let op = local.fetch(&mut bus);
                by_opcode!(op, code => local.execute_cb(&mut bus, code));
            } else {
                local.execute(&mut bus, code);
            }
            if is_jump(code) && local.pc <= start {
                if local.pc != loop_start {
                    loop_start = local.pc;
                    turns = 0;
                }
                turns += 1;
                if turns == look_at {
                    in_loop = true;
                    break;
                }
            }
        });
    }
    bus.mmu.parts.clock = bus.clock;
    *cpu = local;
    in_loop
}
