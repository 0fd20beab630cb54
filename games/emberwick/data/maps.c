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

/* ---- loft ---- */

static const char loft[] =
    "||8||8||||"
    "|14p43pp7|"
    "|2ppppppp|"
    "|pp55pp3p|"
    "|pp55ppqp|"
    "|7ppppppp|"
    "|44pp7p6p|"
    "||||||||||";

static const struct warp loft_warps[] = {{7, 6, MAP_HOME, 10, 2, DOWN}};
static const struct note loft_notes[] = {
    {2, 1, SAY, TEXT_LOFT_SHELF},
    {4, 1, SAY, TEXT_LOFT_SHELF},
};

/* ---- home ---- */

static const char home[] =
    "||8||8||8|||"
    "|kk4tttt4t9|"
    "|tttttttttt|"
    "|tt{}qtttt7|"
    "|tt{}tttttt|"
    "|ttttttt55t|"
    "|4tttttt55t|"
    "|7tttttttt4|"
    "||||MM||||||";

static const struct warp home_warps[] = {
    {10, 1, MAP_LOFT, 7, 5, UP},
    {4, 8, MAP_TOWN, 4, 6, DOWN},
    {5, 8, MAP_TOWN, 4, 6, DOWN},
};
static const struct person home_people[] = {{6, 4, SPRITE_MOTHER, AUNT, 0}};
static const struct note home_notes[] = {
    {1, 1, SAY, TEXT_STOVE},
    {2, 1, SAY, TEXT_STOVE},
};

/* ---- Emberwick ---- */

static const char town[] =
    "TTTTTTTTTTTTmgmTTTTTTTTTTT"
    "TTPTTTTPTTTTb_bTTTTPTTTTTT"
    "TT.,.......,._..,..*....TT"
    "TT.^^^^..,..._.....^^^^^TT"
    "TT.woow......_.,...wowowTT"
    "TT.wDww..*..._.....wwDwwTT"
    "TT.._........_......._..TT"
    "TT..__________________..TT"
    "TT.,..b.:::::::::..,...bTT"
    "TT......:::::y:::_________"
    "TT.*..,.:::::::::..*.s.,TT"
    "TT.^^^^..^^^^_..,.~~~~~~TT"
    "TT.wcow..wCow_.*.~~~~~~~TT"
    "TT.woDw..wwDw_...~~~~~~~TT"
    "TT..._....._._..b.~~~~~.TT"
    "TT.,._________..,...~~..TT"
    "TT.......*....,.b......,TT"
    "TTTTPTTTTTTTTTTTPTTTTTTTTT";

static const struct warp town_warps[] = {
    {4, 5, MAP_HOME, 4, 7, UP},
    {21, 5, MAP_KEEPER, 5, 7, UP},
    {5, 13, MAP_REST_A, 4, 6, UP},
    {11, 13, MAP_SHOP_A, 5, 6, UP},
    {25, 9, MAP_LOW_ROAD, 1, 5, RIGHT},
    {13, 0, MAP_HIGH_ROAD, 5, 44, UP},
};
static const struct person town_people[] = {
    {24, 9, SPRITE_GUARD, GUARD, 0},
    {9, 6, SPRITE_GIRL, STROLL, TEXT_TOWN_GIRL},
    {16, 13, SPRITE_ELDER, STROLL, TEXT_TOWN_OLD},
    {16, 5, SPRITE_BAKER, STROLL, TEXT_TOWN_BAKER},
};
static const struct note town_notes[] = {
    {13, 0, NORTH_GATE, 0},
    {13, 9, SAY, TEXT_LAMP_COLD},
    {21, 10, SAY, TEXT_TOWN_SIGN},
};

/* ---- the keeper's house ---- */

static const char keeper[] =
    ">>8>>>>8>>>>"
    ">[[];XXX[[7>"
    ">XXXXXXXXXX>"
    ">XXXXXX000X>"
    ">X55XXXXXXX>"
    ">X55XXXXX{}>"
    ">7XXXXXXXXq>"
    ">XXXXXXXXXX>"
    ">>>>>M>>>>>>";

static const struct warp keeper_warps[] = {{5, 8, MAP_TOWN, 21, 6, DOWN}};
static const struct person keeper_people[] = {{5, 3, SPRITE_KEEPER, KEEPER, 0}};
static const struct note keeper_notes[] = {
    {7, 3, LANTERN_EMBER, TEXT_LANTERN_EMBER},
    {8, 3, LANTERN_DEW, TEXT_LANTERN_DEW},
    {9, 3, LANTERN_MOSS, TEXT_LANTERN_MOSS},
    {1, 1, SAY, TEXT_KEEPERS_BOOKS},
};

/* ---- the rest houses ---- */

static const char rest[] =
    "<<8<<<8<<<"
    "<1`1```?7<"
    "<2`2`````<"
    "<````--``<"
    "<7```````<"
    "<{}q``4``<"
    "<````````<"
    "<<<<M<<<<<";

static const struct warp rest_a_warps[] = {{4, 7, MAP_TOWN, 5, 14, DOWN}};
static const struct warp rest_b_warps[] = {{4, 7, MAP_SALTMERE, 6, 5, DOWN}};
static const struct warp rest_c_warps[] = {{4, 7, MAP_FARHOLM, 5, 6, DOWN}};
static const struct warp rest_d_warps[] = {{4, 7, MAP_CLIFF, 5, 8, DOWN}};
static const struct person rest_people[] = {{5, 2, SPRITE_MOTHER, INNKEEPER, 0}};
static const struct note rest_notes[] = {{7, 1, BOOK, 0}};

/* ---- the shops ---- */

static const char shop[] =
    "<<8<<<<8<<"
    "<44`JJ`44<"
    "<````````<"
    "<---`````<"
    "<````44``<"
    "<J```44`J<"
    "<````````<"
    "<<<<<M<<<<";

static const struct warp shop_a_warps[] = {{5, 7, MAP_TOWN, 11, 14, DOWN}};
static const struct warp shop_b_warps[] = {{5, 7, MAP_SALTMERE, 13, 5, DOWN}};
static const struct warp shop_c_warps[] = {{5, 7, MAP_FARHOLM, 15, 6, DOWN}};
static const struct person shop_people[] = {{2, 2, SPRITE_PAINTER, SHOPKEEPER, 0}};

/* ---- the low road ---- */

static const char low_road[] =
    "PPTPPPPPPPPPPPPTPPPPPTPPTPPTPPPPPTPPPPPPTPPT"
    "PTTPTPPP\"PTPPPP,,P\"PTPT\"~~~~~*PPPPTPPPTT*PPP"
    "PPPPPP\"\"\"PPPPPT..\"\"\"\"\"\"\".*~~~,PPTTPTTPPP.PPP"
    "PP.P,P\"\"\"\"\".,..__\"\"\"\"\"\"\"______\"T\"P\"\"\"\".*____"
    "P...__\"\"\"\"\"_____*\"\"\"\"\"\"\"...*..\"\"\"\"\"\"\"\"___*.P"
    "______\"PP\"\"...*,.\"\"\"\"PPPPPP*PP\"\"\"\"\"\"\"\"...PPP"
    "P.s.T*TTTP\"..,.*P\"P\"PTTPPPTPPPT\"P\"PPPPPTPPTP"
    "PPPPPTPTPTP..P,PTPPPPTPPPPPPPPPPTPPPPPPPPPTT"
    "PPTPPPTPTTPPPPPPTPTPTPPPPPPTPPTTPPTTPPPTPPPP"
    "PPPPPPPPTPPPPPTTPPPPPPPTPPPPPPTPPPPPPTPPPPPP";

static const struct warp low_road_warps[] = {
    {0, 5, MAP_TOWN, 24, 9, LEFT},
    {43, 3, MAP_SALTMERE, 1, 7, RIGHT},
};
static const struct note low_road_notes[] = {{2, 6, SAY, TEXT_TOWN_SIGN}};

/* ---- Saltmere ---- */

static const char saltmere[] =
    "PPPPPPPPTTTTTTTTTTTTTTTT"
    "PPPTPP.,...*....~~~~~~~~"
    "PP..^^^^...^^^^..~~~~~~~"
    "PP..wcow.,.wCow..~~~~~~~"
    "PP..woDw...wwDw...~~~~~~"
    "PT.,.._......_..*.~~~~~~"
    "PP....____________EEE~~~"
    "_______.*...,_....~~~~~~"
    "PPs.,........_...~~~~~~~"
    "PT....^^^^^.._..b~~~~~~~"
    "PP.*..wowow.._...~~~~~~~"
    "PP....wwDww.._..,.~~~~~~"
    "PP,.....______...~~~~~~~"
    "PPP..*....,......~~~~~~~"
    "PPTPPPb...PPTPb~~~~~~~~~"
    "PPPPPPPPPPPPPPP~~~~~~~~~";

static const struct warp saltmere_warps[] = {
    {0, 7, MAP_LOW_ROAD, 42, 3, LEFT},
    {6, 4, MAP_REST_B, 4, 6, UP},
    {13, 4, MAP_SHOP_B, 5, 6, UP},
    {8, 11, MAP_CHANDLER, 5, 6, UP},
};
static const struct person saltmere_people[] = {
    {15, 5, SPRITE_FISHER, STROLL, TEXT_SALT_FISHER},
    {10, 4, SPRITE_GIRL, STROLL, TEXT_SALT_GIRL},
    {5, 13, SPRITE_ELDER, STROLL, TEXT_SALT_OLD},
};
static const struct note saltmere_notes[] = {{2, 8, SAY, TEXT_SALT_SIGN}};

/* ---- the chandler's house ---- */

static const char chandler[] =
    ">>8>>>8>>>"
    ">[44JXJ44>"
    ">XXXXXXXX>"
    ">--X----->"
    ">XXXXXJJX>"
    ">7XXXXJJX>"
    ">XXXXXXXX>"
    ">>>>>M>>>>";

static const struct warp chandler_warps[] = {{5, 7, MAP_SALTMERE, 8, 12, DOWN}};
static const struct person chandler_people[] = {{2, 2, SPRITE_BAKER, CHANDLER, 0}};

/* ---- the high road ---- */

static const char high_road[] =
    "PTPPTPPP_TTPP"
    "TPPPPPP._,TTP"
    "PPTPP..._.PPP"
    "PPTPPP*__.,PP"
    "PPPPP.__.,.PP"
    "PPPP\"\"\"\"\"\"PTP"
    "PPPT\"\"\"\"\"PTPP"
    "TPTT\"\"\"\"\"PPPP"
    "PP\"\"\"\"\"\"\"PPPP"
    "PTP\"\"\"\"\"\"PPPP"
    "PTPT\"\"\"\"\"\"\"PT"
    "PPPPT,__,..PP"
    "TPP~.*_..TTPT"
    "PPP~~._.PTPPT"
    "PTP~~._,.PPTP"
    "PPP\"\"\"\"\"TTTPP"
    "PPP\"\"\"\"\"\"PPPP"
    "TPPP\"\"\"\"\"TPPP"
    "TPPP\"\"\"\"\"PPTT"
    "PPPPPP\"\"\"TTPT"
    "PPPPP\"\"\"PPPPT"
    "PTPPP._..PPTP"
    "PPPTP,_.,,PPP"
    "PTPPP__*..PPP"
    "PPTP\"\"\"\"\"TPTP"
    "TP\"\"\"\"\"\"TPPPP"
    "P\"\"\"\"\"\"PPPPTP"
    "TPP\"\"\"\"\"PPPPP"
    "PP\"\"\"\"TPPPPTP"
    "PPT\"\"\"TPTPPPT"
    "TTP\"\"\"PTPPTTP"
    "PPP__..~~PPPP"
    "P.,_...~~PPTT"
    "P.._..PPTPPPT"
    "P*.__.PPPTPPT"
    "PPT\"\"\"PPPPTPT"
    "PPP\"\"\"PPPTPPT"
    "TTPT\"\"\"PPPPPP"
    "PPPTP\"\"\"PPPPP"
    "PPPP\"\"\"PPPPPP"
    "TPTT\"\"\"\"PPPPT"
    "PP.*__,PPTPTP"
    "PT..__PTPTPPT"
    "PPP.._.PTPTTP"
    "PPPP._.PPPTTT"
    "PPPTT_PPTPTPP";

static const struct warp high_road_warps[] = {
    {5, 45, MAP_TOWN, 13, 1, DOWN},
    {8, 0, MAP_FARHOLM, 11, 14, UP},
};

/* ---- Farholm ---- */

static const char farholm[] =
    "PPPPPPPPPPPPPPPPP_PPPPPP"
    "PPTPPPPTPPPPTPPb._.bPPPP"
    "PP..,.....*......_s..PPP"
    "PP.^^^^......^^^^_.,..PP"
    "PP.wcow..,...wCow_....PP"
    "PP.woDw......wwDw_.*..PP"
    "PP..._........._._....PP"
    "PP..._____________..,.PP"
    "PT.,....OO._...*......PP"
    "PP......OO._....^^^^..PP"
    "PP..*......_.,..woow..PP"
    "PP.....b..._....wdww..PP"
    "PT,........_______,...PP"
    "PP...,....._....*....bPP"
    "PPTPPPPTP.b_b.PPPTPPPPPP"
    "PPPPPPPPPPP_PPPPPPPPPPPP";

static const struct warp farholm_warps[] = {
    {11, 15, MAP_HIGH_ROAD, 8, 1, DOWN},
    {5, 5, MAP_REST_C, 4, 6, UP},
    {15, 5, MAP_SHOP_C, 5, 6, UP},
    {17, 0, MAP_WOOD, 15, 29, UP},
};
static const struct person farholm_people[] = {
    {8, 5, SPRITE_HIKER, STROLL, TEXT_FAR_HIKER},
    {14, 10, SPRITE_MOTHER, STROLL, TEXT_FAR_WOMAN},
    {6, 10, SPRITE_MINER, STROLL, TEXT_FAR_MINER},
};
static const struct note farholm_notes[] = {{18, 2, SAY, TEXT_FAR_SIGN}};

/* ---- the long wood ---- */

static const char wood[] =
    "PTPTPPTPPPPPPPP_PPPPPPPTTPPPPTP"
    "P\"\".\"\"\"\"P\"\"\"\".\"\"\"\"\"\",\"\"\"\"\"\"\"\"\"P"
    "PPTPPPT\"PPTPPPPTTTPPPPT\"TPPPP\"P"
    "P\"\"\",\"P\"P\"\"\"\"\"P\"\"\"\"\"\"\"P\"\"\"P.\"\"P"
    "P\"P\"PPP\"T.PPP\"P\"PPPPP\"P\"P\"TPPTP"
    "P\"P\"\",T\"P\"P\"T\"T\"P\"\"\"\"\"P\"P\"\"\"\"\"P"
    "TPTPT\"P\"P\"P\"P\"P\"PPT\"PPP\"PTPPP\"P"
    "P\"\"\"\"\"P\"\"\"P\"P.P,\"\"P\"\"\"P\"\",P\"\"\"P"
    "P\"PPP\"PPPPP\"P\"PPT\"PTP\"PPPTP\"T\"P"
    "P\"\"\"\"\"\"\"\"\"\"\"P\"\"\"\"\"P\"P\"P\"\"\"\"\"P\"P"
    "P\"PPPTPPPPP\"TPPPPPP\"P\"T\"PTPPT\"P"
    "P\"P\"\"\"\"\"\"\"\"\"P\"\"\"\"\"\"\"P\"\"\"P\"\"\"P\"P"
    "PPP\"PTPTPTT\"P\"PPPPPPPTPPT\"P,T\"P"
    "P\"\"\"P\"\"\"P\"\".\"\"P,\"\"\"\".\"\"\".\"P\"P\"T"
    "P\"TPP\"PPP\"PPPTT\"PTP\"PPPTPPPPP\"P"
    "P\",\"P\"\"\"\"\"T\"\"\"\"\"P\"P\"\"\"\"\"\".T.\"\"T"
    "T\"P\"PPPPPPP\"PPPPP\"PPTPPPP\"P\"PPP"
    "P.P\"P\"\",\"\"T\"T\"T\"\"\"\"\"\"\"P\"P\"T\",\"P"
    "PPP\"P\"PPP\"P\"P\"P\"T\"PPP\"P\"T.PTP\"T"
    "P.,\"P\"P\"\"\"P\"P\"\"\"P\"P\",\"\"\"T\"\"\"P.P"
    "T\"PPP\"P,PTP\"PPPTP\"PPPTPPP\"P\"P\"T"
    "P\"P\"\"\"T,\"\"T\"\"\"\"\"P\"P\"\"\"\"\",\"P\"T\"T"
    "P\"P\"PTTPP\"PTPTP\"P\"T\"PPPPPTP\"P\"P"
    "P\"P\"P.\"\"P\"\"\"\"\"P\"\"\"T\"P\"\"\"\"\".\"P\"P"
    "P\"T\"T\"PTPPTPT\"T,TPP\"P\"TTPTPTT\"P"
    "P\"\"\"T\"\",\"\"\"\"T\"\"\"P,\"\"P\"T\"\"\"\"\"\"\"P"
    "T\"PPT,TPPPP\"PPPTP\"PPP\"P\"PPPTPTP"
    "P\"P\".\"P\"\"\"T.\"\"\"\"P\",\"P,P\",\"P\"\".T"
    "T\"PPPPP\"P\"P\"PPP\"PPT\"TTTPP\"P\"P\"P"
    "P\"\"\"\"\"\"\"P\"\".P\"\"\"\"\"P\"\"\"\"\"\"\"\",T\"P"
    "TTTTPPPPTPPTPPP_TPPPPPTPPPPPPPP";

static const struct warp wood_warps[] = {
    {15, 30, MAP_FARHOLM, 17, 1, DOWN},
    {15, 0, MAP_CLIFF, 6, 13, UP},
};

/* ---- the cliff ---- */

static const char cliff[] =
    "HHHHHHHHHHHHHmDmHHHH"
    "HHHHHHHHHHHHaaaaaHHH"
    "HHHHHHHHHHHHSaaaSHHH"
    "HHHHHHHHHHHHHHaHHHHH"
    "HH.....,..saaaaaa.HH"
    "HH.^^^^...a....*..HH"
    "HH.wcow..aa.\"\"\"\"\".HH"
    "HH.woDw..a..\"\"\"\"\".HH"
    "HH...aaaaa..\"\"\"\"\"\"HH"
    "HHH...aa..,..\"\"\"\".HH"
    "~HHb..aa.......,..HH"
    "~~HH..aaHHHHHHHHHHHH"
    "~~~HH.aa.HHHHHHHHHHH"
    "~~~~PPaaPPPPPPPPPPPP"
    "~~~~PPaPPPPPPPPPPPPP";

static const struct warp cliff_warps[] = {
    {6, 14, MAP_WOOD, 15, 1, DOWN},
    {5, 7, MAP_REST_D, 4, 6, UP},
    {14, 0, MAP_TOWER, 7, 12, UP},
};
static const struct person cliff_people[] = {{14, 3, SPRITE_GUARD, WARDEN, 0}};
static const struct note cliff_notes[] = {{10, 4, SAY, TEXT_TOWER_SIGN}};

/* ---- the tower, ground floor ---- */

static const char tower[] =
    "BBBBBBBBBBBBBBBB"
    "BKKKKBBKKKKKKNBB"
    "BKBBKKKKBBBBKBBB"
    "BKBBBBBBKKKBKKKB"
    "BKKKKBBBKBKKKBKB"
    "BBBBKBBBKBBBBBKB"
    "BKKKKKKKKBKKKKKB"
    "BKBBBBBBBBKBBBBB"
    "BKKKKKQBKKKKKKKB"
    "BBBBBKBBKBBBBBKB"
    "BKKKKKKKKKKQBKKB"
    "BKBBBBKBBBKKKKBB"
    "BKKKQBKKKBBBBBBB"
    "BBBBBBBMBBBBBBBB";

static const struct warp tower_warps[] = {
    {7, 13, MAP_CLIFF, 14, 1, DOWN},
    {13, 1, MAP_STAIR, 12, 12, LEFT},
};

/* ---- the tower, upper floor ---- */

static const char stair[] =
    "BBBBBBBBBBBBBBBB"
    "BNKKKKKBKKKKKKBB"
    "BBBBBBKBKBBBBKBB"
    "BKKKKBKKKBKKKKKB"
    "BKBBKBBBBBKBBBKB"
    "BKBKKKKKKBKBQBKB"
    "BKBKBBBBKBKKKBKB"
    "BKKKBKKKKBBBKBKB"
    "BBBBBKBBBBKKKBKB"
    "BKKKKKBKKKKBBBKB"
    "BKBBBBBKBBKBKKKB"
    "BKKKKKKKQBKKKBBB"
    "BBBQBBBBBBBBKVBB"
    "BBBBBBBBBBBBBBBB";

static const struct warp stair_warps[] = {
    {13, 12, MAP_TOWER, 12, 1, LEFT},
    {1, 1, MAP_LAMP, 5, 7, UP},
};

/* ---- the lamp room ---- */

static const char lamp[] =
    "IIIIIIIIIII"
    "IFlIIIIIlFI"
    "IlllSzSlllI"
    "IllllvllllI"
    "IllIlvlIllI"
    "IllllvllllI"
    "IllIlvlIllI"
    "IllllvllllI"
    "IIIIIVIIIII";

static const struct warp lamp_warps[] = {{5, 8, MAP_STAIR, 2, 1, RIGHT}};
static const struct person lamp_people[] = {{5, 3, SPRITE_GLOOM, GLOOM_ITSELF, 0}};
static const struct note lamp_notes[] = {{5, 2, GREAT_LAMP, 0}};

/* ---- all ---- */

#define PLACE(cells, place, width, height, border_1, border_2, extra_1, extra_2)        \
    cells, width, height, {MT_##border_1, MT_##border_2}, {MT_##extra_1, MT_##extra_2}, \
    place##_warps, COUNT(place##_warps)
#define PEOPLE(place) place##_people, COUNT(place##_people)
#define NOTES(place) place##_notes, COUNT(place##_notes)
#define NONE 0, 0
/* One interior each, in whatever town. */
#define REST_HOUSE(place) \
    {PLACE(rest, place, 10, 8, NIGHT, NIGHT, NIGHT, NIGHT), PEOPLE(rest), NOTES(rest)}
#define SHOP(place) {PLACE(shop, place, 10, 8, NIGHT, NIGHT, NIGHT, NIGHT), PEOPLE(shop), NONE}

const struct map maps[MAP_COUNT] = {
    {PLACE(loft, loft, 10, 8, NIGHT, MOON, NIGHT, NIGHT), NONE, NOTES(loft)},
    {PLACE(home, home, 12, 9, EARTH, NIGHT, EARTH, EARTH), PEOPLE(home), NOTES(home)},
    {PLACE(town, town, 26, 18, TREE, BUSH, LAMP_LIT, GATE_OPEN), PEOPLE(town), NOTES(town)},
    {PLACE(keeper, keeper, 12, 9, EARTH, EARTH, EARTH, EARTH), PEOPLE(keeper), NOTES(keeper)},
    REST_HOUSE(rest_a),
    SHOP(shop_a),
    {PLACE(low_road, low_road, 44, 10, PINE, TREE, PINE, PINE), NONE, NOTES(low_road)},
    {PLACE(saltmere, saltmere, 24, 16, PINE, PINE, PINE, PINE), PEOPLE(saltmere), NOTES(saltmere)},
    REST_HOUSE(rest_b),
    SHOP(shop_b),
    {PLACE(chandler, chandler, 10, 8, EARTH, EARTH, EARTH, EARTH), PEOPLE(chandler), NONE},
    {PLACE(high_road, high_road, 13, 46, PINE, TREE, PINE, PINE), NONE, NONE},
    {PLACE(farholm, farholm, 24, 16, PINE, TREE, PINE, PINE), PEOPLE(farholm), NOTES(farholm)},
    REST_HOUSE(rest_c),
    SHOP(shop_c),
    {PLACE(wood, wood, 31, 31, PINE, TREE, PINE, PINE), NONE, NONE},
    {PLACE(cliff, cliff, 20, 15, CLIFF, CLIFF, CLIFF, CLIFF), PEOPLE(cliff), NOTES(cliff)},
    REST_HOUSE(rest_d),
    {PLACE(tower, tower, 16, 14, DEEP_ROCK, DEEP_ROCK, DEEP_ROCK, DEEP_ROCK), NONE, NONE},
    {PLACE(stair, stair, 16, 14, DEEP_ROCK, DEEP_ROCK, DEEP_ROCK, DEEP_ROCK), NONE, NONE},
    {PLACE(lamp, lamp, 11, 9, NIGHT, NIGHT, GREAT_LIT, GREAT_LIT), PEOPLE(lamp), NOTES(lamp)},
};
