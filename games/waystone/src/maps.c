#include "maps.h"

#include "art.h"
#include "hardware.h"
#include "script.h"
#include "state.h"

const uint8_t glyph_cells[96] = {
#define X(name, glyph, solid) [(glyph) - ' '] = MT_##name | ((solid) ? SOLID : 0),
    METATILES(X)
#undef X
};

#define COUNT(array) (sizeof array / sizeof array[0])

/* ---- bedroom ---- */

static const char bedroom[] =
    "WW8WWWW8WW"
    "W4431pp37W"
    "Wpp32ppppW"
    "Wpppp55ppW"
    "W7pqp55p4W"
    "W4444ppp4W"
    "W476pppppW"
    "WWWWWWWWWW";

static const struct warp bedroom_warps[] = {{3, 6, MAP_HOUSE, 10, 2, DOWN}};
static const struct note bedroom_notes[] = {
    {1, 1, SAY, "OLD MAPS OF OLD\nROADS."},
    {2, 1, SAY, "OLD MAPS OF OLD\nROADS."},
    {7, 1, SAY, "A LETTER: COME AND\nSEE THE WAYSTONE."},
};

/* ---- house ---- */

static const char house[] =
    "WW8WWWW8WWWW"
    "Wkkk3tt44t9W"
    "WttttttttttW"
    "Wttttttt44tW"
    "W7t{}qtttt7W"
    "Wtt{}ttttttW"
    "W44ttt55tt3W"
    "Wttttt55tttW"
    "W7tttttttt4W"
    "WWWWWMWWWWWW";

static const struct warp house_warps[] = {
    {10, 1, MAP_BEDROOM, 4, 6, RIGHT},
    {5, 9, MAP_TOWN, 4, 14, DOWN},
};
static const struct person house_people[] = {
    {5, 5, SPRITE_MOTHER, SAY,
     "GOOD MORNING, @!\nBREAD IS PACKED.\fTHE DOOR IS ACROSS\nTHE ROOM."},
};
static const struct note house_notes[] = {{2, 1, SAY, "SOUP. IT SMELLS OF\nTHYME."}};

/* ---- town ---- */

static const char town[] =
    "TTTTTTTTTTTTTTTTT_TTTT"
    "TTTPTTTTTTPTTTb.._.*TT"
    "TT.,.TPT..*.Pb..._..rT"
    "T*^^^^.*T.=======_===="
    "T.woww.._..,._..s_,..T"
    "T.wwdw..:..*._.._..~~T"
    "T,.._...:..__.__..~~~T"
    "T...____:____OO_..~~~T"
    "TbP.*..._..__OO__..~*T"
    "T..,,..._.*.____._.b.T"
    "T==.==T._.,....._..,.T"
    "T.....P._.^^^^.*___..T"
    "T*^^^^.._.wodw.,.._b.T"
    "T.woDw..___._.__.._..T"
    "T,.._.._.,...__.s...*T"
    "T...____...r.....,P..T"
    "TTbTTTTTPTTTTTbTTTPTTT";

static const struct warp town_warps[] = {
    {4, 13, MAP_HOUSE, 5, 8, UP},
    {17, 0, MAP_ROUTE, 8, 35, UP},
};
static const struct person town_people[] = {
    {17, 3, SPRITE_GUARD, GUARD, 0},
    {12, 9, SPRITE_GIRL, SAY, "THE WATER TASTES\nOF STARS TODAY."},
    {6, 10, SPRITE_HIKER, SAY, "ASK THE GUARD IF\nYOU MUST GO NORTH."},
};
static const struct note town_notes[] = {
    {16, 4, SAY, "NORTH: THE ROUTE.\nASK THE GUARD."},
    {16, 14, SAY, "CROSSWELL, A TOWN\nWITH ONE ROAD."},
    {4, 5, SAY, "NOBODY IS AT HOME."},
    {12, 12, SAY, "LOCKED. IT SMELLS\nOF BREAD."},
};

/* ---- route ---- */

static const char route[] =
    "PPPPmmmmgmmmmPPP"
    "PPTPm..___..smPP"
    "PTPPmS.___.S.mPP"
    "PPbPmm.___.mmmPP"
    "PTPb,..\"_\"..rPPP"
    "Pb.*...__..,,bPP"
    "PP,.___..\"\"\".TPP"
    "PT.__.\"\"\"\"\".PPPP"
    "PP._.r\"\"\"\"rTTTPP"
    "PT.__cPTTTPPPTTP"
    "PP..__.,...*.TPP"
    "PT,.*.____\"\".,PP"
    "PPb..r...____.PP"
    "PTPPTTPTTPTb__PP"
    "PP\"\"\"\"..,..b._PP"
    "PT\"\"\"\"\"._____.TP"
    "PP.\"\"\".__~~~..PP"
    "PTb.___.~~~~~rPP"
    "PP.__.~~~~~~~~TP"
    "PT._*.~~~bT~~PPP"
    "PP.__..,PTPTTTPP"
    "PPr.____..*..,PP"
    "PT..,...____..TP"
    "PPTPTTPTbP._.,PP"
    "PT.*.,\"\"\"\"._..PP"
    "PP..\"\"\"\"\"\"._*.TP"
    "PPr.\"\"\"\".__..bPP"
    "PT..,.___...PTPP"
    "PP.__.....*TPPTP"
    "PT._bPTTPTTPTPPP"
    "PP.__..*.,..rTPP"
    "PPb.___.\"\"\".,PPP"
    "PT..*.__\"\"\"\".TPP"
    "PP,..b.___.\".PPP"
    "PTTPTb.._.bTTPTP"
    "PPPTPPP._sPPTPPP"
    "PPTPPPPP_PPPPTPP";

static const struct warp route_warps[] = {
    {8, 36, MAP_TOWN, 17, 1, DOWN},
    {8, 0, MAP_CAVE, 3, 14, UP},
};
static const struct person route_people[] = {
    {9, 27, SPRITE_HIKER, SAY,
     "THE GATE IS SHUT.\nI LEFT ITS KEY\fIN A CHEST BY THE\nROAD, FAR UP."},
};
static const struct note route_notes[] = {
    {9, 35, SAY, "THE ROUTE. KEEP TO\nTHE TRODDEN PATH."},
    {5, 9, CHEST, 0},
    {8, 0, GATE, 0},
    {12, 1, SAY, "THE IRON GATE.\nCAVE BEHIND IT."},
};

/* ---- cave ---- */

static const char cave[] =
    "RRRRRRRRRRRRRnRR"
    "RxfffRRjffRRRfRR"
    "RfizffffffiRffRR"
    "RffzzfRRRfffffjR"
    "RRffffRxRRRRRRRR"
    "RxRfffjRzzxRRRRR"
    "RRffifffzzzfffRR"
    "RfjffRffffffjfxR"
    "RRRRRRRRxRRfffRR"
    "RxRRffffRRRfifRR"
    "RffffjfffffffzRR"
    "RfRRxRRRifffzzRR"
    "RfffRRRRRRRRRxRR"
    "RiffffxRRRjRRRRR"
    "RRfffRRRRRRRRRRR"
    "RRRnRRRRRRRRRRRR";

static const struct warp cave_warps[] = {
    {3, 15, MAP_ROUTE, 8, 1, DOWN},
    {13, 0, MAP_SHRINE, 4, 12, UP},
};
static const struct note cave_notes[] = {{8, 8, SAY, "THE CRYSTAL IS\nWARM."}};

/* ---- shrine ---- */

static const char shrine[] =
    "hIIIIIIIIIIh"
    "hIFlllYlllFI"
    "hIllSlylSllI"
    "hIlllvvvlllI"
    "hFllIvvvIllF"
    "hIIIIeeeIIIh"
    "h*..~_:_~..h"
    "h.~~~:_:~~bh"
    "h.~*.._...*h"
    "hb..hS:Sh..h"
    "h,*.hh_hh.,h"
    "h..*._:_..bh"
    "hb.._..*.,.h"
    "hhhhnhhhhhhh";

static const struct warp shrine_warps[] = {{4, 13, MAP_CAVE, 13, 1, DOWN}};
static const struct person shrine_people[] = {
    {8, 8, SPRITE_KEEPER, SAY, "YOU CAME, @.\nGO ON. TOUCH IT."},
};
static const struct note shrine_notes[] = {{6, 2, WAYSTONE, 0}};

#define MAP(place, width, height, border_1, border_2, extra_1, extra_2)                         \
    {place, width, height, {border_1, border_2}, {extra_1, extra_2},                            \
     place##_warps, COUNT(place##_warps), place##_people, COUNT(place##_people),                \
     place##_notes, COUNT(place##_notes)}
#define EMPTY_MAP(place, width, height, border_1, border_2)                                     \
    {place, width, height, {border_1, border_2}, {border_1, border_1},                          \
     place##_warps, COUNT(place##_warps), 0, 0, place##_notes, COUNT(place##_notes)}

const struct map maps[MAP_COUNT] = {
    EMPTY_MAP(bedroom, 10, 8, MT_NIGHT, MT_MOON),
    MAP(house, 12, 10, MT_EARTH, MT_NIGHT, MT_EARTH, MT_EARTH),
    MAP(town, 22, 17, MT_TREE, MT_BUSH, MT_TREE, MT_TREE),
    MAP(route, 16, 37, MT_PINE, MT_TREE, MT_CHEST_OPEN, MT_GATE_OPEN),
    EMPTY_MAP(cave, 16, 16, MT_CAVE_ROCK, MT_CAVE_VEIN),
    MAP(shrine, 12, 14, MT_HEDGE, MT_BUSH, MT_HEDGE, MT_HEDGE),
};
