/* Pictures that move: six of the player, one of each person, what he carries. Colour 0 is
   transparent. */
#ifndef SPRITES_H
#define SPRITES_H

#include "tiles.h"

/* In the order of sprite_art; the pictures are those of sprite_art.h, the last two of own_art.h. */
#define SPRITES(X)                                                             \
    X(DOWN) X(DOWN_WALK) X(UP) X(UP_WALK) X(SIDE) X(SIDE_WALK)                 \
    X(MOTHER) X(GIRL) X(GUARD) X(HIKER) X(KEEPER)                              \
    X(ELDER) X(BAKER) X(PAINTER) X(FISHER) X(MINER)                            \
    X(OIL) X(GLOOM)

#define X(name) SPRITE_##name,
enum sprite { SPRITES(X) SPRITE_COUNT };
#undef X

extern const uint8_t sprite_art[SPRITE_COUNT][PICTURE_BYTES];

#endif
