#include "intro.h"

#include "hooks.h"
#include "pages.h"
#include "sprites.h"
#include "state.h"
#include "text.h"
#include "texts.h"
#include "video.h"

static const char stage[] = INTRO_STAGE;

static uint8_t choose_name(void) {
    uint8_t choice;
    do {
        choice = CHOOSE_NAME();
    } while (choice == CANCELLED);
    return choice;
}

void intro(void) {
    game.mode = INTRO;
    screen_begin();
    clear_background();
    put_rows(1, 4, stage);
    draw_sprite(0, 72, INTRO_KEEPER_Y, SPRITE_KEEPER, 0);
    screen_end();
    say(TEXT_INTRO_1);
    say(TEXT_INTRO_2);
    game.name = choose_name();
    say(TEXT_INTRO_3);
    reach(NAMED);
}
