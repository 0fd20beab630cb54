#include "stroll.h"

#include "hardware.h"
#include "maps.h"
#include "people.h"
#include "rng.h"
#include "state.h"
#include "story.h"
#include "world.h"

#define EVERY_FRAMES 32 /* a power of 2 */
#define STEP_FRAMES 16
#define RANGE 2

static uint8_t direction, frames;

static uint8_t far(uint8_t a, uint8_t b, uint8_t most) {
    return a > b + most || b > a + most;
}

/* The player's cell, and the one that he may be stepping onto, are left alone. */
static uint8_t is_players(uint8_t x, uint8_t y) {
    return (x == game.x && y == game.y) ||
           (x == (uint8_t)(game.x + delta_x(game.facing)) &&
            y == (uint8_t)(game.y + delta_y(game.facing)));
}

static void begin(uint8_t who) {
    const struct person *home = &maps[game.map].people[who];
    direction = 1 << (random_byte() & 3);
    uint8_t x = game.person_x[who] + delta_x(direction);
    uint8_t y = game.person_y[who] + delta_y(direction);
    if (home->script != STROLL || far(x, home->x, RANGE) || far(y, home->y, RANGE)) return;
    if (cells[(uint16_t)y * game.width + x] & SOLID) return;
    if (is_players(x, y) || person_at(x, y) < game.people) return;
    game.person_x[who] = x;
    game.person_y[who] = y;
    moving_person = who;
    frames = STEP_FRAMES;
}

void stroll(void) {
    if (moving_person < game.people) {
        frames--;
        moving_x = -delta_x(direction) * (int8_t)frames;
        moving_y = -delta_y(direction) * (int8_t)frames;
        if (!frames) moving_person = MAX_PEOPLE;
        redraw_sprites();
    } else if (game.people && !((uint8_t)game.clock & (EVERY_FRAMES - 1))) {
        uint8_t who = random_byte() & 3;
        if (who < game.people) begin(who);
    }
}
