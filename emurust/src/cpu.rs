//! SM83 processor: registers, instruction decoding and interrupt dispatch.
//!
//! The processor only knows a [`Bus`]. Every bus call takes one M-cycle (4 clock cycles), so memory
//! timing is right by construction.

#![forbid(unsafe_code)]

/// What instructions see of the machine. Each call takes one M-cycle, those for 16 bits two.
pub trait Memory {
    fn read(&mut self, address: u16) -> u8;
    fn write(&mut self, address: u16, value: u8);
    /// An M-cycle without a bus access.
    fn idle(&mut self);
    /// Reads the instruction's next byte.
    #[inline(always)]
    fn fetch(&mut self, pc: u16) -> u8 {
        self.read(pc)
    }
    /// Reads the instruction's last two bytes.
    #[inline(always)]
    fn fetch16(&mut self, pc: u16) -> u16 {
        let lo = self.fetch(pc);
        let hi = self.fetch(pc.wrapping_add(1));
        u16::from_le_bytes([lo, hi])
    }
    /// Reads the two bytes from `sp` on.
    #[inline(always)]
    fn pop(&mut self, sp: u16) -> u16 {
        let lo = self.read(sp);
        let hi = self.read(sp.wrapping_add(1));
        u16::from_le_bytes([lo, hi])
    }
    /// Writes the two bytes below `sp`, the high one first.
    #[inline(always)]
    fn push(&mut self, sp: u16, value: u16) {
        let [hi, lo] = value.to_be_bytes();
        self.write(sp.wrapping_sub(1), hi);
        self.write(sp.wrapping_sub(2), lo);
    }
}

/// What the processor sees of the machine besides: interrupts, and waiting for them.
pub trait Bus: Memory {
    /// Interrupts requested and enabled (`IF & IE`) at this moment.
    fn pending_interrupts(&mut self) -> u8;
    /// The same in the middle of the last M-cycle.
    fn pending_in_last_cycle(&mut self) -> u8;
    /// Clears a bit of IF.
    fn acknowledge(&mut self, interrupt: u8);
    /// Lets time pass in HALT: at least one M-cycle, at most until something may happen. Returns
    /// whether an interrupt is pending then.
    fn wait(&mut self) -> bool;
    /// Lets time pass in STOP; returns whether a button line ends it.
    fn wait_stopped(&mut self) -> bool;
}

/// Whether instructions are executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RunState {
    Running = 0,
    Halted = 1,
    Stopped = 2,
    /// An illegal opcode was fetched: only a reset helps.
    Locked = 3,
}

impl TryFrom<u8> for RunState {
    type Error = ();
    fn try_from(value: u8) -> Result<Self, ()> {
        [Self::Running, Self::Halted, Self::Stopped, Self::Locked]
            .get(usize::from(value))
            .copied()
            .ok_or(())
    }
}

/// The opcodes' register field: B C D E H L (HL) A.
const C: u8 = 1;
const A: u8 = 7;

/// The opcode that selects the second table.
pub(crate) const PREFIX: u8 = 0xCB;

const ZERO: u8 = 0x80;
const SUBTRACT: u8 = 0x40;
const HALF: u8 = 0x20;
const CARRY: u8 = 0x10;

/// Matches an opcode against every literal, so that `$body` is compiled once for each, with the
/// constant `$code`.
macro_rules! match_opcode {
    ($op:expr, $code:ident => $body:expr) => {
        match_opcode!(@ $op, $code, $body,
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
            0xF0 0xF1 0xF2 0xF3 0xF4 0xF5 0xF6 0xF7 0xF8 0xF9 0xFA 0xFB 0xFC 0xFD 0xFE 0xFF
        )
    };
    (@ $op:expr, $code:ident, $body:expr, $($literal:literal)*) => {
        match $op {
            $($literal => { const $code: u8 = $literal; $body })*
        }
    };
}
pub(crate) use match_opcode;

/// The flags as what they follow from, for most are overwritten before a program looks at them. One
/// word, because registers are scarce: Z is set where the low byte is 0; the other bits stand for
/// themselves, and the rest for nothing.
#[derive(Clone, Copy, Debug)]
pub struct Flags(u32);

/// Where [`Flags`] has C, the ninth bit of a result, and N.
const CARRY_OUT: u32 = (CARRY as u32) << 4;
const SUBTRACTED: u32 = (SUBTRACT as u32) << 4;
/// Where [`Flags`] has H: the carry into bit 4, where sum and operands differ, 16 bits higher.
const HALF_CARRY: u32 = (HALF as u32) << 15;

impl Flags {
    /// The register F.
    pub fn byte(self) -> u8 {
        let carry_and_subtract = (self.0 >> 4) as u8 & (CARRY | SUBTRACT);
        let half = (self.0 >> 15) as u8 & HALF;
        flag(self.zero(), ZERO) | half | carry_and_subtract
    }

    #[inline(always)]
    fn zero(self) -> bool {
        self.0 as u8 == 0
    }

    #[inline(always)]
    fn carry(self) -> u8 {
        (self.0 >> 8) as u8 & 1
    }
}

impl From<u8> for Flags {
    /// The low four bits do not exist.
    fn from(f: u8) -> Self {
        let carry_and_subtract = u32::from(f & (CARRY | SUBTRACT)) << 4;
        let half = u32::from(f & HALF) << 15;
        Flags(u32::from(!f & ZERO) | half | carry_and_subtract)
    }
}

impl PartialEq for Flags {
    fn eq(&self, other: &Self) -> bool {
        self.byte() == other.byte()
    }
}

impl Eq for Flags {}

/// The processor's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// BC, DE, HL.
    pub(crate) pairs: [u16; 3],
    pub a: u8,
    pub flags: Flags,
    pub pc: u16,
    pub sp: u16,
    /// Interrupt master enable.
    pub ime: bool,
    /// EI was the last instruction: IME rises after the next one.
    pub ei_delay: bool,
    /// The next opcode fetch does not advance PC.
    pub halt_bug: bool,
    pub state: RunState,
}

fn flag(condition: bool, mask: u8) -> u8 {
    if condition {
        mask
    } else {
        0
    }
}

impl Cpu {
    /// The registers as the DMG's boot ROM leaves them. `header_checksum` is the cartridge's byte
    /// 014D, whose addition sets H and C.
    pub fn after_boot(header_checksum: u8) -> Self {
        let f = if header_checksum == 0 { 0x80 } else { 0xB0 };
        Cpu {
            pairs: [0x0013, 0x00D8, 0x014D],
            a: 0x01,
            flags: Flags::from(f),
            pc: 0x0100,
            sp: 0xFFFE,
            ime: false,
            ei_delay: false,
            halt_bug: false,
            state: RunState::Running,
        }
    }

    /// The register that an opcode's three bits name, 6 aside: B C D E H L - A.
    #[inline(always)]
    pub fn register(&self, index: u8) -> u8 {
        if index == A {
            return self.a;
        }
        let [high, low] = self.pairs[usize::from(index / 2)].to_be_bytes();
        match index % 2 {
            0 => high,
            _ => low,
        }
    }

    #[inline(always)]
    pub fn set_register(&mut self, index: u8, value: u8) {
        if index == A {
            self.a = value;
            return;
        }
        let pair = &mut self.pairs[usize::from(index / 2)];
        *pair = match index % 2 {
            0 => *pair & 0x00FF | u16::from(value) << 8,
            _ => *pair & 0xFF00 | u16::from(value),
        };
    }

    pub fn af(&self) -> u16 {
        u16::from_be_bytes([self.a, self.flags.byte()])
    }

    #[inline(always)]
    pub fn bc(&self) -> u16 {
        self.pairs[0]
    }

    #[inline(always)]
    pub fn de(&self) -> u16 {
        self.pairs[1]
    }

    #[inline(always)]
    pub fn hl(&self) -> u16 {
        self.pairs[2]
    }

    #[inline(always)]
    fn set_hl(&mut self, value: u16) {
        self.pairs[2] = value;
    }

    /// The 16-bit operand of `op & 0x30`: BC, DE, HL, SP.
    #[inline(always)]
    pub(crate) fn rr(&self, op: u8) -> u16 {
        match (op >> 4) & 3 {
            3 => self.sp,
            pair => self.pairs[usize::from(pair)],
        }
    }

    #[inline(always)]
    pub(crate) fn set_rr(&mut self, op: u8, value: u16) {
        match (op >> 4) & 3 {
            3 => self.sp = value,
            pair => self.pairs[usize::from(pair)] = value,
        }
    }

    #[inline(always)]
    pub(crate) fn fetch<T: Memory>(&mut self, bus: &mut T) -> u8 {
        let value = bus.fetch(self.pc);
        self.pc = self.pc.wrapping_add(1);
        value
    }

    #[inline(always)]
    fn fetch16<T: Memory>(&mut self, bus: &mut T) -> u16 {
        let value = bus.fetch16(self.pc);
        self.pc = self.pc.wrapping_add(2);
        value
    }

    /// The 8-bit operand of the low three bits of `op`.
    #[inline(always)]
    fn operand<T: Memory>(&mut self, bus: &mut T, op: u8) -> u8 {
        match op & 7 {
            6 => bus.read(self.hl()),
            r => self.register(r),
        }
    }

    #[inline(always)]
    fn push<T: Memory>(&mut self, bus: &mut T, value: u16) {
        bus.push(self.sp, value);
        self.sp = self.sp.wrapping_sub(2);
    }

    #[inline(always)]
    fn pop<T: Memory>(&mut self, bus: &mut T) -> u16 {
        let value = bus.pop(self.sp);
        self.sp = self.sp.wrapping_add(2);
        value
    }

    /// The condition of `op & 0x18`: NZ, Z, NC, C.
    #[inline(always)]
    fn condition(&self, op: u8) -> bool {
        let set = if op & 0x10 == 0 {
            self.flags.zero()
        } else {
            self.flags.carry() != 0
        };
        set == (op & 0x08 != 0)
    }

    /// The next instruction is a plain one, unless an interrupt comes first.
    pub(crate) fn runs_freely(&self) -> bool {
        self.state == RunState::Running && !self.ei_delay && !self.halt_bug
    }

    /// Runs one instruction, or an interrupt dispatch, or a wait in HALT.
    #[inline]
    pub fn step<T: Bus>(&mut self, bus: &mut T) {
        match self.state {
            RunState::Running => {}
            RunState::Halted => {
                if !bus.wait() {
                    return;
                }
                self.state = RunState::Running;
            }
            RunState::Stopped => {
                if bus.wait_stopped() {
                    self.state = RunState::Running;
                }
                return;
            }
            RunState::Locked => {
                bus.wait();
                return;
            }
        }
        // Asked even without IME: the bus brings itself up to date here.
        if bus.pending_interrupts() != 0 && self.ime {
            return self.dispatch(bus);
        }
        let after_ei = self.ei_delay;
        if after_ei {
            self.ei_delay = false;
            self.ime = true;
        }
        let op = bus.read(self.pc);
        if self.halt_bug {
            self.halt_bug = false;
        } else {
            self.pc = self.pc.wrapping_add(1);
        }
        match op {
            0x76 => self.halt(bus, after_ei),
            op => match_opcode!(op, OP => self.execute::<T, OP>(bus)),
        }
    }

    /// Interrupt dispatch: 5 M-cycles. The vector is chosen after the high byte of PC was pushed,
    /// so that a push into IE can cancel it, which leaves PC at 0.
    fn dispatch<T: Bus>(&mut self, bus: &mut T) {
        self.ime = false;
        bus.idle();
        bus.idle();
        let [hi, lo] = self.pc.to_be_bytes();
        self.sp = self.sp.wrapping_sub(1);
        bus.write(self.sp, hi);
        let pending = bus.pending_in_last_cycle();
        self.sp = self.sp.wrapping_sub(1);
        bus.write(self.sp, lo);
        self.pc = 0;
        if pending != 0 {
            let interrupt = pending.trailing_zeros() as u8;
            bus.acknowledge(interrupt);
            self.pc = 0x40 + u16::from(interrupt) * 8;
        }
        bus.idle();
    }

    fn halt<T: Bus>(&mut self, bus: &mut T, after_ei: bool) {
        if bus.pending_interrupts() == 0 {
            self.state = RunState::Halted;
        } else if after_ei {
            // EI, HALT with a request: the handler returns to the HALT.
            self.pc = self.pc.wrapping_sub(1);
        } else if !self.ime {
            self.halt_bug = true;
        }
    }

    /// Any opcode but HALT (76). Compiled once for each.
    #[inline(always)]
    pub(crate) fn execute<T: Memory, const OP: u8>(&mut self, bus: &mut T) {
        let op = OP;
        match OP {
            0x00 => {}
            0x10 => self.state = RunState::Stopped,
            0x06 | 0x0E | 0x16 | 0x1E | 0x26 | 0x2E | 0x3E => {
                let value = self.fetch(bus);
                self.set_register((op >> 3) & 7, value)
            }
            0x36 => {
                let value = self.fetch(bus);
                bus.write(self.hl(), value)
            }
            0x02 => bus.write(self.bc(), self.a),
            0x12 => bus.write(self.de(), self.a),
            0x0A => self.a = bus.read(self.bc()),
            0x1A => self.a = bus.read(self.de()),
            0x22 | 0x32 => {
                let hl = self.step_hl(op);
                bus.write(hl, self.a)
            }
            0x2A | 0x3A => {
                let hl = self.step_hl(op);
                self.a = bus.read(hl)
            }
            // 16-bit loads
            0x01 | 0x11 | 0x21 | 0x31 => {
                let value = self.fetch16(bus);
                self.set_rr(op, value)
            }
            0x08 => {
                let address = self.fetch16(bus);
                let [hi, lo] = self.sp.to_be_bytes();
                bus.write(address, lo);
                bus.write(address.wrapping_add(1), hi)
            }
            0x34 => {
                let value = bus.read(self.hl());
                let value = self.inc(value);
                bus.write(self.hl(), value)
            }
            0x35 => {
                let value = bus.read(self.hl());
                let value = self.dec(value);
                bus.write(self.hl(), value)
            }
            0x04 | 0x0C | 0x14 | 0x1C | 0x24 | 0x2C | 0x3C => {
                let value = self.inc(self.register(op >> 3));
                self.set_register(op >> 3, value)
            }
            0x05 | 0x0D | 0x15 | 0x1D | 0x25 | 0x2D | 0x3D => {
                let value = self.dec(self.register(op >> 3));
                self.set_register(op >> 3, value)
            }
            0x27 => self.daa(),
            0x2F => {
                self.a = !self.a;
                self.flags.0 |= SUBTRACTED | HALF_CARRY
            }
            0x37 => self.flags = Flags(self.flags.0 & 0xFF | CARRY_OUT),
            0x3F => self.flags = Flags(self.flags.0 & (0xFF | CARRY_OUT) ^ CARRY_OUT),
            // 16-bit arithmetic
            0x03 | 0x13 | 0x23 | 0x33 => {
                bus.idle();
                self.set_rr(op, self.rr(op).wrapping_add(1))
            }
            0x0B | 0x1B | 0x2B | 0x3B => {
                bus.idle();
                self.set_rr(op, self.rr(op).wrapping_sub(1))
            }
            0x09 | 0x19 | 0x29 | 0x39 => {
                bus.idle();
                let (hl, value) = (self.hl(), self.rr(op));
                let (sum, carry) = hl.overflowing_add(value);
                let half = u32::from((hl ^ value ^ sum) >> 8) << 16;
                self.flags = Flags(self.flags.0 & 0xFF | u32::from(carry) << 8 | half);
                self.set_hl(sum)
            }
            // Rotates of A clear the zero flag; the CB forms set it.
            0x07 | 0x0F | 0x17 | 0x1F => {
                self.a = self.rotate(op, self.a);
                self.flags = Flags(self.flags.0 & CARRY_OUT | 1)
            }
            // Jumps
            0x18 => {
                let offset = self.fetch(bus);
                self.jump_relative(bus, offset)
            }
            0x20 | 0x28 | 0x30 | 0x38 => {
                let offset = self.fetch(bus);
                if self.condition(op) {
                    self.jump_relative(bus, offset)
                }
            }
            0x40..=0x7F => {
                let value = self.operand(bus, op);
                match (op >> 3) & 7 {
                    6 => bus.write(self.hl(), value),
                    r => self.set_register(r, value),
                }
            }
            0x80..=0xBF => {
                let value = self.operand(bus, op);
                self.alu(op, value)
            }
            0xE0 => {
                let address = 0xFF00 | u16::from(self.fetch(bus));
                bus.write(address, self.a)
            }
            0xF0 => {
                let address = 0xFF00 | u16::from(self.fetch(bus));
                self.a = bus.read(address)
            }
            0xE2 => bus.write(0xFF00 | u16::from(self.register(C)), self.a),
            0xF2 => self.a = bus.read(0xFF00 | u16::from(self.register(C))),
            0xEA => {
                let address = self.fetch16(bus);
                bus.write(address, self.a)
            }
            0xFA => {
                let address = self.fetch16(bus);
                self.a = bus.read(address)
            }
            0xF9 => {
                bus.idle();
                self.sp = self.hl()
            }
            0xF8 => {
                let value = self.sp_plus(bus);
                bus.idle();
                self.set_hl(value)
            }
            0xC5 | 0xD5 | 0xE5 => {
                bus.idle();
                self.push(bus, self.rr(op))
            }
            0xF5 => {
                bus.idle();
                self.push(bus, self.af())
            }
            0xC1 | 0xD1 | 0xE1 => {
                let value = self.pop(bus);
                self.set_rr(op, value)
            }
            0xF1 => {
                let [a, f] = self.pop(bus).to_be_bytes();
                self.a = a;
                self.flags = Flags::from(f)
            }
            0xC6 | 0xCE | 0xD6 | 0xDE | 0xE6 | 0xEE | 0xF6 | 0xFE => {
                let value = self.fetch(bus);
                self.alu(op, value)
            }
            0xE8 => {
                let value = self.sp_plus(bus);
                bus.idle();
                bus.idle();
                self.sp = value
            }
            PREFIX => {
                let op = self.fetch(bus);
                match_opcode!(op, OP => self.execute_prefixed::<T, OP>(bus))
            }
            0xC3 => {
                let target = self.fetch16(bus);
                bus.idle();
                self.pc = target
            }
            0xC2 | 0xCA | 0xD2 | 0xDA => {
                let target = self.fetch16(bus);
                if self.condition(op) {
                    bus.idle();
                    self.pc = target
                }
            }
            0xE9 => self.pc = self.hl(),
            0xCD => {
                let target = self.fetch16(bus);
                self.call(bus, target)
            }
            0xC4 | 0xCC | 0xD4 | 0xDC => {
                let target = self.fetch16(bus);
                if self.condition(op) {
                    self.call(bus, target)
                }
            }
            0xC7 | 0xCF | 0xD7 | 0xDF | 0xE7 | 0xEF | 0xF7 | 0xFF => {
                self.call(bus, u16::from(op & 0x38))
            }
            0xC9 => self.ret(bus),
            0xD9 => {
                self.ret(bus);
                self.ime = true
            }
            0xC0 | 0xC8 | 0xD0 | 0xD8 => {
                bus.idle();
                if self.condition(op) {
                    self.ret(bus)
                }
            }
            0xF3 => self.ime = false,
            0xFB => self.ei_delay = true,
            0xD3 | 0xDB | 0xDD | 0xE3 | 0xE4 | 0xEB | 0xEC | 0xED | 0xF4 | 0xFC | 0xFD => {
                self.state = RunState::Locked
            }
        }
    }

    /// HL for `(HL+)` and `(HL-)`, which it then advances.
    #[inline(always)]
    fn step_hl(&mut self, op: u8) -> u16 {
        let hl = self.hl();
        let delta = if op & 0x10 == 0 { 1 } else { u16::MAX };
        self.set_hl(hl.wrapping_add(delta));
        hl
    }

    #[inline(always)]
    fn jump_relative<T: Memory>(&mut self, bus: &mut T, offset: u8) {
        bus.idle();
        self.pc = self.pc.wrapping_add_signed(i16::from(offset as i8));
    }

    #[inline(always)]
    fn call<T: Memory>(&mut self, bus: &mut T, target: u16) {
        bus.idle();
        self.push(bus, self.pc);
        self.pc = target;
    }

    #[inline(always)]
    fn ret<T: Memory>(&mut self, bus: &mut T) {
        self.pc = self.pop(bus);
        bus.idle();
    }

    /// SP plus a signed immediate; half carry and carry come from the low byte's unsigned sum.
    #[inline(always)]
    fn sp_plus<T: Memory>(&mut self, bus: &mut T) -> u16 {
        let offset = self.fetch(bus);
        let low = self.sp as u8;
        let (sum, carry) = low.overflowing_add(offset);
        let half = u32::from(low ^ offset ^ sum) << 16;
        self.flags = Flags(1 | u32::from(carry) << 8 | half);
        self.sp.wrapping_add_signed(i16::from(offset as i8))
    }

    /// ADD ADC SUB SBC AND XOR OR CP, chosen by `op & 0x38`.
    #[inline(always)]
    pub(crate) fn alu(&mut self, op: u8, value: u8) {
        let carry = match (op >> 3) & 7 {
            1 | 3 => u32::from(self.flags.carry()),
            _ => 0,
        };
        let (a, operand) = (u32::from(self.a), u32::from(value));
        let result = match (op >> 3) & 7 {
            0 | 1 => a + operand + carry,
            2 | 3 | 7 => a.wrapping_sub(operand).wrapping_sub(carry) & (CARRY_OUT | 0xFF),
            4 => a & operand,
            5 => a ^ operand,
            _ => a | operand,
        };
        let half = (a ^ operand ^ result) << 16;
        self.flags = Flags(match (op >> 3) & 7 {
            0 | 1 => result | half,
            2 | 3 | 7 => result | half | SUBTRACTED,
            4 => result | HALF_CARRY,
            _ => result,
        });
        if op & 0x38 != 0x38 {
            self.a = result as u8;
        }
    }

    #[inline(always)]
    fn inc(&mut self, value: u8) -> u8 {
        let result = value.wrapping_add(1);
        self.count(value, result, 0)
    }

    #[inline(always)]
    pub(crate) fn dec(&mut self, value: u8) -> u8 {
        let result = value.wrapping_sub(1);
        self.count(value, result, SUBTRACTED)
    }

    /// The flags of INC and DEC, which leave C as it is.
    #[inline(always)]
    fn count(&mut self, value: u8, result: u8, subtracted: u32) -> u8 {
        let half = u32::from(value ^ result) << 16;
        let carry = self.flags.0 & CARRY_OUT;
        self.flags = Flags(u32::from(result) | half | carry | subtracted);
        result
    }

    #[inline(always)]
    fn daa(&mut self) {
        let (a, flags) = (self.a, self.flags.byte());
        let subtract = flags & SUBTRACT != 0;
        let carry = flags & CARRY != 0 || (!subtract && a > 0x99);
        let low = flags & HALF != 0 || (!subtract && a & 0xF > 9);
        let correction = flag(carry, 0x60) | flag(low, 0x06);
        let result = if subtract {
            a.wrapping_sub(correction)
        } else {
            a.wrapping_add(correction)
        };
        self.a = result;
        let carry = if carry { CARRY_OUT } else { 0 };
        self.flags = Flags(u32::from(result) | carry | self.flags.0 & SUBTRACTED);
    }

    /// RLC RRC RL RR SLA SRA SWAP SRL, chosen by `op & 0x38`.
    #[inline(always)]
    fn rotate(&mut self, op: u8, value: u8) -> u8 {
        let carry_in = self.flags.carry();
        let (result, carry) = match (op >> 3) & 7 {
            0 => (value.rotate_left(1), value >> 7),
            1 => (value.rotate_right(1), value & 1),
            2 => (value << 1 | carry_in, value >> 7),
            3 => (value >> 1 | carry_in << 7, value & 1),
            4 => (value << 1, value >> 7),
            5 => (value >> 1 | value & 0x80, value & 1),
            6 => (value.rotate_left(4), 0),
            _ => (value >> 1, value & 1),
        };
        self.flags = Flags(u32::from(result) | u32::from(carry) << 8);
        result
    }

    /// An opcode after the prefix CB.
    #[inline(always)]
    pub(crate) fn execute_prefixed<T: Memory, const OP: u8>(&mut self, bus: &mut T) {
        let op = OP;
        let value = self.operand(bus, op);
        let bit = 1u8 << ((op >> 3) & 7);
        let result = match OP >> 6 {
            0 => self.rotate(op, value),
            1 => {
                let carry = self.flags.0 & CARRY_OUT;
                self.flags = Flags(u32::from(value & bit) | carry | HALF_CARRY);
                return;
            }
            2 => value & !bit,
            _ => value | bit,
        };
        match op & 7 {
            6 => bus.write(self.hl(), result),
            r => self.set_register(r, result),
        }
    }
}
