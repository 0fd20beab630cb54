//! The fast path: runs instructions until something besides the processor is due.
//!
//! Between two events of the other parts a program is alone with its memory. Here the registers and
//! the clock are local to one loop over all opcodes, work RAM and ROM are read directly, and
//! everything else goes through [`Mmu`]. What happens is [`Cpu::step`]'s doing, opcode for opcode.

#![forbid(unsafe_code)]

use crate::cartridge::Rom;
use crate::cpu::{match_opcode, Cpu, Memory, PREFIX};
use crate::decode::{
    ends_block, is_indirect, is_jump, is_stat_wait, needs_step, opcode, Op, VRAM_WAIT,
};
use crate::idle;
use crate::mmu::{Mmu, M_CYCLE};

/// The bus with the clock at hand. `DECODED` instructions bring their operands along.
struct FastBus<'a, const DECODED: bool> {
    clock: u64,
    operand: u16,
    /// A write may have changed what the memory knows.
    disturbed: bool,
    memory: &'a mut FastMemory<'a>,
}

/// The rest of the bus, apart so that registers are left to what every instruction needs.
struct FastMemory<'a> {
    /// No instruction begins at this time or later.
    limit: u64,
    vram_free_until: u64,
    vram_locked_until: u64,
    /// When STAT was last read.
    stat_read: u64,
    rom_offset: (usize, usize),
    rom: &'a [u8],
    mmu: &'a mut Mmu,
}

impl<'a> FastMemory<'a> {
    fn new(mmu: &'a mut Mmu, rom: &'a Rom) -> Self {
        FastMemory {
            limit: 0,
            vram_free_until: 0,
            vram_locked_until: 0,
            stat_read: 0,
            rom_offset: (0, 0),
            rom: &rom.bytes,
            mmu,
        }
    }

    /// Looks at what a write may have changed.
    #[inline(never)]
    fn settle(&mut self, clock: u64, ime: bool) {
        self.mmu.parts.clock = clock;
        self.limit = self.mmu.run_limit(ime);
        self.rom_offset = self.mmu.rom_offset();
        self.look_at_vram();
    }

    #[inline(always)]
    fn look_at_vram(&mut self) {
        self.vram_free_until = self.mmu.parts.ppu.vram_free_until();
        self.vram_locked_until = self.mmu.parts.ppu.vram_locked_until();
    }

    #[inline(always)]
    fn rom_index(&self, address: u16) -> usize {
        let offset = match address {
            0x0000..=0x3FFF => self.rom_offset.0,
            _ => self.rom_offset.1,
        };
        offset + usize::from(address & 0x3FFF)
    }

    #[cold]
    #[inline(never)]
    fn read_slow(&mut self, clock: u64, address: u16) -> u8 {
        self.mmu.parts.clock = clock;
        let value = self.mmu.read_at_clock(address);
        self.look_at_vram();
        if address == 0xFF41 {
            self.stat_read = clock;
        }
        value
    }

    /// How long a loop that has just tested STAT, and begins with `first`, goes on to find the same.
    #[inline(never)]
    fn stat_wait(&self, clock: u64, first: &Op) -> u64 {
        let turn = u64::from(first.lead) + JUMP_CYCLES;
        let access = if first.code == 0xF0 { 2 } else { 3 } * M_CYCLE;
        if self.stat_read + turn != clock + access {
            return 0; // what was before the jump is not the test: an interrupt came between
        }
        let until = self.mmu.parts.ppu.next_change();
        self.wait(clock, turn, until.saturating_sub(access))
    }

    /// How long a loop that writes `value` to `address` goes on to read FF there: VRAM is locked.
    #[inline(never)]
    fn vram_wait(&self, clock: u64, address: u16, value: u8) -> u64 {
        if !matches!(address, 0x8000..=0x9FFF) || value == 0xFF {
            return 0;
        }
        let (turn, access) = (4 * M_CYCLE + JUMP_CYCLES, 3 * M_CYCLE);
        self.wait(clock, turn, self.vram_locked_until.saturating_sub(access))
    }

    /// The time of all turns that begin before `until` and end by the limit.
    fn wait(&self, clock: u64, turn: u64, until: u64) -> u64 {
        let same = until.saturating_sub(clock).div_ceil(turn);
        let left = self.limit.saturating_sub(clock) / turn;
        same.min(left) * turn
    }

    /// Returns whether something may be due now that was not before.
    #[cold]
    #[inline(never)]
    fn write_slow(&mut self, clock: u64, address: u16, value: u8) -> bool {
        self.mmu.parts.clock = clock;
        self.mmu.write_at_clock(address, value);
        self.look_at_vram();
        match address {
            0xFF00 => self.mmu.interrupts() != 0,
            0x0000..=0x7FFF | 0xFF01..=0xFF0F | 0xFF40 | 0xFF41 | 0xFF45 | 0xFF46 | 0xFFFF => true,
            _ => false,
        }
    }
}

impl<const DECODED: bool> Memory for FastBus<'_, DECODED> {
    #[inline(always)]
    fn read(&mut self, address: u16) -> u8 {
        let memory = &mut *self.memory;
        let index = usize::from(address);
        let value = match address {
            0x0000..=0x7FFF => (memory.rom.get(memory.rom_index(address)).copied()).unwrap_or(0xFF),
            0xC000..=0xDFFF => memory.mmu.parts.wram[index & 0x1FFF],
            0xFF80..=0xFFFE => memory.mmu.parts.hram[index & 0x7F],
            0x8000..=0x9FFF if self.clock < memory.vram_free_until => {
                memory.mmu.parts.ppu.vram[index & 0x1FFF]
            }
            0x8000..=0x9FFF if self.clock < memory.vram_locked_until => 0xFF,
            _ => memory.read_slow(self.clock, address),
        };
        self.clock += M_CYCLE;
        value
    }

    #[inline(always)]
    fn write(&mut self, address: u16, value: u8) {
        let memory = &mut *self.memory;
        let index = usize::from(address);
        match address {
            0xC000..=0xDFFF => memory.mmu.parts.wram[index & 0x1FFF] = value,
            0xFF80..=0xFFFE => memory.mmu.parts.hram[index & 0x7F] = value,
            0x8000..=0x9FFF if self.clock < memory.vram_free_until => {
                memory.mmu.parts.ppu.vram[index & 0x1FFF] = value;
            }
            0x8000..=0x9FFF if self.clock < memory.vram_locked_until => {}
            _ => self.disturbed |= memory.write_slow(self.clock, address, value),
        }
        self.clock += M_CYCLE;
    }

    #[inline(always)]
    fn fetch(&mut self, pc: u16) -> u8 {
        if !DECODED {
            return self.read(pc);
        }
        let byte = self.operand as u8;
        self.operand >>= 8;
        self.clock += M_CYCLE;
        byte
    }

    #[inline(always)]
    fn fetch16(&mut self, pc: u16) -> u16 {
        if !DECODED {
            return self.pop(pc);
        }
        self.clock += 2 * M_CYCLE;
        self.operand
    }

    #[inline(always)]
    fn pop(&mut self, sp: u16) -> u16 {
        let next = sp.wrapping_add(1);
        if !matches!(sp, 0xC000..=0xDFFE) {
            return u16::from_le_bytes([self.read(sp), self.read(next)]);
        }
        self.clock += 2 * M_CYCLE;
        let wram = &self.memory.mmu.parts.wram;
        u16::from_le_bytes([sp, next].map(|address| wram[usize::from(address & 0x1FFF)]))
    }

    #[inline(always)]
    fn push(&mut self, sp: u16, value: u16) {
        let [hi, lo] = value.to_be_bytes();
        let (high, low) = (sp.wrapping_sub(1), sp.wrapping_sub(2));
        if !matches!(low, 0xC000..=0xDFFE) {
            self.write(high, hi);
            return self.write(low, lo);
        }
        self.clock += 2 * M_CYCLE;
        let wram = &mut self.memory.mmu.parts.wram;
        wram[usize::from(high & 0x1FFF)] = hi;
        wram[usize::from(low & 0x1FFF)] = lo;
    }

    #[inline(always)]
    fn idle(&mut self) {
        self.clock += M_CYCLE;
    }
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

/// Counts the turns of the innermost loop.
struct Turns {
    start: u16,
    count: u32,
    look_at: u32,
}

impl Turns {
    fn new(look_at: u32) -> Self {
        Turns {
            start: 0,
            count: 0,
            look_at,
        }
    }

    /// Counts a jump back to `start`; returns whether it is time to look at the loop.
    #[inline(always)]
    fn count(&mut self, start: u16) -> bool {
        if start != self.start {
            self.start = start;
            self.count = 0;
        }
        self.count += 1;
        self.count == self.look_at
    }
}

/// Why instructions are no longer run.
#[derive(PartialEq, Eq)]
enum Stop {
    /// An event is due, or an instruction that needs [`Cpu::step`].
    Due,
    /// There is not enough time left for a whole block.
    Block,
    /// The program has gone from ROM to elsewhere, or back.
    Moved,
    /// A loop has taken so many turns that it may only wait.
    Loop,
}

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
        let mut stop = Stop::Block;
        if is_rom(cpu.pc) {
            stop = run_blocks(cpu, mmu, rom, look_at);
        }
        if stop == Stop::Block {
            stop = run_singly(cpu, mmu, rom, look_at);
        }
        match stop {
            Stop::Due | Stop::Block => return,
            Stop::Moved => {}
            Stop::Loop => {
                let limit = mmu.run_limit(cpu.ime);
                if !idle::skip(cpu, mmu, limit) {
                    look_at = LATER_LOOKS;
                }
            }
        }
    }
}

fn is_rom(pc: u16) -> bool {
    pc < 0x8000
}

/// What a relative jump takes.
const JUMP_CYCLES: u64 = 3 * M_CYCLE;

/// Raises IME at once.
const RETI: u8 = 0xD9;

/// Runs decoded blocks of instructions in ROM, each as a whole.
fn run_blocks(cpu: &mut Cpu, mmu: &mut Mmu, rom: &Rom, look_at: u32) -> Stop {
    let mut local = cpu.clone();
    let mut bus = FastBus::<true> {
        clock: mmu.parts.clock,
        operand: 0,
        disturbed: false,
        memory: &mut FastMemory::new(mmu, rom),
    };
    let mut turns = Turns::new(look_at);
    let stop = 'settle: loop {
        bus.memory.settle(bus.clock, local.ime);
        'bank: loop {
            if !is_rom(local.pc) {
                break 'settle Stop::Moved;
            }
            let bank = local.pc & 0x4000;
            let Some(code) = rom.code(bus.memory.rom_index(bank)) else {
                break 'settle Stop::Block;
            };
            loop {
                if local.pc & 0xC000 != bank {
                    continue 'bank;
                }
                let lead = u64::from(code[usize::from(local.pc & 0x3FFF)].lead);
                if bus.clock + lead >= bus.memory.limit {
                    let due = bus.clock >= bus.memory.limit;
                    break 'settle if due { Stop::Due } else { Stop::Block };
                }
                loop {
                    let start = local.pc;
                    let op = &code[usize::from(start & 0x3FFF)];
                    bus.operand = op.operand;
                    bus.disturbed = false;
                    match_opcode!(op.code, CODE => {
                        const OP: u8 = opcode(CODE);
                        if needs_step(OP) {
                            break 'settle Stop::Due;
                        }
                        local.pc = start.wrapping_add(1);
                        bus.clock += M_CYCLE;
                        if OP == PREFIX {
                            execute_prefixed(&mut local, &mut bus);
                        } else {
                            local.execute::<_, OP>(&mut bus);
                        }
                        if is_indirect(OP) {
                            bus.memory.stat_read = 0; // it may lead to the end of a wait
                        }
                        if bus.disturbed || OP == RETI {
                            continue 'settle;
                        }
                        if is_stat_wait(CODE) {
                            if local.pc <= start {
                                let first = &code[usize::from(local.pc & 0x3FFF)];
                                bus.clock += bus.memory.stat_wait(bus.clock, first);
                            }
                        } else if CODE == VRAM_WAIT {
                            if local.pc <= start {
                                let passed = bus.memory.vram_wait(bus.clock, local.hl(), local.a);
                                if passed > 0 {
                                    bus.clock += passed;
                                    local.alu(0xBE, 0xFF); // the comparison of the last turn
                                }
                            }
                        } else if is_jump(OP) && local.pc <= start && turns.count(local.pc) {
                            break 'settle Stop::Loop;
                        }
                        if ends_block(OP) {
                            break;
                        }
                    });
                }
            }
        }
    };
    bus.memory.mmu.parts.clock = bus.clock;
    *cpu = local;
    stop
}

/// Runs instructions one at a time, in ROM or elsewhere.
fn run_singly(cpu: &mut Cpu, mmu: &mut Mmu, rom: &Rom, look_at: u32) -> Stop {
    let mut local = cpu.clone();
    let mut bus = FastBus::<false> {
        clock: mmu.parts.clock,
        operand: 0,
        disturbed: false,
        memory: &mut FastMemory::new(mmu, rom),
    };
    let mut turns = Turns::new(look_at);
    let in_rom = is_rom(local.pc);
    let stop = 'settle: loop {
        bus.memory.settle(bus.clock, local.ime);
        loop {
            if bus.clock >= bus.memory.limit {
                break 'settle Stop::Due;
            }
            if is_rom(local.pc) != in_rom {
                break 'settle Stop::Moved;
            }
            let start = local.pc;
            let op = local.fetch(&mut bus);
            bus.disturbed = false;
            match_opcode!(op, OP => {
                if needs_step(OP) {
                    local.pc = start;
                    bus.clock -= M_CYCLE;
                    break 'settle Stop::Due;
                }
                if OP == PREFIX {
                    execute_prefixed(&mut local, &mut bus);
                } else {
                    local.execute::<_, OP>(&mut bus);
                }
                if bus.disturbed || OP == RETI {
                    continue 'settle;
                }
                if is_jump(OP) && local.pc <= start && turns.count(local.pc) {
                    break 'settle Stop::Loop;
                }
            });
        }
    };
    bus.memory.mmu.parts.clock = bus.clock;
    *cpu = local;
    stop
}
