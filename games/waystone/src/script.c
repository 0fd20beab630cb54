#include "script.h"

#include "art.h"
#include "hardware.h"
#include "maps.h"
#include "state.h"
#include "text.h"
#include "video.h"
#include "world.h"

#define GUARD_ASIDE_X 18 /* where the guard stands once he let the player pass */
#define GUARD_ASIDE_Y 2
#define CHEST_X 5
#define CHEST_Y 9
#define GATE_X 8
#define GATE_Y 0

static void guard(uint8_t who) {
    if (reached(SPOKE_TO_GUARD)) {
        say("THE ROUTE WINDS\nNORTH. STEP SAFELY");
        return;
    }
    say("HALT! NOBODY GOES\nNORTH THESE DAYS.\fTHE WAYSTONE, YOU\nSAY? PASS THEN, @");
    walk_person(who, UP);
    walk_person(who, RIGHT);
    reach(SPOKE_TO_GUARD);
}

static void chest(void) {
    if (reached(GOT_KEY)) {
        say("IT IS EMPTY NOW.");
        return;
    }
    set_cell(CHEST_X, CHEST_Y, MT_CHEST_OPEN, 1);
    show_cell(CHEST_X, CHEST_Y);
    reach(GOT_KEY);
    say("@ FOUND AN\nIRON KEY!");
}

static void gate(void) {
    if (reached(OPENED_GATE)) return;
    if (!reached(GOT_KEY)) {
        say("THE GATE IS SHUT.\nIT WANTS A KEY.");
        return;
    }
    say("THE KEY TURNS.\nTHE GATE IS OPEN!");
    set_cell(GATE_X, GATE_Y, MT_GATE_OPEN, 0);
    show_cell(GATE_X, GATE_Y);
    reach(OPENED_GATE);
}

static void waystone(void) {
    say("THE WAYSTONE HUMS\nUNDER YOUR HAND.");
    reach(TOUCHED_WAYSTONE);
    for (uint8_t i = 0; i < 6; i++) {
        BGP = i & 1 ? 0xE4 : 0x1B;
        wait_frames(8);
    }
    say("ALL ROADS ARE OPEN\nWELL WALKED, @.");
    reach(ENDING);
}

void run_script(uint8_t script, uint8_t who, const char *text) {
    switch (script) {
    case GUARD: guard(who); break;
    case CHEST: chest(); break;
    case GATE: gate(); break;
    case WAYSTONE: waystone(); break;
    default: say(text);
    }
}

void script_map_loaded(void) {
    if (game.map == MAP_TOWN && reached(SPOKE_TO_GUARD)) {
        game.person_x[0] = GUARD_ASIDE_X;
        game.person_y[0] = GUARD_ASIDE_Y;
    }
    if (game.map == MAP_ROUTE && reached(GOT_KEY)) set_cell(CHEST_X, CHEST_Y, MT_CHEST_OPEN, 1);
    if (game.map == MAP_ROUTE && reached(OPENED_GATE)) set_cell(GATE_X, GATE_Y, MT_GATE_OPEN, 0);
}

void script_arrived(void) {
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
    case MAP_SHRINE: reach(REACHED_SHRINE); break;
    }
}

void intro(void) {
    game.mode = INTRO;
    say("AH, YOU ARE AWAKE.\nI HOPED YOU WOULD.\fFAR NORTH OF HERE\nSTANDS A WAYSTONE.");
    say("IT KNEW ALL ROADS.\nNOW IT IS SILENT.\fSOMEBODY MUST GO.\nBUT WHO ARE YOU?");
    uint8_t choice = 0;
    do {
        choice = choose(names, NAMES, 0);
    } while (choice == CANCELLED);
    game.name = choice;
    say("@! A GOOD NAME\nFOR A LONG WALK.");
    reach(NAMED);
}
