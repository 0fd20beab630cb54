//! The scanline renderer: background, window and objects of one line, or of a part of it between
//! two register writes.

#![forbid(unsafe_code)]

use super::{lcdc, Ppu, HEIGHT, WIDTH};

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
    /// The line's objects: the first ten in OAM order, then sorted by X.
    fn line_objects(&self) -> ([Object; OBJS_PER_LINE], usize) {
        let mut objects = [Object::default(); OBJS_PER_LINE];
        let mut count = 0;
        for (index, entry) in self.oam.chunks_exact(4).enumerate() {
            let row = self.line.wrapping_add(16).wrapping_sub(entry[0]);
            if row < self.object_height() && !self.hidden_by_dma(index) {
                objects[count] = Object {
                    y: entry[0],
                    x: entry[1],
                    tile: entry[2],
                    flags: entry[3],
                };
                count += 1;
                if count == OBJS_PER_LINE {
                    break;
                }
            }
        }
        // A stable sort: at equal X the earlier entry wins.
        objects[..count].sort_by_key(|object| object.x);
        (objects, count)
    }

    /// Mode 2 looks at an entry every two cycles, and finds none that a DMA transfer has taken.
    fn hidden_by_dma(&self, index: usize) -> bool {
        let time = self.line_start + 4 + 2 * index as u64;
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
    pub(super) fn object_delay(&self) -> u64 {
        let (objects, count) = self.line_objects();
        let mut delay = 0;
        let mut last_tile = None;
        for object in &objects[..count] {
            if object.x >= 168 {
                break;
            }
            let over_window = self.window_shown && object.x > self.wx;
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

    /// Draws this line's pixels up to column `end`, with the registers as they are.
    pub(super) fn draw_to(&mut self, end: u8) {
        let (start, end) = (usize::from(self.drawn), usize::from(end));
        if start >= end {
            return;
        }
        let mut colours = [0u8; WIDTH];
        if self.lcdc & lcdc::BG_ENABLE != 0 {
            let y = self.line.wrapping_add(self.scy);
            let map = if self.lcdc & lcdc::BG_MAP != 0 {
                0x1C00
            } else {
                0x1800
            };
            self.draw_tiles(&mut colours, start, end, map, y, usize::from(self.scx));
            if self.window_shown && self.lcdc & lcdc::WINDOW_ENABLE != 0 {
                let left = usize::from(self.wx).saturating_sub(7).max(start);
                let map = if self.lcdc & lcdc::WINDOW_MAP != 0 {
                    0x1C00
                } else {
                    0x1800
                };
                // Window column of screen column x is x + 7 - WX, modulo 256.
                let offset = 256 + 7 - usize::from(self.wx);
                if left < end {
                    self.draw_tiles(&mut colours, left, end, map, self.window_line, offset);
                }
            }
        }
        for (shade, &colour) in self.row[start..end].iter_mut().zip(&colours[start..end]) {
            *shade = self.bgp >> (colour * 2) & 3;
        }
        if self.lcdc & lcdc::OBJ_ENABLE != 0 {
            self.draw_objects(&colours, start, end);
        }
        self.drawn = end as u8;
    }

    /// Colours of columns `start..end` from line `y` of a tile map; column x shows the map's column
    /// x + `offset`, modulo 256.
    fn draw_tiles(
        &self,
        colours: &mut [u8; WIDTH],
        start: usize,
        end: usize,
        map: usize,
        y: u8,
        offset: usize,
    ) {
        let map_row = map + usize::from(y / 8) * 32;
        let mut x = start;
        while x < end {
            let column = (x + offset) % 256;
            let tile = self.vram[map_row + column / 8];
            let base = if self.lcdc & lcdc::TILE_DATA != 0 {
                usize::from(tile) * 16
            } else {
                0x1000usize.wrapping_add_signed(isize::from(tile as i8) * 16)
            };
            let pixels = self.tile_row(base, y % 8);
            let skip = column % 8;
            let count = (8 - skip).min(end - x);
            colours[x..x + count].copy_from_slice(&pixels[skip..skip + count]);
            x += count;
        }
    }

    /// The eight colours of a tile's row.
    fn tile_row(&self, base: usize, row: u8) -> [u8; 8] {
        let index = base + usize::from(row) * 2;
        let low = SPREAD[usize::from(self.vram[index])];
        let high = SPREAD[usize::from(self.vram[index + 1])];
        (low | high << 1).to_le_bytes()
    }

    fn draw_objects(&mut self, background: &[u8; WIDTH], start: usize, end: usize) {
        let (objects, count) = self.line_objects();
        let mut taken = [false; WIDTH];
        for object in &objects[..count] {
            let tall = self.object_height() == 16;
            let mut row = self.line.wrapping_add(16).wrapping_sub(object.y);
            if object.flags & 0x40 != 0 {
                row = self.object_height() - 1 - row;
            }
            let tile = if tall {
                object.tile & 0xFE
            } else {
                object.tile
            };
            let mut pixels =
                self.tile_row(usize::from(tile) * 16 + usize::from(row & 8) * 2, row & 7);
            if object.flags & 0x20 != 0 {
                pixels.reverse();
            }
            let palette = self.obp[usize::from(object.flags >> 4 & 1)];
            let behind = object.flags & 0x80 != 0;
            for (column, &colour) in pixels.iter().enumerate() {
                let x = (usize::from(object.x) + column).wrapping_sub(8);
                if colour == 0 || x < start || x >= end || taken[x] {
                    continue;
                }
                taken[x] = true;
                if !behind || background[x] == 0 {
                    self.row[x] = palette >> (colour * 2) & 3;
                }
            }
        }
    }

    pub(super) fn finish_row(&mut self) {
        let start = usize::from(self.line).min(HEIGHT - 1) * WIDTH / 4;
        let out = &mut self.back[start..start + WIDTH / 4];
        for (byte, shades) in out.iter_mut().zip(self.row.chunks_exact(4)) {
            *byte = shades[0] | shades[1] << 2 | shades[2] << 4 | shades[3] << 6;
        }
    }
}

/// Spreads the bits of a byte over eight bytes, the leftmost pixel (bit 7) first.
const SPREAD: [u64; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut bit = 0;
        while bit < 8 {
            table[byte] |= ((byte as u64 >> (7 - bit)) & 1) << (8 * bit);
            bit += 1;
        }
        byte += 1;
    }
    table
};
