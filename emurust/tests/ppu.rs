//! The LCD alone: line timing, STAT interrupts, and the rules of drawing.

use emurust::ppu::{Ppu, FRAME_CYCLES, STAT_INTERRUPT, VBLANK_INTERRUPT, WIDTH};

const LCDC: u16 = 0xFF40;
const STAT: u16 = 0xFF41;
const SCX: u16 = 0xFF43;
const LY: u16 = 0xFF44;
const LYC: u16 = 0xFF45;
const BGP: u16 = 0xFF47;
const OBP0: u16 = 0xFF48;
const OBP1: u16 = 0xFF49;
const WY: u16 = 0xFF4A;
const WX: u16 = 0xFF4B;

/// When the first line 0 begins, 52 cycles after the boot ROM's end.
const LINE_0: u64 = 1 << 20;

/// An LCD with clear memory, and the time it is up to: the start of line 0.
struct Bench {
    ppu: Ppu,
    now: u64,
}

impl Bench {
    fn new() -> Self {
        let mut ppu = Ppu::after_boot(LINE_0 - 52, &[0; 48]);
        ppu.vram.fill(0);
        ppu.oam.fill(0);
        let mut bench = Bench { ppu, now: LINE_0 };
        for (register, value) in [(BGP, 0xE4), (OBP0, 0xE4), (OBP1, 0x1B), (SCX, 0)] {
            bench.write(register, value);
        }
        bench
    }

    fn write(&mut self, register: u16, value: u8) {
        self.ppu.write(register, value, self.now);
    }

    fn run(&mut self, cycles: u64) -> u8 {
        self.now += cycles;
        self.ppu.update(self.now)
    }

    /// Tile `number` (at 8000) in one colour.
    fn fill_tile(&mut self, number: usize, colour: u8) {
        for byte in 0..16 {
            let set = colour >> (byte % 2) & 1 == 1;
            self.ppu.vram[number * 16 + byte] = if set { 0xFF } else { 0 };
        }
    }

    fn put_object(&mut self, index: usize, entry: [u8; 4]) {
        self.ppu.oam[index * 4..index * 4 + 4].copy_from_slice(&entry);
    }

    /// Shades of a line of the next whole frame.
    fn line(&mut self, line: usize) -> [u8; WIDTH] {
        self.run(2 * FRAME_CYCLES);
        let start = line * WIDTH;
        std::array::from_fn(|x| {
            let pixel = start + x;
            self.ppu.picture()[pixel / 4] >> (pixel % 4 * 2) & 3
        })
    }
}

/// Cycle by cycle, how often each mode is seen in a line, and how often each LY in a frame.
#[test]
fn a_frame_has_its_lines_and_modes() {
    let mut bench = Bench::new();
    let mut modes = [0; 4];
    let mut lines = [0; 154];
    let mut vblanks = 0;
    for _ in 0..FRAME_CYCLES {
        vblanks += u32::from(bench.run(1) & VBLANK_INTERRUPT);
        lines[usize::from(bench.ppu.read(LY))] += 1;
        modes[usize::from(bench.ppu.read(STAT) & 3)] += 1;
    }
    assert_eq!(vblanks, 1);
    assert_eq!(lines[1..153], [456; 152]);
    assert_eq!((lines[0], lines[153]), (456 + 450, 6));
    // Lines 144 to 153 and the first cycles of line 0; 80 and 173 cycles a line; the rest.
    assert_eq!(modes[2..], [144 * 80, 144 * 173]);
    assert_eq!(modes[1], 10 * 456 - 4 + 3);
}

#[test]
fn catching_up_at_once_equals_catching_up_often() {
    let mut seed = 1u32;
    let mut random = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        seed >> 8
    };
    let (mut often, mut seldom) = (Bench::new(), Bench::new());
    for bench in [&mut often, &mut seldom] {
        bench.ppu.draw_only_before(u64::MAX / 2);
    }
    for _ in 0..2000 {
        let cycles = u64::from(random() % 3000) * 4;
        let often_interrupts = (0..cycles).fold(0, |sum, _| sum | often.run(1));
        assert_eq!(often_interrupts, seldom.run(cycles));
        for register in [LY, STAT] {
            assert_eq!(often.ppu.read(register), seldom.ppu.read(register));
        }
        let (register, value) = match random() % 6 {
            0 => (LYC, random() % 154),
            1 => (
                STAT,
                if random() % 3 == 0 {
                    random() & 0x78
                } else {
                    0
                },
            ),
            2 => (WY, random() % 160),
            3 => (SCX, random()),
            4 => (WX, random()),
            _ => (LCDC, random() | if random() % 4 == 0 { 0 } else { 0x80 }),
        };
        for bench in [&mut often, &mut seldom] {
            bench.write(register, value as u8);
        }
    }
}

#[test]
fn predicted_interrupts_are_never_late() {
    let mut bench = Bench::new();
    for (lyc, stat) in [
        (0, 0),
        (77, 0x40),
        (0, 0x08),
        (153, 0x40),
        (10, 0x28),
        (144, 0x78),
    ] {
        bench.write(LYC, lyc);
        bench.write(STAT, stat);
        for _ in 0..2 * FRAME_CYCLES {
            let predicted = bench.ppu.next_interrupt();
            assert!(bench.run(1) == 0 || bench.now >= predicted);
        }
    }
}

#[test]
fn lyc_interrupts_once_a_frame_and_sources_block_each_other() {
    let mut bench = Bench::new();
    let mut count = |lyc: u8, stat: u8| {
        bench.write(STAT, 0);
        bench.write(LYC, lyc);
        bench.run(FRAME_CYCLES);
        bench.write(STAT, stat);
        bench.run(FRAME_CYCLES);
        (0..FRAME_CYCLES)
            .filter(|_| bench.run(1) & STAT_INTERRUPT != 0)
            .count()
    };
    assert_eq!(count(77, 0x40), 1);
    assert_eq!(count(200, 0x40), 0);
    assert_eq!(count(200, 0x08), 144);
    assert_eq!(count(200, 0x20), 145, "mode 2 fires for line 144 too");
    assert_eq!(count(200, 0x10), 1);
    // Mode 0 lasts into the next line's mode 2, whose request does not rise then.
    assert_eq!(count(200, 0x28), 144 + 1);
}

#[test]
fn scrolling_wraps_and_tiles_come_from_both_areas() {
    let mut bench = Bench::new();
    bench.fill_tile(1, 3);
    bench.fill_tile(0x81, 2);
    bench.fill_tile(0x101, 1); // tile 1 of the area around 9000
    bench.ppu.vram[0x1800] = 1;
    bench.ppu.vram[0x181F] = 0x81;
    bench.write(SCX, 252);
    let line = bench.line(0);
    assert_eq!(
        (&line[..4], &line[4..12], line[12]),
        (&[2; 4][..], &[3; 8][..], 0)
    );
    bench.write(LCDC, 0x81);
    let line = bench.line(0);
    assert_eq!(
        (&line[..4], &line[4..12], line[12]),
        (&[2; 4][..], &[1; 8][..], 0)
    );
    bench.write(LCDC, 0x80);
    for shade in [0, 2] {
        bench.write(BGP, 0xE4 | shade);
        assert_eq!(bench.line(0), [shade; WIDTH], "BG off is colour 0");
    }
}

#[test]
fn the_window_counts_its_own_lines() {
    let mut bench = Bench::new();
    // Window tiles: row r of tile 1 has colour r % 2 * 3.
    for row in (1..8).step_by(2) {
        bench.ppu.vram[16 + row * 2..16 + row * 2 + 2].fill(0xFF);
    }
    bench.ppu.vram[0x1C00..0x2000].fill(1);
    bench.write(WY, 5);
    bench.write(WX, 7 + 100);
    bench.write(LCDC, 0xF1);
    assert_eq!(bench.line(4), [0; WIDTH]);
    for (line, colour) in [(5, 0), (6, 3), (7, 0)] {
        let shades = bench.line(line);
        assert_eq!(
            (shades[99], shades[100], shades[159]),
            (0, colour, colour),
            "line {line}"
        );
    }
    // Hidden on lines 6 and 7, the window goes on where it was.
    let to_line_start = FRAME_CYCLES - (bench.now - LINE_0) % FRAME_CYCLES;
    bench.run(to_line_start + 6 * 456);
    bench.write(LCDC, 0xD1);
    bench.run(2 * 456);
    bench.write(LCDC, 0xF1);
    bench.run(FRAME_CYCLES - 8 * 456 - 456);
    let pixel = |line: usize| bench.ppu.picture()[(line * WIDTH + 100) / 4] & 3;
    assert_eq!([5, 6, 7, 8, 9].map(pixel), [0, 0, 0, 3, 0]);
}

#[test]
fn objects_ten_a_line_lower_x_first_then_oam_order() {
    let mut bench = Bench::new();
    bench.write(LCDC, 0x93);
    bench.fill_tile(1, 1);
    bench.fill_tile(2, 2);
    for index in 0..11 {
        bench.put_object(index, [16, 8 + 10 * index as u8, 1, 0]);
    }
    let line = bench.line(0);
    assert_eq!(
        (line[0], line[8], line[90], line[100]),
        (1, 0, 1, 0),
        "the eleventh is missing"
    );
    assert_eq!(bench.line(8), [0; WIDTH]);

    bench.ppu.oam.fill(0);
    bench.put_object(0, [16, 24, 1, 0]);
    bench.put_object(1, [16, 20, 2, 0]);
    bench.put_object(2, [16, 20, 1, 0]);
    let line = bench.line(0);
    assert_eq!(line[12..25], [2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 0]);
}

#[test]
fn objects_flip_hide_behind_the_background_and_choose_palettes() {
    let mut bench = Bench::new();
    bench.write(LCDC, 0x97); // tall objects
    bench.ppu.vram[0x20..0x22].fill(0x80); // tile 2, row 0: its left pixel, colour 3
    bench.put_object(0, [16, 8, 3, 0x00]); // tall: bit 0 of the tile is ignored
    bench.put_object(1, [16, 24, 2, 0x20]); // x flip
    bench.put_object(2, [16, 40, 2, 0x40]); // y flip: on the last of 16 lines
    bench.put_object(3, [16, 56, 2, 0x10]); // OBP1: colour 3 is white
    bench.put_object(4, [16, 72, 2, 0x80]); // behind
    bench.fill_tile(7, 1);
    bench.ppu.vram[0x1800 + 6] = 7;
    bench.ppu.vram[0x1800 + 8] = 7;
    let line = bench.line(0);
    assert_eq!((line[0], line[16], line[23], line[32]), (3, 0, 3, 0));
    assert_eq!(
        (line[48], line[49]),
        (0, 1),
        "OBP1 maps colour 3 to shade 0"
    );
    assert_eq!((line[64], line[65]), (1, 1), "behind background colour 1");
    assert_eq!(bench.line(15)[32], 3);
    bench.ppu.vram[0x1800 + 8] = 0;
    assert_eq!(bench.line(0)[64], 3, "before background colour 0");
}

#[test]
fn the_first_frame_after_lcd_on_is_not_shown() {
    let mut bench = Bench::new();
    let picture = *bench.ppu.picture();
    bench.write(LCDC, 0x11);
    assert_eq!(
        bench.run(3 * FRAME_CYCLES),
        0,
        "no interrupts with the LCD off"
    );
    assert_eq!(bench.ppu.read(LY), 0);
    bench.ppu.vram[..16].fill(0xFF);
    bench.write(LCDC, 0x91);
    bench.run(FRAME_CYCLES);
    assert_eq!(*bench.ppu.picture(), picture);
    bench.run(FRAME_CYCLES);
    assert!(bench.ppu.picture().iter().all(|&pixels| pixels == 0xFF));
}

/// The status before the first mode 3 reads as mode 0, but does not count as one.
#[test]
fn lcd_on_requests_no_hblank_interrupt() {
    for enable in [0x08, 0x20] {
        let mut bench = Bench::new();
        bench.write(LCDC, 0x11);
        bench.write(LYC, 1);
        bench.write(STAT, enable);
        bench.now += 4;
        assert_eq!(bench.ppu.write(LCDC, 0x91, bench.now), 0);
        bench.run(40);
        assert_eq!(bench.ppu.read(STAT) & 3, 0);
        assert_eq!(bench.ppu.write(STAT, enable, bench.now), 0);
        assert_eq!(bench.run(160), 0);
    }
}

/// Writing STAT in mode 0 or 1, or while LY is LYC, requests its interrupt whatever is written.
#[test]
fn a_write_of_stat_enables_its_sources_for_a_moment() {
    for (line, cycle, lyc, requested) in [
        (10, 40, 0, 0),
        (10, 40, 10, STAT_INTERRUPT),
        (10, 120, 0, 0),
        (10, 400, 0, STAT_INTERRUPT),
        (150, 40, 0, STAT_INTERRUPT),
    ] {
        let mut bench = Bench::new();
        bench.write(LYC, lyc);
        bench.run(line * 456 + cycle);
        assert_eq!(bench.ppu.write(STAT, 0, bench.now), requested);
    }
}

/// Mode 2 looks at an entry every two cycles from cycle 4 on.
#[test]
fn a_dma_transfer_hides_objects_from_mode_2() {
    let mut bench = Bench::new();
    bench.write(LCDC, 0x93);
    bench.fill_tile(1, 1);
    for (index, x) in [8, 16, 24].into_iter().enumerate() {
        bench.put_object(index, [16, x, 1, 0]);
    }
    let frame = LINE_0 + 1 + FRAME_CYCLES;
    for (start, end, shades) in [(0, 6, [0, 1, 1]), (6, 646, [1, 0, 0]), (9, 649, [1, 1, 1])] {
        (bench.ppu.dma_start, bench.ppu.dma_end) = (frame + start, frame + end);
        let mut bench = Bench {
            ppu: bench.ppu.clone(),
            now: bench.now,
        };
        let line = bench.line(0);
        assert_eq!([line[0], line[8], line[16]], shades);
    }
}

/// Lengths of mode 3 by Pan Docs' rules; on lines with objects it is a cycle shorter.
#[test]
fn scrolling_window_and_objects_lengthen_mode_3() {
    const NO_WINDOW: u8 = 255;
    for (scx, wx, objects, length) in [
        (0, NO_WINDOW, &[][..], 173),
        (5, NO_WINDOW, &[], 173 + 5),
        (8, NO_WINDOW, &[], 173),
        (0, 65, &[], 173 + 6),
        (0, NO_WINDOW, &[8], 173 + 11 - 1),
        (0, NO_WINDOW, &[10, 12], 173 + 9 + 6 - 1),
        (0, NO_WINDOW, &[10, 16], 173 + 9 + 11 - 1),
        (3, NO_WINDOW, &[8], 173 + 3 + 8 - 1),
        (0, NO_WINDOW, &[168], 173),
        // Over the window its own tiles count: 64 and 66 are the last of one and the first of the next.
        (0, 65, &[64], 173 + 6 + 11 - 1),
        (0, 65, &[66], 173 + 6 + 11 - 1),
        (0, 65, &[72], 173 + 6 + 6 - 1),
        (4, 65, &[64, 65, 66], 173 + 4 + 6 + 7 + 6 + 11 - 1),
    ] {
        let mut bench = Bench::new();
        bench.write(LCDC, 0xF3);
        bench.write(SCX, scx);
        bench.write(WX, wx);
        for (index, &x) in objects.iter().enumerate() {
            bench.put_object(index, [16, x, 0, 0]);
        }
        let modes = (0..456).map(|_| {
            bench.run(1);
            bench.ppu.read(STAT) & 3
        });
        let mode_3 = modes.filter(|&mode| mode == 3).count();
        assert_eq!(mode_3, length, "SCX {scx}, WX {wx}, objects {objects:?}");
    }
}

#[test]
fn a_pixel_sees_both_values_of_a_palette() {
    let mut bench = Bench::new();
    bench.write(BGP, 0x02);
    bench.run(20 * 456 + 1 + 97 + 60); // pixel 60 of line 20 comes next
    bench.write(BGP, 0x01);
    bench.run(FRAME_CYCLES - 456 * 20);
    let start = 20 * WIDTH / 4;
    let row: Vec<u8> = (0..WIDTH)
        .map(|x| bench.ppu.picture()[start + x / 4] >> (x % 4 * 2) & 3)
        .collect();
    assert_eq!(row[..59], [2; 59]);
    assert_eq!(row[59], 3);
    assert_eq!(row[60..], [1; 100]);
}
