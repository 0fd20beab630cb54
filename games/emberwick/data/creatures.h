/* Who is met, and where. */
#ifndef CREATURES_H
#define CREATURES_H

#include "tiles.h"

enum creature_id {
    MOTH, HEDGEPIG, CROW, BRAMBLE, OWL, SPORE, WISP, BAT, SPIDER, CRAB, HOUND, GLOOM, CREATURES
};

struct creature {
    const char *name;
    uint8_t kind; /* an enum companion, or 0 */
    uint8_t hp;
    uint8_t least, spread; /* its blow takes least to least + spread HP */
    uint8_t experience, coins;
};

/* Where creatures are met: in tall grass, and on the floors of the tower. */
struct haunt {
    uint8_t map;
    uint8_t chance;     /* of 256, a step */
    uint8_t foes[4];    /* each as likely */
    const char *ground; /* ten metatiles across the battle's screen */
};

#define HAUNTS 6
#define LARGE_PICTURE 4 /* pictures of a large picture: two, and two below */
#define COMPANIONS 3

extern const struct creature creatures[CREATURES];
extern const struct haunt haunts[HAUNTS];
extern const char duel_ground[];
/* The creatures in their order, then the three companions from behind. */
extern const uint8_t large_art[CREATURES + COMPANIONS][LARGE_PICTURE][PICTURE_BYTES];

#endif
