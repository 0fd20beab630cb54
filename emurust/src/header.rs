//! The ROM's header: what is wrong in it, for people. Homebrew runs without one.

#![forbid(unsafe_code)]

use crate::cartridge::ROM_BANK;
use crate::state::fnv1a;

/// FNV-1a of the logo that a Game Boy compares with its own before it starts a cartridge.
const LOGO_HASH: u64 = 0x0E13_F858_5A99_F41F;
const CGB_ONLY: u8 = 0xC0;
pub const MAPPER: usize = 0x147;
const ROM_SIZE: usize = 0x148;
pub const RAM_SIZE: usize = 0x149;
const CHECKSUM: usize = 0x14D;

/// Whether the header's byte 0x149 is a known size.
pub fn knows_ram_size(code: u8) -> bool {
    code <= 5
}

/// Whether a ROM fits where no mapper is needed.
pub fn fits_without_mapper(rom: &[u8]) -> bool {
    rom.len() <= 2 * ROM_BANK
}

/// One line for each thing that makes a ROM of at least two banks another than it seems.
pub fn warnings(rom: &[u8], knows_mapper: bool, has_mapper: bool) -> Vec<String> {
    if let Some(&byte) = rom.first().filter(|&first| rom.iter().all(|b| b == first)) {
        return vec![format!("every byte is 0x{byte:02X}: this is no game")];
    }
    let mut warnings = Vec::new();
    let logo = fnv1a(&rom[0x104..0x134]) == LOGO_HASH;
    let checksum = (rom[0x134..CHECKSUM].iter()).fold(0u8, |sum, &b| sum.wrapping_add(!b));
    match (logo, checksum == rom[CHECKSUM]) {
        (true, true) => {}
        (false, true) => warnings.push(
            "the logo in the header (bytes 0x104 to 0x133) is wrong: a Game Boy would not start it"
                .into(),
        ),
        (true, false) => warnings.push(format!(
            "the header's checksum (byte 0x14D) is wrong, expected 0x{checksum:02X}, got \
             0x{:02X}: the ROM may be damaged, a Game Boy would not start it",
            rom[CHECKSUM]
        )),
        (false, false) => warnings.push(
            "the header's logo and checksum are wrong: the ROM is damaged, no Game Boy game, or \
             homebrew without a header"
                .into(),
        ),
    }
    if rom[0x143] == CGB_ONLY {
        warnings.push(
            "it is for the Game Boy Color alone (byte 0x143 is 0xC0) and plays here as on the \
             first Game Boy, where most such games show a notice and stop"
                .into(),
        );
    }
    let fits = fits_without_mapper(rom);
    if !knows_mapper {
        warnings.push(format!(
            "unknown mapper 0x{:02X} in the header (byte 0x147): 32768 bytes need none",
            rom[MAPPER]
        ));
    }
    if !has_mapper && !fits {
        warnings.push(format!(
            "the header (byte 0x147) names no mapper: of {} bytes a game reaches the first 32768",
            rom.len()
        ));
    } else {
        let size = rom[ROM_SIZE];
        match (2 * ROM_BANK)
            .checked_shl(size.into())
            .filter(|_| size <= 8)
        {
            None => warnings.push(format!(
                "unknown ROM size 0x{size:02X} in the header (byte 0x148): all {} bytes count",
                rom.len()
            )),
            Some(promised) if promised != rom.len() => warnings.push(format!(
                "the header (byte 0x148) promises {promised} bytes, the ROM has {}: it may be {}",
                rom.len(),
                if promised > rom.len() {
                    "cut off"
                } else {
                    "padded, or more than one game"
                }
            )),
            Some(_) => {}
        }
    }
    if !knows_ram_size(rom[RAM_SIZE]) {
        warnings.push(format!(
            "unknown RAM size 0x{:02X} in the header (byte 0x149): 32768 bytes are given",
            rom[RAM_SIZE]
        ));
    }
    warnings
}
