#include "story.h"

#include "battle.h"
#include "creatures.h"
#include "growth.h"
#include "hardware.h"
#include "items.h"
#include "maps.h"
#include "people.h"
#include "save.h"
#include "state.h"
#include "text.h"
#include "texts.h"
#include "video.h"
#include "world.h"

#define GATE_X 13
#define GATE_Y 0
#define LAMP_X 13 /* in the town's square */
#define LAMP_Y 9
#define GREAT_LAMP_X 5
#define GREAT_LAMP_Y 2
#define GUARD_ASIDE_X 23
#define GUARD_ASIDE_Y 10
#define WARDEN_ASIDE_X 15
#define WARDEN_ASIDE_Y 2
#define NOWHERE 0xFF
#define BED_X 2 /* where the player wakes in a rest house */
#define BED_Y 2
#define KEEPERS_COINS 20
#define NIGHT_FRAMES 60

static void aunt(void) {
    if (game.flags & AUNTS_GIFT) {
        say(TEXT_AUNT_LATER);
        return;
    }
    say(TEXT_AUNT);
    game.flags |= AUNTS_GIFT;
    give(HONEY, 2);
}

static void keeper(void) {
    if (!reached(MET_KEEPER)) {
        say(TEXT_KEEPER);
        reach(MET_KEEPER);
    } else if (!game.companion) {
        say(TEXT_KEEPER_CHOOSE);
    } else if (game.flags & HAS_OIL) {
        game.flags &= (uint8_t)~HAS_OIL;
        redraw_sprites();
        say(TEXT_KEEPER_OIL);
        reach(BROUGHT_OIL);
        earn(KEEPERS_COINS);
        give(TEA, 1);
    } else {
        say(reached(BROUGHT_OIL) ? TEXT_KEEPER_NORTH : TEXT_KEEPER_ERRAND);
    }
}

static void lantern(uint8_t which, const char *text) {
    if (game.companion || !reached(MET_KEEPER)) {
        say(game.companion ? TEXT_LANTERN_LATER : TEXT_LANTERN_EARLY);
        return;
    }
    say(text);
    if (!asked_yes()) return;
    begin_companion(which);
    reach(CHOSE_SPIRIT);
    say(TEXT_CHOSEN);
    say(TEXT_KEEPER_ERRAND);
}

static void north_gate(void) {
    if (reached(OPENED_GATE)) return;
    if (!reached(BROUGHT_OIL)) {
        say(TEXT_GATE_SHUT);
        return;
    }
    say(TEXT_GATE_OPENS);
    set_cell(GATE_X, GATE_Y, MT_GATE_OPEN, 0);
    show_cell(GATE_X, GATE_Y);
    reach(OPENED_GATE);
}

static void innkeeper(void) {
    say(TEXT_INN);
    if (!asked_yes()) {
        say(TEXT_INN_NO);
        return;
    }
    heal();
    game.rest = game.map;
    show_map();
    wait_frames(NIGHT_FRAMES);
    say(game.companion ? TEXT_INN_MORNING : TEXT_INN_MORNING_ALONE);
}

static void book(void) {
    say(TEXT_BOOK);
    if (!asked_yes()) return;
    game.rest = game.map;
    save_game();
    say(TEXT_BOOK_SIGNED);
}

static void chandler(void) {
    if (reached(GOT_OIL)) {
        say(TEXT_CHANDLER_LATER);
        return;
    }
    say(TEXT_CHANDLER);
    game.flags |= HAS_OIL;
    reach(GOT_OIL);
    redraw_sprites();
    say(TEXT_GOT_OIL);
}

/* Returns 1 when the player won; the map is shown again. */
static uint8_t win_duel(uint8_t creature, const char *meeting) {
    duel(creature, meeting);
    if (!game.hp) {
        defeated();
        return 0;
    }
    show_map();
    return 1;
}

static void warden(uint8_t who) {
    if (reached(BEAT_WARDEN)) {
        say(TEXT_WARDEN_LATER);
        return;
    }
    say(TEXT_WARDEN);
    if (!win_duel(HOUND, TEXT_WARDEN_DUEL)) return;
    reach(BEAT_WARDEN);
    say(TEXT_WARDEN_BEATEN);
    moving_x = moving_y = 0; /* where the last stroll ended */
    walk_person(who, UP);
    walk_person(who, RIGHT);
}

static void gloom(uint8_t who) {
    say(TEXT_GLOOM);
    if (!win_duel(GLOOM, TEXT_GLOOM_DUEL)) return;
    reach(BEAT_GLOOM);
    game.person_x[who] = NOWHERE;
    redraw_sprites();
    say(TEXT_GLOOM_BEATEN);
}

static void great_lamp(void) {
    say(TEXT_LAMP_1);
    set_cell(GREAT_LAMP_X, GREAT_LAMP_Y, MT_GREAT_LIT, 1);
    show_cell(GREAT_LAMP_X, GREAT_LAMP_Y);
    reach(LIT_LAMP);
    flash(4);
    say(TEXT_LAMP_2);
    reach(ENDING);
}

static uint8_t lamp_burns_here(void) {
    return game.map == MAP_TOWN && reached(BROUGHT_OIL);
}

void run_script(uint8_t script, uint8_t who, const char *text) {
    switch (script) {
    case STROLL: say(lamp_burns_here() ? TEXT_TOWN_LIT : text); break;
    case AUNT: aunt(); break;
    case GUARD: say(reached(CHOSE_SPIRIT) ? TEXT_GUARD_LATER : TEXT_GUARD); break;
    case KEEPER: keeper(); break;
    case LANTERN_EMBER: lantern(EMBER, text); break;
    case LANTERN_DEW: lantern(DEW, text); break;
    case LANTERN_MOSS: lantern(MOSS, text); break;
    case NORTH_GATE: north_gate(); break;
    case INNKEEPER: innkeeper(); break;
    case BOOK: book(); break;
    case SHOPKEEPER: shop(); break;
    case CHANDLER: chandler(); break;
    case WARDEN: warden(who); break;
    case GLOOM_ITSELF: gloom(who); break;
    case GREAT_LAMP: great_lamp(); break;
    default: say(text);
    }
}

static void place_person(uint8_t who, uint8_t x, uint8_t y) {
    game.person_x[who] = x;
    game.person_y[who] = y;
}

void story_map_loaded(void) {
    switch (game.map) {
    case MAP_TOWN:
        if (reached(CHOSE_SPIRIT)) place_person(0, GUARD_ASIDE_X, GUARD_ASIDE_Y);
        if (lamp_burns_here()) set_cell(LAMP_X, LAMP_Y, MT_LAMP_LIT, 1);
        if (reached(OPENED_GATE)) set_cell(GATE_X, GATE_Y, MT_GATE_OPEN, 0);
        break;
    case MAP_CLIFF:
        if (reached(BEAT_WARDEN)) place_person(0, WARDEN_ASIDE_X, WARDEN_ASIDE_Y);
        break;
    case MAP_LAMP:
        if (reached(BEAT_GLOOM)) place_person(0, NOWHERE, NOWHERE);
        break;
    }
}

void story_arrived(void) {
    switch (game.map) {
    case MAP_HOME: reach(LEFT_LOFT); break;
    case MAP_TOWN:
        reach(LEFT_HOUSE);
        if (game.flags & HAS_OIL) reach(BACK_IN_TOWN);
        break;
    case MAP_LOW_ROAD:
        reach(ENTERED_LOW_ROAD);
        if (game.x >= LOW_ROAD_MIDDLE) reach(MIDDLE_OF_LOW_ROAD);
        if (game.x <= LOW_ROAD_MIDDLE && game.flags & HAS_OIL) reach(HALFWAY_BACK);
        break;
    case MAP_SALTMERE: reach(REACHED_SALTMERE); break;
    case MAP_HIGH_ROAD:
        reach(ENTERED_HIGH_ROAD);
        if (game.y <= HIGH_ROAD_MIDDLE) reach(MIDDLE_OF_HIGH_ROAD);
        break;
    case MAP_FARHOLM: reach(REACHED_FARHOLM); break;
    case MAP_WOOD:
        reach(ENTERED_WOOD);
        if (game.y <= WOOD_DEEP) reach(DEEP_IN_WOOD);
        if (game.x >= WOOD_HEART) reach(HEART_OF_WOOD);
        break;
    case MAP_CLIFF: reach(REACHED_CLIFF); break;
    case MAP_TOWER: reach(ENTERED_TOWER); break;
    case MAP_STAIR: reach(CLIMBED_TOWER); break;
    case MAP_LAMP: reach(REACHED_LAMP); break;
    }
}

void wake_up(void) {
    heal();
    enter_map(game.rest, BED_X, BED_Y, DOWN);
}

void defeated(void) {
    if (game.defeats < 0xFF) game.defeats++;
    game.coins >>= 1;
    wake_up();
    say(TEXT_BED);
}
