/* The documented block of RAM (see README.md): the game's memory of what has happened. */
#ifndef RAM_H
#define RAM_H

#include <stdint.h>

#define MAGIC 0x45
#define MAX_PEOPLE 5

/* Bits of game.milestones, in the order in which the game brings them. */
enum milestone {
    STARTED,
    NAMED,
    LEFT_LOFT,
    LEFT_HOUSE,
    MET_KEEPER,
    CHOSE_SPIRIT,
    ENTERED_LOW_ROAD,
    MIDDLE_OF_LOW_ROAD,
    REACHED_SALTMERE,
    GOT_OIL,
    HALFWAY_BACK,
    BACK_IN_TOWN,
    BROUGHT_OIL,
    OPENED_GATE,
    ENTERED_HIGH_ROAD,
    MIDDLE_OF_HIGH_ROAD,
    REACHED_FARHOLM,
    ENTERED_WOOD,
    DEEP_IN_WOOD,
    HEART_OF_WOOD,
    REACHED_CLIFF,
    BEAT_WARDEN,
    ENTERED_TOWER,
    CLIMBED_TOWER,
    REACHED_LAMP,
    BEAT_GLOOM,
    LIT_LAMP,
    ENDING,
};
typedef uint32_t milestone_bits;

/* Bits of game.flags. */
#define HAS_OIL 0x01      /* carried: from the chandler to the keeper */
#define AUNTS_GIFT 0x02   /* the aunt has given honey */

enum companion { NOBODY, EMBER, DEW, MOSS };
enum item { HONEY, TEA, ITEMS };

/* Which list is open. */
enum menu { NO_MENU, BEGIN_MENU, NAMES_MENU, START_MENU, ASKED, SHOP_MENU, ACTIONS_MENU, MOVES_MENU,
            ITEMS_MENU };

struct state {
    uint8_t magic;                /* C000: MAGIC from power-on */
    milestone_bits milestones;    /* C001: bit i is enum milestone i; a save begins here */
    uint8_t name;                 /* C005: which of names[] */
    uint8_t companion;            /* C006: enum companion */
    uint8_t level;                /* C007 */
    uint8_t experience;           /* C008: since the last level */
    uint8_t hp, full_hp;          /* C009 */
    uint8_t coins;                /* C00B */
    uint8_t items[ITEMS];         /* C00C */
    uint8_t flags;                /* C00E */
    uint8_t rest;                 /* C00F: the rest house slept in last, enum map_id */
    uint8_t defeats;              /* C010 */
    uint8_t map;                  /* C011: enum map_id; a save ends before */
    uint8_t x, y;                 /* C012: in cells of the map */
    uint8_t mode;                 /* C014: enum mode */
    uint8_t facing;               /* C015: RIGHT, LEFT, UP or DOWN */
    uint8_t width, height;        /* C016: of the map */
    uint8_t menu;                 /* C018: enum menu */
    uint8_t cursor;               /* C019: of the open menu */
    uint8_t waiting;              /* C01A: 1 while a text box waits for A or B */
    uint8_t people;               /* C01B: how many stand on the map */
    uint8_t person_x[MAX_PEOPLE]; /* C01C */
    uint8_t person_y[MAX_PEOPLE]; /* C021 */
    uint8_t foe;                  /* C026: 0, in battle 1 + enum creature_id */
    uint8_t foe_hp;               /* C027 */
    uint8_t shielded, dazed;      /* C028: turns left of MOSS's shield, of the foe's daze */
    uint16_t clock;               /* C02A: frames since power-on in which the LCD was on */
    uint16_t rng;                 /* C02C: state of the random numbers */
    uint8_t held;                 /* C02E: buttons down in this frame, RIGHT to START */
    uint8_t fading;               /* C02F: 1 while the screen goes and comes; the map is not yet here */
};

#endif
