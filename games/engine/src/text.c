#include "text.h"

#include "font.h"
#include "hardware.h"
#include "hooks.h"
#include "input.h"
#include "state.h"
#include "video.h"
#include "world.h"

#define SCREEN_COLUMNS 20
#define SCREEN_ROWS 18
#define TEXT_ROWS 6
#define LINE 18

const label names[] = {"ROWAN", "MIRA", "TOBI", "WREN"};
label text_foe;
uint8_t text_number;

static uint8_t box_left = 255, box_top = 255; /* in pixels; 255: no box */

static uint8_t *window_at(uint8_t column, uint8_t row) {
    return VRAM_WINDOW + ((uint16_t)row << 5) + column;
}

static void fill(uint8_t *at, uint8_t glyph, uint8_t count) {
    do {
        *at++ = glyph;
    } while (--count);
}

static void draw_row(uint8_t row, uint8_t columns, uint8_t left, uint8_t middle, uint8_t right) {
    uint8_t *at = window_at(0, row);
    *at++ = left;
    fill(at, middle, columns - 2);
    at[columns - 2] = right;
}

/* Draw an empty box row by row, as VBlank is short, then show it. */
static void open_box(uint8_t columns, uint8_t rows) {
    animation_paused = 1;
    for (uint8_t row = 0; row < rows; row++) {
        if (columns > LIST_COLUMNS || !(row & 1)) next_frame();
        if (row == 0) {
            draw_row(row, columns, BOX_TOP_LEFT, BOX_HORIZONTAL, BOX_TOP_RIGHT);
        } else if (row == rows - 1) {
            draw_row(row, columns, BOX_BOTTOM_LEFT, BOX_HORIZONTAL, BOX_BOTTOM_RIGHT);
        } else {
            draw_row(row, columns, BOX_VERTICAL, 0, BOX_VERTICAL);
        }
    }
    box_left = (SCREEN_COLUMNS - columns) << 3;
    box_top = (SCREEN_ROWS - rows) << 3;
    WX = box_left + 7;
    WY = box_top;
    redraw_sprites();
    next_frame();
    LCDC |= LCDC_WINDOW;
}

static void close_box(void) {
    next_frame();
    LCDC &= (uint8_t)~LCDC_WINDOW;
    box_left = box_top = 255;
    animation_paused = 0;
    redraw_sprites();
}

uint8_t box_hides(uint8_t x, uint8_t y) {
    return x + 16 > box_left && y + 16 > box_top;
}

static uint8_t *line_at(uint8_t line) {
    return window_at(1, 2 + (line << 1));
}

static void clear_page(void) {
    for (uint8_t line = 0; line < 2; line++) {
        next_frame();
        fill(line_at(line), 0, LINE);
    }
}

label number(void) {
    static char digits[3];
    char *at = digits;
    uint8_t tens = 0, ones = text_number;
    while (ones >= 10) {
        ones -= 10;
        tens++;
    }
    if (tens) *at++ = '0' + tens;
    *at++ = '0' + ones;
    *at = 0;
    return digits;
}

/* What a character of a text stands for, 0 for itself. */
static label expansion(char c) {
    switch (c) {
    case '@': return names[game.name];
    case '&': return text_foe;
    case '#': return number();
    default: return OTHER_WORD(c);
    }
}

/* Write one page, a few glyphs a frame. Returns what follows it. */
static const char *write_page(const char *text) {
    uint8_t *at = line_at(0);
    label inner = 0; /* the rest of an expansion while it is being written */
    for (uint8_t glyphs = 0; *text && *text != '\f'; glyphs++) {
        if (glyphs == 0 || glyphs == GLYPHS_A_FRAME) {
            next_frame();
            glyphs = 0;
        }
        if (*text == '\n') {
            at = line_at(1);
            text++;
            continue;
        }
        if (!inner) inner = expansion(*text);
        if (!inner) {
            *at++ = glyph_tile(*text++);
            continue;
        }
        *at++ = glyph_tile(*inner++);
        if (!*inner) {
            inner = 0;
            text++;
        }
    }
    return text;
}

void wait_for_a_or_b(void) {
    uint8_t *more = window_at(LINE, TEXT_ROWS - 1);
    game.waiting = 1;
    do {
        next_frame();
        *more = (uint8_t)game.clock & 16 ? BOX_MORE : BOX_HORIZONTAL;
    } while (!(pressed & (BUTTON_A | BUTTON_B)));
    *more = BOX_HORIZONTAL;
    game.waiting = 0;
}

void say(const char *text) {
    uint8_t mode = game.mode;
    game.mode = TEXT;
    open_box(SCREEN_COLUMNS, TEXT_ROWS);
    SHOW_BANK(TEXTS_BANK);
    for (;;) {
        text = write_page(text);
        wait_for_a_or_b();
        if (!*text) break;
        text++; /* the '\f' */
        clear_page();
    }
    SHOW_BANK(MAPS_BANK);
    close_box();
    game.mode = mode;
}

static void write_item(uint8_t row, const char *item) {
    uint8_t *at = window_at(2, row);
    next_frame();
    while (*item) *at++ = glyph_tile(*item++);
}

static void show_cursor(uint8_t glyph) {
    *window_at(1, 2 + (game.cursor << 1)) = glyph;
}

uint8_t choose(const label *items, uint8_t count, uint8_t first, uint8_t height) {
    uint8_t mode = game.mode;
    game.mode = MENU;
    game.cursor = first;
    open_box(LIST_COLUMNS, height);
    for (uint8_t i = 0; i < count; i++) write_item(2 + (i << 1), items[i]);
    do {
        next_frame();
        show_cursor(0);
        if (pressed & UP) game.cursor = (game.cursor ? game.cursor : count) - 1;
        if (pressed & DOWN) game.cursor = game.cursor + 1 < count ? game.cursor + 1 : 0;
        show_cursor(glyph_tile('>'));
    } while (!(pressed & (BUTTON_A | BUTTON_B | START)));
    uint8_t choice = pressed & BUTTON_A ? game.cursor : CANCELLED;
    close_box();
    game.mode = mode;
    return choice;
}
