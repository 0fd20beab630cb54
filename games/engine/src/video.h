/* The screen: frames, pictures in VRAM, the scrolling background, sprites. */
#ifndef VIDEO_H
#define VIDEO_H

#include <stdint.h>

extern uint8_t scroll_x, scroll_y; /* copied to SCX, SCY at VBlank */
extern uint8_t animation_paused; /* leaves all of VBlank to whoever sets it */

extern uint8_t map_shown; /* set by who shows a map, cleared by screen_begin */

struct sprite_entry {
    uint8_t y, x, tile, flags;
};
#define SPRITE_FLIP_X 0x20
#define SPRITE_ENTRIES 40
extern __at(0xC500) struct sprite_entry sprites[SPRITE_ENTRIES]; /* to OAM at VBlank */

void video_start(void);

/* Sleep to the next VBlank, do the queued VRAM writes, read the buttons. */
void next_frame(void);
void wait_frames(uint8_t frames);

/* Between these the LCD is off and VRAM may be written at any time. */
void screen_begin(void);
void screen_end(void);

/* The first tile of a metatile's four, copied to VRAM when first asked for (LCD off only). */
uint8_t tiles_of(uint8_t metatile);

/* Show a metatile at a cell of the 16 x 16 background: at once (LCD off), or in the next frame. */
void put_cell(uint8_t column, uint8_t row, uint8_t metatile);
void queue_cell(uint8_t column, uint8_t row, uint8_t metatile);

/* Palettes of the background, inverted and normal in turn. */
void flash(uint8_t times);

void draw_sprite(uint8_t entry, uint8_t x, uint8_t y, uint8_t picture, uint8_t flip);
void hide_sprites(uint8_t first_entry);

/* Make the whole background blank (LCD off only). */
void clear_background(void);

/* Copy a picture into free tiles and show it at a cell (LCD off only). */
void put_picture(uint8_t column, uint8_t row, const uint8_t *picture);

/* Rows of ten metatiles, as glyphs (LCD off only). */
void put_rows(uint8_t row, uint8_t rows, const char *glyphs);

/* Text on the background: columns and rows of 8 x 8 tiles. print_big, twice the size, wants the LCD
   off; print_at also fits into VBlank when it is short. */
void print_at(uint8_t column, uint8_t row, const char *text);
void print_big(uint8_t column, uint8_t row, const char *text);

#endif
