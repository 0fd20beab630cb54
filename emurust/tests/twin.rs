//! The machine against its plain twin, which brings every part up to date in every M-cycle, draws
//! every frame and waits in HALT one M-cycle at a time. Random programs, and the bundled game, must
//! leave the same registers, memory and picture in both after every step.
//!
//! `EMURUST_FUZZ_SEEDS=N` runs N programs; `EMURUST_FUZZ_FIRST=S` begins with seed S.

use std::sync::Arc;

use emurust::cartridge::Rom;
use emurust::cpu::{Bus, Cpu, Memory};
use emurust::gameboy::{GameBoy, GRAY_BYTES};
use emurust::mmu::Mmu;
use emurust::ppu::FRAME_CYCLES;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = (self.0.wrapping_mul(0x5851_F42D_4C95_7F2D)).wrapping_add(0x1405_7B7E_F767_814F);
        (self.0 >> 33) as u32
    }
    fn below(&mut self, limit: u32) -> u32 {
        self.next() % limit
    }
    fn byte(&mut self) -> u8 {
        self.next() as u8
    }
    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u32) as usize]
    }
    fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }
}

/// The bus without laziness, except that an OAM DMA still copies its bytes together.
struct PlainBus(Mmu);

impl PlainBus {
    fn catch_up(&mut self) {
        self.0.catch_up();
        self.0.parts.ppu.draw_lines();
    }
}

impl Memory for PlainBus {
    fn read(&mut self, address: u16) -> u8 {
        self.catch_up();
        self.0.read(address)
    }
    fn write(&mut self, address: u16, value: u8) {
        self.catch_up();
        self.0.write(address, value);
    }
    fn idle(&mut self) {
        self.catch_up();
        self.0.idle();
    }
}

impl Bus for PlainBus {
    fn pending_interrupts(&mut self) -> u8 {
        self.catch_up();
        self.0.pending_interrupts()
    }
    fn pending_in_last_cycle(&mut self) -> u8 {
        self.0.pending_in_last_cycle()
    }
    fn acknowledge(&mut self, interrupt: u8) {
        self.0.acknowledge(interrupt);
    }
    fn wait(&mut self) -> bool {
        self.0.parts.deadline = self.0.parts.clock;
        self.0.wait()
    }
    fn wait_stopped(&mut self) -> bool {
        self.0.parts.deadline = self.0.parts.clock;
        self.0.wait_stopped()
    }
}

struct Twin {
    cpu: Cpu,
    bus: PlainBus,
    frame_end: u64,
}

impl Twin {
    fn new(rom: Arc<Rom>) -> Self {
        let mmu = Mmu::after_boot(rom);
        Twin {
            cpu: Cpu::after_boot(mmu.rom.header_checksum()),
            frame_end: mmu.parts.clock,
            bus: PlainBus(mmu),
        }
    }

    fn step(&mut self, mask: u8, frame_skip: u64, hold_frames: u64) {
        for frame in 0..frame_skip {
            if frame == 0 || frame == hold_frames {
                let held = if frame < hold_frames { mask } else { 0 };
                self.bus.0.set_buttons(held);
            }
            self.frame_end += FRAME_CYCLES;
            while self.bus.0.parts.clock < self.frame_end {
                self.cpu.step(&mut self.bus);
            }
        }
        self.bus.0.catch_up();
    }
}

/// The first thing in which the two differ.
fn difference(gameboy: &mut GameBoy, twin: &mut Twin) -> Option<String> {
    let mmu = &mut twin.bus.0;
    if gameboy.clock() != mmu.parts.clock {
        return Some(format!(
            "clock {} {}, {:x?}",
            gameboy.clock(),
            mmu.parts.clock,
            gameboy.cpu
        ));
    }
    let registers = |cpu: &Cpu| {
        let pairs = [cpu.af(), cpu.bc(), cpu.de(), cpu.hl(), cpu.pc, cpu.sp];
        (pairs, cpu.ime, cpu.ei_delay, cpu.halt_bug, cpu.state)
    };
    let (ours, plain) = (registers(&gameboy.cpu), registers(&twin.cpu));
    if ours != plain {
        return Some(format!("{ours:x?} {plain:x?}"));
    }
    for address in 0x8000..=0xFFFF {
        let (ours, plain) = (gameboy.peek(address), mmu.peek(address));
        if ours != plain {
            return Some(format!("{address:04X}: {ours:02X} {plain:02X}"));
        }
    }
    let mut picture = [0; GRAY_BYTES];
    gameboy.render(&mut picture);
    let plain = mmu.parts.ppu.picture();
    (0..GRAY_BYTES).find_map(|pixel| {
        let shade = plain[pixel / 4] >> (pixel % 4 * 2) & 3;
        (picture[pixel] != 255 - 85 * shade)
            .then(|| format!("pixel {} of line {}", pixel % 160, pixel / 160))
    })
}

/// Runs both for `steps` steps of random buttons and lengths.
fn compare(rom: &[u8], seed: u64, steps: u32, name: &str) {
    let mut random = Random(seed);
    let rom = Arc::new(Rom::new(rom).unwrap());
    let (mut gameboy, mut twin) = (GameBoy::new(rom.clone()), Twin::new(rom));
    let mut before = gameboy.clone();
    for step in 0..steps {
        let mask = random.of(&[0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 0xFF]);
        let frame_skip = random.of(&[1u64, 1, 1, 2, 3, 5, 8]);
        let hold_frames = u64::from(random.below(4));
        gameboy.step(mask, frame_skip, hold_frames, &mut before);
        twin.step(mask, frame_skip, hold_frames);
        if let Some(what) = difference(&mut gameboy, &mut twin) {
            panic!("{name}, step {step} of {frame_skip} frames: {what}");
        }
        // Now and then the state goes through its bytes.
        if random.one_in(8) {
            let bytes = gameboy.export();
            before.import(&bytes).unwrap();
            gameboy = before.clone();
        }
    }
}

/// Writes random but mostly sensible code.
struct Assembler<'a> {
    random: &'a mut Random,
    code: Vec<u8>,
}

/// Registers that programs read and write. LCDC, STAT, LY and the timer come more often.
const REGISTERS: [u8; 48] = [
    0x00, 0x01, 0x02, 0x04, 0x04, 0x05, 0x05, 0x06, 0x07, 0x07, 0x0F, 0x0F, 0x10, 0x11, 0x12, 0x14,
    0x16, 0x17, 0x19, 0x1A, 0x1B, 0x1E, 0x20, 0x21, 0x23, 0x25, 0x26, 0x30, 0x3F, 0x40, 0x40, 0x41,
    0x41, 0x42, 0x43, 0x44, 0x45, 0x45, 0x47, 0x48, 0x49, 0x4A, 0x4A, 0x4B, 0x4B, 0xFF, 0xFF, 0x50,
];
/// Pages of WRAM (twice), echo, HRAM, VRAM, OAM and cartridge RAM; CF and DF are crossed.
const PAGES: [u8; 14] = [
    0xC1, 0xC2, 0xCF, 0xD0, 0xD5, 0xC3, 0xE1, 0xFD, 0x80, 0x98, 0x9B, 0xFE, 0xA0, 0xA1,
];
/// One-byte instructions that neither jump, touch SP nor use memory.
const PLAIN: [u8; 40] = [
    0x00, 0x03, 0x04, 0x05, 0x07, 0x09, 0x0B, 0x0C, 0x0D, 0x0F, 0x13, 0x14, 0x17, 0x19, 0x1B, 0x1C,
    0x1F, 0x24, 0x27, 0x29, 0x2C, 0x2F, 0x37, 0x3C, 0x3D, 0x3F, 0x41, 0x47, 0x57, 0x78, 0x79, 0x80,
    0x88, 0x91, 0x98, 0xA0, 0xA9, 0xB1, 0xB8, 0xBF,
];

impl Assembler<'_> {
    fn new(random: &mut Random) -> Assembler<'_> {
        Assembler {
            random,
            code: Vec::new(),
        }
    }

    fn emit(&mut self, bytes: &[u8]) {
        self.code.extend_from_slice(bytes);
    }

    fn ram_address(&mut self) -> [u8; 2] {
        let page = self.random.of(&PAGES);
        match self.random.below(4) {
            0 => [0xFE, page],
            _ => [self.random.byte() & 0x9F, page],
        }
    }

    /// `ldh (register), value`
    fn set(&mut self, register: u8, value: u8) {
        self.emit(&[0x3E, value, 0xE0, register]);
    }

    fn set_any_register(&mut self) {
        let register = self.random.of(&REGISTERS);
        let byte = self.random.byte();
        let value = match register {
            0x02 => byte | 0x80,
            0x07 => self.random.of(&[4, 5, 5, 6, 7, 0]),
            0x05 | 0x06 => byte | self.random.of(&[0x80, 0xF0, 0]),
            0x0F => byte & self.random.of(&[0, 0x1F]),
            0x40 if !self.random.one_in(6) => byte | 0x80,
            0x41 if self.random.one_in(3) => 0,
            0x45 | 0x4A => self.random.below(154) as u8,
            0x4B if self.random.one_in(2) => 7 + byte % 160,
            0xFF => self
                .random
                .of(&[0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x07, 0x0D, 0x1F]),
            _ => byte,
        };
        self.set(register, value);
    }

    /// Waits in a loop for something that an interrupt, the LCD or the timer changes.
    fn poll(&mut self) {
        match self.random.below(8) {
            0 => return self.poll_stat(),
            1 => {
                let [lo, hi] = self.ram_address();
                let hi = self.random.of(&[0x80, 0x97, 0x9F, hi]);
                // ld hl, address; inc a; ld (hl), a; cp (hl); jr nz
                return self.emit(&[0x21, lo, hi, 0x3C, 0x77, 0xBE, 0x20, 0xFC]);
            }
            _ => {}
        }
        let start = self.code.len();
        match self.random.below(5) {
            0 => self.emit(&[0xF0, 0x44]),
            1 => self.emit(&[0xF0, 0x41, 0xE6, 0x03]),
            2 => self.emit(&[0xF0, 0x04]),
            3 => self.emit(&[0xFA, 0x00, 0xC0]),
            _ => self.emit(&[0xF0, 0x0F]),
        }
        let (jump_if_zero, jump_unless_zero) = (0x28, 0x20);
        let jump = match self.random.below(4) {
            0 => {
                let line = self.random.of(&[0, 1, 3, 60, 143, 144, 150, 153]);
                self.emit(&[0xFE, line]);
                self.random.of(&[jump_if_zero, jump_unless_zero])
            }
            1 => {
                let mask = self.random.of(&[1, 2, 3, 4, 0x10, 0x80]);
                self.emit(&[0xE6, mask]);
                self.random.of(&[jump_if_zero, jump_unless_zero])
            }
            2 => {
                self.emit(&[0xFE, 0x90]);
                self.random.of(&[0x38, 0x30])
            }
            _ => {
                self.emit(&[0xA7]);
                self.random.of(&[jump_if_zero, jump_unless_zero])
            }
        };
        // Half of the loops end anyway.
        if self.random.one_in(2) {
            self.emit(&[jump, 0x03, 0x05, 0x20, 0]);
        } else {
            self.emit(&[jump, 0]);
        }
        let end = self.code.len();
        self.code[end - 1] = (start as i32 - end as i32) as u8;
    }

    /// Waits for a mode of the LCD, which interrupts may change meanwhile.
    fn poll_stat(&mut self) {
        let test = self.random.of(&[
            &[0xE6, 0x03, 0x20][..], // and 3; jr nz
            &[0xE6, 0x02, 0x20],
            &[0xE6, 0x01, 0x28],
            &[0xCB, 0x4F, 0x20], // bit 1, a; jr nz
            &[0xCB, 0x47, 0x28],
            &[0xFE, 0x82, 0x38], // cp 82; jr c
            &[0xFE, 0xC0, 0x30],
            &[0xA0, 0x20], // and b; jr nz
            &[0xB9, 0x38], // cp c; jr c
            &[0xB7, 0x28], // or a; jr z
        ]);
        let read = self.random.of(&[&[0xF0, 0x41][..], &[0xFA, 0x41, 0xFF]]);
        self.emit(read);
        self.emit(test);
        self.emit(&[(-1 - (read.len() + test.len()) as i32) as u8]);
    }

    fn snippet(&mut self) {
        let byte = self.random.byte();
        match self.random.below(34) {
            24..=33 => self.rare(),
            0..=2 => {
                for _ in 0..1 + byte % 12 {
                    let op = self.random.of(&PLAIN);
                    self.emit(&[op]);
                }
            }
            3 | 4 => {
                // ld hl, address; some instructions on (hl)
                let [lo, hi] = self.ram_address();
                self.emit(&[0x21, lo, hi]);
                for _ in 0..1 + byte % 6 {
                    let op = self.random.of(&[
                        0x22, 0x2A, 0x32, 0x3A, 0x34, 0x35, 0x36, 0x7E, 0x77, 0x70, 0x86, 0x96,
                        0xA6, 0xBE, 0xCB,
                    ]);
                    match op {
                        0x36 => self.emit(&[op, byte]),
                        0xCB => {
                            let op = self.random.byte() & 0xF8 | 6;
                            self.emit(&[0xCB, op]);
                        }
                        _ => self.emit(&[op]),
                    }
                }
            }
            5..=8 => self.set_any_register(),
            9 | 10 => {
                // ldh a, (register); ld (address), a
                let register = self.random.of(&REGISTERS);
                self.emit(&[0xF0, register, 0xEA, byte, 0xC1]);
            }
            11 => {
                let enabled = self.random.of(&[1, 1, 2, 3, 4, 5, 8, 0x1F]);
                self.set(0xFF, enabled);
                let code = self.random.of(&[
                    &[0xFB, 0x76, 0x00][..],
                    &[0x76],
                    &[0xF3, 0x76, 0x3C],
                    &[0xFB, 0x00, 0x76, 0x04],
                ]);
                self.emit(code);
            }
            12..=14 => self.poll(),
            15 => self.emit(&[0x06, byte, 0x05, 0x20, 0xFD]), // ld b, n; dec b; jr nz
            16 => {
                // Copy up to 32 bytes.
                let ([lo, hi], [to_lo, to_hi]) = (self.ram_address(), self.ram_address());
                let count = 1 + byte % 32;
                self.emit(&[0x21, lo, hi, 0x11, to_lo, to_hi, 0x06, count]);
                self.emit(&[0x2A, 0x12, 0x13, 0x05, 0x20, 0xFA]);
            }
            17 => {
                // OAM DMA from HRAM's routine, or beside the running code.
                let page = self
                    .random
                    .of(&[0x00, 0x40, 0x80, 0xA0, 0xC1, 0xCF, 0xE1, 0xFE]);
                match self.random.below(3) {
                    0 => self.set(0x46, page),
                    _ => self.emit(&[0x3E, page, 0xCD, 0x80, 0xFF]),
                }
            }
            18 => self.emit(&[0x3E, byte & 0x30, 0xE0, 0x00, 0xF0, 0x00, 0xEA, 0x80, 0xC1]),
            19 => {
                // Select a bank and call into it, or run from bank 0 across its end.
                let register = self.random.of(&[0x00, 0x20, 0x21, 0x30, 0x40, 0x60]);
                self.emit(&[0x3E, byte & 0x1F, 0xEA, byte, register]);
                let target = self.random.of(&[0x4000u16, 0x4040, 0x4080, 0x3FF8]);
                let [lo, hi] = target.to_le_bytes();
                self.emit(&[0xCD, lo, hi]);
            }
            20 => {
                // Change an instruction of the routine in work RAM and call it; it may cross pages.
                let op = self.random.of(&PLAIN);
                let [lo, hi] = (0xCFF0 + u16::from(byte % 24)).to_le_bytes();
                let entry = self.random.of(&[[0xF0, 0xCF], [0xF8, 0xCF], [0xF2, 0xEF]]);
                self.emit(&[0x3E, op, 0xEA, lo, hi, 0xCD, entry[0], entry[1]]);
            }
            21 => {
                let code = self.random.of(&[
                    &[0xC5, 0xD1][..],
                    &[0xF5, 0xE1],
                    &[0xE5, 0xF1],
                    &[0xE8, 0x02, 0xE8, 0xFE],
                    &[0xF8, 0x05],
                    &[0xCF],
                    &[0x08, 0x10, 0xC2],
                ]);
                self.emit(code);
            }
            22 => {
                let code = self
                    .random
                    .of(&[&[0xFB][..], &[0xFB], &[0xF3], &[0xFB, 0xF3]]);
                self.emit(code);
            }
            _ => match self.random.below(60) {
                0 => self.emit(&[0x10, 0x00]),
                1 => self.emit(&[0xED]),
                // A push into IE, as the stack wraps.
                2 => self.emit(&[0x31, 0x01, 0x00, 0xC5, 0x31, 0x00, 0xDF]),
                _ => self.emit(&[0x18, 0x00]),
            },
        }
    }

    /// What programs seldom do: the stack in odd places, banks switched under the running code,
    /// registers written through HL, writes in mode 3, and DMA beside other accesses.
    fn rare(&mut self) {
        let byte = self.random.byte();
        let register = self.random.of(&REGISTERS);
        match self.random.below(12) {
            0 | 1 => {
                // The stack elsewhere for a while.
                let sp = self.random.of(&[
                    0x8002u16, 0x9802, 0x9FFF, 0xA001, 0xA002, 0xC000, 0xC001, 0xC002, 0xDFFE,
                    0xDFFF, 0xE000, 0xE001, 0xFE10, 0xFEA1, 0xFF42, 0xFF44, 0xFF48, 0xFF4C, 0xFF82,
                    0xFFF0, 0xFFFE, 0xFFFF, 0x0000, 0x2002, 0x4001, 0x6001, 0x8000, 0x8001,
                ]);
                let [lo, hi] = sp.to_le_bytes();
                self.emit(&[0x31, lo, hi]);
                for _ in 0..1 + byte % 5 {
                    let op = self.random.of(&[
                        0xC5, 0xD5, 0xE5, 0xF5, 0xC1, 0xD1, 0xE1, 0xF1, 0xCF, 0x33, 0x3B,
                    ]);
                    self.emit(&[op]);
                }
                if self.random.one_in(3) {
                    // ld (nn), sp
                    let page = self
                        .random
                        .of(&[0x20, 0x40, 0x80, 0x9F, 0xC0, 0xCF, 0xDF, 0xFD, 0xFE, 0xFF]);
                    self.emit(&[0x08, byte, page]);
                }
                self.emit(&[0x31, 0x00, 0xDF]);
            }
            2 | 3 => {
                // Registers through HL, in a row.
                self.emit(&[0x21, register, 0xFF]);
                for _ in 0..1 + byte % 4 {
                    let value = self.random.byte();
                    let op = self
                        .random
                        .of(&[0x22, 0x32, 0x34, 0x35, 0x36, 0x77, 0xCB, 0x2A]);
                    match op {
                        0x36 => self.emit(&[op, value]),
                        0xCB => self.emit(&[0xCB, value & 0xF8 | 6]),
                        _ => self.emit(&[op]),
                    }
                }
            }
            4 | 5 => {
                // At a certain time of a line: write a register or memory.
                let line = self.random.below(150) as u8;
                self.emit(&[
                    0x06, 0x00, 0xF0, 0x44, 0xFE, line, 0x28, 0x03, 0x05, 0x20, 0xF7,
                ]);
                for _ in 0..self.random.below(100) {
                    self.emit(&[0x00]);
                }
                let [lo, hi] = self.ram_address();
                match byte % 4 {
                    0 => self.emit(&[0x3E, byte, 0xEA, lo, 0x80 | hi & 0x1F]),
                    1 => self.emit(&[0xFA, lo, 0x80 | hi & 0x1F, 0xEA, lo, 0xC1]),
                    2 => self.emit(&[0x3E, byte, 0xEA, lo, 0xFE]),
                    _ => {
                        let display = self.random.of(&[
                            0x40, 0x40, 0x41, 0x42, 0x43, 0x43, 0x45, 0x47, 0x48, 0x4A, 0x4B,
                        ]);
                        let value = match display {
                            0x40 => byte | 0x83,
                            _ => self.random.byte(),
                        };
                        self.set(display, value);
                        self.set(
                            display,
                            value.rotate_left(3) | u8::from(display == 0x40) << 7,
                        );
                    }
                }
            }
            6 => {
                // The LCD off and on.
                self.set(0x40, byte & 0x7F);
                for _ in 0..self.random.below(20) {
                    self.emit(&[0x34]);
                }
                self.set(0x40, byte | 0x80);
            }
            7 => {
                // A DMA with other accesses beside it, in high RAM.
                let page = self
                    .random
                    .of(&[0x00, 0x40, 0x41, 0x80, 0x98, 0xA0, 0xC1, 0xC1, 0xDF]);
                let [lo, hi] = self.ram_address();
                let value = self.random.byte();
                let to = self.random.of(&[
                    [lo, hi],
                    [lo, 0x80],
                    [0x00, 0x20],
                    [0x46, 0xFF],
                    [register, 0xFF],
                ]);
                self.emit(&[
                    0x01,
                    value,
                    page ^ (value & 3),
                    0x11,
                    to[0],
                    to[1],
                    0x21,
                    lo,
                    hi,
                ]);
                self.emit(&[0x3E, page, 0xCD, 0x90, 0xFF]);
            }
            8 => {
                // Many bytes into VRAM.
                let start =
                    self.random
                        .of(&[[0x00, 0x80], [0xF0, 0x87], [0x00, 0x98], [0x80, 0x9B]]);
                self.emit(&[0x21, start[0], start[1], 0x06, byte]);
                self.emit(&[0x78, 0x22, 0x05, 0x20, 0xFB]);
            }
            9 => {
                // The end of a bank, and the bank switched under the running code.
                let [lo, hi] = self
                    .random
                    .of(&[0x3FE0u16, 0x7FE0, 0x7FF0, 0x40C0, 0x4100])
                    .to_le_bytes();
                self.emit(&[0xCD, lo, hi]);
            }
            10 => {
                let hi = self.random.of(&[0x20, 0x30, 0x40, 0x60, 0x00]);
                let bank = self.random.of(&[0, 1, 2, 3, 0x20, 0x0A, byte]);
                self.emit(&[0x21, byte, hi, 0x36, bank]);
                for _ in 0..1 + byte % 5 {
                    let op = self.random.of(&PLAIN);
                    self.emit(&[op]);
                }
            }
            _ => {
                // Jumps and calls with conditions, a few bytes on.
                let op = self.random.of(&[0x20, 0x28, 0x30, 0x38]);
                self.emit(&[op, 2, 0x3C, 0xB7]);
                let call = self.random.of(&[0xC4, 0xCC, 0xD4, 0xDC, 0xCD]);
                let [lo, hi] = self.random.of(&[0x0008u16, 0x0068, 0x0060]).to_le_bytes();
                self.emit(&[call, lo, hi]);
            }
        }
    }

    fn snippets(mut self, count: u32, end: &[u8]) -> Vec<u8> {
        for _ in 0..count {
            self.snippet();
        }
        self.emit(end);
        self.code
    }
}

const RET: u8 = 0xC9;

/// A cartridge of four banks or more with a random program.
fn program(random: &mut Random) -> Vec<u8> {
    let mut rom = vec![RET; 0x4000 << random.of(&[1, 2, 3, 6])];
    for byte in &mut rom[0x1000..0x3000] {
        *byte = random.byte();
    }
    let mut place = |at: usize, code: &[u8]| rom[at..at + code.len()].copy_from_slice(code);
    place(0x100, &[0x00, 0xC3, 0x50, 0x01]);
    place(0x08, &[0x3C, RET]);
    for (vector, routine) in [
        (0x40, 0x3000u16),
        (0x48, 0x3100),
        (0x50, 0x3200),
        (0x58, 0x3300),
    ] {
        let [lo, hi] = routine.to_le_bytes();
        place(vector, &[0xC3, lo, hi]);
        // push af; ld a, (c000); inc a; ld (c000), a; ...; pop af; reti
        let mut handler = vec![0xF5, 0xFA, 0x00, 0xC0, 0x3C, 0xEA, 0x00, 0xC0];
        for _ in 0..random.below(3) {
            let mut assembler = Assembler::new(random);
            assembler.set_any_register();
            handler.extend(assembler.code);
        }
        handler.extend(random.of(&[[0xF1, 0xD9], [0xF1, 0xD9], [0xF1, 0xC9]]));
        place(usize::from(routine), &handler);
    }
    place(0x60, &[0xD9]);
    // Set up: stack, the DMA routine at FF80, the routine at CFF0, IE, IME.
    let dma_routine = [0xE0, 0x46, 0x3E, 0x28, 0x3D, 0x20, 0xFD, RET];
    place(0x3F00, &dma_routine);
    let mut code = vec![0x31, 0x00, 0xDF];
    for (from, to, count) in [(0x00, 0xFF80u16, 8), (0x40, 0xCFF0, 32)] {
        let [lo, hi] = to.to_le_bytes();
        code.extend([0x21, from, 0x3F, 0x11, lo, hi, 0x06, count]);
        code.extend([0x2A, 0x12, 0x13, 0x05, 0x20, 0xFA]);
    }
    let mut routine: Vec<u8> = (0..31).map(|_| random.of(&PLAIN)).collect();
    routine.push(RET);
    place(0x3F40, &routine);
    // Pictures: random tiles and maps, objects for a DMA from C100, VRAM that returns when run.
    code.extend([0xAF, 0xE0, 0x40]);
    for (from, to, pages) in [(0x10, 0x80, 0x10), (0x14, 0x98, 8), (0x18, 0xC1, 1)] {
        code.extend([0x21, 0x00, from, 0x11, 0x00, to, 0x06, pages, 0x0E, 0x00]);
        code.extend([0x2A, 0x12, 0x13, 0x0D, 0x20, 0xFA, 0x05, 0x20, 0xF7]);
    }
    code.extend([
        0x3E, RET, 0xEA, 0x00, 0x80, 0xEA, 0x01, 0x80, 0xEA, 0x02, 0x80, 0xEA, 0x03, 0x80,
    ]);
    let beside: Vec<u8> = (0..12 + random.below(20))
        .map(|_| {
            random.of(&[
                0x12, 0x12, 0x1A, 0x77, 0x7E, 0x70, 0x00, 0x13, 0x23, 0xC5, 0xC1, 0x34, 0x22, 0x78,
                0x79, 0x00, 0x00, 0x3C,
            ])
        })
        .collect();
    let mut hram = vec![0xE0, 0x46];
    hram.extend(&beside);
    if random.one_in(2) {
        hram.extend([0x78, 0xE0, 0x46]);
        hram.extend(&beside[..8]);
    }
    hram.extend([0x3E, 0x10 + (random.byte() & 0x1F), 0x3D, 0x20, 0xFD, RET]);
    place(0x3F80, &hram);
    code.extend([0x21, 0x80, 0x3F, 0x11, 0x90, 0xFF, 0x06, hram.len() as u8]);
    code.extend([0x2A, 0x12, 0x13, 0x05, 0x20, 0xFA]);
    for object in 0..40 {
        place(
            0x1800 + object * 4,
            &[random.below(170) as u8, random.below(176) as u8],
        );
    }
    let end: Vec<u8> = (0..24).map(|_| random.of(&PLAIN)).collect();
    place(0x3FE0, &end);
    code.extend([0x3E, 0x91 | random.byte(), 0xE0, 0x40]);
    let start = 0x150 + code.len() as u16;
    let [lo, hi] = start.to_le_bytes();
    let count = random.of(&[3, 10, 40, 120]);
    code.extend(Assembler::new(random).snippets(count, &[0xC3, lo, hi]));
    place(0x150, &code);
    let crossing = [0x3C, 0x04, 0x0C, 0x14, 0x1C, 0x24, 0x2C, 0x3E];
    place(0x3FF8, &crossing);
    for bank in 1..rom.len() / 0x4000 {
        if bank % 0x20 == 0 {
            // What MBC1 shows at 0000 in its mode 1: nearly the same.
            rom.copy_within(0..0x4000, bank * 0x4000);
            for _ in 0..200 {
                let at = 0x200 + random.below(0x3D00) as usize;
                if PLAIN.contains(&rom[at]) {
                    rom[bank * 0x4000 + at] = random.of(&PLAIN);
                }
            }
            continue;
        }
        for at in 0x3FC0..0x4000 {
            rom[bank * 0x4000 + at] = random.of(&PLAIN);
        }
        let last = random.of(&[0x3E, 0xC3, 0xCB, RET, 0x21, 0x18]);
        rom[bank * 0x4000 + 0x3FFF - random.below(4) as usize] = last;
        for routine in [0x00, 0x40, 0x80, 0xC0, 0x100, 0x140] {
            let end = random.of(&[RET, RET, 0xD9]);
            let code = Assembler::new(random).snippets(2, &[end]);
            let length = code.len().min(0x40);
            rom[bank * 0x4000 + routine..][..length].copy_from_slice(&code[..length]);
        }
    }
    rom[0x147] = random.of(&[0x00, 0x03, 0x03, 0x06, 0x10, 0x13, 0x1B, 0x1B]);
    rom[0x149] = random.of(&[0, 2, 3]);
    rom
}

/// Loops that wait for ever or for a while, interrupted by the timer and by steps' ends.
#[test]
fn waiting_loops_run_as_in_the_twin() {
    let loops: &[&[u8]] = &[
        &[0xF0, 0x44, 0xFE, 0x90, 0x20, 0xFA], // ldh a, (LY); cp 90; jr nz
        &[0xF0, 0x44, 0xFE, 0xFF, 0x20, 0xFA], // ldh a, (LY); cp ff; jr nz
        &[0xFA, 0x44, 0xFF, 0xFE, 0x05, 0x30, 0xF9], // ld a, (LY); cp 5; jr nc
        &[0xF0, 0x44, 0xA7, 0x20, 0xFB],       // ldh a, (LY); and a; jr nz
        &[0xF0, 0x41, 0xE6, 0x03, 0x20, 0xFA], // ldh a, (STAT); and 3; jr nz
        &[0xF0, 0x41, 0xCB, 0x4F, 0x20, 0xFA], // ldh a, (STAT); bit 1, a; jr nz
        &[0xF0, 0x41, 0xE6, 0x02, 0x28, 0xFA], // ldh a, (STAT); and 2; jr z
        &[0xFA, 0x41, 0xFF, 0xCB, 0x57, 0x28, 0xF9], // ld a, (STAT); bit 2, a; jr z
        &[0xF0, 0x44, 0xB8, 0x38, 0xFB],       // ldh a, (LY); cp b; jr c
        &[0xF0, 0x41, 0xFE, 0x83, 0x38, 0xFA], // ldh a, (STAT); cp 83; jr c
        &[0xF0, 0x41, 0xFE, 0x81, 0x30, 0xFA], // ldh a, (STAT); cp 81; jr nc
        &[0xF0, 0x41, 0xA1, 0x20, 0xFB],       // ldh a, (STAT); and c; jr nz
        &[0xF0, 0x41, 0xB8, 0x30, 0xFB],       // ldh a, (STAT); cp b; jr nc
        // ld hl, 16d; inc b; ldh a, (STAT); nop; jp hl, to the end of a wait that is over at once
        &[
            0x21, 0x6D, 0x01, 0x04, 0xF0, 0x41, 0x00, 0xE9, 0xF0, 0x41, 0xE6, 0x00, 0x20, 0xFA,
        ],
        // ld hl, 9c00; ld (hl), a; cp (hl); jr nz; inc a; inc hl; bit 0, h; jr z, to ld (hl), a
        &[
            0x21, 0x00, 0x9C, 0x77, 0xBE, 0x20, 0xFC, 0x3C, 0x23, 0xCB, 0x44, 0x28, 0xF6,
        ],
        // The same, and what is read in the end goes into work RAM.
        &[
            0x21, 0x00, 0x98, 0x77, 0xBE, 0x20, 0xFC, 0x7E, 0xEA, 0x10, 0xC0, 0x3C, 0x23, 0xCB,
            0x44, 0x28, 0xF2,
        ],
        // From cp (hl) on.
        &[
            0x21, 0x00, 0x98, 0x77, 0xBE, 0x20, 0xFC, 0x3C, 0x23, 0xCB, 0x44, 0x28, 0xF7,
        ],
        &[0xF0, 0x04, 0xE6, 0x10, 0x28, 0xFA], // ldh a, (DIV); and 10; jr z
        &[0xF0, 0x05, 0xFE, 0x80, 0x38, 0xFA], // ldh a, (TIMA); cp 80; jr c
        &[0xF0, 0x0F, 0xE6, 0x01, 0x28, 0xFA], // ldh a, (IF); and 1; jr z
        &[0xFA, 0x00, 0xC0, 0xE6, 0x07, 0x20, 0xF9], // ld a, (c000); and 7; jr nz
        &[0x0B, 0x78, 0xB1, 0x20, 0xFB],       // dec bc; ld a, b; or c; jr nz
        &[0x05, 0x20, 0xFD, 0x0D, 0x20, 0xFA], // dec b; jr nz; dec c; jr nz
    ];
    for (index, code) in loops.iter().enumerate() {
        for (timer, lcdc) in [(0x05, 0x91), (0x04, 0x91), (0x06, 0x11)] {
            let mut rom = vec![0; 0x8000];
            // push af; ld a, (c000); inc a; ld (c000), a; pop af; reti
            let handler = [0xF5, 0xFA, 0x00, 0xC0, 0x3C, 0xEA, 0x00, 0xC0, 0xF1, 0xD9];
            rom[0x50..0x50 + handler.len()].copy_from_slice(&handler);
            rom[0x100..0x104].copy_from_slice(&[0x00, 0xC3, 0x50, 0x01]);
            // Set TAC, TMA, IE and LCDC; ei; the loop; inc d; jr to the loop.
            let mut program = vec![0x3E, timer, 0xE0, 0x07, 0x3E, 0x4D, 0xE0, 0x06];
            program.extend([0x3E, 0x04, 0xE0, 0xFF, 0x3E, lcdc, 0xE0, 0x40, 0xFB]);
            program.extend(*code);
            program.extend([0x14, 0x18, (-3 - code.len() as i32) as u8]);
            rom[0x150..0x150 + program.len()].copy_from_slice(&program);
            compare(&rom, 1, 12, &format!("loop {index}, LCDC {lcdc:02X}"));
        }
    }
}

fn environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

#[test]
fn random_programs_run_as_in_the_twin() {
    let first = environment("EMURUST_FUZZ_FIRST", 1);
    for seed in first..first + environment("EMURUST_FUZZ_SEEDS", 300) {
        let mut random = Random(seed);
        random.next();
        let rom = program(&mut random);
        compare(&rom, seed, 12, &format!("program {seed}"));
    }
}

/// Bytes without sense: they soon lock up, or run through memory.
#[test]
fn random_bytes_run_as_in_the_twin() {
    for seed in 0..20 {
        let mut random = Random(seed);
        let rom: Vec<u8> = (0..0x8000)
            .map(|at| match at {
                0x147 | 0x149 => 0,
                // No illegal opcodes, no HALT, no STOP.
                _ => match random.byte() {
                    0xD3 | 0xDB | 0xDD | 0xE3 | 0xE4 | 0xEB..=0xED | 0xF4 | 0xFC | 0xFD => 0x3C,
                    0x10 => 0x2A,
                    byte => byte,
                },
            })
            .collect();
        compare(&rom, seed, 8, &format!("bytes {seed}"));
    }
}

#[test]
fn the_bundled_game_runs_as_in_the_twin() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../games/waystone/waystone.gb");
    compare(&std::fs::read(path).unwrap(), 1, 300, "waystone");
}
