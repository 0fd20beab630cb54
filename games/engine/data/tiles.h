/* The metatiles of a game, which its metatiles.h lists. */
#ifndef TILES_H
#define TILES_H

#include "metatiles.h"
#include "picture.h"

#define X(name, glyph, solid) MT_##name,
enum metatile { METATILES(X) METATILE_COUNT };
#undef X

extern const uint8_t metatile_art[METATILE_COUNT][PICTURE_BYTES];

#endif
