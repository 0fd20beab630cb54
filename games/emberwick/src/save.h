/* The save in the cartridge's battery RAM. */
#ifndef SAVE_H
#define SAVE_H

#include <stdint.h>

/* Returns 1 when there is a whole one. */
uint8_t save_exists(void);

void save_game(void);

/* Into the game's memory. Only after save_exists has said so. */
void load_game(void);

#endif
