//! DIV, TIMA, TMA and TAC, brought up to date on access.
//!
//! TIMA counts falling edges of one bit of the 16-bit counter behind DIV, gated by TAC's enable bit.
//! Between writes the edges come at regular times, so any span is counted in a few steps.

#![forbid(unsafe_code)]

use crate::state::{struct_fields, StateError};

/// "At no time".
pub const NEVER: u64 = u64::MAX;

/// Clock cycles between TIMA's overflow to 00 and its reload from TMA with the interrupt.
const RELOAD_DELAY: u64 = 4;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timer {
    /// When the 16-bit counter was (or would have been) 0.
    counter_zero: u64,
    /// The time up to which TIMA is right.
    synced: u64,
    /// When TIMA takes TMA, after an overflow; [`NEVER`] without one.
    reload_at: u64,
    /// The last time at which it did.
    reloaded_at: u64,
    /// FF05
    tima: u8,
    /// FF06
    tma: u8,
    /// FF07, three bits
    tac: u8,
}

struct_fields!(Timer {
    counter_zero,
    synced,
    reload_at,
    reloaded_at,
    tima,
    tma,
    tac
});

impl Timer {
    /// The counter as the DMG's boot ROM leaves it.
    pub fn after_boot(now: u64) -> Self {
        Timer {
            counter_zero: now - 0xABCC,
            synced: now,
            reload_at: NEVER,
            reloaded_at: 0,
            tima: 0,
            tma: 0,
            tac: 0,
        }
    }

    fn counter(&self, now: u64) -> u64 {
        now - self.counter_zero
    }

    fn enabled(&self) -> bool {
        self.tac & 4 != 0
    }

    /// Base-2 logarithm of the clock cycles between counts.
    fn period_bits(&self) -> u32 {
        [10, 4, 6, 8][usize::from(self.tac & 3)]
    }

    /// The level whose falling edges TIMA counts.
    fn signal(&self, now: u64) -> bool {
        self.enabled() && self.counter(now) >> (self.period_bits() - 1) & 1 == 1
    }

    /// Time of the `n`-th count (from 1) after `synced`.
    fn nth_edge(&self, n: u64) -> u64 {
        let bits = self.period_bits();
        self.counter_zero + (((self.counter(self.synced) >> bits) + n) << bits)
    }

    /// Counts up to `now`; returns whether the interrupt was requested.
    pub fn update(&mut self, now: u64) -> bool {
        let mut interrupt = false;
        loop {
            if self.reload_at <= now {
                self.synced = self.reload_at;
                self.reloaded_at = self.reload_at;
                self.reload_at = NEVER;
                self.tima = self.tma;
                interrupt = true;
            }
            if !self.enabled() || self.reload_at != NEVER {
                break;
            }
            let to_overflow = 256 - u64::from(self.tima);
            let overflow = self.nth_edge(to_overflow);
            if overflow > now {
                let bits = self.period_bits();
                let count = (self.counter(now) >> bits) - (self.counter(self.synced) >> bits);
                self.tima += count as u8;
                break;
            }
            self.tima = 0;
            self.synced = overflow;
            self.reload_at = overflow + RELOAD_DELAY;
        }
        self.synced = now;
        interrupt
    }

    /// When the next interrupt comes if no register is written.
    pub fn next_interrupt(&self) -> u64 {
        if self.reload_at != NEVER {
            self.reload_at
        } else if self.enabled() {
            self.nth_edge(256 - u64::from(self.tima)) + RELOAD_DELAY
        } else {
            NEVER
        }
    }

    /// A count outside the regular ones: the write of DIV or TAC made the signal fall.
    fn count_glitch(&mut self, now: u64) {
        self.tima = self.tima.wrapping_add(1);
        if self.tima == 0 {
            self.reload_at = now + RELOAD_DELAY;
        }
    }

    /// Reads FF04..=FF07. The caller has updated the timer.
    pub fn read(&self, address: u16, now: u64) -> u8 {
        match address & 3 {
            0 => (self.counter(now) >> 8) as u8,
            1 => self.tima,
            2 => self.tma,
            _ => self.tac | 0xF8,
        }
    }

    /// Writes FF04..=FF07. The caller has updated the timer.
    pub fn write(&mut self, address: u16, value: u8, now: u64) {
        let reloading = self.reloaded_at == now;
        match address & 3 {
            0 => {
                let falls = self.signal(now);
                self.counter_zero = now;
                if falls {
                    self.count_glitch(now);
                }
            }
            1 if !reloading => {
                self.tima = value;
                self.reload_at = NEVER;
            }
            1 => {}
            2 => {
                self.tma = value;
                if reloading {
                    self.tima = value;
                }
            }
            _ => {
                let before = self.signal(now);
                self.tac = value & 7;
                if before && !self.signal(now) {
                    self.count_glitch(now);
                }
            }
        }
    }

    /// The 16-bit counter, which also clocks the serial port.
    pub fn counter_phase(&self, now: u64) -> u64 {
        self.counter(now) & 0xFFFF
    }

    pub fn validate(&self, now: u64) -> Result<(), StateError> {
        let reload_ok = self.reload_at == NEVER
            || (self.reload_at > now && self.reload_at <= now + RELOAD_DELAY);
        if self.synced != now || self.counter_zero > now || !reload_ok || self.tac > 7 {
            return Err(StateError::new(
                "the timer's registers contradict each other",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same chip ticked every M-cycle, with an edge detector instead of arithmetic.
    struct Twin {
        counter: u16,
        tima: u8,
        tma: u8,
        tac: u8,
        signal: bool,
        overflowed: bool,
        reloading: bool,
        interrupt: bool,
    }

    impl Twin {
        fn detect_edge(&mut self) {
            let bit = [9, 3, 5, 7][usize::from(self.tac & 3)];
            let signal = self.tac & 4 != 0 && self.counter >> bit & 1 == 1;
            if self.signal && !signal {
                self.tima = self.tima.wrapping_add(1);
                self.overflowed |= self.tima == 0;
            }
            self.signal = signal;
        }

        fn tick(&mut self) {
            self.reloading = self.overflowed;
            if self.overflowed {
                self.overflowed = false;
                self.tima = self.tma;
                self.interrupt = true;
            }
            self.counter = self.counter.wrapping_add(4);
            self.detect_edge();
        }

        fn write(&mut self, register: u16, value: u8) {
            match register {
                0 => self.counter = 0,
                1 if self.reloading => {}
                1 => {
                    self.tima = value;
                    self.overflowed = false;
                }
                2 => {
                    self.tma = value;
                    if self.reloading {
                        self.tima = value;
                    }
                }
                _ => self.tac = value & 7,
            }
            self.detect_edge();
        }
    }

    #[test]
    fn equals_its_cycle_by_cycle_twin() {
        let mut seed = 7u32;
        let mut random = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed >> 8
        };
        let mut now = 0x10000;
        let mut timer = Timer::after_boot(now);
        let mut twin = Twin {
            counter: 0xABCC,
            tima: 0,
            tma: 0,
            tac: 0,
            signal: false,
            overflowed: false,
            reloading: false,
            interrupt: false,
        };
        for _ in 0..20_000 {
            let span = [1, 4, 40, 3000][random() as usize % 4];
            let cycles = 1 + random() % span;
            for _ in 0..cycles {
                twin.tick();
            }
            let predicted = timer.next_interrupt();
            now += u64::from(cycles) * 4;
            let interrupt = timer.update(now);
            assert_eq!(interrupt, twin.interrupt);
            assert_eq!(interrupt, predicted <= now);
            twin.interrupt = false;
            assert_eq!(timer.read(0xFF04, now), (twin.counter >> 8) as u8);
            assert_eq!(timer.read(0xFF05, now), twin.tima);
            if random() % 2 == 0 {
                let register = random() as u16 % 4;
                let value = match register {
                    1 | 2 => 0xF0 | random() as u8,
                    _ => random() as u8,
                };
                timer.write(register, value, now);
                twin.write(register, value);
            }
        }
    }
}
