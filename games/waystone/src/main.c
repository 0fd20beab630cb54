#include "ending.h"
#include "intro.h"
#include "items.h"
#include "state.h"
#include "story.h"
#include "title.h"
#include "video.h"
#include "world.h"

static void play(void) {
    game.milestones = 0;
    game.flags = game.defeats = 0;
    game.hp = FULL_HP;
    game.bread = PACKED_BREAD;
    reach(STARTED);
    intro();
    game.mode = WORLD;
    wake_up();
    while (!reached(ENDING)) world_step();
}

void main(void) {
    game.magic = MAGIC;
    video_start();
    publisher_logo();
    for (;;) {
        title();
        play();
        ending();
    }
}
