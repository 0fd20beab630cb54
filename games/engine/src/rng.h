/* Random numbers. They come from DIV and from the frame in which buttons are pressed. */
#ifndef RNG_H
#define RNG_H

#include <stdint.h>

extern volatile uint8_t entropy; /* DIV as it stood at the last VBlank */

/* Mix the moment of a press into the state. */
void rng_stir(void);

uint8_t random_byte(void);

/* A number from 0 to most, most < 16. */
uint8_t random_up_to(uint8_t most);

#endif
