//! The memory map and the machine's clock.
//!
//! Accesses happen at `clock`, which then moves on by one M-cycle. Timer, LCD and serial port are
//! brought up to `clock` when an access could tell, or when `next_event` has come: the earliest time
//! at which one of them may request an interrupt or an OAM DMA starts.

#![forbid(unsafe_code)]

use std::sync::Arc;

use crate::apu::Apu;
use crate::cartridge::{Mapper, Rom};
use crate::cpu;
use crate::joypad::Joypad;
use crate::ppu::{Ppu, STAT_INTERRUPT, VBLANK_INTERRUPT};
use crate::serial::Serial;
use crate::state::{struct_fields, Field, Reader, StateError};
use crate::timer::{Timer, NEVER};

pub const M_CYCLE: u64 = 4;
const TIMER_INTERRUPT: u8 = 0x04;
const SERIAL_INTERRUPT: u8 = 0x08;
const JOYPAD_INTERRUPT: u8 = 0x10;
const ALL_INTERRUPTS: u8 =
    VBLANK_INTERRUPT | STAT_INTERRUPT | TIMER_INTERRUPT | SERIAL_INTERRUPT | JOYPAD_INTERRUPT;

/// Clock cycles since power-on when the boot ROM hands over.
const BOOT_CYCLES: u64 = 23_440_324;

/// OAM DMA: bytes, and clock cycles from the write of FF46 to the first of them.
const DMA_BYTES: usize = 0xA0;
const DMA_CYCLES: u64 = DMA_BYTES as u64 * M_CYCLE;
const DMA_DELAY: u64 = 8;

/// Everything behind the processor's bus, cartridge ROM and RAM aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    pub clock: u64,
    /// A time before which no part requests an interrupt or starts a DMA by itself.
    next_event: u64,
    /// HALT does not jump past this.
    pub deadline: u64,
    interrupt_flag: u8,
    interrupt_enable: u8,
    /// FF46, and how many bytes its transfer has copied.
    dma: u8,
    dma_copied: u8,
    pub timer: Timer,
    pub serial: Serial,
    pub joypad: Joypad,
    pub apu: Apu,
    pub mapper: Mapper,
    pub(crate) wram: [u8; 0x2000],
    pub(crate) hram: [u8; 0x7F],
    pub ppu: Ppu,
}

struct_fields!(Parts {
    clock,
    next_event,
    deadline,
    interrupt_flag,
    interrupt_enable,
    dma,
    dma_copied,
    timer,
    serial,
    joypad,
    apu,
    mapper,
    wram,
    hram,
    ppu
});

/// The bus: [`Parts`] and the cartridge's ROM and RAM.
#[derive(Clone, Debug)]
pub struct Mmu {
    pub rom: Arc<Rom>,
    pub cart_ram: Vec<u8>,
    pub parts: Parts,
}

impl Mmu {
    /// The machine as the DMG's boot ROM leaves it.
    pub fn after_boot(rom: Arc<Rom>) -> Self {
        let clock = BOOT_CYCLES;
        let mut hram = [0xFF; 0x7F];
        hram[0x7A..0x7D].copy_from_slice(&[0x39, 0x01, 0x2E]); // the boot ROM's stack
        let parts = Parts {
            clock,
            next_event: clock,
            deadline: clock,
            interrupt_flag: VBLANK_INTERRUPT,
            interrupt_enable: 0,
            dma: 0xFF,
            dma_copied: DMA_BYTES as u8,
            timer: Timer::after_boot(clock),
            serial: Serial::after_boot(),
            joypad: Joypad::after_boot(),
            apu: Apu::after_boot(),
            mapper: Mapper::new(&rom, clock),
            wram: [0xFF; 0x2000],
            hram,
            ppu: Ppu::after_boot(clock, &rom.bytes[0x104..0x134]),
        };
        Mmu {
            cart_ram: vec![0xFF; rom.ram_size],
            rom,
            parts,
        }
    }

    /// Becomes a copy of `other`, a machine with the same ROM, without allocating.
    pub fn copy_from(&mut self, other: &Mmu) {
        self.parts.clone_from(&other.parts);
        self.cart_ram.copy_from_slice(&other.cart_ram);
    }

    /// Brings all parts up to the clock.
    pub fn catch_up(&mut self) {
        self.catch_up_to(self.parts.clock);
    }

    fn catch_up_to(&mut self, now: u64) {
        let dma_done = self.dma_done();
        if dma_done <= now {
            self.copy_dma(dma_done);
        }
        let parts = &mut self.parts;
        parts.interrupt_flag |= parts.ppu.update(now);
        if parts.timer.update(now) {
            parts.interrupt_flag |= TIMER_INTERRUPT;
        }
        if parts.serial.update(now) {
            parts.interrupt_flag |= SERIAL_INTERRUPT;
        }
        self.predict();
    }

    fn predict(&mut self) {
        self.parts.next_event = self.next_interrupt().min(self.dma_done());
    }

    fn next_interrupt(&self) -> u64 {
        let parts = &self.parts;
        (parts.ppu.next_interrupt())
            .min(parts.timer.next_interrupt())
            .min(parts.serial.next_interrupt())
    }

    #[inline]
    fn update_ppu(&mut self) {
        let parts = &mut self.parts;
        if parts.clock >= parts.next_event {
            self.catch_up();
        } else {
            parts.interrupt_flag |= parts.ppu.update(parts.clock);
        }
    }

    /// The time up to which instructions may run without a look at interrupts or other parts.
    pub(crate) fn run_limit(&self, ime: bool) -> u64 {
        if (ime && self.interrupts() != 0) || self.parts.clock < self.parts.ppu.dma_end {
            return 0;
        }
        self.parts.next_event.min(self.parts.deadline)
    }

    /// While a DMA runs, the time until which nothing but the transfer happens; None without one.
    pub(crate) fn dma_wait_limit(&mut self) -> Option<u64> {
        if self.parts.clock >= self.parts.ppu.dma_end {
            return None;
        }
        self.catch_up();
        let parts = &self.parts;
        Some(
            self.next_interrupt()
                .min(parts.deadline)
                .min(parts.ppu.dma_end),
        )
    }

    pub(crate) fn joypad_requested(&self) -> bool {
        self.parts.interrupt_flag & JOYPAD_INTERRUPT != 0
    }

    /// Interrupts that are requested and enabled, as of the last time all parts were up to date.
    pub(crate) fn interrupts(&self) -> u8 {
        self.parts.interrupt_flag & self.parts.interrupt_enable & ALL_INTERRUPTS
    }

    /// Where 0000..=3FFF and 4000..=7FFF begin in the ROM.
    pub(crate) fn rom_offset(&self) -> (usize, usize) {
        let [low, high] = self.parts.mapper.rom_offset;
        (low as usize, high as usize)
    }

    pub fn set_buttons(&mut self, held: u8) {
        if self.parts.joypad.set_held(held) {
            self.parts.interrupt_flag |= JOYPAD_INTERRUPT;
        }
    }

    /// Reads without time passing and without side effects on what a program can see, ignoring the
    /// locks of LCD and DMA. During a DMA, OAM may still have its old bytes.
    pub fn peek(&mut self, address: u16) -> u8 {
        match address {
            0x8000..=0x9FFF => self.parts.ppu.vram[usize::from(address & 0x1FFF)],
            0xFE00..=0xFE9F => self.parts.ppu.oam[usize::from(address & 0xFF)],
            _ => self.read_at_clock(address),
        }
    }

    #[inline]
    pub(crate) fn read_at_clock(&mut self, address: u16) -> u8 {
        let offset = usize::from(address);
        match address >> 12 {
            0x0..=0x7 => self.parts.mapper.read_rom(&self.rom, address),
            0xC..=0xD => self.parts.wram[offset & 0x1FFF],
            0x8..=0x9 => {
                self.update_ppu();
                if self.parts.ppu.vram_read_blocked(self.parts.clock) {
                    0xFF
                } else {
                    self.parts.ppu.vram[offset & 0x1FFF]
                }
            }
            0xA..=0xB => (self.parts.mapper).read_ram(&self.rom, &self.cart_ram, address),
            0xE => self.parts.wram[offset & 0x1FFF],
            _ => self.read_high(address),
        }
    }

    /// Reads F000..=FFFF. What programs wait for comes first.
    fn read_high(&mut self, address: u16) -> u8 {
        let now = self.parts.clock;
        match address {
            0xFF80..=0xFFFE => self.parts.hram[usize::from(address & 0x7F)],
            0xFF46 => self.parts.dma,
            0xFF40..=0xFF4B => {
                self.update_ppu();
                self.parts.ppu.read(address)
            }
            0xF000..=0xFDFF => self.parts.wram[usize::from(address) & 0x1FFF],
            0xFE00..=0xFEFF => {
                self.update_ppu();
                if self.dma_active() || self.parts.ppu.oam_read_blocked() {
                    0xFF
                } else if address <= 0xFE9F {
                    self.parts.ppu.oam[usize::from(address & 0xFF)]
                } else {
                    0x00
                }
            }
            0xFF00 => self.parts.joypad.read(),
            0xFF01..=0xFF02 => {
                self.catch_up();
                self.parts.serial.read(address, now)
            }
            0xFF04..=0xFF07 => {
                self.catch_up();
                self.parts.timer.read(address, now)
            }
            0xFF0F => {
                self.catch_up();
                self.parts.interrupt_flag | !ALL_INTERRUPTS
            }
            0xFF10..=0xFF3F => self.parts.apu.read(address, now),
            0xFFFF => self.parts.interrupt_enable,
            _ => 0xFF,
        }
    }

    #[inline]
    pub(crate) fn write_at_clock(&mut self, address: u16, value: u8) {
        let offset = usize::from(address);
        let now = self.parts.clock;
        match address >> 12 {
            0xC..=0xD => self.parts.wram[offset & 0x1FFF] = value,
            0x0..=0x7 => (self.parts.mapper).write_register(&self.rom, address, value, now),
            0x8..=0x9 => {
                self.update_ppu();
                if !self.parts.ppu.vram_write_blocked() {
                    self.parts.ppu.draw_lines();
                    self.parts.ppu.vram[offset & 0x1FFF] = value;
                }
            }
            0xA..=0xB => (self.parts.mapper).write_ram(&mut self.cart_ram, address, value, now),
            0xE => self.parts.wram[offset & 0x1FFF] = value,
            _ => self.write_high(address, value),
        }
    }

    /// Writes F000..=FFFF.
    fn write_high(&mut self, address: u16, value: u8) {
        let now = self.parts.clock;
        match address {
            0xFF80..=0xFFFE => self.parts.hram[usize::from(address & 0x7F)] = value,
            0xF000..=0xFDFF => self.parts.wram[usize::from(address) & 0x1FFF] = value,
            0xFE00..=0xFE9F => {
                self.update_ppu();
                if !self.dma_active() && !self.parts.ppu.oam_write_blocked(now) {
                    self.parts.ppu.draw_lines();
                    self.parts.ppu.oam[usize::from(address & 0xFF)] = value;
                }
            }
            0xFF00 => {
                let requested = self.parts.joypad.write(value);
                self.parts.interrupt_flag |= u8::from(requested) * JOYPAD_INTERRUPT;
            }
            0xFF01..=0xFF02 => {
                self.catch_up();
                let counter = self.parts.timer.counter_phase(now);
                self.parts.serial.write(address, value, now, counter);
                self.predict();
            }
            0xFF04..=0xFF07 => {
                self.catch_up();
                self.parts.timer.write(address, value, now);
                self.predict();
            }
            0xFF0F => {
                self.catch_up();
                self.parts.interrupt_flag = value & ALL_INTERRUPTS;
            }
            0xFF10..=0xFF3F => self.parts.apu.write(address, value, now),
            0xFF46 => self.start_dma(value),
            0xFF40..=0xFF4B => {
                self.catch_up();
                self.parts.interrupt_flag |= self.parts.ppu.write(address, value, now);
                self.predict();
            }
            0xFFFF => self.parts.interrupt_enable = value,
            _ => {}
        }
    }

    fn dma_active(&self) -> bool {
        (self.parts.ppu.dma_start..self.parts.ppu.dma_end).contains(&self.parts.clock)
    }

    /// Writes FF46: one byte an M-cycle is copied, and OAM is locked for the whole transfer.
    fn start_dma(&mut self, page: u8) {
        self.catch_up();
        self.copy_dma(self.parts.clock);
        self.parts.ppu.draw_lines();
        let start = self.parts.clock + DMA_DELAY;
        // A transfer that is cut short keeps OAM locked until the new one starts.
        if !self.dma_active() {
            self.parts.ppu.dma_start = start;
        }
        self.parts.ppu.dma_end = start + DMA_CYCLES;
        self.parts.dma_copied = 0;
        self.parts.dma = page;
        self.predict();
    }

    /// When the transfer's last byte is due; [`NEVER`] once it is copied.
    fn dma_done(&self) -> u64 {
        if usize::from(self.parts.dma_copied) == DMA_BYTES {
            NEVER
        } else {
            self.parts.ppu.dma_end - M_CYCLE
        }
    }

    /// The transfer's byte at `time`: where it comes from, and where in OAM it goes.
    fn dma_byte(&self, time: u64) -> Option<(u16, usize)> {
        let index = (time + DMA_CYCLES).checked_sub(self.parts.ppu.dma_end)? / M_CYCLE;
        // Pages E0 to FF show work RAM to the transfer.
        let page = match self.parts.dma {
            page @ 0xE0.. => page - 0x20,
            page => page,
        };
        Some((u16::from_be_bytes([page, index as u8]), index as usize))
    }

    /// Copies the bytes that are due at `now`. This can wait until the last is, or until what they
    /// depend on changes: nobody can read OAM, and the LCD finds no objects in it.
    fn copy_dma(&mut self, now: u64) {
        let Some((source, last)) = self.dma_byte(now) else {
            return;
        };
        let due = usize::from(self.parts.dma_copied)..DMA_BYTES.min(last + 1);
        if due.is_empty() {
            return;
        }
        let parts = &mut self.parts;
        parts.dma_copied = due.end as u8;
        // Up to now the LCD has seen OAM as it was.
        parts.interrupt_flag |= parts.ppu.update(now);
        parts.ppu.draw_lines();
        let page = source & 0xFF00;
        if let 0xC000..=0xDFFF = page {
            let source = &parts.wram[usize::from(page & 0x1FFF)..];
            parts.ppu.oam[due.clone()].copy_from_slice(&source[due]);
        } else {
            for index in due {
                self.parts.ppu.oam[index] = self.peek(page + index as u16);
            }
        }
    }

    /// The transfer's byte in this M-cycle if it shares a bus with the processor's access: VRAM has
    /// one of its own; cartridge and work RAM have the other; the rest is inside the processor.
    #[inline]
    fn dma_conflict(&mut self, address: u16) -> Option<(u16, usize)> {
        if self.parts.clock >= self.parts.ppu.dma_end {
            if self.dma_done() != NEVER {
                self.catch_up();
            }
            return None;
        }
        self.catch_up();
        let is_vram = |address: u16| address >> 13 == 4;
        self.dma_byte(self.parts.clock)
            .filter(|&(source, _)| address < 0xFE00 && is_vram(address) == is_vram(source))
    }

    /// Writes the state's bytes. All parts are up to date in them, save OAM during a DMA.
    pub fn put(&mut self, out: &mut Vec<u8>) {
        self.catch_up();
        self.parts.mapper.update_clock(self.parts.clock);
        self.parts.put(out);
        out.extend_from_slice(&self.cart_ram);
    }

    /// Reads a state's bytes; `self` is valid only if this succeeds.
    pub fn get(&mut self, reader: &mut Reader) -> Result<(), StateError> {
        self.parts.get(reader)?;
        let ram = reader.take(self.rom.ram_size)?;
        self.cart_ram.copy_from_slice(ram);
        let parts = &self.parts;
        let now = parts.clock;
        if !(BOOT_CYCLES..1 << 60).contains(&now)
            || !now.is_multiple_of(M_CYCLE)
            || parts.deadline > 1 << 61
        {
            return Err(StateError::new("the clock is out of range"));
        }
        let (dma_start, dma_end) = (parts.ppu.dma_start, parts.ppu.dma_end);
        let dma_ok = dma_start <= dma_end
            && match usize::from(parts.dma_copied) {
                DMA_BYTES => dma_end <= now + M_CYCLE,
                copied => {
                    copied < DMA_BYTES
                        && dma_end.is_multiple_of(M_CYCLE)
                        && (now + 2 * M_CYCLE..=now + DMA_DELAY + DMA_CYCLES).contains(&dma_end)
                }
            };
        if parts.interrupt_flag & !ALL_INTERRUPTS != 0 || !dma_ok {
            return Err(StateError::new(
                "interrupt or DMA registers are out of range",
            ));
        }
        parts.timer.validate(now)?;
        parts.serial.validate(now)?;
        parts.joypad.validate()?;
        parts.apu.validate()?;
        parts.mapper.validate(&self.rom, now)?;
        parts.ppu.validate(now)?;
        self.predict();
        Ok(())
    }
}

impl cpu::Memory for Mmu {
    #[inline]
    fn read(&mut self, address: u16) -> u8 {
        let value = match self.dma_conflict(address) {
            None => self.read_at_clock(address),
            Some((source, _)) => self.read_at_clock(source),
        };
        self.parts.clock += M_CYCLE;
        value
    }

    #[inline]
    fn write(&mut self, address: u16, value: u8) {
        match self.dma_conflict(address) {
            None => self.write_at_clock(address, value),
            Some((source, index)) => {
                self.copy_dma(self.parts.clock);
                match source {
                    // RAM does not see the write; both values meet in OAM.
                    0xA000.. => self.parts.ppu.oam[index] &= value,
                    _ => self.write_at_clock(source, value),
                }
            }
        }
        self.parts.clock += M_CYCLE;
    }

    #[inline]
    fn idle(&mut self) {
        self.parts.clock += M_CYCLE;
    }
}

impl cpu::Bus for Mmu {
    #[inline]
    fn pending_interrupts(&mut self) -> u8 {
        if self.parts.clock >= self.parts.next_event {
            self.catch_up();
        }
        self.interrupts()
    }

    fn pending_in_last_cycle(&mut self) -> u8 {
        self.catch_up_to(self.parts.clock - M_CYCLE / 2);
        self.interrupts()
    }

    fn acknowledge(&mut self, interrupt: u8) {
        // A request that comes up to the push of PC's low byte is the same one.
        self.catch_up_to(self.parts.clock - M_CYCLE);
        self.parts.interrupt_flag &= !(1 << interrupt);
    }

    fn wait(&mut self) -> bool {
        // HALT looks for interrupts in the middle of each M-cycle; the last one ends at the deadline.
        let parts = &mut self.parts;
        let stop = (parts.next_event.saturating_sub(M_CYCLE / 2))
            .min(parts.deadline.saturating_sub(M_CYCLE));
        let pending = parts.interrupt_flag & parts.interrupt_enable & ALL_INTERRUPTS != 0;
        if stop > parts.clock && !pending {
            parts.clock += (stop - parts.clock).div_ceil(M_CYCLE) * M_CYCLE;
        }
        self.catch_up_to(self.parts.clock + M_CYCLE / 2);
        self.parts.clock += M_CYCLE;
        self.interrupts() != 0
    }

    fn wait_stopped(&mut self) -> bool {
        let ends = self.parts.joypad.any_line_low();
        if ends {
            self.parts.clock += M_CYCLE;
        } else {
            self.wait();
        }
        ends
    }
}
