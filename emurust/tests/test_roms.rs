//! Public test ROMs, which are not part of this repository: `EMURUST_TEST_ROMS` names a directory
//! that holds them, searched to any depth. Without it these tests say so and pass.
//!
//! blargg's ROMs (github.com/retrio/gb-test-roms) print their verdict on the screen; mooneye's
//! (prebuilt in github.com/Humpheh/goboy) leave Fibonacci numbers in the registers; dmg-acid2
//! (github.com/mattcurrie/dmg-acid2) draws a face.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use emurust::cartridge::Rom;
use emurust::gameboy::{GameBoy, RGB_BYTES};
use emurust::state::fnv1a;

/// mooneye ROMs about other models, or not a pass-or-fail test.
const OTHER_MODELS: [&str; 8] = [
    "boot_hwio-S",
    "boot_hwio-dmg0",
    "boot_regs-dmg0",
    "boot_regs-mgb",
    "boot_regs-sgb",
    "boot_regs-sgb2",
    "boot_div2-S",
    "sprite_priority",
];

fn rom_directory() -> Option<PathBuf> {
    let directory = std::env::var_os("EMURUST_TEST_ROMS").map(PathBuf::from);
    if directory.is_none() {
        eprintln!("SKIPPED: set EMURUST_TEST_ROMS to a directory with test ROMs");
    }
    directory
}

fn find_roms(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find_roms(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "gb") {
            found.push(path);
        }
    }
}

/// The ROMs whose path contains one of `parts`, sorted.
fn roms(parts: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    if let Some(directory) = rom_directory() {
        find_roms(&directory, &mut found);
    }
    found.retain(|path| {
        parts
            .iter()
            .any(|part| path.to_string_lossy().contains(part))
    });
    found.sort();
    found
}

fn start(path: &Path) -> (GameBoy, GameBoy) {
    let rom = Arc::new(Rom::new(&std::fs::read(path).unwrap()).unwrap());
    (GameBoy::new(rom.clone()), GameBoy::new(rom))
}

/// The text on the background map, in which blargg's ROMs use ASCII for tile numbers.
fn screen_text(gameboy: &mut GameBoy) -> String {
    (0x9800..0x9C00)
        .map(|address| char::from(gameboy.peek(address)))
        .collect()
}

/// blargg: "Passed" on the screen, or a zero status with its signature in cartridge RAM.
fn blargg_passes(path: &Path) -> bool {
    let (mut gameboy, mut scratch) = start(path);
    for _ in 0..60 {
        gameboy.step(0, 60, 0, &mut scratch);
        let text = screen_text(&mut gameboy);
        if text.contains("Passed") || text.contains("Failed") {
            return text.contains("Passed");
        }
        let status: Vec<u8> = (0xA000..0xA004)
            .map(|address| gameboy.peek(address))
            .collect();
        if status[1..] == [0xDE, 0xB0, 0x61] && status[0] != 0x80 {
            return status[0] == 0;
        }
    }
    false
}

/// mooneye: LD B,B with 3, 5, 8, 13, 21, 34 in B, C, D, E, H, L.
fn mooneye_passes(path: &Path) -> bool {
    const BREAKPOINT: u8 = 0x40;
    let (mut gameboy, _) = start(path);
    for _ in 0..20_000_000 {
        let pc = gameboy.cpu.pc;
        if gameboy.peek(pc) == BREAKPOINT {
            let cpu = &gameboy.cpu;
            return [cpu.bc(), cpu.de(), cpu.hl()] == [0x0305, 0x080D, 0x1522];
        }
        gameboy.step_instruction();
    }
    false
}

fn assert_all_pass(roms: &[PathBuf], passes: fn(&Path) -> bool) {
    let failed: Vec<_> = roms.iter().filter(|path| !passes(path)).collect();
    for path in roms {
        println!(
            "{} {}",
            if failed.contains(&path) {
                "FAIL"
            } else {
                "pass"
            },
            path.display()
        );
    }
    assert!(
        failed.is_empty(),
        "{} of {} fail: {failed:#?}",
        failed.len(),
        roms.len()
    );
}

#[test]
fn blargg() {
    let suites = ["cpu_instrs", "instr_timing", "mem_timing", "halt_bug"];
    assert_all_pass(&roms(&suites), blargg_passes);
}

/// The picture of dmg-acid2, img/reference-dmg.png there, as RGB bytes.
#[test]
fn dmg_acid2() {
    const REFERENCE_HASH: u64 = 0x86DD_CD28_C551_7AA0;
    assert_all_pass(&roms(&["dmg-acid2"]), |path| {
        let (mut gameboy, mut scratch) = start(path);
        gameboy.step(0, 60, 0, &mut scratch);
        let mut picture = vec![0; RGB_BYTES];
        gameboy.render(&mut picture);
        fnv1a(&picture) == REFERENCE_HASH
    });
}

#[test]
fn mooneye() {
    let mut roms = roms(&["mooneye"]);
    roms.retain(|path| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        !OTHER_MODELS.contains(&&*name)
    });
    assert_all_pass(&roms, mooneye_passes);
}
