/* Buttons: bit 0 Right, 1 Left, 2 Up, 3 Down, 4 A, 5 B, 6 Select, 7 Start. */
#ifndef INPUT_H
#define INPUT_H

#include <stdint.h>

extern uint8_t pressed; /* buttons that went down in this frame */

/* Into game.held and pressed. */
void read_input(void);

#endif
