/* 8 x 8 glyphs, one byte a row, bit 7 left: ASCII 32 to 95, then parts of a box and of an HP bar. */
#ifndef FONT_H
#define FONT_H

#include <stdint.h>

#define FONT_GLYPHS 76

enum box_glyph {
    BOX_TOP_LEFT = 64, BOX_TOP_RIGHT, BOX_BOTTOM_LEFT, BOX_BOTTOM_RIGHT, BOX_HORIZONTAL,
    BOX_VERTICAL, BOX_MORE
};

enum bar_glyph { BAR_LEFT = 71, BAR_FULL, BAR_HALF, BAR_EMPTY, BAR_RIGHT };

#define glyph_tile(c) ((uint8_t)((c) - 32))

extern const uint8_t font[FONT_GLYPHS][8];

#endif
