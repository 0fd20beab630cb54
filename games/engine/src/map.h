/* What maps are made of. Each game's maps.h adds which there are. */
#ifndef MAP_H
#define MAP_H

#include <stdint.h>

/* Stepping on (x, y) leads to another map. */
struct warp {
    uint8_t x, y;
    uint8_t to_map, to_x, to_y, facing;
};

struct person {
    uint8_t x, y;
    uint8_t sprite;
    uint8_t script; /* enum script, or SAY */
    const char *text;
};

/* A cell that answers to A: a sign, a chest, a gate. */
struct note {
    uint8_t x, y;
    uint8_t script;
    const char *text;
};

struct map {
    const char *cells; /* rows of glyphs, see metatiles.h */
    uint8_t width, height;
    uint8_t border[2]; /* the metatiles outside, mostly the first */
    uint8_t extra[2];  /* metatiles that appear later, loaded with the map */
    const struct warp *warps;
    uint8_t warp_count;
    const struct person *people;
    uint8_t people_count;
    const struct note *notes;
    uint8_t note_count;
};

extern const struct map maps[];
extern const uint8_t glyph_cells[96]; /* glyph - ' ' -> metatile | SOLID */

#endif
