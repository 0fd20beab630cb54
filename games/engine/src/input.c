#include "input.h"

#include "hardware.h"
#include "state.h"

uint8_t pressed;

#define SELECT_DIRECTIONS 0x20
#define SELECT_BUTTONS 0x10
#define SELECT_NOTHING 0x30

/* The four lines that are low, of the half that is selected. */
static uint8_t read_half(uint8_t select) {
    P1 = select;
    (void)P1; /* on the real machine the lines take a few cycles to settle */
    (void)P1;
    return ~P1 & 0x0F;
}

void read_input(void) {
    uint8_t before = game.held;
    game.held = read_half(SELECT_DIRECTIONS) | (uint8_t)(read_half(SELECT_BUTTONS) << 4);
    P1 = SELECT_NOTHING;
    pressed = game.held & ~before;
}
