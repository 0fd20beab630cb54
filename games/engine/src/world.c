#include "world.h"

#include "battle.h"
#include "hardware.h"
#include "hooks.h"
#include "input.h"
#include "maps.h"
#include "menus.h"
#include "people.h"
#include "sprites.h"
#include "state.h"
#include "story.h"
#include "text.h"
#include "tiles.h"
#include "video.h"

#define MAX_ROWS 64
#define TURN_FRAMES 10
#define STEP_FRAMES 16
/* The part of the map that is kept drawn around the player: the screen and one cell more. */
#define DRAWN_LEFT 5
#define DRAWN_RIGHT 6
#define DRAWN_UP 5
#define DRAWN_DOWN 5
/* What the player carries, shown in the corner. */
#define PACK_ENTRY (2 + 2 * MAX_PEOPLE)
#define PACK_X 2
#define PACK_Y 2

static const struct map *map;
static uint8_t *rows[MAX_ROWS];  /* where each row of the map begins in cells[] */
static uint8_t step_pixels;      /* how far into the current step the player is */
static uint8_t left_foot;        /* alternates from step to step */
static uint8_t height;           /* of the player above the ground, while he jumps */

int8_t delta_x(uint8_t direction) {
    return direction == RIGHT ? 1 : direction == LEFT ? -1 : 0;
}

int8_t delta_y(uint8_t direction) {
    return direction == DOWN ? 1 : direction == UP ? -1 : 0;
}

/* Coordinates left of or above the map wrap to large numbers and so lie outside as well. */
static uint8_t inside(uint8_t x, uint8_t y) {
    return x < game.width && y < game.height;
}

static uint8_t *cell_at(uint8_t x, uint8_t y) {
    return rows[y] + x;
}

static uint8_t metatile_at(uint8_t x, uint8_t y) {
    if (inside(x, y)) return *cell_at(x, y) & (uint8_t)~SOLID;
    return map->border[((x ^ (y << 1)) & 3) == 0];
}

static const struct warp *warp_at(uint8_t x, uint8_t y) {
    const struct warp *warp = map->warps;
    for (uint8_t i = map->warp_count; i; i--, warp++) {
        if (warp->x == x && warp->y == y) return warp;
    }
    return 0;
}

static uint8_t blocked(uint8_t x, uint8_t y) {
    return !inside(x, y) || *cell_at(x, y) & SOLID || person_at(x, y) < game.people;
}

/* ---- drawing ---- */

static uint8_t player_picture(void) {
    uint8_t walking = step_pixels >= 4 && step_pixels < 12;
    uint8_t standing = SPRITE_SIDE;
    if (game.facing == DOWN) standing = SPRITE_DOWN;
    if (game.facing == UP) standing = SPRITE_UP;
    return standing + walking;
}

/* The side pictures look left; front and back swing the other arm on every second step. */
static uint8_t player_flip(void) {
    if (game.facing == RIGHT) return 1;
    if (game.facing == LEFT) return 0;
    return left_foot && step_pixels;
}

void redraw_sprites(void) {
    if (!map_shown) return;
    uint8_t y = box_hides(PLAYER_X, PLAYER_Y) ? 240 : PLAYER_Y - 2 - height;
    draw_sprite(0, PLAYER_X, y, player_picture(), player_flip());
    draw_people(map->people, -delta_x(game.facing) * (int8_t)step_pixels,
                -delta_y(game.facing) * (int8_t)step_pixels);
    draw_sprite(PACK_ENTRY, PACK_X, CARRIES ? PACK_Y : 240, SPRITE_CARRIED, 0);
}

static void set_scroll(void) {
    scroll_x = (game.x << 4) - PLAYER_X + delta_x(game.facing) * (int8_t)step_pixels;
    scroll_y = (game.y << 4) - PLAYER_Y + delta_y(game.facing) * (int8_t)step_pixels;
}

static void draw_all(void) {
    uint8_t y = game.y - DRAWN_UP;
    for (uint8_t rows = DRAWN_UP + 1 + DRAWN_DOWN; rows; rows--, y++) {
        uint8_t x = game.x - DRAWN_LEFT;
        for (uint8_t columns = DRAWN_LEFT + 1 + DRAWN_RIGHT; columns; columns--, x++) {
            put_cell(x, y, metatile_at(x, y));
        }
    }
}

/* Queue cell i of the row or column that one more step in this direction brings near. */
static void queue_strip(uint8_t i) {
    uint8_t x = game.x - DRAWN_LEFT, y = game.y - DRAWN_UP;
    switch (game.facing) {
    case RIGHT: x = game.x + DRAWN_RIGHT + 1; y += i; break;
    case LEFT: x = game.x - DRAWN_LEFT - 1; y += i; break;
    case DOWN: y = game.y + DRAWN_DOWN + 1; x += i; break;
    default: y = game.y - DRAWN_UP - 1; x += i; break;
    }
    if (i < DRAWN_LEFT + 1 + DRAWN_RIGHT) queue_cell(x, y, metatile_at(x, y));
}

void set_cell(uint8_t x, uint8_t y, uint8_t metatile, uint8_t solid) {
    *cell_at(x, y) = solid ? metatile | SOLID : metatile;
}

void show_cell(uint8_t x, uint8_t y) {
    queue_cell(x, y, metatile_at(x, y));
}

/* ---- maps ---- */

static void load_cells(void) {
    const char *glyph = map->cells;
    uint8_t *cell = cells;
    for (uint8_t row = 0; row < map->height; row++) {
        rows[row] = cell;
        for (uint8_t column = map->width; column; column--) {
            *cell++ = glyph_cells[*glyph++ - ' '];
        }
    }
}

/* Copy every metatile of the map to VRAM, as walking only refers to them. */
static void load_metatiles(void) {
    for (uint8_t i = 0; i < 2; i++) {
        tiles_of(map->border[i]);
        tiles_of(map->extra[i]);
    }
    uint8_t *cell = cells, before = 0xFF;
    for (uint8_t row = map->height; row; row--) {
        for (uint8_t column = map->width; column; column--, cell++) {
            if (*cell == before) continue;
            before = *cell;
            tiles_of(before & (uint8_t)~SOLID);
        }
    }
}

void show_map(void) {
    screen_begin();
    step_pixels = height = 0;
    load_cells();
    load_people(map->people, map->people_count);
    story_map_loaded();
    load_metatiles();
    draw_all();
    set_scroll();
    map_shown = 1;
    redraw_sprites();
    screen_end();
}

void enter_map(uint8_t id, uint8_t x, uint8_t y, uint8_t facing) {
    map = &maps[id];
    game.map = id;
    game.x = x;
    game.y = y;
    game.facing = facing;
    game.width = map->width;
    game.height = map->height;
    show_map();
    story_arrived();
}

/* ---- walking ---- */

static void turn(uint8_t direction) {
    game.facing = direction;
    redraw_sprites();
    wait_frames(TURN_FRAMES);
}

/* Move one cell the way the player faces, 16 pixels in 16 frames. Each frame lifts him by `rise`
   pixels: up over the first cell of a jump, down over the second. */
static void move(int8_t rise) {
    for (uint8_t i = 0; i < STEP_FRAMES; i++) {
        queue_strip(i);
        step_pixels = i + 1;
        height += rise;
        set_scroll();
        PEOPLE_MOVE();
        redraw_sprites();
        next_frame();
    }
    step_pixels = 0;
    left_foot ^= 1;
    game.x += delta_x(game.facing);
    game.y += delta_y(game.facing);
    redraw_sprites();
}

static void arrive(void) {
    const struct warp *warp = warp_at(game.x, game.y);
    if (warp) {
        enter_map(warp->to_map, warp->to_x, warp->to_y, warp->facing);
        return;
    }
    story_arrived();
    uint8_t fought = step_onto(metatile_at(game.x, game.y));
    if (fought && game.hp) show_map();
    if (!game.hp) defeated();
}

static void walk(void) {
    uint8_t x = game.x + delta_x(game.facing), y = game.y + delta_y(game.facing);
    if (game.facing == DOWN && metatile_at(x, y) == MT_LEDGE && !blocked(x, y + 1)) {
        move(1);
        move(-1);
        arrive();
    } else if (blocked(x, y)) {
        next_frame();
    } else {
        move(0);
        arrive();
    }
}

/* ---- acting ---- */

static void act(void) {
    uint8_t x = game.x + delta_x(game.facing), y = game.y + delta_y(game.facing);
    uint8_t person = person_at(x, y);
    if (person < game.people) {
        const struct person *who = &map->people[person];
        run_script(who->script, person, who->text);
        return;
    }
    const struct note *note = map->notes;
    for (uint8_t i = map->note_count; i; i--, note++) {
        if (note->x == x && note->y == y) {
            run_script(note->script, i, note->text);
            return;
        }
    }
}

/* Of several directions the first in the order Right, Left, Up, Down counts. */
static uint8_t single_direction(void) {
    return game.held & DIRECTIONS & (uint8_t)-(game.held & DIRECTIONS);
}

void world_step(void) {
    next_frame();
    PEOPLE_MOVE();
    uint8_t direction = single_direction();
    if (pressed & START) {
        start_menu();
    } else if (pressed & BUTTON_A) {
        act();
    } else if (direction && direction != game.facing) {
        turn(direction);
    } else if (direction) {
        walk();
    }
}
