//! The processor alone against single-step cases: registers, memory and M-cycles of 500 opcodes.
//! `data/sm83-first30.jsonl.gz` holds the first 30 cases an opcode of SingleStepTests/sm83 (MIT).

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};

use emurust::cpu::{Bus, Cpu, Flags, Memory, RunState};
use flate2::read::GzDecoder;
use serde_json::Value;

const CASES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/data/sm83-first30.jsonl.gz"
);
/// The order of `Cpu::register`, with F between.
const REGISTERS: [&str; 8] = ["b", "c", "d", "e", "h", "l", "f", "a"];
const F: u8 = 6;

/// Flat memory that records what each M-cycle did: an address, its value, "r" or "w".
#[derive(Default)]
struct FlatBus {
    memory: HashMap<u16, u8>,
    cycles: Vec<Option<(u16, u8, char)>>,
}

impl Memory for FlatBus {
    fn read(&mut self, address: u16) -> u8 {
        let value = self.memory.get(&address).copied().unwrap_or(0);
        self.cycles.push(Some((address, value, 'r')));
        value
    }
    fn write(&mut self, address: u16, value: u8) {
        self.memory.insert(address, value);
        self.cycles.push(Some((address, value, 'w')));
    }
    fn idle(&mut self) {
        self.cycles.push(None);
    }
}

impl Bus for FlatBus {
    fn pending_interrupts(&mut self) -> u8 {
        0
    }
    fn pending_in_last_cycle(&mut self) -> u8 {
        0
    }
    fn acknowledge(&mut self, _interrupt: u8) {}
    fn wait(&mut self) -> bool {
        self.idle();
        false
    }
    fn wait_stopped(&mut self) -> bool {
        self.idle();
        false
    }
}

fn number(value: &Value) -> u16 {
    value.as_u64().unwrap() as u16
}

fn set_up(initial: &Value) -> (Cpu, FlatBus) {
    let mut cpu = Cpu::after_boot(0);
    for (index, name) in (0..).zip(REGISTERS) {
        let value = number(&initial[name]) as u8;
        match index {
            F => cpu.flags = Flags::from(value),
            _ => cpu.set_register(index, value),
        }
    }
    cpu.pc = number(&initial["pc"]);
    cpu.sp = number(&initial["sp"]);
    cpu.ime = number(&initial["ime"]) == 1;
    let mut bus = FlatBus::default();
    for cell in initial["ram"].as_array().unwrap() {
        bus.memory.insert(number(&cell[0]), number(&cell[1]) as u8);
    }
    (cpu, bus)
}

/// The bus accesses of a case; M-cycles that only show a stale address count as idle.
fn expected_cycles(case: &Value) -> Vec<Option<(u16, u8, char)>> {
    let cycles = case["cycles"].as_array().unwrap();
    (cycles.iter())
        .map(|cycle| {
            let pins = cycle[2].as_str()?;
            let kind = pins.chars().find(|pin| matches!(pin, 'r' | 'w'))?;
            Some((number(&cycle[0]), number(&cycle[1]) as u8, kind))
        })
        .collect()
}

fn check(case: &Value) -> Result<(), String> {
    let (mut cpu, mut bus) = set_up(&case["initial"]);
    cpu.step(&mut bus);
    // The cases show HALT and STOP with two M-cycles of waiting.
    if matches!(cpu.state, RunState::Halted | RunState::Stopped) {
        cpu.step(&mut bus);
        cpu.step(&mut bus);
    }
    let expected = &case["final"];
    let registers = REGISTERS.map(|name| number(&expected[name]) as u8);
    let pc_sp_ime = (
        number(&expected["pc"]),
        number(&expected["sp"]),
        expected["ime"] == 1,
    );
    let got = [0, 1, 2, 3, 4, 5, F, 7].map(|index| match index {
        F => cpu.flags.byte(),
        _ => cpu.register(index),
    });
    if got != registers || (cpu.pc, cpu.sp, cpu.ime) != pc_sp_ime {
        return Err(format!("registers: expected {expected}, got {cpu:x?}"));
    }
    if cpu.ei_delay != (expected.get("ei").is_some_and(|ei| *ei == 1)) {
        return Err(format!("EI delay: got {}", cpu.ei_delay));
    }
    for cell in expected["ram"].as_array().unwrap() {
        let (address, value) = (number(&cell[0]), number(&cell[1]) as u8);
        let got = bus.memory.get(&address).copied().unwrap_or(0);
        if got != value {
            return Err(format!(
                "{address:04X}: expected {value:02X}, got {got:02X}"
            ));
        }
    }
    let cycles = expected_cycles(case);
    if bus.cycles != cycles {
        return Err(format!("bus: expected {cycles:x?}, got {:x?}", bus.cycles));
    }
    Ok(())
}

#[test]
fn every_case_agrees() {
    let lines = BufReader::new(GzDecoder::new(File::open(CASES).unwrap())).lines();
    let mut count = 0;
    let mut failures = Vec::new();
    for line in lines {
        let case: Value = serde_json::from_str(&line.unwrap()).unwrap();
        count += 1;
        if let Err(error) = check(&case) {
            failures.push(format!("{}: {error}", case["name"]));
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {count} cases fail, the first:\n{}",
        failures.len(),
        failures[..failures.len().min(10)].join("\n")
    );
    assert_eq!(count, 500 * 30);
}
