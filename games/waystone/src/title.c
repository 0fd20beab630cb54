#include "title.h"

#include "art.h"
#include "hardware.h"
#include "input.h"
#include "maps.h"
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

static void blank_screen(void) {
    screen_begin();
    clear_background();
}

static void draw_picture(const char *picture, uint8_t row, uint8_t rows) {
    for (uint8_t last = row + rows; row < last; row++) {
        for (uint8_t column = 0; column < 10; column++) {
            put_cell(column, row, glyph_cells[*picture++ - ' '] & (uint8_t)~SOLID);
        }
    }
}

/* Returns 1 as soon as Start is pressed, 0 when the frames are over. */
static uint8_t start_within(uint16_t frames) {
    while (frames--) {
        next_frame();
        if (pressed & START) return 1;
    }
    return 0;
}

void publisher_logo(void) {
    game.mode = LOGO;
    blank_screen();
    print_big(4, 6, "LANTERN");
    print_at(7, 9, "HANDMADE");
    print_at(6, 11, "GAMES MMXXVI");
    screen_end();
    wait_frames(LOGO_FRAMES);
}

static uint8_t title_screen(void) {
    game.mode = TITLE;
    blank_screen();
    print_big(2, 2, "WAYSTONE");
    draw_picture(title_picture, 4, 4);
    print_at(4, 6, "PRESS  START");
    print_at(3, 17, "ALL ROADS, ONE");
    screen_end();
    return start_within(TITLE_FRAMES);
}

static uint8_t scene_screen(const struct scene *scene) {
    game.mode = ATTRACT;
    blank_screen();
    draw_picture(scene->cells, 0, scene->rows);
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

void intro_stage(void) {
    blank_screen();
    draw_picture("@@@@@@@@@@" "@@@F@@F@@@" "@@@I@@I@@@" "vvvvvvvvvv", 1, 4);
    draw_sprite(0, 72, 50, SPRITE_KEEPER, 0);
    screen_end();
}

void credits(void) {
    game.mode = CREDITS;
    blank_screen();
    print_big(3, 2, "THE END");
    draw_picture("~~~~~~~~~~" "*.*..*.*.*", 3, 2);
    print_at(3, 11, "THE ROADS SING");
    print_at(3, 13, "AND YOU MAY REST");
    print_at(4, 16, "PRESS  START");
    screen_end();
    while (!start_within(0xFFFF)) {}
}
