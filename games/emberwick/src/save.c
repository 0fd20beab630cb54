#include "save.h"

#include <stddef.h>

#include "hardware.h"
#include "state.h"

#define RAM_ENABLE REGISTER(0x0000)
#define BATTERY_RAM ((uint8_t *)0xA000)
/* A mark, what is saved, its sum. */
#define MARK 4
#define SAVED_FROM offsetof(struct state, milestones)
#define SAVED (offsetof(struct state, map) - SAVED_FROM)

static const uint8_t mark[MARK] = {'W', 'I', 'C', 'K'};

/* Fletcher's sum, which sees bytes that are changed and bytes that change places. */
static uint16_t sum(const uint8_t *bytes) {
    uint8_t low = 1, high = 0;
    for (uint8_t i = SAVED; i; i--) {
        low += *bytes++;
        high += low;
    }
    return (uint16_t)high << 8 | low;
}

static void copy(uint8_t *to, const uint8_t *from, uint8_t bytes) {
    while (bytes--) *to++ = *from++;
}

static uint8_t *saved(void) {
    return (uint8_t *)&game + SAVED_FROM;
}

uint8_t save_exists(void) {
    const uint8_t *at = BATTERY_RAM;
    RAM_ENABLE = 0x0A;
    uint16_t expected = sum(at + MARK);
    uint8_t whole = at[MARK + SAVED] == (uint8_t)expected &&
                    at[MARK + SAVED + 1] == (uint8_t)(expected >> 8);
    for (uint8_t i = 0; i < MARK; i++) whole &= at[i] == mark[i];
    RAM_ENABLE = 0;
    return whole;
}

void save_game(void) {
    uint8_t *at = BATTERY_RAM;
    uint16_t check = sum(saved());
    RAM_ENABLE = 0x0A;
    copy(at, mark, MARK);
    copy(at + MARK, saved(), SAVED);
    at[MARK + SAVED] = (uint8_t)check;
    at[MARK + SAVED + 1] = (uint8_t)(check >> 8);
    RAM_ENABLE = 0;
}

void load_game(void) {
    RAM_ENABLE = 0x0A;
    copy(saved(), BATTERY_RAM + MARK, SAVED);
    RAM_ENABLE = 0;
}
