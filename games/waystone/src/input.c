#include "input.h"

#include "hardware.h"

uint8_t held, pressed;

void read_input(void) {
    uint8_t before = held;
    P1 = 0x20; /* select the directions */
    held = P1;
    held = ~P1 & 0x0F;
    P1 = 0x10; /* select the buttons */
    pressed = P1;
    pressed = P1;
    held |= (uint8_t)(~P1 << 4);
    P1 = 0x30;
    pressed = held & ~before;
}
