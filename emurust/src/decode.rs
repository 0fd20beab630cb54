//! ROM as instructions: what the processor finds at each address of a bank, worked out once.

#![forbid(unsafe_code)]

use crate::cartridge::ROM_BANK;
use crate::cpu::{match_opcode, Cpu, Memory};
use crate::mmu::M_CYCLE;

/// The instruction that begins at an address.
#[derive(Clone, Copy, Debug)]
pub struct Op {
    /// The opcode, or one that no program has: [`LEAVE`], [`VRAM_WAIT`], or one for which
    /// [`is_stat_wait`].
    pub code: u8,
    /// The bytes after the opcode, the first one lowest.
    pub operand: u16,
    /// Clock cycles from here to the start of the last instruction of the block: what is executed
    /// in a line, up to the first instruction for which [`ends_block`].
    pub lead: u32,
}

/// The instructions of one bank by address.
pub type Code = [Op; ROM_BANK];

/// Stands for illegal opcodes, and for instructions that reach into the next bank.
const LEAVE: u8 = 0xD3;

/// Stands for the `jr nz` of `ld (hl), a; cp (hl); jr nz`, which waits until VRAM takes a byte.
pub const VRAM_WAIT: u8 = 0xE3;

/// Stand for `jr nz`, `jr z`, `jr nc` and `jr c` at the end of a loop that only tests STAT.
const STAT_WAITS: [u8; 4] = [0xEB, 0xEC, 0xED, 0xF4];

#[inline(always)]
pub const fn is_stat_wait(code: u8) -> bool {
    matches!(code, 0xEB..=0xED | 0xF4)
}

/// The opcode that a code of [`Op`] stands for.
#[inline(always)]
pub const fn opcode(code: u8) -> u8 {
    match code {
        VRAM_WAIT | 0xEB => 0x20,
        0xEC => 0x28,
        0xED => 0x30,
        0xF4 => 0x38,
        _ => code,
    }
}

/// What stands for the conditional jump at `start`: its opcode, unless it ends a wait for the LCD.
fn jump_code(bank: &[u8; ROM_BANK], start: usize) -> u8 {
    let (op, offset) = (bank[start], bank[start + 1] as i8);
    let target = (start + 2).wrapping_add_signed(offset.into());
    let test = match bank.get(target..start) {
        Some([0x77, 0xBE]) if op == 0x20 => return VRAM_WAIT,
        Some([0xF0, 0x41, test @ ..] | [0xFA, 0x41, 0xFF, test @ ..]) => test,
        _ => return op,
    };
    match *test {
        [0xE6 | 0xFE, _] | [0xA7 | 0xB7 | 0xA0..=0xA5 | 0xB8..=0xBD] => {} // and, or a, cp
        [0xCB, bit] if bit & 0xC7 == 0x47 => {}
        _ => return op,
    }
    STAT_WAITS[usize::from(op >> 3 & 3)]
}

const fn is_illegal(op: u8) -> bool {
    matches!(
        op,
        0xD3 | 0xDB | 0xDD | 0xE3 | 0xE4 | 0xEB..=0xED | 0xF4 | 0xFC | 0xFD
    )
}

/// HALT, STOP, EI and illegal opcodes: what the processor alone cannot carry out.
#[inline(always)]
pub const fn needs_step(op: u8) -> bool {
    matches!(op, 0x76 | 0x10 | 0xFB) || is_illegal(op)
}

/// Relative and absolute jumps, conditional or not.
#[inline(always)]
pub const fn is_jump(op: u8) -> bool {
    matches!(
        op,
        0x18 | 0x20 | 0x28 | 0x30 | 0x38 | 0xC2 | 0xC3 | 0xCA | 0xD2 | 0xDA
    )
}

/// Returns, and the jump to HL.
#[inline(always)]
pub const fn is_indirect(op: u8) -> bool {
    matches!(op, 0xC0 | 0xC8 | 0xC9 | 0xD0 | 0xD8 | 0xD9 | 0xE9)
}

/// Jumps, calls and returns, and what needs a step.
#[inline(always)]
pub const fn ends_block(op: u8) -> bool {
    let calls = matches!(op, 0xC4 | 0xCC | 0xCD | 0xD4 | 0xDC) || op & 0xC7 == 0xC7;
    needs_step(op) || is_jump(op) || calls || is_indirect(op)
}

/// The instructions that begin at each byte of `bank`.
pub fn decode(bank: &[u8; ROM_BANK]) -> Box<Code> {
    let leave = Op {
        code: LEAVE,
        operand: 0,
        lead: 0,
    };
    let mut code: Box<Code> = (vec![leave; ROM_BANK].try_into()).expect("the length of a bank");
    let mut meter = Meter { bank, cycles: 0 };
    // From the end on, because an instruction's lead follows from the next one's.
    for start in (0..ROM_BANK - 3).rev() {
        let op = bank[start];
        let mut lead = 0;
        if !ends_block(op) {
            let mut cpu = Cpu::after_boot(0);
            cpu.pc = start as u16;
            meter.cycles = 0;
            let op = cpu.fetch(&mut meter);
            match_opcode!(op, OP => cpu.execute::<_, OP>(&mut meter));
            lead = code[usize::from(cpu.pc)].lead + meter.cycles;
        }
        code[start] = Op {
            code: match op {
                0x20 | 0x28 | 0x30 | 0x38 => jump_code(bank, start),
                _ if is_illegal(op) => LEAVE,
                _ => op,
            },
            operand: u16::from_le_bytes([bank[start + 1], bank[start + 2]]),
            lead,
        };
    }
    code
}

/// Measures instructions that do not depend on what they read.
struct Meter<'a> {
    bank: &'a [u8; ROM_BANK],
    cycles: u32,
}

impl Memory for Meter<'_> {
    fn read(&mut self, address: u16) -> u8 {
        self.idle();
        self.bank[usize::from(address) % ROM_BANK]
    }

    fn write(&mut self, _address: u16, _value: u8) {
        self.idle();
    }

    fn idle(&mut self) {
        self.cycles += M_CYCLE as u32;
    }
}
