/* Battles: the companion and one foe, turn by turn, FIGHT, ITEM, LOOK or RUN. */
#ifndef BATTLE_H
#define BATTLE_H

#include <stdint.h>

/* After a step onto a metatile: perhaps a battle. Returns 1 when there was one; then the screen is
   lost, and game.hp is 0 after a defeat. */
uint8_t step_onto(uint8_t metatile);

/* A battle that cannot be run from; `meeting` opens it. The screen is lost; game.hp is 0 after a
   defeat. */
void duel(uint8_t creature, const char *meeting);

#endif
