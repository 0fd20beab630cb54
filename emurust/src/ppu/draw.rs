//! The scanline renderer: background, window and objects of one line, or of a part of it between
//! two register writes.

#![forbid(unsafe_code)]

use std::ops::{BitAnd, BitOr, Not};

use crate::state::{Field, Reader, StateError};

use super::{lcdc, Ppu, LINE_CYCLES, WIDTH};

const OBJS: usize = 40;
const OBJS_PER_LINE: usize = 10;

/// An object (sprite) of the current line.
#[derive(Clone, Copy, Default)]
struct Object {
    x: u8,
    y: u8,
    tile: u8,
    flags: u8,
}

impl Ppu {
    /// Which objects are on a line, as zeros and ones. Apart from its caller it is vectorised.
    #[inline(never)]
    fn on_line(&self, line: u8) -> [u8; OBJS] {
        let height = self.object_height();
        let mut tops = [0; OBJS];
        for (top, entry) in tops.iter_mut().zip(self.oam.as_chunks().0) {
            *top = u32::from_le_bytes(*entry) as u8;
        }
        tops.map(|y| u8::from((line + 16).wrapping_sub(y) < height))
    }

    /// A line's objects: the first ten in OAM order, then sorted by X.
    fn line_objects(&self, line: u8) -> ([Object; OBJS_PER_LINE], usize) {
        let mut objects = [Object::default(); OBJS_PER_LINE];
        let mut count = 0;
        for (group, on_line) in self.on_line(line).as_chunks().0.iter().enumerate() {
            let mut left = u64::from_le_bytes(*on_line);
            while left != 0 && count < OBJS_PER_LINE {
                let index = group * 8 + left.trailing_zeros() as usize / 8;
                left &= left - 1;
                if !self.hidden_by_dma(line, index) {
                    let [y, x, tile, flags] = self.oam.as_chunks::<4>().0[index];
                    objects[count] = Object { x, y, tile, flags };
                    count += 1;
                }
            }
        }
        // A stable sort: at equal X the earlier entry wins.
        objects[..count].sort_by_key(|object| object.x);
        (objects, count)
    }

    /// Mode 2 looks at an entry every two cycles, and finds none that a DMA transfer has taken.
    fn hidden_by_dma(&self, line: u8, index: usize) -> bool {
        let time = self.line_start + 4 + 2 * index as u64;
        let time = time.wrapping_sub(u64::from(self.line.wrapping_sub(line)) * LINE_CYCLES);
        (self.dma_start..self.dma_end).contains(&time)
    }

    fn object_height(&self) -> u8 {
        if self.lcdc & lcdc::OBJ_TALL != 0 {
            16
        } else {
            8
        }
    }

    /// Cycles for which fetching objects holds mode 3 up: 6 each, and for the first over each
    /// background or window tile up to 5 more until that tile's fetch is done.
    pub(super) fn object_delay(&self, window_shown: bool) -> u64 {
        let (objects, count) = self.line_objects(self.line);
        let mut delay = 0;
        let mut last_tile = None;
        for object in &objects[..count] {
            if object.x >= 168 {
                break;
            }
            let over_window = window_shown && object.x > self.wx;
            let column = match over_window {
                true => u64::from(object.x - self.wx - 1),
                false => u64::from(object.x) + u64::from(self.scx % 8),
            };
            let tile = (over_window, column / 8);
            if last_tile != Some(tile) {
                last_tile = Some(tile);
                delay += 5 - (column % 8).min(5);
            }
            delay += 6;
        }
        delay
    }

    /// Draws the pixels of the line last begun up to column `end`, with the registers as they are.
    pub(super) fn draw_to(&mut self, line: u8, end: u8) {
        if self.drawn >= end {
            return;
        }
        let background = self.background(line);
        let mut row = background.shades(self.bgp);
        if self.lcdc & lcdc::OBJ_ENABLE != 0 {
            self.draw_objects(line, &background, &mut row);
        }
        // What lies beyond the end is drawn again.
        let columns = Bits::from(MARGIN + usize::from(self.drawn));
        self.row = Planes(self.row).replaced(columns, &row).0;
        self.drawn = end;
    }

    /// Colours of the line's background and window.
    fn background(&self, line: u8) -> Planes {
        if self.lcdc & lcdc::BG_ENABLE == 0 {
            return Planes::default();
        }
        let map = |bit: u8| if self.lcdc & bit != 0 { 0x1C00 } else { 0x1800 };
        // Tiles from the byte of the margin on, so that the first shows its pixels from SCX % 8 on.
        let y = line.wrapping_add(self.scy);
        let mut background = self
            .tiles(map(lcdc::BG_MAP), y, usize::from(self.scx / 8), MARGIN / 8)
            .map(|bits| bits.left(usize::from(self.scx % 8)));
        if self.window_shown && self.lcdc & lcdc::WINDOW_ENABLE != 0 {
            let left = usize::from(self.wx) + MARGIN - 7;
            let window = self
                .tiles(map(lcdc::WINDOW_MAP), self.window_line, 0, 0)
                .map(|bits| bits.right(left));
            background = background.replaced(Bits::from(left), &window);
        }
        background
    }

    /// Row `y` of a tile map from map column `column` on, laid out from byte `at`.
    fn tiles(&self, map: usize, y: u8, column: usize, at: usize) -> Planes {
        let map_row = map + usize::from(y / 8) * 32;
        let row = usize::from(y % 8) * 2;
        let (base, flip) = match self.lcdc & lcdc::TILE_DATA {
            0 => (0x800, 0x80), // signed tile numbers around 9000
            _ => (0, 0),
        };
        let mut planes = [[0u8; 24]; 2];
        for i in 0..WIDTH / 8 + 1 {
            let tile = self.vram[(map_row + (column + i) % 32) & 0x1FFF];
            let index = (base + usize::from(tile ^ flip) * 16 + row) & 0x1FFE;
            planes[0][at + i] = self.vram[index];
            planes[1][at + i] = self.vram[index + 1];
        }
        Planes::from_bytes(&planes)
    }

    fn draw_objects(&self, line: u8, background: &Planes, row: &mut Planes) {
        let (objects, count) = self.line_objects(line);
        let height = self.object_height();
        let uncovered = !(background.0[0] | background.0[1]);
        let mut taken = Bits::default();
        for object in &objects[..count] {
            if usize::from(object.x) >= WIDTH + MARGIN {
                break;
            }
            let mut row_index = (line + 16).wrapping_sub(object.y);
            if object.flags & 0x40 != 0 {
                row_index = height - 1 - row_index;
            }
            let tile = object.tile & if height == 16 { 0xFE } else { 0xFF };
            let index = usize::from(tile) * 16 + usize::from(row_index) * 2;
            let mut bytes = [self.vram[index], self.vram[index + 1]];
            if object.flags & 0x20 != 0 {
                bytes = bytes.map(u8::reverse_bits);
            }
            let place = |byte: u64| Bits::byte(byte as u8, usize::from(object.x));
            let colours = bytes.map(u64::from);
            let mut shown = place(colours[0] | colours[1]) & !taken;
            taken = taken | shown;
            if object.flags & 0x80 != 0 {
                shown = shown & uncovered;
            }
            let palette = self.obp[usize::from(object.flags >> 4 & 1)];
            *row = row.replaced(shown, &Planes(shades(colours, palette).map(place)));
        }
    }

    pub(super) fn finish_row(&mut self, line: u8) {
        let start = usize::from(line) * WIDTH / 4;
        let out = &mut self.back[start..start + WIDTH / 4];
        let [low, high] = Planes(self.row).to_bytes();
        let pixels = low[MARGIN / 8..].iter().zip(&high[MARGIN / 8..]);
        for (packed, (&low, &high)) in out.chunks_exact_mut(2).zip(pixels) {
            let pixels = SPREAD[usize::from(low)] | SPREAD[usize::from(high)] << 1;
            packed.copy_from_slice(&pixels.to_le_bytes());
        }
    }
}

/// Columns left of the screen, so that every object and scrolled tile has a place to begin.
const MARGIN: usize = 8;

/// A bit for each of 192 columns, the leftmost in the highest bit; column 8 is the screen's first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bits([u64; 3]);

impl Field for Bits {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }
    fn get(&mut self, reader: &mut Reader) -> Result<(), StateError> {
        self.0.get(reader)
    }
}

impl Bits {
    /// All columns from `start` on.
    fn from(start: usize) -> Self {
        Bits([u64::MAX; 3]).right(start)
    }

    /// Eight columns from `start` on.
    fn byte(byte: u8, start: usize) -> Self {
        Bits([u64::from(byte) << 56, 0, 0]).right(start)
    }

    fn left(self, count: usize) -> Self {
        let [a, b, c] = self.0;
        if count == 0 {
            return self;
        }
        let back = 64 - count;
        Bits([a << count | b >> back, b << count | c >> back, c << count])
    }

    fn right(self, count: usize) -> Self {
        let [a, b, c] = match (self.0, count / 64) {
            (bits, 0) => bits,
            ([a, b, _], 1) => [0, a, b],
            ([a, ..], 2) => [0, 0, a],
            _ => [0; 3],
        };
        let count = count % 64;
        if count == 0 {
            return Bits([a, b, c]);
        }
        let back = 64 - count;
        Bits([a >> count, b >> count | a << back, c >> count | b << back])
    }
}

impl BitAnd for Bits {
    type Output = Self;
    fn bitand(self, Bits([d, e, f]): Self) -> Self {
        let Bits([a, b, c]) = self;
        Bits([a & d, b & e, c & f])
    }
}

impl BitOr for Bits {
    type Output = Self;
    fn bitor(self, Bits([d, e, f]): Self) -> Self {
        let Bits([a, b, c]) = self;
        Bits([a | d, b | e, c | f])
    }
}

impl Not for Bits {
    type Output = Self;
    fn not(self) -> Self {
        Bits(self.0.map(|bits| !bits))
    }
}

/// The low and the high bits of a line's colours or shades.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Planes([Bits; 2]);

impl Planes {
    fn from_bytes(bytes: &[[u8; 24]; 2]) -> Self {
        Planes(bytes.map(|plane| {
            let mut words = [0; 3];
            for (word, bytes) in words.iter_mut().zip(plane.as_chunks().0) {
                *word = u64::from_be_bytes(*bytes);
            }
            Bits(words)
        }))
    }

    fn to_bytes(self) -> [[u8; 24]; 2] {
        self.0.map(|plane| {
            let mut bytes = [0; 24];
            for (bytes, word) in bytes.chunks_exact_mut(8).zip(plane.0) {
                bytes.copy_from_slice(&word.to_be_bytes());
            }
            bytes
        })
    }

    fn map(self, operation: impl Fn(Bits) -> Bits) -> Self {
        Planes(self.0.map(operation))
    }

    /// `other` in the given columns, `self` elsewhere.
    fn replaced(self, columns: Bits, other: &Planes) -> Self {
        let plane = |i: usize| self.0[i] & !columns | other.0[i] & columns;
        Planes([plane(0), plane(1)])
    }

    /// The shades that a palette gives to these colours.
    fn shades(self, palette: u8) -> Self {
        let [Bits(low), Bits(high)] = self.0;
        let mut planes = Planes::default();
        for i in 0..3 {
            [planes.0[0].0[i], planes.0[1].0[i]] = shades([low[i], high[i]], palette);
        }
        planes
    }
}

/// The same for a word of each plane.
fn shades([low, high]: [u64; 2], palette: u8) -> [u64; 2] {
    [0, 1].map(|bit| {
        // The bit for each colour, in all columns.
        let [a, b, c, d] =
            [0, 2, 4, 6].map(|colour| u64::from(palette >> (colour + bit) & 1).wrapping_neg());
        let without_high = a ^ low & (a ^ b);
        let with_high = c ^ low & (c ^ d);
        without_high ^ high & (without_high ^ with_high)
    })
}

/// Spreads the bits of a byte over the even bits of a word, the leftmost pixel (bit 7) lowest.
const SPREAD: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut bit = 0;
        while bit < 8 {
            table[byte] |= ((byte as u16 >> (7 - bit)) & 1) << (2 * bit);
            bit += 1;
        }
        byte += 1;
    }
    table
};
