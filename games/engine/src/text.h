/* Text boxes and lists, drawn on the window layer. */
#ifndef TEXT_H
#define TEXT_H

#include <stdint.h>

#define CANCELLED 0xFF

typedef const char *label;
extern const label names[];
#define NAMES 4

/* What '&' and '#' stand for in a text. */
extern label text_foe;
extern uint8_t text_number;

/* The digits of text_number, which is below 100; good until the next call. */
label number(void);

/* Show text at the bottom of the screen, written as texts.h says. Each page waits for a new press
   of A or B. */
void say(const char *text);

void wait_for_a_or_b(void);

/* Heights of a list, in rows of 8 pixels. */
#define TALL 18
#define SMALL 8

/* A list at the right of the screen. Up and Down move, A chooses.
   Returns the index, or CANCELLED after B or Start. `first` is where the cursor starts. */
uint8_t choose(const label *items, uint8_t count, uint8_t first, uint8_t height);

/* The part of the screen that a box hides, for the sprites below it. */
uint8_t box_hides(uint8_t x, uint8_t y);

#endif
