//! The LCD controller: registers, timing and interrupts; [`draw`] is its scanline renderer.
//!
//! The controller is brought up to date when something could see it: a line is a handful of timed
//! [`Phase`]s, and lines nobody watches are passed over whole. Times within a line follow the DMG:
//! mode 2 from cycle 4, mode 3 from cycle 84, mode 0 from cycle 257 plus scrolling, window and
//! sprites. Pixels are drawn only in frames that the caller will return, and no earlier than the
//! frame ends or something changes that they depend on.

#![forbid(unsafe_code)]

mod draw;

use crate::state::{enum_field, struct_fields, StateError};
use crate::timer::NEVER;
use draw::Bits;

pub const WIDTH: usize = 160;
pub const HEIGHT: usize = 144;
/// Bytes of a picture with four pixels a byte, the leftmost in the low bits.
pub const PICTURE_BYTES: usize = WIDTH * HEIGHT / 4;

const LINE_CYCLES: u64 = 456;
const LINES: u64 = 154;
pub const FRAME_CYCLES: u64 = LINE_CYCLES * LINES;

/// Bits of LCDC (FF40).
mod lcdc {
    pub const BG_ENABLE: u8 = 0x01;
    pub const OBJ_ENABLE: u8 = 0x02;
    pub const OBJ_TALL: u8 = 0x04;
    pub const BG_MAP: u8 = 0x08;
    pub const TILE_DATA: u8 = 0x10;
    pub const WINDOW_ENABLE: u8 = 0x20;
    pub const WINDOW_MAP: u8 = 0x40;
    pub const LCD_ENABLE: u8 = 0x80;
}

/// Bits of STAT (FF41) that enable its interrupt.
mod stat {
    pub const HBLANK: u8 = 0x08;
    pub const VBLANK: u8 = 0x10;
    pub const OAM: u8 = 0x20;
    pub const LYC: u8 = 0x40;
    pub const ALL: u8 = HBLANK | VBLANK | OAM | LYC;
}

pub const VBLANK_INTERRUPT: u8 = 0x01;
pub const STAT_INTERRUPT: u8 = 0x02;

/// For `compared_line` and `interrupt_mode`: no line, no mode.
const NONE: u8 = 0xFF;

/// What happens at `next`. The cycle within the line follows the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Phase {
    /// 0 of line 0
    NewFrame,
    /// 0 of lines 1 to 152
    NewLine,
    /// 3: the mode 2 interrupt precedes its mode, except on line 0
    OamInterrupt,
    /// 4
    OamScan,
    /// 84
    Transfer,
    /// 89: scrolling and sprites fix the length of mode 3
    Fetch,
    /// 257 and later
    HBlank,
    /// 2 of line 144
    VBlankOam,
    /// 4 of lines 144 to 152
    VBlankLine,
    /// 6 of line 153: LY reads 0 from here
    LastLineZero,
    /// 12 of line 153
    LastLineCompare,
    /// After LCDC.7 rises: line 0 has no mode 2
    FirstTransfer,
    /// LCDC.7 is 0
    Off,
}

impl TryFrom<u8> for Phase {
    type Error = ();
    fn try_from(value: u8) -> Result<Self, ()> {
        use Phase::*;
        [
            NewFrame,
            NewLine,
            OamInterrupt,
            OamScan,
            Transfer,
            Fetch,
            HBlank,
            VBlankOam,
            VBlankLine,
            LastLineZero,
            LastLineCompare,
            FirstTransfer,
            Off,
        ]
        .get(usize::from(value))
        .copied()
        .ok_or(())
    }
}

enum_field!(Phase);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ppu {
    pub vram: [u8; 0x2000],
    pub oam: [u8; 0xA0],
    /// From when to when OAM belongs to a DMA transfer.
    pub dma_start: u64,
    pub dma_end: u64,
    /// FF40
    lcdc: u8,
    /// FF41, the enable bits alone
    stat_enable: u8,
    /// FF42, FF43
    scy: u8,
    scx: u8,
    /// FF44, FF45
    ly: u8,
    lyc: u8,
    /// FF47, FF48, FF49
    bgp: u8,
    obp: [u8; 2],
    /// FF4A, FF4B
    wy: u8,
    wx: u8,

    phase: Phase,
    /// When `phase` happens.
    next: u64,
    /// When cycle 0 of the current line was.
    line_start: u64,
    /// The line, 0 to 153. LY differs from it on line 153.
    line: u8,
    /// STAT's mode as read.
    mode: u8,
    /// The mode that drives the STAT interrupt.
    interrupt_mode: u8,
    /// The line that LYC is compared with.
    compared_line: u8,
    /// STAT's coincidence bit, and its interrupt line, which holds while no line is compared.
    coincidence: bool,
    coincidence_line: bool,
    /// All STAT sources joined: only a rise of this requests the interrupt.
    stat_line: bool,
    /// The first line that equalled WY in this frame; `NONE` before it.
    window_from: u8,

    /// This frame is drawn.
    drawing: bool,
    /// The first frame after LCDC.7 rises is not shown.
    first_frame: bool,
    /// The first line of which nothing is drawn. Until it is, what it depends on stays as it was.
    undrawn: u8,
    /// The last line begun: the window shows on it, the window's line (counted only where it shows;
    /// `NONE` before its first), pixels drawn so far, and their shades.
    window_shown: bool,
    window_line: u8,
    drawn: u8,
    row: [Bits; 2],
    /// The frame in progress, and the last one that was drawn whole.
    back: [u8; PICTURE_BYTES],
    picture: [u8; PICTURE_BYTES],
    /// A later frame was completed without being drawn.
    stale: bool,
    /// Frames that no later frame follows by this time are drawn; 0 draws all.
    draw_deadline: u64,
}

struct_fields!(Ppu {
    vram,
    oam,
    dma_start,
    dma_end,
    lcdc,
    stat_enable,
    scy,
    scx,
    ly,
    lyc,
    bgp,
    obp,
    wy,
    wx,
    phase,
    next,
    line_start,
    line,
    mode,
    interrupt_mode,
    compared_line,
    coincidence,
    coincidence_line,
    stat_line,
    window_from,
    drawing,
    first_frame,
    undrawn,
    window_shown,
    window_line,
    drawn,
    row,
    back,
    picture,
    stale,
    draw_deadline
});

impl Ppu {
    /// The LCD as the DMG's boot ROM leaves it: late in line 153, the logo's tiles in VRAM.
    pub fn after_boot(now: u64, logo: &[u8]) -> Self {
        let next = now + 53;
        let mut ppu = Ppu {
            vram: [0; 0x2000],
            oam: [0; 0xA0],
            dma_start: 0,
            dma_end: 0,
            lcdc: 0x91,
            stat_enable: 0,
            scy: 0,
            scx: 0,
            ly: 0,
            lyc: 0,
            bgp: 0xFC,
            obp: [0; 2],
            wy: 0,
            wx: 0,
            phase: Phase::NewFrame,
            next,
            line_start: next - LINE_CYCLES,
            line: 153,
            mode: 1,
            interrupt_mode: 1,
            compared_line: 0,
            coincidence: true,
            coincidence_line: true,
            stat_line: false,
            window_from: NONE,
            drawing: true,
            first_frame: false,
            undrawn: 0,
            window_shown: false,
            window_line: NONE,
            drawn: 0,
            row: [Bits::default(); 2],
            back: [0; PICTURE_BYTES],
            picture: [0; PICTURE_BYTES],
            stale: false,
            draw_deadline: 0,
        };
        ppu.load_logo(logo);
        // The picture on the LCD at that time: the logo.
        ppu.draw_lines();
        ppu.picture = ppu.back;
        ppu
    }

    /// Tiles 1 to 24 hold the cartridge's logo at twice its size, tile 25 the registered mark.
    fn load_logo(&mut self, logo: &[u8]) {
        for (index, &byte) in logo.iter().enumerate() {
            for (half, nibble) in [byte >> 4, byte & 0x0F].into_iter().enumerate() {
                let doubled = (0..8).fold(0, |row, bit| row | (nibble >> (bit / 2) & 1) << bit);
                let start = 0x10 + index * 8 + half * 4;
                self.vram[start] = doubled;
                self.vram[start + 2] = doubled;
            }
        }
        for (row, byte) in [0x3C, 0x42, 0xB9, 0xA5, 0xB9, 0xA5, 0x42, 0x3C]
            .into_iter()
            .enumerate()
        {
            self.vram[0x190 + row * 2] = byte;
        }
        for column in 0..12 {
            self.vram[0x1904 + column] = column as u8 + 1;
            self.vram[0x1924 + column] = column as u8 + 13;
        }
        self.vram[0x1910] = 25;
    }

    fn enabled(&self) -> bool {
        self.lcdc & lcdc::LCD_ENABLE != 0
    }

    // ---- timing ----

    /// Brings the LCD up to `now`; returns the interrupts it requested.
    #[inline]
    pub fn update(&mut self, now: u64) -> u8 {
        if self.next <= now {
            self.advance(now)
        } else {
            0
        }
    }

    fn advance(&mut self, now: u64) -> u8 {
        let mut interrupts = 0;
        while self.next <= now {
            if !self.pass_lines(now) {
                interrupts |= self.perform_phase();
            }
        }
        interrupts
    }

    fn schedule(&mut self, phase: Phase, cycle: u64) {
        self.phase = phase;
        self.next = self.line_start + cycle;
    }

    /// Performs the phase that is due.
    #[inline]
    fn perform_phase(&mut self) -> u8 {
        let mut interrupts = 0;
        match self.phase {
            Phase::NewFrame => {
                self.begin_line(0);
                self.window_from = NONE;
                self.window_line = NONE;
                self.undrawn = 0;
                self.drawing = self.is_drawn();
                self.schedule(Phase::OamInterrupt, 3);
            }
            Phase::NewLine => {
                self.reach_window(self.line);
                self.begin_line(self.line + 1);
                match self.line {
                    0..=143 => self.schedule(Phase::OamInterrupt, 3),
                    144 => {
                        self.draw_lines();
                        self.compared_line = NONE;
                        interrupts |= self.refresh_stat();
                        self.schedule(Phase::VBlankOam, 2);
                    }
                    _ => {
                        self.compared_line = NONE;
                        interrupts |= self.refresh_stat();
                        let last = self.line == 153;
                        match last {
                            false => self.schedule(Phase::VBlankLine, 4),
                            true => self.schedule(Phase::LastLineZero, 6),
                        }
                    }
                }
            }
            Phase::OamInterrupt => {
                self.mode = 0;
                (self.compared_line, self.interrupt_mode) = match self.line {
                    0 => (0, NONE),
                    _ => (NONE, 2),
                };
                interrupts |= self.refresh_stat();
                self.schedule(Phase::OamScan, 4);
            }
            Phase::OamScan => {
                self.mode = 2;
                self.compared_line = self.line;
                self.interrupt_mode = 2;
                interrupts |= self.refresh_stat();
                self.interrupt_mode = NONE;
                interrupts |= self.refresh_stat();
                self.schedule(Phase::Transfer, 84);
            }
            Phase::Transfer => {
                self.mode = 3;
                self.interrupt_mode = 3;
                self.schedule(Phase::Fetch, 89);
            }
            Phase::FirstTransfer => {
                self.mode = 3;
                self.interrupt_mode = 3;
                self.schedule(Phase::Fetch, 91);
            }
            Phase::Fetch => {
                self.reach_window(self.line);
                self.phase = Phase::HBlank;
                self.next += self.transfer_cycles();
            }
            Phase::HBlank => {
                if self.drawing && self.undrawn > self.line {
                    self.draw_to(self.line, WIDTH as u8);
                    self.finish_row(self.line);
                }
                self.mode = 0;
                self.interrupt_mode = 0;
                interrupts |= self.refresh_stat();
                self.schedule(Phase::NewLine, LINE_CYCLES);
            }
            Phase::VBlankOam => {
                interrupts |= self.vblank_oam_interrupt();
                self.schedule(Phase::VBlankLine, 4);
            }
            Phase::VBlankLine => {
                self.compared_line = self.line;
                interrupts |= self.refresh_stat();
                if self.line == 144 {
                    self.complete_frame();
                    interrupts |= VBLANK_INTERRUPT;
                    self.mode = 1;
                    self.interrupt_mode = 1;
                    interrupts |= self.refresh_stat();
                }
                self.schedule(Phase::NewLine, LINE_CYCLES);
            }
            Phase::LastLineZero => {
                self.ly = 0;
                self.compared_line = 153;
                interrupts |= self.refresh_stat();
                self.schedule(Phase::LastLineCompare, 12);
            }
            Phase::LastLineCompare => {
                self.compared_line = 0;
                interrupts |= self.refresh_stat();
                self.schedule(Phase::NewFrame, LINE_CYCLES);
            }
            Phase::Off => self.next = NEVER,
        }
        interrupts
    }

    fn begin_line(&mut self, line: u8) {
        self.line_start = self.next;
        self.line = line;
        self.ly = line;
    }

    /// Passes over the lines that are over by `now`, if no interrupts are in them. Returns whether
    /// there was any.
    fn pass_lines(&mut self, now: u64) -> bool {
        let first = self.line + u8::from(self.phase == Phase::NewLine);
        let over = u64::from(self.line) + self.cycle(now) / LINE_CYCLES;
        if over <= u64::from(first) || self.stat_enable & (stat::HBLANK | stat::OAM) != 0 {
            return false;
        }
        let mut end = match (self.phase, first) {
            (Phase::HBlank | Phase::FirstTransfer, _) => return false,
            (_, 0..=143) => 144,
            (Phase::NewLine, 145..=152) => 153,
            _ => return false,
        };
        if self.stat_enable & stat::LYC != 0 && self.lyc >= first {
            end = end.min(self.lyc);
        }
        let end = over.min(u64::from(end)) as u8;
        if end <= first {
            return false;
        }
        let last = end - 1;
        self.reach_window(last);
        self.line_start += u64::from(last - self.line) * LINE_CYCLES;
        self.line = last;
        self.ly = last;
        self.compared_line = last;
        self.mode = u8::from(last >= 144);
        self.interrupt_mode = self.mode;
        self.refresh_stat();
        self.schedule(Phase::NewLine, LINE_CYCLES);
        true
    }

    /// Looks for WY among this line and those up to `last`.
    fn reach_window(&mut self, last: u8) {
        if (self.line..=last).contains(&self.wy) {
            self.window_from = self.window_from.min(self.wy);
        }
    }

    /// Mode 2's interrupt also fires as line 144 begins.
    fn vblank_oam_interrupt(&self) -> u8 {
        if !self.stat_line && self.stat_enable & stat::OAM != 0 {
            STAT_INTERRUPT
        } else {
            0
        }
    }

    /// Joins the STAT sources; returns the interrupt if the joined line rises.
    fn refresh_stat(&mut self) -> u8 {
        self.coincidence = self.compared_line == self.lyc && self.compared_line != NONE;
        if self.compared_line != NONE {
            self.coincidence_line = self.coincidence;
        }
        let before = self.stat_line;
        self.stat_line = self.stat_sources() & self.stat_enable != 0;
        if self.stat_line && !before {
            STAT_INTERRUPT
        } else {
            0
        }
    }

    fn stat_sources(&self) -> u8 {
        let mode = match self.interrupt_mode {
            0 => stat::HBLANK,
            1 => stat::VBLANK,
            2 => stat::OAM,
            _ => 0,
        };
        let coincidence = if self.coincidence_line { stat::LYC } else { 0 };
        mode | coincidence
    }

    /// A time before which no interrupt comes if no register is written.
    pub fn next_interrupt(&self) -> u64 {
        if !self.enabled() {
            return self.next;
        }
        if self.stat_enable & (stat::HBLANK | stat::OAM) != 0 {
            return self.next_line_interrupt();
        }
        let vblank = self.next_time_of(144, 4);
        if self.stat_enable & stat::LYC == 0 {
            return vblank;
        }
        // When LYC's line is compared.
        vblank.min(match self.lyc {
            0 => self.next_time_of(153, 12),
            153 => self.next_time_of(153, 6),
            154.. => NEVER,
            line => self.next_time_of(line, 4),
        })
    }

    /// The same when modes 0 or 2 may interrupt.
    fn next_line_interrupt(&self) -> u64 {
        let hblank = self.line_start + 257;
        if self.stat_enable & !stat::HBLANK == 0 && self.next < hblank {
            match self.phase {
                Phase::OamInterrupt | Phase::OamScan | Phase::Transfer => return hblank,
                _ => {}
            }
        }
        self.next
    }

    /// When this cycle of a line comes next, which is no earlier than what the LCD does next.
    fn next_time_of(&self, line: u8, cycle: u64) -> u64 {
        let frame_start = self
            .line_start
            .wrapping_sub(u64::from(self.line) * LINE_CYCLES);
        let time = frame_start.wrapping_add(u64::from(line) * LINE_CYCLES + cycle);
        if time < self.next {
            time + FRAME_CYCLES
        } else {
            time
        }
    }

    /// When LY next shows a value that `matches`, if no register is written; the caller has found
    /// that it does not do so now.
    pub fn next_line_where(&self, matches: impl Fn(u8) -> bool) -> u64 {
        if !self.enabled() {
            return NEVER;
        }
        let zero = if matches(0) {
            self.next_time_of(153, 6)
        } else {
            NEVER
        };
        (1..=153)
            .filter(|&line| matches(line))
            .map(|line| self.next_time_of(line, 0))
            .fold(zero, u64::min)
    }

    /// Until then LY and STAT stay as they are if no register is written.
    pub fn next_change(&self) -> u64 {
        self.next
    }

    // ---- registers and memory ----

    /// Reads FF40..=FF4B except FF46. The caller has updated the LCD.
    pub fn read(&self, address: u16) -> u8 {
        match address & 0xFF {
            0x40 => self.lcdc,
            0x41 => 0x80 | self.stat_enable | u8::from(self.coincidence) << 2 | self.mode,
            0x42 => self.scy,
            0x43 => self.scx,
            0x44 => self.ly,
            0x45 => self.lyc,
            0x47 => self.bgp,
            0x48 => self.obp[0],
            0x49 => self.obp[1],
            0x4A => self.wy,
            0x4B => self.wx,
            _ => 0xFF,
        }
    }

    /// Writes FF40..=FF4B except FF46; returns interrupts requested by the write. The caller has
    /// updated the LCD.
    pub fn write(&mut self, address: u16, value: u8, now: u64) -> u8 {
        self.draw_lines();
        if self.phase == Phase::HBlank && self.drawing {
            // Pixels that have left the LCD controller keep the old value; one pixel sees the bits
            // of both values of a palette.
            let first_pixel = self.line_start + 97 + u64::from(self.scx % 8);
            let pixel = now.saturating_sub(first_pixel).min(WIDTH as u64) as u8;
            if matches!(address, 0xFF47..=0xFF49) {
                self.draw_to(self.line, pixel.saturating_sub(1));
                *self.palette(address) |= value;
            }
            self.draw_to(self.line, pixel);
        }
        match address & 0xFF {
            0x40 => return self.write_lcdc(value, now),
            0x41 => {
                // For a moment, a DMG takes any write for one that enables all sources but mode 2.
                let glitch = self.enabled() && !self.stat_line && {
                    let watched = stat::HBLANK | stat::VBLANK | stat::LYC;
                    self.stat_sources() & watched != 0
                };
                self.stat_enable = value & stat::ALL;
                if self.enabled() {
                    let interrupt = self.refresh_stat();
                    return interrupt | if glitch { STAT_INTERRUPT } else { 0 };
                }
            }
            0x42 => self.scy = value,
            0x43 => self.scx = value,
            0x45 => {
                self.lyc = value;
                if self.enabled() {
                    return self.refresh_stat();
                }
            }
            0x47..=0x49 => *self.palette(address) = value,
            0x4A => self.wy = value,
            0x4B => self.wx = value,
            _ => {}
        }
        0
    }

    /// The palette at FF47..=FF49.
    fn palette(&mut self, address: u16) -> &mut u8 {
        match address {
            0xFF47 => &mut self.bgp,
            0xFF48 => &mut self.obp[0],
            _ => &mut self.obp[1],
        }
    }

    fn write_lcdc(&mut self, value: u8, now: u64) -> u8 {
        let was_enabled = self.enabled();
        self.lcdc = value;
        match (was_enabled, self.enabled()) {
            (true, false) => {
                self.ly = 0;
                self.line = 0;
                self.mode = 0;
                self.interrupt_mode = NONE;
                self.phase = Phase::Off;
                self.next = NEVER;
                self.drawing = false;
                0
            }
            (false, true) => {
                // Line 0 begins as if 8 cycles were past.
                self.line_start = now - 7;
                self.line = 0;
                self.interrupt_mode = NONE;
                self.compared_line = 0;
                self.first_frame = true;
                self.drawing = false;
                self.window_from = NONE;
                self.schedule(Phase::FirstTransfer, 86);
                self.refresh_stat()
            }
            _ => 0,
        }
    }

    /// Cycles since the line began.
    fn cycle(&self, now: u64) -> u64 {
        now.saturating_sub(self.line_start)
    }

    fn mode_2_or_3(&self) -> bool {
        matches!(
            self.phase,
            Phase::OamScan | Phase::Transfer | Phase::Fetch | Phase::HBlank
        )
    }

    /// Until then VRAM is free and no pixels depend on it, if no register is written: the LCD is off,
    /// or between the pixels of two lines. 0 if lines are still to be drawn.
    pub fn vram_free_until(&self) -> u64 {
        if self.drawing && self.undrawn < self.lines_over() {
            return 0;
        }
        let lines = match (self.phase, self.line) {
            (Phase::Off, _) => return NEVER,
            (Phase::Fetch | Phase::HBlank | Phase::FirstTransfer, _) => return 0,
            (Phase::OamInterrupt | Phase::OamScan | Phase::Transfer, _) => 0,
            (_, 0..143) => 1,
            (_, line) => LINES - u64::from(line),
        };
        self.line_start + lines * LINE_CYCLES + 80
    }

    /// Until then VRAM is locked, if no register is written; 0 if it is not.
    pub fn vram_locked_until(&self) -> u64 {
        match self.phase {
            Phase::Fetch | Phase::HBlank => self.next,
            _ => 0,
        }
    }

    /// Whether the LCD keeps the processor from reading OAM. The caller has updated the LCD.
    pub fn oam_read_blocked(&self) -> bool {
        self.mode_2_or_3()
    }

    pub fn oam_write_blocked(&self, now: u64) -> bool {
        match self.phase {
            Phase::Transfer => self.cycle(now) < 80,
            Phase::FirstTransfer => self.cycle(now) >= 84,
            Phase::Fetch | Phase::HBlank => true,
            _ => false,
        }
    }

    pub fn vram_read_blocked(&self, now: u64) -> bool {
        match self.phase {
            Phase::Transfer => self.cycle(now) >= 80,
            Phase::Fetch | Phase::HBlank => true,
            _ => false,
        }
    }

    pub fn vram_write_blocked(&self) -> bool {
        matches!(self.phase, Phase::Fetch | Phase::HBlank)
    }

    // ---- pictures ----

    /// Draws the frames that no later frame will follow before `deadline`; 0 draws all.
    pub fn draw_only_before(&mut self, deadline: u64) {
        self.draw_deadline = deadline;
        self.drawing &= self.is_drawn();
    }

    /// No frame is completed between this one and the deadline.
    fn is_drawn(&self) -> bool {
        let start = self
            .line_start
            .wrapping_sub(u64::from(self.line) * LINE_CYCLES);
        let completed = start.wrapping_add(HEIGHT as u64 * LINE_CYCLES + 4);
        completed + FRAME_CYCLES > self.draw_deadline || self.draw_deadline == 0
    }

    /// A frame was completed after the one in [`Ppu::picture`].
    pub fn picture_is_stale(&self) -> bool {
        self.stale
    }

    pub fn picture(&self) -> &[u8; PICTURE_BYTES] {
        &self.picture
    }

    fn complete_frame(&mut self) {
        if self.first_frame {
            self.first_frame = false;
            return;
        }
        if self.drawing {
            self.picture = self.back;
        }
        self.stale = !self.drawing;
    }

    /// Draws the lines that are over and not drawn yet, and begins the one that is in mode 3. To be
    /// called before anything changes that they depend on.
    #[inline]
    pub fn draw_lines(&mut self) {
        if self.drawing {
            self.draw_lines_over();
        }
    }

    fn draw_lines_over(&mut self) {
        let over = self.lines_over();
        while self.undrawn < over {
            let line = self.undrawn;
            self.begin_row(line);
            self.draw_to(line, WIDTH as u8);
            self.finish_row(line);
        }
        if self.phase == Phase::HBlank && self.undrawn == self.line {
            self.begin_row(self.line);
        }
    }

    /// The lines of this frame that are over.
    fn lines_over(&self) -> u8 {
        (self.line + u8::from(self.phase == Phase::NewLine)).min(HEIGHT as u8)
    }

    fn begin_row(&mut self, line: u8) {
        self.undrawn = line + 1;
        self.drawn = 0;
        self.window_shown = self.shows_window(line);
        self.window_line = self.window_line.wrapping_add(u8::from(self.window_shown));
    }

    fn shows_window(&self, line: u8) -> bool {
        self.lcdc & lcdc::WINDOW_ENABLE != 0
            && line >= self.window_from
            && usize::from(self.wx) < WIDTH + 6
    }

    /// Cycles from the first fetch of mode 3 to mode 0.
    fn transfer_cycles(&self) -> u64 {
        let mut cycles = 168 + u64::from(self.scx % 8);
        let window = self.shows_window(self.line);
        if window {
            cycles += 6;
        }
        if self.lcdc & lcdc::OBJ_ENABLE != 0 {
            // One cycle is lost on lines without objects only.
            cycles += self.object_delay(window).saturating_sub(1);
        }
        cycles
    }

    /// Checks a state that was just brought up to `now`.
    pub fn validate(&self, now: u64) -> Result<(), StateError> {
        let fail = |what: &str| Err(StateError::new(format!("the LCD's {what} is out of range")));
        if self.enabled() == (self.phase == Phase::Off) {
            return fail("power");
        }
        if self.phase == Phase::Off {
            if self.next != NEVER {
                return fail("next event");
            }
        } else if self.next <= now || self.next > now + LINE_CYCLES {
            return fail("next event");
        } else if self.line_start > now + 8 || self.line_start + 2 * LINE_CYCLES < now {
            return fail("line start");
        }
        let visible = !matches!(
            self.phase,
            Phase::VBlankOam | Phase::VBlankLine | Phase::LastLineZero | Phase::LastLineCompare
        );
        let line_ok = match self.phase {
            Phase::NewFrame | Phase::LastLineZero | Phase::LastLineCompare => self.line == 153,
            Phase::NewLine => self.line < 153,
            Phase::VBlankOam => self.line == 144,
            Phase::VBlankLine => (144..153).contains(&self.line),
            _ => visible && self.line < 144,
        };
        if !line_ok {
            return fail("line");
        }
        if self.mode > 3 || self.stat_enable & !stat::ALL != 0 {
            return fail("status");
        }
        if usize::from(self.drawn) > WIDTH || usize::from(self.undrawn) > HEIGHT {
            return fail("line in progress");
        }
        Ok(())
    }
}
