/* Text boxes and lists, drawn on the window layer. */
#ifndef TEXT_H
#define TEXT_H

#include <stdint.h>

#define CANCELLED 0xFF

typedef const char *label;
extern const label names[];
#define NAMES 4

/* Show text at the bottom of the screen. '\n' ends a line, '\f' a page of two lines of at most 18
   characters, '@' is the player's name. Each page waits for a new press of A or B. */
void say(const char *text);

/* A list at the right of the screen. Up and Down move, A chooses.
   Returns the index, or CANCELLED after B or Start. `first` is where the cursor starts. */
uint8_t choose(const label *items, uint8_t count, uint8_t first);

/* The part of the screen that a box hides, for the sprites below it. */
uint8_t box_hides(uint8_t x, uint8_t y);

#endif
