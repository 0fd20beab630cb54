#include "title.h"

#include "hardware.h"
#include "input.h"
#include "state.h"
#include "video.h"

#define LOGO_FRAMES 180
#define TITLE_FRAMES 480
#define SCENE_FRAMES 240

struct scene {
    const char *cells; /* 10 metatiles a row */
    uint8_t rows;
    const char *line_1, *line_2;
};

static const char title_picture[] =
    "@@@Y@@@@@@"
    "APAyAAPAAA"
    "..,__.,*.."
    "T*..__..bT";

/* Pages of a story book, unlike any place of the game. */
static const struct scene scenes[] = {
    {"A@@@A@@A@@" "AA@AAAAAA@" "~~~~~~~~~~" "~~~~~~~~~~" ",*,.,,*.,,",
     5, "ONCE ALL ROADS", "WERE ONE ROAD."},
    {"@Y@@@Y@@@Y" "AyAAAyAAAy" ".,_*._,.*_" "b._.r_..b_" "TPTTPTPTTP",
     5, "STONES AT EVERY", "CROSSING SANG."},
    {"   &      " "^^   ^^^  " "wo P wdw P" "==========" "\"\"\"\"\"\"\"\"\"\"",
     5, "THEN ONE NIGHT", "THEY FELL SILENT."},
};
#define SCENES (sizeof scenes / sizeof scenes[0])

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
    print_big(2, 2, "WAYSTONE");
    put_rows(4, 4, title_picture);
    print_at(4, 6, "PRESS  START");
    print_at(3, 17, "ALL ROADS, ONE");
    screen_end();
    return start_within(TITLE_FRAMES);
}

static uint8_t scene_screen(const struct scene *scene) {
    game.mode = ATTRACT;
    screen_begin();
    clear_background();
    put_rows(0, scene->rows, scene->cells);
    print_at(2, 12, scene->line_1);
    print_at(2, 14, scene->line_2);
    screen_end();
    return start_within(SCENE_FRAMES);
}

void title(void) {
    while (!title_screen()) {
        for (uint8_t i = 0; i < SCENES; i++) {
            if (scene_screen(&scenes[i])) break; /* Start leads back to the title */
        }
    }
}
