//! FF00: the two rows of buttons.

#![forbid(unsafe_code)]

use crate::state::{struct_fields, StateError};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joypad {
    /// Bits 5 and 4 as written: a 0 selects the buttons and the directions.
    select: u8,
    /// Held buttons: bits 0 to 7 are Right, Left, Up, Down, A, B, Select, Start.
    held: u8,
}

struct_fields!(Joypad { select, held });

impl Joypad {
    pub fn after_boot() -> Self {
        Joypad { select: 0, held: 0 }
    }

    /// The four input lines: 0 is pressed.
    fn lines(&self) -> u8 {
        let mut pressed = 0;
        if self.select & 0x10 == 0 {
            pressed |= self.held & 0x0F;
        }
        if self.select & 0x20 == 0 {
            pressed |= self.held >> 4;
        }
        !pressed & 0x0F
    }

    pub fn read(&self) -> u8 {
        0xC0 | self.select | self.lines()
    }

    /// Writes FF00; returns whether a line fell, which requests the interrupt.
    pub fn write(&mut self, value: u8) -> bool {
        let before = self.lines();
        self.select = value & 0x30;
        before & !self.lines() != 0
    }

    /// Sets the held buttons; returns whether a line fell.
    pub fn set_held(&mut self, held: u8) -> bool {
        let before = self.lines();
        self.held = held;
        before & !self.lines() != 0
    }

    pub fn any_line_low(&self) -> bool {
        self.lines() != 0x0F
    }

    pub fn validate(&self) -> Result<(), StateError> {
        if self.select & !0x30 != 0 {
            return Err(StateError::new("the joypad's selection has unknown bits"));
        }
        Ok(())
    }
}
