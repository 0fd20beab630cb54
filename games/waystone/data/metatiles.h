/* The metatiles that maps are made of. */
#ifndef METATILES_H
#define METATILES_H

/* X(name, glyph in maps.c, solid), in the order of metatile_art. A name that ends in _2 is the
   second picture of the animated metatile before it. The pictures are those of tile_art.h. */
#define METATILES(X)                \
    X(GRASS, '.', 0)                \
    X(TUFTS, ',', 0)                \
    X(PATH, '_', 0)                 \
    X(PAVE, ':', 0)                 \
    X(FLOWER, '*', 0)               \
    X(FLOWER_2, '!', 0)             \
    X(TREE, 'T', 1)                 \
    X(PINE, 'P', 1)                 \
    X(TALL_GRASS, '"', 0)           \
    X(WATER, '~', 1)                \
    X(WATER_2, '$', 1)              \
    X(FENCE, '=', 1)                \
    X(SIGN, 's', 1)                 \
    X(ROOF, '^', 1)                 \
    X(BRICKS, 'w', 1)               \
    X(HOUSE_WINDOW, 'o', 1)         \
    X(DOOR, 'd', 1)                 \
    X(OPEN_DOOR, 'D', 0)            \
    X(FOUNTAIN, 'O', 1)             \
    X(BUSH, 'b', 1)                 \
    X(ROCK, 'r', 1)                 \
    X(STATUE, 'S', 1)               \
    X(MASONRY, 'm', 1)              \
    X(GATE, 'g', 1)                 \
    X(GATE_OPEN, 'G', 0)            \
    X(CHEST, 'c', 1)                \
    X(CHEST_OPEN, 'C', 1)           \
    X(PLANKS, 'p', 0)               \
    X(WALLPAPER, 'W', 1)            \
    X(BED_HEAD, '1', 1)             \
    X(BED_FOOT, '2', 1)             \
    X(DESK, '3', 1)                 \
    X(SHELF, '4', 1)                \
    X(RUG, '5', 0)                  \
    X(STAIRS_DOWN, '6', 0)          \
    X(STAIRS_UP, '9', 0)            \
    X(PLANT, '7', 1)                \
    X(WINDOW, '8', 1)               \
    X(TILES, 't', 0)                \
    X(TABLE_LEFT, '{', 1)           \
    X(TABLE_RIGHT, '}', 1)          \
    X(STOOL, 'q', 1)                \
    X(STOVE, 'k', 1)                \
    X(MAT, 'M', 0)                  \
    X(NIGHT, ' ', 1)                \
    X(MOON, '&', 1)                 \
    X(EARTH, '/', 1)                \
    X(CAVE_ROCK, 'R', 1)            \
    X(CAVE_VEIN, '?', 1)            \
    X(CAVE_FLOOR, 'f', 0)           \
    X(STALAGMITE, 'i', 1)           \
    X(CRYSTAL, 'x', 1)              \
    X(CAVE_MOUTH, 'n', 0)           \
    X(CAVE_POOL, 'z', 1)            \
    X(RUBBLE, 'j', 0)               \
    X(MARBLE, 'l', 0)               \
    X(PILLAR, 'I', 1)               \
    X(TORCH, 'F', 1)                \
    X(TORCH_2, '%', 1)              \
    X(STONE_TOP, 'Y', 1)            \
    X(STONE_BASE, 'y', 1)           \
    X(CARPET, 'v', 0)               \
    X(STEPS, 'e', 0)                \
    X(HEDGE, 'h', 1)                \
    X(SKY, '@', 1)                  \
    X(MOUNTAIN, 'A', 1)             \
    X(LEDGE, 'L', 1)                \
    X(CLIFF, 'H', 1)                \
    X(GRAVEL, 'a', 0)               \
    X(STUMP, 'U', 1)                \
    X(DEEP_ROCK, 'B', 1)            \
    X(DEEP_FLOOR, 'K', 0)           \
    X(BRIDGE, 'E', 0)               \
    X(LADDER_DOWN, 'V', 0)          \
    X(LADDER_UP, 'N', 0)            \
    X(MUSHROOM, 'Q', 1)             \
    X(PLASTER, '|', 1)              \
    X(PAINTING, '0', 1)             \
    X(SPLASHES, '#', 0)             \
    X(EASEL, ')', 1)                \
    X(TILED_WALL, '<', 1)           \
    X(BOARDS, '`', 0)               \
    X(OVEN, '(', 1)                 \
    X(BREAD_SHELF, '+', 1)          \
    X(COUNTER, '-', 1)              \
    X(BARREL, 'J', 1)               \
    X(PANELS, '>', 1)               \
    X(PARQUET, 'X', 0)              \
    X(BOOKCASE, '[', 1)             \
    X(FIREPLACE, ']', 1)            \
    X(CLOCK, ';', 1)                \
    X(SKULL, 'u', 1)

#endif
