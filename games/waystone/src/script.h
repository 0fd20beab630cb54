/* The story: what people and things do, and when a milestone is reached. */
#ifndef SCRIPT_H
#define SCRIPT_H

#include <stdint.h>

enum script { SAY, GUARD, CHEST, GATE, WAYSTONE };

void run_script(uint8_t script, uint8_t who, const char *text);

/* After the map's cells are in RAM and before they are drawn: what happened earlier stays so. */
void script_map_loaded(void);

/* After the player arrived on a cell or on a map. */
void script_arrived(void);

/* The opening talk and the choice of a name. */
void intro(void);

#endif
