/* The pictures that move of a game, which its figures.h lists. Colour 0 is transparent. */
#ifndef SPRITES_H
#define SPRITES_H

#include "figures.h"
#include "picture.h"

#define X(name) SPRITE_##name,
enum sprite { FIGURES(X) SPRITE_COUNT };
#undef X

extern const uint8_t sprite_art[SPRITE_COUNT][PICTURE_BYTES];

#endif
