/* The documented block of RAM (see README.md): the game's memory of what has happened. */
#ifndef RAM_H
#define RAM_H

#include <stdint.h>

#define MAGIC 0x57
#define FULL_HP 20
#define MAX_PEOPLE 4

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
    ENTERED_DEPTHS,
    REACHED_SHRINE,
    TOUCHED_WAYSTONE,
    ENDING,
};
typedef uint16_t milestone_bits;

/* Bits of game.flags. */
#define HAS_KEY 0x01      /* carried: from the chest to the gate */
#define ELDERS_GIFT 0x02  /* the elder has given bread */

struct state {
    uint8_t magic;                /* C000: MAGIC from power-on */
    milestone_bits milestones;    /* C001: bit i is enum milestone i */
    uint8_t map;                  /* C003: enum map_id */
    uint8_t x, y;                 /* C004: in cells of the map */
    uint8_t hp;                   /* C006: 0 to FULL_HP */
    uint8_t mode;                 /* C007: enum mode */
    uint8_t facing;               /* C008: RIGHT, LEFT, UP or DOWN */
    uint8_t width, height;        /* C009: of the map */
    uint8_t cursor;               /* C00B: of the open menu */
    uint8_t name;                 /* C00C: which of names[] */
    uint8_t people;               /* C00D: how many stand on the map */
    uint8_t person_x[MAX_PEOPLE]; /* C00E */
    uint8_t person_y[MAX_PEOPLE]; /* C012 */
    uint8_t waiting;              /* C016: 1 while a text box or a picture waits for A or B */
    uint8_t flags;                /* C017 */
    uint8_t bread;                /* C018: loaves in the pack */
    uint8_t foe;                  /* C019: 0, in battle 1 + enum monster_id */
    uint8_t foe_hp;               /* C01A */
    uint8_t defeats;              /* C01B */
    uint16_t clock;               /* C01C: frames since power-on in which the LCD was on */
    uint16_t rng;                 /* C01E: state of the random numbers */
    uint8_t held;                 /* C020: buttons down in this frame, RIGHT to START */
};

#endif
