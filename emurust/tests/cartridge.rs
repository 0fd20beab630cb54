//! Mappers: which bank shows where, RAM, and MBC3's clock.

use emurust::cartridge::{Mapper, Rom, ROM_BANK};

const SECOND: u64 = 4_194_304;

struct Cartridge {
    rom: Rom,
    mapper: Mapper,
    ram: Vec<u8>,
    now: u64,
}

impl Cartridge {
    /// Each bank begins with its number, low byte first.
    fn new(kind: u8, banks: usize, ram_code: u8) -> Self {
        let mut bytes = vec![0; banks * ROM_BANK];
        for bank in 0..banks {
            bytes[bank * ROM_BANK..][..2].copy_from_slice(&(bank as u16).to_le_bytes());
        }
        bytes[0x147] = kind;
        bytes[0x149] = ram_code;
        let rom = Rom::new(&bytes).unwrap();
        Cartridge {
            mapper: Mapper::new(&rom, 0),
            ram: vec![0xFF; rom.ram_size],
            now: 0,
            rom,
        }
    }

    fn write(&mut self, address: u16, value: u8) {
        match address {
            0..=0x7FFF => (self.mapper).write_register(&self.rom, address, value, self.now),
            _ => (self.mapper).write_ram(&mut self.ram, address, value, self.now),
        }
    }

    fn read(&self, address: u16) -> u8 {
        match address {
            0..=0x7FFF => self.mapper.read_rom(&self.rom, address),
            _ => self.mapper.read_ram(&self.rom, &self.ram, address),
        }
    }

    /// The banks at 0000 and 4000.
    fn banks(&self) -> (u16, u16) {
        let bank = |address| u16::from_le_bytes([self.read(address), self.read(address + 1)]);
        (bank(0), bank(0x4000))
    }
}

#[test]
fn without_mapper_writes_change_nothing() {
    let mut cartridge = Cartridge::new(0x00, 2, 0);
    cartridge.write(0x2000, 5);
    assert_eq!(cartridge.banks(), (0, 1));
    assert_eq!(cartridge.read(0xA000), 0xFF);
}

#[test]
fn mbc1_joins_two_registers_and_never_selects_bank_0() {
    let mut cartridge = Cartridge::new(0x03, 128, 3);
    assert_eq!(cartridge.banks(), (0, 1));
    for (low, high, mode, banks) in [
        (0x00, 0, 0, (0, 1)),
        (0x1F, 0, 0, (0, 0x1F)),
        (0x20, 0, 0, (0, 1)),
        (0x00, 1, 0, (0, 0x21)),
        (0x12, 2, 0, (0, 0x52)),
        (0x12, 2, 1, (0x40, 0x52)),
    ] {
        cartridge.write(0x2000, low);
        cartridge.write(0x4000, high);
        cartridge.write(0x6000, mode);
        assert_eq!(cartridge.banks(), banks, "{low:x} {high} {mode}");
    }
    // RAM: four banks in mode 1, and none while disabled.
    assert_eq!(cartridge.read(0xA000), 0xFF);
    cartridge.write(0x0000, 0x0A);
    for bank in 0..4 {
        cartridge.write(0x4000, bank);
        cartridge.write(0xA123, bank + 10);
    }
    assert_eq!(
        [0, 1, 2, 3].map(|bank| cartridge.ram[bank * 0x2000 + 0x123]),
        [10, 11, 12, 13]
    );
    cartridge.write(0x0000, 0x00);
    assert_eq!(cartridge.read(0xA123), 0xFF);
}

#[test]
fn a_bank_beyond_the_rom_wraps() {
    let mut cartridge = Cartridge::new(0x01, 4, 0);
    cartridge.write(0x2000, 0x06);
    assert_eq!(cartridge.banks(), (0, 2));
}

#[test]
fn mbc2_has_512_half_bytes() {
    let mut cartridge = Cartridge::new(0x06, 16, 0);
    cartridge.write(0x0000, 0x0A);
    cartridge.write(0x0100, 0x07);
    assert_eq!(
        cartridge.banks(),
        (0, 7),
        "address bit 8 chooses the register"
    );
    cartridge.write(0xA001, 0x35);
    assert_eq!(
        (cartridge.read(0xA001), cartridge.read(0xA201)),
        (0xF5, 0xF5)
    );
}

#[test]
fn mbc3_clock_counts_machine_time() {
    let mut cartridge = Cartridge::new(0x10, 128, 3);
    cartridge.write(0x2000, 0x7F);
    assert_eq!(cartridge.banks(), (0, 0x7F));
    cartridge.write(0x0000, 0x0A);
    let clock = |cartridge: &mut Cartridge| {
        cartridge.write(0x6000, 0);
        cartridge.write(0x6000, 1);
        [0x08, 0x09, 0x0A, 0x0B, 0x0C].map(|register| {
            cartridge.write(0x4000, register);
            cartridge.read(0xA000)
        })
    };
    cartridge.now = SECOND * (((24 + 1) * 60 + 2) * 60 + 3) + SECOND / 2;
    assert_eq!(clock(&mut cartridge), [3, 2, 1, 1, 0]);
    cartridge.now += SECOND;
    cartridge.write(0x4000, 0x08);
    assert_eq!(cartridge.read(0xA000), 3, "reads show the latched time");
    // Day 511 overflows into the carry, which stays; halting stops the clock.
    for (register, value) in [
        (0x08, 59),
        (0x09, 59),
        (0x0A, 23),
        (0x0B, 0xFF),
        (0x0C, 0x01),
    ] {
        cartridge.write(0x4000, register);
        cartridge.write(0xA000, value);
    }
    cartridge.now += SECOND;
    assert_eq!(clock(&mut cartridge), [0, 0, 0, 0, 0x80]);
    cartridge.write(0x4000, 0x0C);
    cartridge.write(0xA000, 0x40);
    cartridge.now += 100 * SECOND;
    assert_eq!(clock(&mut cartridge), [0, 0, 0, 0, 0x40]);
    cartridge.write(0x4000, 0x02);
    cartridge.write(0xA000, 7);
    assert_eq!(cartridge.ram[2 * 0x2000], 7);
}

#[test]
fn mbc3_without_clock_shows_nothing_in_its_place() {
    let mut cartridge = Cartridge::new(0x13, 64, 3);
    cartridge.write(0x0000, 0x0A);
    cartridge.write(0xA000, 0x12);
    for register in 0x08..=0x0C {
        cartridge.write(0x4000, register);
        cartridge.write(0xA000, 0x34);
        assert_eq!(cartridge.read(0xA000), 0xFF);
    }
    cartridge.write(0x4000, 0x00);
    assert_eq!(cartridge.read(0xA000), 0x12);
}

#[test]
fn mbc5_reaches_512_banks_and_bank_0() {
    let mut cartridge = Cartridge::new(0x1B, 512, 4);
    for bank in [0u16, 1, 0xFF, 0x100, 0x1FF] {
        cartridge.write(0x2000, bank as u8);
        cartridge.write(0x3000, (bank >> 8) as u8);
        assert_eq!(cartridge.banks(), (0, bank));
    }
    cartridge.write(0x0000, 0x0A);
    cartridge.write(0x4000, 0x0F);
    cartridge.write(0xBFFF, 9);
    assert_eq!(cartridge.ram[0x1_FFFF], 9);
}
