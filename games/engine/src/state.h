/* The game's memory, whose documented block is in each game's ram.h, and its milestones. */
#ifndef STATE_H
#define STATE_H

#include "ram.h"

#define MAX_CELLS 1024
#define SOLID 0x80

enum mode { LOGO, TITLE, ATTRACT, INTRO, WORLD, TEXT, MENU, BATTLE, CREDITS };

extern __at(0xC000) struct state game;
/* The current map, row by row: metatile | SOLID. */
extern __at(0xC100) uint8_t cells[MAX_CELLS];

void reach(uint8_t milestone);
uint8_t reached(uint8_t milestone);

#endif
