#include "rng.h"

#include "state.h"

volatile uint8_t entropy;

/* Marsaglia's 16-bit xorshift (7, 9, 8). It never leaves 0, so 0 becomes 1. */
static void advance(void) {
    uint16_t x = game.rng ? game.rng : 1;
    x ^= x << 7;
    x ^= x >> 9;
    x ^= x << 8;
    game.rng = x;
}

void rng_stir(void) {
    game.rng ^= entropy;
    advance();
}

uint8_t random_byte(void) {
    advance();
    return (uint8_t)(game.rng >> 8) ^ (uint8_t)game.rng;
}

uint8_t random_up_to(uint8_t most) {
    uint8_t number;
    do {
        number = random_byte() & 15;
    } while (number > most);
    return number;
}
