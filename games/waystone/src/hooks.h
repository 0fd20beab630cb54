/* What the engine leaves to each game. */
#ifndef HOOKS_H
#define HOOKS_H

#define GLYPHS_A_FRAME 3
#define LIST_COLUMNS 9

/* What another character of a text than those of text.h stands for, 0 for itself. */
#define OTHER_WORD(c) 0

/* The list of names in the intro. */
#define CHOOSE_NAME() choose(names, NAMES, 0, TALL)

/* How the screen goes and comes: everything but black is white for a frame. */
#define FADE_OUT() (BGP = 0x40)
#define FADED_IN 0xE4
#define FADE_IN()

/* What the player carries, shown in the corner. */
#define CARRIES (game.flags & HAS_KEY)
#define SPRITE_CARRIED SPRITE_KEY

/* Once a frame while the player walks or stands. */
#define PEOPLE_MOVE()

/* All of the ROM is in view. */
#define SHOW_BANK(bank)

#endif
