/* What the intro, the end and the credits show. Scenes are rows of ten metatiles. */
#ifndef PAGES_H
#define PAGES_H

#define INTRO_STAGE \
    "@@@@@@@@@@" \
    "@@@F@@F@@@" \
    "@@@I@@I@@@" \
    "vvvvvvvvvv"
#define INTRO_KEEPER_Y 50

#define END_SCENE "~~~~~~~~~~" "*.*..*.*.*"
#define END_COLUMN 3
#define END_ROW 11
#define END_LINE_1 "THE ROADS SING"
#define END_LINE_2 "AND YOU MAY REST"

#define CREDIT_COLUMN 2
/* A scene of two rows, the work, who did it. */
#define CREDIT_PAGES \
    {"T..*b.P.*T" "PT_TT_PT_T", "ROADS AND RIVERS", "THE LONG WALKERS"}, \
    {"w^^w~~~~^^" "wowD*..wDo", "HOUSES AND BREAD", "CROSSWELL'S OVENS"}, \
    {"RxRRiRRzRR" "BQBKKEKBBB", "DARK PLACES", "A MINER WHO LEFT"},

#endif
