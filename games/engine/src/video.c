#include "video.h"

#include "font.h"
#include "hardware.h"
#include "hooks.h"
#include "input.h"
#include "maps.h"
#include "rng.h"
#include "sprites.h"
#include "state.h"
#include "tiles.h"

/* A multiple of 4, so that no picture straddles tiles 127 and 128, which lie apart. */
#define FIRST_FREE_TILE ((FONT_GLYPHS + 3) & 0xFC)
#define LCDC_NORMAL \
    (LCDC_ON | LCDC_WINDOW_MAP_9C00 | LCDC_TALL_SPRITES | LCDC_SPRITES | LCDC_BACKGROUND)
#define NORMAL 0xE4
#define INVERTED 0x1B

__at(0xC500) struct sprite_entry sprites[SPRITE_ENTRIES];
uint8_t scroll_x, scroll_y, animation_paused, map_shown;

static uint8_t loaded[METATILE_COUNT]; /* first tile of a metatile in VRAM, 0: not there */
static uint8_t free_tile;
static uint8_t animation_clock;
static uint8_t *queued_at; /* background address of the queued metatile, 0: none */
static uint8_t queued_tiles;

/* Metatiles that have a second picture right after their own. */
static const uint8_t animated[] = {MT_WATER, MT_FLOWER, MT_TORCH};

/* Background tile i lies at 0x9000 + 16 i for i < 128, at 0x8000 + 16 i otherwise. */
static uint8_t *tile_address(uint8_t tile) {
    uint16_t offset = (uint16_t)tile << 4;
    return (uint8_t *)(tile < 128 ? 0x9000 + offset : 0x8000 + offset);
}

/* Copy the 8 rows of a tile out of a 16 pixels wide picture. In assembly (`to` comes in DE, `from`
   in BC), as it has to leave room for other writes in the same VBlank. */
static void copy_rows(uint8_t *to, const uint8_t *from) __naked {
    to;
    from;
    __asm
        ld  h, b
        ld  l, c
        ld  b, #8
    00001$:
        ld  a, (hl+)
        ld  (de), a
        inc de
        ld  a, (hl+)
        ld  (de), a
        inc de
        inc hl
        inc hl
        dec b
        jr  nz, 00001$
        ret
    __endasm;
}

/* Quarters of a picture: 0 top left, 1 bottom left, 2 top right, 3 bottom right. */
static void copy_quarter(uint8_t *to, const uint8_t *picture, uint8_t quarter) {
    if (quarter & 1) picture += PICTURE_BYTES / 2;
    if (quarter & 2) picture += 2;
    SHOW_BANK(ART_BANK);
    copy_rows(to, picture);
    SHOW_BANK(MAPS_BANK);
}

static void copy_picture(uint8_t *to, const uint8_t *picture) {
    for (uint8_t quarter = 0; quarter < 4; quarter++, to += 16) copy_quarter(to, picture, quarter);
}

/* Metatiles change their pictures every 32 frames, a quarter a frame to stay inside VBlank. */
static void animate(void) {
    if (animation_paused) return;
    animation_clock++;
    uint8_t which = (animation_clock >> 2) & 7;
    if (which >= sizeof animated) return;
    uint8_t metatile = animated[which];
    if (!loaded[metatile]) return;
    uint8_t quarter = animation_clock & 3;
    const uint8_t *picture = metatile_art[metatile];
    if (animation_clock & 32) picture += PICTURE_BYTES;
    copy_quarter(tile_address(loaded[metatile] + quarter), picture, quarter);
}

static void write_cell(uint8_t *at, uint8_t tiles) {
    at[0] = tiles;
    at[32] = ++tiles;
    at[1] = ++tiles;
    at[33] = ++tiles;
}

static uint8_t *cell_address(uint8_t column, uint8_t row) {
    return VRAM_BACKGROUND + ((uint16_t)(row & 15) << 6) + ((column & 15) << 1);
}

void next_frame(void) {
    __asm__("halt\nnop");
    if (queued_at) {
        write_cell(queued_at, queued_tiles);
        queued_at = 0;
    }
    animate();
    read_input();
    game.clock++;
    if (pressed) rng_stir();
}

void wait_frames(uint8_t frames) {
    while (frames--) next_frame();
}

static void load_font(void) {
    for (uint8_t glyph = 0; glyph < FONT_GLYPHS; glyph++) {
        uint8_t *to = tile_address(glyph);
        for (uint8_t row = 0; row < 8; row++) {
            *to++ = font[glyph][row];
            *to++ = font[glyph][row];
        }
    }
}

void video_start(void) {
    __asm__("halt\nnop");
    LCDC = 0;
    load_font();
    OBP0 = 0xE0; /* colour 1 white, 2 dark grey, 3 black */
    BGP = NORMAL;
    screen_begin();
    for (uint8_t picture = 0; picture < SPRITE_COUNT; picture++) {
        copy_picture(VRAM_SPRITES + ((uint16_t)picture << 6), sprite_art[picture]);
    }
    screen_end();
}

void screen_begin(void) {
    if (LCDC & LCDC_ON) {
        FADE_OUT();
        next_frame();
        __asm__("halt\nnop"); /* the LCD may be switched off in VBlank only */
        LCDC = 0;
    }
    for (uint8_t i = 0; i < METATILE_COUNT; i++) loaded[i] = 0;
    free_tile = FIRST_FREE_TILE;
    hide_sprites(0);
    map_shown = 0;
    scroll_x = scroll_y = 0;
}

void screen_end(void) {
    BGP = FADED_IN;
    DIV = 0; /* so that what it says at a VBlank depends on frames, not on an emulator's start */
    LCDC = LCDC_NORMAL;
    next_frame();
    FADE_IN();
}

uint8_t tiles_of(uint8_t metatile) {
    if (!loaded[metatile]) {
        copy_picture(tile_address(free_tile), metatile_art[metatile]);
        loaded[metatile] = free_tile;
        free_tile += 4;
    }
    return loaded[metatile];
}

void put_cell(uint8_t column, uint8_t row, uint8_t metatile) {
    write_cell(cell_address(column, row), tiles_of(metatile));
}

void queue_cell(uint8_t column, uint8_t row, uint8_t metatile) {
    queued_tiles = loaded[metatile];
    queued_at = cell_address(column, row);
}

void put_picture(uint8_t column, uint8_t row, const uint8_t *picture) {
    copy_picture(tile_address(free_tile), picture);
    write_cell(cell_address(column, row), free_tile);
    free_tile += 4;
}

void put_rows(uint8_t row, uint8_t rows, const char *glyphs) {
    for (uint8_t last = row + rows; row < last; row++) {
        for (uint8_t column = 0; column < 10; column++) {
            put_cell(column, row, glyph_cells[*glyphs++ - ' '] & (uint8_t)~SOLID);
        }
    }
}

void flash(uint8_t times) {
    while (times--) {
        BGP = INVERTED;
        wait_frames(4);
        BGP = NORMAL;
        wait_frames(4);
    }
}

void draw_sprite(uint8_t entry, uint8_t x, uint8_t y, uint8_t picture, uint8_t flip) {
    struct sprite_entry *at = &sprites[entry];
    uint8_t tile = picture << 2;
    for (uint8_t half = 0; half < 2; half++, at++) {
        at->y = y + 16;
        at->x = x + 8 + (half << 3);
        at->tile = tile + ((half ^ flip) << 1);
        at->flags = flip ? SPRITE_FLIP_X : 0;
    }
}

void hide_sprites(uint8_t first_entry) {
    for (uint8_t i = first_entry; i < SPRITE_ENTRIES; i++) sprites[i].y = 0;
}

void clear_background(void) {
    for (uint8_t *at = VRAM_BACKGROUND; at < VRAM_BACKGROUND + 1024; at++) *at = 0;
}

void print_at(uint8_t column, uint8_t row, const char *text) {
    uint8_t *at = VRAM_BACKGROUND + ((uint16_t)row << 5) + column;
    while (*text) *at++ = glyph_tile(*text++);
}

/* Four bits of a glyph's row, each pixel doubled. */
static uint8_t widen(uint8_t bits) {
    uint8_t wide = 0;
    for (uint8_t i = 0; i < 4; i++) {
        wide <<= 2;
        if (bits & 0x80) wide |= 3;
        bits <<= 1;
    }
    return wide;
}

/* Copy a glyph at twice its size into four free tiles and return the first. */
static uint8_t big_glyph(char letter) {
    uint8_t tile = free_tile;
    const uint8_t *rows = font[glyph_tile(letter)];
    uint8_t *to = tile_address(tile);
    for (uint8_t half = 0; half < 2; half++) {
        for (uint8_t line = 0; line < 16; line++) {
            uint8_t wide = widen(rows[line >> 1] << (half ? 4 : 0));
            *to++ = wide;
            *to++ = wide;
        }
    }
    free_tile += 4;
    return tile;
}

void print_big(uint8_t column, uint8_t row, const char *text) {
    uint8_t *at = VRAM_BACKGROUND + ((uint16_t)row << 5) + column;
    for (; *text; text++, at += 2) {
        if (*text != ' ') write_cell(at, big_glyph(*text));
    }
}
