#include "tiles.h"

#include "tile_art.h"

const uint8_t metatile_art[METATILE_COUNT][PICTURE_BYTES] = {
#define X(name, glyph, solid) {TILE_##name},
    METATILES(X)
#undef X
};
