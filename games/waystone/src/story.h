/* The story: what people and things do, and when a milestone is reached. */
#ifndef STORY_H
#define STORY_H

#include <stdint.h>

enum script { SAY, MOTHER, GUARD, ELDER, CHEST, GATE, PAINTING, WAYSTONE };

void run_script(uint8_t script, uint8_t who, const char *text);

/* After the map's cells are in RAM and before they are drawn: what happened earlier stays so. */
void story_map_loaded(void);

/* After the player arrived on a cell or on a map. */
void story_arrived(void);

/* In bed, at the beginning and after a defeat. */
void wake_up(void);
void defeated(void);

#endif
