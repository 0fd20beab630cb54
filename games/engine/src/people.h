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

/* Who is walking, MAX_PEOPLE for nobody, and where he is now relative to his cell. */
extern uint8_t moving_person;
extern int8_t moving_x, moving_y;

/* A person walks one step, one pixel a frame. */
void walk_person(uint8_t person, uint8_t direction);

#endif
