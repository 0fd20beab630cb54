#include "hardware.h"
#include "maps.h"
#include "script.h"
#include "state.h"
#include "title.h"
#include "video.h"
#include "world.h"

#define FULL_HP 20

static void play(void) {
    game.milestones = 0;
    game.hp = FULL_HP;
    reach(STARTED);
    intro_stage();
    intro();
    game.mode = WORLD;
    enter_map(MAP_BEDROOM, 5, 2, DOWN);
    while (!reached(ENDING)) world_step();
}

void main(void) {
    game.magic = MAGIC;
    video_start();
    publisher_logo();
    for (;;) {
        title();
        play();
        credits();
    }
}
