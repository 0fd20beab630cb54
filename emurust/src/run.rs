//! The fast path: runs instructions until something besides the processor is due.
//!
//! Between two events of the other parts a program is alone with its memory. Here the registers and
//! the clock are local to one loop over all opcodes, work RAM and ROM are read directly, and
//! everything else goes through [`Mmu`]. What happens is [`Cpu::step`]'s doing, opcode for opcode.

#![forbid(unsafe_code)]

use crate::cartridge::{Rom, ROM_BANK};
use crate::cpu::{match_opcode, Cpu, Memory, PREFIX};
use crate::idle;
use crate::mmu::{Mmu, M_CYCLE};

/// The bus with the clock and the ROM's banks at hand, for code in ROM or in RAM. Each is a type of
/// its own, so that every opcode has one caller and is compiled into it.
struct FastBus<'a, const IN_ROM: bool> {
    clock: u64,
    /// No instruction begins at this time or later.
    limit: u64,
    vram_free_until: u64,
    /// The bytes of the instruction that are still to come, the next one lowest.
    code: u32,
    rom: &'a [u8],
    rom_offset: (usize, usize),
    /// The ROM bank that is executed from, and its first address.
    bank: &'a [u8; ROM_BANK],
    bank_start: u16,
    mmu: &'a mut Mmu,
}

/// Four bytes of code are read at once; from here on in a bank they do not lie together.
const BANK_END: usize = ROM_BANK - 3;

impl<'a, const IN_ROM: bool> FastBus<'a, IN_ROM> {
    /// The four bytes from `pc` on, if they lie together in ROM or, without `IN_ROM`, in RAM.
    #[inline(always)]
    fn code_at(&mut self, pc: u16) -> Option<u32> {
        let index = usize::from(pc);
        let bytes = if IN_ROM {
            let index = usize::from(pc.wrapping_sub(self.bank_start));
            if index < BANK_END {
                &self.bank[index..]
            } else {
                self.bank_start = pc & 0x4000;
                self.bank = self.bank_at(self.bank_start);
                self.bank.get(usize::from(pc - self.bank_start)..)?
            }
        } else {
            match pc {
                0xC000..=0xDFFC => &self.mmu.parts.wram[index & 0x1FFF..],
                0xFF80..=0xFFFB => &self.mmu.parts.hram[index & 0x7F..],
                _ => return None,
            }
        };
        bytes.first_chunk().map(|&code| u32::from_le_bytes(code))
    }

    #[inline(always)]
    fn bank_at(&self, start: u16) -> &'a [u8; ROM_BANK] {
        let rest = self.rom.get(self.rom_index(start)..).unwrap_or(&[]);
        rest.first_chunk().unwrap_or(&[0xFF; ROM_BANK])
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

impl<const IN_ROM: bool> Memory for FastBus<'_, IN_ROM> {
    #[inline(always)]
    fn read(&mut self, address: u16) -> u8 {
        let index = usize::from(address);
        let value = match address {
            0x0000..=0x7FFF => (self.rom.get(self.rom_index(address)).copied()).unwrap_or(0xFF),
            0xC000..=0xDFFF => self.mmu.parts.wram[index & 0x1FFF],
            0xFF80..=0xFFFE => self.mmu.parts.hram[index & 0x7F],
            0x8000..=0x9FFF if self.clock < self.vram_free_until => {
                self.mmu.parts.ppu.vram[index & 0x1FFF]
            }
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
            0x8000..=0x9FFF if self.clock < self.vram_free_until => {
                self.mmu.parts.ppu.vram[index & 0x1FFF] = value;
            }
            _ => {
                if Self::write_slow(self.mmu, self.clock, address, value) {
                    self.limit = 0;
                }
                if address < 0x8000 {
                    self.rom_offset = self.mmu.rom_offset();
                    self.bank = self.bank_at(self.bank_start);
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

/// Apart from the other opcodes' match, or it would be expanded in each of their arms.
#[inline(always)]
fn execute_prefixed(cpu: &mut Cpu, bus: &mut impl Memory) {
    let op = cpu.fetch(bus);
    match_opcode!(op, OP => cpu.execute_prefixed::<_, OP>(bus));
}

/// Turns of a loop after which it is looked at as one that may only wait.
const FIRST_LOOK: u32 = 4;
const LATER_LOOKS: u32 = 64;

/// Runs instructions while none of them needs more than [`Cpu::execute`] and no event is due.
pub fn run(cpu: &mut Cpu, mmu: &mut Mmu, rom: &Rom) {
    // During a DMA the buses are not free. Programs sit it out in high RAM.
    if let Some(limit) = mmu.dma_wait_limit() {
        if !(cpu.ime && mmu.interrupts() != 0) {
            idle::skip_countdown_in_high_ram(cpu, mmu, limit);
        }
        return;
    }
    let mut look_at = FIRST_LOOK;
    loop {
        let limit = mmu.run_limit(cpu.ime);
        let in_loop = match cpu.pc {
            0x0000..=0x7FFF => run_to_loop::<true>(cpu, mmu, rom, limit, look_at),
            _ => run_to_loop::<false>(cpu, mmu, rom, limit, look_at),
        };
        if !in_loop {
            return;
        }
        if !idle::skip(cpu, mmu, limit) {
            look_at = LATER_LOOKS;
        }
    }
}

/// Runs code in ROM, or in RAM. Returns whether it stopped because one loop took `look_at` turns.
fn run_to_loop<const IN_ROM: bool>(
    cpu: &mut Cpu,
    mmu: &mut Mmu,
    rom: &Rom,
    limit: u64,
    look_at: u32,
) -> bool {
    let mut local = cpu.clone();
    let mut bus = FastBus::<IN_ROM> {
        clock: mmu.parts.clock,
        limit,
        vram_free_until: mmu.parts.ppu.vram_free_until(),
        code: 0,
        rom: &rom.bytes,
        rom_offset: mmu.rom_offset(),
        bank: &[0xFF; ROM_BANK],
        bank_start: local.pc & 0x4000,
        mmu,
    };
    bus.bank = bus.bank_at(bus.bank_start);
    let mut in_loop = false;
    let (mut loop_start, mut turns) = (0, 0);
    while bus.clock < bus.limit {
        let start = local.pc;
        let Some(code) = bus.code_at(start) else {
            break;
        };
        bus.code = code;
        let op = local.fetch(&mut bus);
        match_opcode!(op, OP => {
            if needs_step(OP) {
                local.pc = start;
                bus.clock -= M_CYCLE;
                break;
            }
            if OP == PREFIX {
                execute_prefixed(&mut local, &mut bus);
            } else {
                local.execute::<_, OP>(&mut bus);
            }
            if is_jump(OP) && local.pc <= start {
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
