/* How the screen goes and comes: through paler palettes, and blank for a while. */
#ifndef FADE_H
#define FADE_H

void fade_out(void);
void fade_in(void);

#endif
