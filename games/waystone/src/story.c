#include "story.h"

#include "hardware.h"
#include "items.h"
#include "maps.h"
#include "people.h"
#include "state.h"
#include "text.h"
#include "texts.h"
#include "tiles.h"
#include "video.h"
#include "world.h"

#define GUARD_ASIDE_X 18 /* where the guard stands once he let the player pass */
#define GUARD_ASIDE_Y 2
#define CHEST_X 5
#define CHEST_Y 9
#define GATE_X 8
#define GATE_Y 0
#define PAINTED_X 2 /* the part of the shrine that the painting shows, from here */
#define PAINTED_Y 0
#define ELDERS_BREAD 6

static void mother(const char *text) {
    say(reached(SPOKE_TO_GUARD) ? TEXT_MOTHER_MORE : text);
    pack_bread(PACKED_BREAD);
}

static void guard(uint8_t who) {
    if (reached(SPOKE_TO_GUARD)) {
        say(TEXT_GUARD_LATER);
        return;
    }
    say(TEXT_GUARD);
    walk_person(who, UP);
    walk_person(who, RIGHT);
    reach(SPOKE_TO_GUARD);
}

static void elder(void) {
    game.hp = FULL_HP;
    if (game.flags & ELDERS_GIFT) {
        say(TEXT_ELDER_LATER);
        return;
    }
    say(TEXT_ELDER);
    game.flags |= ELDERS_GIFT;
    pack_bread(ELDERS_BREAD);
}

static void chest(void) {
    if (reached(GOT_KEY)) {
        say(TEXT_CHEST_LATER);
        return;
    }
    set_cell(CHEST_X, CHEST_Y, MT_CHEST_OPEN, 1);
    show_cell(CHEST_X, CHEST_Y);
    game.flags |= HAS_KEY;
    reach(GOT_KEY);
    say(TEXT_CHEST);
}

static void gate(void) {
    if (reached(OPENED_GATE)) return;
    if (!reached(GOT_KEY)) {
        say(TEXT_GATE_SHUT);
        return;
    }
    say(TEXT_GATE_OPENS);
    set_cell(GATE_X, GATE_Y, MT_GATE_OPEN, 0);
    show_cell(GATE_X, GATE_Y);
    game.flags &= (uint8_t)~HAS_KEY;
    reach(OPENED_GATE);
    redraw_sprites();
}

/* The shrine as the painter saw it: its own map, without anybody in it. */
static void painting(void) {
    const struct map *shrine = &maps[MAP_SHRINE];
    game.mode = TEXT;
    screen_begin();
    clear_background();
    for (uint8_t row = 0; row < 9; row++) {
        put_rows(row, 1, shrine->cells + (uint16_t)(row + PAINTED_Y) * shrine->width + PAINTED_X);
    }
    screen_end();
    wait_for_a_or_b();
    game.mode = WORLD;
    show_map();
}

static void waystone(void) {
    say(TEXT_WAYSTONE_1);
    reach(TOUCHED_WAYSTONE);
    flash(3);
    say(TEXT_WAYSTONE_2);
    reach(ENDING);
}

void run_script(uint8_t script, uint8_t who, const char *text) {
    switch (script) {
    case MOTHER: mother(text); break;
    case GUARD: guard(who); break;
    case ELDER: elder(); break;
    case CHEST: chest(); break;
    case GATE: gate(); break;
    case PAINTING: painting(); break;
    case WAYSTONE: waystone(); break;
    default: say(text);
    }
}

void story_map_loaded(void) {
    if (game.map == MAP_TOWN && reached(SPOKE_TO_GUARD)) {
        game.person_x[0] = GUARD_ASIDE_X;
        game.person_y[0] = GUARD_ASIDE_Y;
    }
    if (game.map == MAP_ROUTE && reached(GOT_KEY)) set_cell(CHEST_X, CHEST_Y, MT_CHEST_OPEN, 1);
    if (game.map == MAP_ROUTE && reached(OPENED_GATE)) set_cell(GATE_X, GATE_Y, MT_GATE_OPEN, 0);
}

void story_arrived(void) {
    switch (game.map) {
    case MAP_HOUSE: reach(LEFT_BEDROOM); break;
    case MAP_TOWN:
        reach(LEFT_HOUSE);
        if (game.x >= 11) reach(REACHED_SQUARE);
        break;
    case MAP_ROUTE:
        reach(ENTERED_ROUTE);
        if (game.y <= 19) reach(MIDDLE_OF_ROUTE);
        break;
    case MAP_CAVE:
        reach(ENTERED_CAVE);
        if (game.y <= 8) reach(MIDDLE_OF_CAVE);
        break;
    case MAP_DEPTHS: reach(ENTERED_DEPTHS); break;
    case MAP_SHRINE: reach(REACHED_SHRINE); break;
    }
}

void wake_up(void) {
    game.hp = FULL_HP;
    enter_map(MAP_BEDROOM, 5, 2, DOWN);
}

void defeated(void) {
    if (game.defeats < 0xFF) game.defeats++;
    wake_up();
    say(TEXT_BED);
}
