/* What is in the pack, and the shop that sells it. */
#ifndef ITEMS_H
#define ITEMS_H

#include <stdint.h>

#include "text.h"

/* Open a list, tell game.menu which, and return the choice as `choose` does. */
uint8_t ask(uint8_t menu, const label *labels, uint8_t count);
/* Returns 1 for YES. */
uint8_t asked_yes(void);

void earn(uint8_t coins);
void give(uint8_t item, uint8_t count);

/* Choose from the pack in battle. Returns 1 when something was used. */
uint8_t use_item(void);
void look_into_pack(void);
void shop(void);

#endif
