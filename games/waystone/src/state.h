/* The documented block of RAM (see README.md) and the game's memory of what has happened. */
#ifndef STATE_H
#define STATE_H

#include <stdint.h>

#define MAGIC 0x57
#define MAX_PEOPLE 4
#define MAX_CELLS 1024
#define SOLID 0x80

enum mode { LOGO, TITLE, ATTRACT, INTRO, WORLD, TEXT, MENU, CREDITS };

/* Bits of game.milestones, in the order in which the game brings them. */
enum milestone {
    STARTED,
    NAMED,
    LEFT_BEDROOM,
    LEFT_HOUSE,
    REACHED_SQUARE,
    SPOKE_TO_GUARD,
    ENTERED_ROUTE,
    MIDDLE_OF_ROUTE,
    GOT_KEY,
    OPENED_GATE,
    ENTERED_CAVE,
    MIDDLE_OF_CAVE,
    REACHED_SHRINE,
    TOUCHED_WAYSTONE,
    ENDING,
};

struct state {
    uint8_t magic;                /* C000: MAGIC from power-on */
    uint16_t milestones;          /* C001: bit i is enum milestone i */
    uint8_t map;                  /* C003: enum map_id */
    uint8_t x, y;                 /* C004: in cells of the map */
    uint8_t hp;                   /* C006 */
    uint8_t mode;                 /* C007: enum mode */
    uint8_t facing;               /* C008: RIGHT, LEFT, UP or DOWN */
    uint8_t width, height;        /* C009: of the map */
    uint8_t cursor;               /* C00B: of the open menu */
    uint8_t name;                 /* C00C: which of names[] */
    uint8_t people;               /* C00D: how many stand on the map */
    uint8_t person_x[MAX_PEOPLE]; /* C00E */
    uint8_t person_y[MAX_PEOPLE]; /* C012 */
    uint8_t waiting;              /* C016: 1 while a text box waits for A or B */
};

extern __at(0xC000) struct state game;
/* The current map, row by row: metatile | SOLID. */
extern __at(0xC100) uint8_t cells[MAX_CELLS];

void reach(uint8_t milestone);
uint8_t reached(uint8_t milestone);

#endif
