/* 8 x 8 glyphs, one byte a row, bit 7 left: ASCII 32 to 95, then the parts of a box. */
#ifndef FONT_H
#define FONT_H

#include <stdint.h>

#define FONT_GLYPHS 71

enum box_glyph {
    BOX_TOP_LEFT = 64, BOX_TOP_RIGHT, BOX_BOTTOM_LEFT, BOX_BOTTOM_RIGHT, BOX_HORIZONTAL,
    BOX_VERTICAL, BOX_MORE
};

#define glyph_tile(c) ((uint8_t)((c) - 32))

extern const uint8_t font[FONT_GLYPHS][8];

#endif
