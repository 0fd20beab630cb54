#include "battle.h"

#include "creatures.h"
#include "font.h"
#include "growth.h"
#include "items.h"
#include "rng.h"
#include "state.h"
#include "text.h"
#include "texts.h"
#include "video.h"

#define CALM_STEPS 6 /* without a battle after one */
#define ESCAPE_CHANCE 150 /* of 256 */
#define DAZED_MISS 144
#define BAR_TILES 10

/* Where things stand: large pictures and the ground in cells, the rest in tiles. */
#define FOE_CELL 7
#define FOE_GROUND 2
#define HERO_ROW 4
#define HERO_GROUND 6
#define FOE_LINE 1
#define HERO_LINE 6
#define FOE_COLUMN 1
#define HERO_COLUMN 7

enum { FIGHT, ITEM, LOOK, RUN, ACTIONS };
static const label actions[] = {"FIGHT", "ITEM", "LOOK", "RUN"};

static const struct creature *foe;
static uint8_t calm, is_duel;

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
    draw_bar(HERO_COLUMN, HERO_LINE + 1, game.hp, game.full_hp);
}

static void draw_battle(const char *ground) {
    screen_begin();
    clear_background();
    put_rows(FOE_GROUND, 1, ground);
    put_rows(HERO_GROUND, 1, ground);
    draw_large(FOE_CELL, 0, game.foe - 1);
    draw_large(1, HERO_ROW, CREATURES + game.companion - 1);
    print_at(FOE_COLUMN, FOE_LINE, foe->name);
    print_at(HERO_COLUMN, HERO_LINE, companion()->name);
    print_at(HERO_COLUMN + 8, HERO_LINE, "LV");
    text_number = game.level;
    print_at(HERO_COLUMN + 10, HERO_LINE, number());
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

static uint8_t chance(uint8_t of_256) {
    return random_byte() < of_256;
}

/* `amount` more HP of the companion's. */
static void mend(uint8_t amount) {
    uint8_t missing = game.full_hp - game.hp;
    text_number = amount < missing ? amount : missing;
    game.hp += text_number;
    draw_bars();
    say(TEXT_MENDED);
}

static void strike(const struct move *move) {
    uint8_t beats = companion()->beats;
    uint8_t blow = move->power + (game.level >> 1) + random_up_to(2);
    uint8_t strong = foe->kind == beats;
    uint8_t weak = foe->kind && foe->kind != beats && foe->kind != game.companion;
    if (strong) blow += blow >> 1;
    if (weak) blow -= blow >> 2;
    game.foe_hp = game.foe_hp > blow ? game.foe_hp - blow : 0;
    flash(1);
    draw_bars();
    if (strong) say(TEXT_STRONG);
    if (weak) say(TEXT_WEAK);
    if (move->kind == DRAIN) mend(blow >> 1);
}

static void use(const struct move *move) {
    text_move = move->name;
    say(TEXT_USES);
    if (move->chance && !chance(move->chance)) {
        say(TEXT_MISSED);
        return;
    }
    switch (move->kind) {
    case DAZE: game.dazed = move->power; say(TEXT_DAZED); break;
    case MEND: mend(move->power + game.level); break;
    case SHIELD: game.shielded = move->power; say(TEXT_SHIELDED); break;
    default: strike(move);
    }
}

/* The foe's turn. */
static void suffer(void) {
    uint8_t misses = game.dazed && chance(DAZED_MISS);
    text_number = misses ? 0 : foe->least + random_up_to(foe->spread);
    if (game.shielded) {
        game.shielded--;
        text_number >>= 1;
    }
    if (game.dazed) game.dazed--;
    game.hp = game.hp > text_number ? game.hp - text_number : 0;
    if (text_number) shake();
    draw_bars();
    say(text_number ? TEXT_FOE_HITS : TEXT_FOE_MISSES);
}

/* Returns 1 when the turn is over. */
static uint8_t fight(void) {
    const struct move *moves = companion()->moves;
    label names[MOVES];
    uint8_t count = moves_known();
    for (uint8_t i = 0; i < count; i++) names[i] = moves[i].name;
    uint8_t choice = ask(MOVES_MENU, names, count);
    if (choice == CANCELLED) return 0;
    use(&moves[choice]);
    return 1;
}

/* Returns 1 when the player got away. */
static uint8_t run(void) {
    if (chance(ESCAPE_CHANCE)) {
        say(TEXT_ESCAPED);
        return 1;
    }
    say(TEXT_CAUGHT);
    return 0;
}

static void win(void) {
    say(TEXT_WON);
    learn(foe->experience);
    text_number = foe->coins;
    earn(foe->coins);
    say(TEXT_COINS);
}

/* Returns 1 when the player got away. */
static uint8_t take_turn(void) {
    uint8_t over = 0;
    switch (ask(ACTIONS_MENU, actions, ACTIONS)) {
    case FIGHT: over = fight(); break;
    case ITEM: over = use_item(); draw_bars(); break;
    case LOOK: text_number = game.foe_hp; say(TEXT_LOOK); break;
    case RUN:
        if (is_duel) {
            say(TEXT_NO_RUNNING);
        } else {
            if (run()) return 1;
            over = 1;
        }
    }
    if (over && game.foe_hp) suffer();
    return 0;
}

static void battle(uint8_t creature, const char *ground, const char *meeting) {
    uint8_t escaped = 0;
    foe = &creatures[creature];
    text_foe = foe->name;
    game.foe = creature + 1;
    game.foe_hp = foe->hp;
    game.shielded = game.dazed = 0;
    game.mode = BATTLE;
    flash(2);
    draw_battle(ground);
    say(meeting);
    while (game.hp && game.foe_hp && !escaped) escaped = take_turn();
    if (!game.foe_hp) win();
    if (!game.hp) say(TEXT_DEFEAT);
    game.foe = 0;
    game.mode = WORLD;
    calm = CALM_STEPS;
}

void duel(uint8_t creature, const char *meeting) {
    is_duel = 1;
    battle(creature, duel_ground, meeting);
    is_duel = 0;
}

uint8_t step_onto(uint8_t metatile) {
    if (metatile != MT_TALL_GRASS && metatile != MT_DEEP_FLOOR) return 0;
    const struct haunt *haunt = haunts;
    while (haunt->map != game.map) {
        if (++haunt == haunts + HAUNTS) return 0;
    }
    if (calm) {
        calm--;
        return 0;
    }
    if (!chance(haunt->chance)) return 0;
    battle(haunt->foes[random_byte() & 3], haunt->ground, TEXT_MEETING);
    return 1;
}
