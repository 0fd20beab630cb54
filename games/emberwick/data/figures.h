/* The pictures that move. */
#ifndef FIGURES_H
#define FIGURES_H

#include "own_art.h"

/* In the order of sprite_art: six of the player, one of each person, what he carries,
   the gloom. The pictures are those of sprite_art.h, the last two of own_art.h. */
#define FIGURES(X)                                                             \
    X(DOWN) X(DOWN_WALK) X(UP) X(UP_WALK) X(SIDE) X(SIDE_WALK)                 \
    X(MOTHER) X(GIRL) X(GUARD) X(HIKER) X(KEEPER)                              \
    X(ELDER) X(BAKER) X(PAINTER) X(FISHER) X(MINER)                            \
    X(OIL) X(GLOOM)

#endif
