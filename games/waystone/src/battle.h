/* Battles: one foe, turn by turn, FIGHT, ITEM or RUN. */
#ifndef BATTLE_H
#define BATTLE_H

#include <stdint.h>

/* After a step onto a metatile: perhaps a battle. Returns 1 when there was one; then the screen is
   lost, and game.hp is 0 after a defeat. */
uint8_t step_onto(uint8_t metatile);

#endif
