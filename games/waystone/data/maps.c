#include "maps.h"

#include "hardware.h"
#include "sprites.h"
#include "state.h"
#include "story.h"
#include "texts.h"
#include "tiles.h"

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
    {1, 1, SAY, TEXT_SHELF},
    {2, 1, SAY, TEXT_SHELF},
    {7, 1, SAY, TEXT_LETTER},
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
static const struct person house_people[] = {{5, 5, SPRITE_MOTHER, MOTHER, TEXT_MOTHER}};
static const struct note house_notes[] = {{2, 1, SAY, TEXT_SOUP}};

/* ---- town ---- */

static const char town[] =
    "TTTTTTTTTTTTTTTTT_TTTTTTTTT"
    "TTTPTTTTTTPTTTb.._.*TTTPTTT"
    "TT.,.TPT..*.Pb..._..rTTTTPT"
    "T*^^^^.*T.=======_====TPTTT"
    "T.woww.._..,._..s_,..TTTTPT"
    "T.wwDw..:..*._.._..~~~~~~TT"
    "T,.._...:..__.__..~~~~~~~~T"
    "T...____:____OO_..~~~~~~~~T"
    "TbP.*..._..__OO__..~*~~~~TT"
    "T..,,..._.*.____._.b..~~*TT"
    "T==.==T._.,....._..,....,bT"
    "T.....P._.^^^^.*___..^^^^.T"
    "T*^^^^.._.woDw.,.._b.wDow.T"
    "T.woDw..___._.__..____*_*.T"
    "T,.._.._.,...__.s...*.,..PT"
    "T...____...r.....,P....b..T"
    "TTbTTTTTPTTTTTbTTTPTTTTPTTT";

static const struct warp town_warps[] = {
    {4, 13, MAP_HOUSE, 5, 8, UP},
    {4, 5, MAP_ELDER, 4, 6, UP},
    {12, 12, MAP_BAKER, 6, 6, UP},
    {22, 12, MAP_PAINTER, 5, 6, UP},
    {17, 0, MAP_ROUTE, 8, 35, UP},
};
static const struct person town_people[] = {
    {17, 3, SPRITE_GUARD, GUARD, 0},
    {12, 9, SPRITE_GIRL, SAY, TEXT_GIRL},
    {6, 10, SPRITE_HIKER, SAY, TEXT_TOWN_HIKER},
};
static const struct note town_notes[] = {
    {16, 4, SAY, TEXT_TOWN_NORTH},
    {16, 14, SAY, TEXT_TOWN_SIGN},
};

/* ---- the elder's house ---- */

static const char elder[] =
    ">>8>>>>>8>"
    ">[[];[[XX>"
    ">XXXXXXXX>"
    ">X55XXXX[>"
    ">X55XX{}[>"
    ">7XXXXXXq>"
    ">XXXXXXXX>"
    ">>>>M>>>>>";

static const struct warp elder_warps[] = {{4, 7, MAP_TOWN, 4, 6, DOWN}};
static const struct person elder_people[] = {{5, 3, SPRITE_ELDER, ELDER, 0}};
static const struct note elder_notes[] = {
    {2, 1, SAY, TEXT_ELDER_SHELF},
    {4, 1, SAY, TEXT_CLOCK},
};

/* ---- the baker's house ---- */

static const char baker[] =
    "<<8<<<<8<<"
    "<((`++`+J<"
    "<````````<"
    "<----````<"
    "<```-``JJ<"
    "<+``-```J<"
    "<+``````7<"
    "<<<<<<M<<<";

static const struct warp baker_warps[] = {{6, 7, MAP_TOWN, 12, 13, DOWN}};
static const struct person baker_people[] = {{3, 1, SPRITE_BAKER, SAY, TEXT_BAKER}};
static const struct note baker_notes[] = {{2, 1, SAY, TEXT_OVEN}};

/* ---- the painter's house ---- */

static const char painter[] =
    "|8||0|;||8|"
    "|)#######)|"
    "|#########|"
    "|)##55####|"
    "|###55###)|"
    "|7########|"
    "|7#######J|"
    "|||||M|||||";

static const struct warp painter_warps[] = {{5, 7, MAP_TOWN, 22, 13, DOWN}};
static const struct person painter_people[] = {{7, 2, SPRITE_PAINTER, SAY, TEXT_PAINTER}};
static const struct note painter_notes[] = {
    {4, 0, PAINTING, 0},
    {1, 3, SAY, TEXT_TURNIP},
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
    "PTPPTTPTTPTb\"\"PP"
    "PP\"\"\"\"..,..b\"\"PP"
    "PT\"\"\"\"._____.TPP"
    "PP.\"\"\".__~~~..PP"
    "PTb.___.~~~~~rPP"
    "PP.__.~~~~~~~~TP"
    "PT._*.~~~bT~~PPP"
    "PP.__..,PTPTTsPP"
    "PPr.____..*..___"
    "PT..,...____..TP"
    "PPTLLLPTbP\"\"\"\"PP"
    "PT.*.,\"\"\"\"\"\".TPP"
    "PP..\"\"\"\"\"\"._*TPP"
    "PPr.\"\"\"\".__..bPP"
    "PT..,.___...PTPP"
    "PP\"\"\".....*TPPTP"
    "PT\"\"bPTTPTTPTPPP"
    "PP\"\"\"..*.,..rTPP"
    "PPb.___.\"\"\".,PPP"
    "PT..*.__\"\"\"\".TPP"
    "PP,..b.___.\".PPP"
    "PTTPTb.._.bTTPTP"
    "PPPTPPP._sPPTPPP"
    "PPTPPPPP_PPPPTPP";

static const struct warp route_warps[] = {
    {8, 36, MAP_TOWN, 17, 1, DOWN},
    {15, 21, MAP_VALLEY, 1, 3, RIGHT},
    {8, 0, MAP_CAVE, 3, 14, UP},
};
static const struct person route_people[] = {
    {9, 27, SPRITE_HIKER, SAY, TEXT_HIKER},
    {7, 17, SPRITE_FISHER, SAY, TEXT_FISHER},
};
static const struct note route_notes[] = {
    {9, 35, SAY, TEXT_ROUTE_SIGN},
    {13, 20, SAY, TEXT_VALLEY_SIGN},
    {5, 9, CHEST, 0},
    {8, 0, GATE, 0},
    {12, 1, SAY, TEXT_GATE_SIGN},
};

/* ---- long valley ---- */

static const char valley[] =
    "HHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHH"
    "HHHHUHHHHHHHHHHHUHHHHHHHHHUHHHHHHHHHUHHH"
    "HaaaaarHaaaaaaaaaHHaaaUaaaaaaHaaaaaaaaaH"
    "aaaaaaaaaaaHHaaaaaaaaaaaHaaaaaaaaUaaaasH"
    "HaarHaaaaaaaaaaUaaaaHHaaaaaaaaaHHaaaaauH"
    "HHHHHHUHHHHHHHHHHHHHHHHUHHHHHHHHHHHHUHHH"
    "HHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHH";

static const struct warp valley_warps[] = {{0, 3, MAP_ROUTE, 14, 21, LEFT}};
static const struct note valley_notes[] = {{38, 3, SAY, TEXT_DEAD_END}};

/* ---- cave ---- */

static const char cave[] =
    "RRRRRRRRRRRRRRRR"
    "RxfffRRjffRRRVRR"
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
    {13, 1, MAP_DEPTHS, 10, 13, UP},
};
static const struct person cave_people[] = {{5, 13, SPRITE_MINER, SAY, TEXT_MINER}};
static const struct note cave_notes[] = {{8, 8, SAY, TEXT_CRYSTAL}};

/* ---- depths ---- */

static const char depths[] =
    "BBBBBBBBBBBBBBnBBB"
    "BKKKKBBBQKKKBBKBBB"
    "BKQKKKKKKKQKKKKKBB"
    "BKKBBBKKBBBKKKQKKB"
    "BKKBBBKKBBBBKKKKKB"
    "BBBQBBKKKBBBBBQBBB"
    "B~~~~~EEE~~~~~~~~B"
    "B~~~~~EEE~~~~~~~~B"
    "BBKKKKKKKKQBBKKKBB"
    "BKKQKBBKKKKKKKKKKB"
    "BKKKKBBBKKBBBBQKKB"
    "BQKKBBBBBBBBBBBKKB"
    "BBKKKBBBQKKKBBKKKB"
    "BBBKKKKKKKKKKKKKBB"
    "BBBBKKQBBKNKBBKKBB"
    "BBBBBBBBBBBBBBBBBB";

static const struct warp depths_warps[] = {
    {10, 14, MAP_CAVE, 13, 2, DOWN},
    {14, 0, MAP_SHRINE, 4, 12, UP},
};

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

static const struct warp shrine_warps[] = {{4, 13, MAP_DEPTHS, 14, 1, DOWN}};
static const struct person shrine_people[] = {{8, 8, SPRITE_KEEPER, SAY, TEXT_KEEPER}};
static const struct note shrine_notes[] = {{6, 2, WAYSTONE, 0}};

/* ---- all ---- */

#define PLACE(place, width, height, border_1, border_2, extra_1, extra_2)  \
    place, width, height, {border_1, border_2}, {extra_1, extra_2},        \
    place##_warps, COUNT(place##_warps)
#define PEOPLE(place) place##_people, COUNT(place##_people)
#define NOTES(place) place##_notes, COUNT(place##_notes)
#define NONE 0, 0

const struct map maps[MAP_COUNT] = {
    {PLACE(bedroom, 10, 8, MT_NIGHT, MT_MOON, MT_NIGHT, MT_NIGHT), NONE, NOTES(bedroom)},
    {PLACE(house, 12, 10, MT_EARTH, MT_NIGHT, MT_EARTH, MT_EARTH), PEOPLE(house), NOTES(house)},
    {PLACE(town, 27, 17, MT_TREE, MT_BUSH, MT_TREE, MT_TREE), PEOPLE(town), NOTES(town)},
    {PLACE(elder, 10, 8, MT_EARTH, MT_EARTH, MT_EARTH, MT_EARTH), PEOPLE(elder), NOTES(elder)},
    {PLACE(baker, 10, 8, MT_BRICKS, MT_BRICKS, MT_BRICKS, MT_BRICKS), PEOPLE(baker), NOTES(baker)},
    {PLACE(painter, 11, 8, MT_NIGHT, MT_EARTH, MT_NIGHT, MT_NIGHT), PEOPLE(painter),
     NOTES(painter)},
    {PLACE(route, 16, 37, MT_PINE, MT_TREE, MT_CHEST_OPEN, MT_GATE_OPEN), PEOPLE(route),
     NOTES(route)},
    {PLACE(valley, 40, 7, MT_CLIFF, MT_CLIFF, MT_CLIFF, MT_CLIFF), NONE, NOTES(valley)},
    {PLACE(cave, 16, 16, MT_CAVE_ROCK, MT_CAVE_VEIN, MT_CAVE_ROCK, MT_CAVE_ROCK), PEOPLE(cave),
     NOTES(cave)},
    {PLACE(depths, 18, 16, MT_DEEP_ROCK, MT_DEEP_ROCK, MT_DEEP_ROCK, MT_DEEP_ROCK), NONE, NONE},
    {PLACE(shrine, 12, 14, MT_HEDGE, MT_BUSH, MT_HEDGE, MT_HEDGE), PEOPLE(shrine),
     NOTES(shrine)},
};
