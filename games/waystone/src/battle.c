#include "battle.h"

#include "font.h"
#include "items.h"
#include "monsters.h"
#include "rng.h"
#include "state.h"
#include "text.h"
#include "texts.h"
#include "video.h"

#define CALM_STEPS 8 /* without a battle after one */
#define LEAST_BLOW 2 /* the player's: LEAST_BLOW to LEAST_BLOW + BLOW_SPREAD HP */
#define BLOW_SPREAD 2
#define ESCAPE_CHANCE 160 /* of 256 */
#define BAR_TILES 10

/* Where things stand: large pictures and the ground in cells, the rest in tiles. */
#define FOE_CELL 7
#define FOE_GROUND 2
#define HERO_ROW 4
#define HERO_GROUND 6
#define FOE_LINE 1
#define HERO_LINE 8
#define FOE_COLUMN 1
#define HERO_COLUMN 8

enum { FIGHT, ITEM, RUN, ACTIONS };
static const label actions[] = {"FIGHT", "ITEM", "RUN"};

static const struct monster *foe;
static uint8_t calm;

/* ---- the screen ---- */

static void draw_large(uint8_t column, uint8_t row, uint8_t which) {
    for (uint8_t i = 0; i < LARGE_PICTURE; i++) {
        put_picture(column + (i & 1), row + (i >> 1), large_art[which][i]);
    }
}

/* A bar of ten tiles, each worth a tenth of `full`. */
static void draw_bar(uint8_t column, uint8_t line, uint8_t hp, uint8_t full) {
    char bar[BAR_TILES + 3];
    uint16_t filled = 0; /* half tiles, times full */
    bar[0] = BAR_LEFT + ' ';
    for (uint8_t i = 1; i <= BAR_TILES; i++, filled += 2 * full) {
        uint16_t level = (uint16_t)hp * (2 * BAR_TILES);
        bar[i] = (level >= filled + 2 * full ? BAR_FULL : level > filled ? BAR_HALF : BAR_EMPTY) + ' ';
    }
    bar[BAR_TILES + 1] = BAR_RIGHT + ' ';
    bar[BAR_TILES + 2] = 0;
    next_frame();
    print_at(column, line, bar);
}

static void draw_bars(void) {
    draw_bar(FOE_COLUMN, FOE_LINE + 1, game.foe_hp, foe->hp);
    draw_bar(HERO_COLUMN, HERO_LINE + 1, game.hp, FULL_HP);
}

static void draw_battle(const struct haunt *haunt) {
    screen_begin();
    clear_background();
    put_rows(FOE_GROUND, 1, haunt->ground);
    put_rows(HERO_GROUND, 1, haunt->ground);
    draw_large(FOE_CELL, 0, game.foe - 1);
    draw_large(1, HERO_ROW, HERO_FROM_BEHIND);
    print_at(FOE_COLUMN, FOE_LINE, foe->name);
    print_at(HERO_COLUMN, HERO_LINE, names[game.name]);
    screen_end();
    draw_bars();
}

static void shake(void) {
    for (uint8_t i = 0; i < 4; i++) {
        scroll_x = i & 1 ? 0 : 3;
        wait_frames(2);
    }
}

/* ---- turns ---- */

static void strike(void) {
    uint8_t blow = LEAST_BLOW + random_up_to(BLOW_SPREAD);
    game.foe_hp = game.foe_hp > blow ? game.foe_hp - blow : 0;
    flash(1);
    draw_bars();
}

/* The foe's turn, told in one of two texts. */
static void suffer(const char *hit, const char *missed) {
    text_number = foe->least + random_up_to(foe->spread);
    game.hp = game.hp > text_number ? game.hp - text_number : 0;
    if (text_number) shake();
    draw_bars();
    say(text_number ? hit : missed);
}

static void fight(void) {
    strike();
    if (game.foe_hp) suffer(TEXT_BOTH_HIT, TEXT_IT_MISSED);
}

/* Returns 1 when the player got away. */
static uint8_t run(void) {
    if (random_byte() < ESCAPE_CHANCE) {
        say(TEXT_ESCAPED);
        return 1;
    }
    suffer(TEXT_CAUGHT, TEXT_CAUGHT_MISSED);
    return 0;
}

static void battle(uint8_t monster, const struct haunt *haunt) {
    foe = &monsters[monster];
    text_foe = foe->name;
    game.foe = monster + 1;
    game.foe_hp = foe->hp;
    game.mode = BATTLE;
    flash(2);
    draw_battle(haunt);
    say(TEXT_MEETING);
    uint8_t escaped = 0;
    while (game.hp && game.foe_hp && !escaped) {
        switch (choose(actions, ACTIONS, FIGHT, SMALL)) {
        case FIGHT: fight(); break;
        case ITEM: if (eat_in_battle()) suffer(TEXT_ATE, TEXT_ATE_MISSED); break;
        case RUN: escaped = run(); break;
        }
    }
    if (!escaped) say(game.hp ? TEXT_WON : TEXT_DEFEAT);
    game.foe = 0;
    game.mode = WORLD;
    calm = CALM_STEPS;
}

uint8_t step_onto(uint8_t metatile) {
    const struct haunt *haunt = haunts;
    while (haunt->metatile != metatile) {
        if (++haunt == haunts + HAUNTS) return 0;
    }
    if (calm) {
        calm--;
        return 0;
    }
    if (random_byte() >= haunt->chance) return 0;
    battle(haunt->foes[random_byte() & 3], haunt);
    return 1;
}
