#include "creatures.h"

#include "maps.h"
#include "state.h"

const struct creature creatures[CREATURES] = {
    [MOTH] = {"DUSK MOTH", 0, 9, 1, 2, 5, 1},
    [HEDGEPIG] = {"HEDGEPIG", MOSS, 12, 1, 3, 7, 2},
    [CROW] = {"INK CROW", 0, 16, 2, 3, 9, 2},
    [BRAMBLE] = {"BRAMBLE", MOSS, 20, 2, 2, 11, 3},
    [OWL] = {"ASH OWL", EMBER, 24, 2, 4, 13, 3},
    [SPORE] = {"SPORE", MOSS, 22, 3, 2, 13, 3},
    [WISP] = {"PALE WISP", DEW, 22, 2, 5, 14, 4},
    [BAT] = {"LAMP BAT", 0, 26, 3, 3, 15, 3},
    [SPIDER] = {"WICKSPIN", EMBER, 30, 3, 4, 17, 4},
    [CRAB] = {"ROCK CRAB", DEW, 26, 2, 4, 14, 4},
    [HOUND] = {"HOUND", 0, 46, 4, 4, 30, 15},
    [GLOOM] = {"GLOOM", 0, 78, 5, 5, 40, 30},
};

const char duel_ground[] = "aaaaaaaaaa";

const struct haunt haunts[HAUNTS] = {
    {MAP_LOW_ROAD, 34, {MOTH, MOTH, MOTH, HEDGEPIG}, ".\",.\"\"\"\"\"\""},
    {MAP_HIGH_ROAD, 34, {CROW, CROW, BRAMBLE, HEDGEPIG}, ".\",.\"\"\"\"\"\""},
    {MAP_WOOD, 34, {OWL, SPORE, SPORE, WISP}, "PPTP\"\"\"\"\"\""},
    {MAP_CLIFF, 34, {CRAB, CRAB, CROW, OWL}, "HHaH\"\"\"\"\"\""},
    {MAP_TOWER, 20, {BAT, BAT, SPIDER, WISP}, "BQBBKKKKKK"},
    {MAP_STAIR, 20, {SPIDER, SPIDER, BAT, BAT}, "BQBBKKKKKK"},
};
