/* Who bars the way, and where. */
#ifndef MONSTERS_H
#define MONSTERS_H

#include "tiles.h"

enum monster_id { HARE, BOAR, BAT, GOLEM, WISP, MONSTER_COUNT };

struct monster {
    const char *name;
    uint8_t hp;
    uint8_t least, spread; /* its blow takes least to least + spread HP; 0 is a miss */
};

/* Where monsters are met. */
struct haunt {
    uint8_t metatile;    /* steps on it */
    uint8_t chance;      /* of 256, a step */
    uint8_t foes[4];     /* each as likely */
    const char *ground;  /* ten metatiles across the battle's screen */
};

#define HAUNTS 3
#define LARGE_PICTURE 4 /* pictures of a large picture: two, and two below */

extern const struct monster monsters[MONSTER_COUNT];
extern const struct haunt haunts[HAUNTS];
/* The monsters in their order, then the player seen from behind. */
extern const uint8_t large_art[MONSTER_COUNT + 1][LARGE_PICTURE][PICTURE_BYTES];
#define HERO_FROM_BEHIND MONSTER_COUNT

#endif
