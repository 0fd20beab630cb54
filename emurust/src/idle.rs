//! Loops that only wait: passed over in one go, up to what they wait for.
//!
//! Programs that do not HALT spend most of their time in such loops. Three kinds are known: counting
//! a register down, waiting for a line of the LCD, and any loop that reads what does not change and
//! comes back with all registers as they were.

#![forbid(unsafe_code)]

use crate::cpu::{match_opcode, Cpu, Memory};
use crate::decode::needs_step;
use crate::joypad::Joypad;
use crate::mmu::{Mmu, M_CYCLE};

/// The most instructions of a loop that is tried.
const LONGEST_LOOP: usize = 64;

/// Passes over whole turns of the loop that begins at `cpu.pc`, as far as every instruction in them
/// begins before `limit`. Returns whether time passed.
pub fn skip(cpu: &mut Cpu, mmu: &mut Mmu, limit: u64) -> bool {
    let start = mmu.parts.clock;
    let left = limit.saturating_sub(start);
    let code = code_at(cpu.pc, mmu);
    mmu.parts.clock += skip_countdown(cpu, &code, left)
        .or_else(|| wait_for_line(mmu, cpu.pc, &code, left))
        .or_else(|| repeat_unchanged(cpu, mmu, left))
        .unwrap_or(0);
    mmu.parts.clock > start
}

/// Passes over turns of a countdown in FF80..=FFFE, where the buses are not needed.
pub fn skip_countdown_in_high_ram(cpu: &mut Cpu, mmu: &mut Mmu, limit: u64) {
    if cpu.pc >= 0xFF80 {
        let left = limit.saturating_sub(mmu.parts.clock);
        let code = code_at(cpu.pc, mmu);
        mmu.parts.clock += skip_countdown(cpu, &code, left).unwrap_or(0);
    }
}

/// Registers are never code, and to read them may do something.
fn code_at(pc: u16, mmu: &mut Mmu) -> [u8; 8] {
    std::array::from_fn(|i| match pc.wrapping_add(i as u16) {
        0xFE00..=0xFF7F => 0xFF,
        address => mmu.peek(address),
    })
}

/// `dec r; jr nz` and `dec rr; ld a, high; or low; jr nz`: the turns left are known.
fn skip_countdown(cpu: &mut Cpu, code: &[u8], left: u64) -> Option<u64> {
    match *code {
        [op, 0x20, 0xFD, ..] if op & 0xC7 == 0x05 && op != 0x35 => {
            let turn = 4 * M_CYCLE;
            let register = op >> 3;
            let counter = cpu.register(register);
            let turns = (left / turn).min(u64::from(counter.wrapping_sub(1)));
            if turns > 0 {
                let counter = cpu.dec(counter.wrapping_sub(turns as u8 - 1));
                cpu.set_register(register, counter);
            }
            Some(turns * turn)
        }
        [op @ (0x0B | 0x1B | 0x2B), load, or, 0x20, 0xFB, ..] => {
            let high = op >> 4 << 1;
            if (load, or) != (0x78 + high, 0xB1 + high) {
                return None;
            }
            let turn = 7 * M_CYCLE;
            let counter = cpu.rr(op);
            let turns = (left / turn).min(u64::from(counter.wrapping_sub(1)));
            if turns > 0 {
                let [high, low] = (counter.wrapping_sub(turns as u16)).to_be_bytes();
                cpu.set_rr(op, u16::from_be_bytes([high, low]));
                cpu.a = high;
                cpu.alu(or, low);
            }
            Some(turns * turn)
        }
        _ => None,
    }
}

/// `ldh a, (LY); cp n; jr cc` or `jp cc`: the time at which the condition ends is known.
fn wait_for_line(mmu: &mut Mmu, start: u16, code: &[u8], left: u64) -> Option<u64> {
    let (read, test) = match code {
        [0xF0, 0x44, test @ ..] => (3, test),
        [0xFA, 0x44, 0xFF, test @ ..] => (4, test),
        _ => return None,
    };
    let length = 8 - test.len() as u16;
    let (line, jump, cycles) = match *test {
        [0xFE, line, jump @ (0x20 | 0x28 | 0x30 | 0x38), offset, ..]
            if offset as i8 as i16 == -(length as i16 + 4) =>
        {
            (line, jump, read + 2 + 3)
        }
        [0xFE, line, jump @ (0xC2 | 0xCA | 0xD2 | 0xDA), low, high, ..]
            if u16::from_le_bytes([low, high]) == start =>
        {
            (line, jump, read + 2 + 4)
        }
        _ => return None,
    };
    let waits = |ly: u8| match (jump >> 3) & 3 {
        0 => ly != line,
        1 => ly == line,
        2 => ly >= line,
        _ => ly < line,
    };
    mmu.catch_up();
    if !waits(mmu.parts.ppu.read(0xFF44)) {
        return None;
    }
    let now = mmu.parts.clock;
    let until = mmu.parts.ppu.next_line_where(|ly| !waits(ly));
    let turn = cycles * M_CYCLE;
    // The last turn runs, for the line that it leaves in A and the flags.
    let turns = left.min(until.saturating_sub(now)) / turn;
    Some(turns.saturating_sub(1) * turn)
}

/// Any loop that one turn shows to change nothing.
fn repeat_unchanged(cpu: &Cpu, mmu: &mut Mmu, left: u64) -> Option<u64> {
    mmu.catch_up();
    let start = mmu.parts.clock;
    let mut watch = Watch {
        clock: start,
        stable_until: u64::MAX,
        changed: false,
        joypad: mmu.parts.joypad.clone(),
        mmu,
    };
    let mut turn = cpu.clone();
    for _ in 0..LONGEST_LOOP {
        let op = turn.fetch(&mut watch);
        if needs_step(op) || watch.changed {
            return None;
        }
        match_opcode!(op, OP => turn.execute::<_, OP>(&mut watch));
        if turn.pc == cpu.pc {
            break;
        }
    }
    let length = watch.clock - start;
    if watch.changed || turn != *cpu || watch.joypad != watch.mmu.parts.joypad {
        return None;
    }
    let stable = watch.stable_until.saturating_sub(start);
    Some(left.min(stable) / length * length)
}

/// A bus for one turn of a loop: nothing is written, and what may change by itself is noted.
struct Watch<'a> {
    clock: u64,
    /// What was read stays as it is until then.
    stable_until: u64,
    /// The turn would change something, or read what changes all the time.
    changed: bool,
    /// Programs select the rows of buttons in turn.
    joypad: Joypad,
    mmu: &'a mut Mmu,
}

impl Memory for Watch<'_> {
    fn read(&mut self, address: u16) -> u8 {
        self.clock += M_CYCLE;
        match address {
            0xFF00 => return self.joypad.read(),
            0xFF0F | 0xFF40 | 0xFF42 | 0xFF43 | 0xFF45..=0xFF4B => {}
            0xFF41 | 0xFF44 => {
                self.stable_until = self.stable_until.min(self.mmu.parts.ppu.next_change());
            }
            0x8000..=0x9FFF | 0xFE00..=0xFF7F => self.changed = true,
            _ => {}
        }
        if self.changed {
            return 0xFF;
        }
        self.mmu.read_at_clock(address)
    }

    fn write(&mut self, address: u16, value: u8) {
        self.clock += M_CYCLE;
        self.changed |= match address {
            0xC000..=0xFDFF | 0xFF80..=0xFFFE => self.mmu.read_at_clock(address) != value,
            // A request that is there already stays.
            0xFF00 => self.joypad.write(value) && !self.mmu.joypad_requested(),
            _ => true,
        };
    }

    fn idle(&mut self) {
        self.clock += M_CYCLE;
    }
}
