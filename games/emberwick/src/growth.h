/* The companion: its moves, its level, what it gains from a battle. */
#ifndef GROWTH_H
#define GROWTH_H

#include <stdint.h>

#include "text.h"

enum move_kind { STRIKE, DRAIN, DAZE, MEND, SHIELD };

struct move {
    label name;
    uint8_t kind;   /* enum move_kind */
    uint8_t power;  /* HP that it takes, or gives */
    uint8_t chance; /* of 256, that it hits; 0 for always */
    uint8_t level;  /* known from this level on */
};
#define MOVES 4

struct companion_kind {
    label name;
    uint8_t beats; /* the kind that it is strong against: an enum companion, as its own is */
    struct move moves[MOVES];
};

/* What '$' and '%' stand for in a text: the companion, a move. */
extern label text_move;
label companion_word(char c);

/* Of the present companion. */
const struct companion_kind *companion(void);
uint8_t moves_known(void);

/* At level 2, with all its HP. */
void begin_companion(uint8_t which);

/* Add experience and tell of it, and of what it leads to. */
void learn(uint8_t experience);

void heal(void);
void tell_of_spirit(void);

#endif
