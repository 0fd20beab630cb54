/* People on the current map: where they stand, how they are drawn, their walks. */
#ifndef PEOPLE_H
#define PEOPLE_H

#include <stdint.h>

#include "maps.h"

void load_people(const struct person *people, uint8_t count);

/* Who stands there; game.people when nobody does. */
uint8_t person_at(uint8_t x, uint8_t y);

/* Draw all, moved by so many pixels against the player's cell. */
void draw_people(const struct person *people, int8_t shift_x, int8_t shift_y);

/* A person walks one step, one pixel a frame. */
void walk_person(uint8_t person, uint8_t direction);

#endif
