/* Pictures that move: six of the player, one of each person, what he carries. Colour 0 is
   transparent. */
#ifndef SPRITES_H
#define SPRITES_H

#include "tiles.h"

enum sprite {
    SPRITE_DOWN, SPRITE_DOWN_WALK, SPRITE_UP, SPRITE_UP_WALK, SPRITE_SIDE, SPRITE_SIDE_WALK,
    SPRITE_MOTHER, SPRITE_GIRL, SPRITE_GUARD, SPRITE_HIKER, SPRITE_KEEPER,
    SPRITE_ELDER, SPRITE_BAKER, SPRITE_PAINTER, SPRITE_FISHER, SPRITE_MINER,
    SPRITE_KEY,
    SPRITE_COUNT
};

extern const uint8_t sprite_art[SPRITE_COUNT][PICTURE_BYTES];

#endif
