#include "creatures.h"

#include "maps.h"
#include "state.h"

const struct creature creatures[CREATURES] = {
    [MOTH] = {"DUSK MOTH", 0, 10, 1, 2, 4, 1},
    [HEDGEPIG] = {"HEDGEPIG", MOSS, 14, 1, 3, 6, 2},
    [CROW] = {"INK CROW", 0, 18, 2, 3, 8, 1},
    [BRAMBLE] = {"BRAMBLE", MOSS, 22, 2, 2, 10, 2},
    [OWL] = {"ASH OWL", EMBER, 26, 2, 4, 11, 2},
    [SPORE] = {"SPORE", MOSS, 24, 3, 2, 11, 2},
    [WISP] = {"PALE WISP", DEW, 24, 2, 5, 12, 2},
    [BAT] = {"LAMP BAT", 0, 28, 3, 3, 13, 2},
    [SPIDER] = {"WICKSPIN", EMBER, 32, 3, 4, 15, 2},
    [CRAB] = {"ROCK CRAB", DEW, 28, 2, 4, 12, 2},
    [HOUND] = {"HOUND", 0, 56, 4, 4, 30, 10},
    [GLOOM] = {"GLOOM", 0, 92, 5, 5, 40, 20},
};

const char duel_ground[] = "aaaaaaaaaa";

const struct haunt haunts[HAUNTS] = {
    {MAP_LOW_ROAD, 40, {MOTH, MOTH, MOTH, HEDGEPIG}, ".\",.\"\"\"\"\"\""},
    {MAP_HIGH_ROAD, 40, {CROW, CROW, BRAMBLE, HEDGEPIG}, ".\",.\"\"\"\"\"\""},
    {MAP_WOOD, 36, {OWL, SPORE, SPORE, WISP}, "PPTP\"\"\"\"\"\""},
    {MAP_CLIFF, 48, {CRAB, CRAB, CROW, OWL}, "HHaH\"\"\"\"\"\""},
    {MAP_TOWER, 28, {BAT, BAT, SPIDER, WISP}, "BQBBKKKKKK"},
    {MAP_STAIR, 28, {SPIDER, SPIDER, BAT, BAT}, "BQBBKKKKKK"},
};
