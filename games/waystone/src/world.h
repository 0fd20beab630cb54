/* The tile world: the current map, the player's walk, people. */
#ifndef WORLD_H
#define WORLD_H

#include <stdint.h>

/* Load a map with the player on it (LCD off and on again). */
void enter_map(uint8_t map, uint8_t x, uint8_t y, uint8_t facing);

/* One round of the world: read the buttons, then walk, act or open the menu. */
void world_step(void);

/* Change a cell for as long as the map is loaded. show_cell redraws it while the LCD is on; the
   metatile must be on the map or be its `extra` one, see maps.h. */
void set_cell(uint8_t x, uint8_t y, uint8_t metatile, uint8_t solid);
void show_cell(uint8_t x, uint8_t y);

void redraw_sprites(void);

/* A person walks one step, one pixel a frame. */
void walk_person(uint8_t person, uint8_t direction);

#endif
