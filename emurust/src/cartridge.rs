//! Cartridges: the ROM with its header, and the mappers that bank ROM and RAM.

#![forbid(unsafe_code)]

use std::sync::OnceLock;

use crate::decode::{decode, Code};
use crate::header;
use crate::state::{enum_field, fnv1a, struct_fields, StateError};

pub const ROM_BANK: usize = 0x4000;
const RAM_BANK: usize = 0x2000;
/// Clock cycles per second, which the clock of MBC3 counts.
const CYCLES_PER_SECOND: u64 = 4_194_304;

/// The chips that map ROM and RAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapperKind {
    None,
    Mbc1,
    /// Four 256 KB games behind one MBC1 wired for 4 bits of bank number.
    Mbc1Multicart,
    Mbc2,
    Mbc3,
    Mbc5,
    /// With an infrared port, which sees no light.
    HuC1,
}

/// An immutable cartridge ROM, padded to a power of two of at least two banks.
#[derive(Debug)]
pub struct Rom {
    pub bytes: Vec<u8>,
    pub kind: MapperKind,
    pub ram_size: usize,
    /// MBC3 with its clock.
    has_clock: bool,
    has_battery: bool,
    /// What is odd about the header, one line each.
    pub warnings: Vec<String>,
    /// Names the ROM in exported states.
    pub hash: u64,
    /// The instructions of each bank that a machine has run code in.
    code: Vec<OnceLock<Box<Code>>>,
}

impl Rom {
    /// Reads the header. Errors: too short or long, or a mapper that is not known, which a ROM of
    /// two banks does without. What else is odd goes into `warnings`.
    pub fn new(rom: &[u8]) -> Result<Self, String> {
        if rom.len() < 2 * ROM_BANK || rom.len() > 512 * ROM_BANK {
            return Err(format!(
                "expected a ROM of 32768 to 8388608 bytes, got {} bytes",
                rom.len()
            ));
        }
        let code = rom[header::MAPPER];
        let known = match code {
            0x00 | 0x08 | 0x09 => Some(MapperKind::None),
            0x01..=0x03 if is_multicart(rom) => Some(MapperKind::Mbc1Multicart),
            0x01..=0x03 => Some(MapperKind::Mbc1),
            0x05 | 0x06 => Some(MapperKind::Mbc2),
            0x0F..=0x13 => Some(MapperKind::Mbc3),
            0x19..=0x1E => Some(MapperKind::Mbc5),
            0xFF => Some(MapperKind::HuC1),
            _ => None,
        };
        if known.is_none() && !header::fits_without_mapper(rom) {
            return Err(format!(
                "unknown mapper 0x{code:02X} in the ROM's header (byte 0x147); supported: none (00, \
                 08, 09), MBC1 (01-03), MBC2 (05, 06), MBC3 (0F-13), MBC5 (19-1E), HuC1 (FF)"
            ));
        }
        let kind = known.unwrap_or(MapperKind::None);
        let ram_size = match (kind, rom[header::RAM_SIZE]) {
            (MapperKind::Mbc2, _) => 512,
            (_, 0) => 0,
            (_, 1 | 2) => RAM_BANK,
            (_, 4) => 16 * RAM_BANK,
            (_, 5) => 8 * RAM_BANK,
            _ => 4 * RAM_BANK, // 3, and what is unknown
        };
        let has_clock = matches!(code, 0x0F | 0x10);
        let keeps_ram = matches!(
            code,
            0x03 | 0x06 | 0x09 | 0x0F | 0x10 | 0x13 | 0x1B | 0x1E | 0xFF
        );
        let mut bytes = rom.to_vec();
        bytes.resize(rom.len().next_power_of_two(), 0xFF);
        Ok(Rom {
            kind,
            ram_size,
            has_clock,
            has_battery: keeps_ram && (ram_size > 0 || has_clock),
            warnings: header::warnings(rom, known.is_some(), kind != MapperKind::None),
            hash: fnv1a(rom),
            code: vec![OnceLock::new(); bytes.len() / ROM_BANK],
            bytes,
        })
    }

    /// The instructions of the bank that begins at `offset`.
    pub(crate) fn code(&self, offset: usize) -> Option<&Code> {
        let bank = self.bytes.get(offset..)?.first_chunk()?;
        let code = self.code.get(offset / ROM_BANK)?;
        Some(code.get_or_init(|| decode(bank)))
    }

    pub fn header_checksum(&self) -> u8 {
        self.bytes[0x14D]
    }

    /// Splits a battery save into the RAM and the clock's registers, which may be missing.
    ///
    /// Errors: no battery, or another size.
    pub fn split_battery<'a>(&self, save: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), String> {
        if !self.has_battery {
            return Err(format!(
                "the cartridge keeps no battery save (mapper 0x{:02X}, RAM of {} bytes)",
                self.bytes[header::MAPPER],
                self.ram_size
            ));
        }
        let split = save.split_at_checked(self.ram_size);
        match split.map(|(ram, clock)| (ram, clock, clock.len())) {
            Some((ram, clock, 0)) if !ram.is_empty() => Ok((ram, clock)),
            Some((ram, clock, 44 | CLOCK_BYTES)) if self.has_clock => Ok((ram, clock)),
            _ => Err(format!(
                "expected a battery save of {} bytes{}, got {}",
                self.ram_size,
                if self.has_clock {
                    ", and 44 or 48 of the clock"
                } else {
                    ""
                },
                save.len()
            )),
        }
    }
}

/// A 1 MB MBC1 ROM is a multicart if its second game carries the logo as well.
fn is_multicart(rom: &[u8]) -> bool {
    rom.len() == 0x10_0000 && rom[0x104..0x134] == rom[0x4_0104..0x4_0134]
}

/// What the RAM area A000..=BFFF shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum RamArea {
    Nothing = 0,
    Ram = 1,
    Clock = 2,
    Infrared = 3,
}

impl TryFrom<u8> for RamArea {
    type Error = ();
    fn try_from(value: u8) -> Result<Self, ()> {
        [Self::Nothing, Self::Ram, Self::Clock, Self::Infrared]
            .get(usize::from(value))
            .copied()
            .ok_or(())
    }
}

enum_field!(RamArea);

/// MBC3's clock: counts the machine's own time, so that runs repeat exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Clock {
    /// The time up to which the registers are right, whole seconds after the last set.
    synced: u64,
    /// Seconds, minutes, hours, day low, day high (bit 0), halt (bit 6), day carry (bit 7).
    now: [u8; 5],
    latched: [u8; 5],
    latch_armed: bool,
}

struct_fields!(Clock {
    synced,
    now,
    latched,
    latch_armed
});

const CLOCK_MASK: [u8; 5] = [0x3F, 0x3F, 0x1F, 0xFF, 0xC1];
/// The clock after the RAM in a battery save, as BGB and VBA write it: ten registers of four bytes,
/// now and latched, and the time of saving in seconds since 1970, of eight bytes or, once, of four.
const CLOCK_BYTES: usize = 48;

impl Clock {
    fn new(now: u64) -> Self {
        Clock {
            synced: now,
            now: [0; 5],
            latched: [0; 5],
            latch_armed: false,
        }
    }

    fn update(&mut self, now: u64) {
        if self.now[4] & 0x40 != 0 {
            self.synced = now;
            return;
        }
        while self.synced + CYCLES_PER_SECOND <= now {
            self.synced += CYCLES_PER_SECOND;
            self.count_second();
        }
    }

    fn count_second(&mut self) {
        // A register set beyond its limit wraps at its width without a carry.
        for (unit, limit) in [60, 60, 24].into_iter().enumerate() {
            self.now[unit] = (self.now[unit] + 1) & CLOCK_MASK[unit];
            if self.now[unit] != limit {
                return;
            }
            self.now[unit] = 0;
        }
        let day = u16::from_le_bytes([self.now[3], self.now[4] & 1]) + 1;
        self.now[3] = day as u8;
        self.now[4] = (self.now[4] & 0xC0) | ((day >> 8) as u8 & 1) | ((day >> 9) as u8) << 7;
    }

    fn write(&mut self, register: usize, value: u8, now: u64) {
        self.update(now);
        if register == 0 {
            self.synced = now;
        }
        self.now[register] = value & CLOCK_MASK[register];
    }

    fn to_battery(&self, unix_time: u64) -> [u8; CLOCK_BYTES] {
        let mut bytes = [0; CLOCK_BYTES];
        for (four, register) in bytes
            .chunks_mut(4)
            .zip(self.now.iter().chain(&self.latched))
        {
            four[0] = *register;
        }
        bytes[40..].copy_from_slice(&unix_time.to_le_bytes());
        bytes
    }

    /// Goes on from the saved registers. What time has passed since does not count, or no run would
    /// repeat.
    fn load_battery(&mut self, bytes: &[u8], now: u64) {
        self.synced = now;
        let registers = self.now.iter_mut().chain(&mut self.latched);
        for ((register, four), mask) in registers.zip(bytes.chunks(4)).zip(CLOCK_MASK.repeat(2)) {
            *register = four[0] & mask;
        }
    }

    fn write_latch(&mut self, value: u8, now: u64) {
        if self.latch_armed && value == 1 {
            self.update(now);
            self.latched = self.now;
        }
        self.latch_armed = value == 0;
    }
}

/// The mapper's registers, and the offsets that follow from them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapper {
    /// Bank registers as written: ROM low, ROM high or RAM, MBC1's mode.
    low: u8,
    high: u8,
    mode: u8,
    ram_enabled: bool,
    clock: Clock,
    /// Derived: where 0000..=3FFF and 4000..=7FFF begin in the ROM, and A000..=BFFF in the RAM.
    pub(crate) rom_offset: [u64; 2],
    ram_offset: u64,
    ram_area: RamArea,
}

struct_fields!(Mapper {
    low,
    high,
    mode,
    ram_enabled,
    clock,
    rom_offset,
    ram_offset,
    ram_area
});

impl Mapper {
    pub fn new(rom: &Rom, now: u64) -> Self {
        let mut mapper = Mapper {
            low: 1,
            high: 0,
            mode: 0,
            ram_enabled: matches!(rom.kind, MapperKind::None | MapperKind::HuC1),
            clock: Clock::new(now),
            rom_offset: [0; 2],
            ram_offset: 0,
            ram_area: RamArea::Nothing,
        };
        mapper.derive_offsets(rom);
        mapper
    }

    /// Reads 0000..=7FFF.
    #[inline]
    pub fn read_rom(&self, rom: &Rom, address: u16) -> u8 {
        let offset = self.rom_offset[usize::from(address >> 14) & 1] as usize;
        let index = offset + (usize::from(address) & (ROM_BANK - 1));
        rom.bytes.get(index).copied().unwrap_or(0xFF)
    }

    /// Reads A000..=BFFF.
    pub fn read_ram(&self, rom: &Rom, ram: &[u8], address: u16) -> u8 {
        match self.ram_area {
            RamArea::Nothing => 0xFF,
            RamArea::Infrared => 0xC0,
            RamArea::Clock => self.clock.latched[usize::from(self.high - 8) % 5],
            RamArea::Ram => {
                let value = ram
                    .get(self.ram_index(ram, address))
                    .copied()
                    .unwrap_or(0xFF);
                if rom.kind == MapperKind::Mbc2 {
                    value | 0xF0
                } else {
                    value
                }
            }
        }
    }

    /// Writes A000..=BFFF.
    pub fn write_ram(&mut self, ram: &mut [u8], address: u16, value: u8, now: u64) {
        match self.ram_area {
            RamArea::Nothing | RamArea::Infrared => {}
            RamArea::Clock => self.clock.write(usize::from(self.high - 8) % 5, value, now),
            RamArea::Ram => {
                let index = self.ram_index(ram, address);
                if let Some(byte) = ram.get_mut(index) {
                    *byte = value;
                }
            }
        }
    }

    /// RAM smaller than its window repeats.
    fn ram_index(&self, ram: &[u8], address: u16) -> usize {
        let index = self.ram_offset as usize + (usize::from(address) & (RAM_BANK - 1));
        index & ram.len().wrapping_sub(1)
    }

    /// Writes 0000..=7FFF, the mapper's registers.
    pub fn write_register(&mut self, rom: &Rom, address: u16, value: u8, now: u64) {
        let enables_ram = value & 0x0F == 0x0A;
        match (rom.kind, address >> 12) {
            (MapperKind::None, _) => return,
            (MapperKind::Mbc2, 0..=3) if address & 0x100 == 0 => self.ram_enabled = enables_ram,
            (MapperKind::Mbc2, 0..=3) => self.low = value & 0x0F,
            (MapperKind::Mbc2, _) => return,
            (MapperKind::Mbc5, 0..=1) => self.ram_enabled = value == 0x0A,
            (MapperKind::HuC1, 0..=1) => self.ram_enabled = value & 0x0F != 0x0E,
            (_, 0..=1) => self.ram_enabled = enables_ram,
            (MapperKind::Mbc1 | MapperKind::Mbc1Multicart, 2..=3) => self.low = value & 0x1F,
            (MapperKind::Mbc1 | MapperKind::Mbc1Multicart, 4..=5) => self.high = value & 3,
            (MapperKind::Mbc1 | MapperKind::Mbc1Multicart, _) => self.mode = value & 1,
            (MapperKind::Mbc3, 2..=3) => self.low = value,
            (MapperKind::Mbc3, 4..=5) => self.high = value & 0x0F,
            (MapperKind::Mbc3, _) => self.clock.write_latch(value, now),
            (MapperKind::Mbc5, 2) => self.low = value,
            (MapperKind::Mbc5, 3) => self.mode = value & 1,
            (MapperKind::Mbc5, 4..=5) => self.high = value & 0x0F,
            (MapperKind::Mbc5, _) => return,
            (MapperKind::HuC1, 2..=3) => self.low = value & 0x3F,
            (MapperKind::HuC1, 4..=5) => self.high = value & 3,
            (MapperKind::HuC1, _) => return,
        }
        self.derive_offsets(rom);
    }

    /// A battery save of the cartridge: its RAM, and the clock, if it has one, at `now`.
    ///
    /// `unix_time` tells other emulators how long the clock has stood still. Errors: no battery.
    pub fn save_battery(
        &self,
        rom: &Rom,
        ram: &[u8],
        now: u64,
        unix_time: u64,
    ) -> Result<Vec<u8>, String> {
        let mut save = ram.to_vec();
        if rom.has_clock {
            let mut clock = self.clock.clone();
            clock.update(now);
            save.extend(clock.to_battery(unix_time));
        }
        rom.split_battery(&save)?;
        Ok(save)
    }

    /// Puts a battery save into the cartridge. Errors: no battery, or another size.
    pub fn load_battery(
        &mut self,
        rom: &Rom,
        ram: &mut [u8],
        save: &[u8],
        now: u64,
    ) -> Result<(), String> {
        let (saved, clock) = rom.split_battery(save)?;
        ram.copy_from_slice(saved);
        if !clock.is_empty() {
            self.clock.load_battery(clock, now);
        }
        Ok(())
    }

    /// Brings MBC3's clock up to `now`.
    pub fn update_clock(&mut self, now: u64) {
        self.clock.update(now);
    }

    fn derive_offsets(&mut self, rom: &Rom) {
        let (low, high) = (usize::from(self.low), usize::from(self.high));
        let (fixed, switched, ram_bank) = match rom.kind {
            MapperKind::None => (0, 1, 0),
            MapperKind::Mbc1 | MapperKind::Mbc1Multicart => {
                let (shift, mask) = match rom.kind {
                    MapperKind::Mbc1 => (5, 0x1F),
                    _ => (4, 0x0F),
                };
                // Bank 0 is read as 1 before the multicart drops the fifth bit.
                let switched = high << shift | (low.max(1) & mask);
                if self.mode == 1 {
                    (high << shift, switched, high)
                } else {
                    (0, switched, 0)
                }
            }
            MapperKind::Mbc2 => (0, low.max(1), 0),
            MapperKind::Mbc3 => (0, low.max(1), high & 7),
            MapperKind::Mbc5 => (0, usize::from(self.mode) << 8 | low, high),
            MapperKind::HuC1 => (0, low, high),
        };
        let rom_mask = rom.bytes.len() - 1;
        self.rom_offset = [fixed, switched].map(|bank| ((bank * ROM_BANK) & rom_mask) as u64);
        self.ram_offset = ((ram_bank * RAM_BANK) & rom.ram_size.saturating_sub(1)) as u64;
        self.ram_area = match (self.ram_enabled, rom.kind, self.high) {
            (false, MapperKind::HuC1, _) => RamArea::Infrared,
            (false, ..) => RamArea::Nothing,
            (_, MapperKind::Mbc3, 0x08..=0x0C) if rom.has_clock => RamArea::Clock,
            (_, MapperKind::Mbc3, 0x08..) => RamArea::Nothing,
            _ if rom.ram_size == 0 => RamArea::Nothing,
            _ => RamArea::Ram,
        };
    }

    /// Checks a state's registers; the derived offsets must be those that follow from them.
    pub fn validate(&self, rom: &Rom, now: u64) -> Result<(), StateError> {
        let mut derived = self.clone();
        derived.derive_offsets(rom);
        let clock_ok = self.clock.synced <= now
            && now - self.clock.synced < CYCLES_PER_SECOND
            && (self.clock.now.iter().zip(CLOCK_MASK)).all(|(&value, mask)| value & !mask == 0);
        if derived != *self || !clock_ok {
            return Err(StateError::new(
                "the mapper's registers contradict each other",
            ));
        }
        Ok(())
    }
}
