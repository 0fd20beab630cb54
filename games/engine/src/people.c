#include "people.h"

#include "state.h"
#include "text.h"
#include "video.h"
#include "world.h"

#define STEP_FRAMES 16

uint8_t moving_person;
int8_t moving_x, moving_y;

void load_people(const struct person *people, uint8_t count) {
    game.people = count;
    moving_person = MAX_PEOPLE;
    for (uint8_t i = 0; i < count; i++) {
        game.person_x[i] = people[i].x;
        game.person_y[i] = people[i].y;
    }
}

uint8_t person_at(uint8_t x, uint8_t y) {
    uint8_t i = 0;
    while (i < game.people && (game.person_x[i] != x || game.person_y[i] != y)) i++;
    return i;
}

void draw_people(const struct person *people, int8_t shift_x, int8_t shift_y) {
    for (uint8_t i = 0; i < game.people; i++) {
        int16_t x = (int16_t)(game.person_x[i] - game.x) * 16 + PLAYER_X + shift_x;
        int16_t y = (int16_t)(game.person_y[i] - game.y) * 16 + PLAYER_Y + shift_y;
        if (i == moving_person) {
            x += moving_x;
            y += moving_y;
        }
        uint8_t seen = x > -16 && x < 160 && y > -16 && y < 144 && !box_hides(x, y);
        draw_sprite(2 + (i << 1), x, seen ? y : 240, people[i].sprite, 0);
    }
}

void walk_person(uint8_t person, uint8_t direction) {
    moving_person = person;
    for (uint8_t i = 0; i < STEP_FRAMES; i++) {
        moving_x += delta_x(direction);
        moving_y += delta_y(direction);
        redraw_sprites();
        next_frame();
    }
    moving_person = MAX_PEOPLE;
    moving_x = moving_y = 0;
    game.person_x[person] += delta_x(direction);
    game.person_y[person] += delta_y(direction);
    redraw_sprites();
}
