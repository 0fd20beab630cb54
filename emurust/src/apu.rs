//! FF10..=FF3F: the sound registers as a program sees them. No sound is made; what can be read back
//! is right: read masks, power, and each channel's bit in NR52 with its length counter.

#![forbid(unsafe_code)]

use crate::state::{struct_fields, StateError};
use crate::timer::NEVER;

/// Bits of FF10..=FF2F that read as 1.
const READ_MASK: [u8; 32] = [
    0x80, 0x3F, 0x00, 0xFF, 0xBF, 0xFF, 0x3F, 0x00, 0xFF, 0xBF, 0x7F, 0xFF, 0x9F, 0xFF, 0xBF, 0xFF,
    0xFF, 0x00, 0x00, 0xBF, 0x00, 0x00, 0x70, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
];

/// Clock cycles per length count (256 Hz).
const LENGTH_CYCLES: u64 = 16384;

const NR30: usize = 0x0A;
const NR52: usize = 0x16;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apu {
    /// FF10..=FF2F as written; NR52 holds the power bit alone.
    regs: [u8; 32],
    /// FF30..=FF3F
    wave: [u8; 16],
    /// When each channel falls silent: 0 when it is, [`NEVER`] without a length counter.
    silent_at: [u64; 4],
}

struct_fields!(Apu {
    regs,
    wave,
    silent_at
});

impl Apu {
    /// Registers after the boot ROM's chime, whose first channel still sounds.
    pub fn after_boot() -> Self {
        Apu {
            regs: [
                0x80, 0xBF, 0xF3, 0xFF, 0xBF, 0xFF, 0x3F, 0x00, 0xFF, 0xBF, 0x7F, 0xFF, 0x9F, 0xFF,
                0xBF, 0xFF, 0xFF, 0x00, 0x00, 0xBF, 0x77, 0xF3, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            ],
            wave: [0; 16],
            silent_at: [NEVER, 0, 0, 0],
        }
    }

    fn powered(&self) -> bool {
        self.regs[NR52] & 0x80 != 0
    }

    pub fn read(&self, address: u16, now: u64) -> u8 {
        if address >= 0xFF30 {
            return self.wave[usize::from(address & 0xF)];
        }
        let index = usize::from(address & 0x3F) - 0x10;
        let mut value = self.regs[index] | READ_MASK[index];
        if index == NR52 {
            for (channel, &silent_at) in self.silent_at.iter().enumerate() {
                value |= u8::from(silent_at > now) << channel;
            }
        }
        value
    }

    pub fn write(&mut self, address: u16, value: u8, now: u64) {
        if address >= 0xFF30 {
            self.wave[usize::from(address & 0xF)] = value;
            return;
        }
        let index = usize::from(address & 0x3F) - 0x10;
        if index == NR52 {
            if value & 0x80 == 0 {
                self.regs = [0; 32];
                self.silent_at = [0; 4];
            }
            self.regs[NR52] = value & 0x80;
            return;
        }
        // The length counters of a DMG can be written without power.
        let length_register = matches!(index, 0x01 | 0x06 | 0x0B | 0x10);
        if !self.powered() && !length_register {
            return;
        }
        self.regs[index] = value;
        let channel = index / 5;
        if channel > 3 {
            return;
        }
        if !self.dac_on(channel) {
            self.silent_at[channel] = 0;
        } else if index % 5 == 4 && value & 0x80 != 0 {
            self.silent_at[channel] = if value & 0x40 != 0 {
                let steps = if channel == 2 { 256 } else { 64 };
                let length = u64::from(self.regs[channel * 5 + 1]) % steps;
                now + (steps - length) * LENGTH_CYCLES
            } else {
                NEVER
            };
        }
    }

    fn dac_on(&self, channel: usize) -> bool {
        match channel {
            2 => self.regs[NR30] & 0x80 != 0,
            _ => self.regs[channel * 5 + 2] & 0xF8 != 0,
        }
    }

    pub fn validate(&self) -> Result<(), StateError> {
        if self.regs[NR52] & 0x7F != 0 {
            return Err(StateError::new("NR52 has unknown bits"));
        }
        Ok(())
    }
}
