/* The tile world: the current map, the player's walk and acts. */
#ifndef WORLD_H
#define WORLD_H

#include <stdint.h>

#define PLAYER_X 64 /* on the screen; the camera follows the player */
#define PLAYER_Y 64

/* The cell that lies in a direction. */
int8_t delta_x(uint8_t direction);
int8_t delta_y(uint8_t direction);

/* Put the player on a map and show it (LCD off and on again). */
void enter_map(uint8_t map, uint8_t x, uint8_t y, uint8_t facing);

/* Show the current map again, after something else was on the screen. */
void show_map(void);

/* One round of the world: read the buttons, then walk, act or open the menu. */
void world_step(void);

/* Change a cell for as long as the map is loaded. show_cell redraws it while the LCD is on; the
   metatile must be on the map or be its `extra` one, see maps.h. */
void set_cell(uint8_t x, uint8_t y, uint8_t metatile, uint8_t solid);
void show_cell(uint8_t x, uint8_t y);

void redraw_sprites(void);

#endif
