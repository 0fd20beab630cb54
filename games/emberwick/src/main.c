#include "ending.h"
#include "hardware.h"
#include "hooks.h"
#include "intro.h"
#include "items.h"
#include "maps.h"
#include "save.h"
#include "state.h"
#include "story.h"
#include "title.h"
#include "video.h"
#include "world.h"

#define FIRST_COINS 10

static void begin(void) {
    game.milestones = 0;
    game.companion = game.flags = game.defeats = 0;
    game.hp = game.full_hp = 1;
    game.level = game.experience = 0;
    game.coins = FIRST_COINS;
    game.items[HONEY] = game.items[TEA] = 0;
    game.rest = MAP_REST_A;
    reach(STARTED);
    intro();
    game.mode = WORLD;
    enter_map(MAP_LOFT, 3, 3, DOWN);
}

static void go_on(void) {
    load_game();
    game.mode = WORLD;
    wake_up();
}

void main(void) {
    SHOW_BANK(MAPS_BANK);
    game.magic = MAGIC;
    video_start();
    publisher_logo();
    for (;;) {
        if (title()) {
            go_on();
        } else {
            begin();
        }
        while (!reached(ENDING)) world_step();
        ending();
    }
}
