//! FF01 and FF02: the serial port with no cable, which shifts in ones.

#![forbid(unsafe_code)]

use crate::state::{struct_fields, StateError};
use crate::timer::NEVER;

/// Clock cycles per bit of the internal clock (8192 Hz).
const BIT_CYCLES: u64 = 512;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serial {
    /// FF01
    data: u8,
    /// FF02, bits 7 and 0
    control: u8,
    /// When the eighth bit is in; [`NEVER`] without a transfer on the internal clock.
    done_at: u64,
}

struct_fields!(Serial {
    data,
    control,
    done_at
});

impl Serial {
    pub fn after_boot() -> Self {
        Serial {
            data: 0,
            control: 0,
            done_at: NEVER,
        }
    }

    /// Returns whether the interrupt was requested.
    pub fn update(&mut self, now: u64) -> bool {
        if self.done_at > now {
            return false;
        }
        self.data = 0xFF;
        self.control &= 0x7F;
        self.done_at = NEVER;
        true
    }

    pub fn next_interrupt(&self) -> u64 {
        self.done_at
    }

    /// Reads FF01 or FF02. The caller has updated the port.
    pub fn read(&self, address: u16, now: u64) -> u8 {
        if address & 1 == 0 {
            return self.control | 0x7E;
        }
        if self.done_at == NEVER {
            return self.data;
        }
        let left = (self.done_at - now).div_ceil(BIT_CYCLES).min(8) as u32;
        let shifted = 8 - left;
        (u16::from(self.data) << shifted | ((1 << shifted) - 1)) as u8
    }

    /// Writes FF01 or FF02. `counter` is the 16-bit counter behind DIV, whose edges shift the bits.
    pub fn write(&mut self, address: u16, value: u8, now: u64, counter: u64) {
        if address & 1 == 1 {
            self.data = value;
            return;
        }
        self.control = value & 0x81;
        self.done_at = if self.control == 0x81 {
            now - counter % BIT_CYCLES + 8 * BIT_CYCLES
        } else {
            NEVER
        };
    }

    pub fn validate(&self, now: u64) -> Result<(), StateError> {
        let in_time = self.done_at > now && self.done_at <= now + 8 * BIT_CYCLES;
        if (self.done_at != NEVER && !in_time) || self.control & !0x81 != 0 {
            return Err(StateError::new(
                "the serial port's transfer is out of range",
            ));
        }
        Ok(())
    }
}
