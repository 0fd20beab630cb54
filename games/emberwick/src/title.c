#include "title.h"

#include "hardware.h"
#include "input.h"
#include "items.h"
#include "save.h"
#include "state.h"
#include "text.h"
#include "video.h"

#define LOGO_FRAMES 150
#define TITLE_FRAMES 480
#define SCENE_FRAMES 240

struct scene {
    const char *cells; /* 10 metatiles a row */
    uint8_t rows;
    const char *line_1, *line_2;
};

static const char title_picture[] =
    "  &   ^   "
    "     mZm  "
    "PPTP mom P"
    "~~~~HHHHHH";

/* Pages of a story book, unlike any place of the game. */
static const struct scene scenes[] = {
    {" y  y  y  " "^^ ^^^^ ^^" "wo owow ow" "::::::::::", 4,
     "THE LAMPS WENT OUT", "ONE BY ONE."},
    {"P P &  P P" "PPP  P PPP" "\"P\"\"\"\"\"P\"\"" "\"\"\"\"\"\"\"\"\"\"", 4,
     "SPIRITS HIDE WHERE", "THE GRASS IS TALL."},
};
#define SCENES (sizeof scenes / sizeof scenes[0])

static const label beginnings[] = {"CONTINUE", "NEW GAME"};

uint8_t start_within(uint16_t frames) {
    while (frames--) {
        next_frame();
        if (pressed & START) return 1;
    }
    return 0;
}

void publisher_logo(void) {
    game.mode = LOGO;
    screen_begin();
    clear_background();
    print_big(4, 6, "LANTERN");
    print_at(7, 9, "HANDMADE");
    print_at(6, 11, "GAMES MMXXVI");
    screen_end();
    wait_frames(LOGO_FRAMES);
}

static uint8_t title_screen(void) {
    game.mode = TITLE;
    screen_begin();
    clear_background();
    print_big(1, 2, "EMBERWICK");
    put_rows(3, 4, title_picture);
    print_at(4, 15, "PRESS  START");
    print_at(1, 17, "A SMALL, WARM LIGHT");
    screen_end();
    return start_within(TITLE_FRAMES);
}

static uint8_t scene_screen(const struct scene *scene) {
    game.mode = ATTRACT;
    screen_begin();
    clear_background();
    put_rows(1, scene->rows, scene->cells);
    print_at(1, 12, scene->line_1);
    print_at(1, 14, scene->line_2);
    screen_end();
    return start_within(SCENE_FRAMES);
}

uint8_t title(void) {
    for (;;) {
        if (title_screen()) {
            uint8_t choice = save_exists() ? ask(BEGIN_MENU, beginnings, 2) : 1;
            if (choice != CANCELLED) return choice == 0;
            continue;
        }
        for (uint8_t i = 0; i < SCENES; i++) {
            if (scene_screen(&scenes[i])) break; /* Start leads back to the title */
        }
    }
}
