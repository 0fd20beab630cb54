/* The story: what people and things do, and when a milestone is reached. */
#ifndef STORY_H
#define STORY_H

#include <stdint.h>

/* SAY and STROLL speak their text; who strolls walks about as well. */
enum script {
    SAY, STROLL, AUNT, GUARD, KEEPER, LANTERN_EMBER, LANTERN_DEW, LANTERN_MOSS, NORTH_GATE,
    INNKEEPER, BOOK, SHOPKEEPER, CHANDLER, WARDEN, GLOOM_ITSELF, GREAT_LAMP
};

void run_script(uint8_t script, uint8_t who, const char *text);

/* After the map's cells are in RAM and before they are drawn: what happened earlier stays so. */
void story_map_loaded(void);

/* After the player arrived on a cell or on a map. */
void story_arrived(void);

/* In the rest house slept in last, after a defeat or with a saved game. */
void wake_up(void);
void defeated(void);

#endif
