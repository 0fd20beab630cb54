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

#[test]
fn huc1_banks_and_its_infrared_port() {
    let mut cartridge = Cartridge::new(0xFF, 64, 3);
    assert_eq!(cartridge.banks(), (0, 1));
    for (low, bank) in [(0x3F, 0x3F), (0x20, 0x20), (0x41, 1)] {
        cartridge.write(0x2000, low);
        assert_eq!(cartridge.banks(), (0, bank));
    }
    // RAM is there from the beginning, in whatever mode, until the infrared port takes its place.
    for bank in 0..4 {
        cartridge.write(0x4000, bank);
        cartridge.write(0xA123, bank + 10);
    }
    assert_eq!(
        [0, 1, 2, 3].map(|bank| cartridge.ram[bank * 0x2000 + 0x123]),
        [10, 11, 12, 13]
    );
    cartridge.write(0x0000, 0x0E);
    cartridge.write(0xA123, 1);
    assert_eq!(cartridge.read(0xA123), 0xC0, "no light");
    cartridge.write(0x0000, 0x00);
    assert_eq!(cartridge.read(0xA123), 13);
}

// ---- headers ----

/// A ROM whose header is right: no mapper, of `banks` banks, or what `bytes` puts there.
fn rom_with(banks: usize, bytes: &[(usize, u8)]) -> Vec<u8> {
    let game = include_bytes!("../../games/waystone/waystone.gb");
    let mut rom = vec![0; banks * ROM_BANK];
    rom[0x104..0x134].copy_from_slice(&game[0x104..0x134]);
    rom[0x148] = banks.trailing_zeros() as u8 - 1;
    for &(address, value) in bytes {
        rom[address] = value;
    }
    if bytes.iter().all(|&(address, _)| address != 0x14D) {
        rom[0x14D] = (rom[0x134..0x14D].iter()).fold(0, |sum, &byte| sum.wrapping_add(!byte));
    }
    rom
}

#[test]
fn what_is_odd_about_a_header_is_one_warning() {
    for (rom, expected) in [
        (vec![0; 0x8000], "every byte is 0x00"),
        (vec![0xFF; 0x8000], "every byte is 0xFF"),
        (rom_with(2, &[(0x104, 0)]), "logo in the header"),
        (
            rom_with(2, &[(0x14D, 0)]),
            "checksum (byte 0x14D) is wrong, expected 0xE7, got 0x00",
        ),
        (
            rom_with(2, &[(0x104, 0), (0x14D, 0)]),
            "logo and checksum are wrong",
        ),
        (
            rom_with(2, &[(0x143, 0xC0)]),
            "for the Game Boy Color alone",
        ),
        (
            rom_with(8, &[(0x147, 1), (0x148, 3)]),
            "promises 262144 bytes, the ROM has 131072: it may be cut off",
        ),
        (
            rom_with(8, &[(0x147, 1), (0x148, 1)]),
            "promises 65536 bytes, the ROM has 131072: it may be padded",
        ),
        (
            rom_with(8, &[(0x147, 1), (0x148, 0x52)]),
            "unknown ROM size 0x52",
        ),
        (
            rom_with(4, &[]),
            "names no mapper: of 65536 bytes a game reaches the first 32768",
        ),
        (rom_with(4, &[(0x148, 0)]), "names no mapper"),
        (rom_with(2, &[(0x149, 0x09)]), "unknown RAM size 0x09"),
        (
            rom_with(2, &[(0x147, 0x20)]),
            "unknown mapper 0x20 in the header (byte 0x147): 32768 bytes need none",
        ),
    ] {
        let warnings = Rom::new(&rom).unwrap().warnings;
        assert_eq!(warnings.len(), 1, "{expected}: {warnings:?}");
        assert!(warnings[0].contains(expected), "{expected}: {warnings:?}");
    }
}

#[test]
fn a_sound_header_is_no_warning() {
    for rom in [
        rom_with(2, &[]),
        rom_with(2, &[(0x143, 0x80), (0x147, 9), (0x149, 2)]),
        rom_with(64, &[(0x147, 0x13), (0x149, 3)]),
        rom_with(64, &[(0x147, 0xFF), (0x149, 3)]),
        rom_with(512, &[(0x147, 0x1B), (0x149, 4)]),
    ] {
        assert_eq!(Rom::new(&rom).unwrap().warnings, [""; 0]);
    }
}

#[test]
fn an_unknown_mapper_of_a_rom_that_needs_one_is_refused() {
    let error = Rom::new(&rom_with(4, &[(0x147, 0x22)])).unwrap_err();
    assert!(
        error.contains("unknown mapper 0x22") && error.contains("HuC1 (FF)"),
        "{error}"
    );
}

#[test]
fn unknown_ram_sizes_give_32_kb() {
    let rom = Rom::new(&rom_with(8, &[(0x147, 0x03), (0x149, 0x77)])).unwrap();
    assert_eq!(rom.ram_size, 0x8000);
}

// ---- battery saves ----

#[test]
fn a_battery_save_is_the_ram() {
    let mut cartridge = Cartridge::new(0x03, 8, 3);
    let save: Vec<u8> = (0..0x8000).map(|at| (at / 7) as u8).collect();
    let Cartridge {
        mapper, rom, ram, ..
    } = &mut cartridge;
    mapper.load_battery(rom, ram, &save, 0).unwrap();
    cartridge.write(0x0000, 0x0A);
    assert_eq!(cartridge.read(0xA777), save[0x777]);
    cartridge.write(0xA777, 0xAB);
    let Cartridge {
        mapper, rom, ram, ..
    } = &cartridge;
    let written = mapper.save_battery(rom, ram, 0, 0).unwrap();
    assert_eq!(written.len(), save.len());
    assert_eq!((written[0x776], written[0x777]), (save[0x776], 0xAB));
}

#[test]
fn the_clock_stands_after_the_ram_as_bgb_and_vba_write_it() {
    let mut cartridge = Cartridge::new(0x10, 8, 3);
    let registers = [58u32, 59, 23, 0xFF, 0x01, 1, 2, 3, 4, 0x80];
    let mut save = vec![0x5A; 0x8000];
    save.extend(registers.iter().flat_map(|register| register.to_le_bytes()));
    save.extend(1_000_000_000u64.to_le_bytes());
    let start = 7 * SECOND + 12; // the clock counts from where it is put in
    for length in [48, 44] {
        let Cartridge {
            mapper, rom, ram, ..
        } = &mut cartridge;
        (mapper.load_battery(rom, ram, &save[..0x8000 + length], start)).unwrap();
        let at_once = mapper.save_battery(rom, ram, start, 1_000_000_000).unwrap();
        assert_eq!(at_once, save, "{length}");
    }
    cartridge.write(0x0000, 0x0A);
    cartridge.write(0x4000, 0x0C);
    assert_eq!(cartridge.read(0xA000), 0x80, "the latched day carry");
    cartridge.now = start + 2 * SECOND;
    cartridge.write(0x6000, 0);
    cartridge.write(0x6000, 1);
    assert_eq!(cartridge.read(0xA000), 0x80, "after day 511 the carry");
    let Cartridge {
        mapper,
        rom,
        ram,
        now,
    } = &cartridge;
    let later = mapper.save_battery(rom, ram, *now, 9).unwrap();
    assert_eq!(later[..0x8000], save[..0x8000]);
    assert_eq!(
        later[0x8000..][..20],
        [0, 0, 0, 0, 0x80u32].map(u32::to_le_bytes).concat()
    );
    assert_eq!(later[0x8028..], 9u64.to_le_bytes());
}

#[test]
fn a_forged_clock_keeps_to_its_registers() {
    let mut cartridge = Cartridge::new(0x0F, 8, 0);
    let Cartridge {
        mapper, rom, ram, ..
    } = &mut cartridge;
    mapper.load_battery(rom, ram, &[0xFF; 48], 0).unwrap();
    assert!(mapper.validate(rom, 0).is_ok());
    let saved = mapper.save_battery(rom, ram, 0, 0).unwrap();
    assert_eq!(saved[..8], [0x3F, 0, 0, 0, 0x3F, 0, 0, 0]);
}

#[test]
fn a_battery_save_of_another_size_changes_nothing() {
    for (kind, ram_code, sizes, expected) in [
        (
            0x03,
            3,
            vec![0, 0x2000, 0x7FFF, 0x8001, 0x8030],
            "of 32768 bytes, got",
        ),
        (0x06, 0, vec![0, 256, 513], "of 512 bytes, got"),
        (
            0x10,
            3,
            vec![0, 44, 0x8001, 0x802B, 0x8031],
            "of 32768 bytes, and 44 or 48 of the clock",
        ),
        (
            0x0F,
            0,
            vec![0, 43, 49],
            "of 0 bytes, and 44 or 48 of the clock, got",
        ),
        (
            0x01,
            3,
            vec![0, 0x8000],
            "keeps no battery save (mapper 0x01",
        ),
        (
            0x03,
            0,
            vec![0, 0x2000],
            "keeps no battery save (mapper 0x03, RAM of 0 bytes)",
        ),
        (0x00, 0, vec![0, 0x2000], "keeps no battery save"),
    ] {
        for size in sizes {
            let mut cartridge = Cartridge::new(kind, 8, ram_code);
            let before = (cartridge.mapper.clone(), cartridge.ram.clone());
            let Cartridge {
                mapper, rom, ram, ..
            } = &mut cartridge;
            let error = mapper
                .load_battery(rom, ram, &vec![0; size], 0)
                .unwrap_err();
            assert!(error.contains(expected), "{error}");
            assert!(before == (cartridge.mapper, cartridge.ram));
        }
    }
}
