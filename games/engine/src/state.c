#include "state.h"

__at(0xC000) struct state game;
__at(0xC100) uint8_t cells[MAX_CELLS];

void reach(uint8_t milestone) {
    game.milestones |= (milestone_bits)1 << milestone;
}

uint8_t reached(uint8_t milestone) {
    return (uint8_t)(game.milestones >> milestone) & 1;
}
