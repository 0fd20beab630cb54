/* What the engine leaves to each game. */
#ifndef HOOKS_H
#define HOOKS_H

#include "fade.h"
#include "growth.h"
#include "items.h"
#include "stroll.h"

#define GLYPHS_A_FRAME 1
#define LIST_COLUMNS 11

/* What another character of a text than those of text.h stands for, 0 for itself. */
#define OTHER_WORD(c) companion_word(c)

/* The list of names in the intro. */
#define CHOOSE_NAME() ask(NAMES_MENU, names, NAMES)

/* How the screen goes and comes. */
#define FADE_OUT() fade_out()
#define FADED_IN 0x00
#define FADE_IN() fade_in()

/* What the player carries, shown in the corner. */
#define CARRIES (game.flags & HAS_OIL)
#define SPRITE_CARRIED SPRITE_OIL

/* Once a frame while the player walks or stands. */
#define PEOPLE_MOVE() stroll()

/* The bank seen at 4000: that of the maps, but while pictures are copied and texts written. */
enum bank { CODE_BANK, ART_BANK, MAPS_BANK, TEXTS_BANK };
#define SHOW_BANK(bank) (REGISTER(0x2000) = (bank))

#endif
