/* What is in the pack: bread, which restores HP, and later a key. */
#ifndef ITEMS_H
#define ITEMS_H

#include <stdint.h>

#define PACKED_BREAD 3

/* Bread up to that many loaves. */
void pack_bread(uint8_t loaves);

/* Choose from the pack in battle. Returns 1 when bread was eaten. */
uint8_t eat_in_battle(void);

void look_into_pack(void);

#endif
