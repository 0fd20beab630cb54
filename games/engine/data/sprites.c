#include "sprites.h"

#include "sprite_art.h"

const uint8_t sprite_art[SPRITE_COUNT][PICTURE_BYTES] = {
#define X(name) {FIGURE_##name},
    FIGURES(X)
#undef X
};
