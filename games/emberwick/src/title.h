/* What comes before the game: publisher's logo, title, attract scenes. */
#ifndef TITLE_H
#define TITLE_H

#include <stdint.h>

void publisher_logo(void);

/* Returns when Start is pressed at the title: 1 to continue a saved game, 0 for a new one. */
uint8_t title(void);

/* Wait. Returns 1 as soon as Start is pressed, 0 when the frames are over. */
uint8_t start_within(uint16_t frames);

#endif
